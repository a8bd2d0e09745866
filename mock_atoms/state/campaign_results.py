"""The calls of a campaign to the members of its audience."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from mock_atoms.contract.agents import Agent
from mock_atoms.data.call_results import CallResults
from mock_atoms.data.generator import Generator
from mock_atoms.data.models import CampaignRecord
from mock_atoms.state.audience_view import AudienceView


def find_calls(generator: Generator, record: CampaignRecord, audience: AudienceView | None) -> CallResults:
    """Return the calls of a campaign.

    Args:
        generator: source of generated results.
        record: the complete campaign.
        audience: its audience, unless that is deleted.
    """
    results = {
        position: result
        for number, result in record.get("results", {}).items()
        if audience is not None and (position := audience.position_of_number(number)) is not None
    }
    return CallResults(generator, record, results)


class CampaignResults(NamedTuple):
    """The calls of a campaign, for its exports.

    Attributes:
        record: the complete campaign.
        agent: its agent.
        audience: its audience, unless that is deleted.
        calls: the calls by position of a member.
        exported_at: time of the export.
    """

    record: CampaignRecord
    agent: Agent
    audience: AudienceView | None
    calls: CallResults
    exported_at: datetime

    @property
    def member_count(self) -> int:
        """Number of members."""
        return 0 if self.audience is None else self.audience.member_count

    def members(self) -> Iterator[Any]:
        """Yield the members in order."""
        return iter(()) if self.audience is None else self.audience.members()

    @property
    def phone_column(self) -> str:
        """Name of the column with the phone numbers."""
        return "" if self.audience is None else self.audience.phone_column
