import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mock_atoms.contract.schemas import MAX_MEMBERS
from mock_atoms.core.json_stream import render_json
from mock_atoms.data.generator import Generator, GeneratorOptions
from mock_atoms.data.members import GeneratedMembers
from mock_atoms.data.models import AudienceRecord
from mock_atoms.data.phone_numbers import PhoneNumbers

GOLDEN = Path(__file__).parent / "golden"
FICTION = {
    "en_US": r"\+1[2-9]\d\d55501\d\d",
    "en_CA": r"\+1[2-9]\d\d55501\d\d",
    "en_GB": r"\+44(\d{2,3}496\d{4,5}|2079460\d{3}|1914980\d{3}|2896496\d{3}|2920180\d{3}|1632960\d{3}|7700900\d{3})",
    "en_AU": r"\+61[2378](5550|7010)\d{4}",
    "fr_FR": r"\+33(19900|26191|35301|46571|53649|63998)\d{4}",
    "de_DE": r"\+49(3023125|6990009|4066969|2214710|8999998)\d{3}|\+4917139200\d\d|\+1[2-9]\d\d55501\d\d",
    "en_IE": r"\+3532091\d{5}",
    "sv_SE": r"\+46(8465004|3139006|4062804|9803192)\d\d|\+1[2-9]\d\d55501\d\d",
    "pl_PL": r"\+1[2-9]\d\d55501\d\d",
    "ja_JP": r"\+1[2-9]\d\d55501\d\d",
}
AUDIENCE: AudienceRecord = {"_id": "67878e28" + "0" * 16, "phoneNumberColumnName": "mobile", "memberCount": MAX_MEMBERS}


@pytest.fixture(scope="module")
def make_members() -> Callable[..., GeneratedMembers]:
    generator = Generator("atoms")

    def make(locale: str = "en_US", **changes: Any) -> GeneratedMembers:  # noqa: ANN401 - values of an audience's keys
        return GeneratedMembers(generator, {**AUDIENCE, **changes}, locale)  # type: ignore[arg-type] # the same

    return make


@pytest.mark.parametrize("locale", ["en_US", "en_GB", "de_DE", "ja_JP"])
def test_members_match_the_golden_file(locale: str) -> None:
    generator = Generator("atoms")
    audience = generator.audiences("sk_acme", GeneratorOptions(locale))[1]
    members = [GeneratedMembers(generator, audience, locale).member(index) for index in range(20)]
    assert render_json(members) == (GOLDEN / f"members-{locale}.json").read_bytes()


@pytest.mark.parametrize("locale", FICTION)
def test_phone_numbers_are_unique_and_in_the_fictional_ranges_of_the_country(
    make_members: Callable[..., GeneratedMembers], locale: str
) -> None:
    members = make_members(locale)
    numbers = [members.member(index)["data"]["mobile"] for index in range(MAX_MEMBERS)]
    assert len(set(numbers)) == MAX_MEMBERS
    assert not [number for number in numbers if not re.fullmatch(FICTION[locale], number)]
    assert max(map(len, numbers)) <= 16


@pytest.mark.parametrize("locale", ["de_DE", "sv_SE"])
def test_numbers_of_the_country_precede_north_american_ones(
    make_members: Callable[..., GeneratedMembers], locale: str
) -> None:
    members = make_members(locale)
    assert not [index for index in range(400) if members.member(index)["data"]["mobile"].startswith("+1")]
    assert members.member(MAX_MEMBERS - 1)["data"]["mobile"].startswith("+1")


@pytest.mark.parametrize("locale", ["en_US", "de_DE"])
def test_the_index_follows_from_id_and_number(make_members: Callable[..., GeneratedMembers], locale: str) -> None:
    members = make_members(locale)
    for index in (0, 1, 4_999, 5_100, 9_999):
        member = members.member(index)
        assert members.index_of_id(member["_id"]) == index
        assert members.index_of_number(member["data"]["mobile"]) == index
        assert members.index_of_number(member["data"]["mobile"].removeprefix("+")) == index


def test_unknown_ids_and_numbers_have_no_index(make_members: Callable[..., GeneratedMembers]) -> None:
    few = make_members(memberCount=3)
    assert few.index_of_id(make_members().member(3)["_id"]) is None
    assert few.index_of_number(make_members().member(3)["data"]["mobile"]) is None
    assert few.index_of_id("0" * 24) is None
    assert few.index_of_number("+14155559999") is None
    assert few.index_of_number("1") is None


@pytest.mark.parametrize("end", ["x", " ", "_", "\u0663"])
def test_a_text_that_starts_like_a_phone_number_is_not_found(
    make_members: Callable[..., GeneratedMembers], end: str
) -> None:
    members = make_members()
    assert members.index_of_number(members.member(0)["data"]["mobile"][:-1] + end) is None


def test_ids_are_unique_and_have_the_creation_time_of_the_audience(
    make_members: Callable[..., GeneratedMembers],
) -> None:
    members = make_members()
    ids = {members.member(index)["_id"] for index in range(1_000)}
    assert len(ids) == 1_000
    assert {member_id[:8] for member_id in ids} == {"67878e28"}


@pytest.mark.parametrize("column", ["mobile", "name", "email", "firstName", "電話", "a,b"])
def test_the_phone_column_of_the_audience_comes_last(
    make_members: Callable[..., GeneratedMembers], column: str
) -> None:
    for last in "0123456789":
        members = make_members(_id=AUDIENCE["_id"][:-1] + last, phoneNumberColumnName=column)
        data = members.member(7)["data"]
        assert list(data)[-1] == column
        assert data[column].startswith("+1")
        assert all(isinstance(value, str) and value for value in data.values())


def test_members_of_an_audience_share_columns(
    make_members: Callable[..., GeneratedMembers],
) -> None:
    layouts = set()
    for last in range(100):
        members = make_members(_id=f"67878e28{last:016x}")
        (layout,) = {tuple(members.member(index)["data"]) for index in range(5)}
        layouts.add(layout)
    assert len(layouts) == 6


def test_names_and_emails_are_realistic(make_members: Callable[..., GeneratedMembers]) -> None:
    data = [make_members(_id=f"67878e28{last:016x}").member(4)["data"] for last in range(60)]
    for member in data:
        assert re.fullmatch(r"[a-z0-9]+\.[a-z0-9]+5@example\.(com|org|net)", member.get("email", "a.b5@example.com"))
    assert len({str(member.get("name", member.get("firstName"))) for member in data}) > 40


def test_a_name_without_ascii_letters_has_a_neutral_email(make_members: Callable[..., GeneratedMembers]) -> None:
    emails = [
        make_members("ja_JP", _id=f"67878e28{last:016x}").member(0)["data"].get("email", "") for last in range(20)
    ]
    assert {email.partition("@")[0] for email in emails} == {"", "contact1"}


def test_an_audience_needs_only_an_id_to_have_members() -> None:
    members = GeneratedMembers(Generator("atoms"), {"_id": AUDIENCE["_id"]}, "en_US")
    assert members.count == 0
    assert members.member(0)["data"]["phoneNumber"].startswith("+1")


def test_each_seed_has_its_own_members(make_members: Callable[..., GeneratedMembers]) -> None:
    assert GeneratedMembers(Generator("other"), AUDIENCE, "en_US").member(0) != make_members().member(0)


def test_phone_numbers_are_limited() -> None:
    numbers = PhoneNumbers("US", 1)
    assert numbers.number(16_799)
    with pytest.raises(IndexError):
        numbers.number(16_800)
