"""The access log: lines are buffered for milliseconds, and none is lost or out of order."""

import asyncio
import json
import logging
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import TextIO

import httpx
import pytest

from mock_atoms.core.masking import mask_token
from mock_atoms.core.tenancy import caller_for
from mock_atoms.journal.access_log import (
    LOGGER,
    AccessLogFormatter,
    AccessLogLine,
    BufferedAccessLog,
    EventLine,
    JsonFormatter,
    TextFormatter,
)
from mock_atoms.journal.exchange import Exchange, RequestHead
from tests.helpers.audiences import ACME

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Stream(StringIO):
    """A stream that records each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []
        self.is_written = threading.Event()

    def write(self, text: str) -> int:
        self.writes.append(text)
        self.is_written.set()
        return len(text)


def exchange(number: int, reason: str | None = None) -> Exchange:
    head = RequestHead(caller_for("sk_acme").tenant, (), "GET", f"/{number}?x=1", "http", "1.1", "", (), ())
    return Exchange(head, NOON, 1.0, "", 0, str(number), ended_at=1.0015, status=200, reason=reason)


@pytest.fixture
def level() -> Iterator[None]:
    before = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    yield
    LOGGER.setLevel(before)


def buffered_log(stream: Stream, formatter: AccessLogFormatter | None = None) -> BufferedAccessLog:
    return BufferedAccessLog(logging.StreamHandler[TextIO](stream), formatter or TextFormatter(), 0.001)


@pytest.mark.usefixtures("level")
def test_buffered_lines_leave_in_one_write() -> None:
    log = buffered_log(stream := Stream())

    async def log_three() -> None:
        for number in range(3):
            log(exchange(number), 1)
        assert stream.writes == []
        await asyncio.to_thread(stream.is_written.wait, 20)
        log(exchange(3), 2)

    asyncio.run(log_three())
    log.flush()
    log.flush()
    first, second = stream.writes
    assert [line.split(" ")[-5:] for line in first.splitlines()] == [
        ["method=GET", f"path=/{number}", "status=200", "ms=1.5", f"tenant={mask_token('sk_acme')}"]
        for number in range(3)
    ]
    message = r"method=GET path=/3 status=200 ms=1\.5 tenant=\S+ attempt=2"
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d,001 INFO    {message}\n", second)


def test_a_test_id_is_readable_text_in_quotes() -> None:
    lines = []
    for test_id in ("größe", 'a "b"', "\u202a"):
        head = RequestHead(caller_for("sk_a", test_id).tenant, (), "GET", "/", "http", "1.1", "", (), ())
        lines.append(str(AccessLogLine(Exchange(head, NOON, 1.0, "", 0, ended_at=1.0, status=200), 1)))
    assert [line.partition(" test=")[2] for line in lines] == ['"größe"', '"a \\"b\\""', '"U+202A"']


@pytest.mark.usefixtures("level")
def test_a_warning_flushes_the_buffer() -> None:
    log = buffered_log(stream := Stream())

    async def log_warning() -> None:
        log(exchange(0), 1)
        log(exchange(1, "unmocked-route"), 1)

    asyncio.run(log_warning())
    ((first, second),) = [text.splitlines() for text in stream.writes]
    assert " INFO    method=GET path=/0" in first
    assert " WARNING method=GET path=/1" in second


@pytest.mark.usefixtures("level")
def test_another_logger_flushes_the_buffer_first() -> None:
    handler = logging.StreamHandler[TextIO](stream := Stream())
    log = BufferedAccessLog(handler, TextFormatter())

    async def log_error() -> None:
        log(exchange(0), 1)
        handler.handle(logging.LogRecord("uvicorn.error", logging.ERROR, "", 1, "it broke", (), None))

    asyncio.run(log_error())
    first, second = "".join(stream.writes).splitlines()
    assert " INFO    method=GET path=/0" in first
    assert second.endswith(" ERROR   it broke")


@pytest.mark.usefixtures("level")
def test_a_write_error_does_not_reach_the_request(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(Stream):
        def write(self, text: str) -> int:
            raise BrokenPipeError(text)

    log = buffered_log(Broken())
    log(exchange(0, "unmocked-route"), 1)
    log.flush()
    assert capsys.readouterr().err.count("--- Logging error ---") == 1


def test_lines_below_the_log_level_are_not_written() -> None:
    log = buffered_log(stream := Stream())
    before = LOGGER.level
    LOGGER.setLevel(logging.WARNING)
    log(exchange(0), 1)
    LOGGER.setLevel(before)
    log.flush()
    assert stream.writes == []


@pytest.mark.usefixtures("level")
def test_the_json_time_is_the_end_of_the_exchange() -> None:
    log = buffered_log(stream := Stream(), JsonFormatter())

    async def log_one() -> None:
        log(exchange(0, "unknown-magic-word"), 1)

    asyncio.run(log_one())
    line = json.loads(stream.writes[0])
    assert (line["time"], line["level"], line["path"]) == ("2026-01-31T12:00:00.001+00:00", "warning", "/0")


def test_other_records_keep_their_format_and_traceback() -> None:
    error = RuntimeError("broken")
    record = logging.LogRecord("x", logging.ERROR, "", 1, "it %s", ("broke",), (RuntimeError, error, None))
    record.created, record.msecs = 0.25, 250.0
    first, *rest = TextFormatter().format(record).splitlines()
    assert re.fullmatch(r"(1970-01-01|1969-12-31) \d\d:\d\d:00,250 ERROR   it broke", first)
    assert rest[-1] == "RuntimeError: broken"


def test_other_records_are_one_line_without_keys_before_their_traceback() -> None:
    error = RuntimeError("sk_verysecret \u202e")
    record = logging.LogRecord("x", logging.ERROR, "", 1, "a\nsk_verysecret\u2028", (), (RuntimeError, error, None))
    first, *rest = TextFormatter().format(record).split("\n")
    assert first.endswith(" ERROR   aU+000Ask_ver…#38c9cbU+2028")
    assert rest[-1] == "RuntimeError: sk_ver…#38c9cb U+202E"
    line = JsonFormatter().format(record)
    assert line.isprintable()
    assert json.loads(line)["message"] == "a\nsk_ver…#38c9cb\u2028"
    assert json.loads(line)["traceback"].endswith("RuntimeError: sk_ver…#38c9cb U+202E")


def test_events_have_a_traceback_in_each_format() -> None:
    event, error = EventLine({"cause": "files cannot be read"}), RuntimeError("broken")
    record = logging.LogRecord("x", logging.ERROR, "", 1, event, (), (RuntimeError, error, None))
    assert TextFormatter().format(record).endswith("\nRuntimeError: broken")
    line = json.loads(JsonFormatter().format(record))
    assert (line["cause"], line["traceback"]) == ("files cannot be read", "RuntimeError: broken")


def test_a_test_id_cannot_forge_or_reorder_a_line() -> None:
    test_id = 'a\n2026-01-01 "\x1b[31m\x7f\u202e\u2028.'
    head = RequestHead(caller_for("sk_mock_test", test_id).tenant, (), "GET", "/", "http", "1.1", "", (), ())
    line = AccessLogLine(Exchange(head, datetime(2026, 1, 31, tzinfo=UTC), 0.0, "", 0, ended_at=1.0), 1)
    text, in_json = TextFormatter().format_line(line), JsonFormatter().format_line(line)
    assert r'test="a\n2026-01-01 \"\u001b[31mU+007FU+202EU+2028."' in text
    assert text.isprintable()
    assert in_json.isprintable()
    assert json.loads(in_json)["test"] == test_id


def test_a_stopped_server_has_logged_every_response(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as err:
        command = [sys.executable, "-m", "mock_atoms", "serve", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True) as server:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            try:
                with httpx.Client(headers=ACME) as http:
                    for _ in range(20):
                        assert http.get(f"{url}/audience").is_success
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(20)
    assert log.read_text().count("method=GET path=/atoms/v1/audience status=200 ") == 20
