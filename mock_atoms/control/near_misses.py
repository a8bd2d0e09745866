"""Near misses: the requests that nearly match a pattern, and in what they differ."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mock_atoms.contract.operations import OPERATIONS
from mock_atoms.control.calls import Call, CallGroup, RequestBody
from mock_atoms.control.journal_models import NearMissList, RequestPatternBody
from mock_atoms.control.parsing import read_json_body
from mock_atoms.core.slices import Slices
from mock_atoms.journal.grouping import attempt_numbers
from mock_atoms.journal.journal import Journal
from mock_atoms.mock import MockAtoms
from mock_atoms.wiremock.masking import mask_pattern
from mock_atoms.wiremock.models import NearMiss
from mock_atoms.wiremock.patterns import RequestPattern, nearest, parse_pattern
from mock_atoms.wiremock.responses import near_miss

DEFAULT_COUNT = 3
PATTERN_EXAMPLE = {
    "method": "GET",
    "urlPath": "/atoms/v1/audience",
    "headers": {"Authorization": {"equalTo": "Bearer sk_acme"}},
}


async def near_misses(
    journal: Journal, slices: Slices, body: object, pattern: RequestPattern, count: int
) -> list[NearMiss]:
    """Return the `count` requests that are nearest to `pattern` without matching it. `body` is the pattern's JSON."""
    masked = mask_pattern(body, journal.credentials)
    exchanges = [*journal]
    found = nearest(pattern, exchanges, count)
    numbers = await slices.run(attempt_numbers(exchanges, [exchange for _, exchange in found]))
    return [
        near_miss(exchange, numbers[exchange], masked, distance, pattern.differences(exchange))
        for distance, exchange in found
    ]


class NearMissCalls:
    """Calls about near misses."""

    def __init__(self, mock: MockAtoms) -> None:
        self._journal = mock.journal
        self._slices = mock.slices
        self._base_path = mock.settings.base_path

    def group(self) -> CallGroup:
        """Return the calls."""
        pattern = RequestBody(RequestPatternBody, PATTERN_EXAMPLE)
        return CallGroup(
            "Near misses",
            "Which requests nearly match, and in what do they differ?",
            (
                Call(
                    "GET",
                    "/requests/unmatched/near-misses",
                    self.of_unmatched_requests,
                    "Find the operations nearest to requests to unknown routes",
                    NearMissList,
                ),
                Call(
                    "POST",
                    "/near-misses/request-pattern",
                    self.of_pattern,
                    "Find the requests nearest to a pattern",
                    NearMissList,
                    body=pattern,
                ),
            ),
        )

    async def of_unmatched_requests(self, _request: Request) -> Response:
        """Return each request to an unknown route, the newest first, with the nearest operation of the API."""
        patterns = [(pattern, parse_pattern(pattern, self._journal.credentials)) for pattern in self._operations()]
        exchanges = [*self._journal]
        numbers = await self._slices.run(attempt_numbers(exchanges, exchanges))
        misses = []
        for exchange in reversed(exchanges):
            if not exchange.is_matched:
                operation, pattern = min(patterns, key=lambda pair: pair[1].distance(exchange))
                distance, differences = pattern.distance(exchange), pattern.differences(exchange)
                misses.append(near_miss(exchange, numbers[exchange], operation, distance, differences))
        return JSONResponse({"nearMisses": misses})

    async def of_pattern(self, request: Request) -> Response:
        """Return the three requests that are nearest to a pattern without matching it, with what differs."""
        body = await read_json_body(request)
        pattern = parse_pattern(body, self._journal.credentials)
        return JSONResponse(
            {"nearMisses": await near_misses(self._journal, self._slices, body, pattern, DEFAULT_COUNT)}
        )

    def _operations(self) -> list[dict[str, str]]:
        """Return a request pattern for each operation of the API."""
        return [
            {"method": operation.method, "urlPathTemplate": self._base_path + operation.path}
            for operation in OPERATIONS
        ]
