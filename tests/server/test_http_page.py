"""The page of the HTTP API is complete, and its figures are the program's."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargen.config import CHAT_TEMPERATURE, DEFAULT_TOKENS
from chargen.generation.prompt_reader import CACHE_BYTES
from chargen.server import (
    app,
    exchange,
    models,
    openai_fields,
    openai_options,
    openai_requests,
    preparing,
    protocol,
    run,
    worker,
)
from chargen.server.openai_answers import DONE
from chargen.server.openai_errors import TYPES
from chargen.server.openai_fields import ChatBody, CompletionBody, DetokenizeBody, TokenizeBody
from chargen.server.openai_logprobs import END_TOKEN

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "http.md").read_text(encoding="utf-8")
MIB = 2**20


@pytest.mark.parametrize("body", [CompletionBody, ChatBody, TokenizeBody, DetokenizeBody])
def test_each_field_of_a_body_is_named(body: type) -> None:
    fields: tuple[str, ...] = body.__struct_fields__  # type: ignore[attr-defined]
    assert [name for name in fields if f"`{name}`" not in PAGE] == []


def test_each_status_of_an_error_is_named() -> None:
    said = {int(word) for word in PAGE.replace(",", "").split() if word.isdecimal()}
    assert {*TYPES, 500, 503} <= said


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ("headers", f"{protocol.MAX_HEAD // 1024} KiB"),
        ("body in which", f"{openai_fields.MAX_SEARCHED // 1024} KiB"),
        ("body", f"{exchange.MAX_BODY // MIB} MiB; all that are not answered yet together "),
        ("body", f" together {exchange.MAX_BODIES // MIB} MiB"),
        ("prompts in a request", openai_requests.MAX_PROMPTS),
        ("`n`, `best_of`, `beams`", openai_options.MAX_CHOICES),
        ("texts in a request", openai_options.MAX_TEXTS),
        ("`max_tokens`", openai_options.MAX_TOKENS),
        ("tokens in an answer; with", openai_options.MAX_RESULTS),
        ("`stop`", openai_options.MAX_STOPS),
        ("`ban`", openai_options.MAX_BANS),
        ("a text in `stop` or `ban`", openai_options.MAX_TEXT_CHARS),
        ("`logit_bias`", openai_options.MAX_BIASES),
        ("`logit_bias`", f"-{openai_options.MAX_BIAS:g} to {openai_options.MAX_BIAS:g}"),
        ("`logprobs`, `top_logprobs`", openai_options.MAX_TOP_LOGPROBS),
        ("`penalty_window`", openai_options.MAX_PENALTY_WINDOW),
        ("`messages`", openai_requests.MAX_MESSAGES),
        ("tokens of a prompt that are scored", preparing.MAX_SCORED_TOKENS),
        ("log-probabilities of all", worker.MAX_SCORES),
        ("requests whose `regex`", preparing.MAX_GUIDES),
        ("tokens of all prompts at a time", worker.MAX_PROMPT_TOKENS),
        ("texts that wait", run.MAX_WAITING),
        ("requests at a time", app.MAX_REQUESTS),
        ("models in memory", models.MAX_LOADED),
        ("states of prompts that are kept", f"{CACHE_BYTES // MIB} MiB"),
        ("seconds for the headers", f"{protocol.HEAD_SECONDS:g}"),
        ("seconds for a body", f"{exchange.BODY_SECONDS:g}"),
        ("seconds for a body", f"{exchange.SEND_SECONDS:g}"),
        ("seconds to finish after SIGTERM", run.EXIT_SECONDS),
        ("`max_tokens`", f"{openai_requests.DEFAULT_MAX_TOKENS} by default in completions"),
        ("`max_tokens`", f"{DEFAULT_TOKENS} in chats"),
        ("`temperature`, `top_p`", f"{CHAT_TEMPERATURE} in chats"),
    ],
)
def test_its_figures_are_those_of_the_program(row: str, value: int | str) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith(f"| {row}")]
    shown = value if isinstance(value, str) else f"{value:,}"
    assert any(shown in line for line in rows)


def test_its_names_are_those_of_the_program() -> None:
    assert f"`{END_TOKEN}`" in PAGE
    assert f"`{DONE.decode().strip()}`" in PAGE
    assert f"`{app.HEARTBEAT.decode().strip()}`" in PAGE
