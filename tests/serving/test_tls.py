"""HTTPS, as real clients speak it."""

import asyncio
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
import trustme
from smallestai import SmallestAI
from uvicorn.server import ServerState

from mock_atoms import MockServer, Settings, create_app
from mock_atoms.core.parsing import ConfigError
from mock_atoms.mock import MockAtoms
from mock_atoms.serving.connection_limits import ConnectionLimits
from mock_atoms.serving.listening import ListenError
from mock_atoms.serving.server import GRACE_SECONDS, Server
from mock_atoms.serving.tls import Certificate, load_certificate
from mock_atoms.serving.tls_connection import TlsConnection
from tests.helpers.audiences import ACME, bearer
from tests.helpers.servers import running
from tests.helpers.sockets import connect, exchange, raw_request


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer(tls="self-signed") as running:
        yield running


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the files of a certificate: each alone, and all in one."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    contents = {
        "ca": authority.cert_pem.bytes(),
        "cert": b"".join(blob.bytes() for blob in issued.cert_chain_pems),
        "key": issued.private_key_pem.bytes(),
        "both": issued.private_key_and_cert_chain_pem.bytes(),
        "other": trustme.CA().issue_cert("127.0.0.1").private_key_pem.bytes(),
        "text": b"no certificate",
    }
    for name, content in contents.items():
        (folder / f"{name}.pem").write_bytes(content)
    return {name: folder / f"{name}.pem" for name in [*contents, "missing"]}


@contextmanager
def tls_server(files: dict[str, Path], loop: Literal["asyncio", "uvloop"], request_timeout: int = 1) -> Iterator[int]:
    """Serve HTTPS on a free port and yield it."""
    mock = MockAtoms(Settings())
    ready = threading.Event()
    server = Server(
        create_app(mock=mock),
        mock.shutdown_signal,
        ready.set,
        loop,
        certificate=Certificate(files["cert"], files["key"]),
        request_timeout=request_timeout,
    )
    with running(server, ready) as port:
        yield port


def test_curl_trusts_the_ca_made_at_start(server: MockServer, tool: Callable[[str], str]) -> None:
    command = [tool("curl"), "--silent", "--show-error", "--header", "Authorization: Bearer sk_acme"]
    trusting = [*command, "--cacert", str(server.ca_file), f"{server.url}/audience"]
    done = subprocess.run(trusting, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith('{"status":true,')
    doubtful = subprocess.run([*command, f"{server.url}/audience"], capture_output=True, check=False, timeout=60)
    assert doubtful.returncode == 60


def test_the_sdk_trusts_the_ca(server: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMALLESTAI_TELEMETRY", "0")
    with httpx.Client(verify=server.ssl_context()) as pool:
        client = SmallestAI(api_key="sk_acme", environment=server.sdk_environment(), httpx_client=pool)
        assert client.atoms.audience.list().data
    monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
    with httpx.Client() as pool:
        client = SmallestAI(api_key="sk_acme", environment=server.sdk_environment(), httpx_client=pool)
        assert client.atoms.audience.list().data


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_the_certificate_is_valid_for_names_of_this_machine(server: MockServer, name: str) -> None:
    url = f"https://{name}:{server.port}/atoms/v1/audience"
    assert httpx.get(url, headers=ACME, verify=server.ssl_context()).status_code == 200


def test_the_journal_records_https_urls(server: MockServer) -> None:
    with httpx.Client(verify=server.ssl_context()) as client:
        client.get(f"{server.url}/audience", headers=ACME)
        (event, *_) = client.get(f"{server.root_url}/__admin/requests").json()["requests"]
    assert event["request"]["absoluteUrl"] == f"{server.url}/audience"
    assert server.requests()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        # What a reset becomes is the client's TLS library's affair: the packet is an RST, as without TLS.
        ("reset", (httpx.ReadError, httpx.RemoteProtocolError)),
        ("close", httpx.RemoteProtocolError),
        ("truncate", httpx.RemoteProtocolError),
        ("garbage", httpx.RemoteProtocolError),
        ("hang50", httpx.RemoteProtocolError),
    ],
)
def test_connection_faults_work_over_tls(
    server: MockServer, fault: str, error: type[Exception] | tuple[type[Exception], ...]
) -> None:
    token = f"sk_mock_{fault}x1.tls"
    with httpx.Client(verify=server.ssl_context(), headers=bearer(token)) as client:
        with pytest.raises(error):
            client.get(f"{server.url}/audience")
        assert client.get(f"{server.url}/audience").status_code == 200
    assert [request.ended for request in server.requests(token=token)] == [fault.rstrip("05"), "responded"]


