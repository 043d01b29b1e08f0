"""EPUB: a book as a zip of pages, read in the order of its spine, as one document. Cover, table of
contents and other pages beside the text are left out where the book says which those are."""

from __future__ import annotations

import codecs
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from chargen.config import CorpusConfig
from chargen.errors import CorpusError
from chargen.formats.content import Content, Head
from chargen.formats.documents import Document, Remark
from chargen.formats.html import declared_encoding, shown_text
from chargen.formats.markup import Markup, Tag
from chargen.formats.seekable import open_seekable
from chargen.reprs import counted, printable

MAX_BOOK = 1 << 25  # bytes of all pages, unpacked
MAX_PAGES = 10_000
CONTAINER = "META-INF/container.xml"
ENCRYPTION = "META-INF/encryption.xml"
# Fonts may be obfuscated in any book; what is encrypted otherwise nobody can read.
_OF_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
PAGES = ("application/xhtml+xml", "text/html", "application/html+xml")
# In a guide, what is none of the text.
BESIDE = {"cover", "toc", "title-page", "copyright-page", "index", "loi", "lot"}
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def recognises(head: Head) -> bool:
    """By its first member, which says so."""
    return head.data.startswith(b"PK\x03\x04") and (
        head.data[30:58] == b"mimetypeapplication/epub+zip" or head.name.endswith(".epub")
    )


def read(content: Content, config: CorpusConfig) -> Iterator[Document]:
    """The book's text. Raises CorpusError."""
    with open_seekable(content) as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                texts = list(_Book(archive, content.name).texts())
        except (
            zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, OverflowError,
            ValueError, RuntimeError,
        ) as error:  # fmt: skip
            raise CorpusError(
                f"{content.name} is not a complete EPUB book: {printable(str(error))[:100]}",
                hint="get it anew",
            ) from error
    if texts:
        yield "\n\n".join(texts)
        yield Remark(counted(len(texts), "page"))


@dataclass
class _Package:
    """What a book's package file says: pages by their ids, their order, and which are beside the
    text."""

    pages: dict[str, str] = field(default_factory=dict)
    spine: list[str] = field(default_factory=list)
    beside: set[str] = field(default_factory=set)


class _Book:
    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive = archive
        self._name = name
        self._left = MAX_BOOK
        self._members = set(archive.namelist())

    def texts(self) -> Iterator[str]:
        """What the pages show that show anything."""
        self._check_readable()
        place = self._package_place()
        package = self._package(place)
        for number, page_id in enumerate(package.spine):
            if number >= MAX_PAGES:
                raise self._error(f"has more than {MAX_PAGES:,} pages", "split it")
            page = package.pages.get(page_id)
            if page is None or page in package.beside or page not in self._members:
                continue
            if text := shown_text(self._read(page)):
                yield text

    def _check_readable(self) -> None:
        if ENCRYPTION not in self._members:
            return
        for tag in _tags(self._read(ENCRYPTION)):
            algorithm = (
                tag.attributes.get("algorithm", "") if tag.name == "encryptionmethod" else ""
            )
            if algorithm and algorithm not in _OF_FONTS:
                raise self._error("is encrypted (DRM)", "get it without")

    def _package_place(self) -> str:
        if CONTAINER in self._members:
            for tag in _tags(self._read(CONTAINER)):
                if tag.name == "rootfile" and tag.attributes.get("full-path") in self._members:
                    return tag.attributes["full-path"]
        found = sorted(name for name in self._members if name.lower().endswith(".opf"))
        if not found:
            raise self._error("has no package file (.opf)", "it is no EPUB book")
        return found[0]

    def _package(self, place: str) -> _Package:
        package = _Package()
        folder = posixpath.dirname(place)

        def resolved(reference: str) -> str:
            return posixpath.normpath(posixpath.join(folder, unquote(reference.partition("#")[0])))

        for tag in _tags(self._read(place)):
            if tag.name not in ("item", "itemref", "reference") or tag.is_end:
                continue
            said = tag.attributes
            if tag.name == "item" and said.get("media-type", "").lower() in PAGES:
                package.pages[said.get("id", "")] = resolved(said.get("href", ""))
                if "nav" in said.get("properties", "").split():
                    package.beside.add(resolved(said.get("href", "")))
            elif tag.name == "itemref" and said.get("linear", "").lower() != "no":
                package.spine.append(said.get("idref", ""))
            elif tag.name == "reference" and said.get("type", "").lower() in BESIDE:
                package.beside.add(resolved(said.get("href", "")))
        return package

    def _read(self, member: str) -> str:
        """A member's text. What is unpacked of a book has a limit, so that none fills memory."""
        with self._archive.open(member) as stream:
            data = stream.read(self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise self._error(f"has more than {MAX_BOOK:,} bytes of text", "split it")
        marked = (encoding for mark, encoding in _MARKS.items() if data.startswith(mark))
        encoding = next(marked, None) or declared_encoding(data) or "utf-8"
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            raise self._error(
                f"has a page that is not {encoding}: {printable(member)}", "repair it"
            ) from error

    def _error(self, what: str, hint: str) -> CorpusError:
        return CorpusError(f"{self._name} {what}", hint=hint)


def _tags(text: str) -> Iterator[Tag]:
    return (token for token in Markup(text).tokens() if isinstance(token, Tag))
