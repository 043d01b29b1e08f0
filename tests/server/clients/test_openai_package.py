"""The real openai package against a real server."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion
from openai.types.completion_choice import Logprobs

import chargen
from tests.support.serving import Served, serving

STRAWBERRY = "The color of a strawberry is"
ASKED = "What is the color of a strawberry?"
QUESTION: Any = [{"role": "user", "content": ASKED}]
KEY = "sk-a-key"


@pytest.fixture(scope="module")
def client(server: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def in_parallel(server: Served, requests: list[dict[str, Any]]) -> list[Any]:
    """The completions of all of them, asked for at the same time."""

    async def ask() -> list[Any]:
        url = f"{server.url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            creating = [client.completions.create(model="everyday", **each) for each in requests]
            return await asyncio.gather(*creating)

    return asyncio.run(ask())


# -- completions --------------------------------------------------------------------------------


def test_a_completion_is_what_chargen_generates(
    client: openai.OpenAI, everyday: chargen.TextGenerator
) -> None:
    options: dict[str, Any] = {"seed": 7, "temperature": 0.8, "top_p": 0.9, "max_tokens": 30}
    done = client.completions.create(model="everyday", prompt=STRAWBERRY, **options)
    expected = everyday.generate(STRAWBERRY, **options)
    assert done.choices[0].text == expected.text
    assert done.choices[0].finish_reason in ("length", "stop")
    assert done.object == "text_completion" and done.model == "everyday"
    assert done.usage is not None
    assert done.usage.prompt_tokens == len(everyday.tokenizer.encode(STRAWBERRY))
    assert done.usage.completion_tokens == len(expected.tokens)


def test_our_own_options_go_in_extra_body(client: openai.OpenAI) -> None:
    done = client.completions.create(
        model="everyday", prompt="The", extra_body={"regex": "[aeiou]{4}", "top_k": 5}
    )
    assert set(done.choices[0].text) <= set("aeiou") and len(done.choices[0].text) == 4
    assert done.choices[0].finish_reason == "stop"


def test_a_stream_joined_is_the_text(client: openai.OpenAI) -> None:
    options: dict[str, Any] = {"seed": 3, "max_tokens": 40, "model": "everyday", "prompt": "The"}
    options["extra_body"] = {"min_chars": 1_000}
    whole = client.completions.create(**options)
    with client.completions.create(**options, stream=True) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
    reasons = [chunk.choices[0].finish_reason for chunk in chunks]
    assert reasons[-1] == "length" and not any(reasons[:-1])
    assert all(chunk.usage is None for chunk in chunks)
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_says_its_usage_where_it_is_asked_to(
    client: openai.OpenAI, everyday: chargen.TextGenerator
) -> None:
    *chunks, last = client.completions.create(
        model="everyday",
        prompt=STRAWBERRY,
        max_tokens=5,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"min_chars": 1_000},
    )
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert last.choices == [] and last.usage is not None
    assert last.usage.total_tokens == len(everyday.tokenizer.encode(STRAWBERRY)) + 5


def test_many_prompts_and_texts_come_in_order(client: openai.OpenAI) -> None:
    """`index` counts the texts of the first prompt, then those of the next."""
    prompts = ["The", "You: Hello"]
    options: dict[str, Any] = {"model": "everyday", "seed": 5, "max_tokens": 30, "n": 2}
    together = client.completions.create(prompt=prompts, **options)
    alone = [client.completions.create(prompt=prompt, **options) for prompt in prompts]
    assert [choice.index for choice in together.choices] == [0, 1, 2, 3]
    texts = [choice.text for done in alone for choice in done.choices]
    assert [choice.text for choice in together.choices] == texts


def test_the_best_of_several_come_first(client: openai.OpenAI) -> None:
    options: dict[str, Any] = {"model": "everyday", "prompt": "The", "seed": 2, "max_tokens": 12}
    options["logprobs"] = 0

    def mean(choice: Any) -> float:
        return float(sum(choice.logprobs.token_logprobs)) / len(choice.logprobs.token_logprobs)

    everyone = client.completions.create(n=5, **options).choices
    best = client.completions.create(n=2, best_of=5, **options).choices
    expected = sorted(everyone, key=mean, reverse=True)[:2]
    assert [choice.text for choice in best] == [choice.text for choice in expected]


def test_tokens_are_a_prompt_as_a_text_is(
    client: openai.OpenAI, everyday: chargen.TextGenerator
) -> None:
    options: dict[str, Any] = {"model": "everyday", "seed": 4, "max_tokens": 10}
    options["extra_body"] = {"heal": False}  # tokens are taken as they are
    tokens = everyday.tokenizer.encode(STRAWBERRY)
    of_text = client.completions.create(prompt=STRAWBERRY, **options).choices[0].text
    of_tokens = client.completions.create(prompt=tokens, **options).choices[0].text
    of_list = client.completions.create(prompt=[tokens], **options).choices[0].text
    assert of_text == of_tokens == of_list


def test_logit_bias_forbids_and_forces(
    client: openai.OpenAI, everyday: chargen.TextGenerator
) -> None:
    own: dict[str, Any] = {"temperature": 0, "max_tokens": 1}

    def greedy(**options: Any) -> str:
        done = client.completions.create(
            model="everyday", prompt="The", extra_body={"heal": False}, **own, **options
        )
        return str(done.choices[0].text)

    likeliest = everyday.generate("The", heal=False, **own)
    [first], [other] = likeliest.tokens, everyday.tokenizer.encode("Q")
    assert greedy() == likeliest.text
    assert greedy(logit_bias={str(first): -100}) != likeliest.text
    assert greedy(logit_bias={str(other): 100}) == "Q"


def test_seeds_do_not_know_their_neighbours(server: Served) -> None:
    requests: list[dict[str, Any]] = [
        {"prompt": prompt, "seed": seed, "max_tokens": 20 + seed, "temperature": 0.9}
        for seed in range(8)
        for prompt in ("The", "You: Hi", STRAWBERRY)
    ]
    together = in_parallel(server, requests)
    alone = [in_parallel(server, [request])[0] for request in requests]
    for one, other in zip(together, alone, strict=True):
        assert one.choices[0].text == other.choices[0].text


# -- logprobs -----------------------------------------------------------------------------------


def test_logprobs_of_a_completion(client: openai.OpenAI, everyday: chargen.TextGenerator) -> None:
    done = client.completions.create(
        model="everyday", prompt=STRAWBERRY, seed=1, max_tokens=12, logprobs=3,
        extra_body={"min_chars": 1_000},
    )  # fmt: skip
    [choice] = done.choices
    logprobs = choice.logprobs
    assert isinstance(logprobs, Logprobs)
    assert logprobs.tokens and logprobs.token_logprobs
    assert logprobs.top_logprobs and logprobs.text_offset
    assert "".join(logprobs.tokens) == choice.text
    assert logprobs.text_offset == [
        len("".join(logprobs.tokens[:index])) for index in range(len(logprobs.tokens))
    ]
    for token, logprob, top in zip(
        logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs, strict=True
    ):
        assert top[token] == logprob
        assert 3 <= len(top) <= 4
    text = STRAWBERRY + choice.text
    scores = [-token.nats for token in everyday.score(text).costs][-12:]
    assert logprobs.token_logprobs == pytest.approx(scores, abs=1e-4)


def test_echo_scores_the_prompt(client: openai.OpenAI, everyday: chargen.TextGenerator) -> None:
    done = client.completions.create(
        model="everyday", prompt=STRAWBERRY, max_tokens=0, echo=True, logprobs=1
    )
    [choice] = done.choices
    assert choice.text == STRAWBERRY
    assert choice.logprobs is not None and choice.logprobs.token_logprobs is not None
    first: Any = choice.logprobs.token_logprobs[0]
    assert first is None
    scores = [-token.nats for token in everyday.score(STRAWBERRY).costs]
    assert choice.logprobs.token_logprobs[1:] == pytest.approx(scores[1:], abs=1e-4)
    assert done.usage is not None and done.usage.completion_tokens == 0


def test_logprobs_of_a_chat(client: openai.OpenAI) -> None:
    done = client.chat.completions.create(
        model="everyday", messages=QUESTION, temperature=0, logprobs=True, top_logprobs=2
    )
    [choice] = done.choices
    assert choice.logprobs is not None and choice.logprobs.content is not None
    tokens = choice.logprobs.content
    assert bytes(b for token in tokens for b in token.bytes or ()).decode().strip() == (
        choice.message.content
    )
    for token in tokens:
        assert token.top_logprobs[0].token == token.token  # at temperature 0
        assert all(a.logprob >= b.logprob for a, b in pairwise(token.top_logprobs))
        assert math.exp(token.logprob) <= 1


def test_a_stream_with_logprobs_has_a_token_an_event(client: openai.OpenAI) -> None:
    stream = client.completions.create(
        model="everyday", prompt="The", seed=1, max_tokens=12, logprobs=2, stream=True,
        extra_body={"min_chars": 1_000},
    )  # fmt: skip
    scored = [chunk.choices[0] for chunk in stream if chunk.choices[0].text]
    assert len(scored) == 12
    for choice in scored:
        assert choice.logprobs is not None
        assert choice.logprobs.tokens == [choice.text]


# -- chat ---------------------------------------------------------------------------------------


def test_a_chat_answers(client: openai.OpenAI, answers: Callable[[str], str]) -> None:
    done = client.chat.completions.create(model="everyday", messages=QUESTION, temperature=0)
    [choice] = done.choices
    assert choice.message.role == "assistant"
    assert choice.message.content == answers(f"You: {ASKED}")
    assert choice.finish_reason == "stop"
    assert done.object == "chat.completion"
    assert ChatCompletion.model_validate(done.model_dump(), strict=True) == done


def test_a_chat_streams(client: openai.OpenAI, answers: Callable[[str], str]) -> None:
    stream = client.chat.completions.create(
        model="everyday", messages=QUESTION, temperature=0, stream=True
    )
    deltas = [chunk.choices[0] for chunk in stream]
    assert deltas[0].delta.role == "assistant"
    assert not any(choice.delta.role for choice in deltas[1:])
    said = "".join(choice.delta.content or "" for choice in deltas)
    assert said == answers(f"You: {ASKED}")
    assert [choice.finish_reason for choice in deltas][-1] == "stop"
    assert not any(choice.finish_reason for choice in deltas[:-1])


def test_a_chat_streams_through_the_helper(
    client: openai.OpenAI, answers: Callable[[str], str]
) -> None:
    """`chat.completions.stream` puts the pieces together itself, and is strict about them."""
    with client.chat.completions.stream(
        model="everyday",
        messages=QUESTION,
        temperature=0,
        logprobs=True,
        stream_options={"include_usage": True},
    ) as stream:
        done = stream.get_final_completion()
    assert done.choices[0].message.content == answers(f"You: {ASKED}")
    assert done.usage is not None and done.usage.completion_tokens > 0


def test_a_conversation_is_remembered_as_far_as_it_is_sent(
    client: openai.OpenAI, answers: Callable[[str], str]
) -> None:
    messages: Any = [
        {"role": "system", "content": "Some colors."},
        *QUESTION,
        {"role": "assistant", "content": "It is red."},
        {"role": "user", "content": [{"type": "text", "text": "What is the color of snow?"}]},
    ]
    done = client.chat.completions.create(model="everyday", messages=messages, temperature=0)
    talk = f"Some colors.\nYou: {ASKED}\nBot: It is red.\nYou: What is the color of snow?"
    assert done.choices[0].message.content == answers(talk)


def test_max_completion_tokens_stands_before_max_tokens(client: openai.OpenAI) -> None:
    done = client.chat.completions.create(
        model="everyday", messages=QUESTION, max_completion_tokens=3, max_tokens=8,
        extra_body={"min_chars": 1_000},
    )  # fmt: skip
    assert done.usage is not None and done.usage.completion_tokens == 3
    assert done.choices[0].finish_reason == "length"


# -- async --------------------------------------------------------------------------------------


def test_streams_side_by_side(server: Served) -> None:
    """Each is what it is alone."""

    async def stream_all() -> list[str]:
        url = f"{server.url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:

            async def text_of(seed: int) -> str:
                stream = await client.completions.create(
                    model="everyday", prompt="The", seed=seed, max_tokens=30, stream=True
                )
                return "".join([chunk.choices[0].text async for chunk in stream])

            return await asyncio.gather(*(text_of(seed) for seed in range(20)))

    alone = in_parallel(server, [{"prompt": "The", "seed": 13, "max_tokens": 30}])
    assert asyncio.run(stream_all())[13] == alone[0].choices[0].text


# -- the rest of the API ------------------------------------------------------------------------


def test_models(client: openai.OpenAI) -> None:
    [model] = client.models.list()
    assert (model.id, model.object, model.owned_by) == ("everyday", "model", "chargen")
    assert client.models.retrieve("everyday") == model


def test_raw_responses(client: openai.OpenAI) -> None:
    raw = client.completions.with_raw_response.create(
        model="everyday", prompt="GRANN", max_tokens=1, temperature=0
    )
    assert raw.headers["content-type"] == "application/json"
    assert raw.parse().choices[0].text == "Y"
    with client.completions.with_streaming_response.create(
        model="everyday", prompt="GRANN", max_tokens=1, temperature=0, stream=True
    ) as streamed:
        assert streamed.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in streamed.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"


# -- what goes wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"temperature": -1}, "temperature"),
        ({"max_tokens": -5}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"top_p": 3}, "top_p"),
        ({"seed": "one"}, "seed"),
        ({"logit_bias": {"x": 1}}, "logit_bias"),
        ({"suffix": "end"}, "suffix"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [1_000_000]}, "prompt"),
    ],
)
def test_a_bad_request_names_the_field(
    client: openai.OpenAI, options: dict[str, Any], param: str
) -> None:
    body: dict[str, Any] = {"model": "everyday", "prompt": "The", **options}
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(**body)
    assert caught.value.type == "invalid_request_error"
    assert caught.value.param is not None and caught.value.param.startswith(param)
    assert param in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tools", [{"type": "function", "function": {"name": "f", "parameters": {}}}]),
        ("response_format", {"type": "json_object"}),
    ],
)
def test_what_the_models_cannot_do_is_refused(client: openai.OpenAI, name: str, value: Any) -> None:
    asked: dict[str, Any] = {"model": "everyday", "messages": QUESTION, name: value}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**asked)
    assert caught.value.param == name


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.completions.create(model="gpt-4o", prompt="The")
    assert caught.value.code == "model_not_found"
    assert "everyday" in str(caught.value)
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4o")


def test_what_is_not_served_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="everyday", input="The")
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="everyday", input="The")


def test_the_key_is_asked_for(tmp_path: Any) -> None:
    with serving("everyday", "--api-key", KEY, cwd=tmp_path) as served:
        url = f"{served.url}/v1"
        with (
            openai.OpenAI(base_url=url, api_key="wrong", max_retries=0) as stranger,
            pytest.raises(openai.AuthenticationError),
        ):
            stranger.models.list()
        with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0) as friend:
            assert friend.models.retrieve("everyday").id == "everyday"
        assert served.get("/health").status == 200


def test_a_full_queue_is_waited_for(
    client: openai.OpenAI, server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package tries again after as many seconds as the answer says."""
    waited: list[float] = []
    with ExitStack() as others:
        connection = others.enter_context(server.dialed())
        many: dict[str, Any] = {"model": "everyday", "prompt": ["The"] * 8, "n": 128}
        endless = many | {"max_tokens": 1000, "min_chars": 250}
        connection.sendall(server.spelled("/v1/completions", endless))
        server.wait_for(1024)

        def wait(seconds: float) -> None:
            waited.append(seconds)
            others.close()
            server.settle()

        monkeypatch.setattr("time.sleep", wait)
        patient = client.with_options(max_retries=1)
        done = patient.completions.create(**many, max_tokens=1)
    assert len(done.choices) == 1024
    assert waited == [1.0]


def test_a_client_that_gives_up_leaves_nothing_running(
    client: openai.OpenAI, server: Served
) -> None:
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.2).completions.create(
            model="everyday", prompt="The", max_tokens=100_000,
            extra_body={"min_chars": 260_000},
        )  # fmt: skip
    server.settle()
