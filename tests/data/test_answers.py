"""What counts in the loss is the answers' bytes, however a text is cut into tokens and chunks."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import CorpusConfig
from chargen.data.answers import ENDS_ANSWER, AnswerRule, AnswerScanner, answer_rule
from chargen.errors import ConfigError
from chargen.tokenizers.base import Tokens
from tests.support.tiny import FewTokens

# Single characters, and tokens that straddle where answers begin and end.
TOKENIZER = FewTokens(*"abAB:=> \n\r", "=> a", "b=", "A:", "B: ", "\nA", "b\n", "\u00e9")
DOCUMENTS = st.lists(
    st.text(st.sampled_from("abAB:=> \n\r\u00e9"), max_size=24)
    | st.lists(
        st.sampled_from(["A:", "B:", "AB:", " a", "b", "\n", "\r\n", "\n\n", "=> ", "\r"]),
        max_size=12,
    ).map("".join),
    max_size=5,
)


def encoded(documents: list[str]) -> Tokens:
    rows = [np.append(TOKENIZER.encode_array(text), TOKENIZER.end) for text in documents]
    return np.concatenate([np.empty(0, np.int64), *rows])


def scanned(rule: AnswerRule, tokens: Tokens, cuts: list[int]) -> tuple[list[int], AnswerScanner]:
    scanner = AnswerScanner(rule, TOKENIZER)
    masks = [scanner.feed(chunk) for chunk in np.split(tokens, sorted(cuts))]
    return np.concatenate([*masks, scanner.finish()]).tolist(), scanner


def answers_after(text: str, opener: str) -> list[tuple[int, int]]:
    """Bytes of the answers in a document that ends with its end-of-document token, by plain
    search: the space at the end of what they follow is of them."""
    data = text.encode() + b"\xff"
    at = data.find(opener.encode())
    return [] if at < 0 else [(at + len(opener.rstrip(" ").encode()), len(data))]


def answers_in_lines(text: str, opener: str) -> list[tuple[int, int]]:
    found, at = [], 0
    for line in re.split("(?<=\n)|(?<=\r)(?!\n)", text + "\ud800"):  # the end of the document
        data = line.replace("\ud800", "").encode() + (b"\xff" if "\ud800" in line else b"")
        begin = data.find(opener.encode())
        if begin >= 0:
            found.append((at + begin + len(opener.rstrip(" ").encode()), at + len(data)))
        at += len(data)
    return found


def turns_of(text: str, user: str, bot: str) -> list[tuple[int, int]]:
    """The bot's turns, each up to the label after it, that included, or a blank line."""
    data, found, begun = text.encode() + b"\xff", [], None
    at = 0
    while at < len(data):
        step = 1
        blank = re.compile(rb"(?:\r\n|\r|\n){2}").match(data, at)
        fresh = at == 0 or data[at - 1 : at] in (b"\n", b"\r")
        label = next((x for x in (user, bot) if fresh and data.startswith(x.encode(), at)), None)
        inside_crlf = data[at : at + 1] == b"\n" and data[at - 1 : at] == b"\r" and at > 0
        if label is not None:
            step = len(label)
        elif blank and blank[0] != b"\r\n" and not inside_crlf:
            step = len(blank[0])
        elif data[at] != 0xFF:
            at += 1
            continue
        if begun is not None:
            found.append((begun, at + step))
        at += step
        begun = at if label == bot else None
    return found


def expected(documents: list[str], find) -> list[int]:  # type: ignore[no-untyped-def]
    """The mask, token by token, from the answers' bytes in each document."""
    mask: list[int] = []
    for text in documents:
        spans, at = find(text), 0
        row = []
        for token in [*TOKENIZER.encode_array(text).tolist(), TOKENIZER.end]:
            stop = at + (len(TOKENIZER.pieces[token]) or 1)
            held = [span for span in spans if max(span[0], at) < min(span[1], stop)]
            row.append((2 if any(end <= stop for _, end in held) else 1) if held else 0)
            at = stop
        mask += row
    return mask


@given(
    DOCUMENTS, st.lists(st.integers(0, 60), max_size=6), st.sampled_from(["=> ", "a", ":", "=>"])
)
def test_what_follows_a_text_in_each_document_counts(
    documents: list[str], cuts: list[int], opener: str
) -> None:
    rule = answer_rule(CorpusConfig(loss_after=opener, documents="line"))
    assert rule == answer_rule(CorpusConfig(loss_after=opener), has_documents=True) and rule
    mask, scanner = scanned(rule, encoded(documents), cuts)
    assert mask == expected(documents, lambda text: answers_after(text, opener))
    assert scanner.answers == sum(opener in text for text in documents)
    assert scanner.units == sum(bool(text) for text in documents)
    assert scanner.without == scanner.units - scanner.answers


@given(DOCUMENTS, st.lists(st.integers(0, 60), max_size=6))
def test_in_files_it_counts_within_each_line(documents: list[str], cuts: list[int]) -> None:
    rule = answer_rule(CorpusConfig(loss_after="=> "))
    assert rule
    mask, scanner = scanned(rule, encoded(documents), cuts)
    assert mask == expected(documents, lambda text: answers_in_lines(text, "=> "))
    assert scanner.units - scanner.without == scanner.answers


@given(DOCUMENTS, st.lists(st.integers(0, 60), max_size=6))
def test_the_turns_of_the_bot_count_with_what_ends_them(
    documents: list[str], cuts: list[int]
) -> None:
    rule = answer_rule(CorpusConfig(loss="turns", user="A:", bot="B:"))
    assert rule
    mask, _ = scanned(rule, encoded(documents), cuts)
    assert mask == expected(documents, lambda text: turns_of(text, "A:", "B:"))


def shown(rule: AnswerRule | None, text: str) -> str:
    """What of a text counts, the rest as dots; a bar follows the last token of an answer, $ is the
    end of the document."""
    assert rule
    tokens = TOKENIZER.encode_array(text).tolist()
    mask, _ = scanned(rule, np.array([*tokens, TOKENIZER.end]), [])
    pieces = [*(TOKENIZER.pieces[token].decode() for token in tokens), "$"]
    return "".join(
        (piece if held else "." * len(piece)) + "|" * (held == ENDS_ANSWER)
        for piece, held in zip(pieces, mask, strict=True)
    ).replace("\n", "/")


def test_the_turns_of_a_dialogue() -> None:
    rule = answer_rule(CorpusConfig(loss="turns", user="A:", bot="B:"))
    # One token is "B: ", which holds the first byte of what follows the label.
    assert shown(rule, "A: a\nB: b\nA: a\nB: a b") == ".....B: b/A:|...B: a b$|"


def test_of_labels_that_begin_alike_the_longest_is_meant() -> None:
    rule = answer_rule(CorpusConfig(loss="turns", user="A:", bot="B"), speakers=["BA", "AB"])
    assert shown(rule, "B a\nBA: a\nAB: b\nB b\nB:") == ". a/BA:|" + ".......... b/B|:$|"


def test_all_counts_unless_asked() -> None:
    assert answer_rule(CorpusConfig()) is None
    assert answer_rule(CorpusConfig(loss="all")) is None
    with pytest.raises(ConfigError, match="both begin with '>'"):
        CorpusConfig(loss="turns", user=">", bot=">")
