import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from mock_atoms.cli.program import Program


def test_a_signal_before_the_start_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen", None)
    program = Program([sys.executable])
    before = signal.getsignal(signal.SIGTERM)
    with program.receiving_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        assert program.run({}) == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_during_the_start_reaches_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - options of Popen
            super().__init__(*args, **options)
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("subprocess.Popen", Interrupted)
    program = Program(["sleep", "20"])
    with program.receiving_signals():
        assert program.run(os.environ) == 128 + signal.SIGTERM


def test_a_signal_that_may_not_be_sent_does_not_end_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    class OfAnotherUser(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - options of Popen
            super().__init__(*args, **options)
            os.kill(os.getpid(), signal.SIGTERM)

        def send_signal(self, _number: int) -> None:
            raise PermissionError

    monkeypatch.setattr("subprocess.Popen", OfAnotherUser)
    program = Program(["sh", "-c", "exit 5"])
    with program.receiving_signals():
        assert program.run(os.environ) == 5


def test_a_signal_that_another_thread_receives_reaches_the_program(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def receive() -> None:
        assert pipe.read_text() == "ready\n"
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    receiver = threading.Thread(target=receive, daemon=True)
    receiver.start()
    program = Program(["sh", "-c", f"echo ready >'{pipe}'; exec sleep 20"])
    with program.receiving_signals():
        assert program.run(os.environ) == 128 + signal.SIGTERM
    receiver.join(20)
    assert not receiver.is_alive()
