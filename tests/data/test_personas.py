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


def audiences_of(fixtures: Fixtures, token: str) -> list[Audience]:
    return [api_fields(record) for record in fixtures.initial_data(caller_for(token)).audiences]


@pytest.mark.parametrize(("word", "count"), [("empty", 0), ("one", 1), ("many", 1000)])
def test_a_persona_has_its_number_of_audiences(fixtures: Fixtures, word: str, count: int) -> None:
    assert len(audiences_of(fixtures, f"sk_mock_{word}")) == count


def test_a_suffix_makes_the_data_unique(fixtures: Fixtures) -> None:
    shared, own = audiences_of(fixtures, "sk_mock_one"), audiences_of(fixtures, "sk_mock_one.test-42")
    assert len(shared) == len(own) == 1
    assert shared[0]["_id"] != own[0]["_id"]


def test_a_test_key_has_ordinary_data(fixtures: Fixtures) -> None:
    assert len(audiences_of(fixtures, "sk_mock_test.a")) >= 3
    assert audiences_of(fixtures, "sk_mock_test.a") != audiences_of(fixtures, "sk_mock_test.b")


def test_ids_and_names_of_many_differ(fixtures: Fixtures) -> None:
    many = audiences_of(fixtures, "sk_mock_many")
    assert len({audience["_id"] for audience in many}) == 1000
    assert len({audience["name"] for audience in many}) > 600


def test_sparse_omits_each_key_once_and_all_keys_together(fixtures: Fixtures) -> None:
    sparse = audiences_of(fixtures, "sk_mock_sparse")
    missing = [set(Audience.__annotations__) - set(audience) for audience in sparse]
    assert [{key} for key in Audience.__annotations__] == missing[:11]
    assert missing[-1] == set(Audience.__annotations__)
    campaigns = [campaign for audience in sparse for campaign in audience.get("campaigns", [])]
    lacking = [frozenset(Campaign.__annotations__) - set(campaign) for campaign in campaigns]
    assert {frozenset({key}) for key in Campaign.__annotations__} < set(lacking)
    assert frozenset(Campaign.__annotations__) in lacking


def test_unicode_covers_what_breaks_clients(fixtures: Fixtures) -> None:
    names = [audience["name"] for audience in audiences_of(fixtures, "sk_mock_unicode")]
    letters = "".join(names)
    assert {"R", "AL", "NSM"} <= {unicodedata.bidirectional(letter) for letter in letters}
    assert any(unicodedata.combining(letter) for letter in letters)
    assert any(ord(letter) > 0xFFFF for letter in letters)
    assert "\u200d" in letters
    assert {1, 500} <= {len(name) for name in names}
    assert any(unicodedata.normalize("NFC", name) != name for name in names)


@pytest.mark.parametrize("token", ["sk_mock_unknown", "sk_mock_500x2", "sk_mock_", "sk_acme"])
def test_other_keys_have_ordinary_data(fixtures: Fixtures, token: str) -> None:
    assert 3 <= len(audiences_of(fixtures, token)) <= 12
