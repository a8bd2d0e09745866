"""Requests that match a stub."""

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.app import create_app
from mock_atoms.core.delays import CancellableWaiter, ShutdownSignal
from mock_atoms.core.errors import StoreUnavailableError
from mock_atoms.core.settings import Settings
from mock_atoms.middleware.stubs import MAX_STUB_BODY_BYTES
from mock_atoms.mock import MockAtoms
from tests.helpers.asgi import AsgiResponse, bearer_pairs, call
from tests.helpers.audiences import ACME, bearer

AGENT = "/atoms/v1/agents"
LIST = "/atoms/v1/audience"


def make_mock(*stubs: dict[str, Any], **settings: object) -> MockAtoms:
    mock = MockAtoms(Settings(**settings))
    add(mock, *stubs)
    return mock


def add(mock: MockAtoms, *stubs: dict[str, Any]) -> None:
    for stub in stubs:
        assert control(mock, "/mappings", stub).status == 201


def control(mock: MockAtoms, path: str, body: object = None, method: str = "POST", query: bytes = b"") -> AsgiResponse:
    content = b"" if body is None else json.dumps(body).encode()
    headers = [(b"content-type", b"application/json")]
    return call(create_app(mock=mock), f"/__admin{path}", headers, method, body=content, query=query)


def ask(  # noqa: PLR0917 - the parts of a request
    mock: MockAtoms,
    path: str = AGENT,
    method: str = "GET",
    headers: Sequence[tuple[bytes, bytes]] = (),
    body: bytes = b"",
    query: bytes = b"",
) -> AsgiResponse:
    lengths = [(b"content-length", b"%d" % len(body))] if body else []
    return call(create_app(mock=mock), path, [*headers, *lengths], method, body=body, query=query)


