"""The house stands as design.md draws it: imports point up, each dependency has one door."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "chargen"
ROWS = [
    ["errors", "automata", "files", "charts", "braille", "little_texts", "reservoir", "torchrun"],
    ["config", "interrupt", "finding", "processes", "shards"],
    ["device", "ranks", "about", "parser"],
    ["tokenizer", "model", "sampling", "texts", "optimization", "graphs"],
    ["corpus", "planning", "engine", "gates", "practice", "writing", "constraints"],
    ["checkpoint", "evaluation", "healing", "origin"],
    ["places", "choices", "descent"],
    ["beams"],
    ["generation", "training", "learning", "horizon"],
    ["prompts", "filling", "chances", "copies", "tensorboard", "preparation"],
    ["forgetting", "gradient_worlds", "text_worlds"],
    ["runs", "session_file", "insight", "labels", "lab"],
    ["session", "inside", "plotting"],
    ["terminal", "report"],
    ["training_view", "insight_view", "commands"],
    ["repl"],
    ["cli"],
    ["__main__"],
]
DOORS = {
    "sentencepiece": {"tokenizer"},
    "safetensors": {"checkpoint"},
    "msgspec": {"files"},
    "outlines_core": {"automata"},
    "pydivsufsort": {"copies"},
    "rich": {"terminal", "training_view", "insight_view"},
    "prompt_toolkit": {"repl"},
    "argparse": {"parser"},
    "matplotlib": {"plotting"},
    "torch.utils.tensorboard": {"tensorboard"},
    "torch.distributed": {"ranks"},
    "multiprocessing": {"processes"},
    "pickle": set(),
}


def imports(module: str) -> set[str]:
    """Dotted names that a module imports, wherever in it."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def ours(names: set[str]) -> set[str]:
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    return {name.split(".")[1] for name in names if name.startswith("chargen.")} & modules


def test_every_module_has_a_row() -> None:
    placed = {module for row in ROWS for module in row}
    assert placed == {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}


@pytest.mark.parametrize("row", range(len(ROWS)))
def test_a_module_imports_only_from_rows_above_it(row: int) -> None:
    above = {module for earlier in ROWS[:row] for module in earlier}
    for module in ROWS[row]:
        assert ours(imports(module)) <= above, module


@pytest.mark.parametrize("library", DOORS)
def test_each_dependency_has_one_door(library: str) -> None:
    users = {
        path.stem
        for path in PACKAGE.glob("*.py")
        if any(f"{name}.".startswith(f"{library}.") for name in imports(path.stem))
    }
    assert users == DOORS[library]


@pytest.mark.parametrize(
    "code", ["import chargen", "import chargen.cli; chargen.cli.main(['train'])"]
)
def test_nothing_heavy_is_imported_before_it_is_used(code: str) -> None:
    heavy = "{'torch', 'numpy', 'prompt_toolkit', 'sentencepiece'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print({heavy})"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "code",
    [
        "from chargen.about import list_checkpoints; print(len(list_checkpoints()))",
        "import chargen.cli; chargen.cli.main(['list', '--json'])",
    ],
)
def test_listing_checkpoints_needs_no_torch(code: str, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "one").symlink_to(checkpoint)
    heavy = "{'torch', 'numpy', 'sentencepiece', 'safetensors'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print({heavy})"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    listed, imported = done.stdout.splitlines()
    assert listed == "1" or json.loads(listed)["checkpoint"] == "checkpoints/one"
    assert imported == "set()"


def test_public_names_are_there() -> None:
    import chargen

    for name in chargen.__all__:
        assert getattr(chargen, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = chargen.nonsense
