"""A checkpoint as a page: all of the model is in it, none of it is markup, nothing is fetched."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chargen
from chargen.checkpoint.files import CARD, CONFIG, MODEL
from chargen.checkpoint.store import arrays_from_bytes
from chargen.errors import CheckpointError, ConfigError, OutputError
from chargen.export import measurements
from chargen.export.html import EXPORT, export_html, page_of
from chargen.export.measurements import Measurements, measure_model, written
from chargen.insight.reading import tokens_of
from chargen.nn.packing import packed, unpacked
from chargen.page.assemble import page
from chargen.server.page_files import open_file
from tests.support.pages import ParsedPage
from tests.support.tiny import tiny

NOTHING = Measurements([], None)
NASTY = "</script><script>evil(1)</script> <!-- \u2028 \x00 \"'& <b> 🍓"


@pytest.fixture(scope="module", autouse=True)
def little_is_measured() -> Any:
    """So little that it takes no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measurements, "TOKENS", 1500)
        patch.setattr(measurements, "MEASURED_TOKENS", 400)
        yield


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> chargen.TextGenerator:
    return chargen.load(checkpoint)


# -- what is in it ----------------------------------------------------------------------------


def test_the_files_of_the_checkpoint_are_in_it(checkpoint: Path, tmp_path: Path) -> None:
    found = ParsedPage(export_html(checkpoint, tmp_path / "a.html").read_text(encoding="utf-8"))
    export = json.loads(found.files.pop(EXPORT))
    assert found.title == export["name"] == checkpoint.name
    assert found.files == {
        name: (checkpoint / name).read_bytes() for name in (CONFIG, MODEL, "tokenizer.json", CARD)
    }
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in found.files.items()}
    assert (export["sha256"], export["format"], export["weights"]) == (hashes, 1, "float32")
    assert export["text"] is None and export["view"] is None
    assert found.fetched == []


@pytest.mark.parametrize("weights", ["float16", "int8"])
def test_fewer_bits_make_a_smaller_page(
    subword_checkpoint: Path, tmp_path: Path, weights: Any
) -> None:
    whole = export_html(subword_checkpoint, tmp_path / "whole.html")
    small = export_html(subword_checkpoint, tmp_path / "small.html", weights=weights)
    assert small.stat().st_size < whole.stat().st_size
    found = ParsedPage(small.read_text(encoding="utf-8"))
    export = json.loads(found.files[EXPORT])
    assert export["weights"] == weights
    assert export["sha256"][MODEL] == hashlib.sha256(found.files[MODEL]).hexdigest()
    assert found.files["tokenizer.model"] == (subword_checkpoint / "tokenizer.model").read_bytes()
    expected = unpacked(packed(chargen.load(subword_checkpoint).weights.arrays, weights))
    arrays = unpacked(arrays_from_bytes(found.files[MODEL]))
    assert {name: array.tobytes() for name, array in arrays.items()} == {
        name: array.tobytes() for name, array in expected.items()
    }


def test_the_same_checkpoint_gives_the_same_bytes(
    checkpoint: Path, folder: Path, tmp_path: Path
) -> None:
    one = export_html(checkpoint, tmp_path / "one.html", weights="int8").read_bytes()
    two = export_html(chargen.load(checkpoint), tmp_path / "two.html", weights="int8").read_bytes()
    assert one == two
    moved = Path(shutil.move(folder, tmp_path / checkpoint.name))
    (moved / "training.safetensors").unlink()  # and whether its text can be found
    assert export_html(moved, tmp_path / "three.html", weights="int8").read_bytes() == one


def test_a_card_is_made_where_there_is_none(folder: Path, tmp_path: Path) -> None:
    (folder / CARD).unlink()
    found = ParsedPage(export_html(folder, tmp_path / "a.html").read_text(encoding="utf-8"))
    assert b"# moved elsewhere\n" in found.files[CARD]
    (folder / CARD).write_bytes(b"# mine \xff")
    export_html(folder, tmp_path / "a.html", overwrite=True)
    found = ParsedPage((tmp_path / "a.html").read_text(encoding="utf-8"))
    assert found.files[CARD] == b"# mine \xff"


