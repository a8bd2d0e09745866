"""Generated data: pure functions of (seed, token, index), with random access.

Every draw comes from blake2b over the seed, the token and what the draw is for, never from the order of calls,
the clock or Python's `hash()`, so that any machine gives the same bytes in any order of requests.
"""

import math
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from mock_atoms.contract.schemas import MAX_MEMBERS, Campaign
from mock_atoms.core.tenancy import digest_token
from mock_atoms.core.timestamps import format_timestamp
from mock_atoms.data.models import AudienceRecord
from mock_atoms.data.vocabulary import VOCABULARIES

if TYPE_CHECKING:
    from faker import Faker

_FIRST_CREATED = datetime(2024, 1, 8, 7, 0, tzinfo=UTC)
_CREATED_WITHIN = timedelta(days=660)
_UPDATED_WITHIN = timedelta(days=90)
_SHARE_OF_LEAST = 0.04
_FAKER_PROVIDERS = [f"faker.providers.{name}" for name in ("address", "person")]
_NAMES, _TOWNS = 400, 100
"""How often names and places are drawn for those that people of a locale have."""
_COUNTER_RANGE = 1 << 24
"""How many ids the three bytes of an ObjectId's counter tell apart."""
_PLACES = {
    # Where faker makes towns up out of surnames, or orders them by Python's hash seed (it_IT), regions serve.
    "en_US": "state",
    "en_CA": "province",
    "en_AU": "state",
    "en_GB": "county",
    "fr_FR": "region",
    "it_IT": "state",
    "es_MX": "state",
    "pt_BR": "estado_nome",
}


@dataclass(frozen=True, slots=True)
class GeneratorOptions:
    """What a tenant's generated audiences are like.

    Attributes:
        locale: faker locale; its language is the language of names and descriptions.
        audiences: fewest and most audiences of a token.
        members: fewest and most members of an audience.
        with_campaigns: share of the audiences that have members which an active campaign uses.
        organization: id of the organisation, or `None` for one derived from the token.
    """

    locale: str
    audiences: tuple[int, int] = (3, 12)
    members: tuple[int, int] = (0, MAX_MEMBERS)
    with_campaigns: float = 0.4
    organization: str | None = None


class Name(NamedTuple):
    """A name, and how it is written in an address: in ASCII, empty where that cannot be."""

    text: str
    ascii: str


class Names(NamedTuple):
    """What people of a locale are called, and where they live.

    Attributes:
        first: first names.
        last: last names.
        places: where they live.
        kind: what sort of places these are, such as `city` or `state`.
    """

    first: tuple[Name, ...]
    last: tuple[Name, ...]
    places: tuple[str, ...]
    kind: str


def object_id(moment: datetime, low: int) -> str:
    """Return the ObjectId made at `moment`: its seconds, then the 64 bits of `low`."""
    return f"{int(moment.timestamp()):08x}{low:016x}"


class SequentialIds:
    """ObjectIds as MongoDB makes them: the seconds of a moment, 5 bytes of who makes them, 3 of a counter.

    Args:
        moment: when they are made.
        machine: ten hexadecimal digits that stand for who makes them.
        first: where the counter begins, which goes round.
    """

    def __init__(self, moment: datetime, machine: str, first: int) -> None:
        self._connection_hash = f"{int(moment.timestamp()):08x}{machine}"
        self._first = first

    def __getitem__(self, index: int) -> str:
        return f"{self._connection_hash}{(self._first + index) % _COUNTER_RANGE:06x}"

    def index(self, object_id: str) -> int | None:
        """Return the index of `object_id`, `None` where it is not one of these."""
        if len(object_id) != len(self._connection_hash) + 6 or not object_id.startswith(self._connection_hash):
            return None
        return (int(object_id[len(self._connection_hash) :], 16) - self._first) % _COUNTER_RANGE


