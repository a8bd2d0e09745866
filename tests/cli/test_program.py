import os
import signal
import sys

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
