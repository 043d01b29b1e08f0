"""The recording that README shows: its frames are what stood in the terminal, and a code host can
show it."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pyte
import pytest

from docs.recording import COLUMNS, STRIDE, Frame, Row, Span, dim_as_blink, row_of, squeezed, svg

HOUSE = Path(__file__).parents[1]
SVG = "{http://www.w3.org/2000/svg}"
MAX_BYTES = 300_000


def written(*texts: str) -> tuple[Row, ...]:
    return tuple((Span(0, text),) if text else () for text in texts)


FRAMES = [
    Frame(1.0, written("$ chargen", ""), (9, 0)),
    Frame(2.0, written("$ chargen", "write the beginning"), (0, 1)),
    Frame(1.0, written("a < b & c", "> GRANN"), None),
]


def seen(root: ElementTree.Element, share: float) -> list[str]:
    """What stands in each row's window at a moment, a share of the whole time."""
    style = root.findtext(f"{SVG}style") or ""
    rows = []
    for strip in root.iter(f"{SVG}g"):
        name = strip.get("id", "")
        if not name.startswith("r"):
            continue
        steps = re.search(rf"@keyframes {name}\{{(.*?\}})\}}", style)
        moves = re.findall(
            r"([\d.]+)%\{transform:translate\((-?[\d.]+)px\)", steps[1] if steps else ""
        )
        offset = 0.0
        for start, x in moves:
            if float(start) <= 100 * share:
                offset = -float(x)
        width = float(root.find(f"{SVG}svg").get("width", ""))  # type: ignore[union-attr]
        shown = (t for t in strip.iter(f"{SVG}text") if 0 <= float(t.get("x", "")) - offset < width)
        rows.append("".join(text.text or "" for text in shown))
    return rows


@pytest.mark.parametrize(
    ("share", "rows"),
    [
        (0.0, ["$ chargen", ""]),
        (0.2, ["$ chargen", ""]),
        (0.25, ["$ chargen", "write the beginning"]),
        (0.7, ["$ chargen", "write the beginning"]),
        (0.75, ["a < b & c", "> GRANN"]),
        (1.0, ["a < b & c", "> GRANN"]),
    ],
)
def test_each_frame_is_seen_in_its_time(share: float, rows: list[str]) -> None:
    assert seen(ElementTree.fromstring(svg(FRAMES)), share) == rows


def test_without_animation_the_last_frame_is_seen() -> None:
    root = ElementTree.fromstring(svg(FRAMES))
    last = {g.get("id"): g.get("transform") for g in root.iter(f"{SVG}g")}
    assert last["r0"] == f"translate({-STRIDE})"  # its second content
    assert last["r1"] == f"translate({-2 * STRIDE})"  # its third


def test_a_row_keeps_its_colors() -> None:
    screen = pyte.Screen(COLUMNS, 1)
    given = "\x1b[1;36mred\x1b[0m \x1b[2mdim\x1b[0m \x1b[38;5;2mgreen\x1b[0m   \x1b[7mback\x1b[0m"
    pyte.Stream(screen).feed(re.sub(r"\x1b\[([\d;]*)m", dim_as_blink, given))
    assert row_of([screen.buffer[0][x] for x in range(COLUMNS)]) == (
        Span(0, "red", "cyan", bold=True),
        Span(4, "dim", dim=True),
        Span(8, "green", "00cd00"),
        Span(16, "back", "screen", "text"),
    )


def test_squeezed_frames_take_the_time_that_they_are_given() -> None:
    frames = [Frame(0.1, written(str(n))) for n in range(100)]
    shown = squeezed(frames, 2.0, 0.1)
    assert sum(frame.seconds for frame in shown) == pytest.approx(2.0)
    assert all(frame.seconds >= 0.0999 for frame in shown[:-1])
    assert shown[-1].rows == frames[-1].rows


def test_the_committed_recording_can_be_shown() -> None:
    content = (HOUSE / "docs" / "chargen.svg").read_bytes()
    assert len(content) <= MAX_BYTES
    root = ElementTree.fromstring(content)
    assert root.findtext(f"{SVG}title")
    # A code host shows it in an <img>, where nothing is run or fetched.
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "title", "style", "rect", "circle", "g", "text",
    }  # fmt: skip
    assert b"url(" not in content and b"@import" not in content and b"href" not in content
    texts = "".join(text.text or "" for text in root.iter(f"{SVG}text"))
    for shown in ("chargen train", "chargen sample", "chargen repl", "strawberry", "/top"):
        assert shown in texts
