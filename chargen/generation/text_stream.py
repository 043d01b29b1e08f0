"""One text as it is written: a stream of pieces that knows where it stands after each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from chargen.generation.completion import Piece
from chargen.generation.continuation import Continuation
from chargen.generation.decoding import SampledTokens, sample
from chargen.generation.prompt_state import PromptState
from chargen.generation.sampling import RandomStream
from chargen.generation.stopping import FinishReason
from chargen.nn.engine import State, Stepper
from chargen.tokenizers.base import Tokenizer


@dataclass
class _Place:
    """A (1, P, H) state, or that of the stepper until its next step, and what it has not read."""

    state: State
    unread: list[int]
    stepper: Stepper | None = None

    def keep(self) -> None:
        if self.stepper is not None:
            self.state, self.stepper = self.stepper.state, None


class TextStream(Iterator[Piece]):
    """One text as it is written: its pieces, and where it stands after those that were given.

    To go on from there with the same settings gives what this text itself would have given.
    """

    def __init__(self, work: Continuation, tokenizer: Tokenizer, stream: RandomStream) -> None:
        self.start = work.prompt_state  # after the prompt
        self._pieces = tokenizer.pieces
        self._end = tokenizer.end
        self._builder = work.builder()
        self._samples = sample([work], [self._builder], [stream])
        self._first, self._used = stream, 0
        # The text so far, and where it is compared with that the same without its prompt.
        self._text = _Place(self.start.state, list(self.start.unread))
        self._places, unprompted = [self._text], self.start.unprompted
        if work.compares and unprompted is not None:
            self._places.append(_Place(unprompted.state, list(unprompted.unread)))
        self._tail = self.start.tail
        self._recent = deque(self.start.recent, maxlen=work.config.penalty_window)
        self._pending: deque[tuple[int, int]] = deque()  # sampled, not shown; numbers used by then
        # Where the tail is spelled anew: the states before the token that does it, and how many of
        # its bytes stand in the prompt. It counts once any of that token is shown.
        self._respelled: tuple[list[State], int] | None = None

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the text has ended; None while it has not."""
        return self._builder.finish_reason

    @property
    def stream(self) -> RandomStream:
        """The random numbers that come after those that the text so far was sampled with."""
        return replace(self._first, used=self._first.used + self._used)

    @property
    def prompt_state(self) -> PromptState:
        """Where the text so far ends, without the end of a document."""
        self._keep_states()
        text, *others = [(place.state, tuple(place.unread)) for place in self._places]
        unprompted = PromptState(*others[0]) if others else None
        return PromptState(*text, self._tail, tuple(self._recent), unprompted)

    def __next__(self) -> Piece:
        while True:
            self._keep_states()
            sampled = next(self._samples)
            [piece], [token] = sampled.pieces, sampled.tokens.tolist()
            is_all = piece is not None and piece.tokens == (token,) and not self._pending
            if is_all and sampled.inside is None and self.finish_reason is None and not self._tail:
                # The short way of most tokens, which says the same as the long one.
                self._used = sampled.used
                self._recent.append(token)
                self._follow_steppers(sampled, token)
                assert piece is not None
                return piece
            self._pending.append((token, sampled.used))
            shown = piece.tokens if piece else ()
            if sampled.inside is not None:
                [inside] = sampled.inside
                self._respelled = [stepper.state for stepper in _steppers(sampled)], inside
                if inside == len(self._pieces[token]):
                    shown = (token,)  # it ends with the prompt
            if shown:
                self._follow(shown, piece.text if piece else "")
                is_read = self._text.unread[-1] == token and token != self._end and not self._tail
                if is_read and not self._pending:
                    self._follow_steppers(sampled, token)
            if piece is not None:
                return piece

    def _keep_states(self) -> None:
        """Before a step changes them."""
        for place in self._places:
            place.keep()

    def _follow_steppers(self, sampled: SampledTokens, token: int) -> None:
        """All but this token is read."""
        for place, stepper in zip(self._places, _steppers(sampled), strict=True):
            place.stepper, place.unread = stepper, [token]

    def _follow(self, shown: tuple[int, ...], text: str) -> None:
        """Move on past tokens that show a text; the last may spell more than it."""
        tail, inside, before = self._tail, 0, [replace(place) for place in self._places]
        if self._respelled is not None:
            (states, inside), tail = self._respelled, b""
            for place, state in zip(self._places, states, strict=True):
                place.state, place.unread = state, []
        unread: list[int] = []
        spelled = [self._pieces[token] for token in shown]
        spelled[0] = spelled[0][inside:]
        is_cut = b"".join(spelled).decode(errors="replace") != text
        for token in shown[:-1] if is_cut else shown:
            if token != self._end:
                unread.append(token)
                self._recent.append(token)
        for _ in shown:
            _, self._used = self._pending.popleft()
        if is_cut:
            rest = text.removeprefix(b"".join(spelled[:-1]).decode(errors="replace")).encode()
            if unread or self._text.unread:
                tail = rest
            else:
                tail, self._places = self._tail + rest, before
                self._text = before[0]
        for place in self._places:
            place.unread = [*place.unread, *unread]
        self._tail, self._respelled = tail, None


def _steppers(sampled: SampledTokens) -> list[Stepper]:
    """That of the text, and that of the same without its prompt if there is one."""
    beside = sampled.unprompted
    return [sampled.stepper] if beside is None else [sampled.stepper, beside]
