"""What is shown of the inside of a network is what is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from chargen.config import ModelConfig
from chargen.generation.generator import TextGenerator
from chargen.insight.inspection import read_text
from chargen.insight.reading import memory_of, parts_of, tokens_of
from chargen.nn.model import LanguageModel
from chargen.nn.trace import Trace, trace
from chargen.page.assemble import page as assemble
from tests.support.browser import open_browser, open_page
from tests.support.page_files import page_files
from tests.support.tokenizers import tokenizer

TEXT = "The strawberry is red.\nThe 🍓 is red, too.\n"
STOP = TEXT.index(".")
CELLS: dict[str, dict[str, Any]] = {
    "lstm": {"cell": "lstm", "num_layers": 2},
    "gru": {"cell": "gru", "num_layers": 2},
    "rnn": {"cell": "rnn"},
    "relu": {"cell": "rnn", "nonlinearity": "relu"},
}
MEMORY: dict[str, Any] = {
    "contexts": [1, 2, 4, 8, 16],
    "loss": [3.0, 2.0, 1.25, 1.01, 1.0],
    "distances": list(range(33)),
    "gradient_norm": [2.0 ** -(distance / 7) for distance in range(33)],
    "cell_gradient_norm": None,
    "measured_on": "a text",
}
FOUND = [
    {"feature": "position in line", "layer": 0, "unit": 3, "correlation": -0.7123},
    {"feature": "inside quotes", "layer": 0, "unit": 5, "correlation": 0.12},
]


def model(kind: str = "char", **options: Any) -> TextGenerator:
    """Of weights so large that gates open and shut."""
    torch.manual_seed(5)
    words = tokenizer(kind)
    sizes = {"hidden_size": 12, "embedding_size": 8}
    network = LanguageModel(ModelConfig(**(sizes | options)), words.vocab_size).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1 if options.get("nonlinearity") == "relu" else 3)
    return TextGenerator(network, words)


def writing_only(generator: TextGenerator, tokens: list[int]) -> TextGenerator:
    """The same, which writes these tokens alone: what bytes spell by chance is read as others."""
    generator.model.seen.fill_(False)
    generator.model.seen[tokens] = True
    return TextGenerator(generator.model, generator.tokenizer)


def trace_of(generator: TextGenerator, text: str) -> Trace:
    tokens = tokens_of(generator, text)
    with torch.inference_mode():
        begin = torch.tensor([[generator.tokenizer.end]])
        _, state = generator.model.read(begin, generator.model.initial_state(1))
        return trace(generator.model, torch.from_numpy(tokens[None]), state)


def ends_of(generator: TextGenerator, text: str) -> list[int]:
    """The last token of each part."""
    return [end - 1 for _, end, _ in parts_of(generator.tokenizer, tokens_of(generator, text))]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


class Inside:
    """A page whose text has been read, and its section."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.locator("#inside").scroll_into_view_if_needed()
        self.settled()

    def settled(self) -> None:
        """Wait until the drawing is of the place and the choice that there are."""
        self.page.wait_for_function("""() => {
            const body = document.querySelector("#inside .inside");
            return body?.dataset.place !== undefined && body.ariaBusy === "false";
        }""")

    def go_to(self, offset: int) -> None:
        self.page.locator("#text").evaluate(
            "(field, at) => { field.focus(); field.setSelectionRange(at, at); }", offset
        )
        self.page.wait_for_function(
            "at => document.querySelector('#inside .inside').dataset.place === String(at)",
            arg=offset,
        )
        self.settled()

    def choose(self, layer: int, unit: int | None, gate: str | None = None) -> None:
        """By the keyboard's controls."""
        self.page.locator(f"input[name=inside-layer][value='{layer}']").check()
        self.page.locator(f"input[name=inside-gate][value='{gate or 'memory'}']").check()
        self.page.locator("#inside-unit").fill("" if unit is None else str(unit))
        self.settled()

    def numbers(self, selector: str) -> list[tuple[str, float, str]]:
        """(name, value, what is written) of each number that is drawn."""
        found: list[tuple[str, float, str]] = self.page.locator(selector).evaluate_all(
            """found => found.map(one => [
                one.dataset.symbol ?? one.title, Number(one.dataset.value ?? one.value),
                one.textContent])"""
        )
        return found


def open_inside(browser: Browser, folder: Path, generator: TextGenerator, **export: Any) -> Any:
    target = folder / f"{len(list(folder.iterdir()))}.html"
    files = page_files(generator, **({"text": TEXT} | export))
    target.write_text(assemble(files), encoding="utf-8")
    return open_page(browser, target.as_uri())


def written(value: float) -> str:
    return f"{value:.2f}".replace("-", "\u2212")


