"""Read lines, from a person or a pipe, and let a session answer. The only door to prompt_toolkit.

The prompt is there before the model is: that is loaded while the first line is written.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit import completion as completing
from prompt_toolkit.application import get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER, EditingMode
from prompt_toolkit.filters import has_focus
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.key_binding.vi_state import InputMode
from prompt_toolkit.keys import Keys
from prompt_toolkit.styles import Style
from prompt_toolkit.utils import get_cwidth

from chargen.checkpoint.locate import (
    BUNDLED,
    list_checkpoints,
    newest_checkpoint,
    require_checkpoint,
)
from chargen.checkpoint.metadata import read_metadata
from chargen.display.checkpoints import show_list
from chargen.display.console import show_note
from chargen.display.text import TextPrinter
from chargen.errors import ChargenError
from chargen.repl.commands import COMMANDS, Host, Quit, in_commands, mark
from chargen.runtime.signals import Interrupts

if TYPE_CHECKING:
    from chargen.session.session import Session

MAX_PASTED = 2000  # characters that are shown as they are
LEAVES = "Ctrl-C again, or Ctrl-D, leaves"
MAX_LISTED = 10  # checkpoints
MAX_REMEMBERED = 20_000  # characters of a line of the history
BURST_KEYS = 100  # more at once nobody types, and so many are still a line of a script
BURST_SECONDS = 1.0  # between two parts of one paste
STYLE = {
    "prompt": "bold", "bottom-toolbar": "noreverse ansibrightblack",
    "prompt-continuation": "ansibrightblack", "auto-suggestion": "ansibrightblack",
}  # fmt: skip


def start(folder: Path | None, device: str, *, as_json: bool = False, keys: str = "emacs") -> int:
    """Talk to the model in a folder, or to the newest; the exit code. Raises CheckpointError,
    DeviceError."""
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty() and not as_json
    if folder is None:
        folder = newest_checkpoint()
        if is_terminal:
            show_list(list_checkpoints(), most=MAX_LISTED)
        if folder == BUNDLED:
            show_note("this is the model that comes with chargen")
    require_checkpoint(folder)
    if is_terminal:
        return Repl(folder, device, keys).run()
    from chargen.session.session import Session

    return run_piped(Session(folder, device), sys.stdin.buffer, as_json)


# -- from a pipe ------------------------------------------------------------------------------


def run_piped(session: Session, lines: IO[bytes], as_json: bool) -> int:
    """Answer a prompt a line on stdout, which gets nothing else; the exit code."""
    failed = False
    interrupts = Interrupts()
    printer = TextPrinter()
    host = Host(session, printer, lambda: interrupts.caught is not None, json=as_json)
    for number, line in enumerate(lines):
        try:
            text = line.decode("utf-8" if number else "utf-8-sig").rstrip("\r\n")
            with interrupts:
                _run(host, text)
        except UnicodeDecodeError as error:
            printer.error(f"a prompt is not UTF-8 at its byte {error.start}")
            failed = True
        except ChargenError as error:
            printer.error(in_commands(error))
            failed = True
        except Quit:
            break
        except KeyboardInterrupt:
            pass  # told below
        if interrupts.caught:
            return interrupts.exit_code
    return int(failed)


def _run(host: Host, line: str) -> None:
    """Answer a line, or run it if it is a command. Raises ChargenError, KeyboardInterrupt, Quit."""
    if _is_command(line):
        host.run(line)
    elif line.strip():
        host.answer(line[1:] if line.startswith("//") else line)


def _is_command(line: str) -> bool:
    """Two slashes begin a prompt that begins with one."""
    return line.startswith("/") and not line.startswith("//")


# -- in a terminal ----------------------------------------------------------------------------


class Repl:
    """Reads what a person writes and shows what the session answers."""

    def __init__(self, folder: Path, device: str, keys: str) -> None:
        self._folder = folder
        self._printer = TextPrinter()
        self._interrupts = Interrupts()
        self._pastes = _Pastes()
        self._completer = _Completer()
        self._leaving = False  # Ctrl-C was pressed at an empty prompt
        self._left = False  # and again
        self._draft = ""  # what the next prompt begins with
        self._host: Host | None = None
        self._keys = keys
        self._device = device
        self._error: BaseException | None = None  # why there is no model
        self._loader = threading.Thread(target=self._load, daemon=True)
        self._terminal = _Terminal()
        self._prompt: PromptSession[str] = PromptSession(
            self._mark,
            multiline=True,
            prompt_continuation=lambda width, number, wraps: " " * width,
            history=_history(self._pastes),
            input=_Input(sys.stdin),
            enable_suspend=True,
            completer=self._completer,
            auto_suggest=AutoSuggestFromHistory(),
            enable_open_in_editor=True,
            key_bindings=self._bindings(),
            bottom_toolbar=self._toolbar,
            reserve_space_for_menu=5,
            style=Style.from_dict(STYLE),
        )
        # What was written stands before what comes of it: we print it there ourselves.
        self._prompt.app.erase_when_done = not _is_dumb()
        self._prompt.default_buffer.on_text_changed += lambda buffer: self._stay()

    def run(self) -> int:
        """Talk until Ctrl-D or /quit; the exit code. Raises what loading the model raises."""
        try:
            code = self._talk()
        except BaseException:
            if self._loader.is_alive():
                self._loader.join()
            raise
        if self._loader.is_alive():  # Python cannot end well while a thread imports torch
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
            if self._leaving:
                raise EOFError from None
            self._printer.say(LEAVES)
            self._leaving = True
            return None
        if self._pastes.is_broken(written):
            self._printer.error(
                "what stands for a pasted text was changed; paste it anew, or take the rest of it "
                "out"
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
                self._leaving = False
                host = self._loaded_host()
                if _is_command(line):
                    self._printer.echo(written, host.mark)
                _run(host, line)
                self._draft, host.draft, self._keys = host.draft, "", host.keys
        except ChargenError as error:
            if self._host is None or self._error is not None:
                raise  # there is no model to talk to
            if not _is_command(line):
                self._printer.echo(written, self._host.mark)
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
        return bool(pressed) or (self._leaving and bool(written))

    def _greet(self) -> None:
        line = str(self._folder)
        with suppress(ChargenError):  # the model may be read all the same: see load_checkpoint
            about = read_metadata(self._folder)
            model = about.model
            line += f" \u00b7 {model.cell} {model.num_layers} x {model.hidden_size}"
            line += f" \u00b7 {about.tokenizer}"
        self._printer.say(line, style="bold")
        self._printer.say("write the beginning of a text; /help, Ctrl-D leaves", style="dim")

    # -- the model ----------------------------------------------------------------------------

    def _load(self) -> None:
        """Beside the prompt: import torch, read the model. Where that fails the prompt ends."""
        app = self._prompt.app
        try:
            from chargen.session.session import Session

            self._host = Host(
                Session(self._folder, self._device), self._printer,
                lambda: self._interrupts.caught is not None,
                keys=self._keys, outside=self._terminal.as_it_was,
            )  # fmt: skip
            app.invalidate()
        except BaseException as error:  # whatever it is, the main thread must tell it
            self._error = error
            if app.loop is not None and app.is_running:
                app.loop.call_soon_threadsafe(self._give_up)

    def _loaded_host(self) -> Host:
        """Wait for the model. Raises KeyboardInterrupt, and what loading raises."""
        while self._loader.is_alive():
            self._printer.status("loading the model")
            self._loader.join(0.05)
            if self._interrupts.caught:
                raise KeyboardInterrupt
        self._printer.status("")
        if self._error is not None:
            raise self._error
        assert self._host is not None
        return self._host

    def _give_up(self) -> None:
        app = self._prompt.app
        if app.is_running and not app.is_done:
            app.exit(result="/quit")

    # -- the prompt ---------------------------------------------------------------------------

    def _mark(self) -> FormattedText:
        session = self._host.session if self._host else None
        return FormattedText([("class:prompt", mark(session))])

    def _toolbar(self) -> FormattedText:
        columns = self._prompt.app.output.get_size().columns
        if self._leaving:
            text = _fitting([LEAVES, "Ctrl-C again leaves"], columns)
        elif self._host is None:
            folder = self._folder
            text = _fitting(
                [f"{name}  loading; you can write already" for name in (folder, folder.name)],
                columns,
            )
        else:
            text = toolbar(self._host.session, columns - len(self._vi_mode()))
        text = self._vi_mode() + text
        return FormattedText([("class:bottom-toolbar.text", text)])

    def _vi_mode(self) -> str:
        if self._keys != "vi":
            return ""
        return "I " if self._prompt.app.vi_state.input_mode == InputMode.INSERT else "N "

    def _set_keys(self) -> None:
        self._prompt.editing_mode = EditingMode.VI if self._keys == "vi" else EditingMode.EMACS

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        writing = has_focus(DEFAULT_BUFFER)

        @bindings.add("enter", filter=writing)
        def _enter(event: KeyPressEvent) -> None:
            event.current_buffer.validate_and_handle()

        @bindings.add("escape", "enter", filter=writing)
        def _new_line(event: KeyPressEvent) -> None:
            event.current_buffer.newline(copy_margin=False)

        @bindings.add("c-c", filter=writing)
        @bindings.add("<sigint>")
        def _interrupt(event: KeyPressEvent) -> None:
            if event.current_buffer.text:
                event.current_buffer.reset()
            elif _is_dumb():  # it has no line to say so
                event.app.exit(exception=KeyboardInterrupt)
            elif self._leaving:
                event.app.exit(exception=EOFError)
            else:
                self._leaving = True

        @bindings.add(Keys.BracketedPaste)
        def _paste(event: KeyPressEvent) -> None:
            self._pastes.insert(event.data, event.current_buffer)

        @bindings.add("backspace", filter=writing)
        def _rub_out(event: KeyPressEvent) -> None:
            label = self._pastes.label_before(event.current_buffer)
            event.current_buffer.delete_before_cursor(len(label) or event.arg)

        @bindings.add("tab", filter=writing)
        def _complete(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            asked = CompleteEvent(completion_requested=True)
            found = list(self._completer.get_completions(buffer.document, asked))
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

    def _stay(self) -> None:
        self._leaving = False

    def _before_prompt(self) -> None:
        if self._left:
            get_app().exit(exception=EOFError)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-C between a text and the prompt after it, or twice: as at an empty prompt."""
        self._leaving, self._left = True, self._leaving
        if _is_dumb():
            os.write(sys.stdout.fileno(), f"\n{LEAVES}\n".encode())
            if self._left:  # such a prompt knows no `pre_run`
                raise KeyboardInterrupt


