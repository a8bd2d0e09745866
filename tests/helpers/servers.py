"""Servers in a thread, for tests that need more of them than `MockServer` offers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mock_atoms.serving.listening import listen_on_all
from mock_atoms.serving.server import Server


@contextmanager
def running(server: Server, ready: threading.Event) -> Iterator[int]:
    """Run `server`, whose `on_ready` sets `ready`, on a free port. Yield the port."""
    sockets = listen_on_all(["127.0.0.1"], 0)
    port: int = sockets[0].getsockname()[1]
    thread = threading.Thread(target=server.run, args=(sockets,))
    thread.start()
    assert ready.wait(20)
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join(20)
