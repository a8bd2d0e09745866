from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.contract.schemas import Member
from mock_atoms.data.generator import Generator
from mock_atoms.data.models import AudienceRecord
from mock_atoms.state.audience_view import AudienceView
from mock_atoms.state.changes import AudienceChanges

RECORD: AudienceRecord = {"_id": "60d0fe4f5311236168a109ca", "name": "Spring", "memberCount": 8}
GENERATOR = Generator("atoms")
ADDED: list[Member] = [
    {"_id": f"{number:024x}", "data": {"phoneNumber": f"+1555010000{number}"}} for number in range(3)
]


def view_of(changes: AudienceChanges | None) -> AudienceView:
    return AudienceView(RECORD, changes, GENERATOR, "en_US")


INITIAL_MEMBERS = list(view_of(None).members())


@given(st.sets(st.integers(0, 7)), st.integers(0, 3), st.integers(0, 12), st.integers(0, 12))
def test_members_are_the_remaining_generated_and_then_the_added_ones(
    removed: set[int], added_count: int, start: int, stop: int
) -> None:
    changes = AudienceChanges("phoneNumber", removed_indexes=sorted(removed))
    for member in ADDED[:added_count]:
        changes.add_member(member)
    view = view_of(changes)
    members = [member for index, member in enumerate(INITIAL_MEMBERS) if index not in removed] + ADDED[:added_count]
    assert view.member_count == len(members)
    assert list(view.members(start, stop)) == members[start:stop]
    assert [view.has_number(digits_of(member)) for member in INITIAL_MEMBERS] == [i not in removed for i in range(8)]
    indexes = [view.index_of_id(member["_id"]) for member in INITIAL_MEMBERS]
    assert indexes == [None if index in removed else index for index in range(8)]


def digits_of(member: Member) -> str:
    return str(member["data"]["phoneNumber"]).removeprefix("+")


def test_unchanged_audience_is_listed_without_new_keys() -> None:
    assert view_of(None).listed() == RECORD


def test_changed_audience_is_listed_with_its_counts_and_campaigns() -> None:
    changes = AudienceChanges("phoneNumber", updated_at="2026-01-31T09:00:00.000Z")
    assert view_of(changes).with_campaigns([{"name": "Sale"}]).listed() == {
        **RECORD,
        "hasCampaigns": True,
        "campaigns": [{"name": "Sale"}],
        "updatedAt": "2026-01-31T09:00:00.000Z",
    }


def test_campaigns_can_be_removed() -> None:
    record: AudienceRecord = {**RECORD, "hasCampaigns": True, "campaigns": [{"name": "Sale"}]}
    view = AudienceView(record, None, GENERATOR, "en_US", campaigns=[])
    assert (view.campaigns, view.listed()["hasCampaigns"]) == ([], False)
