"""Whatever clients do to audiences, in any order and at once, the mock holds what a plain dictionary would."""

import asyncio
import copy
import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import Any, ClassVar, NamedTuple, cast

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from mock_atoms import MockServer, Settings, create_app
from mock_atoms.mock import MockAtoms
from tests.helpers.audiences import bearer

LIST_ONLY = ("memberCount", "hasCampaigns", "campaigns")
"""Keys of an audience that the list alone has."""
START = datetime(2025, 6, 30, 23, 59, 40, tzinfo=UTC)
TICK = timedelta(milliseconds=40)
"""So short that a whole life takes a second or two: most ids that are made in it differ in their counter alone."""
SETTINGS = settings(
    max_examples=30,
    stateful_step_count=25,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class Tenant(NamedTuple):
    token: str
    test_id: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        return bearer(self.token, self.test_id)

    @property
    def named(self) -> dict[str, str]:
        """Who that is, as the control API wants to know."""
        return {"token": self.token} | ({} if self.test_id is None else {"testId": self.test_id})


ALICE, ALICES_TEST, BOB = Tenant("sk_alice"), Tenant("sk_alice", "t"), Tenant("sk_bob")
TENANTS = (ALICE, ALICES_TEST, BOB)
FIXTURES: dict[str, dict[str, Any]] = {
    "alice.json": {
        "tokens": [ALICE.token],
        "generate": {"audiences": 2, "members": {"min": 4, "max": 12}, "withCampaigns": 0.8},
    },
    "bob.json": {
        "tokens": [BOB.token],
        "organization": "60d0fe4f5311236168a109cb",
        "audiences": [
            {
                # Changed later than the clock says: a change must not take that back.
                "name": "Of years to come",
                "createdAt": "2025-01-15T10:30:00.000Z",
                "updatedAt": "2030-01-01T00:00:00.000Z",
                "memberCount": 7,
                "locale": "de_DE",
                "hasCampaigns": True,
                "campaigns": [{"_id": "70e1af5b8a3c4d2f9b7e1234", "name": "Old", "status": "active"}],
            },
            {
                "_id": "60d0fe4f5311236168a109ca",
                "phoneNumberColumnName": "contact number",
                "memberCount": 9,
                "omit": ["updatedAt", "description"],
            },
            {"name": "Nobody yet", "memberCount": 0},
        ],
    },
}

NEW_NUMBERS = ["5550100", "123456789012345", *(f"1999555010{digit}" for digit in range(4))]
# Such as members are generated with, in each of the countries; but nobody here has just these.
NEW_NUMBERS += ["14155550123", "493023125001", "46846500401"]
NO_NUMBERS = ["", "+", "abc", "555010", "1234567890123456", "05550100", "+1 415 555 0100", "415-555-0100", "++5550100"]
WORDS = st.sampled_from(["Ada", "ada lovelace", "Żółć", "=1+1", '"quoted", <b>', "a\nb", "", "0100"])
GONE = "000000000000000000000000"
"""An id that nothing ever has."""
MALFORMED_IDS = ["audience", "60d0fe4f5311236168a109c", "60d0fe4f5311236168a109cag", "60d0fe4f5311236168a109cg"]


def format_timestamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def digits(number: str) -> str:
    return number.removeprefix("+")


def csv_bytes(columns: list[str], rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([row[column] for column in columns] for row in rows)
    return text.getvalue().encode()


def good(answer: httpx.Response) -> Any:  # noqa: ANN401 - any JSON
    """Return the data of a success."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"status", "data"}
    assert body["status"] is True
    return body["data"]


def refused(answer: httpx.Response, status: int) -> list[str]:
    """Return the messages of an error."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body.keys() == {"status", "errors"}
    assert body["status"] is False
    assert body["errors"]
    return list(body["errors"])


def text_of(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def has(value: object, term: str) -> bool:
    return term.lower() in text_of(value).lower()


@dataclass
class Held:
    """What an audience should be now.

    Attributes:
        shown: as the list shows it, but for its number of members.
        members: its members, in their order.
        former: numbers of members that were deleted.
        former_ids: and their ids.
    """

    shown: dict[str, Any]
    members: list[dict[str, Any]]
    former: list[str] = field(default_factory=list)
    former_ids: list[str] = field(default_factory=list)

    @property
    def column(self) -> str:
        return str(self.shown["phoneNumberColumnName"])

    @property
    def numbers(self) -> list[str]:
        return [member["data"][self.column] for member in self.members]

    @property
    def listed(self) -> dict[str, Any]:
        return {**self.shown, "memberCount": len(self.members)}

    def touch(self, now: datetime) -> None:
        """Note that it was changed `now`, unless it says that it was later."""
        if "updatedAt" in self.shown:
            self.shown["updatedAt"] = max(self.shown["updatedAt"], format_timestamp(now))

    def found(self, query: str) -> list[dict[str, Any]]:
        return [member for member in self.members if any(has(value, query) for value in member["data"].values())]


Holdings = dict[str, Held]
"""The audiences of one tenant, by id, in the order of the list."""


class Bench:
    """A mock in this process whose clock is ours, and what each tenant begins with there.

    Args:
        fixtures: folder of its fixture files.
    """

    def __init__(self, fixtures: Path) -> None:
        self.now = START
        mock = MockAtoms(Settings(fixtures=fixtures, journal_size=10), now=lambda: self.now)
        self._app = create_app(mock=mock)
        self._runner = asyncio.Runner()
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self._app), base_url="http://127.0.0.1/atoms/v1", timeout=None
        )
        self.beginnings = {tenant: self.learn(tenant) for tenant in TENANTS}

    def close(self) -> None:
        self._runner.run(self._http.aclose())
        self._runner.close()

    def send(self, tenant: Tenant, method: str, path: str = "", **request: Any) -> httpx.Response:  # noqa: ANN401 - httpx has their types
        """Call the API; `path` is below that of all audiences."""
        return self._runner.run(self._http.request(method, f"/audience{path}", headers=tenant.headers, **request))

    def control(self, method: str, path: str, content: object = None) -> Any:  # noqa: ANN401 - any JSON
        """Call the control API, which answers with success."""
        answer = self._runner.run(self._http.request(method, f"http://127.0.0.1/__admin{path}", json=content))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def members(self, tenant: Tenant, audience_id: str, size: int) -> Iterator[dict[str, Any]]:
        """Yield all members, by pages of `size`, each of which tells how many they are."""
        read = 0
        for number in count(1):
            page = good(self.send(tenant, "GET", f"/{audience_id}/members", params={"page": number, "offset": size}))
            yield from page["members"]
            read += len(page["members"])
            if not page["hasMore"]:
                assert read == page["totalCount"]
                return

    def learn(self, tenant: Tenant) -> Holdings:
        """Return what `tenant` holds, as the API tells it."""
        return {
            shown["_id"]: Held(shown, list(self.members(tenant, shown["_id"], 5)))
            for shown in good(self.send(tenant, "GET"))
        }


def somebody_holds_something(life: "Life") -> bool:
    return any(life.held.values())


class Life(RuleBasedStateMachine):
    """Does to a mock and to dictionaries whatever can be done, and compares them after each step."""

    bench: ClassVar[Bench]
    """Where all lives are led, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.bench.now = START
        self.bench.control("POST", "/reset", {})
        self.held = copy.deepcopy(self.bench.beginnings)
        self.last: dict[Tenant, str] = {}
        self.saved: tuple[Any, dict[Tenant, Holdings]] | None = None

    def one_of(self, data: st.DataObject) -> tuple[Tenant, str, Held]:
        """Draw an audience of anybody: mostly the last one, so that much befalls the same."""
        tenant = data.draw(st.sampled_from([tenant for tenant in TENANTS if self.held[tenant]]))
        held = self.held[tenant]
        last = [self.last[tenant]] * 5 if self.last.get(tenant) in held else []
        audience_id = self.last[tenant] = data.draw(st.sampled_from([*last, *held]))
        return tenant, audience_id, held[audience_id]

    def ids(self, tenant: Tenant) -> list[str]:
        """Return every id that `tenant` can see: of audiences, members and campaigns."""
        return [
            *self.held[tenant],
            *(member["_id"] for held in self.held[tenant].values() for member in held.members),
            *(campaign["_id"] for held in self.held[tenant].values() for campaign in held.shown["campaigns"]),
        ]

    def is_new_id(self, tenant: Tenant, new: str) -> bool:
        """Tell whether `new` may be the id of what `tenant` made just now."""
        is_formed = re.fullmatch(r"[0-9a-f]{24}", new) and int(new[:8], 16) == int(self.bench.now.timestamp())
        return bool(is_formed) and new not in self.ids(tenant)

    @rule(data=st.data(), tenant=st.sampled_from(TENANTS))
    def create(self, data: st.DataObject, tenant: Tenant) -> None:
        for _ in range(data.draw(st.integers(1, 2))):
            self.create_one(data, tenant)

    def create_one(self, data: st.DataObject, tenant: Tenant) -> None:
        column = data.draw(st.sampled_from(["phone", "Phone Number", "tel, daytime"]))
        others = data.draw(st.lists(st.sampled_from(["name", "note", "Größe"]), unique=True))
        columns = data.draw(st.permutations([column, *others]))
        described = {"description": WORDS, "identifierColumnName": st.sampled_from(columns)}
        initial_data = st.tuples(st.sampled_from(NEW_NUMBERS), st.booleans(), WORDS)
        rows = [
            {**dict.fromkeys(others, word), column: f"+{number}" if plus else number}
            for number, plus, word in data.draw(
                st.lists(initial_data, min_size=1, max_size=6, unique_by=lambda row: row[0])
            )
        ]
        fields = {**data.draw(st.fixed_dictionaries({}, optional=described)), "phoneNumberColumnName": column}
        fields = {"name": "Made", **fields}
        made = good(self.bench.send(tenant, "POST", data=fields, files={"file": csv_bytes(columns, rows)}))
        now = format_timestamp(self.bench.now)
        begun = next(iter(self.bench.beginnings[tenant].values())).shown
        owner = {"organization": begun["organization"], "createdBy": begun["createdBy"]}
        assert made == {"_id": made["_id"], **fields, **owner, "createdAt": now, "updatedAt": now}
        assert self.is_new_id(tenant, made["_id"])
        assert all(made["_id"] not in self.held[other] for other in TENANTS)
        members = list(self.bench.members(tenant, made["_id"], 4))
        assert [member["data"] for member in members] == rows
        assert all(self.is_new_id(tenant, member["_id"]) for member in members)
        made.pop("identifierColumnName", None)
        self.held[tenant][made["_id"]] = Held({**made, "hasCampaigns": False, "campaigns": []}, members)

    @precondition(somebody_holds_something)
    @rule(data=st.data(), size=st.integers(1, 13))
    def look(self, data: st.DataObject, size: int) -> None:
        tenant, audience_id, held = self.one_of(data)
        path = f"/{audience_id.upper()}/members"
        term = self.term(data, held)
        found = held.found(term)
        for members, query in ((held.members, {}), (found, {"search": term})):
            pages = (len(members) + size - 1) // size
            for number in range(1, pages + 3):
                params = {"page": number, "offset": size, **query}
                assert good(self.bench.send(tenant, "GET", path, params=params)) == {
                    "members": members[(number - 1) * size : number * size],
                    "totalCount": len(members),
                    "totalPages": pages,
                    "hasMore": number < pages,
                }
        info = {"searchType": "general", "searchTerm": term, "searchFields": [], "totalResults": len(found)}
        answer = self.bench.send(tenant, "GET", f"{path}/search", params={"query": term})
        assert good(answer) == {"members": found, "searchInfo": info}
        self.search_by_columns(data, tenant, audience_id, held)

    def term(self, data: st.DataObject, held: Held, column: str | None = None) -> str:
        """Draw what to look for: a part of some value, mostly, and at times what is nowhere."""
        texts = [
            text
            for member in held.members
            for name, value in member["data"].items()
            if name == column or column is None
            if (text := text_of(value))
        ]
        text = data.draw(st.sampled_from([*texts, "nowhere to be found"]))
        start = data.draw(st.integers(0, len(text) - 1))
        part = text[start : start + data.draw(st.integers(1, 6))]
        return data.draw(st.sampled_from([part, part.upper(), text]))

    def search_by_columns(self, data: st.DataObject, tenant: Tenant, audience_id: str, held: Held) -> None:
        known = sorted({name for member in held.members for name in member["data"]})
        columns = data.draw(st.lists(st.sampled_from([*known, *known, "no such column"]), min_size=1, max_size=2))
        # The same column may be asked for twice.
        wanted = [(column, self.term(data, held, column)) for column in [*columns, columns[-1]]]
        for fields in (wanted, wanted[:-1], wanted[::-1]):
            members = [
                member
                for member in held.members
                if all(column in member["data"] and has(member["data"][column], term) for column, term in fields)
            ]
            params = httpx.QueryParams(cast("list[tuple[str, Any]]", fields))
            result = good(self.bench.send(tenant, "GET", f"/{audience_id}/members/search", params=params))
            assert result["members"] == members
            info = result["searchInfo"]
            assert info.keys() == {"searchType", "searchTerm", "searchFields", "totalResults"}
            assert info["searchType"] == "multiple"
            assert info["searchFields"] == list(dict.fromkeys(column for column, _ in fields))
            assert all(term in info["searchTerm"] for _, term in fields)
            assert info["totalResults"] == len(members)

    @precondition(somebody_holds_something)
    @rule(data=st.data(), steps=st.lists(st.sampled_from(["add", "delete"]), min_size=2, max_size=4))
    def change_members(self, data: st.DataObject, steps: list[str]) -> None:
        tenant, audience_id, held = self.one_of(data)
        for step in steps:
            change = self.add if step == "add" else self.delete
            change(data, tenant, audience_id, held)

    def add(self, data: st.DataObject, tenant: Tenant, audience_id: str, held: Held) -> None:
        pool = st.sampled_from([*NEW_NUMBERS, *map(digits, held.numbers)])
        pool |= st.sampled_from(held.former[-4:] or NEW_NUMBERS)
        initial_data = data.draw(st.lists(st.tuples(pool, st.booleans(), WORDS), min_size=2, max_size=7))
        given: list[dict[str, Any]] = [
            {held.column: f"+{number}" if plus else number, "name": word, "size": place}
            for place, (number, plus, word) in enumerate(initial_data)
        ]
        there = set(map(digits, held.numbers))
        new: list[dict[str, Any]] = []
        for row in given:
            if digits(row[held.column]) not in there:
                there.add(digits(row[held.column]))
                new.append(row)
        answer = good(self.bench.send(tenant, "POST", f"/{audience_id}/members", json={"members": given}))
        assert answer == [
            {
                "message": f"{len(new)} members added successfully",
                "data": {"added": len(new), "skipped": len(given) - len(new)},
            }
        ]
        if new:
            members = list(self.bench.members(tenant, audience_id, 6))[len(held.members) :]
            assert [member["data"] for member in members] == new
            assert all(self.is_new_id(tenant, member["_id"]) for member in members)
            held.members += members
            held.touch(self.bench.now)

    def delete(self, data: st.DataObject, tenant: Tenant, audience_id: str, held: Held) -> None:
        own = [member["_id"] for member in held.members]
        everyones = sorted({each for other in TENANTS for each in self.ids(other)})
        others = [*everyones, *held.former_ids[-4:] * 3, *MALFORMED_IDS, GONE, audience_id, ""]
        ids = data.draw(st.lists(st.sampled_from(others), max_size=2))
        if own:
            # Those who came last are likely to be no generated ones.
            ids += data.draw(st.lists(st.sampled_from(own) | st.sampled_from(own[-4:]), min_size=1, max_size=3))
            # Nobody has these, or another one.
            ids += [f"{int(each, 16) + step:024x}" for each in own[-1:] for step in (1, 2, 1 << 40)]
        ids = [each.upper() if data.draw(st.booleans()) else each for each in [*ids, *ids[:1]]]
        doomed = {each.lower() for each in ids} & set(own)
        answer = self.bench.send(tenant, "DELETE", f"/{audience_id}/members", json={"memberIds": ids})
        assert good(answer) == {"deletedCount": len(doomed)}
        held.former += [digits(number) for number, each in zip(held.numbers, own, strict=True) if each in doomed]
        held.former_ids += sorted(doomed)
        held.members = [member for member in held.members if member["_id"] not in doomed]
        if doomed:
            held.touch(self.bench.now)

    @precondition(somebody_holds_something)
    @rule(data=st.data(), names=st.lists(WORDS, max_size=2))
    def set_campaigns(self, data: st.DataObject, names: list[str]) -> None:
        self.let_be_used(*self.one_of(data), names)

    def let_be_used(self, tenant: Tenant, audience_id: str, held: Held, names: list[str]) -> None:
        content = {**tenant.named, "campaigns": [{"name": name} for name in names]}
        audience = self.bench.control("PUT", f"/audiences/{audience_id}/campaigns", content)["audience"]
        campaigns = audience["campaigns"]
        rest = {"status": "active", "createdAt": format_timestamp(self.bench.now)}
        assert campaigns == [
            {"_id": campaign["_id"], "name": name, **rest} for campaign, name in zip(campaigns, names, strict=True)
        ]
        assert all(self.is_new_id(tenant, campaign["_id"]) for campaign in campaigns)
        held.shown |= {"hasCampaigns": bool(names), "campaigns": campaigns}
        assert audience == held.listed

    @precondition(somebody_holds_something)
    @rule(data=st.data(), insists=st.booleans())
    def delete_audience(self, data: st.DataObject, insists: bool) -> None:  # noqa: FBT001 - rules are given keywords
        tenant, audience_id, held = self.one_of(data)
        answer = self.bench.send(tenant, "DELETE", f"/{audience_id}")
        if held.shown["campaigns"]:
            assert refused(answer, 400) == [f"can't delete audience, campaign with this audience {audience_id} exists"]
            if not insists:
                return
            self.let_be_used(tenant, audience_id, held, [])
            answer = self.bench.send(tenant, "DELETE", f"/{audience_id}")
        assert good(answer) == []
        del self.held[tenant][audience_id]

    @precondition(somebody_holds_something)
    @rule(data=st.data(), bad=st.sampled_from([None, *NO_NUMBERS]), twice=st.sampled_from(NEW_NUMBERS))
    def be_refused(self, data: st.DataObject, bad: str | None, twice: str) -> None:
        tenant, audience_id, held = self.one_of(data)
        wrong = {"name": "Ada"} if bad is None else {"name": "Ada", held.column: bad}
        members = [{held.column: "5550177"}, wrong, {held.column: "5550178"}]
        (error,) = refused(self.bench.send(tenant, "POST", f"/{audience_id}/members", json={"members": members}), 400)
        if not bad:
            assert error == f"Each member must have a {held.column} field"
        fields = {"name": "Never", "phoneNumberColumnName": "phone"}
        file = f"phone\n5550199\n{twice}\n+{twice}\n".encode()
        (error,) = refused(self.bench.send(tenant, "POST", data=fields, files={"file": file}), 400)
        assert "already exist" in error
        self.ask_for_what_is_not_there(data, tenant)

    def ask_for_what_is_not_there(self, data: st.DataObject, tenant: Tenant) -> None:
        malformed = data.draw(st.sampled_from(MALFORMED_IDS))
        everyones = {each for other in TENANTS for each in (*self.held[other], *self.bench.beginnings[other])}
        absent = data.draw(st.sampled_from(sorted((everyones | {GONE}) - self.held[tenant].keys())))
        # The ids of one token are one organisation's, whatever test it is in.
        own = {each for other in TENANTS if other.token == tenant.token for each in self.held[other]}
        own |= self.bench.beginnings[tenant].keys() | {GONE}
        for audience_id, status in ((malformed, 400), (absent, 404)):
            for method, path, request in (
                ("GET", "", {}),
                ("DELETE", "", {}),
                ("POST", "/members", {"json": {"members": [{"phone": "5550100"}]}}),
                ("DELETE", "/members", {"json": {"memberIds": [GONE]}}),
                ("GET", "/members/search", {"params": {"query": "a"}}),
            ):
                refused(self.bench.send(tenant, method, f"/{audience_id}{path}", **request), status)
        answer = self.bench.send(tenant, "GET", f"/{malformed}/members")
        assert (answer.status_code, answer.json()["status"]) == (400, "error")
        refused(self.bench.send(tenant, "GET", f"/{absent}/members"), 404 if absent in own else 403)

    @rule(what=st.sampled_from(["take out", "take out", "return", "reset", "choose"]), data=st.data())
    def use_the_control_api(self, what: str, data: st.DataObject) -> None:
        if what == "take out":
            self.take_the_state_out_and_put_it_in_again()
        elif what == "reset":
            self.reset(data.draw(st.sampled_from([ALICE, ALICES_TEST, BOB, None])))
        elif what == "choose":
            self.choose(data)
        elif self.saved is not None:
            state, held = self.saved
            self.bench.control("PUT", "/state", state)
            self.held = copy.deepcopy(held)

    def take_the_state_out_and_put_it_in_again(self) -> None:
        state = self.bench.control("GET", "/state")
        self.bench.control("PUT", "/state", state)
        assert self.bench.control("GET", "/state") == state
        self.saved = state, copy.deepcopy(self.held)

    def reset(self, scope: Tenant | None) -> None:
        self.bench.control("POST", "/reset", {} if scope is None else scope.named)
        for tenant in TENANTS:
            if scope is None or (tenant.token == scope.token and scope.test_id in (None, tenant.test_id)):
                self.held[tenant] = copy.deepcopy(self.bench.beginnings[tenant])

    def choose(self, data: st.DataObject) -> None:
        tenant = data.draw(st.sampled_from(TENANTS))
        audiences, locale = data.draw(st.integers(1, 2)), data.draw(st.sampled_from(["en_US", "sv_SE"]))
        wanted = {"audiences": audiences, "members": {"min": 0, "max": 9}, "locale": locale}
        answer = self.bench.control("PUT", "/tenants", {**tenant.named, "generate": wanted})
        self.held[tenant] = self.bench.learn(tenant)
        assert answer["audiences"] == [held.shown for held in self.held[tenant].values()]
        assert len(self.held[tenant]) == audiences

    @invariant()
    def the_mock_holds_what_the_dictionaries_do(self) -> None:
        for tenant, audiences in self.held.items():
            shown = good(self.bench.send(tenant, "GET"))
            assert shown == [held.listed for held in audiences.values()]
            for listed, (audience_id, held) in zip(shown, audiences.items(), strict=True):
                detail = good(self.bench.send(tenant, "GET", f"/{audience_id}"))
                assert detail == {key: value for key, value in listed.items() if key not in LIST_ONLY}
                # By two pages, so that one begins somewhere in the middle.
                members = list(self.bench.members(tenant, audience_id, len(held.members) // 2 + 1))
                assert members == held.members
                assert listed["memberCount"] == len(members)
                numbers = [member["data"][listed["phoneNumberColumnName"]] for member in members]
                assert len(set(map(digits, numbers))) == len(numbers)
            ids = self.ids(tenant)
            assert len(set(ids)) == len(ids)
        self.bench.now += TICK


def test_any_order_of_operations_leaves_the_mock_with_what_a_dictionary_holds(tmp_path: Path) -> None:
    for name, content in FIXTURES.items():
        (tmp_path / name).write_text(json.dumps(content))
    bench = Life.bench = Bench(tmp_path)
    try:
        # What they begin with has to be worth changing.
        assert [len(held.members) for held in bench.beginnings[BOB].values()] == [7, 9, 0]
        assert [held.shown["hasCampaigns"] for held in bench.beginnings[BOB].values()] == [True, False, False]
        assert all(3 < len(held.members) < 13 for held in bench.beginnings[ALICE].values())
        run_state_machine_as_test(Life, settings=SETTINGS)
    finally:
        bench.close()


CARA = Tenant("sk_cara")


def created(http: httpx.Client, rows: int) -> str:
    """Create an audience whose members have the numbers 14150000000 and the `rows` - 1 after it."""
    file = "".join(["phone\n", *(f"{14150000000 + row}\n" for row in range(rows))]).encode()
    fields = {"name": "Many hands", "phoneNumberColumnName": "phone"}
    return str(good(http.post("/audience", data=fields, files={"file": file}))["_id"])


def begun(http: httpx.Client, root_url: str) -> str:
    wanted = {"audiences": 1, "members": 300, "locale": "sv_SE"}
    answer = http.put(f"{root_url}/__admin/tenants", json={**CARA.named, "generate": wanted})
    return str(answer.json()["audiences"][0]["_id"])


def all_members(http: httpx.Client, audience_id: str) -> list[dict[str, Any]]:
    """Return all members, of which the list says how many they are."""
    page = good(http.get(f"/audience/{audience_id}/members", params={"offset": 10_000}))
    (listed,) = (each for each in good(http.get("/audience")) if each["_id"] == audience_id)
    assert listed["memberCount"] == page["totalCount"] == len(page["members"])
    return list(page["members"])


@pytest.mark.parametrize("is_generated", [False, True])
def test_clients_that_add_and_delete_at_once_lose_nothing_and_count_exactly(is_generated: bool) -> None:  # noqa: FBT001 - pytest names it
    barrier = Barrier(3)
    with MockServer() as mock, httpx.Client(base_url=mock.url, headers=CARA.headers) as http:
        audience_id = begun(http, mock.root_url) if is_generated else created(http, 300)
        members = f"{mock.url}/audience/{audience_id}/members"
        before = all_members(http, audience_id)
        (column,) = {name for name, value in before[0]["data"].items() if value.removeprefix("+").isdigit()}
        numbers = [f"4620{digit:06d}" for digit in range(320)]

        def add(step: int) -> int:
            """Add all numbers, ten at a time, five of them again with the next, and each time one that is there."""
            added = 0
            with httpx.Client(headers=CARA.headers) as own:
                barrier.wait()
                for first in range(0, len(numbers), 5)[::step]:
                    stays = before[250 + first % 50]["data"][column]
                    given = [{column: number} for number in (*numbers[first : first + 10], stays)]
                    (answer,) = good(own.post(members, json={"members": given}))
                    assert answer["data"]["added"] + answer["data"]["skipped"] == len(given)
                    added += answer["data"]["added"]
            return added

        def delete() -> int:
            """Delete what was there before, three at a time, and one of them again with the next."""
            deleted = 0
            with httpx.Client(headers=CARA.headers) as own:
                barrier.wait()
                for first in range(0, 200, 2):
                    ids = [member["_id"] for member in before[first : first + 3]]
                    answer = good(own.request("DELETE", members, json={"memberIds": ids}))
                    deleted += answer["deletedCount"]
            return deleted

        with ThreadPoolExecutor(3) as threads:
            first, second, gone = threads.submit(add, 1), threads.submit(add, -1), threads.submit(delete)
        after = all_members(http, audience_id)
        assert gone.result() == 201
        assert first.result() + second.result() == 320
        assert len(after) == 300 + 320 - 201
        assert after[:99] == before[201:]
        assert sorted(member["data"][column] for member in after[99:]) == numbers
        assert len({member["_id"] for member in after}) == len(after)


def test_of_a_hundred_who_add_one_number_at_once_one_does() -> None:
    async def add_everywhere(url: str) -> list[int]:
        async with httpx.AsyncClient(headers=CARA.headers) as http:
            plain, plus = {"members": [{"phone": "5550100"}]}, {"members": [{"phone": "+5550100"}]}
            answers = await asyncio.gather(*(http.post(url, json=body) for body in [plain, plus] * 50))
        return sorted(good(answer)[0]["data"]["added"] for answer in answers)

    with MockServer() as mock, httpx.Client(base_url=mock.url, headers=CARA.headers) as http:
        audience_id = created(http, 1)
        assert asyncio.run(add_everywhere(f"{mock.url}/audience/{audience_id}/members")) == [0] * 99 + [1]
        assert len(all_members(http, audience_id)) == 2


def test_an_audience_takes_members_until_there_are_10000() -> None:
    too_many = (
        "Cannot add {} members. You currently have {} members in this audience. "
        "The maximum limit is 10000 members. You can add up to {} more members."
    )

    def given(numbers: range) -> dict[str, Any]:
        return {"members": [{"phone": str(number)} for number in numbers]}

    with MockServer() as mock, httpx.Client(base_url=mock.url, headers=CARA.headers) as http:
        members = f"/audience/{created(http, 9_990)}/members"
        assert refused(http.post(members, json=given(range(5_550_100, 5_550_115))), 400) == [
            too_many.format(15, 9990, 10)
        ]
        assert good(http.get(members))["totalCount"] == 9_990
        (answer,) = good(http.post(members, json=given(range(5_550_100, 5_550_110))))
        assert answer["data"] == {"added": 10, "skipped": 0}
        assert refused(http.post(members, json=given(range(5_550_110, 5_550_111))), 400) == [
            too_many.format(1, 10000, 0)
        ]
        # Who deletes makes room.
        last = good(http.get(members, params={"page": 10_000, "offset": 1}))["members"][0]
        assert last["data"] == {"phone": "5550109"}
        assert good(http.request("DELETE", members, json={"memberIds": [last["_id"]]})) == {"deletedCount": 1}
        (answer,) = good(http.post(members, json=given(range(5_550_110, 5_550_111))))
        assert answer["data"] == {"added": 1, "skipped": 0}


def story(mock: MockServer, whisper: Callable[[], object]) -> list[tuple[int, list[tuple[str, str]], bytes]]:
    """Let Cara do a bit of everything, call `whisper` each time before, and return all answers but for their dates."""
    answers: list[tuple[int, list[tuple[str, str]], bytes]] = []

    with httpx.Client(base_url=mock.url, headers=CARA.headers) as http:

        def send(method: str, path: str, **request: Any) -> Any:  # noqa: ANN401 - httpx has their types
            whisper()
            answer = http.request(method, path, **request)
            headers = [(name, value) for name, value in answer.headers.items() if name != "date"]
            answers.append((answer.status_code, headers, answer.content))
            return answer.json()["data"] if answer.is_success else None

        form = {"name": "Spring", "phoneNumberColumnName": "phone", "description": "=1+1"}
        begun = send("GET", "/audience")[-1]
        made = send("POST", "/audience", data=form, files={"file": b"phone,name\n5550100,Ada\n+5550101,Bob\n"})["_id"]
        send("POST", "/audience", data=form, files={"file": b"phone\n5550100\n+5550100\n"})
        send("POST", "/audience", data=form)
        for audience_id, column in ((begun["_id"], begun["phoneNumberColumnName"]), (made, "phone"), (made, "phone")):
            send("GET", f"/audience/{audience_id}")
            numbers = [{column: "5550100"}, {column: "+5550199"}]
            send("POST", f"/audience/{audience_id}/members", json={"members": numbers})
            page = send("GET", f"/audience/{audience_id}/members", params={"page": 1, "offset": 3})
            ids = [member["_id"] for member in page["members"][1:]]
            send("DELETE", f"/audience/{audience_id}/members", json={"memberIds": [*ids, GONE]})
            send("GET", f"/audience/{audience_id}/members", params={"page": 1, "offset": 3})
            send("GET", f"/audience/{audience_id}/members/search", params={"query": "a"})
            send("GET", f"/audience/{audience_id}/members/search")
        campaigns = {**CARA.named, "campaigns": [{"name": "a"}, {"name": "b"}]}
        http.put(f"{mock.root_url}/__admin/audiences/{made}/campaigns", json=campaigns)
        send("DELETE", f"/audience/{made}")
        send("DELETE", f"/audience/{begun['_id']}")
        send("GET", "/audience")
        send("GET", f"/audience/{GONE}")
        send("GET", "/audience/x/members")
    return answers


def test_the_same_requests_get_the_same_bytes_whoever_else_is_there() -> None:
    def dave_too(mock: MockServer) -> Callable[[], object]:
        fields = {"name": "Dave's", "phoneNumberColumnName": "phone"}
        upload = {"data": fields, "files": {"file": b"phone\n5550100\n"}, "headers": Tenant("sk_dave").headers}
        return lambda: good(httpx.post(f"{mock.url}/audience", **upload))  # type: ignore[arg-type] # httpx has their types

    with MockServer(now="2026-01-31T09:00:00Z") as mock:
        alone = story(mock, lambda: None)
        httpx.post(f"{mock.root_url}/__admin/reset", json=CARA.named)
        assert story(mock, lambda: None) == alone
    with MockServer(now="2026-01-31T09:00:00Z") as mock:
        assert story(mock, dave_too(mock)) == alone
    assert {status for status, _, _ in alone} == {200, 400, 404}
    assert b'"createdAt":"2026-01-31T09:00:00.000Z"' in alone[1][2]
