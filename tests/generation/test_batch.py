"""Texts that come and go side by side are each what they are alone, to the last bit."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chargen
from chargen.config import SampleConfig
from chargen.errors import ConfigError
from chargen.generation.batch import (
    Batch,
    BatchedText,
    GeneratedText,
    TokenScore,
    Written,
    most_likely,
)
from chargen.generation.completion import CompletionBuilder, Piece
from chargen.generation.generator import TextGenerator
from chargen.generation.healing import take_back
from chargen.generation.prompt_reader import CHUNK, PromptReader, StateCache
from chargen.generation.prompt_state import PromptState
from chargen.generation.rules import Rules
from chargen.generation.sampling import RandomStream
from chargen.nn.engine import Floats, State, initial_state
from chargen.tokenizers.base import Tokens
from chargen.tokenizers.byte import ByteTokenizer
from tests.support.tiny import logprob_of, tiny, tiny_over

PROMPTS = ("", "The color of", "You: hello\nBot:", "GRANN", "A cow says")
# All ways to choose a token, each of them in company of the others.
OPTIONS: list[dict[str, Any]] = [
    {},
    {"temperature": 0},
    {"temperature": 0.7, "top_k": 5},
    {"top_p": 0.9, "min_p": 0.01},
    {"typical_p": 0.8, "stop": ("e", "\n")},
    {"repetition_penalty": 1.3, "penalty_window": 8},
    {"presence_penalty": 0.4, "frequency_penalty": 0.3, "no_repeat_ngram": 3},
    {"regex": r"[a-z]+( [a-z]+){2,5}\."},
    {"charset": "a-z ", "min_chars": 12, "max_chars": 30},
    {"until": "sentence", "ban": ("x",)},
    {"relevance": 0.5},
    {"relevance": 0.3, "temperature": 0, "repetition_penalty": 1.2},
]


@pytest.fixture(scope="module")
def everyday() -> TextGenerator:
    return chargen.load("everyday")


def text_for(
    generator: TextGenerator,
    prompt: str = "",
    *,
    seed: int = 1,
    num_top: int | None = None,
    bias: dict[int, float] | None = None,
    **options: Any,
) -> BatchedText:
    """A text of 25 tokens for a prompt, which no part of it has been read of."""
    config = SampleConfig(**({"max_tokens": 25} | options))
    tokenizer, engine = generator.tokenizer, generator.engine
    tokens, tail = tokenizer.encode(prompt), b""
    if config.heal:
        tokens, tail = take_back(tokenizer, tokens)
    start = PromptState(
        initial_state(engine.config),
        (tokenizer.end, *tokens),
        tail,
        tuple(tokens[-config.penalty_window :]),
        generator.document_start if prompt else None,
    )
    rules = Rules(config, tokenizer, engine.seen, bias)
    builder = CompletionBuilder(tokenizer, config)
    return BatchedText(start, rules, builder, RandomStream(seed), num_top)


def batch_of(generator: TextGenerator, capacity: int = 64) -> Batch:
    return Batch(generator.engine, generator.tokenizer, capacity)


def words(written: list[Written]) -> str:
    return "".join(part.piece.text for part in written)


def scores_of(written: list[Written]) -> list[TokenScore]:
    return [score for part in written for score in part.scores]


def finish(batch: Batch) -> None:
    while len(batch):
        batch.step()


def sampled(generator: TextGenerator, text: BatchedText) -> list[Written]:
    """All of a text that is in a batch alone."""
    batch = batch_of(generator)
    batch.add(text)
    finish(batch)
    return text.take()


def alone(generator: TextGenerator, text: BatchedText) -> list[object]:
    return [*sampled(generator, text), text.finish_reason, text.num_tokens]


def result(text: BatchedText) -> list[object]:
    """All that came of it, to the last bit."""
    return [*text.take(), text.finish_reason, text.num_tokens]


def every(generator: TextGenerator, seed: int) -> Iterator[BatchedText]:
    for number, options in enumerate(OPTIONS):
        for place, prompt in enumerate(PROMPTS):
            yield text_for(
                generator,
                prompt,
                seed=100 * seed + 10 * number + place,
                num_top=place if place < 3 else None,
                **options,
            )


def test_a_text_is_the_same_alone_and_beside_others(everyday: TextGenerator) -> None:
    expected = [alone(everyday, text) for text in every(everyday, 1)]
    texts = list(every(everyday, 1))
    shuffled = random.Random(1).sample(texts, len(texts))
    batch, waiting = batch_of(everyday), list(shuffled)
    while waiting or len(batch):
        # They come one by one, when others have begun already and some have ended.
        if waiting and not batch.is_full:
            batch.add(waiting.pop())
        batch.step()
    assert [result(text) for text in texts] == expected


def test_a_text_that_left_goes_on_as_if_it_had_not(everyday: TextGenerator) -> None:
    expected = [alone(everyday, text) for text in every(everyday, 2)]
    texts = list(every(everyday, 2))
    batch, away, chance = batch_of(everyday), list(texts), random.Random(2)
    while away or len(batch):
        for text in chance.sample(batch.texts, len(batch) // 3):
            batch.remove(text)
            away.append(text)
        chance.shuffle(away)
        count = min(len(away), batch.capacity - len(batch), 30)
        batch.add(*(away.pop() for _ in range(count)))
        batch.step()
    assert [result(text) for text in texts] == expected


def test_what_is_sampled_is_what_the_generator_samples(everyday: TextGenerator) -> None:
    for prompt in PROMPTS:
        for options in OPTIONS:
            text = text_for(everyday, prompt, seed=5, **options)
            written = sampled(everyday, text)
            config = SampleConfig(**({"max_tokens": 25} | options), seed=5)
            [expected] = everyday.complete(prompt, config)
            assert words(written) == expected.text
            assert text.finish_reason == expected.finish_reason
            assert text.logprob == pytest.approx(expected.logprob, abs=1e-3)


def test_a_word_is_spelled_anew_within_a_batch(subword_checkpoint: Path) -> None:
    model = chargen.load(subword_checkpoint)
    prompts = ["The gar", "strawb", "gro", "The gar"]
    expected = [model.generate(prompt, seed=4, max_tokens=12).text for prompt in prompts]
    texts = [text_for(model, prompt, seed=4, max_tokens=12, num_top=2) for prompt in prompts]
    batch = batch_of(model)
    for text in texts:
        batch.add(text)
    finish(batch)
    for text, prompt, whole in zip(texts, prompts, expected, strict=True):
        written = text.take()
        assert words(written) == whole
        tokens = [token for part in written for token in part.piece.tokens]
        assert [score.token for score in scores_of(written)] == tokens
        same = text_for(model, prompt, seed=4, max_tokens=12, num_top=2)
        assert alone(model, same) == [*written, text.finish_reason, text.num_tokens]


def test_scores_are_those_of_the_plain_model() -> None:
    model = tiny(1, "a", "b", "ab", "c")
    text = text_for(model, "ab", seed=3, max_tokens=9, num_top=3, temperature=2.0)
    written = sampled(model, text)
    before = model.tokenizer.encode("ab")
    assert len(scores_of(written)) == sum(len(part.piece.tokens) for part in written)
    for score in scores_of(written):
        logprobs = [logprob_of(model, before, [token]) for token in range(5)]
        assert score.logprob == pytest.approx(logprobs[score.token], abs=1e-4)
        ranked = sorted(range(5), key=lambda token: -logprobs[token])
        assert [token for token, _ in score.top[:3]] == ranked[:3]
        assert dict(score.top)[score.token] == score.logprob
        before.append(score.token)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_token_up_to_a_limit_is_scored(count: int) -> None:
    """Also those that only begin a character, which is not shown: who asks for one token drops one
    score, as lm-evaluation-harness does, and would drop the prompt's last."""
    generator = tiny_over(ByteTokenizer(), seed=1)
    bias = {0xF0: 100.0}  # with which every emoji begins
    text = text_for(generator, "AB", bias=bias, num_top=1, max_tokens=count)
    written = sampled(generator, text)
    assert len(scores_of(written)) == text.num_tokens == count
    assert text.finish_reason == "length"


