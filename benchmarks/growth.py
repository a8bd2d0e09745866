"""Measures whether a request costs more as the server holds more tenants, rules, exchanges or members."""

import contextlib
import itertools
import json
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import audiences
from benchmarks.audiences import Case, Cost, Costs, Request, Target
from benchmarks.loads import Loads, Run, rotating, run
from benchmarks.servers import LIST, ROOT, Server, ServerSpec, ours, started

CONNECTIONS = 16
SHIFTS = 10
"""Number of parts in which the journal is filled, and then filled again."""
WARMING = 4
"""Seconds of a run of requests by many tenants before the measurement."""
WARM_REQUESTS = 8
"""Number of requests of each tenant in these runs: twice as many as it takes until a head is no longer read."""
BLOCK = 200
"""Number of requests of a measurement of stubs."""
STUBBED = "/atoms/v1/stubbed"
LIST_REQUEST = Request("GET", LIST)


@contextlib.contextmanager
def target_of(server: Server) -> Iterator[Target]:
    """Yield a connection to a server that measures the cost of each request."""
    with contextlib.closing(Target(server.process_id, server.port)) as target:
        yield target


@contextlib.contextmanager
def one_each(specs: Mapping[int, ServerSpec]) -> Iterator[dict[int, Server]]:
    """Start a server for each size."""
    with contextlib.ExitStack() as stack:
        yield {size: stack.enter_context(started(spec)) for size, spec in specs.items()}


def tenants(loads: Loads, sizes: Sequence[int], rounds: int) -> dict[int, list[Run]]:
    """Measure the list, requested by more and more tenants in turn, always in the same order.

    Lists differ in length. Fewer tenants are those with lists closest to the mean length.
    """
    with started(ours()) as server, target_of(server) as target:
        lengths = {
            token: len(target.send(LIST_REQUEST._replace(token=token)))
            for token in (f"sk_tenant_{number:05}" for number in range(max(sizes)))
        }
    mean = statistics.mean(lengths.values())
    tokens = sorted(lengths, key=lambda token: abs(lengths[token] - mean))
    with one_each({size: ours() for size in sizes}) as servers, tempfile.TemporaryDirectory() as folder:
        scripts = {}
        for size, server in servers.items():
            path = Path(folder) / str(size)
            path.write_text("\n".join(tokens[:size]), encoding="ascii")
            scripts[size] = rotating(path)
            with target_of(server) as target:
                for token in tokens[:size]:
                    target.send(LIST_REQUEST._replace(token=token))
            sent = 0.0  # wrk's requests differ from the target's
            while sent < WARM_REQUESTS * size:
                sent += WARMING * run(server, CONNECTIONS, WARMING, scripts[size]).rate
        return loads.in_turn(servers, CONNECTIONS, rounds, scripts)


def rules(loads: Loads, sizes: Sequence[int], rounds: int) -> dict[int, list[Run]]:
    """Measure the list with more and more rules for other tokens."""
    with one_each({size: ours() for size in sizes}) as servers:
        for size, server in servers.items():
            with target_of(server) as target:
                for number in range(size):
                    rule = {"match": {"token": f"sk_other_{number}"}, "fault": "500"}
                    body = json.dumps(rule).encode()
                    target.send(Request("POST", "/__admin/faults", body=body, status=201))
        return loads.in_turn(servers, CONNECTIONS, rounds)


def stubs(sizes: Sequence[int], rounds: int) -> dict[tuple[str, int], list[Cost]]:
    """Measure the list and a stubbed route with more and more stubs, by request and number of stubs."""
    costs: dict[tuple[str, int], list[Cost]] = {}
    with one_each({size: ours() for size in sizes}) as servers, contextlib.ExitStack() as stack:
        targets = {size: stack.enter_context(target_of(server)) for size, server in servers.items()}
        for size, target in targets.items():
            paths = [STUBBED, *(f"/atoms/v1/other/{number}" for number in range(size))][:size]
            mappings = [{"request": {"method": "GET", "urlPath": path}, "response": {"body": "{}"}} for path in paths]
            target.send(audiences.control("POST", "mappings/import", mappings=mappings))
        for number in range(-1, rounds):
            for size, target in targets.items():
                for path, name in ((LIST, "list"), (STUBBED, "stubbed route")):
                    if size or path == LIST:
                        cost = target.cost([Request("GET", path)] * BLOCK)
                        if number >= 0:  # the first round only loads what is loaded lazily
                            costs.setdefault((name, size), []).append(cost)
    return costs