@pytest.mark.parametrize("cell", CELLS)
def test_the_equation_is_true_and_its_numbers_are_the_network_s(
    browser: Browser, tmp_path: Path, cell: str
) -> None:
    generator = model(**CELLS[cell])
    layer, unit = generator.model.config.num_layers - 1, 7
    found = trace_of(generator, TEXT)
    with open_inside(browser, tmp_path, generator) as page:
        inside = Inside(page)
        inside.choose(layer, unit)
        inside.go_to(STOP)
        drawn = inside.numbers("#inside .equation data")
        flows = inside.numbers("#inside .network .flow, #inside .network .memory")
    at = {name: float(v[0, STOP, unit]) for name, v in found.layers[layer].items()}
    before = {name: float(v[0, STOP - 1, unit]) for name, v in found.layers[layer].items()}
    values = dict((name, value) for name, value, _ in drawn)
    if cell == "lstm":
        expected = {
            "f": at["forget"], "c₋₁": before["cell"], "i": at["input"], "g": at["candidate"],
            "c": at["cell"], "o": at["output"], "h": at["hidden"], "tanh(c)": np.tanh(at["cell"]),
        }  # fmt: skip
        assert values["f"] * values["c₋₁"] + values["i"] * values["g"] == pytest.approx(
            values["c"], abs=1e-4
        )
        assert values["o"] * values["tanh(c)"] == pytest.approx(values["h"], abs=1e-4)
    elif cell == "gru":
        expected = {
            "z": at["update"], "h₋₁": before["hidden"], "1 − z": 1 - at["update"],
            "n": at["candidate"], "h": at["hidden"],
        }  # fmt: skip
        product = values["z"] * values["h₋₁"] + values["1 − z"] * values["n"]
        assert product == pytest.approx(values["h"], abs=1e-4)
    else:
        expected = {"h": at["hidden"]}
        read = values.pop("W·x + U·h₋₁ + b", at["hidden"])
        assert (np.tanh(read) if cell == "rnn" else max(0, read)) == pytest.approx(
            values["h"], abs=1e-3
        )
    assert values == pytest.approx(expected, abs=1e-4)
    for _, value, shown in drawn:
        assert shown.strip("()") == written(value).replace("\u22120.00", "0.00")
    # On the arrows: of the step before, of this one, and of the next.
    gates = {"lstm": ["f", "i", "o", "c"], "gru": ["z", "1−z", "h"]}.get(cell, ["h"])
    assert sorted(name for name, *_ in flows) == sorted(3 * gates)
    name = {"lstm": "cell", "gru": "hidden"}.get(cell, "hidden")
    memory = found.layers[layer][name][0, STOP - 1 : STOP + 2, unit]
    symbol = gates[-1]
    drawn_memory = [value for name, value, _ in flows if name == symbol]
    assert drawn_memory == pytest.approx(memory.tolist(), abs=1e-4)


def test_what_the_engine_sees_is_the_trace(browser: Browser, tmp_path: Path) -> None:
    """Of every layer, gate and part, also where several bytes spell a character."""
    generator = model("byte", num_layers=2, residual=True, layer_norm=True, embedding_size=12)
    found, ends = trace_of(generator, TEXT), ends_of(generator, TEXT)
    with open_inside(browser, tmp_path, generator) as page:
        inside = Inside(page)
        call = """([type, fields]) => new Promise(resolve => {
            const client = new EngineClient(byId("worker").textContent);
            const files = filesWithin(document);
            client.call("open", { files })
                .then(() => client.call("read", { text: byId("text").value }))
                .then(() => client.call(type, fields))
                .then(({ values }) => resolve([...values]));
        })"""
        for layer in range(2):
            for gate in (None, "forget"):
                fields = {"layer": layer, "gate": gate, "from": 0, "to": len(ends)}
                strip = page.evaluate(call, ["strip", fields])
                values = found.layers[layer]
                expected = memory_of(values) if gate is None else values[gate].numpy()
                assert np.array(strip) == pytest.approx(expected[0, ends].ravel(), abs=1e-4)
        assert inside.page.locator("#inside .strips canvas").count() == 2 * 4


