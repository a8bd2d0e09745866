"""The audiences of one tenant, with the API's operations on them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from http import HTTPStatus
from typing import Any

from mock_atoms.contract.campaigns import status_of
from mock_atoms.contract.errors import INVALID_PHONE_NUMBER, ApiError, documented_message
from mock_atoms.contract.operations import DELETE_AUDIENCE, RequestedOperation
from mock_atoms.contract.schemas import (
    MAX_MEMBERS,
    AddedMembers,
    Audience,
    AudienceDetail,
    CreatedAudience,
    DeletedCount,
    Member,
    MembersPage,
    SearchInfo,
    SearchResult,
)
from mock_atoms.core.json_parsing import MAX_JSON_DEPTH
from mock_atoms.core.masking import quote_value
from mock_atoms.core.patterns import OBJECT_ID
from mock_atoms.core.sizes import json_bytes, json_problem
from mock_atoms.core.slices import Steps, collect
from mock_atoms.core.timestamps import format_timestamp, parse_timestamp
from mock_atoms.data.campaigns import default_creation
from mock_atoms.data.member_rows import MAX_MEMBER_VALUES, describe_missing_number
from mock_atoms.data.models import REMOVED_INDEX_BYTES, AudienceRecord, CampaignRecord, api_fields
from mock_atoms.data.phone_numbers import is_phone_number, phone_digits
from mock_atoms.state.audience_view import AudienceView, created_record
from mock_atoms.state.campaign_results import last_called, share_of
from mock_atoms.state.changes import AudienceChanges
from mock_atoms.state.member_search import find_in_columns, find_text
from mock_atoms.state.operations import AddMembers, DeleteAudience, PutAudience, SetCampaigns
from mock_atoms.state.tenant_campaigns import TenantCampaigns
from mock_atoms.state.tenant_data import Change, TenantData, tenant_full

MAX_CREATED_AUDIENCES = 1_000
"""Maximum number of audiences that one tenant can create."""


class AudienceRepository:
    """The audiences of one tenant.

    Methods that take an audience id raise an `ApiError`: 400 if the id is malformed, 404 if the tenant has no such
    audience. A method that raises changes nothing.

    Args:
        data: the tenant's data.
    """

    def __init__(self, data: TenantData) -> None:
        self._data = data
        self._caller = data.caller
        self._fixtures = data.fixtures
        self._generator = data.generator
        self._initial_data = data.initial_data
        self._changes = data.changes

    def list_audiences(self) -> Steps[list[Audience]]:
        """Return all audiences in the order of creation, or the newest first."""
        listed: Iterable[Audience]
        if self._data.is_unchanged:
            active = self._data.readings.active_campaigns
            listed = (api_fields(audience, active) for audience in self._initial_data.audiences)
        else:
            listed = self._listed()
        return _reversed(listed) if self._data.readings.lists_newest_first else collect(listed)

    def create_audience(self, fields: CreatedAudience, rows: Sequence[dict[str, str]]) -> Change[CreatedAudience]:
        """Create an audience and return it.

        Args:
            fields: its name, its phone column and the optional fields of the request.
            rows: the columns of each member. All phone numbers differ.

        Raises:
            ApiError: 400, the tenant has too many created audiences or too much data.
        """
        if sum(changes.created is not None for changes in self._changes.audiences.values()) >= MAX_CREATED_AUDIENCES:
            raise tenant_full(f"{MAX_CREATED_AUDIENCES} created audiences")
        now = format_timestamp(self._data.timestamp)
        organization, user = self._data.owner
        created: CreatedAudience = {
            "_id": self._data.new_ids[0],
            **fields,
            "organization": organization,
            "createdBy": user,
            "createdAt": now,
            "updatedAt": now,
        }
        changes = AudienceChanges(fields["phoneNumberColumnName"], created, updated_at=now)
        yield from self._add_members(changes, rows, first_id=1)
        changes.update_size()
        self._data.check_room(changes.size_bytes)
        return created, PutAudience(created["_id"], changes, new_ids=1 + len(rows))

    def get_audience(self, audience_id: str) -> AudienceDetail:
        """Return one audience."""
        return self._find(audience_id).detail()

    def find(self, audience_id: str) -> AudienceView | None:
        """Return the audience with this id in lower case, or `None` if the tenant has none."""
        changes = self._changes.audiences.get(audience_id)
        if changes is not None and changes.created is not None:
            return self._view(created_record(changes.created), changes)
        record = self._initial_data.by_id.get(audience_id)
        return None if record is None or audience_id in self._changes.deleted_ids else self._view(record, changes)

    def delete_audience(self, audience_id: str) -> Change[None]:
        """Delete an audience and its members.

        Raises:
            ApiError: 400, an active campaign uses the audience (D), or the tenant would keep too many campaigns.
        """
        view = self._find(audience_id)
        if view.is_in_use:
            raise ApiError(
                HTTPStatus.BAD_REQUEST,
                documented_message(HTTPStatus.BAD_REQUEST, RequestedOperation(DELETE_AUDIENCE.name, view.id)),
            )
        return None, (yield from self._deletion(view))

    def _deletion(self, view: AudienceView) -> Steps[DeleteAudience]:
        """Return the deletion of an audience. Its campaigns stay.

        Raises:
            ApiError: 400, the tenant would have too many campaigns or too much data.
        """
        campaigns = yield from self.campaigns.complete(view.record)
        self._data.check_campaigns(campaigns)
        return DeleteAudience(view.id, view.changes.created is not None, campaigns)

    def get_members(self, audience_id: str, page: int, size: int, search: str = "") -> Steps[MembersPage]:
        """Return one page of the members, or of those that contain `search`.

        Args:
            audience_id: id of the audience.
            page: page number, from 1.
            size: members per page.
            search: text to find in any column, in any case; empty for all members.

        Raises:
            ApiError: 403, the audience is another organisation's (D).
        """
        view = self._find(audience_id, foreign_status=HTTPStatus.FORBIDDEN)
        start = (page - 1) * size
        if search:
            return _found_page(find_text(search, view.members()), page, size)
        return _page(view.members(start, start + size), view.member_count, page, size)

    def add_members(self, audience_id: str, members: Sequence[dict[str, Any]]) -> Change[AddedMembers]:
        """Add the members with new phone numbers, and skip the others.

        Raises:
            ApiError: 400, a phone number is missing or malformed, or there are too many members.
        """
        view = self._find(audience_id)
        yield from _check_new_members(view, members)
        rows: dict[str, dict[str, Any]] = {}
        for member in members:
            digits = phone_digits(member[view.phone_column])
            if not view.has_number(digits):
                rows.setdefault(digits, member)
            yield
        added = AudienceChanges(view.phone_column)
        yield from self._add_members(added, rows.values())
        self._data.check_room(added.added.size_bytes)
        result: AddedMembers = {
            "message": f"{len(rows)} members added successfully",
            "data": {"added": len(rows), "skipped": len(members) - len(rows)},
        }
        return result, AddMembers(view.id, view.phone_column, added.added, self._update_time(view)) if rows else None

    def delete_members(self, audience_id: str, member_ids: Iterable[str]) -> Change[DeletedCount]:
        """Delete the members with these ids. Unknown ids are ignored (A).

        An audience that loses its last member stays, unless the readings say otherwise. In use by a campaign, it stays.
        """
        view = self._find(audience_id)
        raw_ids: set[bytes] = set()
        indexes: set[int] = set()
        for member_id in map(str.lower, member_ids):
            if re.fullmatch(OBJECT_ID, member_id):
                raw_ids.add(member_id.encode())
                index = view.index_of_id(member_id)
                if index is not None:
                    indexes.add(index)
            yield
        self._data.check_room(REMOVED_INDEX_BYTES * len(indexes))
        updated_at = self._update_time(view)
        changes = replace(view.changes, added=(yield from view.changes.added.without(raw_ids)))
        changes.removed_indexes = sorted([*changes.removed_indexes, *indexes])
        changes.updated_at = updated_at
        deleted = len(indexes) + len(view.changes.added) - len(changes.added)
        result: DeletedCount = {"deletedCount": deleted}
        is_emptied = deleted == view.member_count > 0 and not view.is_in_use
        if is_emptied and self._data.readings.deletes_emptied_audiences:
            return result, (yield from self._deletion(view))
        return result, PutAudience(view.id, changes) if deleted else None

    def search_members(self, audience_id: str, query: str, fields: dict[str, list[str]]) -> Steps[SearchResult]:
        """Return the members that contain `query` in any column, or the terms of `fields` in their columns.

        Args:
            audience_id: id of the audience.
            query: text to find, in any case; unused if there are `fields`.
            fields: terms by column. A member needs all of them.
        """
        view = self._find(audience_id)
        limit = self._data.readings.search_limit
        if fields:
            terms = [term for terms in fields.values() for term in terms]
            matches = find_in_columns(fields, view.members(), limit)
            info: SearchInfo = {"searchType": "multiple", "searchTerm": ", ".join(terms), "searchFields": list(fields)}
        else:
            matches = find_text(query, view.members(), limit)
            info = {"searchType": "general", "searchTerm": query, "searchFields": []}
        return _search_result(matches, info)

    def set_campaigns(self, audience_id: str, campaigns: Sequence[CampaignRecord]) -> Change[Audience]:
        """Replace all campaigns of an audience, and return the audience as the list shows it.

        Missing ids, names, statuses and creation times are filled in. A campaign that has started was created earlier.

        Raises:
            ApiError: 400, too much data; 409, a campaign of another audience; 422, a result of an unknown phone number.
        """
        view = self._find(audience_id)
        other = yield from self.campaigns.find_other(view.id, {one["_id"] for one in campaigns if "_id" in one})
        if other is not None:
            problem = f"the campaign {other[0]} is one of the audience {other[1]}: give it another _id"
            raise ApiError(HTTPStatus.CONFLICT, problem)
        now = self._data.timestamp
        complete: list[CampaignRecord] = [
            {
                "_id": self._data.new_ids[number],
                "name": f"Campaign {number + 1}",
                "status": "active",
                "createdAt": format_timestamp(default_creation(campaign, now)),
                **campaign,
            }
            for number, campaign in enumerate(campaigns)
        ]
        for number, campaign in enumerate(complete):
            for phone_number in campaign.get("results", {}):
                if view.id_of_number(phone_number) is None:
                    problem = f"results: no member has the phone number {quote_value(phone_number)}"
                    raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, f"campaigns[{number}].{problem}")
            called = share_of(view.member_count, {**campaign, "status": status_of(campaign["status"])})
            campaign.setdefault("lastCalled", last_called(view, called))
            complete[number] = self.campaigns.written(view.record, campaign, number)
            yield
        self._data.check_room(json_bytes(complete))
        return view.with_campaigns(complete).listed(), SetCampaigns(view.id, view.phone_column, complete)

    def _listed(self) -> Iterator[Audience]:
        """Yield all audiences in the order of creation, as the list shows them."""
        all_changes = self._changes.audiences
        for record in self._initial_data.audiences:
            audience_id = record.get("_id", "")
            if audience_id not in self._changes.deleted_ids:
                yield self._view(record, all_changes.get(audience_id)).listed()
        for changes in all_changes.values():
            if changes.created is not None:
                yield self._view(created_record(changes.created), changes).listed()

    def _find(self, audience_id: str, foreign_status: HTTPStatus = HTTPStatus.NOT_FOUND) -> AudienceView:
        """Return the audience with this id. `foreign_status` is the status for another tenant's audience."""
        audience_id = audience_id.lower()
        if not re.fullmatch(OBJECT_ID, audience_id):
            raise ApiError(HTTPStatus.BAD_REQUEST, "Invalid audience ID")
        view = self.find(audience_id)
        if view is None:
            is_foreign = audience_id not in self._initial_data.by_id and self._fixtures.belongs_to_another_tenant(
                self._caller, audience_id
            )
            raise ApiError(foreign_status if is_foreign else HTTPStatus.NOT_FOUND)
        return view

    def _view(self, record: AudienceRecord, changes: AudienceChanges | None) -> AudienceView:
        campaigns, active = self.campaigns.of_audience(record), self._data.readings.active_campaigns
        return AudienceView(record, changes, self._generator, self._fixtures.locale, campaigns=campaigns, active=active)

    @cached_property
    def campaigns(self) -> TenantCampaigns:
        """The tenant's campaigns."""
        return TenantCampaigns(self._data)

    def _add_members(self, changes: AudienceChanges, rows: Iterable[dict[str, Any]], first_id: int = 0) -> Steps[None]:
        """Add a member with a new id for each row to `changes`."""
        for number, data in enumerate(rows, first_id):
            changes.add_member({"_id": self._data.new_ids[number], "data": data})
            yield

    def _update_time(self, view: AudienceView) -> str:
        """Return the update time of an audience that changes now: never earlier than its last one."""
        last = view.updated_at
        return (
            last
            if last is not None and parse_timestamp(last) > self._data.timestamp
            else format_timestamp(self._data.timestamp)
        )


