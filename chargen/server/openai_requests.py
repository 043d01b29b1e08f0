"""What a body asks for, checked: the texts that a worker is to generate, and how to answer.

Everything that can be refused without a step of the model is refused here, by an ApiError that
names the field; what only the model's tokens can tell, the worker says. Generates nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from chargen.config import CHAT_TEMPERATURE
from chargen.generation.generator import TextGenerator
from chargen.server.openai_errors import ApiError
from chargen.server.openai_fields import ChatBody, CompletionBody, GenerationBody, Message
from chargen.server.openai_options import (
    MAX_TOP_LOGPROBS,
    check_range,
    check_size,
    check_supported,
    checked_count,
    given_options,
    text_request,
)
from chargen.server.text_requests import TextRequest
from chargen.session.dialogue import dialogue_text, turn_stops

DEFAULT_MAX_TOKENS = 16  # of completions, as OpenAI has it
MAX_PROMPTS = 1024
MAX_MESSAGES = 10_000
# By each of these a client says how long a text is to be.
LENGTHS = ("max_chars", "until", "regex")

Prompt = str | tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class CompletionRequest:
    """Texts that are to be generated, and how to answer: `num_choices` of each request's texts,
    the best ones where there are more."""

    texts: tuple[TextRequest, ...]  # one a prompt
    num_choices: int = 1
    is_chat: bool = False
    stream: bool = False
    include_usage: bool = False  # in a stream; else it is always there
    echo: bool = False
    goes_on: bool = False  # the answer continues a message: its first blank is part of it


# -- completions ------------------------------------------------------------------------------


def completion_request(body: CompletionBody, generator: TextGenerator) -> CompletionRequest:
    """What the body asks of this model. Raises ApiError."""
    check_supported(body)
    if body.messages and body.prompt is None:
        raise ApiError(
            "`messages` are for /v1/chat/completions; completions take a `prompt`", param="messages"
        )
    prompts = _prompts(body.prompt, generator.tokenizer.vocab_size)
    top = _top_logprobs(body.logprobs)
    num_choices = checked_count("n", body.n)
    num_texts = _num_texts(body, num_choices)
    echo = bool(body.echo)
    options = given_options(body)
    if body.max_tokens is body.max_completion_tokens is None and not any(
        options.get(name) for name in LENGTHS
    ):
        options["max_tokens"] = DEFAULT_MAX_TOKENS
    scores = echo and top is not None
    if scores:
        options["heal"] = False  # the tokens of the prompt are scored as they are, and go on
    one = text_request(body, generator, options, num_texts, top)
    texts = tuple(
        replace(one, prompt=prompt, unprompted="" if prompt else None, score_prompt=scores)
        for prompt in prompts
    )
    check_size(texts)
    return CompletionRequest(
        texts=texts,
        num_choices=num_choices,
        stream=bool(body.stream),
        include_usage=_include_usage(body),
        echo=echo,
    )


def _prompts(prompt: str | list[str | int | list[int]] | None, vocab_size: int) -> list[Prompt]:
    """Each prompt, of the four forms that OpenAI allows. Raises ApiError."""
    if prompt is None or isinstance(prompt, str):
        return [prompt or ""]
    if not prompt:
        raise ApiError("`prompt` must not be an empty list", param="prompt")
    if len(set(map(type, prompt))) > 1:
        kind = type(prompt[0])
        path = next(f"prompt[{at}]" for at, held in enumerate(prompt) if type(held) is not kind)
        raise ApiError(
            f"`{path}` is of another kind than those before it; give texts, token ids, or lists "
            "of token ids",
            param=path,
        )
    if isinstance(prompt[0], int):
        return [checked_ids(prompt, "prompt", vocab_size)]
    if len(prompt) > MAX_PROMPTS:
        raise ApiError(
            f"`prompt` must hold at most {MAX_PROMPTS:,} prompts, not {len(prompt):,}",
            param="prompt",
        )
    return [
        held if isinstance(held, str) else checked_ids(held, f"prompt[{index}]", vocab_size)
        for index, held in enumerate(prompt)
    ]


def checked_ids(tokens: Any, path: str, vocab_size: int) -> tuple[int, ...]:
    """Token ids that the vocabulary has. Raises ApiError."""
    if tokens and not (min(tokens) >= 0 and max(tokens) < vocab_size):
        wrong = next(at for at, token in enumerate(tokens) if not 0 <= token < vocab_size)
        path = f"{path}[{wrong}]"
        raise ApiError(
            f"`{path}` is no token of this model, whose ids go from 0 to {vocab_size - 1}",
            param=path,
        )
    return tuple(tokens)


def _top_logprobs(logprobs: int | bool | None) -> int | None:
    """How many alternatives come with each token; None: no logprobs at all. Raises ApiError."""
    if logprobs is True:
        raise ApiError(
            "`logprobs` must be a number in completions: how many of the most likely tokens "
            "to list with each; only chat completions take true",
            param="logprobs",
        )
    if logprobs is False:
        return None
    check_range("logprobs", logprobs, 0, MAX_TOP_LOGPROBS)
    return logprobs


def _num_texts(body: CompletionBody, num_choices: int) -> int:
    """How many texts are sampled of each prompt. Raises ApiError."""
    if body.best_of is None:
        return num_choices
    num_texts = checked_count("best_of", body.best_of)
    if num_texts < num_choices:
        raise ApiError(
            f"`best_of` must not be less than `n`, which is {num_choices}", param="best_of"
        )
    if body.stream and num_texts > num_choices:
        raise ApiError(
            "`best_of` above `n` cannot be streamed: the best is known at the end", param="best_of"
        )
    if body.beams is not None:
        raise ApiError("`beams` and `best_of` cannot be combined", param="best_of")
    return num_texts


# -- chat -------------------------------------------------------------------------------------


def chat_request(body: ChatBody, generator: TextGenerator) -> CompletionRequest:
    """What the body asks of this model. Raises ApiError."""
    check_supported(body)
    prompt, goes_on, unprompted = dialogue_of(body.messages, generator)
    top = (body.top_logprobs or 0) if body.logprobs else None
    check_range("top_logprobs", body.top_logprobs, 0, MAX_TOP_LOGPROBS)
    if body.top_logprobs and not body.logprobs:
        raise ApiError("`top_logprobs` needs `logprobs` to be true", param="top_logprobs")
    num_choices = checked_count("n", body.n)
    options = given_options(body)
    own = {} if generator.metadata is None else generator.metadata.sampling.options
    if body.beams is None:
        options.setdefault("temperature", own.get("temperature", CHAT_TEMPERATURE))
    corpus = generator.corpus_options
    stops = options.get("stop", own.get("stop", ()))
    options["stop"] = (*stops, *turn_stops((corpus.user, corpus.bot)))
    one = text_request(body, generator, options, num_choices, top)
    texts = (replace(one, prompt=prompt, unprompted=unprompted),)
    check_size(texts)
    return CompletionRequest(
        texts=texts,
        num_choices=num_choices,
        is_chat=True,
        stream=bool(body.stream),
        include_usage=_include_usage(body),
        goes_on=goes_on,
    )


def dialogue_of(
    messages: Sequence[Message] | None, generator: TextGenerator
) -> tuple[str, bool, str | None]:
    """The messages as the model has learned dialogues; whether the last one is the model's own, to
    be continued; and the same without the user's last turn, if there is one. Raises ApiError."""
    if not messages:
        raise ApiError("`messages` must hold at least one message", param="messages")
    if len(messages) > MAX_MESSAGES:
        raise ApiError(
            f"`messages` must hold at most {MAX_MESSAGES:,}, not {len(messages):,}",
            param="messages",
        )
    corpus = generator.corpus_options
    roles = {"user": corpus.user, "assistant": corpus.bot}  # which may be alike
    before: list[str] = []
    turns: list[tuple[str, str]] = []  # whose it is, as messages have it, and what was said
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        text = _content(message, path)
        if message.role in ("system", "developer"):
            before.append(text)
        elif message.role not in roles:
            raise ApiError(
                f"`{path}.role` must be system, developer, user or assistant, not "
                f"{message.role!r}; these models call no tools",
                param=f"{path}.role",
            )
        elif turns and turns[-1][0] == message.role:
            role, said = turns.pop()
            turns.append((role, f"{said}\n{text}"))
        else:
            turns.append((message.role, text))
    goes_on = bool(turns) and turns[-1][0] == "assistant"
    if goes_on and not turns[-1][1]:  # nothing to continue: as if it were not there
        turns.pop()
        goes_on = False

    def spelled(turns: Sequence[tuple[str, str]]) -> str:
        lines = [(roles[role], said) for role, said in turns]
        dialogue = dialogue_text(lines, next_role=None if goes_on else corpus.bot)
        return generator.with_own_line_ends("\n".join([*filter(None, before), dialogue]))

    asked = [index for index, (role, _) in enumerate(turns) if role == "user"]
    unasked = spelled(turns[: asked[-1]] + turns[asked[-1] + 1 :]) if asked else None
    return spelled(turns), goes_on, unasked


def _content(message: Message, path: str) -> str:
    """The text of a message. Raises ApiError."""
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    texts = []
    for index, part in enumerate(message.content):
        if part.type != "text" or part.text is None:
            place = f"{path}.content[{index}]"
            raise ApiError(
                f"`{place}` must be of type text with a `text`: these models read nothing else",
                param=place,
            )
        texts.append(part.text)
    return "".join(texts)


# -- both -------------------------------------------------------------------------------------


def _include_usage(body: GenerationBody) -> bool:
    return bool(body.stream_options and body.stream_options.include_usage)
