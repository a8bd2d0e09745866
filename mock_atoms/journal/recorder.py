"""Records exchanges in the journal, the metrics and the access log."""

from mock_atoms.core.timestamps import MonotonicClock
from mock_atoms.journal.access_log import AccessLog
from mock_atoms.journal.calls import AttemptCounter
from mock_atoms.journal.exchange import ABORTED, RESPONDED, Exchange
from mock_atoms.journal.journal import Journal
from mock_atoms.journal.metrics import Metrics
from mock_atoms.journal.violations import ViolationLog


class ExchangeRecorder:
    """Records each exchange before the client has received the end of the response.

    Args:
        journal: keeps the exchanges.
        attempts: counts the attempts of calls.
        metrics: counts the exchanges.
        clock: monotonic clock.
        log: the access log.
    """

    def __init__(
        self, journal: Journal, attempts: AttemptCounter, metrics: Metrics, clock: MonotonicClock, log: AccessLog
    ) -> None:
        self._journal = journal
        self._attempts = attempts
        self._metrics = metrics
        self._clock = clock
        self._log = log
        self._violation_log = ViolationLog()

    async def end(self, exchange: Exchange, ended: str) -> None:
        """Record the end of an exchange; see `Exchange.ended`."""
        if ended == ABORTED:
            exchange.reason = exchange.reason or ABORTED
        exchange.ended_at = self._clock()
        exchange.ended = ended
        await self._journal.update(exchange)
        self._report(exchange)

    def record_complete(self, exchange: Exchange) -> None:
        """Record arrival and end of an exchange at the same time, with a complete response."""
        exchange.ended_at = self._clock()
        exchange.ended = RESPONDED
        self._journal.add(exchange)
        self._report(exchange)

    def _report(self, exchange: Exchange) -> None:
        self._metrics.count(exchange)
        self._log(exchange, self._attempts.number(exchange))
        if exchange.head.violations or exchange.later_violations:
            self._violation_log.report_new(exchange)
