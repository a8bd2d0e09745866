"""The pytest plugin: a mock server for each session, a token for each test, and the journal in the report of a failure.

Nothing of the server is imported before a test asks for it.
"""

import os
import re
from collections.abc import Generator, Iterator, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from smallestai.environment import SmallestAIEnvironment

    from mock_atoms.core.settings import Settings
    from mock_atoms.testing.client import MockClient

_URL = "--mock-atoms-url"
_URL_VARIABLE = "MOCK_ATOMS_URL"
_MARKER = "atoms_fault"
_FIXTURE = "mock_atoms"
_MOST_LINES = 50
_LONGEST_NAME = 40
_HEALTH_SECONDS = 10.0
_BOUND = pytest.StashKey["MockClient"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--mock-atoms-url`."""
    parser.getgroup("mock-atoms").addoption(
        _URL,
        metavar="URL",
        default=os.environ.get(_URL_VARIABLE) or None,
        help="use the mock server that runs at URL, such as http://127.0.0.1:28667, and start none "
        f"[{_URL_VARIABLE}; its control API's token is taken from MOCK_ATOMS_ADMIN_TOKEN]",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tell of the marker."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(fault, *, method=None, path=None, token=None): "
        "let a fault such as '500x2' strike what this test sends with its own token",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse to begin where `--mock-atoms-url` leads nowhere."""
    client = _elsewhere(session.config)
    if client is not None and not hasattr(session.config, "workerinput") and not session.config.option.collectonly:
        try:
            client.wait_until_healthy(_HEALTH_SECONDS)
        except RuntimeError as error:
            raise pytest.UsageError(f"{_URL}: {error}") from None


def _elsewhere(config: pytest.Config) -> "MockClient | None":
    url = config.getoption(_URL)
    if url is None:
        return None
    from mock_atoms.testing.client import MockClient  # noqa: PLC0415 - who does not use it does not pay

    try:
        return MockClient(
            url,
            admin_token=os.environ.get("MOCK_ATOMS_ADMIN_TOKEN") or None,
            ca_file=os.environ.get("SSL_CERT_FILE") or None,
        )
    except ValueError as error:
        raise pytest.UsageError(f"{_URL}: {error}") from None


@pytest.fixture(scope="session")
def mock_atoms_settings() -> "Settings | Mapping[str, Any]":
    """Settings of the session's server, by field name. Override it to have others; a server elsewhere has its own."""
    return {}


@pytest.fixture(scope="session")
def mock_atoms_server(
    request: pytest.FixtureRequest, mock_atoms_settings: "Settings | Mapping[str, Any]"
) -> Iterator["MockClient"]:
    """A mock server for all tests of the session: one in a thread of its own, or that of `--mock-atoms-url`.

    What is asked of it means everybody, where a token is not named.
    """
    elsewhere = _elsewhere(request.config)
    if elsewhere is not None:
        yield elsewhere
        return
    from mock_atoms.core.settings import Settings  # noqa: PLC0415 - who does not use it does not pay
    from mock_atoms.testing.server import MockServer  # noqa: PLC0415 - the same

    settings = mock_atoms_settings
    with MockServer(settings) if isinstance(settings, Settings) else MockServer(**settings) as server:
        yield server


@pytest.fixture
def mock_atoms_token(request: pytest.FixtureRequest) -> str:
    """A token that is this test's alone, the same in each run. The log shows the test's name in it."""
    return token_of(request.node.nodeid)


@pytest.fixture
def mock_atoms(
    request: pytest.FixtureRequest, mock_atoms_server: "MockClient", mock_atoms_token: str
) -> Iterator["MockClient"]:
    """The mock server as this test has it: begun anew, and what is asked of it means this test's token."""
    client = mock_atoms_server.of(mock_atoms_token)
    if request.config.getoption(_URL) is None:
        mock_atoms_server.reset()
    else:
        client.reset()  # others may be using it
    for marker in reversed([*request.node.iter_markers(_MARKER)]):
        client.fail(*marker.args, **marker.kwargs)
    request.node.stash[_BOUND] = client
    yield client
    client.clear_faults()
    client.reset()


@pytest.fixture
def mock_atoms_sdk_environment(mock_atoms: "MockClient", monkeypatch: pytest.MonkeyPatch) -> "SmallestAIEnvironment":
    """The environment that points the official SDK at the mock: `SmallestAI(api_key=…, environment=…)`.

    The variables that the SDK's helpers read point there too, and its telemetry is off.
    """
    monkeypatch.setenv("SMALLEST_API_KEY", str(mock_atoms.token))
    monkeypatch.setenv("SMALLEST_BASE_URL", mock_atoms.url)
    monkeypatch.setenv("SMALLESTAI_TELEMETRY", "0")
    return mock_atoms.sdk_environment()


def token_of(nodeid: str) -> str:
    """Return the token of the test `nodeid`: its name, as far as a token can have it, and what tells it from others."""
    name = nodeid.rpartition("::")[2]
    word = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:_LONGEST_NAME]
    return f"sk_mock_test.{word}.{blake2b(nodeid.encode(), digest_size=6).hexdigest()}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a fault that could not strike."""
    if item.get_closest_marker(_MARKER) and _FIXTURE not in getattr(item, "fixturenames", ()):
        pytest.fail(f"@pytest.mark.{_MARKER} needs the fixture {_FIXTURE}, or one that uses it", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failure what the test's client sent."""
    report = yield
    client = item.stash.get(_BOUND, None)
    if report.failed and client is not None and call.when != "teardown":
        report.sections.append(("mock-atoms: what was sent", what_was_sent(client)))
    return report


def what_was_sent(client: "MockClient") -> str:
    """Return for people what was sent of those whom `client` means, and what was wrong with their retries."""
    from mock_atoms.core.masking import mask_token  # noqa: PLC0415 - as above
    from mock_atoms.testing.client import ControlError  # noqa: PLC0415 - the same

    try:
        requests, retries = client.requests(), client.retries()
    except ControlError as error:
        return str(error)
    if not requests:
        return f"nothing with the token of this test, {mask_token(client.token or '')}"
    left_out = [f"… {len(requests) - _MOST_LINES} before these"] if len(requests) > _MOST_LINES else []
    lines = [*left_out, *map(str, requests[-_MOST_LINES:])]
    lines += [f"! {finding['kind']}: {finding['detail']}" for finding in retries.findings]
    return "\n".join(lines)
