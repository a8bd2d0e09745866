"""The access log: one line for each exchange, as text or as JSON.

Lines are formatted only if they are written, and many of them leave in one write.
"""

import asyncio
import json
import logging
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import NamedTuple, TextIO

from mock_atoms.core.masking import mask_text
from mock_atoms.core.printable import escape_invisible, show_invisible
from mock_atoms.journal.exchange import UNKNOWN_MAGIC_WORD, UNROUTED, Exchange

LOGGER = logging.getLogger("mock_atoms")
_NAMES = {level: logging.getLevelName(level) for level in (logging.INFO, logging.WARNING)}
_PADDED = {level: f"{name:<7}" for level, name in _NAMES.items()}
_WARNING_REASONS = {*UNROUTED, UNKNOWN_MAGIC_WORD}


class AccessLogLine(NamedTuple):
    """The log message of an exchange that has ended, with its attempt number."""

    exchange: Exchange
    attempt: int

    @property
    def level(self) -> int:
        """Warning if the client asked for something that the mock does not have, otherwise info."""
        return logging.WARNING if self.exchange.reason in _WARNING_REASONS else logging.INFO

    @property
    def created(self) -> float:
        """End of the exchange, in seconds since the epoch."""
        return self.exchange.arrived_at.timestamp() + (self.exchange.duration_ms or 0) / 1000

    def __str__(self) -> str:
        exchange, head = self.exchange, self.exchange.head
        tenant = head.tenant
        text = (
            f"method={head.method} path={exchange.path} status={exchange.status or '-'} "
            f"ms={exchange.duration_ms or 0:.1f} tenant={tenant.label}"
        )
        if tenant.test_id:
            text += f" test={show_invisible(json.dumps(tenant.test_id, ensure_ascii=False))}"
        if self.attempt > 1:
            text += f" attempt={self.attempt}"
        if exchange.faults:
            text += f" fault={','.join(exchange.faults)}"
        if exchange.reason:
            text += f" reason={exchange.reason}"
        if exchange.stub:
            text += f" stub={exchange.stub}"
        if exchange.hint:
            text += f" hint={json.dumps(exchange.hint)}"
        return text


ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class EventLine(NamedTuple):
    """The log message of an event that is no exchange, such as a connection that was refused."""

    fields: Mapping[str, object]

    def __str__(self) -> str:
        present = ((name, value) for name, value in self.fields.items() if value is not None)
        return " ".join(f"{name}={json.dumps(value) if ' ' in str(value) else value}" for name, value in present)


AccessLog = Callable[[Exchange, int], None]
"""Logs an exchange that has ended, with its attempt number."""


def log_exchange(exchange: Exchange, attempt: int) -> None:
    """Log an exchange that has ended, with its attempt number, immediately."""
    line = AccessLogLine(exchange, attempt)
    if LOGGER.isEnabledFor(line.level):
        LOGGER.handle(_record(line, line.level))


def _record(message: object, level: int) -> logging.LogRecord:
    # Like `LOGGER.log`, without the slow search for the caller.
    return LOGGER.makeRecord(LOGGER.name, level, __file__, 0, message, (), None)


class AccessLogFormatter(logging.Formatter, ABC):
    """Formats access log lines directly, without a `LogRecord` for each."""

    @abstractmethod
    def format_line(self, line: AccessLogLine) -> str:
        """Return the text of an access log line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of any log record."""
        return self.format_line(record.msg) if isinstance(record.msg, AccessLogLine) else self.format_other(record)

    def format_other(self, record: logging.LogRecord) -> str:
        """Return the text of a record that is not an access log line."""
        return super().format(record)

    def formatException(self, ei: ExceptionInfo) -> str:  # noqa: N802 - as in logging
        """Return a traceback with keys masked."""
        return "\n".join(map(show_invisible, mask_text(super().formatException(ei)).split("\n")))


