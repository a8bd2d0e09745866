"""The `serve` command."""

import logging
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from mock_atoms.cli.command import EXIT_FAILED, EXIT_OK, Command, CommandParser, Invocation, add_settings, print_error
from mock_atoms.cli.ready import ready_message
from mock_atoms.core.errors import StoreUnavailableError
from mock_atoms.core.settings import Settings

if TYPE_CHECKING:
    from mock_atoms.journal.access_log import BufferedAccessLog
    from mock_atoms.mock import MockAtoms
    from mock_atoms.serving.tls import Certificate


def _add_arguments(parser: CommandParser) -> None:
    add_settings(parser)


def _run(invocation: Invocation) -> int:
    from mock_atoms.mock import MockAtoms  # noqa: PLC0415 - other commands start faster without it
    from mock_atoms.serving.listening import ListenError, listen_on_all  # noqa: PLC0415 - the same
    from mock_atoms.serving.tls import load_certificate  # noqa: PLC0415 - the same

    settings = invocation.load_settings()
    try:  # also for several workers: a problem with the store or a file is reported once
        mock = MockAtoms(settings, log=(log := set_up_log(settings, invocation.err)))
    except StoreUnavailableError as error:
        return invocation.fail(error)
    with load_certificate(settings) as certificate:
        try:
            sockets = listen_on_all(settings.host, settings.port)
        except ListenError as error:
            return invocation.fail(error)
        addresses = [listener.getsockname()[:2] for listener in sockets]
        ca_file = None if certificate is None else certificate.ca_file

        def announce() -> None:
            invocation.print(ready_message(settings, addresses, ca_file, mock.now))

        if settings.workers == 1:
            _serve(mock, log, sockets, announce, certificate)
            return EXIT_OK  # pragma: no cover - uvicorn raises the signal again that ended it, see __main__
        from mock_atoms.serving.workers import Supervisor  # noqa: PLC0415 - only several workers need it

        return Supervisor(settings, run_worker, sockets, announce).run()


def _serve(
    mock: "MockAtoms",
    log: "BufferedAccessLog",
    sockets: list[socket.socket],
    on_ready: Callable[[], None],
    certificate: "Certificate | None",
) -> None:
    from mock_atoms.serving.process_memory import ProcessMemory  # noqa: PLC0415 - other commands start faster without it
    from mock_atoms.serving.server import serve  # noqa: PLC0415 - the same

    memory = ProcessMemory()

    def announce() -> None:
        memory.keep_collections_short()
        on_ready()

    mock.after_reset = memory.return_free_memory
    try:
        serve(mock, sockets, announce, certificate)
    finally:
        log.flush()


def run_worker(settings: Settings, number: int, sockets: list[socket.socket], on_ready: Callable[[], None]) -> None:
    """Serve as a worker with a number, on sockets that all workers share, until SIGINT or SIGTERM."""
    from mock_atoms.mock import MockAtoms  # noqa: PLC0415 - other commands start faster without it
    from mock_atoms.serving.tls import load_certificate  # noqa: PLC0415 - the same

    log = set_up_log(settings, sys.stderr, number)
    try:
        mock = MockAtoms(settings, log=log)
    except StoreUnavailableError as error:
        print_error(error, sys.stderr)
        sys.exit(EXIT_FAILED)
    with load_certificate(settings) as certificate:
        _serve(mock, log, sockets, on_ready, certificate)


def set_up_log(settings: Settings, err: TextIO, worker: int | None = None) -> "BufferedAccessLog":
    """Set up the log of the process, and return the log of exchanges.

    Args:
        settings: settings of the server.
        err: where lines are written.
        worker: number of the worker, if there are several.
    """
    from mock_atoms.journal.access_log import (  # noqa: PLC0415 - other commands start faster without it
        BufferedAccessLog,
        JsonFormatter,
        TextFormatter,
    )

    handler = logging.StreamHandler(err)
    log = BufferedAccessLog(handler, JsonFormatter(worker) if settings.log_format == "json" else TextFormatter(worker))
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # not part of any line
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("mock_atoms").setLevel(settings.log_level.upper())
    return log


SERVE = Command("serve", "serve the API", "Serve the API until SIGINT or SIGTERM.", _add_arguments, _run)
