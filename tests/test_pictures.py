"""The pictures of the manual: drawn by docs/pictures.py, from what chargen computes."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent
DRAWN = ROOT / "docs" / "pictures"
SHOWN = {
    name
    for page in (ROOT / "docs").rglob("*.md")
    for name in re.findall(r"!\[[^\]]*\]\([./]*pictures/(\w+)\.svg\)", page.read_text("utf-8"))
}


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "pictures.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_what_pages_show_is_what_is_drawn(pictures: ModuleType) -> None:
    assert {path.stem for path in DRAWN.glob("*.svg")} == set(pictures.PICTURES) == SHOWN


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_a_picture_is_small_and_reads_on_any_ground(name: str) -> None:
    drawing = (DRAWN / f"{name}.svg").read_bytes()
    assert len(drawing) < 60_000
    assert ElementTree.fromstring(drawing).tag.endswith("svg")
    assert b"#fbfaf7" in drawing  # a ground of its own
    assert b"dc:date" not in drawing


@pytest.mark.parametrize("name", ["plain", "beams"])
def test_a_picture_is_drawn_again_alike(name: str, pictures: ModuleType, tmp_path: Path) -> None:
    drawn = pictures.save(name, tmp_path).read_text(encoding="utf-8")
    texts = ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")
    committed = ElementTree.fromstring((DRAWN / f"{name}.svg").read_bytes())
    expected = committed.iter("{http://www.w3.org/2000/svg}text")
    assert ["".join(text.itertext()) for text in texts] == [
        "".join(text.itertext()) for text in expected
    ]
