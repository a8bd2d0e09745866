"""The log: one line for each exchange, as text or as JSON.

An exchange is logged with every request, so its line is made once, and only for who wants it, and leaves in one write.
"""

import json
import logging
import time
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


def log(entry: Entry, attempt: int) -> None:
    """Write the line of an exchange that is over: a warning where it asked for what the mock does not have.

    Args:
        entry: the exchange.
        attempt: the how-manieth attempt of its call it was.
    """
    level = logging.WARNING if entry.reason in _WARNED_OF else logging.INFO
    if LOGGER.isEnabledFor(level):
        # As `LOGGER.log` does, but without a search for the line of code that called it.
        LOGGER.handle(LOGGER.makeRecord(LOGGER.name, level, __file__, 0, Line(entry, attempt), (), None))


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes each line at once, whole; a stream that keeps lines back is flushed by nobody."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line of `record`."""
        try:
            self.stream.write(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001 - as all handlers do
            self.handleError(record)


class TextFormatter(logging.Formatter):
    """A line of text: time, level, message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")
        self._second = -1
        self._shown = ""

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
