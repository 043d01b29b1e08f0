"""Chats: messages become turns and conversations, the same whatever program they came from.

Messages that one speaker sent in a row are a turn; an hour of silence ends a conversation, which is
a document. Pure: knows no files, and not which of the speakers a model will answer as.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO

from chargen.errors import CorpusError, setting
from chargen.formats.documents import Message
from chargen.reprs import counted

SILENCE = 3600.0  # seconds after which another conversation begins
MAX_NAME = 40  # characters; longer ones are cut
MAX_SPEAKERS = 100_000  # more are no chat, and would fill the memory
MAX_TEXT = 1 << 20  # characters of a line or a message; longer ones come in parts
PIECE = 1 << 16  # characters of a conversation at a time
NOBODY = "Someone"  # has a name of which nothing can be shown
JOINERS = "\u200c\u200d"  # between letters of some scripts, and inside of emojis
_ISO = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?)")
_LINE_END = re.compile("\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")


class ChatWriter:
    """The messages of a file, written as turns.

    Afterwards `turns` says how many each speaker has, by the name as it stands in the text (`Ana`
    where lines begin with `Ana:`), `owner` who of them exported the chat, where that is known, and
    `without_text` how many messages were left out.
    """

    def __init__(self) -> None:
        self.turns: Counter[str] = Counter()
        self.without_text = 0
        self._names: dict[str, str] = {}  # by who it is
        self._namesakes: Counter[str] = Counter()
        self._mine: set[str] = set()

    @property
    def owner(self) -> str | None:
        return next(iter(self._mine)) if len(self._mine) == 1 else None

    @property
    def summary(self) -> str:
        """Such as: 2 people, 1,204 turns."""
        people = "1 person" if len(self.turns) == 1 else f"{len(self.turns):,} people"
        words = f"{people}, {counted(self.turns.total(), 'turn')}"
        if self.without_text:
            words += f"; {counted(self.without_text, 'message')} without text left out"
        return words

    def pieces(self, messages: Iterable[Message]) -> Iterator[tuple[str, bool]]:
        """The text of one conversation after the other, and whether a document, which is one of
        them, ends with it. Raises CorpusError."""
        written: list[str] = []
        size = 0
        is_open = False  # whether the conversation has a turn
        last: Message | None = None
        speaker = ""
        for message in messages:
            if last is not None and is_open and _begins_another(last, message):
                yield "".join(written), True
                written, size, is_open = [], 0, False
            last = message
            lines = _lines(message.text)
            if not lines:
                self.without_text += 1
                continue
            name = self._name(message)
            if message.is_mine:
                self._mine.add(name)
            if not is_open or name != speaker:
                self.turns[name] += 1
                lines[0] = f"{name}: {lines[0]}"
                lines[1:] = map(self._inside, lines[1:])
            else:
                lines = list(map(self._inside, lines))
            text = ("\n" if is_open else "") + "\n".join(lines)
            written.append(text)
            size += len(text)
            is_open, speaker = True, name
            if size > PIECE:
                yield "".join(written), False
                written, size = [], 0
        if is_open:
            yield "".join(written), True

    def _name(self, message: Message) -> str:
        """The speaker's, as it stands in the text; that of somebody else is another."""
        who = message.speaker_id or message.speaker
        name = self._names.get(who)
        if name is None:
            if len(self._names) >= MAX_SPEAKERS:
                raise CorpusError(
                    f"a chat of more than {MAX_SPEAKERS:,} people cannot be read",
                    hint="if it is none, read it as it is with " + setting("format", "text"),
                )
            name = plain = name_of(message.speaker)
            while name in self.turns:
                self._namesakes[plain] += 1
                name = f"{plain} {self._namesakes[plain] + 1}"
            self._names[who] = name
        return name

    def _inside(self, line: str) -> str:
        """A line inside a turn, which must not look like the beginning of one."""
        return f" {line}" if line.partition(":")[0] in self.turns else line


def _begins_another(last: Message, message: Message) -> bool:
    """Whether a conversation ends between the two."""
    if message.chat != last.chat:
        return True
    if message.time is None or last.time is None:
        return False
    return message.time - last.time >= SILENCE


def _lines(text: str) -> list[str]:
    """The lines of a message that are not blank: a blank one would end the turn."""
    return [line.rstrip() for line in _LINE_END.split(text) if line.strip()]


def name_of(speaker: str) -> str:
    """A name that can stand before a turn: one line, no colon, nothing invisible, not too long."""
    kept = []
    for character in unicodedata.normalize("NFC", speaker):
        category = unicodedata.category(character)
        if character == ":" or category in ("Cc", "Zl", "Zp"):
            kept.append(" ")
        elif category not in ("Cf", "Cs") or character in JOINERS:
            kept.append(character)
    name = " ".join("".join(kept).split()).strip(JOINERS + " ")
    return name[:MAX_NAME].strip(JOINERS + " ") or NOBODY


def iso_seconds(date: object) -> float | None:
    """A moment as in 2023-12-31T21:15:03, with or without fractions and zone; None if it is none
    such."""
    match = _ISO.match(date) if isinstance(date, str) else None
    if match is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(match[1].replace(" ", "T"))
    except ValueError:
        return None
    return (moment - datetime.datetime.min) / datetime.timedelta(seconds=1)


def text_lines(stream: TextIO) -> Iterator[str]:
    """The lines of a text without their ends; very long ones in parts."""
    while line := stream.readline(MAX_TEXT):
        yield line.rstrip("\r\n")


def is_mostly(
    lines: Iterable[str], fits: Callable[[str], object], *, share: float, least: int = 2
) -> bool:
    """Whether so many of the lines that are not blank fit, and the first of them does: how a chat
    is told from another text."""
    fitting = [bool(fits(line)) for line in lines if line.strip()]
    return fitting[:1] == [True] and sum(fitting) >= max(least, share * len(fitting))


def head_lines(text: str) -> list[str]:
    """The lines at the beginning of a text of which only that is known: the last may be cut."""
    lines = text.splitlines()
    return lines[:-1] if len(lines) > 1 and not text.endswith(("\n", "\r")) else lines
