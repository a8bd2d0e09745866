"""The request journal, as WireMock's clients read it."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mock_atoms.control.calls import Call, CallGroup, RequestBody
from mock_atoms.control.errors import INVALID_ID_CODE, RequestError, invalid_parameter
from mock_atoms.control.journal_models import (
    FoundRequests,
    RemovedRequests,
    RequestCount,
    RequestList,
    RequestPatternBody,
    UnmatchedRequests,
)
from mock_atoms.control.models import Empty
from mock_atoms.control.near_misses import PATTERN_EXAMPLE, near_misses
from mock_atoms.control.parsing import Query, TenantQuery, read_json_body, up_to
from mock_atoms.control.waiting import MAX_WAIT_MS, JournalWaiter
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.grouping import attempt_numbers
from mock_atoms.mock import MockAtoms
from mock_atoms.wiremock.models import LoggedRequest, ServeEvent
from mock_atoms.wiremock.patterns import RequestPattern, parse_pattern
from mock_atoms.wiremock.responses import logged_request, serve_event

MAX_COUNT = 1_000_000
MAX_NEAR_MISSES = 100
_INVALID_ID = {400: "the id is not a UUID"}


def _parse_since(text: str) -> datetime:
    try:
        # A plus sign that was not encoded arrives as a space.
        since = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise ValueError(f"{text!r} is not a timestamp such as 2026-01-31T12:00:00Z") from None
    return since if since.tzinfo else since.replace(tzinfo=UTC)


class RequestListQuery(TenantQuery):
    """Parameters of the list of requests."""

    limit: Annotated[int, up_to(MAX_COUNT), Field(description="How many requests to return.")] = MAX_COUNT
    since: Annotated[
        datetime | None,
        BeforeValidator(_parse_since),
        WithJsonSchema({"type": "string", "format": "date-time"}),
        Field(description="Only requests that arrived after this timestamp."),
    ] = None
    unmatched: Annotated[
        Literal["false", "true"], Field(description="Whether to return only requests to unknown routes.")
    ] = "false"


class FindQuery(Query):
    """Parameters of a search for requests."""

    near_misses: Annotated[
        int,
        up_to(MAX_NEAR_MISSES),
        Field(description="How many of the nearest requests to return in `nearMisses` if none matches."),
    ] = 0


class CountQuery(Query):
    """Parameters of a count."""

    at_least: Annotated[int, up_to(MAX_COUNT), Field(description="Wait until so many requests match.")] = 0
    timeout_ms: Annotated[int, up_to(MAX_WAIT_MS), Field(description="Wait no longer than this.")] = 0


class RequestCalls:
    """Calls about received requests."""

    def __init__(self, mock: MockAtoms) -> None:
        self._journal = mock.journal
        self._slices = mock.slices
        self._waiter = JournalWaiter(mock)

    def group(self) -> CallGroup:
        """Return the calls."""
        pattern = RequestBody(RequestPatternBody, PATTERN_EXAMPLE)
        missing = _INVALID_ID | {404: "the journal has no such request"}
        return CallGroup(
            "Requests",
            "What did clients send? These calls are WireMock's, so that its clients work here.",
            (
                Call("GET", "/requests", self.list_requests, "List requests", RequestList, query=RequestListQuery),
                Call("DELETE", "/requests", self.clear, "Empty the request journal", Empty),
                Call("POST", "/requests/reset", self.clear, "Empty the request journal", Empty),
                Call(
                    "POST", "/requests/find", self.find, "Find requests", FoundRequests, query=FindQuery, body=pattern
                ),
                Call(
                    "POST",
                    "/requests/count",
                    self.count,
                    "Count requests, or wait for them",
                    RequestCount,
                    query=CountQuery,
                    body=pattern,
                ),
                Call("POST", "/requests/remove", self.remove, "Remove requests", RemovedRequests, body=pattern),
                Call(
                    "GET", "/requests/unmatched", self.unmatched, "List requests to unknown routes", UnmatchedRequests
                ),
                Call("GET", "/requests/{id}", self.get, "Get a request", ServeEvent, errors=missing),
                Call("DELETE", "/requests/{id}", self.delete, "Remove a request", Empty, errors=_INVALID_ID),
            ),
        )

    async def list_requests(self, request: Request) -> Response:
        """Return requests and their responses, the newest first."""
        query = RequestListQuery.parse(request)
        is_selected = self._journal.tenant_filter(query.token, query.test_id)
        exchanges = [exchange for exchange in reversed([*self._journal]) if is_selected(exchange)]
        if query.unmatched == "true":
            exchanges = [exchange for exchange in exchanges if not exchange.is_matched]
        total = len(exchanges)
        if query.since is not None:
            since = query.since
            exchanges = [exchange for exchange in exchanges if exchange.arrived_at > since]
        content = {"requests": await self._serve_events(exchanges[: query.limit]), "meta": {"total": total}}
        response = self._respond(content)
        response.headers["x-mock-atoms-dropped"] = str(self._journal.dropped)
        return response

    async def clear(self, _request: Request) -> Response:
        """Remove all requests from the journal."""
        self._journal.clear()
        return JSONResponse({})

    async def get(self, request: Request) -> Response:
        """Return one request and its response."""
        request_id = _request_id(request)
        exchange = self._journal.find(request_id)
        if exchange is None:
            detail = f"the journal has no request {request_id}: it was removed, or dropped for newer ones"
            raise RequestError(HTTPStatus.NOT_FOUND, "unknown request", detail)
        return JSONResponse((await self._serve_events([exchange]))[0])

    async def delete(self, request: Request) -> Response:
        """Remove one request from the journal, if it is there."""
        removed = self._journal.find(_request_id(request))
        self._journal.remove(lambda exchange: exchange is removed)
        return JSONResponse({})

    async def find(self, request: Request) -> Response:
        """Return the requests that match a pattern, the oldest first."""
        query = FindQuery.parse(request)
        body, pattern = await self._read_pattern(request)
        exchanges = [exchange for exchange in self._journal if pattern.matches(exchange)]
        content: dict[str, Any] = {"requests": await self._logged_requests(exchanges)}
        if query.near_misses:
            content["nearMisses"] = (
                [] if exchanges else await near_misses(self._journal, self._slices, body, pattern, query.near_misses)
            )
        return self._respond(content)

    async def count(self, request: Request) -> Response:
        """Return how many requests match a pattern.

        With `atLeast` and `timeoutMs`, respond as soon as so many match, or when the time is over.
        The count is -1 if the journal is off.
        """
        query = CountQuery.parse(request)
        if query.timeout_ms and not query.at_least:
            raise invalid_parameter("timeoutMs", "timeoutMs needs atLeast: give both")
        _, pattern = await self._read_pattern(request)
        if self._journal.is_off:
            return self._respond({"count": -1})

        def matching() -> int:
            return sum(map(pattern.matches, self._journal))

        if query.at_least and query.timeout_ms:
            await self._waiter.wait_until(lambda: matching() >= query.at_least, query.timeout_ms, request.receive)
        return self._respond({"count": matching()})

    async def remove(self, request: Request) -> Response:
        """Remove the requests that match a pattern, and return them."""
        _, pattern = await self._read_pattern(request)
        exchanges = [*self._journal]
        removed = self._journal.remove(pattern.matches)
        numbers = await self._slices.run(attempt_numbers(exchanges, removed))
        return JSONResponse({"serveEvents": [serve_event(exchange, numbers[exchange]) for exchange in removed]})

    async def unmatched(self, _request: Request) -> Response:
        """Return the requests to unknown routes, the newest first."""
        exchanges = [exchange for exchange in reversed([*self._journal]) if not exchange.is_matched]
        return self._respond({"requests": await self._logged_requests(exchanges)})

    async def _read_pattern(self, request: Request) -> tuple[Any, RequestPattern]:
        body = await read_json_body(request)
        return body, parse_pattern(body, self._journal.credentials)

    async def _logged_requests(self, exchanges: list[Exchange]) -> list[LoggedRequest]:
        numbers = await self._slices.run(attempt_numbers([*self._journal], exchanges))
        return [logged_request(exchange, numbers[exchange]) for exchange in exchanges]

    async def _serve_events(self, exchanges: list[Exchange]) -> list[ServeEvent]:
        numbers = await self._slices.run(attempt_numbers([*self._journal], exchanges))
        return [serve_event(exchange, numbers[exchange]) for exchange in exchanges]

    def _respond(self, content: dict[str, Any]) -> Response:
        return JSONResponse({**content, "requestJournalDisabled": self._journal.is_off})


def _request_id(request: Request) -> str:
    text: str = request.path_params["id"]
    try:
        return str(UUID(text))
    except ValueError:
        detail = f"{text!r} is not a UUID"
        raise RequestError(HTTPStatus.BAD_REQUEST, "invalid id", detail, "id", code=INVALID_ID_CODE) from None
