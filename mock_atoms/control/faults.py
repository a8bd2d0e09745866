"""Fault rules."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mock_atoms.control.endpoints import Endpoint, EndpointGroup, RequestBody
from mock_atoms.control.errors import RequestError
from mock_atoms.control.long_work import long_json
from mock_atoms.control.models import ActiveFaultRule, Empty, FaultRule, FaultRuleBody, FaultRuleList
from mock_atoms.control.parsing import read_json_body
from mock_atoms.core.addresses import CONTROL_PREFIX
from mock_atoms.core.forwarding import public_prefix
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.faults.rule_index import ActiveRule
from mock_atoms.faults.rule_path import check_rule_path
from mock_atoms.faults.rules import Rule
from mock_atoms.mock import MockAtoms

FAULTS_PATH = f"{CONTROL_PREFIX}/faults"
_NO_RULE = {404: "no rule has this id"}


class FaultEndpoints:
    """Endpoints about fault rules."""

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock

    def group(self) -> EndpointGroup:
        """Return the endpoints."""
        body = RequestBody(FaultRuleBody, {"fault": "500x2", "match": {"token": "sk_acme"}})
        full = {409: "there are too many rules"}
        from_start = {409: "the rule comes from the server's settings"}
        return EndpointGroup(
            "Faults",
            "Rules that make requests fail on purpose.",
            (
                Endpoint("GET", "/faults", self.list_rules, "List the rules", FaultRuleList),
                Endpoint("POST", "/faults", self.create, "Create a rule", ActiveFaultRule, 201, body=body, errors=full),
                Endpoint("POST", "/faults/check", self.check, "Check a rule without creating it", FaultRule, body=body),
                Endpoint("DELETE", "/faults", self.delete_all, "Delete all rules", Empty),
                Endpoint("GET", "/faults/{id}", self.get, "Get a rule", ActiveFaultRule, errors=_NO_RULE),
                Endpoint("DELETE", "/faults/{id}", self.delete, "Delete a rule", Empty, errors=_NO_RULE | from_start),
            ),
        )

    async def list_rules(self, _request: Request) -> Response:
        """Return all active rules in order of precedence, with how often each was evaluated and triggered."""
        rules = await self._mock.store.rules()
        return long_json(self._mock, {"faults": (rule.as_json() for rule in rules)}, kept=rules)

    async def create(self, request: Request) -> Response:
        """Create a rule from a fault expression or from a complete rule. It takes precedence over rules of `--fault`.

        The token is stored masked, with a digest beside it, so that a rule can be sent again as it is returned.
        """
        fault = await self._read_rule(request)
        rule = await self._mock.store.add_rule(fault)
        location = f"{public_prefix(request.scope)}{FAULTS_PATH}/{rule.id}"
        return JSONResponse(rule.as_json(), HTTPStatus.CREATED, {"location": location})

    async def check(self, request: Request) -> Response:
        """Return the rule that a body describes, with its token masked, or the error that creating it would have."""
        return JSONResponse((await self._read_rule(request)).as_json())

    async def delete_all(self, _request: Request) -> Response:
        """Delete all rules except those of the server's settings."""
        await self._mock.store.remove_rules()
        return JSONResponse({})

    async def get(self, request: Request) -> Response:
        """Return one rule, with how often it was evaluated and triggered."""
        return JSONResponse((await self._rule(request)).as_json())

    async def delete(self, request: Request) -> Response:
        """Delete one rule and its counts. Rules of the server's settings cannot be deleted."""
        rule = await self._rule(request)
        if rule.is_startup_rule:
            raise RequestError(
                HTTPStatus.CONFLICT,
                "the rule is permanent",
                f"{rule.id} comes from the server's settings and is active as long as the server runs: "
                "create a rule, which takes precedence, or send Prefer: code=200",
            )
        await self._mock.store.remove_rules([rule.id])
        return JSONResponse({})

    async def _read_rule(self, request: Request) -> Rule:
        rule = parse_fault(await read_json_body(request))
        check_rule_path(rule.match.path, self._mock.settings.base_path, self._mock.stubs.may_have)
        await self._mock.slices.run_promptly(rule.measure())
        return rule

    async def _rule(self, request: Request) -> ActiveRule:
        rule_id: str = request.path_params["id"]
        rule = await self._mock.store.rule(rule_id)
        if rule is None:
            detail = f"no rule has the id {rule_id}; GET {FAULTS_PATH} lists the rules"
            raise RequestError(HTTPStatus.NOT_FOUND, "unknown rule", detail)
        return rule
