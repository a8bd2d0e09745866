"""Runs every snippet of README and docs, and compares every table with the code."""

import json
import logging
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import yaml

import mock_atoms
from mock_atoms.cli.main import COMMANDS
from mock_atoms.contract.schemas import JSON_TYPE
from mock_atoms.core.masking import MAGIC_PREFIX
from mock_atoms.core.setting_sources import load_settings
from mock_atoms.core.settings import Settings, flag_name, setting_infos, variable_name
from mock_atoms.core.tenancy import REVOKED, magic_word
from mock_atoms.data.fixture_folder import read_file
from mock_atoms.data.personas import find_persona
from mock_atoms.faults.expressions import parse_expression, parse_fault
from mock_atoms.journal.access_log import TextFormatter
from mock_atoms.testing.pytest_plugin import request_report
from mock_atoms.testing.server import MockServer
from tests.helpers import cli_page
from tests.helpers.audiences import bearer
from tests.helpers.cli import run_command
from tests.helpers.snippets import ROOT, Snippet, commands, read_snippets, run_in_one_shell

README = (ROOT / "README.md").read_text(encoding="utf-8")
FIDELITY = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
SPEED = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
PAGES_WITH_OWN_TESTS = {
    "tutorial.md": "test_tutorial.py",
    "clients.md": "test_clients.py",
    "ci.md": "test_ci_recipes.py",
    "scale.md": "test_scale.py",
}
SNIPPETS = [snippet for snippet in read_snippets() if snippet.page not in PAGES_WITH_OWN_TESTS]
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
LANGUAGES = {"console", "sh", "python", "yaml", "json", "toml"}
SHOWN_DEFAULTS = {None: "none", (): "none", "": "`/`"}
CONSOLE_PAGES = sorted({snippet.page for snippet in SNIPPETS if (snippet.language, snippet.label) == ("console", "")})
PAGES_WITH_COUNTERS = {"observability.md"}
"""Pages whose commands print numbers that a reset keeps, so that the second run differs."""
DEFAULT_ROOT_URL = f"http://127.0.0.1:{Settings().port}"


def snippets_of(language: str, label: str = "") -> list[Snippet]:
    return [snippet for snippet in SNIPPETS if (snippet.language, snippet.label) == (language, label)]


def test_every_snippet_is_of_a_tested_kind() -> None:
    assert {(snippet.language, snippet.label) for snippet in SNIPPETS} == {
        *((language, "") for language in LANGUAGES),
        ("console", "make"),
        ("mermaid", ""),  # test_architecture.py compares the diagram with the imports
        ("console", "docker"),  # tests/container runs these and the next ones
        ("python", "container"),
        ("python", "pytest"),
        ("text", "error"),
        ("text", "events"),
        ("text", "log"),
        ("text", "marker"),
        ("text", "proxy"),  # configuration of another program
        ("text", "report"),
        ("text", "report-elsewhere"),
        ("csv", "customers.csv"),
        ("yaml", "prometheus.yml"),
    }


