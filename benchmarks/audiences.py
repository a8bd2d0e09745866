"""What members and uploads cost: does a page cost more far behind, or a search more than its members do?

`python benchmarks/audiences.py` starts a server in a process of its own, one for what memory is kept and one for the
rest, sends several sorts of requests in turn, and prints CPU time of the server and wall time per request, each as
median (least to most), and how they compare.
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
from collections.abc import Callable, Iterator
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
ROOMY = 9_900
"""An audience with as many members takes some more; one with the most that there may be takes none."""
PAGE = 10
LONGEST_FILE = 5 * 1024 * 1024
BLOCK = 50
"""How many requests are measured at once, of those that take no time."""
BOUNDARY = "of-the-form"


class Request(NamedTuple):
    """A request, and the status that its answer must have."""

    method: str
    path: str
    token: str = "sk_bench"
    body: bytes | None = None
    content_type: str = "application/json"
    status: int = HTTPStatus.OK


class Cost(NamedTuple):
    """What one request cost, in seconds: CPU time of the server, user and system, and time."""

    cpu: float
    wall: float


class Case(NamedTuple):
    """Requests of one sort. What `prepare` does is not measured, the requests that it returns are."""

    name: str
    prepare: Callable[[], list[Request]]


class Plan(NamedTuple):
    """How often each case is measured, after how many seconds no other round begins, and how many uploads are kept."""

    rounds: int
    seconds: float
    uploads: int


Costs = dict[str, list[Cost]]


class Target:
    """The server, watched from outside: it does nothing for being measured."""

    def __init__(self, process_id: int, port: int) -> None:
        self._proc = Path(f"/proc/{process_id}")
        self._clock = ~process_id << 3 | 2  # as clock_getcpuclockid(3) makes it: finer than the ticks of /proc/PID/stat
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def close(self) -> None:
        """Let the server go."""
        self._connection.close()

    def send(self, request: Request) -> bytes:
        """Return the body of the answer."""
        headers = {"Authorization": f"Bearer {request.token}", "Content-Type": request.content_type}
        self._connection.request(request.method, request.path, request.body, headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != request.status:
            raise SystemExit(f"{request.method} {request.path}: {answer.status} {body[:200]!r}")
        return body

    def ask(self, request: Request) -> Any:  # noqa: ANN401 - any JSON
        """Return the JSON of the answer."""
        return json.loads(self.send(request))

    def cost(self, requests: list[Request]) -> Cost:
        """Send `requests`, and return what one of them cost."""
        cpu, wall = time.clock_gettime(self._clock), time.perf_counter()
        for request in requests:
            self.send(request)
        cpu, wall = time.clock_gettime(self._clock) - cpu, time.perf_counter() - wall
        return Cost(cpu / len(requests), wall / len(requests))

    def memory(self, name: str) -> int:
        """Return how many bytes are resident, `VmRSS`, or have been at most, `VmHWM`."""
        lines = (self._proc / "status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024

    def forget_peak(self) -> None:
        """Let `VmHWM` begin anew; where that is not allowed, it stays the peak of all that was before."""
        with contextlib.suppress(OSError):
            (self._proc / "clear_refs").write_text("5", encoding="ascii")


def serve() -> None:
    """Serve on a free port, tell it, and stop when the input ends."""
    import logging  # noqa: PLC0415 - only this half logs

    from mock_atoms import MockServer  # noqa: PLC0415 - the client half does without

    logging.disable(logging.CRITICAL)
    with MockServer(response_cache=False) as mock:  # what making an answer costs, not what sending it again does
        print(mock.port, flush=True)
        sys.stdin.read()


def csv_file(rows: int, filler: str = "") -> bytes:
    """Return a CSV file of `rows` rows, each with a number of its own."""
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
    """Let `token` hold one generated audience as new, and return its path."""
    target.send(control("PUT", "tenants", token=token, generate={"audiences": 1, "members": members}))
    return f"{API}/{target.ask(Request('GET', API, token))['data'][0]['_id']}/members"


def uploaded(target: Target, members: int, token: str) -> str:
    """Let `token` hold one uploaded audience as new, beside what it begins with, and return its path."""
    target.send(control("POST", "reset", token=token))
    return f"{API}/{target.ask(upload(csv_file(members), token))['data']['_id']}/members"


def column_of(target: Target, path: str, token: str) -> str:
    """Return which column of an audience holds the phone numbers."""
    column: str = target.ask(Request("GET", path.removesuffix("/members"), token))["data"]["phoneNumberColumnName"]
    return column


Maker = Callable[[Target, int, str], str]
KINDS: dict[str, Maker] = {"generated": generated, "uploaded": uploaded}


def measure(target: Target, cases: list[Case], plan: Plan) -> Costs:
    """Measure the cases in turn, there and back, so that whatever else the machine does meets all of them alike."""
    costs: Costs = {case.name: [] for case in cases}
    until = time.monotonic() + plan.seconds
    for case in cases if plan.rounds > 1 else ():
        target.cost(case.prepare())  # what is made once is made
    for number in range(plan.rounds):
        if number and time.monotonic() > until:
            break
        for case in cases if number % 2 else reversed(cases):
            costs[case.name].append(target.cost(case.prepare()))
    return costs


def spread(values: list[float]) -> str:
    """Return the median of `values`, and their range."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def line(name: str, cpu: list[float], wall: list[float]) -> None:
    """Print one line of a table."""
    print(f"  {name:<38}{spread(cpu):>27}{spread(wall):>27}")


