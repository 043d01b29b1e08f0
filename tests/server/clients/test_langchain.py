"""LangChain's two classes for OpenAI against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import chargen
from tests.support.serving import Served

langchain_openai = pytest.importorskip("langchain_openai", reason="extra clients")

STRAWBERRY = "The color of a strawberry is"
ASKED = "What is the color of a strawberry?"
QUESTION = [("human", ASKED)]


@pytest.fixture
def model(server: Served) -> Any:
    return langchain_openai.OpenAI(
        model="everyday", base_url=f"{server.url}/v1", api_key="none", temperature=0, max_tokens=20
    )


@pytest.fixture
def chat(server: Served) -> Any:
    return langchain_openai.ChatOpenAI(
        model="everyday", base_url=f"{server.url}/v1", api_key="none", temperature=0
    )


def test_a_completion(model: Any, everyday: chargen.TextGenerator) -> None:
    expected = everyday.generate(STRAWBERRY, temperature=0, max_tokens=20).text
    assert model.invoke(STRAWBERRY) == expected
    assert "".join(model.stream(STRAWBERRY)) == expected
    assert model.batch([STRAWBERRY, "GRANN"])[0] == expected


def test_stop_and_usage(model: Any) -> None:
    result = model.generate([STRAWBERRY], stop=["\n", "."])
    assert result.generations[0][0].text == " red"
    assert result.generations[0][0].generation_info["finish_reason"] == "stop"
    assert result.llm_output["token_usage"]["completion_tokens"] > 0


def test_a_chat(chat: Any, answers: Callable[[str], str]) -> None:
    answer = chat.invoke([("system", "Some colors."), *QUESTION])
    assert answer.content == answers(f"Some colors.\nYou: {ASKED}")
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.usage_metadata["output_tokens"] > 0


def test_a_chat_streams(chat: Any, answers: Callable[[str], str]) -> None:
    chunks = list(chat.stream(QUESTION, stream_usage=True))
    assert len(chunks) > 3
    whole = sum(chunks[1:], start=chunks[0])
    assert whole.content == answers(f"You: {ASKED}")
    assert whole.usage_metadata["output_tokens"] > 0


def test_a_chat_has_logprobs(server: Served) -> None:
    chat = langchain_openai.ChatOpenAI(
        model="everyday",
        base_url=f"{server.url}/v1",
        api_key="none",
        temperature=0,
        logprobs=True,
        top_logprobs=2,
    )
    [first, *_] = chat.invoke(QUESTION).response_metadata["logprobs"]["content"]
    assert first["token"] == first["top_logprobs"][0]["token"]


def test_many_at_a_time(server: Served, answers: Callable[[str], str]) -> None:
    questions = [f"What is the color of {thing}?" for thing in ("snow", "grass")]

    async def ask() -> list[str]:
        chat = langchain_openai.ChatOpenAI(
            model="everyday", base_url=f"{server.url}/v1", api_key="none", temperature=0
        )
        asked = [[("human", question)] for question in questions]
        return [answer.content for answer in await chat.abatch(asked)]

    assert asyncio.run(ask()) == [answers(f"You: {question}") for question in questions]
