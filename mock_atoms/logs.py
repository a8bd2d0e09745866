"""The log: one line for each exchange, as text or as JSON."""

import json
import logging
from datetime import UTC, datetime

from mock_atoms.exchange import UNKNOWN_MAGIC_WORD, UNROUTED
from mock_atoms.journal import Entry

LOGGER = logging.getLogger("mock_atoms")
TEXT_FORMAT = "%(asctime)s %(levelname)-7s %(message)s"
"""A line of the log in text."""
_WARNED_OF = {*UNROUTED, UNKNOWN_MAGIC_WORD}


def log(entry: Entry, attempt: int) -> None:
    """Write the line of an exchange that is over: a warning where it asked for what the mock does not have.

    Args:
        entry: the exchange.
        attempt: the how-manieth attempt of its call it was.
    """
    level = logging.WARNING if entry.reason in _WARNED_OF else logging.INFO
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, "%s", line(entry, attempt), extra={"entry": entry, "attempt": attempt})


def line(entry: Entry, attempt: int) -> str:
    """Return what the log says of an exchange that is over."""
    tenant = entry.tenant
    text = f"{entry.method} {entry.path} {entry.status or '-'} {entry.milliseconds or 0:.1f}ms tenant={tenant.label}"
    if tenant.test_id:
        text += f" test={json.dumps(tenant.test_id, ensure_ascii=False)}"
    if attempt > 1:
        text += f" attempt={attempt}"
    if entry.faults:
        text += f" fault={','.join(entry.faults)}"
    if entry.reason:
        text += f" reason={entry.reason}"
    return text


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return `record` as JSON, with the fields of its exchange where it has one."""
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        entry = getattr(record, "entry", None)
        if isinstance(entry, Entry):
            told |= {
                "id": entry.id,
                "method": entry.method,
                "path": entry.path,
                "status": entry.status or None,
                "ms": round(entry.milliseconds or 0, 1),
                "tenant": entry.tenant.label,
                "test": entry.tenant.test_id,
                "attempt": getattr(record, "attempt", 1),
                "fault": ",".join(entry.faults) or None,
                "reason": entry.reason,
            }
        else:
            told["message"] = record.getMessage()
            if record.exc_info:
                told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)
