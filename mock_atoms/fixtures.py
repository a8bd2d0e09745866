"""The fixtures folder: files that say what a token holds before anyone changes it. Format: docs/fixtures.md."""

import json
import re
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

from mock_atoms.contract import MAX_MEMBERS, Audience, ObjectId, render_json
from mock_atoms.generator import Generator, Recipe, iso, object_id
from mock_atoms.personas import persona_of
from mock_atoms.settings import Locale, Token
from mock_atoms.tenancy import Caller, digest_of
from mock_atoms.tokens import mask
from mock_atoms.validation import ConfigError, explain, parse_model

SUFFIXES = {".json", ".yaml", ".yml"}
MAX_AUDIENCES = 1_000
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_OBJECT_ID_YEARS = range(1970, 2106)
"""The years whose every second fits the four bytes that an ObjectId has for it."""


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


class AudienceEntry(Audience, total=False):
    """An audience written out. A key that is left out is generated, one named in `omit` is not sent at all."""

    omit: list[str]


def _moment(text: str) -> datetime:
    if _TIMESTAMP.fullmatch(text):
        moment = datetime.fromisoformat(text)
        if moment.astimezone(UTC).year in _OBJECT_ID_YEARS:
            return moment
    raise ValueError(text)


def _checked(entry: AudienceEntry) -> AudienceEntry:
    for key in entry.get("omit", []):
        if key not in Audience.__annotations__:
            raise ValueError(f"omit: an audience has no key {key!r}")
    if entry.get("memberCount", 0) > MAX_MEMBERS:
        raise ValueError(f"memberCount: at most {MAX_MEMBERS}")
    moments = {"createdAt": entry.get("createdAt"), "updatedAt": entry.get("updatedAt")}
    for position, campaign in enumerate(entry.get("campaigns", [])):
        moments[f"campaigns[{position}].createdAt"] = campaign.get("createdAt")
    for key, text in moments.items():
        try:
            if text is not None:
                _moment(text)
        except (ValueError, OverflowError):
            raise ValueError(f"{key}: not a timestamp such as 2025-01-15T10:30:00.000Z, from 1970 to 2105") from None
    try:
        render_json(entry)
    except UnicodeEncodeError:
        raise ValueError("a text has half of a surrogate pair, which UTF-8 cannot say") from None
    return entry


def _different_ids(entries: list[AudienceEntry] | None) -> list[AudienceEntry] | None:
    seen = set()
    for audience_id in (entry["_id"] for entry in entries or [] if "_id" in entry):
        if audience_id in seen:
            raise ValueError(f"the _id {audience_id} stands twice")
        seen.add(audience_id)
    return entries


class FixtureFile(BaseModel):
    """One file: the tokens of one organisation, and what each of them holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    tokens: Annotated[list[Token], Field(min_length=1, repr=False)]
    organization: ObjectId | None = None
    audiences: Annotated[
        list[Annotated[AudienceEntry, AfterValidator(_checked)]] | None, AfterValidator(_different_ids)
    ] = None
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
        audiences: what it holds.
    """

    label: str
    audiences: list[Audience]


class Fixtures:
    """What each token holds at first: from a file where one names it, from its persona, or generated."""

    def __init__(self, generator: Generator, locale: str, files: dict[str, FixtureFile] | None = None) -> None:
        self._generator = generator
        self._recipe = Recipe(locale)
        self._files = files or {}
        self._handed_over: dict[bytes, Written] | None = None

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
            digest_of(token): Written(mask(token), self.audiences_of(file, token))
            for token, file in self._files.items()
        }

    def hand_over(self, written: dict[bytes, "Written"] | None) -> None:
        """Let `written` stand in the place of the files, until the files count again: `None`."""
        self._handed_over = written

    def audiences(self, caller: Caller) -> list[Audience]:
        """Return the audiences of `caller`, a pure function of the seed, the token and what is written down."""
        token = caller.token
        if self._handed_over is not None and caller.tenant.owner in self._handed_over:
            return self._handed_over[caller.tenant.owner].audiences
        file = self._files.get(token) if self._handed_over is None else None
        if file is not None:
            return self.audiences_of(file, token)
        make = persona_of(token) or Generator.audiences
        return make(self._generator, token, self._recipe)

    def audiences_of(self, file: FixtureFile, token: str) -> list[Audience]:
        """Return what `file` says that `token` holds."""
        organization = file.organization or self._generator.organization(file.tokens[0])
        if file.generate is not None:
            wanted = file.generate
            recipe = Recipe(
                locale=wanted.locale or self._recipe.locale,
                audiences=(wanted.audiences.min, wanted.audiences.max),
                members=(wanted.members.min, wanted.members.max),
                with_campaigns=wanted.withCampaigns,
                organization=organization,
            )
            return self._generator.audiences(token, recipe)
        recipe = Recipe(self._recipe.locale, organization=organization, with_campaigns=0.0)
        entries = file.audiences or []
        return [self._complete(token, i, entry, len(entries), recipe) for i, entry in enumerate(entries)]

    def _complete(self, token: str, index: int, entry: AudienceEntry, count: int, recipe: Recipe) -> Audience:
        """Fill what `entry` leaves out, consistent with what it says."""
        if entry.get("campaigns"):
            recipe = replace(recipe, members=(1, recipe.members[1]))  # no active campaign calls nobody
        made = self._generator.audience(token, index, count, recipe)
        known = entry.get("createdAt", entry.get("updatedAt"))
        if known is not None:
            made["_id"] = object_id(_moment(known), self._generator.draw(token, "id", index))
            made["createdAt"] = made["updatedAt"] = known
        elif "_id" in entry:
            made["createdAt"] = made["updatedAt"] = iso(datetime.fromtimestamp(int(entry["_id"][:8], 16), UTC))
        made["description"] = entry.get("name", made["description"])
        made["hasCampaigns"] = bool(entry.get("campaigns"))
        whole: dict[str, Any] = {**made, **entry}
        for key in whole.pop("omit", ()):
            whole.pop(key, None)
        return whole  # type: ignore[return-value] # its keys are those of an Audience


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
