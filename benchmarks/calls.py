"""Measures what tests call besides the API: the control API, while the journal holds requests of other tests."""

import contextlib
import http.client
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.audiences import Cost
from benchmarks.servers import HOST, KEY, LIST, OURS, ROOT, Server, ServerSpec, ours, started
from benchmarks.suite_runs import bystander, fill
from mock_atoms import MockClient

OWN_TOKEN, OWN_TEST_ID = "sk_own", "own-test"
OWN_REQUESTS = 3
CALLS = 20
"""Number of calls of one kind that are measured together."""
FIND = "find by X-Test-Id"
MEMBERS = f"{LIST}/60d0fe4f5311236168a109ca/members"
NAMED = "full journal: count by a header and the token"
UNNAMED = "full journal: count by a header"
SLOWEST_FIND = "slowest list of another client during a full find"
SLOWEST_COUNT = "slowest list of another client during a count by JSONPath"
RULE = "creating a rule"
Calls = dict[tuple[str, int], list[Cost]]
"""The costs of a call, by its name and the number of requests of other tests."""


class Call(NamedTuple):
    """A call to measure. `prepare` is not measured."""

    name: str
    call: Callable[[], object]
    prepare: Callable[[], object] = bool


class Caller:
    """Sends requests to a server on one connection, and measures calls of any kind."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection = http.client.HTTPConnection(HOST, server.port, timeout=60)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def send(self, method: str, path: str, content: object = None, **headers: str) -> bytes:
        """Return the body of a response; `content` is sent as JSON, and `_` in a header's name as `-`."""
        body = None if content is None else json.dumps(content).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, body, {"Content-Type": "application/json", **named})
        return self._connection.getresponse().read()

    def send_own(self) -> None:
        """Send the requests of the tenant that is measured."""
        for _ in range(OWN_REQUESTS):
            self.send("GET", LIST, Authorization=f"Bearer {OWN_TOKEN}", X_Test_Id=OWN_TEST_ID)

    def find_own(self) -> None:
        """Find the tenant's requests."""
        pattern = {"headers": {"X-Test-Id": {"equalTo": OWN_TEST_ID}}}
        found = json.loads(self.send("POST", "/__admin/requests/find", pattern))["requests"]
        assert len(found) == OWN_REQUESTS

    def cost(self, measured: Call) -> Cost:
        """Return the mean cost of a call."""
        cpu = wall = 0.0
        for _ in range(CALLS):
            measured.prepare()
            cpu_before, begin = self._server.cpu_seconds(), time.perf_counter()
            measured.call()
            wall += time.perf_counter() - begin
            cpu += self._server.cpu_seconds() - cpu_before
        return Cost(cpu / CALLS, wall / CALLS)


@contextlib.contextmanager
def caller_of(server: Server) -> Iterator[Caller]:
    """Yield a caller of a server, and close its connection."""
    with contextlib.closing(Caller(server)) as caller:
        yield caller


def _calls(server: Server, caller: Caller) -> list[Call]:
    """Return the calls to measure. The reset is the last one, and sends the tenant's requests again."""
    if server.spec.name != OURS:
        return [Call(f"{FIND}, {server.spec.name}", caller.find_own)]
    client = MockClient(f"http://{HOST}:{server.port}")
    return [
        Call("mock.requests", lambda: client.requests(token=OWN_TOKEN)),
        Call("mock.wait_for_requests", lambda: client.wait_for_requests(OWN_REQUESTS, token=OWN_TOKEN)),
        Call("mock.retries", lambda: client.retries(token=OWN_TOKEN)),
        Call(FIND, caller.find_own),
        Call("mock.reset", lambda: client.reset(token=OWN_TOKEN), caller.send_own),
    ]


def by_entries(others: Sequence[ServerSpec], sizes: Sequence[int], rounds: int) -> Calls:
    """Measure calls about one tenant with more and more requests of other tests; of `others`, only `FIND`.

    The first round does not count.
    """
    found: Calls = {}
    with contextlib.ExitStack() as stack:
        servers = {
            (spec.name, size): stack.enter_context(started(spec)) for spec in (ours(), *others) for size in sizes
        }
        for (_, size), server in servers.items():
            fill(server, size)
            server.pause()
        for number in range(-1, rounds):
            for (_, size), server in list(servers.items())[:: 1 if number % 2 else -1]:
                server.resume()
                with caller_of(server) as caller:
                    if number < 0:
                        caller.send_own()
                    for call in _calls(server, caller):
                        cost = caller.cost(call)
                        if number >= 0:
                            found.setdefault((call.name, size), []).append(cost)
                    if server.spec.name == OURS:
                        caller.send_own()
                server.pause()
        for server in servers.values():
            server.resume()
    return found


def full_journal(size: int, rounds: int, checkout: Path = ROOT) -> dict[str, list[Cost]]:
    """Measure calls that read a full journal, and the creation of a rule.

    `SLOWEST_FIND` and `SLOWEST_COUNT` have the slowest list as the time.
    """
    header = {"traceparent": {"contains": "no such trace"}}
    named = {"headers": {"Authorization": {"equalTo": "Bearer sk_other_1"}, **header}}
    numbers = iter(range(10**9))

    def count(caller: Caller, pattern: object) -> Callable[[], object]:
        return lambda: caller.send("POST", "/__admin/requests/count", pattern)

    def rule(caller: Caller) -> Callable[[], object]:
        return lambda: caller.send(
            "POST", "/__admin/faults", {"match": {"token": f"sk_rule_{next(numbers)}"}, "fault": "500x2"}
        )

    found: dict[str, list[Cost]] = {}
    with started(ours("--journal-size", str(size), checkout=checkout)) as server, caller_of(server) as caller:
        fill(server, size)
        calls = [
            Call(NAMED, count(caller, named)),
            Call(UNNAMED, count(caller, {"headers": header})),
            Call(RULE, rule(caller), lambda: caller.send("DELETE", "/__admin/faults")),
        ]
        for number in range(-1, rounds):
            for call in calls:
                cost = caller.cost(call)
                if number >= 0:
                    found.setdefault(call.name, []).append(cost)
        held(server, caller, SLOWEST_FIND, "find", {}, rounds, found)
        server.empty_journal()
        for number in range(size):
            members = [{"firstName": "Ada", "contact_number": f"+1{number}"}]
            caller.send("POST", MEMBERS, {"members": members}, Authorization=f"Bearer {KEY}")
        path = {"bodyPatterns": [{"matchesJsonPath": "$..members[?(@.firstName == 'Bo')]"}]}
        held(server, caller, SLOWEST_COUNT, "count", path, rounds, found)
    return found


def held(  # noqa: PLR0913, PLR0917 - a step of the function above
    server: Server, caller: Caller, name: str, what: str, pattern: object, rounds: int, found: dict[str, list[Cost]]
) -> None:
    """Measure the slowest list of another client during a call. The CPU time is that of both."""
    for _ in range(rounds):
        cpu = server.cpu_seconds()
        with bystander(server.port) as slowest:
            caller.send("POST", f"/__admin/requests/{what}", pattern)
        found.setdefault(name, []).append(Cost(server.cpu_seconds() - cpu, *slowest))
