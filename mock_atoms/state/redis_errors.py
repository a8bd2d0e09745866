"""Errors of Redis and of its client in plain words."""

from redis import exceptions

from mock_atoms.core.printable import show_invisible

_MOVED = "is a cluster node without this log: use the URL of the node that has it ({})"
_ADVICE: list[tuple[type[Exception], str]] = [  # the first class that fits
    (
        exceptions.AuthenticationError,
        "refused the user or password: write redis://USER:PASSWORD@HOST:PORT/DATABASE ({})",
    ),
    (exceptions.BusyLoadingError, "is still loading its data ({})"),
    (exceptions.ConnectionError, "is unreachable: {}"),
    (exceptions.TimeoutError, "is unreachable: {}"),
    (exceptions.OutOfMemoryError, "is full: increase its maxmemory, or remove data ({})"),
    (exceptions.ReadOnlyError, "is a read-only replica: use the URL of the primary ({})"),
    (exceptions.MovedError, _MOVED),
    (exceptions.NoPermissionError, "refused a command: its user needs more permissions ({})"),
]
_ADVICE_BY_TEXT = [
    ("MOVED", _MOVED),  # releases of the client before 6 have no class for it here
    ("WRONGTYPE", "has other data under this prefix: choose another --store-prefix ({})"),
    ("DB index", "does not have the database of its URL: write a lower number, such as 0 ({})"),
    ("compiling script", "is too old: use Redis 7, Valkey or later ({})"),
]
INVALID_URL = (
    "is not a valid URL: write redis://USER:PASSWORD@HOST:PORT/DATABASE, rediss:// for TLS, or unix:///PATH, "
    "with a number as DATABASE and special characters of the password percent-encoded"
)


def mask_url(url: str) -> str:
    """Return `url` without user, password and options, even if it is malformed."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "***"  # it may be the password alone
    _, at, location = rest.rpartition("@")
    return show_invisible(f"{scheme}://{'***@' if at else ''}{location.partition('?')[0]}")


def explain(error: Exception) -> str:
    """Return what went wrong, as a predicate: "is full: …"."""
    text = show_invisible(str(error).partition(", with args")[0])  # arguments may be secret
    for start, advice in _ADVICE_BY_TEXT:
        if start in text:
            return advice.format(text)
    for kind, advice in _ADVICE:
        if isinstance(error, kind):
            return advice.format(text)
    return f"refused a command ({text})"
