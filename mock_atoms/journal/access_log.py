"""The log: one line for each exchange, as text or as JSON.

There is one for every request, so it is made for who wants it alone, and many leave in one write.
"""

import asyncio
import json
import logging
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, TextIO

from mock_atoms.journal.exchange import UNKNOWN_MAGIC_WORD, UNROUTED, Exchange

LOGGER = logging.getLogger("mock_atoms")
_NAMES = {level: logging.getLevelName(level) for level in (logging.INFO, logging.WARNING)}
_PADDED = {level: f"{name:<7}" for level, name in _NAMES.items()}
_WARNED_OF = {*UNROUTED, UNKNOWN_MAGIC_WORD}


class AccessLogLine(NamedTuple):
    """The message of an exchange that is over.

    Attributes:
        exchange: the exchange.
        attempt: the how-manieth attempt of its call it was.
    """

    exchange: Exchange
    attempt: int

    @property
    def level(self) -> int:
        """A warning where the exchange asked for what the mock does not have."""
        return logging.WARNING if self.exchange.reason in _WARNED_OF else logging.INFO

    @property
    def created(self) -> float:
        """When it was over, in seconds since the epoch."""
        return self.exchange.arrived_at.timestamp() + (self.exchange.duration_ms or 0) / 1000

    def __str__(self) -> str:
        exchange, head = self.exchange, self.exchange.head
        tenant = head.tenant
        duration = f"{exchange.duration_ms or 0:.1f}ms"
        text = f"{head.method} {exchange.path} {exchange.status or '-'} {duration} tenant={tenant.label}"
        if tenant.test_id:
            text += f" test={json.dumps(tenant.test_id, ensure_ascii=False)}"
        if self.attempt > 1:
            text += f" attempt={self.attempt}"
        if exchange.faults:
            text += f" fault={','.join(exchange.faults)}"
        if exchange.reason:
            text += f" reason={exchange.reason}"
        return text


AccessLog = Callable[[Exchange, int], None]
"""Is told of an exchange that is over, and the how-manieth attempt of its call that was."""


def log(exchange: Exchange, attempt: int) -> None:
    """Log an exchange that is over: a warning where it asked for what the mock does not have.

    Args:
        exchange: the exchange.
        attempt: the how-manieth attempt of its call it was.
    """
    line = AccessLogLine(exchange, attempt)
    if LOGGER.isEnabledFor(line.level):
        LOGGER.handle(_record(line, line.level))


def _record(message: object, level: int) -> logging.LogRecord:
    # As `LOGGER.log` does, but without a search for the line of code that called it.
    return LOGGER.makeRecord(LOGGER.name, level, __file__, 0, message, (), None)


class AccessLogFormatter(logging.Formatter, ABC):
    """Formats exchanges from their lines alone, many of them without a record of each."""

    @abstractmethod
    def line(self, line: AccessLogLine) -> str:
        """Return `line` as it is written."""

    def format(self, record: logging.LogRecord) -> str:
        """Return `record` as it is written."""
        return self.line(record.msg) if isinstance(record.msg, AccessLogLine) else self.other(record)

    def other(self, record: logging.LogRecord) -> str:
        """Return what is no line of an exchange as it is written."""
        return super().format(record)


class BufferedAccessLog:
    """Logs exchanges some milliseconds later, many of them in one write: a server has better things to do before.

    A warning is written at once, and what waited before it; so is what waited before a line of somebody else's. Where
    lines cannot be written, that is told as logging does, and troubles nobody.

    Args:
        handler: where the lines go, this log's and all others.
        formatter: what the handler formats them with.
        seconds: how long a line waits at most.
    """

    def __init__(
        self, handler: logging.StreamHandler[TextIO], formatter: AccessLogFormatter, seconds: float = 0.005
    ) -> None:
        handler.setFormatter(formatter)
        self._handler = handler
        self._line = formatter.line
        self._seconds = seconds
        self._waiting: deque[AccessLogLine] = deque()
        handler.addFilter(self._goes_first)

    def __call__(self, exchange: Exchange, attempt: int) -> None:
        """Log an exchange that is over. Call it in the event loop of the server."""
        line = AccessLogLine(exchange, attempt)
        level = line.level
        if not LOGGER.isEnabledFor(level):
            return
        self._waiting.append(line)
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
                lines.append(self._line(self._waiting.popleft()))
            handler.stream.write("\n".join([*lines, ""]))
            handler.flush()
        except Exception:  # noqa: BLE001 - as in logging
            handler.handleError(_record("exchanges could not be logged", logging.INFO))
        finally:
            handler.release()

    def _goes_first(self, _record: logging.LogRecord) -> bool:
        """Write what waits before a line of somebody else's; let that pass."""
        self.flush()
        return True


class TextFormatter(AccessLogFormatter):
    """A line of text: time, level, message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")
        self._moment = -1
        self._shown = ""

    def line(self, line: AccessLogLine) -> str:
        """Return `line` as text."""
        return f"{self._time(line.created)} {_PADDED[line.level]} {line!s}"

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - as in logging
        """Return the local time of `record`."""
        return self._time(record.created)

    def _time(self, created: float) -> str:
        """Return a local time, which is made once for all lines of one millisecond."""
        moment = int(created * 1000)
        if moment != self._moment:
            second, duration_ms = divmod(moment, 1000)
            shown = time.strftime(self.default_time_format, time.localtime(second))
            self._moment, self._shown = moment, f"{shown},{duration_ms:03d}"
        return self._shown


class JsonFormatter(AccessLogFormatter):
    """One JSON object a line."""

    def line(self, line: AccessLogLine) -> str:
        """Return the fields of an exchange as JSON."""
        exchange, attempt = line
        return _as_json(
            line.created,
            _NAMES[line.level],
            id=exchange.id,
            method=exchange.method,
            path=exchange.path,
            status=exchange.status or None,
            ms=round(exchange.duration_ms or 0, 1),
            tenant=exchange.tenant.label,
            test=exchange.tenant.test_id,
            attempt=attempt,
            fault=",".join(exchange.faults) or None,
            reason=exchange.reason,
        )

    def other(self, record: logging.LogRecord) -> str:
        """Return `record` as JSON."""
        traceback = {"traceback": self.formatException(record.exc_info)} if record.exc_info else {}
        return _as_json(record.created, record.levelname, message=record.getMessage(), **traceback)


def _as_json(created: float, level: str, **fields: object) -> str:
    told = {"time": datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds"), "level": level.lower()}
    return json.dumps(told | fields, ensure_ascii=False)
