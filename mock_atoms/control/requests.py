"""The request journal, as WireMock's clients read it."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from weakref import WeakValueDictionary

from pydantic import BeforeValidator, Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mock_atoms.control.endpoints import Endpoint, EndpointGroup, RequestBody
from mock_atoms.control.errors import RequestError, invalid_parameter, parse_uuid
from mock_atoms.control.journal_models import (
    FoundRequests,
    RemovedRequests,
    RequestCount,
    RequestList,
    RequestPatternBody,
    UnmatchedRequests,
)
from mock_atoms.control.journal_reader import JournalReader
from mock_atoms.control.journal_waiter import ALL_EXCHANGES, MAX_WAIT_MS, JournalWaiter, waited_keys
from mock_atoms.control.long_work import long_json
from mock_atoms.control.match_counter import MatchCounter
from mock_atoms.control.models import Empty
from mock_atoms.control.near_misses import PATTERN_EXAMPLE, near_misses, unmatched_requests
from mock_atoms.control.parsing import up_to
from mock_atoms.control.patterns import read_pattern
from mock_atoms.control.request_query import MAX_REQUESTS, LimitedRequestQuery, RequestQuery
from mock_atoms.core.masking import quote_value
from mock_atoms.core.slices import Steps
from mock_atoms.core.timestamps import end_of_millisecond
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.numbering import NumberedExchange
from mock_atoms.mock import MockAtoms
from mock_atoms.wiremock.models import ServeEvent
from mock_atoms.wiremock.responses import logged_request, serve_event

if TYPE_CHECKING:
    from mock_atoms.journal.query import JournalQuery

Rendered = TypeVar("Rendered")
MAX_NEAR_MISSES = 100
_EXCHANGES_PER_STEP = 1_000
_INVALID_ID = {400: "the id is not a UUID"}


def _parse_since(text: str) -> datetime:
    try:
        # A plus sign that was not encoded arrives as a space.
        since = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise ValueError(f"{quote_value(text)} is not a timestamp such as 2026-01-31T12:00:00Z") from None
    return since if since.tzinfo else since.replace(tzinfo=UTC)


class RequestListQuery(LimitedRequestQuery):
    """Parameters of the list of requests."""

    since: Annotated[
        datetime | None,
        BeforeValidator(_parse_since),
        WithJsonSchema({"type": "string", "format": "date-time"}),
        Field(description="Only requests that arrived after this timestamp, such as a `loggedDateString`."),
    ] = None
    unmatched: Annotated[
        Literal["false", "true"], Field(description="Whether to return only requests to unknown routes.")
    ] = "false"
    bodies: Annotated[
        Literal["false", "true"], Field(description="Whether to return bodies; without them, they are empty.")
    ] = "true"


class FindQuery(RequestQuery):
    """Parameters of a search for requests."""

    near_misses: Annotated[
        int,
        up_to(MAX_NEAR_MISSES),
        Field(description="How many of the nearest selected requests to return in `nearMisses` if none matches."),
    ] = 0


class CountQuery(RequestQuery):
    """Parameters of a count."""

    at_least: Annotated[int, up_to(MAX_REQUESTS), Field(description="Wait until so many requests match.")] = 0
    timeout_ms: Annotated[int, up_to(MAX_WAIT_MS), Field(description="Wait no longer than this.")] = 0


class RequestEndpoints:
    """Endpoints about received requests."""

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock
        self._journal = mock.journal
        self._logged_request = partial(logged_request, body_cap=mock.settings.journal_body)
        self._serve_event = partial(serve_event, body_cap=mock.settings.journal_body, stubs=mock.stubs)
        self._waiter = JournalWaiter(mock)
        self._tenant_waiter = JournalWaiter(mock)  # does not wait for scans of the complete journal
        self._counters: WeakValueDictionary[tuple[JournalQuery, bytes], MatchCounter] = WeakValueDictionary()

    def group(self) -> EndpointGroup:
        """Return the endpoints."""
        pattern = RequestBody(RequestPatternBody, PATTERN_EXAMPLE)
        missing = _INVALID_ID | {404: "the journal has no such request"}
        return EndpointGroup(
            "Requests",
            "What did clients send? These endpoints are WireMock's, so that its clients work here.",
            (
                Endpoint("GET", "/requests", self.list_requests, "List requests", RequestList, query=RequestListQuery),
                Endpoint("DELETE", "/requests", self.clear, "Empty the request journal", Empty),
                Endpoint("POST", "/requests/reset", self.clear, "Empty the request journal", Empty),
                Endpoint(
                    "POST", "/requests/find", self.find, "Find requests", FoundRequests, query=FindQuery, body=pattern
                ),
                Endpoint(
                    "POST",
                    "/requests/count",
                    self.count,
                    "Count requests, or wait for them",
                    RequestCount,
                    query=CountQuery,
                    body=pattern,
                ),
                Endpoint(
                    "POST",
                    "/requests/remove",
                    self.remove,
                    "Remove requests",
                    RemovedRequests,
                    query=RequestQuery,
                    body=pattern,
                ),
                Endpoint(
                    "GET",
                    "/requests/unmatched",
                    self.unmatched,
                    "List requests to unknown routes",
                    UnmatchedRequests,
                    query=LimitedRequestQuery,
                ),
                Endpoint("GET", "/requests/{id}", self.get, "Get a request", ServeEvent, errors=missing),
                Endpoint("DELETE", "/requests/{id}", self.delete, "Remove a request", Empty, errors=_INVALID_ID),
            ),
        )

    async def list_requests(self, request: Request) -> Response:
        """Return requests and their responses, the newest first."""
        query = RequestListQuery.parse(request)
        reader = JournalReader(self._mock, request)
        exchanges = await reader.select(
            replace(query.journal_query(self._mock), is_unmatched=query.unmatched == "true")
        )
        total = len(exchanges)
        if query.since is not None:
            exchanges = await reader.run(_arrived_after(end_of_millisecond(query.since), exchanges))
        found = await reader.number(exchanges[::-1][: query.limit])
        render = self._serve_event if query.bodies == "true" else self._event_without_bodies
        content = {"requests": _rendered(render, found), "meta": {"total": total}}
        return self._respond(content, {"x-mock-atoms-dropped": str(self._journal.dropped)}, kept=found)

    def _event_without_bodies(self, exchange: Exchange, attempt: int) -> ServeEvent:
        event = self._serve_event(exchange, attempt)
        event["request"]["body"] = event["request"]["bodyAsBase64"] = ""
        if "response" in event:
            event["response"]["body"] = event["response"]["bodyAsBase64"] = ""
        return event

    async def clear(self, _request: Request) -> Response:
        """Remove all requests from the journal."""
        await self._mock.clear_journal()
        return JSONResponse({})

    async def get(self, request: Request) -> Response:
        """Return one request and its response."""
        request_id = parse_uuid(request.path_params["id"])
        exchange = await self._journal.find(request_id)
        if exchange is None:
            detail = f"the journal has no request {request_id}: it was removed, or dropped for newer ones"
            raise RequestError(HTTPStatus.NOT_FOUND, "unknown request", detail)
        (numbered,) = await JournalReader(self._mock, request).number([exchange])
        return JSONResponse(self._serve_event(*numbered))

    async def delete(self, request: Request) -> Response:
        """Remove one request from the journal, if it is there."""
        exchange = await self._journal.find(parse_uuid(request.path_params["id"]))
        await self._journal.remove([] if exchange is None else [exchange])
        return JSONResponse({})

    async def find(self, request: Request) -> Response:
        """Return the requests that match a pattern, the oldest first."""
        query = FindQuery.parse(request)
        body, pattern = await read_pattern(request, self._journal.credentials)
        reader = JournalReader(self._mock, request)
        selected = query.journal_query(self._mock)
        exchanges = await reader.select(selected, pattern)
        found = await reader.number(exchanges)
        content: dict[str, Any] = {"requests": _rendered(self._logged_request, found)}
        if query.near_misses:
            misses = [] if exchanges else await near_misses(reader, selected, body, pattern, query.near_misses)
            content["nearMisses"] = (miss for miss in misses)
        return self._respond(content, kept=found)

    async def count(self, request: Request) -> Response:
        """Return how many requests match a pattern.

        With `atLeast` and `timeoutMs`, respond as soon as so many match, or when the time is over.
        The count is -1 if the journal is off.
        """
        query = CountQuery.parse(request)
        if query.timeout_ms and not query.at_least:
            raise invalid_parameter("timeoutMs", "timeoutMs needs atLeast: give both")
        body, pattern = await read_pattern(request, self._journal.credentials)
        if self._journal.is_off:
            return self._respond({"count": -1})
        selected = query.journal_query(self._mock)
        reader = JournalReader(self._mock, request)
        if not (query.at_least and query.timeout_ms):
            return self._respond({"count": len(await reader.select(selected, pattern))})
        # Clients that wait for the same requests share a counter.
        key = (selected, blake2b(json.dumps(body).encode()).digest())  # the body may hold a token
        counter = self._counters.get(key) or MatchCounter(self._journal, selected, pattern)
        self._counters[key] = counter

        async def has_enough() -> bool:
            return await counter.count(self._mock.slices.run) >= query.at_least

        started_at = self._mock.clock()
        count = await counter.count(reader.run)
        if count < query.at_least:
            remaining_ms = max(0.0, query.timeout_ms - (self._mock.clock() - started_at) * 1000)
            keys = waited_keys(counter.key_sets)
            waiter = self._waiter if keys is ALL_EXCHANGES else self._tenant_waiter
            await waiter.wait_until(has_enough, keys, remaining_ms, request.receive)
            count = await counter.count(reader.run)
        return self._respond({"count": count})

    async def remove(self, request: Request) -> Response:
        """Remove the requests that match a pattern, and return them."""
        query = RequestQuery.parse(request).journal_query(self._mock)
        _, pattern = await read_pattern(request, self._journal.credentials)
        reader = JournalReader(self._mock, request)
        numbered = await reader.number(await reader.select(query, pattern))
        removed = {*await self._journal.remove(exchange for exchange, _ in numbered)}
        found = [event for event in numbered if event.exchange in removed]
        return long_json(self._mock, {"serveEvents": _rendered(self._serve_event, found)}, kept=found)

    async def unmatched(self, request: Request) -> Response:
        """Return the requests to unknown routes, the newest first."""
        query = LimitedRequestQuery.parse(request)
        found = await unmatched_requests(self._mock, JournalReader(self._mock, request), query)
        return self._respond({"requests": _rendered(self._logged_request, found)}, kept=found)

    def _respond(
        self,
        content: dict[str, Any],
        headers: Mapping[str, str] | None = None,
        kept: list[NumberedExchange] | None = None,
    ) -> Response:
        return long_json(self._mock, {**content, "requestJournalDisabled": self._journal.is_off}, headers, kept)


def _arrived_after(since: datetime, exchanges: list[Exchange]) -> Steps[list[Exchange]]:
    """Return the exchanges that arrived after `since`."""
    selected: list[Exchange] = []
    for start in range(0, len(exchanges), _EXCHANGES_PER_STEP):
        part = exchanges[start : start + _EXCHANGES_PER_STEP]
        selected += [exchange for exchange in part if exchange.arrived_at > since]
        yield
    return selected


def _rendered(render: Callable[[Exchange, int], Rendered], found: list[NumberedExchange]) -> Iterator[Rendered]:
    """Yield exchanges as JSON, and forget each one."""
    found.reverse()
    while found:
        yield render(*found.pop())
