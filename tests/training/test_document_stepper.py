"""A step over documents learns from each as if it stood alone, and goes on as if it had not
stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import chargen
from chargen.checkpoint.metadata import read_metadata
from chargen.config import CorpusConfig, ModelConfig, TrainConfig, split_options
from chargen.data.corpus import Corpus, open_corpus
from chargen.errors import ConfigError
from chargen.nn.model import LanguageModel
from chargen.training.document_stepper import DocumentStepper
from chargen.training.trainer import Trainer
from tests.support.networks import CELL_NAMES
from tests.support.samples import SMALL
from tests.support.steps import stepper_of, take_steps

FRESH: dict[str, Any] = {"documents": "line", "network": {"fresh_state": True}}


def stepper_over(text: Path, **options: Any) -> DocumentStepper:
    stepper = stepper_of(text, **FRESH | options)
    assert isinstance(stepper, DocumentStepper)
    return stepper


def costs_one_by_one(stepper: DocumentStepper, chosen: list[int]) -> list[torch.Tensor]:
    """What each token of each of these documents costs, read by itself."""
    tokens, documents = stepper._corpus.train, stepper._corpus.train_documents
    end, found = stepper._corpus.tokenizer.end, []
    for index in chosen:
        start, length = int(documents.starts[index]), int(documents.lengths[index])
        row = torch.from_numpy(tokens[start : start + length].astype(np.int64))[None]
        inputs = torch.cat([torch.tensor([[end]]), row[:, :-1]], dim=1)
        logits, _ = stepper.model(inputs, stepper.model.initial_state(1))
        found.append(F.cross_entropy(logits[0], row[0], reduction="none"))
    return found


@pytest.mark.parametrize("options", [{}, {"accumulate": 3}, {"bptt": 5}], ids=str)
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_the_loss_of_a_step_is_that_of_its_documents_one_by_one(
    corpus_file: Path, cell: str, options: dict[str, Any]
) -> None:
    stepper = stepper_over(corpus_file, cell=cell, **{"bptt": 64} | options)
    chosen = stepper._loader.chosen(0).tolist()
    with torch.no_grad():
        costs = torch.cat(costs_one_by_one(stepper, chosen))
    stepper.step(0.01)
    [loss] = stepper.losses()
    assert loss.weight == len(costs)
    assert loss.nats == pytest.approx(float(costs.mean()), rel=1e-5)
    assert stepper.place == len(chosen)


def test_the_gradient_is_that_of_the_documents_one_by_one(corpus_file: Path) -> None:
    """Of their sum over as many tokens as a step has on average."""
    stepper = stepper_over(corpus_file, bptt=64, clip=1e6)
    corpus = stepper._corpus
    mean = len(corpus.train) / len(corpus.train_documents)
    costs = torch.cat(costs_one_by_one(stepper, stepper._loader.chosen(0).tolist()))
    expected = torch.autograd.grad(costs.sum() / (6 * mean), list(stepper.model.parameters()))
    stepper.step(0.01)
    for parameter, gradient in zip(stepper.model.parameters(), expected, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, gradient, atol=1e-6)


def test_only_answers_count(corpus_file: Path) -> None:
    stepper = stepper_over(corpus_file, loss_after="is ", bptt=64)
    answers, documents = stepper._corpus.mask("train"), stepper._corpus.train_documents
    assert answers is not None
    chosen = stepper._loader.chosen(0).tolist()
    with torch.no_grad():
        costs = torch.cat(costs_one_by_one(stepper, chosen))
    spans = [(documents.starts[i], documents.starts[i] + documents.lengths[i]) for i in chosen]
    counts = np.concatenate([answers[start:stop] > 0 for start, stop in spans])
    stepper.step(0.01)
    [loss] = stepper.losses()
    assert 0 < loss.weight == counts.sum() < len(costs)
    assert loss.nats == pytest.approx(float(costs[torch.from_numpy(counts)].mean()), rel=1e-5)


def test_what_was_saved_in_an_epoch_goes_on_to_the_last_bit(corpus_file: Path) -> None:
    options: dict[str, Any] = {
        "network": {"fresh_state": True, "dropout": 0.3, "weight_dropout": 0.2},
        "average": 0.9,
    }
    whole = stepper_over(corpus_file, **options)
    losses, tensors = take_steps(whole, 75)
    begun = stepper_over(corpus_file, **options)
    first, kept = take_steps(begun, 30)
    assert 0 < begun.epoch < 1 < whole.epoch
    resumed = stepper_over(corpus_file, **options)
    resumed.restore({name: tensor.clone() for name, tensor in kept.items()}, begun.numbers())
    rest, after = take_steps(resumed, 45)
    assert [*first, *rest] == losses
    assert all(torch.equal(after[name], tensor) for name, tensor in tensors.items())


def fresh_trainer(corpus: Corpus, **options: Any) -> Trainer:
    torch.manual_seed(1)
    model = LanguageModel(
        ModelConfig(hidden_size=16, embedding_size=8, fresh_state=True), corpus.tokenizer.vocab_size
    )
    return Trainer(model, corpus, TrainConfig(**{"batch_size": 6, "bptt": 12} | options))


def test_a_run_of_so_many_epochs_reads_each_document_so_often(corpus_file: Path) -> None:
    corpus = open_corpus([corpus_file], CorpusConfig(documents="line"))
    trainer = fresh_trainer(corpus, epochs=2)
    list(trainer.run())
    assert trainer.epoch == 2
    assert trainer.stepper.place == 2 * len(corpus.train_documents)
    assert trainer.stepper.trained_tokens == 2 * len(corpus.train)
    assert trainer.step == 2 * -(-len(corpus.train_documents) // 6)


def test_penalties_are_means_over_what_is_not_padded(corpus_file: Path) -> None:
    """Accumulation changes what is padded, and nothing else."""
    penalties = {"activation_penalty": 0.5, "temporal_penalty": 0.5, "clip": 1e6}
    steppers = [stepper_over(corpus_file, bptt=64, accumulate=n, **penalties) for n in (1, 3, 6)]
    for stepper in steppers:
        stepper.step(0.01)
    norms = [float(stepper.gradient_norm) for stepper in steppers]
    assert norms == pytest.approx([norms[0]] * 3, rel=1e-4)
    plain = stepper_over(corpus_file, bptt=64, clip=1e6)
    plain.step(0.01)
    assert float(plain.gradient_norm) != pytest.approx(norms[0], rel=1e-3)


def test_what_streams_alone_have_is_refused(corpus_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"fresh_state.* and .random_bptt.* cannot be combined"):
        split_options({"fresh_state": True, "random_bptt": True})
    first = tmp_path / "first"
    options: dict[str, Any] = SMALL | {"documents": "line", "steps": 2, "quiet": True}
    chargen.train(corpus_file, out=first, fresh_state=True, **options)
    assert read_metadata(first).model.fresh_state
    with pytest.raises(ConfigError, match=r"fresh_state.* and .replay.* cannot be combined"):
        chargen.train(
            corpus_file, out=tmp_path / "second", init_from=first, replay=corpus_file,
            fresh_state=True, steps=2, quiet=True,
        )  # fmt: skip


def test_a_replay_carries_the_state_where_the_model_did_not(
    corpus_file: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    options: dict[str, Any] = SMALL | {"documents": "line", "steps": 2, "quiet": True}
    chargen.train(corpus_file, out=first, fresh_state=True, **options)
    chargen.train(corpus_file, out=second, init_from=first, replay=corpus_file, steps=2, quiet=True)
    assert not read_metadata(second).model.fresh_state
