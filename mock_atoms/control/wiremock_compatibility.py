"""Endpoints that test suites written for WireMock call between tests. There are no stubs and scenarios yet."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mock_atoms.control.endpoints import Endpoint, EndpointGroup
from mock_atoms.control.journal_models import ScenarioList, StubList
from mock_atoms.control.models import Empty
from mock_atoms.core.addresses import CONTROL_PREFIX
from mock_atoms.mock import MockAtoms

_FAULTS = f"POST {CONTROL_PREFIX}/faults (docs/faults.md)"
_STUBS = f"stubs are not supported; create a fault rule with {_FAULTS}"
_ALTERNATIVES = {
    "mappings": _STUBS,
    "scenarios": f"scenarios are not supported; create a fault rule with a count such as 500x2 with {_FAULTS}",
    "recordings": "recording is not supported; write fixtures of recorded responses (docs/fixtures.md)",
    "files": _STUBS,
    "settings": f"global settings are not supported; create a rule with a delay with {_FAULTS}",
    "shutdown": "the control API cannot stop the server; send SIGTERM",
    "near-misses": f"only patterns have near misses; send POST {CONTROL_PREFIX}/near-misses/request-pattern",
}
"""What to do instead of WireMock's endpoints that do not exist here, by the first segment of their paths."""


def alternative_to(path: str) -> str | None:
    """Return what to do instead of calling an endpoint of WireMock that does not exist here; `None` for other paths."""
    return _ALTERNATIVES.get(path.removeprefix(f"{CONTROL_PREFIX}/").partition("/")[0])


class WireMockCompatibilityEndpoints:
    """Lists and resets of WireMock's stubs and scenarios, of which there are none."""

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock

    def group(self) -> EndpointGroup:
        """Return the endpoints."""
        return EndpointGroup(
            "WireMock",
            "Endpoints that test suites written for WireMock call between tests.",
            (
                Endpoint("GET", "/mappings", self.list_mappings, "List no stubs", StubList),
                Endpoint("DELETE", "/mappings", self.delete_mappings, "Do nothing", Empty),
                Endpoint("POST", "/mappings/reset", self.reset_mappings, "Empty the request journal", Empty),
                Endpoint("GET", "/scenarios", self.list_scenarios, "List no scenarios", ScenarioList),
                Endpoint("POST", "/scenarios/reset", self.reset_scenarios, "Do nothing", Empty),
            ),
        )

    async def list_mappings(self, _request: Request) -> Response:
        """Return an empty list: there are no stubs."""
        content: StubList = {"mappings": [], "meta": {"total": 0}}
        return JSONResponse(content)

    async def delete_mappings(self, _request: Request) -> Response:
        """Do nothing: there are no stubs to delete."""
        return JSONResponse({})

    async def reset_mappings(self, _request: Request) -> Response:
        """Empty the request journal, as WireMock does. There are no stubs to reset."""
        await self._mock.clear_journal()
        return JSONResponse({})

    async def list_scenarios(self, _request: Request) -> Response:
        """Return an empty list: there are no scenarios."""
        content: ScenarioList = {"scenarios": []}
        return JSONResponse(content)

    async def reset_scenarios(self, _request: Request) -> Response:
        """Do nothing: there are no scenarios to reset."""
        return JSONResponse({})
