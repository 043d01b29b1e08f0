"""What a model costs in a browser: a token there, the file that holds it, and the wait for a text.

    python benchmarks/page.py TEXT [--rounds 5] [--steps 1000] [--only NAME]

The bundled model, and networks that are trained on TEXT for so many steps. Two tables:

- Microseconds a token at temperature 1, one text after the other: in the page, from its side of the
  worker, and by TextGenerator.stream. Sides in turn, in one run; the ratio is the median over the
  rounds.
- The page of each with float32, float16 and int8 weights: its megabytes; bits per byte, on a part
  of the text that no training and no choice has seen if there is one, and by how much they are more
  than with float32; milliseconds from opening the file until the model can write, and until its
  first character is drawn.

Needs Debian's chromium.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from shutil import which
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

import chargen
from chargen.checkpoint.metadata import CheckpointMetadata
from chargen.config import ExportConfig
from chargen.evaluation.held_out import SPLIT_WORDS, held_out_text
from chargen.export.html import page_of
from chargen.export.measurements import measure_model
from chargen.generation.generator import TextGenerator
from chargen.nn.packing import rounded
from chargen.options import choices_of

TOKENS = 3000  # of a turn
PRECISIONS = choices_of(ExportConfig, "weights")
TRAINED: dict[str, dict[str, Any]] = {
    "gru 256": {"cell": "gru", "hidden_size": 256},
    "lstm 512": {"cell": "lstm", "hidden_size": 512},
    "subword gru 256": {"cell": "gru", "hidden_size": 256, "tokenizer": "subword"},
}

# Ends of documents are no ends here: another text is begun. Gives microseconds a token.
WRITE = """async ([count, seed]) => {
    const begun = performance.now();
    let tokens = 0;
    for (let row = 0; tokens < count; row++) {
        await app.engine.call("read", { text: "" });
        const options = { max_tokens: count - tokens, temperature: 1, seed, row };
        tokens += (await app.engine.call("write", { options })).tokens;
    }
    return (1000 * (performance.now() - begun)) / tokens;
}"""
# Milliseconds since the file was opened.
OPEN = """async () => {
    const until = (event, isSo) => new Promise((resolve) => {
        const look = () => isSo() && resolve();
        app.on(event, look);
        look();
    });
    await until("busy", () => app.about !== null && app.busy === null);
    const opened = performance.now();
    const length = app.text.length;
    document.getElementById("write-button").click();
    await until("parts", () => app.text.length > length);
    await new Promise(requestAnimationFrame);
    return [opened, performance.now()];
}"""


class Model(NamedTuple):
    """A checkpoint, and its page by the precision of its weights."""

    name: str
    generator: TextGenerator
    about: CheckpointMetadata
    pages: dict[str, Path]


def model(name: str, folder: str | Path, pages: Path) -> Model:
    generator = chargen.load(folder)
    about = generator.metadata
    assert about is not None
    measurements = measure_model(generator)
    found = {}
    for precision in PRECISIONS:
        found[precision] = pages / f"{name}-{precision}.html"
        content = page_of(generator, about, measurements, weights=precision)
        found[precision].write_bytes(content)
    return Model(name, generator, about, found)


def opened(browser: Browser, path: Path) -> Page:
    page = browser.new_context().new_page()
    page.goto(path.as_uri())
    return page


def in_python(generator: TextGenerator, seed: int) -> float:
    """Microseconds a token."""
    begun = time.perf_counter()
    tokens = 0
    while tokens < TOKENS:
        pieces = generator.stream(max_tokens=TOKENS - tokens, temperature=1, seed=seed + tokens)
        tokens += sum(len(piece.tokens) for piece in pieces)
    return 1e6 * (time.perf_counter() - begun) / tokens


def speed(browser: Browser, models: Sequence[Model], rounds: int) -> None:
    print(f"{'microseconds a token':<24} {'page':>8} {'Python':>8} {'ratio':>7} {'most':>7}")
    for each in models:
        page = opened(browser, each.pages["float32"])
        page.evaluate(OPEN)
        page.evaluate("app.stop().then(() => app.idle())")
        page.evaluate(WRITE, [TOKENS, 0])
        in_python(each.generator, 0)
        theirs, ours = [], []
        for turn in range(1, rounds + 1):
            theirs.append(page.evaluate(WRITE, [TOKENS, turn]))
            ours.append(in_python(each.generator, turn * TOKENS))
        page.context.close()
        ratios = [one / other for one, other in zip(theirs, ours, strict=True)]
        print(
            f"{each.name:<24} {statistics.median(theirs):8.0f} {statistics.median(ours):8.0f} "
            f"{statistics.median(ratios):7.2f} {max(ratios):7.2f}",
            flush=True,
        )


def files(browser: Browser, models: Sequence[Model], rounds: int) -> None:
    print(
        f"\n{'a page':<24} {'weights':<8} {'MB':>6} {'bits/byte':>10} {'more':>8} "
        f"{'ready, ms':>10} {'written, ms':>12}"
    )
    scored = []
    for each in models:
        text, split = held_out_text(each.about, 1, 10**9)
        scored.append(f"{each.name}: {len(text):,} characters of {SPLIT_WORDS[split]}")
        waits: dict[str, list[list[float]]] = {precision: [] for precision in PRECISIONS}
        for _ in range(rounds):
            for precision, path in each.pages.items():
                page = opened(browser, path)
                waits[precision].append(page.evaluate(OPEN))
                page.context.close()
        costs = [bits_per_byte(each, precision, text) for precision in PRECISIONS]
        for precision, cost in zip(PRECISIONS, costs, strict=True):
            ready, written = map(statistics.median, zip(*waits[precision], strict=True))
            megabytes = each.pages[precision].stat().st_size / 1e6
            more = f"{100 * (cost / costs[0] - 1):.3f} %"
            print(
                f"{each.name:<24} {precision:<8} {megabytes:6.2f} {cost:10.4f} {more:>8} "
                f"{ready:10.0f} {written:12.0f}",
                flush=True,
            )
    print("\nscored: " + "; ".join(scored))


def bits_per_byte(each: Model, precision: str, text: str) -> float:
    weights = rounded(each.generator.weights, precision)
    generator = TextGenerator(weights, each.generator.tokenizer, each.about)
    return generator.evaluate([text]).bits_per_byte


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("text", type=Path, help="the text that networks are trained on")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1000, help="of training (default: 1000)")
    parser.add_argument("--only", nargs="*", choices=TRAINED, default=list(TRAINED))
    arguments = parser.parse_args()
    chromium = which("chromium") or which("chromium-browser")
    if chromium is None:
        raise SystemExit("chromium is missing: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        print(f"Chromium {browser.version}, {TOKENS:,} tokens a turn, {arguments.rounds} rounds\n")
        models = [model("everyday, lstm 2 x 192", "everyday", Path(folder))]
        for name in arguments.only:
            out = Path(folder) / name
            options = TRAINED[name] | {"num_layers": 1, "steps": arguments.steps, "seed": 1}
            chargen.train(arguments.text, out=out, **options)
            models.append(model(name, out, Path(folder)))
        speed(browser, models, arguments.rounds)
        files(browser, models, arguments.rounds)
        browser.close()


if __name__ == "__main__":
    main()