def _reversed(audiences: Iterable[Audience]) -> Steps[list[Audience]]:
    listed = yield from collect(audiences)
    listed.reverse()
    return listed


def _page(members: Iterator[Member], total: int, page: int, size: int) -> Steps[MembersPage]:
    on_page = yield from collect(members)
    pages = -(-total // size)
    return {"members": on_page, "totalCount": total, "totalPages": pages, "hasMore": page < pages}


def _found_page(matches: Steps[list[Member]], page: int, size: int) -> Steps[MembersPage]:
    found = yield from matches
    start = (page - 1) * size
    return (yield from _page(iter(found[start : start + size]), len(found), page, size))


def _search_result(matches: Steps[list[Member]], info: SearchInfo) -> Steps[SearchResult]:
    found = yield from matches
    return {"members": found, "searchInfo": {**info, "totalResults": len(found)}}


def _check_new_members(view: AudienceView, members: Sequence[dict[str, Any]]) -> Steps[None]:
    column = view.phone_column
    for member in members:
        if json_problem(member, MAX_JSON_DEPTH, MAX_MEMBER_VALUES + 1):
            raise ApiError(HTTPStatus.BAD_REQUEST, f"A member can have at most {MAX_MEMBER_VALUES} values")
        if member.get(column) in (None, ""):
            raise ApiError(HTTPStatus.BAD_REQUEST, *describe_missing_number(column, member))
        if not is_phone_number(member[column]):
            raise ApiError(HTTPStatus.BAD_REQUEST, INVALID_PHONE_NUMBER.format(number=member[column]))
        yield
    count = view.member_count
    if count + len(members) > MAX_MEMBERS:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            f"Cannot add {len(members)} members. You currently have {count} members in this audience. The maximum "
            f"limit is {MAX_MEMBERS} members. You can add up to {MAX_MEMBERS - count} more members.",
        )
