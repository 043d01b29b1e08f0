from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen.config import CorpusConfig
from chargen.errors import CorpusError
from chargen.formats import epub
from chargen.formats.content import Content, Head
from chargen.formats.documents import Document, Remark

CONTAINER = '<container><rootfiles><rootfile full-path="OEBPS/a.opf"/></rootfiles></container>'
PACKAGE = """<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf"><manifest>
<item id="two" href="text/two%20.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="one.xhtml" media-type="application/xhtml+xml"/>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav scripted"/>
<item id="cover" href="cover.xhtml" media-type="application/xhtml+xml"/>
<item id="notes" href="notes.xhtml" media-type="application/xhtml+xml"/>
<item id="font" href="font.otf" media-type="font/otf"/>
</manifest><spine><itemref idref="cover"/><itemref idref="nav"/><itemref idref="one"/>
<itemref idref="font"/><itemref idref="gone"/><itemref idref="two"/>
<itemref idref="notes" linear="no"/></spine>
<guide><reference type="cover" href="cover.xhtml"/></guide></package>"""
BOOK = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OEBPS/a.opf": PACKAGE,
    "OEBPS/text/two .xhtml": "<html><body><p>Two.</p></body></html>",
    "OEBPS/one.xhtml": "<html><head><title>A</title></head><body><h1>I</h1><p>Ön.</p>",
    "OEBPS/nav.xhtml": "<html><body>Contents</body></html>",
    "OEBPS/cover.xhtml": "<html><body>Cover</body></html>",
    "OEBPS/notes.xhtml": "<html><body>Notes</body></html>",
    "OEBPS/font.otf": "font",
}


def packed(members: Mapping[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            stored = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(name, text, stored)
    return file.getvalue()


def read(data: bytes) -> list[Document]:
    return list(epub.read(Content.of("x.epub", data), CorpusConfig()))


def test_a_book_is_its_pages_in_order() -> None:
    assert read(packed(BOOK)) == ["I\n\nÖn.\n\nTwo.", Remark("2 pages")]
    without = {name: text for name, text in BOOK.items() if name != "META-INF/container.xml"}
    assert read(packed(without)) == read(packed(BOOK))


def test_the_encoding_of_a_page() -> None:
    page = '<?xml version="1.0" encoding="{}"?><html><body>Ön.</body></html>'
    for encoding in ("iso-8859-1", "utf-16"):
        book = BOOK | {"OEBPS/one.xhtml": page.format(encoding).encode(encoding)}
        assert read(packed(book))[0] == "Ön.\n\nTwo."
    with pytest.raises(CorpusError, match="has a page that is not utf-8: OEBPS/one"):
        read(packed(BOOK | {"OEBPS/one.xhtml": b"<p>\xff"}))


def test_protected_books_are_refused() -> None:
    said = '<encryption><EncryptionMethod Algorithm="{}"/></encryption>'
    font = said.format("http://www.idpf.org/2008/embedding")
    assert read(packed(BOOK | {"META-INF/encryption.xml": font}))[0] == "I\n\nÖn.\n\nTwo."
    with pytest.raises(CorpusError, match=r"x\.epub is encrypted"):
        read(packed(BOOK | {"META-INF/encryption.xml": said.format("aes128-cbc")}))


def test_a_book_that_would_fill_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epub, "MAX_BOOK", 10_000)
    with pytest.raises(CorpusError, match="more than 10,000 bytes of text"):
        read(packed(BOOK | {"OEBPS/one.xhtml": "a" * 1_000_000}))
    spine = PACKAGE.replace("<spine>", "<spine>" + '<itemref idref="one"/>' * 1000)
    with pytest.raises(CorpusError, match="more than 10,000 bytes of text"):
        read(packed(BOOK | {"OEBPS/a.opf": spine}))


def test_what_is_no_book_is_told() -> None:
    with pytest.raises(CorpusError, match="no package file"):
        read(packed({"mimetype": "application/epub+zip"}))
    for data in (b"", b"PK\3\4", packed(BOOK)[:-30]):
        with pytest.raises(CorpusError, match="not a complete EPUB book"):
            read(data)


@given(st.integers(0, 1500), st.binary(min_size=1, max_size=8))
@settings(max_examples=50)
def test_a_damaged_book_gives_documents_or_an_error(at: int, damage: bytes) -> None:
    data = bytearray(packed(BOOK))
    data[at : at + len(damage)] = damage
    try:
        for found in read(bytes(data)):
            assert isinstance(found, str | Remark)
    except CorpusError as error:
        assert error.message.startswith("x.epub")


def test_books_are_told_from_other_archives() -> None:
    book, other = packed(BOOK), packed({"a.txt": "a"})
    assert epub.recognises(Head("standard input", book, ""))
    assert epub.recognises(Head("x.epub", other, ""))
    assert not epub.recognises(Head("x.zip", other, ""))
    assert not epub.recognises(Head("x.epub", b"text", "text"))
