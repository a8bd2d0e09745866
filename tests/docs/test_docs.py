"""Documents cannot lie: every snippet is run, every table is compared with the code."""

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
from mock_atoms.contract.schemas import JSON_TYPE
from mock_atoms.core.settings import Settings, flag_name, setting_infos, variable_name
from mock_atoms.data.fixture_files import read_file
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.journal.access_log import TextFormatter
from mock_atoms.testing.pytest_plugin import what_was_sent
from mock_atoms.testing.server import MockServer
from tests.helpers.audiences import bearer
from tests.helpers.snippets import DOCUMENTS, ROOT, Snippet, commands, run, snippets

README = (ROOT / "README.md").read_text(encoding="utf-8")
FIDELITY = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
RUN_BY = {
    "tutorial.md": "test_tutorial.py",
    "clients.md": "test_clients.py",
    "ci.md": "test_ci_recipes.py",
}
ALL = [snippet for snippet in snippets() if snippet.document not in RUN_BY]
LANGUAGES = {"console", "sh", "python", "yaml", "json"}
DEFAULTS = {None: "none", (): "none", "": "`/`"}


def of(language: str, word: str = "") -> list[Snippet]:
    return [snippet for snippet in ALL if (snippet.language, snippet.word) == (language, word)]


def test_every_snippet_is_of_a_kind_that_is_run() -> None:
    assert {(snippet.language, snippet.word) for snippet in ALL} == {
        *((language, "") for language in LANGUAGES),
        ("console", "make"),
        ("console", "docker"),  # run by tests/container, as the next one is
        ("python", "container"),
        ("python", "pytest"),
        ("text", "log"),
        ("text", "report"),
        ("yaml", "prometheus.yml"),
    }


