"""Copies are found as a search through all places finds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import CorpusError
from chargen.evaluation.copies import PASSAGE, CopyIndex, CopyReport, open_copies, together
from tests.support.samples import TEXT


def longest_from(training: str, text: str, at: int) -> int:
    """Characters from a place in the text on that stand somewhere in the training text."""
    length = 0
    while at + length < len(text) and text[at : at + length + 1] in training:
        length += 1
    return length


@given(
    training=st.text("abé\0", min_size=1, max_size=60),
    texts=st.lists(st.text("abé🍓\0", max_size=20), max_size=4),
)
@pytest.mark.parametrize(("places", "followed"), [(3, 512), (1 << 16, 1), (1 << 16, 3)])
def test_the_longest_passage_is_found(
    places: int, followed: int, training: str, texts: list[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chargen.evaluation.copies.PLACES_AT_ONCE", places)
        patch.setattr("chargen.evaluation.copies.PASSAGE", 3)
        patch.setattr("chargen.evaluation.copies.FOLLOWED", followed)
        reports = CopyIndex(training, cached=False).check_all(texts)
    for text, report in zip(texts, reports, strict=True):
        lengths = [longest_from(training, text, at) for at in range(len(text))]
        assert len(report.longest) == max(lengths, default=0)
        assert report.longest in training and report.longest in text
        covered = {
            at + step for at, length in enumerate(lengths) if length >= 3 for step in range(length)
        }
        assert report.characters == len(text)
        assert report.copied_share == pytest.approx(len(covered) / max(1, len(text)))


def test_a_passage_has_fifty_characters() -> None:
    passage = "".join(map(chr, range(0x4E00, 0x4E00 + PASSAGE)))
    index = CopyIndex(f"a{passage}b", cached=False)
    assert index.check(f"x{passage}x").copied_share == PASSAGE / (PASSAGE + 2)
    assert index.check(f"x{passage[1:]}x") == CopyReport(PASSAGE + 1, passage[1:], 0.0)
    # Half of it in one text and half in the next is no passage.
    assert [report.copied_share for report in index.check_all([passage[:30], passage[30:]])] == [
        0,
        0,
    ]


def test_reports_add_up() -> None:
    reports = [CopyReport(10, "abc", 0.5, wholes=1), CopyReport(30, "abcd", 0.1)]
    assert together(reports) == CopyReport(40, "abcd", 0.2, texts=2, wholes=1)
    assert together([]) == CopyReport(0, "", 0.0, texts=0)


def test_a_passage_that_stands_there_from_beginning_to_end_is_a_whole() -> None:
    """A word of a long text is no copy of it."""
    known = "".join(map(chr, range(0x4E00, 0x4E00 + 2 * PASSAGE)))
    texts = [known, known[9 : 9 + PASSAGE], known[: PASSAGE - 1], known[:1], known[::-1], ""]
    reports = CopyIndex(known, cached=False).check_all(texts, prompt="so ")
    assert [report.wholes for report in reports] == [1, 1, 0, 0, 0, 0]
    assert [report.copied_share for report in reports] == [1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize(("documents", "joint"), [("line", "\n"), ("paragraph", "\n\n")])
@given(
    known=st.lists(st.text("ab\u00e9", min_size=1, max_size=3), min_size=1, max_size=5),
    prompt=st.text("ab\u00e9", max_size=2),
    texts=st.lists(st.text("ab\u00e9", max_size=3), max_size=4),
)
def test_where_documents_are_short_a_whole_one_is_a_copy(
    documents: str, joint: str, known: list[str], prompt: str, texts: list[str]
) -> None:
    index = CopyIndex(joint.join(known), documents=documents, cached=False)
    for text, report in zip(texts, index.check_all(texts, prompt), strict=True):
        assert report.wholes == (prompt + text in known)
        assert report.copied_share == report.wholes
        assert report.as_dict()["copied_whole"] == (prompt + text in known)


def test_held_out_documents_are_measured_one_by_one() -> None:
    index = CopyIndex("red\nblue", "red\nblu\ngreen\nred\n", documents="line", cached=False)
    report = index.held_out(99)
    assert report is not None
    assert (report.texts, report.wholes, report.characters) == (4, 2, 3 + 3 + 5 + 3)


def test_held_out_text_is_measured_alike() -> None:
    index = CopyIndex("ab" * 100, "ab" * 40 + "x" * 80, cached=False)
    report = index.held_out(80)
    assert report is not None
    assert (report.characters, report.copied_share) == (160, 0.5)
    assert CopyIndex("ab", cached=False).held_out(80) is None
    with pytest.raises(CorpusError, match="is empty"):
        CopyIndex("")


def test_the_text_of_a_checkpoint_is_found_and_indexed_once(
    checkpoint: Path, corpus_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    index = open_copies(checkpoint)
    assert index.check(TEXT[:200]).copied_share == 1.0
    held_out = index.held_out(100)
    assert held_out is not None and held_out.characters > 100
    [kept] = (tmp_path / "cache" / "chargen").glob("suffixes-*.npy")
    written = np.load(kept)
    written[:] = written[::-1].copy()  # another order is seen if the file is read again
    np.save(kept, written)
    assert open_copies(checkpoint, [corpus_file]).check(TEXT[:200]) != index.check(TEXT[:200])
    kept.write_bytes(b"damaged")
    assert open_copies(checkpoint, [corpus_file]).check(TEXT[:200]) == index.check(TEXT[:200])
    other = tmp_path / "other.txt"
    other.write_text(TEXT + "more")
    with pytest.raises(CorpusError, match=r"other.txt is not the text that .* was trained on"):
        open_copies(checkpoint, [other])
