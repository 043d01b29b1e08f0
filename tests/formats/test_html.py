from __future__ import annotations

import html as escaping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen.config import CorpusConfig
from chargen.errors import CorpusError
from chargen.formats import html
from chargen.formats.content import Content, Head
from chargen.formats.html import declared_encoding, shown_text

WORDS = st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="\u00ad"))


@given(st.lists(WORDS.filter(bool), min_size=1, max_size=3))
@settings(max_examples=50)
def test_paragraphs_come_back(written: list[str]) -> None:
    page = "".join(f"<P class=a>{escaping.escape(text)}</p>\n" for text in written)
    page = f"<!doctype html><html><head><title>No</title></head><body>{page}</body></html>"
    assert shown_text(page) == "\n\n".join(written)
    assert list(html.read(Content.of("x.html", page.encode()), CorpusConfig())) == [
        "\n\n".join(written)
    ]


@given(st.lists(st.sampled_from(
    ["<", ">", "</", "<p", "<!--", "-->", "<![CDATA[", "]]>", "<?", "<script>", "</script>",
     "<nav>", "</nav", "<pre>", "\n", "'", '"', "/", "=", "a", " ", "&#", "9" * 5000, ";", "<td>",
     "<head>"]
)))  # fmt: skip
def test_any_page_is_some_text(parts: list[str]) -> None:
    assert "\0" not in shown_text("".join(parts))


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("one  two\nthree", "one two three"),
        ("one<br>two<BR/><br />three<br><br><br>four", "one\ntwo\n\nthree\n\nfour"),
        ("<p>a <b>b</b><i>c</i> &amp; d&shy;e&nbsp;f</p><p>&nbsp;</p><p>g", "a bc & de\xa0f\n\ng"),
        ("<h1>A</h1><ul><li>b<li>c</ul>d", "A\n\nb\nc\n\nd"),
        ("<pre>\na\n  b\n\n\n\tc &lt;\n</pre>d", "a\n  b\n\n\n\tc <\n\nd"),
        ("<tr><th>Name<th>Age</tr><tr><td> Ana</td> <td><b>7</b></td></tr>", "Name\tAge\nAna\t7"),
        ("a<script>if (a < b) '</p>'</script>b<style>p{}</style>c<script>d", "abc"),
        ("<nav><p>Menu</p></nav>a<nav>b", "ab"),
        ("a<!-- > <p>b --> c<!-- d", "a c"),
        ("<head><title>a</title><body>b", "b"),
        ("1 < 2 <3 & > 4 &copy; &#65; &#x42; &#99999999999;", "1 < 2 <3 & > 4 © A B \ufffd"),
        ("<p title='a > b' data-x=\"<p>\">c</p>", "c"),
        ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>字", "漢字"),
        ("<![CDATA[a & <b>]]>", "a & <b>"),
        ("<nav/>a<xhtml:p>b</xhtml:p>", "a\n\nb"),
        ("", ""),
    ],
)
def test_what_a_page_shows(page: str, text: str) -> None:
    assert shown_text(page) == text


@pytest.mark.parametrize("part", ["<a ", "<!--", "</", "<a '", "<nav>", "<a \"'>", "<pre>\n", "&#"])
def test_a_page_made_to_take_long_takes_no_longer(part: str) -> None:
    shown_text(part * 20_000)  # of 60 kB, the standard library's parser takes minutes


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b'<html><meta charset="windows-1252">', "cp1252"),
        (b"<meta http-equiv=Content-Type content='text/html; charset=Shift_JIS'>", "shift_jis"),
        (b'<?xml version="1.0" encoding="ISO-8859-2"?><html>', "iso8859-2"),
        (b'<meta charset="iso-8859-1">', "cp1252"),  # as browsers have it
        (b'<meta charset="utf-16">', None),
        (b"<meta charset=nonsense>", None),
        (b"<meta charset=rot13>", None),
        (b"<html>charset=cp1252", None),
    ],
)
def test_the_encoding_that_a_page_declares(data: bytes, encoding: str | None) -> None:
    assert declared_encoding(data) == encoding


def test_a_page_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "MAX_PAGE", 10)
    with pytest.raises(CorpusError, match=r"x\.html is a page of more than 10 characters"):
        list(html.read(Content.of("x.html", b"a" * 11), CorpusConfig()))


@pytest.mark.parametrize(
    ("name", "text", "is_page"),
    [
        ("x.htm", "", True),
        ("standard input", '\n<!DOCTYPE html PUBLIC "a">', True),
        ("x", '<?xml version="1.0"?>\n<html xmlns="a">', True),
        ("x.txt", "<p>a", False),
        ("x.md", "# <html>", False),
    ],
)
def test_pages_are_told_from_other_text(name: str, text: str, is_page: bool) -> None:
    assert html.recognises(Head(name, text.encode(), text)) == is_page
