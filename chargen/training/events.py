"""What happens in a run, as `Trainer.run` yields it: values for others to show or record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True)
class Preparing:
    """Before the first step: what is being done to the text, and the share of that done, 0 to 1."""

    kind: ClassVar[Literal["preparing"]] = "preparing"
    doing: str
    share: float


@dataclass(frozen=True)
class StepReport:
    """How training goes, a few times a second. The loss is the mean since the last report."""

    kind: ClassVar[Literal["step"]] = "step"
    step: int
    epoch: float
    progress: float  # share of the run that is done
    seconds: float  # since the start, earlier runs included
    seconds_left: float | None
    tokens_per_second: float
    train_loss: float | None  # nats per token, without penalties; None before any is known
    gradient_norm: float  # before clipping
    learning_rate: float


@dataclass(frozen=True)
class EvalReport:
    """The model against text that it did not train on; losses in nats per token that counts."""

    kind: ClassVar[Literal["eval"]] = "eval"
    step: int
    epoch: float
    progress: float
    seconds: float
    train_loss: float | None  # mean since the last evaluation
    valid_loss: float | None  # None where there is no validation text
    bits_per_byte: float | None
    bits_per_character: float | None
    learning_rate: float
    best: bool  # whether no earlier one was better
    # Share of the held-out answers of which every token is the most likely one; None where all of
    # the text counts in the loss.
    answers: float | None = None
    sample: str = ""
    # Of a model that is fine-tuned: text of the old kind, and how much more it costs than before.
    old_bits_per_character: float | None = None
    forgotten_bits_per_character: float | None = None


@dataclass(frozen=True)
class Saved:
    """The state is on disk: a run that is killed now goes on from here."""

    kind: ClassVar[Literal["saved"]] = "saved"
    step: int
    seconds: float


@dataclass(frozen=True)
class Rollback:
    """The loss exploded; training goes on from the last good state with half the learning rate."""

    kind: ClassVar[Literal["rollback"]] = "rollback"
    step: int  # where it exploded
    back_to: int
    seconds: float
    train_loss: float  # nats per token, since the last good state; may be no number
    learning_rate: float  # the new peak
    left: int  # how often this may happen again


@dataclass(frozen=True)
class OutOfMemory:
    """A step did not fit into memory, so the streams are read in smaller parts, one after the
    other, which gives the same steps but for what dropout draws."""

    kind: ClassVar[Literal["memory"]] = "memory"
    step: int
    parts: int
    seconds: float


@dataclass(frozen=True)
class Replanned:
    """The text will be read clearly more or less often than planned, since the speed or the length
    of the run is another now: from here on dropout is as that wants it."""

    kind: ClassVar[Literal["replan"]] = "replan"
    step: int
    seconds: float
    epochs: float  # how often the text will have been read
    planned_epochs: float
    dropout: float
    weight_dropout: float
    dropout_before: float
    weight_dropout_before: float


Event = StepReport | EvalReport | Saved | Rollback | OutOfMemory | Replanned
