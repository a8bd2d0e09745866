"""The settings of a server: names, types, defaults and help."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from mock_atoms.core.masking import quote_value
from mock_atoms.core.parsing import ConfigError, describe_error
from mock_atoms.core.patterns import COOKIE, STORE, STORE_PREFIX
from mock_atoms.core.setting_types import (
    CampaignStatus,
    Host,
    Locale,
    Origin,
    Text,
    Token,
    parse_faults,
    parse_now,
    split_addresses,
    split_tokens,
    validate_base_path,
)
from mock_atoms.core.suggestions import did_you_mean

ENV_PREFIX = "MOCK_ATOMS_"
LOCALHOST_ORIGINS = "localhost"
DEFAULT_KEEP_ALIVE = 75
MAX_JOURNAL_SIZE = 1_000_000
MAX_JOURNAL_BODY_BYTES = 1_048_576
MAX_WORKERS = 64
DEFAULT_REQUEST_TIMEOUT = 10


@dataclass(frozen=True)
class SettingInfo:
    """Presentation of a setting in `--help` and docs/settings.md.

    Attributes:
        group: title of its group in `serve --help`.
        metavar: placeholder of the value; empty for a switch such as `--admin` and `--no-admin`.
        help: its meaning.
        repeatable: whether the flag may be passed several times.
        secret: whether its values are left out of error messages.
        default: the default in words, if the value does not explain itself.
    """

    group: str
    metavar: str
    help: str
    repeatable: bool = False
    secret: bool = False
    default: str = ""


_NETWORK, _TLS, _DATA, _FAULTS = "network", "TLS", "data and tokens", "faults"
_CONTROL, _JOURNAL, _CACHE = "control API", "journal and log", "response cache"
_STORE, _READINGS = "shared store", "where the vendor's sources disagree"


class Settings(BaseModel):
    """All settings of one server, validated and frozen. `Settings()` has the defaults and reads no environment.

    Raises:
        pydantic.ValidationError: a value is invalid. `load_settings` and `validate_settings` raise `ConfigError`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: Annotated[
        tuple[Host, ...],
        BeforeValidator(split_addresses),
        Field(min_length=1),
        SettingInfo(
            _NETWORK,
            "ADDRESS",
            "address or name to listen on; `::` is every address of IPv6 and IPv4",
            repeatable=True,
        ),
    ] = ("127.0.0.1",)
    port: Annotated[
        int, Field(ge=0, le=65535), SettingInfo(_NETWORK, "PORT", "port to listen on; `0` picks a free one")
    ] = 28667
    base_path: Annotated[
        str,
        AfterValidator(validate_base_path),
        SettingInfo(_NETWORK, "PATH", "path of the API; `/` serves it at the root"),
    ] = "/atoms/v1"
    cors_origin: Annotated[
        tuple[Origin, ...],
        BeforeValidator(split_addresses),
        SettingInfo(
            _NETWORK,
            "ORIGIN",
            "browser origins allowed to call, such as `https://app.test`; `*` is all, `localhost` all its ports",
            repeatable=True,
        ),
    ] = (LOCALHOST_ORIGINS,)
    keep_alive: Annotated[
        int,
        Field(ge=0, le=3600),
        SettingInfo(
            _NETWORK,
            "SECONDS",
            "time that an idle connection is kept, as announced in `Keep-Alive`; `0` closes it after each response",
        ),
    ] = DEFAULT_KEEP_ALIVE
    request_timeout: Annotated[
        int,
        Field(ge=1, le=3600),
        SettingInfo(
            _NETWORK, "SECONDS", "time to receive the request line and headers, and the next part of a body; then 408"
        ),
    ] = DEFAULT_REQUEST_TIMEOUT
    tls: Annotated[
        Literal["self-signed"] | None,
        SettingInfo(_TLS, "self-signed", "`self-signed` serves HTTPS with a certificate made at start (docs/tls.md)"),
    ] = None
    tls_cert: Annotated[Path | None, SettingInfo(_TLS, "FILE", "PEM file of your certificate, to serve HTTPS")] = None
    tls_key: Annotated[
        Path | None, SettingInfo(_TLS, "FILE", "PEM file of its key, unless the certificate's file has it")
    ] = None
    seed: Annotated[Text, SettingInfo(_DATA, "TEXT", "seed for all generated data and random choices")] = "atoms"
    locale: Annotated[Locale, SettingInfo(_DATA, "NAME", "faker locale of generated data, such as `de_DE`")] = "en_US"
    fixtures: Annotated[Path | None, SettingInfo(_DATA, "FOLDER", "folder of fixture files (docs/fixtures.md)")] = None
    stubs: Annotated[
        Path | None, SettingInfo(_DATA, "FOLDER", "folder of stubs, `mappings/` and `__files/` (docs/stubs.md)")
    ] = None
    reload: Annotated[
        bool, SettingInfo(_DATA, "", "reload changed fixtures and stubs (docs/fixtures.md)", default="off")
    ] = False
    state: Annotated[
        Path | None, SettingInfo(_DATA, "FILE", "exported state to start from, in place of fixtures and stubs")
    ] = None
    tokens: Annotated[
        frozenset[Token] | None,
        BeforeValidator(split_tokens),
        Field(min_length=1, repr=False),
        SettingInfo(_DATA, "TOKEN,…", "the only valid tokens, comma-separated; all others get 401", secret=True),
    ] = None
    session_cookie: Annotated[
        str,
        StringConstraints(pattern=COOKIE),
        SettingInfo(_DATA, "NAME", "cookie that carries the token if there is no `Authorization` header"),
    ] = "session"
    now: Annotated[
        datetime | None,
        BeforeValidator(parse_now),
        SettingInfo(_DATA, "TIME", "time of all changes, in place of the wall clock, such as `2026-01-31T09:00:00Z`"),
    ] = None
    audience_order: Annotated[
        Literal["oldest", "newest"],
        SettingInfo(_READINGS, "ORDER", "list the `oldest` audience first, or the `newest`"),
    ] = "oldest"
    search_limit: Annotated[
        int,
        Field(ge=0),
        SettingInfo(_READINGS, "MEMBERS", "number of members that a search returns at most; `0` is no limit"),
    ] = 0
    delete_emptied_audiences: Annotated[
        bool, SettingInfo(_READINGS, "", "delete an audience with its last member", default="off")
    ] = False
    active_campaigns: Annotated[
        frozenset[CampaignStatus],
        BeforeValidator(split_tokens),
        SettingInfo(
            _READINGS,
            "STATUS,…",
            "statuses of the campaigns that the list of audiences shows and that block a deletion (docs/campaigns.md)",
            default="`paused,processing,running,scheduled`",
        ),
    ] = frozenset({"scheduled", "processing", "running", "paused"})
    campaign_pace: Annotated[
        float,
        Field(ge=0, le=86_400, allow_inf_nan=False),
        SettingInfo(_DATA, "SECONDS", "time from the start of a campaign to its end; `0` leaves each step to a test"),
    ] = 0.0
    fault: Annotated[
        tuple[str | dict[str, Any], ...],
        BeforeValidator(parse_faults),
        Field(repr=False),
        SettingInfo(
            _FAULTS,
            "FAULT",
            "`[METHOD PATH] EXPRESSION`, or a rule as JSON (docs/faults.md)",
            repeatable=True,
            secret=True,
        ),
    ] = ()
    error_rate: Annotated[
        float,
        Field(ge=0, le=1),
        SettingInfo(_FAULTS, "SHARE", "share of authenticated requests that get 500, from 0 to 1"),
    ] = 0.0
    strict: Annotated[
        bool,
        SettingInfo(
            _FAULTS, "", "respond with 400 to requests that violate the contract (docs/violations.md)", default="off"
        ),
    ] = False
    admin: Annotated[
        bool | None,
        SettingInfo(
            _CONTROL,
            "",
            "open the control API to all who reach the server; `--no-admin` disables it except `/__admin/health`",
            default="on loopback, or with a token",
        ),
    ] = None
    admin_token: Annotated[
        Token | None,
        Field(repr=False),
        SettingInfo(_CONTROL, "TOKEN", "bearer token that the control API requires", secret=True),
    ] = None
    journal_size: Annotated[
        int,
        Field(ge=0, le=MAX_JOURNAL_SIZE),
        SettingInfo(_JOURNAL, "ENTRIES", "number of exchanges that the journal keeps; `0` turns it off"),
    ] = 10_000
    journal_body: Annotated[
        int,
        Field(ge=0, le=MAX_JOURNAL_BODY_BYTES),
        SettingInfo(_JOURNAL, "BYTES", "number of bytes that the journal keeps of each body; `0` keeps none"),
    ] = 65_536
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        SettingInfo(_JOURNAL, "LEVEL", "`debug`, `info`, `warning` or `error`"),
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"], SettingInfo(_JOURNAL, "FORMAT", "`text`, or `json` for machines")
    ] = "text"
    store: Annotated[
        str,
        StringConstraints(pattern=STORE),
        Field(repr=False),
        SettingInfo(
            _STORE,
            "URL",
            "`memory`, or the URL of a Redis or Valkey that several servers share (docs/scale.md)",
            secret=True,
        ),
    ] = "memory"
    store_prefix: Annotated[
        str,
        StringConstraints(pattern=STORE_PREFIX),
        SettingInfo(_STORE, "NAME", "start of all keys in the shared store: servers with another one share nothing"),
    ] = "mock-atoms"
    store_timeout: Annotated[
        int,
        Field(ge=1, le=3600),
        SettingInfo(_STORE, "SECONDS", "time to wait at the start for a shared store that is unreachable"),
    ] = 5
    tenant_ttl: Annotated[
        int,
        Field(ge=1),
        SettingInfo(_STORE, "SECONDS", "time after which a shared store forgets a tenant without requests or changes"),
    ] = 86_400
    workers: Annotated[
        int,
        Field(ge=1, le=MAX_WORKERS),
        SettingInfo(_STORE, "NUMBER", "processes on one port; more than one needs a shared store"),
    ] = 1
    response_cache: Annotated[
        bool, SettingInfo(_CACHE, "", "reuse rendered responses until a tenant's data changes", default="on")
    ] = True

    _fault_place: str = PrivateAttr("fault")

    if TYPE_CHECKING:  # a text for `host` is valid, as in the environment, but type checkers see only the field's type

        def __init__(self, **values: object) -> None: ...

    @field_validator("*", mode="before")
    @classmethod
    def _check_type(cls, value: object, info: ValidationInfo) -> object:
        """Refuse what pydantic converts: true is no number, 1 is no switch, 1.0 is no whole number."""
        types = {annotation := cls.model_fields[str(info.field_name)].annotation, *get_args(annotation)}
        if isinstance(value, bool) and types & {int, float}:
            raise ValueError("must be a number")
        if isinstance(value, float) and int in types:
            raise ValueError("must be a whole number")
        if isinstance(value, int | float) and not isinstance(value, bool) and bool in types:
            raise ValueError("must be true or false")
        return value

    @field_validator("store")
    @classmethod
    def _check_store(cls, store: str, info: ValidationInfo) -> str:
        if store != "memory" and info.data.get("reload"):
            raise ValueError("servers with a shared store read files only at their start: leave --reload out")
        return store

    @field_validator("state")
    @classmethod
    def _check_state(cls, state: Path | None, info: ValidationInfo) -> Path | None:
        if state is not None and info.data.get("reload"):
            raise ValueError("a server with a start state has no fixtures or stubs of files: leave --reload out")
        return state

    @field_validator("fault", "error_rate", "store")
    @classmethod
    def _check_with_state(cls, value: object, info: ValidationInfo) -> object:
        if value not in ((), 0, "memory") and info.data.get("state") is not None:
            raise ValueError("cannot be combined with --state, which has its own rules and is in memory: leave one out")
        return value

    @field_validator("store_prefix", "tenant_ttl", "workers")
    @classmethod
    def _check_needs_store(cls, value: object, info: ValidationInfo) -> object:
        if value != cls.model_fields[str(info.field_name)].default and info.data.get("store") == "memory":
            raise ValueError("it needs a shared store, such as --store redis://localhost:6379/0")
        return value

    @field_validator("reload")
    @classmethod
    def _check_reload(cls, reload: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        if reload and info.data.get("fixtures") is None and info.data.get("stubs") is None:
            raise ValueError("there is nothing to watch: set --fixtures or --stubs")
        return reload

    def model_post_init(self, context: Mapping[str, str] | None, /) -> None:
        """Store the place of `fault`, whose expressions are parsed later."""
        self._fault_place = (context or {}).get("fault", self._fault_place)

    @property
    def is_shared(self) -> bool:
        """Whether several servers share the state."""
        return self.store != "memory"

    @property
    def fault_place(self) -> str:
        """The place of `fault` in an error, such as `MOCK_ATOMS_FAULT`."""
        return self._fault_place

    @property
    def scheme(self) -> Literal["http", "https"]:
        """The URL scheme of the server."""
        return "http" if self.tls is None and self.tls_cert is None else "https"


def setting_infos() -> dict[str, SettingInfo]:
    """Return the presentation of each setting by field name, in the order of docs/settings.md."""
    return {
        name: info
        for name, field in Settings.model_fields.items()
        for info in field.metadata
        if isinstance(info, SettingInfo)
    }


def flag_name(name: str) -> str:
    """Return the flag of the field `name`, such as `--base-path`."""
    return f"--{key_name(name)}"


def key_name(name: str) -> str:
    """Return the TOML key of the field `name`, such as `base-path`."""
    return name.replace("_", "-")


def variable_name(name: str) -> str:
    """Return the environment variable of the field `name`, such as `MOCK_ATOMS_BASE_PATH`."""
    return ENV_PREFIX + name.upper()


def validate_settings(values: Mapping[str, object], places: Mapping[str, str] | None = None) -> Settings:
    """Return the settings with `values`, by field name.

    Args:
        values: values by field name.
        places: how an error names a field, such as `--port`; its field name by default.

    Raises:
        ConfigError: a name is unknown or a value is invalid.
    """
    infos = setting_infos()
    for name in values:
        if name not in infos:
            raise ConfigError(f"`{name}` is not a setting.{did_you_mean(name, infos)}")
    try:
        return Settings.model_validate(values, context=places)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        value = "" if infos[name].secret else f"{quote_value(first['input'])} is invalid: "
        raise ConfigError(f"{(places or {}).get(name, name)}: {value}{describe_error(first)}") from None
