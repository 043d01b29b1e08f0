"""From a folder to what is seen inside: as from the parts; the command line, and its pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import chargen
from chargen.errors import ConfigError, CorpusError, TokenizerError
from chargen.insight.from_checkpoint import inspect, look_back
from chargen.insight.inspection import Probe, read_text
from tests.support.command import Chargen
from tests.support.pages import ParsedPage
from tests.support.samples import TEXT

MEMORY: dict[str, Any] = {"max_context": 64, "max_distance": 20}


def test_a_text_is_read_as_by_its_parts(checkpoint: Path) -> None:
    seen = inspect(checkpoint, "a mouse", cell=("0:3", "0:1"), gate="forget", top=2)
    generator = chargen.load(checkpoint)
    expected = read_text(
        generator, "a mouse", [Probe(0, 3, "forget"), Probe(0, 1, "forget")], top=2
    )
    assert seen.inspection.parts == expected.parts
    assert [view.title for view in seen.inspection.views[:3]] == [
        "surprise",
        "forget gate of cell 0:3",
        "forget gate of cell 0:1",
    ]
    assert seen.inspection.views[1].values.tolist() == expected.views[1].values.tolist()
    assert seen.followers and "the part that it trained on" in seen.searched
    found = sum(follower.follows for follower in seen.followers)
    assert len(seen.inspection.views) == 3 + found


def test_without_a_text_its_own_is_read(checkpoint: Path) -> None:
    seen = inspect(checkpoint)
    assert seen.inspection.text in TEXT
    assert 1000 < len(seen.inspection.text) <= 2000
    layers = [view.title for view in inspect(checkpoint, gate="input").inspection.views]
    assert layers[1] == "input gate of layer 0"


def test_where_its_own_text_is_gone(folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    (folder / "training.safetensors").unlink()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorpusError, match="the training text was not found"):
        inspect(folder)
    with pytest.raises(CorpusError, match="the training text was not found"):
        look_back(folder)
    seen = inspect(folder, "short")
    assert seen.followers == () and "the training text was not found" in seen.searched
    assert inspect(folder, TEXT[:3000]).followers


def test_looking_back_on_a_text_and_on_its_own(checkpoint: Path, corpus_file: Path) -> None:
    of_own = look_back(checkpoint, **MEMORY)
    given = look_back(checkpoint, [corpus_file], **MEMORY)
    assert "validation" in of_own.measured and "given" in given.measured
    assert of_own.horizon.contexts == given.horizon.contexts == (1, 2, 4, 8, 16, 32, 64)
    assert of_own.horizon.loss != given.horizon.loss
    assert of_own.horizon.loss[-1] < of_own.horizon.loss[0]
    with pytest.raises(ConfigError, match="there is no option 'cell'"):
        look_back(checkpoint, cell=("0:0",))  # type: ignore[call-arg]


def test_any_row_of_cells_will_do(checkpoint: Path) -> None:
    views = [
        [view.title for view in inspect(checkpoint, "a", cell=cell).inspection.views[:2]]
        for cell in ("0:3", ["0:3"], ("0:3",))
    ]
    assert views[0] == views[1] == views[2] == ["surprise", "cell 0:3"]
    with pytest.raises(TokenizerError, match="only text can be encoded"):
        inspect(checkpoint, 3)  # type: ignore[arg-type]


def test_lines_are_documents_where_they_were(corpus_file: Path, tmp_path: Path) -> None:
    """A model of lines never saw a newline: read as one, each would cost far more than all else."""
    options: dict[str, Any] = {"documents": "line", "steps": 60, "hidden_size": 16}
    chargen.train(corpus_file, out=tmp_path / "lines", **options)
    looked = look_back(tmp_path / "lines", [corpus_file], max_context=32, max_distance=8)
    assert max(looked.horizon.loss) < 6
    seen = inspect(tmp_path / "lines", TEXT[:400])
    assert seen.inspection.text == TEXT[:400]
    costs = [part.nats for part in seen.inspection.parts if part.text == "\n"]
    assert costs and max(costs) < 10


# -- the command line -------------------------------------------------------------------------


def test_inspect_prints_a_line_a_part(run_chargen: Chargen, checkpoint: Path) -> None:
    done = run_chargen(
        "inspect", checkpoint, "--text", "a cat", "--cell", "0:2", "--json", "--top", 2
    )
    assert done.returncode == 0, done.stderr
    *parts, last = map(json.loads, done.stdout.splitlines())
    assert [part["text"] for part in parts] == list("a cat")
    assert all(len(part["likeliest"]) == 2 and "cell 0:2" in part["values"] for part in parts)
    assert {gate["gate"] for gate in last["gates"]} == {"input", "forget", "output"}
    assert {"feature", "layer", "unit", "correlation", "chosen_by"} == set(last["cells"][0])


def test_inspect_reads_files_and_standard_input(
    run_chargen: Chargen, checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("a cat", encoding="utf-8")
    for arguments, stdin in ((("--text", "a.txt"), ""), (("--text", "-"), "a cat")):
        done = run_chargen("inspect", checkpoint, *arguments, "--json", stdin=stdin)
        assert "".join(json.loads(line)["text"] for line in done.stdout.splitlines()[:5]) == "a cat"
    done = run_chargen("inspect", checkpoint, "--text", "a.txt", "--max-chars", 3)
    assert done.stdout.startswith("a␣c") or done.stdout.startswith("a c\n")
    assert "cells that follow something" in done.stdout


def test_what_is_cut_off_is_reported(run_chargen: Chargen, checkpoint: Path) -> None:
    done = run_chargen("inspect", checkpoint, "--text", "a cat", "--max-chars", 3, "--json")
    assert "only the first 3 characters were read" in done.stderr
    assert len(done.stdout.splitlines()) == 4
    done = run_chargen("inspect", checkpoint, "--text", "a cat", "--max-chars", 5, "--json")
    assert "characters were read" not in done.stderr


def test_the_worst_is_shown_wherever_it_stands(run_chargen: Chargen, checkpoint: Path) -> None:
    done = run_chargen("inspect", checkpoint, "--text", "a cat " * 400 + "\u20ac")
    assert "\u20ac" in done.stdout.partition("most surprised")[2]


def test_where_there_are_no_colours_it_is_reported(run_chargen: Chargen, checkpoint: Path) -> None:
    done = run_chargen("inspect", checkpoint, "--text", "a cat", "--cell", "0:2")
    assert "there are no colors here: --json has the numbers" in done.stderr
    assert "cell 0:2" not in done.stdout


def test_memory_prints_a_line_a_checkpoint(run_chargen: Chargen, checkpoint: Path) -> None:
    flags = ("--memory", "--max-context", 16, "--max-distance", 8)
    done = run_chargen("inspect", checkpoint, checkpoint, *flags, "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 2 and lines[0] == lines[1]
    assert lines[0]["contexts"] == [1, 2, 4, 8, 16]
    assert lines[0]["distances"] == list(range(9))
    assert len(lines[0]["loss"]) == 5 and len(lines[0]["gradient_norm"]) == 9
    done = run_chargen("inspect", checkpoint, *flags)
    assert f"{lines[0]['loss'][-1]:.4g}" in done.stdout
    assert "loss, nats per token" in done.stdout


@pytest.mark.parametrize("name", ["seen.png", "seen.svg", "seen.html", "seen.pdf"])
def test_pictures_and_pages_are_written(
    run_chargen: Chargen, checkpoint: Path, tmp_path: Path, name: str
) -> None:
    done = run_chargen("inspect", checkpoint, "--text", "a $cat$ 東\t\x07\nb", "--out", name)
    assert done.returncode == 0, done.stderr
    begins = {".png": b"\x89PNG", ".svg": b"<?xml", ".html": b"<!doctype", ".pdf": b"%PDF"}
    content = (tmp_path / name).read_bytes()
    assert content.startswith(begins[Path(name).suffix])
    if name.endswith("svg"):
        assert b"surprise: white 0, red 8, bits" in content


def test_a_page_shows_the_text_by_what_was_asked_for(
    run_chargen: Chargen, checkpoint: Path, tmp_path: Path
) -> None:
    text = "</script><b>a</b> <!-- \u2028 & \\ 🍓\r\nb"
    flags = ("--text", text, "--out", "a.html")
    for asked, view in (
        ((), None),
        (("--cell", "0:3", "--cell", "0:1"), {"layer": 0, "unit": 3, "gate": None}),
        (("--gate", "forget"), {"layer": 0, "unit": None, "gate": "forget"}),
    ):
        done = run_chargen("inspect", checkpoint, *flags, *asked)
        assert done.returncode == 0, done.stderr
        assert done.stderr.endswith("written to a.html\n")
        content = (tmp_path / "a.html").read_text(encoding="utf-8")
        assert "<b>a" not in content
        export = json.loads(ParsedPage(content).files["export.json"])
        assert (export["text"], export["view"], export["memory"]) == (text, view, None)
        followers = [one for one in inspect(checkpoint, text).followers if one.follows]
        assert followers and [
            (cell["feature"], cell["layer"], cell["unit"]) for cell in export["cells"]
        ] == [(one.feature, one.layer, one.unit) for one in followers]


def test_curves_of_several_are_drawn_together(
    run_chargen: Chargen, checkpoint: Path, folder: Path, tmp_path: Path
) -> None:
    flags = ("--memory", "--max-context", 16, "--max-distance", 8, "--out", "m.svg")
    done = run_chargen("inspect", checkpoint, folder, *flags)
    assert done.returncode == 0, done.stderr
    drawn = (tmp_path / "m.svg").read_text(encoding="utf-8")
    for text in (checkpoint.name, folder.name, "context, tokens", "distance back, tokens"):
        assert f"<!-- {text} -->" in drawn


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        ("--text a --cell 7:0", 1, "no cell 7:0; it has layer 0 alone, with cells 0 to"),
        ("--text a --cell x", 2, "--cell must be two numbers as in 0:17"),
        ("--text a --gate update", 1, "no update gate; they have input, forget, output"),
        ("--text a --gate door", 2, "invalid choice: 'door'"),
        ("--text=", 1, "the text is empty"),
        ("--text a --out x.txt", 2, "--out must end in .html, .png, .svg, .pdf, not 'x.txt'"),
        ("--text a --out no/x.html", 1, "cannot write no/x.html"),
        ("--text a --out x.png --json", 2, "--json and --out cannot be combined"),
        ("--text a --max-context 3", 2, "--max-context needs --memory"),
        ("--memory --cell 0:0", 2, "--memory and --cell cannot be combined"),
        ("--memory --out x.html", 2, "--out must end in .png, .svg, .pdf, not"),
        ("--memory --out no/x.png", 1, "cannot write no/x.png: there is no folder no"),
        ("nowhere --memory --max-context 4", 1, "no such checkpoint: nowhere"),
        ("CHECKPOINT --memory --text -", 2, "--text - can be read only once"),
        ("--memory --text nowhere", 1, "no such text: nowhere"),
        ("--memory --text short.txt", 1, "a context of 4,096 and a distance of 512 take 4,352"),
        ("CHECKPOINT", 2, "several checkpoints are compared with --memory"),
    ],
)
def test_what_is_wrong_is_one_line(
    run_chargen: Chargen, checkpoint: Path, tmp_path: Path, flags: str, code: int, says: str
) -> None:
    (tmp_path / "short.txt").write_text("too short", encoding="utf-8")
    done = run_chargen("inspect", checkpoint, *flags.replace("CHECKPOINT", str(checkpoint)).split())
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