def journal(size: int, rounds: int) -> dict[int, list[Cost]]:
    """Measure the list while the journal fills, and as long afterwards, by the number of requests so far.

    The journal is emptied before each round. The first round does not count: it only lets the memory grow.
    """
    part = size // SHIFTS
    costs: dict[int, list[Cost]] = {}
    with started(ours("--journal-size", str(size))) as server, target_of(server) as target:
        for number in range(-1, rounds):
            target.send(Request("DELETE", "/__admin/requests"))
            for before in range(0, 2 * size, part):
                cost = target.cost([LIST_REQUEST] * part)
                if number >= 0:
                    costs.setdefault(before, []).append(cost)
    return costs


def access_log(loads: Loads, rounds: int) -> dict[str, list[Run]]:
    """Measure one connection with and without an access log in a file."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        specs = {
            "no log": ours(log=Path(folder) / "warnings"),
            "log to a file": ours("--log-level", "info", log=Path(folder) / "exchanges"),
        }
        servers = {name: stack.enter_context(started(spec)) for name, spec in specs.items()}
        runs = loads.in_turn(servers, 1, rounds)
        if not (Path(folder) / "exchanges").read_bytes().count(LIST.encode()) > rounds:
            raise RuntimeError("the access log is missing from its file")
        return runs


def first_lists(rounds: int, checkout: Path = ROOT) -> Costs:
    """Measure the first list of new tokens, and a repeated list."""
    numbers = itertools.count()
    cases = [
        Case("first", lambda: [LIST_REQUEST._replace(token=f"sk_new_{next(numbers)}") for _ in range(10)]),
        Case("repeated", lambda: [LIST_REQUEST] * 10),
    ]
    with started(ours(checkout=checkout)) as server, target_of(server) as target:
        return audiences.measure(target, cases, audiences.Plan(rounds, 60, 0))


def pages(rounds: int, checkout: Path = ROOT) -> Costs:
    """Measure pages of members at the start and the end of an audience, without the response cache."""
    with started(ours("--no-response-cache", checkout=checkout)) as server, target_of(server) as target:
        return audiences.measure(target, audiences.page_cases(target), audiences.Plan(rounds, 60, 0))


def members(rounds: int, checkout: Path = ROOT) -> Costs:
    """Measure adding one member, and searches and uploads of the largest audience, without the response cache."""
    with started(ours("--no-response-cache", checkout=checkout)) as server, target_of(server) as target:
        additions = audiences.addition_cases(target, (audiences.SMALLEST,))
        searches = audiences.search_cases(target, (audiences.LARGEST,))
        file = audiences.upload(audiences.csv_file(audiences.LARGEST), "sk_upload")

        def reset() -> list[Request]:
            target.send(audiences.control("POST", "reset", token="sk_upload"))
            return [file] * 2

        cases = [
            *(case._replace(name=f"one member added, {case.name}") for case in additions),
            *(case._replace(name=f"search, {case.name}") for case in searches),
            Case(f"upload, {audiences.LARGEST:,}", reset),
        ]
        return audiences.measure(target, cases, audiences.Plan(rounds, 60, 0))


def resident(spec: ServerSpec, requests: int, tokens: int) -> int:
    """Return the resident bytes after `requests` lists, requested by `tokens` tokens in turn."""
    with started(spec) as server, target_of(server) as target:
        for number in range(requests):
            target.send(LIST_REQUEST._replace(token=f"sk_tenant_{number % tokens:05}"))
        return server.resident_bytes()
