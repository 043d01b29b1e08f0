"""Record chargen in a real terminal as docs/chargen.svg, an animation that needs no scripts.

    python docs/recording.py            # three minutes

A program runs in a pseudo-terminal; each change of its screen becomes a frame; waits are cut short.
Each row of the screen is one long strip of all that ever stood there, which CSS moves under a
window. Where nothing moves (a printed page, a viewer who asked for less motion), the last frame is
seen.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import pexpect
import pyte

ROOT = Path(__file__).parent.parent
COLUMNS, ROWS = 80, 24
TITLE = "chargen in a terminal: a training, a sample, and the REPL"

KEY_SECONDS = 0.045  # between two keys
MAX_WAIT = 0.25  # of which no frame stands longer, but where the story rests
MIN_FRAME = 0.04  # changes that come faster are one frame
TRAINING_SECONDS, TRAINING_FRAME = 6.0, 0.12  # for all of the training, and for a frame of it
PATIENCE = 300.0  # seconds

# -- what stood on the screen ------------------------------------------------------------------


class Span(NamedTuple):
    """Characters of one style, from a column on; colors are names of CSS classes, or hexadecimal,
    `None` those of the terminal."""

    column: int
    text: str
    color: str | None = None
    background: str | None = None
    bold: bool = False
    dim: bool = False


Row = tuple[Span, ...]


class Frame(NamedTuple):
    """What is seen for some seconds: the rows, and where the cursor is (column, row)."""

    seconds: float
    rows: tuple[Row, ...]
    cursor: tuple[int, int] | None = None


def row_of(cells: Sequence[Any]) -> Row:
    """The spans of a row of pyte's characters; what is blank and has no color is left out."""
    styled = []
    for column, cell in enumerate(cells):
        color, background = (None if c == "default" else c for c in (cell.fg, cell.bg))
        if cell.reverse:
            color, background = background or "screen", color or "text"
        if cell.data == " " and background is None:  # a blank in whatever color is a blank
            color, bold, dim = None, False, False
        else:
            bold, dim = cell.bold, cell.blink  # see `dim_as_blink`
        styled.append((column, cell.data, (color, background, bold, dim)))
    spans = []
    for style, group in groupby(styled, key=lambda cell: cell[2]):
        cells_here = list(group)
        text = "".join(data for _, data, _ in cells_here)
        if style[1] is not None:
            spans.append(Span(cells_here[0][0], text, *style))
            continue
        for word in re.finditer(r"\S+(?: \S+)*", text):
            spans.append(Span(cells_here[word.start()][0], word[0], *style))
    return tuple(spans)


# -- a terminal --------------------------------------------------------------------------------


def dim_as_blink(match: re.Match[str]) -> str:
    """Of a sequence that sets styles, one that pyte keeps all of: it knows no dim text, and here
    nothing blinks."""
    given, kept = match[1].split(";"), list[str]()
    while given:
        first = given.pop(0)
        if first in ("38", "48"):  # a color of 256, or of more: not a style each
            count = 2 if given[:1] == ["5"] else 4
            kept += [first, *given[:count]]
            del given[:count]
        else:
            kept.append({"2": "5", "22": "22;25"}.get(first, first))
    return f"\x1b[{';'.join(kept)}m"


class Recorder:
    """A shell in a pseudo-terminal, and the frames of all that is seen there."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.Stream(self._screen)
        self._shell = pexpect.spawn(
            "bash", ["--norc", "--noprofile", "-i"], dimensions=(ROWS, COLUMNS), cwd=folder,
            encoding="utf-8", codec_errors="replace", env=environment,
        )  # fmt: skip
        self._shell.delaybeforesend = None
        self._changed = time.monotonic()
        self.frames: list[Frame] = []

    def type(self, text: str) -> None:
        """Press the keys of a text and Enter."""
        for key in text:
            self._shell.send(key)
            self._watch(KEY_SECONDS)
        self.rest(0.3)
        self._shell.send("\r")

    def wait_for(self, prompt: str, shown: float | None = None) -> None:
        """Watch until the cursor stands after this prompt, with nothing else in its line; all of it
        is `shown` in so many seconds, or only long waits are cut short."""
        begin, deadline = len(self.frames), time.monotonic() + PATIENCE
        while self._screen.display[self._screen.cursor.y].strip() != prompt:
            if time.monotonic() > deadline:
                sys.exit(f"no {prompt} came; the screen:\n" + "\n".join(self._screen.display))
            self._watch(0.05)
        self._watch(0.3)  # there may be more to come
        if shown is not None:
            self.frames[begin:] = squeezed(self.frames[begin:], shown, TRAINING_FRAME)

    def rest(self, seconds: float) -> None:
        """Let the viewer read what is there."""
        self._watch(0.05)
        self._keep(0.0)
        self.frames[-1] = self.frames[-1]._replace(seconds=seconds)
        self._changed = time.monotonic()

    def story(self) -> list[Frame]:
        """All that was seen, without long waits but for the rests."""
        self._shell.close(force=True)
        return self.frames

    def _watch(self, seconds: float) -> None:
        """Take in what the program writes for so long."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            with suppress(pexpect.TIMEOUT):
                data = self._shell.read_nonblocking(65536, timeout=left)
                passed = time.monotonic() - self._changed
                if passed > MIN_FRAME:
                    self._keep(min(passed, MAX_WAIT))
                    self._changed = time.monotonic()
                self._feed(data)

    def _feed(self, data: str) -> None:
        # pyte does not know the sequences that set a cursor's shape or a key protocol.
        known = re.sub(r"\x1b\[(?!\?25[lh])[>?=][0-9;]*[a-z]|\x1b\[[0-9]* q", "", data)
        self._stream.feed(re.sub(r"\x1b\[([\d;]*)m", dim_as_blink, known))
        if "\x1b[6n" in data:  # prompt_toolkit asks where the cursor is
            self._shell.send(f"\x1b[{self._screen.cursor.y + 1};{self._screen.cursor.x + 1}R")

    def _keep(self, seconds: float) -> None:
        """The screen as it is now was there for so long."""
        buffer, cursor = self._screen.buffer, self._screen.cursor
        rows = tuple(row_of([buffer[y][x] for x in range(COLUMNS)]) for y in range(ROWS))
        place = None if cursor.hidden else (min(cursor.x, COLUMNS - 1), cursor.y)
        if self.frames and self.frames[-1][1:] == (rows, place):
            seconds = max(seconds, self.frames.pop().seconds)
        self.frames.append(Frame(seconds, rows, place))


