"""Settings from flags, environment variables and a TOML file."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.settings import (
    ENV_PREFIX,
    Settings,
    flag_name,
    key_name,
    setting_infos,
    validate_settings,
    variable_name,
)
from mock_atoms.core.suggestions import did_you_mean

CONFIG_VARIABLE = f"{ENV_PREFIX}CONFIG"
URL_VARIABLE = f"{ENV_PREFIX}URL"
"""URL of a running server: for the pytest plugin, no setting of a server."""
_KUBERNETES_NAME = re.compile(
    rf"{ENV_PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_KUBERNETES_PORT = re.compile(rf"{ENV_PREFIX}(\w+_)?PORT=(tcp|udp|sctp)://.*", re.DOTALL)
_SEE_HELP = " `mock-atoms serve --help` lists all settings."


def load_settings(flags: Mapping[str, object], environ: Mapping[str, str], config: Path | None = None) -> Settings:
    """Merge the three sources of settings: flags override the environment, which overrides the file.

    Args:
        flags: values by field name; `None` means that the flag is absent.
        environ: the process environment. Empty variables count as unset.
        config: TOML file whose keys are the flags without their dashes; `MOCK_ATOMS_CONFIG` by default.

    Raises:
        ConfigError: a name is unknown, a value is invalid, or the file cannot be read.
    """
    if config is None and environ.get(CONFIG_VARIABLE):
        config = Path(environ[CONFIG_VARIABLE])
    values: dict[str, object] = {}
    places: dict[str, str] = {}
    for source in (_file_values(config), _environment_values(environ), _flag_values(flags)):
        for name, value, place in source:
            values[name], places[name] = value, place
    return validate_settings(values, places)


def setting_variables(environ: Mapping[str, str]) -> list[str]:
    """Return the names of the variables that set or lead to settings, without checking their values.

    Raises:
        ConfigError: the name of a `MOCK_ATOMS_…` variable is unknown.
    """
    config = [CONFIG_VARIABLE] if environ.get(CONFIG_VARIABLE) else []
    return [variable for _, _, variable in _environment_values(environ)] + config


def is_kubernetes_variable(name: str, value: str) -> bool:
    """Return whether Kubernetes sets this variable for a service named `mock-atoms` or `mock-atoms-…`."""
    return bool(_KUBERNETES_NAME.fullmatch(name) or _KUBERNETES_PORT.fullmatch(f"{name}={value}"))


def _flag_values(flags: Mapping[str, object]) -> Iterator[tuple[str, object, str]]:
    for name in setting_infos():
        if flags.get(name) is not None:
            yield name, flags[name], flag_name(name)


def _environment_values(environ: Mapping[str, str]) -> Iterator[tuple[str, object, str]]:
    names = {variable_name(name): name for name in setting_infos()}
    known = [*names, CONFIG_VARIABLE, URL_VARIABLE]
    for variable, value in environ.items():
        if not variable.startswith(ENV_PREFIX) or not value or is_kubernetes_variable(variable, value):
            continue
        if variable in names:
            yield names[variable], value, variable
        elif variable not in known:
            suggestion = did_you_mean(variable, known, ENV_PREFIX) or _SEE_HELP
            raise ConfigError(f"environment: `{variable}` is not a setting.{suggestion}")


def _file_values(path: Path | None) -> Iterator[tuple[str, object, str]]:
    if path is None:
        return
    names = {key_name(name): name for name in setting_infos()}
    for key, value in _read_toml(path).items():
        if key not in names:
            raise ConfigError(f"{path}: `{key}` is not a setting.{did_you_mean(key, names) or _SEE_HELP}")
        yield names[key], value, f"{path}: {key}"


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
