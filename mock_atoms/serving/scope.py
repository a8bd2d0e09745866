"""ASGI scopes of requests."""

from typing import TYPE_CHECKING, Any, Literal, cast

from mock_atoms.journal.request_reader import RawRequest

if TYPE_CHECKING:
    from uvicorn._types import HTTPScope


def http_scope(
    request: RawRequest, path: str, asgi_version: str, state: dict[str, Any], extensions: dict[str, Any]
) -> "HTTPScope":
    """Return the ASGI scope of a request.

    Args:
        request: the request.
        path: its path, decoded.
        asgi_version: the version of ASGI.
        state: the state of the application, which is copied.
        extensions: what the server adds.
    """
    return {
        "type": "http",
        "asgi": {"version": cast("Literal['3.0']", asgi_version), "spec_version": "2.3"},
        "http_version": request.http_version,
        "server": request.server,
        "client": request.client,
        "scheme": cast("Literal['http', 'https']", request.scheme),
        "method": request.method,
        "root_path": "",
        "path": path,
        "raw_path": request.raw_path,
        "query_string": request.query,
        "headers": request.headers,
        "state": state.copy(),
        "extensions": extensions,
    }
