"""Checks that servers with a shared store lose and repeat nothing when they or the store fail.

`python -m benchmarks.chaos` runs three servers and a Redis server under load for five minutes, and breaks one thing
every few seconds: see `FAILURES`. Exit code 1 means that a check failed:

- each tenant with a `500x2` rule has exactly two failures in the journal, its first two requests; the counter agrees,
- each acknowledged audience, member and request exists at the end, and can be read immediately from any server,
- each response with a status of 500 or more is a fault, or says that the store is unavailable,
- all servers recover after each failure, and have equal states and journals at the end,
- the servers write no traceback.
"""

import argparse
import asyncio
import itertools
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from benchmarks.servers import HOST, LIST, environment, free_port
from mock_atoms.core.tenancy import digest_token

SERVERS = 3
FAULTY_TENANTS = 10
"""Number of tenants with a fault rule that send requests at the same time."""
REQUESTS = 12
"""Number of requests of such a tenant."""
CREATORS = 4
MEMBERS = 20
"""Members that are added to each audience, one by one."""
PAUSE = 0.02
"""Seconds between two requests of one client, to leave some processor time."""
SETTLE_SECONDS = 2.5
"""Time after which a request without a response has no effect any more."""
RECOVERY_SECONDS = 20.0
COLUMN = "phone"
CONTROL = "/__admin"
UNAVAILABLE = "store-unavailable"