class _Pastes:
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
        shown = text.replace("\r\n", "\n").replace("\r", "\n")
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


class _Input(Vt100Input):
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
            merged.append(KeyPress(Keys.BracketedPaste, text.removesuffix("\r")
                                   if is_a_line else text))  # fmt: skip
            if is_a_line:
                merged.append(part[-1])
            else:
                self._pasted = now
        return merged


def _is_text(key: KeyPress) -> bool:
    return len(key.key) == 1 or key.key in (Keys.ControlM, Keys.ControlJ, Keys.ControlI)


class _Terminal:
    """The terminal's own line editing, which is off while texts are written: what is typed then is
    kept for the next prompt and not shown in their midst. Ctrl-C stays a signal."""

    def __init__(self) -> None:
        self._file = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._file)
        self._unechoed = termios.tcgetattr(self._file)
        self._unechoed[3] &= ~(termios.ICANON | termios.ECHO)
        self._unechoed[3] |= termios.NOFLSH  # Ctrl-C takes nothing of what was typed
        self._unechoed[6][termios.VMIN], self._unechoed[6][termios.VTIME] = 1, 0

    @contextmanager
    def unechoed(self) -> Iterator[None]:
        termios.tcsetattr(self._file, termios.TCSANOW, self._unechoed)
        try:
            yield
        finally:
            self.mark_pastes(False)
            termios.tcsetattr(self._file, termios.TCSANOW, self._before)

    def mark_pastes(self, on: bool) -> None:
        """Have the terminal say where a paste begins and ends, as it does at a prompt."""
        if not _is_dumb():
            sys.stdout.write(f"\x1b[?2004{'h' if on else 'l'}")
            sys.stdout.flush()

    @contextmanager
    def as_it_was(self) -> Iterator[None]:
        """For another program."""
        self.mark_pastes(False)
        termios.tcsetattr(self._file, termios.TCSANOW, self._before)
        try:
            yield
        finally:
            termios.tcsetattr(self._file, termios.TCSANOW, self._unechoed)
            self.mark_pastes(True)