def test_a_reset_is_an_rst_packet(server: MockServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as plain:
        below = socket.socket(fileno=os.dup(plain.fileno()))
        with below, server.ssl_context().wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            secure.sendall(b"GET /atoms/v1/audience HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_mock_reset\r\n\r\n")
            below.settimeout(20)
            with pytest.raises(ConnectionResetError):
                deque(iter(lambda: below.recv(65536), b""))


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_plain_http_gets_a_400_and_a_log_line(
    files: dict[str, Path], loop: Literal["asyncio", "uvloop"], caplog: pytest.LogCaptureFixture
) -> None:
    with tls_server(files, loop) as port:
        for sent in (raw_request(), b"\0", b"G" * 1_000_000):
            response = exchange(port, sent)
            assert response.startswith(b"HTTP/1.1 400 Bad Request\r\n")
            assert response.endswith(b"\r\n\r\nno TLS handshake: this port speaks HTTPS, so use https://\n")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert re.fullmatch(r'peer=127\.0\.0\.1:\d+ status=400 cause="no TLS handshake: this port .+"', lines[0])


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_failed_handshake_is_one_log_line(
    files: dict[str, Path], loop: Literal["asyncio", "uvloop"], caplog: pytest.LogCaptureFixture
) -> None:
    with tls_server(files, loop) as port:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"https://127.0.0.1:{port}")
        assert exchange(port, b"\x16\3\1\0\5hello")[:1] in (b"", b"\x15")  # uvloop sends an alert
        assert exchange(port, b"\x16\3\1") == b""  # half a handshake, until the timeout
        with connect(port) as connection:
            connection.sendall(b"\x16\3\1")
        assert exchange(port, b"") == b""  # nothing, until the timeout
        context = ssl.create_default_context(cafile=files["ca"])
        assert httpx.get(f"https://127.0.0.1:{port}/atoms/v1/audience", headers=ACME, verify=context).is_success
    causes = [line for line in caplog.messages if "TLS handshake" in line]
    assert all(re.match(r'peer=127\.0\.0\.1:\d+ cause="the TLS handshake failed: .+"', cause) for cause in causes)
    assert len(causes) == 4
    assert "Traceback" not in caplog.text


def test_connections_beyond_the_limit_are_closed(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mock_atoms.serving.connection_limits.MAX_CONNECTIONS", 1)
    with tls_server(files, "asyncio") as port, connect(port) as first:
        first.sendall(b"\x16")
        with connect(port) as second:
            assert second.recv(1) == b""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("size", [1, 100, 100_000])
def test_a_handshake_may_come_in_any_pieces(
    files: dict[str, Path], loop: Literal["asyncio", "uvloop"], size: int
) -> None:
    context = ssl.create_default_context(cafile=files["ca"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    response = b""
    with tls_server(files, loop) as port, connect(port) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        steps: list[Callable[[], object]] = [
            tls.do_handshake,
            lambda: tls.write(raw_request(header_lines="Connection: close\r\n")),
        ]
        for step in steps:  # the last part of the handshake and the request leave together
            with suppress(ssl.SSLWantReadError):
                step()
            while step == tls.do_handshake and tls.version() is None:
                data = outgoing.read()
                for start in range(0, len(data), size):
                    connection.sendall(data[start : start + size])
                incoming.write(connection.recv(65_536))
                with suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
        connection.sendall(outgoing.read())
        while b"}" not in response[-1:]:
            try:
                response += tls.read()
            except ssl.SSLWantReadError:
                incoming.write(connection.recv(65_536))
    assert response.startswith(b"HTTP/1.1 200 OK\r\n")


def test_bytes_that_arrive_before_tls_has_started_are_kept() -> None:
    class Transport(asyncio.Transport):
        def get_protocol(self) -> asyncio.Protocol:
            return asyncio.Protocol()

        def is_closing(self) -> bool:
            return True

    async def receive() -> bytes:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        connection = TlsConnection(asyncio.Protocol, context, 1, ServerState(), ConnectionLimits())
        connection.connection_made(Transport())
        for part in (b"\x16\3", b"\1"):
            connection.data_received(part)
        (task,) = asyncio.all_tasks() - {asyncio.current_task()}
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return connection._encrypted  # noqa: SLF001 - nothing else shows it before a handshake

    assert asyncio.run(receive()) == b"\x16\3\1"


def test_a_refusal_is_sent_over_tls(files: dict[str, Path]) -> None:
    context = ssl.create_default_context(cafile=files["ca"])
    with (
        tls_server(files, "uvloop") as port,
        connect(port) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1") as tls,
    ):
        tls.sendall(b"GET / HTTP/1.1\r\nA: " + b"a" * 70_000)
        assert tls.recv(65_536).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("sent", [b"", b"\x16\3\1"])
def test_a_stop_does_not_wait_for_a_handshake(files: dict[str, Path], sent: bytes) -> None:
    with tls_server(files, "uvloop", request_timeout=3600) as port:
        connection = connect(port)
        connection.sendall(sent)
        context = ssl.create_default_context(cafile=files["ca"])
        assert httpx.get(f"https://127.0.0.1:{port}/atoms/v1/audience", headers=ACME, verify=context).is_success
        started_at = time.monotonic()
    assert time.monotonic() - started_at < GRACE_SECONDS
    with connection, suppress(ConnectionResetError):
        assert connection.recv(1) == b""


@pytest.mark.parametrize("names", [("both",), ("cert", "key")])
def test_a_server_uses_the_certificate_of_its_settings(files: dict[str, Path], names: tuple[str, ...]) -> None:
    options: dict[str, Any] = dict(zip(("tls_cert", "tls_key"), (files[name] for name in names), strict=False))
    with MockServer(**options) as mock:
        assert mock.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=files["ca"])
        assert httpx.get(f"{mock.url}/audience", headers=ACME, verify=context).status_code == 200
        assert mock.ca_file == files[names[0]]
        assert len(mock.requests()) == 1


def test_the_made_certificate_is_deleted_with_the_server() -> None:
    with MockServer(tls="self-signed") as mock:
        assert mock.ca_file is not None
        assert (mock.ca_file.parent.stat().st_mode & 0o777) == 0o700
        assert mock.ca_file.exists()
    assert not mock.ca_file.parent.exists()
    assert MockServer().ca_file is None


def test_no_certificate_remains_if_the_port_is_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with MockServer() as taken, pytest.raises(ListenError):
        MockServer(port=taken.port, tls="self-signed").start()
    assert list(tmp_path.iterdir()) == []


def test_a_certificate_needs_a_writable_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(ConfigError, match=r"^--tls: self-signed needs a writable temporary folder: in a container, "):
        MockServer(tls="self-signed").start()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"tls_key": "key"}, r"^--tls-key: also needs the certificate, --tls-cert$"),
        ({"tls": "self-signed", "tls_cert": "cert"}, r"^--tls: use either this or --tls-cert$"),
        ({"tls": "self-signed", "tls_key": "key"}, r"^--tls: use either this or --tls-cert$"),
        ({"tls_cert": "missing"}, r"^--tls-cert: \S+missing.pem: cannot be read: No such file or directory$"),
        ({"tls_cert": "cert", "tls_key": "missing"}, r"^--tls-cert: \S+, \S+: cannot be read: No such file"),
        (
            {"tls_cert": "cert"},
            r"^--tls-cert: \S+cert.pem: must be a certificate and its key, in PEM, the key without ",
        ),
        (
            {"tls_cert": "text"},
            r"^--tls-cert: \S+text.pem: must be a certificate and its key, in PEM, the key without ",
        ),
        ({"tls_cert": "cert", "tls_key": "other"}, r"must be a certificate and its key, .+KEY_VALUES_MISMATCH"),
    ],
)
def test_invalid_files_are_reported_by_flag(files: dict[str, Path], options: dict[str, str], problem: str) -> None:
    settings: dict[str, Any] = {name: files.get(value, value) for name, value in options.items()}
    with pytest.raises(ConfigError, match=problem):
        MockServer(**settings).start()


