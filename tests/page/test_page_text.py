"""The text as it is drawn: the backdrop is the field's text, in the same places, whatever it is."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from chargen.page.assemble import page as page_of
from tests.support.browser import checkpoint_files, open_browser, open_page
from tests.support.page import exported, file_payloads, open_desk

PIECES = [
    "a",
    "word ",
    "\n",
    "\n\n",
    "\t",
    "漢字",
    "🍓",
    "e\u0301",
    "שלום ",
    "مرحبا ",
    "  ",
    "." * 700,
]
PASTE = """(field, text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    field.select();
    field.dispatchEvent(new ClipboardEvent("paste", {clipboardData, cancelable: true}));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def empty(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page without a model."""
    path = tmp_path_factory.mktemp("page") / "empty.html"
    path.write_text(page_of(), encoding="utf-8")
    with open_page(browser, path.as_uri()) as page:
        yield page


def test_the_backdrop_follows_each_edit(empty: Page) -> None:
    rng = random.Random(1)
    text = ""
    for _ in range(150):
        start = rng.randint(0, len(text))
        end = min(len(text), start + rng.choice([0, 0, 1, 20, 900]))
        text = (
            text[:start]
            + "".join(rng.choices([*PIECES, "." * 700], k=rng.randint(0, 6)))
            + text[end:]
        )
        drawn, written, heights = empty.evaluate(
            """(text) => {
                app.edit(text);
                const field = document.querySelector("#text");
                const backdrop = document.querySelector("#backdrop");
                field.style.height = "0";
                const heights = [field.scrollHeight, backdrop.scrollHeight];
                field.style.height = "";
                return [backdrop.textContent, field.value, heights];
            }""",
            text,
        )
        assert drawn == written == text
        assert not text or heights[0] == heights[1]  # an empty field is as high as its placeholder


def test_a_color_says_what_a_number_is(empty: Page) -> None:
    """Zero has none, and both sides are as strong; but a cell that hardly moves, far from zero, has
    all the colors for itself, and the legend tells its numbers apart."""
    shades, legends = empty.evaluate("""() => {
        const view = { kind: "cell", layer: 0, unit: 0, gate: null };
        const columns = [[-0.5, 0, 0.5], [-0.9997, -0.9996, -0.9995], [0.2, 0.2, 0.2]];
        const ranges = columns.map(values => rangeOf(view, values));
        return [
            columns.map((values, row) => values.map(value => shadeOf(value, ranges[row]))),
            ranges.map(range => scaleOf(view, range).map(([, says]) => says)),
        ];
    }""")
    assert shades[0] == [-0.5, 0, 0.5]
    assert shades[1] == [0, 0.5, 1]
    assert len({*shades[2]}) == 1 and 0 < shades[2][0] < 1
    assert legends[0] == legends[2] == ["−1", "−0.5", "0", "0.5", "1"]
    assert len({*legends[1]}) == 3


def test_the_model_s_stretches_are_those_that_no_hand_changed(empty: Page) -> None:
    """Each character is marked by who wrote it; an edit takes it from the model or leaves it."""
    rng = random.Random(2)
    for _ in range(300):
        before = "".join(rng.choices("ab", k=rng.randint(0, 12)))
        owners = [rng.random() < 0.5 for _ in before]
        start = rng.randint(0, len(before))
        end = rng.randint(start, len(before))
        # What is put in is neither, so that what was changed is not a matter of taste.
        middle = "X" * rng.randint(0, 3)
        after = before[:start] + middle + before[end:]
        written = [[at, at + 1] for at, is_model in enumerate(owners) if is_model]
        found = empty.evaluate("(given) => writtenAfter(...given)", [written, before, after])
        model = {at for begin, stop in found for at in range(begin, stop)}
        if middle:
            expected = [*owners[:start], *[False] * len(middle), *owners[end:]]
            assert model == {at for at, is_model in enumerate(expected) if is_model}
        else:
            assert model <= set(range(len(after)))


def test_a_tree_holds_each_text_once_on_its_way(empty: Page) -> None:
    """Below each place all texts begin as its own does, and no two of its children alike."""
    rng = random.Random(3)
    for _ in range(100):
        words = ["", "a", "ab", "🍓", "🍇", "b\n"]
        texts = list({"".join(rng.choices(words, k=rng.randint(1, 5))) for _ in range(6)})
        states = [{"text": text, "written": []} for text in texts]
        tree = empty.evaluate("(states) => treeOf(states)", states)
        found: list[str] = []

        def walk(node: dict[str, object], found: list[str] = found) -> None:
            text, children = str(node["text"]), node["children"]
            assert isinstance(children, list)
            if node["state"] is not None:
                found.append(text)
            assert len({child["text"][len(text)] for child in children}) == len(children)
            assert all(child["text"].startswith(text) for child in children)
            assert node["state"] is not None or len(children) > 1
            for child in children:
                walk(child)

        walk(tree)
        assert sorted(found) == sorted(texts)


def test_undo_is_the_inverse_of_redo(empty: Page) -> None:
    texts = empty.evaluate(
        """() => {
            const history = new UndoHistory({text: "0"});
            for (const text of ["1", "12", "3", "4"]) history.record({text}, text === "12");
            const seen = [];
            while (history.canUndo) seen.push(history.undo().text);
            while (history.canRedo) seen.push(history.redo().text);
            history.undo();
            history.record({text: "5"});
            seen.push(history.canRedo, history.undo().text);
            return seen;
        }"""
    )
    assert texts == ["3", "12", "0", "12", "3", "4", False, "3"]


def test_texts_in_a_field_come_back_as_they_were(empty: Page) -> None:
    rng = random.Random(4)
    for _ in range(200):
        texts = ["".join(rng.choices("a\n\t\\| n", k=rng.randint(1, 5))) for _ in range(3)]
        typed = empty.evaluate("(texts) => texts.map(typedText).join(' | ')", texts)
        assert empty.evaluate("(typed) => textsOf(typed)", typed) == texts


def test_a_long_text_is_colored_where_it_is_seen(
    browser: Browser, checkpoint: Path, tmp_path: Path
) -> None:
    url = exported(checkpoint, tmp_path / "model.html")
    lines = "GRANNY'S KITCHEN\nThe strawberry is red.\n" * 600
    for text in (lines, lines.replace("\n", " ")):
        with open_desk(browser, url) as desk:
            desk.field.evaluate(PASTE, text)
            expect(desk.field).to_have_value(text)
            desk.wait_until_read()
            spans = desk.page.locator("#backdrop span")
            expect(spans.first).to_be_attached()
            desk.page.locator("#paper").evaluate("(paper) => { paper.scrollTop = 9000; }")
            expect(desk.page.locator("#backdrop span").first).to_be_attached()
            assert spans.count() < 8_000
            desk.set(max_tokens=3)
            desk.page.keyboard.press("Control+Enter")
            desk.wait_until_written()
            assert len(desk.text) == len(text) + 3


def test_a_text_that_is_read_for_long_keeps_nobody(
    browser: Browser, checkpoint: Path, tmp_path: Path
) -> None:
    """To stop is at once, and so is another model; the text is read on afterwards."""
    url = exported(checkpoint, tmp_path / "model.html")
    text = "The strawberry is red.\n" * 4_400
    with open_desk(browser, url) as desk:
        desk.field.evaluate(PASTE, text)
        expect(desk.status).to_contain_text("reading")
        desk.page.keyboard.press("Control+Enter")
        expect(desk.write_button).to_have_text("stop")
        desk.page.keyboard.press("Escape")
        expect(desk.write_button).to_have_text("write")
        expect(desk.status).to_contain_text("reading")
        files = file_payloads(checkpoint_files(checkpoint))
        desk.page.evaluate("app.on('model', () => document.body.dataset.opened = 'yes')")
        desk.page.locator("#file-field").set_input_files(files)
        expect(desk.page.locator("[data-opened]")).to_be_attached()
        expect(desk.status).to_contain_text("reading")
        assert desk.text == text
