"""Each script in examples/ does what it says, from start to end, in somebody's empty folder."""

from __future__ import annotations

import io
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

import chargen
from chargen.export.onnx import export_onnx

HOUSE = Path(__file__).parents[1]
EXAMPLES = HOUSE / "examples"
Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a script as `python examples/NAME ARGUMENTS...`; what it prints."""
    monkeypatch.chdir(tmp_path)

    def script(name: str, *arguments: object, stdin: str = "") -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return script


def test_each_example_stands_in_the_table_and_is_short() -> None:
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in EXAMPLES.iterdir():
        if path.suffix in (".py", ".ipynb"):
            assert f"[{path.name}]({path.name})" in table
        if path.suffix == ".py":
            source = path.read_text(encoding="utf-8")
            assert f"python examples/{path.name}" in source.split('"""')[1]
            assert len(source.splitlines()) <= 52


def test_sample(run: Run) -> None:
    printed = run("sample.py")
    assert "GRANNY" in printed and "The color of a strawberry is " in printed
    assert printed.splitlines()[-3].split()[-1] == "red"


def test_names_are_new(run: Run) -> None:
    names = HOUSE / "tests" / "support" / "names.txt"
    printed = run("names.py", names, "--count", 5, "--steps", 30).splitlines()
    assert len(set(printed)) == 5
    assert not set(printed) & set(names.read_text(encoding="utf-8").splitlines())


def test_a_chat_bot_answers_each_line_and_is_trained_once(run: Run, tmp_path: Path) -> None:
    talk = "Q: What color is a banana?\nA: It is yellow.\n\n"
    (tmp_path / "talks.txt").write_text(talk * 50, encoding="utf-8")
    asked = ("chat_bot.py", "talks.txt", "--user", "Q:", "--bot", "A:", "--steps", 5)
    printed = run(*asked, stdin="Hello!\nWho are you?\n")
    assert printed.startswith("Q: A:") and printed.count("\nQ: ") == 2
    first = (tmp_path / "checkpoints" / "talks-bot" / "config.json").read_bytes()
    run(*asked, stdin="Hello!\n")
    assert (tmp_path / "checkpoints" / "talks-bot" / "config.json").read_bytes() == first


def test_fine_tuning_helps_on_the_new_text(run: Run, tmp_path: Path) -> None:
    (tmp_path / "poem.txt").write_text("Rosen sind rot, Veilchen sind blau.\n\n" * 200, "utf-8")
    printed = run("fine_tune.py", "poem.txt", "--prompt", "Rosen", "--steps", 20)
    before, after = (
        float(line.split()[1]) for line in printed.splitlines() if "bits per byte" in line
    )
    assert after < before
    assert "before: " in printed and printed.count("\n\n") >= 2


def test_classify(run: Run, tmp_path: Path) -> None:
    printed = run("classify.py", "A fine film.", "--steps", 3)
    assert printed.split()[0] in ("positive", "negative") and printed.endswith("A fine film.\n")
    assert chargen.load("reviews").corpus_options.loss_after == "=> "


def test_a_cell_is_watched_where_there_is_one(run: Run, checkpoint: Path) -> None:
    title, _, *lines = run("watch_cell.py", checkpoint).splitlines()
    assert " follows the position in line: correlation " in title
    for line, bars in zip(lines[::2], lines[1::2], strict=True):
        assert len(line) == len(bars)
    with pytest.raises(SystemExit, match="no cell follows 'inside quotes'"):
        run("watch_cell.py", checkpoint, "inside quotes")


def test_what_a_model_knows_comes_first_and_surprises_are_marked(run: Run) -> None:
    known_text, strange_text = (f"The color of a strawberry is {word}." for word in ("red", "moo"))
    printed = run("score.py", strange_text, known_text).splitlines()
    assert printed[0].endswith(known_text)
    known, strange = (float(line.split()[0]) for line in printed if "bits per byte" in line)
    assert known < strange
    [at] = [index for index, line in enumerate(printed) if line.endswith(strange_text)]
    marks = printed[at + 1]
    assert set(marks.strip()) <= {"^", " "}
    assert "^" in marks[printed[at].index("moo") :]


@pytest.mark.parametrize("name", ["checkpoint", "subword_checkpoint", "word_checkpoint"])
def test_an_exported_model_is_sampled_without_chargen(
    run: Run, name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    graph = export_onnx(request.getfixturevalue(name), tmp_path / "model.onnx")
    printed = run("onnx_sample.py", graph, "The strawberry is")
    assert printed.startswith(" red.\n") and "\ufffd" not in printed
    assert run("onnx_sample.py", graph, "The strawberry is") == printed


def test_the_notebook_runs_from_top_to_bottom_and_is_kept_without_outputs(tmp_path: Path) -> None:
    read: Any = nbformat.read  # which has no types
    notebook = read(EXAMPLES / "first_network.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)
    nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    shown = [output for cell in cells for output in cell.outputs]
    pictures = [output for output in shown if "image/png" in output.get("data", {})]
    assert len(pictures) == 2
    assert any("GRANNY" in output.get("text", "") for output in shown)
