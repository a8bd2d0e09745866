"""Calls an ASGI application directly, with requests that no HTTP client would send."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from starlette.types import ASGIApp, Message


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def call(
    app: ASGIApp,
    path: str,
    headers: Sequence[tuple[bytes, bytes]] = (),
    method: str = "GET",
    *,
    raw_path: bytes | None = None,
    body: bytes = b"",
) -> Answer:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": raw_path,
        "root_path": "",
        "query_string": b"",
        "headers": list(headers),
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type] # an ASGI callable is a coroutine function
    start, *bodies = sent
    lines = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], lines, b"".join(part["body"] for part in bodies))


def bearer(token: str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Bearer {token}".encode())]