def test_a_card_that_is_a_link_to_another_file_stays_where_it_is(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("the key is under the mat")
    (folder / CARD).unlink(missing_ok=True)
    (folder / CARD).symlink_to(tmp_path / "secret")
    written = export_html(folder, tmp_path / "page.html")
    held = ParsedPage(written.read_text(encoding="utf-8")).files
    assert held[CARD].startswith(b"---") and b"the mat" not in held[CARD]
    with open_file(folder, CARD) as served:
        assert served is None


def test_a_text_and_a_view_are_in_it(model: chargen.TextGenerator) -> None:
    view = {"layer": 0, "unit": 3, "gate": "forget"}
    assert model.metadata is not None
    content = page_of(model, model.metadata, NOTHING, text=NASTY, view=view)
    export = json.loads(ParsedPage(content.decode()).files[EXPORT])
    assert (export["text"], export["view"]) == (NASTY, view)


# -- none of it is markup ---------------------------------------------------------------------

# A lone surrogate is no UTF-8; html.parser takes CR for LF as a browser does.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(st.text("abc.-_", min_size=1), st.binary()), TEXTS)
def test_what_goes_in_comes_out(files: dict[str, bytes], title: str) -> None:
    found = ParsedPage(page(files, title=title))
    assert found.files == files
    assert found.fetched == [] and len(found.scripts) == 2, "the engine's and the app's alone"
    assert found.title.split() == title.replace("\x00", "").split() or "\x00" in title


def test_a_name_and_a_vocabulary_are_no_markup(
    corpus_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = tmp_path / "text.txt"
    text.write_text(f"{NASTY}\n" * 300, encoding="utf-8")
    name = "<evil>\"'&\u2028\x07$ <!--files-->"
    options: dict[str, Any] = {"tokenizer": "subword", "vocab_size": 300, "steps": 2}
    chargen.train(text, out=tmp_path / name, hidden_size=8, **options)
    content = export_html(tmp_path / name, "a.html").read_text(encoding="utf-8")
    found = ParsedPage(content)
    assert "evil(" not in content and "<evil>" not in content
    assert len(found.scripts) == 2 and found.fetched == []
    assert (
        found.title
        == json.loads(found.files[EXPORT])["name"]
        == name.replace("\u2028", "\ufffd").replace("\x07", "\u2407")
    )
    assert found.files["tokenizer.model"] == (tmp_path / name / "tokenizer.model").read_bytes()


def test_the_policy_allows_nothing_from_outside(checkpoint: Path, tmp_path: Path) -> None:
    content = export_html(checkpoint, tmp_path / "a.html").read_text(encoding="utf-8")
    policy = dict(part.strip().split(" ", 1) for part in ParsedPage(content).policy.split(";"))
    assert policy["default-src"] == policy["connect-src"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'none'" and policy["worker-src"] == "blob:"
    assert all(
        policy[name].startswith("'sha256-") and " " not in policy[name]
        for name in ("script-src", "style-src")
    )
    assert "http:" not in policy and "https:" not in policy and "unsafe" not in str(policy)


# -- what is measured -------------------------------------------------------------------------


def test_a_model_is_measured_on_what_it_writes(model: chargen.TextGenerator) -> None:
    found = measure_model(model)
    memory = found.memory
    assert memory is not None and memory["measured_on"] == "400 tokens that the model wrote"
    assert memory["contexts"] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert memory["distances"] == list(range(129))
    assert len(memory["loss"]) == 9 and len(memory["gradient_norm"]) == 129
    numbers = memory["loss"] + memory["gradient_norm"] + memory["cell_gradient_norm"]
    assert all(number == float(f"{number:.4g}") for number in numbers)
    for cell in found.cells:
        assert abs(cell["correlation"]) >= 0.3
        assert cell.keys() == {"feature", "layer", "unit", "correlation"}
    assert found == measure_model(model)


@pytest.mark.parametrize("documents", ["file", "line", "paragraph"])
def test_documents_are_written_as_the_model_knows_them(documents: str) -> None:
    """What is read again, as a text of such documents, has the same tokens."""
    model = tiny(2, *"abcde", "\n", seen=[0, 1, 2, 3, 4, 6] + [5] * (documents == "file"))
    model.corpus_options = replace(model.corpus_options, documents=documents)
    text, tokens = written(model)
    assert len(tokens) >= 1000
    if documents != "file":
        read = tokens_of(model, text).tolist()
        assert tokens.tolist()[: len(read)] == read
    assert written(model)[0] == text


def test_a_model_that_writes_nothing_or_is_large_is_not_measured(
    model: chargen.TextGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = tiny(1, "a", "b", seen=[2])
    assert measure_model(silent) == NOTHING
    monkeypatch.setattr(measurements, "MAX_PARAMETERS", 10)
    assert measure_model(model) == NOTHING


# -- what is refused --------------------------------------------------------------------------


def test_nothing_is_overwritten_unasked(checkpoint: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.html"
    target.write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match=r"a\.html exists; replace it, with overwrite=True, or"):
        export_html(checkpoint, target)
    assert target.read_text(encoding="utf-8") == "mine"
    assert export_html(checkpoint, target, overwrite=True) == target
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert os.listdir(tmp_path) == ["a.html"]


def test_what_cannot_be_written_is_reported(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OutputError, match="is a folder; name a file, with out="):
        export_html(checkpoint, tmp_path)
    with pytest.raises(OutputError, match="there is no folder"):
        export_html(checkpoint, tmp_path / "no" / "a.html")
    with pytest.raises(ConfigError, match="weights must be one of float32, float16, int8"):
        export_html(checkpoint, tmp_path / "a.html", weights="int4")  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="no such checkpoint: nowhere"):
        export_html("nowhere", tmp_path / "a.html")
    with pytest.raises(CheckpointError, match="was not loaded from a checkpoint"):
        export_html(tiny(1, "a"), tmp_path / "a.html")

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("chargen.export.files.write_file", full)
    with pytest.raises(
        OutputError, match=r"cannot write .*: No space left on device; name another"
    ):
        export_html(checkpoint, tmp_path / "a.html")
    assert os.listdir(tmp_path) == []
