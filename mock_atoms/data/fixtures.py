"""Initial data of each token: from a fixture file, an import, the documented example, a persona, or generated."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

from mock_atoms.core.masking import mask_token
from mock_atoms.core.slices import Steps, collect, run_without_pauses
from mock_atoms.core.tenancy import AuthenticatedCaller, caller_for, digest_token
from mock_atoms.core.timestamps import format_timestamp, parse_timestamp
from mock_atoms.data.campaigns import add_inactive_campaigns, campaign_records, fix_histories
from mock_atoms.data.generator import Generator, GeneratorOptions
from mock_atoms.data.models import AudienceRecord, InitialData
from mock_atoms.data.personas import find_persona, has_campaigns_in_plan

if TYPE_CHECKING:
    from mock_atoms.data.fixture_files import FixtureFile

MAX_CACHED_AUDIENCES = 20_000
DOCUMENTED_TOKEN = "sk_documented"  # noqa: S105 - documented, not secret
"""The token whose audience is the example of the vendor's documentation (S)."""
DOCUMENTED_EXAMPLE = Path(__file__).with_name("documented.json")


class FixtureData(NamedTuple):
    """Initial data of the token with the masked token `label`, from a fixture file or an import."""

    label: str
    initial_data: InitialData


AudienceTokens = dict[str, set[bytes]]
"""Digests of the tokens that have each audience id of a fixture file or import."""


def find_audience_tokens(data: dict[bytes, FixtureData]) -> Steps[AudienceTokens]:
    """Return the tokens of the audiences in `data`, which an import has by token digest."""
    audience_tokens: AudienceTokens = {}
    for token_digest, fixture in data.items():
        for audience in fixture.initial_data.audiences:
            audience_tokens.setdefault(audience.get("_id", ""), set()).add(token_digest)
            yield
    return audience_tokens


@dataclass(frozen=True)
class FixtureSet:
    """Fixture files that are used together.

    Attributes:
        by_token: the files by token.
        audience_tokens: digests of the tokens that have each audience id.
        changed: the callers whose data differs from that of the previous files.
    """

    by_token: "Mapping[str, FixtureFile]"
    audience_tokens: AudienceTokens
    changed: Mapping[bytes, AuthenticatedCaller]

    @classmethod
    def of(cls, by_token: "Mapping[str, FixtureFile]", previous: "FixtureSet | None" = None) -> "FixtureSet":
        """Return a set of files, compared with the previous one.

        Files that are equal to previous ones are replaced by these.
        """
        audience_tokens: AudienceTokens = {}
        for token, file in by_token.items():
            digest = digest_token(token)
            for audience in file.audiences or []:
                audience_tokens.setdefault(audience.get("_id", ""), set()).add(digest)
        before: Mapping[str, FixtureFile] = {} if previous is None else previous.by_token
        same: dict[int, FixtureFile] = {}
        for token, file in by_token.items():
            if id(file) not in same and file == before.get(token):
                same[id(file)] = before[token]
        files = {token: same.get(id(file), file) for token, file in by_token.items()}
        tokens = [token for token in {**before, **files} if files.get(token) is not before.get(token)]
        changed = {} if previous is None else {digest_token(token): caller_for(token) for token in tokens}
        return cls(files, audience_tokens, changed)


