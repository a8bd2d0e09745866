"""The `serve` command."""

import logging
from typing import TYPE_CHECKING, TextIO

from mock_atoms.cli.command import EXIT_OK, Command, CommandParser, Invocation, add_settings
from mock_atoms.cli.ready import ready_message
from mock_atoms.core.settings import Settings

if TYPE_CHECKING:
    from mock_atoms.journal.access_log import BufferedAccessLog


def _add_arguments(parser: CommandParser) -> None:
    add_settings(parser)


def _run(invocation: Invocation) -> int:
    from mock_atoms.mock import MockAtoms  # noqa: PLC0415 - other commands start faster without it
    from mock_atoms.serving.listening import ListenError, listen_on_all  # noqa: PLC0415 - the same
    from mock_atoms.serving.process_memory import (  # noqa: PLC0415 - the same
        keep_collections_short,
        return_free_memory,
    )
    from mock_atoms.serving.server import serve  # noqa: PLC0415 - the same
    from mock_atoms.serving.tls import load_certificate  # noqa: PLC0415 - the same

    settings = invocation.load_settings()
    log = _set_up_log(settings, invocation.err)
    mock = MockAtoms(settings, log=log)
    mock.after_reset = return_free_memory
    with load_certificate(settings) as certificate:
        try:
            sockets = listen_on_all(settings.host, settings.port)
        except ListenError as error:
            return invocation.fail(error)
        addresses = [listener.getsockname()[:2] for listener in sockets]
        ca_file = None if certificate is None else certificate.ca_file

        def announce() -> None:
            keep_collections_short()
            invocation.print(ready_message(settings, addresses, ca_file, mock.now))

        try:
            serve(mock, sockets, announce, certificate)
        finally:
            log.flush()
    return EXIT_OK  # pragma: no cover - uvicorn raises the signal again that ended it, see __main__


def _set_up_log(settings: Settings, err: TextIO) -> "BufferedAccessLog":
    from mock_atoms.journal.access_log import (  # noqa: PLC0415 - other commands start faster without it
        BufferedAccessLog,
        JsonFormatter,
        TextFormatter,
    )

    handler = logging.StreamHandler(err)
    log = BufferedAccessLog(handler, JsonFormatter() if settings.log_format == "json" else TextFormatter())
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # not part of any line
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("mock_atoms").setLevel(settings.log_level.upper())
    return log


SERVE = Command("serve", "serve the API", "Serve the API until SIGINT or SIGTERM.", _add_arguments, _run)
