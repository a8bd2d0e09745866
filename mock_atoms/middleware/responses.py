"""Complete responses as ASGI messages."""

from collections.abc import Iterable

from starlette.types import Send

from mock_atoms.contract.errors import error_body
from mock_atoms.contract.schemas import JSON_TYPE, render_json
from mock_atoms.faults.effects import STATUSES_WITHOUT_BODY


async def send_error(send: Send, status: int, errors: list[str]) -> None:
    """Send an error in the vendor's envelope."""
    await send_response(send, status, [("content-type", JSON_TYPE)], render_json(error_body(status, errors, {})))


async def send_response(send: Send, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    """Send a complete response."""
    raw_headers = [(name.encode("ascii"), value.encode()) for name, value in headers]
    if status not in STATUSES_WITHOUT_BODY:
        raw_headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": raw_headers})
    await send({"type": "http.response.body", "body": body})
