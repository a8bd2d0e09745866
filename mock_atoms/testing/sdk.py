"""Points the official SDK, `smallestai`, at a mock server. Works with all releases since 4.3.2."""

import inspect
import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from importlib.metadata import version
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smallestai.environment import SmallestAIEnvironment

_KEY_PARAMETERS = ("api_key", "token")
"""Parameter of the client that takes the key: `api_key`, before 4.4.6 `token`."""
KEY_VARIABLES = ("SMALLEST_API_KEY", "SMALLEST_AI_TOKEN")
"""Variables with the key of clients, helpers and CLI. Clients before 4.4.6 read the second."""
_MISSING = object()

Override = tuple[MutableMapping[str, Any], str, Any]
"""A mapping, a key, and the value that it has for a while."""


def sdk_environment(root_url: str, url: str) -> "SmallestAIEnvironment":
    """Return the environment that points a client of the SDK at a server.

    Args:
        root_url: URL of the server, without a path.
        url: base URL of its API.

    Raises:
        ImportError: `smallestai` is not installed, or older than 4.3.2.
    """
    import smallestai  # noqa: F401, PLC0415 - an optional package, which may be missing

    try:
        from smallestai.environment import SmallestAIEnvironment  # noqa: PLC0415 - the same
    except ModuleNotFoundError:
        raise ImportError(
            f"smallestai {version('smallestai')} has no environments: install 4.3.2 or later, or pass "
            f"Configuration(host={url!r}, access_token=…) to its AtomsClient"
        ) from None
    return SmallestAIEnvironment(**environment_urls(SmallestAIEnvironment, root_url, url))


def environment_urls(environment_class: type, root_url: str, url: str) -> dict[str, str]:
    """Return the argument of each parameter of a release's environment class.

    Args:
        environment_class: the class `SmallestAIEnvironment` of the installed release.
        root_url: see `sdk_environment`.
        url: see `sdk_environment`.
    """
    _, *names = inspect.signature(environment_class.__init__).parameters  # type: ignore[misc] # of the class, on purpose
    sockets = "ws" + root_url.removeprefix("http")
    return {
        name: url if name in ("atoms", "agents") else sockets if name.endswith("_ws") else root_url for name in names
    }


def helper_variables(url: str, token: str | None) -> dict[str, str]:
    """Return the variables that the helpers of the SDK read, by name. They also turn off its telemetry.

    Args:
        url: base URL of the API.
        token: token of the requests; `None` adds no variable for it.
    """
    keys = {} if token is None else dict.fromkeys(KEY_VARIABLES, token)
    return {"SMALLEST_BASE_URL": url, "SMALLESTAI_TELEMETRY": "0", **keys}


@contextmanager
def redirect_sdk(root_url: str, url: str, token: str | None) -> Iterator[None]:
    """Point all clients without their own environment, and the helpers of the SDK, at a server.

    Several may be active at the same time, in any order: the latest one that is still active determines the server.

    Args:
        root_url: see `sdk_environment`.
        url: see `sdk_environment`.
        token: key of clients and helpers without their own; `None` leaves the key unchanged.

    Raises:
        ImportError: see `sdk_environment`.
    """
    urls = vars(sdk_environment(root_url, url))
    from smallestai import AsyncSmallestAI, SmallestAI  # noqa: PLC0415 - an optional package
    from smallestai.environment import SmallestAIEnvironment  # noqa: PLC0415 - the same

    # The clients' default is this very object, so its attributes are changed in place.
    overrides: list[Override] = [(vars(SmallestAIEnvironment.PRODUCTION), name, value) for name, value in urls.items()]
    overrides += [(os.environ, name, value) for name, value in helper_variables(url, token).items()]
    if token is not None:
        # The default key is the variable as it was when the SDK was imported.
        defaults = [client.__init__.__kwdefaults__ or {} for client in (SmallestAI, AsyncSmallestAI)]
        overrides += [(values, name, token) for values in defaults for name in _KEY_PARAMETERS if name in values]
    with _OVERRIDES.applied(overrides):
        yield


class Overrides:
    """Values of mappings that are replaced for a while. The original ones return after the last replacement."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._active: list[list[Override]] = []
        self._originals: dict[tuple[int, str], Any] = {}

    @contextmanager
    def applied(self, overrides: list[Override]) -> Iterator[None]:
        """Apply `overrides`, and undo them afterwards. Several may overlap in any order."""
        try:
            with self._lock:
                self._active.append(overrides)
                for mapping, name, _ in overrides:
                    self._originals.setdefault((id(mapping), name), mapping.get(name, _MISSING))
                for mapping, name, value in overrides:
                    mapping[name] = value
            yield
        finally:
            with self._lock:
                self._active[:] = [active for active in self._active if active is not overrides]
                for mapping, name, _ in overrides:
                    self._restore(mapping, name)

    def _restore(self, mapping: MutableMapping[str, Any], name: str) -> None:
        """Set the value of the latest override that is still active, or the original one."""
        values = [value for active in self._active for other, key, value in active if other is mapping and key == name]
        value = values[-1] if values else self._originals.pop((id(mapping), name))
        if value is _MISSING:
            mapping.pop(name, None)
        else:
            mapping[name] = value


_OVERRIDES = Overrides()  # not part of a server, since all servers of a process redirect the same SDK
