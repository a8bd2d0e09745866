"""Requests and responses as bytes on a socket."""

import socket
from typing import NamedTuple

LIST_PATH = "/atoms/v1/audience"


class RawResponse(NamedTuple):
    head: bytes
    body: bytes


def connect(port: int, timeout: float = 20) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def raw_request(
    token: str = "sk_acme", header_lines: str = "", target: str = LIST_PATH, *, method: str = "GET", body: bytes = b""
) -> bytes:
    """Return the bytes of a request. Each line of `header_lines` ends with CRLF."""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{header_lines}{length}\r\n"
    return head.encode() + body


def read_to_end(connection: socket.socket) -> bytes:
    """Return all bytes until the server closes the connection."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def exchange(port: int, request: bytes) -> bytes:
    """Send `request` on a new connection, and return all bytes until the server closes it."""
    with connect(port) as connection:
        connection.sendall(request)
        return read_to_end(connection)


def read_responses(connection: socket.socket, count: int) -> list[RawResponse]:
    """Read `count` responses that have a `Content-Length`."""
    data = b""
    responses: list[RawResponse] = []
    while len(responses) < count:
        received = connection.recv(1 << 20)
        assert received, "the server closed the connection"
        data += received
        while b"\r\n\r\n" in data:
            head, _, rest = data.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if len(rest) < length:
                break
            responses.append(RawResponse(head, rest[:length]))
            data = rest[length:]
    return responses


def send_in_turn(port: int, *requests: bytes) -> list[RawResponse]:
    """Send requests on one connection, each after the response to the one before."""
    with connect(port) as connection:
        responses = []
        for request in requests:
            connection.sendall(request)
            responses += read_responses(connection, 1)
        return responses
