"""Talk to a model in a terminal: read a line, run it, print what comes of it.

The prompt is there before the model is: that is loaded while the first line is written.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.key_binding.vi_state import InputMode
from prompt_toolkit.keys import Keys
from prompt_toolkit.styles import Style

from chargen.checkpoint.locate import require_checkpoint
from chargen.checkpoint.metadata import read_metadata
from chargen.checkpoint.recent import default_checkpoint, remember_talk
from chargen.display.checkpoints import default_in_words
from chargen.display.console import show_note
from chargen.display.text import TextPrinter
from chargen.errors import ChargenError
from chargen.repl.commands import in_commands, is_command, run_line
from chargen.repl.completion import CommandCompleter
from chargen.repl.history import open_history
from chargen.repl.host import Host, Quit, mark
from chargen.repl.keys import BurstInput, Leaving, Pastes, key_bindings
from chargen.repl.loader import Loader
from chargen.repl.pipe import answer_one, run_piped
from chargen.repl.terminal import Terminal, is_dumb
from chargen.repl.toolbar import fitting, toolbar
from chargen.runtime.signals import Interrupts

LEAVES = "press Ctrl-C again or Ctrl-D to leave"
STYLE = {
    "prompt": "bold",
    "bottom-toolbar": "noreverse ansibrightblack",
    "prompt-continuation": "ansibrightblack",
    "auto-suggestion": "ansibrightblack",
}


def start(
    folder: Path | None,
    device: str,
    *,
    prompt: str | None = None,
    mode: str | None = None,
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

    def __init__(self, folder: Path, device: str, mode: str | None, keys: str) -> None:
        self._folder = folder
        self._device = device
        self._mode = mode
        self._keys = keys
        self._printer = TextPrinter()
        self._interrupts = Interrupts()
        self._terminal = Terminal(on_return=self._printer.begin_row)
        self._pastes = Pastes()
        self._leaving = Leaving()
        self._draft = ""  # what the next prompt begins with
        completer = CommandCompleter()
        self._prompt: PromptSession[str] = PromptSession(
            self._mark,
            multiline=True,
            prompt_continuation=lambda width, number, wraps: " " * width,
            history=open_history(self._pastes),
            input=BurstInput(sys.stdin),
            enable_suspend=True,
            completer=completer,
            auto_suggest=AutoSuggestFromHistory(),
            enable_open_in_editor=True,
            key_bindings=key_bindings(self._pastes, completer, self._leaving),
            bottom_toolbar=self._toolbar,
            reserve_space_for_menu=5,
            style=Style.from_dict(STYLE),
        )
        # What was written stands before what comes of it: we print it there ourselves.
        self._prompt.app.erase_when_done = not is_dumb()
        self._prompt.default_buffer.on_text_changed += lambda buffer: self._leaving.stay()
        self._loader = Loader(self._make_host, self._prompt.app.invalidate, self._end_prompt)

    def run(self) -> int:
        """Talk until Ctrl-D or /quit; the exit code. Raises what loading the model raises."""
        try:
            code = self._talk()
        except BaseException:
            if self._loader.is_busy:
                self._loader.join()
            raise
        if self._loader.is_busy:  # Python cannot end well while a thread imports torch
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
        try:
            self._set_keys()
            written = self._prompt.prompt(default=draft, pre_run=self._before_prompt)
            self._terminal.mark_pastes(True)
        except KeyboardInterrupt:  # where the terminal is dumb
            if self._leaving.warned:
                raise EOFError from None
            self._printer.say(LEAVES)
            self._leaving.warned = True
            return None
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
                if self._is_stopped_already(written):
                    self._interrupts.caught = signal.SIGINT
                self._leaving.stay()
                host = self._loaded_host()
                if is_command(line):
                    self._printer.echo(written, host.mark)
                run_line(host, line)
                self._draft, host.draft, self._keys = host.draft, "", host.keys
        except ChargenError as error:
            if self._loader.host is None or self._loader.error is not None:
                raise  # there is no model to talk to
            if not is_command(line):
                self._printer.echo(written, self._loader.host.mark)
            self._printer.error(in_commands(error))
        except KeyboardInterrupt:
            self._printer.status("")
            self._draft = written

    def _is_stopped_already(self, written: str) -> bool:
        """Whether Ctrl-C followed so fast that it was read with the line, or before anyone heard
        the signal; what was typed before it is then void."""
        source = self._prompt.input
        keys = get_typeahead(source)
        pressed = [number for number, key in enumerate(keys) if key.key == Keys.ControlC]
        store_typeahead(source, keys[pressed[-1] + 1 :] if pressed else keys)
        return bool(pressed) or (self._leaving.warned and bool(written))

    def _greet(self) -> None:
        line, mode = str(self._folder), self._mode
        with suppress(ChargenError):  # the model may be read all the same: see load_checkpoint
            metadata = read_metadata(self._folder)
            model = metadata.model
            line += f" \u00b7 {model.cell} {model.num_layers} x {model.hidden_size}"
            line += f" \u00b7 {metadata.tokenizer}"
            mode = mode or metadata.sampling.mode
        what = "say something" if mode == "chat" else "write the beginning of a text"
        self._printer.say(line, style="bold")
        self._printer.say(f"{what}; /help, Ctrl-D leaves", style="dim")

    # -- the model ----------------------------------------------------------------------------

    def _make_host(self) -> Host:
        """Import torch, read the model."""
        from chargen.session.session import Session

        return Host(
            Session(self._folder, self._device, self._mode),
            self._printer,
            lambda: self._interrupts.caught is not None,
            keys=self._keys,
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

    def _end_prompt(self) -> None:
        """From the loader's thread: there is no model to talk to."""
        app = self._prompt.app
        if app.loop is not None and app.is_running:
            app.loop.call_soon_threadsafe(self._give_up)

    def _give_up(self) -> None:
        app = self._prompt.app
        if app.is_running and not app.is_done:
            app.exit(result="/quit")

    # -- the prompt ---------------------------------------------------------------------------

    def _mark(self) -> FormattedText:
        session = self._loader.host.session if self._loader.host else None
        return FormattedText([("class:prompt", mark(session))])

    def _toolbar(self) -> FormattedText:
        columns = self._prompt.app.output.get_size().columns
        if self._leaving.warned:
            text = fitting([LEAVES, "Ctrl-C again leaves"], columns)
        elif self._loader.host is None:
            folder = self._folder
            text = fitting(
                [f"{name}  loading; you can write already" for name in (folder, folder.name)],
                columns,
            )
        else:
            text = toolbar(self._loader.host.session, columns - len(self._vi_mode()))
        text = self._vi_mode() + text
        return FormattedText([("class:bottom-toolbar.text", text)])

    def _vi_mode(self) -> str:
        if self._keys != "vi":
            return ""
        return "I " if self._prompt.app.vi_state.input_mode == InputMode.INSERT else "N "

    def _set_keys(self) -> None:
        self._prompt.editing_mode = EditingMode.VI if self._keys == "vi" else EditingMode.EMACS

    def _before_prompt(self) -> None:
        if self._leaving.due:
            get_app().exit(exception=EOFError)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-C between a text and the prompt after it, or twice: as at an empty prompt."""
        self._leaving.warned, self._leaving.due = True, self._leaving.warned
        if is_dumb():
            os.write(sys.stdout.fileno(), f"\n{LEAVES}\n".encode())
            if self._leaving.due:  # such a prompt knows no `pre_run`
                try:
                    # What is raised within its loop would be shown as a task's failure.
                    asyncio.get_running_loop().call_soon_threadsafe(self._leave_dumb_prompt)
                except RuntimeError:
                    raise KeyboardInterrupt from None

    def _leave_dumb_prompt(self) -> None:
        app = get_app()
        if app.is_running and not app.is_done:
            app.exit(exception=EOFError)
