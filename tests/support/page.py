"""The page as somebody sits before it: what is on it, and waiting for what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect

from chargen.page.assemble import page as page_of
from tests.support.browser import checkpoint_files, open_page

expect.set_options(timeout=30_000)  # milliseconds, on a machine that does other things, too


def exported(checkpoint: Path, out: Path, **files: bytes) -> str:
    """The address of a page that holds a model, written to `out`."""
    held = checkpoint_files(checkpoint) | {name.replace("__", "."): f for name, f in files.items()}
    out.write_text(page_of(held, title="A model"), encoding="utf-8")
    return out.as_uri()


class Desk:
    """A page that is open."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.field = page.locator("#text")
        self.status = page.locator("#status")
        self.write_button = page.locator("#write-button")
        self.choices = page.locator("#choices-list li:not(.none) button")
        self.branches = page.locator("#branches button")
        self.problem = page.locator("#problem")

    @property
    def text(self) -> str:
        return self.field.input_value()

    def type(self, text: str) -> None:
        """The text is this one, and has been read."""
        self.field.fill(text)
        self.wait_until_read()

    def wait_until_read(self) -> None:
        count = self.page.evaluate("app.text.length")
        if count:
            expect(self.status).to_have_text(re.compile(rf"^{count:,} characters?, .* bits each$"))

    def wait_until_written(self) -> None:
        expect(self.status).to_have_text(re.compile("a second"))
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        expect(self.write_button).not_to_have_text("stop")

    def write(self) -> str:
        """Have the model go on; the text that there is then."""
        self.page.evaluate("document.querySelector('#status').textContent = ''")
        self.write_button.click()
        self.wait_until_written()
        return self.text

    def look_at(self, offset: int) -> None:
        """Put the caret before a character, and wait for what is likely there."""
        self.field.focus()
        self.field.evaluate("(field, at) => field.setSelectionRange(at, at)", offset)
        before = self.page.locator("#choices-place .dim").first
        shown = self.text[max(0, offset - 9) : offset]
        shown = shown.replace("\n", "↵").replace(" ", "\u00a0")
        expect(before).to_have_text(re.compile("^…?" + re.escape(shown.rstrip()) + r"\s*$"))

    def set(self, **settings: object) -> None:
        for name, value in settings.items():
            field: Locator = self.page.locator(f"#set-{name}")
            if not field.is_visible():
                self.page.locator("summary", has_text="more").click()
            field.fill(str(value))

    def choose_mode(self, mode: str) -> None:
        self.page.locator(f"[name=mode][value={mode}]").check(force=True)


@contextmanager
def open_desk(browser: Browser, url: str, **options: Any) -> Iterator[Desk]:
    """The page at an address, once its model is open."""
    with open_page(browser, url, **options) as page:
        expect(page.locator("#model-title")).not_to_have_text("")
        desk = Desk(page)
        desk.wait_until_read()
        yield desk


def file_payloads(files: Mapping[str, bytes]) -> list[Any]:
    """Files as playwright gives them to a page."""
    return [
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
        for name, content in files.items()
    ]
