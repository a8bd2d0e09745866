"""Measures the cost of members and uploads: pages far from the start, searches, additions and uploads by size.

`python benchmarks/audiences.py` starts one server to measure memory and one for the rest, each in a separate process.
It sends several kinds of requests in turn. It prints the server's CPU time and the wall time per request, each as
median (minimum to maximum), and their ratios.
"""

import argparse
import contextlib
import http.client
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

API = "/atoms/v1/audience"
COLUMN = "phoneNumber"
SIZES = (10, 100, 1_000, 10_000)
SMALLEST, LARGEST = SIZES[0], SIZES[-1]
NEARLY_FULL = 9_900
"""Members of an audience to which more can be added; an audience of `LARGEST` takes no more."""
PAGE = 10
MAX_FILE_BYTES = 5 * 1024 * 1024
BLOCK = 50
"""Number of cheap requests that are measured together."""
BOUNDARY = "of-the-form"


class Request(NamedTuple):
    """A request and the expected status of its response."""

    method: str
    path: str
    token: str = "sk_bench"
    body: bytes | None = None
    content_type: str = "application/json"
    status: int = HTTPStatus.OK


class Cost(NamedTuple):
    """The cost of one request in seconds: user and system time of the server, and wall time."""

    cpu: float
    wall: float


class Case(NamedTuple):
    """Requests of one kind. `prepare` is not measured; the requests that it returns are."""

    name: str
    prepare: Callable[[], list[Request]]


class Plan(NamedTuple):
    """Number of rounds, seconds after which no other round starts, and number of uploads that are kept."""

    rounds: int
    seconds: float
    uploads: int


Costs = dict[str, list[Cost]]


