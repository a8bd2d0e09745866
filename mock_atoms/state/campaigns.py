"""The campaigns of one tenant, with the API's operations on them."""

import heapq
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any, NamedTuple

from mock_atoms.contract.agents import Agent
from mock_atoms.contract.campaigns import (
    DEFAULT_RETRIES,
    DEFAULT_RETRY_DELAY,
    IN_THE_FUTURE,
    UNKNOWN_CAMPAIGN,
    CampaignDetail,
    CampaignEvent,
    CampaignItem,
    CampaignPage,
    CampaignReport,
    CampaignStatus,
    CreatedCampaign,
    NewCampaign,
    StartedCampaign,
)
from mock_atoms.contract.errors import ApiError, bad_request
from mock_atoms.core.patterns import OBJECT_ID
from mock_atoms.core.slices import Steps
from mock_atoms.core.timestamps import format_timestamp, parse_timestamp
from mock_atoms.data.agents import unknown_agent
from mock_atoms.data.call_results import CallResults
from mock_atoms.data.campaign_life import advance, called_share, first_share, reachable
from mock_atoms.data.generator import object_id
from mock_atoms.data.models import CampaignRecord
from mock_atoms.state.agents import AgentRepository
from mock_atoms.state.audience_view import AudienceView
from mock_atoms.state.audiences import AudienceRepository
from mock_atoms.state.campaign_results import (
    CampaignResults,
    count_called,
    count_cancelled,
    count_due,
    find_calls,
    last_called,
    share_of,
)
from mock_atoms.state.operations import DeleteCampaign, PutCampaign
from mock_atoms.state.tenant_data import Change, TenantData

MAX_ERROR_CHARACTERS = 5_000
"""Maximum number of characters of the `error` that a test gives a campaign."""
_SORTED_PER_STEP = 1_000


class CampaignQuery(NamedTuple):
    """Which campaigns to list.

    Attributes:
        page: page number, from 1.
        size: campaigns per page.
        status: only this status.
        search: part of the name in any case, or an id; empty for all.
        sort_field: `createdAt` or `updatedAt`.
        is_ascending: whether the oldest come first.
    """

    page: int = 1
    size: int = 5
    status: str | None = None
    search: str = ""
    sort_field: str = "createdAt"
    is_ascending: bool = False


class PastScheduleError(ApiError):
    """The time to start of a new campaign is over."""


