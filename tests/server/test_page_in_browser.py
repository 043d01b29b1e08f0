"""The page as it is served, in a real browser: models come from the server, which has a key."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from chargen.checkpoint.locate import BUNDLED
from tests.support.browser import PATIENCE, open_browser
from tests.support.serving import Served, serving

KEY = "open-sesame"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with open_browser() as found:
        yield found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("serving")
    shutil.copytree(BUNDLED, folder / "<b>other")
    with serving("everyday", "<b>other", "--api-key", KEY, cwd=folder) as found:
        yield found


def test_the_page_asks_for_the_key_and_opens_the_models(browser: Browser, served: Served) -> None:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    answers: list[tuple[str, int]] = []
    page.on("response", lambda answer: answers.append((answer.url, answer.status)))
    page.goto(served.url)
    dialog = page.locator("#key-dialog")
    for key, said in (("wrong", "the server's key"), (KEY, "that key is wrong")):
        expect(dialog.locator("h2")).to_have_text(said)
        dialog.locator("input").fill(key)
        dialog.locator("button").click()
    expect(page).to_have_title("everyday")
    expect(page.locator("#models option:not([hidden])")).to_have_text(["everyday", "<b>other"])
    page.locator("#models").select_option("<b>other")
    expect(page.locator("#model-name")).to_have_text("<b>other")
    assert {url.partition("?")[2] for url, _ in answers if "/page/file/" in url} == {
        "model=everyday",
        "model=%3Cb%3Eother",
    }
    page.reload()
    expect(page).to_have_title("everyday")
    expect(dialog).not_to_be_visible()
    assert answers[0] == (f"{served.url}/", 200) and KEY not in str(answers)
    page.close()


def test_another_site_cannot_frame_it(browser: Browser, served: Served) -> None:
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.set_content(f'<iframe src="{served.url}"></iframe>', wait_until="load")
    assert any("frame-ancestors 'self'" in line for line in said)
    page.close()
