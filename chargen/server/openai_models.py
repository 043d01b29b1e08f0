"""What a model is, and how it cuts texts, as clients ask for it: lists of models, and the tokenizer
as vLLM serves it, which lm-evaluation-harness asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chargen.checkpoint.files import MODEL
from chargen.checkpoint.metadata import CheckpointMetadata
from chargen.config import MAX_PROMPT
from chargen.generation.generator import TextGenerator
from chargen.nn.weights import count_parameters
from chargen.runtime.files import encode
from chargen.server.openai_fields import DetokenizeBody, TokenizeBody
from chargen.server.openai_logprobs import END_TOKEN, token_name
from chargen.server.openai_requests import checked_ids, dialogue_of


def models_body(models: Iterable[tuple[str, CheckpointMetadata]]) -> bytes:
    """Of GET /v1/models: each model under its name."""
    return encode({"object": "list", "data": [_entry(*model) for model in models]})


def model_body(name: str, metadata: CheckpointMetadata) -> bytes:
    """Of GET /v1/models/{name}."""
    return encode(_entry(name, metadata))


def _entry(name: str, metadata: CheckpointMetadata) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": metadata.saved_seconds,
        "owned_by": "chargen",
        "cell": metadata.model.cell,
        "hidden_size": metadata.model.hidden_size,
        "num_layers": metadata.model.num_layers,
        "tokenizer": metadata.tokenizer,
        "vocab_size": metadata.vocab_size,
        "parameters": count_parameters(metadata.model, metadata.vocab_size),
    }


def system_fingerprint(metadata: CheckpointMetadata | None) -> str | None:
    """A text that changes with the weights; None of a model that was never saved."""
    return None if metadata is None else f"fp_{metadata.sha256[MODEL][:16]}"


# -- the tokenizer ----------------------------------------------------------------------------


def tokenize_body(body: TokenizeBody, generator: TextGenerator) -> bytes:
    """The token ids of a text or of a dialogue. END_TOKEN alone is the end of a document, so that a
    client can ask for its id; within a text it is a text like any other. Raises ApiError."""
    tokenizer = generator.tokenizer
    if body.messages is not None:
        text, _, _ = dialogue_of(body.messages, generator)
    else:
        text = body.prompt or ""
    tokens = [tokenizer.end] if text == END_TOKEN else tokenizer.encode(text)
    found = {"count": len(tokens), "max_model_len": MAX_PROMPT, "tokens": tokens}
    if body.return_token_strs:
        found["token_strs"] = [token_name(tokenizer, token) for token in tokens]
    return encode(found)


def detokenize_body(body: DetokenizeBody, generator: TextGenerator) -> bytes:
    """The text that token ids spell. Raises ApiError."""
    tokens = checked_ids(body.tokens or [], "tokens", generator.tokenizer.vocab_size)
    return encode({"prompt": generator.tokenizer.decode(tokens)})


def tokenizer_info_body(generator: TextGenerator) -> bytes:
    """What there is to know of a tokenizer. A document begins after the end of another."""
    return encode(
        {
            "tokenizer_class": generator.tokenizer.kind,
            "vocab_size": generator.tokenizer.vocab_size,
            "model_max_length": MAX_PROMPT,
            "bos_token": END_TOKEN,
            "eos_token": END_TOKEN,
            "pad_token": None,
            "unk_token": None,
        }
    )