def toolbar(session: Session, columns: int) -> str:
    """What a session draws by, in one line of so many columns."""
    settings, now = session.settings, session.now
    speed = session.tokens_per_second

    def line(folder: str, mode: str, labels: tuple[str, ...], off: str, unit: str) -> list[str]:
        parts = [folder, mode, *(["learning"] if session.learns else [])]
        for name, label in zip(("temperature", "top_p", "beams", "seed"), labels, strict=True):
            value = settings[name]
            exact = f"{value:g}" if isinstance(value, float) else str(value)
            short = exact if len(exact) < 10 else f"{exact[:7]}\u2026"
            parts.append(label + (off if value is None else short))
        return parts if speed is None else [*parts, f"{speed:,.0f}{unit}"]

    folder, name = str(session.folder), session.folder.name
    whole = ("temperature ", "top-p ", "beams ", "seed ")
    lines = [
        "  ".join(line(folder, now.mode, whole, "off", " tokens/s")),
        "  ".join(line(name, now.mode, ("temp ", *whole[1:]), "off", " tok/s")),
        " ".join(line(name, now.mode, ("t", "p", "b", "s"), "-", "/s")),
        " ".join(line("", now.mode[:2], ("t", "p", "b", "s"), "-", "")).strip(),
    ]
    return _fitting(lines, columns)


