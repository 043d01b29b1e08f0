"""The reference pages of the manual name what the program has."""

from __future__ import annotations

import ast
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

from chargen.cli.commands import ALIASES, COMMANDS
from chargen.cli.flags import parser_of

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"


def test_the_page_of_commands_is_up_to_date() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "reference.py"))["commands_page"]()
    written = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    assert written == page, "write it with: python docs/reference.py"


def test_the_page_of_commands_holds_every_command_and_flag() -> None:
    page = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    sections = {part.split("\n")[0]: part for part in page.split("\n## ")}
    for name, command in COMMANDS.items():
        for flag in set(parser_of(name, command).spelled.flags) - {"-h", "--help"}:
            assert f"`{flag}" in sections[f"chargen {name}"]
    assert all(f"| `{name}` |" in sections["Aliases"] for name in ALIASES)


def test_every_environment_variable_is_explained() -> None:
    page = (REFERENCE / "environment.md").read_text(encoding="utf-8")
    found = {name for path in (ROOT / "chargen").rglob("*.py") for name in variables(path)}
    assert {"XDG_CACHE_HOME", "CHARGEN_CUDA_GRAPHS", "EDITOR", "RANK"} <= found
    assert sorted(name for name in found if f"`{name}`" not in page) == []


def variables(path: Path) -> Iterator[str]:
    """The environment variables that a module names: what is looked up in `os.environ`, and all
    that is spelled like the name of one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        asked: list[ast.expr] = []
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            asked = [node.slice]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("os.environ."):
            asked = node.args[:1]
        yield from (str(one.value) for one in asked if isinstance(one, ast.Constant))
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and re.fullmatch("[A-Z]+(_[A-Z]+)+", text):
            yield text
