"""The shared store of the settings."""

import asyncio
import errno
import json
import multiprocessing
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.app import create_app
from mock_atoms.cli.serve import run_worker
from mock_atoms.core.errors import StoreUnavailableError
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.settings import Settings
from mock_atoms.mock import MockAtoms
from mock_atoms.state.shared_store import open_shared_log, shared_config
from tests.helpers.audiences import ACME
from tests.helpers.cli import run_command
from tests.helpers.redis import RedisServer, running

FIXTURES = Path(__file__).parents[2] / "fixtures"
MUST_AGREE: dict[str, object] = {
    "base_path": "/api",
    "cors_origin": ("https://app.test",),
    "seed": "other",
    "locale": "de_DE",
    "fixtures": FIXTURES,
    "stubs": FIXTURES,
    "tokens": frozenset({"sk_acme"}),
    "session_cookie": "other",
    "now": datetime(2026, 1, 31, tzinfo=UTC),
    "audience_order": "newest",
    "search_limit": 1,
    "delete_emptied_audiences": True,
    "active_campaigns": frozenset({"running"}),
    "campaign_pace": 1.0,
    "fault": ("500x1",),
    "error_rate": 0.5,
    "strict": True,
    "journal_size": 1,
    "journal_body": 1,
    "tenant_ttl": 1,
}
"""Settings that decide responses or the effects of log entries, each with a value that is not the default."""
MAY_DIFFER: dict[str, tuple[object, str]] = {
    "host": (("::",), "each server has its own address"),
    "port": (1, "each server has its own address"),
    "keep_alive": (1, "a connection is to one server"),
    "request_timeout": (1, "a connection is to one server"),
    "tls": ("self-signed", "a connection is to one server"),
    "tls_cert": (Path("cert.pem"), "a connection is to one server"),
    "tls_key": (Path("key.pem"), "a connection is to one server"),
    "reload": (True, "it needs a store in memory"),
    "state": (Path("state.json"), "it needs a store in memory"),
    "admin": (False, "some servers may be reachable by fewer clients"),
    "admin_token": ("secret", "some servers may be reachable by fewer clients"),
    "log_level": ("debug", "each server writes its own log"),
    "log_format": ("json", "each server writes its own log"),
    "store": ("redis://localhost", "one store may have several addresses and users"),
    "store_prefix": ("other", "it selects the log"),
    "store_timeout": (1, "it concerns only the start"),
    "workers": (2, "each worker is a server"),
    "response_cache": (False, "responses are the same without it"),
}
"""All other settings, each with another value and the reason why it may differ."""


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port without a listener."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisServer]:
    with running(tmp_path) as server:
        yield server


def test_servers_share_what_they_know(store: RedisServer) -> None:
    with MockServer(store=store.url) as one, MockServer(store=store.url) as two:
        one.fail("500x2", token="sk_acme")
        url = [f"{server.url}/audience" for server in (one, two, one)]
        assert [httpx.get(each, headers=ACME).status_code for each in url] == [500, 500, 200]
        assert len(two.requests(token="sk_acme")) == 3
        two.stop()
        two.start()
        assert len(two.requests(token="sk_acme")) == 3


def test_an_application_shares_a_store_although_a_loop_runs(store: RedisServer) -> None:
    async def run() -> list[int]:
        mocks = [MockAtoms(Settings(store=store.url)) for _ in range(2)]
        statuses = []
        for mock in (*mocks, *mocks):
            transport = httpx.ASGITransport(create_app(mock=mock))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                headers = {"Authorization": "Bearer sk_mock_500x2.s"}
                statuses.append((await client.get("/atoms/v1/audience", headers=headers)).status_code)
        for mock in mocks:
            await mock.store.close()
        return statuses

    assert asyncio.run(run()) == [500, 500, 200, 200]


def test_a_command_without_its_store_fails_with_one_line(closed_port: int) -> None:
    url = f"redis://user:secret@127.0.0.1:{closed_port}"
    code, out, err = run_command("serve", "--port", "0", "--store", url, "--store-timeout", "1")
    assert (code, out) == (1, "")
    assert err.startswith(f"mock-atoms: the store redis://***@127.0.0.1:{closed_port} ")
    assert err.count("\n") == 1
    assert "secret" not in err


def test_a_worker_without_its_store_ends(closed_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(store=f"redis://127.0.0.1:{closed_port}", store_timeout=1)
    with pytest.raises(SystemExit) as ended:
        run_worker(settings, 1, [], lambda: None)
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("mock-atoms: the store redis://127.0.0.1:")


def test_a_shared_store_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mock_atoms.state.redis_log", None)
    with pytest.raises(
        StoreUnavailableError,
        match=r"^--store: the package redis is missing: install mock-atoms with the extra `redis`",
    ):
        open_shared_log(Settings(store="redis://localhost"))


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["--workers", "2"], "--workers: `2` is invalid: it needs a shared store, such as --store"),
        (["--workers", "0"], "--workers: `0` is invalid: must be at least 1"),
        (["--store", "mysql://user:secret@x"], "--store: write memory, or a URL that starts with redis://"),
        (["--store-prefix", "{a}"], "--store-prefix: `{a}` is invalid: a prefix has up to 100 ASCII letters, digits"),
    ],
)
def test_invalid_settings_of_a_shared_store_are_an_error(args: list[str], problem: str) -> None:
    code, _, err = run_command("serve", *args)
    assert code == 2
    assert problem in err
    assert "secret" not in err


