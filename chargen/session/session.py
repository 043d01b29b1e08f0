"""One user and one model: settings, the text so far, and all that can be done with it. Pure: text
in, pieces and values out; nothing is printed or read here.

A text is a row of exchanges: what the user wrote, and how the model went on. In `complete` mode
every prompt begins a text; in `story` mode it is joined to the text so far, as it is; in `chat`
mode it becomes a turn of a dialogue. The network's state is kept where the text ends, so that it
goes on from there without being read again, however long it is.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chargen.checkpoint.store import load_checkpoint, save_model
from chargen.config import DRAWING, SEARCHING, CorpusConfig, SampleConfig, build_config
from chargen.errors import ChargenError, ConfigError, SessionError
from chargen.evaluation import surprisal as chances
from chargen.evaluation.surprisal import Surprisal, TokenProbability
from chargen.generation.beam_search import BeamResult
from chargen.generation.dynamic_evaluation import Learner
from chargen.generation.generator import TextGenerator, TextStream, load
from chargen.generation.prompt_state import PromptState
from chargen.generation.sampling import RandomStream, new_seed
from chargen.generation.writing import Completion, FinishReason, Piece
from chargen.progress import OnShare, no_progress
from chargen.runtime.device import pick_device
from chargen.session.storage import SavedSession, pack, read_session, unpack, write_session

CHECKED_BY_THE_MODEL = ("regex", "charset", "ban")  # whether it can write any such text
MODES = ("complete", "story", "chat")
MAX_USED = 10**8  # random numbers of a stream, which is a second to skip
MAX_UNDO = 100  # exchanges: each keeps what the network remembered then


@dataclass(frozen=True)
class Exchange:
    """What the user wrote; the text that the network read for it; and how that went on."""

    prompt: str
    read: str
    text: str = ""


@dataclass(frozen=True)
class Segment:
    """Some text that was written at one go: from where on, and its tokens."""

    start: PromptState
    tokens: tuple[int, ...]
    text: str


@dataclass(frozen=True)
class Moment:
    """Where the session stands: all of it but the settings and the exchanges before the last."""

    mode: str
    place: PromptState  # where the text ends
    stream: RandomStream | None = None  # the random numbers that come next; None: a fresh one
    finish_reason: FinishReason | None = None
    count: int = 0  # exchanges
    begun: int = 0  # of them, before this text began
    last: Exchange | None = None
    # How the last exchange was written and drawn; empty where it was not written here.
    segments: tuple[Segment, ...] = ()
    drawn_by: RandomStream | None = None


Events = Iterator[Piece | BeamResult]
AnyPath = str | os.PathLike[str]


class Session:
    """A model, how text is drawn from it, and the text so far."""

    def __init__(self, folder: AnyPath, device: str = "cpu") -> None:
        """Raises CheckpointError, DeviceError."""
        self.settings = asdict(SampleConfig())
        self.device = device
        self.exchanges: list[Exchange] = []
        self.roles, self._has_own_roles = ("", ""), False
        self.tokens_per_second: float | None = None
        self._past: deque[Moment] = deque(maxlen=MAX_UNDO)
        self._take(folder)
        self.now = Moment("complete", self.generator.document_start)

    # -- the model ----------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        return self.about.folder

    def load(self, folder: AnyPath, on_progress: OnShare = no_progress) -> None:
        """Take another model, which reads the text so far. Raises CheckpointError, TokenizerError,
        and then nothing has changed."""
        before = self.__dict__.copy()
        try:
            self._take(folder)
            place = self._read(self.generator.document_start, self.text, on_progress)
        except BaseException:
            self.__dict__.update(before)
            raise
        self._past.clear()
        self.now = replace(self.now, place=place, segments=(), drawn_by=None)

    def _take(self, folder: AnyPath) -> None:
        checkpoint = load_checkpoint(folder)
        model = checkpoint.model.to(pick_device(self.device))
        self.about = checkpoint.about
        self.generator = self._as_loaded = TextGenerator(model, checkpoint.tokenizer)
        if not self._has_own_roles:
            self.roles = self.about.corpus_options.user, self.about.corpus_options.bot
        self._learner: Learner | None = None
        self._unlearnt: tuple[PromptState, str] | None = (
            None  # a place, and what was read from there on
        )

    def learn(self, on: bool) -> None:
        """From now on learn what the user writes, on a copy of the model; or forget all that."""
        if on and self._learner is None:
            self._learner = Learner(self.generator.model, self.generator.tokenizer)
        elif not on:
            self._learner, self.generator, self._unlearnt = None, self._as_loaded, None

    @property
    def learns(self) -> bool:
        return self._learner is not None

    @property
    def has_learnt(self) -> bool:
        """Whether the model is another than the one in its folder, or is about to be."""
        return self.generator is not self._as_loaded or self._unlearnt is not None

    def save_model(self, folder: AnyPath, on_progress: OnShare = no_progress) -> None:
        """Write the model as it is now into a new folder, and talk to that. Raises
        CheckpointError."""
        self._catch_up(on_progress)
        user, bot = self.roles
        options = replace(self.about.corpus_options, user=user, bot=bot)
        about = replace(self.about, corpus_options=options)
        scores = None if self.has_learnt else about.scores
        save_model(Path(folder), about, self.generator.model, self.generator.tokenizer, scores)
        self.load(folder, on_progress)

    # -- settings -----------------------------------------------------------------------------

    @property
    def config(self) -> SampleConfig:
        """How the next text is drawn, or searched for: then the settings of drawing wait. A turn of
        a chat ends where the next one begins, and with a blank line."""
        return self._config_of(self.settings)

    @property
    def _drawing(self) -> SampleConfig:
        """How it would be drawn if it were not searched for."""
        return self._config_of(self.settings | {"beams": None})

    def _config_of(self, settings: dict[str, Any]) -> SampleConfig:
        if self.now.mode == "chat":
            ends = tuple(f"\n{role}" for role in self.roles)
            settings = settings | {"stop": (*settings["stop"], *ends, "\n\n")}
        return _config_of(settings)

    def change(self, name: str, value: object) -> None:
        """Change one setting. Raises ConfigError, and then nothing has changed."""
        settings = self.settings | {name: value}
        config = _checked(settings)
        if name in CHECKED_BY_THE_MODEL:
            self.generator.continue_from(self.generator.document_start, "", config)
        self.settings = settings
        if name == "seed":
            self.now = replace(self.now, stream=None)

    def reset_settings(self) -> None:
        """All settings at their defaults."""
        self.settings = asdict(SampleConfig())
        self.now = replace(self.now, stream=None)

    @property
    def draws_several(self) -> bool:
        """Whether a prompt is answered by several texts."""
        several = self.settings["num_samples"] is not None and self.settings["beams"] is None
        return several and self.now.mode == "complete"

    @property
    def seed(self) -> int | None:
        """The seed that the last text was drawn by; None where there is none."""
        return None if self.now.drawn_by is None else self.now.drawn_by.seed

    # -- modes --------------------------------------------------------------------------------

    def enter(self, mode: str) -> None:
        """Another mode. A story goes on with the text that is there; a chat begins anew, and so
        does what follows it."""
        if mode == self.now.mode:
            return
        if "chat" in (mode, self.now.mode):
            self.reset()
            self.now = replace(self.now, mode=mode)
        else:
            self._become(replace(self.now, mode=mode))

    def name_roles(self, roles: Sequence[str]) -> None:
        """How the turns of the user and of the model begin, in a chat. Raises ConfigError."""
        if len(roles) != 2:
            raise ConfigError("a talk has two sides", hint="as in: /chat You: Bot:")
        user, bot = roles
        CorpusConfig(user=user, bot=bot)
        self.roles, self._has_own_roles = (user, bot), True

    def reset(self) -> None:
        """Begin a new text; the settings stay."""
        count = len(self.exchanges)
        self._become(Moment(self.now.mode, self.generator.document_start, count=count, begun=count))

    @property
    def text(self) -> str:
        """The text so far, all of which the network has read."""
        parts = self.exchanges[self.now.begun :]
        return "".join(exchange.read + exchange.text for exchange in parts)

    # -- writing ------------------------------------------------------------------------------

    def answer(self, prompt: str, on_progress: OnShare = no_progress) -> Events:
        """How the model goes on from a prompt, as it comes; close it to stop there. With beams the
        end is what was found. `on_progress` gets how much of the prompt is read. Raises
        ConfigError, TokenizerError, both at once and with nothing changed."""
        origin, before = self._begin(prompt, on_progress)
        return self._write(before, origin)

    def several(self, prompt: str, on_progress: OnShare = no_progress) -> list[Completion]:
        """As many texts as the settings ask for; the session goes on with the first."""
        origin, before = self._begin(prompt, on_progress)
        found = self._rows(before, self.settings["num_samples"] or 1, on_progress)
        text, tokens = found[0].text, found[0].tokens
        stream = self._fresh_stream() if before.stream is None else before.stream
        stream = replace(stream, used=stream.used + len(tokens))
        after = replace(before, stream=stream, finish_reason=found[0].finish_reason)
        self._keep(after, text, tokens, self._read(before.place, text))
        self._to_be_learnt(origin, before.last)
        return found

    def retry(self) -> Events:
        """Another answer to the last prompt, in place of the one that there is."""
        stream = self._drawn_by
        return self._write(self._again(replace(stream, row=stream.row + 1)))

    def continue_text(self) -> Events:
        """More of the last text, from exactly where it stopped, and past what stopped it; where
        there is none, a text from nothing."""
        now = self.now
        if now.last is None:
            return self.answer("")
        if now.finish_reason == "end":
            end = self.generator.tokenizer.end
            # What was taken back to be spelled anew stands before the end.
            place = self.generator.prefill(now.place, "", replace(self._drawing, heal=False))
            now = replace(now, place=replace(place, unread=(*place.unread, end)))
        return self._write(now)

    def variants(self, count: int, on_progress: OnShare = no_progress) -> list[Completion]:
        """The last answer, drawn anew, and what the next calls of `retry` would bring."""
        return self._rows(self._again(self._drawn_by), count, on_progress)

    def compare(
        self, folder: AnyPath, on_progress: OnShare = no_progress
    ) -> tuple[Completion, Completion]:
        """The last prompt as this model goes on from it, and another one, by the same numbers."""
        before = self._again(self._drawn_by)
        assert before.last is not None
        text = self.text.removesuffix(self.exchanges[-1].text)
        other = load(folder, self.device)
        [mine] = self._rows(before, 1, on_progress)
        [theirs] = other.generate_batch(
            other.document_start, text, self._drawing, [self._drawn_by], on_progress
        )
        return mine, theirs

    def undo(self) -> Moment:
        """Take the last step back; the moment that is gone. Raises ConfigError."""
        if not self._past:
            raise ConfigError("there is nothing to undo")
        gone, self.now = self.now, self._past.pop()
        self._unlearnt = None  # what waited to be learnt is of what is gone
        del self.exchanges[self.now.count :]
        if self.now.last is not None:
            self.exchanges[-1:] = [self.now.last]
        seed, stream = self.settings["seed"], self.now.stream
        if seed is not None and stream is not None and stream.seed != seed:
            self.now = replace(self.now, stream=None)  # it was drawn before that seed was set
        return gone

    # -- files --------------------------------------------------------------------------------

    def save(self, path: AnyPath) -> None:
        """Write all of this session into a file, so that `open` goes on from here. Raises
        SessionError."""
        self._catch_up()
        if self.has_learnt:
            raise SessionError(
                "the model has learnt since it was loaded, so a session of it could not be opened",
                hint="/save-model it first, or /learn off",
            )
        now, stream = self.now, self.now.stream
        saved = SavedSession(
            model=self._hash,
            checkpoint=os.fsencode(self.folder).decode(errors="replace"),
            settings=self.settings,
            mode=now.mode,
            user=self.roles[0],
            bot=self.roles[1],
            exchanges=[(e.prompt, e.read, e.text) for e in self.exchanges],
            begun=now.begun,
            place=pack(now.place),
            stream=None if stream is None else (stream.seed, stream.row, stream.used),
            finish_reason=now.finish_reason,
        )
        write_session(Path(path), saved)

    def open(self, path: AnyPath) -> None:
        """Go on with a session from a file. Raises SessionError where it is damaged or of another
        model, and then nothing has changed."""
        saved = read_session(Path(path))
        if self.has_learnt:
            raise SessionError("the model has learnt since it was loaded", hint="/learn off first")
        if saved.model != self._hash:
            raise SessionError(
                f"{path} is of another model", hint=f"/load {saved.checkpoint} first"
            )
        try:
            now = self._restored(saved)
            settings = _settings_of(saved)
            CorpusConfig(user=saved.user, bot=saved.bot)
        except (ValueError, TypeError, ChargenError) as error:
            raise SessionError(f"{path} is damaged: {error}") from None
        self.settings = settings
        self._has_own_roles |= self.roles != (saved.user, saved.bot)
        self.roles = saved.user, saved.bot
        self.exchanges = [Exchange(*parts) for parts in saved.exchanges]
        self._past.clear()
        self.now = now

    def _restored(self, saved: SavedSession) -> Moment:
        count = len(saved.exchanges)
        stream = None
        if saved.mode not in MODES or not 0 <= saved.begun <= count:
            raise ValueError("there is no such mode or exchange")
        if saved.stream is not None:
            stream = RandomStream(*saved.stream)
            if not (0 <= stream.seed < 2**63 and 0 <= stream.row < 2**63):
                raise ValueError("there is no such stream of random numbers")
            if not 0 <= stream.used <= MAX_USED:
                raise ValueError("too many of its random numbers are used")
        last = Exchange(*saved.exchanges[-1]) if count > saved.begun else None
        place = unpack(saved.place, self.generator.model)
        return Moment(saved.mode, place, stream, saved.finish_reason, count, saved.begun, last)

    @property
    def _hash(self) -> str:
        """Of the model in its folder, weights and tokenizer."""
        return " ".join(self.about.sha256[name] for name in sorted(self.about.sha256))

    # -- looking ------------------------------------------------------------------------------

    def top_characters(self, text: str, count: int) -> list[TokenProbability]:
        """What may come next after the text so far, or in complete mode after another one."""
        return chances.next_characters(self.generator, self._place_for(text), count)

    def top_words(
        self, text: str, count: int, on_progress: OnShare = no_progress
    ) -> list[TokenProbability]:
        """The same by words, with what leads up to them."""
        return chances.next_words(self.generator, self._place_for(text), count, on_progress)

    def why(self, count: int, on_progress: OnShare = no_progress) -> list[Surprisal]:
        """What each part of the last answer cost, and the `count` likeliest at each place."""
        return [
            surprise
            for part in self._written().segments
            for surprise in chances.surprises(
                self.generator, part.start, part.tokens, part.text, count, on_progress
            )
        ]

    # -- how it is done -----------------------------------------------------------------------

    def _begin(self, prompt: str, on_progress: OnShare) -> tuple[PromptState, Moment]:
        """Where an exchange begins, and the moment with its prompt and no answer yet."""
        self._catch_up(on_progress)
        now, read = self.now, prompt
        place, stream, begun = now.place, now.stream, now.begun
        if now.mode == "complete":
            place, stream, begun = self.generator.document_start, None, now.count
        elif now.mode == "chat":
            user, bot = self.roles
            line = "" if now.count == now.begun else "\n"
            read = f"{line}{user} {prompt}\n{bot}"
        before = Moment(
            now.mode, self._read(place, read, on_progress), stream or self._fresh_stream(),
            count=now.count + 1, begun=begun, last=Exchange(prompt, read),
        )  # fmt: skip
        return place, replace(before, drawn_by=before.stream)

    def _written(self) -> Moment:
        """The moment, where the last answer can be done again. Raises ConfigError."""
        now = self.now
        written = "".join(part.text for part in now.segments)
        if now.last is not None and not now.segments:
            raise ConfigError(
                "the last answer was not written here, so there is no looking into it or doing it "
                "again",
                hint="write a prompt, or /continue",
            )
        if now.last is None or written != now.last.text:
            raise ConfigError(
                "there is no answer to look into or to do again", hint="write a prompt"
            )
        return now

    @property
    def _drawn_by(self) -> RandomStream:
        stream = self._written().drawn_by
        assert stream is not None
        return stream

    def _again(self, stream: RandomStream) -> Moment:
        """The moment before the last answer, which is drawn by other numbers now."""
        now = self._written()
        assert now.last is not None
        return replace(
            now, place=now.segments[0].start, stream=stream, finish_reason=None,
            last=replace(now.last, text=""), segments=(), drawn_by=stream,
        )  # fmt: skip

    def _write(self, before: Moment, origin: PromptState | None = None) -> Events:
        """Go on from a moment; the answer is kept once this is closed, as far as it has come."""
        config = self.config
        if before.finish_reason == "stop":
            config = replace(config, min_chars=max(1, config.min_chars or 0))
        stream = before.stream or self._fresh_stream()
        before = replace(before, drawn_by=before.drawn_by or stream)
        if config.beams is not None:
            return self._record(self.generator.search("", config, before.place), before, origin)
        passage = self.generator.continue_from(before.place, "", config, stream)
        return self._record(passage, before, origin)

    def _record(self, events: Events, before: Moment, origin: PromptState | None) -> Events:
        text: list[str] = []
        tokens: list[int] = []
        began = time.monotonic()
        after = replace(before, finish_reason=None)
        try:
            for event in events:
                if isinstance(event, Piece):
                    text.append(event.text)
                    tokens += event.tokens
                elif event.completions:
                    after = replace(before, finish_reason=event.completions[0].finish_reason)
                yield event
        finally:
            self.tokens_per_second = len(tokens) / max(1e-9, time.monotonic() - began)
            written = "".join(text)
            if isinstance(events, TextStream):
                after = replace(before, stream=events.stream, finish_reason=events.finish_reason)
                place = events.place
            else:
                place = self._read(before.place, written)
            self._keep(after, written, tuple(tokens), place)
            if origin is not None:
                self._to_be_learnt(origin, before.last)

    def _keep(self, after: Moment, text: str, tokens: tuple[int, ...], place: PromptState) -> None:
        """Add some text to the last exchange of a moment that is now, but for its place."""
        assert after.last is not None
        segment = Segment(after.place, tokens, text)
        last = replace(after.last, text=after.last.text + text)
        self._become(replace(after, place=place, last=last, segments=(*after.segments, segment)))
        self.exchanges[after.count - 1 :] = [last]

    def _become(self, moment: Moment) -> None:
        self._past.append(self.now)
        self.now = moment

    def _rows(self, before: Moment, count: int, on_progress: OnShare) -> list[Completion]:
        """So many answers at a moment, each drawn by a stream of its own."""
        first = before.stream or self._fresh_stream()
        streams = [replace(first, row=first.row + index) for index in range(count)]
        return self.generator.generate_batch(before.place, "", self._drawing, streams, on_progress)

    def _fresh_stream(self) -> RandomStream:
        seed = self.settings["seed"]
        return RandomStream(new_seed() if seed is None else seed)

    def _read(
        self, place: PromptState, text: str, on_progress: OnShare = no_progress
    ) -> PromptState:
        return self.generator.prefill(place, text, self._drawing, on_progress)

    def _place_for(self, text: str) -> PromptState:
        begins = bool(text) and self.now.mode == "complete"
        return self._read(self.generator.document_start if begins else self.now.place, text)

    def _to_be_learnt(self, origin: PromptState, exchange: Exchange | None) -> None:
        """Learn what the network read for an exchange before the next one: until then the model is
        the one that answered."""
        if self._learner is not None and exchange is not None and exchange.read:
            self._unlearnt = origin, exchange.read

    def _catch_up(self, on_progress: OnShare = no_progress) -> None:
        """Learn what waits for it; where `on_progress` ends that, it is not learnt at all."""
        (waiting, self._unlearnt), learner = (self._unlearnt, None), self._learner
        if waiting is None or learner is None:
            return
        (origin, text), tokenizer = waiting, self.generator.tokenizer
        read = tokenizer.encode_array(origin.tail.decode() + text)
        tokens = np.concatenate([origin.unread, read]).astype(np.int64)
        if not math.isnan(learner.learn(tokens, origin.state, on_progress=on_progress)):
            self.generator = TextGenerator(learner.model, tokenizer)


def _settings_of(saved: SavedSession) -> dict[str, Any]:
    """The settings, each of them checked. Raises ConfigError, TypeError."""
    values = {n: tuple(v) if isinstance(v, list) else v for n, v in saved.settings.items()}
    if values.keys() != asdict(SampleConfig()).keys():
        raise ConfigError("its settings are others")
    _checked(values)
    return values


def _checked(settings: dict[str, Any]) -> SampleConfig:
    """How text is drawn by them; those of a search are checked as well. Raises ConfigError."""
    beams = settings["beams"]
    _config_of(settings | {"beams": 1 if beams is None else beams})
    return _config_of(settings | {"beams": None})


def _config_of(settings: dict[str, Any]) -> SampleConfig:
    """The settings without those that a search, or else that a draw, has no use for."""
    idle = SEARCHING if settings["beams"] is None else DRAWING
    return build_config(SampleConfig, {n: value for n, value in settings.items() if n not in idle})
