"""Lines of earlier sessions, in `$XDG_STATE_HOME/chargen`."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from chargen.repl.keys import Pastes
from chargen.runtime.user_folders import state_folder

MAX_REMEMBERED = 20_000  # characters of a line


def open_history(pastes: Pastes) -> History:
    """The file of them; in memory where there can be none."""
    folder = state_folder()
    if folder is None:
        return InMemoryHistory()
    path = folder / "history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What somebody writes to a model is for no other user's eyes.
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    except OSError:
        return InMemoryHistory()
    return LineHistory(path, pastes)


class LineHistory(FileHistory):
    """Lines of earlier sessions; one that cannot be written is not worth an error."""

    def __init__(self, path: Path, pastes: Pastes) -> None:
        super().__init__(str(path))
        self._pastes = pastes

    def store_string(self, string: str) -> None:
        whole = self._pastes.whole(string)
        if len(whole) <= MAX_REMEMBERED:
            with suppress(OSError, UnicodeError):
                super().store_string(whole)
