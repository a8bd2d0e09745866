"""Faults, marks and log lines as clients receive them."""

import asyncio
import json
import logging
import re
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from mock_atoms import MockServer, Settings, create_app
from mock_atoms.app import vendor_app
from mock_atoms.core.delays import CancellableWaiter
from mock_atoms.core.parsing import ConfigError
from mock_atoms.journal.access_log import JsonFormatter
from mock_atoms.middleware.express import ExpressMiddleware
from mock_atoms.middleware.faults import FaultMiddleware
from mock_atoms.middleware.identify import IdentifyMiddleware
from mock_atoms.middleware.recording import RecordingMiddleware
from mock_atoms.mock import MockAtoms
from tests.helpers.asgi import bearer_pairs, call
from tests.helpers.audiences import ACME, bearer, list_statuses


def test_a_magic_key_fails_twice_then_recovers(client: httpx.Client) -> None:
    headers = bearer("sk_mock_500x2.recovers")
    responses = [client.get("/audience", headers=headers) for _ in range(3)]
    assert [response.status_code for response in responses] == [500, 500, 200]
    assert [response.headers.get("x-mock-atoms-fault") for response in responses] == ["key", "key", None]
    assert responses[0].content == b'{"status":false,"errors":["Internal server error"]}'


def test_two_magic_keys_have_separate_counters(server: MockServer) -> None:
    assert list_statuses(server.url, bearer("sk_mock_503x1.a"), 2) == [503, 200]
    assert list_statuses(server.url, bearer("sk_mock_503x1.b"), 2) == [503, 200]


def test_prefer_affects_one_request(client: httpx.Client) -> None:
    response = client.get("/audience", headers=ACME | {"Prefer": "code=429"})
    assert response.status_code == 429
    assert response.headers["retry-after"] == "60"
    assert response.headers["x-mock-atoms-fault"] == "prefer"
    assert response.json() == {
        "status": False,
        "error": "Rate limit exceeded",
        "code": "RATE_LIMIT_EXCEEDED",
        "retry_after": 60,
    }
    assert client.get("/audience", headers=ACME).status_code == 200


def test_an_invalid_prefer_header_gets_a_400_with_the_reason(client: httpx.Client) -> None:
    response = client.get("/audience", headers=ACME | {"Prefer": "code=5oo"})
    assert response.status_code == 400
    assert response.json() == {
        "status": False,
        "errors": ["Prefer: `code=5oo` is invalid: use 200, or a status from 400 to 599"],
    }
    assert response.headers["x-mock-atoms-reason"] == "bad-prefer"
    assert "x-mock-atoms-fault" not in response.headers


def test_an_alter_that_grows_a_response_without_end_gets_a_500() -> None:
    values = {f"/x{'/*' * level}": {"a": 0, "b": 0} for level in range(30)}
    with MockServer(fault=[json.dumps({"alter": {"values": values}})]) as mock:
        response = httpx.get(f"{mock.url}/audience", headers=ACME)
    assert (response.status_code, response.headers["x-mock-atoms-reason"]) == (500, "alter-too-large")
    assert response.headers["x-mock-atoms-fault"] == "fault-1"
    assert response.json()["errors"][0].startswith("`alter` visits more than 20000 values")


def test_an_alter_does_not_look_into_texts_and_numbers() -> None:
    values = {"/status/x": 0, "/data/0/name/0": 0}
    with MockServer(fault=[json.dumps({"alter": {"values": values}})]) as mock:
        altered = httpx.get(f"{mock.url}/audience", headers=ACME)
    with MockServer() as mock:
        assert altered.json() == httpx.get(f"{mock.url}/audience", headers=ACME).json()