class Generator:
    """Makes audiences from a seed. One `Faker` a locale is built when first needed, and shared."""

    def __init__(self, seed: str) -> None:
        self._key = blake2b(seed.encode(), digest_size=32).digest()
        self._requests = blake2b(b"request\0", digest_size=16, key=self._key)
        self._fakers: dict[str, Faker] = {}
        self._names: dict[str, Names] = {}

    def prepare(self, locale: str) -> None:
        """Build the `Faker` of `locale` now, so that the first request need not."""
        self._faker(locale)

    def random_bits(self, token: str, purpose: str, index: int = 0) -> int:
        """Return 64 bits that depend on nothing but the seed and the arguments."""
        return self.random_bits_by_index(token, purpose)(index)

    def random_bits_by_index(self, *purpose: str) -> Callable[[int], int]:
        """Return a function from an index to 64 bits that depend on it, the seed and `purpose`: quicker than `draw`."""
        stem = blake2b("\0".join([*purpose, ""]).encode(), digest_size=8, key=self._key)

        def draw(index: int) -> int:
            branch = stem.copy()
            branch.update(b"%d" % index)
            return int.from_bytes(branch.digest(), "big")

        return draw

    def request_id(self, tenant: bytes, number: int) -> str:
        """Return the id of a tenant's request number `number`: a UUID that depends on nothing but that and the seed."""
        branch = self._requests.copy()
        branch.update(b"%d\0%b" % (number, tenant))
        text = branch.hexdigest()
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"  # version 4, of RFC 9562's variant

    def audience_count(self, token: str, options: GeneratorOptions) -> int:
        """Return how many audiences `token` has."""
        least, most = options.audiences
        return least + self.random_bits(token, "count") % (most - least + 1)

    def id_marker(self, token_digest: bytes) -> str:
        """Return the ten digits in the middle of the ids of all audiences that one token holds.

        The last six follow from the first four, by the seed: so it can be told of an id whether this server gave it
        to anybody, without asking what they hold.

        Args:
            token_digest: what stands for the token.
        """
        mark = self.random_bits(token_digest.hex(), "machine") % (1 << 16)
        return f"{mark:04x}{self._checksum(mark):06x}"

    def is_generated_id(self, audience_id: str) -> bool:
        """Tell whether `audience_id` is one that this server gave to somebody, or would."""
        return int(audience_id[12:18], 16) == self._checksum(int(audience_id[8:12], 16))

    def _checksum(self, mark: int) -> int:
        return self.random_bits("", "seal", mark) % (1 << 24)

    def audience_id(self, token: str, moment: datetime, index: int) -> str:
        """Return the id of audience `index` of `token`, created at `moment`."""
        return SequentialIds(moment, self.id_marker(digest_token(token)), self.random_bits(token, "id"))[index]

    def names(self, locale: str) -> Names:
        """Return the names and places of people of `locale`."""
        if locale not in self._names:
            fake = self._faker(locale)
            fake.seed_instance(self.random_bits(locale, "names"))
            kind = _PLACES.get(locale, "city")
            place = getattr(fake, kind)
            self._names[locale] = Names(
                tuple(_name(text) for text in dict.fromkeys(fake.first_name() for _ in range(_NAMES))),
                tuple(_name(text) for text in dict.fromkeys(fake.last_name() for _ in range(_NAMES))),
                tuple(dict.fromkeys(str(place()) for _ in range(_TOWNS))),
                "state" if kind == "estado_nome" else kind,
            )
        return self._names[locale]

    def organization(self, token: str) -> str:
        """Return the id of the organisation of `token`."""
        return object_id(_FIRST_CREATED - timedelta(days=40), self.random_bits(token, "organization"))

    def user(self, token: str) -> str:
        """Return the id of the user whose token it is."""
        return object_id(_FIRST_CREATED - timedelta(days=39), self.random_bits(token, "user"))

    def audiences(self, token: str, options: GeneratorOptions) -> list[AudienceRecord]:
        """Return all audiences of `token`, oldest first."""
        count = self.audience_count(token, options)
        return [self.audience(token, index, count, options) for index in range(count)]

    def audience(self, token: str, index: int, count: int, options: GeneratorOptions) -> AudienceRecord:
        """Return audience `index` of the `count` that `token` has, with every documented key."""
        fake = self._faker(options.locale)
        fake.seed_instance(self.random_bits(token, "audience", index))
        rng: Random = fake.random
        step = _CREATED_WITHIN / count
        created = _whole_ms(_FIRST_CREATED + index * step + rng.random() * step)
        updated = _whole_ms(created + rng.random() * _UPDATED_WITHIN)
        place = str(getattr(fake, _PLACES.get(options.locale, "city"))())
        words = VOCABULARIES.get(options.locale.partition("_")[0], VOCABULARIES["en"])
        segment, pattern = self._combination(token, index, len(words.segments), len(words.names))
        name, description = words.segments[segment]
        slots = {"place": place, "quarter": _quarter(words.quarter, created), "segment": name}
        members = _skewed(rng, *options.members)
        campaigns: list[Campaign] = []
        if members and rng.random() < options.with_campaigns:
            for campaign in rng.sample(words.campaigns, rng.choice((1, 1, 1, 2, 3))):
                start = _whole_ms(created + rng.random() * (updated - created))
                campaigns.append(
                    {
                        "_id": object_id(start, rng.getrandbits(64)),
                        "name": campaign.format_map(slots),
                        "status": "active",
                        "createdAt": format_timestamp(start),
                    }
                )
        return {
            "_id": self.audience_id(token, created, index),
            "name": words.names[pattern].format_map(slots),
            "description": description.format_map(slots),
            "phoneNumberColumnName": rng.choice(words.phone_columns),
            "organization": options.organization or self.organization(token),
            "createdBy": self.user(token),
            "createdAt": format_timestamp(created),
            "updatedAt": format_timestamp(updated),
            "memberCount": members,
            "hasCampaigns": bool(campaigns),
            "campaigns": campaigns,
        }

    def _combination(self, token: str, index: int, segments: int, names: int) -> tuple[int, int]:
        """Walk all pairs of segment and name pattern in an order of the token's own.

        No pair comes twice before all have come, and no segment twice before all segments have.
        """
        pairs = segments * names
        stride = 1 + self.random_bits(token, "stride") % (pairs - 1)
        while math.gcd(stride, pairs) != 1:
            stride += 1
        pattern, segment = divmod((self.random_bits(token, "start") + index * stride) % pairs, segments)
        return segment, pattern

    def _faker(self, locale: str) -> "Faker":
        if locale not in self._fakers:
            from faker import Faker  # noqa: PLC0415 - a third of start-up time, spared where nothing is generated

            # Weighted names cost ten times as much and serve nothing here.
            self._fakers[locale] = Faker(locale, _FAKER_PROVIDERS, use_weighting=False)
        return self._fakers[locale]


def _name(text: str) -> Name:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return Name(text, "".join(character for character in plain if character.isalnum()))


def _whole_ms(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _quarter(pattern: str, moment: datetime) -> str:
    return pattern.format(q=(moment.month + 2) // 3, year=moment.year)


def _skewed(rng: Random, least: int, most: int) -> int:
    """Draw between `least` and `most`, both included: seldom nothing, mostly some hundreds, at times thousands."""
    width = most - least
    if rng.random() < _SHARE_OF_LEAST:
        return least
    bits = rng.randint(width.bit_length() // 2, width.bit_length())
    return least + rng.getrandbits(bits) % (width + 1)
