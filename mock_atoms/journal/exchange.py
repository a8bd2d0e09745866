"""One request while it is answered."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mock_atoms.core.tenancy import AuthenticatedCaller, UnauthenticatedCaller

SCOPE_KEY = "mock_atoms.journal.exchange"
"""Where an exchange travels in an ASGI scope."""


@dataclass(slots=True)
class Exchange:
    """What is known of one request while it is answered.

    Attributes:
        method: HTTP method as sent.
        path: path as sent, without the query string, percent-encoded.
        below: decoded path below the base path, or `None` for a path outside of it.
        caller: who sent it.
        arrived: when it came.
        started: the same, in seconds of a clock that only goes forward.
        status: HTTP status of the answer, 0 before there is one.
        faults: ids of the rules that struck.
        reason: why the answer is what it is, a slug, where it is the mock's doing and not the API's.
        delay_ms: how long a fault holds the answer back.
        malformed_body: whether the answer is of a success, with a body that is wrong on purpose.
        is_plain: whether it was asked for no fault, and none could strike it.
        keep_shortcut: keeps the way to the answer, where that was rendered for another request before; it is given the
            digest and the head of the request.
    """

    method: str
    path: str
    api_path: str | None
    caller: AuthenticatedCaller | UnauthenticatedCaller
    arrived: datetime
    started: float
    status: int = 0
    faults: tuple[str, ...] = ()
    reason: str | None = None
    delay_ms: float = 0.0
    malformed_body: bool = False
    is_plain: bool = False
    remember_fast_path: Callable[..., None] | None = None


ABORTED = "aborted"
"""The reason of an exchange that had no answer: the client went away first, or the server was stopped."""
SHUTTING_DOWN = "shutting-down"
BAD_PREFER = "bad-prefer"
UNMOCKED_ROUTE = "unmocked-route"
OUTSIDE_BASE_PATH = "outside-base-path"
UNROUTED = {UNMOCKED_ROUTE, OUTSIDE_BASE_PATH}
UNKNOWN_MAGIC_WORD = "unknown-magic-word"
"""The reason of an answer that is the API's own, since what a magic key seems to ask for means nothing."""
