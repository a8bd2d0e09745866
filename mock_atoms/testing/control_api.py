"""HTTP calls to the control API of a running mock server. Needs only the standard library."""

import http.client
import json
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import SplitResult, urlencode, urlsplit

from mock_atoms.core.addresses import CONTROL_PREFIX
from mock_atoms.core.masking import mask_text, quote_value
from mock_atoms.core.printable import show_invisible
from mock_atoms.testing.connections import Call, KeptConnections

DEFAULT_BASE_PATH = "/atoms/v1"
TIMEOUT_SECONDS = 30.0
"""Seconds that a call waits by default for a server that does not respond."""


class ControlError(RuntimeError):
    """A call to the control API failed. The message is one line.

    Attributes:
        status: HTTP status code of the response, or `None` if there was no response.
        detail: the server's explanation, with the JSON pointer of the field; without one, the complete message.
    """

    def __init__(self, message: str, status: int | None = None, detail: str | None = None) -> None:
        message = show_invisible(mask_text(message))
        super().__init__(message)
        self.status = status
        self.detail = message if detail is None else detail


@dataclass(slots=True)
class ControlApi:
    """The control API of one server.

    Attributes:
        root_url: URL of the server, without a path. A server that starts changes it.
        admin_token: value of the server's `--admin-token`.
        ca_file: certificate to trust if the server speaks TLS.
    """

    root_url: str
    admin_token: str | None = field(default=None, repr=False)
    ca_file: Path | str | None = None
    _connections: KeptConnections = field(default_factory=KeptConnections, init=False, repr=False, compare=False)

    def call(
        self,
        method: str,
        path: str,
        content: object = None,
        query: Mapping[str, object] | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> Any:  # noqa: ANN401 - any JSON
        """Send one request on the connection of this thread, and return the JSON of the response.

        Args:
            method: HTTP method.
            path: path below `/__admin`.
            content: JSON to send as the body; `None` sends no body.
            query: query parameters.
            timeout: seconds to wait for each part of the response.

        Raises:
            ControlError: there was no response, an error response, or no JSON object. Reading a key that the object
                lacks raises it too.
        """
        target, headers = self._head(path, query)
        headers["Content-Type"] = "application/json"
        body = None if content is None else json.dumps(content).encode()
        try:
            call = Call(method, target, body, headers)
            response, text = self._connections.send(call, self._new_connection, timeout)
        except (OSError, http.client.HTTPException) as error:
            raise self._no_response(error) from None
        if response.status >= HTTPStatus.BAD_REQUEST or response.headers.get_content_type() != "application/json":
            raise _error(f"{method} {path}", response.status, text)
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise _other_server(f"{method} {path}", response.status)
        return _Content(content, f"{method} {path}", response.status)

    def check_health(self, timeout: float = TIMEOUT_SECONDS) -> None:
        """Check that the server is healthy, and is a mock-atoms.

        Args:
            timeout: seconds to wait for each part of the response.

        Raises:
            ControlError: there was no response, or one of another server.
        """
        health = self.call("GET", "/health", timeout=timeout)
        if not str(health["message"]).startswith("mock-atoms "):  # WireMock has the same keys
            raise _other_server("GET /health", HTTPStatus.OK)

    def open(
        self, path: str, query: Mapping[str, object], more_headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Send a `GET` request on a separate connection. Return the connection, and the unread response.

        Raises:
            ControlError: there was no response, or an error response.
        """
        target, headers = self._head(path, query)
        connection = self._new_connection()
        connection.timeout = TIMEOUT_SECONDS
        try:
            connection.request("GET", target, headers={**headers, **more_headers})
            response = connection.getresponse()
            error_text = b"" if response.status == HTTPStatus.OK else response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._no_response(error) from None
        if response.status != HTTPStatus.OK:
            connection.close()
            raise _error(f"GET {path}", response.status, error_text)
        return connection, response

    def _head(self, path: str, query: Mapping[str, object] | None) -> tuple[str, dict[str, str]]:
        """Return the target and the headers of a request."""
        target = f"{CONTROL_PREFIX}{path}" + (f"?{urlencode(query)}" if query else "")
        return target, {} if self.admin_token is None else {"Authorization": f"Bearer {self.admin_token}"}

    def _no_response(self, error: Exception) -> ControlError:
        fix = "start it, for example with `mock-atoms serve`, or check the address"
        if isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
            url = self.root_url.replace("https:", "http:", 1)
            return ControlError(f"the server at {self.root_url} speaks HTTP, not HTTPS: use {url}")
        if isinstance(error, ssl.SSLCertVerificationError):
            fix = "trust its certificate, for example with SSL_CERT_FILE"
        return ControlError(f"no mock server responds at {self.root_url}: {str(error) or type(error).__name__}: {fix}")

    def close(self) -> None:
        """Close the idle connections. The next call opens another one."""
        self._connections.close()

    def ssl_context(self) -> ssl.SSLContext:
        """Return a context that trusts `ca_file`."""
        context = ssl.create_default_context(cafile=self.ca_file)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the file may hold the server's own certificate
        return context

    def _new_connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.root_url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port)
        return http.client.HTTPSConnection(host, parts.port, context=self.ssl_context())


def split_base_url(url: str) -> SplitResult:
    """Return the parts of a base URL.

    Raises:
        ValueError: it is invalid, or has a user name or a password. The message does not show these.
    """
    example = f"use one such as http://127.0.0.1:28667{DEFAULT_BASE_PATH}"
    with suppress(ValueError):  # such as a name with a part of more than 63 characters
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        _ = parts.port  # raises above 65535
        if parts.scheme in ("http", "https") and host and "@" not in parts.netloc:
            return parts
    if "@" in url:
        raise ValueError(f"the base URL is invalid, or has a user name or a password before `@`: {example}")
    raise ValueError(f"{quote_value(url)} is not a base URL: {example}")


def delete_all(ids: list[str], delete: Callable[[str], None]) -> None:
    """Empty `ids`, and delete each of them, the last one first. Those that no longer exist are ignored.

    Raises:
        ControlError: `delete` raises another error than 404.
    """
    while ids:
        try:
            delete(ids.pop())
        except ControlError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise


class _Content(dict[str, Any]):
    """The JSON object of a response. A missing key means that another server responded.

    Args:
        content: the object.
        call: method and path of the request.
        status: status code of the response.
    """

    def __init__(self, content: Mapping[str, Any], call: str, status: int) -> None:
        super().__init__(content)
        self._call = call
        self._status = status

    def __missing__(self, key: str) -> NoReturn:
        raise _other_server(self._call, self._status)


def _other_server(call: str, status: int) -> ControlError:
    return ControlError(f"{call}: {status}: the response is not from a mock-atoms control API", status)


def _error(call: str, status: int, text: bytes) -> ControlError:
    try:
        (error, *_) = json.loads(text)["errors"]
        title, detail, pointer = error["title"], error["detail"], error["source"]["pointer"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return _other_server(call, status)
    if pointer:
        detail = f"{pointer}: {detail}"
    return ControlError(f"{call}: {status}: {title}: {detail}", status, detail)