def head(title: str, costs: Costs) -> None:
    """Print the costs of all cases, in milliseconds, under `title`."""
    rounds = len(next(iter(costs.values())))
    print(f"\n{title} (rounds: {rounds})\n  {'ms per request':<38}{'CPU':>27}{'wall':>27}")
    for name, seen in costs.items():
        line(name, [1e3 * cost.cpu for cost in seen], [1e3 * cost.wall for cost in seen])


def ratio(name: str, above: list[Cost], below: list[Cost]) -> None:
    """Print what `above` costs in units of `below`, each round against itself."""
    pairs = list(zip(above, below, strict=True))
    line(
        f"= {name}", [over.cpu / under.cpu for over, under in pairs], [over.wall / under.wall for over, under in pairs]
    )


def growth(thing: str, costs: Costs) -> None:
    """Print what each `thing` more costs, from size to size, and whether it stays the same."""
    steps: list[list[Cost]] = []
    for (less, low), (more, high) in pairwise(zip(SIZES, costs.values(), strict=False)):  # others come behind
        step = [
            Cost((over.cpu - under.cpu) / (more - less), (over.wall - under.wall) / (more - less))
            for under, over in zip(low, high, strict=True)
        ]
        name = f"µs per {thing}, {less:,} to {more:,}"
        line(name, [1e6 * cost.cpu for cost in step], [1e6 * cost.wall for cost in step])
        steps.append(step)
    ratio(f"per {thing}: beyond {SIZES[-2]:,} / before", steps[-1], steps[-2])


def page_cases(target: Target) -> list[Case]:
    """Return pages of members of each kind: of the smallest audience, and the first and the last of the largest."""

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
    """Measure a page of members at the beginning and at the end."""
    costs = measure(target, page_cases(target), plan)
    head(f"1. a page of {PAGE} members, by size of the audience and place in it", costs)
    for kind in KINDS:
        small, early, late = (seen for name, seen in costs.items() if name.startswith(kind))
        ratio(f"{kind}: late / early", late, early)
        ratio(f"{kind}: {LARGEST:,} / {SMALLEST:,}", early, small)


