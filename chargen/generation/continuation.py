"""One prompt and how texts can go on from it. Gets ready parts, and knows no checkpoint.

    prompt -> PromptState -> DecodingStart, and what may be sampled there

Letters: V vocabulary.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chargen.config import MAX_PROMPT, SampleConfig
from chargen.errors import ConfigError, TokenizerError, named, setting
from chargen.generation.completion import CompletionBuilder
from chargen.generation.constraints import NOWHERE, Guide
from chargen.generation.healing import Spellings
from chargen.generation.logits import LOOKING_BACK, NEG_INF, mask_logits
from chargen.generation.prompt_state import PromptState, prefill, start_decoding
from chargen.nn.engine import Engine
from chargen.nn.weights import Bools
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
        """The `prompt` is read after the `start`. Raises ConfigError, TokenizerError."""
        self.tokenizer, self.engine = tokenizer, engine
        self.prompt, self.config = prompt, config
        check_prompt(tokenizer, prompt)
        seen = engine.seen
        # What it adds to logits keeps out the tokens that training never saw.
        self.seen_mask = np.where(seen, np.float32(0), np.float32(NEG_INF))  # (V,)
        self.looks_back = any(getattr(config, name) is not None for name in LOOKING_BACK)
        self.banned = _banned(config, tokenizer, seen)
        allowed = seen if self.banned is None else seen & ~self.banned
        self.guide = Guide.of(config, tokenizer, allowed)
        # The only tokens to look at, where they are the same in each step and no processor asks
        # which they are: a vocabulary has all the bytes, a training text few of them.
        is_steady = self.guide is None and config.min_chars is None and not self.looks_back
        self.shortlist = np.flatnonzero(allowed) if is_steady else None  # (S,)
        # What a search leaves out; a guide itself keeps out what was never seen.
        self.dropped = ~seen if self.guide is None else np.zeros_like(seen)
        if self.banned is not None:
            self.dropped = self.dropped | self.banned
        # After the prompt, and how texts go on from there.
        self.prompt_state = prefill(
            engine,
            tokenizer,
            start,
            prompt,
            heal=config.heal,
            window=config.penalty_window,
            on_progress=on_progress,
        )
        self.decoding_start = start_decoding(engine, tokenizer, self.prompt_state)
        if self.decoding_start.spellings is None:
            self._check_not_hopeless()
        else:
            spellings = self._limited(self.decoding_start.spellings)
            self.decoding_start = replace(self.decoding_start, spellings=spellings)

    def builder(self) -> CompletionBuilder:
        """An empty one, for one of the texts."""
        return CompletionBuilder(self.tokenizer, self.config)

    def _limited(self, spellings: Spellings) -> Spellings:
        """The spellings without those that go beyond the prompt by what may not be sampled."""
        banned, rejected = [], []
        for token, inside in zip(spellings.tokens.tolist(), spellings.inside, strict=True):
            beyond = inside < len(self.tokenizer.pieces[token])
            banned.append(beyond and self.banned is not None and bool(self.banned[token]))
            rejected.append(self.guide is not None and self.guide.begin(token, inside) == NOWHERE)
        if all(rejected):
            self._check_not_hopeless()
        left = np.where(rejected, NEG_INF, spellings.logprobs)
        return replace(spellings, logprobs=mask_logits(left[None], np.array([banned]))[0])

    def _check_not_hopeless(self) -> None:
        if self.guide is not None and not self.guide.can_begin:
            raise ConfigError(
                "this model cannot generate any text that matches "
                + named("regex", "charset", last=" or "),
                hint="it never samples what its training text did not contain, nor what is banned",
            )


def check_prompt(tokenizer: Tokenizer, prompt: str) -> None:
    if isinstance(prompt, str) and len(prompt) > MAX_PROMPT:  # before a copy of it is made
        raise TokenizerError(
            f"a prompt of {len(prompt):,} characters is too long, the maximum is {MAX_PROMPT:,}",
            hint="give its last part",
        )
    tokenizer.check(prompt)


def _banned(config: SampleConfig, tokenizer: Tokenizer, seen: Bools) -> Bools | None:
    """The tokens that hold a banned text, (V,) booleans. Raises ConfigError where none does, or all
    do."""
    if not config.ban:
        return None
    banned = np.zeros_like(seen)
    for text in config.ban:
        tokenizer.check(text)
        holding = np.array([text.encode() in piece for piece in tokenizer.pieces])
        if not holding.any():
            raise ConfigError(
                f"no token of this model contains {text!r}, so "
                + named("ban")
                + " cannot keep it out",
                hint="ban something shorter, or end the text before it with "
                + setting("stop", text),
            )
        banned |= holding
    if not (seen & ~banned).any():
        raise ConfigError(named("ban") + " leaves nothing to sample", hint="ban less")
    return banned
