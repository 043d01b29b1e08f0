"""One text as it is written: a stream of pieces that knows where it stands after each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from chargen.generation.completion import Piece
from chargen.generation.continuation import Continuation
from chargen.generation.decoding import sample
from chargen.generation.prompt_state import PromptState
from chargen.generation.sampling import RandomStream
from chargen.generation.stopping import FinishReason
from chargen.nn.engine import State, Stepper
from chargen.tokenizers.base import Tokenizer


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
        # The text so far: a state, or that of the stepper until its next step, and what it has not
        # read.
        self._state = self.start.state
        self._stepper: Stepper | None = None
        self._unread, self._tail = list(self.start.unread), self.start.tail
        self._recent = deque(self.start.recent, maxlen=work.config.penalty_window)
        self._pending: deque[tuple[int, int]] = deque()  # sampled, not shown; numbers used by then
        # Where the tail is spelled anew: the state before the token that does it, and how many of
        # its bytes stand in the prompt. It counts once any of that token is shown.
        self._respelled: tuple[State, int] | None = None

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
        self._keep_state()
        return PromptState(self._state, tuple(self._unread), self._tail, tuple(self._recent))

    def __next__(self) -> Piece:
        while True:
            self._keep_state()
            sampled = next(self._samples)
            [piece], [token] = sampled.pieces, sampled.tokens.tolist()
            is_all = piece is not None and piece.tokens == (token,) and not self._pending
            if is_all and sampled.inside is None and self.finish_reason is None and not self._tail:
                # The short way of most tokens, which says the same as the long one.
                self._used = sampled.used
                self._recent.append(token)
                self._stepper, self._unread = sampled.stepper, [token]
                assert piece is not None
                return piece
            self._pending.append((token, sampled.used))
            shown = piece.tokens if piece else ()
            if sampled.inside is not None:
                [inside] = sampled.inside
                self._respelled = sampled.stepper.state, inside
                if inside == len(self._pieces[token]):
                    shown = (token,)  # it ends with the prompt
            if shown:
                self._follow(shown, piece.text if piece else "")
                is_read = self._unread[-1] == token and token != self._end and not self._tail
                if is_read and not self._pending:
                    self._stepper, self._unread = sampled.stepper, [token]
            if piece is not None:
                return piece

    def _keep_state(self) -> None:
        """Before a step changes it."""
        if self._stepper is not None:
            self._state, self._stepper = self._stepper.state, None

    def _follow(self, shown: tuple[int, ...], text: str) -> None:
        """Move the state on past tokens that show a text; the last may spell more than it."""
        state, unread, tail, inside = self._state, self._unread, self._tail, 0
        if self._respelled is not None:
            (state, inside), unread, tail = self._respelled, [], b""
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
            if unread:
                tail = rest
            else:
                state, unread, tail = self._state, self._unread, self._tail + rest
        self._state, self._unread, self._tail, self._respelled = state, unread, tail, None
