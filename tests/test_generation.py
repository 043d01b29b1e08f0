"""What is written: the same however it is cut into pieces, batched, seeded or searched."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import chargen
from chargen.config import ModelConfig, SampleConfig
from chargen.errors import ConfigError, TokenizerError
from chargen.generation import TextGenerator
from chargen.model import LanguageModel
from chargen.tokenizer import ByteTokenizer, CharTokenizer, Tokenizer
from chargen.writing import Completion, Piece, Writer, complete


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> TextGenerator:
    return chargen.load(checkpoint)


class ThreeTokens(Tokenizer):
    """a, b and the end of the document: few enough to try all texts."""

    def __init__(self) -> None:
        super().__init__([b"a", b"b", b""], end=2)

    def encode_array(self, text: str):  # type: ignore[no-untyped-def]
        return torch.tensor(["ab".index(letter) for letter in text], dtype=torch.int64).numpy()


def tiny(seed: int) -> TextGenerator:
    torch.manual_seed(seed)
    network = LanguageModel(ModelConfig(hidden_size=6, embedding_size=3), 3)
    with torch.no_grad():
        network.head.weight.mul_(4)  # opinions strong enough to tell texts apart
    return TextGenerator(network, ThreeTokens())


def logprob_of(generator: TextGenerator, prompt: str, tokens: tuple[int, ...]) -> float:
    """The log-probability of tokens after a prompt, from one pass of the plain model."""
    before = [generator.tokenizer.end, *generator.tokenizer.encode(prompt)]
    with torch.inference_mode():
        rows = torch.tensor([before + list(tokens)])
        logits, _ = generator.model(rows, generator.model.initial_state(1))
    logprobs = logits[0, len(before) - 1 : -1].double().log_softmax(-1)
    return float(logprobs.gather(-1, torch.tensor(tokens)[:, None]).sum())


# -- samples ----------------------------------------------------------------------------------


def test_it_has_learnt_its_text(model: TextGenerator) -> None:
    assert model.generate("GRANN", max_tokens=1, temperature=0).text == "Y"
    assert model.generate("The strawberry is", max_tokens=4, temperature=0).text == " red"


@given(seed=st.integers(0, 2**63 - 1), prompt=st.text("GRANtehk é漢", max_size=8))
def test_a_seed_repeats_and_a_stream_equals_the_whole(
    model: TextGenerator, seed: int, prompt: str
) -> None:
    options: dict[str, Any] = {"max_tokens": 12, "temperature": 2.0, "seed": seed}
    whole = model.generate(prompt, **options)
    pieces = list(model.stream(prompt, **options))
    assert model.generate(prompt, **options) == whole
    assert "".join(piece.text for piece in pieces) == whole.text
    assert tuple(token for piece in pieces for token in piece.tokens) == whole.tokens
    assert sum(piece.logprob for piece in pieces) == pytest.approx(whole.logprob)
    assert model.tokenizer.decode(whole.tokens) == whole.text
    assert len(whole.tokens) == 12


def test_the_logprob_is_the_models_own_whatever_the_sampler_does(model: TextGenerator) -> None:
    done = model.generate("The ", max_tokens=9, temperature=0.3, top_k=3, top_p=0.9, seed=1)
    assert done.logprob == pytest.approx(logprob_of(model, "The ", done.tokens), abs=1e-4)


def test_samples_of_a_batch_are_those_of_smaller_ones(model: TextGenerator) -> None:
    eight = model.generate("The ", num_samples=8, seed=4, max_tokens=20)
    three = model.generate("The ", num_samples=3, seed=4, max_tokens=20)
    assert [done.text for done in eight[:3]] == [done.text for done in three]
    assert len({done.text for done in eight}) > 1
    assert model.generate("The ", seed=4, max_tokens=20).text == eight[0].text


def test_more_samples_than_are_drawn_at_once(model: TextGenerator) -> None:
    together = model.generate("", num_samples=5, seed=1, max_tokens=6)
    apart = model.generate("", num_samples=5, seed=1, max_tokens=6, batch_size=2)
    assert [done.text for done in apart] == [done.text for done in together]


def test_no_seed_draws_anew(model: TextGenerator) -> None:
    assert len({model.generate("", max_tokens=30, temperature=3.0).text for _ in range(3)}) > 1


def test_a_long_prompt_is_read_in_chunks(
    model: TextGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = "The sky is blue.\n" * 5
    whole = model.generate(prompt, max_tokens=20, temperature=0)
    monkeypatch.setattr("chargen.generation.READ_AT_ONCE", 7)
    assert model.generate(prompt, max_tokens=20, temperature=0).text == whole.text


def test_what_was_never_seen_is_never_written(model: TextGenerator) -> None:
    seen = set(torch.nonzero(model.model.seen)[:, 0].tolist())
    drawn = model.generate("", num_samples=20, max_tokens=50, temperature=50.0, seed=1)
    tokens = {token for done in drawn for token in done.tokens}
    assert len(tokens) > 20
    assert tokens <= seen
    assert len(seen) < model.tokenizer.vocab_size


def test_a_bad_prompt_is_refused_at_once(model: TextGenerator) -> None:
    with pytest.raises(TokenizerError):
        model.stream("\ud800")
    with pytest.raises(TokenizerError):
        model.generate(5)  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="there is no option 'warmth'"):
        model.generate("", warmth=1)


# -- the end of a text ------------------------------------------------------------------------


def test_the_end_of_the_document_ends_a_text() -> None:
    generator = tiny(0)
    finished = [
        done
        for done in generator.generate("", num_samples=50, seed=1, max_tokens=30)
        if done.finish_reason == "end"
    ]
    assert finished
    for done in finished:
        assert done.tokens[-1] == 2 not in done.tokens[:-1]
        assert len(done.text) == len(done.tokens) - 1
        assert done.logprob == pytest.approx(logprob_of(generator, "", done.tokens), abs=1e-4)


def write(
    tokens: list[int], tokenizer: Tokenizer, stop: tuple[str, ...], max_tokens: int = 10_000
) -> tuple[list[Piece], Completion]:
    writer = Writer(tokenizer, SampleConfig(stop=stop, max_tokens=max_tokens))
    pieces = [piece for token in tokens if (piece := writer.add(token, -1.0)) is not None]
    return pieces, complete("", pieces, writer)


@given(
    text=st.text("abé🍓", min_size=1, max_size=20),
    stops=st.lists(st.text("abé🍓", min_size=1, max_size=4), max_size=3),
)
@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), CharTokenizer("éab"[:1])])
def test_stop_texts_cut_exactly_and_never_show(
    tokenizer: Tokenizer, text: str, stops: list[str]
) -> None:
    tokens = tokenizer.encode(text)
    pieces, done = write(tokens, tokenizer, tuple(stops), max_tokens=len(tokens))
    # The first stop text that is complete ends the text; of several at once, the leftmost.
    ends = {stop: text.find(stop) + len(stop) for stop in stops if stop in text}
    if ends:
        first = min(ends.values())
        cut = min(text[:first].find(stop) for stop in ends if stop in text[:first])
        assert (done.text, done.finish_reason) == (text[:cut], "stop")
    else:
        assert (done.text, done.finish_reason) == (text, "length")
    assert "".join(piece.text for piece in pieces) == done.text
    assert all(piece.tokens for piece in pieces)
    assert tokenizer.decode(done.tokens) == done.text
    assert done.logprob == -len(done.tokens)


def test_text_is_shown_as_soon_as_no_stop_text_can_begin_in_it() -> None:
    tokenizer = ByteTokenizer()
    pieces, _ = write(tokenizer.encode("xa ab"), tokenizer, ("ab!",))
    assert [piece.text for piece in pieces] == [
        "x",
        "a ",
    ]
    pieces, _ = write(tokenizer.encode("xyz"), tokenizer, ())
    assert [piece.text for piece in pieces] == ["x", "y", "z"]


def test_a_token_that_a_stop_text_cuts_is_shown_in_part() -> None:
    class Pairs(Tokenizer):
        def __init__(self) -> None:
            super().__init__([b"ab", b"cd", b""], end=2)

    pieces, done = write([0, 1, 0], Pairs(), ("d",))
    assert [(piece.text, piece.tokens) for piece in pieces] == [("ab", (0,)), ("c", (1,))]
    assert done.finish_reason == "stop"


def test_a_cut_off_character_shows_only_at_the_very_end() -> None:
    tokenizer = ByteTokenizer()
    pieces, done = write(list("é🍓".encode())[:-1], tokenizer, (), max_tokens=5)
    assert [(piece.text, len(piece.tokens)) for piece in pieces] == [("é", 2), ("\ufffd", 3)]
    assert done.finish_reason == "length"


# -- beams ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_wide_beams_find_the_best_of_all_texts(seed: int) -> None:
    generator, length = tiny(seed), 4
    texts = [
        tokens
        for size in range(1, length + 1)
        for tokens in itertools.product(range(3), repeat=size)
        if 2 not in tokens[:-1] and (size == length or tokens[-1] == 2)
    ]
    scored = sorted(((logprob_of(generator, "ab", text), text) for text in texts), reverse=True)
    found = generator.generate("ab", beams=len(texts), max_tokens=length)
    assert [done.tokens for done in found] == [text for _, text in scored]
    assert [done.logprob for done in found] == pytest.approx([s for s, _ in scored], abs=1e-4)
    best = generator.generate("ab", beams=8, max_tokens=length)
    assert best[0].tokens == scored[0][1]
    assert len(best) == 8


def test_one_beam_is_greedy(model: TextGenerator) -> None:
    greedy = model.generate("The ", max_tokens=15, temperature=0)
    [beam] = model.generate("The ", max_tokens=15, beams=1)
    assert beam.text == greedy.text
    assert beam.logprob == pytest.approx(greedy.logprob, abs=1e-4)
    pieces = list(model.stream("The ", max_tokens=15, beams=1))
    assert "".join(piece.text for piece in pieces) == beam.text


def test_beams_give_no_text_twice(model: TextGenerator) -> None:
    found = model.generate("The ", beams=6, max_tokens=6, stop=tuple("aeiourstln"))
    assert len({done.text for done in found}) == len(found) == 6


def test_beams_stop_at_stop_texts(model: TextGenerator) -> None:
    for done in model.generate("The strawberry is", beams=3, max_tokens=30, stop=(".",)):
        assert done.finish_reason == "length" or "." not in done.text
    assert model.generate("The sky is", beams=3, stop=(".",))[0].text == " blue"
