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
_NO_METADATA = f"requests match no stub with metadata; send a pattern to POST {CONTROL_PREFIX}/requests/find or remove"
_ALTERNATIVES = {
    "mappings": _STUBS,
    "scenarios": f"scenarios are not supported; create a fault rule with a count such as 500x2 with {_FAULTS}",
    "recordings": "recording is not supported; write fixtures of recorded responses (docs/fixtures.md)",
    "files": _STUBS,
    "settings": f"global settings are not supported; create a rule with a delay with {_FAULTS}",
    "shutdown": "the control API cannot stop the server; send SIGTERM",
    "version": f"send GET {CONTROL_PREFIX}/health, whose response has the version of mock-atoms",
    "requests/remove-by-metadata": _NO_METADATA,
    "requests/find-by-metadata": _NO_METADATA,
    "near-misses": f"only patterns have near misses; send POST {CONTROL_PREFIX}/near-misses/request-pattern",
}
"""What to do instead of WireMock's endpoints that do not exist here, by their paths or the first segments of these."""


def alternative_to(path: str) -> str | None:
    """Return what to do instead of calling an endpoint of WireMock that does not exist here; `None` for other paths."""
    endpoint = path.removeprefix(f"{CONTROL_PREFIX}/")
    return _ALTERNATIVES.get(endpoint) or _ALTERNATIVES.get(endpoint.partition("/")[0])


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
