"""The pytest plugin, each time in a new pytest process."""

from pathlib import Path

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.core.masking import mask_token
from mock_atoms.testing.pytest_plugin import token_of
from tests.testing.test_proxies import PROXY_VARIABLES

pytestmark = pytest.mark.alone("each test runs a pytest process, which starts a server of its own")

USER_TESTS = Path(__file__).with_name("user_tests_sample.py").read_text(encoding="utf-8")
USER_TEST_COUNT = 14
ONLY_OUR_PLUGIN = (
    *("-p", "mock_atoms.testing.pytest_plugin", "-p", "xdist", "-p", "no:cacheprovider"),
    *("-W", "error", "-ra"),
)


class Run:
    """Runs tests with our plugin and xdist, without other plugins."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester

    def __call__(self, tests: str, *args: str, conftest: str = "") -> pytest.RunResult:
        self._pytester.makepyfile(test_users=tests)
        if conftest:
            self._pytester.makeconftest(conftest)
        return self._pytester.runpytest_subprocess(*ONLY_OUR_PLUGIN, *args)


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return Run(pytester)


@pytest.mark.parametrize("workers", ["0", pytest.param("4", marks=pytest.mark.slow)])
@pytest.mark.parametrize("is_external", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_tests_of_users_pass(run: Run, workers: str, *, is_external: bool) -> None:
    if not is_external:
        run(USER_TESTS, "-n", workers).assert_outcomes(passed=USER_TEST_COUNT)
        return
    with MockServer() as server:
        run(USER_TESTS, "-n", workers, "--mock-atoms-url", server.url).assert_outcomes(passed=USER_TEST_COUNT)
        assert {request.tenant for request in server.requests()} == {mask_token("sk_mock_test.other")}
        assert httpx.get(f"{server.root_url}/__admin/faults").json() == {"faults": []}


@pytest.mark.slow
def test_pytest_finds_the_plugin(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(mock_atoms): assert mock_atoms.url.endswith('/atoms/v1')")
    pytester.runpytest_subprocess("-p", "no:schemathesis").assert_outcomes(passed=1)


def test_a_session_without_the_mock_imports_only_the_plugin(run: Run) -> None:
    tests = """
        import sys

        def test_imports():
            imported = {name for name in sys.modules if name.startswith("mock_atoms")}
            expected = {"mock_atoms", "mock_atoms.core", "mock_atoms.core.version", "mock_atoms.testing"}
            assert imported == expected | {"mock_atoms.testing.pytest_plugin"}
            assert not {"fastapi", "faker", "pydantic", "uvicorn"} & set(sys.modules)
    """
    run(tests).assert_outcomes(passed=1)


@pytest.mark.slow
def test_a_fixture_overrides_the_settings(run: Run) -> None:
    conftest = """
        import pytest
        from mock_atoms import Settings

        @pytest.fixture(scope="session")
        def mock_atoms_settings():
            return {}
    """
    by_field = conftest.replace("{}", '{"base_path": "/x"}')
    run("def test_it(mock_atoms): assert mock_atoms.url.endswith('/x')", conftest=by_field).assert_outcomes(passed=1)
    complete = conftest.replace("{}", 'Settings(base_path="/", port=0)')
    tests = "def test_it(mock_atoms): assert mock_atoms.url == mock_atoms.root_url"
    run(tests, conftest=complete).assert_outcomes(passed=1)


@pytest.mark.slow
def test_the_report_of_a_failure_lists_the_requests(run: Run) -> None:
    tests = """
        import httpx
        import pytest

        def list_status(mock, body=None):
            headers = {"Authorization": f"Bearer {mock.token}"}
            return httpx.request("GET", f"{mock.url}/audience?page=2", headers=headers, content=body).status_code

        @pytest.mark.atoms_fault("429+retry60x1")
        def test_that_retries_early(mock_atoms):
            assert [list_status(mock_atoms), list_status(mock_atoms, b"{}")] == [200, 200]

        def test_without_requests(mock_atoms):
            assert not mock_atoms.token

        def test_with_60_requests(mock_atoms):
            assert not [list_status(mock_atoms) for _ in range(60)]

        @pytest.fixture
        def client(mock_atoms):
            list_status(mock_atoms)
            raise ValueError("no client")

        def test_whose_fixture_fails(client): ...

        def test_that_passes(mock_atoms): list_status(mock_atoms)
    """
    result = run(tests)
    result.assert_outcomes(failed=3, errors=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "*no client*",
            "*- mock-atoms: requests of this test -*",
            "??:??:??.??? GET /atoms/v1/audience?page=2 → 200 in * ms",
            "*- mock-atoms: requests of this test -*",
            "??:??:??.??? GET /atoms/v1/audience?page=2 → 429 in * ms fault=rule-*",
            "??:??:??.??? GET /atoms/v1/audience?page=2 → 200 in * ms body=2 bytes",
            "! unknown-parameter: GET /audience page `2`, 2 times: the operation has no parameters (S)",
            "*- mock-atoms: requests of this test -*",
            (
                "no requests with this test's token, sk_mock_test.test_without_requests.????????????: "
                "0 requests without a valid token, 0 with other tokens"
            ),
            "*- mock-atoms: requests of this test -*",
            "… 10 earlier requests",
        ]
    )
    assert result.stdout.str().count("mock-atoms: requests of this test") == 4


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("workers", ["0", "2"])
def test_requests_bypass_the_proxy_of_the_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch, workers: str, variable: str
) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    tests = """
        import httpx

        def test_it(mock_atoms):
            headers = {"Authorization": f"Bearer {mock_atoms.token}"}
            assert httpx.get(f"{mock_atoms.url}/audience", headers=headers).status_code == 200
    """
    run(tests, "-n", workers).assert_outcomes(passed=1)
    with MockServer() as server:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name)
        run(tests, "-n", workers, "--mock-atoms-url", server.url).assert_outcomes(passed=1)


def test_the_report_of_a_failure_names_a_proxy_and_counts_only_requests_of_the_test(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    tests = """
        import httpx

        def test_it(mock_atoms, monkeypatch):
            for path in ("/favicon.ico", "/", "/atoms/v1/health", "/robots.txt", "/.well-known/x.json"):
                httpx.get(mock_atoms.root_url + path)
            mock_atoms.stub("GET", "/agent/7")
            for path in ("/atoms/v1/agent/7", "/audience"):
                httpx.get(mock_atoms.root_url + path)
            httpx.get(mock_atoms.root_url + "/audience", headers={"Authorization": "Basic x"})
            httpx.get(mock_atoms.url + "/audience")
            for token in ("sk_other", "sk_mock_revoked"):
                httpx.get(mock_atoms.url + "/audience", headers={"Authorization": f"Bearer {token}"})
            monkeypatch.setenv("HTTP_PROXY", "http://user:secret@127.0.0.1:9")
            assert False
    """
    result = run(tests)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            (
                "no requests with this test's token, sk_mock_test.test_it.????????????: "
                "5 requests without a valid token, 1 with other tokens"
            ),
            "the latest of them, with sk_mock_revoked: * GET /atoms/v1/audience → 401 in * ms *",
            "HTTP_PROXY may have led the requests to a proxy: add 127.0.0.1 to NO_PROXY",
        ]
    )


def test_the_report_of_a_failure_names_the_markers_whose_fault_never_triggered(run: Run) -> None:
    tests = """
        import httpx
        import pytest

        def send(mock, token):
            return httpx.get(f"{mock.url}/audience", headers={"Authorization": f"Bearer {token}"}).status_code

        @pytest.mark.atoms_fault("500x1")
        def test_with_another_token(mock_atoms):
            assert send(mock_atoms, "sk_other") == 500

        @pytest.mark.atoms_fault("503x1")
        @pytest.mark.atoms_fault({"respond": {"status": 500}, "match": {"token": "sk_live_verysecret"}})
        @pytest.mark.atoms_fault("502", path="/user")
        def test_with_its_token(mock_atoms):
            mock_atoms.fail("501", path="/user")
            assert send(mock_atoms, mock_atoms.token) == 200

        @pytest.mark.atoms_fault("500")
        def test_without_its_rule(mock_atoms):
            mock_atoms.clear_faults()
            assert False
    """
    result = run(tests)
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "no requests with this test's token, *: 0 requests without a valid token, 1 with other tokens",
            "! @pytest.mark.atoms_fault('500x1') never triggered",
            "??:??:??.??? GET /atoms/v1/audience → 503 in * ms fault=rule-*",
            "! @pytest.mark.atoms_fault({'respond': {'status': 500}, 'match': {'token': 'sk_live_v…#*) never triggered",
            "! @pytest.mark.atoms_fault('502', path='/user') never triggered",
            "no requests with this test's token, *",
        ]
    )
    assert result.stdout.str().count(" never triggered\n") == 3


def test_a_variable_that_pytest_ignores_is_a_warning(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOCK_ATOMS_FAULT", "500")
    monkeypatch.setenv("MOCK_ATOMS_CONFIG", "mock-atoms.toml")
    tests = "def test_it(mock_atoms): ..."
    result = run(tests, "-W", "default")
    result.assert_outcomes(passed=1, warnings=1)
    message = (
        "*the mock server of pytest ignores MOCK_ATOMS_FAULT, MOCK_ATOMS_CONFIG: "
        "override the fixture mock_atoms_settings"
    )
    result.stdout.fnmatch_lines([message])
    with MockServer() as server:  # the variables may be those of this server
        run(tests, "--mock-atoms-url", server.url).assert_outcomes(passed=1, warnings=0)


def test_the_report_of_a_failure_says_that_the_server_is_gone(run: Run) -> None:
    tests = "def test_it(mock_atoms_server, mock_atoms):\n    mock_atoms_server.stop()\n    assert False"
    result = run(tests)
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*- mock-atoms: requests of this test -*", "no mock server responds at http://127.0.0.1:*"]
    )


def test_a_marker_without_the_fixture_is_an_error(run: Run) -> None:
    result = run("import pytest\n@pytest.mark.atoms_fault('500')\ndef test_it(): ...")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["@pytest.mark.atoms_fault needs the fixture mock_atoms: add it to the arguments of the test"]
    )


def test_a_misspelt_variable_is_one_line_without_a_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOCK_ATOMS_ULR", "http://127.0.0.1:1")
    result = run("def test_it(mock_atoms): ...")
    result.assert_outcomes(errors=1)
    message = "environment: `MOCK_ATOMS_ULR` is not a setting. Did you mean `MOCK_ATOMS_URL`?"
    assert result.stdout.str().partition("= short test summary info =")[0].count(message) == 1


def test_an_invalid_marker_is_one_line_without_a_traceback(run: Run) -> None:
    usage = "pass one fault, such as '500x2' for 500 twice, and options by name: method, path, token, test_id"
    expected = {
        "'50o'": "@pytest.mark.atoms_fault('50o'): `50o` is not a fault. Did you mean `500`? *",
        "{'delay': {}}": "@pytest.mark.atoms_fault({'delay': {}}): /delay*: *",
        "{'match': {'token': 'sk_live_verysecret'}}": "@pytest.mark.atoms_fault({'match': {'token': 'sk_live_v…*",
        "500": '@pytest.mark.atoms_fault(500): a fault must be text such as "500", or a rule *, not `500`',
        "": f"@pytest.mark.atoms_fault(): missing a required argument: 'fault': {usage}",
        "'500', 'GET'": f"@pytest.mark.atoms_fault('500', 'GET'): too many positional arguments: {usage}",
        "'500', times=2": f"@pytest.mark.atoms_fault('500', times=2): *unexpected keyword argument 'times': {usage}",
        "'50o', token='verysecret'": "@pytest.mark.atoms_fault('50o', token='verys…#??????'): `50o` is not a fault. *",
    }
    tests = [
        f"@pytest.mark.atoms_fault({arguments})\ndef test_{number}(mock_atoms): ..."
        for number, arguments in enumerate(expected)
    ]
    result = run("\n".join(["import pytest", *tests]))
    result.assert_outcomes(errors=len(expected))
    lines = [line for message in expected.values() for line in ("*ERROR at setup of test_*", message)]
    result.stdout.fnmatch_lines([*lines, "*= short test summary info =*"])
    reported = result.stdout.str().partition("= ERRORS =")[2].partition("= short test summary info =")[0]
    assert len(reported.splitlines()) == 2 + 2 * len(expected)


def test_a_rejected_marker_leaves_no_rule_on_an_external_server(run: Run) -> None:
    tests = """
        import pytest

        @pytest.mark.atoms_fault("500", token="sk_mock_test.other")
        @pytest.mark.atoms_fault("50o")
        def test_it(mock_atoms): ...
    """
    with MockServer() as server:
        run(tests, "--mock-atoms-url", server.url).assert_outcomes(errors=1)
        assert server.control.call("GET", "/faults") == {"faults": []}


@pytest.mark.parametrize("token", [token_of("test_users.py::test_it"), "sk_live_verysecret"])
def test_a_test_starts_without_the_stubs_of_an_interrupted_session(run: Run, token: str) -> None:
    tests = f"""
        import httpx
        import pytest

        @pytest.fixture
        def mock_atoms_token(): return "{token}"

        def test_it(mock_atoms):
            headers = {{"Authorization": "Bearer {token}"}}
            assert httpx.get(f"{{mock_atoms.url}}/audience", headers=headers).json()["status"] is True
    """
    with MockServer() as server:
        server.for_tenant(token).stub("GET", "/audience", json={"status": "old"})
        server.for_tenant(token, "t1").stub("GET", "/audience")
        others = [server.stub("GET", "/a", token="sk_mock_test.other"), server.stub("GET", "/b")]
        others.append(server.stub("GET", "/c", request={"headers": {"X-A": {"absent": True}}}))
        others.append(server.control.call("POST", "/mappings", {"request": {"url": "/d", "headers": None}})["id"])
        run(tests, "--mock-atoms-url", server.url).assert_outcomes(passed=1)
        assert {stub["id"] for stub in server.control.call("GET", "/mappings")["mappings"]} == {*others}


def test_a_server_that_does_not_respond_stops_the_session(run: Run) -> None:
    result = run("def test_it(): ...", "--mock-atoms-url", "localhost:1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*--mock-atoms-url: `localhost:1` is not a base URL: use one such as http://127.0.0.1:28667*"]
    )
    with MockServer() as server:
        url = server.url
    impatient = "import mock_atoms.testing.pytest_plugin\nmock_atoms.testing.pytest_plugin._HEALTH_SECONDS = 0"
    result = run("def test_it(): ...", "--mock-atoms-url", url, conftest=impatient)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    root_url = url.removesuffix("/atoms/v1")
    result.stderr.fnmatch_lines([f"*--mock-atoms-url: no mock server responds at {root_url}: *"])
    assert run("def test_it(): ...", "--mock-atoms-url", url, "--collect-only").ret == pytest.ExitCode.OK


def test_an_external_server_may_have_an_admin_token_and_tls(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with MockServer(admin_token="verysecret", tls="self-signed") as server:
        monkeypatch.setenv("MOCK_ATOMS_URL", server.url)
        monkeypatch.setenv("MOCK_ATOMS_ADMIN_TOKEN", "verysecret")
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        run("def test_it(mock_atoms): assert mock_atoms.requests() == []").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("nodeid", "start"),
    [
        ("tests/test_a.py::test_it", "sk_mock_test.test_it."),
        ("tests/test_b.py::TestIt::test_it[ä-1]", "sk_mock_test.test_it_1."),
        (f"test_c.py::test_{'x' * 100}", f"sk_mock_test.test_{'x' * 35}."),
    ],
)
def test_a_token_has_the_name_of_its_test(nodeid: str, start: str) -> None:
    token = token_of(nodeid)
    assert token.startswith(start)
    assert mask_token(token) == token
    assert token != token_of(f"other/{nodeid}")


@pytest.mark.parametrize("is_enabled", [True, False])
def test_the_session_server_restores_garbage_collection(run: Run, *, is_enabled: bool) -> None:
    conftest = f"import gc\nassert gc.isenabled()\n{'' if is_enabled else 'gc.disable()'}"
    tests = f"import gc\ndef test_it(mock_atoms): assert gc.isenabled() is {is_enabled}"
    run(tests, conftest=conftest).assert_outcomes(passed=1)


def test_pytest_does_not_rewrite_the_modules_of_the_server(run: Run) -> None:
    conftest = "import pytest\npytest.register_assert_rewrite('mock_atoms.control')"
    tests = """
        import sys
        from _pytest.assertion.rewrite import AssertionRewritingHook

        def test_it(mock_atoms):
            loader = type(sys.modules["mock_atoms.control.app"].__loader__)
            assert loader is not AssertionRewritingHook
            assert type(sys.modules["mock_atoms.testing.pytest_plugin"].__loader__) is AssertionRewritingHook
            assert type(sys.meta_path[0]) is AssertionRewritingHook
    """
    run(tests, conftest=conftest).assert_outcomes(passed=1)
