import unicodedata

import pytest

from mock_atoms.contract.schemas import Audience, Campaign
from mock_atoms.core.tenancy import caller_for
from mock_atoms.data.fixtures import Fixtures
from mock_atoms.data.generator import Generator
from mock_atoms.data.models import api_fields


@pytest.fixture(scope="module")
def fixtures() -> Fixtures:
    return Fixtures(Generator("atoms"), "en_US")


def held_by(fixtures: Fixtures, token: str) -> list[Audience]:
    return [api_fields(held) for held in fixtures.initial_data(caller_for(token)).audiences]


@pytest.mark.parametrize(("word", "count"), [("empty", 0), ("one", 1), ("many", 1000)])
def test_a_persona_has_its_number_of_audiences(fixtures: Fixtures, word: str, count: int) -> None:
    assert len(held_by(fixtures, f"sk_mock_{word}")) == count


def test_a_suffix_makes_a_persona_your_own(fixtures: Fixtures) -> None:
    shared, own = held_by(fixtures, "sk_mock_one"), held_by(fixtures, "sk_mock_one.test-42")
    assert len(shared) == len(own) == 1
    assert shared[0]["_id"] != own[0]["_id"]


def test_a_test_of_its_own_holds_ordinary_data(fixtures: Fixtures) -> None:
    assert len(held_by(fixtures, "sk_mock_test.a")) >= 3
    assert held_by(fixtures, "sk_mock_test.a") != held_by(fixtures, "sk_mock_test.b")


def test_many_ids_and_names_differ(fixtures: Fixtures) -> None:
    many = held_by(fixtures, "sk_mock_many")
    assert len({audience["_id"] for audience in many}) == 1000
    assert len({audience["name"] for audience in many}) > 600


def test_sparse_leaves_out_each_key_once_and_all_at_once(fixtures: Fixtures) -> None:
    sparse = held_by(fixtures, "sk_mock_sparse")
    missing = [set(Audience.__annotations__) - set(audience) for audience in sparse]
    assert [{key} for key in Audience.__annotations__] == missing[:11]
    assert missing[-1] == set(Audience.__annotations__)
    campaigns = [campaign for audience in sparse for campaign in audience.get("campaigns", [])]
    lacking = [frozenset(Campaign.__annotations__) - set(campaign) for campaign in campaigns]
    assert {frozenset({key}) for key in Campaign.__annotations__} < set(lacking)
    assert frozenset(Campaign.__annotations__) in lacking


def test_unicode_covers_what_breaks_clients(fixtures: Fixtures) -> None:
    names = [audience["name"] for audience in held_by(fixtures, "sk_mock_unicode")]
    letters = "".join(names)
    assert {"R", "AL", "NSM"} <= {unicodedata.bidirectional(letter) for letter in letters}
    assert any(unicodedata.combining(letter) for letter in letters)
    assert any(ord(letter) > 0xFFFF for letter in letters)
    assert "\u200d" in letters
    assert {1, 500} <= {len(name) for name in names}
    assert any(unicodedata.normalize("NFC", name) != name for name in names)


@pytest.mark.parametrize("token", ["sk_mock_unknown", "sk_mock_500x2", "sk_mock_", "sk_acme"])
def test_any_other_key_is_ordinary(fixtures: Fixtures, token: str) -> None:
    assert 3 <= len(held_by(fixtures, token)) <= 12
