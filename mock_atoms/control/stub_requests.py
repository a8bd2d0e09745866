"""Received requests by the metadata of the stubs that responded."""

from starlette.requests import Request
from starlette.responses import Response

from mock_atoms.control.endpoints import Endpoint, EndpointGroup, RequestBody
from mock_atoms.control.journal_models import FoundRequests, RemovedRequests
from mock_atoms.control.journal_reader import JournalReader
from mock_atoms.control.long_work import long_json
from mock_atoms.control.mappings import METADATA_EXAMPLE, read_metadata_pattern
from mock_atoms.core.slices import Steps
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.query import JournalQuery
from mock_atoms.mock import MockAtoms
from mock_atoms.wiremock.responses import logged_request, serve_event

_EXCHANGES_PER_STEP = 1_000


class StubRequestEndpoints:
    """Endpoints about requests to which stubs responded."""

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock
        self._journal = mock.journal

    def group(self) -> EndpointGroup:
        """Return the endpoints."""
        metadata = RequestBody(dict[str, object], METADATA_EXAMPLE)
        return EndpointGroup(
            "Requests to stubs",
            "Received requests by the metadata of the stubs that responded.",
            (
                Endpoint(
                    "POST",
                    "/requests/find-by-metadata",
                    self.find,
                    "Find requests by the metadata of stubs",
                    FoundRequests,
                    body=metadata,
                ),
                Endpoint(
                    "POST",
                    "/requests/remove-by-metadata",
                    self.remove,
                    "Remove requests by the metadata of stubs",
                    RemovedRequests,
                    body=metadata,
                ),
            ),
        )

    async def find(self, request: Request) -> Response:
        """Return the requests to which stubs with matching metadata responded, the oldest first."""
        reader = JournalReader(self._mock, request)
        found = await reader.number(await self._select(reader, request))
        body_cap = self._mock.settings.journal_body
        content = {"requests": (logged_request(*event, body_cap) for event in found)}
        return long_json(self._mock, {**content, "requestJournalDisabled": self._journal.is_off}, kept=found)

    async def remove(self, request: Request) -> Response:
        """Remove the requests to which stubs with matching metadata responded, and return them."""
        reader = JournalReader(self._mock, request)
        found = await reader.number(await self._select(reader, request))
        body_cap = self._mock.settings.journal_body
        removed = {*await self._journal.remove(exchange for exchange, _ in found)}
        events = (serve_event(*event, body_cap, self._mock.stubs) for event in found if event.exchange in removed)
        return long_json(self._mock, {"serveEvents": events}, kept=found)

    async def _select(self, reader: JournalReader, request: Request) -> list[Exchange]:
        pattern = await read_metadata_pattern(self._mock, request)
        stubs = await reader.run(pattern.select(self._mock.stubs.in_order()))
        exchanges = await reader.select(JournalQuery())
        return await reader.run(_of_stubs({stub.id for stub in stubs}, exchanges))


def _of_stubs(stub_ids: set[str], exchanges: list[Exchange]) -> Steps[list[Exchange]]:
    selected: list[Exchange] = []
    for start in range(0, len(exchanges), _EXCHANGES_PER_STEP):
        part = exchanges[start : start + _EXCHANGES_PER_STEP]
        selected += [exchange for exchange in part if exchange.stub in stub_ids]
        yield
    return selected
