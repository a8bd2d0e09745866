"""Campaigns of the initial data: what a record lacks follows from the seed and the campaign's id."""

from datetime import UTC, datetime, timedelta
from functools import cached_property

from mock_atoms.contract.agents import Agent
from mock_atoms.contract.campaigns import (
    DEFAULT_RETRIES,
    DEFAULT_RETRY_DELAY,
    LISTED_AS_RUNNING,
    CampaignStatus,
    status_of,
)
from mock_atoms.core.slices import Steps
from mock_atoms.core.timestamps import format_timestamp, parse_timestamp
from mock_atoms.data.accounts import Owner
from mock_atoms.data.agents import generated_agents
from mock_atoms.data.campaign_life import DEFAULT_ERROR
from mock_atoms.data.generator import Generator, object_id
from mock_atoms.data.models import AudienceRecord, CampaignRecord, RecordedEvent, in_parsed_order

_RETRIES = (DEFAULT_RETRIES, DEFAULT_RETRIES, 0, 1, 2, 5)
_RETRY_DELAYS = (DEFAULT_RETRY_DELAY, DEFAULT_RETRY_DELAY, 5, 30, 60)
_SCHEDULED_AFTER = timedelta(days=1)
_STARTED_AFTER = timedelta(minutes=20)
_ENDED_AFTER = timedelta(hours=6)
_LATEST = datetime.max.replace(tzinfo=UTC)
_HISTORY_KEYS = ("startedAt", "pausedAt", "failedAt", "updatedAt", "error", "events")
_INACTIVE_SHARES = {"completed": 102, "draft": 51, "failed": 26}
"""Number of the generated audiences with members, of 256, that have a campaign with such a status."""
_AUDIENCES_PER_STEP = 20
_BITS = 1 << 64
_LAST_ACTION: dict[CampaignStatus, str] = {"paused": "paused", "completed": "completed", "failed": "failed"}
"""Action of the last event of a campaign, by status. A running campaign has only started."""


def add_inactive_campaigns(generator: Generator, audiences: list[AudienceRecord]) -> Steps[None]:
    """Add campaigns that are not active to generated audiences with members: `GET /audience` does not list them."""
    for index, audience in enumerate(audiences, 1):
        bits = generator.random_bits(audience["_id"], "inactive campaigns")
        chances = bits.to_bytes(8, "big")
        shares = zip(_INACTIVE_SHARES.items(), chances, strict=False)
        statuses = [status for (status, share), chance in shares if chance < share]
        if audience["memberCount"] and statuses:
            created, updated = parse_timestamp(audience["createdAt"]), parse_timestamp(audience["updatedAt"])
            inactive = [
                _inactive(f"{audience['name']} #{number}", status, created, updated, bits * (2 * number + 1) % _BITS)
                for number, status in enumerate(statuses, 1)
            ]
            audience["campaigns"] = [*audience["campaigns"], *inactive]
            audience["hasCampaigns"] = True
        if not index % _AUDIENCES_PER_STEP:
            yield


def _inactive(name: str, status: str, earliest: datetime, latest: datetime, bits: int) -> CampaignRecord:
    created = earliest + bits / _BITS * (latest - earliest)
    return {"_id": object_id(created, bits), "name": name, "status": status, "createdAt": format_timestamp(created)}


