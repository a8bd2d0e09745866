import os
from pathlib import Path

import pytest

from mock_atoms.contract.schemas import Audience
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.core.tenancy import caller_for
from mock_atoms.data.fixture_folder import parse_text, read_file, read_folder
from mock_atoms.data.fixtures import FixtureData, Fixtures, find_audience_tokens
from mock_atoms.data.generator import Generator
from mock_atoms.data.models import AudienceRecord, InitialData, api_fields

SHIPPED = Path(__file__).parents[2] / "fixtures"


def audiences_of(folder: Path, token: str) -> list[Audience]:
    initial_data = Fixtures(Generator("atoms"), "en_US", read_folder(folder)).initial_data(caller_for(token))
    return [api_fields(record) for record in initial_data.audiences]


def write(folder: Path, text: str, name: str = "team.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_annotated_example_works_as_its_comments_say() -> None:
    first, second, third = audiences_of(SHIPPED, "sk_acme")
    assert first["name"] == "Spring open house"
    assert first["_id"][:8] == "67c2cc90"
    assert first["updatedAt"] == first["createdAt"] == "2025-03-01T09:00:00.000Z"
    assert first["hasCampaigns"] is True
    assert second.keys() == Audience.__annotations__.keys()
    assert second["hasCampaigns"] is False
    assert Audience.__annotations__.keys() - third.keys() == {"description", "memberCount"}
    trainee = audiences_of(SHIPPED, "sk_acme_trainee")
    assert {audience["organization"] for audience in [*trainee, first, second, third]} == {"65a000000000000000000001"}
    assert trainee[0]["createdBy"] != first["createdBy"]


def test_generate_options_apply(tmp_path: Path) -> None:
    write(
        tmp_path,
        "tokens: [sk_a, sk_b]\ngenerate: {audiences: 5, members: {min: 7, max: 9}, withCampaigns: 1, locale: de_DE}\n",
    )
    a, b = audiences_of(tmp_path, "sk_a"), audiences_of(tmp_path, "sk_b")
    assert len(a) == len(b) == 5
    assert all(7 <= audience["memberCount"] <= 9 and audience["campaigns"] for audience in a + b)
    assert len({audience["organization"] for audience in a + b}) == 1
    assert len({audience["createdBy"] for audience in a + b}) == 2
    assert all("Q" in audience["description"] or " " in audience["description"] for audience in a)


def test_empty_generate_options_are_the_defaults(tmp_path: Path) -> None:
    write(tmp_path, "tokens: [sk_a]\ngenerate: {}\n")
    assert audiences_of(tmp_path, "sk_a") == [
        api_fields(one) for one in Fixtures(Generator("atoms"), "en_US").initial_data(caller_for("sk_a")).audiences
    ]


def test_an_empty_list_of_audiences_is_empty(tmp_path: Path) -> None:
    write(tmp_path, "tokens: [sk_a]\naudiences: []\n")
    assert audiences_of(tmp_path, "sk_a") == []


def test_a_fixture_file_overrides_a_persona(tmp_path: Path) -> None:
    write(tmp_path, "tokens: [sk_mock_empty]\ngenerate: {audiences: 2}\n")
    assert len(audiences_of(tmp_path, "sk_mock_empty")) == 2


def test_missing_keys_follow_from_the_written_ones(tmp_path: Path) -> None:
    write(
        tmp_path,
        "tokens: [sk_a]\naudiences:\n"
        "  - {updatedAt: '2020-01-01T00:00:00Z', hasCampaigns: true}\n"
        "  - {omit: [campaigns, name, name]}\n",
    )
    first, second = audiences_of(tmp_path, "sk_a")
    assert first["createdAt"] == first["updatedAt"] == "2020-01-01T00:00:00Z"
    assert first["_id"].startswith("5e0be100")
    assert (first["hasCampaigns"], first["campaigns"]) == (True, [])
    assert Audience.__annotations__.keys() - second.keys() == {"campaigns", "name"}


def test_timestamps_follow_from_the_id(tmp_path: Path) -> None:
    write(tmp_path, "tokens: [sk_a]\naudiences:\n  - _id: 65a000000000000000000001\n")
    (audience,) = audiences_of(tmp_path, "sk_a")
    assert audience["createdAt"] == audience["updatedAt"] == "2024-01-11T14:49:36.000Z"


def test_an_audience_with_campaigns_has_members_and_its_name_describes_it(tmp_path: Path) -> None:
    campaign = "{name: c, status: active, createdAt: 2025-03-02T08:00:00Z}"
    entries = "".join(f"  - {{name: Team {number}, campaigns: [{campaign}]}}\n" for number in range(200))
    write(tmp_path, f"tokens: [sk_a]\naudiences:\n{entries}")
    audiences = audiences_of(tmp_path, "sk_a")
    assert all(audience["memberCount"] > 0 for audience in audiences)
    assert all(audience["description"] == audience["name"] for audience in audiences)


def test_other_files_hidden_files_and_subfolders_are_ignored(tmp_path: Path) -> None:
    write(tmp_path, "not a fixture", "README.md")
    write(tmp_path, "{", ".hidden.json")
    (tmp_path / "sub.yaml").mkdir()
    write(tmp_path / "sub.yaml", "{", "x.json")
    os.mkfifo(tmp_path / "pipe.yaml")
    assert read_folder(tmp_path) == {}


def test_the_file_suffix_is_case_insensitive(tmp_path: Path) -> None:
    write(tmp_path, '{"tokens": ["sk_a"], "audiences": []}', "TEAM.JSON")
    assert list(read_folder(tmp_path)) == ["sk_a"]


def test_an_impossible_folder_name_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"the fixtures folder cannot be read: .*embedded null"):
        read_folder(Path("a\0b"))


