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
    conversation ends and the next begins, their times say. One without a text is a picture, a
    notice or something else that is no text: it is counted, and left out."""

    speaker: str
    text: str
    time: float | None = None
    chat: str = ""  # which of the chats in a file it stands in
    speaker_id: str = ""  # tells people of one name apart, and knows one who changed his name
    is_mine: bool = False  # of who exported the chat


@dataclass(frozen=True)
class Remark:
    """What is to be known of how a file was read, such as the column of its texts: some words."""

    words: str


Document = str | Dialogue | Message | Remark
