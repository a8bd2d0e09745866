"""Each fault by each of the four ways in, over TCP, as a plain socket, httpx and requests see it."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any, NamedTuple

import httpx
import pytest
import requests
from pydantic import TypeAdapter

from mock_atoms import MockServer
from mock_atoms.contract.schemas import Audience, success_envelope
from tests.helpers.audiences import bearer
from tests.middleware.test_connection_faults import RAISED

Asking = Callable[[str, str, str], "Asked"]
WAYS = ["prefer", "key", "rule", "flag"]
JSON = "application/json; charset=utf-8"


class Asked(NamedTuple):
    url: str
    headers: dict[str, str]
    mark: str


class Seen(NamedTuple):
    status: int
    headers: httpx.Headers
    body: bytes


class Expected(NamedTuple):
    status: int
    holds: Callable[[Seen], bool]
    content_type: str = JSON
    is_marked: bool = True


def says(*errors: str) -> Callable[[Seen], bool]:
    return lambda seen: json.loads(seen.body) == {"status": False, "errors": list(errors)}


def asks_to_wait(seen: Seen, at_least: int = 60) -> bool:
    wait = int(seen.headers["retry-after"])
    body = {"status": False, "error": "Rate limit exceeded", "code": "RATE_LIMIT_EXCEEDED", "retry_after": wait}
    return at_least <= wait <= 60 and json.loads(seen.body) == body


def is_over_the_limit(seen: Seen) -> bool:
    told = [seen.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining")]
    return asks_to_wait(seen, 1) and told == ["1", "0"] and seen.headers["x-ratelimit-reset"].isdigit()


def is_cut_json(seen: Seen) -> bool:
    with pytest.raises(json.JSONDecodeError):
        json.loads(seen.body)
    return seen.body.startswith(b"{")


def is_documented(seen: Seen) -> bool:
    return bool(TypeAdapter(success_envelope("get-all-audiences", list[Audience])).validate_json(seen.body)["data"])


def each_has(key: str, kind: type, *, in_envelope: bool = False) -> Callable[[Seen], bool]:
    def holds(seen: Seen) -> bool:
        envelope: dict[str, Any] = json.loads(seen.body)
        kinds = {type(audience[key]) for audience in envelope["data"]}
        return kinds == {kind} and (key in envelope) is in_envelope

    return holds


OWN = Expected(200, is_documented)
UNTOUCHED = OWN._replace(is_marked=False)
FAILED = Expected(500, says("Internal server error"))
LIMITED = Expected(429, asks_to_wait)
NO_COUNT = "Prefer: one request has no count, share or limit: leave out x, p and limit"
REFUSED = Expected(400, says(NO_COUNT), is_marked=False)

RESPONDED: dict[str, Expected] = {
    "400": Expected(400, says("Invalid input")),
    "401": Expected(401, says("Unauthorized: User not found")),
    "403": Expected(403, says("Forbidden")),
    "404": Expected(404, says("Audience not found")),
    "408": Expected(408, says("Request Timeout")),
    "409": Expected(409, says("Conflict")),
    "429": LIMITED,
    "500": FAILED,
    "502": Expected(502, says("Bad Gateway")),
    "503": Expected(503, says("Service Unavailable")),
    "504": Expected(504, says("Gateway Timeout")),
    "html": Expected(502, lambda seen: seen.body.startswith(b"<html>"), "text/html"),
    "badjson": Expected(200, is_cut_json),
    "blank": Expected(200, lambda seen: seen.body == b""),
    "plaintext": OWN._replace(content_type="text/plain; charset=utf-8"),
    "retyped": Expected(200, each_has("memberCount", str)),
    "extra": Expected(200, each_has("unexpected", dict, in_envelope=True)),
    "nulled": Expected(200, each_has("name", type(None))),
    "delay20": OWN,
    "drip60": OWN,
}
"""What comes each time."""
COUNTED: dict[str, tuple[Expected, Expected]] = {
    "500x1": (FAILED, UNTOUCHED),
    "429x1": (LIMITED, UNTOUCHED),
    "500p100": (FAILED, FAILED),
    "limit1/60": (UNTOUCHED, Expected(429, is_over_the_limit)),
}
"""What comes first, and then."""
BROKEN: dict[str, type[OSError] | Callable[[bytes], bool]] = {
    "reset": ConnectionResetError,
    "close": lambda came: came == b"",
    "hang": TimeoutError,
    "hang50": lambda came: came == b"",
    "truncate": lambda came: len(parsed(came).body) == int(parsed(came).headers["content-length"]) // 2,
    "garbage": lambda came: came != b"" and not came.startswith(b"HTTP/"),
}
"""What comes through a plain socket, or what it raises."""
RAISED_BY = [
    (fault, client, error)
    for fault, *errors in [*RAISED, ("hang50", httpx.RemoteProtocolError, requests.ConnectionError)]
    for client, error in zip(["httpx", "requests"], errors, strict=True)
]
PATIENCE = {"hang": 0.2}


def received(url: str, headers: dict[str, str], patience: float = 20) -> bytes:
    where = httpx.URL(url)
    lines = [f"GET {where.path}/audience HTTP/1.1", "Host: x", "Connection: close", *map(": ".join, headers.items())]
    with socket.create_connection((where.host, where.port), timeout=patience) as client:
        client.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        came = b""
        try:
            while part := client.recv(65536):
                came += part
        except OSError:
            assert came == b""
            raise
        return came


def parsed(came: bytes) -> Seen:
    head, _, body = came.partition(b"\r\n\r\n")
    start, *lines = head.decode("ascii").split("\r\n")
    return Seen(int(start.split()[1]), httpx.Headers(dict(line.split(": ", 1) for line in lines)), body)


def by_socket(url: str, headers: dict[str, str], _patience: float, times: int) -> list[Seen]:
    answers = [parsed(received(url, headers)) for _ in range(times)]
    assert [len(seen.body) for seen in answers] == [int(seen.headers["content-length"]) for seen in answers]
    return answers


def by_httpx(url: str, headers: dict[str, str], patience: float, times: int) -> list[Seen]:
    with httpx.Client(headers=headers, timeout=httpx.Timeout(20, read=patience), verify=False) as client:
        answers = [client.get(f"{url}/audience") for _ in range(times)]
    return [Seen(answer.status_code, answer.headers, answer.content) for answer in answers]


def by_requests(url: str, headers: dict[str, str], patience: float, times: int) -> list[Seen]:
    with requests.Session() as session:
        answers = [session.get(f"{url}/audience", headers=headers, timeout=(20, patience)) for _ in range(times)]
    return [Seen(answer.status_code, httpx.Headers(dict(answer.headers)), answer.content) for answer in answers]


JUDGES = {"socket": by_socket, "httpx": by_httpx, "requests": by_requests}


@contextmanager
def ruled(server: MockServer, fault: str, token: str) -> Iterator[str]:
    rules = f"{server.root_url}/__admin/faults"
    made = requests.post(rules, json={"fault": fault, "match": {"token": token}}, timeout=20)
    assert made.status_code == 201
    rule_id: str = made.json()["id"]
    assert rule_id.startswith("rule-")
    yield rule_id
    assert requests.delete(f"{rules}/{rule_id}", timeout=20).status_code == 200


@pytest.fixture(scope="module")
def asking(server: MockServer) -> Iterator[Asking]:
    """Return a function that asks for a fault by one of the ways in, for one judge."""
    with ExitStack() as running:
        flagged = cache(lambda fault: running.enter_context(MockServer(fault=[fault])))

        def ask(way: str, fault: str, judge: str) -> Asked:
            token = f"sk_{way}_{fault}.{judge}"
            headers = bearer(token)
            match way:
                case "prefer":
                    return Asked(server.url, headers | {"Prefer": f"fault={fault}"}, "prefer")
                case "key":
                    return Asked(server.url, bearer(f"sk_mock_{fault}.ways-in-{judge}"), "key")
                case "rule":
                    return Asked(server.url, headers, running.enter_context(ruled(server, fault, token)))
                case _:
                    return Asked(flagged(fault).url, headers, "fault-1")

        yield ask


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", [*RESPONDED, *COUNTED])
@pytest.mark.parametrize("judge", JUDGES)
def test_each_way_in_brings_the_answer_that_the_documents_say(asking: Asking, way: str, fault: str, judge: str) -> None:
    expected = (RESPONDED[fault],) * 2 if fault in RESPONDED else (REFUSED,) * 2 if way == "prefer" else COUNTED[fault]
    asked = asking(way, fault, judge)
    for seen, awaited in zip(JUDGES[judge](asked.url, asked.headers, 20, 2), expected, strict=True):
        assert (seen.status, seen.headers["content-type"]) == (awaited.status, awaited.content_type)
        assert seen.headers.get("x-mock-atoms-fault") == (asked.mark if awaited.is_marked else None)
        assert ("retry-after" in seen.headers) is (awaited.status == 429)
        assert awaited.holds(seen), seen.body


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", BROKEN)
def test_each_way_in_breaks_the_connection_of_a_plain_socket(asking: Asking, way: str, fault: str) -> None:
    asked, expected = asking(way, fault, "socket"), BROKEN[fault]
    if isinstance(expected, type):
        with pytest.raises(expected) as caught:
            received(asked.url, asked.headers, PATIENCE.get(fault, 20))
        assert type(caught.value) is expected
        return
    came = received(asked.url, asked.headers)
    assert expected(came), came
    if fault == "truncate":
        assert (parsed(came).status, parsed(came).headers["x-mock-atoms-fault"]) == (200, asked.mark)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("fault", "client", "error"), RAISED_BY)
def test_each_way_in_has_clients_raise_what_the_documents_say(
    asking: Asking, way: str, fault: str, client: str, error: type[Exception]
) -> None:
    asked = asking(way, fault, client)
    with pytest.raises(error) as caught:
        JUDGES[client](asked.url, asked.headers, PATIENCE.get(fault, 20), 1)
    assert type(caught.value) is error
