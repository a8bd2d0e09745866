import signal
import socket
import subprocess
import sys

import pytest

import mock_atoms
from mock_atoms.cli.main import COMMANDS
from mock_atoms.core.settings import flag_name, setting_infos, variable_name
from tests.helpers.cli import run_command


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run_command("--version")
    assert (caught.value.code, capsys.readouterr().out) == (0, f"mock-atoms {mock_atoms.__version__}\n")


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for args, names in (((), COMMANDS), (("faults",), ("list", "add", "remove"))):
        with pytest.raises(SystemExit) as caught:
            run_command(*args, "--help")
        assert caught.value.code == 0
        help_text = capsys.readouterr().out
        assert [name for name in names if f"\n    {name}" not in help_text] == []


def test_help_lists_every_flag_with_its_variable_under_the_title_of_its_group(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        run_command("serve", "--help")
    help_text = capsys.readouterr().out.partition("options:")[2]
    for name, info in setting_infos().items():
        group = help_text.partition(f"\n{info.group}:\n")[2].partition("\n\n")[0]
        assert f"  {flag_name(name)}" in group
        assert f"[{variable_name(name)}" in " ".join(group.split())


@pytest.mark.parametrize(
    ("args", "usage", "message"),
    [
        ((), "mock-atoms [-h]", "the following arguments are required: COMMAND"),
        (("srve",), "mock-atoms [-h]", "`srve` is not a command. Did you mean `serve`?"),
        (("nothing",), "mock-atoms [-h]", "`nothing` is not a command."),
        (("--port=0",), "mock-atoms [-h]", "`--port` is not an option here: options follow a command, as in"),
        (("faults",), "mock-atoms faults [-h]", "the following arguments are required: COMMAND"),
        (("faults", "ad"), "mock-atoms faults [-h]", "`ad` is not a command. Did you mean `add`?"),
        (("faults", "--version"), "mock-atoms faults [-h]", "`--version` is not an option here"),
        (
            ("faults", "add", "500", "--pth"),
            "mock-atoms faults add",
            "`--pth` is not an option. Did you mean `--path`?",
        ),
        (("serve", "--prot", "1"), "mock-atoms serve", "`--prot` is not an option. Did you mean `--port`?"),
        (("serve", "--prot=1"), "mock-atoms serve", "`--prot` is not an option. Did you mean `--port`?"),
        (("serve", "--see", "1"), "mock-atoms serve", "`--see` is not an option. Did you mean `--seed`?"),
        (("serve", "--faults", "500"), "mock-atoms serve", "`--faults` is not an option. Did you mean `--fault`?"),
        (("reset", "--server", "a"), "mock-atoms reset", "`--server` is not an option. Did you mean `--url`?"),
        (("status", "--port=1"), "mock-atoms status", "`--port` is not an option. Did you mean `--url`?"),
        (("requests", "--tenant", "a"), "mock-atoms requests", "`--tenant` is not an option. Did you mean `--token`?"),
        (("serve", "--qqq"), "mock-atoms serve", "`--qqq` is not an option."),
        (("openapi", "--prot", "1"), "mock-atoms openapi", "`--prot` is not an option."),
        (("fixtures",), "mock-atoms fixtures", "the following arguments are required: TOKEN"),
        (("serve", "x"), "mock-atoms serve", "unexpected argument `x`; quote values that contain spaces"),
        (("reset", "sk_demo"), "mock-atoms reset", "unexpected argument `sk_…#b79e7e`; give the token as --token"),
        (("reset", "demo"), "mock-atoms reset", "unexpected argument `demo`; quote values that contain spaces"),
        (("serve", "--admn-token", "verysecret"), "mock-atoms serve", "Did you mean `--admin-token`?"),
        (("serve", "--tokens", "sk_a,", "sk_verysecret"), "mock-atoms serve", "unexpected argument `sk_ver…#38c9cb`;"),
    ],
)
def test_an_invalid_argument_is_exit_2_with_usage_and_a_suggestion(
    args: tuple[str, ...], usage: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run_command(*args)
    err = capsys.readouterr().err
    assert caught.value.code == 2
    assert err.startswith(f"usage: {usage}")
    assert message in err
    assert "verysecret" not in err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("serve", "--port", "x"), "--port: `x` is invalid: must be a whole number"),
        (("serve", "--fault", "5oo"), "--fault, fault 1: `5oo` is not a fault"),
        (("serve", "--fixtures", "/no/such/folder"), "/no/such/folder: the fixtures folder cannot be read"),
        (("serve", "--config", "/no/such/file"), "/no/such/file: cannot be read"),
        (("openapi", "--base-path", "x"), "--base-path: `x` is invalid: a base path is"),
    ],
)
def test_an_invalid_setting_is_one_line_and_exit_2(args: tuple[str, ...], message: str) -> None:
    code, out, err = run_command(*args)
    assert (code, out) == (2, "")
    assert err.startswith(f"mock-atoms: {message}")
    assert err.count("\n") == 1


def test_an_invalid_fault_is_reported_with_its_variable_and_number() -> None:
    _, _, err = run_command("serve", environ={"MOCK_ATOMS_FAULT": "500;50o"})
    assert err.startswith("mock-atoms: MOCK_ATOMS_FAULT, fault 2: `50o` is not a fault. Did you mean `500`?")


@pytest.mark.parametrize("command", ["serve", "openapi", "healthcheck"])
def test_a_misspelt_variable_is_one_line_and_exit_2(command: str) -> None:
    code, out, err = run_command(command, environ={"MOCK_ATOMS_PROT": "1"})
    assert (code, out) == (2, "")
    assert err == "mock-atoms: environment: `MOCK_ATOMS_PROT` is not a setting. Did you mean `MOCK_ATOMS_PORT`?\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_not_a_successful_check(number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = [sys.executable, "-m", "mock_atoms", "requests", "--expect", "3", "--url", url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            connection, _ = listener.accept()
            with connection:
                process.send_signal(number)
                out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (128 + number, "", "")