class CampaignRecords:
    """Completes the campaigns of one token.

    Args:
        generator: source of all values.
        token: the token.
        owner: whose campaigns they are.
    """

    def __init__(self, generator: Generator, token: str, owner: Owner) -> None:
        self._generator = generator
        self._token = token
        self._owner = owner

    @cached_property
    def _agents(self) -> list[Agent]:
        return generated_agents(self._generator, self._token)

    def listed(self, audience: AudienceRecord, campaign: CampaignRecord, number: int) -> CampaignRecord:
        """Return campaign `number` of an audience with the keys that the list of audiences has."""
        return {
            "_id": self.id_of(audience, campaign, number),
            "name": f"Campaign {number + 1}",
            "status": LISTED_AS_RUNNING,
            "createdAt": format_timestamp(_created(audience, campaign)),
            **campaign,
        }

    def id_of(self, audience: AudienceRecord, campaign: CampaignRecord, number: int) -> str:
        """Return the id of campaign `number` of an audience, which has a generated one if it names none."""
        if "_id" in campaign:
            return campaign["_id"]
        bits = self._generator.random_bits(audience.get("_id", ""), "campaign", number)
        return object_id(_created(audience, campaign), bits)

    def written(self, audience: AudienceRecord, campaign: CampaignRecord, number: int, now: datetime) -> CampaignRecord:
        """Return campaign `number` of an audience as it is stored if a test writes it `now`.

        A generated history that would go on after `now` is stored, cut off at `now`, so that it stays the same.
        """
        completed = self.complete(audience, campaign, number, now)
        if completed == self.complete(audience, campaign, number):
            return in_parsed_order(campaign)
        history = {key: completed[key] for key in _HISTORY_KEYS if key in completed}  # type: ignore[literal-required] # its own
        return in_parsed_order({**campaign, **history})  # type: ignore[typeddict-item] # the keys of a record

    def complete(
        self, audience: AudienceRecord, campaign: CampaignRecord, number: int, latest: datetime = _LATEST
    ) -> CampaignRecord:
        """Return campaign `number` of an audience with all keys that campaigns of its status have.

        Its generated history goes on until `latest` at most.
        """
        campaign_id = self.id_of(audience, campaign, number)
        created = _created(audience, campaign)
        status = status_of(campaign.get("status"))
        bits = self._generator.random_bits(campaign_id, "campaign")
        bits, agent = divmod(bits, len(self._agents))
        bits, retries = divmod(bits, len(_RETRIES))
        bits, delay = divmod(bits, len(_RETRY_DELAYS))
        bits, started_part = divmod(bits, 1000)
        started = _time(campaign.get("startedAt"), created + _STARTED_AFTER * started_part / 1000, created, latest)
        ended = started + _ENDED_AFTER * (bits % 1000 + 1) / 1000
        ended = _time(campaign.get("pausedAt", campaign.get("failedAt")), ended, started, latest)
        started = min(started, ended)
        completed: CampaignRecord = {
            "_id": campaign_id,
            "name": campaign.get("name", f"Campaign {number + 1}"),
            "description": f"Calls to {audience.get('name', 'an audience')}",
            "organization": audience.get("organization", self._owner.organization),
            "createdBy": audience.get("createdBy", self._owner.user),
            "audienceId": audience.get("_id", ""),
            "agentId": self._agents[agent]["_id"],
            "maxRetries": _RETRIES[retries],
            "retryDelay": _RETRY_DELAYS[delay],
            "createdAt": format_timestamp(created),
            **_history(status, created, started, ended),
            **campaign,
        }
        completed["status"] = status
        return completed


def campaign_records(generator: Generator, token: str, audience: AudienceRecord) -> CampaignRecords:
    """Return what completes the campaigns of a complete audience."""
    return CampaignRecords(generator, token, Owner(audience["organization"], audience["createdBy"]))


def fix_histories(
    generator: Generator, token: str, audiences: list[AudienceRecord], written_at: datetime
) -> Steps[None]:
    """Store the histories of the campaigns of complete audiences that would go on after `written_at`."""
    for audience in audiences:
        records = campaign_records(generator, token, audience)
        for number, campaign in enumerate(audience["campaigns"]):
            audience["campaigns"][number] = records.written(audience, campaign, number, written_at)
            yield


def _created(audience: AudienceRecord, campaign: CampaignRecord) -> datetime:
    """Return when a campaign was created: when it says, or its id, or else with its audience."""
    timestamp = campaign.get("createdAt")
    if timestamp is None and "_id" in campaign:
        return datetime.fromtimestamp(int(campaign["_id"][:8], 16), UTC)
    return parse_timestamp(timestamp or audience.get("createdAt", "2024-01-08T07:00:00.000Z"))


def default_creation(campaign: CampaignRecord, now: datetime) -> datetime:
    """Return when a campaign was created that a test writes `now`: so early that its generated history is over."""
    is_started = status_of(campaign.get("status")) not in ("draft", "scheduled")
    return now - _STARTED_AFTER - _ENDED_AFTER if is_started else now


def _time(written: str | None, generated: datetime, earliest: datetime, latest: datetime) -> datetime:
    """Return a time of a campaign: the written one, or else a generated one that is not later than `latest`."""
    return max(earliest, min(generated, latest)) if written is None else parse_timestamp(written)


def _history(status: CampaignStatus, created: datetime, started: datetime, ended: datetime) -> CampaignRecord:
    """Return the times and events of a campaign that started by hand, if it did."""
    if status in ("draft", "scheduled"):
        scheduled: CampaignRecord = {"scheduledAt": format_timestamp(created + _SCHEDULED_AFTER)}
        history: CampaignRecord = scheduled if status == "scheduled" else {}
        return {**history, "updatedAt": format_timestamp(created), "events": []}
    start, end = format_timestamp(started), format_timestamp(ended)
    events: list[RecordedEvent] = [{"action": "started", "source": "manual", "at": start}]
    history = {"startedAt": start, "updatedAt": start, "events": events}
    if status in _LAST_ACTION:
        source = "manual" if status == "paused" else "system"
        events.append({"action": _LAST_ACTION[status], "source": source, "at": end})
        history["updatedAt"] = end
    if status == "paused":
        history["pausedAt"] = end
    elif status == "failed":
        history["failedAt"], history["error"] = end, DEFAULT_ERROR
    return history
