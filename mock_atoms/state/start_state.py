"""The state that a server starts from: the file of `--state`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mock_atoms.core.errors import CapacityError
from mock_atoms.core.json_parsing import parse_own_json
from mock_atoms.core.masking import quote_value
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.settings import Settings, flag_name, validate_settings
from mock_atoms.core.slices import Steps, run_without_pauses
from mock_atoms.journal.credentials import Credentials
from mock_atoms.state.snapshot import activate_snapshot
from mock_atoms.state.snapshot_parsing import Snapshot, SnapshotConverter, parse_snapshot
from mock_atoms.state.store import StoreContent

_EXPORTED = ("seed", "locale")
"""Settings that an exported state has."""


class StartState:
    """An exported state that a server starts from, and has again after a reset.

    Args:
        path: its file, which is read once.

    Raises:
        ConfigError: the file cannot be read, or has no valid state; names the field by JSON pointer.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._text = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
        snapshot = run_without_pauses(self._parse())
        self._settings = {name: getattr(snapshot, name) for name in _EXPORTED}

    def adapt(self, settings: Settings) -> Settings:
        """Return the settings with the seed and the locale of the state, which decide about generated data.

        Raises:
            ConfigError: one of them is set to another value, or is invalid.
        """
        valid = validate_settings(self._settings, {name: f"{self._path}: /{name}" for name in self._settings})
        values = {name: getattr(valid, name) for name in _EXPORTED}
        for name, value in values.items():
            current = getattr(settings, name)
            if name in settings.model_fields_set and current != value:
                raise ConfigError(
                    f"{self._path}: /{name}: the state is from a server with the {name} {quote_value(value)}, this "
                    f"server has {quote_value(current)}: leave {flag_name(name)} out"
                )
        return settings.model_copy(update=values)

    def content(self, credentials: Credentials) -> Steps[StoreContent]:
        """Return the content of a store that has this state.

        Args:
            credentials: masks credentials in stubs.

        Raises:
            ConfigError: a rule or a stub is invalid; names the field by JSON pointer.
        """
        snapshot = yield from self._parse()
        with self._naming_the_file():
            return (yield from activate_snapshot(snapshot, credentials))

    def _parse(self) -> Steps[Snapshot]:
        with self._naming_the_file():
            value = yield from parse_own_json(self._text, SnapshotConverter().convert)
            return (yield from parse_snapshot(value))

    @contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        try:
            yield
        except ConfigError as error:
            pointer = f"{error.pointer}: " if error.pointer else ""
            raise ConfigError(f"{self._path}: {pointer}{error.problem}") from None
        except CapacityError as error:
            raise ConfigError(f"{self._path}: {error}") from None
