"""Every setting of the server: what it means, how it is given, parsed once."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from mock_atoms.core.parsing import COOKIE, ORIGIN, TOKEN, ConfigError, describe_error
from mock_atoms.core.timestamps import parse_timestamp

ENV_PREFIX = "MOCK_ATOMS_"
LOCALHOST_ORIGINS = "localhost"
RESERVED_SEGMENTS = {"__admin", "docs", "docs-assets", "openapi.json"}
"""First segments of paths that are the server's own: the control API and the documentation."""


@dataclass(frozen=True)
class SettingInfo:
    """How a field of `Settings` is given from outside.

    Attributes:
        metavar: placeholder of the value in `--help`; empty for a switch such as `--admin` and `--no-admin`.
        help: what it means, for `--help` and the README's table.
        repeatable: whether the flag may be given several times.
        secret: whether values must be kept out of error messages.
        default: the default in words, where it depends on other settings.
    """

    metavar: str
    help: str
    repeatable: bool = False
    secret: bool = False
    default: str = ""


def _base_path(value: str) -> str:
    path = value.rstrip("/")
    if path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path):
        raise ValueError("a base path is / or looks like /atoms/v1")
    if path.partition("/")[2].partition("/")[0] in RESERVED_SEGMENTS:
        raise ValueError("the server has paths of its own there; give one such as /atoms/v1")
    return path


def _locale(value: str) -> str:
    from faker.config import AVAILABLE_LOCALES  # noqa: PLC0415 - slow, and only for other locales than ours

    name = value.replace("-", "_")
    if name in AVAILABLE_LOCALES:
        return name
    language = name.partition("_")[0]
    near = sorted(locale for locale in AVAILABLE_LOCALES if locale.partition("_")[0] == language)
    raise ValueError(f"faker has no such locale; give one such as {', '.join(near) or 'en_US'}")


def _moment(value: object) -> object:
    return parse_timestamp(value.isoformat() if isinstance(value, datetime) else str(value))


