"""Personas: initial data of magic keys such as `sk_mock_many`."""

from collections.abc import Callable
from dataclasses import replace
from itertools import chain

from mock_atoms.contract.campaigns import CampaignDetail
from mock_atoms.contract.schemas import Audience, Campaign
from mock_atoms.core.slices import Steps
from mock_atoms.core.tenancy import magic_word
from mock_atoms.data.generator import Generator, GeneratorOptions
from mock_atoms.data.models import AudienceRecord

MANY = 1000

Persona = Callable[[Generator, str, GeneratorOptions], Steps[list[AudienceRecord]]]

_UNICODE_NAMES = (
    "عملاء الربيع – القاهرة",  # right to left
    "לקוחות חוזרים 2025 (VIP)",  # right to left with digits and Latin inside
    "👩🏽\u200d💻 Développeuses 🇫🇷 🏳️\u200d🌈",  # joined emoji, skin tone, flags
    "Cafe\u0301 re\u0301gulier, A\u030angstro\u0308m",  # combining marks, not normalised
    "Z\u0351\u036ba\u0363\u0321l\u0334g\u0322o\u0489 leads",  # stacked marks
    "東京のお客様・𠮷野家",  # a character outside the basic plane
    "ग्राहक सूची – क्षेत्र १",  # conjuncts and native digits
    "x",  # one character
    "Ж" * 500,  # 500 characters
    "İstanbul ıspanak straße ﬁ",  # letters whose case folding surprises
    "Line\u2028separator, no\u00a0break, zero\u200bwidth",
    "<b>Bold</b> & \"quoted\" 'names' =1+1 \\ /",  # text, never markup or formula
)


def find_persona(token: str) -> Persona | None:
    """Return the persona of a magic key, or `None` for other tokens."""
    return _PERSONAS.get(magic_word(token) or "")


def _empty(_generator: Generator, _token: str, _options: GeneratorOptions) -> Steps[list[AudienceRecord]]:
    yield
    return []


def _one(generator: Generator, token: str, options: GeneratorOptions) -> Steps[list[AudienceRecord]]:
    return (yield from generator.audience_steps(token, replace(options, audiences=(1, 1))))


def _many(generator: Generator, token: str, options: GeneratorOptions) -> Steps[list[AudienceRecord]]:
    return (yield from generator.audience_steps(token, replace(options, audiences=(MANY, MANY))))


def _sparse(generator: Generator, token: str, options: GeneratorOptions) -> Steps[list[AudienceRecord]]:
    """Omit each documented key once, then all of them: no key is required (S)."""
    audience_keys, campaign_keys = list(Audience.__annotations__), list(Campaign.__annotations__)
    count = len(audience_keys) + len(campaign_keys) + 2
    audiences = yield from generator.audience_steps(
        token, replace(options, audiences=(count, count), members=(1, options.members[1]), with_campaigns=1.0)
    )
    remaining = iter(audiences)
    for key in audience_keys:
        next(remaining)["omit"] = [key]
    for key in campaign_keys:
        del next(remaining)["campaigns"][0][key]  # type: ignore[misc] # the key comes from the shape's own annotations
    next(remaining)["campaigns"][0] = {}
    audiences[-1]["omit"] = audience_keys
    omitted = [*([key] for key in CampaignDetail.__annotations__), [*CampaignDetail.__annotations__]]
    campaigns = chain.from_iterable(audience["campaigns"] for audience in audiences)
    for campaign, keys in zip(campaigns, omitted, strict=False):
        campaign["omit"] = keys
    return audiences


def _unicode(generator: Generator, token: str, options: GeneratorOptions) -> Steps[list[AudienceRecord]]:
    count = len(_UNICODE_NAMES)
    audiences = yield from generator.audience_steps(token, replace(options, audiences=(count, count)))
    for audience, name in zip(audiences, _UNICODE_NAMES, strict=True):
        audience["name"] = name
        audience["description"] = f"{name} ✓"
    return audiences


def _without_campaigns(generator: Generator, token: str, options: GeneratorOptions) -> Steps[list[AudienceRecord]]:
    return (yield from generator.audience_steps(token, replace(options, with_campaigns=0.0)))


def has_campaigns_in_plan(token: str) -> bool:
    """Return whether campaign operations work with `token`: with all but `sk_mock_noplan`."""
    return magic_word(token) != "noplan"


_PERSONAS: dict[str, Persona] = {
    "test": Generator.audience_steps,
    "empty": _empty,
    "one": _one,
    "many": _many,
    "sparse": _sparse,
    "unicode": _unicode,
    "noplan": _without_campaigns,
}
