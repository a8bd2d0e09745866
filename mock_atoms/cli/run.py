"""The `run` command: a program, such as a test suite, beside a server that runs as long as it does."""

import gc
import os
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mock_atoms.cli.command import EXIT_FAILED, EXIT_OK, Command, CommandParser, Invocation, add_settings
from mock_atoms.cli.program import Program, ProgramError
from mock_atoms.cli.retries import paint_report
from mock_atoms.cli.running_server import count
from mock_atoms.cli.terminal import Terminal
from mock_atoms.cli.violations import read_violations, violations_text
from mock_atoms.core.errors import StoreUnavailableError
from mock_atoms.core.masking import is_magic_key
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.printable import show_invisible
from mock_atoms.core.setting_sources import URL_VARIABLE
from mock_atoms.core.settings import Settings, variable_name

if TYPE_CHECKING:
    from mock_atoms.testing.client import MockClient
    from mock_atoms.testing.server import MockServer

DEFAULT_KEY = "sk_mock_test.run"
MAX_REPORTED_CALLS = 50
MAX_EXPLAINED_REQUESTS = 1_000
"""Number of failed requests, the latest ones, that the report looks at."""
PYTHON_PATH = Path(__file__).parent / "python_path"
_DEFAULTS = {"port": 0, "log_level": "warning"}
_SHOWN_DEFAULTS = {"port": "a free one", "log_level": "warning"}
_KEY_VARIABLE = "SMALLEST_API_KEY"
_REMOVED = (
    "the program has removed its requests by a reset or by emptying the journal, as the pytest plugin does after each "
    "test: check them in the tests, see docs/retries.md"
)
_COUNT = re.compile(rb"(?m)^mock_atoms_requests_total\{.*\} (\S+)$")
_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


def _add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit with 1 if the program succeeds but there is no report, or one with findings or violations",
    )
    add_settings(parser, defaults=_SHOWN_DEFAULTS)


def _run(invocation: Invocation) -> int:
    from mock_atoms.cli.serve import set_up_log  # noqa: PLC0415 - other commands start faster without it
    from mock_atoms.serving.listening import ListenError  # noqa: PLC0415 - the same
    from mock_atoms.testing.server import MockServer  # noqa: PLC0415 - the same

    if not invocation.wrapped:
        raise ConfigError("run: name a program after `--`, as in `mock-atoms run --fault 500x2 -- npm test`")
    settings = _settings(invocation)
    set_up_log(settings, invocation.err)
    program = Program(invocation.wrapped)
    with program.receiving_signals():
        try:
            with MockServer(settings) as server:
                gc.enable()  # the process may run for hours, see __main__
                code = program.run(program_environment(invocation.environ, server))
                has_findings = _report(server, invocation)
        except (StoreUnavailableError, ListenError) as error:
            return invocation.fail(error)
        except ProgramError as error:
            invocation.fail(error)
            return error.exit_code
    return EXIT_FAILED if code == EXIT_OK and has_findings and invocation.arguments.check else code


def _settings(invocation: Invocation) -> Settings:
    """Return the settings of the server: a free port and warnings only, unless they say something else."""
    settings = invocation.load_settings()
    if settings.workers > 1:
        raise ConfigError("--workers: run serves in one process: leave the setting out")
    defaults = {name: value for name, value in _DEFAULTS.items() if name not in settings.model_fields_set}
    return settings.model_copy(update=defaults)


def program_environment(environ: Mapping[str, str], server: "MockServer") -> dict[str, str]:
    """Return the environment of the program: clients that read one of its variables find the server."""
    from mock_atoms.testing.proxies import add_exception  # noqa: PLC0415 - other commands start faster without it
    from mock_atoms.testing.sdk import helper_variables  # noqa: PLC0415 - the same

    key = _api_key(environ.get(_KEY_VARIABLE, ""), server.settings)
    url = server.url if server.settings.base_path else f"{server.url}/"
    variables = {
        URL_VARIABLE: url,
        "ATOMS_BASE_URL": server.url,
        "ATOMS_API_URL": server.url,
        "ATOMS_API_KEY": key,
        **helper_variables(server.url, key),
    }
    if server.settings.admin_token is not None:
        variables[variable_name("admin_token")] = server.settings.admin_token
    if server.ca_file is not None:
        variables |= dict.fromkeys(_CA_VARIABLES, str(server.ca_file))
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PYTHON_PATH), environ.get("PYTHONPATH")]))
    complete = {**environ, **variables}
    add_exception(urlsplit(server.root_url).hostname or "", complete)
    return complete


