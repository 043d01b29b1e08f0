"""One user and one model: all that can be done with a text. Pure: text in, pieces and values out;
nothing is printed or read here.

In `complete` mode every prompt begins a text; in `story` mode it is joined to the text so far, as
it is; in `chat` mode it becomes a turn of a dialogue. The network's state is kept where the text
ends, so that it goes on from there without being read again, however long it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from chargen.checkpoint.folder import save_model
from chargen.checkpoint.metadata import CheckpointMetadata
from chargen.config import CorpusConfig, SampleConfig
from chargen.errors import ChargenError, ConfigError, SessionError, action
from chargen.evaluation import surprisal
from chargen.evaluation.surprisal import Surprisal, TokenProbability
from chargen.generation.beam_search import BeamResult
from chargen.generation.completion import Completion, Piece
from chargen.generation.generator import TextGenerator, load
from chargen.generation.prompt_state import PromptState
from chargen.generation.text_stream import TextStream
from chargen.keywords import Device, Mode
from chargen.progress import OnShare, no_progress
from chargen.reprs import counted
from chargen.session.history import Exchange, History, Moment
from chargen.session.learning import AnyPath, load_model
from chargen.session.settings import (
    CHECKED_BY_THE_MODEL,
    Settings,
    checked_mode,
    checked_settings,
    sample_config,
    without_search,
)
from chargen.session.state import SessionState
from chargen.session.storage import pack, read_session, unpack, write_session

Events = Iterator[Piece | BeamResult]


class Session:
    """A model, how it is sampled, and the text so far: what the REPL talks through.

    It begins in the `mode` "complete" (each prompt on its own), "story" (prompts are joined to the
    text so far) or "chat" (turns of a dialogue), or in the one that the checkpoint asks for.
    `state` is all of that: keep it, and assign it to come back to where the session was. Raises
    ConfigError, CheckpointError, DeviceError.
    """

    def __init__(self, folder: AnyPath, device: Device = "cpu", mode: Mode | None = None) -> None:
        """Raises ConfigError, CheckpointError, DeviceError."""
        checked_mode(mode)  # before the model is read
        self.device = device
        self.tokens_per_second: float | None = None
        model = load_model(folder, device)
        start = Moment(
            checked_mode(model.metadata.sampling.mode if mode is None else mode),
            model.generator.document_start,
        )
        self.state = SessionState(model, History(start))
        # Gets the share that is searched where there are beams; what it raises ends the search.
        self.on_search: OnShare = no_progress

    def __repr__(self) -> str:
        said = counted(len(self.exchanges), "exchange")
        return f"<Session with {self.folder.name}: {self.now.mode}, {said}>"

    # -- what there is ------------------------------------------------------------------------

    @property
    def metadata(self) -> CheckpointMetadata:
        return self.state.model.metadata

    @property
    def folder(self) -> Path:
        return self.metadata.folder

    @property
    def generator(self) -> TextGenerator:
        return self.state.generator

    @property
    def settings(self) -> Settings:
        return self.state.settings

    @property
    def given(self) -> Settings:
        """Those of the settings that the user has set."""
        return self.state.given

    @property
    def config(self) -> SampleConfig:
        """How the next text is sampled, or searched for; in a chat with the ends of a turn."""
        return self.state.config

    @property
    def roles(self) -> tuple[str, str]:
        """How the turns of the user and of the model begin, in a chat."""
        return self.state.roles

    @property
    def expects_turns(self) -> bool:
        """Whether the model seems to have read dialogues whose turns begin so."""
        return self.state.expects_turns()

    @property
    def now(self) -> Moment:
        """Where the session stands."""
        return self.state.now

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        return self.state.history.exchanges

    @property
    def text(self) -> str:
        """The text so far, all of which the network has read."""
        return self.state.history.text

    @property
    def seed(self) -> int | None:
        """The seed that the last text was sampled with; None where there is none."""
        return None if self.now.sampled_with is None else self.now.sampled_with.seed

    @property
    def last_prompt(self) -> str:
        return self.now.last.prompt if self.now.last else ""

    @property
    def samples_several(self) -> bool:
        """Whether a prompt is answered by several texts."""
        several = self.settings["num_samples"] is not None and self.settings["beams"] is None
        return several and self.now.mode == "complete"

    @property
    def learns(self) -> bool:
        return self.state.model.learner is not None

    @property
    def has_learned(self) -> bool:
        """Whether the model is another than the one in its folder, or is about to be."""
        return self.state.model.has_learned

    # -- the model ----------------------------------------------------------------------------

    def load(self, folder: AnyPath, on_progress: OnShare = no_progress) -> None:
        """Switch to another model, which reads the text so far. Raises CheckpointError and
        TokenizerError, and then nothing has changed."""
        state = replace(self.state, model=load_model(folder, self.device))
        place = state.read(state.generator.document_start, self.text, on_progress)
        self.state = replace(state, history=state.history.read_anew(place))

    def learn(self, on: bool) -> None:
        """Train a copy of the model on what the user writes from now on (dynamic evaluation); or
        forget all that."""
        model = self.state.model
        self.state = replace(self.state, model=model.start_learning() if on else model.forget())

    def save_model(self, folder: AnyPath, on_progress: OnShare = no_progress) -> None:
        """Save the model as it is now as a new checkpoint, and switch to that. Raises
        CheckpointError."""
        self._catch_up(on_progress)
        user, bot = self.roles
        options = replace(self.metadata.corpus_options, user=user, bot=bot)
        metadata = replace(self.metadata, corpus_options=options)
        scores = None if self.has_learned else metadata.scores
        weights, tokenizer = self.generator.weights, self.generator.tokenizer
        save_model(Path(folder), metadata, weights, tokenizer, scores)
        self.load(folder, on_progress)

    def _catch_up(self, on_progress: OnShare = no_progress) -> None:
        """Learn what waits for it; where `on_progress` ends that, it is not learned at all."""
        lesson = self.state.model.pending
        if lesson is not None:
            self.state = replace(self.state, model=self.state.model.without_pending())
            self.state = replace(
                self.state, model=self.state.model.after_lesson(lesson, on_progress)
            )

    # -- settings and modes -------------------------------------------------------------------

    def change(self, name: str, value: object) -> None:
        """Change one setting. Raises ConfigError, and then nothing has changed."""
        settings = checked_settings(self.settings | {name: value})
        if name in CHECKED_BY_THE_MODEL:
            config = sample_config(without_search(settings))
            self.generator.continue_from(self.generator.document_start, "", config)
        self._set(self.state.given | {name: settings[name]}, forgets_stream=name == "seed")

    def reset_settings(self) -> None:
        """Set all settings to their defaults."""
        self._set({}, forgets_stream=True)

    def _set(self, given: Settings, *, forgets_stream: bool) -> None:
        history = self.state.history
        if forgets_stream:
            history = history.with_now(replace(history.now, stream=None))
        self.state = replace(self.state, given=given, history=history)

    def enter(self, mode: Mode) -> None:
        """Switch to another mode. A story continues the text that is there; a chat starts a new
        text, and so does the mode after it. Raises ConfigError."""
        self._become(self.state.history.enter(checked_mode(mode), self.generator.document_start))

    def name_roles(self, roles: Sequence[str]) -> None:
        """Set how the turns of the user and of the model begin in a chat. Raises ConfigError."""
        if len(roles) != 2:
            raise ConfigError(
                "a chat has two speakers",
                hint="as in: " + action("name_roles(('You:', 'Bot:'))", "/chat You: Bot:"),
            )
        user, bot = roles
        CorpusConfig(user=user, bot=bot)
        self.state = replace(self.state, named_roles=(user, bot))

    def reset(self) -> None:
        """Start a new text; the settings stay."""
        self._become(self.state.history.reset(self.generator.document_start))

    def _become(self, history: History) -> None:
        self.state = replace(self.state, history=history)

    # -- writing ------------------------------------------------------------------------------

    def answer(self, prompt: str, on_progress: OnShare = no_progress) -> Events:
        """The answer to a prompt, piece by piece; close the iterator to stop early. With beams, the
        last item is what the search found. `on_progress` gets the share of the prompt that is read.
        Raises ConfigError and TokenizerError, before the first piece and with nothing changed."""
        self._catch_up(on_progress)
        start, before = self.state.begin(prompt, on_progress)
        return self._write(before, start)

    def read_exchanges(self, exchanges: Iterable[tuple[str, str]]) -> None:
        """Go on after prompts and their answers that were not written here, as if they had been.
        Raises TokenizerError."""
        for prompt, answer in exchanges:
            self._catch_up()
            start, before = self.state.begin(prompt, no_progress)
            assert before.last is not None
            after = replace(
                before,
                place=self.state.read(before.place, answer),
                stream=self.now.stream,
                finish_reason=None,
                last=replace(before.last, text=answer),
                sampled_with=None,
            )
            self._keep(after, start)

    def several(self, prompt: str, on_progress: OnShare = no_progress) -> list[Completion]:
        """As many answers as the settings ask for; the session continues with the first."""
        self._catch_up(on_progress)
        start, before = self.state.begin(prompt, on_progress)
        found = self.state.sample_rows(before, self.settings["num_samples"] or 1, on_progress)
        text, tokens = found[0].text, found[0].tokens
        assert before.stream is not None
        stream = replace(before.stream, used=before.stream.used + len(tokens))
        after = replace(before, stream=stream, finish_reason=found[0].finish_reason)
        self._keep(after.with_answer(text, tokens, self.state.read(before.place, text)), start)
        return found

    def answer_again(self, on_progress: OnShare = no_progress) -> Events:
        """Another answer to the last prompt, beside the one that there is; where there was no
        prompt, a text from nothing. With a seed it is the next one of that seed."""
        self._catch_up(on_progress)
        sampled_with = self.now.sampled_with
        _, before = self.state.begin(self.last_prompt, on_progress)
        stream = before.stream
        if sampled_with is not None and stream is not None and sampled_with.seed == stream.seed:
            stream = replace(stream, row=sampled_with.row + 1)
        return self._write(replace(before, stream=stream, sampled_with=stream))

    def retry(self) -> Events:
        """Another answer to the last prompt, in place of the last one."""
        stream = self.now.answer_stream
        return self._write(self.now.before_answer(replace(stream, row=stream.row + 1)))

    def continue_text(self) -> Events:
        """Continue the last text from exactly where it stopped; if there is none, start a new one
        without a prompt."""
        if self.now.last is None:
            return self.answer("")
        return self._write(self.state.past_the_end())

    def variants(self, count: int, on_progress: OnShare = no_progress) -> list[Completion]:
        """`count` answers to the last prompt: the last one, and those that the next calls of
        `retry` would give."""
        before = self.now.before_answer(self.now.answer_stream)
        return self.state.sample_rows(before, count, on_progress)

    def compare(
        self, folder: AnyPath, on_progress: OnShare = no_progress
    ) -> tuple[Completion, Completion]:
        """The answers of this model and of another one to the last prompt, sampled with the same
        random numbers."""
        stream = self.now.answer_stream
        before = self.now.before_answer(stream)
        text = self.text.removesuffix(self.exchanges[-1].text)
        other = load(folder, self.device)
        [mine] = self.state.sample_rows(before, 1, on_progress)
        place = other.prefill(other.document_start, text, self.state.sampling, on_progress)
        place = self.state.with_unprompted(place, before, other)
        [theirs] = other.generate_batch(place, "", self.state.sampling, [stream], on_progress)
        return mine, theirs

    def undo(self) -> Moment:
        """Undo the last step, and return the moment that is undone. Raises ConfigError."""
        gone, history = self.now, self.state.history.undo()
        seed, stream = self.settings["seed"], history.now.stream
        if seed is not None and stream is not None and stream.seed != seed:
            # It was sampled before that seed was set.
            history = history.with_now(replace(history.now, stream=None))
        # What waits to be learned is of what is gone.
        model = self.state.model.without_pending()
        self.state = replace(self.state, history=history, model=model)
        return gone

    def _write(self, before: Moment, start: PromptState | None = None) -> Events:
        """Go on from a moment; the answer is kept once this is closed, as far as it has come."""
        config = self.config
        before = replace(before, place=self.state.with_unprompted(before.place, before))
        if before.finish_reason == "stop":
            config = replace(config, min_chars=max(1, config.min_chars or 0))
        stream = before.stream or self.state.fresh_stream()
        before = replace(before, sampled_with=before.sampled_with or stream)
        if config.beams is not None:
            found = self.generator.search("", config, before.place, on_search=self.on_search)
            return self._record(found, before, start)
        text = self.generator.continue_from(before.place, "", config, stream)
        return self._record(text, before, start)

    def _record(self, events: Events, before: Moment, start: PromptState | None) -> Events:
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
                end = events.prompt_state
            else:
                end = self.state.read(before.place, written)
            self._keep(after.with_answer(written, tuple(tokens), end), start)

    def _keep(self, after: Moment, start: PromptState | None) -> None:
        """Stand at a moment; what was read from `start` on for its exchange is to be learned."""
        model = self.state.model
        if start is not None and after.last is not None:
            model = model.after_reading(start, after.last.read)
        self.state = replace(self.state, history=self.state.history.step(after), model=model)

    # -- looking ------------------------------------------------------------------------------

    def top_characters(self, text: str, count: int) -> list[TokenProbability]:
        """The `count` most likely next characters after the text so far and this text; in complete
        mode after this text alone."""
        return surprisal.next_characters(self.generator, self.state.place_for(text), count)

    def top_words(
        self, text: str, count: int, on_progress: OnShare = no_progress
    ) -> list[TokenProbability]:
        """The same for whole words, each with the space that leads up to it."""
        place = self.state.place_for(text)
        return surprisal.next_words(self.generator, place, count, on_progress)

    def why(self, count: int, on_progress: OnShare = no_progress) -> list[Surprisal]:
        """How surprising each part of the last answer was, with the `count` most likely ones in its
        place."""
        self.now.check_written()
        return [
            part
            for segment in self.now.segments
            for part in surprisal.surprisals(
                self.generator, segment.start, segment.tokens, segment.text, count, on_progress
            )
        ]

    # -- files --------------------------------------------------------------------------------

    def save(self, path: AnyPath) -> None:
        """Save this session to a file, from which `open` continues. Raises SessionError."""
        self._catch_up()
        if self.has_learned:
            raise SessionError(
                "the model has learned since it was loaded, so a saved session could not be opened "
                "again",
                hint=action("save_model(FOLDER)", "/save-model FOLDER")
                + " keeps it, "
                + action("learn(False)", "/learn off")
                + " forgets it",
            )
        write_session(Path(path), pack(self.state))

    def open(self, path: AnyPath) -> None:
        """Continue a session that was saved to a file. Raises SessionError if it is damaged or of
        another model, and then nothing has changed."""
        saved = read_session(Path(path))
        if self.has_learned:
            raise SessionError(
                "the model has learned since it was loaded",
                hint=action("learn(False)", "/learn off") + " first",
            )
        if saved.model != self.state.model.sha256:
            raise SessionError(
                f"{path} belongs to another model",
                hint=action(f"load({saved.checkpoint!r})", f"/load {saved.checkpoint}") + " first",
            )
        try:
            self.state = unpack(saved, self.state)
        except (ValueError, TypeError, ChargenError) as error:
            raise SessionError(f"{path} is damaged: {error}") from None