def test_yaml_may_have_json_types_anchors_and_merges(tmp_path: Path) -> None:
    text = """
    base: &base {text: !!str 1, list: !!seq [~, yes, 0x10, 1.5], map: !!map {}}
    copy: {<<: *base, text: 2025-01-15}
    """
    assert parse_text(tmp_path / "a.yaml", text) == {
        "base": {"text": "1", "list": [None, True, 16, 1.5], "map": {}},
        "copy": {"text": "2025-01-15", "list": [None, True, 16, 1.5], "map": {}},
    }


def test_a_file_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = write(tmp_path, '\ufeff{"tokens": ["sk_a"], "audiences": []}', "team.json")
    assert read_file(path).audiences == []


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("team.json", '{"tokens": ["sk_a"],\n "audiences": [}', ":2: not JSON: Expecting value"),
        ("team.yaml", "tokens: [sk_a]\naudiences: [\n", ":3: not YAML: expected the node content, but found"),
        ("team.yaml", "tokens: [sk_a]\ntokens: [sk_b]\n", ":2: not YAML: the key tokens is duplicated"),
        ("team.yaml", "{? [a]: 1}", ":1: not YAML: found unhashable key"),
        ("team.yaml", "tokens: \x00", ": not YAML: unacceptable character"),
        ("team.yaml", "", ": the file is empty: write tokens, and audiences or generate"),
        ("team.yaml", "# tokens: [sk_a]\n", ": the file is empty: write tokens, and audiences or generate"),
        ("team.json", "\n", ": the file is empty: write tokens, and audiences or generate"),
        ("team.yaml", "- tokens: [sk_a]\n", ":1: the file: must be an object"),
        ("team.yaml", "tokens", ":1: the file is `tokens`: must be an object"),
        ("team.yaml", f"tokens: [sk_a]\norganization: {'x' * 99}\n", f":2: organization is `{'x' * 40}…`: an id is 24"),
        ("team.yaml", "tokens: []\naudiences: []\n", ":1: tokens: must not be empty"),
        ("team.yaml", "tokens: [sk_a]\n", ":1: the file: must have either audiences or generate"),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences: []\ngenerate: {}\n",
            ":1: the file: must have either audiences or gen",
        ),
        ("team.yaml", "tokens: [sk_a]\naudience: []\n", ":2: audience: unknown key. Did you mean `audiences`?"),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n  - name: x\n  - name: y\n    memberCount: many\n",
            ":5: audiences[1].memberCount is `many`: must be a whole number",
        ),
        (
            "team.json",
            '{"tokens": ["sk_a"],\n "audiences": [\n  {"_id": "ABC"}]}',
            ":3: audiences[0]._id is `ABC`: an id is 24 lower-case",
        ),
        ("team.json", '{\t"tokens": 1}', ":1: tokens: must be a list"),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n- nmae: x\n",
            ":3: audiences[0].nmae: unknown key. Did you mean `name`?",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n- campaigns:\n  - id: x\n",
            ":4: audiences[0].campaigns[0].id: unknown key",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n- createdAt: yesterday\n",
            ":3: audiences[0]: createdAt is `yesterday`: not a timestamp such as 2025-01-15T10:30:00.000Z",
        ),
        (
            "team.yaml",
            f"tokens: [sk_a]\naudiences:\n- campaigns: [{', '.join(['{}'] * 101)}]\n",
            ":3: audiences[0]: campaigns: must have at most 100 items",
        ),
        (
            "a.yaml",
            "tokens: [sk_a]\naudiences:\n- campaigns: [{createdAt: 2025-01-15T10:30:00}]\n",
            ":3: audiences[0]: campaigns[0].createdAt is `2025-01-15T10:30:00`: not a timestamp",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n- createdAt: 1969-12-31T23:59:59Z\n",
            ":3: audiences[0]: createdAt is `1969-12-31T23:59:59Z`: not a timestamp",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n- updatedAt: 0001-01-01T00:00:00+23:00\n",
            ":3: audiences[0]: updatedAt is `0001-01-01T00:00:00+23:00`: not a timestamp",
        ),
        (
            "team.yaml",
            'tokens: [sk_a]\naudiences:\n- campaigns: [{results: {"+1201555010x": failed}}]\n',
            ":3: audiences[0]: campaigns[0].results: `+1201555010x` is not a phone number: write 7 to 15 digits",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n- memberCount: 10001\n",
            ":3: audiences[0]: memberCount is `10001`: must be at most 10000",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n- _id: 650000000000000000000001\n",
            ":3: audiences[0]._id is `650000000000000000000001`: must be text; quote text that looks like another type",
        ),
        (
            "team.json",
            '{"tokens": ["sk_a"], "audiences": [\n{"name": 5}]}',
            ":2: audiences[0].name is `5`: must be text",
        ),
        (
            "team.json",
            '{"tokens": ["sk_a"], "audiences": [\n{"name": "\\ud800"}]}',
            ":2: audiences[0]: a text has half of a surrogate pair",
        ),
        ("team.json", '{"tokens": ["sk_a"], "tokens": ["sk_b"]}', ": not JSON: the key tokens is duplicated"),
        ("team.json", '{"tokens": ' + "9" * 5000 + "}", ": not JSON: Exceeds the limit"),
        ("team.json", '{"a": 1e400}', ": not JSON: `1e400` is no number that JSON can have"),
        ("team.json", '{"a": [NaN]}', ": not JSON: `NaN` is no number that JSON can have"),
        ("team.json", "[" * 100_000, ": not JSON: "),
        ("team.yaml", "[" * 600, ": not YAML: "),
        (
            "team.yaml",
            "tokens: [sk_a]\ngenerate: {members: !!int abc}\n",
            ":2: `abc` is no !!int that JSON can have: corr",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\na: !!bool maybe\n",
            ":2: `maybe` is no !!bool that JSON can have: correct it, or put it in quotes",
        ),
        ("team.yaml", "tokens: [sk_a]\na: !!int ''\n", ":2: an empty text is no !!int that JSON can have"),
        (
            "team.yaml",
            "tokens: [sk_a]\na: [-.inf]\n",
            ":2: `-.inf` is no !!float that JSON can have: correct it, or put it in quotes",
        ),
        ("team.yaml", f"tokens: [sk_a]\na: 0x{'f' * 4000}\n", ":2: `0xffff"),
        ("team.yaml", "tokens: [sk_a]\na: !!timestamp soon\n", ":2: the tag `!!timestamp` is not supported: remove"),
        ("team.yaml", "tokens: [sk_a]\na: !!binary eA==\n", ":2: the tag `!!binary` is not supported: remove it, and"),
        ("team.yaml", "tokens: [sk_a]\na: !own [1]\n", ":2: the tag `!own` is not supported: remove it, and"),
        ("team.yaml", "tokens: [sk_a]\na: &a [[*a]]\n", ":2: the value with this anchor contains itself: re"),
        ("team.yaml", "tokens: [sk_a]\na: &a\n  b: *a\n", ":2: the value with this anchor contains itself"),
        ("team.yaml", "tokens: [*sk_verysecret]\n", ":1: not YAML: found undefined alias 'sk_ver…#38c9cb'"),
        ("team.json", '{\n\t"tokens": ["sk_a"],\n\t"audiences": 7}', ":3: audiences is `7`: must be a list"),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n- omit: [nmae]\n",
            ":3: audiences[0]: omit: an audience has no key `nmae`",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\ngenerate: {audiences: -1}\n",
            ":2: generate.audiences.min is `-1`: must be at least 0",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\ngenerate:\n  audiences: {min: 3, max: 2}\n",
            ":3: generate.audiences: min 3 is greater than max 2",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\ngenerate: {audiences: 1001}\n",
            ":2: generate.audiences is `1001`: must be at most 1000",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\ngenerate: {members: 10001}\n",
            ":2: generate.members is `10001`: must be at most 10000",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\ngenerate: {audiences: true}\n",
            ":2: generate.audiences.min is `true`: must be a whole number",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\ngenerate: {withCampaigns: 2}\n",
            ":2: generate.withCampaigns is `2`: must be at most 1",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\ngenerate: {locale: xx}\n",
            ":2: generate.locale is `xx`: faker has no such locale",
        ),
        ("team.yaml", "tokens: [sk_a]\naudience:\n  - name: x\n", ":2: audience: unknown key"),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n- name: x\n  nam:\n    a: 1\n",
            ":4: audiences[0].nam: unknown key. Did you mean `name`?",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n- name: x\n  campaigns: []\n  createdAt: yesterday\n",
            ":5: audiences[0]: createdAt is `yesterday`: not a timestamp",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n- name: x\n  omit: [nme]\n",
            ":4: audiences[0]: omit: an audience has no key `nme`",
        ),
        (
            "team.json",
            '{"tokens": ["sk_a"], "audiences": [\n{"campaigns": [\n{},\n{"name": "x",\n"createdAt": "now"}]}]}',
            ":5: audiences[0]: campaigns[1].createdAt is `now`: not a timestamp",
        ),
        (
            "team.yaml",
            "tokens: [sk_a]\naudiences:\n- name: x\n  members: []\n  memberCount: 3\n",
            ":5: audiences[0]: memberCount is `3`, but members lists 0",
        ),
        ("team.yaml", "tokens: [sk_a]\norganization: 65a\naudiences: []\n", ":2: organization is `65a`: an id is 24"),
    ],
)
def test_an_error_names_file_line_field_value_and_reason(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = write(tmp_path, text, name)
    with pytest.raises(ConfigError) as caught:
        read_folder(tmp_path)
    assert str(caught.value).startswith(f"{path}{message}")
    assert "\n" not in str(caught.value)


def test_an_error_does_not_repeat_a_token(tmp_path: Path) -> None:
    write(tmp_path, "tokens: [sk_verysecret token]\naudiences: []\n")
    with pytest.raises(ConfigError, match=r":1: tokens\[0\]: a token is one word") as caught:
        read_folder(tmp_path)
    assert "verysecret" not in str(caught.value)


def test_a_folder_without_a_fixture_file_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, "tokens: [sk_a]\naudiences: []\n", "team.txt")
    assert read_folder(tmp_path) == {}
    assert caplog.messages == [f"{tmp_path} has no fixture file: their names end in .json, .yaml, .yml"]


