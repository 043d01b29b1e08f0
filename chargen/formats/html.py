"""HTML becomes the text that it shows: paragraphs with blank lines between, lines where it breaks
them, without scripts, styles, menus and forms. A page is a document."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from chargen.config import CorpusConfig
from chargen.errors import CorpusError
from chargen.formats.content import Content, Head
from chargen.formats.documents import Document
from chargen.formats.markup import Markup, Tag

MAX_PAGE = 1 << 25  # characters with markup

# What is no text of the page: left out with all that is in it.
HIDDEN = (
    "nav", "noscript", "template", "svg", "iframe", "object", "audio", "video", "canvas", "select",
    "button", "datalist", "rp", "rt",
)  # fmt: skip
PARAGRAPHS = {
    "address", "article", "aside", "blockquote", "body", "center", "details", "dialog", "div", "dl",
    "fieldset", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup",
    "hr", "main", "menu", "ol", "p", "pre", "section", "table", "ul",
}  # fmt: skip
LINES = {"caption", "dd", "dt", "figcaption", "legend", "li", "summary", "tr", "option"}
CELLS = {"td", "th"}

_BLANK = re.compile(r"[ \t\n\r\f]+")
_CHARSET = re.compile(
    rb"<meta[^>]{1,500}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})"
    rb"|^\s*<\?xml[^>]{1,200}?encoding\s*=\s*[\"']([\w.:-]{1,40})",
    re.IGNORECASE,
)
SUFFIXES = (".html", ".htm", ".xhtml")
_SOFT_HYPHEN = "\u00ad"


def recognises(head: Head) -> bool:
    """By its name, or as most pages begin."""
    if head.name.endswith(SUFFIXES):
        return True
    return (
        re.match(r"\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+)?html[\s>]", head.text, re.I) is not None
    )


def declared_encoding(data: bytes) -> str | None:
    """The encoding that a page, or XML, which begins so declares, if Python knows it."""
    match = _CHARSET.search(data[:1024])
    if match is None:
        return None
    try:
        known = codecs.lookup((match[1] or match[2]).decode())
    except LookupError:
        return None
    # Of bytes that could be read as ASCII so far, it is none of these, whatever they say.
    wide = known.name.startswith(("utf-16", "utf-32"))
    if known.name in ("iso8859-1", "ascii"):  # as browsers read it
        return "cp1252"
    return known.name if known._is_text_encoding and not wide else None


def read(content: Content, config: CorpusConfig) -> Iterator[Document]:
    """The text of a page. Raises CorpusError, UnicodeDecodeError."""
    with content.text() as stream:
        markup = stream.read(MAX_PAGE + 1)
    if len(markup) > MAX_PAGE:
        raise CorpusError(
            f"{content.name} is a page of more than {MAX_PAGE:,} characters", hint="split it"
        )
    text = shown_text(markup)
    if text:
        yield text


def shown_text(markup: str) -> str:
    """What a page shows, without an end of line at its end."""
    source, layout = Markup(markup), _Layout()
    for token in source.tokens():
        if isinstance(token, str):
            layout.write(token)
        elif token.name == "head" and not token.is_end:
            source.skip_to_end("head", "body")
        elif token.name in HIDDEN and not token.is_end and not token.is_empty:
            source.skip_to_end(token.name)
        else:
            layout.follow(token)
    return layout.text()


class _Layout:
    """Text as it comes, put into lines and paragraphs."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._line: list[str] = []
        self._has_ink = False  # the line
        self._breaks = 0  # newlines to be written before the next line
        self._preformatted = False
        self._begins = False  # preformatted text, whose first newline is none

    def write(self, text: str) -> None:
        text = text.replace(_SOFT_HYPHEN, "")
        if not self._preformatted:
            self._put(_BLANK.sub(" ", text))
            return
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        lines = (text.removeprefix("\n") if self._begins else text).split("\n")
        self._begins = False
        for line in lines[:-1]:
            self._put(line)
            if not self._end_line():
                self._breaks += 1
        self._put(lines[-1])

    def follow(self, tag: Tag) -> None:
        name = tag.name
        if name == "pre":
            self._end_line()
            self._breaks = 2
            self._preformatted = self._begins = not tag.is_end
        elif name == "br":
            if not self._end_line():
                self._breaks = min(2, self._breaks + 1)
        elif name in PARAGRAPHS or name in LINES:
            self._end_line()
            self._breaks = max(self._breaks, 2 if name in PARAGRAPHS else 1)
        elif name in CELLS and not tag.is_end and self._has_ink:
            self._line.append("\t")

    def text(self) -> str:
        self._end_line()
        return "".join(self._parts)

    def _put(self, text: str) -> None:
        if text:
            self._line.append(text)
            self._has_ink = self._has_ink or not text.isspace()

    def _end_line(self) -> bool:
        """Write the line in hand, if there is any ink on it."""
        line, has_ink = "".join(self._line), self._has_ink
        self._line.clear()
        self._has_ink = False
        if has_ink:
            if self._parts:
                self._parts.append("\n" * self._breaks)
            self._parts.append(line if self._preformatted else _tidy(line))
            self._breaks = 1
        return has_ink


def _tidy(line: str) -> str:
    """Cells without blanks around them, one blank between words."""
    cells = [re.sub(" {2,}", " ", cell).strip(" ") for cell in line.split("\t")]
    return "\t".join(cells).strip()
