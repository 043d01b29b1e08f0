"""Answers are what the openai package reads, and say what was generated, whole or as it comes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk

import chargen
from chargen.config import SampleConfig
from chargen.generation.batch import GeneratedText, TokenScore, Written
from chargen.generation.completion import CompletionBuilder, Piece
from chargen.generation.generator import TextGenerator
from chargen.generation.stopping import FinishReason
from chargen.runtime.files import decode_any
from chargen.server.openai_answers import Answer, StreamedAnswer, answer_of
from chargen.server.openai_errors import ApiError
from chargen.server.openai_requests import CompletionRequest
from chargen.server.text_requests import Generation, TextRequest
from tests.support.tokenizers import MAKERS, tokenizer


class Script:
    """A generation, in the test's hands, and what it is answered with."""

    def __init__(
        self,
        model: TextGenerator,
        *,
        prompt: str | tuple[int, ...] = "ab",
        num_texts: int = 1,
        top: int | None = None,
        **how: Any,
    ) -> None:
        self.model = model
        self.texts = [GeneratedText() for _ in range(num_texts)]
        self.prompt_tokens = (
            tuple(model.tokenizer.encode(prompt)) if isinstance(prompt, str) else prompt
        )
        self.prompt_scores = tuple(
            score(token, None if index == 0 else -1.5)
            for index, token in enumerate(self.prompt_tokens if top is not None else ())
        )
        self.has_scores = top is not None
        self.cached_tokens = 1
        self.is_reading = False
        self.error: BaseException | None = None
        asked = TextRequest(prompt=prompt, config=SampleConfig(), top_logprobs=top)
        self.request = CompletionRequest(texts=(asked,), **({"num_choices": num_texts} | how))
        self.answer: Answer = answer_of(self.request, [cast(Generation, self)], model, "facts")

    def write(self, text: str, reason: FinishReason | None = None, at: int = 0) -> None:
        """Character by character."""
        for character in text:
            tokens = tuple(self.model.tokenizer.encode(character))
            scores = [score(token, -0.5) for token in tokens] if self.has_scores else []
            self.add(Piece(character, tokens, -0.5 * len(tokens)), scores, at)
        if reason is not None:
            self.texts[at].finish(reason)

    def add(self, piece: Piece, scores: Sequence[TokenScore] = (), at: int = 0) -> None:
        self.texts[at].num_tokens += len(piece.tokens)
        self.texts[at].write(Written(piece, tuple(scores)))

    @property
    def is_done(self) -> bool:
        return self.error is not None or all(text.finish_reason for text in self.texts)

    def events(self) -> list[Any]:
        return events_of(self.answer.take())

    def body(self) -> Any:
        return decode_any(self.answer.take())


def score(token: int, logprob: float | None, *others: tuple[int, float]) -> TokenScore:
    if logprob is None:
        return TokenScore(token, None, ())
    top = sorted([(token, logprob), *others], key=lambda pair: -pair[1])
    return TokenScore(token, logprob, tuple(top))


def events_of(content: bytes) -> list[Any]:
    """What each server-sent event says; `[DONE]` as it is."""
    *events, rest = content.decode().split("\n\n")
    assert rest == ""
    said = [event.removeprefix("data: ") for event in events]
    return [each if each == "[DONE]" else json.loads(each) for each in said]


@pytest.fixture(scope="module")
def model() -> TextGenerator:
    """One of characters, whose tokens are the bytes."""
    return chargen.load("facts")


# -- whole ------------------------------------------------------------------------------------


def test_a_completion(model: TextGenerator) -> None:
    script = Script(model)
    script.write("cd")
    assert script.answer.take() == b""
    script.write("e", "length")
    body = script.body()
    Completion.model_validate_json(json.dumps(body), strict=True)
    assert body.pop("id").startswith("cmpl-")
    assert isinstance(body.pop("created"), int)
    assert model.metadata is not None
    assert body == {
        "object": "text_completion",
        "model": "facts",
        "system_fingerprint": "fp_" + model.metadata.sha256["model.safetensors"][:16],
        "choices": [{"index": 0, "text": "cde", "logprobs": None, "finish_reason": "length"}],
        "usage": {
            "prompt_tokens": 2,
            "completion_tokens": 3,
            "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 1},
        },
    }


