"""Addresses that a server listens on, and the URLs that reach it."""

from typing import Literal

from mock_atoms.core.masking import quote_value

CONTROL_PREFIX = "/__admin"
"""Path of the control API. The path of each endpoint starts with it."""


EVERY_IPV4_ADDRESS, EVERY_IPV6_ADDRESS = "0.0.0.0", "::"  # noqa: S104 - recognized, not bound here


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a server that listens on `host`."""
    return host == "localhost" or host.startswith("127.") or host == "::1"


def reachable_host(host: str) -> str:
    """Return the address by which this machine reaches a server that listens on `host`."""
    return "127.0.0.1" if host in (EVERY_IPV4_ADDRESS, EVERY_IPV6_ADDRESS) else host


def format_address(host: str, port: int) -> str:
    """Return `host` and `port` as in a URL, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reachable_url(host: str, port: int, scheme: Literal["http", "https"] = "http") -> str:
    """Return the URL, without a path, by which this machine reaches a server that listens on `host`."""
    return f"{scheme}://{format_address(reachable_host(host), port)}"


def full_path(base_path: str, path: str) -> str:
    """Return a path below the base path, given with or without it, as requests have it.

    Raises:
        ValueError: `path` does not start with a slash, or has a query or a fragment.
    """
    if not path.startswith("/"):
        raise ValueError(f"{quote_value(path)} does not start with a slash: use a path such as /audience/{{id}}")
    if "?" in path or "#" in path:
        raise ValueError(
            f"{quote_value(path)} is more than a path: leave out the ? or # and what follows, or match a query with "
            f"queryParameters of a request pattern (POST {CONTROL_PREFIX}/requests/find)"
        )
    return path if path.startswith(f"{base_path}/") else base_path + path