class CampaignRepository:
    """The campaigns of one tenant. A method that raises changes nothing.

    Args:
        data: the tenant's data.
    """

    def __init__(self, data: TenantData) -> None:
        self._data = data
        self._audiences = AudienceRepository(data)
        self._campaigns = self._audiences.campaigns
        self._generator = data.generator

    def list_campaigns(self, query: CampaignQuery) -> Steps[CampaignPage]:
        """Return one page of the campaigns."""
        chunks: list[list[tuple[datetime, int, CampaignRecord]]] = [[]]
        total = 0
        for record in self._campaigns.all():
            total += 1
            if _matches(record, query):
                if len(chunks[-1]) == _SORTED_PER_STEP:
                    chunks.append([])
                chunks[-1].append((parse_timestamp(str(record[query.sort_field])), total, record))  # type: ignore[literal-required] # one of two
            yield
        for chunk in chunks:
            chunk.sort(key=_order, reverse=not query.is_ascending)
            yield
        start = (query.page - 1) * query.size
        found = sum(map(len, chunks))
        campaigns: list[CampaignItem] = []
        for number, (_, _, record) in enumerate(heapq.merge(*chunks, key=_order, reverse=not query.is_ascending)):
            if number >= start + query.size:
                break
            if number >= start:
                campaigns.append(self._item(record))
            yield
        pages = -(-found // query.size)
        return {
            "campaigns": campaigns,
            "pagination": {
                "total": found,
                "page": query.page,
                "offset": query.size,
                "hasMore": query.page < pages,
                "totalPages": pages,
            },
            "totalCampaignCount": total,
        }

    def reports(self) -> Iterator[CampaignReport]:
        """Yield all campaigns with their events and metrics."""
        return (self._report(record) for record in self._campaigns.all())

    def create(self, new: NewCampaign) -> Change[CreatedCampaign]:
        """Create a campaign and return it: `draft`, or `scheduled` if it has a time to start.

        Raises:
            ApiError: 400, its audience is unknown, its time to start is over, or the tenant has too much data.
        """
        audience_id = new["audienceId"].lower()
        audience = self._audiences.find(audience_id)
        if audience is None:
            raise bad_request(f"audienceId: Audience not found: {audience_id}")
        scheduled = new.get("scheduledAt")
        if scheduled is not None and parse_timestamp(scheduled) <= self._data.timestamp:
            raise PastScheduleError(HTTPStatus.BAD_REQUEST, f"scheduledAt {IN_THE_FUTURE}")
        now = format_timestamp(self._data.timestamp)
        organization, user = self._data.owner
        record: CampaignRecord = {
            "_id": self._data.new_ids[0],
            "name": new["name"],
            **({"description": new["description"]} if "description" in new else {}),
            "organization": organization,
            "agentId": new["agentId"].lower(),
            "createdBy": user,
            "audienceId": audience_id,
            **({"phoneNumberIds": new["phoneNumberIds"]} if "phoneNumberIds" in new else {}),
            "maxRetries": new.get("maxRetries", DEFAULT_RETRIES),
            "retryDelay": new.get("retryDelay", DEFAULT_RETRY_DELAY),
            "status": "draft",
            "createdAt": now,
            "updatedAt": now,
        }
        if scheduled is not None:
            record["status"], record["scheduledAt"] = "scheduled", format_timestamp(parse_timestamp(scheduled))
        self._data.check_campaigns([record])
        yield
        created: dict[str, Any] = {
            **{key: value for key, value in record.items() if key in CreatedCampaign.__annotations__},
            "participantsCount": audience.member_count,
            "retryAttempts": 0,
        }
        in_order = {key: created[key] for key in CreatedCampaign.__annotations__ if key in created}
        return in_order, PutCampaign(record, new_ids=1)  # type: ignore[return-value] # the keys of the shape

    def get(self, campaign_id: str) -> Steps[CampaignReport]:
        """Return one campaign with its events and metrics.

        Raises:
            ApiError: 400, the id is malformed, or the tenant has no such campaign (D: no 404).
        """
        return self._report((yield from self._find(campaign_id, HTTPStatus.BAD_REQUEST)))

    def delete(self, campaign_id: str) -> Change[None]:
        """Delete a campaign of any status.

        Raises:
            ApiError: 400, the id is malformed; 404, the tenant has no such campaign.
        """
        record = yield from self._find(campaign_id, HTTPStatus.NOT_FOUND)
        is_created = yield from self._campaigns.is_created(record["_id"])
        return None, DeleteCampaign(record["_id"], is_created)

    def start(self, campaign_id: str) -> Change[StartedCampaign]:
        """Start or resume a campaign. One that is in progress stays as it is.

        Raises:
            ApiError: 400, the id is malformed, the campaign is over or its audience deleted; 404, the tenant has no
                such campaign.
        """
        record = yield from self._find(campaign_id, HTTPStatus.NOT_FOUND)
        status = record["status"]
        if status in ("completed", "failed"):
            raise bad_request(f"Campaign cannot be started: its status is {status}")
        operation = None
        if status not in ("processing", "running"):
            if self._audiences.find(record["audienceId"]) is None:
                raise bad_request(f"Campaign cannot be started: its audience {record['audienceId']} is deleted")
            record = self._advance(record, "running" if status == "paused" else "processing", source="manual")
            task = self._data.caller.tenant.key + bytes.fromhex(record["_id"])
            record["taskId"] = self._generator.request_id(task, self._data.changes.issued_ids)
            operation = PutCampaign(record, new_ids=1)
        task_id = record.get("taskId") or self._generator.request_id(bytes.fromhex(record["_id"]), 0)
        return {"message": "Campaign is being processed", "taskId": task_id, "campaignId": record["_id"]}, operation

    def pause(self, campaign_id: str) -> Change[None]:
        """Pause a campaign that is in progress.

        Raises:
            ApiError: 400, the id is malformed, the campaign is not in progress, or the tenant has none (D: no 404).
        """
        record = yield from self._find(campaign_id, HTTPStatus.BAD_REQUEST)
        if record["status"] not in ("processing", "running"):
            raise bad_request(f"Campaign cannot be paused: its status is {record['status']}")
        return None, PutCampaign(self._advance(record, "paused", source="manual"))

    def advance(
        self, campaign_id: str, status: CampaignStatus, *, scheduled_at: str | None = None, error: str | None = None
    ) -> Change[CampaignReport]:
        """Give a campaign a status that it can reach, and return it. Its own status changes nothing.

        Args:
            campaign_id: id of the campaign.
            status: the new status.
            scheduled_at: when a scheduled campaign starts.
            error: why a campaign fails.

        Raises:
            ApiError: 400, the id is malformed; 404, the tenant has no such campaign; 409, it cannot reach the status.
        """
        record = yield from self._find(campaign_id, HTTPStatus.NOT_FOUND)
        if record["status"] == status:
            return self._report(record), None
        following = reachable(record["status"])  # type: ignore[arg-type] # complete records have a known status
        if status not in following:
            steps = f"it can become {', '.join(following)}" if following else "it is over"
            raise ApiError(
                HTTPStatus.CONFLICT, f"the campaign is {record['status']} and cannot become {status}: {steps}"
            )
        if scheduled_at is not None:
            record = {**record, "scheduledAt": format_timestamp(parse_timestamp(scheduled_at))}
        record = self._advance(record, status, source="system", error=error)
        return self._report(record), PutCampaign(record)

    def results(self, campaign_id: str, unknown_status: HTTPStatus) -> "Steps[CampaignResults]":
        """Return the results of one campaign.

        Args:
            campaign_id: id of the campaign.
            unknown_status: HTTP status for a malformed or unknown id.
        """
        record = yield from self._find(campaign_id, unknown_status, is_export=True)
        audience = self._audiences.find(record["audienceId"])
        return CampaignResults(
            record,
            self._agent(record["agentId"]),
            audience,
            self._calls(record, audience),
            self._data.timestamp,
        )

    def campaign_of(self, agent_id: str) -> Steps[CampaignRecord | None]:
        """Return a campaign with this agent, an active one if there is any, or `None` if there is none."""
        active = self._data.readings.active_campaigns
        found = None
        for record in self._campaigns.all():
            if record["agentId"] == agent_id:
                found = record
                if record["status"] in active:
                    break
            yield
        return found

    def _find(self, campaign_id: str, unknown_status: HTTPStatus, *, is_export: bool = False) -> Steps[CampaignRecord]:
        """Return the complete record of a campaign. Exports treat a malformed id as an unknown one (D)."""
        lower = campaign_id.lower()
        is_malformed = re.fullmatch(OBJECT_ID, lower) is None
        record = None if is_malformed else (yield from self._campaigns.find(lower))
        if record is not None:
            return record
        if is_malformed and not is_export:
            raise bad_request("Invalid campaign ID")
        if unknown_status == HTTPStatus.NOT_FOUND:
            raise ApiError(unknown_status, "Campaign not found")
        raise ApiError(unknown_status, UNKNOWN_CAMPAIGN.format(id=campaign_id))

    def _advance(
        self, record: CampaignRecord, status: CampaignStatus, *, source: str, error: str | None = None
    ) -> CampaignRecord:
        called = called_share(record)
        if status == "running" and not self._data.readings.campaign_pace:
            called = max(called, first_share(record["_id"]))
        changed = advance(record, status, self._data.timestamp, called=called, source=source, error=error)
        self._fix_called(record, changed)
        self._data.check_campaigns([changed])
        return changed

    def _fix_called(self, before: CampaignRecord, changed: CampaignRecord) -> None:
        """Fix which members have been called as of a change, and count the calls that a pause cancels."""
        audience = self._audiences.find(before["audienceId"])
        cancelled = count_cancelled(before, audience)
        if changed["status"] == "paused":
            cancelled += count_due(before, audience)
        if cancelled:
            changed["cancelledCallsCount"] = cancelled
        if changed["status"] == "running" and self._data.readings.campaign_pace:
            changed.pop("lastCalled", None)
            return
        called = count_called(before, audience)
        if audience is not None and changed["status"] in ("running", "completed"):
            called = max(called, share_of(audience.member_count, changed))
        changed["lastCalled"] = last_called(audience, called)

    def _item(self, record: CampaignRecord) -> CampaignItem:
        audience = self._audiences.find(record["audienceId"])
        detail = self._detail(record, audience, self._calls(record, audience))
        item: CampaignItem = _without_omitted(detail, record, CampaignItem.__annotations__)
        return item

    def _report(self, record: CampaignRecord) -> CampaignReport:
        audience = self._audiences.find(record["audienceId"])
        calls = self._calls(record, audience)
        detail = self._detail(record, audience, calls)
        return {
            "campaign": _without_omitted(detail, record, CampaignDetail.__annotations__),
            "events": self._events(record),
            "metrics": {
                "total_participants": detail["participantsCount"],
                "contacts_called": calls.called,
                "contacts_connected": calls.connected,
            },
        }

    def _calls(self, record: CampaignRecord, audience: AudienceView | None) -> CallResults:
        return find_calls(self._generator, record, audience, self._data.timestamp)

    def _detail(self, record: CampaignRecord, audience: AudienceView | None, calls: CallResults) -> dict[str, Any]:
        """Return all keys that a campaign can have in a response."""
        return {
            **record,
            "agent": self._agent(record["agentId"]),
            "audience": {"_id": record["audienceId"], **_named(audience)},
            "participantsCount": 0 if audience is None else audience.member_count,
            "retryAttempts": calls.retries,
            "cancelledCallsCount": count_cancelled(record, audience),
        }

    def _events(self, record: CampaignRecord) -> list[CampaignEvent]:
        bits = self._generator.random_bits_by_index(record["_id"], "event")
        return [
            {
                "_id": object_id(parse_timestamp(event["at"]), bits(number)),
                "triggerSource": event["source"],
                "eventAction": event["action"],
                "createdAt": event["at"],
                "updatedAt": event["at"],
            }
            for number, event in enumerate(record.get("events", []), record.get("droppedEvents", 0))
        ]

    @cached_property
    def _agents(self) -> dict[str, Agent]:
        return {agent["_id"]: agent for agent in AgentRepository(self._data).agents()}

    def _agent(self, agent_id: str) -> Agent:
        return self._agents.get(agent_id) or unknown_agent(self._generator, agent_id)


def _matches(record: CampaignRecord, query: CampaignQuery) -> bool:
    if query.status is not None and record["status"] != query.status:
        return False
    search = query.search.lower()
    return search in record["name"].lower() or search == record["_id"]


def _order(entry: tuple[datetime, int, CampaignRecord]) -> tuple[datetime, int]:
    return entry[:2]


def _named(audience: AudienceView | None) -> dict[str, str]:
    return {} if audience is None or audience.name is None else {"name": audience.name}


def _without_omitted(values: dict[str, Any], record: CampaignRecord, keys: Iterable[str]) -> Any:  # noqa: ANN401 - the shape with these keys
    """Return the values of `keys`, in their order, without those that the record omits."""
    omitted = record.get("omit", ())
    return {key: values[key] for key in keys if key in values and key not in omitted}