def test_pages_with_own_tests_are_read_by_them() -> None:
    for page, file in PAGES_WITH_OWN_TESTS.items():
        assert f'"{page}"' in (ROOT / "tests" / "docs" / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", CONSOLE_PAGES)
def test_console_blocks_work_in_order_in_one_shell(page: str, tool: Callable[[str], str]) -> None:
    tool("curl")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    session = [command for snippet in snippets_of("console") if snippet.page == page for command in commands(snippet)]
    with MockServer(fixtures=ROOT / "fixtures") as mock:
        run_in_one_shell(session, path, (DEFAULT_ROOT_URL, mock.root_url))
        if page not in PAGES_WITH_COUNTERS:
            if page != "README.md":
                mock.reset()
            run_in_one_shell(session, path, (DEFAULT_ROOT_URL, mock.root_url))


def test_readme_starts_with_make_serve_and_make_test() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (snippet,) = snippets_of("console", "make")
    lines = [command.line.partition("#")[0].strip() for command in commands(snippet)]
    assert lines == ["make serve", "make test"]
    for line in lines:
        assert re.search(rf"^{line.removeprefix('make ')}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("snippet", snippets_of("sh"), ids=str)
def test_serve_command_is_accepted(snippet: Snippet) -> None:
    program, *args = shlex.split(snippet.text)
    assert program == "mock-atoms"
    # No machine has this documentation address (RFC 5737): the command parses its options and fails to listen.
    command = [sys.executable, "-m", "mock_atoms", *args, "--host", "192.0.2.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "cannot listen on 192.0.2.1:28667" in done.stderr


@pytest.mark.parametrize("snippet", snippets_of("python"), ids=str)
def test_python_block_passes(snippet: Snippet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMALLESTAI_TELEMETRY", "0")
    namespace: dict[str, Callable[[], None]] = {}
    exec(compile(snippet.text, str(snippet), "exec"), namespace)
    tests = [test for name, test in namespace.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test()


@pytest.mark.slow
@pytest.mark.parametrize("snippet", snippets_of("python", "pytest"), ids=str)
def test_pytest_block_passes(snippet: Snippet, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(snippet.text)
    pytester.runpytest_subprocess("-p", "no:schemathesis").assert_outcomes(passed=snippet.text.count("def test_"))


def normalise(text: str) -> str:
    """Replace the times, durations and digests in `text`, which differ between runs."""
    times = (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", r"\d\d:\d\d:\d\d\.\d{3}")
    durations = (r"\b\d+(\.\d)? ?ms\b(?!=)", r"(?<= ms=)\d+\.\d")
    for pattern in (*times, *durations):
        text = re.sub(pattern, "~", text)
    return re.sub(r"(?<=rule-)[0-9a-f]{8}", "~", text)


def test_log_is_as_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (snippet,) = snippets_of("text", "log")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter())
    logger = logging.getLogger("mock_atoms")
    level = logger.level
    monkeypatch.setattr(logger, "propagate", False)  # to handlers of other tests
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with MockServer() as mock:
            for _ in range(2):
                httpx.get(f"{mock.url}/audience", headers=bearer("sk_mock_500x1.my-test-123"))
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert normalise(capsys.readouterr().err) == normalise(snippet.text)


def test_events_are_as_shown() -> None:
    (snippet,) = snippets_of("text", "events")
    shown = re.sub(r"(?m)^id: .*", "id: …", snippet.text.rstrip("\n"))
    shown = shown.replace("8f0c2a51", "…").replace("aa36609c-", "")
    with MockServer() as mock, httpx.stream("GET", f"{mock.root_url}/__admin/events") as response:
        lines = response.iter_lines()
        connected = [next(lines) for _ in range(5)]  # what happens now has an event
        httpx.get(f"{mock.url}/audience", headers=bearer("sk_acme"))
        events = ([next(lines) for _ in range(4)] for _ in range(2))  # perhaps `exchange-started` in an earlier batch
        ended = next(event for event in events if event[1] == "event: exchange-ended")
    text = "\n".join(connected + ended).rstrip("\n")
    assert re.fullmatch(".*".join(map(re.escape, shown.split("…"))), text)


def test_failure_report_is_as_shown() -> None:
    (snippet,) = snippets_of("text", "report")
    with MockServer() as server:
        mock = server.for_tenant("sk_mock_test.docs")
        mock.fail("429x1")
        for _ in range(2):
            httpx.get(f"{mock.url}/audience", headers=bearer("sk_mock_test.docs"))
        httpx.get(f"{mock.url}/audience/60d0fe4f5311236168a109ca", headers=bearer("sk_mock_test.docs"))
        failure_report = request_report(mock, server, {})
    assert normalise(failure_report) == normalise(snippet.text.partition("\n")[2].rstrip("\n"))


def test_failure_report_without_requests_is_as_shown() -> None:
    (snippet,) = snippets_of("text", "report-elsewhere")
    token = snippet.text.partition("token, ")[2].partition(":")[0]
    with MockServer() as server:
        httpx.get(f"{server.url}/audience")
        report = request_report(server.for_tenant(token), server, {})
    assert normalise(report) == normalise(snippet.text.rstrip("\n"))


def test_error_of_an_invalid_marker_is_as_shown(pytester: pytest.Pytester) -> None:
    (snippet,) = snippets_of("text", "marker")
    marker, _, problem = snippet.text.rstrip("\n").partition(": ")
    pytester.makepyfile(f"import pytest\n\n\n{marker}\ndef test_it(mock_atoms): ...")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    assert [line for line in result.outlines if line.startswith(f"{marker}: {problem}")]


def test_scrape_job_points_to_the_metrics() -> None:
    (snippet,) = snippets_of("yaml", "prometheus.yml")
    (job,) = yaml.safe_load(snippet.text)["scrape_configs"]
    with MockServer() as mock:
        assert httpx.get(mock.root_url + job["metrics_path"]).status_code == 200
    assert job["static_configs"] == [{"targets": [f"{Settings().host[0]}:{Settings().port}"]}]


@pytest.mark.parametrize("snippet", snippets_of("yaml"), ids=str)
def test_fixture_file_is_valid(snippet: Snippet, tmp_path: Path) -> None:
    for csv_file in snippets_of("csv", "customers.csv"):
        (tmp_path / csv_file.label).write_text(csv_file.text, encoding="utf-8")
    file = tmp_path / "snippet.yaml"
    file.write_text(snippet.text, encoding="utf-8")
    assert read_file(file).tokens


@pytest.mark.parametrize("snippet", snippets_of("json"), ids=str)
def test_rule_is_valid(snippet: Snippet) -> None:
    rule = parse_fault(json.loads(snippet.text))
    assert rule.is_terminal


def test_speed_table_is_that_of_the_benchmark_results() -> None:
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"(?:^\|.*requests a second.*start.*\n)(?:^\|.*\n)+", results, re.MULTILINE)
    assert table in SPEED


def setting_row(name: str) -> str:
    default = Settings.model_fields[name].default
    if setting_infos()[name].default:
        shown = setting_infos()[name].default
    elif default in SHOWN_DEFAULTS:
        shown = SHOWN_DEFAULTS[default]
    else:
        shown = f"`{', '.join(default) if isinstance(default, tuple) else default}`"
    return f"| `{flag_name(name)}` | `{variable_name(name)}` | {shown} | {setting_infos()[name].help} |"


def test_settings_table_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `--.*$", SETTINGS, re.MULTILINE)
    assert rows == [setting_row(name) for name in setting_infos()]


@pytest.mark.parametrize("snippet", snippets_of("toml"), ids=str)
def test_settings_file_is_valid(snippet: Snippet, tmp_path: Path) -> None:
    file = tmp_path / "mock.toml"
    file.write_text(snippet.text, encoding="utf-8")
    assert load_settings({}, {}, file).fault


def test_error_of_a_misspelt_variable_is_as_shown() -> None:
    (snippet,) = snippets_of("text", "error")
    result = run_command("serve", environ={"MOCK_ATOMS_HSOT": "127.0.0.1"})
    assert (result.code, result.err) == (2, snippet.text)


def test_settings_page_lists_every_repeatable_flag() -> None:
    (line,) = [line for line in SETTINGS.splitlines() if "can be repeated" in line]
    flags = [flag_name(name) for name, info in setting_infos().items() if info.repeatable]
    assert re.findall(r"`(--[a-z-]+)`", line) == flags


def test_readme_names_every_command() -> None:
    for command in COMMANDS:
        assert f"`{command}`" in README


def test_reference_of_the_commands_is_that_of_their_parsers() -> None:
    text = cli_page.PAGE.read_text(encoding="utf-8")
    assert text.partition(cli_page.START)[2] == f"\n{cli_page.reference()}", "run: python -m tests.helpers.cli_page"


def test_readme_magic_keys_are_known() -> None:
    words = {magic_word(token) or "" for token in re.findall(r"`(sk_mock_[^`]+)`", README)}
    personas = {word for word in words if word == REVOKED or find_persona(f"{MAGIC_PREFIX}{word}")}
    assert personas == {"revoked", "test", "empty", "one", "many", "sparse", "unicode", "noplan"}
    for word in words - personas:
        assert parse_expression(word).is_terminal or word == "delay250"


def test_every_fidelity_row_has_a_source_and_a_test() -> None:
    letters = set(re.findall(r"^\| ([A-Z]) \|", FIDELITY, re.MULTILINE))
    assert letters == set("SDOGLKPTAWM")
    rows = re.findall(r"^\| (.+) \| ([A-Z](?:, [A-Z])*) \| `([\w/]+\.py)::(\w+)` \|$", FIDELITY, re.MULTILINE)
    table_lines = [line for line in FIDELITY.splitlines() if "::test_" in line]
    assert len(rows) == len(table_lines) > 30
    for behaviour, sources, file, test in rows:
        assert set(sources.split(", ")) <= letters, behaviour
        assert f"def {test}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), behaviour


def test_repeated_facts_are_those_of_the_code() -> None:
    assert JSON_TYPE in FIDELITY
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert f'image.version="{mock_atoms.__version__}"' in dockerfile
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_ci_pins_the_oldest_allowed_releases() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    dependencies = project["dependencies"] + extras["mcp"] + extras["redis"] + extras["reload"]
    floors = [re.match(r"([\w-]+)>=([\d.]+)", dependency) for dependency in dependencies]
    pins = dict(line.split("==") for line in (ROOT / ".ci" / "oldest.txt").read_text(encoding="utf-8").splitlines())
    assert len(floors) == len(pins)
    for floor in floors:
        assert floor is not None
        assert f"{pins[floor[1]]}.".startswith(f"{floor[2]}.")
