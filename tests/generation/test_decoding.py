"""Texts from several prompts at once are those of each prompt alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import chargen
from chargen.errors import ConfigError, TokenizerError
from chargen.generation import decoding
from chargen.generation.completion import Completion
from chargen.generation.generator import TextGenerator

PROMPTS = ["GRANN", "", "The strawb", "UNCLE JOE'S GARAGE\nThe sky", "The caf\u00e9", "Th"]


@pytest.fixture(scope="module", params=["checkpoint", "subword_checkpoint"])
def model(request: pytest.FixtureRequest) -> TextGenerator:
    return chargen.load(request.getfixturevalue(request.param))


def told(completion: Completion) -> tuple[object, ...]:
    rounded = pytest.approx(completion.logprob, abs=1e-3)
    return completion.prompt, completion.text, completion.tokens, completion.finish_reason, rounded


@pytest.mark.usefixtures("row_by_row")
@pytest.mark.parametrize(
    "options",
    [
        {"seed": 3},
        {"seed": 3, "temperature": 0},
        {"seed": 4, "top_p": 0.9, "min_p": 0.01, "typical_p": 0.95, "heal": False},
        {"seed": 5, "repetition_penalty": 1.2, "no_repeat_ngram": 4, "stop": "\n"},
        {"seed": 6, "charset": "A-Za-z '", "min_chars": 5, "until": "word"},
        {"seed": 7, "batch_size": 2},
        {"seed": 10, "relevance": 0.5},
        {"beams": 2},
        {"seed": 8, "num_samples": 3},
        {"seed": 9, "num_samples": 3, "batch_size": 2},
    ],
)
def test_each_prompt_gives_what_it_gives_alone(
    model: TextGenerator, options: dict[str, Any]
) -> None:
    options = {"max_tokens": 12} | options
    together: Any = model.generate(PROMPTS, **options)
    assert len(together) == len(PROMPTS)
    for prompt, found in zip(PROMPTS, together, strict=True):
        alone: Any = model.generate(prompt, **options)
        if isinstance(alone, list):
            assert list(map(told, found)) == list(map(told, alone))
        else:
            assert told(found) == told(alone)


def test_prompts_of_one_kind_are_one_batch(
    model: TextGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    write = decoding.write

    def counted(works: Any, *given: Any) -> Any:
        batches.append(len(works))
        return write(works, *given)

    monkeypatch.setattr(decoding, "write", counted)
    model.generate(PROMPTS, max_tokens=2, num_samples=2)
    assert sum(batches) == 2 * len(PROMPTS) and len(batches) <= 2
    if model.tokenizer.kind == "char":
        assert batches == [2 * len(PROMPTS)]


def test_prompts_without_a_seed_are_texts_of_their_own(model: TextGenerator) -> None:
    texts = {done.text for done in model.generate([""] * 8, max_tokens=20, temperature=2.0)}
    assert len(texts) > 1
    assert model.generate(()) == []


def test_a_wrong_prompt_is_refused_before_anything_is_sampled(model: TextGenerator) -> None:
    with pytest.raises(TokenizerError, match="only text can be encoded, not int"):
        model.generate(["a", 5])  # type: ignore[list-item]
    with pytest.raises(TokenizerError, match="not PosixPath"):
        model.generate(Path("prompt.txt"))  # type: ignore[call-overload]
    with pytest.raises(ConfigError):
        model.generate(["a"], temperature=-1)