def searches(target: Target, plan: Plan) -> None:
    """Measure a search that finds one member of more and more."""

    def prepared(kind: str, members: int) -> Case:
        token = f"sk_search_{kind}_{members}"
        path = KINDS[kind](target, members, token)
        first = target.ask(Request("GET", f"{path}?page=1&offset=1", token))["data"]["members"][0]["data"]
        number = quote(first[column_of(target, path, token)], safe="")
        request = Request("GET", f"{path}/search?query={number}", token)
        return Case(f"{kind}, {members:,}", lambda: [request] * max(2, BLOCK * SMALLEST // members))

    costs = measure(target, [*(prepared("generated", size) for size in SIZES), prepared("uploaded", LARGEST)], plan)
    head("2. a search that finds one member, by size of the audience", costs)
    smallest, *_, largest, other = costs.values()
    ratio(f"generated: {LARGEST:,} / {SMALLEST:,}", largest, smallest)
    ratio(f"{LARGEST:,}: generated / uploaded", largest, other)
    growth("member", costs)


def additions(target: Target, plan: Plan) -> None:
    """Measure adding one member after another to a new audience."""

    def prepare(make: Maker, members: int) -> list[Request]:
        token = "sk_add"
        path = make(target, members, token)
        column = column_of(target, path, token)
        # French numbers: none of them is there yet.
        bodies = (json.dumps({"members": [{column: f"+3319900{number:04d}"}]}) for number in range(BLOCK))
        return [Request("POST", path, token, body.encode()) for body in bodies]

    sizes = (SMALLEST, ROOMY)
    cases = [
        Case(f"{kind}, {members:,}", partial(prepare, make, members))
        for kind, make in KINDS.items()
        for members in sizes
    ]
    costs = measure(target, cases, plan)
    head("3. adding one member, by size of the audience", costs)
    for kind in KINDS:
        small, large = (seen for name, seen in costs.items() if name.startswith(kind))
        ratio(f"{kind}: {ROOMY:,} / {SMALLEST:,}", large, small)


def uploads(target: Target, plan: Plan) -> None:
    """Measure uploads of more and more rows, and one that is refused."""

    def prepare(request: Request, count: int) -> list[Request]:
        target.send(RESET)
        return [request] * count

    cases = [Case(f"{rows:,} rows", partial(prepare, upload(csv_file(rows)), max(2, 200 // rows))) for rows in SIZES]
    cases += [
        Case(f"{LARGEST:,} rows, 5 MB", partial(prepare, upload(longest_file()), 2)),
        Case("refused, 5 MB + 1 byte", partial(prepare, refused(), 5)),
    ]
    costs = measure(target, cases, plan)
    head("4. an upload, by number of rows", costs)
    smallest, *_, largest, longest, too_long = costs.values()
    ratio(f"{LARGEST:,} / {SMALLEST:,}", largest, smallest)
    ratio(f"{LARGEST:,} rows of 5 MB / short ones", longest, largest)
    ratio("refused / 5 MB", too_long, longest)
    growth("row", costs)


def longest_file() -> bytes:
    """Return a file with as many rows as there may be, of nearly as many bytes."""
    room = LONGEST_FILE - len(csv_file(LARGEST))
    return csv_file(LARGEST, "x" * (room // LARGEST))


def refused() -> Request:
    """Return the upload of a file that is one byte too long."""
    return upload(b"x" * (LONGEST_FILE + 1), status=HTTPStatus.BAD_REQUEST)


def memory(target: Target, steps: dict[str, list[Request]]) -> None:
    """Measure what is resident before, at the peak of and after each of `steps`, and what each row makes it grow."""
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
    """Measure what uploads keep, and whether as many again find the room that a reset gave back."""
    many = [upload(csv_file(LARGEST), f"sk_many_{number // 5}") for number in range(plan.uploads)]
    print(
        f"\n0. memory of the server\n  {'MiB resident':<38}{'before':>12}{'peak':>12}{'after':>12}{'bytes a row':>12}"
    )
    one_each = {f"1 of {rows:,} rows": [upload(csv_file(rows))] for rows in SIZES}
    memory(target, one_each | {f"{len(many)} of {LARGEST:,} rows": many, "POST /__admin/reset": [RESET]})
    memory(target, {"as many once more": many, "reset": [RESET]})


def memory_of_long(target: Target) -> None:
    """Measure what the longest files keep, the refused first: they should leave nothing.

    On a server that had uploads before, what they take would not show: it has room.
    """
    print("  a new server")
    memory(target, {"1 refused, 5 MB + 1 byte": [refused()], "20 refused": [refused()] * 20, "reset": [RESET]})
    memory(target, {f"1 of {LARGEST:,} rows, 5 MB": [upload(longest_file())], "another reset": [RESET]})


@contextlib.contextmanager
def started() -> Iterator[Target]:
    """Start a server; it stops where its input ends."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        with contextlib.closing(Target(server.pid, int(server.stdout.readline()))) as target:
            yield target


def main() -> int:
    """Measure all, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=15, metavar="N", help="measure each case N times")
    parser.add_argument("--quick", action="store_true", help="only see that it runs: figures mean little")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        serve()
        return 0
    plan = Plan(1, 5, 2) if given.quick else Plan(max(1, given.repeat), 60, 20)
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