@pytest.mark.parametrize("gate", [None, "forget"])
def test_the_text_is_colored_by_the_cell_that_is_chosen(
    browser: Browser, tmp_path: Path, gate: str | None
) -> None:
    generator = model()
    values = trace_of(generator, TEXT).layers[0]
    column = (memory_of(values) if gate is None else values[gate].numpy())[0, :, 4]
    with open_inside(browser, tmp_path, generator) as page:
        inside = Inside(page)
        inside.choose(0, 4, gate)
        assert page.locator("#inside .check input").is_checked()
        shades = page.wait_for_function("""() => {
            const shades = [];
            for (const span of document.querySelectorAll("#backdrop span")) {
                const color = span.style.backgroundColor;
                const [, name, alpha] = color.match(/--(\\w+)-rgb.*[/] ([\\d.]+)/) ?? [0, "", 0];
                const shade = (name === "low" ? -1 : 1) * alpha;
                for (const character of span.textContent) shades.push(shade);
            }
            return new Set(shades).size > 3 ? shades : null;
        }""").json_value()
        expect(page.locator("#inside .over-text .title")).to_contain_text("cell 0:4")
        page.locator("#inside .check input").uncheck()
        expect(page.locator("#inside .whole-text .title")).to_contain_text("surprise")
    known = column[[end for end in ends_of(generator, TEXT)]]
    assert len(shades) == len(known)
    correlation = np.corrcoef(shades, known)[0, 1]
    assert correlation > 0.99, "as strong as the value is far from 0"
    for shade, value in zip(shades, known.tolist(), strict=True):
        assert shade * value >= 0


def test_a_mark_that_is_clicked_is_the_cell(browser: Browser, tmp_path: Path) -> None:
    generator = model()
    with open_inside(browser, tmp_path, generator) as page:
        inside = Inside(page)
        inside.go_to(STOP)
        strip = page.locator("#inside .strips canvas").nth(2)  # the forget gate
        width = strip.evaluate("canvas => canvas.clientWidth")
        strip.click(position={"x": width * 8.5 / 12, "y": 5})
        inside.settled()
        assert page.locator("#inside-unit").input_value() == "8"
        assert page.locator("input[name=inside-gate]:checked").input_value() == "forget"
        strongest = strip.get_attribute("aria-label")
        forget = trace_of(generator, TEXT).layers[0]["forget"][0, STOP]
        assert strongest is not None and f"{int(forget.argmax())} (" in strongest


def test_the_keyboard_alone_chooses(browser: Browser, tmp_path: Path) -> None:
    generator = model(num_layers=2)
    with open_inside(browser, tmp_path, generator) as page:
        inside = Inside(page)
        page.locator("input[name=inside-layer]:checked").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowUp")
        inside.settled()
        title = page.locator("#inside .over-text .title")
        expect(title).to_contain_text("input gate of cell 1:1")
        page.keyboard.press("Control+a")
        page.keyboard.press("Delete")
        inside.settled()
        expect(title).to_contain_text("input gate of layer 1")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        expect(page.locator("#inside .check input")).not_to_be_checked()


def test_cells_without_gates_have_none(browser: Browser, tmp_path: Path) -> None:
    with open_inside(browser, tmp_path, model(**CELLS["rnn"])) as page:
        Inside(page)
        assert page.locator("input[name=inside-gate]").count() == 1
        assert page.locator("#inside .strips canvas").count() == 1
        assert page.locator("#inside .gate-use").is_hidden()
        assert page.locator("#inside .network .flow").count() == 0
        assert page.locator("#inside .memories").is_hidden()


def test_the_charts_are_of_the_numbers_that_were_measured(browser: Browser, tmp_path: Path) -> None:
    with open_inside(browser, tmp_path, model(), memory=MEMORY, cells=FOUND) as page:
        Inside(page)
        curves: list[dict[str, str]] = page.locator("#inside .curve").evaluate_all(
            "curves => curves.map(curve => ({ ...curve.dataset }))"
        )
        pairs = [(json.loads(curve["x"]), json.loads(curve["y"])) for curve in curves]
        assert pairs == [
            (MEMORY["contexts"], MEMORY["loss"]),
            (MEMORY["distances"], pytest.approx(MEMORY["gradient_norm"])),
        ]
        words = page.locator("#inside .memory figcaption").all_inner_texts()
        assert "after 16 characters 1.00" in words[0] and "within 8 characters" in words[0]
        assert "halves about every 7 characters" in words[1]
        assert "a tenth of it is left after 24 characters" in words[1]
        # The cell that was found is chosen, and the other one is not said to follow anything.
        assert page.locator("#inside-unit").input_value() == "3"
        rows = page.locator("#inside .found li").all_inner_texts()
        assert "0:3" in rows[0] and "\u22120.71" in rows[0] and "no cell" in rows[1]


@pytest.mark.parametrize(
    ("norms", "says"),
    [
        ([1 / (1 + distance) ** 2 for distance in range(33)], "a tenth of it is left after 3 char"),
        (
            [1.0, 0.2, *(0.1 * 2.0 ** -(d / 5) for d in range(31))],
            "from there it halves about every 5",
        ),
        ([1.0] * 33, "100 % of the gradient is left"),
        ([2.0**distance for distance in range(33)], "of the gradient is left"),
    ],
)
def test_a_gradient_that_does_not_halve_is_not_said_to(
    browser: Browser, tmp_path: Path, norms: list[float], says: str
) -> None:
    memory = MEMORY | {"gradient_norm": norms}
    with open_inside(browser, tmp_path, model(), memory=memory) as page:
        Inside(page)
        words = page.locator("#inside .memory figcaption").nth(1).inner_text()
        assert "back the gradient halves" not in words and says in words


