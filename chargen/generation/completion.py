"""Tokens of one text in, pieces of text out: whole characters, cut exactly where the text ends.

Where that is, stopping.py knows. Knows nothing of models.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field

from chargen.config import SampleConfig
from chargen.generation.stopping import (
    FinishReason,
    UnitProgress,
    find_end,
    safe_length,
    stop_starts,
)
from chargen.reprs import counted, quoted, surprise, text_html
from chargen.scoring.units import NATS_PER_BIT
from chargen.tokenizers.base import StreamDecoder, Tokenizer


@dataclass(slots=True, unsafe_hash=True)  # not frozen: one a token, made in half the time
class Piece:
    """The next piece of a text that is being generated: whole characters and the tokens that spell
    them. `str()` gives its text.

    `logprob` is in nats, under the model itself, before any logits processor.
    """

    text: str
    tokens: tuple[int, ...]
    logprob: float

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Piece {quoted(self.text)}, {counted(len(self.tokens), 'token')}>"


@dataclass(frozen=True)
class Completion:
    """A generated text: what continues `prompt`, without the prompt. `str()` gives its text.

    `tokens` are the ids of the tokens that the text shows, and of the end-of-document token if that
    ended it. `logprob` is the sum of their log probabilities in nats, under the model itself,
    before any logits processor. `finish_reason` is "length", "stop" (a stop text, which is not part
    of the text, or the end of what `until`, `regex` or `charset` ask for) or "end" (of the
    document). After a beam search there is a `score`: the log probability of the text and of its
    end there, in nats. `pieces` are those that `stream` yields.
    """

    prompt: str
    text: str
    tokens: tuple[int, ...]
    logprob: float
    finish_reason: FinishReason
    score: float | None = None
    pieces: tuple[Piece, ...] = field(default=(), compare=False)

    def as_dict(self) -> dict[str, object]:
        """As `chargen sample --json` prints it; the score where there is one."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        del values["pieces"]
        return {name: value for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Completion {quoted(self.text)}, {self._facts()}>"

    def _repr_html_(self) -> str:
        """The prompt, and the text coloured by the bits that each piece cost."""
        shown = self.pieces or (Piece(self.text, self.tokens, 0.0),)
        bits = [-piece.logprob / NATS_PER_BIT for piece in shown]
        parts = [
            (piece.text, surprise(cost), f"{cost:.2f} bits")
            for piece, cost in zip(shown, bits, strict=True)
        ]
        return text_html(parts, before=self.prompt, caption=self._facts())

    def _facts(self) -> str:
        count = counted(len(self.tokens), "token")
        return f"{count}, ended by {self.finish_reason}, logprob {self.logprob:.2f}"


class CompletionBuilder:
    """Tokens of one text in, pieces out.

    What could be the beginning of a stop text is held back until it is known. A piece never splits
    a token, but for one that the end of the text cuts.
    """

    def __init__(self, tokenizer: Tokenizer, config: SampleConfig) -> None:
        self._decoder = StreamDecoder(tokenizer)
        self._tokenizer = tokenizer
        self._config = config
        self._guided = config.regex is not None or config.charset is not None
        # Where no cut can be in its text, a token takes the short way through `add`.
        self._is_unit = config.until is not None
        self._stop_starts = stop_starts(config.stop)
        self._max_chars = math.inf if config.max_chars is None else config.max_chars
        self._texts = tokenizer.texts
        self._limit = config.token_limit
        self._count = 0  # tokens that show anything
        self.progress = UnitProgress()
        self._given = 0  # characters that are out
        self._held = ""  # and what is not yet
        # What spells the held text: tokens, those of one character together; their logprob; and
        # where in the held text they stop.
        self._waiting: list[tuple[tuple[int, ...], float, int]] = []
        self._owed = 0.0  # for tokens that stand in the prompt
        self.finish_reason: FinishReason | None = None

    def copy(self) -> CompletionBuilder:
        """One that stands at the same place and goes on by itself."""
        twin = copy.copy(self)
        twin._decoder = self._decoder.copy()
        twin._waiting = list(self._waiting)
        return twin

    @property
    def held(self) -> str:
        """The text that cannot be shown yet."""
        return self._held

    @property
    def is_silent(self) -> bool:
        """Whether all the tokens so far stand in the prompt."""
        return self._count == 0

    @property
    def may_end(self) -> bool:
        """Whether there is as much text as was asked for at least."""
        return self._given + len(self._held) >= (self._config.min_chars or 0)

    @property
    def _is_full(self) -> bool:
        """Whether the limit is reached: one that was asked for, or else a text that is long
        enough."""
        asked = self._config.max_tokens is not None
        return self._count >= self._limit and (asked or self.may_end)

    def add(self, token: int, logprob: float, inside: int = 0) -> Piece | None:
        """What can be shown now that this token came. A finished text takes no more tokens.

        The first `inside` bytes of the token stand in the prompt and are not shown.
        """
        if self.finish_reason:
            return None
        text = self._texts[token]
        has_room = self._count + 1 < self._limit
        if (
            text
            and has_room
            and not (self._waiting or self._is_unit or inside or self._owed)
            and self._given + len(text) < self._max_chars
            and self._stop_starts.isdisjoint(text)
        ):
            self._count += 1
            self._given += len(text)
            return Piece(text, (token,), logprob)
        if inside and inside == len(self._tokenizer.pieces[token]):
            self._owed += logprob
            return None
        logprob, self._owed = logprob + self._owed, 0.0
        ends = token == self._tokenizer.end
        tokens: tuple[int, ...] = (token,)
        self._count += 1
        begun, goes_on = len(self._held), self._decoder.inside_character and not ends
        self._held += self._decoder.feed(token, inside)
        if goes_on:
            earlier, cost, _ = self._waiting.pop()
            if self._decoder.pending == self._tokenizer.pieces[token]:  # what was begun is no UTF-8
                self._waiting.append((earlier, cost, len(self._held)))
            else:
                tokens, logprob = earlier + tokens, cost + logprob
        if not (ends and self._guided):  # there it stands for whatever may not follow
            self._waiting.append((tokens, logprob, len(self._held)))
        cut, reason = self._find_end(begun)
        if reason is None and ends:
            begun = len(self._held)
            self._held += self._decoder.flush()
            cut, reason = self._find_end(begun)
            if reason is None:
                reason = "stop" if self._guided else "end"
        if reason is None and self._is_full:
            cut, reason = len(self._held), "length"  # before a character that has only begun
        if reason is not None:
            self.finish_reason = reason
            if cut is not None:
                starts = [0, *(stop for _, _, stop in self._waiting[:-1])]
                pairs = zip(self._waiting, starts, strict=True)
                self._waiting = [waiting for waiting, start in pairs if start < cut]
                self._held = self._held[:cut]
            return self._give(len(self._waiting))
        if self._decoder.inside_character:
            return None
        safe = safe_length(self._held, self._config.stop, self.progress.pending)
        return self._give(sum(stop <= safe for _, _, stop in self._waiting))

    def _find_end(self, new_from: int) -> tuple[int | None, FinishReason | None]:
        """Where the held text ends, if it does, and for what; it is new from `new_from` on."""
        cut, reason, self.progress = find_end(
            self._config, self._held, new_from, self._given, self.progress
        )
        return cut, reason

    def _give(self, count: int) -> Piece | None:
        """The piece that the first `count` of what is waiting spells."""
        if not count:
            return None
        given, self._waiting = self._waiting[:count], self._waiting[count:]
        length = given[-1][2] if self._waiting else len(self._held)
        text, self._held = self._held[:length], self._held[length:]
        self._given += len(text)
        self._waiting = [(tokens, cost, stop - length) for tokens, cost, stop in self._waiting]
        return Piece(
            text,
            tuple(token for tokens, _, _ in given for token in tokens),
            sum(cost for _, cost, _ in given),
        )


def completion_of(
    prompt: str, pieces: list[Piece], builder: CompletionBuilder, score: float | None = None
) -> Completion:
    """The whole of what a builder has given out."""
    return Completion(
        prompt,
        "".join(piece.text for piece in pieces),
        tuple(token for piece in pieces for token in piece.tokens),
        sum((piece.logprob for piece in pieces), start=0.0),
        builder.finish_reason or "length",
        score,
        tuple(pieces),
    )
