"""chargen in a notebook: one kernel, which takes some seconds to start, for all that is seen there.

What each output holds, tests of the rooms say; here it is that it comes out so.
"""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import nbclient
import nbformat
import pytest

CELLS = {
    "train": """
        import chargen
        small = dict(hidden_size=16, batch_size=4, bptt=16, dropout=0.0, weight_dropout=0.0)
        report = chargen.train(TEXT, out=OUT, steps=8, evaluations=4, **small)
        """,
    "quiet": "_ = chargen.train(TEXT, steps=2, quiet=True, **small)",
    "interrupted": """
        import os, signal, torch
        def twice(event):
            if event.kind == "eval":
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)
        before = torch.get_rng_state()
        chargen.train(TEXT, steps=9, evaluations=3, on_progress=twice, **small)
        """,
    "alive": """
        assert torch.equal(torch.get_rng_state(), before)
        chargen.train(resume=True, out="checkpoints/text-2").steps
        """,
    "model": "model = chargen.load(report.checkpoint)",
    "names": "sorted(name for name in complete('chargen.') if name.startswith('l'))",
    "worlds": "complete('chargen.lab.WORLDS[\"')",
    "shown": """
        done = model.generate("The <b>", max_tokens=5, seed=1)
        display(done, model.score("The <b>"), chargen.inspect(model, "The sky <b>"))
        """,
    "refused": "model.generate(temprature=1)",
    "options": """[complete('chargen.train(TEXT, minu'), complete('model.generate("a", temp')]""",
}
BEFORE = """
    from IPython.core.completer import provisionalcompleter
    def complete(code):
        shell = get_ipython()
        with provisionalcompleter():
            found = list(shell.Completer.completions(code, len(code)))
        return [completion.text for completion in found]
    """


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What each cell puts out."""
    folder = tmp_path_factory.mktemp("notebook")
    text = folder / "text.txt"
    text.write_text("The sky is blue. The grass is green.\n" * 100, encoding="utf-8")
    paths = f"TEXT, OUT = {str(text)!r}, {str(folder / 'run')!r}\n"
    cells = {"before": paths + _code(BEFORE)} | {name: _code(c) for name, c in CELLS.items()}
    v4: Any = nbformat.v4  # which has no types
    notebook = v4.new_notebook(cells=[v4.new_code_cell(code) for code in cells.values()])
    nbclient.NotebookClient(
        notebook, timeout=120, allow_errors=True, resources={"metadata": {"path": str(folder)}}
    ).execute()
    return {name: cell.outputs for name, cell in zip(cells, notebook.cells, strict=True)}


def _code(text: str) -> str:
    return dedent(text).strip()


def test_a_training_is_one_output_that_ends_with_its_result(
    outputs: dict[str, list[Any]],
) -> None:
    [shown] = outputs["train"]
    assert shown.output_type == "display_data"
    assert "chargen.load(" in shown.data["text/plain"]
    assert "<svg" in shown.data["text/html"]
    assert outputs["quiet"] == []


def test_two_interrupts_leave_the_kernel_alive_and_the_run_saved(
    outputs: dict[str, list[Any]],
) -> None:
    *_, error = outputs["interrupted"]
    assert error.ename == "KeyboardInterrupt"
    *_, resumed = outputs["alive"]
    assert resumed.data["text/plain"] == "9"


def test_values_show_themselves(outputs: dict[str, list[Any]]) -> None:
    for output in outputs["shown"]:
        page = output.data["text/html"]
        assert "rgba(" in page and "&lt;" in page and "<b>" not in page
        assert output.data["text/plain"].startswith("<")
    [error] = outputs["refused"]
    assert "did you mean temperature?" in error.evalue


def test_tab_completes_names_and_options(outputs: dict[str, list[Any]]) -> None:
    [names] = outputs["names"]
    assert {"lab", "load", "look_back"} <= set(eval(names.data["text/plain"]))
    [worlds] = outputs["worlds"]
    assert "two-ones" in worlds.data["text/plain"]
    [options] = outputs["options"]
    assert "minutes=" in options.data["text/plain"] and "temperature=" in options.data["text/plain"]
