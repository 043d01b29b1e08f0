"""SIGINT, SIGTERM and SIGHUP as one flag, read where stopping is safe."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def ends_us(number: signal.Signals) -> bool:
    """Whether the signal is for us: `nohup` has a closed terminal ignored."""
    return number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN


class Interrupts:
    """While it is entered, a first signal only sets `caught`; a second SIGINT ends at once.

    With `patient`, further signals change nothing: for work that ends within a token. Outside the
    main thread, where Python takes no signals, nothing is ever caught.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self.caught: signal.Signals | None = None
        self._patient = patient
        self._before: dict[signal.Signals, object] = {}

    @property
    def exit_code(self) -> int:
        """130, 143 or 129; 0 where nothing was caught."""
        return EXIT_CODES[self.caught] if self.caught else 0

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in filter(ends_us, EXIT_CODES):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.caught and number == signal.SIGINT and not self._patient:
            if sys.stderr.isatty():
                os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # the live display hid the cursor
            os._exit(EXIT_CODES[signal.SIGINT])
        self.caught = self.caught or signal.Signals(number)
