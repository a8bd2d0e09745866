"""Shortcuts, on real sockets: they are taken where they may be, and no answer and no entry of the journal tells."""

import asyncio
import gc
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import FunctionType, ModuleType
from typing import Any
from weakref import ref

import httpx
import pytest
from hypothesis import given, settings
from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms import Settings, create_app
from mock_atoms.caching.fast_path import MAX_HEAD
from mock_atoms.caching.response_cache import CachedResponse, key_of
from mock_atoms.mock import MockAtoms
from mock_atoms.serving.server import build_server, listen
from mock_atoms.state.store import MemoryStore
from tests.caching.test_response_cache import Step, steps

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LIST = "/atoms/v1/audience"
ACME = {"Authorization": "Bearer sk_acme"}


@dataclass
class Served:
    """A server of which it is known what its application was asked.

    Attributes:
        port: where it listens.
        mock: its state.
        asked: method and path of each request that came as far as the application.
        keep_alive: sets for how many seconds a connection stays open without a request.
    """

    port: int
    mock: MockAtoms
    asked: list[str] = field(default_factory=list)
    keep_alive: Callable[[float], None] = lambda _seconds: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{LIST}"


@contextmanager
def served(store: MemoryStore | None = None, **options: Any) -> Iterator[Served]:  # noqa: ANN401 - any setting
    mock = MockAtoms(Settings(**options), now=lambda: NOON, store=store)
    app: ASGIApp = create_app(mock=mock)
    sockets = listen("127.0.0.1", 0)
    serving = Served(sockets[0].getsockname()[1], mock)

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        serving.asked.append(f"{scope['method']} {scope['path']}")
        await app(scope, receive, send)

    ready = threading.Event()
    server = build_server(mock, counted, ready.set)

    def keep_alive(seconds: float) -> None:
        server.config.timeout_keep_alive = seconds  # type: ignore[assignment] # a float does as well

    serving.keep_alive = keep_alive
    thread = threading.Thread(target=server.run, args=(sockets,))
    thread.start()
    assert ready.wait(20)
    try:
        yield serving
    finally:
        server.should_exit = True
        thread.join(20)


def received(connection: socket.socket, bodies: int) -> list[tuple[bytes, bytes]]:
    """Return as many answers as heads and bodies."""
    data = b""
    answers: list[tuple[bytes, bytes]] = []
    while len(answers) < bodies:
        piece = connection.recv(1 << 20)
        assert piece, "the connection was closed"
        data += piece
        while b"\r\n\r\n" in data:
            head, _, rest = data.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if len(rest) < length:
                break
            answers.append((head, rest[:length]))
            data = rest[length:]
    return answers


def plain(token: str = "sk_acme", more: str = "", target: str = LIST) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{more}\r\n".encode()


def ask(serving: Served, *requests: bytes) -> list[tuple[bytes, bytes]]:
    """Send requests one after another on one connection."""
    with socket.create_connection(("127.0.0.1", serving.port), timeout=20) as connection:
        answers = []
        for request in requests:
            connection.sendall(request)
            answers += received(connection, 1)
        return answers


def without_date(head: bytes) -> bytes:
    return re.sub(rb"(?i)date: [^\r]+\r\n", b"", head)


