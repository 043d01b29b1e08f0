"""What the import contracts in pyproject.toml cannot say: what is imported when, and which rooms
the manual lists. `make test` checks the contracts themselves (import-linter)."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "chargen").rglob("*.py"))
LAYERS = next(
    contract["layers"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
    if contract["type"] == "layers"
)


def imports(path: Path) -> set[str]:
    """Dotted names that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


# import-linter sees torch as one module.
@pytest.mark.parametrize(
    ("library", "door"),
    [
        ("torch.distributed", "runtime/distributed.py"),
        ("torch.utils.tensorboard", "training/tensorboard.py"),
    ],
)
def test_parts_of_torch_have_one_door(library: str, door: str) -> None:
    users = {
        path.relative_to(ROOT / "chargen").as_posix()
        for path in MODULES
        if any(f"{name}.".startswith(f"{library}.") for name in imports(path))
    }
    assert users == {door}


def test_the_manual_lists_the_rooms_as_they_are() -> None:
    page = (ROOT / "docs" / "project" / "architecture.md").read_text(encoding="utf-8")
    rooms_of_page = page.split("## The rooms")[1].split("## ")[0]
    drawn = re.findall(r"^(\w+) +(\S.*)$", rooms_of_page.split("```")[1], re.M)
    rooms = {
        path.parent.name: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        for path in MODULES
        if path.name == "__init__.py" and path.parent.parent.name == "chargen"
    }
    said = {name: words for name, words in drawn if name in rooms}
    assert said == {name: (words or "").splitlines()[0] for name, words in rooms.items()}
    # From the ground up, as the contract has them from the top down.
    order = [name for layer in reversed(LAYERS) for name in layer.split(" | ")]
    assert sorted((name for name, _ in drawn), key=order.index) == [name for name, _ in drawn]


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
        "from chargen.checkpoint.locate import list_checkpoints; print(len(list_checkpoints()))",
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


def test_opening_a_checkpoint_needs_no_torch(checkpoint: Path) -> None:
    code = "import sys; from chargen.cli.main import main; main(['info', sys.argv[1], '--json']); "
    code += "from chargen.checkpoint.folder import load_snapshot; load_snapshot(sys.argv[1]); "
    code += "print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, checkpoint], capture_output=True, text=True, check=True
    )
    described, imported = done.stdout.splitlines()
    assert json.loads(described)["parameters"] > 0
    assert imported == "False"


def test_public_names_are_there() -> None:
    import chargen

    for name in chargen.__all__:
        assert getattr(chargen, name).__name__.removeprefix("chargen.") == name
    assert dir(chargen) == sorted([*chargen.__all__, "__version__"])
    with pytest.raises(AttributeError):
        _ = chargen.nonsense
