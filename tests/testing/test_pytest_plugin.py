"""The plugin from outside: runs of pytest in processes of their own."""

from pathlib import Path

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.core.masking import mask_token
from mock_atoms.testing.pytest_plugin import token_of

USERS_TESTS = Path(__file__).with_name("user_tests_sample.py").read_text(encoding="utf-8")
PASSING = 13
ALONE = ("-p", "mock_atoms.testing.pytest_plugin", "-p", "xdist", "-p", "no:cacheprovider", "-W", "error", "-ra")


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> "Run":
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return Run(pytester)


class Run:
    """Runs tests with our plugin and xdist, and no others."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester

    def __call__(self, tests: str, *args: str, conftest: str = "") -> pytest.RunResult:
        self._pytester.makepyfile(test_users=tests)
        if conftest:
            self._pytester.makeconftest(conftest)
        return self._pytester.runpytest_subprocess(*ALONE, *args)


@pytest.mark.parametrize("parallel", ["0", "4"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_users_tests_pass(run: Run, parallel: str, *, elsewhere: bool) -> None:
    if not elsewhere:
        run(USERS_TESTS, "-n", parallel).assert_outcomes(passed=PASSING)
        return
    with MockServer() as server:
        run(USERS_TESTS, "-n", parallel, "--mock-atoms-url", server.url).assert_outcomes(passed=PASSING)
        assert {request.tenant for request in server.requests()} == {mask_token("sk_mock_test.other")}
        assert httpx.get(f"{server.root_url}/__admin/faults").json() == {"faults": []}


def test_the_plugin_is_found_by_itself(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(mock_atoms): assert mock_atoms.url.endswith('/atoms/v1')")
    pytester.runpytest_subprocess("-p", "no:schemathesis").assert_outcomes(passed=1)


def test_who_does_not_use_it_imports_nothing_of_it(run: Run) -> None:
    tests = """
        import sys

        def test_imports():
            ours = {name for name in sys.modules if name.startswith("mock_atoms")}
            expected = {"mock_atoms", "mock_atoms.core", "mock_atoms.core.version", "mock_atoms.testing"}
            assert ours == expected | {"mock_atoms.testing.pytest_plugin"}
            assert not {"fastapi", "faker", "pydantic", "uvicorn"} & set(sys.modules)
    """
    run(tests).assert_outcomes(passed=1)


def test_settings_can_be_chosen(run: Run) -> None:
    conftest = """
        import pytest

        @pytest.fixture(scope="session")
        def mock_atoms_settings():
            return {"base_path": "/x"}
    """
    run("def test_it(mock_atoms): assert mock_atoms.url.endswith('/x')", conftest=conftest).assert_outcomes(passed=1)
    whole = conftest.replace('{"base_path": "/x"}', 'Settings(base_path="/", port=0)')
    whole = whole.replace("import pytest", "import pytest\n        from mock_atoms import Settings")
    tests = "def test_it(mock_atoms): assert mock_atoms.url == mock_atoms.root_url"
    run(tests, conftest=whole).assert_outcomes(passed=1)


def test_the_report_of_a_failure_shows_what_was_sent(run: Run) -> None:
    tests = """
        import httpx
        import pytest

        def listed(mock, body=None):
            headers = {"Authorization": f"Bearer {mock.token}"}
            return httpx.request("GET", f"{mock.url}/audience?page=2", headers=headers, content=body).status_code

        @pytest.mark.atoms_fault("429+retry60x1")
        def test_it_gives_up(mock_atoms):
            assert [listed(mock_atoms), listed(mock_atoms, b"{}")] == [200, 200]

        def test_it_does_nothing(mock_atoms):
            assert not mock_atoms.token

        def test_it_does_much(mock_atoms):
            assert not [listed(mock_atoms) for _ in range(60)]

        @pytest.fixture
        def client(mock_atoms):
            listed(mock_atoms)
            raise ValueError("no client")

        def test_it_is_not_even_called(client): ...

        def test_it_passes(mock_atoms): listed(mock_atoms)
    """
    told = run(tests)
    told.assert_outcomes(failed=3, errors=1, passed=1)
    told.stdout.fnmatch_lines(
        [
            "*no client*",
            "*- mock-atoms: what was sent -*",
            "??:??:??.??? GET /atoms/v1/audience?page=2 → 200 in * ms",
            "*- mock-atoms: what was sent -*",
            "??:??:??.??? GET /atoms/v1/audience?page=2 → 429 in * ms fault=rule-*",
            "??:??:??.??? GET /atoms/v1/audience?page=2 → 200 in * ms body=2 bytes",
            "*- mock-atoms: what was sent -*",
            "nothing with the token of this test, sk_mock_test.test_it_does_nothing.????????????",
            "*- mock-atoms: what was sent -*",
            "… 10 before these",
        ]
    )
    assert told.stdout.str().count("mock-atoms: what was sent") == 4


def test_a_report_without_a_server_says_so(run: Run) -> None:
    tests = "def test_it(mock_atoms_server, mock_atoms):\n    mock_atoms_server.stop()\n    assert False"
    told = run(tests)
    told.assert_outcomes(failed=1, errors=1)
    told.stdout.fnmatch_lines(["*- mock-atoms: what was sent -*", "no mock server answers at http://127.0.0.1:*"])


def test_a_fault_without_the_fixture_is_an_error(run: Run) -> None:
    told = run("import pytest\n@pytest.mark.atoms_fault('500')\ndef test_it(): ...")
    told.assert_outcomes(errors=1)
    told.stdout.fnmatch_lines(["*@pytest.mark.atoms_fault needs the fixture mock_atoms, or one that uses it*"])


def test_a_fault_that_is_none_is_an_error(run: Run) -> None:
    told = run("import pytest\n@pytest.mark.atoms_fault('5oo')\ndef test_it(mock_atoms): ...")
    told.assert_outcomes(errors=1)
    told.stdout.fnmatch_lines(["*POST /faults: 422: cannot be used: /fault: '5oo' is no fault*"])


def test_a_url_that_leads_nowhere_ends_the_session(run: Run) -> None:
    told = run("def test_it(): ...", "--mock-atoms-url", "localhost:1")
    assert told.ret == pytest.ExitCode.USAGE_ERROR
    told.stderr.fnmatch_lines(
        ["*--mock-atoms-url: 'localhost:1' is no base URL: give one such as http://127.0.0.1:28667*"]
    )
    with MockServer() as server:
        nowhere = server.url
    impatient = "import mock_atoms.testing.pytest_plugin\nmock_atoms.testing.pytest_plugin._HEALTH_SECONDS = 0"
    told = run("def test_it(): ...", "--mock-atoms-url", nowhere, conftest=impatient)
    assert told.ret == pytest.ExitCode.USAGE_ERROR
    assert run("def test_it(): ...", "--mock-atoms-url", nowhere, "--collect-only").ret == pytest.ExitCode.OK
    told.stderr.fnmatch_lines([f"*--mock-atoms-url: no mock server answers at {nowhere.removesuffix('/atoms/v1')}: *"])


def test_a_server_elsewhere_may_want_a_token_and_speak_tls(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with MockServer(admin_token="verysecret", tls="self-signed") as server:
        monkeypatch.setenv("MOCK_ATOMS_URL", server.url)
        monkeypatch.setenv("MOCK_ATOMS_ADMIN_TOKEN", "verysecret")
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        run("def test_it(mock_atoms): assert mock_atoms.requests() == []").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("nodeid", "shown"),
    [
        ("tests/test_a.py::test_it", "sk_mock_test.test_it."),
        ("tests/test_b.py::TestIt::test_it[ä-1]", "sk_mock_test.test_it_1."),
        (f"test_c.py::test_{'x' * 100}", f"sk_mock_test.test_{'x' * 35}."),
    ],
)
def test_a_token_tells_the_test(nodeid: str, shown: str) -> None:
    token = token_of(nodeid)
    assert token.startswith(shown)
    assert mask_token(token) == token
    assert token != token_of(f"other/{nodeid}")