def test_a_report_opens_with_its_text_in_the_colors_of_its_view(
    browser: Browser, tmp_path: Path
) -> None:
    """What `chargen inspect --out report.html` writes: nothing of the old report is lost."""
    generator = model(num_layers=2)
    view = {"layer": 1, "unit": 6, "gate": "output"}
    with open_inside(browser, tmp_path, generator, view=view, cells=FOUND) as page:
        inside = Inside(page)
        assert page.locator("#text").input_value() == TEXT
        expect(page.locator("#inside .over-text .title")).to_contain_text("output gate of cell 1:6")
        expect(page.locator("#inside .whole-text .title")).to_contain_text(
            "output gate of cell 1:6"
        )
        assert page.locator("#inside .check input").is_checked()
        inside.go_to(STOP)
        memory = memory_of(trace_of(generator, TEXT).layers[0])[0, STOP, 3]
        expect(page.locator("#inside .found .now")).to_have_text(written(float(memory)))
        use = read_text(generator, TEXT).gates
        rows = page.locator("#inside .gate-use tbody tr")
        expect(rows.nth(0).locator("td").nth(2)).not_to_have_text("\u2013", timeout=60_000)
        for row, gate in zip(rows.all(), use, strict=True):
            name, layer, mean, opened, shut = row.locator("td").all_inner_texts()
            assert (name, int(layer)) == (gate.gate, gate.layer)
            assert float(mean) == pytest.approx(gate.mean, abs=0.006)
            for share, of in ((opened, gate.open), (shut, gate.shut)):
                assert float(share.strip("<% ")) == pytest.approx(100 * of, abs=0.6)


def test_what_nobody_sees_is_not_asked_for(browser: Browser, tmp_path: Path) -> None:
    """Nor is anything while an answer is due, so that writing is not slowed."""
    with open_inside(browser, tmp_path, model()) as page:
        inside = Inside(page)
        page.evaluate("""() => {
            window.asked = [];
            const post = Worker.prototype.postMessage;
            Worker.prototype.postMessage = function (message, ...rest) {
                asked.push(message.type);
                return post.call(this, message, ...rest);
            };
        }""")
        page.locator("#inside summary").click()
        page.locator("#text").press_sequentially("The")
        length = len(f"The{TEXT}".encode("utf-16-le")) // 2
        expect(page.locator("#status")).to_contain_text(f"{length} characters", timeout=60_000)
        looked = "asked.filter(type => ['look', 'strip'].includes(type)).length"
        assert page.evaluate(looked) == 0
        page.locator("#inside summary").click()
        page.wait_for_function(f"() => {looked} > 0")
        inside.settled()


def test_cells_are_found_when_they_are_asked_for(browser: Browser, tmp_path: Path) -> None:
    with open_inside(browser, tmp_path, model(), text=TEXT * 30) as page:
        inside = Inside(page)
        page.locator("#inside .found-cells .ask").click()
        rows = page.locator("#inside .found li")
        expect(rows.first).to_be_visible(timeout=60_000)
        expect(page.locator("#inside .found-cells")).to_contain_text("second half of this text")
        first = page.locator("#inside .found li button").first
        name = first.locator(".name").inner_text()
        first.click()
        inside.settled()
        expect(page.locator("#inside .over-text .title")).to_contain_text(f"memory of cell {name}")


def test_the_newest_is_shown_while_the_model_writes_and_changes_nothing(
    browser: Browser, tmp_path: Path
) -> None:
    generator = model(num_layers=2)
    letters = generator.tokenizer.encode("The strawberry is red.\n")
    generator = writing_only(generator, letters)
    options = {"seed": 4, "max_tokens": 60}
    expected = generator.generate(TEXT, seed=4, max_tokens=60).text
    with open_inside(browser, tmp_path, generator) as page:
        inside = Inside(page)
        assert page.evaluate("options => app.write(options)", options)
        inside.settled()
        assert page.locator("#text").input_value() == TEXT + expected
        inside.go_to(page.evaluate("app.parts.at(-1).start"))
        drawn = page.locator("#inside .network .memory").all_text_contents()
    cell = trace_of(generator, TEXT + expected).layers[0]["cell"][0]
    last = ends_of(generator, TEXT + expected)[-2:]
    assert drawn == [f"c {written(float(cell[at, 0]))}" for at in last]
