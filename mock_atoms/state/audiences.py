"""The audiences of one tenant as the API's operations see and change them: what it begins with, and its changes on top.

Members that nobody changed are made when they are asked for, by index, so that the last page costs what the first one
does. A search has to look at all of them, and to delete added members is to look through those.
"""

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cached_property, partial
from http import HTTPStatus
from itertools import chain, islice
from typing import Any, TypeVar

from mock_atoms.contract.errors import INVALID_PHONE_NUMBER, ApiError, documented_message
from mock_atoms.contract.operations import DELETE_AUDIENCE, RequestedOperation
from mock_atoms.contract.schemas import (
    MAX_MEMBERS,
    AddedMembers,
    Audience,
    AudienceDetail,
    Campaign,
    CreatedAudience,
    DeletedCount,
    Member,
    MembersPage,
    SearchInfo,
    SearchResult,
    render_json,
)
from mock_atoms.core.parsing import OBJECT_ID
from mock_atoms.core.tenancy import AuthenticatedCaller
from mock_atoms.core.timestamps import WallClock, format_timestamp, parse_timestamp
from mock_atoms.data.fixtures import Fixtures
from mock_atoms.data.generator import Generator, SequentialIds
from mock_atoms.data.members import PHONE_COLUMN, GeneratedMembers
from mock_atoms.data.models import REMOVED_INDEX_SIZE, AudienceRecord, api_fields, is_phone_number, phone_digits
from mock_atoms.state.changes import AudienceChanges, TenantChanges
from mock_atoms.state.store import Store, TenantState

T = TypeVar("T")
MAX_CREATED_AUDIENCES = 1_000
"""How many audiences one tenant may have created."""
MAX_TENANT_BYTES = 128 * 1024 * 1024
"""How many bytes may be remembered of what one tenant created, about."""
_DETAIL_KEYS = tuple(AudienceDetail.__annotations__)


