"""The lower bound of an application under uvicorn: a raw ASGI callable that sends the same bytes for each request."""

import os
from pathlib import Path
from typing import Any

BODY = Path(os.environ["FLOOR_BODY"]).read_bytes()
HEADERS = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", b"%d" % len(BODY))]


async def app(scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401 - types of ASGI
    """Respond to one request."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})
