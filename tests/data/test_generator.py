import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from mock_atoms.contract.schemas import Audience, Campaign
from mock_atoms.core.json_stream import render_json
from mock_atoms.core.timestamps import format_timestamp
from mock_atoms.data.generator import Generator, GeneratorOptions, object_id
from mock_atoms.data.models import AudienceRecord
from mock_atoms.data.vocabulary import VOCABULARIES

GOLDEN = Path(__file__).parent / "golden"
TOKENS = [f"sk_team_{number}" for number in range(60)]


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator("atoms")


def audiences(generator: Generator, locale: str = "en_US") -> list[AudienceRecord]:
    return [audience for token in TOKENS for audience in generator.audiences(token, GeneratorOptions(locale))]


@pytest.mark.parametrize(
    ("seed", "token", "locale"),
    [
        ("atoms", "sk_acme", "en_US"),
        ("other", "sk_acme", "en_US"),
        ("atoms", "sk_acme", "de_DE"),
        ("atoms", "sk_acme", "ja_JP"),
        ("atoms", "sk_acme", "it_IT"),
        ("atoms", "sk_globex", "sv_SE"),
    ],
)
def test_generated_bytes_match_the_golden_file(seed: str, token: str, locale: str) -> None:
    golden = (GOLDEN / f"{seed}-{token}-{locale}.json").read_bytes()
    assert render_json(Generator(seed).audiences(token, GeneratorOptions(locale))) == golden


def test_generated_bytes_do_not_depend_on_the_order_of_calls(generator: Generator) -> None:
    options = GeneratorOptions("en_US")
    forwards = [render_json(generator.audiences(token, options)) for token in TOKENS]
    backwards = [render_json(generator.audiences(token, options)) for token in reversed(TOKENS)]
    assert forwards == backwards[::-1]
    alone = generator.audience("sk_team_7", 2, generator.audience_count("sk_team_7", options), options)
    assert alone == generator.audiences("sk_team_7", options)[2]