def test_fault_settings_trigger_for_their_paths() -> None:
    with (
        MockServer(fault=["GET /audience 500x1", "GET /audience/{id} 503"]) as mock,
        httpx.Client(base_url=mock.url) as http,
    ):
        first = http.get("/audience", headers=ACME)
        assert (first.status_code, first.headers["x-mock-atoms-fault"]) == (500, "fault-1")
        assert list_statuses(mock.url, ACME, 2) == [200, 200]
        assert list_statuses(mock.url, bearer("sk_other"), 2) == [500, 200]
        assert http.get("/audience/1", headers=ACME).headers["x-mock-atoms-fault"] == "fault-2"


def test_a_rule_may_be_json_with_a_complete_response() -> None:
    rule = {"respond": {"status": 418, "body": {"tea": True}, "headers": {"X-Pot": "1"}}, "match": {"token": "sk_acme"}}
    with MockServer(fault=[json.dumps(rule)]) as mock:
        triggered = httpx.get(f"{mock.url}/audience", headers=ACME)
        assert (triggered.status_code, triggered.json(), triggered.headers["x-pot"]) == (418, {"tea": True}, "1")
        assert httpx.get(f"{mock.url}/audience", headers=bearer("sk_b")).status_code == 200


@pytest.mark.parametrize(
    ("word", "status", "content_type", "body"),
    [
        ("html", 502, "text/html", "<html><head><title>502 Bad Gateway"),
        ("badjson", 200, "application/json; charset=utf-8", '{"status":true,"data":[{"_id":"60d0fe4f53'),
        ("blank", 200, "application/json; charset=utf-8", ""),
        ("plaintext", 200, "text/plain; charset=utf-8", '{"status":true,"data":[{"_id":'),
        ("retyped", 200, "application/json; charset=utf-8", '"memberCount":"some"'),
        ("extra", 200, "application/json; charset=utf-8", '"unexpected":{"key":["value"]}'),
        ("nulled", 200, "application/json; charset=utf-8", '"name":null'),
    ],
)
def test_a_fault_word_sends_a_malformed_body(
    client: httpx.Client, word: str, status: int, content_type: str, body: str
) -> None:
    response = client.get("/audience", headers=bearer(f"sk_mock_{word}"))
    assert (response.status_code, response.headers["content-type"]) == (status, content_type)
    assert response.text.startswith(body) if status == 502 or not body.startswith('"') else body in response.text
    assert response.headers["x-mock-atoms-fault"] == "key"
    head = client.head("/audience", headers=bearer(f"sk_mock_{word}"))
    assert head.headers["content-length"] == response.headers["content-length"]


def test_a_schema_drift_leaves_other_bodies_than_json_unchanged(client: httpx.Client) -> None:
    headers = {"Authorization": "Bearer sk_acme", "Prefer": "fault=extra"}
    response = client.get("/nowhere", headers=headers)
    assert (response.status_code, response.headers["x-mock-atoms-fault"]) == (404, "prefer")
    assert "Cannot GET" in response.text


@pytest.mark.parametrize("effect", ["respond", "alter"])
def test_a_header_with_several_values_is_sent_and_recorded_several_times(client: httpx.Client, effect: str) -> None:
    control = client.base_url.join("/__admin/")
    cookies = ["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"]
    status = {"status": 500} if effect == "respond" else {}
    headers = {"Set-Cookie": cookies, "Content-Type": "text/json"}
    rule = {"match": {"token": "sk_cookies"}, effect: {**status, "headers": headers}}
    created = client.post(control.join("faults"), json=rule).json()
    assert created[effect]["headers"]["Set-Cookie"] == cookies
    response = client.get("/audience", headers=bearer("sk_cookies"))
    assert response.headers.get_list("set-cookie") == cookies
    assert response.headers.get_list("content-type") == ["text/json"]
    event = client.get(control.join("requests"), params={"limit": 1}).json()["requests"][0]
    assert event["response"]["headers"]["set-cookie"] == cookies
    client.delete(control.join(f"faults/{created['id']}"))


