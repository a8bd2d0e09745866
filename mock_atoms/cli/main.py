"""The `mock-atoms` command. It parses, calls, and turns errors into one line and an exit code."""

import argparse
import contextlib
import gc
import http.client
import json
import logging
import os
import ssl
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, cast

from mock_atoms.core.masking import mask_text
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.settings import (
    ENV_PREFIX,
    SettingInfo,
    Settings,
    flag_name,
    load_settings,
    reachable_host,
    setting_infos,
    variable_name,
)
from mock_atoms.core.version import __version__

if TYPE_CHECKING:
    import io

    from mock_atoms.journal.access_log import BufferedAccessLog

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
_HEALTH_TIMEOUT_SECONDS = 3
_DATA_SETTINGS = ("seed", "locale", "fixtures", "tokens", "session_cookie")


def entry_point() -> NoReturn:
    """Run the command on the process's own arguments, environment and streams; JSON leaves it as UTF-8."""
    cast("io.TextIOWrapper", sys.stdout).reconfigure(encoding="utf-8")
    try:
        code = main(sys.argv[1:], os.environ, sys.stdout, sys.stderr)
    except BrokenPipeError:
        # Whoever read the output wants no more of it; nor is there anywhere to flush to at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FAILED
    sys.exit(code)


def main(args: Sequence[str], environ: Mapping[str, str], out: TextIO, err: TextIO) -> int:
    """Run one command.

    Args:
        args: arguments without the program's name.
        environ: the environment, for the variables beginning with `MOCK_ATOMS_`.
        out: where results and the ready line go.
        err: where the log and errors go.

    Returns:
        The exit code: 0 done, 1 failed, 2 asked for wrongly.

    Raises:
        SystemExit: from argparse, after `--help`, `--version` or a wrong flag.
    """
    arguments = _parser().parse_args(args)
    flags = vars(arguments)
    try:
        settings = load_settings(flags, environ, Path(arguments.config) if arguments.config else None)
        match arguments.command:
            case "serve":
                return _serve(settings, out, err)
            case "fixtures":
                return _fixtures(settings, arguments.token, out, err)
            case "openapi":
                return _openapi(settings, out)
            case _:
                return _healthcheck(settings, err)
    except ConfigError as error:
        print(f"mock-atoms: {error}", file=err)
        return EXIT_USAGE


