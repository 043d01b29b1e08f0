"""What can go wrong through no fault of chargen: a message, and a way out.

Everything that a user can cause is a ChargenError; anything else is a bug and keeps its traceback.
A message may name options. Python, the command line and the REPL write these differently, so they
are kept as what they are, and whoever shows the message spells them.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# What stands for a character where a text is typed; the backslash comes first, it is in all.
ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape(text: str) -> str:
    """A text as it is typed: `\\n` for a newline, `\\\\` for a backslash."""
    for character, typed in ESCAPES.items():
        text = text.replace(character, typed)
    return text


@dataclass(frozen=True)
class Mention:
    """An option named in a message, as a thing or, where `to_set`, as what to type to set it: to
    a `value`, which is a Path where it names a file or a folder, or to something that the user has
    to fill in, a FILE or a FOLDER."""

    option: str
    to_set: bool = False
    value: object = None
    fill_in: str = ""


@dataclass(frozen=True)
class Action:
    """What to do: a call in Python, a command in the REPL, or at the shell."""

    call: str
    command: str


Spelling = Callable[[Mention | Action], str]


def flag(option: str) -> str:
    """The option on the command line: `top_k` is `--top-k` there."""
    return "--" + option.replace("_", "-")


def in_python(mention: Mention | Action) -> str:
    """`beams` is `beams=5` where it is to be set."""
    if isinstance(mention, Action):
        return mention.call
    if not mention.to_set:
        return f"`{mention.option}`"
    value = os.fspath(mention.value) if isinstance(mention.value, Path) else mention.value
    return f"{mention.option}={'...' if value is None else repr(value)}"


def in_flags(mention: Mention | Action) -> str:
    """The same on the command line: `--beams 5`, quoted where a shell wants it."""
    if isinstance(mention, Action):  # by a pipe into the REPL
        return mention.command
    value = mention.value
    if isinstance(value, bool):
        return flag(mention.option if value else f"no_{mention.option}")
    if value is None:
        return f"{flag(mention.option)} {mention.fill_in}".rstrip()
    written = ",".join(value) if isinstance(value, list) else str(value)
    if not isinstance(value, Path):  # that is taken as it stands
        written = escape(written)
    between = "=" if written.startswith("-") else " "  # after a blank it would be a flag
    return f"{flag(mention.option)}{between}{shlex.quote(written)}"


def in_repl(mention: Mention | Action) -> str:
    """The same in the REPL: `/set beams 5`."""
    if isinstance(mention, Action):
        return mention.command
    if not mention.to_set:
        return mention.option
    value = mention.value
    if isinstance(value, bool):
        value = "on" if value else "off"
    elif isinstance(value, str):
        value = escape(value)
        value = shlex.quote(value) if '"' in value else f'"{value}"'
    return f"/set {mention.option} {mention.fill_in if value is None else value}".rstrip()


@dataclass(frozen=True)
class Wording:
    """Words with mentions of options among them, put together by `+`."""

    parts: tuple[str | Mention | Action, ...]

    def __add__(self, more: str | Wording) -> Wording:
        return Wording(self.parts + _parts(more))

    def __radd__(self, before: str) -> Wording:
        return Wording((before, *self.parts))

    def __str__(self) -> str:
        return self.spelled(in_python)

    def spelled(self, spell: Spelling) -> str:
        return "".join(part if isinstance(part, str) else spell(part) for part in self.parts)


def _parts(words: str | Wording) -> tuple[str | Mention | Action, ...]:
    return (words,) if isinstance(words, str) else words.parts


def named(first: str, *others: str, last: str = " and ") -> Wording:
    """One option or several, as what a message is about: `named("seed") + " needs " + ...`. The
    `last` two are joined by this, those before by commas."""
    wording = Wording((Mention(first),))
    for index, option in enumerate(others, start=1):
        wording += (last if index == len(others) else ", ") + Wording((Mention(option),))
    return wording


def setting(option: str, value: object = None, *, fill_in: str = "") -> Wording:
    """The option as what to type: `"add " + setting("beams", 5)`; what the user has to fill in is
    in capitals: `setting("text", fill_in="FILE")`."""
    return Wording((Mention(option, True, value, fill_in),))


def action(call: str, command: str) -> Wording:
    """What to do, as one would type it: `action("undo()", "/undo") + " takes it back"`."""
    return Wording((Action(call, command),))


class ChargenError(Exception):
    """Anything that goes wrong and that the user can do something about.

    `message` says what is wrong and why, `hint` what to do about it, or None; `str()` joins them in
    one line, and so does `spelled()`, with options written as on the command line, say. `about` are
    the options that the message names, `way_out` is the hint as it was given.
    """

    def __init__(self, message: str | Wording, *, hint: str | Wording | None = None) -> None:
        self.message = str(message)
        self.hint = None if hint is None else str(hint)
        super().__init__(self.message)
        self._wording = Wording(_parts(message))
        self.way_out = hint
        self.about = [part.option for part in self._wording.parts if isinstance(part, Mention)]
        if hint:
            self._wording += "; " + Wording(_parts(hint))

    def __str__(self) -> str:
        return str(self._wording)

    @property
    def wording(self) -> Wording:
        """Message and hint, for another error to be made of."""
        return self._wording

    def spelled(self, spell: Spelling) -> str:
        return self._wording.spelled(spell)


class ConfigError(ChargenError):
    """An option is wrong in itself, whatever text or checkpoint it is used with.

    If one option is to blame, `option` is its name, and the message continues from there ("must be
    at least 1, not -3").
    """

    def __init__(
        self,
        message: str | Wording,
        *,
        option: str | None = None,
        hint: str | Wording | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.option = option
        if option is not None:
            self.about = [option, *self.about]

    def __str__(self) -> str:
        return super().__str__() if self.option is None else f"{self.option} {super().__str__()}"

    def spelled(self, spell: Spelling) -> str:
        words = super().spelled(spell)
        return words if self.option is None else f"{spell(Mention(self.option))} {words}"


class CorpusError(ChargenError):
    """A training text is missing, empty, too short or not UTF-8."""


class TokenizerError(ChargenError):
    """A text cannot be encoded, or a vocabulary cannot be built."""


class CheckpointError(ChargenError):
    """A checkpoint is missing, damaged, not one of chargen, or in the way."""


class DeviceError(ChargenError):
    """The device that was asked for is not available."""


class TrainingError(ChargenError):
    """Training cannot continue."""


class RanksError(ChargenError):
    """Several processes that train together cannot continue."""


class OutputError(ChargenError):
    """A file cannot be written, or one is in the way."""


class SessionError(ChargenError):
    """A session file is damaged, not one of chargen, of another model, or in the way."""


class ServeError(ChargenError):
    """The server cannot listen where it is asked to, or cannot be run."""
