"""Sockets to listen on."""

import errno
import socket
import sys
from collections.abc import Sequence
from typing import Any

from mock_atoms.core.addresses import EVERY_IPV4_ADDRESS, EVERY_IPV6_ADDRESS, format_address
from mock_atoms.serving.listener import Listener

_BACKLOG = 2048
_ATTEMPTS = 10
"""Number of free ports to try: one that is free for one address may be in use for another."""
_MISSING = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
"""Errors of addresses that this machine does not have."""


class ListenError(OSError):
    """The server cannot listen on an address. Its text is one line with the address and the fix."""


def listen_on_all(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Listen on one port of every address of `hosts`; port `0` picks a free one.

    The host `::` is every address of IPv6 and IPv4, or those of IPv4 if the machine has no IPv6.

    Raises:
        ListenError: the port is in use, or no address of a host belongs to this machine.
    """
    attempts = _ATTEMPTS if port == 0 else 1
    while True:
        attempts -= 1
        try:
            return _listen(hosts, port)
        except PortInUseError:
            if attempts == 0:
                raise


class PortInUseError(ListenError):
    """The port is in use."""


def _listen(hosts: Sequence[str], port: int) -> list[socket.socket]:
    listeners = _Listeners(port)
    try:
        # These include all other addresses, so they come first.
        for host in sorted(hosts, key=lambda host: host not in (EVERY_IPV6_ADDRESS, EVERY_IPV4_ADDRESS)):
            listeners.add(host)
    except ListenError:
        for listener in listeners.sockets.values():
            listener.close()
        raise
    return list(listeners.sockets.values())


class _Listeners:
    """Sockets that listen on one port, by family and address."""

    def __init__(self, port: int) -> None:
        self.sockets: dict[tuple[int, str], socket.socket] = {}
        self._port = port

    def add(self, host: str) -> None:
        """Listen on the addresses of `host` that this machine has."""
        failure: OSError | UnicodeError | None = None
        is_listening = False
        try:
            for family, address in _addresses(host):
                if not self._includes(family, address[0]):
                    try:
                        self._bind(family, address)
                    except OSError as error:
                        if error.errno not in _MISSING:
                            raise
                        failure = error  # a name may have addresses of other machines
                        continue
                is_listening = True
        except (OSError, UnicodeError) as error:
            raise _listen_error(host, self._port, error) from None
        if not is_listening:
            raise _listen_error(host, self._port, failure)

    def _includes(self, family: int, address: str) -> bool:
        every_address = EVERY_IPV6_ADDRESS if family == socket.AF_INET6 else EVERY_IPV4_ADDRESS
        return (family, address) in self.sockets or (family, every_address) in self.sockets

    def _bind(self, family: int, address: tuple[Any, ...]) -> None:
        listener = _bind(family, (address[0], self._port, *address[2:]))
        self.sockets[family, address[0]] = listener
        self._port = listener.getsockname()[1]


def _addresses(host: str) -> list[tuple[int, tuple[Any, ...]]]:
    names = [EVERY_IPV6_ADDRESS, EVERY_IPV4_ADDRESS] if host == EVERY_IPV6_ADDRESS else [host]
    return [
        (family, address)
        for name in names
        for family, *_, address in socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    ]


def _bind(family: int, address: tuple[Any, ...]) -> socket.socket:
    listener = Listener(family)
    try:
        if sys.platform != "win32":  # pragma: no branch - the option has another meaning there
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _listen_error(host: str, port: int, failure: OSError | UnicodeError | None) -> ListenError:
    reason = (getattr(failure, "strerror", None) or str(failure)).lower()
    kind = PortInUseError if getattr(failure, "errno", None) == errno.EADDRINUSE else ListenError
    address = format_address(host, port)
    return kind(f"cannot listen on {address}: {reason}; choose with --host and --port, where 0 picks a free port")
