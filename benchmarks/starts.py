"""Measures how long servers take to start, and the import that ours needs."""

import resource
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.audiences import Cost
from benchmarks.servers import ServerSpec, cores, environment, on_core, started

IMPORT = "import fastapi, uvicorn"


def start(spec: ServerSpec) -> Cost:
    """Return the cost from the start of the process to its first list."""
    begin = time.perf_counter()
    with started(spec) as server:
        return Cost(server.cpu_seconds(), time.perf_counter() - begin)


def import_cost() -> Cost:
    """Return the cost of a process on the same core that only imports the server's packages."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(on_core(cores()[0], sys.executable, "-c", IMPORT), env=environment(), check=True)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall)


def in_turn(specs: Sequence[ServerSpec], rounds: int) -> dict[str, list[Cost]]:
    """Start all in turn. The first round does not count: it brings files into memory, and writes bytecode."""
    costs: dict[str, list[Cost]] = {IMPORT: [], **{spec.name: [] for spec in specs}}
    for number in range(-1, rounds):
        for name, cost in [(IMPORT, import_cost()), *((each.name, start(each)) for each in specs)]:
            if number >= 0:
                costs[name].append(cost)
    return costs
