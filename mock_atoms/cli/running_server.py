"""What commands for a running server share: how to find it, and the errors of its control API."""

import gc
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from mock_atoms.cli.command import EXIT_FAILED, EXIT_OK, EXIT_USAGE, CommandParser, Invocation, Once
from mock_atoms.core.addresses import reachable_url
from mock_atoms.core.masking import quote_value
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.setting_sources import URL_VARIABLE, load_settings
from mock_atoms.core.settings import variable_name

if TYPE_CHECKING:
    from mock_atoms.testing.client import MockClient
    from mock_atoms.testing.control_api import ControlError

CA_VARIABLE = "SSL_CERT_FILE"
SERVER_EPILOG = (
    "Without a URL, the address is the one that `mock-atoms serve` has with the settings of the environment. "
    "The exit code is 1 if a check fails or the server does not respond, and 2 if an argument is invalid."
)
_SCHEME = "bearer "
USAGE_STATUSES = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
"""Status codes of calls whose arguments are invalid."""


def add_server(parser: CommandParser, *, has_json: bool = True) -> None:
    """Add the options that name the server, and `--json`."""
    group = parser.add_argument_group("server")
    group.add_argument(
        "--url", metavar="URL", help=f"URL of the server, such as http://127.0.0.1:28667 [{URL_VARIABLE}]"
    )
    group.add_argument(
        "--admin-token", metavar="TOKEN", help=f"token of its control API [{variable_name('admin_token')}]"
    )
    group.add_argument(
        "--ca-file", metavar="FILE", help=f"PEM file of the certificate to trust, if it serves HTTPS [{CA_VARIABLE}]"
    )
    if has_json:
        parser.add_argument("--json", action="store_true", help="print JSON for scripts")


def add_tenant(parser: CommandParser, noun: str) -> None:
    """Add the options that select a token, a test, or both.

    Args:
        parser: the command's parser.
        noun: what is selected, in the plural.
    """
    parser.add_argument("--token", metavar="TOKEN", action=Once, help=f"only {noun} of this token")
    parser.add_argument("--test-id", metavar="ID", action=Once, help=f"only {noun} of this X-Test-Id")


def tenant_fields(invocation: Invocation) -> dict[str, str]:
    """Return the options of `add_tenant` as the control API names them."""
    arguments = invocation.arguments
    fields = {"token": arguments.token, "testId": arguments.test_id}
    return {name: value for name, value in fields.items() if value is not None}


def connect(invocation: Invocation) -> "MockClient":
    """Return a client of the server that the options name.

    Raises:
        ConfigError: the URL, or a setting in the environment, is invalid.
    """
    from mock_atoms.testing.client import MockClient  # noqa: PLC0415 - `--help` starts faster without it

    arguments, environ = invocation.arguments, invocation.environ
    settings = load_settings({"admin_token": arguments.admin_token}, environ)
    url = arguments.url or environ.get(URL_VARIABLE)
    if not url:
        url = f"{reachable_url(settings.host[0], settings.port, settings.scheme)}{settings.base_path}/"
    ca_file = arguments.ca_file or environ.get(CA_VARIABLE) or None
    try:
        return MockClient(url, admin_token=settings.admin_token, ca_file=ca_file)
    except ValueError as error:
        raise ConfigError(f"{'--url' if arguments.url else URL_VARIABLE}: {error}") from None


def with_server(run: Callable[[Invocation, "MockClient"], int]) -> Callable[[Invocation], int]:
    """Return how a command runs that calls the control API: an error is one line."""

    def run_with_server(invocation: Invocation) -> int:
        from mock_atoms.testing.control_api import ControlError  # noqa: PLC0415 - `--help` starts faster without it

        gc.enable()  # the process may run for hours, see __main__
        token = getattr(invocation.arguments, "token", None) or ""
        if token[: len(_SCHEME)].lower() == _SCHEME:
            raise ConfigError("the token: leave out `Bearer`, give only what follows it")
        client = connect(invocation)
        try:
            return run(invocation, client)
        except ControlError as error:
            invocation.fail(error_text(error, client))
            return EXIT_USAGE if error.status in USAGE_STATUSES else EXIT_FAILED
        except UnicodeEncodeError as error:  # of a query or a path
            raise ConfigError(f"{quote_value(error.object)} is not UTF-8") from None
        finally:
            client.control.close()

    return run_with_server


def error_text(error: "ControlError", client: "MockClient") -> str:
    """Return an error of the control API in words for users of commands."""
    if error.status != HTTPStatus.UNAUTHORIZED:
        return error.detail
    names = f"--admin-token or {variable_name('admin_token')}"
    if client.control.admin_token is None:
        return f"{client.root_url} requires a token: give {names}"
    return f"{client.root_url} rejects the token of {names}: give the one with which the server was started"


def remove_each(invocation: Invocation, client: "MockClient", group: str, remove: Callable[[str], None]) -> None:
    """Remove what the ids of the command line name, and print a line for each.

    Args:
        invocation: the run of a command with the argument `ids`.
        client: the client of the server.
        group: the commands about what has the ids, such as `faults`.
        remove: removes one.

    Raises:
        ControlError: one cannot be removed; the error about an unknown id names the command that lists them.
    """
    from mock_atoms.testing.control_api import ControlError  # noqa: PLC0415 - `--help` starts faster without it

    for each_id in invocation.arguments.ids:
        try:
            remove(each_id)
        except ControlError as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST):  # 400 is an id that is not a UUID
                raise
            problem = error.detail.removesuffix("; GET /__admin/faults lists the rules")
            detail = f"{problem}; `mock-atoms {group} list` lists {group}"
            raise ControlError(str(error), error.status, detail) from None
        invocation.confirm(f"removed {each_id} at {client.root_url}")


def checked(invocation: Invocation, problem: str | None) -> int:
    """Return the exit code of a check, and print its problem if there is one."""
    return EXIT_OK if problem is None else invocation.fail(problem)


def count(number: int, noun: str) -> str:
    """Return a number with its noun, such as `2 requests`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
