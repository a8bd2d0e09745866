"""Members that a fixture file or a test lists."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mock_atoms.contract.schemas import MAX_FILE_BYTES, MAX_MEMBERS
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.core.tenancy import caller_for
from mock_atoms.data import fixture_folder
from mock_atoms.data.fixture_files import parse_fixture
from mock_atoms.data.fixture_folder import read_folder
from mock_atoms.data.fixtures import Fixtures
from mock_atoms.data.generator import Generator
from mock_atoms.data.members import GeneratedMembers, ListedMembers, initial_members
from mock_atoms.data.models import AudienceRecord, api_fields

ADA, GRACE = {"phoneNumber": "+14155550100", "name": "Ada"}, {"phoneNumber": "14155550101", "name": "Grace"}
GENERATOR = Generator("atoms")


def audience_of(folder: Path, token: str = "sk_a") -> AudienceRecord:
    (audience,) = Fixtures(GENERATOR, "en_US", read_folder(folder)).initial_data(caller_for(token)).audiences
    return audience


def write(folder: Path, text: str, name: str = "team.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def write_audience(folder: Path, **audience: object) -> Path:
    return write(folder, json.dumps({"tokens": ["sk_a", "sk_b"], "audiences": [audience]}), "team.json")


def members_of(audience: AudienceRecord) -> Sequence[dict[str, Any]]:
    members = initial_members(GENERATOR, audience, "en_US")
    assert isinstance(members, ListedMembers)
    return [{**members.member(index)} for index in range(audience["memberCount"])]


def test_listed_members_are_those_of_the_audience(tmp_path: Path) -> None:
    write_audience(tmp_path, name="Pioneers", members=[ADA, GRACE | {"tags": ["admiral", 1, None]}])
    audience = audience_of(tmp_path)
    assert (audience["memberCount"], audience["phoneNumberColumnName"]) == (2, "phoneNumber")
    assert [member["data"] for member in members_of(audience)] == [ADA, GRACE | {"tags": ["admiral", 1, None]}]
    assert "members" not in api_fields(audience)
    other = audience_of(tmp_path, "sk_b")
    assert [member["_id"] for member in members_of(other)] != [member["_id"] for member in members_of(audience)]


def test_the_columns_of_yaml_are_named_as_in_json(tmp_path: Path) -> None:
    write(tmp_path, "tokens: [sk_a]\naudiences: [{members: [{phoneNumber: '+14155550100', 1: b, ~: {null: c}}]}]\n")
    (member,) = members_of(audience_of(tmp_path))
    assert member["data"] == {"phoneNumber": "+14155550100", "1": "b", "null": {"null": "c"}}


def test_the_numbers_of_a_json_file_stay_as_they_are(tmp_path: Path) -> None:
    member = {"phoneNumber": "+14155550100", "score": 1.5, "count": 10**20}
    file = {"tokens": ["sk_a"], "audiences": [{"members": [member]}]}
    (tmp_path / "team.json").write_text(json.dumps(file), encoding="utf-8")
    assert members_of(audience_of(tmp_path))[0]["data"] == member


def test_the_tokens_of_a_file_share_its_listed_members(tmp_path: Path) -> None:
    write_audience(tmp_path, members=[ADA])
    fixtures = Fixtures(GENERATOR, "en_US", read_folder(tmp_path))
    (one,), (other,) = (fixtures.initial_data(caller_for(token)).audiences for token in ("sk_a", "sk_b"))
    assert one["members"] is other["members"]


def test_listed_members_have_the_ids_of_generated_ones(tmp_path: Path) -> None:
    write_audience(tmp_path, members=[ADA, GRACE])
    audience = audience_of(tmp_path)
    listed = initial_members(GENERATOR, audience, "en_US")
    generated = GeneratedMembers(GENERATOR, audience, "en_US")
    for index in range(2):
        member_id = listed.member(index)["_id"]
        assert member_id == generated.member(index)["_id"]
        assert listed.index_of_id(member_id) == index
    assert listed.index_of_id(generated.member(2)["_id"]) is None
    assert listed.index_of_id("0" * 24) is None


def test_listed_members_are_found_by_their_numbers(tmp_path: Path) -> None:
    write_audience(tmp_path, members=[ADA, GRACE])
    listed = initial_members(GENERATOR, audience_of(tmp_path), "en_US")
    assert [listed.index_of_number(digits) for digits in ("14155550100", "14155550101", "14155550102")] == [0, 1, None]


def test_an_audience_may_list_no_members(tmp_path: Path) -> None:
    write_audience(tmp_path, members=[], memberCount=0)
    audience = audience_of(tmp_path)
    assert (audience["memberCount"], members_of(audience)) == (0, [])


def test_the_identifier_column_is_checked_and_not_listed(tmp_path: Path) -> None:
    write_audience(tmp_path, members=[ADA], identifierColumnName="name")
    audience = audience_of(tmp_path)
    assert audience["identifierColumnName"] == "name"
    assert "identifierColumnName" not in api_fields(audience)


def test_members_may_be_in_a_csv_file(tmp_path: Path) -> None:
    write(tmp_path, "\ufeffmobile,name\r\n+14155550100,Ada\r\n,\r\n14155550101,\u00c9mile\r\n", "customers.csv")
    yaml = "tokens: [sk_a]\naudiences:\n- phoneNumberColumnName: mobile\n  members: ./customers.csv\n"
    write(tmp_path, f"{yaml}  identifierColumnName: name\n")
    members = members_of(audience_of(tmp_path))
    assert [member["data"] for member in members] == [
        {"mobile": "+14155550100", "name": "Ada"},
        {"mobile": "14155550101", "name": "\u00c9mile"},
    ]


def test_a_csv_file_may_be_a_link_within_the_folder(tmp_path: Path) -> None:
    """Kubernetes mounts the files of a ConfigMap like this."""
    data = tmp_path / "..2026_01_31"
    data.mkdir()
    write(data, "phoneNumber\n+14155550100\n", "customers.csv")
    (tmp_path / "customers.csv").symlink_to(data / "customers.csv")
    write_audience(tmp_path, members="customers.csv")
    assert len(members_of(audience_of(tmp_path))) == 1


@pytest.mark.parametrize(
    ("audience", "message"),
    [
        ("members: 5", "members: must be a list of members, the columns of each by name, or the name of a CSV file"),
        ("members:", "members: must be a list of members"),
        ("members: [Ada]", "members[0]: must have columns and values, such as phoneNumber"),
        (
            "members: [{name: Ada}]",
            "members[0]: Each member must have a phoneNumber field; phoneNumberColumnName names another one",
        ),
        ("members: [{phoneNumber: ''}]", "members[0]: Each member must have a phoneNumber field"),
        (
            "members: [{e\u0301: '14155550100'}]\n  phoneNumberColumnName: \u00e9",
            "members[0]: Each member must have a \u00e9 field. The field \u00e9 only looks the same",
        ),
        (
            "members: [{phoneNumber: +14155550100}]",
            (
                "members[0].phoneNumber: Invalid phone number: 14155550100. Use a string of 7 to 15 digits, such as "
                "+14155550123; quote text that looks like another type"
            ),
        ),
        (
            "members: [{phoneNumber: '555'}]",
            "members[0].phoneNumber: Invalid phone number: 555. Use a string of 7 to 15 digits, such as +14155550123",
        ),
        (
            "members: [{phoneNumber: '14155550100'}, {phoneNumber: '+14155550100'}]",
            "members[1].phoneNumber: the phone number `+14155550100` is that of member 0, too",
        ),
        (
            "members: [{5: '555'}]\n  phoneNumberColumnName: '5'",
            "members[0].5: Invalid phone number: 555",
        ),
        (
            "members: [{phoneNumber: '14155550100'}]\n  identifierColumnName: name",
            "members[0]: Each member must have a name field",
        ),
        (
            r"""members: [{phoneNumber: '14155550100', x: "\ud800"}]""",
            "members[0]: a text has half of a surrogate pair, which UTF-8 cannot encode",
        ),
        (
            f"members: [{{phoneNumber: '14155550100', x: {'[' * 100}{']' * 100}}}]",
            "members[0]: nested too deeply: at most 100 levels",
        ),
        ("members: [{x: [" + "0," * 10_001 + "0]}]", "members[0]: too large: at most 10,000 values"),
        ("members: [{x: " + "x" * 500_001 + "}]", "members[0]: too large: at most 500,000 characters"),
        (
            "members: []\n  memberCount: 3",
            ": memberCount is `3`, but members lists 0: leave memberCount out",
        ),
        ("members: [{}]\n  phoneNumberColumnName: 5", "phoneNumberColumnName is `5`: must be text; quote"),
        ("members: [{}]\n  identifierColumnName: 5", "identifierColumnName is `5`: must be text; quote"),
        ("members: nowhere.csv", "members: `nowhere.csv` cannot be read: No such file or directory"),
        ("members: ../team.yaml", "members: `../team.yaml` is outside of the folder"),
        ("members: /etc/passwd", "members: `/etc/passwd` is outside of the folder"),
        ('members: "a\\0b"', "members: `aU+0000b` cannot be read: "),
        ("members: pipe.csv", "members: `pipe.csv` is not a file"),
        ("members: link.csv", "members: `link.csv` is outside of the folder"),
        ("members: bad.csv", 'members: bad.csv: CSV file has no column named "phoneNumber". It has: "phone"'),
        ("members: large.csv", "members: large.csv: File too large: at most 5242880 bytes (5 MB)"),
    ],
)
def test_an_error_names_the_member_and_the_fix(tmp_path: Path, audience: str, message: str) -> None:
    folder = tmp_path / "fixtures"
    folder.mkdir()
    os.mkfifo(folder / "pipe.csv")
    (folder / "link.csv").symlink_to(write(tmp_path, "phoneNumber\n14155550100\n", "outside.csv"))
    write(folder, "phone\n", "bad.csv")
    (folder / "large.csv").write_bytes(b"\n" * (MAX_FILE_BYTES + 1))
    path = write(folder, f"tokens: [sk_a]\naudiences:\n- {audience}\n")
    with pytest.raises(ConfigError) as caught:
        read_folder(folder)
    place = "audiences[0]" if message.startswith(":") else "audiences[0]."
    line = 4 if "olumnName is" in message or "memberCount is" in message else 3
    assert str(caught.value).startswith(f"{path}:{line}: {place}{message}")


def test_half_a_surrogate_pair_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, '{"tokens": ["sk_a"], "audiences": [\n{"members": [{"name": "\\ud800"}]}]}', "team.json")
    with pytest.raises(ConfigError) as caught:
        read_folder(tmp_path)
    assert str(caught.value).startswith(f"{path}:2: audiences[0].members[0]: a text has half of a surrogate pair")


def test_the_member_of_an_error_is_found_by_its_line(tmp_path: Path) -> None:
    text = "tokens: [sk_a]\naudiences:\n- name: a\n- members:\n  - {phoneNumber: '14155550100'}\n  - {phone: '5'}\n"
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=r":6: audiences\[1\]\.members\[1\]: Each member") as caught:
        read_folder(tmp_path)
    assert str(caught.value).startswith(str(path))


def test_an_audience_lists_at_most_10000_members(tmp_path: Path) -> None:
    members = [{"phoneNumber": f"1415555{number:04}"} for number in range(MAX_MEMBERS)]
    write_audience(tmp_path, members=members)
    assert audience_of(tmp_path)["memberCount"] == MAX_MEMBERS
    write_audience(tmp_path, members=[*members, {}])
    with pytest.raises(ConfigError, match="members: Audience cannot exceed 10000 members: there are 10001"):
        read_folder(tmp_path)


def test_members_are_parsed_in_steps() -> None:
    def steps(count: int) -> int:
        members = [{"phoneNumber": f"1415555{number:04}"} for number in range(count)]
        return sum(1 for _ in parse_fixture({"tokens": ["sk_a"], "audiences": [{"members": members}]}))

    assert steps(2_000) - steps(1_000) == 1_000


def test_all_members_of_a_folder_have_a_memory_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_audience(tmp_path, members=[ADA])
    monkeypatch.setattr(fixture_folder, "MAX_LISTED_BYTES", 600)
    assert len(read_folder(tmp_path)) == 2
    path = write(tmp_path, json.dumps({"tokens": ["sk_c"], "audiences": [{"members": [ADA, GRACE]}]}), "x.json")
    with pytest.raises(ConfigError) as caught:
        read_folder(tmp_path)
    assert str(caught.value) == f"{path}: members need more than 600 bytes in all files: list fewer"


def test_only_fixture_files_can_name_csv_files() -> None:
    with pytest.raises(ConfigError) as caught:
        run_without_pauses(parse_fixture({"tokens": ["sk_a"], "audiences": [{"members": "customers.csv"}]}))
    assert str(caught.value) == "/audiences/0/members: must be a list of members, the columns of each by name"
