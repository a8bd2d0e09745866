from itertools import islice
from typing import Any, Self

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.cli.following import Selection, follow
from tests.helpers.audiences import ACME, bearer
from tests.helpers.cli import run_command


def exchange(
    method: str = "GET", url: str = "/atoms/v1/audience", status: int | None = 200, ended: str = "responded"
) -> dict[str, Any]:
    own = {"status": status, "ended": ended, "malformedBody": status == 299}
    return {"request": {"method": method, "url": url, "mockAtoms": own}}


@pytest.mark.parametrize(
    ("filters", "selected"),
    [
        ({}, True),
        ({"method": "get"}, True),
        ({"method": "POST"}, False),
        ({"status": "200"}, True),
        ({"status": "0"}, False),
        ({"status": "2xx"}, True),
        ({"status": "5xx"}, False),
        ({"failed": "true"}, False),
        ({"path": "/audience/{id}"}, True),
        ({"path": "/atoms/v1/audience/{id}"}, True),
        ({"path": "/audience"}, False),
    ],
)
def test_filters_select_exchanges(filters: dict[str, str], selected: bool) -> None:  # noqa: FBT001 - a parameter
    assert Selection("/atoms/v1", filters).matches(exchange(url="/atoms/v1/audience/x?page=2")) is selected


def test_a_broken_connection_has_the_status_0() -> None:
    assert Selection("", {"status": "0"}).matches(exchange(status=None))


@pytest.mark.parametrize(
    ("status", "ended", "is_failed"),
    [
        (200, "responded", False),
        (399, "responded", False),
        (400, "responded", True),
        (200, "truncate", True),
        (None, "reset", True),
        (500, "aborted", True),
        (299, "responded", True),
    ],
)
def test_a_failure_is_no_complete_response_below_400(status: int | None, ended: str, is_failed: bool) -> None:  # noqa: FBT001 - a parameter
    assert Selection("", {"failed": "true"}).matches(exchange(status=status, ended=ended)) is is_failed


def test_the_method_matches_in_any_case() -> None:
    assert Selection("", {"method": "GET"}).matches(exchange("get"))


def test_requests_follow_those_of_the_list_without_a_gap(server: MockServer, client: httpx.Client) -> None:
    def read() -> list[dict[str, Any]]:
        client.get("/audience?number=2", headers=ACME)  # in the list and in the stream
        exchanges: list[dict[str, Any]] = server.control.call("GET", "/requests")["requests"]
        return exchanges

    client.get("/audience?number=1", headers=ACME)
    found = follow(server, read, {"token": "sk_acme", "status": "200"}, print)
    urls = [next(found)["request"]["url"][-1] for _ in range(2)]
    server.fail("500x1", token="sk_acme")
    for number, headers in ((3, ACME), (4, bearer("sk_other")), (5, ACME)):
        client.get(f"/audience?number={number}", headers=headers)
    urls += [each["request"]["url"][-1] for each in islice(found, 1)]
    assert urls == ["1", "2", "5"]


class Stream(list[Any]):
    """Events that a slow reader gets."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


def test_a_request_in_flight_is_not_listed(server: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mock_atoms.testing.client.MockClient.events", lambda *_, **__: Stream())
    listed = [{"id": str(ended), "request": {"mockAtoms": {"ended": ended}}} for ended in (None, "responded")]
    assert [each["id"] for each in follow(server, lambda: listed, {}, print)] == ["responded"]


@pytest.mark.parametrize(("dropped", "text"), [(3, "missed 3 events"), (None, "missed some events")])
def test_missed_events_are_reported(
    server: MockServer, monkeypatch: pytest.MonkeyPatch, dropped: int | None, text: str
) -> None:
    missed = type("Event", (), {"name": "missed", "data": {"dropped": dropped}})
    monkeypatch.setattr("mock_atoms.testing.client.MockClient.events", lambda *_, **__: Stream([missed()]))
    code, out, err = run_command("requests", "--follow", "--url", server.url)
    assert (code, out.split()[0]) == (1, "TIME")
    assert err.startswith(f"mock-atoms: {text}: ")
    assert err.endswith("\nmock-atoms: the server has stopped\n")
