"""The control API, `/__admin`: ours, beside the vendor's paths, never faulted and never in the journal."""

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from mock_atoms.contract.errors import ApiError, documented_message
from mock_atoms.control.calls import (
    PREFIX,
    AccessControlMiddleware,
    Parameters,
    RequestError,
    no_such_call,
    read_json_body,
    route,
    tenant_filter,
    unprocessable,
)
from mock_atoms.control.verification import Verification
from mock_atoms.core.parsing import ConfigError, StrictModel, parse_model
from mock_atoms.core.settings import LOCALHOST_ORIGINS
from mock_atoms.core.tenancy import AuthenticatedCaller, Tenant, caller_for
from mock_atoms.core.timestamps import format_timestamp
from mock_atoms.core.version import __version__
from mock_atoms.data.fixture_files import parse_fixture
from mock_atoms.data.models import ValidatedCampaign, api_fields
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.faults.rulebook import ActiveRule, CapacityError
from mock_atoms.journal.metrics import ServerStatus
from mock_atoms.mock import MockAtoms
from mock_atoms.state.snapshot import SettingsMismatchError, export_state, import_state, tenant_summary
from mock_atoms.state.store import TenantState

MAX_SET_AUDIENCES = 10_000
"""How many audiences one call may say that a tenant holds."""
FAULTS = f"{PREFIX}/faults"


class _Campaigns(StrictModel):
    campaigns: Annotated[list[ValidatedCampaign], Field(max_length=100)]


def admin_app(mock: MockAtoms) -> ASGIApp:
    """Return the control API of `mock`."""
    routes = [*Control(mock).routes(), *Verification(mock).routes()]
    app = Starlette(
        routes=routes,
        exception_handlers=dict.fromkeys((RequestError, ConfigError, CapacityError, HTTPException, Exception), _refuse),
    )
    app.router.redirect_slashes = False
    named = [origin for origin in mock.settings.cors_origin if origin not in ("*", LOCALHOST_ORIGINS)]
    return CORSMiddleware(
        AccessControlMiddleware(app, mock.settings),
        allow_origins=named,
        allow_methods=["*"],
        allow_headers=["*"],
        allow_credentials=True,
    )


async def _refuse(request: Request, error: Exception) -> Response:
    return _refusal(request, error).answer()


def _refusal(request: Request, error: Exception) -> RequestError:
    match error:
        case RequestError():
            return error
        case ConfigError():
            return unprocessable(error)
        case CapacityError():
            return RequestError(HTTPStatus.CONFLICT, "no room", str(error))
        case HTTPException():
            return no_such_call(request, error.status_code, error.headers)
        case _:
            return RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, "bug in the mock", "the log has more")


def _whose_json(tenant: Tenant) -> dict[str, Any]:
    return {"token": tenant.label, "tokenDigest": tenant.token_digest.hex(), "testId": tenant.test_id}


