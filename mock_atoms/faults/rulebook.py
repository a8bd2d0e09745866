"""The rules in force: those given at start and those made since, with how often each has struck."""

import json
from bisect import insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from operator import attrgetter
from typing import Any

from mock_atoms.core.tenancy import Tenant
from mock_atoms.faults.rules import Rule

MAX_RULES = 10_000
"""How many rules may be in force besides those given at start."""


class CapacityError(Exception):
    """There is no room for more. Its text says of what, and how to make room."""


@dataclass(slots=True, eq=False)
class ActiveRule:
    """A rule in force.

    Attributes:
        id: its id.
        rule: what it says.
        position: its place in the order of precedence: whether it was given at start, and its number.
        matched: how many requests it was asked about.
        hits: how many of them it struck.
    """

    id: str
    rule: Rule
    position: tuple[bool, int]
    evaluated: int = 0
    triggered: int = 0

    @property
    def is_from_start(self) -> bool:
        """Whether it was given at start."""
        return self.position[0]

    def as_json(self) -> dict[str, Any]:
        """Return it as the control API shows it: without defaults, so that it can be sent again."""
        return {"id": self.id, **self.rule.as_json(), "evaluated": self.evaluated, "triggered": self.triggered}


_Key = tuple[bytes | None, bytes | None]


class RuleBook:
    """Rules by id, in their order of precedence, indexed by whom they may strike.

    Those made since the start come first, in order of creation.

    Args:
        start: the rules given at start, by id. They can be replaced as a whole only.
    """

    def __init__(self, start: Mapping[str, Rule]) -> None:
        self._start = dict(start)
        self._entries: dict[str, ActiveRule] = {}
        self._index: dict[_Key, list[ActiveRule]] = {}
        self._made = 0
        self._fixed = 0
        self.reset()

    def reset(self) -> None:
        """Go back to the rules given at start, with nothing counted."""
        self._entries.clear()
        self._index.clear()
        self._fixed = len(self._start)
        for number, (rule_id, rule) in enumerate(self._start.items()):
            self._put(ActiveRule(rule_id, rule, (True, number)))

    def replace_all(self, entries: Sequence[ActiveRule]) -> None:
        """Put `entries`, in order of precedence, in the place of all rules, those given at start too.

        Raises:
            FullError: there are too many; nothing has changed.
        """
        fixed = sum(entry.is_from_start for entry in entries)
        self._make_room(len(entries) - fixed)
        self._fixed = fixed
        self._entries.clear()
        self._index.clear()
        for number, entry in enumerate(entries):
            entry.position = (True, number) if entry.is_from_start else self._last()
            self._put(entry)

    def add(self, rule: Rule) -> ActiveRule:
        """Put `rule` in force, behind those that were made before it.

        Its id follows from what it says, so that what is drawn for it does not depend on what other rules there are.

        Raises:
            FullError: there are too many.
        """
        self._make_room(len(self._entries) - self._fixed + 1)
        said = json.dumps(rule.as_json(), sort_keys=True).encode()
        first = f"rule-{blake2b(said, digest_size=4).hexdigest()}"
        rule_id, copies = first, 1
        while rule_id in self._entries:
            copies += 1
            rule_id = f"{first}-{copies}"
        entry = ActiveRule(rule_id, rule, self._last())
        self._put(entry)
        return entry

    def get(self, rule_id: str) -> ActiveRule | None:
        """Return the rule of that id, if there is one."""
        return self._entries.get(rule_id)

    def remove(self, rule_id: str) -> None:
        """Take the rule of that id out of force."""
        entry = self._entries.pop(rule_id)
        key = _key(entry.rule)
        self._index[key].remove(entry)
        if not self._index[key]:
            del self._index[key]

    def created_ids(self, token_digest: bytes | None = None, test_digest: bytes | None = None) -> list[str]:
        """Return the ids of the rules made since the start, only those for one token or test where it is given."""
        return [
            entry.id
            for entry in self._entries.values()
            if not entry.is_from_start
            and (token_digest is None or entry.rule.match.token_digest == token_digest)
            and (test_digest is None or entry.rule.match.test_digest == test_digest)
        ]

    def __iter__(self) -> Iterator[ActiveRule]:
        return iter(sorted(self._entries.values(), key=_position))

    def candidates(self, tenant: Tenant) -> list[ActiveRule]:
        """Return the rules that may strike requests of `tenant`, in their order of precedence."""
        if not self._index:
            return []
        keys: list[_Key] = [(tenant.token_digest, None), (None, None)]
        if tenant.test_digest is not None:
            keys += [(tenant.token_digest, tenant.test_digest), (None, tenant.test_digest)]
        buckets = [bucket for key in keys if (bucket := self._index.get(key))]
        if len(buckets) == 1:
            return buckets[0]
        return sorted((entry for bucket in buckets for entry in bucket), key=_position)

    def _make_room(self, wanted: int) -> None:
        if wanted > MAX_RULES:
            raise CapacityError(f"there is room for {MAX_RULES} rules: delete those of tests that are over")

    def _put(self, entry: ActiveRule) -> None:
        self._entries[entry.id] = entry
        insort(self._index.setdefault(_key(entry.rule), []), entry, key=_position)

    def _last(self) -> tuple[bool, int]:
        self._made += 1
        return False, self._made


_position = attrgetter("position")


def _key(rule: Rule) -> _Key:
    return rule.match.token_digest, rule.match.test_digest