def _encodable(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("not valid text") from None
    return value


def _comma_separated(value: object) -> object:
    if isinstance(value, str):
        return [item for item in (part.strip() for part in value.split(",")) if item]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return _comma_separated(",".join(value))
    return value


def _fault_list(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        return [value]
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"not a JSON list: {error}") from None
    return [item for item in (part.strip() for part in value.split(";")) if item]


Locale = Annotated[str, AfterValidator(_locale)]
Token = Annotated[str, StringConstraints(pattern=TOKEN)]
Origin = Annotated[str, StringConstraints(pattern=ORIGIN)]


class Settings(BaseModel):
    """All settings of one server, checked and frozen.

    Raises:
        pydantic.ValidationError: a value is out of range or of the wrong type. `load_settings` and
            `validate_settings` raise a `ConfigError` in its place.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: Annotated[
        str, Field(min_length=1), AfterValidator(_encodable), SettingInfo("ADDRESS", "address to listen on")
    ] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535), SettingInfo("PORT", "port to listen on; `0` picks a free one")] = 28667
    base_path: Annotated[
        str,
        AfterValidator(_base_path),
        SettingInfo("PATH", "where the API begins; `/` serves the operations at the root"),
    ] = "/atoms/v1"
    seed: Annotated[
        str, AfterValidator(_encodable), SettingInfo("TEXT", "every generated datum and every choice derives from it")
    ] = "atoms"
    locale: Annotated[Locale, SettingInfo("NAME", "faker locale of generated data, such as `de_DE`")] = "en_US"
    fixtures: Annotated[Path | None, SettingInfo("FOLDER", "folder of fixture files (docs/fixtures.md)")] = None
    tokens: Annotated[
        frozenset[Token] | None,
        BeforeValidator(_comma_separated),
        Field(min_length=1, repr=False),
        SettingInfo("TOKEN,…", "the only valid tokens, comma-separated; all others are 401", secret=True),
    ] = None
    session_cookie: Annotated[
        str,
        StringConstraints(pattern=COOKIE),
        SettingInfo("NAME", "cookie whose value counts as the token when there is no Authorization header"),
    ] = "session"
    error_rate: Annotated[
        float,
        Field(ge=0, le=1),
        SettingInfo("SHARE", "share of authenticated requests answered 500, from 0 to 1"),
    ] = 0.0
    fault: Annotated[
        tuple[str | dict[str, Any], ...],
        BeforeValidator(_fault_list),
        Field(repr=False),
        SettingInfo(
            "FAULT",
            "`[METHOD PATH] EXPRESSION` or a rule as JSON (docs/faults.md); the variable takes `;` or a JSON list",
            repeatable=True,
            secret=True,
        ),
    ] = ()
    now: Annotated[
        datetime | None,
        BeforeValidator(_moment),
        SettingInfo("TIME", "when all that clients create is said to be created, such as `2026-01-31T09:00:00Z`"),
    ] = None
    journal_size: Annotated[
        int, Field(ge=0, le=1_000_000), SettingInfo("ENTRIES", "how many exchanges the journal keeps; `0` turns it off")
    ] = 10_000
    admin_token: Annotated[
        Token | None,
        Field(repr=False),
        SettingInfo("TOKEN", "bearer token without which the control API answers 401, but for its health", secret=True),
    ] = None
    admin: Annotated[
        bool | None,
        SettingInfo(
            "",
            "whether there is a control API; `--no-admin` leaves its health alone",
            default="on loopback, or with a token",
        ),
    ] = None
    cors_origin: Annotated[
        tuple[Origin, ...],
        BeforeValidator(_comma_separated),
        SettingInfo(
            "ORIGIN",
            "browser origins allowed to call, such as `https://app.test`; `*` for all, `localhost` for its every port",
            repeatable=True,
        ),
    ] = (LOCALHOST_ORIGINS,)
    tls: Annotated[
        Literal["self-signed"] | None,
        SettingInfo("self-signed", "`self-signed` serves HTTPS, with a certificate made at start (docs/tls.md)"),
    ] = None
    tls_cert: Annotated[Path | None, SettingInfo("FILE", "PEM file of the certificate to serve HTTPS with")] = None
    tls_key: Annotated[Path | None, SettingInfo("FILE", "PEM file of its key, where that is not in the same file")] = (
        None
    )
    response_cache: Annotated[
        bool,
        SettingInfo("", "whether answers are rendered once for a token that has changed nothing", default="on"),
    ] = True
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        SettingInfo("LEVEL", "`debug`, `info`, `warning` or `error`"),
    ] = "info"
    log_format: Annotated[Literal["text", "json"], SettingInfo("FORMAT", "`text`, or `json` for machines")] = "text"

    @property
    def scheme(self) -> Literal["http", "https"]:
        """How the server is spoken to."""
        return "http" if self.tls is None and self.tls_cert is None else "https"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches what listens on `host`."""
    return host == "localhost" or host.startswith("127.") or host == "::1"


def setting_infos() -> dict[str, SettingInfo]:
    """Return the option of each field of `Settings`, by field name, in the order of the table."""
    return {
        name: option
        for name, field in Settings.model_fields.items()
        for option in field.metadata
        if isinstance(option, SettingInfo)
    }


def flag_name(name: str) -> str:
    """Return the flag that gives field `name`, such as `--base-path`."""
    return "--" + name.replace("_", "-")


def variable_name(name: str) -> str:
    """Return the environment variable that gives field `name`, such as `MOCK_ATOMS_BASE_PATH`."""
    return ENV_PREFIX + name.upper()


def reachable_host(host: str) -> str:
    """Return the address by which this machine reaches what listens on `host`."""
    every_address = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised here, not bound
    return every_address.get(host, host)


def load_settings(flags: Mapping[str, object], environ: Mapping[str, str], config: Path | None = None) -> Settings:
    """Merge the three sources of settings: a flag beats the environment, the environment beats the file.

    Args:
        flags: values by field name; `None` means that the flag was not given.
        environ: the process environment. A variable that is empty counts as unset, and so does the
            `tcp://…` that Kubernetes puts into `MOCK_ATOMS_PORT` beside a service named mock-atoms.
        config: a TOML file whose keys are the flags without their dashes; `MOCK_ATOMS_CONFIG` by default.

    Raises:
        ConfigError: a value cannot be used, or the file cannot be read.
    """
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    variable = environ.get(f"{ENV_PREFIX}CONFIG")
    if config is None and variable:
        config = Path(variable)
    if config is not None:
        for key, value in _read_toml(config).items():
            field = next((name for name in setting_infos() if flag_name(name) == f"--{key}"), None)
            if field is None:
                raise ConfigError(f"{config}: {key}: no such setting; `mock-atoms serve --help` lists them")
            values[field], origins[field] = value, f"{config}: {key}"
    for name in setting_infos():
        text = environ.get(variable_name(name), "")
        if text and not (name == "port" and text.startswith("tcp://")):
            values[name], origins[name] = text, variable_name(name)
        if flags.get(name) is not None:
            values[name], origins[name] = flags[name], flag_name(name)
    return validate_settings(values, origins)


def validate_settings(values: Mapping[str, object], origins: Mapping[str, str] | None = None) -> Settings:
    """Check `values`, by field name; in an error, a field goes by its name in `origins` where it has one.

    Raises:
        ConfigError: a value cannot be used.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        known = setting_infos().get(name)
        shown = "" if known is None or known.secret else f"{first['input']!r}: "
        raise ConfigError(f"{(origins or {}).get(name, name)}: {shown}{describe_error(first)}") from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