def test_servers_with_other_settings_are_refused(store: RedisServer) -> None:
    MockAtoms(Settings(store=store.url))
    for settings, name in (
        (Settings(store=store.url, seed="other"), "seed"),
        (Settings(store=store.url, locale="de_DE"), "locale"),
        (Settings(store=store.url, base_path="/api"), "base-path"),
        (Settings(store=store.url, audience_order="newest"), "audience-order"),
        (Settings(store=store.url, now="2026-01-31T09:00:00Z"), "now"),
        (Settings(store=store.url, fault=("500x1",)), r"fault \(digest\)"),
        (Settings(store=store.url, fixtures=FIXTURES), r"fixtures \(digest\)"),
        (Settings(store=store.url, stubs=FIXTURES), r"stubs \(digest\)"),
    ):
        with pytest.raises(StoreUnavailableError, match=f"has a log for {name} "):
            MockAtoms(settings)
    MockAtoms(Settings(store=store.url, store_prefix="other", seed="other"))


def test_each_setting_must_agree_or_may_differ() -> None:
    assert sorted([*MUST_AGREE, *MAY_DIFFER]) == sorted(Settings.model_fields)


@pytest.mark.parametrize("name", MUST_AGREE)
def test_a_setting_that_must_agree_is_compared_by_its_name(name: str) -> None:
    one, other = (shared_config(Settings().model_copy(update=changes)) for changes in ({}, {name: MUST_AGREE[name]}))
    differing = [key.removesuffix(" (digest)") for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
    assert differing == [name.replace("_", "-")]
    assert json.loads(json.dumps(other)).keys() == one.keys()


@pytest.mark.parametrize("name", MAY_DIFFER)
def test_a_setting_that_may_differ_is_not_compared(name: str) -> None:
    value, _reason = MAY_DIFFER[name]
    assert shared_config(Settings().model_copy(update={name: value})) == shared_config(Settings())


@pytest.mark.parametrize(("setting", "folder"), [("fixtures", ""), ("stubs", "mappings"), ("stubs", "__files")])
def test_files_are_compared_by_their_names_and_contents(setting: str, folder: str, tmp_path: Path) -> None:
    def digest(texts: dict[str, str]) -> object:
        root = tmp_path / str(len([*tmp_path.iterdir()]))
        for name, text in {"in/x": "3", **texts}.items():
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return shared_config(Settings(**{setting: root}))[f"{setting} (digest)"]

    assert digest({"a": "1", "b": "2"}) == digest({"b": "2", "a": "1", "..2026/a": "1", ".swp": "4"})
    different: list[dict[str, str]] = [
        {"a": "1", "b": "2"},
        {"a": "2", "b": "1"},
        {"a": "1"},
        {"c": "1"},
        {},
        {"in/x": "1"},
    ]
    assert len({*map(digest, different)}) == 6


def test_the_same_file_is_another_one_in_another_folder_of_stubs(tmp_path: Path) -> None:
    for number, folder in enumerate(("mappings", "__files")):
        (tmp_path / f"{number}" / folder).mkdir(parents=True)
        (tmp_path / f"{number}" / folder / "a.json").write_text("{}")
    one, other = (shared_config(Settings(stubs=tmp_path / f"{number}")) for number in (0, 1))
    assert one["stubs (digest)"] != other["stubs (digest)"]


def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "a.yaml").write_text("")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ConfigError, match=r"a\.yaml: cannot be read: Permission denied"):
        shared_config(Settings(fixtures=tmp_path))


def test_the_compared_settings_hold_no_secret() -> None:
    settings = Settings(store="redis://u:secret1@h", tokens=("sk_secret2",), fault=("500x1",), admin_token="secret3")
    config = str(shared_config(settings))
    assert "secret" not in config
    assert "500x1" not in config


@pytest.mark.parametrize("started_by", ["uvicorn", "gunicorn", "a person"])
def test_workers_without_a_shared_store_are_warned(
    started_by: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if started_by == "gunicorn":
        monkeypatch.setenv("SERVER_SOFTWARE", "gunicorn/23.0.0")
    if started_by == "uvicorn":
        monkeypatch.setattr(multiprocessing, "parent_process", multiprocessing.current_process)
    create_app(Settings())
    assert ("each worker has a separate state: set MOCK_ATOMS_STORE" in caplog.text) is (started_by != "a person")
