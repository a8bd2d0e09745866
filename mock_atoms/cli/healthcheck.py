"""The `healthcheck` command."""

import contextlib
import http.client
import json
import ssl

from mock_atoms.cli.command import EXIT_OK, Command, CommandParser, Invocation, add_settings
from mock_atoms.core.addresses import CONTROL_PREFIX, format_address, reachable_host
from mock_atoms.core.settings import Settings

_TIMEOUT_SECONDS = 3


def _add_arguments(parser: CommandParser) -> None:
    add_settings(
        parser,
        ("host", "port", "tls", "tls_cert"),
        host="address of the server to check",
        port="port of the server to check",
        tls="use HTTPS, if the server has a certificate made at start",
        tls_cert="use HTTPS, if the server has a certificate of yours; the file is not read",
    )


def _run(invocation: Invocation) -> int:
    settings = invocation.load_settings()
    host = reachable_host(settings.host[0])
    try:
        with contextlib.closing(_connection(settings, host)) as connection:
            connection.request("GET", f"{CONTROL_PREFIX}/health")
            health = json.loads(connection.getresponse().read())
        if health.get("status") == "healthy":
            return EXIT_OK
        reason = health["errors"][0]["detail"] if "errors" in health else f"its status is `{health['status']}`"
    except (json.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError):
        reason = "the response is not that of mock-atoms"
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = str(error) or type(error).__name__
    return invocation.fail(f"{format_address(host, settings.port)} is not healthy: {reason}")


def _connection(settings: Settings, host: str) -> http.client.HTTPConnection:
    if settings.scheme == "http":
        return http.client.HTTPConnection(host, settings.port, timeout=_TIMEOUT_SECONDS)
    context = ssl.create_default_context()
    # The request contains no secret, so the server need not prove its name.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, settings.port, timeout=_TIMEOUT_SECONDS, context=context)


HEALTHCHECK = Command(
    "healthcheck",
    "check that a server is healthy",
    "Check the health of the server on this machine. The exit code is 0 if it is healthy, otherwise 1.",
    _add_arguments,
    _run,
)
