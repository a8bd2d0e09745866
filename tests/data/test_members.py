import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mock_atoms.contract.schemas import MAX_MEMBERS, render_json
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
def people() -> Callable[..., GeneratedMembers]:
    generator = Generator("atoms")

    def make(locale: str = "en_US", **changes: Any) -> GeneratedMembers:  # noqa: ANN401 - values of an audience's keys
        return GeneratedMembers(generator, {**AUDIENCE, **changes}, locale)  # type: ignore[typeddict-item] # the same

    return make


@pytest.mark.parametrize("locale", ["en_US", "en_GB", "de_DE", "ja_JP"])
def test_the_bytes_are_those_of_the_golden_file(locale: str) -> None:
    generator = Generator("atoms")
    audience = generator.audiences("sk_acme", GeneratorOptions(locale))[1]
    members = [GeneratedMembers(generator, audience, locale).member(index) for index in range(20)]
    assert render_json(members) == (GOLDEN / f"members-{locale}.json").read_bytes()


@pytest.mark.parametrize("locale", FICTION)
def test_numbers_are_unique_and_of_the_countrys_ranges_for_fiction(
    people: Callable[..., GeneratedMembers], locale: str
) -> None:
    members = people(locale)
    numbers = [members.member(index)["data"]["mobile"] for index in range(MAX_MEMBERS)]
    assert len(set(numbers)) == MAX_MEMBERS
    assert not [number for number in numbers if not re.fullmatch(FICTION[locale], number)]
    assert max(map(len, numbers)) <= 16


@pytest.mark.parametrize("locale", ["de_DE", "sv_SE"])
def test_the_countrys_own_numbers_come_first(people: Callable[..., GeneratedMembers], locale: str) -> None:
    members = people(locale)
    assert not [index for index in range(400) if members.member(index)["data"]["mobile"].startswith("+1")]
    assert members.member(MAX_MEMBERS - 1)["data"]["mobile"].startswith("+1")


@pytest.mark.parametrize("locale", ["en_US", "de_DE"])
def test_id_and_number_lead_back_to_the_index(people: Callable[..., GeneratedMembers], locale: str) -> None:
    members = people(locale)
    for index in (0, 1, 4_999, 5_100, 9_999):
        member = members.member(index)
        assert members.index_of_id(member["_id"]) == index
        assert members.index_of_number(member["data"]["mobile"]) == index
        assert members.index_of_number(member["data"]["mobile"].removeprefix("+")) == index


def test_what_is_nobodys_leads_nowhere(people: Callable[..., GeneratedMembers]) -> None:
    few = people(memberCount=3)
    assert few.index_of_id(people().member(3)["_id"]) is None
    assert few.index_of_number(people().member(3)["data"]["mobile"]) is None
    assert few.index_of_id("0" * 24) is None
    assert few.index_of_number("+14155559999") is None
    assert few.index_of_number("1") is None


def test_ids_are_unique_and_as_old_as_the_audience(people: Callable[..., GeneratedMembers]) -> None:
    members = people()
    ids = {members.member(index)["_id"] for index in range(1_000)}
    assert len(ids) == 1_000
    assert {member_id[:8] for member_id in ids} == {"67878e28"}


@pytest.mark.parametrize("column", ["mobile", "name", "email", "firstName", "電話", "a,b"])
def test_the_phone_column_is_the_audiences_and_comes_last(people: Callable[..., GeneratedMembers], column: str) -> None:
    for last in "0123456789":
        members = people(_id=AUDIENCE["_id"][:-1] + last, phoneNumberColumnName=column)
        data = members.member(7)["data"]
        assert list(data)[-1] == column
        assert data[column].startswith("+1")
        assert all(isinstance(value, str) and value for value in data.values())


def test_columns_are_the_same_for_all_members_and_differ_between_audiences(
    people: Callable[..., GeneratedMembers],
) -> None:
    layouts = set()
    for last in range(100):
        members = people(_id=f"67878e28{last:016x}")
        (layout,) = {tuple(members.member(index)["data"]) for index in range(5)}
        layouts.add(layout)
    assert len(layouts) == 6


def test_a_member_is_believable(people: Callable[..., GeneratedMembers]) -> None:
    data = [people(_id=f"67878e28{last:016x}").member(4)["data"] for last in range(60)]
    for member in data:
        assert re.fullmatch(r"[a-z0-9]+\.[a-z0-9]+5@example\.(com|org|net)", member.get("email", "a.b5@example.com"))
    assert len({str(member.get("name", member.get("firstName"))) for member in data}) > 40


def test_a_name_that_ascii_cannot_write_has_another_address(people: Callable[..., GeneratedMembers]) -> None:
    emails = [people("ja_JP", _id=f"67878e28{last:016x}").member(0)["data"].get("email", "") for last in range(20)]
    assert {email.partition("@")[0] for email in emails} == {"", "contact1"}


def test_an_audience_that_says_little_has_members_all_the_same() -> None:
    members = GeneratedMembers(Generator("atoms"), {"_id": AUDIENCE["_id"]}, "en_US")
    assert members.count == 0
    assert members.member(0)["data"]["phoneNumber"].startswith("+1")


def test_another_seed_gives_other_people(people: Callable[..., GeneratedMembers]) -> None:
    assert GeneratedMembers(Generator("other"), AUDIENCE, "en_US").member(0) != people().member(0)


def test_there_is_an_end_to_all_numbers() -> None:
    plan = PhoneNumbers("US", 1)
    assert plan.number(16_799)
    with pytest.raises(IndexError):
        plan.number(16_800)