DIGEST_EVERY_LOCALE = """
import hashlib, warnings
warnings.simplefilter("ignore")  # faker's own, about names of locales it means to drop
from faker.config import AVAILABLE_LOCALES
from mock_atoms.core.json_stream import render_json
from mock_atoms.data.generator import Generator, GeneratorOptions
from mock_atoms.data.members import GeneratedMembers
for locale in sorted(AVAILABLE_LOCALES):
    generator = Generator("atoms")
    audiences = generator.audiences("sk_acme", GeneratorOptions(locale, audiences=(60, 60)))
    generated = (GeneratedMembers(generator, audience, locale) for audience in audiences)
    members = [audience_members.member(index) for audience_members in generated for index in range(5)]
    print(locale, hashlib.sha256(render_json([audiences, members])).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_every_locale_has_the_same_bytes_with_any_faker_in_any_process(hash_seed: str) -> None:
    """Faker's lists grow from release to release, and some are sets, whose order follows Python's hash seed."""
    digests = subprocess.run(
        [sys.executable, "-c", DIGEST_EVERY_LOCALE],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert digests == (GOLDEN / "every-locale.txt").read_text(encoding="utf-8")


def test_each_token_and_seed_has_its_own_bytes(generator: Generator) -> None:
    options = GeneratorOptions("en_US")
    bodies = {render_json(generator.audiences(token, options)) for token in TOKENS}
    assert len(bodies) == len(TOKENS)
    assert render_json(Generator("other").audiences("sk_team_0", options)) not in bodies


def test_a_token_has_3_to_12_audiences(generator: Generator) -> None:
    counts = {len(generator.audiences(token, GeneratorOptions("en_US"))) for token in TOKENS}
    assert counts == set(range(3, 13))


def test_an_audience_has_every_documented_key(generator: Generator) -> None:
    for audience in audiences(generator):
        assert list(audience) == list(Audience.__annotations__)
        for campaign in audience["campaigns"]:
            assert list(campaign) == list(Campaign.__annotations__)


def test_an_audience_is_consistent(generator: Generator) -> None:
    for audience in audiences(generator):
        assert audience["createdAt"] <= audience["updatedAt"]
        assert int(audience["_id"][:8], 16) == int(datetime.fromisoformat(audience["createdAt"]).timestamp())
        assert 0 <= audience["memberCount"] <= 10_000
        assert audience["hasCampaigns"] == bool(audience["campaigns"])
        assert audience["memberCount"] or not audience["campaigns"]
        for campaign in audience["campaigns"]:
            assert audience["createdAt"] <= campaign["createdAt"] <= audience["updatedAt"]
            assert int(campaign["_id"][:8], 16) == int(datetime.fromisoformat(campaign["createdAt"]).timestamp())
            assert campaign["status"] == "active"
        assert len({campaign["name"] for campaign in audience["campaigns"]}) == len(audience["campaigns"])


def test_audiences_vary(generator: Generator) -> None:
    generated = audiences(generator)
    assert 0.02 < sum(not audience["memberCount"] for audience in generated) / len(generated) < 0.1
    assert 200 < median(audience["memberCount"] for audience in generated) < 1000
    assert 0.2 < sum(audience["hasCampaigns"] for audience in generated) / len(generated) < 0.5
    assert {len(audience["campaigns"]) for audience in generated} == {0, 1, 2, 3}
    assert len({audience["phoneNumberColumnName"] for audience in generated}) >= 5
    assert max(audience["memberCount"] for audience in generated) > 5_000


@pytest.mark.parametrize("token", TOKENS)
def test_the_audiences_of_a_token_share_a_user_and_have_distinct_names(generator: Generator, token: str) -> None:
    generated = generator.audiences(token, GeneratorOptions("en_US"))
    assert len({(audience["organization"], audience["createdBy"]) for audience in generated}) == 1
    assert len({audience["_id"] for audience in generated}) == len(generated)
    assert len({audience["name"] for audience in generated}) == len(generated)
    assert all(older["createdAt"] < newer["createdAt"] for older, newer in pairwise(generated))


def test_a_quarter_in_a_name_is_the_quarter_of_creation(generator: Generator) -> None:
    dated = [
        audience for audience in audiences(generator) if " Q" in f" {audience['name']}" and "20" in audience["name"]
    ]
    assert len(dated) > 50
    for audience in dated:
        created = datetime.fromisoformat(audience["createdAt"])
        assert f"Q{(created.month + 2) // 3} {created.year}" in audience["name"]


def test_no_placeholder_is_left(generator: Generator) -> None:
    for locale in ("en_GB", "de_AT", "fr_CA", "es_MX", "pt_PT", "hi_IN", "ja_JP", "ko_KR"):
        assert b"{place}" not in (body := render_json(audiences(generator, locale)))
        assert b"{quarter}" not in body
        assert b"{segment}" not in body


def test_the_locale_decides_the_language(generator: Generator) -> None:
    german = {segment for segment, _ in VOCABULARIES["de"].segments}
    for audience in generator.audiences("sk_acme", GeneratorOptions("de_DE")):
        assert any(segment in audience["name"] for segment in german)


def test_generator_options_apply(generator: Generator) -> None:
    options = GeneratorOptions("en_US", audiences=(4, 4), members=(10, 20), with_campaigns=1.0, organization="a" * 24)
    generated = generator.audiences("sk_acme", options)
    assert len(generated) == 4
    assert all(10 <= audience["memberCount"] <= 20 for audience in generated)
    assert all(audience["campaigns"] for audience in generated)
    assert {audience["organization"] for audience in generated} == {"a" * 24}


def test_object_ids_and_timestamps_have_the_documented_form() -> None:
    timestamp = datetime(2025, 1, 15, 10, 30, 0, 5999, tzinfo=UTC)
    assert format_timestamp(timestamp) == "2025-01-15T10:30:00.005Z"
    assert object_id(timestamp, 0xCA) == "67878e2800000000000000ca"
    assert object_id(timestamp, 2**64 - 1) == "67878e28" + "f" * 16


def test_audiences_survive_json(generator: Generator) -> None:
    generated = generator.audiences("sk_acme", GeneratorOptions("ar_SA"))
    assert json.loads(render_json(generated)) == generated


@pytest.mark.parametrize(
    ("locale", "letter", "ascii_letters"),
    [("pl_PL", "ł", "l"), ("da_DK", "ø", "o"), ("da_DK", "æ", "ae"), ("de_DE", "ß", "ss"), ("tr_TR", "\u0131", "i")],
)
def test_letters_stay_in_the_ascii_form_of_a_name(
    generator: Generator, locale: str, letter: str, ascii_letters: str
) -> None:
    names = generator.names(locale)
    with_letter = [name for name in (*names.first, *names.last) if letter in name.text.lower()]
    assert with_letter
    for name in with_letter:
        assert len(name.ascii) >= len([each for each in name.text if each.isalpha()])
        assert ascii_letters in name.ascii


@pytest.mark.parametrize("locale", ["es_AR", "az_AZ"])
def test_names_have_no_blanks_around_them(generator: Generator, locale: str) -> None:
    names = generator.names(locale)
    assert [name.text for name in (*names.first, *names.last) if name.text != name.text.strip()] == []