class Fixtures:
    """Initial data of each token.

    A fixture file comes first, then the documented example, then a persona; all other tokens get generated data.

    Args:
        generator: source of all generated values.
        locale: faker locale of audiences that name no other.
        files: fixture files by token.
        max_cached: maximum number of tokens and audiences kept for later requests.

    Attributes:
        files: the fixture files.
    """

    def __init__(
        self,
        generator: Generator,
        locale: str,
        files: "dict[str, FixtureFile] | None" = None,
        max_cached: int = MAX_CACHED_AUDIENCES,
    ) -> None:
        self.locale = locale
        self._generator = generator
        self._options = GeneratorOptions(locale)
        self.files = FixtureSet.of(files or {})
        self._max_cached = max_cached
        self._imported: dict[bytes, FixtureData] | None = None
        self._cache: OrderedDict[bytes, InitialData] = OrderedDict()
        self._in_progress: WeakValueDictionary[bytes, Steps[InitialData]] = WeakValueDictionary()
        self._cached = 0
        self._imported_audience_tokens: AudienceTokens = {}

    def has_fixture(self, caller: AuthenticatedCaller) -> bool:
        """Return whether a fixture file or an import names the token of `caller`."""
        if self._imported is not None:
            return caller.tenant.token_digest in self._imported
        return caller.token in self.files.by_token

    def export_data(self) -> Steps[dict[bytes, FixtureData]]:
        """Return the data of all fixture files, or of the last import, by token digest."""
        if self._imported is not None:
            return self._imported
        exported = {}
        for token, file in self.files.by_token.items():
            initial_data = yield from self.from_fixture_file(file, token)
            exported[digest_token(token)] = FixtureData(mask_token(token), initial_data)
        return exported

    def import_data(
        self, data: dict[bytes, FixtureData] | None, audience_tokens: AudienceTokens | None = None
    ) -> list[Any]:
        """Replace the data of all fixture files by `data`; `None` restores the files.

        Args:
            data: the data by token digest.
            audience_tokens: what `find_audience_tokens` returns for it.

        Returns:
            What is no longer kept.
        """
        released: list[Any] = [*self._cache.values()]
        if self._imported is not None:
            released += [imported.initial_data for imported in self._imported.values()]
            released += self._imported_audience_tokens.values()
        self._imported = data
        self._cache.clear()
        self._in_progress.clear()
        self._cached = 0
        self._imported_audience_tokens = audience_tokens or {}
        return released

    @property
    def is_imported(self) -> bool:
        """Whether an import is in use, which hides the fixture files."""
        return self._imported is not None

    def replace_files(self, files: FixtureSet) -> list[Any]:
        """Replace the fixture files, and return what is no longer kept."""
        released: list[Any] = [*self._cache.values(), *self.files.audience_tokens.values()]
        kept = {id(file) for file in files.by_token.values()}
        for file in self.files.by_token.values():
            if id(file) not in kept:
                released += file.audiences or []
        self.files = files
        self._cache.clear()
        self._in_progress.clear()
        self._cached = 0
        return released

    def belongs_to_another_tenant(self, caller: AuthenticatedCaller, audience_id: str) -> bool:
        """Return whether `audience_id` is known as another token's and never was one of `caller`'s.

        Known are the ids in fixture files, in the documented example, and those that this server generates.
        """
        token_digest = caller.tenant.token_digest
        if self._generator.is_generated_id(audience_id):
            return audience_id[8:18] != self._generator.id_marker(token_digest)
        audience_tokens = self._imported_audience_tokens if self.is_imported else self.files.audience_tokens
        token_digests = audience_tokens.get(audience_id)
        if token_digests is None:
            return self._is_documented_for_another(caller, audience_id)
        return token_digest not in token_digests

    def _is_documented_for_another(self, caller: AuthenticatedCaller, audience_id: str) -> bool:
        documented = caller_for(DOCUMENTED_TOKEN)
        return caller.token != documented.token and audience_id in self.initial_data(documented).by_id

    def initial_data(self, caller: AuthenticatedCaller) -> InitialData:
        """Return the initial data of `caller`, a pure function of the seed, its token and the fixtures."""
        return run_without_pauses(self.initial_data_steps(caller))

    def initial_data_steps(self, caller: AuthenticatedCaller) -> Steps[InitialData]:
        """Return the same as `initial_data`. Several callers with one token advance the same work."""
        token_digest = caller.tenant.token_digest
        while (cached := self._cache.get(token_digest)) is None:
            work = self._in_progress.get(token_digest)
            if work is None:
                work = self._in_progress[token_digest] = self._find_initial_data(caller)
            try:
                next(work)
            except StopIteration as stop:
                return self._keep(token_digest, stop.value)
            yield
        self._cache.move_to_end(token_digest)
        return cached

    def _keep(self, token_digest: bytes, initial_data: InitialData) -> InitialData:
        self._cache[token_digest] = initial_data
        self._cached += 1 + len(initial_data.audiences)
        while self._cached > self._max_cached and len(self._cache) > 1:
            self._cached -= 1 + len(self._cache.popitem(last=False)[1].audiences)
        return initial_data

    def _find_initial_data(self, caller: AuthenticatedCaller) -> Steps[InitialData]:
        token = caller.token
        if self._imported is not None and caller.tenant.token_digest in self._imported:
            return self._imported[caller.tenant.token_digest].initial_data
        if self._imported is None and token in self.files.by_token:
            return (yield from self.from_fixture_file(self.files.by_token[token], token))
        if token == DOCUMENTED_TOKEN:
            return self._documented
        make_audiences = find_persona(token) or Generator.audience_steps
        audiences = yield from make_audiences(self._generator, token, self._options)
        if has_campaigns_in_plan(token):
            yield from add_inactive_campaigns(self._generator, audiences)
        return InitialData(audiences)

    @cached_property
    def _documented(self) -> InitialData:
        """The documented example. It is read on first use, because that starts the server sooner."""
        example = json.loads(DOCUMENTED_EXAMPLE.read_text(encoding="utf-8"))
        return InitialData(example["audiences"], example["organization"])

    def from_fixture_file(
        self, file: "FixtureFile", token: str, written_at: datetime | None = None
    ) -> Steps[InitialData]:
        """Return the initial data of `token` in `file`.

        Args:
            file: the fixture file.
            token: the token.
            written_at: when a test wrote it; the histories of its campaigns are over by then.
        """
        organization = file.organization or self._generator.organization(file.tokens[0])
        if file.generate is not None:
            options = GeneratorOptions(
                locale=file.generate.locale or self.locale,
                audiences=(file.generate.audiences.min, file.generate.audiences.max),
                members=(file.generate.members.min, file.generate.members.max),
                with_campaigns=file.generate.withCampaigns,
                organization=organization,
            )
            audiences = yield from self._generator.audience_steps(token, options)
            if options.with_campaigns:
                yield from add_inactive_campaigns(self._generator, audiences)
            if options.locale != self.locale:
                audiences = [{**audience, "locale": options.locale} for audience in audiences]
        else:
            options = GeneratorOptions(self.locale, organization=organization, with_campaigns=0.0)
            records = file.audiences or []
            audiences = yield from collect(
                self._complete(record, token, index, len(records), options) for index, record in enumerate(records)
            )
            if written_at is not None:
                yield from fix_histories(self._generator, token, audiences, written_at)
        return InitialData(audiences, organization)

    def _complete(
        self, record: AudienceRecord, token: str, index: int, count: int, options: GeneratorOptions
    ) -> AudienceRecord:
        """Return audience `index` of `count` with the keys that a fixture file leaves out, consistent with its own."""
        options = replace(options, locale=record.get("locale", options.locale))
        if record.get("campaigns"):
            options = replace(options, members=(1, options.members[1]))  # an active campaign calls someone
        generated = self._generator.audience(token, index, count, options)
        timestamp = record.get("createdAt", record.get("updatedAt"))
        if timestamp is not None:
            generated["_id"] = self._generator.audience_id(token, parse_timestamp(timestamp), index)
            generated["createdAt"] = generated["updatedAt"] = timestamp
        elif "_id" in record:
            created = datetime.fromtimestamp(int(record["_id"][:8], 16), UTC)
            generated["createdAt"] = generated["updatedAt"] = format_timestamp(created)
        generated["description"] = record.get("name", generated["description"])
        generated["hasCampaigns"] = bool(record.get("campaigns"))
        completed: AudienceRecord = {**generated, **record}
        if record.get("campaigns"):
            campaigns = campaign_records(self._generator, token, completed)
            completed["campaigns"] = [
                campaigns.listed(completed, campaign, number) for number, campaign in enumerate(record["campaigns"])
            ]
        return completed