def test_two_files_may_not_name_the_same_token(tmp_path: Path) -> None:
    first = write(tmp_path, "tokens: [sk_verysecret]\naudiences: []\n", "a.yaml")
    write(tmp_path, "tokens: [sk_verysecret]\naudiences: []\n", "b.yaml")
    with pytest.raises(ConfigError, match=rf"b.yaml: tokens: sk_ver…#\w+ is already named in {first}$") as caught:
        read_folder(tmp_path)
    assert "verysecret" not in str(caught.value)


def test_ids_must_be_unique(tmp_path: Path) -> None:
    write(tmp_path, "tokens: [sk_a]\naudiences:\n" + "  - _id: '650000000000000000000001'\n" * 2)
    with pytest.raises(ConfigError, match=r"team\.yaml:2: audiences: the _id 650000000000000000000001 is duplicated$"):
        read_folder(tmp_path)


def test_tokens_of_one_file_must_be_unique(tmp_path: Path) -> None:
    write(tmp_path, "tokens: [sk_verysecret, sk_verysecret]\naudiences: []\n")
    with pytest.raises(ConfigError, match=r"team\.yaml: tokens: sk_ver…#38c9cb is duplicated$"):
        read_folder(tmp_path)


def test_a_file_that_is_not_utf_8_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_bytes(b"tokens: [\xff]")
    with pytest.raises(ConfigError, match=r"team.yaml: not UTF-8: invalid start byte at byte 9$"):
        read_folder(tmp_path)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: the fixtures folder cannot be read: No such file or directory"):
        read_folder(tmp_path / "nowhere")


