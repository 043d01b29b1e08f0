"""SIGINT, SIGTERM and SIGHUP as one flag, read where stopping is safe; as exceptions elsewhere.
And what is to be done before Ctrl-Z stops the process, and once it goes on.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
STDOUT = 1  # as a file descriptor
SignalHandler = Callable[[int, FrameType | None], object]


def is_not_ignored(number: signal.Signals) -> bool:
    """Whether the signal is for us: `nohup` has a closed terminal ignored."""
    return number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN


def exit_at_once(number: int, frame: FrameType | None) -> None:
    """For a second SIGINT on the command line, whose process is ours to end: not in a library,
    where it would take somebody's notebook with it."""
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # the live display hid the cursor
    os._exit(EXIT_CODES[signal.SIGINT])


class Terminated(BaseException):
    """SIGTERM or SIGHUP came where nothing is at stake: to these what KeyboardInterrupt is to
    SIGINT, and no more an error than that."""

    def __init__(self, by: signal.Signals) -> None:
        super().__init__()
        self.by = by


def terminate_by_exception() -> None:
    """From now on SIGTERM and SIGHUP raise Terminated, save within `Interrupts`.
    For a process that is ours alone."""
    for number in filter(is_not_ignored, (signal.SIGTERM, signal.SIGHUP)):
        signal.signal(number, _terminate)


def _terminate(number: int, frame: FrameType | None) -> None:
    if not _is_ignoring:
        raise Terminated(signal.Signals(number))


_is_ignoring = False


def ignore_termination() -> None:
    """From now on `terminate_by_exception` raises nothing: for a process that has failed and ends
    by itself, once it has said why."""
    global _is_ignoring
    _is_ignoring = True


class Interrupts:
    """While it is entered, a first signal only sets `caught`.

    Further ones change nothing, except that a further SIGINT calls `on_second_sigint`, where there
    is one: for work that may take long to reach a place where stopping is safe. Outside the main
    thread, where Python takes no signals, nothing is ever caught.
    """

    def __init__(self, *, on_second_sigint: SignalHandler | None = None) -> None:
        self.caught: signal.Signals | None = None
        self._on_second_sigint = on_second_sigint
        self._before: dict[signal.Signals, object] = {}

    @property
    def exit_code(self) -> int:
        """130, 143 or 129; 0 where nothing was caught."""
        return EXIT_CODES[self.caught] if self.caught else 0

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in filter(is_not_ignored, EXIT_CODES):
                # One that was not set from Python could not be given back.
                if signal.getsignal(number) is not None:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.caught and number == signal.SIGINT and self._on_second_sigint is not None:
            self._on_second_sigint(number, frame)
        self.caught = self.caught or signal.Signals(number)


@contextmanager
def suspendable(
    *, leave: Callable[[], None] = lambda: None, come_back: Callable[[], None]
) -> Iterator[None]:
    """Within it Ctrl-Z calls `leave` before it stops the process, and `come_back` is called once
    that goes on with the terminal: after `fg`, not after `bg`. Both are called between any two
    lines of the main thread; outside that, or where Ctrl-Z is ignored, neither ever is."""

    def stop(number: int, frame: FrameType | None) -> None:
        leave()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)  # returns after SIGCONT
        signal.signal(signal.SIGTSTP, stop)

    def go_on(number: int, frame: FrameType | None) -> None:
        if has_terminal():
            come_back()

    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTSTP) != signal.SIG_DFL:
        yield
        return
    before = signal.signal(signal.SIGCONT, go_on)
    signal.signal(signal.SIGTSTP, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.signal(signal.SIGCONT, before)


def has_terminal() -> bool:
    """Whether the terminal is ours to draw on: not where a shell runs us in the background."""
    try:
        return os.tcgetpgrp(STDOUT) == os.getpgrp()
    except OSError:  # it controls another session, or is none
        return True
