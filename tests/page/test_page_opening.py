"""Where the page gets its model from, and what it says where there is none, or no good one."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from chargen.checkpoint.filing import set_sampling
from chargen.config import SamplingDefaults
from chargen.page.assemble import page as page_of
from tests.support.browser import as_base64, checkpoint_files, open_browser, open_page
from tests.support.page import Desk, exported, file_payloads, open_desk
from tests.support.serving import Served, serving

DROP = """(files) => {
    const dataTransfer = new DataTransfer();
    for (const [name, content] of Object.entries(files)) {
        const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
        dataTransfer.items.add(new File([bytes], name));
    }
    const event = new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true});
    document.querySelector("#text").dispatchEvent(event);
}"""
# What a screen reader has a name for, or nothing to say of.
CONTROLS = {"button", "textbox", "combobox", "radio", "checkbox", "slider", "spinbutton", "link"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def files(checkpoint: Path) -> dict[str, bytes]:
    return checkpoint_files(checkpoint)


@pytest.fixture(scope="module")
def url(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return exported(checkpoint, tmp_path_factory.mktemp("page") / "model.html")


@pytest.fixture(scope="module")
def empty_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a page without a model."""
    path = tmp_path_factory.mktemp("page") / "empty.html"
    path.write_text(page_of(), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def two_models(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models, of which the second is dreadfully named."""
    folder = tmp_path_factory.mktemp("served")
    for name in ("first", "a & b #2"):
        shutil.copytree(checkpoint, folder / "checkpoints" / name)
    return folder


@pytest.fixture(scope="module")
def server(two_models: Path) -> Iterator[Served]:
    names = ("checkpoints/first", "checkpoints/a & b #2")
    with serving(*names, cwd=two_models) as served:
        yield served


def test_without_a_model_it_asks_for_one_and_opens_what_it_is_given(
    browser: Browser, empty_url: str, files: dict[str, bytes]
) -> None:
    with open_page(browser, empty_url) as page:
        desk = Desk(page)
        expect(page.locator("#welcome")).to_be_visible()
        expect(desk.write_button).to_be_disabled()
        page.locator("#file-field").set_input_files(file_payloads(files))
        expect(page.locator("#model-title")).to_contain_text("LSTM")
        expect(page.locator("#welcome")).to_be_hidden()
        desk.wait_until_read()
        desk.set(max_tokens=3)
        desk.write()


def test_a_model_of_dialogues_opens_as_a_chat_unless_a_link_says_otherwise(
    browser: Browser, checkpoint: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "bot"))
    set_sampling(folder, SamplingDefaults(min_p=0.05, mode="chat"))
    with open_desk(browser, exported(folder, tmp_path / "bot.html")) as desk:
        line, min_p = desk.page.locator("#line-field"), desk.page.locator("#set-min_p")
        expect(line).to_be_focused()
        expect(desk.field).to_have_attribute("placeholder", re.compile("conversation"))
        expect(min_p).to_have_value("0.05")
        desk.write_button.click()
        expect(line).to_be_focused()
        assert desk.text == "", "nothing was said"
        desk.choose_mode("story")
        desk.set(min_p="")
        desk.page.locator("#share-button").click()
        expect(desk.status).to_have_text(re.compile("link"))
        link = desk.page.url
    with open_desk(browser, link) as desk:
        expect(desk.page.locator("[name=mode][value=story]")).to_be_checked()
        expect(desk.page.locator("#set-min_p")).to_have_value("")


def test_a_model_of_texts_opens_as_a_story_after_a_chat(
    browser: Browser, checkpoint: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "bot"))
    set_sampling(folder, SamplingDefaults(mode="chat"))
    with open_desk(browser, exported(folder, tmp_path / "bot.html")) as desk:
        expect(desk.page.locator("[name=mode][value=chat]")).to_be_checked()
        desk.page.locator("#file-field").set_input_files(file_payloads(files))
        expect(desk.page.locator("[name=mode][value=story]")).to_be_checked()
        expect(desk.field).not_to_have_value("")


def test_files_and_exported_pages_can_be_dropped_and_the_text_stays(
    browser: Browser, url: str, files: dict[str, bytes], subword_checkpoint: Path, tmp_path: Path
) -> None:
    other = checkpoint_files(subword_checkpoint)
    exported(subword_checkpoint, tmp_path / "other.html")
    content = (tmp_path / "other.html").read_bytes()
    as_page = {"other.html": content.replace(b"<style>", b"<style>/* of an older chargen */")}
    with open_desk(browser, url) as desk:
        desk.type("GRANNY'S KITCHEN")
        title = desk.page.locator("#model-title")
        for dropped, kind in ((other, "subwords"), (files, "characters"), (as_page, "subwords")):
            desk.page.evaluate(DROP, as_base64(dropped))
            expect(title).to_contain_text(kind)
            desk.wait_until_read()
            assert desk.text == "GRANNY'S KITCHEN"
        desk.page.locator("#undo-button").click()
        desk.wait_until_read()


def test_a_text_that_is_dropped_is_the_text_and_undo_brings_the_old_one_back(
    browser: Browser, url: str
) -> None:
    with open_desk(browser, url) as desk:
        desk.type("GRANNY")
        desk.page.evaluate(DROP, as_base64({"mine.txt": b"One.\r\nTwo.\rThree."}))
        expect(desk.field).to_have_value("One.\nTwo.\nThree.")
        desk.page.locator("#undo-button").click()
        expect(desk.field).to_have_value("GRANNY")


def _damaged(files: dict[str, bytes]) -> dict[str, bytes]:
    weights = bytearray(files["model.safetensors"])
    weights[-5] ^= 255
    return files | {"model.safetensors": bytes(weights)}


def _newer(files: dict[str, bytes]) -> dict[str, bytes]:
    config = json.loads(files["config.json"]) | {"format": 999}
    return files | {"config.json": json.dumps(config).encode()}


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (_damaged, "model.safetensors is damaged"),
        (_newer, "newer version"),
        (lambda files: {"config.json": files["config.json"]}, "there is no model in config.json"),
        (lambda files: {"holiday.jpg": b"\xff\xd8"}, "there is no model in holiday.jpg"),
        (lambda files: {"mine.zip": b"PK\3\4"}, "no model in mine.zip: unpack it first"),
        (lambda files: {"page.html": b"<p>Hello</p>"}, "page.html holds no model"),
        (
            lambda files: {"page.html": b'<script data-file="config.json">???</script>'},
            "damaged: export it again",
        ),
    ],
)
def test_what_is_no_good_is_said_and_nothing_is_lost(
    browser: Browser, url: str, files: dict[str, bytes], what: Any, says: str
) -> None:
    with open_desk(browser, url) as desk:
        desk.type("GRANNY")
        desk.page.evaluate(DROP, as_base64(what(files)))
        expect(desk.problem).to_contain_text(says)
        assert desk.text == "GRANNY"
        desk.set(max_tokens=4)
        assert desk.write().startswith("GRANNY")
        desk.problem.locator("button").click()
        expect(desk.problem).to_be_hidden()


def test_a_page_whose_own_model_is_damaged_says_so(
    browser: Browser, checkpoint: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "damaged.html"
    path.write_text(page_of(_damaged(files)), encoding="utf-8")
    with open_page(browser, path.as_uri()) as page:
        expect(page.locator("#problem")).to_contain_text("model.safetensors is damaged")
        expect(page.locator("#welcome")).to_be_visible()


def test_a_page_with_its_model_can_ask_for_nothing(
    browser: Browser, url: str, server: Served
) -> None:
    # A page of its own: the browser tells of each attempt as an error.
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    refused = page.evaluate(
        """async (url) => {
            const refused = [];
            document.addEventListener("securitypolicyviolation",
                (event) => refused.push(event.effectiveDirective));
            await fetch(url).catch(() => {});
            const image = new Image();
            image.src = url + "/image.png";
            await image.decode().catch(() => {});
            await new Promise((done) => setTimeout(done));
            return refused;
        }""",
        server.url,
    )
    assert sorted(refused) == ["connect-src", "img-src"]
    context.close()


def test_it_works_in_a_frame_of_somebody_s_site(browser: Browser, url: str, tmp_path: Path) -> None:
    path = tmp_path / "site.html"
    path.write_text(
        f'<iframe src="{url}" width="800" height="700" sandbox="allow-scripts"></iframe>',
        encoding="utf-8",
    )
    with open_page(browser, path.as_uri()) as page:
        frame = page.frame_locator("iframe")
        expect(frame.locator("#model-title")).to_contain_text("LSTM")
        frame.locator("#theme-button").click()
        frame.locator("#set-max_tokens").fill("5")
        frame.locator("#write-button").click()
        expect(frame.locator("#status")).to_contain_text("5 tokens")


# -- the server -------------------------------------------------------------------------------


def test_a_server_s_models_are_in_a_menu(browser: Browser, server: Served) -> None:
    with open_desk(browser, server.url) as desk:
        menu = desk.page.locator("#models")
        options = menu.locator("option:not([hidden])")
        assert options.all_text_contents() == ["first", "a & b #2"]
        expect(desk.page.locator("#model-name")).to_have_text("first")
        desk.type("GRANNY")
        menu.select_option("a & b #2")
        expect(desk.page.locator("#model-name")).to_have_text("a & b #2")
        desk.wait_until_read()
        assert desk.text == "GRANNY"
        desk.set(max_tokens=3)
        desk.write()
        desk.page.locator("#share-button").click()
        expect(desk.status).to_have_text(re.compile("link"))
        link, text = desk.page.url, desk.text
    with open_desk(browser, link) as desk:
        expect(desk.page.locator("#model-name")).to_have_text("a & b #2")
        assert desk.text == text


def test_the_menu_leads_back_from_a_model_that_somebody_brought(
    browser: Browser, server: Served, subword_checkpoint: Path
) -> None:
    with open_desk(browser, server.url) as desk:
        menu, title = desk.page.locator("#models"), desk.page.locator("#model-title")
        desk.page.evaluate(DROP, as_base64(checkpoint_files(subword_checkpoint)))
        expect(title).to_contain_text("subwords")
        expect(desk.page.locator("#model-name")).to_be_visible()
        menu.select_option("first")
        expect(title).to_contain_text("characters")
        expect(desk.page.locator("#model-name")).to_be_hidden()


def test_a_server_that_is_gone_is_said_and_nothing_is_lost(
    browser: Browser, two_models: Path
) -> None:
    with serving("checkpoints/first", "checkpoints/a & b #2", cwd=two_models) as served:
        page = browser.new_page()
        page.goto(served.url)
        desk = Desk(page)
        expect(page.locator("#model-title")).to_contain_text("LSTM")
        desk.type("GRANNY")
    page.locator("#models").select_option("a & b #2")
    expect(desk.problem).to_contain_text("the server does not answer")
    desk.set(max_tokens=3)
    assert desk.write().startswith("GRANNY")
    expect(page.locator("#models")).to_have_value("first")
    page.close()


def test_a_server_s_key_is_asked_for_until_it_is_right(browser: Browser, two_models: Path) -> None:
    with serving("checkpoints/first", "--api-key", "sesame", cwd=two_models) as served:
        context = browser.new_context()
        page = context.new_page()
        page.goto(served.url)
        dialog = page.locator("#key-dialog")
        for key, title in (("wrong", "the server's key"), ("sesame", "that key is wrong")):
            expect(dialog.locator("h2")).to_have_text(title)
            page.locator("#key-field").fill(key)
            page.keyboard.press("Enter")
        expect(page.locator("#model-title")).to_contain_text("LSTM")
        page.reload()
        expect(page.locator("#model-title")).to_contain_text("LSTM")
        expect(dialog).to_be_hidden()
        page.evaluate("sessionStorage.clear()")
        page.reload()
        expect(dialog).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#problem")).to_contain_text("key")
        context.close()


# -- for everybody ----------------------------------------------------------------------------


@pytest.mark.parametrize("width", [360, 640, 1024])
def test_nothing_is_wider_than_the_window(browser: Browser, url: str, width: int) -> None:
    with open_desk(browser, url, viewport={"width": width, "height": 740}) as desk:
        for mode in ("complete", "chat", "story"):
            desk.choose_mode(mode)
            widths = desk.page.evaluate(
                "[document.documentElement.scrollWidth, document.body.scrollWidth]"
            )
            assert max(widths) <= width
        desk.page.locator("summary", has_text="more").click()
        desk.set(max_tokens=3)
        desk.page.locator("#several-button").click()
        expect(desk.page.locator("#several .dim", has_text="bits")).to_have_count(4)
        assert desk.page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_control_has_a_name(browser: Browser, url: str) -> None:
    with open_desk(browser, url) as desk:
        desk.choose_mode("chat")
        for details in desk.page.locator("details:not([open]) > summary").all():
            details.click()
        client = desk.page.context.new_cdp_session(desk.page)
        nodes = client.send("Accessibility.getFullAXTree")["nodes"]
        nameless = [
            node
            for node in nodes
            if not node["ignored"]
            and node["role"]["value"] in CONTROLS | {"dialog", "img", "list box"}
            and not node.get("name", {}).get("value", "").strip()
        ]
        assert nameless == []


def test_a_theme_is_remembered_and_nothing_else(browser: Browser, server: Served) -> None:
    context = browser.new_context(color_scheme="light")
    page = context.new_page()
    page.goto(server.url)
    expect(page.locator("#model-title")).to_contain_text("LSTM")
    button = page.locator("#theme-button")
    expect(button).to_have_text("dark")
    button.click()
    expect(button).to_have_text("light")
    desk = Desk(page)
    desk.type("a secret")
    desk.set(max_tokens=2)
    desk.write()
    page.reload()
    expect(button).to_have_text("light")
    assert page.evaluate("Object.keys(localStorage)") == ["chargen-theme"]
    assert page.evaluate("Object.keys(sessionStorage)") == []
    assert context.cookies() == []
    context.close()


def test_what_is_written_is_read_aloud_once(browser: Browser, url: str) -> None:
    with open_desk(browser, url) as desk:
        desk.type("GRANNY")
        spoken = desk.page.locator("#spoken")
        before = desk.page.evaluate(
            """() => {
                globalThis.said = [];
                new MutationObserver(() => {
                    said.push(document.querySelector("#spoken").textContent);
                }).observe(document.querySelector("#spoken"), {childList: true});
            }"""
        )
        assert before is None
        desk.set(max_tokens=40)
        text = desk.write()
        expect(spoken).to_have_text(text.removeprefix("GRANNY"))
        assert len(desk.page.evaluate("said")) == 1


def test_the_card_of_a_model_is_shown_as_it_is(
    browser: Browser, checkpoint: Path, tmp_path: Path
) -> None:
    card = b"---\ntags:\n- x\n---\n# <b>Bold</b>\n\n| | |\n|---|---|\n| a | 1 |\n\nOr | so."
    url = exported(checkpoint, tmp_path / "model.html", README__md=card)
    with open_desk(browser, url) as desk:
        desk.page.locator("#model-title").click()
        shown = desk.page.locator("#card")
        expect(shown.locator("pre")).to_have_text("<b>Bold</b>\n\na: 1\n\nOr | so.")
        desk.page.keyboard.press("Escape")
        expect(shown).to_be_hidden()


def test_what_is_typed_while_a_model_is_opened_stays(
    browser: Browser, checkpoint: Path, tmp_path: Path
) -> None:
    type_at_once = """addEventListener("DOMContentLoaded", () => setTimeout(() => {
        globalThis.was = app.busy;
        app.edit("My words");
    }))"""
    with open_page(browser) as page:
        page.add_init_script(type_at_once)
        page.goto(exported(checkpoint, tmp_path / "page.html"))
        expect(page.locator("#model-title")).not_to_have_text("")
        assert page.evaluate("[was, app.text]") == ["open", "My words"]
