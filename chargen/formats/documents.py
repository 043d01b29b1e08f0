"""What a reader finds in a file: texts, conversations between roles, or the messages of a chat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "bot"]


@dataclass(frozen=True)
class Dialogue:
    """A conversation whose turns have roles, as in records of messages: one document."""

    turns: tuple[tuple[Role, str], ...]


@dataclass(frozen=True)
class Message:
    """What one of the people in a chat wrote. `time` is in seconds of whatever clock the chat
    keeps; None where it tells none. Messages follow each other as they were written; where one
    conversation ends and the next begins, their times say."""

    speaker: str
    text: str
    time: float | None = None


@dataclass(frozen=True)
class Remark:
    """What is to be known of how a file was read, such as the column of its texts: some words."""

    words: str


Document = str | Dialogue | Message | Remark
