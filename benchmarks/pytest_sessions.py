"""Measures what the pytest plugin adds to a session: loaded and unused, with its first fixture, and with each test."""

import importlib.util
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.audiences import Cost
from benchmarks.servers import environment

PLUGIN = ("-p", "mock_atoms.testing.pytest_plugin")
WITHOUT, UNUSED, FIRST = "one test, without the plugin", "one test, plugin unused", "one test with `mock_atoms`"
MANY_UNUSED, MANY = "many tests, plugin unused", "many tests with `mock_atoms`"
EMPTY_TEST = (
    "import pytest\n\n@pytest.mark.parametrize('number', range({count}))\ndef test_it({fixtures}number):\n    pass\n"
)
SESSIONS: Mapping[str, tuple[bool, bool, bool]] = {
    # whether it has the plugin, the fixtures, and many tests
    WITHOUT: (False, False, False),
    UNUSED: (True, False, False),
    FIRST: (True, True, False),
    MANY_UNUSED: (True, False, True),
    MANY: (True, True, True),
}
Sessions = dict[str, list[Cost]]


def session(file: Path, plugins: Sequence[str]) -> Cost:
    """Return the cost of a session in a process."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins, file.name],
        env={**environment(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=file.parent,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall)


def in_turn(tests: int, rounds: int) -> Sessions:
    """Run sessions of one test and of `tests` in turn. The first round does not count: it writes the bytecode.

    Without pytest, there is nothing to measure.
    """
    if importlib.util.find_spec("pytest") is None:
        return {}
    costs: Sessions = {name: [] for name in SESSIONS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pytest.ini").touch()
        for number in range(-1, rounds):
            for kind, (has_plugin, has_fixtures, has_many) in SESSIONS.items():
                file = folder / f"test_{[*SESSIONS].index(kind)}.py"
                fixtures = "mock_atoms, mock_atoms_token, " if has_fixtures else ""
                file.write_text(EMPTY_TEST.format(count=tests if has_many else 1, fixtures=fixtures), encoding="ascii")
                cost = session(file, PLUGIN if has_plugin else ())
                if number >= 0:
                    costs[kind].append(cost)
    return costs
