"""Chats exported from Telegram as JSON: `result.json` of one chat, or of all of them.

Who exported it is known: all chats come with whose they are, and a chat of two has the number of
the other. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from chargen.config import CorpusConfig
from chargen.formats.chats import iso_seconds
from chargen.formats.content import Content, Head
from chargen.formats.documents import Message
from chargen.formats.json_stream import Path, decoded_values

LISTS = ("chats", "left_chats")  # of all chats
OF_TWO = ("personal_chat", "bot_chat")
GONE = "Deleted Account"  # one who has no name any more
_MESSAGES = re.compile(r'"messages"\s*:\s*\[')
_MESSAGE = re.compile(r'"(?:from_id|actor_id)"\s*:')


def is_telegram(head: Head) -> bool:
    text = head.text.lstrip("\ufeff \t\r\n")
    return text.startswith("{") and bool(_MESSAGES.search(text) and _MESSAGE.search(text))


def read_telegram(content: Content, config: CorpusConfig) -> Iterator[Message]:
    """What the people wrote. Raises CorpusError, UnicodeDecodeError."""
    owner = partner = ""  # their numbers, as messages name them
    chat: Path = ()
    is_of_two = False
    for path, value in decoded_values(content, _is_gone_into):
        if path == ("personal_information", "user_id"):
            owner = f"user{value}"
        elif path[-1:] == ("type",):
            chat, partner = path[:-1], ""
            is_of_two = value in OF_TWO
        elif path[-1:] == ("id",) and path[:-1] == chat:
            partner = f"user{value}" if is_of_two else ""
        elif path[-2:-1] == ("messages",) and isinstance(value, dict):
            yield from _message(value, str(path[:-2]), owner, partner if path[:-2] == chat else "")


def _is_gone_into(path: Path) -> bool:
    if path[:1] == ("personal_information",):
        return len(path) == 1
    if path[:1] and path[0] in LISTS:  # chats, list, 3, messages
        return path[1:2] in ((), ("list",)) and path[3:] in ((), ("messages",))
    return path in ((), ("messages",))


def _message(value: dict[str, Any], chat: str, owner: str, partner: str) -> Iterator[Message]:
    if value.get("type") != "message":  # somebody joined, called, pinned something
        return
    speaker, speaker_id = value.get("from"), value.get("from_id")
    if not isinstance(speaker_id, str | int) and not isinstance(speaker, str):
        return
    who = str(speaker_id or "")
    yield Message(
        speaker if isinstance(speaker, str) else GONE,
        _text(value.get("text")),
        _seconds(value),
        chat,
        who,
        is_mine=who == owner if owner else bool(partner) and who != partner,
    )


def _text(value: object) -> str:
    """Of a text, or of a list of texts and of parts that are links, bold and the like."""
    if isinstance(value, list):
        return "".join(map(_text, value))
    if isinstance(value, dict):
        value = value.get("text")
    return value if isinstance(value, str) else ""


def _seconds(value: dict[str, Any]) -> float | None:
    since_epoch = value.get("date_unixtime")
    if isinstance(since_epoch, str) and since_epoch.isdecimal() and len(since_epoch) < 16:
        return float(since_epoch)
    return iso_seconds(value.get("date"))