def test_the_body_of_a_429_counts_the_seconds_to_a_date() -> None:
    respond = {"status": 429, "headers": {"Retry-After": "Thu, 01 Jan 2026 12:00:03 GMT"}}
    settings = Settings(fault=(json.dumps({"delay": {"ms": 500}, "respond": respond}),))
    app = create_app(mock=MockAtoms(settings, now=lambda: datetime(2026, 1, 1, 12, tzinfo=UTC)))
    assert json.loads(call(app, "/atoms/v1/audience", bearer_pairs("sk_acme")).body)["retry_after"] == 3  # not 2.5


def test_a_204_has_no_body_and_no_content_length() -> None:
    with MockServer(fault=['{"respond": {"status": 204}}']) as mock:
        response = httpx.get(f"{mock.url}/audience", headers=ACME)
        assert (response.status_code, response.content) == (204, b"")
        assert "content-length" not in response.headers


def test_an_invalid_fault_setting_stops_the_start() -> None:
    with pytest.raises(ConfigError, match=r"^fault, fault 1: `5oo` is not a fault"):
        create_app(Settings(fault=("5oo",)))
    with pytest.raises(
        ConfigError,
        match=r"^fault, fault 1: /match/path: /atoms/v1/audience is not below the base path: write /audience$",
    ):
        create_app(Settings(fault=("GET /atoms/v1/audience 500",)))


def test_a_fault_setting_must_not_be_too_large_with_its_keys_masked() -> None:
    rule = json.dumps({"respond": {"status": 500, "text": "sk_1x " * 14_000}})
    with pytest.raises(ConfigError, match=r"^fault, fault 1: /respond/text: too large"):
        create_app(Settings(fault=({"respond": {"status": 500, "text": "sk_1x " * 70_000}},)))
    create_app(Settings(fault=(rule,)))


def test_a_fault_setting_may_have_the_path_of_a_stub_file(tmp_path: Path) -> None:
    settings = Settings(stubs=tmp_path, fault=("GET /audiences 503",))
    (tmp_path / "mappings").mkdir()
    with pytest.raises(ConfigError, match=r"^fault, fault 1: .+ Did you mean `/audience`\?$"):
        create_app(settings)
    (tmp_path / "mappings" / "a.json").write_text('{"request": {"urlPath": "/atoms/v1/audiences"}}')
    with MockServer(settings) as mock:
        assert httpx.get(f"{mock.url}/audiences", headers=ACME).status_code == 503


@pytest.mark.parametrize(("rate", "expected"), [(0.0, {200}), (1.0, {500}), (0.5, {200, 500})])
def test_the_error_rate_is_applied(rate: float, expected: set[int]) -> None:
    with MockServer(error_rate=rate) as mock:
        assert set(list_statuses(mock.url, ACME, 40)) == expected


def test_a_401_wins_over_every_fault() -> None:
    with MockServer(error_rate=1.0, fault=["503"]) as mock, httpx.Client(base_url=mock.url) as http:
        for headers in ({}, {"Prefer": "code=500"}, bearer("sk_mock_revoked")):
            response = http.get("/audience", headers=headers)
            assert response.status_code == 401
            assert "x-mock-atoms-fault" not in response.headers


def test_the_control_api_and_the_documentation_are_never_faulted() -> None:
    with MockServer(error_rate=1.0) as mock, httpx.Client(base_url=mock.root_url, headers=ACME) as http:
        for path in ("/__admin/health", "/openapi.json", "/docs"):
            assert http.get(path).status_code == 200


def test_paths_outside_the_base_path_are_never_faulted() -> None:
    with MockServer(error_rate=1.0) as mock:
        assert httpx.get(f"{mock.root_url}/audience", headers=ACME).status_code == 404


