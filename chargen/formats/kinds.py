"""Which kind of file a content is, and how each kind is read: one table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from chargen.config import CorpusConfig
from chargen.formats import delimited, epub, html, json_records, notebook, parquet, subtitles
from chargen.formats.chats import head_lines
from chargen.formats.content import Content, Head
from chargen.formats.discord import is_discord, read_discord
from chargen.formats.documents import Document
from chargen.formats.irc import is_irc, read_irc
from chargen.formats.slack import is_slack, is_slack_export, read_slack, read_slack_export
from chargen.formats.telegram import is_telegram, read_telegram
from chargen.formats.whatsapp import is_whatsapp, read_whatsapp

DIALOGUE_SHARE = 0.5  # of the lines of a text, those that begin turns

Reader = Callable[[Content, CorpusConfig], Iterator[Document]]


@dataclass(frozen=True)
class Kind:
    """A kind of file. `name` is one of config.FORMATS, `title` what people call it, `unit` one of
    the documents in it. What `is_binary` is no encoded text, so its reader opens the bytes."""

    name: str
    title: str
    recognises: Callable[[Head], bool]
    read: Reader
    unit: str = "record"
    is_binary: bool = False


@dataclass(frozen=True)
class Export:
    """What a program exported as many files, which make sense together alone: a folder, or an
    archive. It is recognised by their names and read as one source; a name is a path from the
    folder down, with `/` between."""

    name: str
    title: str
    recognises: Callable[[Collection[str]], bool]
    read: Callable[[Mapping[str, Content], CorpusConfig], Iterator[Document]]


# In the order that they are tried. What none of them recognises is plain text, a document as it is.
KINDS: tuple[Kind, ...] = (
    Kind("telegram", "Telegram chat", is_telegram, read_telegram),
    Kind("discord", "Discord chat", is_discord, read_discord),
    Kind("slack", "Slack channel", is_slack, read_slack),
    Kind("whatsapp", "WhatsApp chat", is_whatsapp, read_whatsapp),
    Kind("irc", "IRC log", is_irc, read_irc),
    Kind("epub", "EPUB book", epub.recognises, epub.read, unit="book", is_binary=True),
    Kind("parquet", "Parquet", parquet.recognises, parquet.read, is_binary=True),
    Kind("notebook", "Jupyter notebook", notebook.recognises, notebook.read, unit="notebook"),
    Kind("subtitles", "subtitles", subtitles.recognises, subtitles.read, unit="film"),
    Kind("jsonl", "JSON Lines", json_records.recognises_lines, json_records.read_lines),
    Kind("json", "JSON", json_records.recognises_json, json_records.read_list),
    Kind("csv", "CSV", delimited.recognises_csv, delimited.read_csv),
    Kind("tsv", "TSV", delimited.recognises_tsv, delimited.read_tsv),
    Kind("html", "HTML page", html.recognises, html.read, unit="page"),
)

EXPORTS: tuple[Export, ...] = (Export("slack", "Slack export", is_slack_export, read_slack_export),)


def recognise(content: Content, config: CorpusConfig) -> Kind | None:
    """The kind that the config names, or else the first that recognises the content; None for plain
    text, such as one whose lines are turns that begin as the config says."""
    if config.format is not None:
        return next((kind for kind in KINDS if kind.name == config.format), None)
    data = content.head()
    head = Head(content.name.lower(), data, data.decode(content.encoding, errors="ignore"))
    if _is_dialogue(head.text, config):
        return None
    return next((kind for kind in KINDS if kind.recognises(head)), None)


def _is_dialogue(text: str, config: CorpusConfig) -> bool:
    """Whether each side has turns there, and most of its lines begin one."""
    lines = [line for line in head_lines(text) if line.strip()]
    sides = [sum(line.startswith(side) for line in lines) for side in (config.user, config.bot)]
    return all(sides) and sum(sides) >= DIALOGUE_SHARE * len(lines)


def recognise_export(names: Collection[str], config: CorpusConfig) -> Export | None:
    """What the files of these names were exported as together, if anything."""
    wanted = [kind for kind in EXPORTS if config.format in (None, kind.name)]
    return next((kind for kind in wanted if kind.recognises(names)), None)
