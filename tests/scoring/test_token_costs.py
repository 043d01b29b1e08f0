"""What tokens cost adds up to what the text does; Python gets the numbers of the command line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import chargen
from chargen.errors import CorpusError, TokenizerError
from tests.support.command import Chargen
from tests.support.tiny import logprob_of, tiny

TEXT = "abab ba"


def test_costs_are_those_of_the_plain_model_and_add_up() -> None:
    model = tiny(3, "a", "b", "ab", " ")
    score = model.score(TEXT)
    tokens = model.tokenizer.encode(TEXT)
    assert [cost.token for cost in score.costs] == tokens
    assert "".join(cost.text for cost in score.costs) == TEXT
    for place, cost in enumerate(score.costs):
        assert cost.nats == pytest.approx(
            -logprob_of(model, tokens[:place], [cost.token]), abs=1e-5
        )
        assert cost.bits == pytest.approx(cost.nats / math.log(2))
    assert score.nats == pytest.approx(sum(cost.nats for cost in score.costs))
    assert (score.tokens, score.bytes, score.characters) == (len(tokens), len(TEXT), len(TEXT))
    assert score.bits_per_byte == pytest.approx(score.bits / len(TEXT))


def test_several_texts_have_one_score() -> None:
    model = tiny(4, "a", "b")
    together = model.evaluate(["ab", "", "bba"])
    one, other = model.score("ab"), model.score("bba")
    assert together.nats == pytest.approx(one.nats + other.nats)
    assert together.tokens == 5
    assert model.evaluate("ab") == model.evaluate(["ab"])
    assert model.perplexity("ab") == pytest.approx(math.exp(one.nats / 2))
    assert model.perplexity(["ab", "bba"]) == together.perplexity


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    model = tiny(5, "a", "b")
    for empty in ("", [], [""]):
        with pytest.raises(CorpusError, match="the text is empty"):
            model.evaluate(empty)
    with pytest.raises(CorpusError, match="the text is empty"):
        model.score("")
    with pytest.raises(TokenizerError, match="not PosixPath; read it first, as with Path"):
        model.evaluate(tmp_path)  # type: ignore[arg-type]
    with pytest.raises(TokenizerError, match="not int"):
        model.evaluate([1])  # type: ignore[list-item]


@pytest.mark.parametrize("wrong", [5, None, b"ab", bytearray(b"ab"), {"a": "b"}, Path("a")])
def test_what_is_neither_a_text_nor_several_is_refused_by_its_type(wrong: Any) -> None:
    """Though bytes and a dict could be gone through."""
    model = tiny(5, "a", "b")
    refused = f"only text can be encoded, not {type(wrong).__name__}"
    for take in (model.evaluate, model.perplexity, model.score, model.generate, model.stream):
        with pytest.raises(TokenizerError, match=refused):
            take(wrong)
    for take in (model.evaluate, model.perplexity, model.generate):
        with pytest.raises(TokenizerError, match=refused):
            take(["a", wrong])


def test_python_has_the_numbers_of_the_command_line(
    checkpoint: Path, tmp_path: Path, run_chargen: Chargen
) -> None:
    model = chargen.load(checkpoint)
    texts = ["The caf\u00e9 is brown.\n", "GRANNY"]
    for index, text in enumerate(texts):
        (tmp_path / f"{index}.txt").write_text(text, encoding="utf-8")
    files = ["0.txt", "1.txt"]
    [line] = run_chargen("eval", checkpoint, *files, "--json").stdout.splitlines()
    assert model.evaluate(texts).as_dict() == json.loads(line)
    *rows, totals = run_chargen("score", checkpoint, texts[0], "--json").stdout.splitlines()
    score = model.score(texts[0])
    assert json.loads(totals) == score.as_dict() | {"nats": score.nats, "bits": score.bits}
    assert [json.loads(row)["nats"] for row in rows] == [cost.nats for cost in score.costs]
