"""What readers find in a file, as the text that a model learns. Knows no files and no splits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from chargen.config import CorpusConfig
from chargen.formats.chats import ChatWriter
from chargen.formats.documents import Dialogue, Document, Message, Remark
from chargen.reprs import counted
from chargen.words import LINE_END

# Within a turn they would end it: a blank line stands between a dialogue and what follows.
_BLANK_LINES = re.compile(rf"{LINE_END}(?:[ \t]*{LINE_END})+")
_HALVES = re.compile("[\ud800-\udfff]")


class Rendering:
    """The documents of one file as text, and what has been seen of them on the way."""

    def __init__(self, config: CorpusConfig) -> None:
        self._labels = {"user": config.user, "bot": config.bot}
        self._chat = ChatWriter()
        self.has_roles = False  # whether there were dialogues between a user and a bot
        self.remarks: list[str] = []  # of the reader

    @property
    def speakers(self) -> Mapping[str, int]:
        """Of a chat, how many turns each of them has, by name."""
        return self._chat.turns

    @property
    def owner(self) -> str | None:
        """Of a chat, whose copy of it the file is, if it says so."""
        return self._chat.owner

    def counted(self, documents: int, unit: str) -> str:
        """How much it holds, in a few words; nothing of a single document."""
        if self.speakers:
            return self._chat.summary
        return counted(documents, unit) if documents > 1 else ""

    def pieces(self, found: Iterable[Document]) -> Iterator[tuple[str, bool]]:
        """Some text at a time, and whether a document ends with it. Documents without any text are
        left out."""
        for is_chat, some in groupby(self._heard(found), lambda each: isinstance(each, Message)):
            if is_chat:
                messages = (each for each in some if isinstance(each, Message))
                for text, ends in self._chat.pieces(messages):
                    yield whole(text), ends
                continue
            for each in some:
                text = self._dialogue(each) if isinstance(each, Dialogue) else str(each)
                if text.strip():
                    yield whole(text), True

    def _heard(self, found: Iterable[Document]) -> Iterator[str | Dialogue | Message]:
        for each in found:
            if isinstance(each, Remark):
                self.remarks.append(each.words)
            else:
                yield each

    def _dialogue(self, dialogue: Dialogue) -> str:
        """As servers and sessions write it: a line a turn, before them what the system says."""
        self.has_roles = True
        before, turns = [], []
        last = None
        for role, said in dialogue.turns:
            text = _BLANK_LINES.sub("\n", said.strip())
            if role == "system":
                before.append(text)
            elif role == last:
                turns.append(text)
            else:
                turns.append(f"{self._labels[role]} {text}")
                last = role
        return "\n".join([*filter(None, before), *turns])


def whole(text: str) -> str:
    """The text with U+FFFD for half characters, as JSON may spell some."""
    try:
        text.encode()
    except UnicodeEncodeError:
        joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return _HALVES.sub("\ufffd", joined)
    return text
