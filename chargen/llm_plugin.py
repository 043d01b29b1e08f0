"""chargen's checkpoints as models of `llm`, Simon Willison's command-line tool: `chargen/NAME`.

`llm` imports this at every start, whatever it is asked, so nothing heavy is imported before a model
answers. What a prompt and a conversation mean to a model, its session says. The only door to llm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import llm
from pydantic import Field, create_model

from chargen.checkpoint.locate import checkpoint_names
from chargen.config import SampleConfig
from chargen.errors import ChargenError
from chargen.options import field_types, help_of, parse

# Of SampleConfig; a conversation has one answer at a time, which is streamed.
SAMPLING = (
    "max_tokens", "max_chars", "stop", "until", "temperature", "top_k", "top_p", "min_p",
    "typical_p", "relevance", "repetition_penalty", "presence_penalty", "frequency_penalty",
    "no_repeat_ngram", "ban", "charset", "regex", "seed",
)  # fmt: skip
MODE_HELP = (
    "complete: continue each prompt on its own; story: continue the whole conversation as one "
    "text; chat: take turns (default: the checkpoint's mode, or complete)"
)


@llm.hookimpl
def register_models(register: Callable[..., None]) -> None:
    """One model for each checkpoint in ./checkpoints, and the bundled ones."""
    for name in checkpoint_names():
        register(ChargenModel(name))


def _options() -> type[llm.Model.Options]:
    """The options of a model, with the types and the help that they have elsewhere. None is what
    the checkpoint or its mode says."""
    known = field_types(SampleConfig)
    fields: dict[str, Any] = {"mode": (str | None, Field(None, description=MODE_HELP))}
    for name in SAMPLING:
        kind = known[name][0]
        of_llm = str | list[str] if kind is tuple else kind
        fields[name] = (of_llm | None, Field(None, description=help_of(SampleConfig, name)))
    return create_model("Options", __base__=llm.Model.Options, **fields)


class ChargenModel(llm.Model):
    """A checkpoint, by its name."""

    can_stream = True
    Options = _options()

    def __init__(self, name: str) -> None:
        self.model_id = f"chargen/{name}"
        self.name = name

    def execute(
        self,
        prompt: llm.Prompt,
        stream: bool,
        response: llm.Response,
        conversation: llm.Conversation | None,
    ) -> Iterator[str]:
        """The answer, in pieces. Raises llm.ModelError."""
        given = prompt.options.model_dump(exclude_none=True)
        try:
            yield from self._answer(_turns(prompt), given, response)
        except ChargenError as error:
            raise llm.ModelError(str(error)) from error

    def _answer(
        self, turns: list[tuple[str, str]], options: dict[str, Any], response: llm.Response
    ) -> Iterator[str]:
        """What the model says after the turns, of which the last has no answer yet."""
        from chargen.generation.completion import Piece
        from chargen.session.session import Session

        session = Session(self.name, mode=options.pop("mode", None))
        for name, value in options.items():
            # A text is read as on chargen's command line: \\n is a newline.
            session.change(
                name, parse(SampleConfig, name, value) if isinstance(value, str) else value
            )
        is_chat = session.now.mode == "chat"
        *before, (prompt, _) = turns
        if session.now.mode != "complete":
            # In the text a blank stands between a speaker and a turn, but not in a conversation.
            session.read_exchanges((said, f" {answer}" if is_chat else answer)
                                   for said, answer in before)  # fmt: skip
        num_tokens, begun = 0, not is_chat
        for event in session.answer(prompt):
            if isinstance(event, Piece):
                num_tokens += len(event.tokens)
                text = event.text if begun else event.text.lstrip()
                begun = begun or bool(text)
                yield text
        response.set_usage(output=num_tokens)


def _turns(prompt: llm.Prompt) -> list[tuple[str, str]]:
    """What was asked and answered, and at the end what is asked now. Raises llm.ModelError."""
    try:
        from llm.parts import TextPart
    except ImportError:  # here, where only we fail: an older llm with us in it still starts
        raise llm.ModelError("chargen's models need llm 0.36 or newer") from None
    turns = [("", "")]
    for message in prompt.messages:
        text = "".join(part.text for part in message.parts if isinstance(part, TextPart))
        asked, answer = turns[-1]
        if message.role == "system":
            raise llm.ModelError(
                "chargen models have no system prompt; put its text into the prompt"
            )
        if message.role == "assistant":
            turns[-1] = (asked, answer + text)
            continue
        text = text.removesuffix("\n")  # as `echo` ends what it pipes in
        if answer:
            turns.append((text, ""))
        else:
            turns[-1] = (f"{asked}\n{text}" if asked else text, "")
    return [*turns, ("", "")] if turns[-1][1] else turns