def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").symlink_to(tmp_path / "gone.yaml")
    with pytest.raises(ConfigError, match=r"team\.yaml: cannot be read: No such file or directory"):
        read_folder(tmp_path)


def test_initial_data_is_cached_within_limits() -> None:
    fixtures = Fixtures(Generator("atoms"), "en_US", max_cached=4)
    one = fixtures.initial_data(caller_for("sk_mock_one"))
    assert fixtures.initial_data(caller_for("sk_mock_one")) is one
    larger = fixtures.initial_data(caller_for("sk_mock_many"))
    assert fixtures.initial_data(caller_for("sk_mock_many")) is larger
    again = fixtures.initial_data(caller_for("sk_mock_one"))
    assert again is not one
    assert again.audiences == one.audiences


def test_imported_data_replaces_fixture_files(tmp_path: Path) -> None:
    write(tmp_path, "tokens: [sk_a]\naudiences: [{_id: '65a000000000000000000001'}]")
    fixtures = Fixtures(Generator("atoms"), "en_US", read_folder(tmp_path))
    file_caller, import_caller = caller_for("sk_a"), caller_for("sk_b")
    assert fixtures.belongs_to_another_tenant(import_caller, "65a000000000000000000001")
    assert not fixtures.belongs_to_another_tenant(file_caller, "65a000000000000000000001")
    imported = FixtureData("sk_…#000000", InitialData([{"_id": "65a000000000000000000002"}]))
    known = [fixtures.initial_data(caller) for caller in (file_caller, import_caller)]
    data = {import_caller.tenant.token_digest: imported}
    assert fixtures.import_data(data, run_without_pauses(find_audience_tokens(data))) == known
    assert [fixtures.has_fixture(caller) for caller in (file_caller, import_caller)] == [False, True]
    assert fixtures.initial_data(import_caller) is imported.initial_data
    assert len(fixtures.initial_data(file_caller).audiences) >= 3
    assert fixtures.belongs_to_another_tenant(file_caller, "65a000000000000000000002")
    assert not fixtures.belongs_to_another_tenant(import_caller, "65a000000000000000000001")
    released = fixtures.import_data(None)
    assert imported.initial_data in released
    assert {import_caller.tenant.token_digest} in released
    assert [fixtures.has_fixture(caller) for caller in (file_caller, import_caller)] == [True, False]
    assert fixtures.initial_data(file_caller).audiences[0]["_id"] == "65a000000000000000000001"


