"""What the engine of the page computes with, from what Python's does."""

from __future__ import annotations

from dataclasses import asdict

from playwright.sync_api import Page

from chargen.checkpoint.store import arrays_to_bytes
from chargen.generation.generator import TextGenerator
from tests.support.browser import as_base64

OPEN = """([name, config, weights, pieces, end]) => {
    const fromNumbers = (piece) => Uint8Array.from(piece);
    const tokenizer = new Tokenizer("", pieces.map(fromNumbers), end, null);
    const tensors = readSafetensors(fromBase64(weights));
    globalThis[name] = {tokenizer, network: new Network(config, pieces.length, tensors)};
}"""


def open_generator(page: Page, name: str, generator: TextGenerator) -> None:
    """Afterwards the page has {network, tokenizer} by that name. The tokenizer knows its tokens,
    not how to cut a text into them."""
    weights, tokenizer = generator.weights, generator.tokenizer
    content = as_base64({"": arrays_to_bytes(weights.arrays)})[""]
    pieces = [list(piece) for piece in tokenizer.pieces]
    page.evaluate(OPEN, [name, asdict(weights.config), content, pieces, tokenizer.end])
