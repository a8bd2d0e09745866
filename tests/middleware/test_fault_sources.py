"""Each fault from each of the four sources, over TCP, as a plain socket, httpx and requests receive it."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any, NamedTuple

import httpx
import pytest
import requests
from pydantic import TypeAdapter

from mock_atoms import MockServer
from mock_atoms.contract.operations import LIST_AUDIENCES
from mock_atoms.contract.schemas import Audience, success_envelope
from tests.helpers.audiences import bearer
from tests.middleware.test_connection_faults import RAISED

RequestFactory = Callable[[str, str, str], "FaultyRequest"]
SOURCES = ["prefer", "key", "rule", "flag"]
JSON = "application/json; charset=utf-8"


class FaultyRequest(NamedTuple):
    url: str
    headers: dict[str, str]
    mark: str


class Received(NamedTuple):
    status: int
    headers: httpx.Headers
    body: bytes


class Expected(NamedTuple):
    status: int
    is_expected: Callable[[Received], bool]
    content_type: str = JSON
    is_marked: bool = True


def has_errors(*errors: str) -> Callable[[Received], bool]:
    return lambda response: json.loads(response.body) == {"status": False, "errors": list(errors)}


def is_rate_limited(response: Received, min_seconds: int = 60) -> bool:
    wait = int(response.headers["retry-after"])
    body = {"status": False, "error": "Rate limit exceeded", "code": "RATE_LIMIT_EXCEEDED", "retry_after": wait}
    return min_seconds <= wait <= 60 and json.loads(response.body) == body


def is_over_limit(response: Received) -> bool:
    limits = [response.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining")]
    return is_rate_limited(response, 1) and limits == ["1", "0"] and response.headers["x-ratelimit-reset"].isdigit()


def is_truncated_json(response: Received) -> bool:
    with pytest.raises(json.JSONDecodeError):
        json.loads(response.body)
    return response.body.startswith(b"{")


def is_documented(response: Received) -> bool:
    return bool(TypeAdapter(success_envelope(LIST_AUDIENCES, list[Audience])).validate_json(response.body)["data"])


def each_audience_has(key: str, kind: type, *, in_envelope: bool = False) -> Callable[[Received], bool]:
    def check(response: Received) -> bool:
        envelope: dict[str, Any] = json.loads(response.body)
        kinds = {type(audience[key]) for audience in envelope["data"]}
        return kinds == {kind} and (key in envelope) is in_envelope

    return check


UNCHANGED_BODY = Expected(200, is_documented)
NO_FAULT = UNCHANGED_BODY._replace(is_marked=False)
FAILED = Expected(500, has_errors("Internal server error"))
LIMITED = Expected(429, is_rate_limited)
NO_COUNT = "Prefer: one request has no count, share or limit: omit x, p and limit"
REFUSED = Expected(400, has_errors(NO_COUNT), is_marked=False)

EVERY_TIME: dict[str, Expected] = {
    "400": Expected(400, has_errors("Invalid input")),
    "401": Expected(401, has_errors("Unauthorized: User not found")),
    "403": Expected(403, has_errors("Forbidden")),
    "404": Expected(404, has_errors("Audience not found")),
    "408": Expected(408, has_errors("Request Timeout")),
    "409": Expected(409, has_errors("Conflict")),
    "429": LIMITED,
    "500": FAILED,
    "502": Expected(502, has_errors("Bad Gateway")),
    "503": Expected(503, has_errors("Service Unavailable")),
    "504": Expected(504, has_errors("Gateway Timeout")),
    "html": Expected(502, lambda response: response.body.startswith(b"<html>"), "text/html"),
    "badjson": Expected(200, is_truncated_json),
    "blank": Expected(200, lambda response: response.body == b""),
    "plaintext": UNCHANGED_BODY._replace(content_type="text/plain; charset=utf-8"),
    "retyped": Expected(200, each_audience_has("memberCount", str)),
    "extra": Expected(200, each_audience_has("unexpected", dict, in_envelope=True)),
    "nulled": Expected(200, each_audience_has("name", type(None))),
    "delay20": UNCHANGED_BODY,
    "drip60": UNCHANGED_BODY,
}
"""Faults that respond to each request."""
COUNTED: dict[str, tuple[Expected, Expected]] = {
    "500x1": (FAILED, NO_FAULT),
    "429x1": (LIMITED, NO_FAULT),
    "500p100": (FAILED, FAILED),
    "limit1/60": (NO_FAULT, Expected(429, is_over_limit)),
}
"""Faults that distinguish the first and the second request."""
BROKEN: dict[str, type[OSError] | Callable[[bytes], bool]] = {
    "reset": ConnectionResetError,
    "close": lambda data: data == b"",
    "hang": TimeoutError,
    "hang50": lambda data: data == b"",
    "truncate": lambda data: len(parse_response(data).body) == int(parse_response(data).headers["content-length"]) // 2,
    "garbage": lambda data: data != b"" and not data.startswith(b"HTTP/"),
}
"""Bytes that a plain socket receives, or the exception that it raises."""
RAISED_BY = [
    (fault, client, error)
    for fault, *errors in [*RAISED, ("hang50", httpx.RemoteProtocolError, requests.ConnectionError)]
    for client, error in zip(["httpx", "requests"], errors, strict=True)
]
READ_TIMEOUTS = {"hang": 0.2}


def receive(url: str, headers: dict[str, str], read_timeout: float = 20) -> bytes:
    where = httpx.URL(url)
    lines = [f"GET {where.path}/audience HTTP/1.1", "Host: x", "Connection: close", *map(": ".join, headers.items())]
    with socket.create_connection((where.host, where.port), timeout=read_timeout) as client:
        client.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        data = b""
        try:
            while part := client.recv(65536):
                data += part
        except OSError:
            assert data == b""
            raise
        return data


def parse_response(data: bytes) -> Received:
    head, _, body = data.partition(b"\r\n\r\n")
    start, *lines = head.decode("ascii").split("\r\n")
    return Received(int(start.split()[1]), httpx.Headers(dict(line.split(": ", 1) for line in lines)), body)


def by_socket(url: str, headers: dict[str, str], _read_timeout: float, times: int) -> list[Received]:
    responses = [parse_response(receive(url, headers)) for _ in range(times)]
    assert [len(response.body) for response in responses] == [
        int(response.headers["content-length"]) for response in responses
    ]
    return responses


def by_httpx(url: str, headers: dict[str, str], read_timeout: float, times: int) -> list[Received]:
    with httpx.Client(headers=headers, timeout=httpx.Timeout(20, read=read_timeout), verify=False) as client:
        responses = [client.get(f"{url}/audience") for _ in range(times)]
    return [Received(response.status_code, response.headers, response.content) for response in responses]


def by_requests(url: str, headers: dict[str, str], read_timeout: float, times: int) -> list[Received]:
    with requests.Session() as session:
        responses = [session.get(f"{url}/audience", headers=headers, timeout=(20, read_timeout)) for _ in range(times)]
    return [
        Received(response.status_code, httpx.Headers(dict(response.headers)), response.content)
        for response in responses
    ]


CLIENTS = {"socket": by_socket, "httpx": by_httpx, "requests": by_requests}


@pytest.fixture(scope="module")
def server_with_flag() -> Iterator[Callable[[str], MockServer]]:
    """Return a function from a fault to a server that has it as a startup rule."""
    with ExitStack() as running:
        yield cache(lambda fault: running.enter_context(MockServer(fault=[fault])))


@pytest.fixture
def build_request(server: MockServer, server_with_flag: Callable[[str], MockServer]) -> RequestFactory:
    """Return a function that builds a request with a fault from one source, for one client."""

    def build(source: str, fault: str, client: str) -> FaultyRequest:
        token = f"sk_{source}_{fault}.{client}"
        headers = bearer(token)
        match source:
            case "prefer":
                return FaultyRequest(server.url, headers | {"Prefer": f"fault={fault}"}, "prefer")
            case "key":
                return FaultyRequest(server.url, bearer(f"sk_mock_{fault}.sources-{client}"), "key")
            case "rule":
                return FaultyRequest(server.url, headers, server.fail(fault, token=token))
            case _:
                with_flag = server_with_flag(fault)
                with_flag.reset()
                return FaultyRequest(with_flag.url, headers, "fault-1")

    return build


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("fault", [*EVERY_TIME, *COUNTED])
@pytest.mark.parametrize("client", CLIENTS)
def test_each_source_leads_to_the_documented_response(
    build_request: RequestFactory, source: str, fault: str, client: str
) -> None:
    expected = (
        (EVERY_TIME[fault],) * 2 if fault in EVERY_TIME else (REFUSED,) * 2 if source == "prefer" else COUNTED[fault]
    )
    request = build_request(source, fault, client)
    for response, each in zip(CLIENTS[client](request.url, request.headers, 20, 2), expected, strict=True):
        assert (response.status, response.headers["content-type"]) == (each.status, each.content_type)
        assert response.headers.get("x-mock-atoms-fault") == (request.mark if each.is_marked else None)
        assert ("retry-after" in response.headers) is (each.status == 429)
        assert each.is_expected(response), response.body


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("fault", BROKEN)
def test_each_source_breaks_the_connection_of_a_plain_socket(
    build_request: RequestFactory, source: str, fault: str
) -> None:
    request, expected = build_request(source, fault, "socket"), BROKEN[fault]
    if isinstance(expected, type):
        with pytest.raises(expected) as caught:
            receive(request.url, request.headers, READ_TIMEOUTS.get(fault, 20))
        assert type(caught.value) is expected
        return
    data = receive(request.url, request.headers)
    assert expected(data), data
    if fault == "truncate":
        assert (parse_response(data).status, parse_response(data).headers["x-mock-atoms-fault"]) == (200, request.mark)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("fault", "client", "error"), RAISED_BY)
def test_each_source_makes_clients_raise_the_documented_exceptions(
    build_request: RequestFactory, source: str, fault: str, client: str, error: type[Exception]
) -> None:
    request = build_request(source, fault, client)
    with pytest.raises(error) as caught:
        CLIENTS[client](request.url, request.headers, READ_TIMEOUTS.get(fault, 20), 1)
    assert type(caught.value) is error
