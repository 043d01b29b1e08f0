"""The engine's tokenizers give the ids and the texts that Python's give, for every text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page

from chargen.config import CorpusConfig
from chargen.data.documents import EncodedText, encode_text
from chargen.tokenizers.base import StreamDecoder, Tokenizer
from tests.support.browser import as_base64, open_browser, open_engine
from tests.support.tokenizers import tokenizer

KINDS = ["byte", "char"]
# Bytes that begin characters, go on with them, or stand in none.
BYTES = st.lists(
    st.binary(max_size=3)
    | st.sampled_from([b"\xe0", b"\xed", b"\xf0", b"\xf4", b"\xa0", b"\x80", b"\x9f", b"\x90"])
    | st.sampled_from(["é", "漢", "🍓", "\ufeff", "\u0085", "a"]).map(str.encode),
    max_size=12,
).map(b"".join)


@pytest.fixture(scope="module")
def engine() -> Iterator[Page]:
    """A page that has opened a tokenizer of every kind."""
    with open_browser() as browser, open_engine(browser) as page:
        page.evaluate("globalThis.opened = {}")
        for kind in KINDS:
            open_tokenizer(page, kind, tokenizer(kind))
        yield page


def open_tokenizer(page: Page, name: str, made: Tokenizer) -> None:
    """Afterwards the page has it as `opened[name]`."""
    page.evaluate(
        """([name, kind, content]) => {
            const bytes = Uint8Array.from(atob(content), (byte) => byte.charCodeAt(0));
            opened[name] = openTokenizer(kind, bytes);
        }""",
        [name, made.kind, as_base64({"": made.serialize()})[""]],
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_tokens_are_those_of_python(engine: Page, kind: str) -> None:
    found = engine.evaluate(
        """(name) => {
            const {kind, pieces, end, vocabSize, byFirstByte} = opened[name];
            return {kind, pieces: pieces.map((piece) => [...piece]), end, vocabSize, byFirstByte};
        }""",
        kind,
    )
    made = tokenizer(kind)
    assert found == {
        "kind": made.kind,
        "pieces": [list(piece) for piece in made.pieces],
        "end": made.end,
        "vocabSize": made.vocab_size,
        "byFirstByte": made.by_first_byte,
    }


@pytest.mark.parametrize("kind", KINDS)
@given(texts=st.lists(st.text() | st.text("aé漢🍓ἄ \n\r\u2581\0"), max_size=20))
def test_a_text_is_cut_as_in_python(engine: Page, kind: str, texts: list[str]) -> None:
    found = engine.evaluate(
        """([kind, texts]) => texts.map((text) => {
            const tokens = opened[kind].encode(text);
            return [tokens, opened[kind].decode(tokens)];
        })""",
        [kind, texts],
    )
    assert found == [[tokenizer(kind).encode(text), text] for text in texts]


def test_a_lone_surrogate_is_read_as_what_is_no_character(engine: Page) -> None:
    """Python refuses it: its texts may come from anywhere, those of a page from a keyboard."""
    found = engine.evaluate("opened.byte.encode('a\\ud83c' + 'b\\udf53')")
    assert found == tokenizer("byte").encode("a\ufffdb\ufffd")


@given(rows=st.lists(BYTES, max_size=20))
def test_a_stream_shows_whole_characters_as_in_python(engine: Page, rows: list[bytes]) -> None:
    """Also bytes that are no UTF-8, and where a copy of the decoder goes on."""
    found = engine.evaluate(
        """(rows) => rows.map((bytes) => {
            let decoder = new StreamDecoder(opened.byte);
            const seen = bytes.map((byte) => {
                const [text, pending] = [decoder.feed(byte), [...decoder.pending]];
                const twin = decoder.copy();
                decoder.flush();
                decoder = twin;
                return [text, pending];
            });
            return [seen, decoder.flush(), opened.byte.decode(bytes)];
        })""",
        [list(content) for content in rows],
    )
    for content, (seen, end, whole) in zip(rows, found, strict=True):
        decoder = StreamDecoder(tokenizer("byte"))
        assert seen == [[decoder.feed(byte), list(decoder.pending)] for byte in content]
        assert end == decoder.flush()
        assert whole == content.decode(errors="replace")


@given(rows=st.lists(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 2))), max_size=20))
def test_bytes_that_stand_in_the_prompt_are_left_out(
    engine: Page, rows: list[list[tuple[int, int]]]
) -> None:
    size = tokenizer("char").vocab_size
    steps = [[(token % size, skip) for token, skip in row] for row in rows]
    found = engine.evaluate(
        """(rows) => rows.map((row) => {
            const decoder = new StreamDecoder(opened.char);
            return row.map(([token, skip]) => decoder.feed(token, skip));
        })""",
        steps,
    )
    for row, texts in zip(steps, found, strict=True):
        decoder = StreamDecoder(tokenizer("char"))
        assert texts == [decoder.feed(token, skip) for token, skip in row]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("documents", ["file", "line", "paragraph"])
@given(texts=st.lists(st.text("ab \t\n\r\x0b\x85\u3000\ufeff", max_size=15), max_size=20))
def test_documents_end_where_they_end_in_python(
    engine: Page, kind: str, documents: str, texts: list[str]
) -> None:
    found = engine.evaluate(
        "([kind, documents, texts]) => texts.map(t => encodeText(opened[kind], t, documents))",
        [kind, documents, texts],
    )
    config = CorpusConfig(documents=documents)
    parts = [encode_text([text], tokenizer(kind), config) for text in texts]
    assert found == [EncodedText.joined(each).tokens.tolist() for each in parts]


@pytest.mark.parametrize(
    ("kind", "content", "says"),
    [
        ("char", b"\xff", "is not JSON"),
        ("char", b"[]", "is not that of a char tokenizer"),
        ("char", b"null", "is not that of a char tokenizer"),
        ("byte", b'{"kind": "char"}', "is not that of a byte tokenizer"),
        ("char", b'{"kind": "char"}', "no list of characters"),
        ("char", b'{"kind": "char", "characters": "\xc3\xa9\xc3\xa9"}', "no list of characters"),
        ("char", b'{"kind": "char", "characters": "a"}', "no list of characters"),
        ("char", b'{"kind": "char", "characters": "\\ud800"}', "no list of characters"),
        ("morse", b"{}", "no tokenizer of kind"),
    ],
)
def test_a_foreign_file_is_refused(engine: Page, kind: str, content: bytes, says: str) -> None:
    message = refusal(engine, kind, content)
    assert message is not None and says in message


def refusal(engine: Page, kind: str, content: bytes) -> Any:
    """What the engine says to a file that it does not open."""
    return engine.evaluate(
        """([kind, content]) => {
            try {
                openTokenizer(kind, Uint8Array.from(atob(content), (byte) => byte.charCodeAt(0)));
                return null;
            } catch (error) {
                if (!(error instanceof PageError)) throw error;
                return error.message;
            }
        }""",
        [kind, as_base64({"": content})[""]],
    )
