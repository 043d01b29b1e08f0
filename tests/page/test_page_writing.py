"""What somebody does with a text on the page: has it go on, takes it elsewhere, goes back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

import chargen
from chargen.generation.generator import TextGenerator
from chargen.session.session import Session
from tests.support.browser import open_browser
from tests.support.page import exported, open_desk

PROMPT = "GRANNY'S KITCHEN\nThe "


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def url(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return exported(checkpoint, tmp_path_factory.mktemp("page") / "model.html")


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> TextGenerator:
    return chargen.load(checkpoint)


def test_it_begins_with_words_of_the_model_and_writes_what_python_writes(
    browser: Browser, url: str, model: TextGenerator
) -> None:
    with open_desk(browser, url) as desk:
        first = model.generate("", temperature=0, max_chars=32).text
        assert desk.text and first.lstrip().startswith(desk.text)
        desk.type(PROMPT)
        desk.set(temperature=0, max_tokens=60)
        assert desk.write() == PROMPT + model.generate(PROMPT, max_tokens=60, temperature=0).text


def test_a_seed_writes_what_python_writes_with_it(
    browser: Browser, url: str, model: TextGenerator
) -> None:
    with open_desk(browser, url) as desk:
        desk.type(PROMPT)
        desk.set(seed=7, max_tokens=30)
        desk.set(top_k=4, repetition_penalty=1.3)
        done = model.generate(PROMPT, seed=7, max_tokens=30, top_k=4, repetition_penalty=1.3)
        assert desk.write() == PROMPT + done.text
        expect(desk.status).to_contain_text("seed 7")


def test_what_is_written_can_be_stopped_by_button_and_key(browser: Browser, url: str) -> None:
    with open_desk(browser, url) as desk:
        desk.type(PROMPT)
        desk.set(max_tokens=1_000_000)
        for by_key in (False, True):
            desk.field.focus()
            before = desk.text
            desk.page.keyboard.press("Control+Enter")
            expect(desk.write_button).to_have_text("stop")
            expect(desk.field).not_to_have_value(before)
            if by_key:
                desk.page.keyboard.press("Escape")
            else:
                desk.write_button.click()
            desk.wait_until_written()
            expect(desk.status).to_contain_text("stopped")
            assert len(desk.text) > len(before)


def test_the_colours_are_the_surprise(browser: Browser, url: str) -> None:
    with open_desk(browser, url) as desk:
        desk.type("GRANNY'S KITQQQQ")
        bits = desk.page.evaluate("app.parts.map((part) => part.bits)")
        shades = desk.page.evaluate(
            """() => [...document.querySelectorAll('#backdrop span')].flatMap((span) =>
                [...span.textContent].map(() => span.style.backgroundColor))"""
        )
        strength = [float((re.findall(r"/ ([\d.]+)", shade) or ["0"])[0]) for shade in shades]
        assert len(strength) == len(bits)
        for (one, bits_of_one), (other, bits_of_other) in zip(
            zip(strength, bits, strict=True),
            zip(strength[1:], bits[1:], strict=True),
            strict=False,
        ):
            assert bits_of_one >= bits_of_other or one <= other
        desk.page.locator("#colour-button").click()
        expect(desk.page.locator("#backdrop span[style]")).to_have_count(0)


def test_the_likeliest_at_a_place_are_pythons_and_one_of_them_goes_on_from_there(
    browser: Browser, url: str, model: TextGenerator
) -> None:
    with open_desk(browser, url) as desk:
        desk.type(PROMPT + "banana is yellow.")
        desk.set(temperature=0, max_tokens=20)
        desk.look_at(len(PROMPT))
        expect(desk.choices).to_have_count(10)
        expect(desk.page.locator("#choices-list .actual .token")).to_have_text("b")
        tokens = desk.choices.locator(".token").all_text_contents()
        at = tokens.index("s")
        desk.choices.nth(at).click()
        desk.wait_until_written()
        after = model.generate(PROMPT + "s", max_tokens=20, temperature=0).text
        assert desk.text == PROMPT + "s" + after


def test_the_keyboard_alone_chooses(browser: Browser, url: str) -> None:
    with open_desk(browser, url) as desk:
        desk.type(PROMPT + "banana")
        desk.set(max_tokens=1)
        desk.look_at(len(PROMPT) + 2)
        desk.page.keyboard.press("Tab")
        expect(desk.choices.first).to_be_focused()
        desk.page.keyboard.press("ArrowLeft")
        desk.page.keyboard.press("ArrowLeft")
        expect(desk.page.locator("#choices-place mark")).to_have_text("b")
        second = desk.choices.nth(1).locator(".token").inner_text()
        desk.page.keyboard.press("2")
        desk.wait_until_written()
        assert desk.text.startswith(PROMPT + second)
        assert len(desk.text) == len(PROMPT) + 2


def test_undo_and_redo_go_through_all_texts_and_branches_stay(browser: Browser, url: str) -> None:
    with open_desk(browser, url) as desk:
        desk.type(PROMPT)
        desk.set(max_tokens=8, seed=1)
        first = desk.write()
        desk.look_at(len(PROMPT))
        likely = desk.choices.locator(".token").all_text_contents()
        other = next(i for i, token in enumerate(likely) if token != first[len(PROMPT)])
        desk.choices.nth(other).click()
        expect(desk.branches).to_have_count(2)
        desk.wait_until_idle()
        second = desk.text
        assert second != first
        keys = desk.page.keyboard
        desk.field.focus()
        for expected in (first, PROMPT):
            keys.press("Control+z")
            expect(desk.field).to_have_value(expected)
        for key, expected in (("Control+y", first), ("Control+Shift+z", second)):
            keys.press(key)
            expect(desk.field).to_have_value(expected)
        expect(desk.page.locator("#redo-button")).to_be_disabled()
        desk.branches.first.click()
        expect(desk.field).to_have_value(first)
        expect(desk.page.locator("#branches [aria-current]")).to_have_count(1)
        desk.page.locator("#undo-button").click()
        expect(desk.field).to_have_value(second)


def test_words_that_are_typed_are_undone_as_words(browser: Browser, url: str) -> None:
    with open_desk(browser, url) as desk:
        desk.field.fill("")
        desk.field.press_sequentially("red green blue")
        seen = []
        while not desk.page.locator("#undo-button").is_disabled():
            desk.field.press("Control+z")
            seen.append(desk.text)
        assert seen[:3] == ["red green ", "red ", ""]


def test_ways_side_by_side_are_rows_of_a_seed_and_one_is_taken(
    browser: Browser, url: str, model: TextGenerator
) -> None:
    with open_desk(browser, url) as desk:
        desk.type(PROMPT)
        desk.set(seed=3, max_tokens=12)
        desk.page.locator("#several-count").select_option("3")
        desk.page.keyboard.press("Control+Shift+Enter")
        ways = desk.page.locator("#several .continuation")
        expect(desk.page.locator("#several button .dim", has_text="bits")).to_have_count(3)
        texts = ways.all_text_contents()
        many = model.generate(PROMPT, num_samples=3, seed=3, max_tokens=12)
        assert texts == [one.text for one in many]
        assert desk.text == PROMPT
        desk.page.keyboard.press("2")
        expect(desk.field).to_have_value(PROMPT + texts[1])
        expect(desk.page.locator("#several")).to_be_hidden()
        desk.wait_until_read()


def test_a_prompt_is_completed_anew_each_time(
    browser: Browser, url: str, model: TextGenerator
) -> None:
    with open_desk(browser, url) as desk:
        desk.choose_mode("complete")
        desk.type(PROMPT)
        desk.set(seed=3, max_tokens=12)
        many = model.generate(PROMPT, num_samples=3, seed=3, max_tokens=12)
        found = [desk.write() for _ in many]
        assert found == [PROMPT + one.text for one in many]
        expect(desk.write_button).to_have_text("again")
        desk.type(desk.text + " ")
        expect(desk.write_button).to_have_text("write")


def test_an_answer_begins_where_the_text_was_taken_elsewhere(browser: Browser, url: str) -> None:
    with open_desk(browser, url) as desk:
        desk.choose_mode("complete")
        desk.type(PROMPT)
        desk.set(max_tokens=12)
        desk.write()
        desk.look_at(4)
        desk.choices.nth(1).click()
        desk.wait_until_written()
        taken = desk.text
        assert desk.write()[:4] == taken[:4] == PROMPT[:4]


def test_a_story_goes_on(browser: Browser, url: str) -> None:
    with open_desk(browser, url) as desk:
        desk.type(PROMPT)
        desk.set(max_tokens=5)
        first = desk.write()
        second = desk.write()
        assert second.startswith(first) and len(second) == len(PROMPT) + 10


def test_a_chat_is_the_text_of_its_turns(browser: Browser, url: str) -> None:
    with open_desk(browser, url) as desk:
        assert desk.text  # what the model begins with is no part of a dialogue
        desk.choose_mode("chat")
        desk.set(max_tokens=10)
        line = desk.page.locator("#line-field")
        for said in ("Hello!", "And you?"):
            before = desk.text if said != "Hello!" else ""
            line.fill(said)
            line.press("Enter")
            desk.wait_until_written()
            expect(line).to_have_value("")
            turn = f"{before}\n" if before and not before.endswith("\n") else before
            assert desk.text.startswith(f"{turn}You: {said}\nBot:")
            assert "\nYou:" not in desk.text.removeprefix(turn + "You: ")


@pytest.mark.parametrize("mode", ["complete", "story", "chat"])
def test_answers_fit_what_they_fit_in_a_session(
    browser: Browser, url: str, checkpoint: Path, mode: str
) -> None:
    session = Session(checkpoint, mode=mode)
    for name, value in {"relevance": 0.7, "temperature": 0, "max_tokens": 12}.items():
        session.change(name, value)
    with open_desk(browser, url) as desk:
        desk.choose_mode(mode)
        desk.set(temperature=0, max_tokens=12, relevance=0.7)
        before = ""
        for said in ("The sky is", " and GRANNY"):
            answer = "".join(str(piece) for piece in session.answer(said))
            if mode == "chat":
                desk.page.locator("#line-field").fill(said.strip())
                desk.page.locator("#line-field").press("Enter")
                desk.wait_until_written()
            else:
                desk.type(before + said)
                desk.write()
            assert desk.text.endswith(answer) and answer
            before = desk.text if mode == "story" else ""
        assert mode == "complete" or desk.text.replace("You: and", "You:  and") == session.text


def test_where_the_prompt_stands(browser: Browser, url: str) -> None:
    with open_desk(browser, url) as desk:
        turns = [
            ("You: hi\nBot:", "You:", "Bot:", [0, 8]),
            ("You: hi\nBot: Hi!\nYou: so?\nBot: O", "You:", "Bot:", [17, 26]),
            ("> hi\n> Hi!\n> so?\n>", ">", ">", [11, 17]),
            ("Bot: Hi!", "You:", "Bot:", None),
            ("You: hi", "You:", "Bot:", None),
            ("", "You:", "Bot:", None),
        ]
        for text, *roles, expected in turns:
            found = desk.page.evaluate("([text, roles]) => lastTurn(text, roles)", [text, roles])
            assert found == expected, text
        for length, written, expected in [
            (9, [], [0, 9]),
            (9, [[4, 9]], [0, 4]),
            (9, [[0, 9]], None),
            (9, [[0, 4], [6, 9]], [4, 6]),
            (9, [[0, 4], [4, 6]], [6, 9]),
            (0, [], None),
        ]:
            given = ["x" * length, written]
            assert desk.page.evaluate("(given) => lastPrompt(...given)", given) == expected


def test_several_answers_take_the_place_of_one(browser: Browser, url: str) -> None:
    with open_desk(browser, url) as desk:
        desk.choose_mode("complete")
        desk.type(PROMPT)
        desk.set(max_tokens=10)
        answered = desk.write()
        desk.page.locator("#several-button").click()
        expect(desk.page.locator("#several button .dim", has_text="bits")).to_have_count(4)
        assert desk.text == PROMPT
        second = desk.page.locator("#several .continuation").nth(1).inner_text()
        desk.page.keyboard.press("2")
        desk.wait_until_read()
        assert desk.text.startswith(PROMPT) and desk.text.split() == (PROMPT + second).split()
        for text in (PROMPT, answered):
            desk.page.locator("#undo-button").click()
            desk.wait_until_read()
            assert desk.text == text


def test_a_chat_begins_a_new_text_and_undo_brings_the_story_back(
    browser: Browser, url: str
) -> None:
    with open_desk(browser, url) as desk:
        desk.type("GRANNY")
        desk.choose_mode("chat")
        desk.page.locator("#line-field").fill("Hello")
        desk.page.locator("#line-field").press("Enter")
        expect(desk.field).to_have_value(re.compile(r"^You: Hello\nBot:"))
        desk.wait_until_written()
        while desk.text.startswith("You:"):
            desk.page.locator("#undo-button").click()
        assert desk.text == "GRANNY"


def test_the_caret_stays_where_it_was_when_side_by_side_is_left(browser: Browser, url: str) -> None:
    with open_desk(browser, url) as desk:
        desk.type("GRANNY")
        desk.set(max_tokens=3)
        desk.page.locator("#several-button").click()
        desk.wait_until_idle()
        desk.page.keyboard.press("Escape")
        expect(desk.field).to_be_focused()
        assert desk.field.evaluate("field => field.selectionEnd") == len("GRANNY")
        assert desk.page.evaluate("app.caret") == len("GRANNY")


def test_a_link_opens_the_same(browser: Browser, url: str) -> None:
    text = "GRANNY'S & #1 \N{GREEK SMALL LETTER ALPHA}🍓 + %41\n\tThe "
    with open_desk(browser, url) as desk:
        desk.choose_mode("complete")
        desk.type(text)
        desk.set(temperature=0.5, seed=5, max_tokens=15, stop="\\n\\n | x", top_k=9)
        desk.page.locator("#share-button").click()
        expect(desk.status).to_have_text(re.compile("^(link copied|the link stands)"))
        link = desk.page.url
        written = desk.write()
    with open_desk(browser, link) as desk:
        assert desk.text == text
        assert desk.page.evaluate("textsOf(document.querySelector('#set-stop').value)") == [
            "\n\n",
            "x",
        ]
        assert desk.write() == written


def test_a_link_of_somebody_else_does_no_harm(browser: Browser, url: str) -> None:
    link = (
        f"{url}#text=%3Cimg%20src=x%3E&mode=evil&temperature=many&seed=-1&nonsense=1&max_tokens=0"
    )
    with open_desk(browser, link) as desk:
        assert desk.text == "<img src=x>"
        assert desk.page.locator("#set-temperature").input_value() == "1"
        assert desk.page.locator("#set-seed").input_value() == ""
        desk.write()


def test_settings_that_make_no_sense_are_shown_and_nothing_is_written(
    browser: Browser, url: str
) -> None:
    with open_desk(browser, url) as desk:
        desk.type(PROMPT)
        desk.set(min_p=3)
        desk.write_button.click()
        expect(desk.page.locator("#set-min_p")).to_be_focused()
        assert desk.text == PROMPT


def test_what_options_cannot_be_together_is_said(browser: Browser, url: str) -> None:
    with open_desk(browser, url) as desk:
        desk.type(PROMPT)
        desk.set(min_chars=30, max_chars=10)
        desk.write_button.click()
        expect(desk.problem).to_be_visible()
        expect(desk.problem).to_contain_text("min")
        desk.page.keyboard.press("Escape")
        expect(desk.problem).to_be_hidden()
        assert desk.text == PROMPT


def test_a_place_is_where_it_was_clicked(browser: Browser, url: str) -> None:
    with open_desk(browser, url) as desk:
        desk.type("GRANNY'S KITCHEN")
        for offset in (0, 4, 9):
            x, y, width = desk.page.evaluate(
                """(at) => {
                    const range = document.createRange();
                    const nodes = document.createTreeWalker(
                        document.querySelector("#backdrop"), NodeFilter.SHOW_TEXT);
                    let node = nodes.nextNode();
                    while (at >= node.length) { at -= node.length; node = nodes.nextNode(); }
                    range.setStart(node, at);
                    range.setEnd(node, at + 1);
                    const {x, y, width} = range.getBoundingClientRect();
                    return [x, y, width];
                }""",
                offset,
            )
            for share in (0.25, 0.75):
                desk.page.mouse.click(x + share * width, y + 8)
                mark = desk.page.locator("#choices-place mark")
                expect(mark).to_have_text("GRANNY'S KITCHEN"[offset])