def test_documents_that_are_run_elsewhere_are_run_there() -> None:
    for document, file in RUN_BY.items():
        assert f'"{document}"' in (ROOT / "tests" / "docs" / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("snippet", of("console"), ids=str)
def test_a_console_session_goes_as_shown(snippet: Snippet, tool: Callable[[str], str]) -> None:
    tool("curl")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with MockServer(fixtures=ROOT / "fixtures") as mock:
        for command in commands(snippet):
            run(command, path, ("http://127.0.0.1:28667", mock.root_url))


@pytest.mark.parametrize("snippet", of("console", "make"), ids=str)
def test_the_make_commands_exist_and_ci_runs_them(snippet: Snippet) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in commands(snippet):
        target = command.line.removeprefix("make ")
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert [command.line for command in commands(snippet)] == ["make serve", "make test"]


@pytest.mark.parametrize("snippet", of("sh"), ids=str)
def test_a_serve_command_is_accepted(snippet: Snippet) -> None:
    program, *args = shlex.split(snippet.text)
    assert program == "mock-atoms"
    # An address that is nobody's ends it right before it would listen, after everything was parsed.
    command = [sys.executable, "-m", "mock_atoms", *args, "--host", "192.0.2.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "cannot listen on 192.0.2.1:28667" in done.stderr


@pytest.mark.parametrize("snippet", of("python"), ids=str)
def test_a_python_test_passes(snippet: Snippet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMALLESTAI_TELEMETRY", "0")
    names: dict[str, Callable[[], None]] = {}
    exec(compile(snippet.text, str(snippet), "exec"), names)
    tests = [test for name, test in names.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test()


@pytest.mark.parametrize("snippet", of("python", "pytest"), ids=str)
def test_a_test_with_the_plugin_passes(snippet: Snippet, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(snippet.text)
    pytester.runpytest_subprocess("-p", "no:schemathesis").assert_outcomes(passed=snippet.text.count("def test_"))


def without_chance(text: str) -> str:
    """Return `text` without times, durations and digests."""
    for pattern in (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", r"\d\d:\d\d:\d\d\.\d{3}", r"\b\d+(\.\d)? ?ms(?! after)"):
        text = re.sub(pattern, "~", text)
    return re.sub(r"(?<=…#)[0-9a-f]{6}|(?<=rule-)[0-9a-f]{8}|\d+(?= ms after a)", "~", text)


def test_a_log_is_as_shown(capsys: pytest.CaptureFixture[str]) -> None:
    (snippet,) = of("text", "log")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter())
    logger = logging.getLogger("mock_atoms")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with MockServer() as mock:
            for _ in range(2):
                httpx.get(f"{mock.url}/audience", headers=bearer("sk_mock_500x1.my-test-123"))
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert without_chance(capsys.readouterr().err) == without_chance(snippet.text)


def test_the_report_of_a_failure_is_as_shown() -> None:
    (snippet,) = of("text", "report")
    with MockServer() as server:
        mock = server.of("sk_mock_test.docs")
        mock.fail("429x1")
        for _ in range(2):
            httpx.get(f"{mock.url}/audience", headers=bearer("sk_mock_test.docs"))
        told = what_was_sent(mock)
    assert without_chance(told) == without_chance(snippet.text.partition("\n")[2].rstrip("\n"))


def test_a_scrape_job_finds_the_metrics() -> None:
    (snippet,) = of("yaml", "prometheus.yml")
    (job,) = yaml.safe_load(snippet.text)["scrape_configs"]
    with MockServer() as mock:
        assert httpx.get(mock.root_url + job["metrics_path"]).status_code == 200
    assert job["static_configs"] == [{"targets": [f"{Settings().host}:{Settings().port}"]}]


@pytest.mark.parametrize("snippet", of("yaml"), ids=str)
def test_a_fixture_file_is_valid(snippet: Snippet, tmp_path: Path) -> None:
    file = tmp_path / "snippet.yaml"
    file.write_text(snippet.text, encoding="utf-8")
    assert read_file(file).tokens


@pytest.mark.parametrize("snippet", of("json"), ids=str)
def test_a_rule_is_valid(snippet: Snippet) -> None:
    rule = parse_fault(json.loads(snippet.text))
    assert rule.is_terminal


def test_the_short_table_of_the_benchmarks_is_that_of_their_results() -> None:
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"(?:^\|.*requests a second.*start.*\n)(?:^\|.*\n)+", results, re.MULTILINE)
    assert table in README


def setting_row(name: str) -> str:
    default = Settings.model_fields[name].default
    if setting_infos()[name].default:
        shown = setting_infos()[name].default
    elif default in DEFAULTS:
        shown = DEFAULTS[default]
    else:
        shown = f"`{', '.join(default) if isinstance(default, tuple) else default}`"
    return f"| `{flag_name(name)}` | `{variable_name(name)}` | {shown} | {setting_infos()[name].help} |"


def test_the_table_of_settings_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `--.*$", README, re.MULTILINE)
    assert rows == [setting_row(name) for name in setting_infos()]


def test_readme_tells_of_every_command() -> None:
    for command in ("serve", "fixtures TOKEN", "openapi", "healthcheck"):
        assert f"`{command}`" in README


def test_every_row_of_the_ledger_has_a_source_and_a_test() -> None:
    letters = set(re.findall(r"^\| ([A-Z]) \|", FIDELITY, re.MULTILINE))
    assert letters == set("SDGLKAWM")
    rows = re.findall(r"^\| (.+) \| ([A-Z](?:, [A-Z])*) \| `([\w/]+\.py)::(\w+)` \|$", FIDELITY, re.MULTILINE)
    table_lines = [line for line in FIDELITY.splitlines() if "::test_" in line]
    assert len(rows) == len(table_lines) > 30
    for behaviour, sources, file, test in rows:
        assert set(sources.split(", ")) <= letters, behaviour
        assert f"def {test}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), behaviour


def test_links_between_documents_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_facts_that_documents_repeat_are_those_of_the_code() -> None:
    assert JSON_TYPE in FIDELITY
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert f'image.version="{mock_atoms.__version__}"' in dockerfile
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_ci_tests_the_oldest_releases_that_are_allowed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    floors = [re.match(r"([\w-]+)>=([\d.]+)", dependency) for dependency in project["dependencies"]]
    pins = dict(line.split("==") for line in (ROOT / ".ci" / "oldest.txt").read_text(encoding="utf-8").splitlines())
    assert len(floors) == len(pins)
    for floor in floors:
        assert floor is not None
        assert f"{pins[floor[1]]}.".startswith(f"{floor[2]}.")