def test_a_chat_completion(model: TextGenerator) -> None:
    script = Script(model, is_chat=True)
    script.write(" \nred  one ", "end")
    body = script.body()
    ChatCompletion.model_validate_json(json.dumps(body), strict=True)
    assert body["id"].startswith("chatcmpl-")
    assert body["object"] == "chat.completion"
    [choice] = body["choices"]
    # Without the blank before a turn; what stands in it and after it stays.
    message = {"role": "assistant", "content": "red  one ", "refusal": None}
    assert choice == {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}


def test_a_message_that_is_continued_keeps_its_blank(model: TextGenerator) -> None:
    script = Script(model, is_chat=True, goes_on=True)
    script.write(" blue", "stop")
    assert script.body()["choices"][0]["message"]["content"] == " blue"


def test_ids_are_new_each_time(model: TextGenerator) -> None:
    scripts = [Script(model), Script(model)]
    for script in scripts:
        script.write("a", "stop")
    assert len({script.body()["id"] for script in scripts}) == 2


def test_the_best_are_those_of_the_highest_logprob_per_token(model: TextGenerator) -> None:
    script = Script(model, num_texts=3, num_choices=2)
    for at, (text, logprob) in enumerate([("long text", -9.0), ("a", -3.0), ("bc", -1.0)]):
        tokens = tuple(model.tokenizer.encode(text))
        script.add(Piece(text, tokens, logprob), at=at)
        script.write("", "length", at)
    body = script.body()
    assert [(c["index"], c["text"]) for c in body["choices"]] == [(0, "bc"), (1, "long text")]
    assert body["usage"]["completion_tokens"] == 12  # those of the others, too


def test_texts_of_which_none_is_left_out_keep_their_order(model: TextGenerator) -> None:
    script = Script(model, num_texts=2)
    for at, logprob in enumerate([-9.0, -1.0]):
        script.add(Piece("ab"[at], (97 + at,), logprob), at=at)
        script.write("", "length", at)
    assert [choice["text"] for choice in script.body()["choices"]] == ["a", "b"]


def test_an_echo_stands_before_the_text(model: TextGenerator) -> None:
    for prompt in ("a\u00e4", tuple("a\u00e4".encode())):
        script = Script(model, prompt=prompt, echo=True)
        script.write("c", "stop")
        assert script.body()["choices"][0]["text"] == "a\u00e4c"


def test_where_it_failed_there_is_no_answer(model: TextGenerator) -> None:
    for stream in (False, True):
        script = Script(model, stream=stream)
        script.write("a")
        script.error = ValueError("no")
        assert script.answer.error is script.error
        assert b"[DONE]" not in script.answer.take()
        assert b"usage" not in script.answer.take()


# -- streams ----------------------------------------------------------------------------------


def test_a_stream_of_a_completion(model: TextGenerator) -> None:
    script = Script(model, stream=True)
    assert script.events() == []
    script.write("cd")
    [one, two] = script.events()
    assert (one["object"], one["model"]) == ("text_completion", "facts")
    assert "usage" not in one
    assert one["choices"] == [{"index": 0, "text": "c", "logprobs": None, "finish_reason": None}]
    assert {k: v for k, v in one.items() if k != "choices"} == {
        k: v for k, v in two.items() if k != "choices"
    }
    assert script.events() == []
    script.write("\u00e4", "end")
    [*_, last, done] = script.events()
    Completion.model_validate_json(json.dumps(last), strict=True)
    assert last["choices"] == [{"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"}]
    assert done == "[DONE]"
    assert script.events() == []


