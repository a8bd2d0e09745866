"""The message of a server that is ready."""

import json
from collections.abc import Sequence
from pathlib import Path

from mock_atoms.core.addresses import CONTROL_PREFIX, format_address, reachable_url
from mock_atoms.core.control_access import control_access
from mock_atoms.core.printable import escape_invisible, show_invisible
from mock_atoms.core.settings import Settings
from mock_atoms.core.timestamps import WallClock
from mock_atoms.core.version import __version__


def ready_message(
    settings: Settings, addresses: Sequence[tuple[str, int]], ca_file: Path | None, now: WallClock
) -> str:
    """Return the message, as lines of text or one line of JSON.

    Args:
        settings: the settings of the server.
        addresses: host and port of each socket that listens.
        ca_file: certificate of the CA that was made at start, if any.
        now: the wall clock, for the `time` of the JSON.
    """
    root_url = reachable_url(settings.host[0], addresses[0][1], settings.scheme)
    formatted_addresses = [format_address(host, port) for host, port in addresses]
    access = control_access(settings)
    if settings.log_format == "json":
        message = json.dumps(
            {
                "time": now().isoformat(timespec="milliseconds"),
                "level": "info",
                "message": "mock-atoms is ready",
                "version": __version__,
                "addresses": formatted_addresses,
                "baseUrl": root_url + settings.base_path,
                "docsUrl": f"{root_url}/docs",
                "controlApi": {"url": f"{root_url}{CONTROL_PREFIX}", **access._asdict()},
                "caFile": ca_file and str(ca_file),
            },
            ensure_ascii=False,
        )
        return escape_invisible(message)
    lines = [
        f"mock-atoms {__version__} is ready; base URL: {root_url}{settings.base_path}",
        f"  listening on: {', '.join(formatted_addresses)}",
        f"  documentation: {root_url}/docs",
        f"  control API: {root_url}{CONTROL_PREFIX} ({access.access}: {access.reason})",
    ]
    if access.access != "disabled":
        lines.insert(3, f"  dashboard: {root_url}{CONTROL_PREFIX}/")
    if settings.is_shared:
        from mock_atoms.state.redis_errors import mask_url  # noqa: PLC0415 - redis is an optional dependency

        lines.append(
            f"  shared store: {mask_url(settings.store)}; prefix: {settings.store_prefix}; workers: {settings.workers}"
        )
    if ca_file is not None:
        lines.append(f"  CA certificate for clients to trust: {ca_file}")
    return "\n".join(map(show_invisible, lines))