def test_the_token_itself_is_among_the_most_likely() -> None:
    logprobs = np.log(np.array([0.1, 0.4, 0.1, 0.4]))
    assert [token for token, _ in most_likely(logprobs, 3, 0)] == [1, 3, 0]
    assert [token for token, _ in most_likely(logprobs, 3, 2)] == [1, 3, 0, 2]
    assert [token for token, _ in most_likely(logprobs, 0, 2)] == [2]
    assert [token for token, _ in most_likely(logprobs, 9, 2)] == [1, 3, 0, 2]


def test_a_text_has_not_ended_before_its_last_piece_is_taken() -> None:
    text = GeneratedText()

    class WrittenMeanwhile(deque[Written]):
        """Empty when it is looked at, and at once no more: by the other thread."""

        def __bool__(self) -> bool:
            was_empty = len(self) == 0
            self.append(Written(Piece("a", (0,), -1.0)))
            text.finish("length")
            return not was_empty

    text._written = WrittenMeanwhile()
    assert text.finish_reason is None
    [last] = text.take()
    assert last.piece.text == "a"


def test_a_bias_is_added_before_all_else() -> None:
    model = tiny(1, "a", "b", "c")
    wanted = text_for(model, bias={1: 100.0}, temperature=3.0, max_tokens=6)
    assert words(sampled(model, wanted)) == "bbbbbb"
    kept_out = text_for(model, bias={0: -100.0, 1: -100.0}, max_tokens=6)
    assert set(words(sampled(model, kept_out))) <= {"c"}


