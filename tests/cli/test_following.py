from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from mock_atoms.cli.following import Follower


def event(number: int, status: int | None = 200) -> dict[str, Any]:
    ended = None if status is None else "responded"
    request = {"loggedDateString": f"2026-01-31T12:00:0{number}.000Z", "mockAtoms": {"ended": ended, "status": status}}
    return {"id": str(number), "request": request}


class Journal:
    """Returns the lists of `looks`, newest first, and records the queries."""

    def __init__(self, *looks: list[dict[str, Any]]) -> None:
        self._looks = iter(looks)
        self.queries: list[Mapping[str, str]] = []

    def __call__(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        self.queries.append(query)
        return next(self._looks)[::-1]


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["id"] for event in events]


def test_only_the_last_requests_are_found_first() -> None:
    assert ids(Follower(Journal([event(1), event(2), event(3)]), {}, 2).look()) == ["2", "3"]
    assert ids(Follower(Journal([event(1)]), {}, 0).look()) == []


def test_each_request_is_found_once() -> None:
    follower = Follower(Journal([event(1)], [event(1), event(2)], [event(2)]), {}, 5)
    assert [ids(follower.look()) for _ in range(3)] == [["1"], ["2"], []]


def test_a_request_in_flight_is_found_when_it_has_ended() -> None:
    journal = Journal([], [event(1, None), event(5)], [event(1), event(5)], [event(5)])
    follower = Follower(journal, {"token": "x"}, 5)
    assert [ids(follower.look()) for _ in range(4)] == [[], ["5"], ["1"], []]
    assert [query.get("since") for query in journal.queries] == [
        None,
        None,
        "2026-01-31T12:00:00.000+00:00",
        "2026-01-31T12:00:04.000+00:00",
    ]
    assert all(query["token"] == "x" for query in journal.queries)


def test_the_status_is_compared_when_a_request_has_ended() -> None:
    journal = Journal([event(1, None), event(2, 500)], [event(1, 500), event(2, 500), event(3, 200)])
    follower = Follower(journal, {"status": "500"}, 5)
    assert [ids(follower.look()) for _ in range(2)] == [["2"], ["1"]]
    assert all("status" not in query for query in journal.queries)


def test_following_pauses_between_looks() -> None:
    pauses: list[float] = []
    found: Iterator[dict[str, Any]] = Follower(Journal([event(1)], [event(2)]), {}, 5).follow(pauses.append)
    assert (ids([*islice(found, 2)]), len(pauses)) == (["1", "2"], 1)
