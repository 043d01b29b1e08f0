"""What torchrun starts in test_distributed.py: some steps of a stepper, whose losses rank 0 writes.

torchrun --nproc-per-node 2 -m tests.support.steps TEXT OUT STEPS [NAME=VALUE ...]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from chargen.config import CorpusConfig, ModelConfig, TrainConfig
from chargen.data.corpus import open_corpus
from chargen.nn.model import LanguageModel
from chargen.nn.transfer import Tensors
from chargen.runtime.distributed import ALONE, Ranks, join
from chargen.training.document_stepper import make_stepper
from chargen.training.stepper import TrainStepper


def stepper_of(
    text: Path,
    ranks: Ranks = ALONE,
    cell: str = "lstm",
    loss_after: str | None = None,
    documents: str = "file",
    network: Mapping[str, Any] | None = None,
    **options: Any,
) -> TrainStepper:
    """The same at every rank."""
    corpus = open_corpus([text], CorpusConfig(loss_after=loss_after, documents=documents))
    torch.manual_seed(1)
    sizes = {"hidden_size": 24, "num_layers": 2, "embedding_size": 8}
    config = ModelConfig(cell=cell, **sizes | dict(network or {}))
    model = LanguageModel(config, corpus.tokenizer.vocab_size)
    defaults: dict[str, Any] = {"batch_size": 6, "bptt": 12, "reset": 0.0, "precision": "float32"}
    training = TrainConfig(**defaults | options)
    return make_stepper(model, corpus, training, ranks)


def take_steps(stepper: TrainStepper, steps: int) -> tuple[list[float], Tensors]:
    """The loss of each step, and all tensors after them."""
    for _ in range(steps):
        stepper.step(0.01)
    weights = {f"model.{name}": tensor for name, tensor in stepper.weights().items()}
    return [loss.nats for loss in stepper.losses()], weights | stepper.tensors()


def main(text: str, out: str, steps: str, *options: str) -> None:
    torch.set_num_threads(1)
    ranks, _ = join(torch.device("cpu"))
    named = {name: json.loads(value) for name, value in (o.split("=") for o in options)}
    stepper = stepper_of(Path(text), ranks, **named)
    stepper.model.config = replace(stepper.model.config, dropout=0.5)  # till rank 0 says otherwise
    if not ranks.is_main:
        stepper.run_follower()
        return
    stepper.set_dropout(0.0, 0.0)
    losses, tensors = take_steps(stepper, int(steps))
    # What goes back to other ranks must come back as it was: the next steps tell.
    stepper.restore(tensors, stepper.numbers())
    more, _ = take_steps(stepper, 3)
    stepper.end()
    Path(out).write_text(json.dumps([*losses, *more]), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