def test_a_stream_of_a_chat(model: TextGenerator) -> None:
    script = Script(model, stream=True, is_chat=True, include_usage=True, num_texts=2)
    first = script.events()
    assert [chunk["choices"][0]["index"] for chunk in first] == [0, 1]
    for chunk in first:
        [choice] = chunk["choices"]
        assert choice["delta"] == {"role": "assistant", "content": "", "refusal": None}
    script.write(" red")
    script.write("\n", at=1)
    script.write(" ", "stop", at=0)
    script.write("x", "length", at=1)
    *chunks, usage, done = script.events()
    assert done == "[DONE]"
    for chunk in [*first, *chunks, usage]:
        ChatCompletionChunk.model_validate_json(json.dumps(chunk), strict=True)
        assert chunk["object"] == "chat.completion.chunk"
    assert [chunk["usage"] for chunk in [*first, *chunks]] == [None] * (2 + len(chunks))
    assert (usage["choices"], usage["usage"]["total_tokens"]) == ([], 9)
    said = [(c["index"], c["delta"], c["finish_reason"]) for e in chunks for c in e["choices"]]
    assert said == [
        *((0, {"content": text}, None) for text in "red "),
        (0, {}, "stop"),
        (1, {"content": "x"}, None),
        (1, {}, "length"),
    ]


def test_the_end_of_a_text_comes_as_soon_as_it_is_known(model: TextGenerator) -> None:
    script = Script(model, stream=True, num_texts=2)
    script.write("a", "stop", at=1)
    events = script.events()
    assert [event["choices"][0]["finish_reason"] for event in events] == [None, "stop"]
    assert script.events() == []


def test_an_echo_is_the_first_event_of_each_text(model: TextGenerator) -> None:
    script = Script(model, stream=True, echo=True, num_texts=2)
    script.is_reading = True
    assert script.events() == []
    script.is_reading = False
    script.write("c")
    said = [(c["index"], c["text"]) for event in script.events() for c in event["choices"]]
    assert said == [(0, "ab"), (0, "c"), (1, "ab")]


def test_a_text_is_written_as_json_however_long(model: TextGenerator) -> None:
    script = Script(model, stream=True)
    texts = ['"', "\\", "\n\r\u2028\x00", "\U0001f353", "x" * 10_000]
    for text in texts:
        script.add(Piece(text, (97,), -1.0))
    assert [event["choices"][0]["text"] for event in script.events()] == texts


def test_texts_of_several_prompts_are_counted_through(model: TextGenerator) -> None:
    scripts = [Script(model, prompt=prompt, num_texts=2) for prompt in ("a", "bc")]
    texts = tuple(text for script in scripts for text in script.request.texts)
    for stream in (False, True):
        request = CompletionRequest(texts=texts, num_choices=2, stream=stream)
        generations = [cast(Generation, script) for script in scripts]
        answer = answer_of(request, generations, model, "facts")
        for index, script in enumerate(scripts):
            for at in range(2):
                script.write(f"{2 * index + at}", "stop", at)
        content = answer.take()
        bodies = events_of(content)[:-1] if stream else [decode_any(content)]
        choices = [choice for body in bodies for choice in body["choices"]]
        said = [(c["index"], c["text"]) for c in choices if c["text"]]
        assert said == [(0, "0"), (1, "1"), (2, "2"), (3, "3")]
        if not stream:
            assert bodies[0]["usage"]["prompt_tokens"] == 3


def test_a_stream_that_fails_says_why(model: TextGenerator) -> None:
    [event] = events_of(ApiError("gone", status=500).event())
    assert event["error"]["message"] == "gone"


# -- logprobs ---------------------------------------------------------------------------------


def test_logprobs_of_a_completion(model: TextGenerator) -> None:
    script = Script(model, top=1, echo=True)
    end = model.tokenizer.end
    script.add(Piece("c", (99,), -0.5), [score(99, -0.5, (100, -0.25))])
    script.add(Piece("\u00e4", (0xC3, 0xA4), -2.0), [score(0xC3, -1.0), score(0xA4, -1.0)])
    script.add(Piece("", (end,), -0.1), [score(end, float("-inf"))])
    script.write("", "end")
    body = script.body()
    [choice] = body["choices"]
    assert choice["text"] == "abc\u00e4"
    assert choice["logprobs"] == {
        "tokens": ["a", "b", "c", "bytes:\\xc3", "bytes:\\xa4", "<|endoftext|>"],
        "token_logprobs": [None, -1.5, -0.5, -1.0, -1.0, -9999.0],
        "top_logprobs": [
            None,
            {"b": -1.5},
            {"d": -0.25, "c": -0.5},
            {"bytes:\\xc3": -1.0},
            {"bytes:\\xa4": -1.0},
            {"<|endoftext|>": -9999.0},
        ],
        "text_offset": [0, 1, 2, 3, 3, 4],
    }
    for values in choice["logprobs"].values():  # the package has no null in its lists
        values.pop(0)
    Completion.model_validate_json(json.dumps(body), strict=True)


