"""Take the pictures of the page for the manual into docs/images.

    python docs/screenshots.py [NAME ...] [--out FOLDER]

Debian's chromium opens the page of a bundled model, exported as anybody would, in a window of some
size and theme, and does what a reader would do. Texts are sampled by a fixed seed, so that a page
that has not changed gives the same pictures. A minute for all; a name takes that one alone.
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

from playwright.sync_api import Page, expect, sync_playwright

import chargen

FOLDER = Path(__file__).resolve().parent / "images"
PATIENCE = 120_000.0  # milliseconds
WIDE, LOW, NARROW = (1280, 800), (1280, 690), (360, 740)
STORY = {
    "mode": "story",
    "temperature": "0.5",
    "seed": "4",
    "max_tokens": "110",
    "text": "Once upon a time",
}
FACTS = STORY | {"max_tokens": "330", "text": "The color of a strawberry is red.\n"}
CHAT = {"mode": "chat", "temperature": "0.3", "seed": "1", "stop": ""}


@dataclass(frozen=True)
class Shot:
    """A picture: the window, the theme, what is done there first, and how it is opened."""

    window: tuple[int, int]
    theme: Literal["light", "dark"]
    act: Callable[[Page], None]
    link: dict[str, str]
    model: str = "everyday"


def write(page: Page) -> None:
    """A story, and what was likely at the beginning of one of its words."""
    page.locator("#write-button").click()
    wait(page)
    story = page.locator("#text").input_value()
    look_at(page, story.index(" ", len(story) // 2) + 1)


def look_inside(page: Page) -> None:
    """At the end of a sentence, inside the network."""
    write(page)
    story = page.locator("#text").input_value()
    at = story.index(".\n", len(story) // 3)
    look_at(page, at)
    page.evaluate("document.querySelector('#inside').scrollIntoView()")
    body = page.locator("#inside .inside")
    expect(body).to_have_attribute("data-place", str(at))
    expect(body).to_have_attribute("aria-busy", "false")


def chat(page: Page) -> None:
    page.locator("#text").fill("")  # the page proposes a beginning
    for line in ("hello, i am emma", "what color is a banana", "what is my name"):
        page.locator("#line-field").fill(line)
        page.locator("#line-field").press("Enter")
        wait(page)


def wait(page: Page) -> None:
    """Until it has written."""
    expect(page.locator("#status")).to_have_text(re.compile("seed"))
    page.wait_for_function("app.busy === null")


def look_at(page: Page, at: int) -> None:
    field = page.locator("#text")
    field.focus()
    field.evaluate("(field, at) => field.setSelectionRange(at, at)", at)
    page.wait_for_function(f"app.caret === {at}")
    expect(page.locator("#choices-list li")).to_have_count(10)


SHOTS = {
    "page-light": Shot(WIDE, "light", write, STORY),
    "page-inside-dark": Shot(LOW, "dark", look_inside, FACTS, "facts"),
    "page-phone-light": Shot(NARROW, "light", write, STORY),
    "page-phone-dark": Shot(NARROW, "dark", chat, CHAT),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Take the pictures of the page for the manual.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SHOTS)}")
    parser.add_argument("--out", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        parser.error("needs chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        addresses = {
            model: chargen.export_html(model, Path(folder) / f"{model}.html").as_uri()
            for model in ("everyday", "facts")
        }
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        expect.set_options(timeout=PATIENCE)
        for name in arguments.names or SHOTS:
            shot = SHOTS[name]
            width, height = shot.window
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=shot.theme,
                reduced_motion="reduce",
                bypass_csp=True,  # which forbids to wait for what a script says, too
            )
            context.set_default_timeout(PATIENCE)
            page = context.new_page()
            page.goto(f"{addresses[shot.model]}#{urlencode(shot.link)}")
            page.wait_for_function("app.about !== null && app.busy === null")
            shot.act(page)
            page.screenshot(path=arguments.out / f"{name}.png", caret="hide")
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
