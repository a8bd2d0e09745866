"""Server-sent events, as clients receive them."""

import asyncio
import socket
import time
from typing import Any

import httpx
import pytest
from starlette.types import Message

from mock_atoms import ControlError, MockServer, Settings
from mock_atoms.control import event_hub
from mock_atoms.control.event_hub import EventHub
from mock_atoms.control.events import EventStreamResponse
from mock_atoms.journal.events import EventFilter
from mock_atoms.mock import MockAtoms
from mock_atoms.testing.event_stream import EventStream, MockEvent
from tests.helpers.audiences import ACME

BETA = {"Authorization": "Bearer sk_beta"}


def take(events: EventStream, count: int) -> list[MockEvent]:
    return [next(events) for _ in range(count)]


def until(events: EventStream, name: str) -> list[MockEvent]:
    """Return the events up to the first one with a name."""
    received = [next(events)]
    while received[-1].name != name:
        received.append(next(events))
    return received


def listed(running: MockServer) -> list[Any]:
    content = httpx.get(f"{running.root_url}/__admin/requests").json()
    return [*reversed(content["requests"])]


@pytest.mark.usefixtures("admin")
def test_a_request_begins_and_ends(running: MockServer) -> None:
    with running.events() as events:
        httpx.get(f"{running.url}/audience", headers=ACME)
        started, ended = take(events, 2)
    assert (started.name, ended.name) == ("exchange-started", "exchange-ended")
    assert "response" not in started.data
    assert [ended.data] == listed(running)
    changed = {"status": 200, "ended": "responded"}
    own, final = (event.data["request"]["mockAtoms"] for event in (started, ended))
    assert {name: value for name, value in final.items() if value != own[name]}.items() >= changed.items()


@pytest.mark.usefixtures("admin")
def test_a_response_of_the_fast_path_is_an_event(running: MockServer) -> None:
    with running.events() as events:
        httpx.get(f"{running.url}/nowhere", headers=ACME)
        *_, event = until(events, "exchange-ended")
    assert [event.data] == listed(running)


@pytest.mark.usefixtures("admin")
def test_attempts_are_numbered_when_they_arrive_and_when_they_end(running: MockServer) -> None:
    running.fail("500+delay1", token="sk_acme")
    with running.events(token="sk_acme") as events:
        for _ in range(2):
            httpx.get(f"{running.url}/audience", headers=ACME)
        received = take(events, 4)
    assert [event.data["request"]["mockAtoms"]["attempt"] for event in received] == [1, 1, 2, 2]


def test_an_exchange_in_flight_has_its_expected_attempt_number(running: MockServer, admin: httpx.Client) -> None:
    running.fail("500x1", token="sk_acme")
    running.fail("hang", token="sk_acme")
    running.fail("hang", token="sk_beta")
    httpx.get(f"{running.url}/audience", headers=ACME)
    with running.events() as events:
        for headers in (ACME, BETA):
            with pytest.raises(httpx.ReadTimeout):
                httpx.get(f"{running.url}/audience", headers=headers, timeout=0.3)
        started = [event for event in take(events, 4) if event.name == "exchange-started"]
    assert [event.data["request"]["mockAtoms"]["attempt"] for event in started] == [2, 1]
    admin.post("/reset")


def test_changes_by_control_calls_are_events(running: MockServer, admin: httpx.Client) -> None:
    httpx.get(f"{running.url}/nowhere", headers=ACME)
    with running.events() as events:
        rule_id = running.fail("500", token="sk_acme")
        running.clear_faults()
        running.set_audiences([], token="sk_acme", test_id="t")
        exchange_id = listed(running)[0]["id"]
        admin.delete(f"/requests/{exchange_id}")
        running.fail("500", token="sk_acme")
        running.reset(token="sk_acme")
        admin.put("/state", json=admin.get("/state").json())
        received = take(events, 9)
    assert [event.name for event in received] == [
        *("rule-added", "rule-removed", "tenant-changed", "requests-removed", "rule-added", "rule-removed", "reset"),
        *("state-imported", "requests-cleared"),
    ]
    added, removed, changed, requests_removed, _, _, reset, *_ = received
    assert added.data["id"] == removed.data["id"] == rule_id
    assert changed.data["testId"] == "t"
    assert changed.data["tokenDigest"] == reset.data["tokenDigest"] == added.data["match"]["tokenDigest"]
    assert reset.data["testIdDigest"] is None
    assert requests_removed.data == {"ids": [exchange_id]}


def test_a_change_of_one_stub_is_an_event_with_it(running: MockServer, admin: httpx.Client) -> None:
    with running.events(token="sk_acme") as events:
        stub_id = running.stub("GET", "/a", headers={"X-Key": "sk_live_a1b2c3d4"})
        shown = admin.get(f"/mappings/{stub_id}").json()
        admin.put(f"/mappings/{stub_id}", json={"name": "replaced"})
        ignored = {"mappings": [{"id": stub_id}], "importOptions": {"duplicatePolicy": "IGNORE"}}
        admin.post("/mappings/import", json=ignored)
        admin.delete(f"/mappings/{stub_id}")
        added, replaced, removed = take(events, 3)
    assert [event.name for event in (added, replaced, removed)] == ["stub-added", "stub-added", "stub-removed"]
    assert added.data == shown
    assert "a1b2c3d4" not in str(added.data)
    assert (replaced.data["name"], removed.data) == ("replaced", {"id": stub_id})