def _api_key(key: str, settings: Settings) -> str:
    """Return the key of the program's clients: its own if the server accepts it and it is not secret."""
    if settings.tokens is not None:
        return key if key in settings.tokens else min(settings.tokens)
    return key if is_magic_key(key) else DEFAULT_KEY


def _report(server: "MockClient", invocation: Invocation) -> bool:
    """Print the report, and return whether `--check` fails: findings, violations, no requests or no report."""
    from mock_atoms.testing.control_api import ControlError  # noqa: PLC0415 - other commands start faster without it

    try:
        retries, violations = server.retries(), read_violations(server, {})
        received = 0 if retries.calls else _received(server)
    except ControlError as error:
        invocation.explain(f"mock-atoms: no report: {error.detail}")
        return True
    if received > retries.unattributed + retries.dropped:
        invocation.explain(f"mock-atoms: no report: {_REMOVED}")
        return True
    if not retries.calls and not retries.unattributed:
        invocation.explain(f"mock-atoms: the program sent no requests to {server.url}")
        return True
    terminal = Terminal.of(invocation.err, invocation.environ)
    notable = [call for call in retries.calls if call["findings"] or call["outcome"] != "succeeded"]
    text = replace(retries, calls=notable[:MAX_REPORTED_CALLS]).text
    invocation.explain(f"mock-atoms: {paint_report(text, terminal)}")
    if len(notable) > MAX_REPORTED_CALLS:
        invocation.explain(f"\n… {count(len(notable) - MAX_REPORTED_CALLS, 'more call')} with failures")
    has_violations = bool(violations["violations"])
    if has_violations:
        invocation.explain(f"\n{violations_text(violations, terminal)}")
    try:
        failures = unexpected_failures(server)
    except ControlError as error:
        failures = ["", f"mock-atoms: cannot explain the failed requests: {error.detail}"]
    for line in failures:
        invocation.explain(terminal.paint(show_invisible(line), "yellow" if line.startswith("  ") else ""))
    return has_violations or bool(retries.findings)


def _received(server: "MockClient") -> int:
    """Return the number of requests that the server has received. A reset keeps the metrics."""
    connection, response = server.control.open("/metrics", {}, {})
    with closing(connection):
        return sum(int(float(number)) for number in _COUNT.findall(response.read()))


def unexpected_failures(server: "MockClient") -> list[str]:
    """Return lines about the requests that failed without a fault or a stub, and why. Equal ones are one."""
    from mock_atoms.cli.causes import Causes  # noqa: PLC0415 - other commands start faster without it
    from mock_atoms.testing.client import journal_content  # noqa: PLC0415 - the same
    from mock_atoms.testing.recorded_request import RecordedRequest  # noqa: PLC0415 - the same

    query = {"failed": "true", "limit": str(MAX_EXPLAINED_REQUESTS)}
    events = journal_content(server.control.call("GET", "/requests", query=query))["requests"]
    causes = Causes(server, query)
    lines: Counter[str] = Counter()
    for event in reversed(events):
        request = RecordedRequest.from_event(event)
        if not request.faults and "stubMapping" not in event:
            line = f"{request.method} {request.path}: {request.outcome}. {' '.join(causes.of(event))}"
            nearest = causes.nearest(event)
            lines[f"{line} Nearest: {nearest}" if nearest else line] += 1
    if not lines:
        return []
    title = f"{count(lines.total(), 'request')} failed without a fault or a stub:"
    explained = [f"  {f'{number}x ' if number > 1 else ''}{line}" for line, number in lines.items()]
    more = len(explained) - MAX_REPORTED_CALLS
    return ["", title, *explained[:MAX_REPORTED_CALLS], *([f"… {more} more"] if more > 0 else [])]


RUN = Command(
    "run",
    "run a program, such as a test suite, beside a server",
    "Start a server on a free port, run a program whose clients find it, and report what they did wrong.",
    _add_arguments,
    _run,
    wraps_program=True,
)
