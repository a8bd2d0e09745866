"""What is told of an exchange once it is over: to the journal, to the metrics, to the log."""

from mock_atoms.core.timestamps import MonotonicClock
from mock_atoms.journal.access_log import AccessLog
from mock_atoms.journal.exchange import ABORTED, ANSWERED, Exchange
from mock_atoms.journal.journal import Journal
from mock_atoms.journal.metrics import Metrics
from mock_atoms.journal.retries import AttemptCounter


class ExchangeRecorder:
    """Everything that is told of exchanges, before the client has seen the whole answer.

    Args:
        journal: keeps them.
        attempts: numbers the attempts of a call.
        metrics: counts them.
        clock: seconds of a clock that only goes forward.
        log: logs them.
    """

    def __init__(
        self, journal: Journal, attempts: AttemptCounter, metrics: Metrics, clock: MonotonicClock, log: AccessLog
    ) -> None:
        self._journal = journal
        self._attempts = attempts
        self._metrics = metrics
        self._clock = clock
        self._log = log

    def begin(self, exchange: Exchange) -> None:
        """Take note that a request has come."""
        self._journal.add(exchange)

    def end(self, exchange: Exchange, ending: str) -> None:
        """Take note that an exchange is over; `ending` is how it ended."""
        if ending == ABORTED:
            exchange.reason = exchange.reason or ABORTED
        exchange.ended = self._clock()
        exchange.ending = ending
        self._journal.update(exchange)
        self._tell(exchange)

    def record_complete(self, exchange: Exchange) -> None:
        """Take note of an exchange that is over as soon as it has begun, with its whole answer."""
        exchange.ended = self._clock()
        exchange.ending = ANSWERED
        self._journal.add(exchange)
        self._tell(exchange)

    def _tell(self, exchange: Exchange) -> None:
        self._metrics.count(exchange)
        self._log(exchange, self._attempts.number(exchange))
