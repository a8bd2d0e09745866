"""Requests to an ASGI application without a socket, including those that no HTTP client would send."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from starlette.types import ASGIApp, Message


class AsgiResponse(NamedTuple):
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
    query: bytes = b"",
    body: bytes = b"",
    root_path: str = "",
) -> AsgiResponse:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": raw_path,
        "root_path": root_path,
        "query_string": query,
        "headers": list(headers),
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
    }
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type] # an ASGI callable is a coroutine function
    start, *rest = messages
    response_headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return AsgiResponse(start["status"], response_headers, b"".join(message.get("body", b"") for message in rest))


def bearer_pairs(token: str) -> list[tuple[bytes, bytes]]:
    """Return the `Authorization` header of `token` as ASGI has it."""
    return [(b"authorization", f"Bearer {token}".encode())]