class BufferedAccessLog:
    """Logs exchanges some milliseconds late, many in one write. Responses do not wait for the log.

    A warning and any other log record flush the buffer first. Write errors are handled as in `logging`.

    Args:
        handler: writes all lines of the process.
        formatter: formatter of the handler.
        max_delay: maximum time that a line is buffered, in seconds.
    """

    def __init__(
        self, handler: logging.StreamHandler[TextIO], formatter: AccessLogFormatter, max_delay: float = 0.005
    ) -> None:
        handler.setFormatter(formatter)
        self._handler = handler
        self._format_line = formatter.format_line
        self._max_delay = max_delay
        self._buffer: deque[AccessLogLine] = deque()
        handler.addFilter(self._flush_before)

    def __call__(self, exchange: Exchange, attempt: int) -> None:
        """Log an exchange that has ended. Call it in the server's event loop."""
        line = AccessLogLine(exchange, attempt)
        level = line.level
        if not LOGGER.isEnabledFor(level):
            return
        self._buffer.append(line)
        if level > logging.INFO:
            self.flush()
        elif len(self._buffer) == 1:
            asyncio.get_running_loop().call_later(self._max_delay, self.flush)

    def flush(self) -> None:
        """Write the buffered lines."""
        if not self._buffer:
            return
        handler = self._handler
        handler.acquire()
        try:
            lines = []
            while self._buffer:
                lines.append(self._format_line(self._buffer.popleft()))
            handler.stream.write("\n".join([*lines, ""]))
            handler.flush()
        except Exception:  # noqa: BLE001 - as in logging
            handler.handleError(_record("the access log could not be written", logging.INFO))
        finally:
            handler.release()

    def _flush_before(self, _record: logging.LogRecord) -> bool:
        """Keep the order of lines: flush before any other record, and let it pass."""
        self.flush()
        return True


class TextFormatter(AccessLogFormatter):
    """Lines of text: time, level, number of the worker if there are several, message.

    Args:
        worker: number of the worker; `None` if there is only one.
    """

    def __init__(self, worker: int | None = None) -> None:
        self._worker = "" if worker is None else f"worker={worker} "
        super().__init__(f"%(asctime)s %(levelname)-7s {self._worker}%(message)s")
        self._last_ms = -1
        self._last_text = ""

    def format_line(self, line: AccessLogLine) -> str:
        """Return the text of an access log line."""
        return f"{self._time(line.created)} {_PADDED[line.level]} {self._worker}{line!s}"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - as in logging
        """Return a record that is not an access log line, without its traceback, as one line."""
        return show_invisible(mask_text(super().formatMessage(record)))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - as in logging
        """Return the local time of `record`."""
        return self._time(record.created)

    def _time(self, created: float) -> str:
        """Return a local time, formatted once per millisecond."""
        milliseconds = int(created * 1000)
        if milliseconds != self._last_ms:
            second, fraction = divmod(milliseconds, 1000)
            text = time.strftime(self.default_time_format, time.localtime(second))
            self._last_ms, self._last_text = milliseconds, f"{text},{fraction:03d}"
        return self._last_text


class JsonFormatter(AccessLogFormatter):
    """One JSON object per line.

    Args:
        worker: number of the worker; `None` if there is only one.
    """

    def __init__(self, worker: int | None = None) -> None:
        super().__init__()
        self._fields = {} if worker is None else {"worker": worker}

    def format_line(self, line: AccessLogLine) -> str:
        """Return an access log line as JSON."""
        exchange, attempt = line
        return _as_json(
            line.created,
            _NAMES[line.level],
            **self._fields,
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
            **({"stub": exchange.stub} if exchange.stub else {}),
            **({"hint": exchange.hint} if exchange.hint else {}),
        )

    def format_other(self, record: logging.LogRecord) -> str:
        """Return any other record as JSON."""
        event = record.msg
        fields = event.fields if isinstance(event, EventLine) else {"message": mask_text(record.getMessage())}
        traceback = {"traceback": self.formatException(record.exc_info)} if record.exc_info else {}
        return _as_json(record.created, record.levelname, **self._fields, **fields, **traceback)


def _as_json(created: float, level: str, **fields: object) -> str:
    common = {"time": datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds"), "level": level.lower()}
    return escape_invisible(json.dumps(common | fields, ensure_ascii=False))
