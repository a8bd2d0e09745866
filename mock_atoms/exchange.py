"""One request and what became of it, as the log sees it."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from mock_atoms.tenancy import Caller, Nobody
from mock_atoms.tokens import conceal_url

Clock = Callable[[], float]
"""Seconds of a clock that only goes forward."""
Now = Callable[[], datetime]
"""The time of day."""
LOGGER = logging.getLogger("mock_atoms")
SCOPE_KEY = "mock_atoms.exchange"
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
        spoiled: whether the answer is of a success, with a body that is wrong on purpose.
        milliseconds: how long it took.
        attempt: the how-manieth attempt of its call it was.
        id: the `x-request-id` of the answer.
    """

    method: str
    path: str
    below: str | None
    caller: Caller | Nobody
    arrived: datetime
    started: float
    status: int = 0
    faults: tuple[str, ...] = ()
    reason: str | None = None
    delay_ms: float = 0.0
    spoiled: bool = False
    milliseconds: float = 0.0
    attempt: int = 1
    id: str = ""

    @property
    def tenant_label(self) -> str:
        """The caller's masked token, or `-` for nobody."""
        return self.caller.tenant.label

    @property
    def shown_path(self) -> str:
        """The path, with what looks like a key, and the caller's own token, valid or not, masked."""
        return conceal_url(self.path, self.caller.token)

    def __str__(self) -> str:
        """Return the line that the log shows."""
        line = (
            f"{self.method} {self.shown_path} {self.status or '-'} {self.milliseconds:.1f}ms tenant={self.tenant_label}"
        )
        if self.caller.tenant.test_id:
            line += f" test={json.dumps(self.caller.tenant.test_id, ensure_ascii=False)}"
        if self.attempt > 1:
            line += f" attempt={self.attempt}"
        if self.faults:
            line += f" fault={','.join(self.faults)}"
        if self.reason:
            line += f" reason={self.reason}"
        return line

    def log(self) -> None:
        """Write the line: a warning where the request asks for what the mock does not have."""
        level = logging.WARNING if self.reason in WARNED_OF else logging.INFO
        LOGGER.log(level, "%s", self, extra={"exchange": self})


ABORTED = "aborted"
"""The reason of an exchange that had no answer: the client went away first, or the server was stopped."""
SHUTTING_DOWN = "shutting-down"
BAD_PREFER = "bad-prefer"
UNMOCKED_ROUTE = "unmocked-route"
OUTSIDE_BASE_PATH = "outside-base-path"
UNROUTED = {UNMOCKED_ROUTE, OUTSIDE_BASE_PATH}
UNKNOWN_MAGIC_WORD = "unknown-magic-word"
"""The reason of an answer that is the API's own, since what a magic key seems to ask for means nothing."""
WARNED_OF = {*UNROUTED, UNKNOWN_MAGIC_WORD}


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return `record` as JSON, with the fields of its exchange where it has one."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        exchange = getattr(record, "exchange", None)
        if isinstance(exchange, Exchange):
            entry |= {
                "id": exchange.id,
                "method": exchange.method,
                "path": exchange.shown_path,
                "status": exchange.status or None,
                "ms": round(exchange.milliseconds, 1),
                "tenant": exchange.tenant_label,
                "test": exchange.caller.tenant.test_id,
                "attempt": exchange.attempt,
                "fault": ",".join(exchange.faults) or None,
                "reason": exchange.reason,
            }
        else:
            entry["message"] = record.getMessage()
            if record.exc_info:
                entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)
