"""Near misses: the requests that nearly match a pattern, and in what they differ."""

from collections.abc import Generator, Iterator
from dataclasses import replace
from operator import itemgetter
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from mock_atoms.contract.operations import OPERATIONS
from mock_atoms.control.endpoints import Endpoint, EndpointGroup, RequestBody
from mock_atoms.control.journal_models import LoggedRequestBody, NearMissList, RequestPatternBody
from mock_atoms.control.journal_reader import JournalReader
from mock_atoms.control.logged_requests import read_exchange
from mock_atoms.control.long_work import long_json
from mock_atoms.control.parsing import read_json_body
from mock_atoms.control.patterns import read_pattern
from mock_atoms.control.request_query import LimitedRequestQuery
from mock_atoms.core.json_stream import PAUSE
from mock_atoms.core.slices import Steps
from mock_atoms.journal.numbering import NumberedExchange
from mock_atoms.journal.query import JournalQuery
from mock_atoms.mock import MockAtoms
from mock_atoms.wiremock.models import NearMiss
from mock_atoms.wiremock.pattern_masking import mask_pattern
from mock_atoms.wiremock.patterns import RequestPattern, nearest, parse_pattern
from mock_atoms.wiremock.responses import logged_request, near_miss, stub_near_miss
from mock_atoms.wiremock.stub_matching import nearest_stubs
from mock_atoms.wiremock.stubs import Stub

Result = TypeVar("Result")
DEFAULT_COUNT = 3
PATTERN_EXAMPLE = {
    "method": "GET",
    "urlPath": "/atoms/v1/audience",
    "headers": {"Authorization": {"equalTo": "Bearer sk_acme"}},
}


async def near_misses(
    reader: JournalReader, query: JournalQuery, body: object, pattern: RequestPattern, count: int
) -> list[NearMiss]:
    """Return the requests that are nearest to a pattern without matching it.

    Args:
        reader: reads the journal.
        query: selects the requests to compare.
        body: JSON of the pattern.
        pattern: the pattern.
        count: maximum number of requests to return.
    """
    masked = await reader.run(mask_pattern(body, reader.journal.credentials))
    found = await reader.run(nearest(pattern, await reader.select(query), count))
    numbered = await reader.number([exchange for _, exchange in found])

    def render() -> Steps[list[NearMiss]]:
        misses = []
        for (exchange, attempt), (distance, _) in zip(numbered, found, strict=True):
            request = logged_request(exchange, attempt, reader.body_cap)
            misses.append(near_miss(request, masked, distance, pattern.differences(exchange)))
            yield
        return misses

    return await reader.run(render())


async def unmatched_requests(
    mock: MockAtoms, reader: JournalReader, query: LimitedRequestQuery
) -> list[NumberedExchange]:
    """Return the requests to unknown routes that `query` selects, the newest first."""
    exchanges = await reader.select(replace(query.journal_query(mock), is_unmatched=True))
    return await reader.number(exchanges[::-1][: query.limit])


class NearMissEndpoints:
    """Endpoints about near misses."""

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock
        self._journal = mock.journal
        self._base_path = mock.settings.base_path

    def group(self) -> EndpointGroup:
        """Return the endpoints."""
        pattern = RequestBody(RequestPatternBody, PATTERN_EXAMPLE)
        return EndpointGroup(
            "Near misses",
            "Which requests nearly match, and in what do they differ?",
            (
                Endpoint(
                    "GET",
                    "/requests/unmatched/near-misses",
                    self.of_unmatched_requests,
                    "Find the operations and stubs nearest to requests to unknown routes",
                    NearMissList,
                    query=LimitedRequestQuery,
                ),
                Endpoint(
                    "POST",
                    "/near-misses/request-pattern",
                    self.of_pattern,
                    "Find the requests nearest to a pattern",
                    NearMissList,
                    body=pattern,
                ),
                Endpoint(
                    "POST",
                    "/near-misses/request",
                    self.of_request,
                    "Find the stubs nearest to a request",
                    NearMissList,
                    body=RequestBody(LoggedRequestBody, {"url": "/atoms/v1/agents", "method": "GET"}),
                ),
            ),
        )

    async def of_unmatched_requests(self, request: Request) -> Response:
        """Return each request to an unknown route, the newest first, with the nearest operation or stub."""
        query = LimitedRequestQuery.parse(request)
        found = await unmatched_requests(self._mock, JournalReader(self._mock, request), query)
        stubs = self._mock.stubs.in_order()
        return long_json(self._mock, {"nearMisses": self._nearest(found, stubs)}, kept=[*found, *stubs])

    def _nearest(self, unmatched: list[NumberedExchange], stubs: list[Stub]) -> Iterator[object]:
        patterns = [(pattern, parse_pattern(pattern, self._journal.credentials)) for pattern in self._operations()]
        for exchange, attempt in unmatched:
            distances = []
            for _, pattern in patterns:
                distances.append(pattern.distance(exchange))
                yield PAUSE
            distance, (operation, pattern) = min(zip(distances, patterns, strict=True), key=itemgetter(0))
            request = logged_request(exchange, attempt, self._mock.settings.journal_body)
            steps = nearest_stubs(stubs, exchange, 1)
            nearest_stub = yield from _paused(steps)
            if nearest_stub and nearest_stub[0][0] <= distance:
                distance, stub = nearest_stub[0]
                yield stub_near_miss(request, exchange, stub, distance)
            else:
                yield near_miss(request, operation, distance, pattern.differences(exchange))

    async def of_request(self, request: Request) -> Response:
        """Return the three stubs that nearly match a request, with what differs."""
        exchange = await read_exchange(self._mock, await read_json_body(request))
        steps = nearest_stubs(self._mock.stubs.in_order(), exchange, DEFAULT_COUNT)
        found = await JournalReader(self._mock, request).run(steps)
        body_cap = self._mock.settings.journal_body
        misses = (
            stub_near_miss(logged_request(exchange, 1, body_cap), exchange, stub, distance) for distance, stub in found
        )
        return long_json(self._mock, {"nearMisses": misses})

    async def of_pattern(self, request: Request) -> Response:
        """Return the three requests that are nearest to a pattern without matching it, with what differs."""
        body, pattern = await read_pattern(request, self._journal.credentials)
        misses = await near_misses(JournalReader(self._mock, request), JournalQuery(), body, pattern, DEFAULT_COUNT)
        return long_json(self._mock, {"nearMisses": (miss for miss in misses)})

    def _operations(self) -> list[dict[str, str]]:
        """Return a request pattern for each operation of the API."""
        return [
            {"method": operation.method, "urlPathTemplate": self._base_path + operation.path}
            for operation in OPERATIONS
        ]


def _paused(steps: Steps[Result]) -> Generator[object, None, Result]:
    """Return the result of `steps`, with a pause for each step."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return] # typeshed has no type for the result of a generator
        yield PAUSE
