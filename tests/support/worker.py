"""The engine as a page has it, behind its worker's messages; what it refuses is a value too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page

from chargen.page.assemble import FOLDER, engine_script
from tests.support.browser import as_base64, open_page

# `call` gives {events, value} or {events, error}.
CLIENT = """source => {
  const url = URL.createObjectURL(new Blob([source]));
  const worker = new Worker(url);
  const waiting = new Map();
  let last = 0;
  worker.onmessage = ({ data: { id, event, value, error } }) => {
    const { events, onEvent, resolve } = waiting.get(id);
    if (event !== undefined) {
      events.push(event);
      onEvent(event);
    } else {
      resolve(error === undefined ? { events, value } : { events, error });
    }
  };
  window.call = (type, fields = {}, onEvent = () => {}) => new Promise(resolve => {
    waiting.set(++last, { events: [], onEvent, resolve });
    worker.postMessage({ id: last, type, ...fields });
  });
  window.openFiles = async files => {
    const buffers = {};
    for (const [name, text] of Object.entries(files)) {
      buffers[name] = Uint8Array.from(atob(text), letter => letter.charCodeAt(0)).buffer;
    }
    return call("open", { files: buffers });
  };
}"""


class EngineWorker:
    """Calls to a worker, one after the other; `page` for those that must overlap."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        found: dict[str, Any] = self.page.evaluate("openFiles", as_base64(files))
        return found

    def call(self, type: str, **fields: Any) -> Any:
        """The value. What is refused fails the test."""
        found = self.answer(type, **fields)
        assert "error" not in found, found
        return found["value"]

    def answer(self, type: str, **fields: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.page.evaluate(
            "([type, fields]) => call(type, fields)", [type, fields]
        )
        return found


@contextmanager
def open_worker(browser: Browser) -> Iterator[EngineWorker]:
    script = engine_script() + (FOLDER / "engine/worker.js").read_text(encoding="utf-8")
    with open_page(browser) as page:
        page.evaluate(CLIENT, script)
        yield EngineWorker(page)
