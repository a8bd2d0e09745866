"""Clients of the soak: good, faulty, malformed, aborted and hostile requests, as bytes on a socket."""

import asyncio
import contextlib
import gzip
import json
import random
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable

FAULTS = [
    *("500", "429", "503p50", "500x2", "limit10", "delay20", "html", "badjson", "blank", "retyped", "extra"),
    *("reset", "close", "hang", "hang50", "truncate", "garbage", "drip100", "delay5+reset", "stale"),
]
TIMEOUT_SECONDS = 5.0
FAULT_TIMEOUT_SECONDS = 0.3
PIPELINED = 50
AUDIENCE = "/atoms/v1/audience"
MEMBERS = f"{AUDIENCE}/60d0fe4f5311236168a109ca/members"
Outcomes = Counter[str]


def head(method: str, path: str, body: bytes = b"", token: str | None = "sk_soak", **headers: str) -> bytes:
    """Return a request; underscores in the names of `headers` become hyphens."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Client:
    """Sends requests to one server and counts how they end.

    Args:
        port: port of the server.
        number: seeds the random choices.

    Attributes:
        outcomes: number of requests by outcome: a status code or one word.
        bugs: responses that say `bug-in-mock`.
    """

    def __init__(self, port: int, number: int) -> None:
        self.port = port
        self.chance = random.Random(number)
        self.outcomes: Outcomes = Counter()
        self.bugs: list[bytes] = []

    async def exchange(
        self, request: bytes, responses: int = 1, seconds: float = TIMEOUT_SECONDS, *, is_read: bool = True
    ) -> None:
        """Send `request` on a new connection and read until `responses` responses or the end."""
        received = b""
        writer = None
        end = "closed"
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(request)
                await writer.drain()
                while is_read and (chunk := await reader.read(1 << 18)):
                    received += chunk
                    if received.count(b"HTTP/1.1 ") >= responses and chunk.endswith((b"}", b"\n", b">")):
                        break
        except TimeoutError:
            end = "timeout"
        except OSError as error:
            end = type(error).__name__
        finally:
            if writer is not None:
                writer.transport.abort()
        statuses = [part[:3].decode("latin-1") for part in received.split(b"HTTP/1.1 ")[1:]]
        self.outcomes.update(statuses[:responses])
        self.outcomes[end] += max(0, responses - len(statuses))
        if b"bug-in-mock" in received:
            self.bugs.append(request[:200])

    async def good(self) -> None:
        """Send pipelined requests, most of them repeated."""
        path = self.chance.choice([AUDIENCE, AUDIENCE, AUDIENCE + "?page=2", MEMBERS])
        requests = [
            head("GET", path, token=f"sk_soak_{self.chance.randrange(300)}", X_Test_Id=str(self.chance.randrange(3)))
            for _ in range(PIPELINED)
        ]
        await self.exchange(b"".join(requests), PIPELINED)

    async def varied(self) -> None:
        """Send pipelined requests of which no two are equal."""
        number = self.chance.getrandbits(60)
        requests = [
            head("GET", AUDIENCE, token=f"sk_soak_{number % 5000}", traceparent=f"00-{number}-{index}-01")
            for index in range(PIPELINED)
        ]
        await self.exchange(b"".join(requests), PIPELINED)

    async def write(self) -> None:
        """Add members and delete them."""
        members = [{"firstName": "A", "contact_number": f"+1415555{self.chance.randrange(100, 200):04}"}]
        body = json.dumps({"members": members}).encode()
        await self.exchange(head("POST", MEMBERS, body, "sk_documented", Content_Type="application/json"))
        await self.exchange(
            head("DELETE", MEMBERS, b'{"memberIds":["0"]}', "sk_documented", Content_Type="application/json")
        )

    async def faulty(self) -> None:
        """Send a request whose token is the magic key of a fault, some with a body."""
        token = f"sk_mock_{self.chance.choice(FAULTS)}.{self.chance.randrange(50)}"
        body = b"x" * self.chance.choice([0, 0, 10, 100_000])
        request = head("POST" if body else "GET", AUDIENCE, body, token, Connection="close")
        await self.exchange(request, seconds=FAULT_TIMEOUT_SECONDS)

    async def malformed(self) -> None:
        """Send what is not HTTP, or not what the API takes."""
        json_type = {"Content_Type": "application/json"}
        form = {"Content_Type": "multipart/form-data; boundary=B"}
        await self.exchange(
            self.chance.choice(
                [
                    bytes.fromhex("16030100c8010000c40303") + bytes(80),
                    self.chance.randbytes(100) + b"\r\n\r\n",
                    b"GET http://evil.test HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"GET /atoms/v1/audience?q=Jos\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"GET / HTTP/9.9\r\n\r\n",
                    head("GET", AUDIENCE) + b"\x00\x01\r\n\r\n",
                    head("GET", AUDIENCE, Content_Length="1, 2"),
                    head("POST", MEMBERS, Transfer_Encoding="chunked") + b"zz\r\n",
                    head("POST", MEMBERS, b"[" * 101 + b'"' + b'\\"' * 20_000, **json_type),
                    head("POST", MEMBERS, b"[" * 1000 + b"]" * 1000, **json_type),
                    head("POST", MEMBERS, b'{"members":[{"phoneNumber":1e999}]}', **json_type),
                    head("POST", MEMBERS, self.chance.randbytes(500), **json_type, Content_Encoding="gzip"),
                    head("POST", AUDIENCE, b"--B\r\nContent-Disposition: form-data; name=x\r\n\r\nno end", **form),
                    head("GET", AUDIENCE, token=None, Authorization="Basic x", Cookie="; ".join(["session=1"] * 2000)),
                    head("GET", AUDIENCE, Prefer="code=sk_live_nothing, code=999"),
                    head("GET", "/__admin/metrics", Accept="application/openmetrics-text;version=x"),
                    head("GET", AUDIENCE + "/%ff%00%2e%2e", X_Forwarded_Prefix="//evil"),
                    head("PATCH", "/unmocked", b"?", token=None),
                    b"GET /atoms/v1/audience HTTP/1.1\r\nHost: x:" + b"9" * 5000 + b"\r\n\r\n",
                ]
            ),
            seconds=FAULT_TIMEOUT_SECONDS,
        )

    async def aborted(self) -> None:
        """Disconnect in the middle: before, during and after the request, with FIN and with RST."""
        request = head("POST", MEMBERS, b"x" * self.chance.choice([10, 200_000]))
        data = request[: self.chance.choice([0, 10, 60, len(request) - 1, len(request)])]
        if self.chance.choice([True, False]):
            await self.exchange(data, is_read=False)
            return
        connection = socket.socket()
        connection.setblocking(False)  # noqa: FBT003 - as socket has it
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError, TimeoutError), connection:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
                await asyncio.get_running_loop().sock_sendall(connection, data)
        self.outcomes["reset by client"] += 1

    async def hostile(self) -> None:
        """Send what costs most: large heads and bodies, patterns over the complete journal, rules, waits."""
        number = self.chance.getrandbits(40)
        control = {"Content_Type": "application/json"}
        numbers = [f"+1{area}55501{line:02}" for area in range(200, 300) for line in range(100)]  # reserved for fiction
        part = '--B\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
        upload = part.format("name", "", "x") + part.format("phoneNumberColumnName", "", "phone")
        upload += part.format("file", '; filename="a.csv"', "\n".join(["phone", *numbers])) + "--B--\r\n"
        deep = {"bodyPatterns": [{"matchesJsonPath": "$..*..*"}, {"matches": "(a+)+b"}]}
        near = {"url": "/nothing", "headers": {f"X-{index}": {"contains": "z"} for index in range(50)}}
        levels = {"/data" + "/*" * depth: {"a": 0} for depth in range(1, 8)}
        rule = {"name": f"hostile-{number % 50}", "match": {"token": f"sk_{number}"}, "alter": {"values": levels}}
        many = [{"firstName": "é" * 50, "contact_number": phone} for phone in numbers[:9000]]
        requests = [
            head("GET", f"{AUDIENCE}?{number}=" + "y" * 60_000, token="sk_mock_one.soak"),
            head("GET", AUDIENCE, X_A="\N{GRINNING FACE}" + "a" * 60_000),
            head("GET", AUDIENCE, X_A="a" * 100_000),
            head("GET", AUDIENCE, token=f"sk_mock_{number}" + "a" * 50_000),
            head("GET", AUDIENCE, Cookie="; ".join(f"session={number}{index}" for index in range(3000))),
            head("GET", AUDIENCE, token=f"sk_mock_many.{number % 20}"),
            head("POST", MEMBERS, b"x" * 60_000 + str(number).encode(), f"sk_mock_500.{number % 10}"),
            head(
                "POST",
                AUDIENCE,
                upload.encode(),
                f"sk_up_{number % 40}",
                Content_Type="multipart/form-data; boundary=B",
            ),
            head("GET", f"{MEMBERS}/search?firstName=zz&x={number}", token="sk_documented"),
            head(
                "POST",
                MEMBERS,
                json.dumps({"members": many}).encode(),
                "sk_documented",
                Content_Type="application/json",
            ),
            head(
                "POST",
                MEMBERS,
                gzip.compress(b" " * 50_000_000, 1),
                Content_Type="application/json",
                Content_Encoding="gzip",
            ),
            head("GET", "/__admin/requests", token=None),
            head("GET", "/__admin/retries", token=None),
            head("GET", "/__admin/state", token=None),
            head("POST", "/__admin/requests/find", json.dumps(deep).encode(), **control),
            head("POST", "/__admin/near-misses/request-pattern", json.dumps(near).encode(), **control),
            head("POST", "/__admin/requests/count?atLeast=1&timeoutMs=300", b'{"urlPath":"/never"}', **control),
            head("POST", "/__admin/faults", json.dumps(rule).encode(), **control),
        ]
        await self.exchange(self.chance.choice(requests), seconds=30)

    async def run(self, act: Callable[["Client"], Awaitable[None]], pause: float, is_over: Callable[[], bool]) -> None:
        """Repeat `act`, with a pause of `pause` seconds after each, until `is_over`."""
        while not is_over():
            await act(self)
            await asyncio.sleep(pause)
