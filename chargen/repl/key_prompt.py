"""A prompt with keys, suggestions, completion, and a line below it."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.key_binding.vi_state import InputMode
from prompt_toolkit.keys import Keys
from prompt_toolkit.styles import Style

from chargen.repl.arguments import Settings
from chargen.repl.completion import CommandCompleter
from chargen.repl.history import open_history
from chargen.repl.keys import BurstInput, Leaving, Pastes, key_bindings
from chargen.repl.quotes import is_open

STYLE = {
    "prompt": "bold",
    "bottom-toolbar": "noreverse ansibrightblack",
    "prompt-continuation": "ansibrightblack",
    "auto-suggestion": "ansibrightblack",
}
OPEN = 'ends with """; Ctrl-C drops it'


class KeyPrompt:
    """Asks for a line. `status` is the line below it, for so many columns."""

    keeps_lines = False  # what was written is erased, for us to print it before what comes of it

    def __init__(
        self,
        mark: Callable[[], str],
        status: Callable[[int], str],
        pastes: Pastes,
        leaving: Leaving,
        settings: Callable[[], Settings],
        keys: str,
    ) -> None:
        self.keys = keys
        self._status = status
        self._leaving = leaving
        self._completer = CommandCompleter(settings)
        self._session: PromptSession[str] = PromptSession(
            lambda: FormattedText([("class:prompt", mark())]),
            multiline=True,
            prompt_continuation=lambda width, number, wraps: " " * width,
            history=open_history(pastes),
            input=BurstInput(sys.stdin),
            enable_suspend=True,
            completer=self._completer,
            auto_suggest=AutoSuggestFromHistory(),
            enable_open_in_editor=True,
            key_bindings=key_bindings(pastes, self._completer, leaving),
            bottom_toolbar=self._toolbar,
            reserve_space_for_menu=5,
            style=Style.from_dict(STYLE),
        )
        self._app = self._session.app
        self._app.erase_when_done = True
        self._session.default_buffer.on_text_changed += lambda buffer: leaving.stay()
        self.redraw = self._app.invalidate  # also from another thread

    def ask(self, draft: str = "") -> str:
        """What the user writes, pasted texts by their labels. Raises EOFError."""
        self._session.editing_mode = EditingMode.VI if self.keys == "vi" else EditingMode.EMACS
        return self._session.prompt(default=draft, pre_run=self._before)

    def give_up(self) -> None:
        """From another thread: there is nobody to talk to."""
        if self._app.loop is not None and self._app.is_running:
            self._app.loop.call_soon_threadsafe(self._end)

    def drop_interrupted(self) -> bool:
        """Whether Ctrl-C followed a line so fast that it was read with it; what was typed before it
        is then void."""
        source = self._session.input
        keys = get_typeahead(source)
        pressed = [number for number, key in enumerate(keys) if key.key == Keys.ControlC]
        store_typeahead(source, keys[pressed[-1] + 1 :] if pressed else keys)
        return bool(pressed)

    def _before(self) -> None:
        if self._leaving.due:
            self._app.exit(exception=EOFError)

    def _end(self) -> None:
        if self._app.is_running and not self._app.is_done:
            self._app.exit(result="/quit")

    def _toolbar(self) -> FormattedText:
        columns = self._app.output.get_size().columns
        vi = "" if self.keys != "vi" else self._vi_mode()
        text = vi + (self._about_choice(columns) or self._status(columns - len(vi)))
        return FormattedText([("class:bottom-toolbar.text", text)])

    def _about_choice(self, columns: int) -> str:
        """All that there is to say of what is being completed, or of a text that has not ended."""
        buffer = self._session.default_buffer
        chosen = buffer.complete_state and buffer.complete_state.current_completion
        if chosen:
            return textwrap.fill(self._completer.meaning_of(chosen), columns - 1)
        return OPEN[: columns - 1] if is_open(buffer.text) and not self._leaving.warned else ""

    def _vi_mode(self) -> str:
        return "I " if self._app.vi_state.input_mode == InputMode.INSERT else "N "