@pytest.mark.parametrize(
    ("expression", "delays", "status", "mark"),
    [
        ("delay250", [0.25], 200, "fault-1"),
        ("delay250+500", [0.25], 500, "fault-1"),
        ("delay0", [], 200, "fault-1"),
        ("500", [], 500, "fault-1"),
        ("500x0", [], 200, None),
    ],
)
def test_a_delay_precedes_the_response(expression: str, delays: list[float], status: int, mark: str | None) -> None:
    seconds: list[float] = []

    async def sleep(duration: float) -> None:
        seconds.append(duration)

    mock = MockAtoms(Settings(fault=(expression,)))
    waiter = CancellableWaiter(mock.shutdown_signal, sleep)
    app = FaultMiddleware(ExpressMiddleware(vendor_app(mock.repositories), mock), waiter, mock.slices)
    outer_app = IdentifyMiddleware(RecordingMiddleware(app, mock), mock)
    response = call(outer_app, "/atoms/v1/audience", bearer_pairs("sk_acme"))
    assert (seconds, response.status, response.headers.get("x-mock-atoms-fault")) == (delays, status, mark)


@pytest.mark.alone("the clock counts its calls, and each replica calls it")
def test_a_rate_limit_sends_the_documented_429_until_the_window_ends() -> None:
    times = iter([1000.0, 1000.1, 1000.2, 1001.2])
    mock = MockAtoms(Settings(), now=lambda: datetime.fromtimestamp(next(times), UTC))
    app = create_app(mock=mock)
    responses = [call(app, "/atoms/v1/audience", bearer_pairs("sk_mock_limit2.mine")) for _ in range(4)]
    assert [response.status for response in responses] == [200, 200, 429, 200]
    limited = responses[2]
    assert json.loads(limited.body)["code"] == "RATE_LIMIT_EXCEEDED"
    assert json.loads(limited.body)["retry_after"] == int(limited.headers["retry-after"]) == 1
    assert limited.headers["x-ratelimit-reset"] == "1001"
    assert limited.headers["x-mock-atoms-fault"] == "key"


def test_each_exchange_is_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(Settings())
    with caplog.at_level(logging.INFO, "mock_atoms"):
        call(app, "/atoms/v1/audience", bearer_pairs("sk_verysecret"))
        call(app, "/atoms/v1/audience", [*bearer_pairs("sk_verysecret"), (b"prefer", b"code=503")])
        call(app, "/atoms/v1/audience")
        call(app, "/atoms/v1/sk_verysecret/x", bearer_pairs("sk_verysecret"), raw_path=b"/atoms/v1/sk%5Fverysecret/x")
        call(app, "/audience", bearer_pairs("sk_verysecret"))
        call(app, "/atoms/v1/sk_mock_revoked.verysecret", bearer_pairs("sk_mock_revoked.verysecret"))
        call(app, "/atoms/v1/x", bearer_pairs("secret%41token"), raw_path=b"/atoms/v1/secret%41token/secret%2541token")
        call(app, "/atoms/v1/sk_verysecret/x", [(b"authorization", b"Token sk_verysecret")])
        call(app, "/atoms/v1/audiences/a", bearer_pairs("a"))
        call(app, "/atoms/v1/audience", bearer_pairs("sk_mock_500.mine"))
        call(app, "/atoms/v1/audience", bearer_pairs("sk_mock_500.mine"))
    label = "sk_ver…#38c9cb"
    messages = [(record.levelname, *record.getMessage().partition(" hint=")) for record in caplog.records]
    lines = [(level, *re.split(r" ms=\S+ ", message)) for level, message, _, _ in messages]
    stub_hint = "To stub this route: mock-atoms stubs add METHOD PATH, or POST /__admin/mappings (docs/stubs.md)"
    assert [hint for *_, hint in messages if hint] == [
        f'"{stub_hint}"',
        '"Did you mean GET /atoms/v1/audience? To stub this route: POST /__admin/mappings (docs/stubs.md)"',
        *[f'"{stub_hint}"'] * 3,
        f'"Did you mean GET /atoms/v1/audience/{{id}}? {stub_hint}"',
    ]
    assert lines == [
        ("INFO", "method=GET path=/atoms/v1/audience status=200", f"tenant={label}"),
        ("INFO", "method=GET path=/atoms/v1/audience status=503", f"tenant={label} fault=prefer"),
        ("INFO", "method=GET path=/atoms/v1/audience status=401", "tenant=- reason=missing-credentials"),
        ("WARNING", f"method=GET path=/atoms/v1/{label}/x status=404", f"tenant={label} reason=unmocked-route"),
        ("WARNING", "method=GET path=/audience status=404", f"tenant={label} reason=outside-base-path"),
        (
            "WARNING",
            "method=GET path=/atoms/v1/sk_mock_revoked.verysecret status=404",
            "tenant=sk_mock_revoked.verysecret reason=unmocked-route",
        ),
        (
            "WARNING",
            "method=GET path=/atoms/v1/secret%…#403d31/secret%…#403d31 status=404",
            "tenant=secret%…#403d31 reason=unmocked-route",
        ),
        ("WARNING", f"method=GET path=/atoms/v1/{label}/x status=404", "tenant=- reason=unmocked-route"),
        ("WARNING", "method=GET path=/atoms/v1/audiences/a status=404", "tenant=…#4f65e5 reason=unmocked-route"),
        ("INFO", "method=GET path=/atoms/v1/audience status=500", "tenant=sk_mock_500.mine fault=key"),
        ("INFO", "method=GET path=/atoms/v1/audience status=500", "tenant=sk_mock_500.mine attempt=2 fault=key"),
    ]


