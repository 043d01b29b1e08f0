"""How the texts of a body are sampled: its options as a config, with bounds on what one request may
cost. Knows neither prompts nor chats.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from chargen.config import SampleConfig
from chargen.errors import ConfigError
from chargen.generation.generator import TextGenerator
from chargen.options import field_names
from chargen.server.openai_errors import ApiError, api_error
from chargen.server.openai_fields import GenerationBody
from chargen.server.text_requests import TextRequest

MAX_TOKENS = 1 << 17  # of a text
MAX_CHOICES = 128  # n, best_of and beams
MAX_TEXTS = 1024  # of all prompts together
# Tokens of an answer, of all its texts; with logprobs each counts once more for every alternative.
MAX_RESULTS = 1 << 20
MAX_STOPS = 16  # OpenAI takes four; lm-evaluation-harness sends all that a task has, and one more
MAX_BANS = 100
MAX_TEXT_CHARS = 10_000  # of a stop text, a banned one, a charset, a regular expression
MAX_PENALTY_WINDOW = 10_000  # tokens that are looked at in each step, while others wait
MAX_BIASES = 1024
MAX_BIAS = 100.0
MAX_TOP_LOGPROBS = 20
MAX_SEED = 2**63 - 1
NO_SEED = -1  # as llama.cpp and vLLM have it, and the clients that were written for them send it

# Options of SampleConfig that a body has by the same name and for the same values. The others are
# read one by one.
OPTIONS = tuple(
    name
    for name in field_names(SampleConfig)
    if name not in ("max_tokens", "stop", "ban", "seed", "num_samples", "batch_size")
)
# Values by which clients say that an option is off, which here is None.
OFF: dict[str, tuple[float, ...]] = {
    "top_p": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "top_k": (0, -1),
    "min_p": (0,),
    "typical_p": (1,),
    "repetition_penalty": (1,),
    "no_repeat_ngram": (0,),
}
# What the models have no use for, and what to do instead.
REFUSED = {
    "suffix": "these models only continue a text, they fill no gap; leave it out",
    "tools": "these models call no tools; describe in the messages what they are to write",
    "functions": "these models call no functions; describe in the messages what they are to write",
    "response_format": (
        "only `text` is supported; `regex` makes the whole text match a regular expression"
    ),
}


def check_supported(body: GenerationBody) -> None:
    """Raises ApiError where the client asks for what these models cannot do."""
    for name, instead in REFUSED.items():
        asked = getattr(body, name, None)
        is_text = isinstance(asked, dict) and asked.get("type") == "text"
        if asked not in (None, "", [], {}) and not (name == "response_format" and is_text):
            raise ApiError(f"`{name}` is not supported: {instead}", param=name)


def given_options(body: GenerationBody) -> dict[str, Any]:
    """What the client has set of SampleConfig, by its names there. Raises ApiError."""
    options = {
        name: value
        for name in OPTIONS
        if (value := getattr(body, name)) is not None and value not in OFF.get(name, ())
    }
    for name in ("regex", "charset"):
        _check_length(name, options.get(name, ""))
    for name, most in (("stop", MAX_STOPS), ("ban", MAX_BANS)):
        if texts := _texts(name, getattr(body, name), most):
            options[name] = texts
    if body.seed not in (None, NO_SEED):
        check_range("seed", body.seed, -MAX_SEED - 1, MAX_SEED)
        options["seed"] = body.seed & MAX_SEED  # of a negative one its last 63 bits
    check_range("penalty_window", body.penalty_window, 1, MAX_PENALTY_WINDOW)
    limit = _token_limit(body)
    if limit:  # where it is 0 the request says so by a flag of its own
        options["max_tokens"] = limit
    return options


def _texts(name: str, given: str | list[str] | None, most: int) -> tuple[str, ...]:
    """One text or several; clients send "" and [] for none. Raises ApiError."""
    texts = tuple(text for text in ([given] if isinstance(given, str) else given or []) if text)
    if len(texts) > most:
        raise ApiError(f"`{name}` must hold at most {most} texts, not {len(texts):,}", param=name)
    for text in texts:
        _check_length(name, text)
    return texts


def _check_length(name: str, text: str) -> None:
    if len(text) > MAX_TEXT_CHARS:
        raise ApiError(f"`{name}` is longer than {MAX_TEXT_CHARS:,} characters", param=name)


def _token_limit(body: GenerationBody) -> int | None:
    """How many tokens a text may have, by the field that comes first. Raises ApiError."""
    if body.max_completion_tokens is None:
        check_range("max_tokens", body.max_tokens, 0, MAX_TOKENS)
        return body.max_tokens
    check_range("max_completion_tokens", body.max_completion_tokens, 0, MAX_TOKENS)
    return body.max_completion_tokens


def text_request(
    body: GenerationBody,
    generator: TextGenerator,
    options: dict[str, Any],
    num_texts: int,
    top_logprobs: int | None,
) -> TextRequest:
    """How the texts of each prompt are sampled: by the options, and where these say nothing as the
    checkpoint wants it. Its prompt is empty. Raises ApiError."""
    if body.beams is None:
        options = options | {"num_samples": num_texts}
    else:
        _check_search(body, body.beams, top_logprobs)
    try:
        config = generator.sample_config(options)
    except ConfigError as error:
        raise api_error(error) from error
    return TextRequest(
        prompt="",
        config=config,
        bias=_bias(body.logit_bias or {}, generator.tokenizer.vocab_size),
        top_logprobs=top_logprobs,
        samples_nothing=_token_limit(body) == 0,
    )


def _check_search(body: GenerationBody, beams: int, top_logprobs: int | None) -> None:
    """Raises ApiError where a beam search cannot do what is asked for."""
    check_range("beams", beams, 1, MAX_CHOICES)
    if body.stream:
        raise ApiError("`beams` cannot be streamed: leave out `stream`", param="beams")
    if (body.n or 1) > beams:
        raise ApiError(f"`n` must not be more than `beams`, which is {beams}", param="n")
    for name, asked in (("logit_bias", body.logit_bias), ("logprobs", top_logprobs is not None)):
        if asked:
            raise ApiError(f"`beams` and `{name}` cannot be combined", param=name)


def _bias(given: dict[str, float], vocab_size: int) -> dict[int, float]:
    """What is added to the logits of tokens, by their ids. Raises ApiError."""
    if len(given) > MAX_BIASES:
        raise ApiError(
            f"`logit_bias` must hold at most {MAX_BIASES:,} tokens, not {len(given):,}",
            param="logit_bias",
        )
    bias = {}
    for token, value in given.items():
        path = f"logit_bias[{token[:20]}]"
        if not (re.fullmatch(r"[0-9]{1,20}", token) and int(token) < vocab_size):
            raise ApiError(
                f"`{path}` is no token of this model: the keys are ids, from 0 to {vocab_size - 1}",
                param="logit_bias",
            )
        check_range(path, value, -MAX_BIAS, MAX_BIAS)
        bias[int(token)] = value
    return bias


def check_size(texts: Sequence[TextRequest]) -> None:
    """Raises ApiError where an answer could hold more than memory should."""
    num_texts = sum(text.num_texts for text in texts)
    if num_texts > MAX_TEXTS:
        raise ApiError(
            f"{len(texts):,} prompts have {num_texts:,} texts together, more than the "
            f"{MAX_TEXTS:,} allowed in one request",
            param="prompt",
        )
    size = sum(text.max_tokens * (1 + (text.top_logprobs or 0)) for text in texts)
    if size > MAX_RESULTS:
        raise ApiError(
            f"the answer could hold {size:,} tokens, alternatives among them, more than the "
            f"{MAX_RESULTS:,} allowed; ask for fewer texts, tokens or logprobs",
            param="max_tokens",
        )


def checked_count(name: str, value: int | None) -> int:
    """How many are asked for; one where nothing is said. Raises ApiError."""
    check_range(name, value, 1, MAX_CHOICES)
    return 1 if value is None else value


def check_range(name: str, value: float | None, least: float, most: float) -> None:
    """Raises ApiError where the value is outside; `name` is the field, or a path to it."""
    if value is not None and not least <= value <= most:
        raise ApiError(f"`{name}` must be from {least:,} to {most:,}", param=name.partition("[")[0])
