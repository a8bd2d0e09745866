"""Endpoints that test suites written for WireMock call between tests. There are no stubs and scenarios yet."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mock_atoms.control.endpoints import Endpoint, EndpointGroup
from mock_atoms.control.journal_models import ScenarioList, StubList
from mock_atoms.control.models import Empty
from mock_atoms.mock import MockAtoms


class WireMockResetEndpoints:
    """Resets of WireMock's stubs and scenarios."""

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
