"""Reading of fixture files in YAML or JSON."""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mock_atoms.core.json_pointer import parse_pointer
from mock_atoms.core.masking import mask_token, quote_value
from mock_atoms.core.parsing import ConfigError, describe_error
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.data.fixture_files import FixtureFile
from mock_atoms.data.fixture_members import parse_members

LOGGER = logging.getLogger("mock_atoms")
SUFFIXES = {".json", ".yaml", ".yml"}
MAX_LISTED_BYTES = 64 * 1024 * 1024
"""Maximum memory of all members that fixture files list, approximately."""
_MAX_VALUE_LENGTH = 40
"""Maximum number of characters of a value in an error message."""

_MAX_COMPOSED = 512 * 1024
"""Number of characters of a text whose lines are found: a second of work."""
_NAMED_FIELD = re.compile(r"([A-Za-z_]\w*(?:\[\d+\]|\.\w+)*)(?: is |: )", re.ASCII)
"""A field inside of the invalid value, such as `campaigns[0].createdAt`, at the start of a message."""
_QUOTE_HINT = "; quote text that looks like another type"
_YAML_TAG = "tag:yaml.org,2002:"


def read_folder(folder: Path) -> dict[str, FixtureFile]:
    """Return the fixture files of `folder` by token. Other files, hidden files and subfolders are ignored.

    Raises:
        ConfigError: the folder or a file cannot be read, a file is invalid, or a token is duplicated.
    """
    try:
        paths = sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in SUFFIXES
            and not path.name.startswith(".")
            and (path.is_file() or not path.exists())  # a broken link is reported, a folder or pipe ignored
        )
    except OSError as error:
        raise ConfigError(f"{folder}: the fixtures folder cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"the fixtures folder cannot be read: {error}") from None
    if not paths:
        LOGGER.warning("%s has no fixture file: their names end in %s", folder, ", ".join(sorted(SUFFIXES)))
    files: dict[str, FixtureFile] = {}
    paths_by_token: dict[str, Path] = {}
    size_bytes = 0
    for path in paths:
        file = read_file(path)
        size_bytes += sum(record["members"].size_bytes for record in file.audiences or [] if "members" in record)
        if size_bytes > MAX_LISTED_BYTES:
            raise ConfigError(f"{path}: members need more than {MAX_LISTED_BYTES} bytes in all files: list fewer")
        for token in file.tokens:
            if token in files:
                other = paths_by_token[token]
                problem = "is duplicated" if other == path else f"is already named in {other}"
                raise ConfigError(f"{path}: tokens: {mask_token(token)} {problem}")
            files[token], paths_by_token[token] = file, path
    return files


def read_file(path: Path) -> FixtureFile:
    """Read one fixture file.

    Raises:
        ConfigError: names the file, line, field, value and reason.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None
    data = parse_text(path, text) if text.strip() else None
    if data is None:
        raise ConfigError(f"{path}: the file is empty: write tokens, and audiences or generate")
    try:
        return FixtureFile.model_validate(_with_members(data, path.parent))
    except ConfigError as error:
        loc, value = _find(data, error.pointer)
        hint = _QUOTE_HINT if isinstance(value, int | float) and _is_yaml(path) else ""
        line = _line(text, loc, error.problem)
        raise ConfigError(f"{path}:{line}: {_name(loc)}: {error.problem}{hint}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        hint = _QUOTE_HINT if first["type"] == "string_type" and _is_yaml(path) else ""
        line = _line(text, first["loc"], describe_error(first))
        raise ConfigError(f"{path}:{line}: {_describe(first)}{hint}") from None


def _with_members(data: object, folder: Path) -> object:
    """Return the content of a file with its members and CSV files parsed."""
    if not isinstance(data, dict) or not isinstance(data.get("audiences"), list):
        return data
    return {**data, "audiences": run_without_pauses(parse_members(data["audiences"], "/audiences", folder))}


def _find(data: Any, pointer: str) -> tuple[tuple[int | str, ...], object]:  # noqa: ANN401 - any JSON
    """Return the keys of `pointer`, which may be masked, and the value there."""
    loc: list[int | str] = []
    for key in parse_pointer(pointer):
        if isinstance(data, list):
            loc.append(int(key))
            data = data[int(key)]
        else:
            loc.append(key)
            data = data.get(key)
    return tuple(loc), data


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() != ".json"


def _describe(error: ErrorDetails) -> str:
    """Return the field, its value if that is short and no token, and what is wrong with it."""
    loc, value = error["loc"], error["input"]
    field = _name(loc)
    if isinstance(value, str | int | float) and loc[:1] != ("tokens",) and error["type"] != "extra_forbidden":
        text = value if isinstance(value, str) else json.dumps(value)
        field += f" is {quote_value(text if len(text) <= _MAX_VALUE_LENGTH else f'{text[:_MAX_VALUE_LENGTH]}…')}"
    return f"{field}: {describe_error(error, FixtureFile.__pydantic_core_schema__)}"


def _name(loc: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".") or "the file"


class _ContentError(yaml.MarkedYAMLError):
    """YAML that has no counterpart in JSON."""


class _YamlLoader(yaml.SafeLoader):
    """YAML with the types of JSON: timestamps stay text, and duplicate keys are an error."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        node = super().compose_node(parent, index)
        if node is not None and node.end_mark is None:  # an alias inside of the value
            problem = "the value with this anchor contains itself: replace its alias by a value"
            raise _ContentError(problem=problem, problem_mark=node.start_mark)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {name} is duplicated", problem_mark=key.start_mark)
            seen.add(name)
        mapping = super().construct_mapping(node, deep)
        return {"null" if key is None else key: value for key, value in mapping.items()}


_YamlLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _construct_scalar(loader: _YamlLoader, node: yaml.ScalarNode) -> object:
    try:
        value: object = yaml.SafeLoader.yaml_constructors[node.tag](loader, node)
        json.dumps(value, allow_nan=False)
    except (KeyError, IndexError, ValueError):  # PyYAML's errors about text that its tag does not allow, or JSON's
        pass
    else:
        return value
    kind = node.tag.replace(_YAML_TAG, "!!")
    problem = (
        f"{quote_value(node.value)} is no {kind} that JSON can have: correct it, or put it in quotes, without a tag"
    )
    raise _ContentError(problem=problem, problem_mark=node.start_mark)


def _reject_tag(_loader: _YamlLoader, node: yaml.Node) -> NoReturn:
    tag = quote_value(node.tag.replace(_YAML_TAG, "!!"))
    problem = f"the tag {tag} is not supported: remove it, and put text in quotes"
    raise _ContentError(problem=problem, problem_mark=node.start_mark)


_YamlLoader.yaml_constructors = {
    **{f"{_YAML_TAG}{name}": yaml.SafeLoader.yaml_constructors[_YAML_TAG + name] for name in ("str", "seq", "map")},
    **{f"{_YAML_TAG}{name}": _construct_scalar for name in ("null", "bool", "int", "float")},
    None: _reject_tag,
}


def _finite(number: str) -> float:
    value = float(number)
    if not isfinite(value):
        raise ValueError(f"{quote_value(number)} is no number that JSON can have")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise ValueError(f"the key {key} is duplicated")
        mapping[key] = value
    return mapping


def parse_text(path: Path, text: str) -> object:
    """Return the content of a file in JSON, if that is the suffix of `path`, or in YAML.

    Raises:
        ConfigError: names the file, line and reason.
    """
    kind = "YAML" if _is_yaml(path) else "JSON"
    try:
        if kind == "JSON":
            return json.loads(text, object_pairs_hook=_unique_keys, parse_float=_finite, parse_constant=_finite)
        return yaml.load(text, Loader=_YamlLoader)  # noqa: S506 - a SafeLoader
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}: not JSON: {error.msg}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        prefix = "" if isinstance(error, _ContentError) else "not YAML: "
        raise ConfigError(f"{path}:{line}: {prefix}{error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not {kind}: {error}") from None


def _line(text: str, loc: tuple[int | str, ...], problem: str) -> int:
    """Return the line of the key or item at `loc`, or of its nearest parent; 1 for a long text. JSON is read as YAML.

    Args:
        text: content of the file.
        loc: keys that lead to the invalid value.
        problem: what is wrong with it; may start with a field inside of it.
    """
    line = 1
    if named := _NAMED_FIELD.match(problem):
        loc += tuple(int(part) if part.isdecimal() else part for part in re.findall(r"\w+", named[1]))
    if len(text) > _MAX_COMPOSED:
        return line
    with suppress(yaml.YAMLError, RecursionError):  # JSON may be deep, or have characters that YAML does not allow
        for node in _descend(yaml.compose(text.replace("\t", " "), Loader=yaml.SafeLoader), loc):
            line = node.start_mark.line + 1
    return line


def _descend(node: yaml.Node | None, loc: tuple[int | str, ...]) -> Iterator[yaml.Node]:
    """Yield the keys and items that lead to `loc`, up to the first that does not exist."""
    for part in loc:
        place = None
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            place = node = node.value[part]
        elif isinstance(node, yaml.MappingNode):
            place, node = next(((key, value) for key, value in node.value if key.value == part), (None, None))
        if place is None:
            return
        yield place
