"""Clients of the soak: good, faulty, malformed, aborted and hostile ones, with bytes on a socket."""

import asyncio
import contextlib
import json
import random
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable

from benchmarks.hostile_requests import AUDIENCE, CHEAP, COSTLY, MALFORMED, MEMBERS, Bytes, head

FAULTS = [
    *("500", "429", "503p50", "500x2", "limit10", "delay20", "html", "badjson", "blank", "retyped", "extra"),
    *("reset", "close", "hang", "hang50", "truncate", "garbage", "drip100", "delay5+reset", "stale"),
]
TIMEOUT_SECONDS = 5.0
FAULT_TIMEOUT_SECONDS = 0.3
HOSTILE_TIMEOUT_SECONDS = 120.0
LONG_TIMEOUT_SECONDS = 600.0
"""How long work on the complete state or journal may take while all other clients flood the server."""
WHOLE_JOURNAL = {"list", "retries", "near misses"}
"""Kinds of requests that read everything in the journal in detail."""
HOLD_SECONDS = 25.0
"""How long a client holds a connection. The server closes it after 10 seconds without any progress, so 20 at most."""
IDLE_SECONDS = 0.02
MAX_HELD = 600
"""Connections that are held at the same time."""
PIPELINED = 50
"""Requests of a good or varied client on one connection."""
STATUS_LINE = b"HTTP/1.1 "
COSTLY_SHARE = 0.05
IMPORT_SHARE = 0.002
"""Shares of the hostile requests that are long work for the server, and that export and import its state."""
Outcomes = Counter[tuple[str, str]]


