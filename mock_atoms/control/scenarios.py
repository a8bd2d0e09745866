"""Scenarios of stubs."""

from collections.abc import Iterator
from hashlib import blake2b
from http import HTTPStatus
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mock_atoms.control.endpoints import Endpoint, EndpointGroup, RequestBody
from mock_atoms.control.errors import RequestError, unprocessable
from mock_atoms.control.long_work import long_json
from mock_atoms.control.mapping_models import ScenarioList, ScenarioStateBody
from mock_atoms.control.models import Empty
from mock_atoms.control.parsing import TenantQuery, read_json_body
from mock_atoms.core.masking import mask_text, quote_value
from mock_atoms.core.parsing import ConfigError, StrictModel, parse_model
from mock_atoms.core.tenancy import (
    UNAUTHENTICATED_TENANT,
    Tenant,
    caller_for,
    tenant_for,
)
from mock_atoms.mock import MockAtoms
from mock_atoms.wiremock.scenarios import STARTED, Scenario, ScenarioStates
from mock_atoms.wiremock.stubs import ScenarioText

_MAX_NAMED_STATES = 20
"""Number of possible states that an error lists."""


class _StateBody(StrictModel):
    state: ScenarioText | None = None


class ScenarioEndpoints:
    """Endpoints about scenarios."""

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock

    def group(self) -> EndpointGroup:
        """Return the endpoints."""
        state = RequestBody(ScenarioStateBody, {"state": STARTED}, is_required=False)
        return EndpointGroup(
            "Scenarios",
            "Sequences of responses of stubs. The state decides which stubs respond. Each tenant has its own states.",
            (
                Endpoint("GET", "/scenarios", self.list_scenarios, "List scenarios", ScenarioList, query=TenantQuery),
                Endpoint("POST", "/scenarios/reset", self.reset, "Reset all scenarios", Empty, query=TenantQuery),
                Endpoint(
                    "PUT",
                    "/scenarios/{name:path}/state",
                    self.set_state,
                    "Set the state of a scenario",
                    Empty,
                    query=TenantQuery,
                    body=state,
                    errors={404: "no stub names this scenario"},
                ),
            ),
        )

    async def list_scenarios(self, request: Request) -> Response:
        """Return the scenarios of all stubs, with the state of one tenant.

        Without `token` and `testId`, the state is the one that any tenant reached last.
        """
        tenant = _tenant_of(TenantQuery.parse(request))
        states = None if tenant is None else (await self._mock.store.load(tenant)).scenarios
        scenarios = [scenario for _, scenario in sorted(self._mock.stubs.scenarios.items())]
        stubs = (stub for scenario in scenarios for stub in scenario.stubs.values())
        kept = [*stubs, *scenarios]  # the last ones are freed first
        return long_json(self._mock, {"scenarios": _rendered(scenarios, states)}, kept=kept)

    async def reset(self, request: Request) -> Response:
        """Set all scenarios back to `Started`, for one tenant or for all."""
        await self._mock.store.set_scenarios(tenant=_tenant_of(TenantQuery.parse(request)))
        return JSONResponse({})

    async def set_state(self, request: Request) -> Response:
        """Set the state of a scenario, for one tenant or for all. Without a body, the state is `Started`."""
        query = TenantQuery.parse(request)
        name = mask_text(request.path_params["name"])  # stubs are masked
        body = parse_model(_StateBody, await read_json_body(request, optional=True))
        scenario = self._mock.stubs.scenarios.get(name)
        if scenario is None:
            detail = f"no stub has the scenarioName {quote_value(name)}"
            raise RequestError(HTTPStatus.NOT_FOUND, "unknown scenario", detail)
        state = STARTED if body.state is None else mask_text(body.state)
        possible = scenario.possible_states
        if state not in possible:
            states = ", ".join(map(quote_value, possible[:_MAX_NAMED_STATES]))
            raise unprocessable(
                ConfigError(f"{quote_value(state)} is not a state of the scenario: use {states}", "/state")
            )
        await self._mock.store.set_scenarios(state, name, _tenant_of(query))
        return JSONResponse({})


def _tenant_of(query: TenantQuery) -> Tenant | None:
    """Return the tenant of a query, or `None` for all. A test id alone means unauthenticated requests with it."""
    if query.token is not None:
        return caller_for(query.token, query.test_id).tenant
    if query.test_id is not None:
        return tenant_for(UNAUTHENTICATED_TENANT.token_digest, UNAUTHENTICATED_TENANT.label, query.test_id)
    return None


def _rendered(scenarios: list[Scenario], states: ScenarioStates | None) -> Iterator[dict[str, Any]]:
    for scenario in scenarios:
        yield {
            "id": str(UUID(bytes=blake2b(scenario.name.encode(), digest_size=16).digest(), version=4)),
            "name": scenario.name,
            "state": scenario.latest_state if states is None else scenario.state_of(states),
            "possibleStates": scenario.possible_states,
            "mappings": (stub.as_json() for stub in [*scenario.stubs.values()]),
        }
