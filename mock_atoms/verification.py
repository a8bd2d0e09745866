"""The calls of the control API that tell what clients sent: WireMock's request journal, and the retry report."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import islice
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mock_atoms.control import BAD_ID_CODE, PREFIX, Parameters, RefusedError, sent_json, unprocessable
from mock_atoms.holding import Holder
from mock_atoms.journal import Entry
from mock_atoms.mock import MockAtoms
from mock_atoms.patterns import Pattern, nearest, parse_pattern, shown_pattern
from mock_atoms.retries import MIN_BACKOFF_MS, Patience, as_text, attempt_numbers, fold, report
from mock_atoms.settings import ConfigError
from mock_atoms.wiremock import logged_request, near_miss, serve_event

REQUESTS = f"{PREFIX}/requests"
LONGEST_WAIT_MS = 600_000
NEAR_MISSES = 3
_MOST = 1_000_000

Handler = Callable[[Request], Awaitable[Response]]


class Verification:
    """What clients sent, from the journal of `mock`.

    Args:
        mock: the server.
        operations: a request pattern for each operation that is mocked.
    """

    def __init__(self, mock: MockAtoms, operations: Sequence[dict[str, str]]) -> None:
        self._mock = mock
        self._journal = mock.journal
        self._operations = operations

    def routes(self) -> list[Route]:
        """Return the calls."""
        return [
            Route(REQUESTS, self.list_requests, methods=["GET"]),
            Route(REQUESTS, self.clear, methods=["DELETE"]),
            Route(f"{REQUESTS}/find", self.find, methods=["POST"]),
            Route(f"{REQUESTS}/count", self.count, methods=["POST"]),
            Route(f"{REQUESTS}/remove", self.remove, methods=["POST"]),
            Route(f"{REQUESTS}/reset", self.clear, methods=["POST"]),
            Route(f"{REQUESTS}/unmatched", self.unmatched, methods=["GET"]),
            Route(f"{REQUESTS}/unmatched/near-misses", self.unmatched_near_misses, methods=["GET"]),
            Route(f"{REQUESTS}/{{id}}", self.get, methods=["GET"]),
            Route(f"{REQUESTS}/{{id}}", self.delete, methods=["DELETE"]),
            Route(f"{PREFIX}/near-misses/request-pattern", self.near_misses, methods=["POST"]),
            Route(f"{PREFIX}/retries", self.retries, methods=["GET"]),
        ]

    async def list_requests(self, request: Request) -> Response:
        """Return exchanges, the newest first."""
        parameters = Parameters(request, "limit", "since", "unmatched", "token", "testId")
        whose = parameters.whose()
        owner, test_id = whose.owner, whose.test_id
        entries = [entry for entry in reversed([*self._journal]) if entry.tenant.is_of(owner, test_id)]
        if parameters.choice("unmatched", "false", "true") == "true":
            entries = [entry for entry in entries if not entry.is_matched]
        total = len(entries)
        since = _moment(parameters, "since")
        if since is not None:
            entries = [entry for entry in entries if entry.arrived >= since]
        limit = parameters.number("limit", _MOST)
        numbers = attempt_numbers(self._journal)
        events = [serve_event(entry, numbers[entry.id]) for entry in islice(entries, limit)]
        return self._answer({"requests": events, "meta": {"total": total, "dropped": self._journal.dropped}})

    async def clear(self, request: Request) -> Response:
        """Empty the journal."""
        Parameters(request)
        self._journal.clear()
        return JSONResponse({})

    async def get(self, request: Request) -> Response:
        """Return one exchange."""
        Parameters(request)
        entry_id = _entry_id(request)
        entry = self._journal.find(entry_id)
        if entry is None:
            raise RefusedError(
                HTTPStatus.NOT_FOUND,
                "no such request",
                f"the journal has no request {entry_id}: it may have been dropped",
            )
        return JSONResponse(serve_event(entry, attempt_numbers(self._journal)[entry.id]))

    async def delete(self, request: Request) -> Response:
        """Remove one exchange, if it is there."""
        Parameters(request)
        entry_id = _entry_id(request)
        self._journal.remove(lambda entry: entry.id == entry_id)
        return JSONResponse({})

    async def find(self, request: Request) -> Response:
        """Return the requests that a pattern means, the oldest first; where there is none, what comes near."""
        parameters = Parameters(request, "nearMisses")
        wanted = parameters.number("nearMisses", most=100)
        given, pattern = await self._sent_pattern(request)
        found = [entry for entry in self._journal if pattern.matches(entry)]
        numbers = attempt_numbers(self._journal)
        content: dict[str, Any] = {"requests": [logged_request(entry, numbers[entry.id]) for entry in found]}
        if wanted is not None:
            content["nearMisses"] = [] if found else self._near_misses(given, pattern, wanted)
        return self._answer(content)

    async def count(self, request: Request) -> Response:
        """Return how many requests a pattern means, once there are so many or the time is over."""
        parameters = Parameters(request, "atLeast", "timeoutMs")
        at_least = parameters.number("atLeast", _MOST)
        patience = parameters.number("timeoutMs", LONGEST_WAIT_MS)
        if patience is not None and at_least is None:
            raise parameters.wrong("timeoutMs", "give atLeast too")
        _, pattern = await self._sent_pattern(request)
        if self._journal.is_off:
            return self._answer({"count": -1})
        if at_least and patience:
            await self._wait(pattern, at_least, patience / 1000, request)
        return self._answer({"count": sum(map(pattern.matches, self._journal))})

    async def _wait(self, pattern: Pattern, at_least: int, seconds: float, request: Request) -> None:
        """Wait until the journal has so many entries that `pattern` means, or for `seconds`."""
        meant = {id(entry) for entry in self._journal if pattern.matches(entry)}
        enough = asyncio.Event()

        def notice(entry: Entry) -> None:
            if pattern.matches(entry):
                meant.add(id(entry))
            if len(meant) >= at_least:
                enough.set()

        async def until_enough(limit: float) -> None:
            await asyncio.wait([asyncio.ensure_future(enough.wait())], timeout=limit)

        if len(meant) < at_least:
            unwatch = self._journal.watch(notice)
            try:
                await Holder(self._mock.closing, until_enough).hold(seconds, request.receive)
            finally:
                unwatch()

    async def remove(self, request: Request) -> Response:
        """Remove the requests that a pattern means, and return them."""
        Parameters(request)
        _, pattern = await self._sent_pattern(request)
        numbers = attempt_numbers(self._journal)
        removed = self._journal.remove(pattern.matches)
        return JSONResponse({"serveEvents": [serve_event(entry, numbers[entry.id]) for entry in removed]})

    async def unmatched(self, request: Request) -> Response:
        """Return the requests that went where the mock has nothing, the newest first."""
        Parameters(request)
        numbers = attempt_numbers(self._journal)
        entries = [entry for entry in reversed([*self._journal]) if not entry.is_matched]
        return self._answer({"requests": [logged_request(entry, numbers[entry.id]) for entry in entries]})

    async def unmatched_near_misses(self, request: Request) -> Response:
        """Return, for each request that went where the mock has nothing, the operation that is nearest."""
        Parameters(request)
        patterns = [(operation, parse_pattern(operation, self._journal)) for operation in self._operations]
        numbers = attempt_numbers(self._journal)
        misses = []
        for entry in self._journal:
            if not entry.is_matched:
                operation, pattern = min(patterns, key=lambda pair: pair[1].distance(entry))
                distance, differences = pattern.distance(entry), pattern.differences(entry)
                misses.append(near_miss(entry, numbers[entry.id], operation, distance, differences))
        return self._answer({"nearMisses": misses})

    async def near_misses(self, request: Request) -> Response:
        """Return the requests that come nearest to a pattern."""
        Parameters(request)
        given, pattern = await self._sent_pattern(request)
        return self._answer({"nearMisses": self._near_misses(given, pattern, NEAR_MISSES)})

    def _near_misses(self, given: object, pattern: Pattern, count: int) -> list[dict[str, Any]]:
        shown = shown_pattern(given, self._journal)
        numbers = attempt_numbers(self._journal)
        return [
            near_miss(entry, numbers[entry.id], shown, distance, pattern.differences(entry))
            for distance, entry in nearest(pattern, self._journal, count)
        ]

    async def retries(self, request: Request) -> Response:
        """Return what each client did after a failure."""
        parameters = Parameters(request, "token", "testId", "patienceMs", "minBackoffMs", "format")
        whose = parameters.whose()
        owner, test_id = whose.owner, whose.test_id
        form = parameters.choice("format", "json", "text")
        min_backoff = parameters.number("minBackoffMs", _MOST)
        patience = Patience(
            min_backoff_ms=MIN_BACKOFF_MS if min_backoff is None else min_backoff,
            patience_ms=parameters.number("patienceMs", LONGEST_WAIT_MS) or 0,
            now=self._mock.clock(),
        )
        calls = fold(entry for entry in self._journal if entry.tenant.is_of(owner, test_id))
        told = report(calls, patience, self._journal.dropped)
        if form == "text":
            return PlainTextResponse(as_text(told))
        return self._answer(told)

    async def _sent_pattern(self, request: Request) -> tuple[Any, Pattern]:
        given = await sent_json(request)
        try:
            return given, parse_pattern(given, self._journal)
        except ConfigError as error:
            raise unprocessable(error) from None

    def _answer(self, content: dict[str, Any]) -> Response:
        return JSONResponse({**content, "requestJournalDisabled": self._journal.is_off})


def _entry_id(request: Request) -> str:
    text: str = request.path_params["id"]
    try:
        return str(UUID(text))
    except ValueError:
        raise RefusedError(
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