def request_ids(answers: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [re.findall(rb"x-request-id: (\S+)", head)[0] for head, _ in answers]


def entries(serving: Served) -> list[dict[str, Any]]:
    """Return what the journal tells, but for what is chance."""
    found = httpx.post(f"http://127.0.0.1:{serving.port}/__admin/requests/find", json={}).json()["requests"]
    for request in found:
        for name in ("absoluteUrl", "port"):
            del request[name]
        del request["mockAtoms"]["durationMs"]
        request["headers"]["host"] = request["host"] = "x"
    return list(found)


def test_the_third_of_the_same_requests_takes_a_shortcut() -> None:
    with served() as taking, served(response_cache=False) as long:
        short, whole = (ask(serving, *[plain()] * 5) for serving in (taking, long))
        assert (len(taking.asked), len(long.asked)) == (2, 5)
        assert entries(taking) == entries(long)
        assert len(set(request_ids(short))) == 5
        assert [(without_date(head), body) for head, body in short] == [
            (without_date(head), body) for head, body in whole
        ]


def test_a_shortcut_leads_from_all_connections_and_to_one_answer_alone() -> None:
    other = plain(target=f"{LIST}?x=1")
    with served() as serving:
        ask(serving, *[plain()] * 2)
        assert ask(serving, plain())[0][1] == ask(serving, plain())[0][1]
        assert len(serving.asked) == 2
        different = [
            plain("sk_globex"),
            other,
            plain(more="X-Test-Id: t\r\n"),
            plain(more="A: b\r\n"),
            plain(more="B: a\r\n"),
        ]
        for request in different:
            ask(serving, request)
        assert len(serving.asked) == 2 + len(different)


LONG = {
    "a preference": plain(more="Prefer: code=200\r\n"),
    "an origin": plain(more="Origin: http://localhost:3000\r\n"),
    "a body": plain(more="Content-Length: 2\r\n") + b"{}",
    "an offer to change the protocol": plain(more="Upgrade: h2c\r\nConnection: Upgrade\r\n"),
    "a key with a fault": plain("sk_mock_500p0.mine"),
    "a key that means nothing": plain("sk_mock_oops"),
    "no such audience": plain(target="/atoms/v1/audience/60d0fe4f5311236168a109ca"),
    "HTTP/1.0": plain().replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host", b"Connection: keep-alive\r\nHost"),
    "a very long head": plain(more=f"A: {'a' * MAX_HEAD}\r\n"),
    "another method": plain().replace(b"GET", b"OPTIONS"),
}


@pytest.mark.parametrize("request_", LONG.values(), ids=LONG)
def test_what_may_be_answered_otherwise_goes_the_long_way(request_: bytes) -> None:
    with served() as serving:
        ask(serving, *[plain()] * 3)
        before = len(serving.asked)
        for _ in range(4):
            ask(serving, request_)
        assert len(serving.asked) - before == 4


def test_a_preference_that_is_none_of_ours_closes_no_shortcut() -> None:
    with served() as serving:
        ask(serving, *[plain(more="Prefer: respond-async\r\n")] * 3)
        assert len(serving.asked) == 2


def test_a_connection_that_its_client_wants_closed_is_closed() -> None:
    request = plain(more="Connection: close\r\n")
    with served() as serving:
        for number in range(1, 5):
            with socket.create_connection(("127.0.0.1", serving.port), timeout=20) as connection:
                connection.sendall(request)
                received(connection, 1)
                assert connection.recv(1) == b""
            assert len(serving.asked) == number


Change = Callable[[httpx.Client], object]
MEMBERS = {"members": [{"phoneNumber": "+14155550100"}]}
CHANGES: dict[str, Change] = {
    "a rule": lambda http: http.post("/__admin/faults", json={"fault": "500"}),
    "a rule for the token": lambda http: http.post(
        "/__admin/faults", json={"fault": "500", "match": {"token": "sk_acme"}}
    ),
    "what it holds": lambda http: http.put("/__admin/tenants", json={"token": "sk_acme", "audiences": []}),
    "a new member": lambda http: http.post(f"{LIST}/{first(http)}/members", json=MEMBERS, headers=ACME),
    "campaigns": lambda http: http.put(
        f"/__admin/audiences/{first(http)}/campaigns", json={"token": "sk_acme", "campaigns": [{}]}
    ),
}


def first(http: httpx.Client) -> str:
    return str(http.get(LIST, headers=ACME).json()["data"][0]["_id"])


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_shows_at_once(change: Change) -> None:
    with served() as serving, httpx.Client(base_url=f"http://127.0.0.1:{serving.port}") as http:
        before = ask(serving, *[plain()] * 3)[2]
        assert isinstance(answer := change(http), httpx.Response)
        assert answer.is_success, answer.text
        changed = ask(serving, *[plain()] * 4)
        assert len({body for _, body in changed}) == 1
        assert changed[0][1] != before[1]
        http.post("/__admin/reset", json={"token": "sk_acme"})
        http.post("/__admin/reset", json={})
        assert ask(serving, plain())[0][1] == before[1]


def test_rules_for_others_close_no_shortcut_and_those_that_are_gone_open_it_again() -> None:
    with served() as serving, httpx.Client(base_url=f"http://127.0.0.1:{serving.port}/__admin") as admin:
        ask(serving, *[plain()] * 2)
        for match in ({"token": "sk_other"}, {"testId": "t"}, {"method": "POST", "path": "/audience"}):
            admin.post("/faults", json={"fault": "500", "match": match})
        asked = len(serving.asked)
        ask(serving, plain())
        assert len(serving.asked) == asked
        rule = admin.post("/faults", json={"fault": "500"}).json()
        assert b" 500 " in ask(serving, plain())[0][0].split(b"\r\n")[0]
        admin.delete(f"/faults/{rule['id']}")
        asked = len(serving.asked)
        ask(serving, plain())
        assert len(serving.asked) == asked


def test_requests_one_behind_the_other_are_answered_in_order() -> None:
    slow = plain("sk_globex", "Prefer: delay=300\r\n")
    with served() as serving:
        bodies = {token: ask(serving, *[plain(token)] * 2)[1][1] for token in ("sk_acme", "sk_globex", "sk_third")}
        serving.keep_alive(0.1)
        order = ["sk_acme", "sk_third", "sk_globex", "sk_third", "sk_acme"]
        sent = b"".join(slow if token == "sk_globex" else plain(token) for token in order)
        with socket.create_connection(("127.0.0.1", serving.port), timeout=20) as connection:
            connection.sendall(sent)
            answers = received(connection, 5)
            assert [body for _, body in answers] == [bodies[token] for token in order]
            assert connection.recv(1) == b""  # nothing came for long enough


def test_a_connection_without_a_request_is_closed() -> None:
    with served() as serving:
        ask(serving, *[plain()] * 2)
        serving.keep_alive(0.05)
        with socket.create_connection(("127.0.0.1", serving.port), timeout=20) as connection:
            connection.sendall(plain() * 2)
            received(connection, 2)
            assert connection.recv(1) == b""
        assert len(serving.asked) == 2


@pytest.mark.parametrize("replay", [True, False])
def test_a_connection_is_closed_once_nothing_came_for_long_and_not_before(*, replay: bool) -> None:
    with served(response_cache=replay) as serving:
        ask(serving, *[plain()] * 2)
        serving.keep_alive(1)
        with socket.create_connection(("127.0.0.1", serving.port), timeout=20) as connection:
            for _ in range(3):
                connection.sendall(plain())
                received(connection, 1)
                time.sleep(0.6)
            connection.sendall(plain(more="Prefer: delay=1500\r\n"))
            received(connection, 1)
            connection.sendall(plain())
            received(connection, 1)
            assert connection.recv(1) == b""


def test_a_client_that_does_not_read_is_waited_for() -> None:
    with served() as serving:
        ((_, body),) = ask(serving, *[plain()] * 2)[1:]
        many = 3_000  # more than the buffers on both sides hold
        with socket.create_connection(("127.0.0.1", serving.port), timeout=20) as connection:
            sender = threading.Thread(target=connection.sendall, args=(plain() * many,))
            sender.start()
            for _ in range(2_000):
                if len(serving.asked) > 2:
                    break
                time.sleep(0.01)
            assert {answer for _, answer in received(connection, many)} == {body}
            sender.join(20)
        assert len(serving.asked) > 2


def test_a_request_in_pieces_takes_it_too() -> None:
    with served() as serving:
        ask(serving, *[plain()] * 2)
        with socket.create_connection(("127.0.0.1", serving.port), timeout=20) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in plain():
                connection.sendall(bytes([byte]))
            received(connection, 1)
        assert len(serving.asked) == 2


def test_a_bug_in_a_shortcut_is_told_and_is_no_bad_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_given: object) -> None:
        raise ZeroDivisionError

    with served() as serving:
        monkeypatch.setattr(serving.mock.fast_path, "answer", broken)
        with socket.create_connection(("127.0.0.1", serving.port), timeout=20) as connection:
            connection.sendall(plain())
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""
    assert "ZeroDivisionError" in caplog.text


