"""A first signal is a flag; what a second one does is its caller's choice, never a library's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import FrameType

import pytest

from chargen.runtime.signals import Interrupts, suspendable


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def test_the_first_signal_is_kept_and_further_ones_change_nothing() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        assert (interrupts.caught, interrupts.exit_code) == (None, 0)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
            send(number)
        assert (interrupts.caught, interrupts.exit_code) == (signal.SIGTERM, 143)
    assert signal.getsignal(signal.SIGINT) == before


def test_what_another_language_handles_stays_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python could not give it back: it knows such a handler as None."""
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    taken: list[int] = []
    monkeypatch.setattr(signal, "signal", lambda number, handler: taken.append(number))
    with Interrupts():
        pass
    assert taken == []


def test_a_second_sigint_does_what_was_chosen() -> None:
    calls: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        calls.append(number)

    with Interrupts(on_second_sigint=note) as interrupts:
        send(signal.SIGINT)
        assert calls == []
        send(signal.SIGTERM)
        send(signal.SIGINT)
        assert calls == [signal.SIGINT]
        assert interrupts.caught == signal.SIGINT
    with pytest.raises(KeyboardInterrupt), Interrupts(on_second_sigint=signal.default_int_handler):
        send(signal.SIGINT)
        send(signal.SIGINT)


def test_the_command_line_may_have_it_end_the_process() -> None:
    code = (
        "import os, signal\n"
        "from chargen.runtime.signals import Interrupts, exit_at_once\n"
        "with Interrupts(on_second_sigint=exit_at_once):\n"
        "    for _ in range(2):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 130


def test_a_process_that_goes_on_comes_back_to_its_terminal() -> None:
    calls: list[str] = []
    numbers = (signal.SIGTSTP, signal.SIGCONT)
    before = [signal.getsignal(number) for number in numbers]
    with suspendable(come_back=lambda: calls.append("come back")):
        send(signal.SIGCONT)
        assert calls == ["come back"]
    assert [signal.getsignal(number) for number in numbers] == before
