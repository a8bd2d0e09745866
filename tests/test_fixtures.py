import json
from pathlib import Path

import pytest

from mock_atoms.contract import Audience
from mock_atoms.fixtures import Fixtures, read_file, read_folder
from mock_atoms.generator import Generator
from mock_atoms.settings import ConfigError
from mock_atoms.tenancy import caller_of

SHIPPED = Path(__file__).parents[1] / "fixtures"


def holds(folder: Path, token: str) -> list[Audience]:
    return Fixtures(Generator("atoms"), "en_US", read_folder(folder)).audiences(caller_of(token))


def write(folder: Path, text: str, name: str = "team.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_documented_example_is_held_word_for_word() -> None:
    (audience,) = holds(SHIPPED, "sk_documented")
    written = json.loads((SHIPPED / "documented.json").read_text())["audiences"][0]
    assert audience == written
    assert list(audience) == list(Audience.__annotations__)


def test_the_annotated_example_does_what_its_comments_say() -> None:
    first, second, third = holds(SHIPPED, "sk_acme")
    assert first["name"] == "Spring open house"
    assert first["_id"][:8] == "67c2cc90"
    assert first["updatedAt"] == first["createdAt"] == "2025-03-01T09:00:00.000Z"
    assert first["hasCampaigns"] is True
    assert second.keys() == Audience.__annotations__.keys()
    assert second["hasCampaigns"] is False
    assert Audience.__annotations__.keys() - third.keys() == {"description", "memberCount"}
    trainee = holds(SHIPPED, "sk_acme_trainee")
    assert {audience["organization"] for audience in [*trainee, first, second, third]} == {"65a000000000000000000001"}
    assert trainee[0]["createdBy"] != first["createdBy"]


def test_generator_settings_are_followed(tmp_path: Path) -> None:
    write(
        tmp_path,
        "tokens: [sk_a, sk_b]\ngenerate: {audiences: 5, members: {min: 7, max: 9}, withCampaigns: 1, locale: de_DE}\n",
    )
    a, b = holds(tmp_path, "sk_a"), holds(tmp_path, "sk_b")
    assert len(a) == len(b) == 5
    assert all(7 <= audience["memberCount"] <= 9 and audience["campaigns"] for audience in a + b)
    assert len({audience["organization"] for audience in a + b}) == 1
    assert len({audience["createdBy"] for audience in a + b}) == 2
    assert all("Q" in audience["description"] or " " in audience["description"] for audience in a)


def test_generate_without_settings_is_as_for_any_token(tmp_path: Path) -> None:
    write(tmp_path, "tokens: [sk_a]\ngenerate: {}\n")
    assert holds(tmp_path, "sk_a") == Fixtures(Generator("atoms"), "en_US").audiences(caller_of("sk_a"))


def test_an_empty_list_of_audiences_is_empty(tmp_path: Path) -> None:
    write(tmp_path, "tokens: [sk_a]\naudiences: []\n")
    assert holds(tmp_path, "sk_a") == []


def test_a_file_wins_over_a_persona(tmp_path: Path) -> None:
    write(tmp_path, "tokens: [sk_mock_empty]\ngenerate: {audiences: 2}\n")
    assert len(holds(tmp_path, "sk_mock_empty")) == 2


def test_what_is_written_stays_and_the_rest_follows_from_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        "tokens: [sk_a]\naudiences:\n"
        "  - {updatedAt: '2020-01-01T00:00:00Z', hasCampaigns: true}\n"
        "  - {omit: [campaigns, name, name]}\n",
    )
    first, second = holds(tmp_path, "sk_a")
    assert first["createdAt"] == first["updatedAt"] == "2020-01-01T00:00:00Z"
    assert first["_id"].startswith("5e0be100")
    assert (first["hasCampaigns"], first["campaigns"]) == (True, [])
    assert Audience.__annotations__.keys() - second.keys() == {"campaigns", "name"}


def test_other_files_hidden_files_and_subfolders_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "not a fixture", "README.md")
    write(tmp_path, "{", ".hidden.json")
    (tmp_path / "sub.yaml").mkdir()
    write(tmp_path / "sub.yaml", "{", "x.json")
    assert read_folder(tmp_path) == {}