class AudienceRepository:
    """The audiences of one tenant.

    Every method that is given an id raises an `ApiError`: 400 where it is malformed, 404 where the tenant has no such
    audience. A method that raises has changed nothing.

    Args:
        caller: whose they are.
        state: what is known of its tenant.
        fixtures: what it begins with, unless something was chosen for it.
        generator: what makes members and ids.
        clock: tells the time at which something is created.
    """

    def __init__(
        self,
        caller: AuthenticatedCaller,
        state: TenantState,
        fixtures: Fixtures,
        generator: Generator,
        clock: WallClock,
    ) -> None:
        self._caller = caller
        self._state = state
        self._fixtures = fixtures
        self._generator = generator
        self._clock = clock
        self._initial_data = fixtures.initial_data(caller) if state.initial_data is None else state.initial_data
        self._changes = TenantChanges() if state.changes is None else state.changes

    @cached_property
    def _now(self) -> datetime:
        return self._clock()

    def list_audiences(self) -> list[Audience]:
        """Return all audiences, in the order in which they were created."""
        if self._state.changes is None:
            return [api_fields(held) for held in self._initial_data.audiences]
        begun = [
            self._listed(held, self._changes.audiences.get(held.get("_id", "")))
            for held in self._initial_data.audiences
            if held.get("_id") not in self._changes.deleted
        ]
        return begun + [
            self._listed(_held(changes.created), changes)
            for changes in self._changes.audiences.values()
            if changes.created is not None
        ]

    def _listed(self, held: AudienceRecord, changes: AudienceChanges | None) -> Audience:
        if changes is None:
            return api_fields(held)
        campaigns = _campaigns(held, changes)
        audience: AudienceRecord = {
            **held,
            "memberCount": _count(held, changes),
            "hasCampaigns": held.get("hasCampaigns", False) if changes.campaigns is None else bool(campaigns),
            "campaigns": campaigns,
        }
        if changes.updated_at is not None:
            audience["updatedAt"] = changes.updated_at
        return api_fields(audience)

    def get_listed_audience(self, audience_id: str) -> Audience:
        """Return one audience as the list shows it."""
        return self._listed(*self._find(audience_id))

    def get_audience(self, audience_id: str) -> AudienceDetail:
        """Return one audience without the keys that only the list has (D)."""
        listed = self.get_listed_audience(audience_id)
        return {key: listed[key] for key in _DETAIL_KEYS if key in listed}  # type: ignore[literal-required, return-value] # its own keys

    def create_audience(self, fields: CreatedAudience, rows: Sequence[dict[str, str]]) -> CreatedAudience:
        """Create an audience whose members are `rows`, and return it.

        Args:
            fields: its name, phone column, and what else was given.
            rows: the columns of each member. All have a phone number, and no two the same.

        Raises:
            ApiError: 400, there is no room.
        """
        if sum(changes.created is not None for changes in self._changes.audiences.values()) >= MAX_CREATED_AUDIENCES:
            raise _full(f"{MAX_CREATED_AUDIENCES} audiences that a token created")
        moment = format_timestamp(self._now)
        first = self._initial_data.audiences[0] if self._initial_data.audiences else {}
        column = fields["phoneNumberColumnName"]
        created: CreatedAudience = {
            "_id": self._new_ids[0],
            **fields,
            "organization": self._initial_data.organization
            or first.get("organization")
            or self._generator.organization(self._caller.token),
            "createdBy": first.get("createdBy") or self._generator.user(self._caller.token),
            "createdAt": moment,
            "updatedAt": moment,
        }
        changes = AudienceChanges(column, created, updated_at=moment)
        changes.keep(self._members(rows, 1))
        changes.weigh()
        self._check_room(changes.size)
        self._put(created["_id"], changes, 1 + len(rows))
        return created

    def delete_audience(self, audience_id: str) -> None:
        """Delete an audience and its members.

        Raises:
            ApiError: 400, an active campaign uses it (D).
        """
        held, changes = self._find(audience_id)
        audience_id = held["_id"]
        if _campaigns(held, changes):
            raise ApiError(
                HTTPStatus.BAD_REQUEST,
                documented_message(HTTPStatus.BAD_REQUEST, RequestedOperation(DELETE_AUDIENCE.name, audience_id)),
            )
        gone = self._changes.audiences.pop(audience_id, None)
        if gone is None or gone.created is None:
            self._changes.deleted.add(audience_id)
        self._store()

    def get_members(self, audience_id: str, page: int, size: int, search: str = "") -> MembersPage:
        """Return page number `page` of the members, of `size` members each; those that `search` finds, if it is given.

        Raises:
            ApiError: 403, the audience is another organisation's (D).
        """
        held, changes = self._find(audience_id, HTTPStatus.FORBIDDEN)
        start = (page - 1) * size
        if search:
            found = _with(search, self._all(held, changes))
            total, members = len(found), found[start : start + size]
        else:
            total = _count(held, changes)
            members = list(self._slice(held, changes, start, min(start + size, total)))
        pages = -(-total // size)
        return {"members": members, "totalCount": total, "totalPages": pages, "hasMore": page < pages}

    def add_members(self, audience_id: str, members: Sequence[dict[str, Any]]) -> AddedMembers:
        """Add those of `members` whose phone number is new.

        Raises:
            ApiError: 400, one has no phone number or a wrong one, or they are too many.
        """
        held, changes = self._find(audience_id)
        column = _column(held)
        for member in members:
            if member.get(column) in (None, ""):
                raise ApiError(HTTPStatus.BAD_REQUEST, f"Each member must have a {column} field")
            if not is_phone_number(member[column]):
                raise ApiError(HTTPStatus.BAD_REQUEST, INVALID_PHONE_NUMBER.format(number=member[column]))
        count = _count(held, changes)
        if count + len(members) > MAX_MEMBERS:
            raise ApiError(
                HTTPStatus.BAD_REQUEST,
                f"Cannot add {len(members)} members. You currently have {count} members in this audience. The maximum "
                f"limit is {MAX_MEMBERS} members. You can add up to {MAX_MEMBERS - count} more members.",
            )
        changes = changes or AudienceChanges(column)
        people = self._people(held)
        new: dict[str, dict[str, Any]] = {}
        for member in members:
            digits = phone_digits(member[column])
            index = people.index_of_number(digits)
            is_begun = index is not None and not _holds(changes.removed, index)
            if not is_begun and digits not in changes.numbers:
                new.setdefault(digits, member)
        if new:
            added = AudienceChanges(column)
            added.keep(self._members(new.values(), 0))
            self._check_room(added.size_of_added)
            changes.updated_at = self._moment_of_change(held, changes)
            changes.added += added.added
            changes.numbers |= added.numbers
            changes.size_of_added += added.size_of_added
            self._put(held["_id"], changes, len(new))
        return {
            "message": f"{len(new)} members added successfully",
            "data": {"added": len(new), "skipped": len(members) - len(new)},
        }

    def delete_members(self, audience_id: str, member_ids: Iterable[str]) -> DeletedCount:
        """Delete the members with these ids; an id that no member has is passed over (A)."""
        held, changes = self._find(audience_id)
        changes = changes or AudienceChanges(_column(held))
        ids = {member_id.lower() for member_id in member_ids if re.fullmatch(OBJECT_ID, member_id.lower())}
        people = self._people(held)
        begun = {index for member_id in ids if (index := people.index_of_id(member_id)) is not None}
        begun.difference_update(changes.removed)
        self._check_room(REMOVED_INDEX_SIZE * len(begun))
        moment = self._moment_of_change(held, changes)
        deleted = len(begun) + changes.drop(ids)
        if deleted:
            changes.removed = sorted([*changes.removed, *begun])
            changes.updated_at = moment
            self._put(held["_id"], changes, 0)
        return {"deletedCount": deleted}

    def search_members(self, audience_id: str, query: str, fields: dict[str, list[str]]) -> SearchResult:
        """Return all members in which `query` stands anywhere, or each of `fields` has what is looked for in it."""
        held, changes = self._find(audience_id)
        if fields:
            terms = [term for wanted in fields.values() for term in wanted]
            found = _with_columns(fields, self._all(held, changes))
            info: SearchInfo = {"searchType": "multiple", "searchTerm": ", ".join(terms), "searchFields": list(fields)}
        else:
            found = _with(query, self._all(held, changes))
            info = {"searchType": "general", "searchTerm": query, "searchFields": []}
        info["totalResults"] = len(found)
        return {"members": found, "searchInfo": info}

    def set_campaigns(self, audience_id: str, campaigns: Sequence[Campaign]) -> Audience:
        """Let these campaigns use an audience, and no others; what they leave out is made. Return it as listed."""
        held, changes = self._find(audience_id)
        changes = changes or AudienceChanges(_column(held))
        moment = format_timestamp(self._now)
        made: list[Campaign] = [
            {
                "_id": self._new_ids[number],
                "name": f"Campaign {number + 1}",
                "status": "active",
                "createdAt": moment,
                **campaign,
            }
            for number, campaign in enumerate(campaigns)
        ]
        self._check_room(2 * len(render_json(made)))
        changes.campaigns = made
        self._put(held["_id"], changes, len(campaigns))
        return self._listed(held, changes)

    def _find(
        self, audience_id: str, foreign: HTTPStatus = HTTPStatus.NOT_FOUND
    ) -> tuple[AudienceRecord, AudienceChanges | None]:
        """Return an audience as it began, and its changes; `foreign` is the answer for one that is somebody else's."""
        wanted = audience_id.lower()
        if not re.fullmatch(OBJECT_ID, wanted):
            raise ApiError(HTTPStatus.BAD_REQUEST, "Invalid audience ID")
        changes = self._changes.audiences.get(wanted)
        if changes is not None and changes.created is not None:
            return _held(changes.created), changes
        held = self._initial_data.by_id.get(wanted)
        if held is None or wanted in self._changes.deleted:
            is_foreign = held is None and self._fixtures.belongs_to_another_tenant(self._caller, wanted)
            raise ApiError(foreign if is_foreign else HTTPStatus.NOT_FOUND)
        return held, changes

    def _people(self, held: AudienceRecord) -> GeneratedMembers:
        return GeneratedMembers(self._generator, held, held.get("locale") or self._fixtures.locale)

    def _all(self, held: AudienceRecord, changes: AudienceChanges | None) -> Iterator[Member]:
        return self._slice(held, changes, 0, _count(held, changes))

    def _slice(self, held: AudienceRecord, changes: AudienceChanges | None, start: int, stop: int) -> Iterator[Member]:
        """Return the members from place `start` to before place `stop`: first those it began with, then those added."""
        removed = [] if changes is None else changes.removed
        begun = max(0, held.get("memberCount", 0) - len(removed))
        members = map(self._people(held).member, islice(_left(removed, start), max(0, min(stop, begun) - start)))
        if changes is None:
            return members
        return chain(members, changes.added[max(0, start - begun) : max(0, stop - begun)])

    @cached_property
    def _new_ids(self) -> SequentialIds:
        tenant = self._caller.tenant
        first = self._generator.random_bits(tenant.key.hex(), "created") + self._changes.ids
        return SequentialIds(self._now, self._generator.id_marker(tenant.token_digest), first)

    def _members(self, rows: Iterable[dict[str, Any]], ahead: int) -> Iterator[Member]:
        """Yield new members, with ids after `ahead` others."""
        for number, data in enumerate(rows, ahead):
            yield {"_id": self._new_ids[number], "data": data}

    def _check_room(self, size: int) -> None:
        if self._changes.size + size > MAX_TENANT_BYTES:
            raise _full(f"{MAX_TENANT_BYTES} bytes of what a token created")

    def _moment_of_change(self, held: AudienceRecord, changes: AudienceChanges) -> str:
        """Return when an audience that is changed now was changed last: never before it was the last time."""
        known = changes.updated_at or held.get("updatedAt")
        return known if known is not None and parse_timestamp(known) > self._now else format_timestamp(self._now)

    def _put(self, audience_id: str, changes: AudienceChanges, ids: int) -> None:
        """Let the tenant have what changed in an audience, and count the ids that it took."""
        changes.weigh()
        self._changes.audiences[audience_id] = changes
        self._changes.ids += ids
        self._store()

    def _store(self) -> None:
        self._changes.weigh()
        self._state.set_data(self._state.initial_data, self._changes)


class AudienceRepositories:
    """The catalogue of each tenant.

    Args:
        store: where changes are kept.
        fixtures: what tenants begin with.
        generator: what makes members and ids.
        clock: tells the time at which something is created.
    """

    def __init__(self, store: Store, fixtures: Fixtures, generator: Generator, clock: WallClock) -> None:
        self._store = store
        self._fixtures = fixtures
        self._generator = generator
        self._clock = clock

    async def read(self, caller: AuthenticatedCaller, query: Callable[[AudienceRepository], T]) -> T:
        """Return what `query` makes of the catalogue of `caller`, which it does not change."""
        return await self._store.read(caller.tenant, partial(self._with, caller, query))

    async def update(self, caller: AuthenticatedCaller, change: Callable[[AudienceRepository], T]) -> T:
        """Return what `change` makes of the catalogue of `caller`, and keep its changes. Nobody comes between."""
        return await self._store.update(caller.tenant, partial(self._with, caller, change))

    def _with(self, caller: AuthenticatedCaller, use: Callable[[AudienceRepository], T], state: TenantState) -> T:
        return use(AudienceRepository(caller, state, self._fixtures, self._generator, self._clock))


def _held(created: CreatedAudience) -> AudienceRecord:
    """Return an audience that a client created as the others are held: without members of its own making."""
    kept = {key: value for key, value in created.items() if key != "identifierColumnName"}
    return {**kept, "memberCount": 0, "hasCampaigns": False, "campaigns": []}  # type: ignore[typeddict-item] # its keys


def _column(held: AudienceRecord) -> str:
    return held.get("phoneNumberColumnName", PHONE_COLUMN)


def _campaigns(held: AudienceRecord, changes: AudienceChanges | None) -> list[Campaign]:
    return held.get("campaigns", []) if changes is None or changes.campaigns is None else changes.campaigns


def _count(held: AudienceRecord, changes: AudienceChanges | None) -> int:
    begun = held.get("memberCount", 0)
    return begun if changes is None else max(0, begun - len(changes.removed)) + len(changes.added)


def _left(removed: list[int], start: int) -> Iterator[int]:
    """Yield the indexes that are not in `removed`, an ascending list, from the one at place `start` among them on."""
    # Before removed[n] stand removed[n] - n others that are left.
    passed = bisect_right(range(len(removed)), start, key=lambda n: removed[n] - n)
    index = start + passed
    while True:
        if passed < len(removed) and removed[passed] == index:
            passed += 1
        else:
            yield index
        index += 1


def _holds(ascending: list[int], index: int) -> bool:
    place = bisect_left(ascending, index)
    return place < len(ascending) and ascending[place] == index


def _with(term: str, members: Iterable[Member]) -> list[Member]:
    """Return those of `members` in which `term` stands anywhere, in any case."""
    wanted = term.lower()
    found = []
    for member in members:
        for value in member["data"].values():
            if wanted in (value.lower() if isinstance(value, str) else _text(value)):
                found.append(member)
                break
    return found


def _with_columns(fields: dict[str, list[str]], members: Iterable[Member]) -> list[Member]:
    """Return those of `members` that have all that is looked for in each column, in any case."""
    wanted = [(name, {term.lower() for term in terms}) for name, terms in fields.items()]
    return [member for member in members if all(_has(member["data"], name, terms) for name, terms in wanted)]


def _has(data: dict[str, Any], name: str, terms: set[str]) -> bool:
    if name not in data:
        return False
    text = _text(data[name])
    return all(term in text for term in terms)


def _text(value: object) -> str:
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).lower()


def _full(what: str) -> ApiError:
    return ApiError(
        HTTPStatus.BAD_REQUEST,
        f"mock-atoms keeps at most {what}: delete some, or reset the token",
        reason="tenant-full",
    )
