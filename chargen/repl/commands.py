"""What can be said to the REPL besides prompts: one table that help, completion and dispatch read.

A `Host` is what commands act on: a session, where its texts are shown, and what the next prompt
begins with. It knows nothing of keys and pipes. Imports no torch: that is there with the session.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from chargen.checkpoint.locate import is_checkpoint, list_checkpoints
from chargen.config import SampleConfig
from chargen.display.checkpoints import facts_of
from chargen.display.console import print_json
from chargen.display.tables import show_beams, show_columns, show_definitions, show_next
from chargen.display.text import TextPrinter, show_alternatives, show_surprisals
from chargen.errors import ChargenError, ConfigError, OutputError
from chargen.options import choices_of, field_names, field_types, help_of, parse, unescape
from chargen.runtime.files import write_file

if TYPE_CHECKING:
    from chargen.generation.writing import Completion
    from chargen.session.session import Events, Session

LOOKED_AT = 10  # what /top shows
ALTERNATIVES = 4  # what /why shows at each place
MAX_SHOWN = 2000  # characters of a prompt
CHECKPOINTS = Path("checkpoints")
_OFF = "; learning is off"
_FORGETS = f"; what was learnt is forgotten{_OFF}"


class Quit(Exception):
    """The user wants to leave."""


@dataclass
class Host:
    """What commands act on."""

    session: Session
    printer: TextPrinter
    stopped: Callable[[], bool]  # whether what is being done should end: Ctrl-C
    json: bool = False
    log: Path | None = None
    logs: set[Path] = field(default_factory=set)  # that were written here
    draft: str = ""  # what the next prompt begins with
    keys: str = "emacs"
    outside: Callable[[], AbstractContextManager[None]] = nullcontext  # for another program

    def progress(self, doing: str) -> Callable[[float], None]:
        """Shows how far some work has come, and ends it with KeyboardInterrupt."""

        def on_progress(share: float) -> None:
            if self.stopped():
                raise KeyboardInterrupt
            if share < 1:
                part = f" {share:.0%}" if share else ""
                self.printer.status(f"{doing}{part}; Ctrl-C stops")

        return on_progress

    # -- showing ------------------------------------------------------------------------------

    def answer(self, prompt: str) -> None:
        """Show what the model makes of a prompt. Raises ChargenError, KeyboardInterrupt."""
        session = self.session
        on_progress = self.progress(
            "learning and reading" if session.has_learnt else "reading the prompt"
        )
        if session.samples_several:
            self.show_all(prompt, session.several(prompt, on_progress))
            self.write_log()
        else:
            self.show(prompt, session.answer(prompt, on_progress))

    def show(self, prompt: str, events: Events, before: str | None = None) -> None:
        """Show a text as it comes; `before` is what stands before it, unless it is the prompt.
        Raises OutputError."""
        self.printer.status("")
        if self.json:
            self._print(prompt, events)
        else:
            self._stream(prompt, events, before)
        self.write_log()

    def _print(self, prompt: str, events: Events) -> None:
        """One JSON line a text, at its end."""
        from chargen.generation.writing import Completion, Piece  # not before they are there anyway

        pieces: list[Piece] = []
        found: list[Completion] = []
        for event in self._until_stopped(events):
            if isinstance(event, Piece):
                pieces.append(event)
            else:
                found = event.completions
        text = "".join(piece.text for piece in pieces)
        tokens = tuple(token for piece in pieces for token in piece.tokens)
        logprob = sum(piece.logprob for piece in pieces)
        reason = self.session.now.finish_reason or "length"
        for completion in found or [Completion(prompt, text, tokens, logprob, reason)]:
            print_json(completion.as_dict() | {"prompt": prompt})

    def _stream(self, prompt: str, events: Events, before: str | None) -> None:
        from chargen.generation.writing import Piece

        session, printer = self.session, self.printer
        is_chat = session.now.mode == "chat"
        beams = session.settings["beams"] or 1
        shows_text = printer.is_terminal or beams == 1  # a pipe gets either the table or the text
        if before is None:
            bot = f"\n{session.roles[1]}" if is_chat else ""
            printer.prompt(_shortened(prompt) + bot, self.mark)
        else:
            printer.prompt(before)
        is_empty = True
        found: list[Completion] = []
        for event in self._until_stopped(events):
            if not isinstance(event, Piece):
                found = event.completions
            elif shows_text:
                if is_chat and is_empty and not printer.is_terminal:  # no name stands before it
                    event = replace(event, text=event.text.lstrip())
                printer.piece(event)
                is_empty = is_empty and not event.text
        if shows_text:
            printer.close()
            if is_empty and printer.is_terminal:
                printer.say("(nothing)", style="dim")
        if beams > 1 and found:
            show_beams(found)

    def _until_stopped(self, events: Events) -> Events:
        """The events up to where the work should end; then they are closed, which keeps the text as
        far as it has come."""
        with closing(events):  # type: ignore[type-var]
            for event in events:
                yield event
                if self.stopped():
                    return

    def show_all(self, prompt: str, completions: Iterable[Completion]) -> None:
        """Several answers: side by side, or with lines between them where there is no terminal."""
        self.printer.status("")
        if self.json:
            for completion in completions:
                print_json(completion.as_dict() | {"prompt": prompt})
        elif self.printer.is_terminal:
            titles = [(f"{n}", c.text) for n, c in enumerate(completions, start=1)]
            self.printer.recall(_shortened(prompt), self.mark)
            show_columns(titles)
        else:
            for index, completion in enumerate(completions):
                if index:
                    self.printer.separator()
                self.printer.text(completion)
                self.printer.close()

    @property
    def mark(self) -> str:
        """What stands before what the user writes."""
        return mark(self.session)

    def say(self, message: str) -> None:
        self.printer.say(message)

    # -- doing --------------------------------------------------------------------------------

    def run(self, line: str) -> None:
        """Run a line that begins with `/`. Raises ChargenError, KeyboardInterrupt, Quit."""
        name, _, rest = line[1:].partition(" ")
        command = command_of(name.strip())
        command.act(self, rest if command.takes == "text" else rest.strip())

    def write_log(self) -> None:
        """Write the whole talk, where that was asked for, as Markdown."""
        if self.log is None:
            return
        parts = [f"# {self.session.folder}\n"]
        for exchange in self.session.exchanges:
            plain = exchange.read == exchange.prompt
            titles = ("prompt", "text") if plain else self.session.roles
            for title, text in zip(titles, (exchange.prompt, exchange.text), strict=True):
                if text:
                    # A fence is longer than any row of its own sign within.
                    runs = (len(run) for run in re.findall("`+", text))
                    fence = "`" * max(3, 1 + max(runs, default=0))
                    parts.append(f"**{title.rstrip(':')}**\n\n{fence}text\n{text}\n{fence}\n")
        try:
            write_file(self.log, "\n".join(parts).encode(errors="replace"))
        except OSError as error:
            path, self.log = self.log, None
            raise OutputError(
                f"cannot write {path}: {error.strerror}", hint="no log is written"
            ) from None


def mark(session: Session | None) -> str:
    """What a prompt is written after."""
    if session is not None and session.now.mode == "chat":
        return f"{session.roles[0]} "
    return "> "


def _shortened(prompt: str) -> str:
    """A prompt as it is shown again."""
    if len(prompt) <= MAX_SHOWN:
        return prompt
    return f"[{len(prompt):,} characters] ...{prompt[-MAX_SHOWN // 10 :]}"


# -- the commands -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    """A row of the table: how it is written, what it does, and the doing."""

    usage: str
    help: str
    act: Callable[[Host, str], None]
    values: Callable[[str], list[str]] = lambda written: []  # what the next word may be
    takes: Literal["text", "file", "checkpoint"] | None = None  # a text keeps its spaces
    more: str = ""  # what /help on it adds


def command_of(name: str) -> Command:
    """The command of this name. Raises ConfigError, which suggests the nearest."""
    if name.lower() not in COMMANDS:
        hint = f"did you mean /{near}?" if (near := _nearest(name, COMMANDS)) else "see /help"
        raise ConfigError(f"there is no command /{name[:40]}", hint=hint)
    return COMMANDS[name.lower()]


def _nearest(name: str, known: Iterable[str]) -> str:
    """The one that begins so, or is spelled most alike; nothing where none is near."""
    known, name = list(known), name[:40].lower()
    begin_so = [one for one in known if name and one.startswith(name)]
    return next(iter([*begin_so, *difflib.get_close_matches(name, known, n=1)]), "")


def _help(host: Host, rest: str) -> None:
    if rest:
        command = command_of(rest.removeprefix("/"))
        host.say(f"{command.usage}: {command.help}")
        if command.more:
            host.say(command.more)
        return
    show_definitions((command.usage, command.help, "") for command in COMMANDS.values())
    host.say(
        "anything else is a prompt (// for one that begins with /); Alt-Enter begins a new line, "
        "Ctrl-R searches in what you wrote, Ctrl-C stops a text, Ctrl-D leaves"
    )


def _mode(mode: str, says: str) -> Callable[[Host, str], None]:
    def enter(host: Host, rest: str) -> None:
        host.session.enter(mode)
        host.say(says)

    return enter


def _chat(host: Host, rest: str) -> None:
    if rest:
        # "Ann Bob" would stand before what they say without anything between.
        host.session.name_roles([f"{w}:" if w[-1:].isalnum() else w for w in _words(rest)])
    host.session.enter("chat")
    user, bot = host.session.roles
    host.say(f"{user} is you, {bot} the model; /chat NAME NAME names them, /complete ends the talk")


def _set(host: Host, rest: str) -> None:
    settings = host.session.settings
    name, _, text = rest.partition(" ")
    name = name.replace("-", "_").lower()
    if not name:
        show_definitions((n, _spell(value), _about(n)) for n, value in settings.items())
        return
    if name not in settings:
        near = _nearest(name, settings)
        hint = f"did you mean {near}?" if near else "/set shows all"
        raise ConfigError(f"there is no setting {name[:40]}", hint=hint)
    if text.strip():
        host.session.change(name, _value(name, text.strip()))
    host.say(f"{name} is {_spell(host.session.settings[name])}")
    if not text:
        host.say(f"  {_about(name)}")


def _about(name: str) -> str:
    """What a setting does, as it is said here."""
    return help_of(SampleConfig, name).replace("may be given again", 'several in quotes: "a" "b"')


def _value(name: str, text: str) -> object:
    """What a text spells for a setting; in quotes it keeps its spaces, and there may be several."""
    kind, _ = field_types(SampleConfig)[name]
    if kind not in (str, tuple) or text[0] not in "\"'":
        return parse(SampleConfig, name, text)
    words = tuple(unescape(word) for word in _words(text))
    if kind is tuple:
        return words
    if len(words) > 1:
        raise ConfigError(f"{name} is one text", hint="put it into one pair of quotes")
    return words[0]


def _words(text: str) -> list[str]:
    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars="")
        lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
        return list(lexer)
    except ValueError:
        raise ConfigError("a quote is not closed") from None


def _spell(value: object) -> str:
    if value is None or value is False or value == ():
        return "off"
    if value is True:
        return "on"
    if isinstance(value, tuple):
        return " ".join(map(repr, value))
    return repr(value) if isinstance(value, str) and not value.isalpha() else str(value)


def _shortcut(name: str, alone: str = "") -> Callable[[Host, str], None]:
    """`/beams 5` for `/set beams 5`; with nothing after it, as if `alone` stood there."""
    return lambda host, rest: _set(host, f"{name} {rest or alone}".strip())


def _seed(host: Host, rest: str) -> None:
    if rest:
        _set(host, f"seed {rest}")
        return
    host.say(f"seed is {_spell(host.session.settings['seed'])}")
    if host.session.seed is not None:
        host.say(f"the last text was drawn by seed {host.session.seed}")


def _top(host: Host, rest: str) -> None:
    first, _, text = rest.partition(" ")
    on_progress = host.progress("searching")
    if first in ("words", "word"):
        found = host.session.top_words(text, LOOKED_AT, on_progress)
    else:
        found = host.session.top_characters(rest, LOOKED_AT)
    host.printer.status("")
    if host.json:
        print_json({"next": [asdict(chance) for chance in found]})
    else:
        # What is next to impossible says nothing, unless all is.
        show_next([c for n, c in enumerate(found) if n < 3 or c.probability >= 1e-4])


def _why(host: Host, rest: str) -> None:
    count = _number(rest, 1, 20, "/why 4") if rest and rest != "all" else ALTERNATIVES
    surprisals = host.session.why(count, host.progress("looking"))
    host.printer.status("")
    if host.json:
        for surprisal in surprisals:
            print_json(asdict(surprisal))
    elif rest:
        show_alternatives(surprisals)
    else:
        show_surprisals(surprisals)


def _retry(host: Host, rest: str) -> None:
    if host.session.settings["beams"] is not None:
        raise ConfigError("a search finds the same again", hint="/beams off draws other texts")
    events = host.session.retry()
    last = host.session.now.last
    host.show(last.prompt if last else "", events)


def _undo(host: Host, rest: str) -> None:
    gone, now = host.session.undo(), host.session.now
    host.write_log()
    if gone.count > now.count:
        prompt = gone.last.prompt if gone.last else ""
        host.say(f"taken back: {_ending(prompt) or '(an empty line)'}")
    elif gone.mode != now.mode:
        host.say(f"{now.mode} mode again")
    elif gone.last is None or now.last is None or gone.last == now.last:
        host.say("the text before is back")
    elif gone.last.text.startswith(now.last.text):
        host.say("its last part is taken back")
    else:
        host.say("the answer before is back")


def _continue(host: Host, rest: str) -> None:
    now = host.session.now
    if now.mode == "chat" and (now.last is None or now.finish_reason in ("stop", "end")):
        raise ConfigError("it is your turn", hint="write something, or /retry")
    last = now.last
    events = host.session.continue_text()
    text = last.read + last.text if last else ""
    host.show(last.prompt if last else "", events, before=_ending(text))


def _ending(text: str) -> str:
    """The last line of a text, or of that the end."""
    return text.rpartition("\n")[2][-200:].replace("\t", " ")


def _variants(host: Host, rest: str) -> None:
    count = _number(rest, 1, 1000, "/variants 5") if rest else 3
    found = host.session.variants(count, host.progress("drawing"))
    last = host.session.now.last
    host.show_all(last.prompt if last else "", found)


def _compare(host: Host, rest: str) -> None:
    folder = _checkpoint(rest, "/compare checkpoints/everyday")
    pair = host.session.compare(folder, host.progress("drawing"))
    host.printer.status("")
    last = host.session.now.last
    if host.json:
        for name, completion in zip((host.session.folder, folder), pair, strict=True):
            prompt = last.prompt if last else ""
            print_json(completion.as_dict() | {"prompt": prompt, "checkpoint": str(name)})
        return
    show_columns(
        [
            (f"{name}: {_bits(completion)}", completion.text)
            for name, completion in zip((host.session.folder, folder), pair, strict=True)
        ]
    )


def _bits(completion: Completion) -> str:
    bits = -completion.logprob / math.log(2) / max(1, len(completion.text))
    return f"{bits:.2f} bits a character"


def _info(host: Host, rest: str) -> None:
    session = host.session
    count, size = len(session.exchanges) - session.now.begun, len(session.text)
    facts = facts_of(session.metadata, session.generator.model.num_parameters)
    show_definitions(
        [
            *((name, value, "") for name, value in facts),
            ("mode", session.now.mode, ""),
            ("text so far", f"{_exchanges(count)}, {size:,} characters", ""),
            ("learning", "on" if session.learns else "off", ""),
        ]
    )


def _exchanges(count: int) -> str:
    return f"{count:,} exchange{'s' if count != 1 else ''}"


def _load(host: Host, rest: str) -> None:
    learnt, folder = host.session.learns, _checkpoint(rest, "/load checkpoints/everyday")
    host.session.load(folder, host.progress("reading the text"))
    host.printer.status("")
    host.say(f"talking to {host.session.folder}{_FORGETS if learnt else ''}")


def _save(host: Host, rest: str) -> None:
    path = _path(rest, "/save talk.session")
    host.session.save(path)
    host.say(f"saved in {path}; /open {rest} goes on from here")


def _open(host: Host, rest: str) -> None:
    host.session.open(_path(rest, "/open talk.session"))
    session = host.session
    host.say(f"{_exchanges(len(session.exchanges))}, {session.now.mode} mode")
    if session.text:
        host.printer.recall(_shortened(session.text))


def _log(host: Host, rest: str) -> None:
    if rest == "off":
        host.say("no log is written" if host.log is None else f"{host.log} has ended")
        host.log = None
        return
    path = _path(rest, "/log talk.md")
    if os.path.exists(path) and path not in host.logs:  # Path.exists raises on a name too long
        raise OutputError(f"{path} exists", hint="name another file")
    host.log = path
    host.write_log()
    host.logs.add(path)
    host.say(f"all is written into {path}; /log off ends it")


def _edit(host: Host, rest: str) -> None:
    if not host.printer.is_terminal:
        raise ConfigError("/edit needs a terminal")
    last = host.session.now.last
    text = rest or (last.prompt if last else "")
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prompt.txt"
        try:
            path.write_text(text, encoding="utf-8")
            with host.outside():
                code = subprocess.run([*shlex.split(editor), str(path)], check=False).returncode
            edited = path.read_text(encoding="utf-8")
        except UnicodeError:
            raise OutputError("the edited text is not UTF-8", hint="nothing is changed") from None
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise OutputError(
                f"cannot edit with {editor}: {why}", hint="name an editor in EDITOR"
            ) from None
    if code:
        host.say(f"{editor} failed, so nothing is changed")
        return
    host.draft = edited.removesuffix("\n")


def _learn(host: Host, rest: str) -> None:
    if not rest:
        host.say(f"learning is {'on' if host.session.learns else 'off'}: /learn on, /learn off")
        return
    if rest not in ("on", "off"):
        raise ConfigError("learning is on or off", hint="as in: /learn on")
    had_learnt = host.session.has_learnt
    host.session.learn(rest == "on")
    if rest == "on":
        host.say("what you write is learnt, in memory alone; /learn off forgets it")
    else:
        host.say("all that was learnt is forgotten" if had_learnt else "learning is off")


def _save_model(host: Host, rest: str) -> None:
    learnt = host.session.learns
    folder = _path(rest, "/save-model checkpoints/mine")
    host.session.save_model(folder, host.progress("learning and reading the text"))
    host.printer.status("")
    host.say(f"saved; talking to {host.session.folder}{_OFF if learnt else ''}")


def _reset(host: Host, rest: str) -> None:
    if rest == "settings":
        host.session.reset_settings()
        host.say("all settings are at their defaults")
    else:
        host.session.reset()
        host.say("a new text begins; the settings stay")


def _keys(host: Host, rest: str) -> None:
    if rest not in ("emacs", "vi"):
        raise ConfigError("keys are emacs or vi", hint="as in: /keys vi")
    host.keys = rest
    host.say(f"keys are those of {rest}")


def _quit(host: Host, rest: str) -> None:
    raise Quit


def _number(text: str, least: int, most: int, example: str) -> int:
    if not text.isdecimal() or len(text) > 9 or not least <= int(text) <= most:
        raise ConfigError(
            f"{example.split()[0]} takes a number from {least} to {most}, not {text[:20]!r}",
            hint=f"as in: {example}",
        )
    return int(text)


def _path(text: str, example: str) -> Path:
    if not text:
        raise ConfigError(f"{example.split()[0]} needs a name", hint=f"as in: {example}")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    if "\0" in text:
        raise ConfigError("a name cannot have a NUL in it")
    return Path(os.path.expanduser(text))


def _checkpoint(text: str, example: str) -> Path:
    """A folder, also by its name below ./checkpoints."""
    path = _path(text, example)
    below = CHECKPOINTS / path
    exists = os.path.exists(path) or not os.path.exists(below)
    return path if exists or not is_checkpoint(below) else below


# -- what may follow them ---------------------------------------------------------------------


def _settings(written: str) -> list[str]:
    name, space, _ = written.partition(" ")
    if not space:
        return field_names(SampleConfig)
    known = field_types(SampleConfig)
    if name not in known:
        return []
    kind, optional = known[name]
    values = [_spell(getattr(SampleConfig(), name))]
    if kind is bool:
        values = ["on", "off"]
    values += choices_of(SampleConfig, name)
    return list(dict.fromkeys([*values, *(["off"] if optional or kind is tuple else [])]))


def _checkpoints(written: str) -> list[str]:
    return [str(about.folder) for about in list_checkpoints(CHECKPOINTS)]


def _one_of(*words: str) -> Callable[[str], list[str]]:
    return lambda written: list(words) if " " not in written else []


COMMANDS: dict[str, Command] = {
    "help": Command("/help [COMMAND]", "show this", _help,
                    lambda written: [] if " " in written else list(COMMANDS)),
    "complete": Command("/complete", "each prompt stands alone",
                        _mode("complete", "each prompt begins a text of its own")),
    "story": Command("/story", "prompts are joined to the text so far",
                     _mode("story", "what you write is joined to the text so far, as it is: begin "
                                    "with a space where one belongs; /reset begins a new one")),
    "chat": Command("/chat [YOU: BOT:]", "talk in turns", _chat,
                    more="A turn ends where the next begins, or with a blank line. How turns begin "
                         "is kept with the model; /chat Q: A: changes it for this session."),
    "set": Command("/set [NAME [VALUE]]", "show or change how texts are drawn", _set, _settings,
                   more="As in: /set temperature 0.7, /set until line, /set top_p off, "
                        '/set stop "You:" "\\n\\n". Quotes keep spaces; \\n is a new line.'),
    "beams": Command("/beams [N]", "show the N likeliest texts; off draws again",
                     _shortcut("beams", "5"), _one_of("5", "off")),
    "seed": Command("/seed [N]", "repeat the same draws; off draws new ones",
                    _seed, _one_of("1", "off")),
    "top": Command("/top [words] [TEXT]", "the likeliest next characters, or words",
                   _top, _one_of("words"), takes="text"),
    "why": Command("/why [N]", "how surprised the model was; with N others at each place",
                   _why, _one_of("4")),
    "retry": Command("/retry", "another answer to the last prompt", _retry),
    "undo": Command("/undo", "take the last step back", _undo),
    "continue": Command("/continue", "go on with the last text where it stopped", _continue,
                        more="Where there is no text yet, one is written from nothing."),
    "variants": Command("/variants [N]", "N answers side by side", _variants, _one_of("3", "5")),
    "compare": Command("/compare CHECKPOINT", "the last prompt and seed with two models",
                       _compare, _checkpoints, takes="checkpoint"),
    "info": Command("/info", "what the model is, and the text so far", _info),
    "load": Command("/load CHECKPOINT", "talk to another model", _load, _checkpoints,
                    takes="checkpoint"),
    "save": Command("/save FILE", "save this session", _save, takes="file"),
    "open": Command("/open FILE", "go on with a session that was saved", _open, takes="file"),
    "log": Command("/log FILE", "write all into a Markdown file; off ends it", _log,
                   _one_of("off"), takes="file"),
    "edit": Command("/edit [TEXT]", "write the next prompt in $EDITOR", _edit, takes="text"),
    "learn": Command("/learn on|off", "learn what you write, in memory alone", _learn,
                     _one_of("on", "off")),
    "save-model": Command("/save-model FOLDER", "keep what was learnt as a new checkpoint",
                          _save_model, takes="file"),
    "reset": Command("/reset", "begin a new text; /reset settings: the defaults", _reset,
                     _one_of("settings")),
    "keys": Command("/keys emacs|vi", "how lines are edited", _keys, _one_of("emacs", "vi")),
    "quit": Command("/quit", "leave", _quit),
}  # fmt: skip


def in_commands(error: ChargenError) -> str:
    """The message, with options written as in this REPL."""
    return error.spelled(lambda mention: f"/set {mention.option}" if mention.to_set
                         else mention.option)  # fmt: skip
