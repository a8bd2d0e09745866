"""Generated data: pure functions of (seed, token, index), with random access.

All randomness is blake2b over the seed, the token and a purpose. It never depends on the order of calls, the clock or
Python's `hash()`. Any machine generates the same bytes in any order of requests.
"""

import math
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from random import Random
from typing import Any, NamedTuple

from mock_atoms.contract.schemas import MAX_MEMBERS
from mock_atoms.core.slices import Steps, collect, run_without_pauses
from mock_atoms.core.tenancy import digest_token
from mock_atoms.core.timestamps import format_timestamp
from mock_atoms.data.models import AudienceRecord, CampaignRecord
from mock_atoms.data.vocabulary import VOCABULARIES, Vocabulary

_FIRST_CREATED = datetime(2024, 1, 8, 7, 0, tzinfo=UTC)
_CREATED_WITHIN = timedelta(days=660)
_UPDATED_WITHIN = timedelta(days=90)
_MINIMUM_SHARE = 0.04
"""Share of the audiences with the minimum number of members."""
_FAKER_PROVIDERS = [f"faker.providers.{name}" for name in ("address", "person")]
_NAME_SAMPLES, _PLACE_SAMPLES = 400, 100
"""Number of names and of places sampled for a locale."""
_COUNTER_RANGE = 1 << 24
"""Number of values of the three counter bytes of an ObjectId."""
_ASCII_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "\u0131": "i"})
"""Letters that Unicode does not decompose, and what they become in email addresses."""
_PLACES = {
    # Regions, for locales whose towns faker builds from surnames or orders by Python's hash seed (it_IT).
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
    """Options for the generated audiences of a token.

    Attributes:
        locale: faker locale, also of names and descriptions.
        audiences: minimum and maximum number of audiences.
        members: minimum and maximum number of members of an audience.
        with_campaigns: share of the audiences with members that an active campaign uses.
        organization: id of the organisation; `None` derives one from the token.
    """

    locale: str
    audiences: tuple[int, int] = (3, 12)
    members: tuple[int, int] = (0, MAX_MEMBERS)
    with_campaigns: float = 0.4
    organization: str | None = None


class Name(NamedTuple):
    """A name, and its ASCII letters for an email address; empty if it has none."""

    text: str
    ascii: str


class Names(NamedTuple):
    """Names and places of a locale.

    Attributes:
        first: first names.
        last: last names.
        places: cities or regions.
        kind: kind of these places, such as `city` or `state`.
    """

    first: tuple[Name, ...]
    last: tuple[Name, ...]
    places: tuple[str, ...]
    kind: str


class _Constants(NamedTuple):
    """What all audiences of a token have in common.

    Attributes:
        audience_bits: returns the pseudo-random bits of an audience, given its index.
        organization: id of the organisation.
        user: id of the user.
        id_marker: see `Generator.id_marker`.
        first_id: counter of the id of the first audience.
        vocabulary: words of the locale.
        first_pair: number of the pair of segment and name format of the first audience.
        stride: distance between the pairs of two audiences.
    """

    audience_bits: Callable[[int], int]
    organization: str
    user: str
    id_marker: str
    first_id: int
    vocabulary: Vocabulary
    first_pair: int
    stride: int


def object_id(created: datetime, bits: int) -> str:
    """Return an ObjectId: the creation time in seconds, then 64 bits."""
    return f"{int(created.timestamp()):08x}{bits:016x}"


class SequentialIds:
    """ObjectIds as MongoDB makes them: 4 bytes of creation time, 5 that mark their maker, 3 of a counter.

    Args:
        created: creation time of all of them.
        marker: ten hexadecimal digits that mark their maker.
        first: first value of the counter, which wraps around.
    """

    def __init__(self, created: datetime, marker: str, first: int) -> None:
        self._prefix = f"{int(created.timestamp()):08x}{marker}"
        self._first = first

    def __getitem__(self, index: int) -> str:
        return f"{self._prefix}{(self._first + index) % _COUNTER_RANGE:06x}"

    def index(self, object_id: str) -> int | None:
        """Return the index of `object_id`, `None` if it is not one of these."""
        if len(object_id) != len(self._prefix) + 6 or not object_id.startswith(self._prefix):
            return None
        return (int(object_id[len(self._prefix) :], 16) - self._first) % _COUNTER_RANGE


class Generator:
    """Generates audiences from a seed. It builds one `Faker` per locale when it is first needed."""

    def __init__(self, seed: str) -> None:
        self._key = blake2b(seed.encode(), digest_size=32).digest()
        self._request_hash = blake2b(b"request\0", digest_size=16, key=self._key)
        self._fakers: dict[str, Any] = {}
        self._names: dict[str, Names] = {}

    def prepare(self, locale: str) -> None:
        """Build the `Faker` of `locale` now, to speed up the first request."""
        self._faker(locale)

    def random_bits(self, token: str, purpose: str, index: int = 0) -> int:
        """Return 64 pseudo-random bits that depend only on the seed and the arguments."""
        return self.random_bits_by_index(token, purpose)(index)

    def random_bits_by_index(self, *purpose: str) -> Callable[[int], int]:
        """Return a function from an index to pseudo-random bits, faster than `random_bits` for many indexes."""
        prefix = blake2b("\0".join([*purpose, ""]).encode(), digest_size=8, key=self._key)

        def bits(index: int) -> int:
            copy = prefix.copy()
            copy.update(b"%d" % index)
            return int.from_bytes(copy.digest(), "big")

        return bits

    def request_id(self, tenant: bytes, number: int) -> str:
        """Return the id of request `number` of a tenant, a UUID that depends only on both and the seed."""
        digest = self._request_hash.copy()
        digest.update(b"%d\0%b" % (number, tenant))
        text = digest.hexdigest()
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"  # version 4, of RFC 9562's variant

    def audience_count(self, token: str, options: GeneratorOptions) -> int:
        """Return the number of audiences of `token`."""
        minimum, maximum = options.audiences
        return minimum + self.random_bits(token, "count") % (maximum - minimum + 1)

    def id_marker(self, token_digest: bytes) -> str:
        """Return the ten hexadecimal digits in the middle of all audience ids of one token.

        The last six are a checksum of the first four: they show that this server generated an id, for any token.
        """
        marker = self.random_bits(token_digest.hex(), "machine") % (1 << 16)
        return f"{marker:04x}{self._checksum(marker):06x}"

    def is_generated_id(self, audience_id: str) -> bool:
        """Return whether this server generates `audience_id` for any token."""
        return int(audience_id[12:18], 16) == self._checksum(int(audience_id[8:12], 16))

    def _checksum(self, marker: int) -> int:
        return self.random_bits("", "seal", marker) % (1 << 24)

    def audience_id(self, token: str, created: datetime, index: int) -> str:
        """Return the id of audience `index` of `token`."""
        return SequentialIds(created, self.id_marker(digest_token(token)), self.random_bits(token, "id"))[index]

    def names(self, locale: str) -> Names:
        """Return the names and places of `locale`."""
        if locale not in self._names:
            fake = self._faker(locale)
            fake.seed_instance(self.random_bits(locale, "names"))
            kind = _PLACES.get(locale, "city")
            place = getattr(fake, kind)
            self._names[locale] = Names(
                tuple(_name(text) for text in dict.fromkeys(fake.first_name() for _ in range(_NAME_SAMPLES))),
                tuple(_name(text) for text in dict.fromkeys(fake.last_name() for _ in range(_NAME_SAMPLES))),
                tuple(dict.fromkeys(str(place()) for _ in range(_PLACE_SAMPLES))),
                "state" if kind == "estado_nome" else kind,
            )
        return self._names[locale]

    def organization(self, token: str) -> str:
        """Return the id of the organisation of `token`."""
        return object_id(_FIRST_CREATED - timedelta(days=40), self.random_bits(token, "organization"))

    def user(self, token: str) -> str:
        """Return the id of the user of `token`."""
        return object_id(_FIRST_CREATED - timedelta(days=39), self.random_bits(token, "user"))

    def audiences(self, token: str, options: GeneratorOptions) -> list[AudienceRecord]:
        """Return all audiences of `token`, oldest first."""
        return run_without_pauses(self.audience_steps(token, options))

    def audience_steps(self, token: str, options: GeneratorOptions) -> Steps[list[AudienceRecord]]:
        """Return the same as `audiences`, one in each step."""
        count, constants = self.audience_count(token, options), self._constants(token, options)
        return (yield from collect(self._audience(constants, index, count, options) for index in range(count)))

    def audience(self, token: str, index: int, count: int, options: GeneratorOptions) -> AudienceRecord:
        """Return audience `index` of the `count` audiences of `token`, with every documented key."""
        return self._audience(self._constants(token, options), index, count, options)

    def _audience(self, constants: "_Constants", index: int, count: int, options: GeneratorOptions) -> AudienceRecord:
        fake = self._faker(options.locale)
        fake.seed_instance(constants.audience_bits(index))
        rng: Random = fake.random
        interval = _CREATED_WITHIN / count
        created = _truncate_to_ms(_FIRST_CREATED + index * interval + rng.random() * interval)
        updated = _truncate_to_ms(created + rng.random() * _UPDATED_WITHIN)
        place = str(getattr(fake, _PLACES.get(options.locale, "city"))())
        vocabulary = constants.vocabulary
        # Each token has its own order of all pairs. A segment repeats only after all other segments.
        pair = (constants.first_pair + index * constants.stride) % (len(vocabulary.segments) * len(vocabulary.names))
        pattern, segment = divmod(pair, len(vocabulary.segments))
        name, description = vocabulary.segments[segment]
        values = {"place": place, "quarter": _quarter(vocabulary.quarter, created), "segment": name}
        members = _skewed_integer(rng, *options.members)
        campaigns: list[CampaignRecord] = []
        if members and rng.random() < options.with_campaigns:
            for name_format in rng.sample(vocabulary.campaigns, rng.choice((1, 1, 1, 2, 3))):
                start = _truncate_to_ms(created + rng.random() * (updated - created))
                campaigns.append(
                    {
                        "_id": object_id(start, rng.getrandbits(64)),
                        "name": name_format.format_map(values),
                        "status": "active",
                        "createdAt": format_timestamp(start),
                    }
                )
        return {
            "_id": SequentialIds(created, constants.id_marker, constants.first_id)[index],
            "name": vocabulary.names[pattern].format_map(values),
            "description": description.format_map(values),
            "phoneNumberColumnName": rng.choice(vocabulary.phone_columns),
            "organization": constants.organization,
            "createdBy": constants.user,
            "createdAt": format_timestamp(created),
            "updatedAt": format_timestamp(updated),
            "memberCount": members,
            "hasCampaigns": bool(campaigns),
            "campaigns": campaigns,
        }

    def _constants(self, token: str, options: GeneratorOptions) -> "_Constants":
        vocabulary = VOCABULARIES.get(options.locale.partition("_")[0], VOCABULARIES["en"])
        pairs = len(vocabulary.segments) * len(vocabulary.names)
        stride = 1 + self.random_bits(token, "stride") % (pairs - 1)
        while math.gcd(stride, pairs) != 1:
            stride += 1
        return _Constants(
            audience_bits=self.random_bits_by_index(token, "audience"),
            organization=options.organization or self.organization(token),
            user=self.user(token),
            id_marker=self.id_marker(digest_token(token)),
            first_id=self.random_bits(token, "id"),
            vocabulary=vocabulary,
            first_pair=self.random_bits(token, "start"),
            stride=stride,
        )

    def _faker(self, locale: str) -> Any:  # noqa: ANN401 - its providers add its methods while running
        if locale not in self._fakers:
            from faker import Factory  # noqa: PLC0415 - a third of start-up time, spared if nothing is generated

            # Weighted names cost ten times as much.
            self._fakers[locale] = Factory.create(locale, _FAKER_PROVIDERS, use_weighting=False)
        return self._fakers[locale]


def _name(text: str) -> Name:
    text = text.strip()  # some names of faker end with a blank
    plain = unicodedata.normalize("NFKD", text.lower().translate(_ASCII_LETTERS)).encode("ascii", "ignore").decode()
    return Name(text, "".join(character for character in plain if character.isalnum()))


def _truncate_to_ms(timestamp: datetime) -> datetime:
    return timestamp.replace(microsecond=timestamp.microsecond // 1000 * 1000)


def _quarter(pattern: str, timestamp: datetime) -> str:
    return pattern.format(q=(timestamp.month + 2) // 3, year=timestamp.year)


def _skewed_integer(rng: Random, minimum: int, maximum: int) -> int:
    """Return a random integer, both bounds included: rarely the minimum, mostly hundreds, sometimes thousands."""
    width = maximum - minimum
    if rng.random() < _MINIMUM_SHARE:
        return minimum
    bits = rng.randint(width.bit_length() // 2, width.bit_length())
    return minimum + rng.getrandbits(bits) % (width + 1)
