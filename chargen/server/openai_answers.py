"""What generations have come to, as the bytes of OpenAI's responses: whole, or event by event.

An answer is asked again and again what there is to send; it waits for nothing and sends nothing. Of
an event only the text changes: what stands before and after it is made once a stream.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any

from chargen.generation.batch import GeneratedText
from chargen.generation.generator import TextGenerator
from chargen.runtime.files import encode
from chargen.server.openai_logprobs import (
    ScoredToken,
    chat_logprobs,
    completion_logprobs,
    split_text,
)
from chargen.server.openai_models import system_fingerprint
from chargen.server.openai_requests import CompletionRequest
from chargen.server.text_requests import Generation, TextRequest

DONE = b"data: [DONE]\n\n"
LIGHT_SCORES = 1 << 11  # that are written in no time
MAX_CACHED = 32  # characters of a text whose JSON is kept
_PLACE = "\0"  # where the text of an event will stand: no other string in it has this

Part = tuple[str, list[ScoredToken]]  # a text as it is shown, and its tokens where they are asked


class Choice:
    """One of the texts, as a client sees it: after the prompt where that is echoed, without the
    blank that stands before a turn of a chat."""

    def __init__(
        self,
        request: CompletionRequest,
        generation: Generation,
        text: GeneratedText,
        generator: TextGenerator,
        prompt: str | None,
    ) -> None:
        """`prompt` is what is echoed; None: nothing is."""
        self.text = text
        self._request = request
        self._generation = generation
        self._tokenizer = generator.tokenizer
        self._prompt = prompt
        self._has_scores = request.texts[0].top_logprobs is not None
        self._strips = request.is_chat and not request.goes_on
        self._length = 0  # characters shown so far

    def take(self) -> list[Part]:
        """What can be shown now and was not yet."""
        if self._prompt is not None:
            if self._generation.is_reading:
                return []
            prompt, self._prompt = self._prompt, None
            scores = self._generation.prompt_scores
            groups = split_text(self._tokenizer, prompt, scores, 0)
            tokens = [token for _, tokens in groups for token in tokens]
            self._length = len(prompt)
            echo: list[Part] = [(prompt, tokens)] if prompt or tokens else []
            return echo + self.take()
        pieces = self.text.take()
        if not self._has_scores:
            parts: list[Part] = [(piece.text, []) for piece, _ in pieces if piece.text]
        else:
            parts = []
            for piece, scores in pieces:
                parts += split_text(self._tokenizer, piece.text, scores, self._length)
                self._length += len(piece.text)
        return self._stripped(parts) if self._strips else parts

    def _stripped(self, parts: list[Part]) -> list[Part]:
        """Without what is blank before the first that is not; tokens stay."""
        shown: list[Part] = []
        for text, tokens in parts:
            if self._strips:
                text = text.lstrip()
                self._strips = not text
            if text or tokens:
                shown.append((text, tokens))
        return shown

    def logprobs(self, tokens: Sequence[ScoredToken]) -> dict[str, Any] | None:
        """Of these tokens; None where nobody asked for any."""
        top = self._request.texts[0].top_logprobs
        if top is None:
            return None
        if self._request.is_chat:
            return chat_logprobs(self._tokenizer, tokens, wants_top=top > 0)
        return completion_logprobs(self._tokenizer, tokens)

    @property
    def finish_reason(self) -> str | None:
        """None while the text goes on."""
        reason = self.text.finish_reason
        return "stop" if reason == "end" else reason


class Answer:
    """What a request is answered with: `take()` gives the bytes that can be sent now, none where
    nothing is new, until it `is_complete`. Where a generation has failed there comes no end;
    `error` says so.

    `model` is the name that the client knows the model by.
    """

    def __init__(
        self,
        request: CompletionRequest,
        generations: Sequence[Generation],
        generator: TextGenerator,
        model: str,
    ) -> None:
        self.request = request
        self.generations = generations
        self.is_complete = False  # whether the last of it is taken
        kind = "chat.completion" if request.is_chat else "text_completion"
        self._head = {
            "id": f"{'chatcmpl' if request.is_chat else 'cmpl'}-{random.getrandbits(96):024x}",
            "object": f"{kind}.chunk" if request.is_chat and request.stream else kind,
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": system_fingerprint(generator.metadata),
        }
        self._choices: list[list[Choice]] = []  # of each prompt
        for asked, generation in zip(request.texts, generations, strict=True):
            echo = _prompt_text(asked, generator) if request.echo else None
            self._choices.append(
                [Choice(request, generation, text, generator, echo) for text in generation.texts]
            )

    def take(self) -> bytes:
        raise NotImplementedError

    @cached_property
    def takes_long(self) -> bool:
        """Whether a `take` may: where there are many scores to be written."""
        texts = self.request.texts
        at_once = [text for text in texts if text.score_prompt or not self.request.stream]
        return sum(text.max_scores for text in at_once) > LIGHT_SCORES

    @property
    def error(self) -> BaseException | None:
        """What the first generation that has failed failed by."""
        return next((g.error for g in self.generations if g.error is not None), None)

    @property
    def is_done(self) -> bool:
        """Whether all that will ever come is taken."""
        return all(generation.is_done for generation in self.generations)

    def _usage(self) -> dict[str, Any]:
        """Tokens read and sampled: those of all texts, whether they are shown or not."""
        prompt = sum(len(generation.prompt_tokens) for generation in self.generations)
        cached = sum(generation.cached_tokens for generation in self.generations)
        sampled = sum(text.num_tokens for g in self.generations for text in g.texts)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": sampled,
            "total_tokens": prompt + sampled,
            "prompt_tokens_details": {"cached_tokens": cached},
        }


class WholeAnswer(Answer):
    """One JSON body, once everything is there."""

    @cached_property
    def _shown(self) -> list[tuple[Choice, list[Part]]]:
        return [(choice, []) for choices in self._choices for choice in choices]

    def take(self) -> bytes:
        for choice, parts in self._shown:
            parts += choice.take()
        self.is_complete = self.is_done and self.error is None
        return self._body() if self.is_complete else b""

    def _body(self) -> bytes:
        shown = dict(self._shown)
        best = chain.from_iterable(self._best(choices) for choices in self._choices)
        choices = [self._choice(index, choice, shown[choice]) for index, choice in enumerate(best)]
        return encode({**self._head, "choices": choices, "usage": self._usage()})

    def _best(self, choices: list[Choice]) -> list[Choice]:
        """As many as the client wants to see of a prompt's texts. A search has the best first, and
        may have found fewer than it was to find."""
        count = self.request.num_choices
        if self.request.texts[0].config.beams is not None:
            choices = [choice for choice in choices if choice.finish_reason is not None]
        elif len(choices) > count:
            choices = sorted(
                choices,
                key=lambda choice: choice.text.logprob / max(1, choice.text.num_tokens),
                reverse=True,
            )
        return choices[:count]

    def _choice(self, index: int, choice: Choice, parts: list[Part]) -> dict[str, Any]:
        text = "".join(text for text, _ in parts)
        message = {"role": "assistant", "content": text, "refusal": None}
        return {
            "index": index,
            **({"message": message} if self.request.is_chat else {"text": text}),
            "logprobs": choice.logprobs([token for _, tokens in parts for token in tokens]),
            "finish_reason": choice.finish_reason,
        }


class StreamedAnswer(Answer):
    """Server-sent events: one a piece of text, or one a token where logprobs are asked for."""

    _has_begun = False

    @cached_property
    def _going_on(self) -> list[_ChoiceStream]:
        choices = chain.from_iterable(self._choices)
        return [_ChoiceStream(self, index, choice) for index, choice in enumerate(choices)]

    def take(self) -> bytes:
        events: list[bytes] = []
        if self.request.is_chat and not self._has_begun:
            role = {"role": "assistant", "content": "", "refusal": None}
            events += [stream.event({"delta": role}) for stream in self._going_on]
        self._has_begun = True
        ended = [stream for stream in self._going_on if stream.take(events)]
        for stream in ended:
            self._going_on.remove(stream)
        if ended and not self._going_on:
            if self.request.include_usage:
                events.append(self.event([], self._usage()))
            events.append(DONE)
            self.is_complete = True
        return b"".join(events)

    def event(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
        chunk = {**self._head, "choices": choices}
        if self.request.include_usage:
            chunk["usage"] = usage
        return b"data: " + encode(chunk) + b"\n\n"


class _ChoiceStream:
    """The events of one text."""

    def __init__(self, answer: StreamedAnswer, index: int, choice: Choice) -> None:
        self._answer = answer
        self._index = index
        self._choice = choice
        self._before, self._after = self.event(self._said(_PLACE)).split(encode(_PLACE))

    def take(self, events: list[bytes]) -> bool:
        """Append what is new; whether it is the last."""
        for text, tokens in self._choice.take():
            if tokens:
                events.append(self.event(self._said(text), self._choice.logprobs(tokens)))
            else:
                events += (self._before, _json(text), self._after)
        reason = self._choice.finish_reason
        if reason is not None:
            is_chat = self._answer.request.is_chat
            events.append(self.event({"delta": {}} if is_chat else {"text": ""}, None, reason))
        return reason is not None

    def event(
        self,
        said: dict[str, Any],
        logprobs: dict[str, Any] | None = None,
        finish_reason: str | None = None,
    ) -> bytes:
        choice = {"index": self._index, **said}
        choice |= {"logprobs": logprobs, "finish_reason": finish_reason}
        return self._answer.event([choice])

    def _said(self, text: str) -> dict[str, Any]:
        return {"delta": {"content": text}} if self._answer.request.is_chat else {"text": text}


def answer_of(
    request: CompletionRequest,
    generations: Sequence[Generation],
    generator: TextGenerator,
    model: str,
) -> Answer:
    """In the form that the client asked for."""
    kind = StreamedAnswer if request.stream else WholeAnswer
    return kind(request, generations, generator, model)


def _prompt_text(asked: TextRequest, generator: TextGenerator) -> str:
    prompt = asked.prompt
    return prompt if isinstance(prompt, str) else generator.tokenizer.decode(prompt)


def _json(text: str) -> bytes:
    return _cached_json(text) if len(text) <= MAX_CACHED else encode(text)


@lru_cache(maxsize=4096)
def _cached_json(text: str) -> bytes:
    return encode(text)
