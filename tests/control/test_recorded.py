"""No recorded request breaks a call that reads the journal."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from starlette.types import Message
from uvicorn.server import ServerState

from mock_atoms import Settings, create_app
from mock_atoms.mock import MockAtoms
from mock_atoms.serving.server import build_server
from tests.helpers.asgi import AsgiResponse, call
from tests.helpers.exchanges import recorded

PATTERNS: list[dict[str, Any]] = [
    {},
    {"method": "PUT", "urlPathTemplate": "/atoms/v1/{a}", "pathParameters": {"a": {"contains": "x"}}},
    {"urlPattern": ".*x{3}", "headers": {"Host": {"contains": "zz"}}, "cookies": {"a": {"matches": "b+"}}},
    {"queryParameters": {"a": {"hasExactly": [{"equalTo": "1"}]}}, "headers": {"X": {"doesNotMatch": "y"}}},
    *(
        {"bodyPatterns": [operator]}
        for operator in (
            {"equalToJson": {"a": [1e300, None]}, "ignoreArrayOrder": True, "ignoreExtraElements": True},
            {"matchesJsonPath": "$..a[?(@.b > 1)]"},
            {"matchesJsonPath": {"expression": "$.a", "contains": "1"}},
            {"and": [{"matches": "a"}, {"not": {"contains": "b"}}]},
        )
    ),
]
CALLS: list[tuple[str, str, object]] = [
    *(("GET", path, None) for path in ("/requests", "/requests/unmatched", "/requests/unmatched/near-misses")),
    *(
        ("GET", path, None)
        for path in ("/retries", "/retries?format=text", "/state", "/tenants", "/metrics", "/faults")
    ),
    *(
        ("POST", path, pattern)
        for path in ("/requests/find?nearMisses=3", "/requests/count", "/near-misses/request-pattern")
        for pattern in PATTERNS
    ),
    ("POST", "/requests/remove", {"method": "GET"}),
    ("POST", "/requests/remove", {}),
]
BYTES = st.binary(max_size=20)
PIECES = st.sampled_from(
    [
        *(
            b"/",
            b"//",
            b"?",
            b"&",
            b"=",
            b"#",
            b"%",
            b"%00",
            b"%ff",
            b"%ud800",
            b"+",
            b";",
            b"{a}",
            b"..",
            b"a",
            b"\xff",
        ),
        *(b"/atoms/v1/audience", b"page", b"limit", b"\xed\xa0\x80", b"\xc3", b"\xe2\x80\xae", b"http://", b"x" * 300),
    ]
)
TARGETS = st.lists(PIECES | BYTES, max_size=6).map(b"".join).map(lambda target: b"/" + target)
NAMES = st.sampled_from(
    [
        *(
            b"Host",
            b"Cookie",
            b"Content-Type",
            b"Authorization",
            b"X-Test-Id",
            b"Idempotency-Key",
            b"Prefer",
            b"Accept",
        ),
        *(
            b"X-Forwarded-For",
            b"Retry-After",
            b"Content-Encoding",
            b"x",
            b"User-Agent",
            b"Origin",
            b"Range",
            b"X-Api-Key",
        ),
    ]
)
VALUES = st.one_of(
    BYTES,
    st.sampled_from(
        [
            *(
                b"x:" + b"9" * 5_000,
                b"[::1",
                b"[",
                b":",
                b"a:b:c",
                b"x:99999999",
                b"session=%ff; a=b; a",
                b"=;=",
                b"a=\xff",
            ),
            *(b"application/json", b"application/x-www-form-urlencoded; charset=x", b"multipart/form-data; boundary="),
            *(b"multipart/form-data; boundary=\xff", b'multipart/form-data; boundary="', b"Bearer sk_acme", b"Bearer"),
            *(b"Bearer sk_mock_500x2.a", b"Basic \xff", b"code=500, delay=1", b"fault=close", b"gzip", b"\xed\xa0\x80"),
        ]
    ),
)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=8)
BODIES = st.one_of(
    st.binary(max_size=50),
    st.sampled_from(
        [
            *(
                b'{"a": 1e999}',
                b'{"a": "\\ud800"}',
                b'{"a": [NaN, Infinity, -0.0]}',
                b"1" * 5_000,
                b"[" * 2_000,
                b'{"a":',
            ),
            *(
                b"\xef\xbb\xbf{}",
                b"\xff\xfe{\x00",
                b'{"a": {"b": 9e99}}',
                b"a=1&a=%ff&=&&%",
                b"--\xff\r\n",
                b'"\xed\xa0\x80"',
            ),
        ]
    ),
)
REQUESTS = st.lists(
    st.tuples(st.sampled_from(["GET", "POST", "PUT", "HEAD", "X-Y"]), TARGETS, HEADERS, BODIES), max_size=4
)
Requests = Sequence[tuple[str, bytes, list[tuple[bytes, bytes]], bytes]]


def raw(method: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    """Return the bytes of a request."""
    lines = [b"%s %s HTTP/1.1" % (method.encode(), target), *(b"%s: %s" % header for header in headers)]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def connection() -> Mock:
    """Return a connection that drops all responses."""
    transport = Mock()
    transport.get_extra_info = {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 80)}.get
    transport.is_closing.return_value = False
    return transport


def check(mock: MockAtoms, app: Any) -> None:  # noqa: ANN401 - an ASGI application
    """Assert that each call succeeds, and that its JSON can be read."""
    ids = [exchange.id for exchange in recorded(mock.journal)]
    calls = [*[("GET", f"/requests/{each}", None) for each in ids], *CALLS]
    for method, target, content in calls:
        response = control(app, method, target, content)
        assert response.status == 200, (method, target, response)
        if response.headers["content-type"] == "application/json":
            json.loads(response.body)
        else:
            response.body.decode()


def control(app: Any, method: str, target: str, content: object) -> AsgiResponse:  # noqa: ANN401 - the same
    path, _, query = target.partition("?")
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    body = b"" if content is None else json.dumps(content).encode()
    return call(app, f"/__admin{path}", headers, method, query=query.encode(), body=body)


RECORDED = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)


@pytest.mark.slow
@given(REQUESTS)
@RECORDED
def test_requests_with_arbitrary_heads_and_bodies_can_be_read(requests: Requests) -> None:
    mock = MockAtoms(Settings(base_path="/"))
    app = create_app(mock=mock)

    async def send() -> None:
        config = build_server(mock, app, lambda: None).config
        config.load()
        for parts in requests:
            protocol: Any = config.http_protocol_class(config=config, server_state=ServerState(), app_state={})  # type: ignore[call-arg] # as uvicorn calls it
            protocol.connection_made(connection())
            protocol.data_received(raw(*parts))
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            if tasks:
                await asyncio.wait(tasks, timeout=5)
            protocol.connection_lost(None)

    asyncio.run(send())
    check(mock, app)


@pytest.mark.slow
@given(REQUESTS)
@RECORDED
@example([("GET", b"/", [(b"Host", b"x:" + b"9" * 5_000)], b"")])
@example(
    [
        (
            "POST",
            b"/a\xff?\xed\xa0\x80=%ff",
            [(b"Cookie", b"\xff=%ff"), (b"X-Test-Id", b"\xed\xa0\x80")],
            b'"\xed\xa0\x80"',
        )
    ]
)
def test_requests_of_other_servers_can_be_read(requests: Requests) -> None:
    """Other ASGI servers accept what our own server rejects."""
    mock = MockAtoms(Settings())
    app = create_app(mock=mock)
    for method, target, headers, body in requests:
        path, _, query = target.partition(b"?")
        pairs = [(name.lower(), value) for name, value in headers]
        send(app, path.decode("latin-1"), pairs, method, raw_path=path, query=query, body=body)
    check(mock, app)


def send(app: Any, path: str, headers: list[tuple[bytes, bytes]], method: str, **fields: object) -> None:  # noqa: ANN401 - the same
    """Send one request, unless it is for another part of the server."""

    async def run() -> None:
        received: list[Message] = [{"type": "http.request", "body": fields["body"], "more_body": False}]

        async def receive() -> Message:
            return received.pop() if received else {"type": "http.disconnect"}

        async def ignore(_message: Message) -> None:
            pass

        scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": fields["raw_path"],
            "root_path": "",
            "query_string": fields["query"],
            "headers": headers,
            "scheme": "http",
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        await app(scope, receive, ignore)

    if not path.startswith(("/__admin", "/docs", "/openapi")):
        asyncio.run(run())
