"""The parts of the benchmarks that parse, compare, write and draw."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import goals, loads, other_servers, plots, results, servers
from benchmarks.audiences import Cost
from benchmarks.findings import Findings, Goal
from benchmarks.loads import Loads, Run
from benchmarks.paths import DIFFERING, NEW_TOKENS
from benchmarks.servers import FLOOR, OURS, Server, ServerSpec, Unusable, check, fetch_list, started
from mock_atoms import MockServer

WRK_OUTPUT = """\
Running 3s test @ http://127.0.0.1:8000/atoms/v1/audience
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.65ms    2.38ms  52.13ms   97.61%
    Req/Sec    10.82k     1.02k   12.03k    90.00%
  Latency Distribution
     50%    1.22ms
     75%    1.45ms
     90%    1.90ms
     99%  850.00us
  32000 requests in 3.01s, 170.41MB read
Requests/sec:  10731.22
Transfer/sec:     56.61MB
"""


def a_run(cpu_microseconds: float, rate: float = 1000.0, p50: float = 0.001, p99: float = 0.002) -> Run:
    return Run(cpu_microseconds / 1e6, rate, p50, p99, 0.0, 0.0)


def a_cost(milliseconds: float) -> Cost:
    return Cost(milliseconds / 1e3, 2 * milliseconds / 1e3)


@pytest.fixture
def found() -> Findings:
    """Findings of a mock that costs 1.5 times the floor, without Mockoon."""
    servers = {
        FLOOR: [a_run(20, 40_000), a_run(10, 50_000), a_run(30, 45_000)],
        OURS: [a_run(30, 30_000, 0.001, 0.005), a_run(31, 36_000, 0.001, 0.005), a_run(29, 29_000, 0.001, 0.005)],
        "WireMock": [a_run(90, 10_000)],
        "Prism": [a_run(200, 5_000)],
    }
    return Findings(
        lists={1: servers, 16: servers, 64: servers},
        starts={
            "import fastapi, uvicorn": [a_cost(100)],
            OURS: [a_cost(130)],
            "Prism": [a_cost(400)],
            "WireMock": [a_cost(900)],
        },
        first={"first": [a_cost(1.5)], "repeated": [a_cost(0.5)]},
        resident={OURS: 60 * 2**20, "Prism": 120 * 2**20},
        tenants={1: [a_run(30)], 10: [a_run(30)], 100: [a_run(36)]},
        rules={0: [a_run(30)], 1_000: [a_run(33)]},
        stubs={
            ("list", 0): [a_cost(1)],
            ("list", 1_000): [a_cost(1.5)],
            ("stubbed route", 1): [a_cost(2)],
            ("stubbed route", 1_000): [a_cost(2.5)],
        },
        journal={0: [a_cost(0.1)], 100: [a_cost(0.1)], 200: [a_cost(0.2)], 300: [a_cost(0.2)]},
        journal_size=200,
        log={"no log": [a_run(50)], "log to a file": [a_run(55)]},
        pages={
            f"{kind}, 10,000, index {index}": [a_cost(1)]
            for kind in ("generated", "uploaded")
            for index in ("0", "9,990")
        },
        skipped={"Mockoon": "node is not installed"},
    )


def test_the_output_of_wrk_is_parsed_in_seconds() -> None:
    assert loads.parse_run(WRK_OUTPUT, 0.64, 0.01, 0.02) == Run(
        0.00002, 10731.22, 0.00122, 0.00085, steal=0.01, others=0.02
    )


@pytest.mark.parametrize(
    ("output", "fails", "message"),
    [
        (f"{WRK_OUTPUT}  Non-2xx or 3xx responses: 7\n", False, "not every response was the list"),
        (f"{WRK_OUTPUT}  Socket errors: connect 0, read 3, write 0, timeout 0\n", False, "not every response was"),
        (WRK_OUTPUT.replace("50%", "51%"), False, "the output of wrk lacks"),
        (f"{WRK_OUTPUT}  Non-2xx or 3xx responses: 7\n", True, "not every response was an error"),
        (WRK_OUTPUT, True, "not every response was an error"),
    ],
)
def test_a_run_with_an_unexpected_response_is_an_error(output: str, fails: bool, message: str) -> None:  # noqa: FBT001 - a parameter
    with pytest.raises(RuntimeError, match=message):
        loads.parse_run(output, 1.0, 0.0, 0.0, fails=fails)


def test_a_run_in_which_each_response_is_an_error_can_be_expected() -> None:
    output = f"{WRK_OUTPUT}  Non-2xx or 3xx responses: 32000\n"
    assert loads.parse_run(output, 0.64, 0.0, 0.0, fails=True).cpu == 0.00002


def test_a_disturbed_run_is_repeated_and_the_least_disturbed_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = iter([(0.30, 0.00), (0.00, 0.20), (0.15, 0.10), (0.06, 0.04), (0.01, 0.01), (0.30, 0.00)])
    monkeypatch.setattr(loads, "run", lambda *_: Run(0, 0, 0, 0, *next(shares)))
    server = Server(ServerSpec("any", lambda _: []), 0, 0)
    loader = Loads(1, max_repeats=3)
    counted = [loader.quiet(server, 1).disturbed for _ in range(3)]
    assert counted == pytest.approx([0.10, 0.02, 0.30])  # the first took four tries, which is the maximum


def test_every_goal_has_a_figure(found: Findings) -> None:
    figures = {(row.what, row.against): row.figure for row in goals.rows_of_serving(found)}
    assert figures == {
        ("list, 16 connections: CPU time per request", "raw ASGI"): pytest.approx(1.5),
        ("list, 64 connections: CPU time per request", "raw ASGI"): pytest.approx(1.5),
        ("list, 16 connections: requests a second", "raw ASGI"): pytest.approx(30 / 45),
        ("list, 64 connections: requests a second", "raw ASGI"): pytest.approx(30 / 45),
        ("list, 16 connections: requests a second", "WireMock"): 3,
        ("list, 64 connections: requests a second", "WireMock"): 3,
        ("list, 16 connections: requests a second", "Prism"): 6,
        ("list, 64 connections: requests a second", "Prism"): 6,
        ("list, 16 connections: requests a second", "Mockoon"): None,
        ("list, 64 connections: requests a second", "Mockoon"): None,
        ("list, 1 connection: p50", "raw ASGI"): 1,
        ("list, 64 connections: p99", "its own p50"): 5,
        ("start of the process to its first list", "`import fastapi, uvicorn`"): pytest.approx(1.3),
        ("start of the process to its first list", "the fastest other server: Prism"): pytest.approx(0.325),
        ("first list of a new token, beyond a repeated list: CPU time", "a request to raw ASGI"): pytest.approx(50),
        ("resident memory after the load of many tenants", "Prism"): 0.5,
        ("list: 100 tenants", "1"): pytest.approx(1.2),
        ("list: 1,000 rules for other tenants", "0"): pytest.approx(1.1),
        ("list: 1,000 stubs", "0"): pytest.approx(1.5),
        ("stubbed route: 1,000 stubs", "1"): pytest.approx(1.25),
        ("list: journal full", "while it fills"): 2,
        ("list, 1 connection: access log to a file", "no log"): pytest.approx(1.1),
        ("page at 9,990 of 10,000 members, generated", "page at 0"): 1,
        ("page at 9,990 of 10,000 members, uploaded", "page at 0"): 1,
    }


def test_goals_without_a_measurement_have_no_figure() -> None:
    rows = goals.rows(Findings())
    assert rows
    assert [row.figure for row in rows] == [None] * len(rows)


@pytest.mark.parametrize(
    ("goal", "text", "met", "missed"),
    [
        (Goal(1.6, aim=1.25), "≤ 1.6 (aim: 1.25)", 1.6, 1.61),
        (Goal(0.60, at_least=True), "≥ 0.6", 0.6, 0.59),
        (Goal(1.5, unit=" ms"), "≤ 1.5 ms", -0.1, 1.6),
    ],
)
def test_a_goal_shows_its_limit_and_judges_a_figure(goal: Goal, text: str, met: float, missed: float) -> None:
    assert (str(goal), goal.met_by(met), goal.met_by(missed)) == (text, True, False)


def test_the_report_has_goals_tables_and_missing_servers(found: Findings) -> None:
    report = results.report(found, 5393, {"date": "2026-01-31"}, ["growth.svg"])
    for line in (
        "| date | 2026-01-31 |",
        "- **Mockoon was not measured**: node is not installed",
        "| raw ASGI | 45,000 | 20.0 |  |",
        "| mock-atoms | 30,000 | 30.0 | 260 |",
        "| list, 16 connections: CPU time per request | raw ASGI | **1.50** | 0.67 | ≤ 1.6 (aim: 1.25) | yes |",
        "| list, 16 connections: requests a second | Mockoon |  |  | ≥ 10 | not measured |",
        (
            "| first list of a new token, beyond a repeated list: CPU time | a request to raw ASGI "
            "| **50.00** |  | ≤ 15.9 | **no** |"
        ),
        "![growth](growth.svg)",
        "| 64 connections | CPU a request, µs | requests a second | p50, ms | p99, ms | steal, % | others, % |",
        "| 10 | 30.0 (30.0 to 30.0) | 1,000 (1,000 to 1,000) | 1.00 (1.00 to 1.00) | 2.00 (2.00 to 2.00) | 0.0 | 0.0 |",
        "| mock-atoms | 60 |",
    ):
        assert line in report.splitlines()
    assert "make bench-peers" in report


def test_the_short_table_says_which_requests_were_cached(found: Findings) -> None:
    found.paths = {NEW_TOKENS: [a_run(500, 2_000)], DIFFERING: [a_run(60, 15_000)]}
    page = "before\n\n| 16 connections | x |\n|---|---|\n| raw ASGI | 1 |\n\nafter\n"
    replaced = results.with_short_table(page, found)
    assert replaced.startswith("before\n\n| 16 connections | requests a second |")
    assert replaced.endswith("|\n\nafter\n")
    for line in (
        "| **mock-atoms, a new token each time**: not cached, like the first list of a test | 2,000 | 500.0 | 260 |",
        "| **mock-atoms, different headers each time**: response cached, like further lists | 15,000 | 60.0 | 260 |",
        "| mock-atoms, identical requests, which the other mocks get too: all cached | 30,000 | 30.0 | 260 |",
    ):
        assert line in replaced.splitlines()


def test_a_page_without_the_short_table_is_an_error(found: Findings) -> None:
    with pytest.raises(ValueError, match="no table of 16 connections"):
        results.with_short_table("| 8 connections |\n", found)


def test_measured_processes_write_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("MOCK_ATOMS_SEED", "7")
    environment = servers.environment()
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert environment["MOCK_ATOMS_SEED"] == "7"


def test_the_same_findings_draw_the_same_bytes(found: Findings, tmp_path: Path) -> None:
    for name in ("one", "two"):
        plots.throughput(found.lists, tmp_path / f"{name}-throughput.svg")
        plots.growth(found, tmp_path / f"{name}-growth.svg")
    for picture, texts in (("throughput", [OURS, FLOOR, "Prism", "30,000"]), ("growth", ["tenants", "rules", "full"])):
        one = (tmp_path / f"one-{picture}.svg").read_bytes()
        assert one == (tmp_path / f"two-{picture}.svg").read_bytes()
        assert len(one) < 50_000
        for text in texts:
            assert text.encode() in one


def test_only_drawing_imports_matplotlib() -> None:
    code = "import sys, benchmarks.serving; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("v20.20.2", (20, 20, 2)),
        (">=18.20.1", (18, 20, 1)),
        ('openjdk version "17.0.15" 2025-04-15', (17, 0, 15)),
        ("", ()),
    ],
)
def test_a_version_is_parsed_as_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert other_servers.version(text) == numbers


def installed(folder: Path, node: str) -> Path:
    """Create programs that print versions, and packages that need a version of node."""
    programs, modules = folder / "programs", folder / "modules"
    programs.mkdir()
    for name, output in (("node", "v20.1.0"), ("java", 'openjdk version "17.0.1"')):
        (programs / name).write_text(f"#!/bin/sh\necho '{output}'\n")
        (programs / name).chmod(0o755)
    for server in other_servers.OTHER_SERVERS:
        (modules / server.package / "build").mkdir(parents=True)
        package = f'{{"version": "1.2.3", "engines": {{"node": "{node}"}}, "bin": {{"it": "./run.js"}}}}'
        (modules / server.package / "package.json").write_text(package)
    (modules / "wiremock" / "build" / "wiremock.jar").touch()
    return folder


def test_a_server_that_cannot_run_has_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b'{"status":true}'
    monkeypatch.setattr(other_servers, "MODULES", tmp_path / "modules")
    found, skipped = other_servers.find(tmp_path, content)
    assert (found, set(skipped.values())) == ([], {"not installed: make bench-peers installs it"})

    installed(tmp_path, node=">=24.14.0")
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert other_servers.find(tmp_path, content)[1] == {
        "WireMock": "java is not installed",
        "Prism": "node is not installed",
        "Mockoon": "node is not installed",
    }

    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    found, skipped = other_servers.find(tmp_path, content)
    assert [spec.name for spec in found] == ["WireMock"]
    assert skipped["Prism"] == "@stoplight/prism-cli 1.2.3 needs node >=24.14.0; found v20.1.0"
    assert other_servers.versions() == ["WireMock 1.2.3", "Prism 1.2.3", "Mockoon 1.2.3", "Node 20.1.0", "Java 17.0.1"]


@pytest.fixture
def running(server: MockServer) -> Server:
    return Server(ServerSpec(OURS, lambda _: []), 0, server.port)


def test_a_server_with_the_list_for_a_token_only_is_usable(running: Server) -> None:
    check(running, fetch_list(running.port))


def test_a_server_with_another_list_is_unusable(running: Server) -> None:
    with pytest.raises(Unusable, match="not the list"):
        check(running, fetch_list(running.port, "sk_another"))


def test_a_server_without_authentication_is_unusable(running: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    content = fetch_list(running.port)
    monkeypatch.setattr(servers, "fetch_list", lambda *_: content)
    with pytest.raises(Unusable, match="without a bearer token"):
        check(running, content)


def test_a_server_that_does_not_start_reports_its_last_output() -> None:
    code = "import sys; print('first'); sys.exit('the port is taken')"
    spec = ServerSpec("none", lambda _: [sys.executable, "-c", code])
    with pytest.raises(Unusable, match="ended with code 1; its last output: the port is taken"), started(spec):
        pass
