"""Fixtures and stubs that are read again while the server runs."""

import asyncio
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import watchfiles

from mock_atoms import MockClient, MockServer, Settings
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.setting_sources import load_settings
from mock_atoms.core.tenancy import caller_for
from mock_atoms.data import fixture_folder
from mock_atoms.data.fixture_folder import read_folder
from mock_atoms.data.fixtures import FixtureSet
from mock_atoms.mock import MockAtoms
from mock_atoms.serving import file_reloader
from mock_atoms.state.changes import AudienceChanges
from mock_atoms.state.operations import PutAudience
from mock_atoms.state.tenant_data import Change, TenantData
from mock_atoms.testing.event_stream import EventStream
from mock_atoms.wiremock import stub_book

ACME = {"Authorization": "Bearer sk_acme"}
STUB: dict[str, Any] = {
    "id": "11111111-1111-1111-1111-111111111111",
    "request": {"urlPath": "/a"},
    "response": {"body": "first"},
}


class Files:
    """Folders of fixtures and stubs."""

    def __init__(self, root: Path) -> None:
        self.fixtures, self.stubs = root / "fixtures", root / "stubs"
        self.fixtures.mkdir()
        (self.stubs / "mappings").mkdir(parents=True)
        self.write_fixture("first")
        self.write_stubs(STUB)

    def write_fixture(self, name: str, tokens: str = "sk_acme", file: str = "acme.yaml", **fields: str) -> None:
        audiences = [{"name": name, **fields}]
        self._write(self.fixtures / file, {"tokens": tokens.split(), "audiences": audiences})

    def write_stubs(self, *stubs: dict[str, Any]) -> None:
        self._write(self.stubs / "mappings" / "stubs.json", {"mappings": stubs})

    @staticmethod
    def _write(path: Path, content: object) -> None:
        new = path.with_name(f".{path.name}.new")  # a server never reads half of it
        new.write_text(json.dumps(content), encoding="utf-8")
        new.replace(path)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def running(files: Files) -> Iterator[MockServer]:
    with MockServer(fixtures=files.fixtures, stubs=files.stubs, reload=True) as server:
        yield server


def reloaded(events: EventStream) -> str | None:
    """Wait for the next reload, and return its error."""
    error: str | None = next(event for event in events if event.name == "files-reloaded").data["error"]
    return error


def names(server: MockServer, token: str = "sk_acme", test_id: str | None = None) -> list[str]:
    headers = {"Authorization": f"Bearer {token}"} | ({} if test_id is None else {"X-Test-Id": test_id})
    response = httpx.get(f"{server.url}/audience", headers=headers)
    return [audience["name"] for audience in response.json()["data"]]


def create(server: MockServer, name: str) -> None:
    files = {"file": ("a.csv", b"phone\n+12025550101\n")}
    fields = {"name": name, "phoneNumberColumnName": "phone"}
    assert httpx.post(f"{server.url}/audience", headers=ACME, data=fields, files=files).status_code == 200


def test_unchanged_tenants_have_the_new_data_immediately_and_changed_ones_after_a_reset(
    files: Files, running: MockServer
) -> None:
    generated = names(running, "sk_new")
    assert [names(running, test_id=test) for test in ("changed", "a", "a", "a")] == [["first"]] * 4  # cached
    running.for_tenant("sk_acme", "changed").set_audiences([{"name": "own"}])
    create(running, "mine")
    with running.events() as events:
        files.write_fixture("second", tokens="sk_acme sk_new")
        assert reloaded(events) is None
    assert names(running) == ["first", "mine"]
    assert names(running, test_id="changed") == ["own"]
    assert names(running, test_id="a") == names(running, "sk_new") == ["second"] != generated
    running.reset(token="sk_acme")
    assert names(running) == names(running, test_id="changed") == ["second"]
    with running.events() as events:
        (files.fixtures / "acme.yaml").unlink()
        assert reloaded(events) is None
    assert names(running, "sk_new") == generated


def test_an_audience_of_a_new_file_belongs_to_its_token(files: Files, running: MockServer) -> None:
    audience_id = "65a000000000000000000001"
    with running.events() as events:
        files.write_fixture("Theirs", tokens="sk_other", file="other.json", _id=audience_id)
        assert reloaded(events) is None
    url = f"{running.url}/audience/{audience_id}/members"
    assert httpx.get(url, headers={"Authorization": "Bearer sk_other"}).status_code == 200
    assert httpx.get(url, headers=ACME).status_code == 403


