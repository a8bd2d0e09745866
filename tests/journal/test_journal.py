"""What the journal records and what it drops."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_atoms import MockServer, Settings, create_app
from mock_atoms.core.inflating import INFLATED_PIECE_BYTES
from mock_atoms.core.masking import mask_text_steps, mask_token
from mock_atoms.core.slices import Steps
from mock_atoms.core.tenancy import caller_for
from mock_atoms.journal.credentials import Credentials, mask_credentials
from mock_atoms.journal.exchange import Exchange, RequestHead, ResponseHead
from mock_atoms.journal.memory_journal import MemoryJournal
from mock_atoms.middleware import recording
from mock_atoms.middleware.connection_faults import TRANSPORT
from mock_atoms.middleware.identify import IdentifyMiddleware
from mock_atoms.middleware.recording import RecordingMiddleware
from mock_atoms.mock import MockAtoms
from tests.helpers.asgi import bearer_pairs, call
from tests.helpers.audiences import ACME, bearer
from tests.helpers.exchanges import recorded
from tests.helpers.sockets import connect

gzipped = partial(gzip.compress, mtime=0)

LIST = "/atoms/v1/audience"
MAX_BODY_BYTES = Settings().journal_body


@pytest.fixture
def mock(server: MockServer) -> MockServer:
    return server


def events(mock: MockServer) -> list[dict[str, Any]]:
    """Return the journal, newest first."""
    requests: list[dict[str, Any]] = httpx.get(f"{mock.root_url}/__admin/requests").json()["requests"]
    return requests


def latest(mock: MockServer) -> dict[str, Any]:
    """Return the `mockAtoms` fields of the newest exchange."""
    fields: dict[str, Any] = events(mock)[0]["request"]["mockAtoms"]
    return fields


@pytest.mark.parametrize(
    ("method", "path", "headers", "fields"),
    [
        ("GET", "/audience", ACME, {"status": 200, "ended": "responded", "reason": None, "faults": []}),
        ("GET", "/audience", {}, {"status": 401, "reason": "missing-credentials", "tenant": "-"}),
        ("GET", "/audience", bearer("sk_mock_revoked"), {"reason": "revoked-token", "tenant": "sk_mock_revoked"}),
        ("PATCH", "/audience", ACME, {"status": 404, "reason": "unmocked-route"}),
        ("GET", "/../elsewhere", ACME, {"status": 404, "reason": "outside-base-path"}),
        ("GET", "/audience", ACME | {"Prefer": "code=500"}, {"status": 500, "faults": ["prefer"]}),
        ("GET", "/audience", ACME | {"Prefer": "code=5oo"}, {"status": 400, "reason": "bad-prefer"}),
        ("GET", "/audience", ACME | {"X-Test-Id": "t1"}, {"testId": "t1", "tenant": mask_token("sk_acme")}),
        ("GET", "/audience", {"X-Test-Id": "t1"}, {"testId": "t1", "tenant": "-"}),
        ("HEAD", "/audience", ACME, {"status": 200, "bytesSent": 0}),
    ],
)
def test_each_kind_of_exchange_is_recorded(
    mock: MockServer, method: str, path: str, headers: dict[str, str], fields: dict[str, Any]
) -> None:
    response = httpx.request(method, f"{mock.url}{path}", headers=headers)
    recorded = latest(mock)
    assert {key: recorded[key] for key in fields} == fields
    assert recorded["id"] == response.headers["x-request-id"]
    assert events(mock)[0]["request"]["method"] == method
    assert recorded["durationMs"] >= 0
    if method != "HEAD":
        assert recorded["bytesSent"] == len(response.content)


@pytest.mark.parametrize(
    ("fault", "fields"),
    [
        ("reset", {"status": None, "ended": "reset", "reason": "connection-reset", "bytesSent": 0}),
        ("close", {"status": None, "ended": "close", "bytesSent": 0}),
        ("garbage", {"status": None, "ended": "garbage"}),
        ("hang20", {"status": None, "ended": "hang"}),
        ("truncate", {"status": 200, "ended": "truncate"}),
        ("drip0", {"status": 200, "ended": "responded", "reason": "connection-drip"}),
    ],
)
def test_a_broken_connection_is_recorded_before_the_client_sees_it(
    mock: MockServer, fault: str, fields: dict[str, Any]
) -> None:
    head = f"GET {LIST} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer sk_mock_{fault}\r\n\r\n"
    with connect(mock.port) as client, suppress(ConnectionResetError):
        client.sendall(head.encode())
        while client.recv(65536):
            pass
    recorded = latest(mock)
    assert {key: recorded[key] for key in fields} == fields
    assert recorded["faults"] == ["key"]


def test_a_waiting_request_is_in_flight_and_aborted_after_a_disconnect(mock: MockServer) -> None:
    count = f"{mock.root_url}/__admin/requests/count?atLeast=1&timeoutMs=20000"
    with connect(mock.port) as client:
        client.sendall(f"GET {LIST} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_mock_delay600000\r\n\r\n".encode())
        assert httpx.post(count, json={}).json()["count"] == 1
        waiting = events(mock)[0]
        assert waiting["request"]["mockAtoms"]["ended"] is None
        assert "response" not in waiting
    while (ended := latest(mock)["ended"]) is None:
        pass
    assert ended == "aborted"


def test_the_request_id_is_the_first_recorded_response_header(mock: MockServer) -> None:
    response = httpx.get(f"{mock.url}/audience", headers=ACME)
    headers = events(mock)[0]["response"]["headers"]
    assert next(iter(headers)) == "x-request-id"
    assert headers["x-request-id"] == response.headers["x-request-id"] == latest(mock)["id"]
    assert headers["content-type"] == response.headers["content-type"]


def test_a_request_id_of_a_rule_is_recorded_in_its_place(mock: MockServer) -> None:
    mock.fail({"respond": {"status": 500, "headers": {"A": "1", "X-Request-Id": "mine"}}})
    httpx.get(f"{mock.url}/audience", headers=ACME)
    headers = events(mock)[0]["response"]["headers"]
    assert [name for name in headers if name in ("a", "x-request-id")] == ["a", "x-request-id"]
    assert headers["x-request-id"] == "mine" != latest(mock)["id"]


def test_an_exchange_without_a_response_has_no_response_headers() -> None:
    assert exchange(0).response_headers() == []


@pytest.mark.parametrize(
    ("content_type", "parameters"),
    [
        ("application/x-www-form-urlencoded", {"a": {"key": "a", "values": ["1"]}}),
        ("Application/X-WWW-Form-URLencoded; charset=utf-8", {"a": {"key": "a", "values": ["1"]}}),
        ("application/json", {}),
        (None, {}),
    ],
)
def test_only_a_body_of_that_type_is_a_form(
    mock: MockServer, content_type: str | None, parameters: dict[str, object]
) -> None:
    headers = ACME if content_type is None else ACME | {"Content-Type": content_type}
    httpx.post(f"{mock.url}/audience", headers=headers, content=b"a=1")
    assert events(mock)[0]["request"]["formParams"] == parameters


@pytest.mark.alone("the clock counts its calls, and each replica calls it")
def test_the_journal_uses_the_injected_clocks() -> None:
    seconds = chain([10.0, 10.0, 10.25, 10.5], repeat(99.0))
    mock = MockAtoms(Settings(), lambda: next(seconds), lambda: datetime(2026, 1, 2, 3, 4, 5, 6000, tzinfo=UTC))
    app = create_app(mock=mock)
    call(app, LIST)  # a 401, whose work needs no clock
    event = json.loads(call(app, "/__admin/requests").body)["requests"][0]
    assert event["request"]["loggedDate"] == 1767323045006
    assert event["request"]["loggedDateString"] == "2026-01-02T03:04:05.006Z"
    assert event["request"]["mockAtoms"]["durationMs"] == 500.0
    assert event["timing"] == {
        "addedDelay": 0,
        "processTime": 250,
        "responseSendTime": 250,
        "serveTime": 250,
        "totalTime": 500,
    }


def test_a_body_is_kept_up_to_the_limit_with_its_size(mock: MockServer) -> None:
    httpx.post(f"{mock.url}/audience", headers=ACME, content=b"x" * 200_000)
    fields = latest(mock)
    assert (fields["bodySize"] >= MAX_BODY_BYTES, fields["bodyCap"]) == (True, MAX_BODY_BYTES)
    assert events(mock)[0]["request"]["body"] == "x" * MAX_BODY_BYTES
    httpx.post(f"{mock.url}/audience", headers=ACME, content="größe".encode())
    assert latest(mock)["bodySize"] == 7
    assert latest(mock)["bodyComplete"] is True
    assert events(mock)[0]["request"]["body"] == "größe"


def recorded_post(
    app_reads: bool,  # noqa: FBT001 - a table
    messages: Sequence[Message],
    body_timeout: float = 20,
    encoding: bytes = b"",
    *,
    is_gone: bool = False,
    app: ASGIApp | None = None,
) -> Exchange:
    """Return the recorded exchange of a POST whose body arrives as `messages`."""

    async def simple_app(_scope: Scope, receive: Receive, send: Send) -> None:
        if app_reads:
            while (await receive()).get("more_body", False):
                pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    mock = MockAtoms(Settings())
    remaining = iter(messages)

    async def receive() -> Message:
        for message in remaining:
            return message
        await asyncio.Future()
        raise AssertionError

    async def send(_message: Message) -> None:
        pass

    headers = [*bearer_pairs("sk_acme"), (b"content-length", b"9"), (b"content-encoding", encoding)]
    extensions = {TRANSPORT: SimpleNamespace(is_closing=lambda: is_gone)}
    scope = {"type": "http", "method": "POST", "path": LIST, "headers": headers, "extensions": extensions}
    asyncio.run(
        IdentifyMiddleware(RecordingMiddleware(app or simple_app, mock, body_timeout), mock)(scope, receive, send)
    )
    (exchange,) = recorded(mock.journal)
    return exchange


def chunk(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize("app_reads", [True, False])
def test_a_body_that_the_app_does_not_read_is_recorded(app_reads: bool) -> None:  # noqa: FBT001 - a table
    exchange = recorded_post(app_reads, [chunk(b"a=1"), chunk(b"&b=2", more=False)])
    assert (exchange.body, exchange.body_size, exchange.is_body_complete) == (b"a=1&b=2", 7, True)


def test_a_response_waits_for_a_missing_body_until_the_timeout() -> None:
    exchange = recorded_post(app_reads=False, messages=[chunk(b"a=1")], body_timeout=0)
    assert (exchange.status, exchange.body, exchange.is_body_complete) == (200, b"a=1", False)


def test_the_journal_reads_a_bounded_part_of_an_unread_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_UNREAD_BODY_BYTES", 5)
    exchange = recorded_post(app_reads=False, messages=[chunk(b"a=1"), chunk(b"&b=2"), chunk(b"&c=3", more=False)])
    assert (exchange.body, exchange.is_body_complete) == (b"a=1&b=2", False)


@pytest.mark.alone("replicas hold the start of a response until the store has the exchange")
def test_an_exchange_is_complete_before_the_last_byte_is_sent() -> None:
    mock = MockAtoms(Settings())
    ended = []

    async def send(_message: Message) -> None:
        ended.append([exchange.ended for exchange in await mock.journal.candidates(())])

    scope = {"type": "http", "method": "GET", "path": LIST, "query_string": b"", "headers": bearer_pairs("sk_acme")}
    asyncio.run(create_app(mock=mock)(scope, receive_empty_body, send))  # type: ignore[arg-type] # an ASGI callable is a coroutine function
    assert ended == [[None], ["responded"]]


async def receive_empty_body() -> Message:
    return chunk(b"", more=False)


def test_a_disconnect_within_the_body_keeps_the_received_part() -> None:
    exchange = recorded_post(app_reads=False, messages=[chunk(b"a=1"), {"type": "http.disconnect"}])
    assert (exchange.body, exchange.is_body_complete) == (b"a=1", False)
    assert (exchange.ended, exchange.reason) == ("aborted", "aborted")


def test_a_token_across_the_limit_is_masked() -> None:
    exchange = recorded_post(app_reads=True, messages=[chunk(b"x" * (MAX_BODY_BYTES - 5) + b"sk_acme", more=False)])
    assert exchange.body == b"x" * (MAX_BODY_BYTES - 5) + mask_token("sk_acme").encode()[:5]


@pytest.mark.parametrize("key", ["sk_verysecret", "sk%5Fverysecret", r"\u0073\u006b\u005f\u0076erysecret"])
@pytest.mark.parametrize("kept", [1, 5, 20])
def test_an_escaped_key_across_the_limit_is_masked(key: str, kept: int) -> None:
    body = b"." * (MAX_BODY_BYTES - kept) + key.encode()
    exchange = recorded_post(app_reads=True, messages=[chunk(body, more=False)])
    assert exchange.body[MAX_BODY_BYTES - kept :] == "sk_ver…#38c9cb".encode()[:kept]


def test_keys_in_a_body_are_masked_in_steps_although_the_client_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = list[int]()

    def counted(text: str, token: str | None, limit: int) -> Steps[str]:
        for _ in (masking := Masking(text, token, limit)):
            steps.append(1)
            yield
        return masking.result

    monkeypatch.setattr(recording, "mask_text_steps", counted)
    body = b"sk_aB9 " * 9_000
    exchange = recorded_post(app_reads=True, messages=[chunk(body), {"type": "http.disconnect"}], is_gone=True)
    assert exchange.body.startswith(b"sk_\xe2\x80\xa6#")
    assert b"sk_aB9" not in exchange.body
    assert len(steps) > 50


class Masking:
    """The steps of `mask_text_steps`, and then its result."""

    def __init__(self, text: str, token: str | None, limit: int) -> None:
        self._steps = mask_text_steps(text, token, limit)
        self.result = ""

    def __iter__(self) -> Iterator[None]:
        self.result = yield from self._steps


def test_bodies_that_differ_beyond_the_limit_have_different_digests() -> None:
    bodies = [[chunk(b"x" * MAX_BODY_BYTES), chunk(end, more=False)] for end in (b"1", b"1", b"2")]
    first, same, other = (recorded_post(app_reads=True, messages=body) for body in bodies)
    assert first.body == same.body == other.body
    assert first.body_tail_digest == same.body_tail_digest != other.body_tail_digest


@pytest.mark.parametrize(("encoding", "compress"), [(b"gzip", gzipped), (b"deflate", zlib.compress)])
@pytest.mark.parametrize("app_reads", [True, False])
def test_a_compressed_body_is_recorded_inflated(
    app_reads: bool,  # noqa: FBT001 - a table
    encoding: bytes,
    compress: Callable[[bytes], bytes],
) -> None:
    text = b'{"key": "sk_acme"}' + b"x" * MAX_BODY_BYTES
    body = compress(text)
    exchange = recorded_post(app_reads, [chunk(body[:9]), chunk(body[9:], more=False)], encoding=encoding)
    assert exchange.body.startswith(b'{"key": "%s"}xxx' % mask_token("sk_acme").encode())
    assert (len(exchange.body), exchange.body_size, exchange.is_body_complete) == (MAX_BODY_BYTES, len(text), True)
    assert exchange.header_values("content-encoding") == [encoding.decode()]


@pytest.mark.parametrize(
    ("body", "encoding"), [(b"no gzip", b"gzip"), (gzipped(b"x")[:-1], b"gzip"), (gzipped(b"x"), b"br")]
)
def test_a_body_that_cannot_be_inflated_is_recorded_as_received(body: bytes, encoding: bytes) -> None:
    exchange = recorded_post(app_reads=True, messages=[chunk(body[:3]), chunk(body[3:], more=False)], encoding=encoding)
    assert (exchange.body, exchange.body_size, exchange.is_body_complete) == (body, len(body), True)


def test_the_received_part_of_a_compressed_body_is_inflated() -> None:
    messages = [chunk(zlib.compress(b"x" * 1000)[:-4]), {"type": "http.disconnect"}]
    exchange = recorded_post(app_reads=False, messages=messages, encoding=b"deflate")
    assert (exchange.body, exchange.is_body_complete, exchange.ended) == (b"x" * 1000, False, "aborted")


def test_the_journal_inflates_a_bounded_part_of_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_INFLATED_BODY_BYTES", INFLATED_PIECE_BYTES)
    bomb = gzipped(bytes(100 * INFLATED_PIECE_BYTES))
    exchange = recorded_post(
        app_reads=True, messages=[chunk(bomb[:-9]), chunk(bomb[-9:], more=False)], encoding=b"gzip"
    )
    assert (exchange.body_size, exchange.is_body_complete) == (INFLATED_PIECE_BYTES, True)


def test_a_compressed_body_is_complete_although_a_delay_ends_while_it_is_inflated() -> None:
    body = b"x" * 40 * INFLATED_PIECE_BYTES
    turns = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(3):
            read = asyncio.ensure_future(receive())
            for _ in range(4):
                await asyncio.sleep(0)
            turns.append(read.cancel())
        message = await asyncio.wait_for(receive(), 10)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": message["body"]})

    exchange = recorded_post(app_reads=True, messages=[chunk(gzipped(body), more=False)], encoding=b"gzip", app=app)
    assert turns == [True] * 3
    assert exchange.bytes_sent == len(gzipped(body))
    assert (exchange.body_size, exchange.is_body_complete) == (len(body), True)


def test_attempts_of_one_call_may_be_compressed_at_different_times(mock: MockServer) -> None:
    headers = {"Authorization": "Bearer sk_mock_500.gzip", "Content-Type": "application/json"}
    for time in (1, 2):
        content = gzip.compress(b"{}" + b" " * MAX_BODY_BYTES, mtime=time)
        url = f"{mock.url}/audience/60d0fe4f5311236168a109ca/members"
        httpx.post(url, headers=headers | {"Content-Encoding": "gzip"}, content=content)
    assert latest(mock)["attempt"] == 2
    pattern = {"bodyPatterns": [{"contains": "{} "}]}
    assert httpx.post(f"{mock.root_url}/__admin/requests/count", json=pattern).json()["count"] == 2


def test_a_scope_without_query_and_client_is_recorded() -> None:
    exchange = recorded_post(app_reads=True, messages=[chunk(b"", more=False)])
    assert (
        exchange.url,
        exchange.client_address,
        exchange.head.host,
        exchange.head.scheme,
        exchange.head.http_version,
    ) == (
        LIST,
        "",
        "",
        "http",
        "1.1",
    )


SECRET = "Zz-secret-0123456789"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {SECRET}", "X-Echo": SECRET, "X-Test-Id": f"test-{SECRET}"},
        {"Authorization": f"Basic {SECRET}"},
        {"Authorization": SECRET},
        {"Cookie": f"a=1; session={SECRET}; b=2"},
        {"Cookie": f'session="{SECRET}"'},
        {"X-Api-Key": SECRET},
        {"X-Api-Key": f"{SECRET} x"},
        {"Authorization": f"{SECRET} Bearer"},
        {"Proxy-Authorization": f"Bearer {SECRET}"},
        {"X-Other": f"sk_{SECRET}"},
    ],
)
def test_no_complete_credential_is_kept(mock: MockServer, headers: dict[str, str]) -> None:
    bodies = {} if "X-Echo" not in headers else {"json": {"key": SECRET}, "params": {"q": SECRET}}
    httpx.post(f"{mock.url}/audience", headers=headers, **bodies)  # type: ignore[arg-type] # keywords of httpx
    admin = f"{mock.root_url}/__admin"
    pages = [httpx.get(f"{admin}/{path}").text for path in ("requests", "retries", "tenants", "state")]
    assert all(SECRET not in text for text in pages)
    assert "…#" in pages[0]


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("Bearer sk_acme", f"Bearer {mask_token('sk_acme')}"),
        ("bearer   ab", f"bearer {mask_token('ab')}"),
        ("sk_acme", mask_token("sk_acme")),
        ("Bearer", mask_token("Bearer")),
        ("sk_acme Bearer", mask_token("sk_acme Bearer")),
        ("Unknown sk_acme", mask_token("Unknown sk_acme")),
        ("", ""),
    ],
)
def test_short_credentials_are_masked(value: str, masked: str) -> None:
    assert mask_credentials(value) == masked


def exchange(
    number: int, body: bytes = b"", token: str = "sk_acme", headers: tuple[tuple[str, str], ...] = ()
) -> Exchange:
    return Exchange(
        RequestHead(caller_for(token).tenant, (), "GET", LIST, "http", "1.1", "", headers, ()),
        id=f"{number:08d}-0000-4000-8000-000000000000",
        arrived_at=datetime(2026, 1, 1, tzinfo=UTC),
        started_at=float(number),
        client_address="",
        client_port=0,
        body=body,
    )


def test_the_oldest_exchanges_are_dropped_and_counted() -> None:
    journal = MemoryJournal(3, Credentials(b"key"))
    exchanges = [exchange(number) for number in range(5)]
    for each in exchanges:
        journal.add(each)
    assert [*journal] == exchanges[2:]
    assert (len([*journal]), journal.dropped) == (3, 2)
    exchanges[0].body = b"x" * 1000
    asyncio.run(journal.update(exchanges[0]))  # it was dropped and has no weight
    assert asyncio.run(journal.find(exchanges[4].id)) is exchanges[4]
    assert asyncio.run(journal.find(exchanges[0].id)) is None
    asyncio.run(journal.clear())
    assert (len([*journal]), journal.dropped) == (0, 0)


def test_the_size_of_the_journal_is_bounded() -> None:
    journal = MemoryJournal(1000, Credentials(b"key"), max_bytes=10_000)
    for number in range(20):
        each = exchange(number)
        journal.add(each)
        each.body = b"x" * 1500
        asyncio.run(journal.update(each))
    assert [each.id for each in journal] == [exchange(number).id for number in (17, 18, 19)]
    assert journal.dropped == 17
    asyncio.run(journal.clear())
    journal.add(exchange(99, b"x" * 20_000))
    assert len([*journal]) == 1  # the latest is always kept


def test_a_journal_may_be_exactly_full() -> None:
    body = b"x" * 1_000
    unbounded = MemoryJournal(10, Credentials(b"key"))
    unbounded.add(exchange(0, body))
    for spare, dropped in ((0, 0), (-1, 1)):
        journal = MemoryJournal(10, Credentials(b"key"), max_bytes=3 * unbounded.size_bytes + spare)
        for number in range(3):
            journal.add(exchange(number, body))
        assert (len([*journal]), journal.dropped) == (3 - dropped, dropped)


def test_the_journal_keeps_64_mib_by_default() -> None:
    journal = MemoryJournal(10_000, Credentials(b"key"))
    body = b"x" * MAX_BODY_BYTES
    for number in range(1_100):
        journal.add(exchange(number, body))
    assert journal.dropped > 0
    assert 64 * 1024 * 1024 - 70_000 < journal.size_bytes <= 64 * 1024 * 1024


def test_headers_weigh_more_than_their_text() -> None:
    journal = MemoryJournal(1000, Credentials(b"key"), max_bytes=100_000)
    for number in range(5):
        each = exchange(number, headers=(("a", "b"),) * 100)
        each.response_head = ResponseHead(((b"a", b"b"),) * 100)
        journal.add(each)
    assert len([*journal]) in (2, 3)  # objects have other sizes in other releases of Python


def test_removed_exchanges_make_room() -> None:
    journal = MemoryJournal(10, Credentials(b"key"), max_bytes=7_000)
    exchanges = [exchange(number, b"x" * 500) for number in range(3)]
    for each in exchanges:
        journal.add(each)
    assert asyncio.run(journal.remove([exchanges[1], exchange(9)])) == [exchanges[1]]
    journal.add(exchange(7, b"x" * 500))
    assert (len([*journal]), journal.dropped) == (3, 0)


def test_a_journal_of_size_0_is_off() -> None:
    journal = MemoryJournal(0, Credentials(b"key"))
    journal.add(exchange(1))
    assert journal.is_off
    assert len([*journal]) == 0
    with MockServer(journal_size=0) as off:
        httpx.get(f"{off.url}/audience", headers=ACME)
        admin = f"{off.root_url}/__admin/requests"
        assert httpx.post(f"{admin}/count", json={}).json() == {"count": -1, "requestJournalDisabled": True}
        assert httpx.post(f"{admin}/count?atLeast=5&timeoutMs=600000", json={}).json()["count"] == -1
        assert httpx.post(f"{admin}/find", json={}).json() == {"requests": [], "requestJournalDisabled": True}


def test_another_key_digests_otherwise() -> None:
    assert Credentials(b"one").digest("sk_acme") != Credentials(b"two").digest("sk_acme")