def test_the_json_log_has_the_same_fields(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(Settings())
    with caplog.at_level(logging.INFO, "mock_atoms"):
        responses = [
            call(app, "/atoms/v1/sk_verysecret", [*bearer_pairs("sk_verysecret"), (b"prefer", b"code=503")])
            for _ in range(2)
        ]
    line = json.loads(JsonFormatter().format(caplog.records[1]))
    assert line.pop("id") == responses[1].headers["x-request-id"]
    assert line.pop("time").endswith("+00:00")
    assert line.pop("ms") >= 0
    assert line == {
        "level": "info",
        "method": "GET",
        "path": "/atoms/v1/sk_ver…#38c9cb",
        "status": 503,
        "tenant": "sk_ver…#38c9cb",
        "test": None,
        "attempt": 2,
        "fault": "prefer",
        "reason": None,
    }


def test_the_json_log_has_other_messages_and_tracebacks() -> None:
    error = RuntimeError("broken")
    info = (RuntimeError, error, None)
    record = logging.LogRecord("uvicorn.error", logging.ERROR, "x", 1, "it %s", ("broke",), info)
    line = json.loads(JsonFormatter().format(record))
    assert (line["message"], line["level"]) == ("it broke", "error")
    assert "RuntimeError: broken" in line["traceback"]
    plain = logging.LogRecord("uvicorn.error", logging.ERROR, "x", 1, "plain", (), None)
    assert "traceback" not in json.loads(JsonFormatter().format(plain))


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("sk_mock_50o", "unknown-magic-word"),
        ("sk_mock_revoke.me", "unknown-magic-word"),
        ("sk_mock_", "unknown-magic-word"),
        ("sk_mock_one.me", None),
        ("sk_mock_500x0.me", None),
        ("sk_mocking", None),
    ],
)
def test_an_unknown_magic_key_is_reported(
    client: httpx.Client, caplog: pytest.LogCaptureFixture, token: str, reason: str | None
) -> None:
    with caplog.at_level(logging.WARNING, "mock_atoms"):
        response = client.get("/audience", headers=bearer(token))
    assert (response.status_code, response.headers.get("x-mock-atoms-reason")) == (200, reason)
    assert len(caplog.records) == (reason is not None)


def test_a_fixture_file_may_define_an_unknown_magic_key(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"tokens": ["sk_mock_mine"], "audiences": []}')
    response = call(create_app(Settings(fixtures=tmp_path)), "/atoms/v1/audience", bearer_pairs("sk_mock_mine"))
    assert "x-mock-atoms-reason" not in response.headers