def squeezed(frames: Sequence[Frame], seconds: float, shortest: float) -> list[Frame]:
    """The same in so many seconds; frames that would be shorter than the `shortest` are left
    out."""
    speed = sum(frame.seconds for frame in frames) / seconds
    kept, waited = list[Frame](), 0.0
    for frame in frames:
        waited += frame.seconds / speed
        if waited >= shortest or frame is frames[-1]:
            kept.append(frame._replace(seconds=waited))
            waited = 0.0
    return kept


# -- frames as SVG -----------------------------------------------------------------------------

CELL_WIDTH, CELL_HEIGHT = 9, 19  # of a font of 15 pixels
STRIDE = (COLUMNS + 1) * CELL_WIDTH  # from one content of a row to the next, out of sight
MARGIN, BAR = 14, 32  # around the screen, and the window's bar above it
ASCENT = 14
FONTS = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"
# The terminal brings its own background, so that it is legible on a light page and on a dark one.
COLORS = {
    "screen": "#0d1117", "text": "#d1d7e0", "black": "#484f58", "red": "#ff7b72",
    "green": "#56d364", "brown": "#e3b341", "blue": "#6cb6ff", "magenta": "#d2a8ff",
    "cyan": "#56d4dd", "white": "#d1d7e0", "brightblack": "#8b949e", "brightred": "#ffa198",
    "brightgreen": "#7ee787", "brightbrown": "#f2cc60", "brightblue": "#a5d6ff",
    "brightmagenta": "#e2c5ff", "brightcyan": "#b3f0ff", "brightwhite": "#ffffff",
}  # fmt: skip


def svg(frames: Sequence[Frame], title: str = TITLE) -> str:
    """The frames as an animation in one SVG file, which begins again after the last one."""
    total = sum(frame.seconds for frame in frames)
    starts = [sum(frame.seconds for frame in frames[:n]) / total for n in range(len(frames))]
    num_rows = len(frames[0].rows)
    screen_width, screen_height = COLUMNS * CELL_WIDTH, num_rows * CELL_HEIGHT
    width, height = screen_width + 2 * MARGIN, screen_height + BAR + MARGIN
    styles, strips = list[str](), list[str]()
    for y in range(num_rows):
        pieces, moves, at = dict[Row, int](), list[tuple[float, str]](), -1
        for start, frame in zip(starts, frames, strict=True):
            place = pieces.setdefault(frame.rows[y], len(pieces))
            if place != at:
                moves.append((start, f"translate({number(-place * STRIDE)}px)"))
                at = place
        top = y * CELL_HEIGHT
        texts = "".join(
            element for row, place in pieces.items() for element in _row(row, place, top)
        )
        if texts:
            strips.append(_moved(f"r{y}", moves, texts, total, styles))
    cursors = list[tuple[float, str]]()
    for start, frame in zip(starts, frames, strict=True):
        x, y = frame.cursor or (-2, 0)
        move = f"translate({number(x * CELL_WIDTH)}px,{number(y * CELL_HEIGHT)}px)"
        if not cursors or cursors[-1][1] != move:
            cursors.append((start, move))
    block = f'<rect width="{CELL_WIDTH}" height="{number(CELL_HEIGHT)}" opacity=".6"/>'
    strips.append(_moved("c", cursors, block, total, styles))
    classes = "".join(f".{name}{{fill:{color}}}" for name, color in COLORS.items())
    dots = "".join(
        f'<circle cx="{number(MARGIN + 6 + 20 * n)}" cy="15" r="6" fill="{color}"/>'
        for n, color in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {number(width)} {number(height)}" '
        f'width="{number(width)}" height="{number(height)}" role="img">\n'
        f"<title>{escape(title)}</title>\n"
        f"<style>\n{classes}\n"
        f".t{{font:15px {FONTS};fill:{COLORS['text']};white-space:pre}}.b{{font-weight:bold}}"
        ".d{opacity:.65}\n"
        + "\n".join(styles)
        + "\n@media (prefers-reduced-motion:reduce){g{animation:none!important}}\n</style>\n"
        f'<rect width="100%" height="100%" rx="8" fill="{COLORS["screen"]}"/>{dots}\n'
        f'<svg class="t" x="{number(MARGIN)}" y="{number(BAR)}" width="{number(screen_width)}" '
        f'height="{number(screen_height)}" xml:space="preserve">\n' + "\n".join(strips) + "\n</svg>"
        "\n</svg>\n"
    )


