"""The pictures of the page: what the manual shows is what docs/screenshots.py takes."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent
TAKEN = ROOT / "docs" / "images"


def test_what_pages_show_is_what_is_taken() -> None:
    shown = {
        name
        for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        for name in re.findall(
            r"!\[[^\]]*\]\([\w./]*images/([\w-]+)\.png\)", page.read_text("utf-8")
        )
    }
    shots = runpy.run_path(str(ROOT / "docs" / "screenshots.py"))["SHOTS"]
    assert {path.stem for path in TAKEN.glob("*.png")} == set(shots) == shown


def test_a_picture_is_small() -> None:
    assert [path.name for path in TAKEN.iterdir() if path.stat().st_size > 150_000] == []
