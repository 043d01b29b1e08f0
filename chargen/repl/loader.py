"""The model is loaded beside the prompt, which is there before it and what it needs."""

from __future__ import annotations

import threading
from collections.abc import Callable

from chargen.repl.host import Host


class Loader:
    """Makes the host in a thread. Where that fails, `error` is why; the host is there once it is
    made."""

    def __init__(
        self, make: Callable[[], Host], on_made: Callable[[], None], on_failed: Callable[[], None]
    ) -> None:
        self.host: Host | None = None
        self.error: BaseException | None = None
        self._make, self._on_made, self._on_failed = make, on_made, on_failed
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.start = self._thread.start
        self.join = self._thread.join

    @property
    def is_busy(self) -> bool:
        return self._thread.is_alive()

    def result(self) -> Host:
        """The host, once the work is done. Raises what making it raised."""
        if self.error is not None:
            raise self.error
        assert self.host is not None
        return self.host

    def _run(self) -> None:
        try:
            self.host = self._make()
            self._on_made()
        except BaseException as error:  # whatever it is, the main thread must report it
            self.error = error
            self._on_failed()