def test_one_that_fails_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny(1, "a", "b", "c")
    expected = alone(model, text_for(model, seed=1))
    good, diverged = text_for(model, seed=1), text_for(model, seed=2)
    broken = text_for(model, seed=3, min_chars=2)
    diverged.start.state[:] = np.nan
    monkeypatch.setattr(
        broken.rules, "allowed", lambda *_: (_ for _ in ()).throw(ValueError("broken"))
    )
    batch = batch_of(model)
    for text in (diverged, good, broken):
        batch.add(text)
    assert {id(text) for text in batch.step()} >= {id(diverged), id(broken)}
    assert "diverged" in str(diverged.error)
    assert str(broken.error) == "broken"
    assert batch.texts in ([good], [])
    finish(batch)
    assert result(good) == expected


def test_a_batch_holds_no_more_than_it_may(everyday: TextGenerator) -> None:
    batch = batch_of(everyday, capacity=3)
    for seed in range(3):
        assert not batch.is_full
        batch.add(text_for(everyday, seed=seed))
    assert batch.is_full
    finish(batch)
    assert not batch.is_full


# -- reading prompts ----------------------------------------------------------------------------


def read(reader: PromptReader, tokens: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[bytes, int]:
    """The bits of the state before the last token, and how many tokens of it were known."""
    prompt = reader.begin(tokens)
    if not prompt.is_read:
        reader.add(prompt)
        while not prompt.is_read:
            reader.read_on()
    assert np.array_equal(prompt.unread, tokens[prompt.at :])
    assert len(prompt.unread) == 1
    return prompt.state.tobytes(), prompt.cached_tokens


def test_a_prompt_is_the_same_however_it_is_read(everyday: TextGenerator) -> None:
    chance = np.random.default_rng(1)
    seen = np.flatnonzero(everyday.engine.seen)
    whole = chance.choice(seen, size=10 * CHUNK)
    lengths = [1, CHUNK, CHUNK + 1, 3 * CHUNK, 5 * CHUNK + 7, 10 * CHUNK]
    fresh = [read(PromptReader(everyday.engine), whole[:length])[0] for length in lengths]
    # Beside others, and in turn from what is known already.
    reader = PromptReader(everyday.engine)
    prompts = [reader.begin(whole[:length]) for length in lengths]
    others = [reader.begin(chance.choice(seen, size=7 * CHUNK)) for _ in range(5)]
    for prompt in [*others[:3], *prompts, *others[3:]]:
        if not prompt.is_read:
            reader.add(prompt)
    while len(reader):
        reader.read_on()
    assert [prompt.state.tobytes() for prompt in prompts] == fresh
    for length, expected in zip(lengths, fresh, strict=True):
        again, known = read(reader, whole[:length])
        assert again == expected
        assert known == length - 1


def test_what_another_prompt_has_read_is_not_read_again(
    everyday: TextGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = everyday.engine
    lengths: list[int] = []
    plain = engine.read

    def counted(tokens: Tokens, state: State, *, independent: bool = False) -> tuple[Floats, State]:
        lengths.append(tokens.shape[1])
        return plain(tokens, state, independent=independent)

    monkeypatch.setattr(engine, "read", counted)
    reader = PromptReader(engine)
    prompts = [reader.begin(np.full(CHUNK + 6, 40)) for _ in range(20)]
    for prompt in prompts:
        reader.add(prompt)
    read = []
    while len(reader):
        read += reader.read_on()
    assert len(read) == len(prompts) and all(prompt.is_read for prompt in prompts)
    assert lengths == [CHUNK, 4, 1]


def test_what_is_read_no_further_is_left(everyday: TextGenerator) -> None:
    reader = PromptReader(everyday.engine)
    prompt = reader.begin(np.full(5 * CHUNK, 40))
    reader.add(prompt)
    reader.read_on()
    reader.remove(prompt)
    reader.remove(prompt)
    assert len(reader) == 0
    assert prompt.at == CHUNK


def test_a_cache_gives_up_what_was_not_asked_for_longest() -> None:
    state = np.zeros((1, 2, 4), np.float32)
    cache = StateCache(max_bytes=2 * state.nbytes)
    cache.put(b"a", state)
    cache.put(b"b", state)
    assert cache.get(b"a") is state
    cache.put(b"c", state)
    assert cache.get(b"b") is None
    assert cache.get(b"a") is cache.get(b"c") is state


def test_no_text_at_all_is_said_before_it_is_sampled() -> None:
    model = tiny(1, "a", "b")
    with pytest.raises(ConfigError, match="cannot generate any text"):
        text_for(model, regex="c+").rules.check_not_hopeless()
