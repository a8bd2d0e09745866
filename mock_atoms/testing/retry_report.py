"""The retry report as tests see it."""

from dataclasses import dataclass
from typing import Any

from mock_atoms.core.printable import count_of


@dataclass(frozen=True, slots=True)
class RetryReport:
    """How clients retried after failures. docs/retries.md lists the keys.

    Attributes:
        calls: each call with its attempts, outcome and findings.
        summary: counts of calls, attempts, outcomes and findings.
        unattributed: requests without a token or to an unknown route, which belong to no call.
        dropped: exchanges that the journal dropped; some may be missing from `calls`.
    """

    calls: list[dict[str, Any]]
    summary: dict[str, Any]
    dropped: int = 0
    unattributed: int = 0

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Mistakes of clients, in all calls."""
        return [finding for call in self.calls for finding in call["findings"]]

    @property
    def text(self) -> str:
        """The complete report as text, like `GET /__admin/retries?format=text`."""
        from mock_atoms.journal.retry_report import as_text  # noqa: PLC0415 - only text needs more than the client

        return as_text(
            {
                "calls": self.calls,
                "summary": self.summary,
                "dropped": self.dropped,
                "unattributed": self.unattributed,
            }
        )

    def __str__(self) -> str:
        return self.text


def describe_dropped(dropped: int) -> list[str]:
    """Return a line about the exchanges that the journal dropped; none if it has all."""
    if not dropped:
        return []
    return [f"the journal has dropped {count_of(dropped, 'exchange')}: requests may be missing, see `--journal-size`"]