def _fitting(lines: list[str], columns: int) -> str:
    """The first of the lines that fits, or the beginning of the last."""
    for text in lines:
        if get_cwidth(text) < columns:
            return text
    while text and get_cwidth(text) >= columns:
        text = text[:-1]
    return text


def _is_dumb() -> bool:
    return os.environ.get("TERM", "dumb") in ("dumb", "unknown")


class _History(FileHistory):
    """Lines of earlier sessions; one that cannot be written is not worth an error."""

    def __init__(self, path: Path, pastes: _Pastes) -> None:
        super().__init__(str(path))
        self._pastes = pastes

    def store_string(self, string: str) -> None:
        whole = self._pastes.whole(string)
        if len(whole) <= MAX_REMEMBERED:
            with suppress(OSError, UnicodeError):
                super().store_string(whole)


def _history(pastes: _Pastes) -> History:
    """Lines of earlier sessions, in `$XDG_STATE_HOME/chargen`; in memory where that fails."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    path = Path(base) / "chargen" / "history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab"):
            pass
    except OSError:
        return InMemoryHistory()
    return _History(path, pastes)


class _Completer(Completer):
    """Commands, and what may follow them."""

    def __init__(self) -> None:
        self._paths = PathCompleter(expanduser=True)
        self._folders = PathCompleter(expanduser=True, only_directories=True)

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[completing.Completion]:
        line = document.text_before_cursor
        if not _is_command(line) or "\n" in line:
            return
        name, space, rest = line[1:].partition(" ")
        if not space:
            for known, row in COMMANDS.items():
                if known.startswith(name) and known != name:
                    yield completing.Completion(known, -len(name), display_meta=row.help)
        elif name in COMMANDS:
            row = COMMANDS[name]
            word = rest.rpartition(" ")[2]
            for value in row.values(rest):
                fits = value.startswith(word) or value.rpartition("/")[2].startswith(word)
                if fits and value != word:
                    yield completing.Completion(value, -len(word))
            if row.takes is not None:
                paths = self._folders if row.takes == "checkpoint" else self._paths
                for path in paths.get_completions(Document(rest), complete_event):
                    text = path.text + ("/" if path.display_text.endswith("/") else "")
                    if text:
                        yield completing.Completion(text, path.start_position, path.display)