def test_a_head_may_take_its_time_behind_an_answer() -> None:
    with served() as serving:
        ask(serving, *[plain()] * 2)
        serving.keep_alive(1)
        with socket.create_connection(("127.0.0.1", serving.port), timeout=20) as connection:
            connection.sendall(plain())
            received(connection, 1)
            connection.sendall(plain()[:20])
            time.sleep(1.5)  # longer than a connection stays open without a request
            connection.sendall(plain()[20:])
            received(connection, 1)


def test_an_older_version_of_http_takes_no_way_of_a_newer_one() -> None:
    newer = plain(more="Connection: keep-alive\r\n")
    with served() as serving:
        ask(serving, *[newer] * 3)
        asked = len(serving.asked)
        with socket.create_connection(("127.0.0.1", serving.port), timeout=20) as connection:
            connection.sendall(newer.replace(b"HTTP/1.1", b"HTTP/1.0"))
            received(connection, 1)
            assert connection.recv(1) == b"", "a connection of HTTP/1.0 ends with its answer"
        assert len(serving.asked) == asked + 1


def test_what_was_forgotten_is_not_found_even_while_somebody_has_it_still() -> None:
    with served() as serving:
        first, *_ = request_ids(ask(serving, *[plain()] * 3))
        held = asyncio.run(serving.mock.store.states())
        assert held
        httpx.post(f"http://127.0.0.1:{serving.port}/__admin/reset", json={"token": "sk_acme"})
        assert request_ids(ask(serving, *[plain()] * 3))[0] == first
        answers = [one for one in gc.get_objects() if isinstance(one, CachedResponse)]
        assert answers
        asked = len(serving.asked)
        serving.mock.response_cache.forget()
        ask(serving, plain())
        assert len(serving.asked) == asked + 1


