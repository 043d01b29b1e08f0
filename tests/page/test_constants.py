"""What is written down twice, in Python and in the page, is the same in both."""

from __future__ import annotations

import json

from chargen import config
from chargen.checkpoint.metadata import FORMAT
from chargen.export import html
from chargen.export.onnx import NORM_EPSILON
from chargen.generation import healing, logits, prompt_state
from chargen.insight import followers, inspection
from chargen.page.assemble import page as page_of
from chargen.session.dialogue import dialogue_text, turn_stops
from chargen.tokenizers import word
from tests.support.browser import open_browser, open_engine, open_page

ROLES = ("You:", "Bot:")
ENGINE = {
    "NEWEST_FORMAT": FORMAT,
    "NEWEST_EXPORT": html.FORMAT,
    "MODES.toSorted()": sorted(config.MODES),
    "MAX_LAYERS": config.ModelConfig.__dataclass_fields__["num_layers"].metadata["limits"][
        "at most"
    ],
    "NORM_EPSILON": NORM_EPSILON,
    "PROCESSOR_ORDER": list(config.PROCESSOR_ORDER),
    "LOOKING_BACK": list(logits.LOOKING_BACK),
    "[COLD, MIN_TEMPERATURE]": [logits.COLD, logits.MIN_TEMPERATURE],
    "[DEFAULT_TOKENS, WHOLE_TOKENS]": [config.DEFAULT_TOKENS, config.WHOLE_TOKENS],
    "CHARACTER_BYTES": config.CHARACTER_BYTES,
    "UNITS": list(config.UNITS),
    "[MAX_WORD_BYTES, MAX_WAYS]": [healing.MAX_WORD_BYTES, healing.MAX_WAYS],
    "[MAX_WORD_LENGTH, MAX_WORDS]": [word.MAX_WORD_LENGTH, word.MAX_WORDS],
    "ENCODED_AT_ONCE": prompt_state.ENCODED_AT_ONCE,
    "MIN_TO_SEARCH": followers.MIN_TO_SEARCH,
    "[OPEN, SHUT]": [inspection.OPEN, inspection.SHUT],
}
APP = {
    "FOLLOWS": followers.FOLLOWS,
    "Object.keys(FEATURES_IN_WORDS)": list(followers.FEATURES),
    "CHAT_TEMPERATURE": config.CHAT_TEMPERATURE,
    "SETTINGS.find(({name}) => name === 'max_tokens').value": config.DEFAULT_TOKENS,
    "Object.values(FURTHER.find(({name}) => name === 'until').choices)": list(config.UNITS),
    f"turnStops({json.dumps(ROLES)})": list(turn_stops(ROLES)),
    f"withTurn('', 'Hi', {json.dumps(ROLES)})": dialogue_text([(ROLES[0], "Hi")], ROLES[1]),
}


def test_constants_are_pythons() -> None:
    with open_browser() as browser:
        with open_engine(browser) as engine:
            assert {name: engine.evaluate(name) for name in ENGINE} == ENGINE
            options = engine.evaluate("NUMBER_OPTIONS")
        with open_page(browser) as page:
            page.set_content(page_of())
            assert {name: page.evaluate(name) for name in APP} == APP
    del options["row"]  # of a text among several, which in Python no option names
    fields = config.SampleConfig.__dataclass_fields__
    for name, (default, least, most, *_) in options.items():
        limits = fields[name].metadata["limits"]
        assert default == fields[name].default
        assert least == limits.get("at least", 5e-324)  # the least number above 0
        assert most == limits.get("at most", limits.get("below", 1e6))
    numbers = {name for name, field in fields.items() if field.metadata["limits"]}
    left_out = {"seed", "num_samples", "batch_size", "beams", "length_penalty"}
    assert set(options) == numbers - left_out
