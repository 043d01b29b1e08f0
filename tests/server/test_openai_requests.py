"""What bodies ask for, by the rules of OpenAI and the options of chargen; what nobody can do is
refused by the name of the field."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chargen
from chargen.config import CHAT_TEMPERATURE, CorpusConfig, SampleConfig, SamplingDefaults
from chargen.generation.generator import TextGenerator
from chargen.server.openai_errors import ApiError
from chargen.server.openai_fields import ChatBody, CompletionBody, read_body
from chargen.server.openai_options import (
    MAX_BANS,
    MAX_BIASES,
    MAX_CHOICES,
    MAX_PENALTY_WINDOW,
    MAX_SEED,
    MAX_STOPS,
    MAX_TEXT_CHARS,
    MAX_TOKENS,
)
from chargen.server.openai_requests import (
    MAX_MESSAGES,
    MAX_PROMPTS,
    CompletionRequest,
    chat_request,
    completion_request,
)
from tests.support.tokenizers import tokenizer

HI = [{"role": "user", "content": "hi"}]
TURN_STOPS = ("\nYou:", "\nBot:", "\n\n")


@pytest.fixture(scope="module")
def model() -> TextGenerator:
    """One of characters, whose tokens are the bytes."""
    return chargen.load("facts")


@pytest.fixture(scope="module")
def opinionated(model: TextGenerator) -> TextGenerator:
    """One that says how it wants to be sampled."""
    assert model.metadata is not None
    wants = SamplingDefaults(temperature=0.7, stop=("END",))
    metadata = replace(model.metadata, sampling=wants)
    return TextGenerator(model.weights, model.tokenizer, metadata)


def completion(model: TextGenerator, **body: Any) -> CompletionRequest:
    return completion_request(read_body(json.dumps(body).encode(), CompletionBody), model)


def chat(model: TextGenerator, **body: Any) -> CompletionRequest:
    body = {"messages": HI} | body
    return chat_request(read_body(json.dumps(body).encode(), ChatBody), model)


def config_of(request: CompletionRequest) -> SampleConfig:
    [text] = request.texts
    return text.config


def refused(model: TextGenerator, **body: Any) -> ApiError:
    """The error that both kinds of body get, or the one that knows the fields."""
    ask = chat if "messages" in body else completion
    with pytest.raises(ApiError) as caught:
        ask(model, **body)
    assert caught.value.status == 400
    return caught.value


# -- what is sampled --------------------------------------------------------------------------


def test_a_body_that_says_nothing(model: TextGenerator) -> None:
    request = completion(model)
    [text] = request.texts
    assert text.config == SampleConfig(max_tokens=16, num_samples=1)
    assert (text.prompt, text.bias, text.top_logprobs) == ("", {}, None)
    assert not (text.score_prompt or text.samples_nothing)
    assert request == CompletionRequest(texts=(text,))


def test_options_keep_their_names(model: TextGenerator) -> None:
    options: dict[str, Any] = {
        "temperature": 0.5, "top_p": 0.9, "presence_penalty": 1.5, "frequency_penalty": -2,
        "top_k": 7, "min_p": 0.1, "typical_p": 0.8, "repetition_penalty": 1.1,
        "no_repeat_ngram": 4, "penalty_window": 64, "min_chars": 3, "max_chars": 9,
        "until": "line", "charset": "a-z", "heal": False, "seed": 5, "max_tokens": 30,
        "relevance": 0.5,
    }  # fmt: skip
    wanted = SampleConfig(**options, ban=("q", "z"), stop=("a", "b"), num_samples=2)
    assert config_of(completion(model, **options, ban=["q", "z"], stop=["a", "b"], n=2)) == wanted
    search: dict[str, Any] = {"beams": 3, "length_penalty": 1.0, "early_stopping": True}
    assert config_of(completion(model, **search, regex="a+")) == SampleConfig(**search, regex="a+")


def test_sampling_is_the_checkpoints_own_where_nothing_is_said(opinionated: TextGenerator) -> None:
    config = config_of(completion(opinionated))
    assert (config.temperature, config.stop) == (0.7, ("END",))
    config = config_of(completion(opinionated, temperature=0, stop="x"))
    assert (config.temperature, config.stop) == (0, ("x",))
    config = config_of(chat(opinionated))
    assert (config.temperature, config.stop) == (0.7, ("END", *TURN_STOPS))
    assert config_of(chat(opinionated, beams=2)).temperature == 1


def test_a_chat_is_sampled_as_in_the_repl(model: TextGenerator) -> None:
    config = config_of(chat(model))
    assert config == SampleConfig(temperature=CHAT_TEMPERATURE, stop=TURN_STOPS, num_samples=1)
    config = config_of(chat(model, stop=["a", "b", "c", "d"], temperature=1))
    assert (config.temperature, config.stop) == (1, ("a", "b", "c", "d", *TURN_STOPS))


def test_max_completion_tokens_come_before_max_tokens(model: TextGenerator) -> None:
    for ask in (completion, chat):
        assert config_of(ask(model, max_tokens=5)).max_tokens == 5
        assert config_of(ask(model, max_tokens=5, max_completion_tokens=7)).max_tokens == 7
        assert config_of(ask(model, max_tokens=7, max_completion_tokens=5)).max_tokens == 5


@pytest.mark.parametrize("length", [{"max_chars": 100}, {"until": "line"}, {"regex": "a{100}"}])
def test_the_default_cuts_off_nothing_that_is_asked_for(
    model: TextGenerator, length: dict[str, Any]
) -> None:
    assert config_of(completion(model, **length)).max_tokens is None
    assert config_of(completion(model, **length, max_tokens=3)).max_tokens == 3


def test_no_tokens_are_a_request_too(model: TextGenerator) -> None:
    for ask in (completion, chat):
        [text] = ask(model, max_tokens=0).texts
        assert text.samples_nothing
        [text] = ask(model, max_tokens=0, max_completion_tokens=3).texts
        assert not text.samples_nothing


@pytest.mark.parametrize(
    "off",
    [
        {"top_p": 1}, {"top_p": 1.0}, {"presence_penalty": 0}, {"frequency_penalty": 0.0},
        {"top_k": 0}, {"top_k": -1}, {"min_p": 0}, {"typical_p": 1}, {"repetition_penalty": 1},
        {"no_repeat_ngram": 0}, {"stop": ""}, {"stop": []}, {"stop": [""]}, {"ban": []},
        {"logit_bias": {}}, {"suffix": ""}, {"tools": []}, {"functions": []},
        {"response_format": {"type": "text"}}, {"best_of": 1}, {"logprobs": False},
        {"stream_options": {"include_usage": False}}, {"seed": -1},
    ],
)  # fmt: skip
def test_what_clients_send_for_off_is_off(model: TextGenerator, off: dict[str, Any]) -> None:
    assert completion(model, **off) == completion(model)
    assert off.keys() & {"suffix", "best_of"} or chat(model, **off) == chat(model)


def test_every_int64_but_minus_one_is_a_seed(model: TextGenerator) -> None:
    seeds = [0, 1, MAX_SEED, -3, -2, -MAX_SEED - 1]
    taken = [config_of(completion(model, seed=seed)).seed for seed in seeds]
    assert taken[:3] == seeds[:3]
    assert taken == [config_of(completion(model, seed=seed)).seed for seed in seeds]
    assert taken[3:] == [MAX_SEED - 2, MAX_SEED - 1, 0]


def test_biases_are_by_token(model: TextGenerator) -> None:
    [text] = completion(model, logit_bias={"97": -100, "256": 0.5}).texts
    assert text.bias == {97: -100, 256: 0.5}


def test_prompts_in_all_forms(model: TextGenerator) -> None:
    def prompts(prompt: object) -> list[object]:
        return [text.prompt for text in completion(model, prompt=prompt).texts]

    assert prompts(None) == [""]
    assert prompts("ab") == ["ab"]
    assert prompts(["ab", ""]) == ["ab", ""]
    assert prompts([97, 256]) == [(97, 256)]
    assert prompts([[97], [], [98, 99]]) == [(97,), (), (98, 99)]


def test_each_prompt_has_all_the_texts(model: TextGenerator) -> None:
    request = completion(model, prompt=["a", "b"], n=2, best_of=3)
    assert [text.config.num_samples for text in request.texts] == [3, 3]
    assert request.num_choices == 2
    request = completion(model, prompt="a", n=2, beams=4)
    assert (config_of(request).beams, request.num_choices) == (4, 2)


def test_how_it_is_answered(model: TextGenerator) -> None:
    usage = {"include_usage": True}
    request = completion(model, stream=True, stream_options=usage, echo=True)
    assert (request.stream, request.include_usage, request.echo) == (True, True, True)
    request = chat(model, stream=True, stream_options=usage)
    assert (request.stream, request.include_usage, request.is_chat) == (True, True, True)
    # A chat has no echo.
    assert not chat(model, echo=True).echo


def test_logprobs_in_both_forms(model: TextGenerator) -> None:
    def top(request: CompletionRequest) -> int | None:
        return request.texts[0].top_logprobs

    assert [top(completion(model, logprobs=k)) for k in (None, 0, 5, 20)] == [None, 0, 5, 20]
    assert top(chat(model)) is top(chat(model, logprobs=False, top_logprobs=0)) is None
    assert top(chat(model, logprobs=True)) == 0
    assert top(chat(model, logprobs=True, top_logprobs=20)) == 20


def test_a_prompt_is_scored_where_it_is_echoed_with_logprobs() -> None:
    subwords = tokenizer("bpe")
    model = TextGenerator(chargen.load("facts").weights, subwords)
    [text] = completion(model, echo=True, logprobs=1).texts
    assert text.score_prompt
    assert not text.config.heal  # or the text would begin inside the prompt's last token
    for body in ({"echo": True}, {"logprobs": 1}):
        [text] = completion(model, **body).texts
        assert not text.score_prompt
        assert text.config.heal


# -- the text of a chat -----------------------------------------------------------------------


def said(*messages: tuple[str, object]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in messages]


@pytest.mark.parametrize(
    ("messages", "prompt", "goes_on"),
    [
        (said(("user", "hi")), "You: hi\nBot:", False),
        (
            said(("user", "hi"), ("assistant", "hello"), ("user", "so")),
            "You: hi\nBot: hello\nYou: so\nBot:",
            False,
        ),
        (
            said(("system", "Be kind."), ("user", "hi"), ("developer", "Be brief.")),
            "Be kind.\nBe brief.\nYou: hi\nBot:",
            False,
        ),
        (said(("system", ""), ("user", "hi")), "You: hi\nBot:", False),
        (said(("system", "Be kind.")), "Be kind.\nBot:", False),
        (said(("user", "a"), ("user", "b")), "You: a\nb\nBot:", False),
        (said(("assistant", "Welcome!"), ("user", "hi")), "Bot: Welcome!\nYou: hi\nBot:", False),
        (said(("user", "hi"), ("assistant", "The sky")), "You: hi\nBot: The sky", True),
        (said(("user", "hi"), ("assistant", "")), "You: hi\nBot:", False),
        (said(("user", "hi"), ("assistant", None)), "You: hi\nBot:", False),
        (
            said(("user", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])),
            "You: ab\nBot:",
            False,
        ),
        (said(("user", "a\r\nb")), "You: a\nb\nBot:", False),
        (said(("user", "")), "You: \nBot:", False),
    ],
)
def test_messages_are_turns(
    model: TextGenerator, messages: list[dict[str, Any]], prompt: str, goes_on: bool
) -> None:
    request = chat(model, messages=messages)
    assert [text.prompt for text in request.texts] == [prompt]
    assert request.goes_on == goes_on


def test_the_last_turn_is_what_answers_are_to_fit(model: TextGenerator) -> None:
    said = [("system", "A talk."), ("user", "hi"), ("assistant", "Hi!"), ("user", "so?")]
    messages = [{"role": role, "content": text} for role, text in said]
    for count, unprompted in (
        (1, None),
        (2, "A talk.\nBot:"),
        (3, "A talk.\nBot: Hi!"),
        (4, "A talk.\nYou: hi\nBot: Hi!\nBot:"),
    ):
        [text] = chat(model, messages=messages[:count], relevance=0.5).texts
        assert text.unprompted == unprompted
        assert text.compares == (count > 1)
    assert not chat(model).texts[0].compares
    assert [t.unprompted for t in completion(model, prompt=["", "so"]).texts] == [None, ""]
    assert refused(model, relevance=1).param == "relevance"


def test_turns_begin_as_the_checkpoint_has_learned(model: TextGenerator) -> None:
    assert model.metadata is not None
    roles = CorpusConfig(user="Q>", bot="A>")
    metadata = replace(model.metadata, corpus_options=roles)
    request = chat(TextGenerator(model.weights, model.tokenizer, metadata))
    assert request.texts[0].prompt == "Q> hi\nA>"
    assert config_of(request).stop == ("\nQ>", "\nA>", "\n\n")


@pytest.mark.parametrize(
    ("who", "prompt", "goes_on"),
    [
        (["user"], "> 0\n>", False),
        (["user", "assistant", "user"], "> 0\n> 1\n> 2\n>", False),
        (["user", "user", "assistant"], "> 0\n1\n> 2", True),
    ],
)
def test_both_sides_may_begin_alike(
    model: TextGenerator, who: list[str], prompt: str, goes_on: bool
) -> None:
    assert model.metadata is not None
    metadata = replace(model.metadata, corpus_options=CorpusConfig(user=">", bot=">"))
    alike = TextGenerator(model.weights, model.tokenizer, metadata)
    messages = [{"role": role, "content": str(number)} for number, role in enumerate(who)]
    request = chat(alike, messages=messages)
    assert (request.texts[0].prompt, request.goes_on) == (prompt, goes_on)


# -- what is refused --------------------------------------------------------------------------

LONG = "x" * (MAX_TEXT_CHARS + 1)


@pytest.mark.parametrize(
    ("body", "param", "says"),
    [
        ({"max_tokens": -1}, "max_tokens", "from 0 to"),
        ({"max_tokens": MAX_TOKENS + 1}, "max_tokens", "from 0 to"),
        ({"max_completion_tokens": -1, "max_tokens": 1}, "max_completion_tokens", "from 0 to"),
        ({"max_tokens": 10**30}, "max_tokens", "from 0 to"),
        ({"n": 0}, "n", "from 1 to"),
        ({"n": MAX_CHOICES + 1}, "n", "from 1 to"),
        ({"best_of": MAX_CHOICES + 1}, "best_of", "from 1 to"),
        ({"n": 3, "best_of": 2}, "best_of", "less than `n`"),
        ({"best_of": 2, "stream": True}, "best_of", "streamed"),
        ({"best_of": 2, "beams": 2}, "best_of", "combined"),
        ({"beams": 2, "stream": True}, "beams", "streamed"),
        ({"beams": 2, "n": 3}, "n", "more than `beams`"),
        ({"beams": 0}, "beams", "from 1 to"),
        ({"beams": MAX_CHOICES + 1}, "beams", "from 1 to"),
        ({"beams": 2, "seed": 1}, None, "`beams` and `seed` cannot be combined"),
        ({"beams": 2, "logit_bias": {"1": 1}}, "logit_bias", "combined"),
        ({"beams": 2, "logprobs": 1}, "logprobs", "combined"),
        ({"length_penalty": 1}, None, '`"beams": 5`'),
        ({"temperature": -0.1}, "temperature", "at least 0"),
        ({"top_p": 1.1}, "top_p", "at most 1"),
        ({"top_k": -2}, "top_k", "at least 1"),
        ({"presence_penalty": 1e7}, "presence_penalty", "at most"),
        ({"until": "page"}, "until", "must be one of word"),
        ({"penalty_window": MAX_PENALTY_WINDOW + 1}, "penalty_window", "from 1 to 10,000"),
        ({"charset": "a", "regex": "a"}, None, "`charset` and `regex` cannot be combined"),
        ({"seed": MAX_SEED + 1}, "seed", "from -9,223,372,036,854,775,808"),
        ({"seed": -MAX_SEED - 2}, "seed", "from"),
        ({"stop": ["a"] * (MAX_STOPS + 1)}, "stop", "at most 16 texts, not 17"),
        ({"ban": ["a"] * (MAX_BANS + 1)}, "ban", "at most"),
        ({"stop": LONG}, "stop", "longer than"),
        ({"ban": ["a", LONG]}, "ban", "longer than"),
        ({"regex": LONG}, "regex", "longer than"),
        ({"charset": LONG}, "charset", "longer than"),
        ({"logit_bias": {"a": 1}}, "logit_bias", "ids, from 0 to 256"),
        ({"logit_bias": {"-1": 1}}, "logit_bias", "ids, from 0 to 256"),
        ({"logit_bias": {"\u0663": 1}}, "logit_bias", "ids, from 0 to 256"),
        ({"logit_bias": {"9" * 5000: 1}}, "logit_bias", "ids, from 0 to 256"),
        ({"logit_bias": {"0" * 20 + "257": 1}}, "logit_bias", "ids, from 0 to 256"),
        ({"logit_bias": {"0" * 5000: 1}}, "logit_bias", "ids, from 0 to 256"),
        ({"logit_bias": {"257": 1}}, "logit_bias", "ids, from 0 to 256"),
        ({"logit_bias": {"97": 101}}, "logit_bias", "`logit_bias[97]` must be from -100"),
        (
            {"logit_bias": dict.fromkeys(map(str, range(MAX_BIASES + 1)), 1)},
            "logit_bias",
            "at most",
        ),
        ({"tools": [{"type": "function"}]}, "tools", "describe in the messages"),
        ({"functions": [{"name": "f"}]}, "functions", "describe in the messages"),
        ({"response_format": {"type": "json_object"}}, "response_format", "`regex`"),
        ({"min_chars": 10**7}, "max_tokens", "could hold"),
    ],
)
def test_both_kinds_refuse(
    model: TextGenerator, body: dict[str, Any], param: str | None, says: str
) -> None:
    error = refused(model, **body)
    assert error.param == param
    assert says in error.message
    if not body.keys() & {"best_of", "logprobs"}:
        told = refused(model, messages=HI, **body)
        assert (told.param, told.message) == (error.param, error.message)


@pytest.mark.parametrize(
    ("body", "param", "says"),
    [
        ({"logprobs": True}, "logprobs", "must be a number in completions"),
        ({"logprobs": -1}, "logprobs", "from 0 to 20"),
        ({"logprobs": 21}, "logprobs", "from 0 to 20"),
        ({"suffix": "end"}, "suffix", "leave it out"),
        ({"prompt": []}, "prompt", "empty list"),
        ({"prompt": ["a", 1]}, "prompt[1]", "another kind"),
        ({"prompt": [1, [1]]}, "prompt[1]", "another kind"),
        ({"prompt": [97, 257]}, "prompt[1]", "ids go from 0 to 256"),
        ({"prompt": [[97], [97, 98, -1]]}, "prompt[1][2]", "ids go from 0 to 256"),
        ({"prompt": [10**30]}, "prompt[0]", "ids go from"),
        ({"prompt": [""] * (MAX_PROMPTS + 1)}, "prompt", "at most 1,024 prompts"),
        ({"prompt": [""] * 9, "n": 128}, "prompt", "9 prompts have 1,152 texts together"),
        ({"max_tokens": MAX_TOKENS, "n": 9}, "max_tokens", "could hold"),
        ({"max_tokens": MAX_TOKENS, "logprobs": 8}, "max_tokens", "alternatives among them"),
        ({"prompt": "x" * 30_000, "echo": True, "logprobs": 20}, "max_tokens", "could hold"),
        ({"prompt": [97] * 60_000, "echo": True, "logprobs": 20}, "max_tokens", "could hold"),
    ],
)
def test_completions_refuse(
    model: TextGenerator, body: dict[str, Any], param: str, says: str
) -> None:
    error = refused(model, **body)
    assert error.param == param
    assert says in error.message


def test_a_chat_that_is_sent_as_a_completion_is_not_ignored(model: TextGenerator) -> None:
    body = read_body(b'{"messages": [{"role": "user", "content": "hi"}]}', CompletionBody)
    with pytest.raises(ApiError, match=r"`messages` are for /v1/chat/completions"):
        completion_request(body, model)


@pytest.mark.parametrize(
    ("body", "param", "says"),
    [
        ({"messages": []}, "messages", "at least one"),
        ({"messages": None}, "messages", "at least one"),
        ({"messages": HI * (MAX_MESSAGES + 1)}, "messages", "at most 10,000"),
        ({"messages": [*HI, *said(("tool", "5"))]}, "messages[1].role", "call no tools"),
        ({"messages": said(("function", "5"))}, "messages[0].role", "call no tools"),
        ({"messages": said(("User", "5"))}, "messages[0].role", "not 'User'"),
        (
            {"messages": said(("user", [{"type": "text", "text": "a"}, {"type": "image_url"}]))},
            "messages[0].content[1]",
            "of type text",
        ),
        ({"messages": HI, "top_logprobs": 1}, "top_logprobs", "needs `logprobs`"),
        ({"messages": HI, "logprobs": True, "top_logprobs": 21}, "top_logprobs", "from 0 to 20"),
    ],
)
def test_chats_refuse(model: TextGenerator, body: dict[str, Any], param: str, says: str) -> None:
    error = refused(model, **body)
    assert error.param == param
    assert says in error.message


NUMBERS = st.integers(-3, 300) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = NUMBERS | st.booleans() | st.sampled_from(["", "a", "word", "\0", "[a", [], ["", "a"], {}])
NAMES = {*CompletionBody.__struct_fields__, *ChatBody.__struct_fields__} - {"model", "messages"}
FIELDS = st.sampled_from(sorted(NAMES))
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant", "system", "x"]),
            "content": st.text(max_size=5),
        }
    ),
    max_size=3,
)


@given(st.dictionaries(FIELDS, VALUES, max_size=3), MESSAGES)
def test_anything_is_a_request_or_an_error(
    model: TextGenerator, body: dict[str, Any], messages: list[dict[str, str]]
) -> None:
    for ask, more in ((completion, {}), (chat, {"messages": messages})):
        try:
            request = ask(model, **(body | more))
        except ApiError as error:
            error.envelope()
        else:
            assert request.texts
