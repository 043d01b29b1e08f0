"""What programs send that cannot be run here: user interfaces in a browser, each by its own
requests and by what it reads of the answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import chargen
from tests.support.serving import Served

QUESTION = "What is the color of a strawberry?"
STRAWBERRY = "The color of a strawberry is"


def content_of(events: list[Any]) -> str:
    """The text of a chat's stream, where no chunk may lack its choice."""
    assert events[-1] == "[DONE]"
    return "".join(event["choices"][0]["delta"].get("content") or "" for event in events[:-1])


def test_open_webui(server: Served, answers: Callable[[str], str]) -> None:
    """Its backend lists the models and streams chats, with headers and fields of its own; titles
    and tags of a chat it asks for without a stream."""
    headers = {
        "Authorization": "Bearer ",
        "X-OpenWebUI-User-Name": "Ann",
        "X-OpenWebUI-User-Role": "admin",
    }
    [model] = server.request("GET", "/v1/models", headers=headers).json["data"]
    asked = {
        "stream": True,
        "model": model["id"],
        "messages": [
            {"role": "system", "content": "Some colors."},
            {"role": "user", "content": QUESTION},
        ],
        "temperature": 0,
        "stop": ["\n"],
        "stream_options": {"include_usage": True},
        "logit_bias": {},
    }
    answer = server.request("POST", "/v1/chat/completions", asked, headers)
    *events, usage, done = answer.events
    assert content_of([*events, done]) == answers(f"Some colors.\nYou: {QUESTION}")
    assert usage["choices"] == [] and usage["usage"]["completion_tokens"] > 0
    title = server.chat(
        model=model["id"],
        messages=[{"role": "user", "content": QUESTION}],
        stream=False,
        max_completion_tokens=1000,
        temperature=0,
    )
    assert title.json["choices"][0]["message"]["content"] == answers(f"You: {QUESTION}")


def test_librechat(server: Served, answers: Callable[[str], str]) -> None:
    """It reads the role from the first delta (issue 1221), and fetches models to choose from."""
    assert [model["id"] for model in server.get("/v1/models").json["data"]] == ["everyday"]
    answer = server.chat(
        model="everyday",
        temperature=0,
        top_p=1,
        presence_penalty=0,
        frequency_penalty=0,
        user="66f1",
        stream=True,
        messages=[{"role": "user", "content": [{"type": "text", "text": QUESTION}]}],
    )
    first = answer.events[0]["choices"][0]["delta"]
    assert (first["role"], first["content"]) == ("assistant", "")
    assert content_of(answer.events) == answers(f"You: {QUESTION}")