def _moved(
    name: str, moves: Sequence[tuple[float, str]], content: str, total: float, styles: list[str]
) -> str:
    """A group that jumps to a place at each moment, a share of the whole time; its style joins the
    others. As an attribute it has the last place, for those that know no animation."""
    if len(moves) > 1:
        steps = "".join(f"{number(100 * start)}%{{transform:{move}}}" for start, move in moves)
        styles.append(f"@keyframes {name}{{{steps}}}")
        styles.append(f"#{name}{{animation:{name} {number(total)}s step-end infinite}}")
    last = moves[-1][1].replace("px", "")
    return f'<g id="{name}" transform="{last}">{content}</g>'


def _row(row: Row, place: int, top: float) -> Iterator[str]:
    """The elements of a row's content, at its place in the strip."""
    for span in row:
        x = number(place * STRIDE + span.column * CELL_WIDTH)
        width = number(len(span.text) * CELL_WIDTH)
        if span.background is not None:
            yield (
                f'<rect x="{x}" y="{number(top)}" width="{width}" height="{number(CELL_HEIGHT)}" '
                f"{_fill(span.background)}/>"
            )
        if not span.text.strip():
            continue
        classes = [name for name, on in (("b", span.bold), ("d", span.dim)) if on]
        fill = ""
        if span.color in COLORS:
            classes.append(span.color)
        elif span.color is not None:
            fill = f" {_fill(span.color)}"
        styled = f' class="{" ".join(classes)}"' if classes else ""
        # Fonts differ in width, and signs come from yet others, so the length is given; bars must
        # be stretched to leave no gaps.
        stretched = "" if span.text.isascii() else ' lengthAdjust="spacingAndGlyphs"'
        yield (
            f'<text x="{x}" y="{number(top + ASCENT)}" textLength="{width}"{stretched}'
            f"{styled}{fill}>{escape(span.text)}</text>"
        )


def _fill(color: str) -> str:
    return f'fill="{COLORS.get(color, "#" + color)}"'


def number(value: float) -> str:
    """In as few digits as a hundredth needs."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


# -- the story ---------------------------------------------------------------------------------


def record(folder: Path) -> list[Frame]:
    """Train, sample and talk, in this folder."""
    programs = folder / ".bin"
    programs.mkdir()
    program = programs / "chargen"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m chargen "$@"\n')
    program.chmod(0o755)
    shutil.copy(ROOT / "corpora" / "everyday.txt", folder / "corpus.txt")
    shutil.copytree(ROOT / "checkpoints" / "everyday", folder / "checkpoints" / "everyday")
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "PS1": "$ ",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(os.cpu_count())),
        "TERM": "xterm-256color", "LANG": "C.UTF-8", "HISTFILE": "/dev/null",
        **{name: str(folder / ".home") for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")},
    }  # fmt: skip
    terminal = Recorder(folder, environment)
    terminal.wait_for("$")
    terminal.frames.clear()
    terminal.rest(0.5)
    terminal.type("chargen train corpus.txt --minutes 2")
    terminal.wait_for("$", shown=TRAINING_SECONDS)
    terminal.rest(2)
    terminal.type('chargen sample corpus --prompt "Once upon a time" -t 0.7')
    terminal.wait_for("$")
    terminal.rest(2)
    terminal.type("clear")
    terminal.wait_for("$")
    terminal.type("chargen repl everyday")
    terminal.wait_for("You:")
    for line, seconds in (
        ("hello, i am emma", 1.2),
        ("what color is a banana", 1.2),
        ("what is my name", 2.0),
    ):
        terminal.type(line)
        terminal.wait_for("You:")
        terminal.rest(seconds)
    for line, seconds in (
        ("/complete", 0.6),
        ("/set temperature 0", 0.6),
        ("/set until line", 0.6),
        ("GRANN", 1.2),
        ("The color of a strawberry is", 1.5),
        ("/top The bear ", 4.0),
    ):
        terminal.type(line)
        terminal.wait_for(">")
        terminal.rest(seconds)
    terminal.type("/quit")
    terminal.wait_for("$")
    return terminal.story()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "chargen.svg")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        frames = record(Path(folder))
    args.out.write_text(svg(frames), encoding="utf-8")
    seconds = sum(frame.seconds for frame in frames)
    size = args.out.stat().st_size
    print(f"{args.out}: {len(frames)} frames, {seconds:.0f} s, {size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
