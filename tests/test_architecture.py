"""The house stands as README draws it: imports point up, each dependency has one door."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
MODULES = {
    ".".join(path.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (HOUSE / "chargen").rglob("*.py")
}
ROOM_OF = {module: module.split(".")[1] for module in sorted(MODULES) if module != "chargen"}
ROOMS = {
    "errors": "",
    "config": "errors",
    "progress": "",
    "runtime": "errors config",
    "tokenizers": "errors",
    "nn": "config runtime tokenizers",
    "data": "errors config progress runtime tokenizers",
    "checkpoint": "errors config runtime tokenizers nn",
    "generation": "errors config progress runtime tokenizers nn checkpoint",
    "evaluation": "errors config progress runtime tokenizers nn data checkpoint generation",
    "training": "errors config progress runtime tokenizers nn data checkpoint generation "
    "evaluation",
    "insight": "errors config progress runtime tokenizers nn data checkpoint generation evaluation",
    "lab": "errors config progress nn training insight",
    "session": "errors config progress runtime nn checkpoint generation evaluation",
    "display": "errors config runtime checkpoint generation evaluation training insight lab",
    "repl": "errors config runtime checkpoint generation session display",
    "cli": "errors config runtime data checkpoint generation evaluation training insight lab "
    "display repl",
    "__main__": "cli",
}
DOORS = {
    "sentencepiece": {"tokenizers.tokenizer"},
    "safetensors": {"checkpoint.store"},
    "msgspec": {"runtime.files"},
    "outlines_core": {"generation.automata"},
    "pydivsufsort": {"evaluation.copies"},
    "rich": {"display.terminal", "display.training", "display.insight"},
    "prompt_toolkit": {"repl.app"},
    "argparse": {"cli.parser"},
    "matplotlib": {"display.plots"},
    "torch.utils.tensorboard": {"training.tensorboard"},
    "torch.distributed": {"runtime.distributed"},
    "multiprocessing": {"runtime.workers"},
    "pickle": set(),
}


def imports(module: str) -> set[str]:
    """Dotted names that a module imports, wherever in it."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(module: str) -> set[str]:
    """The modules in rooms that a module imports, or imports a name from."""
    homes = (name if name in MODULES else name.rpartition(".")[0] for name in imports(module))
    return ROOM_OF.keys() & set(homes)


@pytest.mark.parametrize("room", sorted({*ROOMS, *ROOM_OF.values()}))
def test_a_room_imports_only_from_those_that_it_names_above_it(room: str) -> None:
    inside = [module for module in ROOM_OF if ROOM_OF[module] == room]
    named = set(ROOMS[room].split())
    assert {ROOM_OF[other] for module in inside for other in ours(module)} - {room} == named
    assert named <= set(list(ROOMS)[: list(ROOMS).index(room)])


def test_no_modules_import_each_other() -> None:
    TopologicalSorter({module: ours(module) for module in ROOM_OF}).prepare()


@pytest.mark.parametrize("library", DOORS)
def test_each_dependency_has_one_door(library: str) -> None:
    users = {
        module.removeprefix("chargen.")
        for module in MODULES
        if any(f"{name}.".startswith(f"{library}.") for name in imports(module))
    }
    assert users == DOORS[library]


@pytest.mark.parametrize("command", ["", "--help", "train", "list"])
def test_nothing_heavy_is_imported_before_it_is_used(command: str) -> None:
    run = f"from chargen.cli.main import main; main([{command!r}])" if command else ""
    heavy = "{'torch', 'numpy', 'prompt_toolkit', 'sentencepiece'} & set(sys.modules)"
    code = f"import atexit, sys, chargen; atexit.register(lambda: print({heavy})); {run}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize(
    "code",
    [
        "from chargen.checkpoint.metadata import list_checkpoints; print(len(list_checkpoints()))",
        "import chargen.cli.main; chargen.cli.main.main(['list', '--json'])",
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
        assert getattr(chargen, name).__name__.removeprefix("chargen.") == name
    with pytest.raises(AttributeError):
        _ = chargen.nonsense
