"""How good a model gets in a run: its validation text, the best weights so far, patience."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import asdict
from typing import Any

from chargen.data.shards import Shards
from chargen.nn.model import LanguageModel
from chargen.nn.transfer import Tensors
from chargen.runtime.files import convert
from chargen.scoring.scores import NOTHING, Score
from chargen.scoring.validation import validate, validation
from chargen.tokenizers.base import Tokenizer
from chargen.training.events import EvalReport
from chargen.training.replay import OldText

# A validation reads the whole text where that is short, else at most this share of what is trained
# on between two of them, so that it takes a small share of the time.
VALIDATION_TOKENS = 1 << 17
VALIDATION_SHARE = 0.25
OLD_TEXT_TOKENS = 1 << 15  # that are read of an old text, to see what a model forgets
OF_OLD_TEXT = ("old_bits_per_character", "forgotten_bits_per_character")
AT_TIMES = (*OF_OLD_TEXT, "answers")  # what a line of metrics has where it is known alone


class Evaluator:
    """The evaluations of one run: what they found, and the weights that were best."""

    def __init__(
        self,
        model: LanguageModel,
        tokenizer: Tokenizer,
        text: Shards,
        patience: int | None,
        answers: Shards | None = None,
        old_text: OldText | None = None,
    ) -> None:
        """`answers` are the masks of the text, where not all of it counts; `old_text` is one that a
        model which is fine-tuned should not forget."""
        self.history: list[EvalReport] = []
        self.best: Tensors = {}  # weights; empty before the first evaluation
        self.limit: int | None = None  # tokens that a validation reads
        self.patience_from = 0  # evaluations before this one do not count against patience
        self._model = model
        self._tokenizer = tokenizer
        self._text = text
        self._answers = answers
        self._patience = patience
        self._old_text = old_text

    @property
    def out_of_patience(self) -> bool:
        """Whether the last `patience` evaluations were all worse than one before."""
        counted = self.history[self.patience_from :]
        if self._patience is None or len(counted) < self._patience:
            return False
        return not any(report.best for report in counted[-self._patience :])

    def validate(self, tokens_between: float) -> Generator[Score, None, None]:
        """Yields what the parts of the validation text that were read so far cost; nothing where
        there is none. `tokens_between` are those trained on from one evaluation to the next."""
        if self.limit is None:
            self.limit = max(VALIDATION_TOKENS, int(VALIDATION_SHARE * tokens_between))
        counted = self._text if self._answers is None else self._answers[: self.limit]
        if not len(counted) or (self._answers is not None and not counted[:].any()):
            return
        self._model.eval()
        try:
            score = NOTHING
            for part in validation(
                self._model, self._tokenizer, self._text, self.limit, self._answers
            ):
                score += part
                yield score
        finally:
            self._model.train()

    def old_text(self) -> float | None:
        """What the old text costs now, in bits per character, where there is one."""
        if self._old_text is None or not len(self._old_text.tokens):
            return None
        tokens, answers = self._old_text
        if answers is not None and not answers[:OLD_TEXT_TOKENS].any():
            answers = None
        self._model.eval()
        score = validate(self._model, self._tokenizer, tokens, OLD_TEXT_TOKENS, answers)
        self._model.train()
        return score.bits_per_character if math.isfinite(score.bits_per_character) else None

    def old_text_before(self, now: float) -> float:
        """The same at the first evaluation, which this one may be."""
        first = self.history[0].old_bits_per_character if self.history else None
        return now if first is None else first

    def is_best(self, score: Score | None) -> bool:
        """Whether no earlier one was better."""
        return score is None or all(
            score.loss < _inf_unless_finite(report.valid_loss) for report in self.history
        )

    def metrics(self) -> list[dict[str, Any]]:
        """One line an evaluation, without its sample."""
        return [
            {
                name: value
                for name, value in asdict(report).items()
                if name != "sample" and not (name in AT_TIMES and value is None)
            }
            for report in self.history
        ]

    def restore(self, metrics: list[dict[str, Any]], best: Tensors) -> None:
        """Go on from there. Raises ValueError, TypeError where those are no evaluations."""
        self.history = [convert(asdict(EvalReport(**line)), EvalReport) for line in metrics]
        self.best = best if self.history else {}


def _inf_unless_finite(loss: float | None) -> float:
    """A loss to be beaten: any number beats none."""
    return loss if loss is not None and math.isfinite(loss) else math.inf