def test_who_takes_shortcuts_is_not_forgotten_before_others() -> None:
    with served(store=MemoryStore(max_tenants=2)) as serving:
        ask(serving, *[plain("a")] * 2, *[plain("b")] * 2, plain("a"), plain("c"))
        asked = len(serving.asked)
        ask(serving, plain("a"))
        assert len(serving.asked) == asked


def test_what_is_sent_by_shortcuts_is_not_forgotten_before_other_answers() -> None:
    with served() as serving:
        response_cache = serving.mock.response_cache
        (_, body), *_ = ask(serving, *[plain("a")] * 2, *[plain("b")] * 2, plain("a"))
        response_cache.max_size = 2 * (len(body) + 10_000)
        for number in range(20):
            ask(serving, plain("a"), plain(str(number)))
        asked = len(serving.asked)
        ask(serving, plain("a"))
        assert len(serving.asked) == asked


def test_the_least_recently_used_is_forgotten_first() -> None:
    with served() as serving:
        fast_path = serving.mock.fast_path
        fast_path.most = 2
        for token in ("a", "b"):
            ask(serving, *[plain(token)] * 2)
        ask(serving, plain("a"), *[plain("c")] * 2)
        asked = len(serving.asked)
        ask(serving, plain("a"), plain("c"))
        assert len(serving.asked) == asked
        ask(serving, plain("b"))
        assert len(serving.asked) == asked + 1


def test_no_shortcut_holds_what_others_have_forgotten() -> None:
    with served() as serving:
        ask(serving, *[plain()] * 3)
        assert len(serving.asked) == 2
        (state,) = asyncio.run(serving.mock.store.states())
        cached_response = serving.mock.response_cache.get(key_of(state, "/audience", b""))
        assert cached_response is not None
        forgotten = ref(state), ref(cached_response)
        del state, cached_response
        httpx.post(f"http://127.0.0.1:{serving.port}/__admin/reset", json={})
        gc.collect()
        assert [one() for one in forgotten] == [None, None]


def reachable(root: object) -> Iterator[str | bytes]:
    """Yield all text that is kept in objects that `root` leads to."""
    seen, waiting = set(), [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, (type, ModuleType, FunctionType)):
            continue
        seen.add(id(one))
        if isinstance(one, (str, bytes)):
            yield one
        waiting += gc.get_referents(one)


def test_no_token_is_kept() -> None:
    token = "sk_verysecret_" + "token"
    with served() as serving:
        ask(serving, *[plain(token)] * 3, plain(token, target=f"{LIST}?key={token}"))
        kept = [*reachable(serving.mock)]
        assert any("sk_verys" in text for text in kept if isinstance(text, str))
        assert not [text for text in kept if (token if isinstance(text, str) else token.encode()) in text]  # type: ignore[operator] # both of one kind


@pytest.fixture(scope="module")
def pair() -> Iterator[list[httpx.Client]]:
    with ExitStack() as stack:
        servers = [stack.enter_context(served(response_cache=replay)) for replay in (True, False)]
        yield [
            stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{serving.port}", headers={"Host": "x"}))
            for serving in servers
        ]


@given(wanted=steps())
@settings(max_examples=60, deadline=None)
def test_no_answer_and_no_entry_is_another_one_with_shortcuts(pair: list[httpx.Client], wanted: list[Step]) -> None:
    told = [after(http, wanted) for http in pair]
    assert told[0] == told[1]


def after(http: httpx.Client, wanted: list[Step]) -> object:
    """Return all that a server tells by and after some requests, but for what is chance."""
    assert http.post("/__admin/reset", json={}).is_success
    held = [one["_id"] for one in http.get(LIST, headers={"Authorization": "Bearer sk_a"}).json()["data"]]
    ids = {"0": held[0], "1": held[1], "other": "0" * 24}
    answers: list[object] = []
    for method, path, headers, body in wanted * 3:
        for name, known in ids.items():
            path = path.replace(f"{{{name}}}", known)  # noqa: PLW2901 - the ids are known only now
        url = path if path.startswith("/__admin") else f"/atoms/v1{path}"
        if method == "SWAP":
            answer = http.put(url, json=http.get(url).json())
        else:
            answer = http.request(method, url, headers=headers, json=body)
        lines = [(name, value) for name, value in answer.headers.multi_items() if name != "date"]
        answers.append((answer.status_code, lines, answer.content))
    journal = http.post("/__admin/requests/find", json={}).json()["requests"]
    for request in journal:
        del request["mockAtoms"]["durationMs"]
    counted = [line for line in http.get("/__admin/metrics").text.split("\n") if line.startswith("mock_atoms_requests")]
    return answers, journal, http.get("/__admin/tenants").json(), counted
