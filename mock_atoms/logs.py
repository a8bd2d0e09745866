"""The log: one line for each exchange, as text or as JSON.

There is one for every request, so it is made for who wants it alone, and many leave in one write.
"""

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, TextIO

from mock_atoms.exchange import UNKNOWN_MAGIC_WORD, UNROUTED
from mock_atoms.journal import Entry

LOGGER = logging.getLogger("mock_atoms")
_WARNED_OF = {*UNROUTED, UNKNOWN_MAGIC_WORD}


class Line(NamedTuple):
    """The message of an exchange that is over.

    Attributes:
        entry: the exchange.
        attempt: the how-manieth attempt of its call it was.
    """

    entry: Entry
    attempt: int

    def __str__(self) -> str:
        entry, tenant = self.entry, self.entry.tenant
        text = (
            f"{entry.method} {entry.path} {entry.status or '-'} {entry.milliseconds or 0:.1f}ms tenant={tenant.label}"
        )
        if tenant.test_id:
            text += f" test={json.dumps(tenant.test_id, ensure_ascii=False)}"
        if self.attempt > 1:
            text += f" attempt={self.attempt}"
        if entry.faults:
            text += f" fault={','.join(entry.faults)}"
        if entry.reason:
            text += f" reason={entry.reason}"
        return text


Log = Callable[[Entry, int], None]
"""Is told of an exchange that is over, and the how-manieth attempt of its call that was."""


def log(entry: Entry, attempt: int) -> None:
    """Log an exchange that is over: a warning where it asked for what the mock does not have.

    Args:
        entry: the exchange.
        attempt: the how-manieth attempt of its call it was.
    """
    level = _level_of(entry)
    if LOGGER.isEnabledFor(level):
        LOGGER.handle(_record(Line(entry, attempt), level))


def _level_of(entry: Entry) -> int:
    return logging.WARNING if entry.reason in _WARNED_OF else logging.INFO


def _record(line: Line, level: int) -> logging.LogRecord:
    # As `LOGGER.log` does, but without a search for the line of code that called it.
    return LOGGER.makeRecord(LOGGER.name, level, __file__, 0, line, (), None)


class LateLog:
    """Logs exchanges some milliseconds later, many of them in one write: a server has better things to do before.

    A warning is written at once, and what waited before it; so is what waited before a line of somebody else's. Where
    lines cannot be written, that is told as logging does, and troubles nobody.

    Args:
        handler: where the lines go, this log's and all others.
        seconds: how long a line waits at most.
    """

    def __init__(self, handler: logging.StreamHandler[TextIO], seconds: float = 0.005) -> None:
        self._handler = handler
        self._seconds = seconds
        self._waiting: deque[Line] = deque()
        self._record = LOGGER.makeRecord(
            LOGGER.name, logging.INFO, __file__, 0, "", (), None
        )  # one is enough: who formats it does not keep it
        handler.addFilter(self._goes_first)

    def __call__(self, entry: Entry, attempt: int) -> None:
        """Log an exchange that is over. Call it in the event loop of the server."""
        level = _level_of(entry)
        if not LOGGER.isEnabledFor(level):
            return
        self._waiting.append(Line(entry, attempt))
        if level > logging.INFO:
            self.flush()
        elif len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(self._seconds, self.flush)

    def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        handler = self._handler
        handler.acquire()
        try:
            lines = []
            while self._waiting:
                lines.append(self._written(self._waiting.popleft()))
            handler.stream.write("\n".join([*lines, ""]))
            handler.flush()
        except Exception:  # noqa: BLE001 - as in logging
            handler.handleError(self._record)
        finally:
            handler.release()

    def _goes_first(self, _record: logging.LogRecord) -> bool:
        """Write what waits before a line of somebody else's; let that pass."""
        self.flush()
        return True

    def _written(self, line: Line) -> str:
        entry, record = line.entry, self._record
        level = _level_of(entry)
        record.msg, record.levelno, record.levelname = line, level, logging.getLevelName(level)
        record.created = entry.arrived.timestamp() + (entry.milliseconds or 0) / 1000
        record.msecs = record.created % 1 * 1000
        return self._handler.format(record)


class TextFormatter(logging.Formatter):
    """A line of text: time, level, message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")
        self._second = -1
        self._shown = ""

    def format(self, record: logging.LogRecord) -> str:
        """Return `record` as text."""
        if isinstance(record.msg, Line):  # which has no arguments and no traceback
            return f"{self.formatTime(record)} {record.levelname:<7} {record.msg}"
        return super().format(record)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - as in logging
        """Return the local time of `record`; of each second all but the milliseconds is made once."""
        second = int(record.created)
        if second != self._second:
            self._second, self._shown = second, time.strftime(self.default_time_format, time.localtime(second))
        return f"{self._shown},{int(record.msecs):03d}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return `record` as JSON, with the fields of its exchange where it has one."""
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        if isinstance(record.msg, Line):
            entry, attempt = record.msg
            told |= {
                "id": entry.id,
                "method": entry.method,
                "path": entry.path,
                "status": entry.status or None,
                "ms": round(entry.milliseconds or 0, 1),
                "tenant": entry.tenant.label,
                "test": entry.tenant.test_id,
                "attempt": attempt,
                "fault": ",".join(entry.faults) or None,
                "reason": entry.reason,
            }
        else:
            told["message"] = record.getMessage()
            if record.exc_info:
                told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)
