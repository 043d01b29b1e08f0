"""How values show themselves: in one short line, and as HTML that holds no more than it should."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import chargen
from chargen.config import CorpusConfig
from chargen.data.corpus import open_corpus
from chargen.generation.completion import Completion, Piece
from chargen.reprs import LINE, SHOWN, counted, printable, quoted, surprise, text_html
from chargen.session.session import Session
from chargen.tokenizers.byte import ByteTokenizer
from chargen.training.run import TrainReport
from tests.support.tiny import tiny

PARTS = st.lists(st.tuples(st.text(max_size=5), st.floats(-1, 1), st.text(max_size=5)), max_size=6)


class Page(HTMLParser):
    """What a browser makes of HTML: its tags, its text, its titles and colours."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.titles: list[str] = []
        self.colours: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attributes:
            if name == "title":
                self.titles.append(value or "")
            if name == "style" and "background" in (value or ""):
                self.colours.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


@given(parts=PARTS, before=st.text(max_size=5), caption=st.text(max_size=5))
@example([("<script>", 1.0, '"><b>')], "</div>", "&amp;")
def test_html_holds_the_text_and_nothing_that_acts(
    parts: list[tuple[str, float, str]], before: str, caption: str
) -> None:
    page = Page(text_html(parts, before=before, caption=caption))
    assert page.tags <= {"div", "span"}
    text = before + "".join(text for text, _, _ in parts)
    shown = printable(text).replace("\n", "\u21b5\n") + printable(caption)
    assert page.text == shown
    assert len(page.colours) == len(parts)
    assert all(re.search(r"rgba\(\d+,\d+,\d+,[01]\.\d\d\)$", colour) for colour in page.colours)


def test_a_long_text_is_cut() -> None:
    page = Page(text_html([("x", 0.0, "")] * (SHOWN + 5)))
    assert page.text == "x" * SHOWN + " and 5 more"


def test_a_line_is_short() -> None:
    assert quoted("a\n") == "'a\\n'"
    assert quoted("x" * 1000) == repr("x" * LINE) + "\u2026"
    assert (counted(1, "step"), counted(2000, "step")) == ("1 step", "2,000 steps")
    assert surprise(-1) == surprise(0) == 0 < surprise(4) < surprise(8) == surprise(100) == 1


def test_a_completion_shows_what_each_piece_cost() -> None:
    model = tiny(1, "a", "b", "ab")
    done = model.generate("ab", max_tokens=12, min_chars=3, seed=3)
    assert "".join(piece.text for piece in done.pieces) == done.text == str(done) == f"{done}"
    assert sum(piece.logprob for piece in done.pieces) == pytest.approx(done.logprob)
    assert "pieces" not in done.as_dict()
    page = Page(done._repr_html_())
    facts = f"{len(done.tokens)} tokens, ended by {done.finish_reason}, logprob {done.logprob:.2f}"
    assert page.text == "ab" + done.text + facts
    bits = [-piece.logprob / math.log(2) for piece in done.pieces]
    assert page.titles == [f"{cost:.2f} bits" for cost in bits]
    assert repr(done) == f"<Completion {done.text!r}, {facts}>"
    by_hand = Completion("p", "text", (1,), -1.0, "stop")
    assert Page(by_hand._repr_html_()).text.startswith("ptext1 token")


def test_values_say_what_they_are(checkpoint: Path, corpus_file: Path) -> None:
    model = chargen.load(checkpoint)
    piece = Piece("a b", (1, 2), -0.5)
    report = TrainReport(Path("c/x"), 1200, 61.2, 1e4, 1.5, 2.1, 2.1, False)
    corpus = open_corpus([corpus_file], CorpusConfig())
    seen = chargen.inspect(model, "ab", cell="0:1", top=1)
    classified = chargen.classify(model, "a", ["x", "y"], "{text} {label}")
    shown = {
        repr(model): r"<TextGenerator tiny: lstm 48, \d\d,\d{3} parameters, char>",
        repr(tiny(1, "a")): r"<TextGenerator a model: lstm 6, \d+ parameters, .*>",
        repr(piece): "<Piece 'a b', 2 tokens>",
        str(piece): "a b",
        repr(report): "<TrainReport c/x: 1,200 steps in 61 s, loss 1.500, 2.100 bits per byte>",
        repr(ByteTokenizer()): "<ByteTokenizer of 257 tokens>",
        repr(corpus): r"<Corpus tiny: tokens in train [\d,]+, valid \d+, test \d+; char>",
        repr(Session(checkpoint)): "<Session with tiny: complete, 0 exchanges>",
        repr(model.score("ab")): r"<TextScore [\d.]+ bits per byte, perplexity [\d.]+, 2 tokens>",
        repr(model.evaluate("ab")): r"<Score [\d.]+ bits per byte, perplexity [\d.]+, 2 tokens>",
        repr(classified): r"<Classified 'a': '.', .*%>",
        repr(seen): r"<InspectionResult of tiny: 2 parts, \d+ views>",
        repr(seen.inspection): "<Inspection of 'ab'>",
        repr(seen.inspection.views[0]): "<View of surprise, bits: 2 values>",
        repr(chargen.look_back(model, corpus_file, max_context=8, max_distance=4)):
            r"<MemoryResult of tiny: loss [\d.]+ after 1 token, [\d.]+ after 8 tokens>",
    }  # fmt: skip
    for line, pattern in shown.items():
        assert re.fullmatch(pattern, line), line
    page = Page(seen._repr_html_())
    assert page.text.startswith("absurprise, bitsab") and len(page.titles) == 4
    assert "bits\n'" in page.titles[0]
    assert Page(model.score("ab")._repr_html_()).text.startswith("abTextScore")


def test_a_report_stands_for_its_checkpoint(checkpoint: Path) -> None:
    report = TrainReport(checkpoint, 1, 1.0, 1.0, None, None, None, False)
    assert chargen.load(report).metadata == chargen.load(checkpoint).metadata
    for wrong in (tiny(1, "a").generate(max_tokens=1), 5, b"everyday"):
        with pytest.raises(chargen.ChargenError, match="its folder or its name, not by a"):
            chargen.load(wrong)  # type: ignore[arg-type]
    with pytest.raises(chargen.ChargenError, match="this model was not loaded from a checkpoint"):
        chargen.inspect(tiny(1, "a"), "a")