def test_the_first_bytes_may_be_a_byte_order_mark(tmp_path: Path) -> None:
    path = write(tmp_path, '\ufeff{"tokens": ["sk_a"], "audiences": []}', "team.json")
    assert read_file(path).audiences == []


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("team.json", '{"tokens": ["sk_a"],\n "audiences": [}', ":2: not JSON: Expecting value"),
        ("team.yaml", "tokens: [sk_a]\naudiences: [\n", ":3: not YAML: expected the node content, but found"),
        ("team.yaml", "tokens: [sk_a]\ntokens: [sk_b]\n", ":2: not YAML: the key tokens stands twice"),
        ("team.yaml", "{? [a]: 1}", ":1: not YAML: found unhashable key"),
        ("team.yaml", "tokens: \x00", ": not YAML: unacceptable character"),
        ("team.yaml", "", ":1: the file: Input should be a valid dictionary"),
        ("team.yaml", "tokens: []\naudiences: []\n", ":1: tokens: List should have at least 1 item"),
        ("team.yaml", "tokens: [sk_a]\n", ":1: the file: give either audiences or generate"),
        ("team.yaml", "tokens: [sk_a]\naudiences: []\ngenerate: {}\n", ":1: the file: give either audiences or gen"),
        ("team.yaml", "tokens: [sk_a]\naudience: []\n", ":2: audience: Extra inputs are not permitted"),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n  - name: x\n  - name: y\n    memberCount: many\n",
            ":5: audiences[1].memberCount: Input should be a valid integer",
        ),
        (
            "team.json",
            '{"tokens": ["sk_a"],\n "audiences": [\n  {"_id": "ABC"}]}',
            ":3: audiences[0]._id: String should match pattern",
        ),
        ("team.json", '{\t"tokens": 1}', ":1: tokens: Input should be a valid list"),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n- nmae: x\n",
            ":3: audiences[0].nmae: Extra inputs are not permitted",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n- campaigns:\n  - id: x\n",
            ":4: audiences[0].campaigns[0].id: Extra inputs are not permitted",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n- createdAt: yesterday\n",
            ":3: audiences[0]: createdAt: not a timestamp such as 2025-01-15T10:30:00.000Z",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n- campaigns: [{createdAt: 2025-01-15T10:30:00}]\n",
            ":3: audiences[0]: campaigns[0].createdAt: not a timestamp",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n- omit: [nmae]\n",
            ":3: audiences[0]: omit: an audience has no key 'nmae'",
        ),
        ("team.yaml", "tokens: [sk_a]\ngenerate: {audiences: -1}\n", ":2: generate.audiences.min: Input should be gr"),
        (
            "team.yaml",
            "tokens: [sk_a]\ngenerate:\n  audiences: {min: 3, max: 2}\n",
            ":3: generate.audiences: min is greater than max",
        ),
        ("team.yaml", "tokens: [sk_a]\ngenerate: {audiences: 10001}\n", ":2: generate.audiences: at most 10000"),
        ("team.yaml", "tokens: [sk_a]\ngenerate: {members: 10001}\n", ":2: generate.members: at most 10000"),
        ("team.yaml", "tokens: [sk_a]\ngenerate: {audiences: true}\n", ":2: generate.audiences.min: Input should be"),
        ("team.yaml", "tokens: [sk_a]\ngenerate: {withCampaigns: 2}\n", ":2: generate.withCampaigns: Input should be"),
        ("team.yaml", "tokens: [sk_a]\ngenerate: {locale: xx}\n", ":2: generate.locale: faker has no such locale"),
        ("team.yaml", "tokens: [sk_a]\norganization: 65a\naudiences: []\n", ":2: organization: String should match"),
    ],
)
def test_a_bad_file_is_named_with_line_field_and_reason(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = write(tmp_path, text, name)
    with pytest.raises(ConfigError) as caught:
        read_folder(tmp_path)
    assert str(caught.value).startswith(f"{path}{message}")
    assert "\n" not in str(caught.value)


def test_a_bad_token_is_not_repeated(tmp_path: Path) -> None:
    write(tmp_path, "tokens: [sk_verysecret token]\naudiences: []\n")
    with pytest.raises(ConfigError, match=r":1: tokens\[0\]: String should match pattern") as caught:
        read_folder(tmp_path)
    assert "verysecret" not in str(caught.value)


def test_two_files_may_not_name_the_same_token(tmp_path: Path) -> None:
    first = write(tmp_path, "tokens: [sk_verysecret]\naudiences: []\n", "a.yaml")
    write(tmp_path, "tokens: [sk_verysecret]\naudiences: []\n", "b.yaml")
    with pytest.raises(ConfigError, match=rf"b.yaml: tokens: sk_ver…#\w+ is already named in {first}$") as caught:
        read_folder(tmp_path)
    assert "verysecret" not in str(caught.value)


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_bytes(b"tokens: [\xff]")
    with pytest.raises(ConfigError, match=r"team.yaml: not UTF-8: invalid start byte at byte 9$"):
        read_folder(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: the fixtures folder cannot be read: No such file or directory"):
        read_folder(tmp_path / "nowhere")


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").symlink_to(tmp_path / "gone.yaml")
    with pytest.raises(ConfigError, match=r"team\.yaml: cannot be read: No such file or directory"):
        read_folder(tmp_path)