class Target:
    """The server, observed from outside by its process id."""

    def __init__(self, process_id: int, port: int) -> None:
        self._proc = Path(f"/proc/{process_id}")
        self._clock = ~process_id << 3 | 2  # of clock_getcpuclockid(3): finer than the ticks of /proc/PID/stat
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def send(self, request: Request) -> bytes:
        """Return the body of the response."""
        headers = {"Authorization": f"Bearer {request.token}", "Content-Type": request.content_type}
        self._connection.request(request.method, request.path, request.body, headers)
        response = self._connection.getresponse()
        body = response.read()
        if response.status != request.status:
            raise SystemExit(f"{request.method} {request.path}: {response.status} {body[:200]!r}")
        return body

    def fetch(self, request: Request) -> Any:  # noqa: ANN401 - any JSON
        """Return the JSON of the response."""
        return json.loads(self.send(request))

    def cost(self, requests: list[Request]) -> Cost:
        """Send `requests`, and return the mean cost of one."""
        cpu, wall = time.clock_gettime(self._clock), time.perf_counter()
        for request in requests:
            self.send(request)
        cpu, wall = time.clock_gettime(self._clock) - cpu, time.perf_counter() - wall
        return Cost(cpu / len(requests), wall / len(requests))

    def memory(self, name: str) -> int:
        """Return the resident bytes: the current ones, `VmRSS`, or the peak, `VmHWM`."""
        lines = (self._proc / "status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024

    def forget_peak(self) -> None:
        """Reset `VmHWM`. If that is not allowed, it stays the peak since the start."""
        with contextlib.suppress(OSError):
            (self._proc / "clear_refs").write_text("5", encoding="ascii")


def serve() -> None:
    """Serve on a free port, print the port, and stop when the input ends."""
    import logging  # noqa: PLC0415 - only this half logs

    from mock_atoms import MockServer  # noqa: PLC0415 - the client half does without

    logging.disable(logging.CRITICAL)
    with MockServer(response_cache=False) as mock:  # measures how a response is built, not the cache
        print(mock.port, flush=True)
        sys.stdin.read()


def csv_file(rows: int, filler: str = "") -> bytes:
    """Return a CSV file of `rows` rows, each with a different number."""
    lines = (f"+1{201 + row // 100}55501{row % 100:02d},Ada Bell {row},Leeds{filler}" for row in range(rows))
    return "\n".join([f"{COLUMN},name,city", *lines]).encode()


def upload(file: bytes, token: str = "sk_bench", status: int = HTTPStatus.OK) -> Request:
    """Return the request that uploads `file`."""
    fields = {"name": "Uploaded", "phoneNumberColumnName": COLUMN}
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="'
    parts = [f'{head}{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()]
    parts.append(f'{head}file"; filename="members.csv"\r\nContent-Type: text/csv\r\n\r\n')
    body = "".join(parts).encode() + file + f"\r\n--{BOUNDARY}--\r\n".encode()
    return Request("POST", API, token, body, f"multipart/form-data; boundary={BOUNDARY}", status)


def control(method: str, path: str, **fields: object) -> Request:
    """Return a call of the control API."""
    return Request(method, f"/__admin/{path}", body=json.dumps(fields).encode())


RESET = control("POST", "reset")


def generated(target: Target, members: int, token: str) -> str:
    """Give `token` one generated audience without changes, and return its path."""
    target.send(control("PUT", "tenants", token=token, generate={"audiences": 1, "members": members}))
    return f"{API}/{target.fetch(Request('GET', API, token))['data'][0]['_id']}/members"


def uploaded(target: Target, members: int, token: str) -> str:
    """Reset `token`, upload one audience for it, and return its path."""
    target.send(control("POST", "reset", token=token))
    return f"{API}/{target.fetch(upload(csv_file(members), token))['data']['_id']}/members"


def column_of(target: Target, path: str, token: str) -> str:
    """Return the name of an audience's column of phone numbers."""
    column: str = target.fetch(Request("GET", path.removesuffix("/members"), token))["data"]["phoneNumberColumnName"]
    return column


CreateAudience = Callable[[Target, int, str], str]
KINDS: dict[str, CreateAudience] = {"generated": generated, "uploaded": uploaded}


def measure(target: Target, cases: list[Case], plan: Plan) -> Costs:
    """Measure the cases in turn, forward and then backward, so that other programs disturb all of them equally."""
    costs: Costs = {case.name: [] for case in cases}
    until = time.monotonic() + plan.seconds
    for case in cases if plan.rounds > 1 else ():
        target.cost(case.prepare())  # lazy initialization is done
    for number in range(plan.rounds):
        if number and time.monotonic() > until:
            break
        for case in cases if number % 2 else reversed(cases):
            costs[case.name].append(target.cost(case.prepare()))
    return costs


def spread(values: list[float]) -> str:
    """Return the median of `values` and their range."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def line(name: str, cpu: list[float], wall: list[float]) -> None:
    """Print one line of a table."""
    print(f"  {name:<38}{spread(cpu):>27}{spread(wall):>27}")


def head(title: str, costs: Costs) -> None:
    """Print the costs of all cases, in milliseconds, under `title`."""
    rounds = len(next(iter(costs.values())))
    print(f"\n{title} (rounds: {rounds})\n  {'ms per request':<38}{'CPU':>27}{'wall':>27}")
    for name, measured in costs.items():
        line(name, [1e3 * cost.cpu for cost in measured], [1e3 * cost.wall for cost in measured])


def ratio(name: str, numerator: list[Cost], denominator: list[Cost]) -> None:
    """Print the costs `numerator` divided by `denominator`, round by round."""
    pairs = list(zip(numerator, denominator, strict=True))
    line(
        f"= {name}", [over.cpu / under.cpu for over, under in pairs], [over.wall / under.wall for over, under in pairs]
    )


def growth(thing: str, costs: Costs) -> None:
    """Print the cost of each additional `thing`, from size to size, and whether it stays the same."""
    steps: list[list[Cost]] = []
    for (less, low), (more, high) in pairwise(zip(SIZES, costs.values(), strict=False)):  # other cases follow
        step = [
            Cost((over.cpu - under.cpu) / (more - less), (over.wall - under.wall) / (more - less))
            for under, over in zip(low, high, strict=True)
        ]
        name = f"µs per {thing}, {less:,} to {more:,}"
        line(name, [1e6 * cost.cpu for cost in step], [1e6 * cost.wall for cost in step])
        steps.append(step)
    ratio(f"per {thing}: beyond {SIZES[-2]:,} / before", steps[-1], steps[-2])


def page_cases(target: Target) -> list[Case]:
    """Return cases of pages: one of the smallest audience of each kind, the first and the last of the largest."""

    def page(path: str, token: str, members: int) -> list[Request]:
        return [Request("GET", f"{path}?page={members // PAGE}&offset={PAGE}", token)] * BLOCK

    cases = []
    for kind, make in KINDS.items():
        for members in (SMALLEST, LARGEST):
            token = f"sk_page_{kind}_{members}"
            path = make(target, members, token)
            for last in (PAGE,) if members == PAGE else (PAGE, members):
                name = f"{kind}, {members:,}, index {last - PAGE:,}"
                cases.append(Case(name, partial(page, path, token, last)))
    return cases


def pages(target: Target, plan: Plan) -> None:
    """Measure a page of members at the start and at the end."""
    costs = measure(target, page_cases(target), plan)
    head(f"1. a page of {PAGE} members, by size of the audience and index", costs)
    for kind in KINDS:
        small, early, late = (measured for name, measured in costs.items() if name.startswith(kind))
        ratio(f"{kind}: late / early", late, early)
        ratio(f"{kind}: {LARGEST:,} / {SMALLEST:,}", early, small)


def search_cases(target: Target, sizes: Sequence[int] = SIZES) -> list[Case]:
    """Return cases of searches that find one member, of generated audiences and of the largest uploaded one."""

    def prepared(kind: str, members: int) -> Case:
        token = f"sk_search_{kind}_{members}"
        path = KINDS[kind](target, members, token)
        first = target.fetch(Request("GET", f"{path}?page=1&offset=1", token))["data"]["members"][0]["data"]
        number = quote(first[column_of(target, path, token)], safe="")
        request = Request("GET", f"{path}/search?query={number}", token)
        return Case(f"{kind}, {members:,}", lambda: [request] * max(2, BLOCK * SMALLEST // members))

    return [*(prepared("generated", size) for size in sizes), prepared("uploaded", LARGEST)]


def searches(target: Target, plan: Plan) -> None:
    """Measure a search that finds one member in larger and larger audiences."""
    costs = measure(target, search_cases(target), plan)
    head("2. a search that finds one member, by size of the audience", costs)
    smallest, *_, largest, other = costs.values()
    ratio(f"generated: {LARGEST:,} / {SMALLEST:,}", largest, smallest)
    ratio(f"{LARGEST:,}: generated / uploaded", largest, other)
    growth("member", costs)


def addition_cases(target: Target, sizes: Sequence[int] = (SMALLEST, NEARLY_FULL)) -> list[Case]:
    """Return cases of adding one member after another to a new audience."""

    def prepare(make: CreateAudience, members: int) -> list[Request]:
        token = "sk_add"
        path = make(target, members, token)
        column = column_of(target, path, token)
        # French numbers, which no audience has yet.
        bodies = (json.dumps({"members": [{column: f"+3319900{number:04d}"}]}) for number in range(BLOCK))
        return [Request("POST", path, token, body.encode()) for body in bodies]

    return [
        Case(f"{kind}, {members:,}", partial(prepare, make, members))
        for kind, make in KINDS.items()
        for members in sizes
    ]


def additions(target: Target, plan: Plan) -> None:
    """Measure adding one member, by size of the audience."""
    costs = measure(target, addition_cases(target), plan)
    head("3. adding one member, by size of the audience", costs)
    for kind in KINDS:
        small, large = (measured for name, measured in costs.items() if name.startswith(kind))
        ratio(f"{kind}: {NEARLY_FULL:,} / {SMALLEST:,}", large, small)


def uploads(target: Target, plan: Plan) -> None:
    """Measure uploads of more and more rows, and one that is rejected."""

    def prepare(request: Request, count: int) -> list[Request]:
        target.send(RESET)
        return [request] * count

    cases = [Case(f"{rows:,} rows", partial(prepare, upload(csv_file(rows)), max(2, 200 // rows))) for rows in SIZES]
    cases += [
        Case(f"{LARGEST:,} rows, 5 MB", partial(prepare, upload(longest_file()), 2)),
        Case("rejected, 5 MB + 1 byte", partial(prepare, rejected_upload(), 5)),
    ]
    costs = measure(target, cases, plan)
    head("4. an upload, by number of rows", costs)
    smallest, *_, largest, longest, too_long = costs.values()
    ratio(f"{LARGEST:,} / {SMALLEST:,}", largest, smallest)
    ratio(f"{LARGEST:,} rows of 5 MB / short ones", longest, largest)
    ratio("rejected / 5 MB", too_long, longest)
    growth("row", costs)


def longest_file() -> bytes:
    """Return a file with the maximum of rows and nearly the maximum of bytes."""
    room = MAX_FILE_BYTES - len(csv_file(LARGEST))
    return csv_file(LARGEST, "x" * (room // LARGEST))


def rejected_upload() -> Request:
    """Return the upload of a file that is one byte too long."""
    return upload(b"x" * (MAX_FILE_BYTES + 1), status=HTTPStatus.BAD_REQUEST)


def memory(target: Target, steps: dict[str, list[Request]]) -> None:
    """Measure the resident memory before, at the peak of and after each step, and its growth per row."""
    target.send(upload(csv_file(1)))
    for name, requests in steps.items():
        target.forget_peak()
        before = target.memory("VmRSS")
        for request in requests:
            target.send(request)
        after = target.memory("VmRSS")
        figures = "".join(f"{size / 2**20:12.1f}" for size in (before, target.memory("VmHWM"), after))
        rows = sum(request.body.count(b"Ada Bell") for request in requests if request.body)
        print(f"  {name:<38}{figures}{(after - before) / rows:12.0f}" if rows else f"  {name:<38}{figures}")


def memory_of_many(target: Target, plan: Plan) -> None:
    """Measure the memory of uploads, and whether more uploads reuse what a reset released."""
    many = [upload(csv_file(LARGEST), f"sk_many_{number // 5}") for number in range(plan.uploads)]
    print(
        f"\n0. memory of the server\n  {'MiB resident':<38}{'before':>12}{'peak':>12}{'after':>12}{'bytes a row':>12}"
    )
    one_each = {f"1 of {rows:,} rows": [upload(csv_file(rows))] for rows in SIZES}
    memory(target, one_each | {f"{len(many)} of {LARGEST:,} rows": many, "POST /__admin/reset": [RESET]})
    memory(target, {"as many again": many, "reset": [RESET]})


def memory_of_long(target: Target) -> None:
    """Measure the memory of the longest files, the rejected ones first: they should keep nothing.

    This needs a new server. One that has released memory would reuse that.
    """
    print("  a new server")
    memory(
        target,
        {"1 rejected, 5 MB + 1 byte": [rejected_upload()], "20 rejected": [rejected_upload()] * 20, "reset": [RESET]},
    )
    memory(target, {f"1 of {LARGEST:,} rows, 5 MB": [upload(longest_file())], "another reset": [RESET]})


@contextlib.contextmanager
def started() -> Iterator[Target]:
    """Start a server that stops when its input ends."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        with contextlib.closing(Target(server.pid, int(server.stdout.readline()))) as target:
            yield target


def main() -> int:
    """Measure everything, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=15, metavar="N", help="measure each case N times")
    parser.add_argument("--quick", action="store_true", help="only check that it runs; the figures mean little")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        serve()
        return 0
    plan = Plan(1, 5, 2) if arguments.quick else Plan(max(1, arguments.repeat), 60, 20)
    until = time.monotonic() + plan.seconds
    with started() as target:
        memory_of_many(target, plan)
    with started() as target:
        memory_of_long(target)
        sections = (pages, searches, additions, uploads)
        for number, section in enumerate(sections):
            left = (until - time.monotonic()) / (len(sections) - number)
            section(target, plan._replace(seconds=left))
    print(f"\nPython {platform.python_version()}, {os.cpu_count()} cores")
    return 0


if __name__ == "__main__":
    sys.exit(main())
