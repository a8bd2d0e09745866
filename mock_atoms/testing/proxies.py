"""Proxies in the environment: requests to a mock server must not pass through them."""

import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_EXCEPTIONS = ("NO_PROXY", "no_proxy")


@contextmanager
def without_proxy(host: str, environ: MutableMapping[str, str] = os.environ) -> Iterator[None]:
    """Add `host` to `NO_PROXY` and `no_proxy` if the environment has a proxy, and remove it again afterwards.

    Several hosts may overlap in any order: each adds one entry at the end and removes one.
    """
    names = add_exception(host, environ) if _proxy_variables(environ, *_PROXY_VARIABLES) else []
    try:
        yield
    finally:
        for name in names:
            _remove_exception(host, name, environ)


def add_exception(host: str, environ: MutableMapping[str, str]) -> list[str]:
    """Add `host` to the variables that clients read, and return their names."""
    # A variable that is not set must not hide the entries of the other one.
    names = [name for name in _EXCEPTIONS if environ.get(name)] or [*_EXCEPTIONS]
    names = [name for name in names if environ.get(name, "").strip() != "*"]  # only alone does it mean all hosts
    for name in names:
        environ[name] = f"{environ[name]},{host}" if name in environ else host
    return names


def _remove_exception(host: str, name: str, environ: MutableMapping[str, str]) -> None:
    """Remove the last entry `host`. A variable that has only this entry was not set before."""
    entries = environ.get(name, "").split(",")
    if host not in entries:
        return
    del entries[len(entries) - 1 - entries[::-1].index(host)]
    if entries:
        environ[name] = ",".join(entries)
    else:
        del environ[name]


def proxy_advice(url: str) -> str | None:
    """Return what to change if clients send requests for `url` to a proxy of the environment, or `None`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    names = _proxy_variables(os.environ, f"{parts.scheme.upper()}_PROXY", "ALL_PROXY")
    if not names or any(map(proxy_bypass, (host, parts.netloc))):
        return None
    return f"{' and '.join(names)} may have led the requests to a proxy: add {host} to NO_PROXY"


def _proxy_variables(environ: MutableMapping[str, str], *names: str) -> list[str]:
    """Return the variables that are set and have one of these names, in any case."""
    return [name for name, value in environ.items() if value and name.upper() in names]
