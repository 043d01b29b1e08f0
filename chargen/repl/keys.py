"""Keys at the prompt: what Enter, Tab and Ctrl-C do, and texts that are pasted.

Not all terminals say where a paste begins and ends, so what comes faster than anybody types is
taken for one. A long one has a label that stands for it until the line is read.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from itertools import groupby

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.keys import Keys

from chargen.repl.quotes import is_open
from chargen.words import with_lf

LEAVES = "press Ctrl-C again or Ctrl-D to leave"
MAX_PASTED = 2000  # characters that are shown as they are
BURST_KEYS = 100  # more at once nobody types, and so many are still a line of a script
BURST_SECONDS = 1.0  # between two parts of one paste


@dataclass
class Leaving:
    """Ctrl-C at an empty prompt warns; again, it leaves."""

    warned: bool = False
    due: bool = False  # though there was no prompt to leave

    def stay(self) -> None:
        self.warned = False

    def interrupt(self) -> None:
        """Where there was no prompt to see it."""
        self.warned, self.due = True, self.warned


def key_bindings(pastes: Pastes, completer: Completer, leaving: Leaving) -> KeyBindings:
    """Besides those of emacs or vi."""
    bindings = KeyBindings()
    writing = has_focus(DEFAULT_BUFFER)

    @bindings.add("enter", filter=writing)
    def _enter(event: KeyPressEvent) -> None:
        if is_open(pastes.whole(event.current_buffer.text)):
            event.current_buffer.newline(copy_margin=False)
        else:
            event.current_buffer.validate_and_handle()

    @bindings.add("escape", "enter", filter=writing)
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    @bindings.add("c-c", filter=writing)
    @bindings.add("<sigint>")
    def _interrupt(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        elif leaving.warned:
            event.app.exit(exception=EOFError)
        else:
            leaving.warned = True

    @bindings.add(Keys.BracketedPaste)
    def _paste(event: KeyPressEvent) -> None:
        pastes.insert(event.data, event.current_buffer)

    @bindings.add("backspace", filter=writing)
    def _rub_out(event: KeyPressEvent) -> None:
        label = pastes.label_before(event.current_buffer)
        event.current_buffer.delete_before_cursor(len(label) or event.arg)

    @bindings.add("tab", filter=writing)
    def _complete(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        asked = CompleteEvent(completion_requested=True)
        found = list(completer.get_completions(buffer.document, asked))
        if len(found) == 1:
            buffer.apply_completion(found[0])
        elif buffer.complete_state:
            buffer.complete_next()
        else:
            buffer.start_completion(insert_common_part=True)

    @bindings.add(Keys.Vt100MouseEvent)
    def _nothing(event: KeyPressEvent) -> None:
        """Pasted colours look like a mouse, which prompt_toolkit cannot believe."""

    return bindings


class Pastes:
    """Long pasted texts, each with a label that stands for it until the line is read."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._count = 0
        # The last one: its text, what stands for it, and when it came.
        self._last = ("", "", 0.0)

    def insert(self, data: str, buffer: Buffer) -> None:
        """Put a pasted text at the cursor; one that comes in parts is one text."""
        text, shown, at = self._last
        before = buffer.document.text_before_cursor
        if shown and before.endswith(shown) and time.monotonic() - at < BURST_SECONDS:
            buffer.delete_before_cursor(len(shown))
            self._texts.pop(shown, None)
        else:
            text = ""
            self._count += 1
        text += data
        shown = with_lf(text)
        if len(shown) > MAX_PASTED:
            label = f"[pasted text {self._count}: {len(shown):,} characters]"
            self._texts[label] = shown
            shown = label
        buffer.insert_text(shown)
        self._last = (text, shown, time.monotonic())

    def label_before(self, buffer: Buffer) -> str:
        """The label that ends at the cursor, if one does: it goes as a whole."""
        before = buffer.document.text_before_cursor
        return next((label for label in self._texts if before.endswith(label)), "")

    def is_broken(self, line: str) -> bool:
        """Whether a label stands there in part."""
        for label in self._texts:
            line = line.replace(label, "")
        return any(label.partition(":")[0] in line for label in self._texts)

    def whole(self, line: str) -> str:
        """The line with what was pasted in its place."""
        if not self._texts:
            return line
        labels = "|".join(map(re.escape, self._texts))
        return re.sub(labels, lambda found: self._texts[found[0]], line)


class BurstInput(Vt100Input):
    """Keys, where so many come at once that nobody typed them as a paste: not all terminals say
    where one begins."""

    _pasted = -BURST_SECONDS

    def read_keys(self) -> list[KeyPress]:
        keys = super().read_keys()
        now = time.monotonic()
        follows = now - self._pasted < BURST_SECONDS
        merged: list[KeyPress] = []
        for is_text, run in groupby(keys, key=_is_text):
            part = list(run)
            text = "".join(key.data for key in part)
            if not is_text or len(part) < (2 if follows else BURST_KEYS):
                merged += part
                continue
            is_a_line = not follows and text.find("\r") == len(text) - 1
            pasted = text.removesuffix("\r") if is_a_line else text
            merged.append(KeyPress(Keys.BracketedPaste, pasted))
            if is_a_line:
                merged.append(part[-1])
            else:
                self._pasted = now
        return merged


def _is_text(key: KeyPress) -> bool:
    return len(key.key) == 1 or key.key in (Keys.ControlM, Keys.ControlJ, Keys.ControlI)
