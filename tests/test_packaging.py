"""What stands beside the code and says who may use it, and how: it agrees with the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import chargen
from chargen.checkpoint.files import TRAINING
from chargen.checkpoint.locate import BUNDLED_MODELS

HOUSE = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]


def test_the_licence_is_the_one_that_is_declared() -> None:
    text = (HOUSE / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License") and PROJECT["license"] == "MIT"
    [author] = PROJECT["authors"]
    assert author["name"] in text
    assert PROJECT["license-files"] == ["LICENSE"]


def test_the_citation_is_of_this_version() -> None:
    lines = (HOUSE / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert "cff-version: 1.2.0" in lines
    assert f"version: {chargen.__version__}" in lines
    assert f"license: {PROJECT['license']}" in lines
    assert f'  - name: "{PROJECT["authors"][0]["name"]}"' in lines


def test_the_changelog_has_the_sections_that_its_readers_know() -> None:
    """As keepachangelog.com has them: versions, newest first, and kinds of changes below each."""
    text = (HOUSE / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", name) for name in versions[1:])
    kinds = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_source_distribution_takes_what_is_there() -> None:
    """hatchling passes over a name that it does not find."""
    sdist = PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert [name for name in sdist if not (HOUSE / name).exists()] == []
    documents = {path.name for path in HOUSE.glob("*.md")} | {"LICENSE", "CITATION.cff"}
    assert documents <= set(sdist)


@pytest.mark.parametrize(("target", "key"), [("sdist", "include"), ("wheel", "only-include")])
def test_the_bundled_models_are_in_it_without_a_training_state(target: str, key: str) -> None:
    """tests/wheel.sh builds them, from a clone that may have no training state."""
    settings = PYPROJECT["tool"]["hatch"]["build"]["targets"][target]
    assert {f"checkpoints/{folder.name}" for folder in BUNDLED_MODELS} <= set(settings[key])
    assert settings["exclude"] == [TRAINING]