class Client:
    """Sends requests to one server and counts how they end.

    Args:
        port: port of the server.
        number: seeds the random choices.

    Attributes:
        connections: number of connections that ended.
        outcomes: number of requests by kind and outcome: a status code or one word.
        bugs: requests whose responses report a bug of the mock.
    """

    def __init__(self, port: int, number: int) -> None:
        self.port = port
        self.chance = random.Random(number)
        self.connections = 0
        self.outcomes: Outcomes = Counter()
        self.bugs: list[bytes] = []
        self._held: set[asyncio.Task[None]] = set()

    def _count(self, kind: str, outcome: str) -> None:
        self.outcomes[kind, outcome] += 1
        self.connections += 1

    async def exchange(
        self, kind: str, request: bytes, responses: int = 1, seconds: float = TIMEOUT_SECONDS, *, is_read: bool = True
    ) -> bytes:
        """Send `request` on a new connection, read until `responses` responses or the end, and return them."""
        received = bytearray()
        count = last = 0
        writer = None
        end = "closed"
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(request)
                await writer.drain()
                while is_read and (chunk := await reader.read(1 << 18)):
                    new = max(0, len(received) - len(STATUS_LINE) + 1)
                    received += chunk
                    count += received.count(STATUS_LINE, new)
                    last = max(last, received.rfind(STATUS_LINE, new))
                    if count >= responses and is_complete(received, last):
                        break
        except TimeoutError:
            end = "timeout"
        except OSError as error:
            end = type(error).__name__
        finally:
            if writer is not None:
                writer.transport.abort()
        self._count_received(kind, request, bytes(received), responses, end)
        return bytes(received)

    def _count_received(self, kind: str, request: bytes, received: bytes, responses: int, end: str) -> None:
        statuses = [part[:3].decode("latin-1") for part in received.split(STATUS_LINE)[1:]][:responses]
        ends = Counter(statuses)
        ends[end] += responses - len(statuses) or end == "timeout"
        for outcome, number in (+ends).items():
            self.outcomes[kind, outcome] += number
        self.connections += 1
        if b"bug-in-mock" in received or b"bug in the mock" in received:
            self.bugs.append(request[:200])

    async def hold(self, kind: str, request: bytes) -> None:
        """Send `request`, read nothing for a while, and wait until the server closes the connection."""
        end = "held open"
        connection = socket.socket()
        connection.setblocking(False)  # noqa: FBT003 - as socket has it
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        loop = asyncio.get_running_loop()
        received = bytearray()
        with connection:
            try:
                await loop.sock_connect(connection, ("127.0.0.1", self.port))
                pause = asyncio.create_task(asyncio.sleep(HOLD_SECONDS))
                async with asyncio.timeout(2 * HOLD_SECONDS):
                    await loop.sock_sendall(connection, request)
                await pause
                async with asyncio.timeout(HOLD_SECONDS):
                    while chunk := await loop.sock_recv(connection, 1 << 18):
                        received += chunk
                end = "closed"
            except TimeoutError:
                pass
            except OSError as error:
                end = type(error).__name__
        if end == "held open":
            self._count(kind, end)
        else:
            self._count_received(kind, request, bytes(received), 1, end)

    async def good(self) -> None:
        """Send pipelined requests, most of them repeated."""
        path = self.chance.choice([AUDIENCE, AUDIENCE, AUDIENCE + "?page=2", MEMBERS])
        requests = [
            head("GET", path, token=f"sk_soak_{self.chance.randrange(300)}", X_Test_Id=str(self.chance.randrange(3)))
            for _ in range(PIPELINED)
        ]
        await self.exchange("good", b"".join(requests), PIPELINED, HOSTILE_TIMEOUT_SECONDS)

    async def varied(self) -> None:
        """Send pipelined requests of which no two are equal."""
        number = self.chance.getrandbits(60)
        requests = [
            head("GET", AUDIENCE, token=f"sk_soak_{number % 5000}", traceparent=f"00-{number}-{index}-01")
            for index in range(PIPELINED)
        ]
        await self.exchange("varied", b"".join(requests), PIPELINED, HOSTILE_TIMEOUT_SECONDS)

    async def write(self) -> None:
        """Add members and delete them."""
        members = [{"firstName": "A", "contact_number": f"+1415555{self.chance.randrange(100, 200):04}"}]
        bodies = {"POST": json.dumps({"members": members}).encode(), "DELETE": b'{"memberIds":["0"]}'}
        for method, body in bodies.items():
            request = head(method, MEMBERS, body, "sk_documented", Content_Type="application/json")
            await self.exchange("write", request, seconds=HOSTILE_TIMEOUT_SECONDS)

    async def faulty(self) -> None:
        """Send a request whose token is the magic key of a fault, some with a body."""
        fault = self.chance.choice(FAULTS)
        body = b"x" * self.chance.choice([0, 0, 10, 100_000])
        token = f"sk_mock_{fault}.{self.chance.randrange(50)}"
        request = head("POST" if body else "GET", AUDIENCE, body, token, Connection="close")
        await self.exchange(fault, request, seconds=FAULT_TIMEOUT_SECONDS)

    async def malformed(self) -> None:
        """Send what is not HTTP, or not what the API takes."""
        kind = self.chance.choice([*MALFORMED])
        await self.exchange(kind, MALFORMED[kind](self.chance), seconds=HOSTILE_TIMEOUT_SECONDS)

    async def aborted(self) -> None:
        """Disconnect in the middle: before, during and after the request, with FIN and with RST."""
        request = head("POST", MEMBERS, b"x" * self.chance.choice([10, 200_000]))
        data = request[: self.chance.choice([0, 10, 60, len(request) - 1, len(request)])]
        if self.chance.choice([True, False]):
            await self.exchange("FIN", data, is_read=False)
            return
        connection = socket.socket()
        connection.setblocking(False)  # noqa: FBT003 - as socket has it
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError, TimeoutError), connection:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
                await asyncio.get_running_loop().sock_sendall(connection, data)
        self._count("RST", "reset by client")

    async def hostile(self) -> None:
        """Send what costs most: large heads and bodies, connections that are held, patterns over the journal, rules."""
        chance = self.chance.random()
        if chance < IMPORT_SHARE:
            await self._move_state()
            return
        builds = COSTLY if chance < COSTLY_SHARE else CHEAP
        kind = self.chance.choice([*builds])
        sent: Bytes = builds[kind](self.chance)
        if sent.is_held:
            if len(self._held) >= MAX_HELD:
                await asyncio.wait(self._held, return_when=asyncio.FIRST_COMPLETED)
            task = asyncio.create_task(self.hold(kind, sent.data))
            self._held.add(task)
            task.add_done_callback(self._held.discard)
        elif sent.is_abandoned:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(sent.data)
                await asyncio.sleep(self.chance.choice([0, 0.01, 0.1, 0.5]))
                writer.transport.abort()
            self._count(kind, "left")
        else:
            seconds = LONG_TIMEOUT_SECONDS if kind in WHOLE_JOURNAL else HOSTILE_TIMEOUT_SECONDS
            await self.exchange(kind, sent.data, sent.responses, seconds)

    async def _move_state(self) -> None:
        """Export the state and import it again."""
        request = head("GET", "/__admin/state", token=None, Connection="close")
        _, _, state = (await self.exchange("export", request, 1, LONG_TIMEOUT_SECONDS)).partition(b"\r\n\r\n")
        state = join_chunks(state) if not state.startswith(b"{") else state
        request = head("PUT", "/__admin/state", state, None, Content_Type="application/json")
        await self.exchange("import", request, 1, LONG_TIMEOUT_SECONDS)

    async def run(
        self, act: Callable[["Client"], Awaitable[None]], is_due: Callable[[], bool], is_over: Callable[[], bool]
    ) -> None:
        """Repeat `act` whenever it `is_due`, until `is_over`. Then wait for the connections that are held."""
        while not is_over():
            await (act(self) if is_due() else asyncio.sleep(IDLE_SECONDS))
        if held := [*self._held]:
            await asyncio.wait(held)


def is_complete(received: bytes | bytearray, start: int) -> bool:
    """Return whether the last response in `received`, which begins at `start`, is complete."""
    begin = received.find(b"\r\n\r\n", start)
    if begin < 0:
        return False
    fields = bytes(received[start:begin]).lower()
    if b"transfer-encoding: chunked" in fields:
        return received.endswith(b"\r\n0\r\n\r\n")
    _, _, length = fields.partition(b"content-length: ")
    return bool(length) and len(received) >= begin + 4 + int(length.split(b"\r\n")[0])


def join_chunks(content: bytes) -> bytes:
    """Return a chunked body as one text."""
    pieces = []
    position = 0
    while size := int(content[position : (end := content.index(b"\r\n", position))], 16):
        pieces.append(content[end + 2 : end + 2 + size])
        position = end + 4 + size
    return b"".join(pieces)
