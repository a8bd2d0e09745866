"""Start, stop and listening, through real processes and sockets."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from mock_atoms import MockServer, Settings
from mock_atoms.server import ListenError, listen, reachable_url

ACME = {"Authorization": "Bearer sk_acme"}


@contextmanager
def running(*args: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `mock-atoms serve` on a free port; yield the process and the base URL of its ready line."""
    command = [sys.executable, "-m", "mock_atoms", "serve", "--port", "0", *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            match = re.fullmatch(r"mock-atoms \S+ is ready; base URL: (http://\S+)\n", line)
            assert match, line
            yield process, match[1]
        finally:
            process.kill()


def test_the_ready_line_comes_once_connections_are_accepted() -> None:
    with running() as (_, url):
        assert httpx.get(f"{url}/audience", headers=ACME).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0_and_nothing_but_the_log(number: signal.Signals) -> None:
    with running() as (process, url):
        httpx.get(f"{url}/audience", headers=ACME)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 0
        assert out == ""
        assert len(err.splitlines()) == 1


def test_a_request_in_flight_finishes() -> None:
    with running() as (process, url), ThreadPoolExecutor() as pool:
        slow = pool.submit(httpx.get, f"{url}/audience", headers=ACME | {"Prefer": "delay=1000"})
        assert httpx.get(f"{url}/audience").status_code == 401
        process.terminate()
        assert slow.result().status_code == 200
        assert process.wait(20) == 0


def test_a_request_that_takes_too_long_is_not_waited_for() -> None:
    with running() as (process, url), socket.socket() as client:
        host, port = url.removeprefix("http://").partition("/")[0].split(":")
        client.connect((host, int(port)))
        client.sendall(
            b"GET /atoms/v1/audience HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nPrefer: delay=600000\r\n\r\n"
        )
        httpx.get(f"{url}/audience")
        process.terminate()
        assert process.wait(30) == 0


def test_a_busy_port_is_one_line_and_exit_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "mock_atoms", "serve", "--port", str(port)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"mock-atoms: cannot listen on 127.0.0.1:{port}: address already in use; "
        "choose with --host and --port, where 0 picks a free port\n"
    )


def test_a_name_that_is_no_host_is_a_listen_error() -> None:
    with pytest.raises(ListenError, match=r"cannot listen on no\.such\.host\.invalid:0: .+; choose with --host"):
        listen("no.such.host.invalid", 0)


def test_every_address_of_a_name_shares_the_port() -> None:
    sockets = listen("localhost", 0)
    try:
        assert len({listener.getsockname()[1] for listener in sockets}) == 1
    finally:
        for listener in sockets:
            listener.close()


def test_it_listens_on_ipv6() -> None:
    with MockServer(host="::1") as mock:
        assert mock.url.startswith("http://[::1]:")
        assert httpx.get(f"{mock.url}/audience", headers=ACME).status_code == 200


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://[::1]:1"),
        ("mock.test", "http://mock.test:1"),
    ],
)
def test_the_url_is_one_that_a_client_can_use(host: str, url: str) -> None:
    assert reachable_url(host, 1) == url


def test_several_servers_live_in_one_process() -> None:
    with MockServer(seed="a") as one, MockServer(seed="b") as other:
        assert one.port != other.port
        bodies = {httpx.get(f"{mock.url}/audience", headers=ACME).content for mock in (one, other)}
    assert len(bodies) == 2


def test_a_mock_server_leaves_nothing_behind() -> None:
    before = threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with MockServer() as mock:
            assert threading.active_count() == before + 1
            httpx.get(f"{mock.url}/audience", headers=ACME)
    assert threading.active_count() == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{mock.url}/audience")
    mock.stop()


def test_a_mock_server_takes_whole_settings() -> None:
    with MockServer(Settings(port=0, base_path="/x")) as mock:
        assert mock.url.endswith("/x")


def test_a_closed_pipe_is_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as out:
        done = subprocess.run(
            [sys.executable, "-m", "mock_atoms", "openapi"], stdout=out, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "")
