"""All campaigns of one tenant as they are now."""

from collections.abc import Iterator
from functools import cached_property
from itertools import chain

from mock_atoms.core.slices import Steps
from mock_atoms.data.campaign_life import at_time
from mock_atoms.data.campaigns import CampaignRecords
from mock_atoms.data.models import AudienceRecord, CampaignRecord
from mock_atoms.state.audience_view import created_record
from mock_atoms.state.tenant_data import TenantData


class TenantCampaigns:
    """The campaigns of one tenant: those of its initial data with the tenant's changes, and those that it created.

    Args:
        data: the tenant's data.
    """

    def __init__(self, data: TenantData) -> None:
        self._data = data
        self._records = CampaignRecords(data.generator, data.caller.token, data.owner)
        self._stored = data.changes.campaigns
        self._deleted = data.changes.deleted_campaigns
        self._deleted_audiences = data.changes.deleted_ids
        self._replaced = {
            audience_id: changes.campaigns
            for audience_id, changes in data.changes.audiences.items()
            if changes.campaigns is not None
        }
        self._created_audiences = [
            created_record(changes.created)
            for changes in data.changes.audiences.values()
            if changes.created is not None and changes.campaigns is not None
        ]

    def all(self) -> Iterator[CampaignRecord]:
        """Yield the complete records: first those of initial audiences, in their order, then the created ones."""
        initial_ids = set()
        for audience, number, campaign in self._initial():
            campaign_id = self._records.id_of(audience, campaign, number)
            stored = self._stored.get(campaign_id)
            if stored is None:
                yield self._records.complete(audience, campaign, number)
            else:
                initial_ids.add(campaign_id)
                yield self._now(stored)
        for campaign_id, stored in self._stored.items():
            if campaign_id not in initial_ids:
                yield self._now(stored)

    def find(self, campaign_id: str) -> Steps[CampaignRecord | None]:
        """Return the complete record of the campaign with this id, or `None` if there is none."""
        if campaign_id in self._stored:
            return self._now(self._stored[campaign_id])
        for audience, number, campaign in self._initial():
            if self._records.id_of(audience, campaign, number) == campaign_id:
                return self._records.complete(audience, campaign, number)
            yield
        return None

    def is_created(self, campaign_id: str) -> Steps[bool]:
        """Return whether the campaign with this id is not one of the initial data."""
        for audience, number, campaign in self._initial():
            if self._records.id_of(audience, campaign, number) == campaign_id:
                return False
            yield
        return True

    def find_other(self, audience_id: str, campaign_ids: set[str]) -> Steps[tuple[str, str] | None]:
        """Return the id of one of these campaigns that is one of another audience, deleted or not, and that audience's.

        Returns:
            `None` if no other audience has one.
        """
        for campaign in self._stored.values():
            if campaign["_id"] in campaign_ids and campaign["audienceId"] != audience_id:
                return campaign["_id"], campaign["audienceId"]
        for audience in chain(self._data.initial_data.audiences, self._created_audiences):
            other_id = audience.get("_id", "")
            if other_id != audience_id and other_id not in self._deleted_audiences:
                common = campaign_ids & self._ids(audience)
                if common:
                    return min(common), other_id
            yield
        return None

    def of_audience(self, audience: AudienceRecord) -> list[CampaignRecord] | None:
        """Return the campaigns of an audience as it has them now, of any status.

        Returns:
            `None` if they are those of the audience's record.
        """
        audience_id = audience.get("_id", "")
        created = self._stored_by_audience.get(audience_id, {})
        campaigns = self._campaigns(audience)
        if not created and audience_id not in self._replaced and not self._deleted:
            return None
        listed = []
        for number, campaign in enumerate(campaigns):
            campaign_id = self._records.id_of(audience, campaign, number)
            if campaign_id in created:
                listed.append(self._now(created[campaign_id]))
            elif campaign_id not in self._deleted:
                listed.append(campaign)
        initial_ids = self._ids(audience)
        return listed + [self._now(one) for one in created.values() if one["_id"] not in initial_ids]

    def written(self, audience: AudienceRecord, campaign: CampaignRecord, number: int) -> CampaignRecord:
        """Return campaign `number` of an audience as it is stored if a test writes it now."""
        return self._records.written(audience, campaign, number, self._data.timestamp)

    def complete(self, audience: AudienceRecord) -> Steps[list[CampaignRecord]]:
        """Return complete records of the campaigns that the initial data has for an audience, without changed ones."""
        complete = []
        for number, campaign in enumerate(self._campaigns(audience)):
            campaign_id = self._records.id_of(audience, campaign, number)
            if campaign_id not in self._deleted and campaign_id not in self._stored:
                complete.append(self._records.complete(audience, campaign, number))
            yield
        return complete

    @cached_property
    def _stored_by_audience(self) -> dict[str, dict[str, CampaignRecord]]:
        by_audience: dict[str, dict[str, CampaignRecord]] = {}
        for campaign in self._stored.values():
            by_audience.setdefault(campaign["audienceId"], {})[campaign["_id"]] = campaign
        return by_audience

    def _campaigns(self, audience: AudienceRecord) -> list[CampaignRecord]:
        return self._replaced.get(audience.get("_id", ""), audience.get("campaigns", []))

    def _ids(self, audience: AudienceRecord) -> set[str]:
        return {
            self._records.id_of(audience, campaign, number) for number, campaign in enumerate(self._campaigns(audience))
        }

    def _initial(self) -> Iterator[tuple[AudienceRecord, int, CampaignRecord]]:
        """Yield the campaigns of the initial data that exist, each with its audience and its number there."""
        for audience in chain(self._data.initial_data.audiences, self._created_audiences):
            if audience.get("_id", "") not in self._deleted_audiences:
                for number, campaign in enumerate(self._campaigns(audience)):
                    if self._records.id_of(audience, campaign, number) not in self._deleted:
                        yield audience, number, campaign

    def _now(self, campaign: CampaignRecord) -> CampaignRecord:
        pace = self._data.readings.campaign_pace
        return campaign if not pace else at_time(campaign, self._data.timestamp, pace)