def test_logprobs_of_a_chat(model: TextGenerator) -> None:
    script = Script(model, top=1, is_chat=True)
    script.add(Piece(" ", (32,), -0.5), [score(32, -0.5, (10, -3.0))])
    script.add(Piece("\u00e4", (0xC3, 0xA4), -2.0), [score(0xC3, -1.0), score(0xA4, -1.0)])
    script.write("", "end")
    body = script.body()
    ChatCompletion.model_validate_json(json.dumps(body), strict=True)
    [choice] = body["choices"]
    assert choice["message"]["content"] == "\u00e4"
    blank = {"token": " ", "logprob": -0.5, "bytes": [32]}
    newline = {"token": "\n", "logprob": -3.0, "bytes": [10]}
    first, second = ({"token": f"bytes:\\x{byte:x}", "logprob": -1.0, "bytes": [byte]}
                     for byte in (0xC3, 0xA4))  # fmt: skip
    assert choice["logprobs"] == {
        "content": [
            {**blank, "top_logprobs": [blank, newline]},
            {**first, "top_logprobs": [first]},
            {**second, "top_logprobs": [second]},
        ],
        "refusal": None,
    }


def test_a_chat_shows_no_alternatives_where_none_are_asked_for(model: TextGenerator) -> None:
    script = Script(model, top=0, is_chat=True)
    script.write("a", "end")
    [token] = script.body()["choices"][0]["logprobs"]["content"]
    assert token == {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}


def test_with_logprobs_there_is_one_event_a_token(model: TextGenerator) -> None:
    for is_chat in (False, True):
        script = Script(model, top=1, is_chat=is_chat, stream=True)
        script.events()
        # A piece of several tokens, as where a stop text was held back, one of them in two bytes.
        tokens = tuple(" b\u00e4c".encode())
        script.add(Piece(" b\u00e4c", tokens, -4), [score(t, -1.0) for t in tokens])
        events = script.events()
        choices = [choice for event in events for choice in event["choices"]]
        if is_chat:
            texts = [choice["delta"]["content"] for choice in choices]
            counts = [len(choice["logprobs"]["content"]) for choice in choices]
            for event in events:
                ChatCompletionChunk.model_validate_json(json.dumps(event), strict=True)
        else:
            texts = [choice["text"] for choice in choices]
            counts = [len(choice["logprobs"]["tokens"]) for choice in choices]
        # The blank before a chat's turn is not shown, but its token is there.
        assert texts == ["" if is_chat else " ", "b", "\u00e4", "c"]
        assert counts == [1, 1, 2, 1]


def test_the_likelier_of_two_tokens_that_spell_the_same_stands_for_both() -> None:
    subwords = tokenizer("bpe")
    same = [token for token, piece in enumerate(subwords.pieces) if piece == b"e"]
    assert len(same) == 2  # the byte, and the piece
    model = TextGenerator(chargen.load("facts").weights, subwords)
    script = Script(model, top=2)
    script.add(Piece("e", (same[0],), -3), [score(same[0], -3.0, (same[1], -0.5))])
    script.write("", "end")
    logprobs = script.body()["choices"][0]["logprobs"]
    assert logprobs["top_logprobs"] == [{"e": -0.5}]
    assert logprobs["token_logprobs"] == [-3.0]


