"""The engine's tokenizers give the ids and the texts that Python's give, for every text."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page

from chargen.config import CorpusConfig
from chargen.data.documents import EncodedText, encode_text
from chargen.tokenizers.base import StreamDecoder, Tokenizer
from chargen.tokenizers.subword import SubwordTokenizer
from chargen.tokenizers.word import WordTokenizer
from tests.support.browser import as_base64, open_browser, open_engine
from tests.support.tokenizers import MAKERS, tokenizer

KINDS = list(MAKERS)
# Small texts that subwords are learned from: several scripts, and one that has no spaces.
CORPORA = {
    "mixed": "The strawberry isn't red, GRANNY SMITH'S 3.14\nἄνθρωπος καὶ λόγος ἐν ἀρχῇ\n"
    "वह पानी पीता है। यह अच्छा है।\nבְּרֵאשִׁית בָּרָא\n漢字を書く人。日本語の文章。\n🍓🍓 👩‍👩‍👧\t\r\n",
    "unspaced": "漢字を書く人。日本語の文章。\nnospaceshereatall\n",
}
# Eight more, with what joins the parts of words in them.
SCRIPTS = (
    "l'eau, aujourd\u2019hui, col\u00b7laborar: well-known don't don't... --- ?!\n"
    "\u05e6\u05d4\u05f4\u05dc \u05d2\u05f3 שָׁלוֹם\nعَرَبِيّ می\u200cخواهم\nবাংলা ভাষা\nதமிழ் மொழி\n"
    "한국어 글자를 쓰다\nภาษาไทย\nမြန်မာ ខ្មែរ\nབོད་ཡིག\n"
    "е\u0301ж ёлка snake_case 3,141.59\t\u3000\u00a0x\n"
)
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
    check_cut(engine, kind, tokenizer(kind), texts)


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
@pytest.mark.parametrize("text", CORPORA.values(), ids=CORPORA)
def test_subwords_are_those_of_sentencepiece(engine: Page, text: str, algorithm: str) -> None:
    made = SubwordTokenizer.train([text * 20], vocab_size=420, algorithm=algorithm)
    open_tokenizer(engine, "trained", made)
    random = Random(1)
    check_cut(engine, "trained", made, [random_text(random) for _ in range(300)])


@pytest.mark.parametrize("text", [*CORPORA.values(), SCRIPTS], ids=[*CORPORA, "scripts"])
def test_words_are_those_of_python(engine: Page, text: str) -> None:
    made = WordTokenizer.train([text * 20], vocab_size=600)
    assert made.words
    open_tokenizer(engine, "trained", made)
    random = Random(1)
    check_cut(engine, "trained", made, [random_text(random) for _ in range(300)])
    letters = [chr(code) for code in (*range(0x20, 0x250), 0x2019, 0x301, 0x4E00, 0x1F353, 0xFEFF)]
    texts = ["".join(random.choices(letters + list(text) * 9, k=40)) for _ in range(200)]
    check_cut(engine, "trained", made, [text, *texts])


def check_cut(page: Page, name: str, made: Tokenizer, texts: list[str]) -> None:
    # As JSON, which playwright passes on much faster than lists of many numbers.
    found = page.evaluate(
        """([name, texts]) => JSON.stringify(JSON.parse(texts).map((text) => {
            const tokens = opened[name].encode(text);
            return [tokens, opened[name].decode(tokens)];
        }))""",
        [name, json.dumps(texts)],
    )
    for text, pair in zip(texts, json.loads(found), strict=True):
        assert pair == [made.encode(text), text], text


def random_text(random: Random) -> str:
    """Parts of what was learned, letters at random, rare characters, and long rows of one."""
    parts = []
    for _ in range(random.choice([1, 3, 10, 40])):
        text = CORPORA[random.choice(list(CORPORA))]
        start = random.randrange(len(text))
        rare = [
            random.randrange(0x20),
            random.randrange(0xD800),
            random.randrange(0xE000, 0x110000),
        ]
        parts.append(
            random.choice(
                [
                    text[start : start + random.randrange(12)],
                    text[start : start + random.randrange(60)],
                    "".join(random.choices(" aehnorstu", k=random.randrange(20))),
                    chr(random.choice(rare)),
                    random.choice("  \u2581\n\0\u3000\ufeff"),
                    random.choice("aeN. 漢") * random.randrange(100),
                ]
            )
        )
    return "".join(parts)


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_a_long_text_is_cut_as_in_python(engine: Page, kind: str) -> None:
    """Longer than float32 can add up scores for: there sentencepiece begins again at 0."""
    text = ("\u0416\U0001f98a strawb" * 40 + "\n" + "\u0416" * 400) * 25
    check_cut(engine, kind, tokenizer(kind), [text])


def test_a_null_character_is_its_byte(engine: Page) -> None:
    """Even where the vocabulary has a piece of it."""
    made = SubwordTokenizer.train(["a\0b a\0b \0\n" * 50], vocab_size=300)
    open_tokenizer(engine, "null", made)
    check_cut(engine, "null", made, ["\0", "a\0b", " \0\0 a"])


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


@pytest.mark.parametrize("documents", ["file", "line", "paragraph"])
@given(texts=st.lists(st.text("ab \t\n\r\x0b\x85\u3000\ufeff", max_size=15), max_size=20))
def test_documents_end_where_they_end_in_python(
    engine: Page, documents: str, texts: list[str]
) -> None:
    kinds = ["char", "unigram"]
    found = engine.evaluate(
        """([kinds, documents, texts]) => {
            const encoded = (tokenizer, text) =>
                splitDocuments(text, documents).flatMap(({ text: document, separator }) =>
                    [...tokenizer.encode(document), ...(separator ? [tokenizer.end] : [])]);
            return kinds.map((kind) => texts.map((text) => encoded(opened[kind], text)));
        }""",
        [kinds, documents, texts],
    )
    config = CorpusConfig(documents=documents)
    for kind, rows in zip(kinds, found, strict=True):
        parts = [encode_text([text], tokenizer(kind), config) for text in texts]
        assert rows == [EncodedText.joined(each).tokens.tolist() for each in parts]


def word_file(**content: Any) -> bytes:
    return json.dumps(
        {"kind": "word", "letters": "", "others": "", "words": [], **content}
    ).encode()


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
        ("subword", b"", "changes the text"),
        ("subword", b"\xff", "is damaged"),
        ("word", b'{"kind": "word"}', "no lists of characters"),
        ("word", word_file(letters="a"), "no list of characters"),
        ("word", word_file(letters="\u00e9", others="\u00e9"), "no list of characters"),
        ("word", word_file(words=None), "no list of words"),
        ("word", word_file(words=[" a", " a"]), "no list of words"),
        ("word", word_file(words=["a b"]), "no list of words"),
        ("word", word_file(words=["a"]), "no list of words"),
        ("word", word_file(words=[" \ud800"]), "no list of words"),
        ("word", word_file(words=["x" * 65]), "no list of words"),
        ("word", word_file(words=[["a", "b"]]), "no list of words"),
    ],
)
def test_a_foreign_file_is_refused(engine: Page, kind: str, content: bytes, says: str) -> None:
    message = refusal(engine, kind, content)
    assert message is not None and says in message


def refusal(engine: Page, kind: str, content: bytes) -> Any:
    """What the engine says to a file that it does not open."""
    return refusals(engine, kind, [content])[0]


def refusals(engine: Page, kind: str, contents: list[bytes]) -> list[Any]:
    return list(
        engine.evaluate(
            """([kind, contents]) => contents.map((content) => {
                try {
                    const bytes = Uint8Array.from(atob(content), (byte) => byte.charCodeAt(0));
                    openTokenizer(kind, bytes).encode("a text");
                    return null;
                } catch (error) {
                    if (!(error instanceof PageError)) throw error;
                    return error.message;
                }
            })""",
            [kind, [as_base64({"": content})[""] for content in contents]],
        )
    )


def test_a_damaged_sentencepiece_model_is_refused(engine: Page) -> None:
    """Cut off anywhere, or with a byte changed: an error of ours, or a tokenizer as good as any."""
    content = tokenizer("bpe").serialize()
    random = Random(1)
    damaged = [content[: random.randrange(len(content))] for _ in range(60)]
    for _ in range(200):
        changed = bytearray(content)
        changed[random.randrange(len(content))] = random.randrange(256)
        damaged.append(bytes(changed))
    assert None not in refusals(engine, "subword", damaged)[:60]


@pytest.mark.parametrize(
    "change",
    [
        {"normalization_rule_name": "nmt_nfkc"},
        {"add_dummy_prefix": True},
        {"remove_extra_whitespaces": True},
        {"byte_fallback": False},
        {"model_type": "char"},
        {"eos_id": -1},
        {"user_defined_symbols": ["\n", "ab"]},
    ],
)
def test_a_model_that_chargen_does_not_make_is_refused(
    engine: Page, change: dict[str, Any]
) -> None:
    options: dict[str, Any] = {
        "sentence_iterator": iter(["ab ba\n"] * 9),
        "model_writer": (model := io.BytesIO()),
        "model_type": "unigram",
        "vocab_size": 300,
        "hard_vocab_limit": False,
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "add_dummy_prefix": False,
        "remove_extra_whitespaces": False,
        "user_defined_symbols": ["\n"],
        "minloglevel": 2,
        "eos_id": 1,
        "bos_id": -1,
    }
    sentencepiece.SentencePieceTrainer.train(**options | change)
    assert refusal(engine, "subword", model.getvalue()) is not None
