"""Several worker processes on one port, with a real store."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from smallestai import SmallestAI, SmallestAIEnvironment

from mock_atoms.core.settings import Settings
from mock_atoms.serving import workers
from mock_atoms.serving.listening import listen_on_all
from mock_atoms.serving.workers import Supervisor
from tests.helpers.redis import RedisServer, running

SETTINGS = Settings(store="redis://127.0.0.1:1", workers=2)


class RunningCommand(NamedTuple):
    """`mock-atoms serve` with several workers.

    Attributes:
        process: the supervisor.
        url: URL of the server.
        lines: lines of the log so far.
    """

    process: subprocess.Popen[str]
    url: str
    lines: list[str]

    def wait_for_line(self, pattern: str) -> re.Match[str]:
        """Return the match of the first line of the log that has `pattern`."""
        while True:
            for line in self.lines:
                if match := re.search(pattern, line):
                    return match
            assert self.process.poll() is None, self.lines
            time.sleep(0.02)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisServer]:
    with running(tmp_path) as server:
        yield server


@contextmanager
def serving(*options: str) -> Iterator[RunningCommand]:
    command = [sys.executable, "-m", "mock_atoms", "serve", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines: list[str] = []
        assert process.stdout
        assert process.stderr
        threading.Thread(target=lines.extend, args=(process.stderr,), daemon=True).start()
        try:
            ready = process.stdout.readline()
            match = re.search(r"http://\S+:\d+", ready)
            assert match, lines
            yield RunningCommand(process, match[0], lines)
        finally:
            process.terminate()
            process.wait(20)


def test_workers_respond_like_one_server(store: RedisServer) -> None:
    with serving("--store", store.url, "--workers", "3") as command:

        def status(_number: int) -> int:
            headers = {"Authorization": "Bearer sk_mock_500x2.w", "Connection": "close"}
            return httpx.get(f"{command.url}/atoms/v1/audience", headers=headers).status_code

        with ThreadPoolExecutor(8) as threads:
            statuses = [*threads.map(status, range(40))]
        assert sorted(statuses) == [200] * 38 + [500] * 2
        count = httpx.post(f"{command.url}/__admin/requests/count", json={}).json()["count"]
        assert count == 40
        assert {command.wait_for_line(f"worker={number} method=GET")[0] for number in (1, 2, 3)}
        command.process.terminate()
        assert command.process.wait(20) == 0


@pytest.mark.slow
def test_100_tenants_get_their_own_failures_from_three_workers(store: RedisServer) -> None:
    tokens = [f"sk_tenant_{number:03d}" for number in range(100)]
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)  # each attempt may reach another worker
    with (
        serving("--store", store.url, "--workers", "3") as command,
        httpx.Client(limits=limits, timeout=60) as pool,
        httpx.Client(limits=limits, timeout=60, base_url=f"{command.url}/__admin") as admin,
    ):
        api = f"{command.url}/atoms/v1"
        environment = SmallestAIEnvironment(atoms=api, waves=api, waves_ws=api, payment=api)

        def run_test(token: str) -> int:
            rule = {"fault": "500x2", "match": {"token": token}}
            assert admin.post("/faults", json=rule).status_code == 201
            client = SmallestAI(api_key=token, environment=environment, httpx_client=pool)
            return len(client.atoms.audience.list().data or [])

        with ThreadPoolExecutor(20) as threads:
            assert all(threads.map(run_test, tokens))
        for token in tokens:
            (call,) = admin.get("/retries", params={"token": token}).json()["calls"]
            assert (call["statuses"], call["outcome"]) == ([500, 500, 200], "recovered")
        assert {(rule["evaluated"], rule["triggered"]) for rule in admin.get("/faults").json()["faults"]} == {(3, 2)}


def test_a_killed_worker_is_replaced_and_nothing_is_lost(store: RedisServer) -> None:
    with serving("--store", store.url, "--workers", "2", "--log-format", "json") as command:
        headers = {"Authorization": "Bearer sk_acme"}
        fields = {"name": "Mine", "phoneNumberColumnName": "phone"}
        files = {"file": ("a.csv", b"phone\n14155550100\n")}
        created = httpx.post(f"{command.url}/atoms/v1/audience", headers=headers, data=fields, files=files)
        assert created.status_code == 200
        children = Path(f"/proc/{command.process.pid}/task/{command.process.pid}/children").read_text().split()
        killed = [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
        assert len(killed) == 2
        for child in killed:
            os.kill(child, signal.SIGKILL)
        for number in (1, 2):
            command.wait_for_line(f'"cause": "worker {number} has ended with exit code -9: it is replaced"')
        with httpx.Client(transport=httpx.HTTPTransport(retries=50)) as client:
            listed = client.get(f"{command.url}/atoms/v1/audience", headers=headers, timeout=20).json()["data"]
        assert created.json()["data"]["_id"] in [audience["_id"] for audience in listed]


def test_workers_end_with_their_supervisor(store: RedisServer) -> None:
    with serving("--store", store.url, "--workers", "2") as command:
        command.process.kill()
        command.process.wait(20)
        port = int(command.url.rpartition(":")[2])
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                break
            time.sleep(0.02)


def end_immediately(
    _settings: Settings, _number: int, _sockets: list[socket.socket], _on_ready: Callable[[], None]
) -> None:
    sys.exit(3)


def stop_supervisor(
    _settings: Settings, number: int, _sockets: list[socket.socket], on_ready: Callable[[], None]
) -> None:
    on_ready()
    if number == 1:
        os.kill(os.getppid(), signal.SIGTERM)
    signal.pause()


def ignore_signals(
    _settings: Settings, number: int, _sockets: list[socket.socket], on_ready: Callable[[], None]
) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    on_ready()
    if number == 2:
        os.kill(os.getppid(), signal.SIGINT)
    while True:
        signal.pause()


@pytest.mark.parametrize(("run_worker", "code"), [(end_immediately, 1), (stop_supervisor, 0)])
def test_a_supervisor_ends_with_its_workers(run_worker: workers.RunWorker, code: int) -> None:
    sockets = listen_on_all(("127.0.0.1",), 0)
    handler = signal.getsignal(signal.SIGTERM)
    assert Supervisor(SETTINGS, run_worker, sockets, lambda: None).run() == code
    assert signal.getsignal(signal.SIGTERM) == handler
    for listener in sockets:
        listener.close()


def fail_to_restart(
    folder: Path, _settings: Settings, number: int, _sockets: list[socket.socket], on_ready: Callable[[], None]
) -> None:
    """End as worker 1 after all were ready, and fail to start once. Then stop the supervisor."""
    runs = [*folder.glob("run*")]
    if number == 1:
        (folder / f"run{len(runs)}").touch()
        if len(runs) == 1:
            sys.exit(3)
    on_ready()
    if number == 1 and runs:
        os.kill(os.getppid(), signal.SIGTERM)
    while number == 2 or runs or not (folder / "ready").exists():
        time.sleep(0.02)


def test_a_worker_whose_replacement_cannot_start_is_replaced_again(tmp_path: Path) -> None:
    sockets = listen_on_all(("127.0.0.1",), 0)
    run_worker = partial(fail_to_restart, tmp_path)
    assert Supervisor(SETTINGS, run_worker, sockets, (tmp_path / "ready").touch).run() == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ready", "run0", "run1", "run2"]
    for listener in sockets:
        listener.close()


def test_workers_that_do_not_stop_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "STOP_SECONDS", 0.5)
    sockets = listen_on_all(("127.0.0.1",), 0)
    assert Supervisor(SETTINGS, ignore_signals, sockets, lambda: None).run() == 0
    for listener in sockets:
        listener.close()