def test_a_key_with_a_password_is_rejected_without_a_prompt(files: dict[str, Path], tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as pem  # noqa: PLC0415 - this test alone needs it

    key = pem.load_pem_private_key(files["key"].read_bytes(), None)
    locked = tmp_path / "locked.pem"
    encryption = pem.BestAvailableEncryption(b"secret")
    locked.write_bytes(key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, encryption))
    with pytest.raises(ConfigError, match="the key without a password"):
        MockServer(tls_cert=files["cert"], tls_key=locked).start()


def test_a_self_signed_certificate_needs_trustme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(
        ConfigError, match=r"^--tls: the package trustme is missing: install mock-atoms with the extra `tls` "
    ):
        MockServer(tls="self-signed").start()


def test_plain_http_needs_no_certificate() -> None:
    with load_certificate(Settings()) as certificate:
        assert certificate is None


def test_the_command_prints_the_ca_and_deletes_it() -> None:
    command = [sys.executable, "-m", "mock_atoms", "serve", "--port", "0", "--tls", "self-signed"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        url = next(lines).strip().partition(": ")[2]
        ca_file = Path(next(line for line in lines if "CA certificate" in line).strip().partition(": ")[2])
        assert url.startswith("https://127.0.0.1:")
        response = httpx.get(f"{url}/audience", headers=ACME, verify=ssl.create_default_context(cafile=ca_file))
        assert response.status_code == 200
        port = url.split(":")[2].partition("/")[0]
        check = [sys.executable, "-m", "mock_atoms", "healthcheck", "--port", port]
        assert subprocess.run([*check, "--tls", "self-signed"], check=False, timeout=60).returncode == 0
        plain = subprocess.run(check, check=False, timeout=60, capture_output=True, text=True)
        assert plain.returncode == 1
        assert plain.stderr.startswith(f"mock-atoms: 127.0.0.1:{port} is not healthy: ")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert not ca_file.parent.exists()


def test_an_invalid_certificate_stops_the_command(files: dict[str, Path]) -> None:
    command = [sys.executable, "-m", "mock_atoms", "serve", "--port", "0", "--tls-cert", str(files["text"])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("mock-atoms: --tls-cert: ")
    assert len(done.stderr.splitlines()) == 1
