"""What one config lets one model sample: masks, the guide, the only tokens to look at. Reads no
prompt and runs no network.

Shapes: B rows, V vocabulary, S tokens of a shortlist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from chargen.config import SampleConfig
from chargen.errors import ConfigError, named, setting
from chargen.generation.constraints import NOWHERE, Guide, States
from chargen.generation.healing import Spellings
from chargen.generation.logits import LOOKING_BACK, NEG_INF, mask_logits
from chargen.nn.engine import Floats
from chargen.nn.softmax import AnyFloats
from chargen.nn.weights import Bools
from chargen.tokenizers.base import Tokenizer


class Rules:
    """What a config lets a model sample; everything in it that can be rejected is rejected here."""

    def __init__(
        self,
        config: SampleConfig,
        tokenizer: Tokenizer,
        seen: Bools,
        bias: Mapping[int, float] | None = None,
    ) -> None:
        """`seen` are (V,) booleans, false for tokens that are never sampled; `bias` is added to the
        logits of some tokens, in nats, before anything else is done to them. Raises ConfigError."""
        self.config, self._tokenizer = config, tokenizer
        # What it adds to logits keeps out the tokens that training never saw.
        self._mask = np.where(seen, np.float32(0), np.float32(NEG_INF))  # (V,)
        self._bias: Floats | None = None
        if bias:
            self._bias = np.zeros(len(seen), np.float32)
            self._bias[[*bias]] = [*bias.values()]
            self._mask += self._bias
        self.looks_back = any(getattr(config, name) is not None for name in LOOKING_BACK)
        self.banned = _banned(config, tokenizer, seen)
        allowed = seen if self.banned is None else seen & ~self.banned
        self.guide = Guide.of(config, tokenizer, allowed)
        # The only tokens to look at, where they are the same in each step and no processor asks
        # which they are: a vocabulary has all the bytes, a training text few of them.
        changes = self.guide is not None or self.looks_back or bool(bias)
        is_steady = config.min_chars is None and not changes
        self.shortlist = np.flatnonzero(allowed) if is_steady else None  # (S,)
        # What a search leaves out; a guide itself keeps out what was never seen.
        self.dropped = ~seen if self.guide is None else np.zeros_like(seen)
        if self.banned is not None:
            self.dropped = self.dropped | self.banned

    @property
    def nbytes(self) -> int:
        """Of memory, but for what is little."""
        return 0 if self.guide is None else self.guide.nbytes

    def allowed(self, logits: Floats, states: States, may_end: Sequence[bool]) -> AnyFloats:
        """The (B, V) logits of what may be sampled at all, in rows whose guide is in these (B,)
        states; with `min_chars`, whether the text of each is long enough to end. A shortlist is
        the sampler's."""
        if self.shortlist is not None:
            return logits
        if self.guide is not None:
            biased = logits if self._bias is None else logits + self._bias
            allowed: AnyFloats = self.guide.limit(biased, states)
        else:
            allowed = logits + self._mask
        if self.config.min_chars is not None:
            ends = np.zeros_like(allowed, dtype=np.bool_)
            ends[:, self._tokenizer.end] = np.logical_not(may_end)
            allowed = mask_logits(allowed, ends)
        return allowed

    def limited(self, spellings: Spellings) -> Spellings:
        """The spellings without those that go beyond the prompt by what may not be sampled. Raises
        ConfigError where none is left."""
        banned, rejected = [], []
        for token, inside in zip(spellings.tokens.tolist(), spellings.inside, strict=True):
            beyond = inside < len(self._tokenizer.pieces[token])
            banned.append(beyond and self.banned is not None and bool(self.banned[token]))
            rejected.append(self.guide is not None and self.guide.begin(token, inside) == NOWHERE)
        if all(rejected):
            self.check_not_hopeless()
        left = np.where(rejected, NEG_INF, spellings.logprobs)
        return replace(spellings, logprobs=mask_logits(left[None], np.array([banned]))[0])

    def check_not_hopeless(self) -> None:
        """Raises ConfigError where no text at all can begin with a token of its own."""
        if self.guide is not None and not self.guide.can_begin:
            raise ConfigError(
                "this model cannot generate any text that matches "
                + named("regex", "charset", last=" or "),
                hint="it never samples what its training text did not contain, nor what is banned",
            )


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
