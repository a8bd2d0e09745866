"""The calls of a campaign to the members of its audience."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from mock_atoms.contract.agents import Agent
from mock_atoms.data.call_results import CallResults
from mock_atoms.data.campaign_life import ALL_CALLED, called_share
from mock_atoms.data.generator import Generator
from mock_atoms.data.models import CampaignRecord
from mock_atoms.state.audience_view import AudienceView

MAX_CANCELLED_CALLS = 5
"""Maximum number of calls that a pause cancels: those that were due."""


def count_called(record: CampaignRecord, audience: AudienceView | None) -> int:
    """Return how many members a campaign has called: the first ones.

    The number is fixed when a status changes: deleted members leave it, and later ones do not join it. Progress by the
    wall clock is a share of all members. A campaign of the initial data has called none of the added members.
    """
    if audience is None:
        return 0
    if "lastCalled" in record:
        last = record["lastCalled"]
        return 0 if last is None else audience.count_until(last)
    if "runningAt" in record:
        return share_of(audience.member_count, record)
    return audience.count_initial(share_of(audience.record.get("memberCount", 0), record))


def share_of(members: int, record: CampaignRecord) -> int:
    """Return how many of `members` a campaign has called according to its progress."""
    return -(-members * called_share(record) // ALL_CALLED)


def last_called(audience: AudienceView | None, called: int) -> str | None:
    """Return the id of the last of the first `called` members, `None` if there is none."""
    return audience.id_at(called - 1) if audience is not None and called else None


def count_cancelled(record: CampaignRecord, audience: AudienceView | None) -> int:
    """Return how many calls all pauses of a campaign have cancelled."""
    if "cancelledCallsCount" in record or record["status"] != "paused":
        return record.get("cancelledCallsCount", 0)
    return count_due(record, audience)


def count_due(record: CampaignRecord, audience: AudienceView | None) -> int:
    """Return how many calls of a campaign a pause cancels."""
    members = 0 if audience is None else audience.member_count
    return min(MAX_CANCELLED_CALLS, members - count_called(record, audience))


def find_calls(
    generator: Generator, record: CampaignRecord, audience: AudienceView | None, now: datetime
) -> CallResults:
    """Return the calls of a campaign.

    Args:
        generator: source of generated results.
        record: the complete campaign.
        audience: its audience, unless that is deleted.
        now: time of the request.
    """
    called = count_called(record, audience)
    if audience is None or not called:
        return CallResults(generator, record, [0] * 16, {}, now)
    has_called_all = called == audience.member_count
    results = {
        member_id: result
        for number, result in record.get("results", {}).items()
        if (member_id := audience.id_of_number(number)) is not None
        and (has_called_all or audience.count_until(member_id) <= called)
    }
    return CallResults(generator, record, audience.count_by_digit(called), results, now)


class CampaignResults(NamedTuple):
    """The calls of a campaign, for its exports.

    Attributes:
        record: the complete campaign.
        agent: its agent.
        audience: its audience, unless that is deleted.
        calls: the calls by id of a member.
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