def test_a_response_in_chunks_is_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    async def chunked_app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one ", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    mock = MockAtoms(Settings())
    app = IdentifyMiddleware(RecordingMiddleware(chunked_app, mock), mock)
    with caplog.at_level(logging.INFO, "mock_atoms"):
        assert call(app, "/atoms/v1/audience").body == b"one two"
    assert len(caplog.records) == 1


def test_lifespan_is_supported_and_a_websocket_refused() -> None:
    async def talk(kind: str, first: str) -> list[Message]:
        messages: list[Message] = []
        received = iter([first, "lifespan.shutdown"])

        async def receive() -> Message:
            return {"type": next(received)}

        async def send(message: Message) -> None:
            messages.append(message)

        scope = {"type": kind, "path": "/atoms/v1/audience", "headers": [], "query_string": b"", "root_path": ""}
        await create_app()(scope, receive, send)
        return messages

    lifespan = asyncio.run(talk("lifespan", "lifespan.startup"))
    assert [message["type"] for message in lifespan] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    refused = asyncio.run(talk("websocket", "websocket.connect"))
    assert [message["type"] for message in refused] == ["websocket.close"]


def test_a_disconnect_during_a_delay_is_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> list[Message]:
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            messages.append(message)

        headers = [*bearer_pairs("sk_acme"), (b"prefer", b"delay=600000, code=500")]
        scope = {"type": "http", "method": "GET", "path": "/atoms/v1/audience", "headers": headers}
        await create_app()(scope, receive, send)
        return messages

    with caplog.at_level(logging.INFO, "mock_atoms"):
        assert asyncio.run(run()) == []
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("method=GET path=/atoms/v1/audience status=- ")
    assert line.endswith(" fault=prefer reason=aborted")


def test_a_rule_may_set_the_request_id_but_not_the_fault_header() -> None:
    rule = {"respond": {"status": 500, "headers": {"X-Request-Id": "mine"}}}
    response = call(create_app(Settings(fault=(rule,))), "/atoms/v1/audience", bearer_pairs("sk_acme"))
    assert response.headers["x-request-id"] == "mine"
    assert response.headers["x-mock-atoms-fault"] == "fault-1"


def test_a_response_to_head_has_no_body() -> None:
    headers = bearer_pairs("sk_acme")
    for extra in ([], [(b"prefer", b"code=500")]):
        assert call(create_app(), "/atoms/v1/audience", [*headers, *extra], "HEAD").body == b""


def test_a_bug_of_the_mock_differs_from_an_injected_500(monkeypatch: pytest.MonkeyPatch) -> None:
    mock = MockAtoms(Settings())

    async def broken(_caller: object, _look: object) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(mock.repositories, "read", broken)
    transport = httpx.ASGITransport(create_app(mock=mock), raise_app_exceptions=False)

    async def request_list() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://mock") as http:
            return await http.get("/atoms/v1/audience", headers=ACME)

    response = asyncio.run(request_list())
    assert response.status_code == 500
    assert response.json() == {"status": False, "errors": ["Internal server error"]}
    assert response.headers["x-mock-atoms-reason"] == "bug-in-mock"
    assert "x-mock-atoms-fault" not in response.headers


def test_the_app_works_in_process() -> None:
    async def request_list() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(Settings(seed="x")))
        async with httpx.AsyncClient(transport=transport, base_url="http://mock/atoms/v1") as http:
            return await http.get("/audience", headers=ACME)

    with MockServer(seed="x") as mock:
        assert asyncio.run(request_list()).content == httpx.get(f"{mock.url}/audience", headers=ACME).content


def test_a_preflight_request_with_a_token_gets_no_fault() -> None:
    app = create_app(Settings(fault=("500x1",)))
    headers = [*bearer_pairs("sk_acme"), (b"origin", b"http://localhost"), (b"access-control-request-method", b"GET")]
    assert call(app, "/atoms/v1/audience", headers, "OPTIONS").status == 200
    assert [call(app, "/atoms/v1/audience", headers).status for _ in range(2)] == [500, 200]
