"""The data of one tenant, as its repositories read it, and what they need to prepare changes."""

from collections.abc import Collection
from datetime import datetime
from functools import cached_property
from http import HTTPStatus
from typing import NamedTuple, TypeVar

from mock_atoms.contract.campaigns import ACTIVE
from mock_atoms.contract.errors import ApiError
from mock_atoms.core.slices import Steps
from mock_atoms.core.tenancy import AuthenticatedCaller
from mock_atoms.core.timestamps import WallClock
from mock_atoms.data.accounts import Owner, find_owner
from mock_atoms.data.fixtures import Fixtures
from mock_atoms.data.generator import Generator, SequentialIds
from mock_atoms.data.models import CampaignRecord, InitialData
from mock_atoms.state.changes import TenantChanges, campaign_bytes
from mock_atoms.state.operations import DataOperation
from mock_atoms.state.store import TenantState

MAX_TENANT_BYTES = 128 * 1024 * 1024
"""Maximum size of one tenant's changes, approximately."""
MAX_STORED_CAMPAIGNS = 2_000
"""Maximum number of campaigns that one tenant can create or change, those of deleted audiences included."""
T = TypeVar("T")
Change = Steps[tuple[T, DataOperation | None]]
"""Steps that return the result of a change and the operation that makes it, or `None` if it changes nothing."""


class Readings(NamedTuple):
    """What the mock does where the vendor's sources disagree or say nothing. docs/fidelity.md names the sources.

    Attributes:
        lists_newest_first: whether the newest audience is the first of the list.
        search_limit: maximum number of members that a search returns; 0 for no limit.
        deletes_emptied_audiences: whether an audience is deleted with its last member.
        active_campaigns: statuses of the campaigns that the list of audiences shows and that block a deletion.
        campaign_pace: seconds from the start of a campaign to its end; 0 if only clients and tests change it.
    """

    lists_newest_first: bool = False
    search_limit: int = 0
    deletes_emptied_audiences: bool = False
    active_campaigns: frozenset[str] = ACTIVE
    campaign_pace: float = 0


class TenantData:
    """The data of one tenant.

    Args:
        caller: the caller of the operation.
        state: the state of the caller's tenant.
        initial_data: the initial data.
        fixtures: knows the initial data of other tenants.
        generator: generates members and ids.
        now: wall clock for creation and update times.
        readings: what to do where the vendor's sources disagree.

    Attributes:
        changes: the changes since the initial data; later ones do not alter this object. Empty if there are none.
    """

    def __init__(  # noqa: PLR0913 - a tenant, and what makes its data
        self,
        caller: AuthenticatedCaller,
        state: TenantState,
        initial_data: InitialData,
        fixtures: Fixtures,
        generator: Generator,
        *,
        now: WallClock,
        readings: Readings,
    ) -> None:
        self.caller = caller
        self.readings = readings
        self.initial_data = initial_data
        self.fixtures = fixtures
        self.generator = generator
        self.is_unchanged = state.changes is None
        self.changes = TenantChanges() if state.changes is None else state.changes
        self._now = now

    @cached_property
    def timestamp(self) -> datetime:
        """Time of the operation."""
        return self._now()

    @cached_property
    def new_ids(self) -> SequentialIds:
        """Ids for what the operation creates."""
        tenant = self.caller.tenant
        first = self.generator.random_bits(tenant.key.hex(), "created") + self.changes.issued_ids
        return SequentialIds(self.timestamp, self.generator.id_marker(tenant.token_digest), first)

    @property
    def owner(self) -> Owner:
        """The organisation and the user of all data."""
        return find_owner(self.generator, self.caller.token, self.initial_data)

    def check_room(self, added_bytes: int) -> None:
        """Check that the changes may grow.

        Raises:
            ApiError: 400, the tenant would have too much data.
        """
        if self.changes.size_bytes + added_bytes > MAX_TENANT_BYTES:
            raise tenant_full(f"{MAX_TENANT_BYTES} bytes of changes")

    def check_campaigns(self, campaigns: Collection[CampaignRecord]) -> None:
        """Check that the changes may have these campaigns.

        Raises:
            ApiError: 400, the tenant would have too many campaigns or too much data.
        """
        stored = self.changes.campaigns
        added = sum(campaign["_id"] not in stored for campaign in campaigns)
        if added and len(stored) + added > MAX_STORED_CAMPAIGNS:
            raise tenant_full(
                f"{MAX_STORED_CAMPAIGNS} created or changed campaigns, those of deleted audiences included"
            )
        self.check_room(sum(map(campaign_bytes, campaigns)))


def tenant_full(limit: str) -> ApiError:
    """Return the error of a tenant that has reached a limit of the mock."""
    return ApiError(
        HTTPStatus.BAD_REQUEST,
        f"mock-atoms stores at most {limit} per token: delete some, or reset the token",
        reason="tenant-full",
    )
