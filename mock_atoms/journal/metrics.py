"""What is counted of the exchanges since the start, for Prometheus."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from mock_atoms.core.version import __version__
from mock_atoms.journal.exchange import Exchange

if TYPE_CHECKING:
    from prometheus_client.core import Metric

OTHER = "other"
"""The operation of what is none that is documented."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the buckets of durations, in seconds."""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What there is at the moment, besides what is counted.

    Attributes:
        tenants: how many tenants are known.
        journal_entries: how many exchanges the journal has.
        journal_dropped: how many it had to drop.
        hits: ids of the rules in force, and how often each has struck.
        uptime: for how many seconds the server is up.
    """

    tenants: int
    journal_entries: int
    journal_dropped: int
    triggered: dict[str, int]
    uptime: float


@dataclass(slots=True)
class _Durations:
    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0


class Metrics:
    """Counts exchanges. What it counts is bounded by what is documented, not by what is sent."""

    def __init__(self) -> None:
        self._exchanges: Counter[tuple[str, int, str, bool]] = Counter()
        self._durations: dict[str, _Durations] = {}

    def count(self, exchange: Exchange) -> None:
        """Count an exchange that is over."""
        operation = exchange.head.operation or OTHER
        self._exchanges[operation, exchange.status, exchange.ending or "", bool(exchange.faults)] += 1
        durations = self._durations.get(operation)
        if durations is None:
            durations = self._durations[operation] = _Durations()
        seconds = (exchange.duration_ms or 0) / 1000
        durations.counts[bisect_left(BUCKETS, seconds)] += 1
        durations.total += seconds

    def render(self, moment: ServerStatus, accept: str = "") -> tuple[bytes, str]:
        """Return all that is counted in the format that `accept`, a header, asks for, and its content type."""
        # Imported when somebody asks: the start is quicker without.
        from prometheus_client import CollectorRegistry  # noqa: PLC0415 - see above
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 - see above

        encode, content_type = choose_encoder(accept)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collected([*self._families(moment)]))
        return encode(registry), content_type

    def _families(self, moment: ServerStatus) -> Iterator["Metric"]:
        from prometheus_client import core  # noqa: PLC0415 - see above

        info = core.InfoMetricFamily("mock_atoms", "The server")
        info.add_metric([], {"version": __version__})
        yield info
        requests = core.CounterMetricFamily(
            "mock_atoms_requests",
            "Requests to the vendor's API; status is 0 where none was sent",
            labels=["operation", "status", "ended", "faulted"],
        )
        for (operation, status, ending, is_faulted), number in sorted(self._exchanges.items()):
            requests.add_metric([operation, str(status), ending, str(is_faulted).lower()], number)
        yield requests
        durations = core.HistogramMetricFamily(
            "mock_atoms_request_duration_seconds", "How long requests took, delays included", labels=["operation"]
        )
        bounds = [*map(str, BUCKETS), "+Inf"]
        for operation, known in sorted(self._durations.items()):
            buckets = [*zip(bounds, accumulate(known.counts), strict=True)]
            durations.add_metric([operation], buckets, known.total)
        yield durations
        triggered = core.CounterMetricFamily(
            "mock_atoms_fault_hits", "How often each rule in force has struck", labels=["rule"]
        )
        for rule, number in moment.triggered.items():
            triggered.add_metric([rule], number)
        yield triggered
        yield core.CounterMetricFamily(
            "mock_atoms_journal_dropped", "Entries that the journal had to drop", value=moment.journal_dropped
        )
        for name, text, value in (
            ("tenants", "Tenants that are known", moment.tenants),
            ("journal_entries", "Entries in the journal", moment.journal_entries),
            ("uptime_seconds", "For how long the server is up", moment.uptime),
        ):
            yield core.GaugeMetricFamily(f"mock_atoms_{name}", text, value=value)


class _Collected:
    """What a registry of Prometheus's asks for its metrics."""

    def __init__(self, families: Sequence["Metric"]) -> None:
        self._families = families

    def collect(self) -> Iterable["Metric"]:
        """Return them."""
        return self._families
