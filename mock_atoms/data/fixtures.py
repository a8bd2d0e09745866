"""What tenants hold before anyone changes it: what is written down for a token, its persona, or generated."""

from collections import OrderedDict
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from mock_atoms.core.masking import mask_token
from mock_atoms.core.tenancy import AuthenticatedCaller, digest_token
from mock_atoms.core.timestamps import format_timestamp, parse_timestamp
from mock_atoms.data.generator import Generator, GeneratorOptions
from mock_atoms.data.models import AudienceRecord, InitialData
from mock_atoms.data.personas import find_persona

if TYPE_CHECKING:
    from mock_atoms.data.fixture_files import FixtureFile

MAX_KEPT_AUDIENCES = 20_000


class FixtureData(NamedTuple):
    """What it is written that a token holds.

    Attributes:
        label: the token, masked.
        beginning: what it begins with.
    """

    label: str
    initial_data: InitialData


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
        self._options = GeneratorOptions(locale)
        self._files = files or {}
        self._max_kept = max_kept
        self._imported: dict[bytes, FixtureData] | None = None
        self._ready: OrderedDict[bytes, InitialData] = OrderedDict()
        self._kept = 0
        self._owners = self._find_owners()

    def has_fixture(self, caller: AuthenticatedCaller) -> bool:
        """Tell whether it is written down what `caller` holds."""
        if self._imported is not None:
            return caller.tenant.token_digest in self._imported
        return caller.token in self._files

    def export_data(self) -> dict[bytes, FixtureData]:
        """Return what is written down, by what stands for the token."""
        if self._imported is not None:
            return self._imported
        return {
            digest_token(token): FixtureData(mask_token(token), self.from_fixture_file(file, token))
            for token, file in self._files.items()
        }

    def import_data(self, written: dict[bytes, "FixtureData"] | None) -> None:
        """Let `written` stand in the place of the files, until the files count again: `None`."""
        self._imported = written
        self._ready.clear()
        self._kept = 0
        self._owners = self._find_owners()

    def belongs_to_another_tenant(self, caller: AuthenticatedCaller, audience_id: str) -> bool:
        """Tell whether `audience_id` is that of an audience which others have and `caller` never had.

        That is so of an id which a fixture file gives to others, and of one that this server made for another token.
        """
        token_digest = caller.tenant.token_digest
        if self._generator.is_generated_id(audience_id):
            return audience_id[8:18] != self._generator.id_marker(token_digest)
        return token_digest not in self._owners.get(audience_id, {token_digest})

    def _find_owners(self) -> dict[str, set[bytes]]:
        """Return whose are the ids that are written down."""
        token_digests: dict[str, set[bytes]] = {}
        if self._imported is None:
            for token, file in self._files.items():
                for entry in file.audiences or []:
                    token_digests.setdefault(entry.get("_id", ""), set()).add(digest_token(token))
        else:
            for token_digest, part in self._imported.items():
                for held in part.initial_data.audiences:
                    token_digests.setdefault(held.get("_id", ""), set()).add(token_digest)
        return token_digests

    def initial_data(self, caller: AuthenticatedCaller) -> InitialData:
        """Return what `caller` begins with, a pure function of the seed, the token and what is written down."""
        token_digest = caller.tenant.token_digest
        known = self._ready.get(token_digest)
        if known is not None:
            self._ready.move_to_end(token_digest)
            return known
        made = self._ready[token_digest] = self._made(caller)
        self._kept += 1 + len(made.audiences)
        while self._kept > self._max_kept and len(self._ready) > 1:
            self._kept -= 1 + len(self._ready.popitem(last=False)[1].audiences)
        return made

    def _made(self, caller: AuthenticatedCaller) -> InitialData:
        if self._imported is not None and caller.tenant.token_digest in self._imported:
            return self._imported[caller.tenant.token_digest].initial_data
        file = self._files.get(caller.token) if self._imported is None else None
        if file is not None:
            return self.from_fixture_file(file, caller.token)
        make = find_persona(caller.token) or Generator.audiences
        return InitialData(make(self._generator, caller.token, self._options))

    def from_fixture_file(self, file: "FixtureFile", token: str) -> InitialData:
        """Return what `file` says that `token` begins with."""
        return InitialData(self._audiences_of(file, token), self._organization_of(file))

    def _organization_of(self, file: "FixtureFile") -> str:
        return file.organization or self._generator.organization(file.tokens[0])

    def _audiences_of(self, file: "FixtureFile", token: str) -> list[AudienceRecord]:
        organization = self._organization_of(file)
        if file.generate is not None:
            wanted = file.generate
            options = GeneratorOptions(
                locale=wanted.locale or self._options.locale,
                audiences=(wanted.audiences.min, wanted.audiences.max),
                members=(wanted.members.min, wanted.members.max),
                with_campaigns=wanted.withCampaigns,
                organization=organization,
            )
            return [self._of_locale(audience, options) for audience in self._generator.audiences(token, options)]
        options = GeneratorOptions(self._options.locale, organization=organization, with_campaigns=0.0)
        entries = file.audiences or []
        return [self._complete(token, i, entry, len(entries), options) for i, entry in enumerate(entries)]

    def _of_locale(self, audience: AudienceRecord, options: GeneratorOptions) -> AudienceRecord:
        return audience if options.locale == self.locale else {**audience, "locale": options.locale}

    def _complete(
        self, token: str, index: int, entry: AudienceRecord, count: int, options: GeneratorOptions
    ) -> AudienceRecord:
        """Fill what `entry` leaves out, consistent with what it says."""
        options = replace(options, locale=entry.get("locale", options.locale))
        if entry.get("campaigns"):
            options = replace(options, members=(1, options.members[1]))  # no active campaign calls nobody
        made = self._generator.audience(token, index, count, options)
        known = entry.get("createdAt", entry.get("updatedAt"))
        if known is not None:
            made["_id"] = self._generator.audience_id(token, parse_timestamp(known), index)
            made["createdAt"] = made["updatedAt"] = known
        elif "_id" in entry:
            made["createdAt"] = made["updatedAt"] = format_timestamp(
                datetime.fromtimestamp(int(entry["_id"][:8], 16), UTC)
            )
        made["description"] = entry.get("name", made["description"])
        made["hasCampaigns"] = bool(entry.get("campaigns"))
        return {**made, **entry}