class Control:
    """Faults, tenants, state and reset of `mock`, and its health."""

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock

    def routes(self) -> list[Route]:
        """Return the calls."""
        return [
            route("/health", get=self.health),
            route("/metrics", get=self.metrics),
            route("/faults", get=self.list_faults, post=self.create_fault, delete=self.delete_faults),
            route("/faults/{id}", get=self.get_fault, delete=self.delete_fault),
            route("/tenants", get=self.list_tenants, put=self.set_tenant),
            route("/audiences/{id}/campaigns", put=self.set_campaigns),
            route("/state", get=self.get_state, put=self.put_state),
            route("/reset", post=self.reset),
        ]

    async def health(self, _request: Request) -> Response:
        """Tell that the server is up. Needs no token."""
        return JSONResponse(
            {
                "status": "healthy",
                "message": "mock-atoms is ready",
                "version": __version__,
                "uptimeInSeconds": int(self._mock.uptime),
                "timestamp": format_timestamp(self._mock.now()),
            }
        )

    async def metrics(self, request: Request) -> Response:
        """Return what is counted, for Prometheus."""
        Parameters(request)
        mock = self._mock
        moment = ServerStatus(
            tenants=len(await mock.store.tenants()),
            journal_entries=len(mock.journal),
            journal_dropped=mock.journal.dropped,
            triggered={entry.id: entry.triggered for entry in mock.rules},
            uptime=mock.uptime,
        )
        content, content_type = mock.metrics.render(moment, request.headers.get("accept", ""))
        return Response(content, headers={"content-type": content_type})

    async def list_faults(self, request: Request) -> Response:
        """Return the rules in force, in their order of precedence."""
        Parameters(request)
        return JSONResponse({"faults": [entry.as_json() for entry in self._mock.rules]})

    async def create_fault(self, request: Request) -> Response:
        """Put a rule in force."""
        Parameters(request)
        given = await read_json_body(request)
        entry = self._mock.rules.add(parse_fault(given, self._mock.settings.base_path))
        return JSONResponse(entry.as_json(), HTTPStatus.CREATED, {"location": f"{FAULTS}/{entry.id}"})

    async def delete_faults(self, request: Request) -> Response:
        """Take all rules out of force, but those given at start."""
        Parameters(request)
        await self._mock.remove_rules(self._mock.rules.created_ids())
        return JSONResponse({})

    async def get_fault(self, request: Request) -> Response:
        """Return one rule."""
        Parameters(request)
        return JSONResponse(self._entry(request).as_json())

    async def delete_fault(self, request: Request) -> Response:
        """Take one rule out of force."""
        Parameters(request)
        entry = self._entry(request)
        if entry.is_from_start:
            raise RequestError(
                HTTPStatus.CONFLICT,
                "the rule was given at start",
                f"{entry.id} stays as long as the server runs: a rule made here comes before it, or Prefer: code=200",
            )
        await self._mock.remove_rules([entry.id])
        return JSONResponse({})

    def _entry(self, request: Request) -> ActiveRule:
        rule_id: str = request.path_params["id"]
        entry = self._mock.rules.get(rule_id)
        if entry is None:
            raise RequestError(
                HTTPStatus.NOT_FOUND, "no such rule", f"there is no rule {rule_id}; GET {FAULTS} lists them"
            )
        return entry

    async def list_tenants(self, request: Request) -> Response:
        """Return the tenants that are known, the least recently used first."""
        Parameters(request)
        return JSONResponse({"tenants": [tenant_summary(state) for state in await self._mock.store.tenants()]})

    async def set_tenant(self, request: Request) -> Response:
        """Say what one tenant holds, as a fixture file would."""
        Parameters(request)
        caller, fields = await self._caller(request)
        if "tokens" in fields:
            raise ConfigError("no such key", "/tokens")
        if isinstance(fields.get("audiences"), list) and len(fields["audiences"]) > MAX_SET_AUDIENCES:
            raise ConfigError(f"at most {MAX_SET_AUDIENCES}", "/audiences")
        organization = self._mock.fixtures.initial_data(caller).organization
        known = {} if organization is None else {"organization": organization}
        file = parse_fixture({**known, **fields, "tokens": [caller.token]})
        chosen = self._mock.fixtures.from_fixture_file(file, caller.token)

        def choose(state: TenantState) -> None:
            state.set_data(chosen, None)

        await self._mock.store.update(caller.tenant, choose)
        return JSONResponse(
            {**_whose_json(caller.tenant), "audiences": [api_fields(held) for held in chosen.audiences]}
        )

    async def set_campaigns(self, request: Request) -> Response:
        """Say which active campaigns use one audience."""
        Parameters(request)
        caller, fields = await self._caller(request)
        wanted = parse_model(_Campaigns, fields)
        audience_id = request.path_params["id"]
        try:
            audience = await self._mock.repositories.update(
                caller, lambda repository: repository.set_campaigns(audience_id, wanted.campaigns)
            )
        except ApiError as error:
            detail = " ".join(error.errors or [documented_message(error.status)])
            raise RequestError(error.status, "no such audience", f"{audience_id}: {detail}") from None
        return JSONResponse({**_whose_json(caller.tenant), "audience": audience})

    async def _caller(self, request: Request) -> tuple[AuthenticatedCaller, dict[str, Any]]:
        """Return whom a call means that names a token, and the rest of what it says."""
        given = await read_json_body(request)
        fields = dict(given) if isinstance(given, dict) else {}
        known = tenant_filter({name: fields.pop(name) for name in ("token", "testId") if name in fields})
        if known.token is None:
            raise ConfigError("give the token of the tenant", "/token")
        allowed = self._mock.settings.tokens
        if allowed is not None and known.token not in allowed:
            raise ConfigError("it is not one of --tokens, so that all it gets is a 401", "/token")
        return caller_for(known.token, known.testId), fields

    async def get_state(self, request: Request) -> Response:
        """Return the whole state, but for the journal."""
        Parameters(request)
        mock = self._mock
        return JSONResponse(await export_state(mock.settings, mock.rules, mock.fixtures, mock.store))

    async def put_state(self, request: Request) -> Response:
        """Put a state in the place of this server's."""
        Parameters(request)
        mock = self._mock
        given = await read_json_body(request)
        try:
            await import_state(given, mock.settings, mock.rules, mock.fixtures, mock.store)
        except SettingsMismatchError as error:
            raise RequestError(HTTPStatus.CONFLICT, "another server's", str(error), error.pointer) from None
        mock.journal.clear()
        mock.response_cache.clear()
        return JSONResponse({})

    async def reset(self, request: Request) -> Response:
        """Begin anew, with everything or with what belongs to one token or test."""
        Parameters(request)
        given: Any = await read_json_body(request, optional=True)
        scope = tenant_filter({} if given is None else given)
        await self._mock.reset(scope.token, scope.testId)
        return JSONResponse({})
