"""The shared store of the settings."""

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mock_atoms.core.errors import StoreUnavailableError, missing_package
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.settings import Settings, key_name
from mock_atoms.core.version import __version__
from mock_atoms.state.shared_log import SharedLog

_LOCAL_SETTINGS = {
    *("host", "port", "keep_alive", "request_timeout", "tls", "tls_cert", "tls_key", "workers"),
    *("admin", "admin_token", "log_level", "log_format", "response_cache", "reload", "state"),
    *("store", "store_prefix", "store_timeout"),
}
"""Settings that concern one server alone. Servers that differ in another one cannot share a log."""
_DIGESTED_SETTINGS = {"tokens", "fault", "fixtures", "stubs"}


def open_shared_log(settings: Settings) -> SharedLog:
    """Connect to the shared store of `settings`, which is not the memory.

    Raises:
        ConfigError: a file of fixtures or stubs cannot be read.
        StoreUnavailableError: it is unreachable, not installed, or has been used with other settings.
    """
    try:
        from mock_atoms.state.redis_log import RedisLog, connect  # noqa: PLC0415 - redis is an optional dependency
    except ImportError:
        raise StoreUnavailableError(f"--store: {missing_package('redis', 'redis')}") from None

    async def open_log() -> RedisLog:
        log = await connect(settings.store, settings.store_prefix, shared_config(settings), settings.store_timeout)
        await log.close()  # the loop that serves opens its own connection
        return log

    with ThreadPoolExecutor(1) as thread:  # the caller may run an event loop
        return thread.submit(lambda: asyncio.run(open_log())).result()


def shared_config(settings: Settings) -> dict[str, Any]:
    """Return what all servers of a log must have in common: equal entries must have equal effects.

    Texts that may hold secrets, and the contents of files, are digests.
    """
    fixtures, stubs = settings.fixtures, settings.stubs
    return {
        "version": __version__,
        "Python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "faker": version("faker"),
        **{
            key_name(name): _json_value(getattr(settings, name))
            for name in Settings.model_fields
            if name not in _LOCAL_SETTINGS | _DIGESTED_SETTINGS
        },
        "tokens (digest)": settings.tokens and _digest([json.dumps(sorted(settings.tokens)).encode()]),
        "fault (digest)": _digest([json.dumps(settings.fault, sort_keys=True).encode()]) if settings.fault else None,
        "fixtures (digest)": fixtures and _digest(_parts(fixtures)),
        "stubs (digest)": stubs and _digest([*_parts(stubs / "mappings"), b"", *_parts(stubs / "__files")]),
    }


def _json_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return sorted(value) if isinstance(value, frozenset) else value


def _parts(folder: Path) -> Iterator[bytes]:
    """Yield the names and contents of the files of a folder. Hidden ones, such as those of Kubernetes, have no effect.

    Raises:
        ConfigError: a file cannot be read.
    """
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            yield name.as_posix().encode()
            try:
                yield path.read_bytes()
            except OSError as error:
                raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _digest(parts: Iterable[bytes]) -> str:
    digest = blake2b(digest_size=8)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