class Link:
    """A TCP proxy in front of the store, which can be cut.

    Attributes:
        port: the port on which it listens.
        loses_replies: whether it forwards requests, but not their replies.
    """

    def __init__(self, store_port: int) -> None:
        self._store_port = store_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Future[None]] = set()
        self.port = free_port()
        self.loses_replies = False

    async def open(self) -> None:
        """Accept connections."""
        self._listener = await asyncio.start_server(self._serve, HOST, self.port)

    def cut(self) -> None:
        """Break all connections, and refuse new ones."""
        self._listener.close()
        self.drop()

    async def close(self) -> None:
        """Break all connections, and wait until they are closed."""
        self.cut()
        await asyncio.gather(*self._tasks)

    def drop(self) -> None:
        """Break all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._connect(reader, writer))
        self._tasks.add(task)
        await task
        self._tasks.remove(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError):
            store_reader, store_writer = await asyncio.open_connection(HOST, self._store_port)
            self._writers.add(store_writer)
            await asyncio.gather(
                self._forward(reader, store_writer), self._forward(store_reader, writer, are_replies=True)
            )
            self._writers.remove(store_writer)
        writer.transport.abort()
        self._writers.discard(writer)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, are_replies: bool = False
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 20):
                if not (are_replies and self.loses_replies):
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()


class Cluster:
    """The servers, their store and the link between them.

    Attributes:
        ports: ports of the servers.
        link: the link.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store_port = free_port()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.ports = [free_port() for _ in range(SERVERS)]
        self.link = Link(self._store_port)

    def start_store(self) -> None:
        """Start the store with its append-only file."""
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            raise SystemExit("neither redis-server nor valkey-server is installed")
        files = ("--dir", str(self._folder), "--appendonly", "yes", "--appendfsync", "always", "--save", "")
        self._start(self._store_port, program, "--port", str(self._store_port), "--bind", HOST, *files)

    def start_server(self, port: int) -> None:
        """Start a server."""
        store = ("--store", f"redis://{HOST}:{self.link.port}/0", "--store-timeout", "20")
        command = (sys.executable, "-P", "-m", "mock_atoms", "serve", "--port", str(port), "--log-level", "warning")
        self._start(port, *command, *store)

    def _start(self, port: int, *command: str) -> None:
        with (self._folder / f"{port}.log").open("ab") as output:
            process = subprocess.Popen(command, env=environment(), stdout=output, stderr=output)
        self._processes[port] = process

    def kill(self, port: int) -> None:
        """Kill a process, as `kill -9` does."""
        self._processes[port].kill()
        self._processes[port].wait()

    def kill_store(self) -> None:
        """Kill the store."""
        self.kill(self._store_port)

    def signal_store(self, number: signal.Signals) -> None:
        """Send a signal to the store."""
        self._processes[self._store_port].send_signal(number)

    def stop(self) -> None:
        """Kill everything."""
        for port in self._processes:
            self.kill(port)

    def store_megabytes(self) -> float:
        """Return the resident memory of the store."""
        status = Path(f"/proc/{self._processes[self._store_port].pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def log_problems(self) -> list[str]:
        """Return the tracebacks and errors that the servers wrote."""
        problems = []
        for port in self.ports:
            text = (self._folder / f"{port}.log").read_text(encoding="utf-8", errors="replace")
            start = min((text.find(word) for word in ("Traceback", "ERROR") if word in text), default=-1)
            if start >= 0:
                problems.append(text[start : start + 3_000])
        return problems


class Judge:
    """Collects what went wrong.

    Attributes:
        problems: descriptions by kind.
        outcomes: number of responses by kind.
        longest: seconds of the slowest response.
    """

    def __init__(self) -> None:
        self.problems: dict[str, list[str]] = {}
        self.outcomes: Counter[str] = Counter()
        self.longest = 0.0

    def check(self, is_met: bool, kind: str, details: object) -> None:  # noqa: FBT001 - like assert
        """Note a problem of a kind unless a condition is met."""
        found = self.problems.setdefault(kind, [])
        if not is_met:
            found.append(f"{time.strftime('%H:%M:%S')} {details}")
            print(f"FAILED: {kind}: {str(details)[:600]}", flush=True)

    def see(self, response: httpx.Response, seconds: float) -> None:
        """Count a response, and check that an error of the server has a reason."""
        self.longest = max(self.longest, seconds)
        kind = str(response.status_code)
        if "x-mock-atoms-fault" in response.headers:
            kind += " by a fault rule"
        elif is_unavailable(response):
            kind += " store unavailable"
        elif response.is_server_error:
            kind += " without a reason"
        self.outcomes[kind] += 1
        self.check("without" not in kind, "5xx without a reason", f"{response.request.url} {response.text[:300]}")


def is_unavailable(response: httpx.Response) -> bool:
    """Return whether a response says that the store is unavailable."""
    if response.request.url.path.startswith(CONTROL):
        return response.status_code == httpx.codes.SERVICE_UNAVAILABLE and "store is unavailable" in response.text
    return UNAVAILABLE in response.headers.get("x-mock-atoms-reason", "")


class Clients:
    """Sends requests to a server picked at random, and to another one after a connection error.

    Args:
        cluster: the servers.
        judge: sees all responses.
        choose: picks.
    """

    def __init__(self, cluster: Cluster, judge: Judge, choose: random.Random) -> None:
        self._cluster = cluster
        self._judge = judge
        self._choose = choose
        self._http = httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=100))

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def send(self, method: str, path: str, token: str = "", port: int = 0, **content: Any) -> httpx.Response:  # noqa: ANN401 - as httpx takes it
        """Return the first response."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        while True:
            await asyncio.sleep(PAUSE)
            chosen = port or self._choose.choice(self._cluster.ports)
            started = time.monotonic()
            try:
                response = await self._http.request(method, f"http://{HOST}:{chosen}{path}", headers=headers, **content)
            except httpx.TransportError:
                self._judge.outcomes["broken connection"] += 1
            else:
                self._judge.see(response, time.monotonic() - started)
                return response

    async def insist(self, method: str, path: str, token: str = "", port: int = 0, **content: Any) -> httpx.Response:  # noqa: ANN401 - the same
        """Return the first response for which the store was available."""
        while is_unavailable(response := await self.send(method, path, token, port, **content)):
            pass
        return response


class Load:
    """What the clients do until the end, and what must be true afterwards.

    Attributes:
        is_over: whether to end.
        judged: number of requests by the digest of each tenant with a fault rule.
        audiences: acknowledged members by token and audience.
    """

    def __init__(self, clients: Clients, judge: Judge) -> None:
        self._clients = clients
        self._judge = judge
        self._numbers = itertools.count()
        self.is_over = False
        self.judged: dict[str, int] = {}
        self.audiences: dict[tuple[str, str], set[str]] = {}

    async def run_faulty_tenants(self) -> None:
        """Send the requests of one tenant after another, each with a rule."""
        while not self.is_over:
            number = next(self._numbers)
            if number % 3:
                await self._judge_tenant(f"sk_mock_500x2.chaos{number}")
            else:
                token = f"sk_chaos_{number}"
                await self._add_rule(token)
                await self._judge_tenant(token)

    async def _add_rule(self, token: str) -> None:
        rule = {"match": {"token": token}, "fault": "500x2"}
        await self._clients.insist("POST", f"{CONTROL}/faults", json=rule)
        digest = digest_token(token).hex()
        listed = (await self._clients.insist("GET", f"{CONTROL}/faults")).json()["faults"]
        ids = [each["id"] for each in listed if each["match"].get("tokenDigest") == digest]
        self._judge.check(bool(ids), "lost rule", token)
        for rule_id in ids[1:]:  # a call without a clear result was repeated
            await self._clients.insist("DELETE", f"{CONTROL}/faults/{rule_id}")

    async def _judge_tenant(self, token: str) -> None:
        responses = await asyncio.gather(*(self._clients.insist("GET", LIST, token) for _ in range(REQUESTS)))
        await asyncio.sleep(SETTLE_SECONDS)
        path = f"{CONTROL}/requests?token={token}"
        events = (await self._clients.insist("GET", path)).json()["requests"][::-1]
        ids = [event["id"] for event in events]
        acknowledged = [each.headers["x-request-id"] for each in responses]
        self._judge.check(len({*ids}) == len(ids), "request id used twice", (token, ids))
        self._judge.check({*acknowledged} <= {*ids}, "lost request", (token, acknowledged, ids))
        self._judge.check(len({*acknowledged}) == len(acknowledged), "request id sent twice", (token, acknowledged))
        own_fields = [event["request"]["mockAtoms"] for event in events]
        seen = [(fields["status"], fields["faults"]) for fields in own_fields]
        failed = [bool(faults) for _, faults in seen]
        self._judge.check(
            failed[:2] == [True, True][: len(seen)] and not any(failed[2:]), "fault decision", (token, seen)
        )
        is_right = all(status in (None, 503, 500 if faults else 200) for status, faults in seen)
        self._judge.check(is_right, "response of a fault decision", (token, seen))
        self._judge.outcomes["requests without an end in the journal"] += sum(status is None for status, _ in seen)
        self.judged[digest_token(token).hex()] = len(events)

    async def create_audiences(self) -> None:
        """Create audiences one after another, and add members to them."""
        token = f"sk_creator_{next(self._numbers)}"
        while not self.is_over:
            number = next(self._numbers)
            form = {"name": f"Audience {number}", "phoneNumberColumnName": COLUMN}
            file = {"file": ("a.csv", f"{COLUMN}\n+1415{number:07}\n".encode(), "text/csv")}
            created = await self._clients.send("POST", LIST, token, data=form, files=file)
            if is_unavailable(created):
                continue
            audience = created.json()["data"]["_id"]
            members = self.audiences[token, audience] = {f"1415{number:07}"}
            await self._read(token, audience, members)
            for added in range(MEMBERS):
                phone = f"33{number:06}{added:03}"
                content = {"members": [{COLUMN: f"+{phone}"}]}
                response = await self._clients.send("POST", f"{LIST}/{audience}/members", token, json=content)
                if not is_unavailable(response):
                    self._judge.check(response.is_success, "member not added", response.text)
                    members.add(phone)
            await self._read(token, audience, members)

    async def _read(self, token: str, audience: str, members: set[str]) -> None:
        path = f"{LIST}/{audience}/members?page=1&offset={10 * MEMBERS}"
        response = await self._clients.insist("GET", path, token)
        missing = {phone for phone in members if phone not in response.text}
        self._judge.check(
            response.is_success and not missing, "lost creation", (token, audience, missing, response.text)
        )

    async def judge_end(self, ports: list[int]) -> None:
        """Compare the servers, and what they have with what they acknowledged."""
        for (token, audience), members in self.audiences.items():
            await self._read(token, audience, members)
        states, journals = [], []
        for port in ports:
            states.append((await self._clients.insist("GET", f"{CONTROL}/state", port=port)).content)
            events = (await self._clients.insist("GET", f"{CONTROL}/requests", port=port)).json()
            fields = ("attempt", "status", "ended", "reason", "faults", "bodySize", "bytesSent")
            journal = {
                event["id"]: [
                    event["request"]["loggedDateString"],
                    *(event["request"]["mockAtoms"][name] for name in fields),
                ]
                for event in events["requests"]
            }
            journals.append((events["meta"]["total"], journal))
        for port, state, (total, journal) in zip(ports[1:], states[1:], journals[1:], strict=True):
            self._judge.check(state == states[0], "states differ", port)
            self._judge.check(total == journals[0][0], "numbers of requests differ", (port, total, journals[0][0]))
            expected = journals[0][1]
            differing = [(id_, expected.get(id_), journal.get(id_)) for id_ in {*expected, *journal}]
            differing = [each for each in differing if each[1] != each[2]]
            self._judge.check(not differing, "journals differ", (port, len(differing), differing[:5]))
        tenants = {tenant["tokenDigest"]: tenant for tenant in json.loads(states[0])["tenants"]}
        for digest, requests in self.judged.items():
            tenant = tenants[digest]
            [counter] = tenant["counters"].values()
            found = (tenant["requests"], counter["evaluated"], counter["triggered"])
            self._judge.check(found == (requests, requests, min(requests, 2)), "counter", (digest, found, requests))
        print(f"{len(tenants):,} tenants, {len(states[0]):,} bytes of state, {len(journals[0][1]):,} requests")


class Failures:
    """Breaks one thing after another, and waits until all servers have recovered.

    Attributes:
        recoveries: seconds until all servers were healthy, by kind.
    """

    def __init__(self, cluster: Cluster, clients: Clients, judge: Judge, choose: random.Random) -> None:
        self._cluster = cluster
        self._clients = clients
        self._judge = judge
        self._choose = choose
        self.recoveries: dict[str, list[float]] = {}

    async def run(self, until: float) -> None:
        """Break things until a time."""
        while time.monotonic() < until:
            for name, fail in self._choose.sample([*FAILURES.items()], len(FAILURES)):
                await asyncio.sleep(self._choose.uniform(1, 4))
                if time.monotonic() > until:
                    return
                await fail(self)
                started = time.monotonic()
                await self.recover(name)
                self.recoveries.setdefault(name, []).append(time.monotonic() - started)

    async def recover(self, name: str) -> None:
        """Wait until all servers are healthy."""
        until = time.monotonic() + RECOVERY_SECONDS
        for port in self._cluster.ports:
            is_healthy = False
            while not is_healthy and time.monotonic() < until:
                with suppress(TimeoutError):
                    async with asyncio.timeout(5):
                        is_healthy = (await self._clients.send("GET", f"{CONTROL}/health", port=port)).is_success
            self._judge.check(is_healthy, "no recovery", (name, port))

    async def kill_server(self) -> None:
        """Kill a server and restart it."""
        port = self._choose.choice(self._cluster.ports)
        self._cluster.kill(port)
        await asyncio.sleep(self._choose.uniform(0, 1))
        self._cluster.start_server(port)

    async def kill_store(self) -> None:
        """Kill the store and restart it."""
        self._cluster.kill_store()
        await asyncio.sleep(self._choose.uniform(0, 2))
        self._cluster.start_store()

    async def stop_store(self) -> None:
        """Stop the store for two seconds."""
        self._cluster.signal_store(signal.SIGSTOP)
        await asyncio.sleep(2)
        self._cluster.signal_store(signal.SIGCONT)

    async def cut_link(self) -> None:
        """Cut the store off."""
        self._cluster.link.cut()
        await asyncio.sleep(self._choose.uniform(0, 2))
        await self._cluster.link.open()

    async def lose_replies(self) -> None:
        """Lose the replies of the store, and then the connections."""
        self._cluster.link.loses_replies = True
        await asyncio.sleep(self._choose.uniform(0, 1.5))
        self._cluster.link.drop()
        self._cluster.link.loses_replies = False


FAILURES: dict[str, Callable[[Failures], Awaitable[None]]] = {
    "kill a server": Failures.kill_server,
    "kill the store": Failures.kill_store,
    "stop the store": Failures.stop_store,
    "cut the store off": Failures.cut_link,
    "lose replies": Failures.lose_replies,
}


async def run(seconds: float, seed: int, folder: Path) -> Judge:
    """Run for some seconds, and return what was found."""
    choose, judge, cluster = random.Random(seed), Judge(), Cluster(folder)
    clients = Clients(cluster, judge, choose)
    failures, load = Failures(cluster, clients, judge, choose), Load(clients, judge)
    try:
        cluster.start_store()
        await cluster.link.open()
        for port in cluster.ports:
            cluster.start_server(port)
        await failures.recover("start")
        started = time.monotonic()
        workers = [asyncio.ensure_future(load.run_faulty_tenants()) for _ in range(FAULTY_TENANTS)]
        workers += [asyncio.ensure_future(load.create_audiences()) for _ in range(CREATORS)]
        await failures.run(started + seconds)
        load.is_over = True
        await asyncio.gather(*workers)
        await load.judge_end(cluster.ports)
        print(f"store: {cluster.store_megabytes():.0f} MiB resident")
    finally:
        await clients.close()
        cluster.stop()
        await cluster.link.close()
    for text in cluster.log_problems():
        judge.check(is_met=False, kind="traceback or error", details=text)
    for name, found in failures.recoveries.items():
        print(f"{name}: {len(found)} times, recovered after {max(found):.1f} s at most")
    print(f"{len(load.judged):,} tenants with faults; {len(load.audiences):,} audiences, ", end="")
    print(f"{sum(map(len, load.audiences.values())):,} members acknowledged; slowest response {judge.longest:.2f} s")
    return judge


def main() -> int:
    """Run, print the result, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1, help="seed of the order of failures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        judge = asyncio.run(run(arguments.seconds, arguments.seed, Path(folder)))
    for outcome, number in sorted(judge.outcomes.items()):
        print(f"{number:>9,} {outcome}")
    for kind, found in sorted(judge.problems.items()):
        print(f"{'FAILED' if found else 'ok':>9} {kind}: {len(found)}")
    return 1 if any(judge.problems.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
