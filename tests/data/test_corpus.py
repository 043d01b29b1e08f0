"""A corpus is found again in the cache, and made again where its files are damaged."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chargen.data import corpus as corpus_module
from chargen.data import encoding
from chargen.data.cache import cache_folder
from chargen.data.corpus import open_corpus
from chargen.errors import CorpusError
from tests.support.texts import BYTES, WHOLE, write


def test_a_second_run_reads_what_the_first_one_wrote(
    corpus_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_corpus([corpus_file], WHOLE)
    monkeypatch.setattr(corpus_module, "write_tokens", None)  # calling it would fail
    again = open_corpus([corpus_file], WHOLE)
    with_other_speakers = open_corpus([corpus_file], replace(WHOLE, user="Q:", bot="A:"))
    with_its_tokenizer = open_corpus([corpus_file], WHOLE, tokenizer=first.tokenizer)
    assert np.array_equal(first.train[:], again.train[:])
    assert np.array_equal(first.train[:], with_other_speakers.train[:])
    assert np.array_equal(first.train[:], with_its_tokenizer.train[:])


@pytest.mark.parametrize("name", ["train-00000.bin", "corpus.json", "tokenizer.json"])
def test_damaged_cache_files_are_made_again(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = write(tmp_path, "a.txt", f"some text for {name}")
    first = open_corpus([path], WHOLE)
    expected = first.train[:].copy()
    [folder] = cache_folder().glob("tokens-*")
    (folder / name).write_bytes(b"?")
    assert np.array_equal(open_corpus([path], WHOLE).train[:], expected)


@pytest.mark.parametrize("damage", ["missing", "short", "another tokenizer's", "not counted"])
@pytest.mark.parametrize("verify", [True, False])
def test_a_shard_that_is_not_the_right_one_is_made_again(
    many: Path, damage: str, verify: bool
) -> None:
    expected = open_corpus([many], WHOLE).train[:].copy()
    [folder] = cache_folder().glob("tokens-*")
    if damage == "missing":
        (folder / "train-00003.bin").unlink()
    elif damage == "short":
        os.truncate(folder / "train-00003.bin", 10)
    elif damage == "not counted":
        facts = json.loads((folder / "corpus.json").read_bytes())
        facts["counts"][97] += 1
        (folder / "corpus.json").write_text(json.dumps(facts))
    else:
        open_corpus([many], BYTES)
        [other] = set(cache_folder().glob("tokens-*")) - {folder}
        (other / "train-00003.bin").replace(folder / "train-00003.bin")
    again = open_corpus([many], WHOLE, verify=verify)
    assert np.array_equal(again.train[:], expected)


def test_only_who_verifies_reads_the_shards(many: Path) -> None:
    first = open_corpus([many], WHOLE).train[:].copy()
    [path] = cache_folder().glob("tokens-*/train-00003.bin")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert not np.array_equal(open_corpus([many], WHOLE, verify=False).train[:], first)
    assert np.array_equal(open_corpus([many], WHOLE).train[:], first)


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOMEM, "out of memory; raise the limit"),
        (errno.ENODEV, "its file system cannot map files into memory; set XDG_CACHE_HOME"),
        (errno.EMFILE, "too many files are open; raise the limit"),
        (errno.EIO, "Input/output error; set XDG_CACHE_HOME"),
    ],
)
def test_token_files_that_cannot_be_mapped_say_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    path = write(tmp_path, "a.txt", f"a text for {number}")
    monkeypatch.setattr(np, "memmap", refused)
    for _ in range(2):  # where they were just made, and where they were there
        with pytest.raises(CorpusError, match=f"cannot open the token files in .*: {says}"):
            open_corpus([path], WHOLE)


def test_token_files_that_are_gone_at_once_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_module, "move_into_cache", lambda unfinished, folder: None)
    with pytest.raises(CorpusError, match="changed or removed right after"):
        open_corpus([write(tmp_path, "a.txt", "a text that goes")], WHOLE)


def test_what_counts_lies_beside_the_tokens(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the shards; and where all counts, the files are those of before."""
    plain = open_corpus([many], WHOLE)
    assert plain.answers is None and plain.mask("train") is None
    assert plain.counted == len(plain.train)
    config = replace(WHOLE, loss_after="is ")
    monkeypatch.setattr(encoding, "MARKED_AT_ONCE", 1000)
    corpus = open_corpus([many], config)
    mask = corpus.mask("train")
    assert mask is not None and len(mask) == len(corpus.train)
    text = corpus.tokenizer.decode(corpus.train[:].tolist())
    lines = text.splitlines(keepends=True)
    assert corpus.counted == sum(len(line) - line.find("is ") - 2 for line in lines if "is" in line)
    held = corpus.train[:][mask[:] > 0]
    assert np.array_equal(np.bincount(held, minlength=len(corpus.counts)), corpus.target_counts)
    monkeypatch.setattr(corpus_module, "write_tokens", None)  # calling it would fail
    again = open_corpus([many], config).mask("train")
    assert again is not None and np.array_equal(again[:], mask[:])
    assert open_corpus([many], replace(WHOLE, loss="all")).answers is None


@pytest.mark.parametrize("damage", ["missing", "short", "other", "not counted"])
def test_damaged_masks_are_made_again(many: Path, damage: str) -> None:
    config = replace(WHOLE, loss_after="is ")
    first = open_corpus([many], config)
    assert first.answers is not None
    expected, counts = first.answers.masks["train"][:].copy(), first.target_counts
    del first  # no file that is mapped is cut short
    [folder] = cache_folder().glob("tokens-*")
    path = folder / "train-answers-00000.bin"
    if damage == "missing":
        path.unlink()
    elif damage == "short":
        os.truncate(path, 10)
    elif damage == "other":
        path.write_bytes(bytes(path.stat().st_size))
    else:
        facts = json.loads((folder / "corpus.json").read_bytes())
        facts["answers"]["counts"] = [count + 1 for count in facts["counts"]]
        (folder / "corpus.json").write_text(json.dumps(facts))
    found = open_corpus([many], config).answers
    assert found is not None
    assert np.array_equal(found.masks["train"][:], expected)
    assert np.array_equal(found.counts, counts)


def test_a_text_without_answers_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "some text => \nUser: no\n" * 9)
    with pytest.raises(CorpusError, match="no line of a holds '-> ', so nothing"):
        open_corpus([path], replace(WHOLE, loss_after="-> "))
    with pytest.raises(CorpusError, match="no paragraph of a holds"):
        open_corpus([path], replace(WHOLE, loss_after="-> ", documents="paragraph"))
    with pytest.raises(CorpusError, match=r"no line of a begins with 'Bot:'.*loss='all'"):
        open_corpus([path], replace(WHOLE, loss="turns"))


def test_what_holds_no_answer_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "one => 1\n\ntwo\nthree => 3\nfour")
    assert open_corpus([path], WHOLE).notes == ()
    assert open_corpus([path], replace(WHOLE, loss_after="=> ")).notes == (
        "2 of 4 lines do not hold '=> ', so nothing of them counts in the loss",
    )
    told = open_corpus([path], replace(WHOLE, loss_after="=> ", documents="paragraph")).notes
    assert told == ()
    path = write(tmp_path, "b.txt", "A: a\nB: b\n\nA: a\n")
    talk = replace(WHOLE, loss="turns", user="A:", bot="B:", documents="paragraph")
    assert open_corpus([path], talk).notes == (
        "1 of 2 documents have no turn that begins with 'B:', so nothing of them counts in the "
        "loss",
    )
