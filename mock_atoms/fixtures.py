"""The fixtures folder: files that say what a token holds before anyone changes it. Format: docs/fixtures.md."""

import json
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from mock_atoms.contract import MAX_MEMBERS, ObjectId
from mock_atoms.generator import Generator, Recipe, iso
from mock_atoms.holdings import Beginning, CheckedAudiences, HeldAudience
from mock_atoms.personas import persona_of
from mock_atoms.settings import Locale, Token
from mock_atoms.tenancy import Caller, digest_of
from mock_atoms.tokens import mask
from mock_atoms.validation import ConfigError, explain, parse_model, parse_moment

SUFFIXES = {".json", ".yaml", ".yml"}
MAX_AUDIENCES = 1_000
MAX_KEPT_AUDIENCES = 100_000


def _both_ends(value: object) -> object:
    return {"min": value, "max": value} if isinstance(value, int) else value


class Span(BaseModel):
    """A number to be drawn: between `min` and `max`, both included."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    min: Annotated[int, Field(ge=0)]
    max: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _ordered(self) -> "Span":
        if self.min > self.max:
            raise ValueError("min is greater than max")
        return self


def _at_most(limit: int) -> AfterValidator:
    def check(span: Span) -> Span:
        if span.max > limit:
            raise ValueError(f"at most {limit}")
        return span

    return AfterValidator(check)


class Generate(BaseModel):
    """Settings of the generator for the tokens of a file; what is left out is as for any token."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    audiences: Annotated[Span, BeforeValidator(_both_ends), _at_most(MAX_AUDIENCES)] = Span(min=3, max=12)
    members: Annotated[Span, BeforeValidator(_both_ends), _at_most(MAX_MEMBERS)] = Span(min=0, max=MAX_MEMBERS)
    withCampaigns: Annotated[float, Field(ge=0, le=1)] = 0.4  # noqa: N815 - the API's own spelling of keys
    locale: Locale | None = None


class FixtureFile(BaseModel):
    """One file: the tokens of one organisation, and what each of them holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    tokens: Annotated[list[Token], Field(min_length=1, repr=False)]
    organization: ObjectId | None = None
    audiences: CheckedAudiences | None = None
    generate: Generate | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "FixtureFile":
        if (self.audiences is None) == (self.generate is None):
            raise ValueError("give either audiences or generate")
        return self


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
        files: dict[str, FixtureFile] | None = None,
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

    def written(self) -> dict[bytes, "Written"]:
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

    def beginning_of(self, file: FixtureFile, token: str) -> Beginning:
        """Return what `file` says that `token` begins with."""
        return Beginning(self._audiences_of(file, token), self._organization_of(file))

    def _organization_of(self, file: FixtureFile) -> str:
        return file.organization or self._generator.organization(file.tokens[0])

    def _audiences_of(self, file: FixtureFile, token: str) -> list[HeldAudience]:
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


def read_folder(folder: Path) -> dict[str, FixtureFile]:
    """Read every fixture file of `folder`, by token. Other files, hidden ones and subfolders are passed over.

    Raises:
        ConfigError: the folder or a file cannot be read, a file is not valid, or two files name the same token.
    """
    try:
        paths = sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in SUFFIXES
            and not path.name.startswith(".")
            and (path.is_file() or not path.exists())  # a link that leads nowhere is a mistake, a folder or pipe is not
        )
    except OSError as error:
        raise ConfigError(f"{folder}: the fixtures folder cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"the fixtures folder cannot be read: {error}") from None
    files: dict[str, FixtureFile] = {}
    homes: dict[str, Path] = {}
    for path in paths:
        file = read_file(path)
        for token in file.tokens:
            if token in homes:
                elsewhere = "stands twice" if homes[token] == path else f"is already named in {homes[token]}"
                raise ConfigError(f"{path}: tokens: {mask(token)} {elsewhere}")
            files[token], homes[token] = file, path
    return files


def parse_fixture(given: object) -> FixtureFile:
    """Parse what a fixture file would say.

    Raises:
        ConfigError: names the field by JSON pointer.
    """
    return parse_model(FixtureFile, given)


def read_file(path: Path) -> FixtureFile:
    """Read one fixture file.

    Raises:
        ConfigError: names the file, the line, the field and the reason.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None
    data = _parse(path, text)
    try:
        return FixtureFile.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        loc = first["loc"]
        field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
        raise ConfigError(f"{path}:{_line(text, loc)}: {field or 'the file'}: {explain(first)}") from None


class _YamlLoader(yaml.SafeLoader):
    """YAML as JSON reads it: timestamps stay text, and a key that stands twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {name} stands twice", problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


_YamlLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise ValueError(f"the key {key} stands twice")
        mapping[key] = value
    return mapping


def _parse(path: Path, text: str) -> object:
    kind = "JSON" if path.suffix.lower() == ".json" else "YAML"
    try:
        if kind == "JSON":
            return json.loads(text, object_pairs_hook=_no_key_twice)
        return yaml.load(text, Loader=_YamlLoader)  # noqa: S506 - a SafeLoader
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}: not JSON: {error.msg}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not {kind}: {error}") from None


def _line(text: str, loc: tuple[int | str, ...]) -> int:
    """Return the line on which the value at `loc` begins, or its nearest parent. JSON is read as YAML here."""
    line = 1
    for found in _descend(yaml.compose(text.replace("\t", " "), Loader=yaml.SafeLoader), loc):
        line = found.start_mark.line + 1
    return line


def _descend(node: yaml.Node | None, loc: tuple[int | str, ...]) -> Iterator[yaml.Node]:
    for part in loc:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
        elif isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == part), None)
        else:
            node = None
        if node is None:
            return
        yield node