def test_an_audience_may_have_its_own_locale(tmp_path: Path) -> None:
    write(tmp_path, "tokens: [sk_a]\naudiences: [{name: Kunden, locale: de_DE}, {name: Customers}]")
    german, other = (
        Fixtures(Generator("atoms"), "en_US", read_folder(tmp_path)).initial_data(caller_for("sk_a")).audiences
    )
    assert german["locale"] == "de_DE"
    assert "locale" not in api_fields(german)
    assert "locale" not in other


def test_an_unknown_locale_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "tokens: [sk_a]\naudiences: [{locale: de_XX}]")
    with pytest.raises(ConfigError, match=r"audiences\[0\]\.locale is `de_XX`: faker has no such locale"):
        read_folder(tmp_path)


def test_tokens_without_audiences_count_in_the_cache() -> None:
    fixtures = Fixtures(Generator("atoms"), "en_US", max_cached=10)
    first = fixtures.initial_data(caller_for("sk_mock_empty.0"))
    for number in range(1, 10):
        fixtures.initial_data(caller_for(f"sk_mock_empty.{number}"))
    assert fixtures.initial_data(caller_for("sk_mock_empty.0")) is first
    fixtures.initial_data(caller_for("sk_mock_empty.10"))
    fixtures.initial_data(caller_for("sk_mock_empty.11"))
    assert fixtures.initial_data(caller_for("sk_mock_empty.1")) is not first
    assert fixtures.initial_data(caller_for("sk_mock_empty.0")) is first


def test_an_audience_without_the_key_has_campaigns_stays_so() -> None:
    record: AudienceRecord = {"name": "Old", "campaigns": [{"name": "Sale", "status": "completed"}]}
    assert api_fields(record) == {"name": "Old", "campaigns": []}
    assert api_fields({**record, "hasCampaigns": True}) == {"name": "Old", "campaigns": [], "hasCampaigns": False}


@pytest.mark.parametrize(
    ("audiences", "line"),
    [
        ('"a\x7f"', 1),  # YAML does not allow the character
        ("[" * 600 + "]" * 600, 1),
        ("\n" + " " * 600_000 + "1", 1),
        ("\n1", 2),  # the line of the key
    ],
)
def test_an_error_in_unusual_json_names_a_line(tmp_path: Path, audiences: str, line: int) -> None:
    path = write(tmp_path, f'{{"tokens": ["sk_a"],\n"unknown": {audiences}, "audiences": []}}', "team.json")
    with pytest.raises(ConfigError) as caught:
        read_folder(tmp_path)
    assert str(caught.value).startswith(f"{path}:{line}: unknown: ")
