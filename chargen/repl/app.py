"""Talk to a model in a terminal: read a line, run it, print what comes of it.

The prompt is there before the model is: that is loaded while the first line is written.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

from chargen.checkpoint.locate import require_checkpoint
from chargen.checkpoint.metadata import read_metadata
from chargen.checkpoint.recent import default_checkpoint, remember_talk
from chargen.display.checkpoints import default_in_words
from chargen.display.console import show_note
from chargen.display.text import TextPrinter
from chargen.errors import ChargenError
from chargen.keywords import Mode
from chargen.repl.arguments import Settings
from chargen.repl.host import Host, Quit, mark
from chargen.repl.key_prompt import KeyPrompt
from chargen.repl.keys import LEAVES, Leaving, Pastes
from chargen.repl.line_prompt import LinePrompt
from chargen.repl.lines import in_commands, is_prompt, run_typed_line
from chargen.repl.loader import Loader
from chargen.repl.pipe import answer_one, run_piped
from chargen.repl.terminal import Terminal, is_dumb
from chargen.repl.toolbar import fitting, toolbar
from chargen.runtime.signals import Interrupts
from chargen.session.settings import default_settings


def start(
    folder: Path | None,
    device: str,
    *,
    prompt: str | None = None,
    mode: Mode | None = None,
    as_json: bool = False,
    keys: str = "emacs",
) -> int:
    """Talk to the model in a folder or of a name, or to the one last trained or talked to; where
    there is a prompt, answer that alone. The exit code. Raises CheckpointError, DeviceError."""
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty() and not as_json
    if folder is None:
        default = default_checkpoint()
        show_note(default_in_words(default))
        folder = default.folder
    else:
        folder = require_checkpoint(folder)
        if is_terminal:
            remember_talk(folder)
    if is_terminal and prompt is None:
        return Repl(folder, device, mode, keys).run()
    from chargen.session.session import Session

    session = Session(folder, device, mode)
    if prompt is not None:
        return answer_one(session, prompt, as_json)
    return run_piped(session, sys.stdin.buffer, as_json)


class Repl:
    """Reads what a person writes and shows what the session answers."""

    def __init__(self, folder: Path, device: str, mode: Mode | None, keys: str) -> None:
        self._folder = folder
        self._device = device
        self._mode = mode
        self._printer = TextPrinter()
        self._interrupts = Interrupts()
        self._terminal = Terminal(on_return=self._printer.begin_row)
        self._pastes = Pastes()
        self._leaving = Leaving()
        # Known before the model is:
        self._defaults = default_settings()
        self._first_mark = mark(None)
        self._draft = ""  # what the next prompt begins with
        self._prompt: KeyPrompt | LinePrompt
        if is_dumb():
            self._prompt = LinePrompt(self._mark, self._printer, self._leaving, keys)
        else:
            self._prompt = KeyPrompt(
                self._mark, self._status, self._pastes, self._leaving, self._settings, keys
            )
        self._loader = Loader(self._make_host, self._prompt.redraw, self._prompt.give_up)

    def run(self) -> int:
        """Talk until Ctrl-D or /quit; the exit code. Raises what loading the model raises."""
        try:
            code = self._talk()
        except BaseException:
            if self._loader.is_busy:
                self._loader.join()
            raise
        if self._loader.is_busy:  # Python cannot end well while a thread imports
            sys.stdout.flush()
            os._exit(code)
        return code

    def _talk(self) -> int:
        # A key or a signal between two prompts is kept for the next one, never lost.
        signal.signal(signal.SIGINT, self._on_interrupt)
        self._greet()
        self._loader.start()
        with self._terminal.unechoed():
            while self._interrupts.caught in (None, signal.SIGINT):
                try:
                    written = self._ask()
                    if written is not None:
                        self._do(written)
                except (EOFError, Quit):
                    return 0
        return self._interrupts.exit_code

    def _ask(self) -> str | None:
        """A line that the user wrote, pasted texts by their labels; None where it is none to be
        answered. Raises EOFError."""
        draft, self._draft = self._draft, ""
        written = self._prompt.ask(draft)
        self._terminal.mark_pastes(True)
        if self._pastes.is_broken(written):
            self._printer.error(
                "the placeholder of a pasted text was edited; paste again, or delete what is left"
            )
            self._draft = written
            return None
        return written

    def _do(self, written: str) -> None:
        """Answer a line. Raises Quit, and what loading the model raises."""
        line = self._pastes.whole(written)
        self._interrupts = Interrupts()
        try:
            with self._interrupts:
                # Ctrl-C came with the line, or before anyone heard the signal.
                if self._prompt.drop_interrupted() or (self._leaving.warned and written):
                    self._interrupts.caught = signal.SIGINT
                self._leaving.stay()
                host = self._loaded_host()
                if not is_prompt(line):
                    self._echo(written)
                if self._mode is not None:  # asked for before there was a model
                    host.doubt_turns()
                    self._mode = None
                run_typed_line(host, line)
                self._draft, host.draft, self._prompt.keys = host.draft, "", host.keys
        except ChargenError as error:
            if self._loader.host is None or self._loader.error is not None:
                raise  # there is no model to talk to
            if is_prompt(line):
                self._echo(written)
            self._printer.error(in_commands(error))
        except KeyboardInterrupt:
            self._printer.status("")
            self._draft = written

    def _echo(self, written: str) -> None:
        """Print a line where it was written, unless it stands there."""
        if not self._prompt.keeps_lines:
            self._printer.echo(written, self._mark())

    def _greet(self) -> None:
        line, mode = str(self._folder), self._mode
        with suppress(ChargenError):  # the model may be read all the same: see load_checkpoint
            metadata = read_metadata(self._folder)
            model = metadata.model
            line += f" \u00b7 {model.cell} {model.num_layers} x {model.hidden_size}"
            line += f" \u00b7 {metadata.tokenizer}"
            mode = mode or metadata.sampling.mode
            self._defaults = default_settings(mode or "complete", metadata.sampling)
            if mode == "chat":
                self._first_mark = f"{metadata.corpus_options.user} "
        what = "say something" if mode == "chat" else "write the beginning of a text"
        self._printer.say(line, style="bold")
        self._printer.say(f"{what}; /help, Ctrl-D leaves", style="dim")

    # -- the model ----------------------------------------------------------------------------

    def _make_host(self) -> Host:
        """Import what computes, read the model."""
        from chargen.session.session import Session

        return Host(
            Session(self._folder, self._device, self._mode),
            self._printer,
            lambda: self._interrupts.caught is not None,
            keys=self._prompt.keys,
            keeps_lines=self._prompt.keeps_lines,
            outside=self._terminal.as_it_was,
        )

    def _loaded_host(self) -> Host:
        """Wait for the model. Raises KeyboardInterrupt, and what loading raises."""
        while self._loader.is_busy:
            self._printer.status("loading the model")
            self._loader.join(0.05)
            if self._interrupts.caught:
                raise KeyboardInterrupt
        self._printer.status("")
        return self._loader.result()

    # -- the prompt ---------------------------------------------------------------------------

    def _mark(self) -> str:
        return mark(self._loader.host.session) if self._loader.host else self._first_mark

    def _settings(self) -> Settings:
        """Those of the session, before it is there the defaults."""
        return self._loader.host.session.settings if self._loader.host else self._defaults

    def _status(self, columns: int) -> str:
        """What stands below the prompt, in so many columns."""
        if self._leaving.warned:
            return fitting([LEAVES, "Ctrl-C again leaves"], columns)
        if self._loader.host is None:
            names = (self._folder, self._folder.name)
            return fitting([f"{name}  loading; you can already type" for name in names], columns)
        return toolbar(self._loader.host.session, columns)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-C between a text and the prompt after it, or twice: as at an empty prompt."""
        self._leaving.interrupt()
