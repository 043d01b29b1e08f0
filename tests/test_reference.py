"""The reference pages of the manual name what the program has."""

from __future__ import annotations

import ast
import dataclasses
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import chargen
from chargen.checkpoint.metadata import FORMAT, ConfigFile, CorpusFacts, Scores, TrainingFile
from chargen.cli.commands import ALIASES, COMMANDS
from chargen.cli.flags import parser_of
from chargen.insight.charts import Chart
from chargen.lab.finding import Finding
from chargen.runtime.files import Record
from chargen.session.storage import SavedSession
from chargen.training.events import Event
from chargen.training.planner import PlannedOption
from chargen.training.run import TrainReport

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


@pytest.mark.parametrize("record", [*get_args(Event), TrainReport, PlannedOption, Finding, Chart])
def test_every_field_that_json_prints_is_explained(record: type) -> None:
    page = (REFERENCE / "output.md").read_text(encoding="utf-8")
    names = [field.name for field in dataclasses.fields(record)]
    names += [getattr(record, "kind")] if record in get_args(Event) else []  # noqa: B009
    assert [name for name in names if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_prints_json_is_explained(name: str) -> None:
    page = (REFERENCE / "output.md").read_text(encoding="utf-8")
    prints = "--json" in parser_of(name, COMMANDS[name]).spelled.flags
    assert not prints or re.search(rf"^## .*\b{name}\b", page, re.M)


def test_every_public_name_is_explained() -> None:
    page = (REFERENCE / "python.md").read_text(encoding="utf-8")
    explained = re.findall(r"^\.\. auto\w+:: chargen\.([\w.]+)", page, re.M)
    shown = {name.partition(".")[0] for name in explained}
    assert shown >= set(chargen.__all__)
    errors = {name for name, one in vars(chargen.errors).items() if isinstance(one, type)}
    errors = {name for name in errors if name.endswith("Error")} - {"ChargenError"}
    assert {f"errors.{name}" for name in errors} <= set(explained)


@pytest.mark.parametrize("record", [ConfigFile, CorpusFacts, Scores, TrainingFile, SavedSession])
def test_every_field_of_a_file_is_explained(record: type[Record]) -> None:
    page = (REFERENCE / "files.md").read_text(encoding="utf-8")
    assert [name for name in record.__struct_fields__ if f"`{name}`" not in page] == []


def test_the_format_that_is_written_is_explained() -> None:
    page = (REFERENCE / "files.md").read_text(encoding="utf-8")
    assert f"writes format {FORMAT} and reads formats 1 to {FORMAT}." in page
    assert f"\n| {FORMAT} | " in page
