"""One prompt and how texts can go on from it. Gets ready parts, and knows no checkpoint.

prompt -> PromptState -> DecodingStart, and the Rules of what may be sampled there
"""

from __future__ import annotations

from dataclasses import replace

from chargen.config import MAX_PROMPT, SampleConfig
from chargen.errors import TokenizerError
from chargen.generation.completion import CompletionBuilder
from chargen.generation.prompt_state import PromptState, prefill, start_decoding
from chargen.generation.rules import Rules
from chargen.nn.engine import Engine
from chargen.progress import OnShare, no_progress
from chargen.tokenizers.base import Tokenizer


class Continuation:
    """One prompt and how to go on from it; everything that can be rejected is rejected here."""

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        start: PromptState,
        prompt: str,
        config: SampleConfig,
        on_progress: OnShare = no_progress,
    ) -> None:
        """The `prompt` is read after the `start`, where the text is without it. Raises ConfigError,
        TokenizerError."""
        self.tokenizer, self.engine = tokenizer, engine
        self.prompt, self.config = prompt, config
        check_prompt(tokenizer, prompt)
        self.rules = Rules(config, tokenizer, engine.seen)
        # After the prompt, and how texts go on from there.
        self.prompt_state = prefill(
            engine,
            tokenizer,
            start,
            prompt,
            heal=config.heal,
            window=config.penalty_window,
            kept="" if config.relevance else None,
            on_progress=on_progress,
        )
        self.decoding_start = start_decoding(engine, tokenizer, self.prompt_state)
        if self.decoding_start.spellings is None:
            self.rules.check_not_hopeless()
        else:
            spellings = self.rules.limited(self.decoding_start.spellings)
            self.decoding_start = replace(self.decoding_start, spellings=spellings)

    @property
    def compares(self) -> bool:
        """Whether what is sampled depends on what the text would be without its prompt."""
        return self.config.relevance > 0 and self.prompt_state.unprompted is not None

    def builder(self) -> CompletionBuilder:
        """An empty one, for one of the texts."""
        return CompletionBuilder(self.tokenizer, self.config)


def check_prompt(tokenizer: Tokenizer, prompt: str) -> None:
    if isinstance(prompt, str) and len(prompt) > MAX_PROMPT:  # before a copy of it is made
        raise TokenizerError(
            f"a prompt of {len(prompt):,} characters is too long, the maximum is {MAX_PROMPT:,}",
            hint="give its last part",
        )
    tokenizer.check(prompt)
