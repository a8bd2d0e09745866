"""How the findings compare with the goals."""

from collections.abc import Iterator

from benchmarks.findings import Findings, Goal, Pair, Row, median, ratios, work_row
from benchmarks.per_test_goals import per_test_rows
from benchmarks.servers import FLOOR, OURS
from benchmarks.starts import IMPORT


def rows(found: Findings) -> list[Row]:
    """Return every goal with its figures."""
    return [*rows_of_serving(found), *per_test_rows(found)]


def rows_of_serving(found: Findings) -> list[Row]:
    """Return the goals of serving repeated requests, of starts and of growth."""
    return [*_lists(found), *_starts(found), *_growth(found)]


def _lists(found: Findings) -> Iterator[Row]:
    def against(name: str, what: str, goal: Goal, *, by_cpu: bool = False) -> Iterator[Row]:
        for connections, runs in found.lists.items():
            if connections > 1:
                compared = ratios(runs.get(OURS), runs.get(name), "rate")
                yield Row(f"list, {connections} connections: {what}", name, goal, *compared, by_cpu=by_cpu)

    rate = "requests a second"
    yield from against(FLOOR, "CPU time per request", Goal(1.6, aim=1.25), by_cpu=True)
    yield from against(FLOOR, rate, Goal(0.60, at_least=True, aim=0.80))
    yield from against("WireMock", rate, Goal(2.5, at_least=True))
    yield from against("Prism", rate, Goal(10, at_least=True))
    yield from against("Mockoon", rate, Goal(10, at_least=True))
    one, ours = found.lists.get(1, {}), found.lists.get(64, {}).get(OURS)
    yield Row("list, 1 connection: p50", FLOOR, Goal(1.6), *ratios(one.get(OURS), one.get(FLOOR), "p50"))
    tail = median(ours, "p99") / median(ours, "p50") if ours else None
    yield Row("list, 64 connections: p99", "its own p50", Goal(4), None, tail)


def _starts(found: Findings) -> Iterator[Row]:
    others = {name: costs for name, costs in found.starts.items() if not name.startswith(f"{OURS} of ")}
    ours, imported = others.pop(OURS, None), others.pop(IMPORT, None)
    start = "start of the process to its first list"
    yield Row(start, f"`{IMPORT}`", Goal(1.12), *ratios(ours, imported, "wall"))
    fastest = min(others, key=lambda name: median(others[name], "wall"), default="")
    against = f"the fastest other server: {fastest}" if fastest else "the fastest other server"
    yield Row(start, against, Goal(0.5), *ratios(ours, others.get(fastest), "wall"))
    new, again = found.first.get("first"), found.first.get("repeated")
    more = median(new, "cpu") - median(again, "cpu") if new and again else None
    yield work_row("first list of a new token, beyond a repeated list", 350, more, found.lists.get(16, {}).get(FLOOR))
    both = OURS in found.resident and "Prism" in found.resident
    memory = found.resident[OURS] / found.resident["Prism"] if both else None
    yield Row("resident memory after the load of many tenants", "Prism", Goal(0.8), None, memory)


def _growth(found: Findings) -> Iterator[Row]:
    def row(what: str, against: str, compared: Pair, limit: float = 1.15) -> Row:
        return Row(what, against, Goal(limit), *compared, by_cpu=True)

    for name, runs in (("tenants", found.tenants), ("rules for other tenants", found.rules)):
        smallest, largest = min(runs, default=0), max(runs, default=0)
        yield row(f"list: {largest:,} {name}", f"{smallest:,}", ratios(runs.get(largest), runs.get(smallest), "rate"))
    for name, fewest, limit in (("list", 0, 1.05), ("stubbed route", 1, 1.5)):
        most = max((number for _, number in found.stubs), default=0)
        compared = ratios(found.stubs.get((name, most)), found.stubs.get((name, fewest)), "wall")
        yield row(f"{name}: {most:,} stubs", f"{fewest}", compared, limit)
    before = [cost for since, costs in found.journal.items() if since < found.journal_size for cost in costs]
    full = [cost for since, costs in found.journal.items() if since >= found.journal_size for cost in costs]
    yield row("list: journal full", "while it fills", ratios(full, before, "wall"))
    logged, silent = found.log.get("log to a file"), found.log.get("no log")
    yield row("list, 1 connection: access log to a file", "no log", ratios(logged, silent, "p50"))
    for kind in ("generated", "uploaded"):
        late, early = (found.pages.get(f"{kind}, 10,000, index {index}") for index in ("9,990", "0"))
        yield row(f"page at 9,990 of 10,000 members, {kind}", "page at 0", ratios(late, early, "wall"), 1.2)
