"""A text that was stopped goes on as if it had not been: same tokens, same state, same numbers."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chargen
from chargen.config import SampleConfig
from chargen.generation.generator import TextGenerator
from chargen.generation.prompt_state import PromptState, prefill, start_decoding
from chargen.generation.sampling import RandomStream
from chargen.generation.text_stream import TextStream
from chargen.nn.softmax import log_probabilities
from tests.support.tiny import logprob_of, tiny


@pytest.fixture(scope="module")
def characters(checkpoint: Path) -> TextGenerator:
    return chargen.load(checkpoint)


@pytest.fixture(scope="module")
def subwords(subword_checkpoint: Path) -> TextGenerator:
    return chargen.load(subword_checkpoint)


def text_of(passage: TextStream, pieces: int | None = None) -> str:
    return "".join(piece.text for piece in islice(passage, pieces))


@pytest.mark.parametrize("kind", ["characters", "subwords"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0},
        {"stop": ("\nThe", " is r", "zzz")},
        {"repetition_penalty": 1.3},
        {"top_p": 0.9, "ban": ("x",)},
        {"heal": False},
        {"until": "paragraph"},
    ],
)
@pytest.mark.parametrize("prompt", ["", "The straw", "GRANN", "The caf\u00e9 is "])
@pytest.mark.parametrize("stop_after", [0, 1, 2, 7])
def test_a_text_that_was_stopped_goes_on_as_if_it_had_not_been(
    request: pytest.FixtureRequest,
    kind: str,
    options: dict[str, object],
    prompt: str,
    stop_after: int,
) -> None:
    model: TextGenerator = request.getfixturevalue(kind)
    config = SampleConfig(max_tokens=40, **options)  # type: ignore[arg-type]
    whole = model.continue_from(model.document_start, prompt, config, RandomStream(3))
    pieces = [piece.text for piece in whole]
    begun = model.continue_from(model.document_start, prompt, config, RandomStream(3))
    assert text_of(begun, stop_after) == "".join(pieces[:stop_after])
    rest = model.continue_from(begun.prompt_state, "", config, begun.stream)
    left = "".join(pieces[stop_after:])
    assert text_of(rest).startswith(left)  # it has more tokens left


@given(st.integers(0, 2**32), st.integers(0, 12), st.sampled_from(["", "b", "ca", "abab"]))
def test_the_place_is_that_of_the_text(seed: int, count: int, prompt: str) -> None:
    """Whatever stopped it where, what comes next has the chances that the whole text gives it."""
    model = tiny(5, "a", "b", "c", "ab", "bca")
    config = SampleConfig(max_tokens=30, stop=("cc", "aba"), heal=False)
    passage = model.continue_from(model.document_start, prompt, config, RandomStream(seed))
    tokens = [t for piece in islice(passage, count) for t in piece.tokens]
    shown = model.tokenizer.encode(prompt) + [t for t in tokens if t != model.tokenizer.end]
    logits = start_decoding(model.engine, model.tokenizer, passage.prompt_state).logits
    place = passage.prompt_state
    if place.tail:
        return  # the text ended inside a token
    logprobs = log_probabilities(logits[0])
    for token in range(3):
        expected = logprob_of(model, shown, [token])
        assert logprobs[token].item() == pytest.approx(expected, abs=1e-5)


def test_a_text_that_ends_inside_a_token_goes_on_inside_it(subwords: TextGenerator) -> None:
    config = SampleConfig(temperature=0, max_chars=3)
    passage = subwords.continue_from(subwords.document_start, "The str", config)
    assert text_of(passage) == "awb"
    assert passage.prompt_state.tail.endswith(b"b")
    rest = subwords.continue_from(
        passage.prompt_state, "", SampleConfig(temperature=0, until="word")
    )
    assert text_of(rest) == "erry"
    other = subwords.continue_from(
        passage.prompt_state, "e", SampleConfig(temperature=0, until="word")
    )
    assert text_of(other) == "rry"


def test_the_end_of_a_document_is_not_part_of_the_place(characters: TextGenerator) -> None:
    model = tiny(3, "a", "b")
    for seed in range(20):
        passage = model.continue_from(
            model.document_start, "a", SampleConfig(max_tokens=50), RandomStream(seed)
        )
        text = text_of(passage)
        if passage.finish_reason == "end":
            place = prefill(
                model.engine,
                model.tokenizer,
                model.document_start,
                "a" + text,
                heal=False,
                window=9,
            )
            assert passage.prompt_state.unread == place.unread
            return
    raise AssertionError("no text ended")


@pytest.mark.parametrize("text", ["The sky", "GRANNY'S caf\u00e9 \u4e2d", "x" * 50])
def test_read_at_once_or_bit_by_bit(subwords: TextGenerator, text: str) -> None:
    def read(place: PromptState, some: str, heal: bool) -> PromptState:
        return prefill(subwords.engine, subwords.tokenizer, place, some, heal=heal, window=256)

    whole = read(subwords.document_start, text, True)
    place = subwords.document_start
    for cut in range(1, len(text), 3):
        place = read(subwords.document_start, text[:cut], True)
        place = read(place, text[cut:], True)
        assert place.tail.endswith(whole.tail[-1:])
        place.tail.decode()  # whole characters


def test_what_is_told_may_stop_the_reading(characters: TextGenerator) -> None:
    heard: list[float] = []

    def on_progress(share: float) -> None:
        heard.append(share)
        if len(heard) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        characters.continue_from(
            characters.document_start, "The sky\n" * 10_000, SampleConfig(), on_progress=on_progress
        )
    assert heard == sorted(heard)
    assert heard[-1] < 1
