"""Servers that start from an exported state."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer, Settings
from mock_atoms import mock as mock_module
from mock_atoms.core import json_parsing
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.setting_sources import load_settings
from mock_atoms.mock import MockAtoms
from mock_atoms.state import start_state
from mock_atoms.state.memory_store import MemoryStore
from mock_atoms.state.snapshot_parsing import SnapshotConverter
from mock_atoms.wiremock import stub_book
from tests.helpers.exchanges import exchange

ACME = {"Authorization": "Bearer sk_acme"}
BETA = {"Authorization": "Bearer sk_beta", "X-Test-Id": "t"}
OWN_RULES = "cannot be combined with --state, which has its own rules and is in memory: leave one out"
NO_FILES = "a server with a start state has no fixtures or stubs of files"
EMPTY = {"version": "1", "seed": "atoms", "locale": "en_US", "rules": [], "fixtures": [], "tenants": []}


def responses(server: MockServer) -> list[tuple[int, bytes, str]]:
    """Return status, body and request id of a series of requests."""
    sent = [
        httpx.get(f"{server.url}{path}", headers=headers)
        for headers in (ACME, BETA)
        for path in ("/audience", "/audience", "/greeting", "/user")
    ]
    return [(response.status_code, response.content, response.headers["x-request-id"]) for response in sent]


def state_of(server: MockServer) -> dict[str, Any]:
    state: dict[str, Any] = httpx.get(f"{server.root_url}/__admin/state").json()
    return state


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """The exported state of a server with changes of each kind."""
    with MockServer(seed="other", locale="de_DE", fault=["POST /agent 501"]) as server:
        httpx.get(f"{server.url}/audience", headers=ACME)
        server.fail("500x2", token="sk_acme")
        server.fail("502x3")
        server.fail("503x1", token="sk_beta", test_id="t")
        server.fail("delay1")
        server.set_audiences([{"name": "mine"}], token="sk_beta", test_id="t")
        server.stub("GET", "/greeting", json={"hello": "there"})
        httpx.get(f"{server.url}/audience", headers=ACME)
        path = tmp_path / "case.json"
        path.write_text(json.dumps(state_of(server)), encoding="utf-8")
    return path


def test_a_server_responds_like_the_exporting_one(case: Path) -> None:
    state = json.loads(case.read_text(encoding="utf-8"))
    with MockServer(seed="other", locale="de_DE") as server:
        httpx.put(f"{server.root_url}/__admin/state", json=state).raise_for_status()
        expected = responses(server)
    assert {status for status, _, _ in expected} == {500, 502, 503}
    with MockServer(state=case) as server:
        assert (server.settings.seed, server.settings.locale) == ("other", "de_DE")
        assert state_of(server) == state
        assert responses(server) == expected
        server.reset()
        assert state_of(server) == state
        assert server.requests() == []
        assert responses(server) == expected


def test_a_reset_of_one_token_or_test_returns_to_the_state(case: Path) -> None:
    with MockServer(state=case) as server:
        initial = state_of(server)
        before = responses(server)
        server.fail("500", token="sk_acme")
        server.reset(token="sk_acme")
        assert responses(server)[:4] == before[:4]
        server.reset(test_id="t")
        assert responses(server)[4:] == before[4:]
        server.reset(token="sk_beta", test_id="t")
        server.reset(token="sk_acme", test_id="none")
        server.reset(token="sk_acme")
        after = state_of(server)
        # The order decides which rule responds; counts of rules for all tenants stay.
        assert [rule["id"] for rule in after["rules"]] == [rule["id"] for rule in initial["rules"]]
        scoped = [[rule for rule in state["rules"] if "match" in rule] for state in (after, initial)]
        assert scoped[0] == scoped[1] != []
        assert sorted(map(str, after["tenants"])) == sorted(map(str, initial["tenants"]))


def test_a_reset_of_the_stubs_restores_those_of_the_state(case: Path) -> None:
    with MockServer(state=case) as server:
        greeting = f"{server.url}/greeting"
        for path in ("mappings/reset", "reset"):
            httpx.delete(f"{server.root_url}/__admin/mappings").raise_for_status()
            kept = {"request": {"urlPath": "/atoms/v1/kept"}, "persistent": True}
            httpx.post(f"{server.root_url}/__admin/mappings", json=kept).raise_for_status()
            server.stub("GET", "/other")
            assert httpx.get(greeting).status_code == 404
            httpx.post(f"{server.root_url}/__admin/{path}").raise_for_status()
            assert httpx.get(greeting).json() == {"hello": "there"}
            statuses = [httpx.get(f"{server.url}/{name}").status_code for name in ("kept", "other")]
            assert statuses == [200, 404]


def test_a_reset_of_one_token_after_an_import_returns_to_the_state(tmp_path: Path) -> None:
    fixtures, path = tmp_path / "fixtures", tmp_path / "case.json"
    fixtures.mkdir()
    (fixtures / "acme.yaml").write_text("{tokens: [sk_acme], audiences: [{name: X}, {name: Y}]}", encoding="utf-8")
    with MockServer(fixtures=fixtures) as server:
        listed = httpx.get(f"{server.url}/audience", headers=ACME).json()["data"]
        httpx.delete(f"{server.url}/audience/{listed[1]['_id']}", headers=ACME).raise_for_status()
        path.write_text(json.dumps(state_of(server)), encoding="utf-8")
    with MockServer(state=path) as server:
        httpx.put(f"{server.root_url}/__admin/state", json=EMPTY).raise_for_status()
        server.reset(token="sk_acme")
        names = [audience["name"] for audience in httpx.get(f"{server.url}/audience", headers=ACME).json()["data"]]
        members = httpx.get(f"{server.url}/audience/{listed[0]['_id']}/members", headers=ACME)
    assert (names, members.status_code) == (["X"], 200)


@pytest.mark.parametrize("path", ["mappings/reset", "scenarios/reset"])
def test_a_reset_of_one_token_restores_its_scenarios(tmp_path: Path, path: str) -> None:
    case = tmp_path / "case.json"
    with MockServer() as server:
        scenario = {"scenarioName": "s", "request": {"urlPath": "/s"}}
        for state, following, body in (("Started", "two", "1"), ("two", "three", "2"), ("three", "three", "3")):
            stub = {"requiredScenarioState": state, "newScenarioState": following, "response": {"body": body}}
            httpx.post(f"{server.root_url}/__admin/mappings", json=scenario | stub).raise_for_status()
        assert [httpx.get(f"{server.root_url}/s", headers=ACME).text for _ in range(2)] == ["1", "2"]
        case.write_text(json.dumps(state_of(server)), encoding="utf-8")
    with MockServer(state=case) as server:
        httpx.post(f"{server.root_url}/__admin/{path}").raise_for_status()
        assert httpx.get(f"{server.root_url}/s", headers=ACME).text == "1"
        server.reset(token="sk_acme")
        assert httpx.get(f"{server.root_url}/s", headers=ACME).text == "3"


def test_a_restored_rule_is_an_event(case: Path) -> None:
    with MockServer(state=case) as server, server.events() as events:
        server.reset(token="sk_acme")
        names = [next(events).name for _ in range(3)]
    assert names == ["rule-removed", "rule-added", "reset"]


def test_too_many_persistent_stubs_are_dropped(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with MockServer(state=case) as server:
        kept = {"request": {"urlPath": "/kept"}, "persistent": True}
        httpx.post(f"{server.root_url}/__admin/mappings", json=kept).raise_for_status()
        monkeypatch.setattr(stub_book, "MAX_STUBS", 1)
        server.reset()
        assert httpx.get(f"{server.root_url}/kept").status_code == 404
        assert httpx.get(f"{server.url}/greeting").status_code == 200


def test_fixtures_and_stubs_of_folders_have_no_effect(case: Path, tmp_path: Path) -> None:
    (tmp_path / "fixtures").mkdir()
    (tmp_path / "fixtures" / "acme.yaml").write_text("not read: [", encoding="utf-8")
    with (
        MockServer(state=case) as alone,
        MockServer(state=case, fixtures=tmp_path / "fixtures", stubs=tmp_path) as beside,
    ):
        assert responses(beside) == responses(alone)


def test_a_reset_forgets_requests_that_arrive_while_the_state_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> int:
        mock = MockAtoms(Settings(state=write(tmp_path / "case.json")))
        reset = mock.store.reset

        async def reset_beside_a_request() -> None:
            mock.journal.add(exchange(0, 200))
            await reset()

        monkeypatch.setattr(mock.store, "reset", reset_beside_a_request)
        await mock.reset()
        return await mock.journal.count()

    assert asyncio.run(run()) == 0


def write(path: Path, **changes: object) -> Path:
    path.write_text(json.dumps(EMPTY | changes), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seed": 1}, "/seed: must be text"),
        ({"locale": "xx"}, "/locale: `xx` is invalid: faker has no such locale; choose one such as en_US"),
        ({"rules": [{"id": "r", "fault": "nope"}]}, "/rules/0"),
        ({"tenants": [{"token": "sk_x"}]}, "/tenants/0/"),
        ({"stubs": [{"id": "a"}]}, "/stubs/0"),
    ],
)
def test_an_invalid_state_is_refused_with_its_file(tmp_path: Path, changes: dict[str, object], problem: str) -> None:
    path = write(tmp_path / "case.json", **changes)
    with pytest.raises(ConfigError) as error:
        MockAtoms(Settings(state=path))
    assert str(error.value).startswith(f"{path}: {problem}")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for content, problem in ((None, "cannot be read: No such file or directory"), ("{", "not JSON")):
        path = tmp_path / f"{problem[:3]}.json"
        if content is not None:
            path.write_text(content, encoding="utf-8")
        with pytest.raises(ConfigError) as error:
            MockAtoms(Settings(state=path))
        assert str(error.value).startswith(f"{path}: {problem}")


def test_too_much_data_is_refused(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mock_module, "MemoryStore", partial(MemoryStore, max_bytes=1))
    with pytest.raises(ConfigError, match=r"case\.json: the tenants need about \d+ bytes; the maximum is 1$"):
        MockAtoms(Settings(state=case))
    monkeypatch.setattr(start_state, "SnapshotConverter", partial(SnapshotConverter, max_bytes=1))
    monkeypatch.setattr(json_parsing, "JSON_PIECE_BYTES", 16)
    with pytest.raises(ConfigError, match=r"case\.json: the tenants need about \d+ bytes; the maximum is 1$"):
        MockAtoms(Settings(state=case))


def test_a_seed_that_differs_from_the_states_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "case.json")
    assert MockAtoms(Settings(state=path, seed="atoms")).settings.seed == "atoms"
    with pytest.raises(ConfigError) as error:
        MockAtoms(Settings(state=path, seed="mine"))
    expected = "/seed: the state is from a server with the seed `atoms`, this server has `mine`: leave --seed out"
    assert str(error.value) == f"{path}: {expected}"


@pytest.mark.parametrize("options", [{}, {"locale": "de_DE"}, {"locale": "de-DE"}])
def test_the_locale_of_a_state_may_have_a_hyphen(tmp_path: Path, options: dict[str, str]) -> None:
    settings = Settings(state=write(tmp_path / "case.json", locale="de-DE"), **options)
    assert MockAtoms(settings).settings.locale == "de_DE"


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        (
            {"FIXTURES": "f", "RELOAD": "true"},
            f"MOCK_ATOMS_STATE: `case.json` is invalid: {NO_FILES}: leave --reload out",
        ),
        (
            {"ERROR_RATE": "0.5"},
            f"MOCK_ATOMS_ERROR_RATE: `0.5` is invalid: {OWN_RULES}",
        ),
        (
            {"STORE": "redis://localhost"},
            f"MOCK_ATOMS_STORE: {OWN_RULES}",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(variables: dict[str, str], problem: str) -> None:
    environ = {f"MOCK_ATOMS_{name}": value for name, value in (variables | {"STATE": "case.json"}).items()}
    with pytest.raises(ConfigError) as error:
        load_settings({}, environ)
    assert str(error.value) == problem
