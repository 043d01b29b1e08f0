"""Which kind of file a content is, and how each kind is read: one table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from chargen.config import CorpusConfig
from chargen.formats.content import Content, Head
from chargen.formats.documents import Document

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
KINDS: tuple[Kind, ...] = ()

EXPORTS: tuple[Export, ...] = ()


def recognise(content: Content, config: CorpusConfig) -> Kind | None:
    """The kind that the config names, or else the first that recognises the content; None for plain
    text."""
    if config.format is not None:
        return next((kind for kind in KINDS if kind.name == config.format), None)
    data = content.head()
    head = Head(content.name.lower(), data, data.decode(content.encoding, errors="ignore"))
    return next((kind for kind in KINDS if kind.recognises(head)), None)


def recognise_export(names: Collection[str], config: CorpusConfig) -> Export | None:
    """What the files of these names were exported as together, if anything."""
    wanted = [kind for kind in EXPORTS if config.format in (None, kind.name)]
    return next((kind for kind in wanted if kind.recognises(names)), None)
