"""The model of a session: as it was loaded, and as it has learned since from what the user writes.

Learning is on a copy, in memory alone (dynamic evaluation). What was read for an exchange waits
until the next one begins: until then the model is the one that answered, and can be looked into.
Knows nothing of settings, modes and files of sessions.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from chargen.checkpoint.metadata import CheckpointMetadata
from chargen.generation.generator import TextGenerator, load
from chargen.generation.prompt_state import PromptState
from chargen.progress import OnShare

if TYPE_CHECKING:  # types alone: whoever learns needs torch, whoever talks does not
    from chargen.generation.dynamic_evaluation import DynamicEvaluator

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Lesson:
    """Some text that is to be learned, and where the network began to read it."""

    start: PromptState
    text: str


@dataclass(frozen=True)
class SessionModel:
    """A model that answers and, if it has a learner, learns."""

    metadata: CheckpointMetadata
    loaded: TextGenerator  # as it is in its folder
    generator: TextGenerator  # as it answers now
    learner: DynamicEvaluator | None = None
    pending: Lesson | None = None

    @property
    def has_learned(self) -> bool:
        """Whether this is another model than the one in its folder, or is about to be."""
        return self.generator is not self.loaded or self.pending is not None

    @property
    def sha256(self) -> str:
        """Of the model in its folder, weights and tokenizer."""
        hashes = self.metadata.sha256
        return " ".join(hashes[name] for name in sorted(hashes))

    def start_learning(self) -> SessionModel:
        if self.learner is not None:
            return self
        from chargen.generation.dynamic_evaluation import DynamicEvaluator

        return replace(
            self, learner=DynamicEvaluator(self.generator.model, self.generator.tokenizer)
        )

    def forget(self) -> SessionModel:
        """As it was loaded, and learning no more."""
        return SessionModel(self.metadata, self.loaded, self.loaded)

    def after_reading(self, start: PromptState, text: str) -> SessionModel:
        """With a text that is to be learned, where it learns and there is any."""
        if self.learner is None or not text:
            return self
        return replace(self, pending=Lesson(start, text))

    def without_pending(self) -> SessionModel:
        return replace(self, pending=None)

    def after_lesson(self, lesson: Lesson, on_progress: OnShare) -> SessionModel:
        """After a lesson; what `on_progress` raises leaves the model as it was."""
        if self.learner is None:
            return self
        tokenizer = self.generator.tokenizer
        read = tokenizer.encode_array(lesson.start.tail.decode() + lesson.text)
        tokens = np.concatenate([lesson.start.unread, read]).astype(np.int64)
        loss = self.learner.learn(tokens, lesson.start.state, on_progress=on_progress)
        if math.isnan(loss):
            return self
        # A generator has copies of the weights, so what was learned takes a new one.
        generator = TextGenerator(self.learner.model, tokenizer, self.metadata)
        return replace(self, generator=generator)


def load_model(folder: AnyPath, device: str) -> SessionModel:
    """The model in a folder, which has learned nothing yet. Raises CheckpointError, DeviceError."""
    generator = load(folder, device)
    assert generator.metadata is not None, "it comes from a folder"
    return SessionModel(generator.metadata, generator, generator)