@given(
    kind=st.sampled_from(sorted(MAKERS)),
    text=st.text("ab The strawbey \u00e4\u6f22\U0001f353\n", max_size=30),
    stop=st.text("abe\u00e4", min_size=1, max_size=2),
    max_tokens=st.integers(1, 40),
)
def test_streamed_tokens_spell_what_the_pieces_say(
    model: TextGenerator, kind: str, text: str, stop: str, max_tokens: int
) -> None:
    known = tokenizer(kind)
    config = SampleConfig(stop=(stop,), max_tokens=max_tokens)
    builder = CompletionBuilder(known, config)
    script = Script(TextGenerator(model.weights, known), prompt=(), top=0, stream=True)
    sampled: list[int] = []
    shown = ""
    for token in [*known.encode(text), known.end]:
        piece = builder.add(token, -1.0)
        if piece is not None:
            script.add(piece, [score(token, -1.0) for token in piece.tokens])
            sampled += piece.tokens
            shown += piece.text
    events = script.events()
    choices = [event["choices"][0] for event in events]
    assert "".join(choice["text"] for choice in choices) == shown
    names = [name for choice in choices for name in choice["logprobs"]["tokens"]]
    assert len(names) == len(sampled)
    offsets = [at for choice in choices for at in choice["logprobs"]["text_offset"]]
    assert offsets == sorted(offsets)
    at = 0
    for choice in choices:
        assert choice["logprobs"]["text_offset"][0] == at
        at += len(choice["text"])
    for token, start, end in zip(sampled, offsets, [*offsets, len(shown)][1:], strict=True):
        whole = known.texts[token]
        if whole is not None:  # the last may be cut by the end of the text
            assert whole.startswith(shown[start:end])


@given(
    texts=st.lists(st.text(" \nab\u00e4\U0001f353", max_size=8), min_size=1, max_size=3),
    is_chat=st.booleans(),
    top=st.sampled_from([None, 0, 2]),
    echo=st.booleans(),
)
def test_a_stream_joined_is_the_whole(
    model: TextGenerator, texts: list[str], is_chat: bool, top: int | None, echo: bool
) -> None:
    how: dict[str, Any] = {"is_chat": is_chat, "top": top, "echo": echo and not is_chat}
    whole, streamed = (
        Script(model, num_texts=len(texts), stream=stream, **how) for stream in (False, True)
    )
    events = streamed.events()
    for script in (whole, streamed):
        for at, text in enumerate(texts):
            script.write(text, at=at)
            events += streamed.events() if script is streamed else []
            script.write("", "length", at)
    events += streamed.events()
    assert events.pop() == "[DONE]"
    for index, choice in enumerate(whole.body()["choices"]):
        parts = [c for event in events for c in event["choices"] if c["index"] == index]
        if is_chat:
            said = "".join(part["delta"].get("content", "") for part in parts)
            assert said == choice["message"]["content"] == texts[index].lstrip()
        else:
            said = "".join(part["text"] for part in parts)
            assert said == choice["text"] == ("ab" if echo else "") + texts[index]
        assert [part["finish_reason"] for part in parts if part["finish_reason"]] == ["length"]
        scored = [part["logprobs"] for part in parts if part["logprobs"]]
        if top is None:
            assert scored == []
            assert choice["logprobs"] is None
        elif scored:
            joined = {
                name: None if values is None else [v for part in scored for v in part[name]]
                for name, values in choice["logprobs"].items()
            }
            assert joined == choice["logprobs"]


def test_a_token_that_begins_in_the_prompt_is_shown_from_there_on(model: TextGenerator) -> None:
    subwords = tokenizer("bpe")
    token = max(range(subwords.vocab_size), key=lambda token: len(subwords.texts[token] or ""))
    word = subwords.texts[token] or ""
    script = Script(TextGenerator(model.weights, subwords), prompt=(), top=0, stream=True)
    script.add(Piece(word[2:], (token,), -1.0), [score(token, -1.0)])
    [event] = script.events()
    [choice] = event["choices"]
    assert choice["text"] == word[2:]
    assert choice["logprobs"]["tokens"] == [word]
    assert choice["logprobs"]["text_offset"] == [0]


def test_streams_share_all_but_the_text(model: TextGenerator) -> None:
    script = Script(model, stream=True)
    assert isinstance(script.answer, StreamedAnswer)
    script.add(Piece("\u00e9", (97,), -1.0))
    content = script.answer.take()
    assert '"text":"\u00e9"'.encode() in content
    assert content.count(b"\n") == 2
