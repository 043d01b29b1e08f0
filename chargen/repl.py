"""Talk to a model. `Session` is pure: lines in, pieces and messages out; `Repl` reads and shows.

A line is a prompt, or a command where it begins with `/`. Commands are one table, which help,
completion and dispatch all read. The only door to prompt_toolkit.
"""

from __future__ import annotations

import difflib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from prompt_toolkit import PromptSession
from prompt_toolkit import completion as completing
from prompt_toolkit.completion import CompleteEvent, Completer
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from chargen import generation
from chargen.config import DRAWING, SEARCHING, SampleConfig, make, names, parse
from chargen.errors import ChargenError, ConfigError
from chargen.interrupt import EXIT_CODES, Interrupts
from chargen.terminal import TextPrinter, show_error
from chargen.writing import Completion, Piece


class Quit(Exception):
    """The user wants to leave."""


class Session:
    """A model, how text is drawn from it, and the commands that change both."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        """Raises CheckpointError, DeviceError."""
        self.settings = asdict(SampleConfig())
        self.device = device
        self.load(folder)

    def load(self, folder: Path) -> None:
        """Talk to the model in a checkpoint folder from now on. Raises CheckpointError."""
        self.generator = generation.load(folder, self.device)
        self.folder = folder

    @property
    def config(self) -> SampleConfig:
        """How the next text is drawn, or searched for: then the settings of drawing wait."""
        return _config_of(self.settings)

    def change(self, name: str, value: object) -> None:
        """Change one setting. Raises ConfigError, and then nothing has changed."""
        settings = self.settings | {name: value}
        _config_of(settings)
        _config_of(settings | {"beams": None})
        self.settings = settings

    def stream(self, prompt: str) -> Iterator[Piece]:
        """The pieces of one completion, as they come."""
        return self.generator.stream(prompt, self.config)

    def complete(self, prompt: str) -> list[Completion]:
        """What `/beams` or `/set num_samples` ask for: several completions at once."""
        return list(self.generator.complete(prompt, self.config))

    @property
    def streams(self) -> bool:
        """Whether a prompt is answered by one text as it comes."""
        return self.settings["beams"] is None and self.settings["num_samples"] is None

    def command(self, line: str) -> str:
        """Run a line that begins with `/` and return what to say. Raises ChargenError, Quit."""
        name, _, rest = line[1:].partition(" ")
        command = COMMANDS.get(name)
        if command is None:
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"did you mean /{near[0]}?" if near else "see /help"
            raise ConfigError(f"there is no command /{name}", hint=hint)
        return command.act(self, rest.strip())


def _config_of(settings: dict[str, Any]) -> SampleConfig:
    """The settings without those that a search, or else that a draw, has no use for."""
    idle = SEARCHING if settings["beams"] is None else DRAWING
    return make(SampleConfig, {n: value for n, value in settings.items() if n not in idle})


@dataclass(frozen=True)
class Command:
    """A row of the table: how it is written, what it does, and the doing."""

    usage: str
    help: str
    act: Callable[[Session, str], str]
    values: Callable[[], list[str]] = list  # what may follow, for completion


def _help(session: Session, rest: str) -> str:
    width = max(len(command.usage) for command in COMMANDS.values())
    rows = [f"{command.usage:<{width}}  {command.help}" for command in COMMANDS.values()]
    return "\n".join(
        [
            *rows,
            "anything else is a prompt (// for one that begins with /)",
            "Ctrl-C stops a text, Ctrl-D leaves",
        ]
    )


def _set(session: Session, rest: str) -> str:
    name, _, text = rest.partition(" ")
    name = name.replace("-", "_")
    if not name:
        width = max(map(len, session.settings))
        return "\n".join(f"{n:<{width}}  {_spell(v)}" for n, v in session.settings.items())
    if not text:
        if name not in names(SampleConfig):
            raise ConfigError(f"there is no setting {name}", hint="/set shows all")
        return f"{name} is {_spell(session.settings[name])}"
    value = parse(SampleConfig, name, text.strip())
    session.change(name, value)
    return f"{name} is {_spell(value)}"


def _spell(value: object) -> str:
    if value is None or value is False or value == ():
        return "off"
    if value is True:
        return "on"
    return ", ".join(map(repr, value)) if isinstance(value, tuple) else str(value)


def _beams(session: Session, rest: str) -> str:
    return _set(session, f"beams {rest or 5}")


def _load(session: Session, rest: str) -> str:
    if not rest:
        raise ConfigError(
            "/load needs a checkpoint folder", hint="as in: /load checkpoints/everyday"
        )
    session.load(Path(os.path.expanduser(rest.strip("\"'"))))
    return f"talking to {session.folder}"


def _quit(session: Session, rest: str) -> str:
    raise Quit


COMMANDS = {
    "help": Command("/help", "show this", _help),
    "set": Command("/set NAME VALUE", "change a setting; alone, show all",
                   _set, lambda: names(SampleConfig)),
    "beams": Command("/beams N", "search for the N likeliest texts; off draws again",
                     _beams, lambda: ["5", "off"]),
    "load": Command("/load FOLDER", "talk to another checkpoint", _load,
                    lambda: sorted(map(str, Path("checkpoints").glob("*/")))),
    "quit": Command("/quit", "leave", _quit),
}  # fmt: skip


class Repl:
    """Reads lines, shows what the session answers."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._printer = TextPrinter()

    def run(self) -> int:
        """Talk until Ctrl-D or /quit; the exit code."""
        # A shell starts what runs in the background with SIGINT ignored, and that is inherited.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        prompt: PromptSession[str] = PromptSession(history=_history(), completer=_Completer())
        self._greet()
        while True:
            try:
                line = prompt.prompt(FormattedText([("bold", "> ")]))
                if _is_command(line):
                    self._printer.say(self._session.command(line))
                elif line.strip() and self._answer(line) == EXIT_CODES[signal.SIGTERM]:
                    return EXIT_CODES[signal.SIGTERM]
            except ChargenError as error:
                show_error(str(error))
            except KeyboardInterrupt:
                continue  # the line is cleared, the session stays
            except (EOFError, Quit):
                return 0

    def run_piped(self, lines: IO[bytes]) -> int:
        """Answer a prompt a line, plainly; commands speak on stderr. The exit code."""
        failed = False
        for line in lines:
            try:
                text = line.decode("utf-8").rstrip("\r\n")
                if _is_command(text):
                    print(self._session.command(text), file=sys.stderr)
                elif text and (code := self._answer(text)):
                    return code
            except UnicodeDecodeError as error:
                show_error(f"a prompt is not UTF-8 at its byte {error.start}")
                failed = True
            except ChargenError as error:
                show_error(str(error))
                failed = True
            except Quit:
                break
        return int(failed)

    def _greet(self) -> None:
        model = self._session.generator.model.config
        self._printer.say(
            f"{self._session.folder} \u00b7 {model.cell} {model.num_layers} x {model.hidden_size} "
            f"\u00b7 {self._session.generator.tokenizer.kind}",
            style="bold",
        )
        self._printer.say("write the beginning of a text; /help, Ctrl-D leaves", style="dim")

    def _answer(self, prompt: str) -> int:
        """Show what the model makes of a prompt; 0, or the exit code of what interrupted it."""
        prompt = prompt[1:] if prompt.startswith("//") else prompt
        if self._session.streams:
            pieces = self._session.stream(prompt)
            self._printer.prompt(prompt)
            with Interrupts(patient=True) as interrupts:
                for piece in pieces:
                    self._printer.piece(piece)
                    if interrupts.caught:
                        break
            self._printer.close()
            return interrupts.exit_code
        try:
            completions = self._session.complete(prompt)
        except KeyboardInterrupt:
            self._printer.say("")  # the terminal has written ^C
            return EXIT_CODES[signal.SIGINT]
        if self._session.settings["beams"] is not None and self._printer.is_terminal:
            self._printer.beams(completions)
            return 0
        for index, completion in enumerate(completions):
            if index:
                self._printer.say("---")
            self._printer.text(completion)
            self._printer.close()
        return 0


def _is_command(line: str) -> bool:
    """Two slashes begin a prompt that begins with one."""
    return line.startswith("/") and not line.startswith("//")


def start(folder: Path, device: str) -> int:
    """Open a checkpoint and talk to it; the exit code. Raises CheckpointError, DeviceError."""
    repl = Repl(Session(folder, device))
    if sys.stdin.isatty() and sys.stdout.isatty():
        return repl.run()
    return repl.run_piped(sys.stdin.buffer)


def _history() -> History:
    """Lines of earlier sessions, in `$XDG_STATE_HOME/chargen`; in memory where that fails."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    path = Path(base) / "chargen" / "history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


class _Completer(Completer):
    """Commands, and the values that may follow them."""

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[completing.Completion]:
        command, space, rest = document.text_before_cursor.partition(" ")
        if not command.startswith("/"):
            return
        row = COMMANDS.get(command[1:])
        words = [f"/{name}" for name in COMMANDS] if not space else row.values() if row else []
        written = rest if space else command
        for word in words:
            if word.startswith(written):
                yield completing.Completion(word, start_position=-len(written))
