"""All of a session that changes, as one frozen record: a step builds the next one and the session
takes it up at once, so that whatever fails on the way leaves everything as it was.

Knows how settings, roles, model and history bear on each other: how the next text is sampled, and
where an exchange begins. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from chargen.config import CHAT_TEMPERATURE, SampleConfig
from chargen.generation.completion import Completion
from chargen.generation.generator import TextGenerator
from chargen.generation.prompt_state import PromptState, after_tokens
from chargen.generation.sampling import RandomStream, new_seed
from chargen.progress import OnShare, no_progress
from chargen.session.dialogue import dialogue_text, turn_stops
from chargen.session.history import Exchange, History, Moment
from chargen.session.learning import SessionModel
from chargen.session.settings import Settings, default_settings, sample_config, without_search

# A turn as a model would write it.
PROBE = SampleConfig(temperature=CHAT_TEMPERATURE, stop=("\n",), max_tokens=100, seed=1)


@dataclass(frozen=True)
class SessionState:
    """A model, how it is sampled, how the turns of a chat begin, and what was said."""

    model: SessionModel
    history: History
    given: Settings = field(default_factory=dict)  # what the user has set
    named_roles: tuple[str, str] | None = None  # by the user; None: those of the model

    @property
    def generator(self) -> TextGenerator:
        return self.model.generator

    @property
    def now(self) -> Moment:
        return self.history.now

    @property
    def default_settings(self) -> Settings:
        """Those of the model and the mode."""
        return default_settings(self.now.mode, self.model.metadata.sampling)

    @property
    def settings(self) -> Settings:
        """All of them, as they hold now."""
        return self.default_settings | self.given

    @property
    def roles(self) -> tuple[str, str]:
        """How the turns of the user and of the model begin, in a chat."""
        options = self.model.metadata.corpus_options
        return self.named_roles or (options.user, options.bot)

    @property
    def config(self) -> SampleConfig:
        """How the next text is sampled, or searched for: then the settings of sampling wait. A turn
        of a chat ends where the next one begins, and with a blank line."""
        return self._config_of(self.settings)

    @property
    def sampling(self) -> SampleConfig:
        """How it would be sampled if it were not searched for."""
        return self._config_of(without_search(self.settings))

    def _config_of(self, settings: Settings) -> SampleConfig:
        if self.now.mode == "chat":
            settings = settings | {"stop": (*settings["stop"], *turn_stops(self.roles))}
        return sample_config(settings)

    def expects_turns(self) -> bool:
        """Whether the model expects its turn after the user's, as one that has read dialogues with
        such turns does: at a nat per character at most. One that is still at its beginning is
        believed. The user's turn is one that the model itself writes: any other may be none of
        those that it knows."""
        if self.named_roles is None and self.model.metadata.sampling.mode == "chat":
            return True
        user, bot = self.roles
        [said] = self.generator.complete(user, PROBE)
        [turn] = self.generator.choose(f"{user}{said.text}{self.generator.line_end}", [bot])
        return turn.logprob >= -len(bot)

    def fresh_stream(self) -> RandomStream:
        """Random numbers of their own, or those of the seed that is set."""
        seed = self.settings["seed"]
        return RandomStream(new_seed() if seed is None else seed)

    # -- what the network reads ---------------------------------------------------------------

    def read(
        self,
        place: PromptState,
        text: str,
        on_progress: OnShare = no_progress,
        kept: str | None = None,
    ) -> PromptState:
        """The place after some more text, of which the end that is `kept` would stand there without
        its prompt. Raises TokenizerError."""
        return self.generator.prefill(place, text, self.sampling, on_progress, kept=kept)

    def place_for(self, text: str) -> PromptState:
        """The place after the text so far and this one, or in complete mode after this one."""
        begins = bool(text) and self.now.mode == "complete"
        return self.read(self.generator.document_start if begins else self.now.place, text)

    def begin(self, prompt: str, on_progress: OnShare) -> tuple[PromptState, Moment]:
        """Where an exchange begins, and the moment with its prompt and no answer yet. Raises
        TokenizerError."""
        now, read, kept = self.now, prompt, ""
        place, stream, begun = now.place, now.stream, now.begun
        if now.mode == "complete":
            place, stream, begun = self.generator.document_start, None, now.count
        elif now.mode == "chat":
            user, bot = self.roles
            turns = dialogue_text([(user, prompt)], next_role=bot)
            read = self.generator.with_own_line_ends(self._line + turns)
            kept = self.generator.with_own_line_ends(self._line + bot)
        end = self.read(place, read, on_progress, kept)
        stream = stream or self.fresh_stream()
        return place, Moment(
            now.mode,
            end,
            stream,
            count=now.count + 1,
            begun=begun,
            last=Exchange(prompt, read),
            sampled_with=stream,
        )

    @property
    def _line(self) -> str:
        """What stands before the next turn of a chat."""
        return "" if self.now.count == self.now.begun else "\n"

    def with_unprompted(
        self, place: PromptState, moment: Moment, generator: TextGenerator | None = None
    ) -> PromptState:
        """The place of a moment where a model stands, which knows how it would be without the
        last prompt, if that is asked for: it does not where it was read before that was."""
        lacks = place.unprompted is None and moment.last is not None and moment.last.read
        if not self.sampling.relevance or not lacks:
            return place
        assert moment.last is not None
        generator, kept = generator or self.generator, ""
        before = self.history.exchanges[moment.begun : moment.count - 1]
        if moment.mode == "chat":
            kept = generator.with_own_line_ends(("\n" if before else "") + self.roles[1])
        text = "".join(exchange.read + exchange.text for exchange in before)
        text = (text + kept + moment.last.text).removesuffix(place.tail.decode())
        config = replace(self.sampling, heal=False)
        unprompted = generator.prefill(generator.document_start, text, config)
        return replace(place, unprompted=unprompted)

    def past_the_end(self) -> Moment:
        """Now, but past the end of the document, should the model have ended it: another begins."""
        now = self.now
        if now.finish_reason != "end":
            return now
        # What was taken back to be spelled anew stands before the end.
        config = replace(self.sampling, heal=False)
        place = self.generator.prefill(now.place, "", config)
        return replace(now, place=after_tokens(place, (self.generator.tokenizer.end,)))

    # -- several answers at once --------------------------------------------------------------

    def sample_rows(
        self, before: Moment, count: int, on_progress: OnShare = no_progress
    ) -> list[Completion]:
        """So many answers at a moment, each from a random stream of its own."""
        first, place = (
            before.stream or self.fresh_stream(),
            self.with_unprompted(before.place, before),
        )
        streams: Sequence[RandomStream] = [
            replace(first, row=first.row + index) for index in range(count)
        ]
        return self.generator.generate_batch(place, "", self.sampling, streams, on_progress)
