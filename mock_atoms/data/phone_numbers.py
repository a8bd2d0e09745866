"""Phone numbers: which ones the API accepts, and fictional ones, from the ranges that regulators reserve for fiction.

Sources of the ranges, by country:

- North American Numbering Plan: 555-0100 to 555-0199 of every area code (NANPA)
- United Kingdom: Ofcom's numbers for drama
- Australia: ACMA's fictitious numbers
- France: ARCEP's numbers for audiovisual works
- Germany: Bundesnetzagentur's Drama Numbers
- Ireland: ComReg's 020 91X
- Sweden: PTS's numbers for books and films

A country without enough reserved numbers gets North American ones.
"""

import re
from bisect import bisect_right
from functools import cached_property
from itertools import accumulate
from math import gcd
from typing import NamedTuple

NORTH_AMERICA = "US"
_PHONE_NUMBER = re.compile(r"\+?[1-9]\d{6,14}", re.ASCII)

_US = (
    "201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 224 225 228 229 231 234 239 240 248 251 252 "
    "253 254 256 260 262 267 269 270 276 281 301 302 303 304 305 307 308 309 310 312 313 314 315 316 317 318 319 320 "
    "321 323 325 330 334 336 337 347 351 352 360 361 386 401 402 404 405 406 407 408 409 410 412 413 414 415 417 419 "
    "423 425 432 434 435 440 443 469 478 479 480 484 501 502 503 504 505 507 508 509 510 512 513 515 516 517 518 520 "
    "530 540 541 551 559 561 562 563 567 570 571 573 574 580 585 586 601 602 603 605 606 607 608 609 610 612 614 615 "
    "616 617 618 619 620 623 626 630 631 636 641 646 650 651 660 661 662 678 682 701 702 703 704 706 707 708 712 713"
)
_CANADA = (
    "204 226 236 249 250 289 306 343 365 403 416 418 431 437 438 450 506 514 519 548 579 581 587 604 613 639 647 705 "
    "709 778 780 807 819 825 867 873 902 905"
)


def is_phone_number(value: object) -> bool:
    """Return whether `value` is a string that the API accepts as a phone number: 7 to 15 digits, optionally a plus."""
    return isinstance(value, str) and _PHONE_NUMBER.fullmatch(value) is not None


def phone_digits(number: str) -> str:
    """Return the digits of `number`, which identify it with and without a plus."""
    return number.removeprefix("+")


class NumberRange(NamedTuple):
    """All numbers of `prefix`, in E.164, followed by `digits` digits."""

    prefix: str
    digits: int

    @property
    def size(self) -> int:
        """Number of phone numbers in it."""
        return int(10**self.digits)


def _north_american(area_codes: str) -> tuple[NumberRange, ...]:
    return tuple(NumberRange(f"+1{area}55501", 2) for area in area_codes.split())


_BRITISH = (
    *(f"+44{area}4960" for area in ["113", "114", "115", "116", "117", "118", "121", "131", "141", "151", "161"]),
    "+442079460",
    "+441914980",
    "+442896496",
    "+442920180",
    "+441632960",
    "+447700900",
)
_RANGES: dict[str, tuple[NumberRange, ...]] = {
    "US": _north_american(_US),
    "CA": _north_american(_CANADA),
    "GB": tuple(NumberRange(prefix, 3) for prefix in _BRITISH),
    "AU": tuple(NumberRange(f"+61{area}{block}", 4) for area in "2378" for block in ("5550", "7010")),
    "FR": tuple(NumberRange(f"+33{prefix}", 4) for prefix in ("19900", "26191", "35301", "46571", "53649", "63998")),
    "DE": (
        *(NumberRange(f"+49{prefix}", 3) for prefix in ("3023125", "6990009", "4066969", "2214710", "8999998")),
        NumberRange("+4917139200", 2),
    ),
    "IE": (NumberRange("+3532091", 5),),
    "SE": tuple(NumberRange(f"+46{prefix}", 2) for prefix in ("8465004", "3139006", "4062804", "9803192")),
}
_TERRITORIES = {"QC": "CA"}


class _NumberTable:
    """The numbers of several ranges, by position."""

    def __init__(self, ranges: tuple[NumberRange, ...]) -> None:
        self._ends = list(accumulate(part.size for part in ranges))
        self._starts = {part.prefix: end - part.size for part, end in zip(ranges, self._ends, strict=True)}
        self._parts = [(part.prefix, self._starts[part.prefix], part.digits) for part in ranges]
        self._digits = {part.digits for part in ranges}
        self.size = self._ends[-1]

    def number(self, position: int) -> str:
        prefix, start, digits = self._parts[bisect_right(self._ends, position)]
        return prefix + str(position - start).zfill(digits)

    def find(self, number: str) -> int | None:
        for digits in self._digits:
            start, last = self._starts.get(number[:-digits]), number[-digits:]
            if start is not None and last.isascii() and last.isdecimal():
                return start + int(last)
        return None


_TABLES = {country: _NumberTable(ranges) for country, ranges in _RANGES.items()}


def phone_country(locale: str) -> str:
    """Return the country of the phone numbers of a faker locale: `GB` for `en_GB`, `US` for `pl_PL`."""
    territory = locale.rpartition("_")[2]
    territory = _TERRITORIES.get(territory, territory)
    return territory if territory in _RANGES else NORTH_AMERICA


class _ShuffledNumbers:
    """A table in a permuted order. `number` and `find` are inverse, and neither needs a list."""

    def __init__(self, table: _NumberTable, bits: int) -> None:
        self._table = table
        self.size = table.size
        self._start = bits % self.size
        self._stride = 1 + bits // self.size % (self.size - 1)
        while gcd(self._stride, self.size) != 1:
            self._stride += 1

    @cached_property
    def _inverse_stride(self) -> int:
        return pow(self._stride, -1, self.size)

    def number(self, index: int) -> str:
        return self._table.number((self._start + index * self._stride) % self.size)

    def find(self, number: str) -> int | None:
        position = self._table.find(number)
        return None if position is None else (position - self._start) * self._inverse_stride % self.size


class PhoneNumbers:
    """The fictional numbers of a country in a shuffled order, followed by North American ones. Each comes once.

    Args:
        country: a country of `phone_country`.
        bits: seed of the order, at least 32 random bits.
    """

    def __init__(self, country: str, bits: int) -> None:
        countries = [country] if country == NORTH_AMERICA else [country, NORTH_AMERICA]
        self._sequences = [_ShuffledNumbers(_TABLES[name], bits) for name in countries]

    def number(self, index: int) -> str:
        """Return number `index`, in E.164 with its plus.

        Raises:
            IndexError: the index is too large; there are at least 16,800 numbers.
        """
        for sequence in self._sequences:
            if index < sequence.size:
                return sequence.number(index)
            index -= sequence.size
        raise IndexError(index)

    def index_of(self, number: str) -> int | None:
        """Return the index of `number`, with or without a plus; `None` if it is not one of these."""
        e164 = "+" + number.removeprefix("+")
        offset = 0
        for sequence in self._sequences:
            index = sequence.find(e164)
            if index is not None:
                return offset + index
            offset += sequence.size
        return None
