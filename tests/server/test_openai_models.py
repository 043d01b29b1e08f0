"""Models and tokenizers are described as the openai package and lm-evaluation-harness read it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Model

import chargen
from chargen.generation.generator import TextGenerator
from chargen.runtime.files import decode_any
from chargen.server.openai_errors import ApiError
from chargen.server.openai_fields import DetokenizeBody, TokenizeBody, read_body
from chargen.server.openai_models import (
    detokenize_body,
    model_body,
    models_body,
    system_fingerprint,
    tokenize_body,
    tokenizer_info_body,
)
from tests.support.tokenizers import MAKERS, tokenizer


@pytest.fixture(scope="module")
def model() -> TextGenerator:
    return chargen.load("everyday")


def tokenize(model: TextGenerator, **body: Any) -> Any:
    asked = read_body(json.dumps(body).encode(), TokenizeBody)
    return decode_any(tokenize_body(asked, model))


def detokenize(model: TextGenerator, **body: Any) -> Any:
    asked = read_body(json.dumps(body).encode(), DetokenizeBody)
    return decode_any(detokenize_body(asked, model))


def test_a_model_says_what_it_is(model: TextGenerator) -> None:
    assert model.metadata is not None
    metadata = replace(model.metadata, saved_at="2026-11-28T10:12:56Z")
    content = model_body("everyday", metadata)
    described = Model.model_validate_json(content, strict=True)
    assert (described.id, described.owned_by) == ("everyday", "chargen")
    assert described.created == 1795860776
    facts = decode_any(content)
    assert facts["parameters"] == model.weights.num_parameters
    known = model.weights.config
    assert (facts["cell"], facts["num_layers"], facts["hidden_size"]) == (
        known.cell, known.num_layers, known.hidden_size,
    )  # fmt: skip
    listed = decode_any(models_body([("everyday", metadata), ("b", metadata)]))
    assert listed == {"object": "list", "data": [facts, facts | {"id": "b"}]}


def test_a_record_without_a_time_is_listed_too(model: TextGenerator) -> None:
    assert model.metadata is not None
    odd = replace(model.metadata, saved_at="once")
    assert decode_any(model_body("a", odd))["created"] == 0


def test_the_fingerprint_is_that_of_the_weights(model: TextGenerator) -> None:
    assert model.metadata is not None
    other = replace(model.metadata, sha256={"model.safetensors": "0" * 64})
    same = replace(model.metadata, saved_at="", sha256=dict(model.metadata.sha256))
    assert system_fingerprint(same) == system_fingerprint(model.metadata)
    assert system_fingerprint(other) != system_fingerprint(model.metadata)
    assert system_fingerprint(None) is None


@given(st.sampled_from(sorted(MAKERS)), st.text("The strawbery \u00e4\u6f22\U0001f353\n"))
def test_a_text_comes_back(model: TextGenerator, kind: str, text: str) -> None:
    generator = TextGenerator(model.weights, tokenizer(kind))
    found = tokenize(generator, prompt=text, add_special_tokens=False, return_token_strs=True)
    assert found["tokens"] == generator.tokenizer.encode(text)
    assert found["count"] == len(found["tokens"]) == len(found["token_strs"])
    assert detokenize(generator, tokens=found["tokens"]) == {"prompt": text}


def test_a_dialogue_is_tokenized_as_it_is_read(model: TextGenerator) -> None:
    found = tokenize(model, messages=[{"role": "user", "content": "hi"}])
    assert model.tokenizer.decode(found["tokens"]) == "You: hi\nBot:"
    assert "token_strs" not in found


def test_the_end_of_a_document_has_a_name_and_an_id(model: TextGenerator) -> None:
    info = decode_any(tokenizer_info_body(model))
    # By this lm-evaluation-harness asks for the id that a text without a context begins after.
    for name in ("bos_token", "eos_token"):
        assert tokenize(model, prompt=info[name])["tokens"] == [model.tokenizer.end]
    text = f"It ends by {info['eos_token']}"
    assert model.tokenizer.decode(tokenize(model, prompt=text)["tokens"]) == text


def test_nothing_is_the_empty_text(model: TextGenerator) -> None:
    assert tokenize(model)["tokens"] == []
    assert detokenize(model) == {"prompt": ""}


@pytest.mark.parametrize(("tokens", "param"), [([9999], "tokens[0]"), ([97, -1], "tokens[1]")])
def test_ids_that_there_are_not(model: TextGenerator, tokens: list[int], param: str) -> None:
    last = model.tokenizer.vocab_size - 1
    with pytest.raises(ApiError, match=f"ids go from 0 to {last}") as caught:
        detokenize(model, tokens=tokens)
    assert caught.value.param == param
