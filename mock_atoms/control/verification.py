"""The calls of the control API that tell what clients sent: WireMock's request journal, and the retry report."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import islice
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mock_atoms.contract.operations import OPERATIONS
from mock_atoms.control.calls import BAD_ID_CODE, Parameters, RequestError, read_json_body, route
from mock_atoms.core.delays import CancellableWaiter
from mock_atoms.journal.retries import MAX_PAUSE_MS, MIN_BACKOFF_MS, RetrySettings, attempt_numbers, fold
from mock_atoms.journal.retry_report import as_text, report
from mock_atoms.mock import MockAtoms
from mock_atoms.wiremock.patterns import RequestPattern, mask_pattern, nearest, parse_pattern
from mock_atoms.wiremock.responses import logged_request, near_miss, serve_event

LONGEST_WAIT_MS = 600_000
SETTLING_MS = 250
"""How long the retry report waits for what is in flight: a server learns a little late that a client has given up."""
JOURNAL_IS_OFF = "the journal is off: start the server without --journal-size 0\n"
NEAR_MISSES = 3
_MOST = 1_000_000
_BREATH_SECONDS = 0.01  # between two looks at the journal, which clients fill meanwhile


class Verification:
    """What clients sent, from the journal of `mock`.

    Args:
        mock: the server.
    """

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock
        self._journal = mock.journal

    def routes(self) -> list[Route]:
        """Return the calls."""
        return [
            route("/requests", get=self.list_requests, delete=self.clear),
            route("/requests/find", post=self.find),
            route("/requests/count", post=self.count),
            route("/requests/remove", post=self.remove),
            route("/requests/reset", post=self.clear),
            route("/requests/unmatched", get=self.unmatched),
            route("/requests/unmatched/near-misses", get=self.unmatched_near_misses),
            route("/requests/{id}", get=self.get, delete=self.delete),
            route("/near-misses/request-pattern", post=self.near_misses),
            route("/retries", get=self.retries),
            # What test suites written for WireMock call between tests; there are no stubs and scenarios here.
            route("/mappings/reset", post=self.clear),
            route("/scenarios/reset", post=self.nothing),
        ]

    async def list_requests(self, request: Request) -> Response:
        """Return exchanges, the newest first."""
        parameters = Parameters(request, "limit", "since", "unmatched", "token", "testId")
        tenant_filter = parameters.tenant_filter()
        is_meant = self._journal.selector(tenant_filter.token, tenant_filter.testId)
        exchanges = [exchange for exchange in reversed([*self._journal]) if is_meant(exchange)]
        if parameters.choice("unmatched", "false", "true") == "true":
            exchanges = [exchange for exchange in exchanges if not exchange.is_matched]
        total = len(exchanges)
        since = _moment(parameters, "since")
        if since is not None:
            exchanges = [exchange for exchange in exchanges if exchange.arrived_at > since]
        limit = parameters.number("limit", _MOST, _MOST)
        numbers = attempt_numbers(self._journal)
        events = [serve_event(exchange, numbers[exchange]) for exchange in islice(exchanges, limit)]
        answer = self._answer({"requests": events, "meta": {"total": total}})
        answer.headers["x-mock-atoms-dropped"] = str(self._journal.dropped)
        return answer

    async def clear(self, request: Request) -> Response:
        """Empty the journal."""
        Parameters(request)
        self._journal.clear()
        return JSONResponse({})

    async def nothing(self, request: Request) -> Response:
        """Do nothing."""
        Parameters(request)
        return JSONResponse({})

    async def get(self, request: Request) -> Response:
        """Return one exchange."""
        Parameters(request)
        exchange_id = _exchange_id(request)
        exchange = self._journal.find(exchange_id)
        if exchange is None:
            raise RequestError(
                HTTPStatus.NOT_FOUND,
                "no such request",
                f"the journal has no request {exchange_id}: it may have been dropped",
            )
        return JSONResponse(serve_event(exchange, attempt_numbers(self._journal)[exchange]))

    async def delete(self, request: Request) -> Response:
        """Remove one exchange, if it is there."""
        Parameters(request)
        exchange_id = _exchange_id(request)
        gone = self._journal.find(exchange_id)
        self._journal.remove(lambda exchange: exchange is gone)
        return JSONResponse({})

    async def find(self, request: Request) -> Response:
        """Return the requests that a pattern means, the oldest first; where there is none, what comes near."""
        parameters = Parameters(request, "nearMisses")
        wanted = parameters.number("nearMisses", 100, 0)
        given, pattern = await self._sent_pattern(request)
        found = [exchange for exchange in self._journal if pattern.matches(exchange)]
        numbers = attempt_numbers(self._journal)
        content: dict[str, Any] = {"requests": [logged_request(exchange, numbers[exchange]) for exchange in found]}
        if wanted:
            content["nearMisses"] = [] if found else self._near_misses(given, pattern, wanted)
        return self._answer(content)

    async def count(self, request: Request) -> Response:
        """Return how many requests a pattern means, once there are so many or the time is over."""
        parameters = Parameters(request, "atLeast", "timeoutMs")
        at_least = parameters.number("atLeast", _MOST, 0)
        patience = parameters.number("timeoutMs", LONGEST_WAIT_MS, 0)
        if patience and not at_least:
            raise parameters.wrong("timeoutMs", "give atLeast too")
        _, pattern = await self._sent_pattern(request)
        if self._journal.is_off:
            return self._answer({"count": -1})
        if at_least and patience:
            await self._wait(lambda: self._count(pattern) >= at_least, patience / 1000, request)
        return self._answer({"count": self._count(pattern)})

    def _count(self, pattern: RequestPattern) -> int:
        return sum(map(pattern.matches, self._journal))

    async def _wait(self, is_over: Callable[[], bool], seconds: float, request: Request) -> None:
        """Wait until the journal has changed so that `is_over` says so, or for `seconds`."""
        changed = asyncio.Event()

        async def until_over(limit: float) -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    while not is_over():
                        changed.clear()
                        await changed.wait()
                        await asyncio.sleep(_BREATH_SECONDS)

        unwatch = self._journal.watch(changed.set)
        try:
            await CancellableWaiter(self._mock.shutdown_signal, until_over).wait(seconds, request.receive)
        finally:
            unwatch()

    async def remove(self, request: Request) -> Response:
        """Remove the requests that a pattern means, and return them."""
        Parameters(request)
        _, pattern = await self._sent_pattern(request)
        numbers = attempt_numbers(self._journal)
        removed = self._journal.remove(pattern.matches)
        return JSONResponse({"serveEvents": [serve_event(exchange, numbers[exchange]) for exchange in removed]})

    async def unmatched(self, request: Request) -> Response:
        """Return the requests that went where the mock has nothing, the newest first."""
        Parameters(request)
        numbers = attempt_numbers(self._journal)
        exchanges = [exchange for exchange in reversed([*self._journal]) if not exchange.is_matched]
        return self._answer({"requests": [logged_request(exchange, numbers[exchange]) for exchange in exchanges]})

    def _operations(self) -> list[dict[str, str]]:
        """Return a request pattern for each operation that is mocked."""
        base_path = self._mock.settings.base_path
        return [
            {"method": operation.method, "urlPathTemplate": f"{base_path}{operation.path}"} for operation in OPERATIONS
        ]

    async def unmatched_near_misses(self, request: Request) -> Response:
        """Return, for each request that went where the mock has nothing, the operation that is nearest."""
        Parameters(request)
        patterns = [(pattern, parse_pattern(pattern, self._journal.credentials)) for pattern in self._operations()]
        numbers = attempt_numbers(self._journal)
        misses = []
        for exchange in reversed([*self._journal]):
            if not exchange.is_matched:
                operation, pattern = min(patterns, key=lambda pair: pair[1].distance(exchange))
                distance, differences = pattern.distance(exchange), pattern.differences(exchange)
                misses.append(near_miss(exchange, numbers[exchange], operation, distance, differences))
        return JSONResponse({"nearMisses": misses})

    async def near_misses(self, request: Request) -> Response:
        """Return the requests that come nearest to a pattern."""
        Parameters(request)
        given, pattern = await self._sent_pattern(request)
        return JSONResponse({"nearMisses": self._near_misses(given, pattern, NEAR_MISSES)})

    def _near_misses(self, given: object, pattern: RequestPattern, count: int) -> list[dict[str, Any]]:
        shown = mask_pattern(given, self._journal.credentials)
        numbers = attempt_numbers(self._journal)
        return [
            near_miss(exchange, numbers[exchange], shown, distance, pattern.differences(exchange))
            for distance, exchange in nearest(pattern, self._journal, count)
        ]

    async def retries(self, request: Request) -> Response:
        """Return what each client did after a failure."""
        names = ("token", "testId", "timeoutMs", "patienceMs", "minBackoffMs", "newCallAfterMs", "format")
        parameters = Parameters(request, *names)
        tenant_filter = parameters.tenant_filter()
        form = parameters.choice("format", "json", "text")
        timeout = parameters.number("timeoutMs", LONGEST_WAIT_MS, SETTLING_MS)
        patience = RetrySettings(
            min_backoff_ms=parameters.number("minBackoffMs", _MOST, MIN_BACKOFF_MS),
            patience_ms=parameters.number("patienceMs", LONGEST_WAIT_MS, 0),
            longest_pause_ms=parameters.number("newCallAfterMs", LONGEST_WAIT_MS, MAX_PAUSE_MS),
        )
        is_meant = self._journal.selector(tenant_filter.token, tenant_filter.testId)
        in_flight = [exchange for exchange in self._journal if exchange.ended is None and is_meant(exchange)]
        if in_flight and timeout:
            await self._wait(lambda: all(exchange.ended is not None for exchange in in_flight), timeout / 1000, request)
        calls = fold(filter(is_meant, self._journal), patience.longest_pause_ms / 1000)
        told = report(calls, patience, self._mock.clock(), self._journal.dropped)
        if form == "text":
            return PlainTextResponse(JOURNAL_IS_OFF if self._journal.is_off else as_text(told))
        return self._answer(told)

    async def _sent_pattern(self, request: Request) -> tuple[Any, RequestPattern]:
        given = await read_json_body(request)
        return given, parse_pattern(given, self._journal.credentials)

    def _answer(self, content: dict[str, Any]) -> Response:
        return JSONResponse({**content, "requestJournalDisabled": self._journal.is_off})


def _exchange_id(request: Request) -> str:
    text: str = request.path_params["id"]
    try:
        return str(UUID(text))
    except ValueError:
        raise RequestError(
            HTTPStatus.BAD_REQUEST, "not an id", f"{text} is not a UUID", "id", code=BAD_ID_CODE
        ) from None


def _moment(parameters: Parameters, name: str) -> datetime | None:
    text = parameters.text(name)
    if text is None:
        return None
    try:
        # A plus sign that was not encoded arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise parameters.wrong(name, "give a moment such as 2026-01-31T12:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
