"""The folder of `--stubs`: stubs in `mappings/`, and the files that they send in `__files/`."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mock_atoms.core.errors import CapacityError
from mock_atoms.core.json_pointer import format_pointer
from mock_atoms.core.masking import quote_value
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.journal.credentials import Credentials
from mock_atoms.wiremock.stub_book import check_stub_capacity
from mock_atoms.wiremock.stub_response import MAX_STUB_FILE_BYTES
from mock_atoms.wiremock.stubs import Stub, StubIds, lacking_features, parse_stub

LOGGER = logging.getLogger("mock_atoms")
MAX_STUBS_FILE_BYTES = 64 * 1024 * 1024
"""Maximum size of a file with stubs."""
_COLLECTION_KEYS = {"mappings", "meta", "importOptions"}
_MAX_PROBLEMS = 20
"""Number of problems that an error lists."""


class BodyFiles:
    """The files that stubs send.

    Args:
        folder: the folder of `--stubs`, or `None`.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder / "__files"

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            ValueError: it is not in the folder, cannot be read, or is too large.
        """
        if self._folder is None:
            raise ValueError("the server has no folder of stubs: start it with --stubs, or use body")
        try:
            path = (self._folder / name.lstrip("/")).resolve()
            is_inside = path.is_relative_to(self._folder.resolve())
            if not is_inside:
                raise ValueError(f"{quote_value(name)} is not inside {self._folder}")
            if not path.is_file():
                raise ValueError(f"{self._folder} has no file {quote_value(name)}")
            with path.open("rb") as file:
                content = file.read(MAX_STUB_FILE_BYTES + 1)
        except OSError as error:
            raise ValueError(f"{quote_value(name)} cannot be read: {error.strerror}") from None
        except RuntimeError as error:  # a loop of symbolic links, before Python 3.13
            raise ValueError(f"{quote_value(name)} cannot be read: {error}") from None
        if len(content) > MAX_STUB_FILE_BYTES:
            raise ValueError(f"{quote_value(name)} is too large: at most {MAX_STUB_FILE_BYTES:,} bytes")
        return content


def read_stubs(folder: Path, credentials: Credentials) -> list[Stub]:
    """Return the stubs of a folder, in the order of the names of their files.

    Raises:
        ConfigError: names the file, the position in it, the field and the reason.
    """
    paths = _stub_paths(folder)
    if not paths:
        LOGGER.warning("%s has no stub: write them into mappings/*.json", folder)
    files = BodyFiles(folder)
    stubs: dict[str, Stub] = {}
    ids = StubIds(stubs.__contains__)
    problems: list[str] = []
    for path in paths:
        for pointer, value in _stub_values(path):
            errors = lacking_features(value)
            try:
                if not errors:
                    _add_stub(stubs, ids, run_without_pauses(parse_stub(value, credentials, files.read)))
            except ConfigError as error:
                errors = [error]
            problems += [f"{path}: {pointer}{error.pointer.rstrip('/') or '/'}: {error.problem}" for error in errors]
    if problems:
        more = f"; and {len(problems) - _MAX_PROBLEMS} more" if len(problems) > _MAX_PROBLEMS else ""
        raise ConfigError("; ".join(problems[:_MAX_PROBLEMS]) + more)
    try:
        check_stub_capacity(len(stubs), sum(stub.size_bytes for stub in stubs.values()))
    except CapacityError as error:
        raise ConfigError(f"{folder}: {error}") from None
    return [*stubs.values()]


def _stub_paths(folder: Path) -> list[Path]:
    try:
        if not folder.is_dir():
            raise ConfigError(f"{folder}: the stubs folder cannot be read: not a folder")
        mappings = folder / "mappings"
        if mappings.exists() and not mappings.is_dir():
            raise ConfigError(f"{mappings}: not a folder")
        return sorted(path for path in mappings.rglob("*.json") if _is_stub_file(path, mappings))
    except OSError as error:
        raise ConfigError(f"{folder}: the stubs folder cannot be read: {error.strerror}") from None


def _is_stub_file(path: Path, mappings: Path) -> bool:
    """Return whether a path is a visible file, or a broken link, which is an error. Pipes and folders are ignored."""
    is_hidden = any(part.startswith(".") for part in path.relative_to(mappings).parts)
    return not is_hidden and (path.is_file() or not path.exists())


def _add_stub(stubs: dict[str, Stub], ids: StubIds, stub: Stub) -> None:
    if stub.id in stubs and stub.has_own_id:
        raise ConfigError(f"{stub.id} is duplicated", "/id")
    run_without_pauses(ids.give(stub))
    stubs[stub.id] = stub


def _stub_values(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the stubs of a file as JSON, each with the JSON pointer to it.

    Raises:
        ConfigError: the file cannot be read, or has no stubs.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_STUBS_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_STUBS_FILE_BYTES:
        raise ConfigError(f"{path}: too large: at most {MAX_STUBS_FILE_BYTES:,} bytes")
    try:
        value = json.loads(content.decode("utf-8-sig"))
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}: not JSON: {error.msg}") from None
    except UnicodeEncodeError:
        raise ConfigError(f"{path}: not JSON: half of a surrogate pair, which UTF-8 cannot encode") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not JSON: {error}") from None
    if isinstance(value, dict) and "mappings" in value:
        if not isinstance(value["mappings"], list):
            raise ConfigError(f"{path}: /mappings: must be a list")
        unknown = [key for key in value if key not in _COLLECTION_KEYS]
        if unknown:
            raise ConfigError(f"{path}: {format_pointer(unknown[:1])}: unknown key beside mappings")
        yield from ((f"/mappings/{number}", item) for number, item in enumerate(value["mappings"]))
    else:
        yield "", value
