"""Start, stop and listening, through real processes and sockets."""

import asyncio
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from mock_atoms import MockServer, Settings, create_app
from mock_atoms.core.addresses import reachable_url
from mock_atoms.core.parsing import ConfigError
from mock_atoms.mock import MockAtoms
from mock_atoms.serving import listening
from mock_atoms.serving.listener import Listener
from mock_atoms.serving.listening import ListenError, listen_on_all
from mock_atoms.serving.protocol import HttpProtocol
from mock_atoms.serving.server import Server, build_server
from tests.helpers.audiences import ACME
from tests.helpers.sockets import connect, raw_request


@contextmanager
def running(*args: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `mock-atoms serve` on a free port; yield the process and the base URL of its ready message."""
    command = [sys.executable, "-m", "mock_atoms", "serve", "--port", "0", *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            message = process.stdout.readline()
            if "json" in args:
                url = json.loads(message)["baseUrl"]
            else:
                message += "".join(process.stdout.readline() for _ in range(3))
                match = re.match(r"mock-atoms \S+ is ready; base URL: (http://\S+)\n", message)
                assert match, message
                url = match[1]
            yield process, url
        finally:
            process.kill()


def test_the_ready_message_comes_once_connections_are_accepted() -> None:
    with running() as (_, url):
        assert httpx.get(f"{url}/audience", headers=ACME).status_code == 200


def test_the_uvicorn_factory_reads_the_environment(tmp_path: Path) -> None:
    config = tmp_path / "mock.toml"
    config.write_text('fault = ["503"]\n')
    environ = {**os.environ, "MOCK_ATOMS_BASE_PATH": "/from-environment", "MOCK_ATOMS_CONFIG": str(config)}
    with listen_on_all(["127.0.0.1"], 0)[0] as listener:
        descriptor = listener.fileno()
        command = [sys.executable, "-m", "uvicorn", "--factory", "mock_atoms:create_app", "--fd", str(descriptor)]
        process = subprocess.Popen(
            command, env=environ, pass_fds=[descriptor], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            # The socket listens already, so that the request waits until the process accepts it.
            url = reachable_url(*listener.getsockname())
            response = httpx.get(f"{url}/from-environment/audience", headers=ACME, timeout=60)
        finally:
            process.terminate()
            process.wait(20)
    assert response.status_code == 503


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_server_with_exit_0_and_nothing_but_the_log(number: signal.Signals) -> None:
    with running() as (process, url):
        httpx.get(f"{url}/audience", headers=ACME)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 0
        assert out == ""
        assert len(err.splitlines()) == 1


@contextmanager
def delayed_request(url: str, milliseconds: int) -> Iterator[socket.socket]:
    """Send a delayed request, and wait until the server has responded to later ones."""
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    with socket.create_connection((host, int(port))) as client:
        request = (
            f"GET /atoms/v1/audience HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nPrefer: delay={milliseconds}"
        )
        client.sendall(f"{request}\r\n\r\n".encode())
        for _ in range(3):
            assert httpx.get(f"{url}/audience").status_code == 401
        yield client


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory from /proc")
def test_a_process_without_data_is_small() -> None:
    with running() as (process, url):
        httpx.get(f"{url}/audience", headers=ACME).raise_for_status()
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    (kibibytes,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
    assert int(kibibytes) <= 80 * 1024


def test_a_stop_waits_for_a_request_in_flight() -> None:
    with running() as (process, url), delayed_request(url, 1000) as client:
        process.terminate()
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
        assert process.wait(20) == 0


def test_long_work_ends_once_its_client_has_disconnected() -> None:
    count = 50
    with running() as (process, url):
        for number in range(count):
            with connect(httpx.URL(url).port or 0) as connection:
                connection.sendall(raw_request(f"sk_mock_many.{number}"))
        assert httpx.get(f"{url}/audience", headers=ACME).status_code == 200
        process.terminate()
        _, err = process.communicate(timeout=20)
    assert err.count("reason=aborted") == count
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_stop_ends_a_long_delay_with_503() -> None:
    with running() as (process, url), delayed_request(url, 600_000) as client:
        process.terminate()
        response = client.recv(4096)
        assert response.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"\r\nx-mock-atoms-reason: shutting-down\r\n" in response
        _, err = process.communicate(timeout=20)
        assert process.returncode == 0
        lines = err.splitlines()
        assert len(lines) == 4
        assert lines[-1].endswith("fault=prefer reason=shutting-down")


def test_a_stop_does_not_wait_for_a_disconnected_client() -> None:
    with running() as (process, url):
        with delayed_request(url, 600_000):
            pass
        process.terminate()
        _, err = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "reason=aborted" in err
        assert "shutting-down" not in err


def test_a_signal_during_start_up_stops_without_a_traceback() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        command = [sys.executable, "-X", "importtime", "-m", "mock_atoms", "serve", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            while "mock_atoms.core.masking" not in process.stderr.readline():
                pass  # until one of our imports after the signal handlers is done
            process.send_signal(number)
            out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (0, "")
        assert "Traceback" not in err


BUSY = """
import logging, time
from mock_atoms.core.delays import ShutdownSignal
from mock_atoms.serving import server
from mock_atoms.serving.listening import listen_on_all

server.STOP_SECONDS = 0.3
sockets = listen_on_all(["127.0.0.1"], 0)

async def app(scope, receive, send):
    print("busy", flush=True)
    while True:
        pass

logging.basicConfig()
server.Server(app, ShutdownSignal(), lambda: print(sockets[0].getsockname()[1], flush=True)).run(sockets)
"""


def test_a_signal_ends_a_process_whose_event_loop_is_busy() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        with connect(int(process.stdout.readline())) as connection:
            connection.sendall(raw_request())
            assert process.stdout.readline() == "busy\n"
            process.terminate()
            _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert 'cause="the server was still busy 0.3 s after the signal to stop"' in err


def test_the_log_follows_its_settings() -> None:
    with running("--log-level", "warning", "--log-format", "json") as (process, url):
        httpx.get(f"{url}/audience", headers=ACME)
        httpx.get(f"{url}/nowhere", headers=ACME)
        process.terminate()
        _, err = process.communicate(timeout=20)
    (line,) = err.splitlines()
    assert json.loads(line)["reason"] == "unmocked-route"


def test_on_ready_is_called_once_the_server_accepts_connections() -> None:
    mock = MockAtoms(Settings())
    sockets = listen_on_all(["127.0.0.1"], 0)
    accepting: Queue[bool] = Queue()
    server = Server(create_app(mock=mock), mock.shutdown_signal, lambda: accepting.put(server.servers[0].is_serving()))
    thread = threading.Thread(target=server.run, args=(sockets,))
    thread.start()
    assert accepting.get(timeout=20) is True
    server.should_exit = True
    thread.join(20)
    assert [listener.fileno() for listener in sockets] == [-1]


def test_a_port_in_use_is_one_line_and_exit_1() -> None:
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


def test_an_unknown_host_is_a_listen_error() -> None:
    with pytest.raises(ListenError, match=r"cannot listen on no\.such\.host\.invalid:0: .+; choose with --host"):
        listen_on_all(["no.such.host.invalid"], 0)


@pytest.mark.parametrize("host", ["a..b", ".", "a" * 300])
def test_a_host_that_cannot_be_encoded_is_a_listen_error(host: str) -> None:
    with pytest.raises(ListenError, match=r"^cannot listen on "):
        listen_on_all([host], 0)


def test_two_servers_cannot_listen_on_one_port() -> None:
    (first,) = listen_on_all(["127.0.0.1"], 0)
    with first, pytest.raises(ListenError, match="address already in use"):
        listen_on_all(["127.0.0.1"], first.getsockname()[1])


def test_an_address_of_another_machine_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo("127.0.0.1", 0, type=socket.SOCK_STREAM)
    foreign = socket.getaddrinfo("192.0.2.1", 0, type=socket.SOCK_STREAM)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: [*real, *foreign])
    (listener,) = listen_on_all(["localhost"], 0)
    listener.close()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: foreign)
    with pytest.raises(ListenError, match="cannot assign requested address"):
        listen_on_all(["localhost"], 0)


def test_a_port_in_use_on_one_address_closes_the_other_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [
        address
        for name in ("127.0.0.1", "127.0.0.2")
        for address in socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM)
    ]
    with socket.create_server(("127.0.0.2", 0)) as taken:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: addresses)
        with pytest.raises(ListenError, match="address already in use"):
            listen_on_all(["localhost"], taken.getsockname()[1])


def test_every_address_of_a_name_shares_the_port() -> None:
    sockets = listen_on_all(["localhost"], 0)
    try:
        assert len({listener.getsockname()[1] for listener in sockets}) == 1
    finally:
        for listener in sockets:
            listener.close()


def close_all(sockets: list[socket.socket]) -> list[tuple[str, int]]:
    """Close `sockets`, and return their addresses."""
    addresses = [listener.getsockname()[:2] for listener in sockets]
    for listener in sockets:
        listener.close()
    return addresses


def test_two_colons_are_every_address_of_both_families() -> None:
    with MockServer(host="::", admin=True) as mock:
        assert mock.url.startswith("http://127.0.0.1:")
        for host in ("127.0.0.1", "[::1]", "localhost"):
            assert httpx.get(f"http://{host}:{mock.port}/atoms/v1/audience", headers=ACME).status_code == 200


def test_two_colons_fall_back_to_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_ipv6(family: int) -> Listener:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return Listener(family)

    monkeypatch.setattr(listening, "Listener", without_ipv6)
    ((host, _),) = close_all(listen_on_all(["::"], 0))
    assert host == "0.0.0.0"
    with pytest.raises(ListenError, match=r"^cannot listen on \[::1\]:0: address family not supported"):
        listen_on_all(["::1"], 0)


def test_a_server_listens_on_several_hosts() -> None:
    with MockServer(host=["127.0.0.2", "127.0.0.1", "localhost", "127.0.0.2"]) as mock:
        assert mock.url.startswith("http://127.0.0.2:")
        for host in ("127.0.0.1", "127.0.0.2", "localhost"):
            assert httpx.get(f"http://{host}:{mock.port}/atoms/v1/audience", headers=ACME).status_code == 200


@pytest.mark.parametrize("hosts", [["127.0.0.1", "0.0.0.0"], ["::1", "127.0.0.1", "::", "0.0.0.0"]])
def test_an_address_that_another_one_includes_is_no_second_socket(hosts: list[str]) -> None:
    addresses = close_all(listen_on_all(hosts, 0))
    assert [host for host, _ in addresses] == (["0.0.0.0"] if "::" not in hosts else ["::", "0.0.0.0"])
    assert len({port for _, port in addresses}) == 1


@pytest.mark.parametrize("failures", [1, 100])
def test_a_free_port_that_is_in_use_on_another_address_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    class UnluckySocket(Listener):
        failures_left = failures

        def bind(self, address: Any) -> None:  # noqa: ANN401 - as in socket
            if address[0] == "127.0.0.2" and UnluckySocket.failures_left:
                UnluckySocket.failures_left -= 1
                raise OSError(errno.EADDRINUSE, "Address already in use")
            super().bind(address)

    monkeypatch.setattr(listening, "Listener", UnluckySocket)
    if failures == 1:
        assert len(close_all(listen_on_all(["127.0.0.1", "127.0.0.2"], 0))) == 2
    else:
        with pytest.raises(ListenError, match="address already in use"):
            listen_on_all(["127.0.0.1", "127.0.0.2"], 0)


def test_a_server_listens_on_ipv6() -> None:
    with MockServer(host="::1") as mock:
        assert mock.url.startswith("http://[::1]:")
        assert httpx.get(f"{mock.url}/audience", headers=ACME).status_code == 200


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://127.0.0.1:1"),
        ("mock.test", "http://mock.test:1"),
    ],
)
def test_the_url_is_one_that_a_client_can_use(host: str, url: str) -> None:
    assert reachable_url(host, 1) == url


def test_several_servers_run_in_one_process() -> None:
    with MockServer(seed="a") as one, MockServer(seed="b") as other:
        assert one.port != other.port
        bodies = {httpx.get(f"{mock.url}/audience", headers=ACME).content for mock in (one, other)}
    assert len(bodies) == 2


def test_a_stopped_mock_server_leaves_no_thread_and_no_socket() -> None:
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


@pytest.mark.parametrize("tls", [None, "self-signed"])
def test_a_stop_without_requests_in_flight_is_immediate(monkeypatch: pytest.MonkeyPatch, tls: str | None) -> None:
    waits = []

    async def waiting(*_arguments: object) -> None:
        waits.append(1)

    monkeypatch.setattr(uvicorn.Server, "shutdown", waiting)
    with MockServer(tls=tls) as mock, httpx.Client(verify=True if tls is None else mock.ssl_context()) as http:
        assert http.get(f"{mock.url}/audience", headers=ACME).is_success
        mock.stop()
        assert waits == []
        with pytest.raises(httpx.ConnectError):
            http.get(f"{mock.url}/audience")


def test_a_server_stopped_before_it_runs_ends_immediately() -> None:
    mock = MockAtoms(Settings())
    server = build_server(mock, create_app(mock=mock), lambda: None)
    server.stop()
    server.run(sockets := listen_on_all(["127.0.0.1"], 0))
    assert [listener.fileno() for listener in sockets] == [-1]
    server.stop()


class ClosingTransport(asyncio.Transport):
    """A transport that is closing, with some bytes still to send."""

    def __init__(self, unsent_bytes: int) -> None:
        super().__init__()
        self.unsent_bytes = unsent_bytes
        self.is_aborted = False

    def is_closing(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def abort(self) -> None:
        self.is_aborted = True


@pytest.mark.parametrize("unsent_bytes", [0, 1])
def test_a_connection_is_aborted_only_without_unsent_bytes(unsent_bytes: int) -> None:
    async def leave() -> bool:
        mock = MockAtoms(Settings())
        config = build_server(mock, create_app(mock=mock), lambda: None).config
        protocol = HttpProtocol(config=config, server_state=ServerState(), app_state={})
        protocol.connection_made(transport := ClosingTransport(unsent_bytes))
        protocol.abort_if_idle()
        return transport.is_aborted

    assert asyncio.run(leave()) is (unsent_bytes == 0)


def test_a_server_stopped_when_ready_closes_its_sockets() -> None:
    mock = MockAtoms(Settings())
    server = build_server(mock, create_app(mock=mock), lambda: server.stop())  # noqa: PLW0108 - not defined yet
    server.run(sockets := listen_on_all(["127.0.0.1"], 0))
    assert [listener.fileno() for listener in sockets] == [-1]


def test_a_server_logs_immediately_that_the_watch_for_changes_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    logged: list[str] = []

    async def fail() -> None:
        raise RuntimeError("broken")

    def stop() -> None:
        logged.append(caplog.text)
        server.stop()

    def stop_soon() -> None:
        asyncio.get_running_loop().call_soon(stop)

    mock = MockAtoms(Settings())
    server = build_server(mock, create_app(mock=mock), stop_soon)
    server.reload_files = fail
    server.run(sockets := listen_on_all(["127.0.0.1"], 0))
    assert [listener.fileno() for listener in sockets] == [-1]
    assert "RuntimeError: broken" in logged[0]
    assert "restart the server to reload files" in logged[0]


def test_a_connection_of_asyncio_sends_small_packets_without_delay() -> None:
    """uvloop does this for any connection."""
    option = (socket.IPPROTO_TCP, socket.TCP_NODELAY)

    async def nodelay() -> int:
        loop = asyncio.get_running_loop()
        connected: asyncio.Future[asyncio.BaseTransport] = loop.create_future()

        class Connection(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                connected.set_result(transport)

        (listening,) = listen_on_all(["127.0.0.1"], 0)
        async with await loop.create_server(Connection, sock=listening):
            with connect(listening.getsockname()[1]):
                transport = await connected
                value: int = transport.get_extra_info("socket").getsockopt(*option)
                transport.close()
                return value

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert runner.run(nodelay()) == 1


def test_a_mock_server_restarts_with_its_state() -> None:
    with MockServer() as mock:
        with pytest.raises(RuntimeError, match=rf"^the server is already running at {mock.url}: "):
            mock.start()
        mock.fail("503x1", token="sk_acme")
        assert httpx.get(f"{mock.url}/audience", headers=ACME).status_code == 503
    with mock:
        assert [request.status for request in mock.requests()] == [503]


def test_a_mock_server_accepts_a_settings_object() -> None:
    with MockServer(Settings(port=0, base_path="/x")) as mock:
        assert mock.url.endswith("/x")


def test_a_mock_server_rejects_settings_beside_options() -> None:
    with pytest.raises(TypeError, match="pass either settings or options, not both: seed"):
        MockServer(Settings(), seed="x")


def test_invalid_settings_are_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"^tokens: a token is one word of visible ASCII") as caught:
        MockServer(tokens="sk_verysecret token")
    assert "verysecret" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"^`nothing` is not a setting\.$"):
        MockServer(nothing=1)


@pytest.mark.parametrize(
    ("streams", "code", "message"),
    [
        (">/dev/full", 1, "mock-atoms: cannot write to standard output: No space left on device\n"),
        (">&-", 1, "mock-atoms: cannot write to standard output: it is closed\n"),
        (">&- 2>&-", 1, ""),
        (">/dev/full 2>/dev/full", 1, ""),
    ],
)
@pytest.mark.parametrize("command", ["serve --port 0", "openapi", "fixtures sk_acme", "--version", "serve --help"])
def test_output_that_cannot_be_written_is_one_line(command: str, streams: str, code: int, message: str) -> None:
    script = f"exec {sys.executable} -m mock_atoms {command} {streams}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", message)


@pytest.mark.parametrize("streams", ["2>/dev/full", "2>&-"])
def test_an_error_without_a_place_to_print_it_keeps_its_exit_code(streams: str) -> None:
    script = f"exec {sys.executable} -m mock_atoms openapi --base-path x {streams}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_a_closed_pipe_prints_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as out:
        done = subprocess.run(
            [sys.executable, "-m", "mock_atoms", "openapi"], stdout=out, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "")
