"""A real browser: Debian's chromium by playwright, never one that playwright brings.

Its API runs an event loop in this thread as long as it is open, in which nothing else can run one:
so the fixture is of a module whose tests do not.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from chargen.page.assemble import engine_script

# The other side of `as_base64`.
FROM_BASE64 = "const fromBase64 = text => Uint8Array.from(atob(text), one => one.charCodeAt(0));"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 60_000.0  # milliseconds after which a page is taken to hang
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage"]  # a container has no room for either


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Chromium without a window. Skips the test where there is none, but fails in CI."""
    if CHROMIUM is None:
        if os.environ.get("CHARGEN_CI"):
            pytest.fail("chromium is missing: .ci/run installs it")
        pytest.skip("needs chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Browser, url: str | None = None, **options: Any) -> Iterator[Page]:
    """A page of its own, in which every error, every line on the console and every request that
    leaves this machine is a failure."""
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))

    def hear(message: ConsoleMessage) -> None:
        wrong.append(f"{message.type}: {message.text}")

    page.on("console", hear)
    try:
        if url is not None:
            page.goto(url)
        yield page
        assert wrong == []
    finally:
        context.close()


@contextmanager
def open_engine(browser: Browser) -> Iterator[Page]:
    """An empty page that knows all functions of the engine and `fromBase64`: `page.evaluate` calls
    them."""
    with open_page(browser) as page:
        page.add_script_tag(content=engine_script() + FROM_BASE64)
        yield page


def as_base64(files: Mapping[str, bytes]) -> dict[str, str]:
    """Files as an argument of `page.evaluate`."""
    return {name: base64.b64encode(data).decode() for name, data in files.items()}


def checkpoint_files(folder: Path) -> dict[str, bytes]:
    """What a page needs of a checkpoint."""
    names = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer.model", "README.md")
    return {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}
