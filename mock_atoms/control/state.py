"""Export, import and reset of the server's state."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mock_atoms.control.endpoints import Endpoint, EndpointGroup, RequestBody
from mock_atoms.control.errors import RequestError
from mock_atoms.control.long_work import long_json
from mock_atoms.control.models import Empty, State
from mock_atoms.control.parsing import TenantFilter, parse_tenant_filter, read_json_body, read_long_json_body
from mock_atoms.core.slices import free
from mock_atoms.mock import MockAtoms
from mock_atoms.state.snapshot import SettingsMismatchError, export_state, import_state
from mock_atoms.state.snapshot_parsing import SnapshotConverter


class StateEndpoints:
    """Endpoints about the state of the whole server."""

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock

    def group(self) -> EndpointGroup:
        """Return the endpoints."""
        empty_state = {
            "version": "0.1.0",
            "seed": "atoms",
            "locale": "en_US",
            "rules": [],
            "fixtures": [],
            "tenants": [],
        }
        state = RequestBody(State, empty_state)
        scope = RequestBody(TenantFilter, {"token": "sk_acme", "testId": "test-1"}, is_required=False)
        conflict = {409: "the state comes from a server with other settings, or is too large"}
        return EndpointGroup(
            "State",
            "Reset the server, or move its state to another one.",
            (
                Endpoint("POST", "/reset", self.reset, "Reset the server, a token or a test", Empty, body=scope),
                Endpoint("GET", "/state", self.export_state, "Export the state", State),
                Endpoint("PUT", "/state", self.import_state, "Import a state", Empty, body=state, errors=conflict),
            ),
        )

    async def reset(self, request: Request) -> Response:
        """Forget created rules, counts, changes, data set by tests, and the request journal.

        Without a body everything is reset. With `token`, `testId` or both, only what belongs to them is reset.
        """
        scope = parse_tenant_filter(await read_json_body(request, optional=True))
        await self._mock.reset(scope.token, scope.test_id)
        return JSONResponse({})

    async def export_state(self, _request: Request) -> Response:
        """Return rules, fixtures and tenants with their counts and changes. The request journal is not included.

        Tokens are masked. What clients wrote into names and members is included as it is.
        """
        mock = self._mock
        content = await mock.store.export()
        fixtures = [data.initial_data for data in content.fixtures.values()]
        kept = [*content.rules, *fixtures, *content.tenants, *content.stubs]
        return long_json(mock, export_state(mock.settings, content), kept=kept)

    async def import_state(self, request: Request) -> Response:
        """Replace the state by an exported one, and empty the request journal.

        The server needs the seed and locale of the one that exported it. It then gives the same responses.
        """
        mock = self._mock
        state = await read_long_json_body(request, SnapshotConverter())
        try:
            await import_state(state, mock.settings, mock.store, mock.slices, mock.journal.credentials)
        except SettingsMismatchError as error:
            raise RequestError(HTTPStatus.CONFLICT, "settings differ", str(error), error.pointer) from None
        await mock.clear_journal()
        await mock.slices.run(free(mock.response_cache.clear()))
        return JSONResponse({})
