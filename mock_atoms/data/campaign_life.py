"""The life of a campaign: its statuses, and pure functions from one record to the next."""

from datetime import datetime, timedelta

from mock_atoms.contract.campaigns import ENDED, STATUSES, CampaignStatus, status_of
from mock_atoms.core.timestamps import format_timestamp, parse_timestamp
from mock_atoms.data.models import CampaignRecord, RecordedEvent

MAX_EVENTS = 100
"""Number of events that a campaign keeps."""
DEFAULT_ERROR = "No phone number is configured for the agent"
"""`error` of a campaign that fails without a reason (A; the reason: G)."""
ALL_CALLED = 1000
"""`called` of a campaign that has called all members."""
_PROCESSING_SHARE = 0.1
"""Share of a paced campaign's duration for which it is `processing`."""
_SCHEDULED_AFTER = timedelta(hours=1)
_MIN_SHARE, _SHARE_RANGE = 200, 600


def reachable(status: CampaignStatus) -> tuple[CampaignStatus, ...]:
    """Return the statuses that can follow `status`, directly or later."""
    if status in ENDED:
        return ()
    if status == "paused":
        return ("running", *ENDED)
    return STATUSES[STATUSES.index(status) + 1 :]


def called_share(record: CampaignRecord) -> int:
    """Return how many members have been called, in thousandths."""
    if record["status"] == "completed":
        return ALL_CALLED
    return record.get("called", first_share(record["_id"]) if record["status"] in ("running", "paused") else 0)


def first_share(campaign_id: str) -> int:
    """Return the thousandths of the members that a running campaign has called if the wall clock does not decide."""
    return _MIN_SHARE + int(campaign_id[16:], 16) % _SHARE_RANGE


def advance(  # noqa: PLR0913 - what a step of a campaign's life depends on
    record: CampaignRecord,
    status: CampaignStatus,
    at: datetime,
    *,
    called: int,
    source: str = "system",
    error: str | None = None,
) -> CampaignRecord:
    """Return `record` with a status that is reachable from its own.

    Args:
        record: a complete record.
        status: the new status.
        at: time of the change.
        called: thousandths of the members that have been called, unless the campaign is completed.
        source: who caused it: `manual` or `system`.
        error: why the campaign fails.
    """
    now = format_timestamp(at)
    before = status_of(record["status"])
    changed: CampaignRecord = {
        **record,
        "status": status,
        "updatedAt": max(now, record["updatedAt"], key=parse_timestamp),
    }
    events: list[RecordedEvent] = []
    if before in ("draft", "scheduled") and status != "scheduled":
        changed["startedAt"] = now
        events.append({"action": "started", "source": source, "at": now})
    match status:
        case "scheduled":
            changed.setdefault("scheduledAt", format_timestamp(at + _SCHEDULED_AFTER))
        case "running":
            changed.pop("pausedAt", None)
            changed["runningAt"] = now
            changed["called"] = called
            if before == "paused":
                events.append({"action": "resumed", "source": source, "at": now})
        case "paused":
            changed["pausedAt"] = now
            changed["called"] = called
            events.append({"action": "paused", "source": source, "at": now})
        case "completed":
            changed["called"] = ALL_CALLED
            events.append({"action": "completed", "source": "system", "at": now})
        case "failed":
            changed["failedAt"] = now
            changed["error"] = DEFAULT_ERROR if error is None else error
            changed["called"] = called
            events.append({"action": "failed", "source": "system", "at": now})
        case _:
            pass
    all_events = [*record.get("events", []), *events]
    changed["events"] = all_events[-MAX_EVENTS:]
    if len(all_events) > MAX_EVENTS:
        changed["droppedEvents"] = record.get("droppedEvents", 0) + len(all_events) - MAX_EVENTS
    return changed


def at_time(record: CampaignRecord, now: datetime, pace: float) -> CampaignRecord:
    """Return `record` as it is at `now` if each campaign takes `pace` seconds from start to end."""
    duration = timedelta(seconds=pace)
    if record["status"] == "scheduled" and parse_timestamp(record["scheduledAt"]) <= now:
        record = advance(record, "processing", parse_timestamp(record["scheduledAt"]), called=0)
    if record["status"] == "processing" and "startedAt" in record:
        running_at = parse_timestamp(record["startedAt"]) + duration * _PROCESSING_SHARE
        if running_at <= now:
            record = advance(record, "running", running_at, called=0)
    if record["status"] == "running" and "runningAt" in record:
        record = record.copy()
        record.pop("lastCalled", None)
        since = parse_timestamp(record["runningAt"])
        calling = duration * (1 - _PROCESSING_SHARE)
        called = record.get("called", 0)
        end = since + calling * (1 - called / ALL_CALLED)
        if end <= now:
            return advance(record, "completed", end, called=ALL_CALLED)
        progress = called + int(ALL_CALLED * max(timedelta(), now - since) / calling)
        record = {**record, "called": progress}
    return record
