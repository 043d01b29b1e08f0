"""Channels exported by DiscordChatExporter, as JSON or CSV. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import Any

from chargen.config import CorpusConfig
from chargen.errors import CorpusError, setting
from chargen.formats.chats import MAX_TEXT, iso_seconds
from chargen.formats.content import Content, Head
from chargen.formats.documents import Message, Remark
from chargen.formats.json_stream import decoded_values
from chargen.reprs import counted

SAID = ("Default", "Reply", "0", "19")  # types of messages that somebody wrote
COLUMNS = ("AuthorID", "Author", "Date", "Content")
_BEGINNING = re.compile(r'\s*\{\s*"guild"\s*:')
_CHANNEL = re.compile(r'"channel"\s*:')
_NOTICE = re.compile(
    r"(?:Pinned a message|Joined the server|Left the group|Started a thread|"
    r"Changed the channel (?:name|icon)\b.*|Started a call\b.*|(?:Added|Removed) .+ (?:to|from) "
    r"the group)\.?",
)


def is_discord(head: Head) -> bool:
    text = head.text.lstrip("\ufeff")
    if _BEGINNING.match(text):
        return _CHANNEL.search(text) is not None
    return _is_csv(text)


def _is_csv(text: str) -> bool:
    first = text.lstrip("\ufeff").partition("\n")[0].replace('"', "").strip()
    return first.split(",")[: len(COLUMNS)] == list(COLUMNS)


def read_discord(content: Content, config: CorpusConfig) -> Iterator[Message | Remark]:
    """What the people wrote; of bots in servers, nothing. Raises CorpusError,
    UnicodeDecodeError."""
    is_csv = _is_csv(content.head().decode(content.encoding, errors="ignore"))
    return _read_csv(content) if is_csv else _read_json(content)


# -- JSON -------------------------------------------------------------------------------------


def _read_json(content: Content) -> Iterator[Message | Remark]:
    channel: dict[str, Any] = {}
    of_bots = 0
    for path, value in decoded_values(content, lambda path: path in ((), ("messages",))):
        if path == ("channel",) and isinstance(value, dict):
            channel = value
        if path[:-1] != ("messages",) or not isinstance(value, dict):
            continue
        author, text = value.get("author"), value.get("content")
        if value.get("type", "Default") not in SAID or not isinstance(author, dict):
            continue
        is_direct = channel.get("type") == "DirectTextChat"
        if author.get("isBot") is True and not is_direct:
            of_bots += 1
            continue
        names = [author.get("nickname"), author.get("name")]
        yield Message(
            next((name for name in names if isinstance(name, str) and name), ""),
            text if isinstance(text, str) else "",
            iso_seconds(value.get("timestamp")),
            speaker_id=str(author.get("id") or ""),
            # A channel of two is named after the other.
            is_mine=is_direct and channel.get("name") not in names,
        )
    if of_bots:
        yield Remark(f"{counted(of_bots, 'message')} of bots left out")


# -- CSV --------------------------------------------------------------------------------------


def _read_csv(content: Content) -> Iterator[Message]:
    with content.text() as stream:
        rows = csv.reader(iter(lambda: stream.readline(MAX_TEXT), ""))
        try:
            for number, row in enumerate(rows):
                if number and len(row) >= len(COLUMNS):
                    speaker_id, speaker, date, text = row[: len(COLUMNS)]
                    if not _NOTICE.fullmatch(text):
                        yield Message(_plain(speaker), text, iso_seconds(date), "", speaker_id)
        except csv.Error as error:
            raise CorpusError(
                f"{content.name} is not a valid CSV file in line {rows.line_num:,}: {error}",
                hint="to read it as it is, add " + setting("format", "text"),
            ) from None


def _plain(speaker: str) -> str:
    """Without the number that told people of one name apart, as in ana#0001."""
    return re.sub(r"#\d{4}\Z", "", speaker)