@pytest.mark.usefixtures("admin")
def test_an_exchange_has_the_name_of_its_stub(running: MockServer) -> None:
    mappings = []
    with running.events() as events:
        for path, fields in (("/a", {"name": "first"}), ("/b", {})):
            stub = {"request": {"urlPath": f"/atoms/v1{path}"}, "response": {"body": "b"}, **fields}
            running.control.call("POST", "/mappings", stub)
            httpx.get(f"{running.url}{path}", headers=ACME)
            mappings.append(until(events, "exchange-ended")[-1].data["stubMapping"])
        ids = [mapping.pop("id") for mapping in mappings]
        assert mappings == [{"uuid": ids[0], "name": "first"}, {"uuid": ids[1]}]
        running.control.call("DELETE", "/mappings")
    assert [event["stubMapping"]["id"] for event in listed(running)] == ids


def test_a_change_of_several_stubs_is_one_event(running: MockServer, admin: httpx.Client) -> None:
    named = {"name": "a", "metadata": {"a": 1}}
    alone = {"mappings": [named], "importOptions": {"deleteAllNotInImport": True}}
    with running.events() as events:
        admin.post("/mappings/import", json={"mappings": [named, named]})
        admin.post("/mappings/remove-by-metadata", json={"matchesJsonPath": "$.a"})
        admin.post("/mappings/remove-by-metadata", json={"matchesJsonPath": "$.a"})
        admin.post("/mappings/import", json={"mappings": []})
        admin.post("/mappings/import", json=alone)
        admin.delete("/mappings")
        admin.post("/mappings/reset")
        received = take(events, 6)
    assert [event.name for event in received] == [*["stubs-changed"] * 4, "requests-cleared", "stubs-changed"]
    assert received[0].data == {}


def test_a_complete_reset_is_one_event(running: MockServer, admin: httpx.Client) -> None:
    running.fail("500")
    with running.events() as events:
        admin.post("/reset")
        received = {event.name for event in until(events, "reset")}
    assert received == {"requests-cleared", "reset"}


@pytest.mark.usefixtures("admin")
def test_a_filter_selects_the_events_of_a_tenant(running: MockServer) -> None:
    with running.events(token="sk_acme", test_id="t") as events:
        for headers in (ACME, BETA | {"X-Test-Id": "t"}, ACME | {"X-Test-Id": "t"}):
            httpx.patch(f"{running.url}/nowhere", headers=headers)
        running.fail("500", token="sk_beta")
        running.fail("500", test_id="u")
        running.fail("503")
        *exchanges, added = until(events, "rule-added")
    assert {event.data["request"]["mockAtoms"]["testId"] for event in exchanges} == {"t"}
    assert len({event.data["id"] for event in exchanges}) == 1
    assert added.data["respond"]["status"] == 503


@pytest.mark.usefixtures("admin")
def test_a_client_continues_after_the_last_event(running: MockServer) -> None:
    with running.events() as events:
        running.fail("500", test_id="1")
        last = next(events)
    running.fail("500", test_id="2")
    with running.events(last_id=last.id) as events:
        assert events.last_id == last.id
        running.fail("500", test_id="3")
        received = take(events, 2)
    assert [event.data["match"]["testId"] for event in received] == ["2", "3"]
    assert events.last_id == received[-1].id


def test_a_client_with_an_unknown_id_has_missed_events(running: MockServer) -> None:
    with running.events(last_id="unknown") as events:
        event = next(events)
    assert (event.name, event.data) == ("missed", {"dropped": None})


def test_too_many_clients_get_a_503(running: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_hub, "MAX_WATCHERS", 0)
    with pytest.raises(ControlError, match="clients watch already: close some connections") as error:
        running.events()
    assert error.value.status == 503


def test_head_has_no_events(running: MockServer) -> None:
    response = httpx.head(f"{running.root_url}/__admin/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert "content-length" not in response.headers


def test_a_stop_ends_the_events_immediately() -> None:
    mock = MockServer().start()
    with mock.events() as events:
        begin = time.monotonic()
        mock.stop()
        assert list(events) == []
        assert time.monotonic() - begin < 3  # waits end after 3 s


def test_a_stop_does_not_wait_for_a_client_that_does_not_read() -> None:
    with MockServer(journal_size=10) as mock, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", mock.port))
        client.sendall(b"GET /__admin/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with mock.events() as events, httpx.Client() as http:
            for _ in range(90):
                http.patch(f"{mock.url}/nowhere", headers=ACME, content=b"x" * 60_000)
            take(events, 180)
            time.sleep(0.3)
        begin = time.monotonic()
        mock.stop()
        assert time.monotonic() - begin < 3


def test_events_end_without_a_connection_whose_client_reads_nothing() -> None:
    async def test() -> None:
        mock = MockAtoms(Settings())
        response = EventStreamResponse(EventHub(mock), EventFilter(), None, mock.end_of_streams)
        messages: list[Message] = []

        async def send(message: Message) -> None:
            messages.append(message)
            if message["type"] == "http.response.body":
                await asyncio.Future()

        responding = asyncio.create_task(response({"type": "http"}, asyncio.Future, send))
        while len(messages) < 2:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)
        mock.end_of_streams.notify()
        await responding
        assert messages[-1]["more_body"]

    asyncio.run(test())
