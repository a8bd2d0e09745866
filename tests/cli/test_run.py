import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from mock_atoms import MockServer
from mock_atoms.cli import run
from mock_atoms.core.settings import validate_settings
from mock_atoms.testing.control_api import ControlError
from tests.helpers.cli import CommandResult, run_command

LIST = """
import os, sys
from urllib.request import Request, urlopen
times, in_one_call, query = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
for number in range(times):
    headers = {"Authorization": f"Bearer {os.environ['SMALLEST_API_KEY']}", "User-Agent": str(number // in_one_call)}
    try:
        urlopen(Request(f"{os.environ['MOCK_ATOMS_URL']}/audience{query}", headers=headers)).read()
    except OSError as error:
        print(error)
"""
RunHere = Callable[..., CommandResult]
SIGNALS = """
import os, signal, time
for name in ("SIGINT", "SIGHUP", "SIGUSR1"):
    signal.signal(getattr(signal, name), lambda number, frame: print(signal.Signals(number).name, flush=True))
os.kill(os.getppid(), signal.SIGUSR1)
while True:
    time.sleep(0.01)
"""
"""Prints the signals that it receives. It sends the first one to the command, which forwards it once it is ready."""
WITH_TERMINAL = (
    "import os, sys; os.open(sys.argv[1], os.O_RDWR); os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
)


def environment(**variables: str) -> dict[str, str]:
    ours = ("MOCK_ATOMS_", "SMALLEST", "ATOMS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | variables


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "mock_atoms", "run", *args]


def run_program(*args: str, **variables: str) -> CommandResult:
    """Run the command in a process that is separate."""
    done = subprocess.run(
        command(*args), capture_output=True, text=True, check=False, timeout=60, env=environment(**variables)
    )
    return CommandResult(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch) -> Callable[..., CommandResult]:
    """Return a function that runs the command in this process, which is faster."""
    monkeypatch.setattr("mock_atoms.cli.serve.set_up_log", lambda *_: None)

    def run_in_this_process(*args: str, **variables: str) -> CommandResult:
        return run_command("run", *args, environ=environment(**variables))

    return run_in_this_process


def list_audiences(times: int, in_one_call: int = 1, query: str = "") -> list[str]:
    return ["--", sys.executable, "-c", LIST, str(times), str(in_one_call), query]


def test_a_program_finds_the_server_and_its_calls_are_reported() -> None:
    code, out, err = run_program("--fault", "500x1", *list_audiences(3, 2))
    assert (code, out) == (0, "HTTP Error 500: Internal Server Error\n")
    summary, _, call, *attempts = err.splitlines()
    assert summary == "mock-atoms: 2 calls, 3 attempts: 1 succeeded, 1 recovered; 1 finding"
    assert call == "GET /atoms/v1/audience tenant=sk_mock_test.run: recovered"
    assert len(attempts) == 3
    assert attempts[2].startswith("     ! no-backoff: ")


@pytest.mark.parametrize(("program", "expected"), [(list_audiences(2, 2), 1), (list_audiences(1), 0)])
def test_check_fails_on_findings(run_here: RunHere, program: list[str], expected: int) -> None:
    assert run_here("--check", "--fault", "500x1", *program).code == expected


def test_violations_are_reported_and_fail_the_check(run_here: RunHere) -> None:
    program = list_audiences(1, query="?limit=1")
    code, _, err = run_here(*program)
    assert (code, "\n\n1 contract violation in 1 request\nunknown-parameter: GET /audience limit" in err) == (0, True)
    assert run_here("--check", *program).code == 1


def test_failures_without_a_fault_are_explained(run_here: RunHere) -> None:
    _, _, err = run_here(*list_audiences(2, query="s"))
    why = "404. No stub matched, and the route is not one of the mocked operations."
    nearest = "Nearest: GET /atoms/v1/audience; path: expected /atoms/v1/audience, but was /atoms/v1/audiences"
    title = "2 requests failed without a fault or a stub:"
    assert err.endswith(f"\n\n{title}\n  2x GET /atoms/v1/audiences: {why} {nearest}\n")