class _Parser(argparse.ArgumentParser):
    """Takes flags by their whole names alone, and repeats no key in what it says of wrong ones."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - argparse's own options
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        super().error(mask_text(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="mock-atoms",
        description="A local mock server of the Atoms audience API.",
        epilog="Every flag has a twin in the environment, named in its help. A flag beats the environment, "
        "the environment beats the --config file.",
    )
    parser.add_argument("--version", action="version", version=f"mock-atoms {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve the API", description="Serve the API until SIGINT or SIGTERM.")
    _add_settings(serve, list(setting_infos()))
    fixtures = commands.add_parser(
        "fixtures",
        help="print what a token would get",
        description="Print the JSON that GET /audience answers to a token: exit code 0, or 1 where that is a 401.",
    )
    fixtures.add_argument("token", metavar="TOKEN", help="the token, without `Bearer`")
    _add_settings(fixtures, _DATA_SETTINGS)
    document = commands.add_parser(
        "openapi",
        help="print the OpenAPI document",
        description="Print the OpenAPI 3.1 document of what is mocked.",
    )
    _add_settings(document, ("base_path",))
    health = commands.add_parser(
        "healthcheck",
        help="ask a running server for its health",
        description="Ask the server on this machine for its health: exit code 0 when it is healthy, else 1.",
    )
    _add_settings(health, ("host", "port", "tls", "tls_cert", "tls_key"))
    return parser


def _add_settings(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    for name in names:
        info = setting_infos()[name]
        flag, shown = flag_name(name), _help(name, info)
        if not info.metavar:
            parser.add_argument(flag, dest=name, action=argparse.BooleanOptionalAction, default=None, help=shown)
            continue
        action = "append" if info.repeatable else "store"
        parser.add_argument(flag, dest=name, metavar=info.metavar, action=action, help=shown)
    variable = f"{ENV_PREFIX}CONFIG"
    parser.add_argument("--config", metavar="FILE", help=f"TOML file of settings [{variable}]")


def _help(name: str, info: SettingInfo) -> str:
    default = Settings.model_fields[name].default
    words = info.default or ", ".join(
        default if isinstance(default, tuple) else ["" if default is None else str(default)]
    )
    shown = f"; default: {words}" if words else ""
    return f"{info.help.replace('`', '').replace('%', '%%')} [{variable_name(name)}{shown}]"


def _serve(settings: Settings, out: TextIO, err: TextIO) -> int:
    from mock_atoms.mock import MockAtoms  # noqa: PLC0415 - other commands are quicker without
    from mock_atoms.serving.server import ListenError, listen, reachable_url, serve  # noqa: PLC0415 - the same
    from mock_atoms.serving.tls import load_certificate  # noqa: PLC0415 - the same

    log = _set_up_log(settings, err)
    mock = MockAtoms(settings, log=log)
    with load_certificate(settings) as certificate:
        try:
            sockets = listen(settings.host, settings.port)
        except ListenError as error:
            print(f"mock-atoms: {error}", file=err)
            return EXIT_FAILED
        port = sockets[0].getsockname()[1]
        url = reachable_url(settings.host, port, settings.scheme) + settings.base_path

        def ready() -> None:
            gc.freeze()  # what is there now stays, and need not be looked at again
            gc.enable()
            if certificate is not None and certificate.ca_file is not None:
                print(f"mock-atoms {__version__} made a CA for clients to trust: {certificate.ca_file}", file=out)
            print(f"mock-atoms {__version__} is ready; base URL: {url}", file=out, flush=True)

        try:
            serve(mock, sockets, ready, certificate)
        finally:
            log.flush()
    return EXIT_OK  # pragma: no cover - the signal that ends serving is raised once more, see __main__


def _set_up_log(settings: Settings, err: TextIO) -> "BufferedAccessLog":
    from mock_atoms.journal.access_log import BufferedAccessLog, JsonFormatter, TextFormatter  # noqa: PLC0415 - other commands are quicker without

    handler = logging.StreamHandler(err)
    log = BufferedAccessLog(handler, JsonFormatter() if settings.log_format == "json" else TextFormatter())
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no line tells of them
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("mock_atoms").setLevel(settings.log_level.upper())
    return log


def _fixtures(settings: Settings, token: str, out: TextIO, err: TextIO) -> int:
    from mock_atoms.contract.errors import error_body  # noqa: PLC0415 - the same
    from mock_atoms.core.tenancy import AuthenticatedCaller, identify  # noqa: PLC0415 - the same
    from mock_atoms.data.models import api_fields  # noqa: PLC0415 - the same
    from mock_atoms.mock import MockAtoms  # noqa: PLC0415 - other commands are quicker without

    mock = MockAtoms(settings)
    headers = [(b"authorization", b"Bearer " + token.encode(errors="surrogateescape"))]
    caller = identify(headers, settings.session_cookie, settings.tokens)
    if isinstance(caller, AuthenticatedCaller):
        body, code = (
            {"status": True, "data": [api_fields(held) for held in mock.fixtures.initial_data(caller).audiences]},
            EXIT_OK,
        )
    else:
        body, code = error_body(401, None, {}), EXIT_FAILED
        print(f"mock-atoms: {caller.reason}", file=err)
    print(json.dumps(body, ensure_ascii=False, indent=2), file=out, flush=True)
    return code


def _openapi(settings: Settings, out: TextIO) -> int:
    from mock_atoms.app import vendor_app  # noqa: PLC0415 - other commands are quicker without
    from mock_atoms.mock import MockAtoms  # noqa: PLC0415 - the same
    from mock_atoms.openapi import describe  # noqa: PLC0415 - the same

    # What tenants hold and what befalls them does not show in the document.
    document = describe(vendor_app(MockAtoms(Settings()).repositories, documented=True), settings.base_path)
    print(json.dumps(document, ensure_ascii=False, indent=2), file=out, flush=True)
    return EXIT_OK


def _healthcheck(settings: Settings, err: TextIO) -> int:
    host = reachable_host(settings.host)
    try:
        with contextlib.closing(_connection(settings, host)) as connection:
            connection.request("GET", "/__admin/health")
            answer = json.loads(connection.getresponse().read())
        if answer["status"] == "healthy":
            return EXIT_OK
        reason = f"it says {answer['status']!r}"
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        reason = str(error) or type(error).__name__
    print(f"mock-atoms: {host}:{settings.port} is not healthy: {reason}", file=err)
    return EXIT_FAILED


def _connection(settings: Settings, host: str) -> http.client.HTTPConnection:
    if settings.scheme == "http":
        return http.client.HTTPConnection(host, settings.port, timeout=_HEALTH_TIMEOUT_SECONDS)
    context = ssl.create_default_context()
    # It is asked whether it is up, not who it is; nothing secret is sent.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, settings.port, timeout=_HEALTH_TIMEOUT_SECONDS, context=context)