def test_an_invalid_file_keeps_all_previous_files_and_says_why(
    files: Files, running: MockServer, caplog: pytest.LogCaptureFixture
) -> None:
    with running.events() as events:
        (files.stubs / "mappings" / "stubs.json").write_text("{\n]", encoding="utf-8")
        error = reloaded(events)
        assert (
            error == f"{files.stubs}/mappings/stubs.json:2: not JSON: Expecting property name enclosed in double quotes"
        )
        files.write_fixture("second")
        assert reloaded(events) == error
        server = httpx.get(f"{running.root_url}/__admin/server").json()
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:.]+Z", server["lastReload"].pop("at"))
        assert server["lastReload"] == {"error": error}
        assert names(running) == ["first"]
        assert httpx.get(f"{running.root_url}/a").text == "first"
        assert f'cause="{error}; the previous fixtures and stubs are still in use"' in caplog.text
        files.write_stubs(STUB)
        assert reloaded(events) is None
    assert names(running) == ["second"]
    assert httpx.get(f"{running.root_url}/__admin/server").json()["lastReload"]["error"] is None


def test_a_server_that_has_not_reloaded_says_so(running: MockServer) -> None:
    assert httpx.get(f"{running.root_url}/__admin/server").json()["lastReload"] is None


def test_stubs_of_files_are_replaced_and_others_stay(files: Files, running: MockServer) -> None:
    edited = STUB | {"id": "22222222-2222-2222-2222-222222222222", "request": {"urlPath": "/b"}}
    scenario = {
        "id": "33333333-3333-3333-3333-333333333333",
        "request": {"urlPath": "/s"},
        "scenarioName": "flow",
        "requiredScenarioState": "Started",
        "newScenarioState": "done",
    }
    with running.events() as events:
        files.write_stubs(STUB, edited, scenario)
        assert reloaded(events) is None
        assert [httpx.get(f"{running.root_url}/s").status_code for _ in range(2)] == [200, 404]
        body = {"request": {"urlPath": "/b"}, "response": {"body": "edited"}}
        httpx.put(f"{running.root_url}/__admin/mappings/{edited['id']}", json=body).raise_for_status()
        running.stub("GET", "/c", body="created")
        removed = STUB | {"id": "44444444-4444-4444-4444-444444444444", "request": {"urlPath": "/d"}}
        files.write_stubs(STUB | {"response": {"body": "second"}}, edited, scenario, removed)
        assert reloaded(events) is None
        files.write_stubs(STUB | {"response": {"body": "third"}}, edited, scenario)
        assert reloaded(events) is None
    texts = [httpx.get(f"{running.root_url}/{name}").text for name in "ab"]
    assert [*texts, httpx.get(f"{running.url}/c").text] == ["third", "edited", "created"]
    assert [httpx.get(f"{running.root_url}/{name}").status_code for name in "ds"] == [404, 404]
    running.reset()
    responses = [httpx.get(f"{running.root_url}/{name}") for name in ("a", "b", "s", "atoms/v1/c")]
    assert [response.text for response in responses[:2]] == ["third", "first"]
    assert [response.status_code for response in responses[2:]] == [200, 404]


def test_a_file_that_a_stub_sends_is_read_again(files: Files, running: MockServer) -> None:
    (files.stubs / "__files").mkdir()
    (files.stubs / "__files" / "a.txt").write_text("one", encoding="utf-8")
    with running.events() as events:
        files.write_stubs(STUB | {"response": {"bodyFileName": "a.txt"}})
        assert reloaded(events) is None
        assert httpx.get(f"{running.root_url}/a").text == "one"
        (files.stubs / "__files" / "a.txt").write_text("two", encoding="utf-8")
        while httpx.get(f"{running.root_url}/a").text != "two":
            assert reloaded(events) is None


def test_many_stubs_are_replaced(files: Files, running: MockServer) -> None:
    with running.events() as events:
        for text in ("one", "two"):
            files.write_stubs(
                *({"request": {"urlPath": f"/{number}"}, "response": {"body": text}} for number in range(600))
            )
            assert reloaded(events) is None
            assert [httpx.get(f"{running.root_url}/{number}").text for number in (0, 599)] == [text] * 2
    assert len(httpx.get(f"{running.root_url}/__admin/mappings").json()["mappings"]) == 600
    running.reset()
    assert httpx.get(f"{running.root_url}/599").text == "two"


def test_an_unexpected_error_is_reported_too(
    files: Files, running: MockServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_folder: Path) -> None:
        raise RuntimeError("cause")

    with running.events() as events:
        with monkeypatch.context() as patched:
            patched.setattr(fixture_folder, "read_folder", fail)
            files.write_fixture("second")
            assert reloaded(events) == "RuntimeError: cause"
        files.write_fixture("third")
        assert reloaded(events) is None
    assert "fixtures and stubs cannot be reloaded" in caplog.text
    assert names(running) == ["third"]