def test_only_some_failures_are_explained(run_here: RunHere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mock_atoms.cli.run.MAX_REPORTED_CALLS", 0)
    _, _, err = run_here(*list_audiences(1, query="s"))
    assert err.endswith("\n1 request failed without a fault or a stub:\n… 1 more\n")


def test_the_exit_code_of_the_program_wins(run_here: RunHere) -> None:
    for args in ((), ("--check",)):
        assert run_here(*args, "--", "sh", "-c", "exit 7").code == 7
    assert run_here("--", "sh", "-c", "kill -KILL $$").code == 128 + signal.SIGKILL


def test_only_the_first_calls_with_failures_are_listed(run_here: RunHere) -> None:
    code, _, err = run_here("--fault", "500", *list_audiences(52))
    assert code == 0
    assert err.count("gave up without a retry") == 50
    assert err.endswith("\n… 2 more calls with failures\n")


@pytest.mark.parametrize(("options", "expected"), [((), 0), (("--check",), 1)])
def test_a_program_without_requests_fails_the_check(run_here: RunHere, options: tuple[str, ...], expected: int) -> None:
    code, _, err = run_here(*options, "--", "true")
    assert code == expected
    assert err.startswith("mock-atoms: the program sent no requests to http://127.0.0.1:")


@pytest.mark.parametrize("more", ["", 'curl -s -o /dev/null "$MOCK_ATOMS_URL/audience"'], ids=["none", "unattributed"])
def test_requests_that_a_reset_removed_fail_the_check(run_here: RunHere, more: str) -> None:
    program = f"""
curl -s -o /dev/null -H "Authorization: Bearer sk_a" "$MOCK_ATOMS_URL/audience"
curl -s -o /dev/null -X POST "${{MOCK_ATOMS_URL%/atoms/v1}}/__admin/reset"
{more}
"""
    code, _, err = run_here("--check", "--", "sh", "-c", program)
    assert code == 1
    assert err.startswith("mock-atoms: no report: the program has removed its requests by a reset")


def test_requests_without_a_token_pass_the_check(run_here: RunHere) -> None:
    code, _, err = run_here("--check", "--", "sh", "-c", 'curl -s -o /dev/null "$MOCK_ATOMS_URL/audience"')
    assert (code, err.splitlines()[0]) == (0, "mock-atoms: 0 calls, 0 attempts; 0 findings")


def test_requests_that_other_servers_received_are_not_taken_for_removed(
    run_here: RunHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mock_atoms.cli.run._received", lambda _server: 0)  # of this server; a store has all
    _, _, err = run_here("--", "sh", "-c", 'curl -s -o /dev/null "$MOCK_ATOMS_URL/audience"')
    assert err.startswith("mock-atoms: 0 calls, 0 attempts; 0 findings")


def test_requests_that_failed_without_a_fault_pass_the_check(run_here: RunHere) -> None:
    assert run_here("--check", *list_audiences(1, query="s")).code == 0


def test_failures_that_cannot_be_explained_keep_the_exit_code(
    run_here: RunHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_server: MockServer) -> list[str]:
        raise ControlError("no response")

    monkeypatch.setattr("mock_atoms.cli.run.unexpected_failures", fail)
    program = 'curl -s -o /dev/null "$MOCK_ATOMS_URL/audiences"; exit 7'
    code, _, err = run_here("--", "sh", "-c", program)
    assert code == 7
    assert err.startswith("mock-atoms: 0 calls, 0 attempts; 0 findings\n")
    assert err.endswith("\n\nmock-atoms: cannot explain the failed requests: no response\n")


@pytest.mark.parametrize(("option", "expected"), [((), 0), (("--check",), 1)])
def test_without_a_control_api_there_is_no_report(run_here: RunHere, option: tuple[str, ...], expected: int) -> None:
    code, _, err = run_here("--no-admin", *option, "--", "true")
    assert (code, err) == (expected, "mock-atoms: no report: the server was started with --no-admin\n")


def test_a_program_that_cannot_start_is_127_or_126(run_here: RunHere, tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_text("")
    assert run_here("--", "no-such-program") == (127, "", "mock-atoms: no-such-program: command not found\n")
    assert run_here("--", str(file)) == (126, "", f"mock-atoms: {file}: Permission denied\n")


def test_a_port_that_is_in_use_is_one_line(run_here: RunHere) -> None:
    with MockServer() as other:
        code, _, err = run_here("--", "true", MOCK_ATOMS_PORT=str(other.port))
    assert (code, f"cannot listen on 127.0.0.1:{other.port}" in err) == (1, True)


@pytest.mark.slow
def test_the_log_has_only_warnings_by_default() -> None:
    program = list_audiences(1)
    assert "status=200" not in run_program(*program).err
    assert "status=200" in run_program("--log-level", "info", *program).err


def test_a_shared_store_that_is_unreachable_is_one_line(run_here: RunHere) -> None:
    code, _, err = run_here("--store", "redis://127.0.0.1:1/0", "--store-timeout", "1", "--", "true")
    assert (code, err.count("\n")) == (1, 1)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "mock-atoms: run: name a program after `--`, as in `mock-atoms run --fault 500x2 -- npm test`\n"),
        (("--",), "mock-atoms: run: name a program after `--`, as in `mock-atoms run --fault 500x2 -- npm test`\n"),
        (
            ("--workers", "2", "--store", "redis://127.0.0.1:1/0", "--", "true"),
            "mock-atoms: --workers: run serves in one process: leave the setting out\n",
        ),
        (("--fault", "5oo", "--", "true"), "mock-atoms: --fault, fault 1: `5oo` is not a fault. Did you mean `500`?"),
    ],
)
def test_invalid_arguments_are_exit_2(run_here: RunHere, args: tuple[str, ...], message: str) -> None:
    code, _, err = run_here(*args)
    assert code == 2
    assert err.startswith(message)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("npm", "test"), "put `--` before the program, as in `mock-atoms run -- npm`"),
        (("--prot", "1"), "`--prot` is not an option. Did you mean `--port`?"),
    ],
)
def test_a_program_without_dashes_is_exit_2(
    args: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run_command("run", *args)
    assert (caught.value.code, message in capsys.readouterr().err) == (2, True)


def test_the_program_has_the_variables_of_all_clients() -> None:
    with MockServer() as server:
        variables = run.program_environment({"HOME": "/root", "NO_PROXY": "a.test"}, server)
    assert variables == {
        "HOME": "/root",
        "MOCK_ATOMS_URL": server.url,
        "ATOMS_BASE_URL": server.url,
        "ATOMS_API_URL": server.url,
        "ATOMS_API_KEY": "sk_mock_test.run",
        "SMALLEST_BASE_URL": server.url,
        "SMALLEST_API_KEY": "sk_mock_test.run",
        "SMALLEST_AI_TOKEN": "sk_mock_test.run",
        "SMALLESTAI_TELEMETRY": "0",
        "NO_PROXY": "a.test,127.0.0.1",  # `no_proxy` would hide it
        "PYTHONPATH": str(run.PYTHON_PATH),
    }


def test_settings_of_the_server_reach_the_program() -> None:
    with MockServer(base_path="/", host="0.0.0.0", tls="self-signed") as server:
        environ = {"NO_PROXY": "*", "no_proxy": "b.test", "PYTHONPATH": "/x"}
        variables = run.program_environment(environ, server)
        assert variables["MOCK_ATOMS_URL"] == f"{server.root_url}/"
        assert variables["MOCK_ATOMS_ADMIN_TOKEN"] == server.settings.admin_token
        assert variables["SSL_CERT_FILE"] == variables["NODE_EXTRA_CA_CERTS"] == str(server.ca_file)
        assert (variables["NO_PROXY"], variables["no_proxy"]) == ("*", "b.test,127.0.0.1")
        assert variables["PYTHONPATH"] == f"{run.PYTHON_PATH}{os.pathsep}/x"


@pytest.mark.parametrize(
    ("tokens", "key", "expected"),
    [
        (None, "sk_live_secret", "sk_mock_test.run"),
        (None, "sk_mock_500x2", "sk_mock_500x2"),
        ("sk_b,sk_a", "sk_mock_500x2", "sk_a"),
        ("sk_b,sk_a", "sk_b", "sk_b"),
    ],
)
def test_a_secret_key_does_not_reach_the_server(tokens: str | None, key: str, expected: str) -> None:
    with MockServer(validate_settings({"port": 0} | ({} if tokens is None else {"tokens": tokens}))) as server:
        variables = run.program_environment({"SMALLEST_API_KEY": key}, server)
        assert (variables["SMALLEST_API_KEY"], variables["NO_PROXY"], variables["no_proxy"]) == (
            expected,
            "127.0.0.1",
            "127.0.0.1",
        )


@contextmanager
def running(arguments: list[str], **options: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options) as process:  # type: ignore[call-overload] # options of Popen
        try:
            yield process
        finally:
            process.kill()


def test_signals_are_forwarded_to_the_program() -> None:
    with running(command("--", sys.executable, "-c", SIGNALS), start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "SIGUSR1\n"
        for name in ("SIGINT", "SIGHUP", "SIGUSR1"):
            process.send_signal(getattr(signal, name))
            assert process.stdout.readline() == f"{name}\n"
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM


@pytest.mark.parametrize("start", ["", "import os\nos.setpgid(0, 0)\n"], ids=["same group", "own group"])
def test_ctrl_c_in_a_terminal_reaches_the_program_once(start: str) -> None:
    main, other = os.openpty()
    try:
        arguments = [sys.executable, "-c", WITH_TERMINAL, os.ttyname(other)]
        arguments += command("--", sys.executable, "-c", start + SIGNALS)[1:]
        with running(arguments, start_new_session=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "SIGUSR1\n"
            os.write(main, b"\x03")
            assert process.stdout.readline() == "SIGINT\n"
            process.terminate()
            out, _ = process.communicate(timeout=20)
            assert (process.returncode, out) == (128 + signal.SIGTERM, "")
    finally:
        os.close(main)
        os.close(other)


def test_the_exit_code_is_known_if_the_signal_of_ended_processes_is_ignored() -> None:
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    arguments = [sys.executable, "-c", ignoring, *command("--", "sh", "-c", "exit 3")]
    assert subprocess.run(arguments, stderr=subprocess.DEVNULL, check=False, timeout=60).returncode == 3


@pytest.mark.slow
def test_an_ignored_signal_stays_ignored() -> None:
    script = f"trap '' HUP; exec {' '.join(command('--', 'sh', '-c'))} 'kill -HUP $PPID $$; echo survived'"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "survived\n")


def python_output(code: str, path: Path, **variables: str) -> str:
    paths = os.pathsep.join([str(run.PYTHON_PATH), str(path)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(PYTHONPATH=paths, **variables),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


@pytest.mark.parametrize("variables", [{}, {"MOCK_ATOMS_URL": "http://127.0.0.1:1/"}])
def test_another_sitecustomize_still_runs(tmp_path: Path, variables: Mapping[str, str]) -> None:
    (tmp_path / "sitecustomize.py").write_text("NAME = 'the other one'\n")
    assert python_output("import sitecustomize; print(sitecustomize.NAME)", tmp_path, **variables) == "the other one\n"


def test_a_program_needs_no_sdk(tmp_path: Path) -> None:
    (tmp_path / "smallestai").mkdir()
    (tmp_path / "smallestai" / "__init__.py").write_text("")
    code = "import importlib.util; print(importlib.util.find_spec('smallestai.environment'))"
    assert python_output(code, tmp_path, MOCK_ATOMS_URL="http://127.0.0.1:1") == "None\n"


SDK = "from smallestai import SmallestAI\nprint(len(SmallestAI().atoms.audience.list().data))"
URLS = """
import json
from smallestai.environment import SmallestAIEnvironment
print(json.dumps(vars(SmallestAIEnvironment.PRODUCTION)))
"""


@pytest.mark.slow
def test_a_bare_client_of_the_sdk_calls_the_server() -> None:
    code, out, err = run_program("--check", "--", sys.executable, "-c", SDK)
    assert (code, int(out) > 0) == (0, True)
    assert err == "mock-atoms: 1 call, 1 attempt: 1 succeeded; 0 findings\n"


@pytest.mark.parametrize("before", ["", "import os; os.environ.clear()"])
def test_all_urls_of_the_sdk_lead_to_the_server(tmp_path: Path, before: str) -> None:
    urls = json.loads(python_output(before + URLS, tmp_path, MOCK_ATOMS_URL="https://mock:1/atoms/v1"))
    assert urls == {"atoms": "https://mock:1/atoms/v1", "waves": "https://mock:1", "waves_ws": "wss://mock:1"} | {
        "payment": "https://mock:1"
    }
