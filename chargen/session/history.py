"""What was said in a session and where it stands: exchanges, moments, undo, another answer.

A text is a row of exchanges: what the user wrote, and how the model went on. A `Moment` is where
the session stands after one; a `History` is the exchanges, the moment now and those that undo
brings back. All of it is frozen: every step returns a new one. Runs no model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from chargen.errors import ConfigError, action
from chargen.generation.prompt_state import PromptState
from chargen.generation.sampling import RandomStream
from chargen.generation.stopping import FinishReason

MAX_UNDO = 100  # moments: each keeps what the network remembered then


@dataclass(frozen=True)
class Exchange:
    """What the user wrote; the text that the network read for it; and how that went on."""

    prompt: str
    read: str
    text: str = ""


@dataclass(frozen=True)
class Segment:
    """Some text that was written at one go: where it starts, and its tokens."""

    start: PromptState
    tokens: tuple[int, ...]
    text: str


@dataclass(frozen=True)
class Moment:
    """Where a session stands: its `mode`, how the last text ended (`finish_reason`), the last
    exchange, and all that the next one needs."""

    mode: str
    place: PromptState  # where the text ends
    stream: RandomStream | None = None  # the random numbers that come next; None: a fresh one
    finish_reason: FinishReason | None = None
    count: int = 0  # exchanges
    begun: int = 0  # of them, before this text began
    last: Exchange | None = None
    # How the last exchange was written and sampled; empty where it was not written here.
    segments: tuple[Segment, ...] = ()
    sampled_with: RandomStream | None = None

    def with_answer(self, text: str, tokens: tuple[int, ...], end: PromptState) -> Moment:
        """After some more text of the last exchange, which starts here and ends there."""
        assert self.last is not None
        segment = Segment(self.place, tokens, text)
        last = replace(self.last, text=self.last.text + text)
        return replace(self, place=end, last=last, segments=(*self.segments, segment))

    def before_answer(self, stream: RandomStream) -> Moment:
        """The moment before the last answer, which is sampled with other numbers now. Raises
        ConfigError where there is no such answer."""
        self.check_written()
        assert self.last is not None
        return replace(
            self,
            place=self.segments[0].start,
            stream=stream,
            finish_reason=None,
            last=replace(self.last, text=""),
            segments=(),
            sampled_with=stream,
        )

    @property
    def answer_stream(self) -> RandomStream:
        """The random numbers that the last answer began with. Raises ConfigError where there is no
        answer, or it was not written here."""
        self.check_written()
        assert self.sampled_with is not None
        return self.sampled_with

    def check_written(self) -> None:
        """Raises ConfigError where the last answer cannot be looked into or done again."""
        if self.last is not None and not self.segments:
            raise ConfigError(
                "the last answer is not from this session, so it cannot be explained or retried",
                hint="write a prompt, or " + action("continue_text()", "/continue"),
            )
        written = "".join(part.text for part in self.segments)
        if self.last is None or written != self.last.text:
            raise ConfigError("there is no answer to explain or retry", hint="write a prompt")


@dataclass(frozen=True)
class History:
    """The exchanges so far, the moment now, and the moments before it that undo brings back."""

    now: Moment
    exchanges: tuple[Exchange, ...] = ()
    past: tuple[Moment, ...] = ()

    @property
    def text(self) -> str:
        """The text so far, all of which the network has read."""
        parts = self.exchanges[self.now.begun :]
        return "".join(exchange.read + exchange.text for exchange in parts)

    def step(self, moment: Moment) -> History:
        """After a step to another moment, which may have other words in the last exchange."""
        return History(moment, self._up_to(moment), (*self.past, self.now)[-MAX_UNDO:])

    def enter(self, mode: str, start: PromptState) -> History:
        """In another mode. A story goes on with the text that is there; a chat begins a new one at
        the start, and so does what follows it."""
        if mode == self.now.mode:
            return self
        moment = self._fresh(start) if "chat" in (mode, self.now.mode) else self.now
        return self.step(replace(moment, mode=mode))

    def reset(self, start: PromptState) -> History:
        """At the start of a new text."""
        return self.step(self._fresh(start))

    def undo(self) -> History:
        """One step back. Raises ConfigError."""
        if not self.past:
            raise ConfigError("there is nothing to undo")
        moment = self.past[-1]
        return History(moment, self._up_to(moment), self.past[:-1])

    def with_now(self, moment: Moment) -> History:
        """The same with another moment in place of this one: no step, so none to undo."""
        return replace(self, now=moment)

    def read_anew(self, place: PromptState) -> History:
        """The same text as another model remembers it: nothing of the first one is left, so no step
        back and no look into the last answer."""
        return History(
            replace(self.now, place=place, segments=(), sampled_with=None), self.exchanges
        )

    def _fresh(self, start: PromptState) -> Moment:
        count = len(self.exchanges)
        return Moment(self.now.mode, start, count=count, begun=count)

    def _up_to(self, moment: Moment) -> tuple[Exchange, ...]:
        if moment.last is None:
            return self.exchanges[: moment.count]
        return (*self.exchanges[: moment.count - 1], moment.last)
