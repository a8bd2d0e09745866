"""The least that an application under uvicorn can do: ready bytes from a raw ASGI callable, whatever is asked."""

import os
from pathlib import Path
from typing import Any

BODY = Path(os.environ["FLOOR_BODY"]).read_bytes()
HEADERS = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", b"%d" % len(BODY))]


async def app(scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401 - whatever the server gives
    """Answer one request."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})
