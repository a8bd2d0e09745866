"""Prometheus metrics of the exchanges since the server started."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from mock_atoms.core.version import __version__
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.violations import violated_operation

if TYPE_CHECKING:
    from prometheus_client.core import Metric

STUBBED = "stub"
"""The `operation` label of requests to which a stub responded."""
OTHER = "other"
"""The `operation` label of requests that match no documented operation."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the duration buckets, in seconds."""
_UNUSUAL_VERSION = re.compile(r"version=(?!\d{1,3}(\.\d{1,3}){0,2} *(;|$))", re.ASCII)


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """Current values of the server, reported beside the counted exchanges.

    Attributes:
        tenants: number of known tenants.
        journal_entries: number of exchanges in the journal.
        journal_dropped: number of exchanges that the journal has dropped.
        triggered: how often each active fault rule has triggered, by rule id.
        uptime: seconds since the server started.
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
    """Counts exchanges. The number of time series depends on the documented operations, not on what clients send."""

    def __init__(self) -> None:
        self._exchanges: Counter[tuple[str, int, str, bool]] = Counter()
        self._durations: dict[str, _Durations] = {}
        self._violations: Counter[tuple[str, str]] = Counter()

    def count(self, exchange: Exchange) -> None:
        """Count an exchange that has ended."""
        operation = (exchange.head.operation or OTHER) if exchange.stub is None else STUBBED
        self._exchanges[operation, exchange.status, exchange.ended or "", bool(exchange.faults)] += 1
        durations = self._durations.get(operation)
        if durations is None:
            durations = self._durations[operation] = _Durations()
        seconds = (exchange.duration_ms or 0) / 1000
        durations.counts[bisect_left(BUCKETS, seconds)] += 1
        durations.total += seconds
        if exchange.head.violations or exchange.later_violations:
            self._violations.update((each.kind, violated_operation(exchange, each)) for each in exchange.violations)

    def copy(self) -> "Metrics":
        """Return a copy that another thread can render."""
        copied = Metrics()
        copied._exchanges = self._exchanges.copy()
        copied._violations = self._violations.copy()
        copied._durations = {
            operation: _Durations([*durations.counts], durations.total)
            for operation, durations in self._durations.items()
        }
        return copied

    def render(self, status: ServerStatus, accept: str = "") -> tuple[bytes, str]:
        """Return all metrics in the format that the `Accept` header asks for, and their content type.

        Media types of unusual versions are ignored.
        """
        # A lazy import keeps the start fast.
        from prometheus_client import CollectorRegistry  # noqa: PLC0415 - see above
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 - see above

        usual = [media_type for media_type in accept.split(",") if not _UNUSUAL_VERSION.search(media_type)]
        encode, content_type = choose_encoder(",".join(usual))
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector([*self._families(status)]))
        return encode(registry), content_type

    def _families(self, status: ServerStatus) -> Iterator["Metric"]:
        from prometheus_client import core  # noqa: PLC0415 - see above

        info = core.InfoMetricFamily("mock_atoms", "The server's version")
        info.add_metric([], {"version": __version__})
        yield info
        requests = core.CounterMetricFamily(
            "mock_atoms_requests",
            "Requests to the vendor's API; status is 0 without a response",
            labels=["operation", "status", "ended", "faulted"],
        )
        for (operation, status_code, ended, is_faulted), number in sorted(self._exchanges.items()):
            requests.add_metric([operation, str(status_code), ended, str(is_faulted).lower()], number)
        yield requests
        histogram = core.HistogramMetricFamily(
            "mock_atoms_request_duration_seconds",
            "Duration of requests to the vendor's API, fault delays included",
            labels=["operation"],
        )
        bounds = [*map(str, BUCKETS), "+Inf"]
        for operation, durations in sorted(self._durations.items()):
            buckets = [*zip(bounds, accumulate(durations.counts), strict=True)]
            histogram.add_metric([operation], buckets, durations.total)
        yield histogram
        violations = core.CounterMetricFamily(
            "mock_atoms_contract_violations",
            "What clients sent that the API does not document",
            labels=["kind", "operation"],
        )
        for labels, number in sorted(self._violations.items()):
            violations.add_metric([*labels], number)
        yield violations
        triggered = core.CounterMetricFamily(
            "mock_atoms_fault_triggered", "How often each active fault rule has triggered", labels=["rule"]
        )
        for rule, number in status.triggered.items():
            triggered.add_metric([rule], number)
        yield triggered
        yield core.CounterMetricFamily(
            "mock_atoms_journal_dropped", "Exchanges dropped from the full journal", value=status.journal_dropped
        )
        for name, text, value in (
            ("tenants", "Known tenants", status.tenants),
            ("journal_entries", "Exchanges in the journal", status.journal_entries),
            ("uptime_seconds", "Seconds since the server started", status.uptime),
        ):
            yield core.GaugeMetricFamily(f"mock_atoms_{name}", text, value=value)


class _Collector:
    def __init__(self, families: Sequence["Metric"]) -> None:
        self._families = families

    def collect(self) -> Iterable["Metric"]:
        return self._families
