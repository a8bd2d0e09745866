"""The pytest plugin: one mock server per session, one token per test, and its requests in the report of a failure.

It imports nothing of the server before a test requests a fixture.
"""

import gc
import inspect
import os
import re
import sys
import warnings
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from smallestai.environment import SmallestAIEnvironment

    from mock_atoms.core.settings import Settings
    from mock_atoms.testing.client import MockClient
    from mock_atoms.testing.server import MockServer

_URL_OPTION = "--mock-atoms-url"
_URL_VARIABLE = "MOCK_ATOMS_URL"
_MARKER = "atoms_fault"
_FIXTURE = "mock_atoms"
MAX_REPORTED_REQUESTS = 50
_MAX_NAME_LENGTH = 40
_HEALTH_SECONDS = 10.0
_PROBED_PATH = re.compile(
    r"/|/\.well-known/.*|(.*/)?(favicon\.\w+|apple-touch-icon[\w-]*\.png|robots\.txt|health\w*|live(z|ness)?|ready(z|ness)?)"
)
"""Paths that browsers and health probes request on their own. The report leaves these requests out."""
_REPORTED = pytest.StashKey[tuple["MockClient", "MockClient", Mapping[str, str]]]()
"""The arguments of `request_report`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--mock-atoms-url`."""
    parser.getgroup("mock-atoms").addoption(
        _URL_OPTION,
        metavar="URL",
        default=os.environ.get(_URL_VARIABLE) or None,
        help="use the running mock server at URL, such as http://127.0.0.1:28667, instead of starting one "
        f"[{_URL_VARIABLE}; the token of its control API is read from MOCK_ATOMS_ADMIN_TOKEN]",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(fault, *, method=None, path=None, token=None, test_id=None): "
        "apply a fault such as '500x2' to the requests that this test sends with its own token",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    """Stop the session if no server responds at `--mock-atoms-url`."""
    client = _external_server(session.config)
    if client is not None and not hasattr(session.config, "workerinput") and not session.config.option.collectonly:
        try:
            client.wait_until_healthy(_HEALTH_SECONDS)
        except RuntimeError as error:
            raise pytest.UsageError(f"{_URL_OPTION}: {error}") from None


def _external_server(config: pytest.Config) -> "MockClient | None":
    """Return a client of the server at `--mock-atoms-url`, or `None` if the option is not set."""
    url = config.getoption(_URL_OPTION)
    if url is None:
        return None
    from mock_atoms.testing.client import MockClient  # noqa: PLC0415 - sessions without the mock do not import it

    try:
        return MockClient(
            url,
            admin_token=os.environ.get("MOCK_ATOMS_ADMIN_TOKEN") or None,
            ca_file=os.environ.get("SSL_CERT_FILE") or None,
        )
    except ValueError as error:
        raise pytest.UsageError(f"{_URL_OPTION}: {error}") from None


@pytest.fixture(scope="session")
def mock_atoms_settings() -> "Settings | Mapping[str, Any]":
    """Settings of the session's server, by field name. Override it to change them."""
    return {}


@pytest.fixture(scope="session")
def mock_atoms_server(
    request: pytest.FixtureRequest, mock_atoms_settings: "Settings | Mapping[str, Any]"
) -> Iterator["MockClient"]:
    """The mock server of the session, in a thread or at `--mock-atoms-url`. Queries default to all tokens."""
    external = _external_server(request.config)
    if external is not None:
        from mock_atoms.testing.proxies import without_proxy  # noqa: PLC0415 - as above

        with without_proxy(urlsplit(external.root_url).hostname or ""):
            yield external
        return
    with ExitStack() as stack:
        with _fast_imports():
            server = stack.enter_context(_server(mock_atoms_settings))
            server.wait_until_healthy()  # imports the control API
        yield server


def _server(settings: "Settings | Mapping[str, Any]") -> "MockServer":
    """Return the server of the session, which is not started."""
    from mock_atoms.core.parsing import ConfigError  # noqa: PLC0415 - as above
    from mock_atoms.core.setting_sources import setting_variables  # noqa: PLC0415 - as above
    from mock_atoms.core.settings import Settings  # noqa: PLC0415 - as above
    from mock_atoms.testing.server import MockServer  # noqa: PLC0415 - as above

    try:
        ignored = setting_variables(os.environ)  # a misspelt MOCK_ATOMS_URL must not lead to another server
    except ConfigError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    if ignored:
        warnings.warn(
            f"the mock server of pytest ignores {', '.join(ignored)}: override the fixture mock_atoms_settings",
            pytest.PytestWarning,
            stacklevel=1,
        )
    return MockServer(settings) if isinstance(settings, Settings) else MockServer(**settings)


@contextmanager
def _fast_imports() -> Iterator[None]:
    """Import modules without garbage collection and without pytest's finder.

    Imports create no garbage, but make Python look for it. Pytest rewrites `assert` in all modules of a plugin's
    distribution, so it compiles them again in the first session after an installation.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    finder = PathFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        if was_enabled:
            gc.enable()


@pytest.fixture
def mock_atoms_token(request: pytest.FixtureRequest) -> str:
    """A token that only this test uses, the same in each run. It contains the test's name."""
    return token_of(request.node.nodeid)


@pytest.fixture(scope="session")
def _leftover_stubs(request: pytest.FixtureRequest, mock_atoms_server: "MockClient") -> dict[str, list[str]]:
    """Ids of the stubs on the server of `--mock-atoms-url`, by the value of `Authorization` that they require.

    An interrupted session leaves those of its tokens, which are the same in each run.
    """
    ids: dict[str, list[str]] = {}
    if request.config.getoption(_URL_OPTION) is not None:
        for stub in mock_atoms_server.control.call("GET", "/mappings")["mappings"]:
            condition = (stub["request"].get("headers") or {}).get("Authorization", {})
            ids.setdefault(str(condition.get("equalTo")), []).append(stub["id"])
    return ids


@pytest.fixture
def mock_atoms(
    request: pytest.FixtureRequest,
    mock_atoms_server: "MockClient",
    mock_atoms_token: str,
    _leftover_stubs: dict[str, list[str]],
) -> Iterator["MockClient"]:
    """The mock server, reset before each test. Queries default to this test's token."""
    client = mock_atoms_server.for_tenant(mock_atoms_token)
    if request.config.getoption(_URL_OPTION) is None:
        mock_atoms_server.reset()
    else:
        client.reset()  # other sessions may share the server
        from mock_atoms.core.masking import mask_token  # noqa: PLC0415 - as above
        from mock_atoms.testing.control_api import delete_all  # noqa: PLC0415 - as above

        delete_all(_leftover_stubs.get(f"Bearer {mask_token(mock_atoms_token)}", []), client.remove_stub)
    markers: dict[str, str] = {}
    try:
        for marker in reversed([*request.node.iter_markers(_MARKER)]):
            problem = _add_fault(client, marker, markers)
            if problem is not None:
                pytest.fail(problem, pytrace=False)
        request.node.stash[_REPORTED] = client, mock_atoms_server, markers
        yield client
    finally:
        client.clear_faults()
        client.remove_stub()
        client.reset()


def _token_of(marker: pytest.Mark) -> str | None:
    """Return the token that the rule of a marker matches, if it names one."""
    rule = marker.args[0] if marker.args else None
    match = rule.get("match") if isinstance(rule, Mapping) else None
    token = marker.kwargs.get("token", match.get("token") if isinstance(match, Mapping) else None)
    return token if isinstance(token, str) else None


def _add_fault(client: "MockClient", marker: pytest.Mark, markers: dict[str, str]) -> str | None:
    """Add the fault rule of a marker, and the marker by the id of the rule to `markers`.

    Returns:
        What is wrong with the marker, or `None`.
    """
    from mock_atoms.core.masking import show_text  # noqa: PLC0415 - as above
    from mock_atoms.testing.control_api import ControlError  # noqa: PLC0415 - as above

    arguments = [*map(repr, marker.args), *(f"{name}={value!r}" for name, value in marker.kwargs.items())]
    text = f"@pytest.mark.{_MARKER}({show_text(', '.join(arguments), token=_token_of(marker))})"
    signature = inspect.signature(client.fail)
    try:
        signature.bind(*marker.args, **marker.kwargs)
    except TypeError as error:
        names = [name for name, parameter in signature.parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]
        problem = f"{error}: pass one fault, such as '500x2' for 500 twice, and options by name: {', '.join(names)}"
        return f"{text}: {problem}"
    try:
        markers[client.fail(*marker.args, **marker.kwargs)] = text
    except (ControlError, TypeError) as error:
        problem = error.detail.removeprefix("/fault: ") if isinstance(error, ControlError) else str(error)
        return f"{text}: {problem}"
    return None


@pytest.fixture
def mock_atoms_sdk_environment(mock_atoms: "MockClient", monkeypatch: pytest.MonkeyPatch) -> "SmallestAIEnvironment":
    """The environment that points the official SDK at the mock: `SmallestAI(api_key=…, environment=…)`.

    It also sets the variables that the SDK's helpers read, and disables the SDK's telemetry.
    """
    from mock_atoms.testing.sdk import helper_variables  # noqa: PLC0415 - as above

    for name, value in helper_variables(mock_atoms.url, mock_atoms.token).items():
        monkeypatch.setenv(name, value)
    return mock_atoms.sdk_environment()


@pytest.fixture
def mock_atoms_sdk(mock_atoms: "MockClient") -> Iterator["MockClient"]:
    """The mock server, to which every `SmallestAI()` of the program under test sends this test's token."""
    with mock_atoms.redirect_sdk():
        yield mock_atoms


def token_of(nodeid: str) -> str:
    """Return the token of the test `nodeid`: a readable part of its name, and a digest that makes it unique."""
    name = nodeid.rpartition("::")[2]
    word = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:_MAX_NAME_LENGTH]
    return f"sk_mock_test.{word}.{blake2b(nodeid.encode(), digest_size=6).hexdigest()}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test with the marker but without the fixture, because the fault could not match any request."""
    if item.get_closest_marker(_MARKER) and _FIXTURE not in getattr(item, "fixturenames", ()):
        message = f"@pytest.mark.{_MARKER} needs the fixture {_FIXTURE}: add it to the arguments of the test"
        pytest.fail(message, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the requests of a failed test to its report."""
    report = yield
    reported = item.stash.get(_REPORTED, None)
    if report.failed and reported is not None and call.when != "teardown":
        report.sections.append(("mock-atoms: requests of this test", request_report(*reported)))
    return report


def request_report(client: "MockClient", server: "MockClient", markers: Mapping[str, str]) -> str:
    """Return the requests of the client's tenant, one per line, and what is wrong with them.

    These are the findings of the retry report, the violations, and the markers whose fault never triggered.

    Args:
        client: a client for the tenant of the test.
        server: a client of the same server for all tenants; its requests are counted if the tenant sent none.
        markers: the markers of the test as text, by the id of the fault rule of each.
    """
    from mock_atoms.core.masking import mask_token  # noqa: PLC0415 - as above
    from mock_atoms.core.tenancy import REVOKED_TOKEN, UNAUTHENTICATED_TENANT, UNKNOWN_TOKEN  # noqa: PLC0415 - as above
    from mock_atoms.journal.exchange import UNROUTED  # noqa: PLC0415 - as above
    from mock_atoms.testing.control_api import ControlError  # noqa: PLC0415 - as above
    from mock_atoms.testing.proxies import proxy_advice  # noqa: PLC0415 - as above
    from mock_atoms.testing.retry_report import describe_dropped  # noqa: PLC0415 - as above

    try:
        requests, retries, violations = client.requests(), client.retries(), client.violations()
        others = [] if requests else server.requests()
        rules = client.control.call("GET", "/faults")["faults"] if markers else []
    except ControlError as error:
        return str(error)
    idle_ids = [rule["id"] for rule in rules if rule["id"] in markers and not rule["triggered"]]
    idle_lines = [f"! {markers[rule_id]} never triggered" for rule_id in idle_ids]
    if not requests:
        unauthenticated = UNAUTHENTICATED_TENANT.label
        counted = [
            request
            for request in others
            if request.tenant != unauthenticated
            or request.reason not in UNROUTED
            or "authorization" in request.headers
            or not _PROBED_PATH.fullmatch(request.path)
        ]
        invalid = sum(
            request.tenant == unauthenticated or request.reason in (REVOKED_TOKEN, UNKNOWN_TOKEN) for request in counted
        )
        summary = (
            f"no requests with this test's token, {mask_token(client.token or '')}: "
            f"{invalid} {'request' if invalid == 1 else 'requests'} without a valid token, "
            f"{len(counted) - invalid} with other tokens"
        )
        latest = [
            f"the latest of them, {_sender(request.tenant, unauthenticated)}: {request}" for request in counted[-1:]
        ]
        advice = proxy_advice(client.root_url)
        return "\n".join(
            [summary, *latest, *describe_dropped(retries.dropped), *([advice] if advice else []), *idle_lines]
        )
    dropped = len(requests) - MAX_REPORTED_REQUESTS
    lines = [f"… {dropped} earlier requests"] if dropped > 0 else []
    lines += map(str, requests[-MAX_REPORTED_REQUESTS:])
    lines += [f"! {finding['kind']}: {finding['detail']}" for finding in retries.findings]
    lines += [f"! {violation}" for violation in violations]
    return "\n".join([*lines, *idle_lines])


def _sender(tenant: str, unauthenticated: str) -> str:
    return "without a token" if tenant == unauthenticated else f"with {tenant}"
