"""What tenants hold before anyone changes it: what is written down for a token, its persona, or generated."""

from collections import OrderedDict
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from mock_atoms.generator import Generator, Recipe, iso
from mock_atoms.holdings import Beginning, HeldAudience
from mock_atoms.personas import persona_of
from mock_atoms.tenancy import Caller, digest_of
from mock_atoms.tokens import mask
from mock_atoms.validation import parse_moment

if TYPE_CHECKING:
    from mock_atoms.fixture_files import FixtureFile

MAX_KEPT_AUDIENCES = 20_000


class Written(NamedTuple):
    """What it is written that a token holds.

    Attributes:
        label: the token, masked.
        beginning: what it begins with.
    """

    label: str
    beginning: Beginning


class Fixtures:
    """What each token holds at first: from a file where one names it, from its persona, or generated.

    Args:
        generator: what makes audiences.
        locale: faker locale of those that do not say another.
        files: the fixture files, by token.
        max_kept: how many audiences, and tokens, are kept ready for the next request.
    """

    def __init__(
        self,
        generator: Generator,
        locale: str,
        files: "dict[str, FixtureFile] | None" = None,
        max_kept: int = MAX_KEPT_AUDIENCES,
    ) -> None:
        self.locale = locale
        self._generator = generator
        self._recipe = Recipe(locale)
        self._files = files or {}
        self._max_kept = max_kept
        self._handed_over: dict[bytes, Written] | None = None
        self._ready: OrderedDict[bytes, Beginning] = OrderedDict()
        self._kept = 0
        self._owners = self._find_owners()

    def are_written(self, caller: Caller) -> bool:
        """Tell whether it is written down what `caller` holds."""
        if self._handed_over is not None:
            return caller.tenant.owner in self._handed_over
        return caller.token in self._files

    def written(self) -> dict[bytes, Written]:
        """Return what is written down, by what stands for the token."""
        if self._handed_over is not None:
            return self._handed_over
        return {
            digest_of(token): Written(mask(token), self.beginning_of(file, token))
            for token, file in self._files.items()
        }

    def hand_over(self, written: dict[bytes, "Written"] | None) -> None:
        """Let `written` stand in the place of the files, until the files count again: `None`."""
        self._handed_over = written
        self._ready.clear()
        self._kept = 0
        self._owners = self._find_owners()

    def is_of_another(self, caller: Caller, audience_id: str) -> bool:
        """Tell whether `audience_id` is that of an audience which others have and `caller` never had.

        That is so of an id which a fixture file gives to others, and of one that this server made for another token.
        """
        owner = caller.tenant.owner
        if self._generator.made(audience_id):
            return audience_id[8:18] != self._generator.machine(owner)
        return owner not in self._owners.get(audience_id, {owner})

    def _find_owners(self) -> dict[str, set[bytes]]:
        """Return whose are the ids that are written down."""
        owners: dict[str, set[bytes]] = {}
        if self._handed_over is None:
            for token, file in self._files.items():
                for entry in file.audiences or []:
                    owners.setdefault(entry.get("_id", ""), set()).add(digest_of(token))
        else:
            for owner, part in self._handed_over.items():
                for held in part.beginning.audiences:
                    owners.setdefault(held.get("_id", ""), set()).add(owner)
        return owners

    def beginning(self, caller: Caller) -> Beginning:
        """Return what `caller` begins with, a pure function of the seed, the token and what is written down."""
        owner = caller.tenant.owner
        known = self._ready.get(owner)
        if known is not None:
            self._ready.move_to_end(owner)
            return known
        made = self._ready[owner] = self._made(caller)
        self._kept += 1 + len(made.audiences)
        while self._kept > self._max_kept and len(self._ready) > 1:
            self._kept -= 1 + len(self._ready.popitem(last=False)[1].audiences)
        return made

    def _made(self, caller: Caller) -> Beginning:
        if self._handed_over is not None and caller.tenant.owner in self._handed_over:
            return self._handed_over[caller.tenant.owner].beginning
        file = self._files.get(caller.token) if self._handed_over is None else None
        if file is not None:
            return self.beginning_of(file, caller.token)
        make = persona_of(caller.token) or Generator.audiences
        return Beginning(make(self._generator, caller.token, self._recipe))

    def beginning_of(self, file: "FixtureFile", token: str) -> Beginning:
        """Return what `file` says that `token` begins with."""
        return Beginning(self._audiences_of(file, token), self._organization_of(file))

    def _organization_of(self, file: "FixtureFile") -> str:
        return file.organization or self._generator.organization(file.tokens[0])

    def _audiences_of(self, file: "FixtureFile", token: str) -> list[HeldAudience]:
        organization = self._organization_of(file)
        if file.generate is not None:
            wanted = file.generate
            recipe = Recipe(
                locale=wanted.locale or self._recipe.locale,
                audiences=(wanted.audiences.min, wanted.audiences.max),
                members=(wanted.members.min, wanted.members.max),
                with_campaigns=wanted.withCampaigns,
                organization=organization,
            )
            return [self._of_locale(audience, recipe) for audience in self._generator.audiences(token, recipe)]
        recipe = Recipe(self._recipe.locale, organization=organization, with_campaigns=0.0)
        entries = file.audiences or []
        return [self._complete(token, i, entry, len(entries), recipe) for i, entry in enumerate(entries)]

    def _of_locale(self, audience: HeldAudience, recipe: Recipe) -> HeldAudience:
        return audience if recipe.locale == self.locale else {**audience, "locale": recipe.locale}

    def _complete(self, token: str, index: int, entry: HeldAudience, count: int, recipe: Recipe) -> HeldAudience:
        """Fill what `entry` leaves out, consistent with what it says."""
        recipe = replace(recipe, locale=entry.get("locale", recipe.locale))
        if entry.get("campaigns"):
            recipe = replace(recipe, members=(1, recipe.members[1]))  # no active campaign calls nobody
        made = self._generator.audience(token, index, count, recipe)
        known = entry.get("createdAt", entry.get("updatedAt"))
        if known is not None:
            made["_id"] = self._generator.audience_id(token, parse_moment(known), index)
            made["createdAt"] = made["updatedAt"] = known
        elif "_id" in entry:
            made["createdAt"] = made["updatedAt"] = iso(datetime.fromtimestamp(int(entry["_id"][:8], 16), UTC))
        made["description"] = entry.get("name", made["description"])
        made["hasCampaigns"] = bool(entry.get("campaigns"))
        return {**made, **entry}