def stub(request: dict[str, Any] | None = None, text: str = "stubbed", **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    response = {"body": text, **fields.pop("response", {})}
    return {"request": {"urlPath": AGENT} if request is None else request, "response": response, **fields}


def events(mock: MockAtoms) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(control(mock, "/requests", method="GET").body)["requests"]
    return listed


def test_a_stub_responds_without_credentials() -> None:
    mock = make_mock(stub(response={"status": 202, "headers": {"X-A": ["1", "2"], "Content-Type": "text/plain"}}))
    response = ask(mock)
    assert (response.status, response.body) == (202, b"stubbed")
    assert response.headers["x-a"] == "2"
    assert response.headers["content-length"] == "7"
    assert response.headers["x-mock-atoms-reason"] == "stub"
    (event,) = events(mock)
    assert event["stubMapping"]["id"] == response.headers["matched-stub-id"]
    assert event["wasMatched"]
    assert event["request"]["mockAtoms"]["reason"] == "stub"


def test_a_stub_wins_over_the_api() -> None:
    mock = make_mock()
    assert ask(mock, LIST).status == 401
    add(mock, stub({"method": "GET", "urlPath": LIST}))
    assert ask(mock, LIST).body == ask(mock, LIST, headers=bearer_pairs("sk_acme")).body == b"stubbed"
    assert ask(mock, LIST, "DELETE").status == 404


def test_a_stub_can_be_outside_of_the_base_path_but_not_over_the_control_api() -> None:
    mock = make_mock(stub({}))
    assert ask(mock, "/other").body == b"stubbed"
    assert ask(mock, "/__admin/health").body != b"stubbed"
    assert ask(mock, "/docs").body != b"stubbed"


def test_a_request_that_matches_no_stub_gets_to_the_api() -> None:
    mock = make_mock(stub({"urlPath": AGENT, "headers": {"X-Here": {"equalTo": "1"}}}))
    assert ask(mock).status == 404
    assert ask(mock, headers=[(b"x-here", b"1")]).body == b"stubbed"


def test_a_pattern_can_ask_for_credentials() -> None:
    request = {"urlPath": AGENT, "headers": {"Authorization": {"equalTo": "Bearer sk_verysecret"}}}
    mock = make_mock(stub(request))
    assert ask(mock, headers=bearer_pairs("sk_verysecret")).body == b"stubbed"
    assert ask(mock, headers=bearer_pairs("sk_verysecrets")).status == 404


def test_a_path_with_a_credential_matches() -> None:
    mock = make_mock(stub({"urlPath": "/key/sk_verysecret"}), stub({"urlPathTemplate": "/own/{id}/verysecret-token"}))
    assert ask(mock, "/key/sk_verysecret").body == b"stubbed"
    assert ask(mock, "/own/1/verysecret-token", headers=bearer_pairs("verysecret-token")).body == b"stubbed"


def test_body_patterns_see_the_body() -> None:
    request = {"urlPath": LIST, "bodyPatterns": [{"equalToJson": {"a": 1}}]}
    mock = make_mock(stub(request), stub({"urlPath": LIST, "bodyPatterns": [{"contains": "zzz"}]}, scenarioName="s"))
    headers = [(b"content-type", b"application/json"), *bearer_pairs("sk_acme")]
    assert ask(mock, LIST, "POST", headers, b'{"a": 1}').body == b"stubbed"
    refused = ask(mock, LIST, "POST", headers, b'{"a": 2}')
    assert refused.status == 400
    assert events(mock)[0]["request"]["body"] == '{"a": 2}'
    assert ask(mock, LIST, "GET", bearer_pairs("sk_acme")).status == 200


def test_a_body_that_no_pattern_matches_gets_to_the_api() -> None:
    mock = make_mock(stub({"method": "POST", "bodyPatterns": [{"contains": "zzz"}]}))
    headers = [(b"content-type", b"application/json"), *bearer_pairs("sk_acme")]
    (audience, *_) = json.loads(ask(mock, LIST, headers=headers).body)["data"]
    members = {"members": [{audience["phoneNumberColumnName"]: "+33199000001"}]}
    added = ask(mock, f"{LIST}/{audience['_id']}/members", "POST", headers, json.dumps(members).encode())
    assert json.loads(added.body)["data"][0]["data"] == {"added": 1, "skipped": 0}


def test_bodies_for_body_patterns_count_in_the_memory_of_all_bodies() -> None:
    mock = make_mock(stub({"urlPath": AGENT, "bodyPatterns": [{"contains": "a"}]}))
    mock.body_memory.free_bytes = 10
    refused = ask(mock, AGENT, "POST", body=b"a" * 11)
    assert (refused.status, refused.headers["x-mock-atoms-reason"]) == (503, "bodies-in-flight")
    assert ask(mock, AGENT, "POST", body=b"a" * 10).status == 200
    assert mock.body_memory.free_bytes == 10


def test_a_too_long_body_does_not_match_a_pattern_of_an_empty_one() -> None:
    mock = make_mock(stub({"urlPath": AGENT, "bodyPatterns": [{"absent": True}]}))
    assert ask(mock, AGENT, "POST").status == 200
    assert ask(mock, AGENT, "POST", body=b"a" * (MAX_STUB_BODY_BYTES + 1)).status == 404


def test_too_long_bodies_match_no_body_pattern() -> None:
    mock = make_mock(stub({"urlPath": AGENT, "bodyPatterns": [{"doesNotContain": "b"}]}, scenarioName="s"))
    assert ask(mock, AGENT, "POST", body=b"a" * (MAX_STUB_BODY_BYTES + 1)).status == 404
    assert ask(mock).body == b"stubbed"


def test_a_client_that_disconnects_before_the_end_of_its_body_matches_nothing() -> None:
    mock = make_mock(stub({"urlPath": AGENT, "bodyPatterns": [{"contains": "a"}]}))
    messages = [{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:  # noqa: ANN401 - any message
        return messages.pop(0) if len(messages) > 1 else messages[0]

    async def send(message: Any) -> None:  # noqa: ANN401 - any message
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": AGENT,
        "query_string": b"",
        "headers": [(b"content-length", b"9")],
    }
    asyncio.run(create_app(mock=mock)(scope, receive, send))  # type: ignore[arg-type] # an ASGI callable is a coroutine function
    assert [message.get("status") for message in sent] == [404, None]


def test_a_stub_beside_the_cached_list_leaves_it_cached() -> None:
    mock = make_mock(stub())
    headers = bearer_pairs("sk_acme")
    first = ask(mock, LIST, headers=headers)
    assert ask(mock, LIST, headers=headers).body == first.body
    add(mock, stub({"urlPath": LIST}))
    assert ask(mock, LIST, headers=headers).body == b"stubbed"
    control(mock, "/mappings", method="DELETE")
    assert ask(mock, LIST, headers=headers).body == first.body


def test_a_head_request_has_no_body() -> None:
    response = ask(make_mock(stub()), method="HEAD")
    assert (response.body, response.headers["content-length"]) == (b"", "7")


def test_faults_apply_to_stubbed_routes_of_authenticated_callers() -> None:
    mock = make_mock(stub(response={"jsonBody": {"a": 1}, "body": None}))
    control(mock, "/faults", {"fault": "503x1"})
    control(mock, "/faults", {"alter": {"values": {"/a": 2}}})
    headers = bearer_pairs("sk_acme")
    assert ask(mock).body == b'{"a":1}'
    assert ask(mock, headers=headers).status == 503
    altered = ask(mock, headers=headers)
    assert altered.body == b'{"a":2}'
    assert altered.headers["x-mock-atoms-reason"] == "stub"
    assert events(mock)[0]["stubMapping"]["response"] == {"jsonBody": {"a": 1}}


def two_steps() -> list[dict[str, Any]]:
    return [
        stub(text="one", scenarioName="s", requiredScenarioState="Started", newScenarioState="two"),
        stub(text="two", scenarioName="s", requiredScenarioState="two"),
    ]


def test_each_tenant_has_its_own_scenario() -> None:
    mock = make_mock(*two_steps())
    callers: list[Sequence[tuple[bytes, bytes]]] = [
        (),
        bearer_pairs("sk_acme"),
        bearer_pairs("sk_beta"),
        [(b"x-test-id", b"a")],
        [*bearer_pairs("sk_acme"), (b"x-test-id", b"a")],
    ]
    for headers in callers:
        assert [ask(mock, headers=headers).body for _ in range(3)] == [b"one", b"two", b"two"]


def test_a_scenario_without_a_matching_state_gets_to_the_api() -> None:
    mock = make_mock(two_steps()[1])
    assert ask(mock).status == 404


def test_a_reset_of_a_token_resets_its_scenarios() -> None:
    mock = make_mock(*two_steps())
    for token in ("sk_acme", "sk_beta"):
        ask(mock, headers=bearer_pairs(token))
    control(mock, "/reset", {"token": "sk_acme"})
    bodies = [ask(mock, headers=bearer_pairs(token)).body for token in ("sk_acme", "sk_beta")]
    assert bodies == [b"one", b"two"]
    control(mock, "/reset")
    assert ask(mock).status == 404


def test_a_store_that_is_unavailable_is_a_503() -> None:
    mock = make_mock(*two_steps())

    async def fail(*_args: object) -> None:
        raise StoreUnavailableError("the store is away")

    mock.store.choose_stub = fail  # type: ignore[method-assign,assignment] # a store that fails
    response = ask(mock)
    assert (response.status, response.headers["x-mock-atoms-reason"]) == (503, "store-unavailable")


def test_random_delays_follow_from_seed_and_request() -> None:
    delays = []
    for seed in ("atoms", "atoms", "other"):
        distribution = {"type": "uniform", "lower": 0, "upper": 4}
        mock = make_mock(stub(response={"delayDistribution": distribution, "fixedDelayMilliseconds": 1}), seed=seed)
        for _ in range(3):
            ask(mock)
        delays.append([exchange.delay_ms for exchange in asyncio.run(mock.journal.candidates(()))])
    assert delays[0] == delays[1] != delays[2]
    assert len({*delays[0], *delays[2]}) == 6
    assert all(1 <= delay <= 5 for delay in delays[0])


def test_metrics_count_stubs_as_an_operation() -> None:
    mock = make_mock(stub({}))
    ask(mock, LIST)
    metrics = control(mock, "/metrics", method="GET").body.decode()
    assert 'mock_atoms_requests_total{ended="responded",faulted="false",operation="stub",status="200"} 1.0' in metrics


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer() as running:
        yield running


@pytest.fixture
def mock(server: MockServer) -> MockServer:
    server.reset()
    return server


def test_the_reason_phrase_is_sent(mock: MockServer) -> None:
    mock.stub("GET", "/agents", status=299, response={"statusMessage": "Quite Fine"}, body="a")
    with httpx.Client() as client:
        for _ in range(2):
            response = client.get(f"{mock.url}/agents")
            assert (response.status_code, response.reason_phrase, response.text) == (299, "Quite Fine", "a")


def test_a_fault_that_lets_a_stub_respond_is_the_reason(mock: MockServer) -> None:
    mock.stub("GET", "/agents", body="stubbed")
    response = httpx.get(f"{mock.url}/agents", headers=bearer("sk_mock_stalex1.me"))
    assert (response.text, response.headers["x-mock-atoms-reason"]) == ("stubbed", "connection-stale")
    assert mock.requests()[-1].reason == "connection-stale"


def test_a_body_can_come_slowly(mock: MockServer) -> None:
    mock.stub(
        "GET", "/agents", body="abcdef", response={"chunkedDribbleDelay": {"numberOfChunks": 3, "totalDuration": 3}}
    )
    with httpx.stream("GET", f"{mock.url}/agents") as response:
        assert [*response.iter_raw()] == [b"ab", b"cd", b"ef"] or response.num_bytes_downloaded == 6
        assert response.headers["content-length"] == "6"


@pytest.mark.parametrize(
    ("fault", "ended"),
    [
        ("CONNECTION_RESET_BY_PEER", "reset"),
        ("EMPTY_RESPONSE", "close"),
        ("RANDOM_DATA_THEN_CLOSE", "garbage"),
        ("MALFORMED_RESPONSE_CHUNK", "garbage"),
    ],
)
def test_a_stub_can_break_the_connection(mock: MockServer, fault: str, ended: str) -> None:
    mock.stub("GET", "/agents", response={"fault": fault})
    with pytest.raises(httpx.TransportError) as error:
        httpx.get(f"{mock.url}/agents")
    assert ("chunk" in str(error.value)) is (fault == "MALFORMED_RESPONSE_CHUNK")
    (request,) = mock.wait_for_requests(1)
    assert request.ended == ended


@pytest.mark.parametrize(
    "rule", [{"alter": {"values": {"/a": 1}}}, {"connection": "truncate"}, {"connection": "drip1"}]
)
def test_a_stub_that_breaks_the_connection_has_no_response_to_alter(mock: MockServer, rule: dict[str, Any]) -> None:
    mock.stub("GET", "/agents", response={"fault": "MALFORMED_RESPONSE_CHUNK"})
    mock.fail(rule)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{mock.url}/agents", headers=ACME)


def test_a_client_that_gives_up_during_a_delay_is_recorded(mock: MockServer) -> None:
    mock.stub("GET", "/agents", delay_ms=60_000, json={})
    mock.fail({"alter": {"values": {"/a": 1}}})
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{mock.url}/agents", headers=ACME, timeout=0.2)
    (request,) = mock.wait_for_requests(1)
    assert request.ended == "aborted"


def test_a_shutdown_ends_delays() -> None:
    signal = ShutdownSignal()
    mock = make_mock(stub(response={"fixedDelayMilliseconds": 60_000}))
    mock.shutdown_signal = signal

    async def notify(_seconds: float) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        signal.notify()
        await asyncio.Future()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CancellableWaiter.__init__, "__defaults__", (notify,))
        response = ask(mock)
    assert (response.status, response.headers["x-mock-atoms-reason"]) == (503, "shutting-down")


def test_the_fast_path_asks_the_stubs_first(mock: MockServer) -> None:
    with httpx.Client(headers=ACME) as client:
        listed = [client.get(f"{mock.url}/audience").json() for _ in range(4)]
        mock.stub("GET", "/audience", json=1, request={"headers": {"X-Here": {"equalTo": "1"}}})
        assert [client.get(f"{mock.url}/audience").json() for _ in range(4)] == listed
        stub_id = mock.stub("GET", "/audience", json=2)
        assert [client.get(f"{mock.url}/audience").json() for _ in range(4)] == [2] * 4
        assert client.get(f"{mock.url}/audience", headers={"X-Here": "1"}).json() == 2
        mock.remove_stub(stub_id)
        assert client.get(f"{mock.url}/audience", headers={"X-Here": "1"}).json() == 1
        assert client.get(f"{mock.url}/audience").json() == listed[0]
        for number in range(25):
            mock.stub("GET", "/audience", json=3, request={"headers": {"X-Here": {"equalTo": str(number)}}})
        assert client.get(f"{mock.url}/audience").json() == listed[0]


def test_parallel_tests_share_a_stub_file(tmp_path: Path) -> None:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "a.json").write_text(json.dumps({"mappings": two_steps()}))
    with MockServer(stubs=tmp_path) as shared, httpx.Client() as client:
        bodies: dict[str, list[str]] = {}
        for number in range(30):
            test_id = f"t{number % 10}"
            response = client.get(shared.root_url + AGENT, headers=bearer("sk_acme", test_id))
            bodies.setdefault(test_id, []).append(response.text)
        assert [*bodies.values()] == [["one", "two", "two"]] * 10


