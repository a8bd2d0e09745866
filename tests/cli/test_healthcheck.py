import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mock_atoms import MockServer
from tests.helpers.cli import run_command


@pytest.mark.parametrize("host", [None, "0.0.0.0", "::", "127.0.0.1;::1"])
def test_healthcheck_follows_the_port_of_the_environment(server: MockServer, host: str | None) -> None:
    environ = {"MOCK_ATOMS_PORT": str(server.port)} | ({"MOCK_ATOMS_HOST": host} if host else {})
    assert run_command("healthcheck", environ=environ) == (0, "", "")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "a..b", "no.such.host.invalid"])
def test_healthcheck_fails_without_a_server(host: str) -> None:
    code, out, err = run_command("healthcheck", "--host", host.strip("[]"), "--port", "1")
    assert (code, out) == (1, "")
    assert err.startswith(f"mock-atoms: {host}:1 is not healthy: ")
    assert err.count("\n") == 1


@pytest.fixture
def impostor() -> Iterator[HTTPServer]:
    """Serve `server.body`, set by the test, as the health of another program."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.body)  # type: ignore[attr-defined] # set by the test

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        yield other
        other.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"status": "starting"}', "its status is `starting`"),
        (b'{"errors": [{"detail": "the store is full"}]}', "the store is full"),
        (b'{"errors": []}', "the response is not that of mock-atoms"),
        (b'{"errors": [{}]}', "the response is not that of mock-atoms"),
        (b'{"errors": 1}', "the response is not that of mock-atoms"),
        (b"{}", "the response is not that of mock-atoms"),
        (b"[]", "the response is not that of mock-atoms"),
        (b"<html>", "the response is not that of mock-atoms"),
        (b"", "the response is not that of mock-atoms"),
    ],
)
def test_healthcheck_gives_the_reason_of_the_response(impostor: HTTPServer, body: bytes, reason: str) -> None:
    impostor.body = body  # type: ignore[attr-defined] # read by the handler
    code, out, err = run_command("healthcheck", "--port", str(impostor.server_port))
    assert (code, out) == (1, "")
    assert err == f"mock-atoms: 127.0.0.1:{impostor.server_port} is not healthy: {reason}\n"


def test_help_describes_the_server_to_ask(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_command("healthcheck", "--help")
    help_text = " ".join(capsys.readouterr().out.split())
    assert "address of the server to check" in help_text
    assert "port of the server to check" in help_text
    assert "listen" not in help_text
