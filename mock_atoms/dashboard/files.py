"""The files of the dashboard as responses."""

from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from mock_atoms.core.addresses import CONTROL_PREFIX

PAGE_PATH = f"{CONTROL_PREFIX}/"
FILES_PREFIX = f"{CONTROL_PREFIX}/dashboard/"
RELATIVE_PAGE_PATH = f"{CONTROL_PREFIX.removeprefix('/')}/"
"""Address of the page relative to `/` and to `/__admin`. It works behind a proxy that strips a prefix."""
_FOLDER = Path(__file__).parent / "static"
_PAGE = "index.html"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Allows files and calls of this server only: no inline script or style, and no text that becomes markup."""
_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class DashboardFile(NamedTuple):
    """A file of the dashboard.

    Attributes:
        content: all bytes.
        headers: response headers, `etag` included.
    """

    content: bytes
    headers: Mapping[str, str]


def is_dashboard_path(path: str) -> bool:
    """Return whether `path` is the address of the page or of one of its files."""
    return path in (CONTROL_PREFIX, PAGE_PATH) or path.startswith(FILES_PREFIX)


def dashboard_file(path: str) -> DashboardFile | None:
    """Return the file with this address, or `None` if there is none."""
    return _all_files().get(_PAGE if path == PAGE_PATH else path.removeprefix(FILES_PREFIX))


@cache
def _all_files() -> dict[str, DashboardFile]:
    """Return all files by name. Only these can be served, so no path leads elsewhere."""
    return {
        file.name: _read(file.read_bytes(), content_type)
        for file in _FOLDER.iterdir()
        for suffix, content_type in _TYPES.items()
        if file.name.endswith(suffix)
    }


def _read(content: bytes, content_type: str) -> DashboardFile:
    etag = f'"{blake2b(content, digest_size=16).hexdigest()}"'
    return DashboardFile(content, {"content-type": content_type, "etag": etag, **_HEADERS})
