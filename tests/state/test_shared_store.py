"""The shared store of the settings."""

import asyncio
import multiprocessing
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.app import create_app
from mock_atoms.cli.serve import run_worker
from mock_atoms.core.errors import StoreUnavailableError
from mock_atoms.core.settings import Settings
from mock_atoms.mock import MockAtoms
from mock_atoms.state.shared_store import open_shared_log, shared_config
from tests.helpers.audiences import ACME
from tests.helpers.cli import run_command
from tests.helpers.redis import RedisServer, running

FIXTURES = Path(__file__).parents[2] / "fixtures"


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
    with pytest.raises(StoreUnavailableError, match=r"needs the redis package: pip install 'mock-atoms\[redis\]'"):
        open_shared_log(Settings(store="redis://localhost"))


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["--workers", "2"], "--workers: `2` is invalid: more than one worker needs a shared store, such as --store"),
        (["--workers", "0"], "--workers: `0` is invalid: must be at least 1"),
        (["--store", "mysql://user:secret@x"], "--store: write memory, or a URL that starts with redis://"),
        (["--store-prefix", "{a}"], "--store-prefix: `{a}` is invalid: a prefix has up to 100 letters, digits"),
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
        (Settings(store=store.url, fault=("500x1",)), r"fault and tokens \(digest\)"),
        (Settings(store=store.url, fixtures=FIXTURES), r"fixtures \(digest\)"),
    ):
        with pytest.raises(StoreUnavailableError, match=f"has a log for {name} "):
            MockAtoms(settings)
    MockAtoms(Settings(store=store.url, store_prefix="other", seed="other"))


def test_fixtures_are_compared_by_their_names_and_contents(tmp_path: Path) -> None:
    def digest(**texts: str) -> object:
        folder = tmp_path / str(len([*tmp_path.iterdir()]))
        folder.mkdir()
        for name, text in texts.items():
            (folder / name).write_text(text)
        return shared_config(Settings(fixtures=folder))["fixtures (digest)"]

    assert digest(a="1", b="2") == digest(b="2", a="1")
    assert len({digest(a="1", b="2"), digest(a="2", b="1"), digest(a="1"), digest(c="1"), digest()}) == 5


def test_the_compared_settings_hold_no_secret() -> None:
    settings = Settings(store="redis://u:secret1@h", tokens=("sk_secret2",), fault=("500x1",), admin_token="secret3")
    assert "secret" not in str(shared_config(settings))


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