@pytest.mark.parametrize("kind", [OSError, RuntimeError])
def test_watching_is_tried_again(
    kind: type[Exception], files: Files, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch, failures = watchfiles.awatch, [kind("no watch left")] * 2

    def fail_twice(*folders: Path, **options: Any) -> Any:  # noqa: ANN401 - as in watchfiles
        if failures:
            raise failures.pop()
        return watch(*folders, **options)

    monkeypatch.setattr(watchfiles, "awatch", fail_twice)
    monkeypatch.setattr(file_reloader, "_CHECK_MS", 50)
    with MockServer(fixtures=files.fixtures, reload=True) as server, server.events() as events:
        files.write_fixture("second")
        while names(server) != ["second"] or failures:
            assert reloaded(events) is None
    assert caplog.text.count("fixtures and stubs cannot be watched: no watch left") == 1


def test_a_change_in_flight_is_made_to_the_new_data(files: Files) -> None:
    settings = Settings(fixtures=files.fixtures)

    async def run() -> tuple[list[str], list[str]]:
        mock = MockAtoms(settings)
        seen: list[str] = []

        def prepare(data: TenantData) -> Change[None]:
            (audience,) = data.initial_data.audiences
            seen.append(audience["name"])
            if len(seen) == 1:
                files.write_fixture("second")
                while mock.fixtures.initial_data(caller_for("sk_acme")).audiences[0]["name"] == "first":
                    yield
            return None, PutAudience("65a000000000000000000001", AudienceChanges("phone"))

        update = asyncio.ensure_future(mock.repositories.update(caller_for("sk_acme"), prepare))
        await asyncio.wait([update], timeout=0.05)  # it waits for the reload
        await mock.reload()
        await update
        state = await mock.store.load(caller_for("sk_acme").tenant)
        return seen, [*state.changes.audiences] if state.changes else []

    assert asyncio.run(run()) == (["first", "second"], ["65a000000000000000000001"])


def test_files_that_are_read_again_unchanged_change_no_tenant(files: Files) -> None:
    content = {
        "tokens": ["sk_listed"],
        "audiences": [{"phoneNumberColumnName": "tel", "members": [{"tel": "+1999555020"}]}],
    }
    (files.fixtures / "listed.json").write_text(json.dumps(content), encoding="utf-8")
    before = FixtureSet.of(read_folder(files.fixtures))
    again = FixtureSet.of(read_folder(files.fixtures), before)
    assert (again.changed, again.by_token) == ({}, before.by_token)
    files.write_fixture("second")
    assert [caller.token for caller in FixtureSet.of(read_folder(files.fixtures), before).changed.values()] == [
        "sk_acme"
    ]


def test_too_many_stubs_change_nothing(files: Files, running: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stub_book, "MAX_STUBS", 2)
    running.stub("GET", "/b")
    with running.events() as events:
        files.write_stubs(
            STUB | {"response": {"body": "second"}}, STUB | {"id": "55555555-1111-1111-1111-111111111111"}
        )
        assert reloaded(events) == f"{files.stubs}: there can be at most 2 stubs: delete those of finished tests"
    assert httpx.get(f"{running.root_url}/a").text == "first"


def test_an_imported_state_hides_new_files(files: Files, running: MockServer) -> None:
    url = f"{running.root_url}/__admin/state"
    create(running, "mine")
    httpx.put(url, json=httpx.get(url).json() | {"stubs": []}).raise_for_status()
    with running.events() as events:
        files.write_fixture("second")
        assert reloaded(events) is None
        files.write_stubs(STUB | {"response": {"body": "second"}})
        assert reloaded(events) is None
    assert (names(running), names(running, test_id="t")) == (["first", "mine"], ["first"])
    assert httpx.get(f"{running.root_url}/a").status_code == 404
    running.reset()
    assert names(running) == ["second"]
    assert httpx.get(f"{running.root_url}/a").text == "second"


def test_a_replaced_folder_is_watched(files: Files, running: MockServer) -> None:
    with running.events() as events:
        files.fixtures.rename(files.fixtures.with_name("old"))
        assert reloaded(events) == f"{files.fixtures}: the fixtures folder cannot be read: No such file or directory"
        files.fixtures.mkdir()
        files.write_fixture("second")
        while names(running) != ["second"]:
            reloaded(events)
        files.write_fixture("third")
        while names(running) != ["third"]:
            assert reloaded(events) is None


def test_a_folder_that_is_deleted_and_created_again_is_watched(files: Files) -> None:
    with MockServer(fixtures=files.fixtures, reload=True) as server, server.events() as events:
        shutil.rmtree(files.fixtures)
        files.fixtures.mkdir()  # often the same inode
        files.write_fixture("second")
        while names(server) != ["second"]:
            reloaded(events)
        files.write_fixture("third")
        while names(server) != ["third"]:
            reloaded(events)


def test_folders_that_are_all_gone_are_reported_once_and_come_back(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_reloader, "_CHECK_MS", 20)
    with MockServer(fixtures=files.fixtures, reload=True) as server, server.events() as events:
        files.fixtures.rename(files.fixtures.with_name("old"))
        assert reloaded(events) is not None
        time.sleep(0.3)  # more checks
        files.fixtures.with_name("old").rename(files.fixtures)
        assert reloaded(events) is None
        assert names(server) == ["first"]


def test_files_of_editors_are_ignored(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_reloader, "_CHECK_MS", 50)
    with MockServer(fixtures=files.fixtures, reload=True) as running, running.events() as events:
        (files.fixtures / ".acme.yaml.swp").write_text("{")
        (files.fixtures / "acme.yaml~").write_text("{")
        time.sleep(0.2)  # a change of them would be noticed by then
        files.write_fixture("second")
        assert [next(events).name for _ in range(1)] == ["files-reloaded"]
        assert names(running) == ["second"]
        assert next(events).name == "exchange-started"


def test_a_server_can_be_started_again(files: Files) -> None:
    server = MockServer(fixtures=files.fixtures, reload=True)
    for name in ("second", "third"):
        with server, server.events() as events:
            files.write_fixture(name)
            assert reloaded(events) is None
            assert names(server) == [name]


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        (
            {"RELOAD": "true"},
            "MOCK_ATOMS_RELOAD: `true` is invalid: there is nothing to watch: set --fixtures or --stubs",
        ),
        (
            {"RELOAD": "true", "FIXTURES": "f", "STORE": "redis://localhost"},
            "MOCK_ATOMS_STORE: servers with a shared store read files only at their start: leave --reload out",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(variables: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_settings({}, {f"MOCK_ATOMS_{name}": value for name, value in variables.items()})
    assert str(error.value) == problem


def test_watching_needs_a_package(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(
        ConfigError, match=r"^--reload: the package watchfiles is missing: install mock-atoms with the extra `reload`"
    ):
        MockServer(Settings(port=0, fixtures=files.fixtures, reload=True)).start()


@contextmanager
def process(files: Files, **options: Any) -> Iterator[tuple[subprocess.Popen[bytes], str]]:  # noqa: ANN401 - of `Popen`
    """Run a server without `--reload`; yield its process and its URL."""
    command = [sys.executable, "-m", "mock_atoms", "serve", "--port", "0", "--fixtures", str(files.fixtures)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as server:
        assert server.stdout is not None
        try:
            yield server, server.stdout.readline().decode().split()[-1].removesuffix("/atoms/v1")
        finally:
            server.kill()


def test_sighup_reloads_and_other_signals_still_stop_the_server(files: Files) -> None:
    with process(files, start_new_session=True) as (server, url):
        client = MockClient(f"{url}/atoms/v1")
        with client.events() as events:
            files.write_fixture("second")
            server.send_signal(signal.SIGHUP)
            assert reloaded(events) is None
        assert [
            audience["name"] for audience in httpx.get(f"{url}/atoms/v1/audience", headers=ACME).json()["data"]
        ] == ["second"]
        server.terminate()
        _, err = server.communicate(timeout=20)
    assert server.returncode in (0, -signal.SIGTERM)
    assert b"fixtures and stubs were reloaded: tokens: 1, stubs: 0" in err


@pytest.mark.parametrize("has_nohup", [False, True])
def test_a_server_ends_with_its_terminal_unless_nohup_is_used(files: Files, has_nohup: bool) -> None:  # noqa: FBT001 - parametrized
    controller, terminal = pty.openpty()

    def control() -> None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        if has_nohup:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with process(files, start_new_session=True, preexec_fn=control, pass_fds=[terminal]) as (server, url):
        os.close(terminal)
        os.close(controller)
        if has_nohup:
            with MockClient(f"{url}/atoms/v1").events() as events:
                server.send_signal(signal.SIGHUP)
                assert reloaded(events) is None
        else:
            assert server.wait(timeout=20) == 0
