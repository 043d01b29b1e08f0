"""The reference pages of the manual name what the program has."""

from __future__ import annotations

import runpy
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
