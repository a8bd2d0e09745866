"""The shared store of the settings."""

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mock_atoms.core.errors import StoreUnavailableError
from mock_atoms.core.settings import Settings
from mock_atoms.core.version import __version__
from mock_atoms.state.shared_log import SharedLog

_SHARED_SETTINGS = ("seed", "locale", "base_path", "session_cookie", "error_rate", "journal_size", "tenant_ttl")
"""Settings that decide responses: servers that differ in one cannot share a log."""


def open_shared_log(settings: Settings) -> SharedLog:
    """Connect to the shared store of `settings`, which is not the memory.

    Raises:
        StoreUnavailableError: it is unreachable, not installed, or has been used with other settings.
    """
    try:
        from mock_atoms.state.redis_log import RedisLog, connect  # noqa: PLC0415 - redis is an optional dependency
    except ImportError:
        raise StoreUnavailableError("a shared store needs the redis package: pip install 'mock-atoms[redis]'") from None

    async def open_log() -> RedisLog:
        log = await connect(settings.store, settings.store_prefix, shared_config(settings), settings.store_timeout)
        await log.close()  # the loop that serves opens its own connection
        return log

    with ThreadPoolExecutor(1) as thread:  # the caller may run an event loop
        return thread.submit(lambda: asyncio.run(open_log())).result()


def shared_config(settings: Settings) -> dict[str, Any]:
    """Return what all servers of a log must have in common: equal entries must have equal effects.

    Texts that may hold secrets are digests.
    """
    secrets = json.dumps([settings.fault, sorted(settings.tokens or ())], default=str).encode()
    return {
        "version": __version__,
        "Python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "faker": version("faker"),
        **{name.replace("_", "-"): getattr(settings, name) for name in _SHARED_SETTINGS},
        "fixtures (digest)": None if settings.fixtures is None else _digest_of_folder(settings.fixtures),
        "fault and tokens (digest)": _digest(secrets),
    }


def _digest_of_folder(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return _digest(*(part for path in files for part in (str(path.relative_to(folder)).encode(), path.read_bytes())))


def _digest(*parts: bytes) -> str:
    digest = blake2b(digest_size=8)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