def test_an_unmocked_route_says_how_to_stub_it() -> None:
    mock = make_mock()
    response = ask(mock, AGENT + "/--a--")
    assert response.headers["x-mock-atoms-reason"] == "unmocked-route"
    page, _, comment = response.body.decode().partition("</html>\n")
    assert "Cannot GET" in page
    assert re.fullmatch(
        r"<!-- mock-atoms does not mock this route\. .*POST to /__admin/mappings: (.*) \(docs/stubs\.md\) -->\n",
        comment,
    )
    assert "--" not in comment[4:-4]
    example = json.loads(comment[comment.index("{") : comment.rindex("}") + 1])
    add(mock, example)
    assert ask(mock, AGENT + "/--a--").body == b"{}"


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("/atoms/v1/agent/7", "run `mock-atoms stubs add GET /agent/7`, or POST"),
        ("/atoms/v1/agent/--a", "POST"),
        ("/atoms/v1/agent/a;b", "POST"),
        ("/atoms/v1/agent/sk_live_a1b2c3d4", "POST"),
        ("/agent", "POST"),
    ],
)
def test_an_unmocked_route_names_the_command_that_stubs_it(path: str, command: str) -> None:
    response = ask(make_mock(), path)
    assert f" To stub it, {command} to /__admin/mappings: " in response.body.decode()
    assert b"a1b2c3d4" not in response.body


def test_requests_to_stubs_are_attempts_of_calls() -> None:
    mock = make_mock(stub(response={"status": 503}))
    for _ in range(2):
        ask(mock, headers=bearer_pairs("sk_acme"))
    report = json.loads(control(mock, "/retries", method="GET").body)
    assert [call["statuses"] for call in report["calls"]] == [[503, 503]]
    assert report["unattributed"] == 0


def test_many_stubs_are_compared_in_slices() -> None:
    expression = {"urlPathPattern": f"{AGENT}/(a?){{300}}b"}
    mock = make_mock(stub())
    content = {"mappings": [stub(expression) for _ in range(200)]}
    assert control(mock, "/mappings/import", content).status == 200
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def run() -> None:
        counter = asyncio.ensure_future(count_turns())
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:  # noqa: ANN401 - any message
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": AGENT + "/" + "a" * 300, "query_string": b"", "headers": []}
        await create_app(mock=mock)(scope, receive, send)
        counter.cancel()
        assert sent[0]["status"] == 404

    asyncio.run(run())
    assert turns > 20