def test_big_agi(server: Served, answers: Callable[[str], str]) -> None:
    """Its texts come in parts, and its system prompt as a developer's."""
    answer = server.chat(
        model="everyday",
        messages=[
            {"role": "developer", "content": "Some colors."},
            {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
        ],
        max_tokens=2048,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
        reasoning_effort="low",
    )
    *events, usage, done = answer.events
    assert content_of([*events, done]) == answers(f"Some colors.\nYou: {QUESTION}")
    assert usage["usage"]["prompt_tokens"] > len(QUESTION.split())


MIKUPAD: dict[str, Any] = {
    "temperature": 0.7,
    "dynatemp_range": 0,
    "dynatemp_exponent": 1,
    "repetition_penalty": 1.1,
    "repetition_penalty_range": 256,
    "penalize_nl": False,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "top_k": 40,
    "top_p": 0.95,
    "typical_p": 1,
    "min_p": 0,
    "tfs": 1,
    "mirostat_mode": 0,
    "mirostat_tau": 5,
    "mirostat_eta": 0.1,
    "xtc_threshold": 0.1,
    "xtc_probability": 0,
    "seed": -1,
    "max_tokens": 12,
    "max_context_length": 8192,
    "stop": [],
    "ban_eos_token": False,
    "stream": True,
}


def test_mikupad_shows_alternatives_of_every_token(server: Served) -> None:
    """It looks for the text of a chunk among the first token's alternatives."""
    asked = MIKUPAD | {"min_chars": 1_000}
    answer = server.complete(model="everyday", prompt="The", logprobs=10, **asked)
    choices = [event["choices"][0] for event in answer.events[:-1]]
    shown = [choice for choice in choices if choice["text"]]
    assert len(shown) == 12
    for choice in shown:
        top = choice["logprobs"]["top_logprobs"][0]
        assert len(top) >= 10
        assert 0 < math.exp(top[choice["text"]]) <= 1


def test_mikupad_in_a_chat(server: Served, answers: Callable[[str], str]) -> None:
    """No chunk lacks its choice, whose delta it reads at once."""
    messages = [{"role": "user", "content": QUESTION}]
    options = MIKUPAD | {"temperature": 0, "do_sample": False, "max_tokens": 100}
    answer = server.chat(messages=messages, logprobs=True, top_logprobs=10, **options)
    said = ""
    for event in answer.events[:-1]:
        choice = event["choices"][0]
        if token := choice["delta"].get("content"):
            top = {  # a turn is shown without its blank, which is part of its first token
                one["token"] if said else one["token"].lstrip(): one["logprob"]
                for one in choice["logprobs"]["content"][0]["top_logprobs"]
            }
            assert 0 < math.exp(top[token]) <= 1
            said += token
    assert said == answers(f"You: {QUESTION}")


def test_a_seed_of_minus_one_is_none(server: Served) -> None:
    """As llama.cpp and the pages that were written for it have it: another text each time."""
    texts = {
        server.complete(prompt="The", seed=-1, max_tokens=40).json["choices"][0]["text"]
        for _ in range(3)
    }
    assert len(texts) == 3


def test_sillytavern(server: Served, everyday: chargen.TextGenerator) -> None:
    """Text completion of a generic server: no model, and everything off is sent as such."""
    answer = server.complete(
        prompt=STRAWBERRY,
        max_tokens=20,
        max_new_tokens=20,
        temperature=0,
        top_p=1,
        typical_p=1,
        typical=1,
        min_p=0,
        top_k=0,
        top_a=0,
        tfs=1,
        repetition_penalty=1,
        frequency_penalty=0,
        presence_penalty=0,
        min_tokens=0,
        n=1,
        logprobs=10,
        logit_bias={},
        stop=["\nYou:", "\n***"],
        ban_eos_token=False,
        stream=False,
    )
    [choice] = answer.json["choices"]
    stop = ["\nYou:", "\n***"]
    expected = everyday.generate(STRAWBERRY, temperature=0, max_tokens=20, stop=stop)
    assert choice["text"] == expected.text
    assert "".join(choice["logprobs"]["tokens"]).startswith(choice["text"])


def test_vllm_s_way_of_saying_off(server: Served) -> None:
    answer = server.complete(prompt="GRANN", max_tokens=1, temperature=0, top_k=-1, logit_bias=None)
    assert answer.json["choices"][0]["text"] == "Y"


def test_nulls_are_what_is_left_open(server: Served) -> None:
    """As typed clients in other languages send all that they know."""
    names = (
        "best_of", "echo", "frequency_penalty", "logit_bias", "logprobs", "max_tokens", "n",
        "presence_penalty", "seed", "stop", "stream", "stream_options", "suffix", "temperature",
        "top_p", "user",
    )  # fmt: skip
    nulls = dict.fromkeys(names)
    answer = server.complete(**nulls | {"model": "everyday", "prompt": "The", "min_chars": 1_000})
    assert answer.status == 200
    assert answer.json["usage"]["completion_tokens"] == 16
    chat = server.chat(
        model="everyday",
        messages=[{"role": "user", "content": QUESTION, "name": None, "tool_calls": None}],
        **dict.fromkeys(names[:2] + names[7:12]),
        tools=[],
        tool_choice="none",
        response_format={"type": "text"},
        max_completion_tokens=None,
    )
    assert chat.status == 200
