"""A step is the same whether the text lies on the device or comes there, and however it is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from chargen.data.batches import IGNORE_INDEX, BatchLoader
from chargen.data.shards import Shards
from chargen.runtime.cuda_graphs import GraphedStep
from chargen.training.objective import Objective
from chargen.training.stepper import TrainStepper
from tests.support.networks import CELL_NAMES
from tests.support.steps import stepper_of, take_steps

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "options", [{}, {"accumulate": 2, "temporal_penalty": 0.5}, {"loss_after": "is "}]
)
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_what_is_recorded_is_the_plain_step(
    corpus_file: Path, cell: str, options: dict[str, Any]
) -> None:
    """All that differs from step to step lies in tensors, as a CUDA graph needs it."""
    plain, from_tensors = (
        stepper_of(corpus_file, cell=cell, reset=0.3, **options) for _ in range(2)
    )
    from_tensors.streams.make_resident()
    from_tensors._make_recordable()
    expected, found = take_steps(plain, 30), take_steps(from_tensors, 30)
    assert found[0] == expected[0]
    assert all(torch.equal(found[1][name], tensor) for name, tensor in expected[1].items())


def test_steps_of_random_lengths_are_not_recorded(corpus_file: Path) -> None:
    for random_bptt in (False, True):
        stepper = stepper_of(corpus_file, random_bptt=random_bptt)
        stepper.streams.make_resident()
        assert stepper._can_be_recorded is not random_bptt


def test_states_stay_where_they_were(corpus_file: Path) -> None:
    """A recorded step finds weights, states and running mean in the same memory."""
    stepper = stepper_of(corpus_file, reset=0.3, average=0.9)
    tensors = [*stepper.model.parameters(), *(p for layer in stepper.state.layers for p in layer)]
    before = [tensor.data_ptr() for tensor in tensors]
    _, kept = take_steps(stepper, 3)
    stepper.restore(kept, stepper.numbers())
    take_steps(stepper, 3)
    assert [tensor.data_ptr() for tensor in tensors] == before


def test_a_stepper_goes_on_from_what_it_was(corpus_file: Path) -> None:
    """As after an explosion, on a text that lies on the device, too."""
    for resident in (False, True):
        stepper = stepper_of(corpus_file, reset=0.3, average=0.9)
        if resident:
            stepper.streams.make_resident()
            stepper._make_recordable()
        _, tensors = take_steps(stepper, 20)
        kept, numbers = {n: tensor.clone() for n, tensor in tensors.items()}, stepper.numbers()
        expected, _ = take_steps(stepper, 10)
        stepper.restore(kept, numbers)
        assert take_steps(stepper, 10)[0] == expected


@pytest.mark.parametrize("fails", ["embedding_dense_backward", "cat"])
def test_a_step_that_memory_ends_in_is_taken_once(corpus_file: Path, fails: str) -> None:
    """Wherever memory is taken in it, and ends the first time."""

    class EndOfMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
        left = 1

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if fails in str(func) and self.left:
                EndOfMemory.left -= 1
                raise torch.OutOfMemoryError("CUDA out of memory")
            return func(*args, **(kwargs or {}))

    plain, _ = take_steps(stepper_of(corpus_file), 6)
    stepper = stepper_of(corpus_file)
    with EndOfMemory():  # type: ignore[no-untyped-call]
        losses, _ = take_steps(stepper, 6)
    assert EndOfMemory.left == 0 and stepper.parts == 2
    assert losses == pytest.approx(plain, abs=1e-5)


def test_work_that_is_not_on_cuda_is_called_each_time() -> None:
    calls: list[int] = []
    replay = GraphedStep(lambda: calls.append(len(calls)), CPU, after=2)
    for _ in range(5):
        replay()
    assert calls == [0, 1, 2, 3, 4] and not replay.is_captured


def test_the_loss_is_the_mean_of_what_counts_and_weighs_alike_in_all_steps(
    corpus_file: Path,
) -> None:
    """A step in which nothing counts moves nothing; penalties apart, of which there are none."""
    stepper = stepper_of(corpus_file, loss_after="is ", bptt=3, batch_size=1, weight_decay=0.0)
    weights = {name: tensor.clone() for name, tensor in stepper.model.named_parameters()}
    assert isinstance(stepper.streams, BatchLoader)
    answers = stepper.streams._answers
    assert answers is not None
    held = answers[:] > 0
    before = int(np.flatnonzero(held)[0]) // 3
    for _ in range(before):
        stepper.step(0.01)
    assert before > 2 and not stepper.losses()
    for name, tensor in stepper.model.named_parameters():
        assert torch.equal(tensor, weights[name])
    stepper.step(0.01)
    [(nats, tokens)] = stepper.losses()
    assert tokens == held[3 * before : 3 * before + 3].sum() and nats > 0

    share = held.mean()
    whole = Objective(stepper.model, stepper.config)
    some = Objective(stepper.model, stepper.config, float(share))
    inputs, targets = targets_of(stepper, answers)
    state = stepper.model.initial_state(len(inputs))
    with torch.no_grad():
        objective, (total, number), _ = some(inputs, targets, state)
        mean, loss, _ = whole(inputs, targets.clamp(min=0), state)
        logits, _ = stepper.model(inputs, state)
    each = torch.nn.functional.cross_entropy(logits[targets >= 0], targets[targets >= 0])
    assert float(total / number) == pytest.approx(float(each), abs=1e-5)
    assert float(objective) == pytest.approx(float(total / share / targets.numel()), abs=1e-5)
    assert mean is loss


def targets_of(stepper: TrainStepper, answers: Shards) -> tuple[torch.Tensor, torch.Tensor]:
    """Both (1, 60): inputs, and the targets that count, by plain indexing."""
    assert isinstance(stepper.streams, BatchLoader)
    tokens = torch.from_numpy(stepper.streams._tokens[:61].astype(np.int64))
    kept = torch.from_numpy(answers[1:61] > 0)
    targets = torch.where(kept, tokens[1:], IGNORE_INDEX)[None]
    plain = BatchLoader(stepper.streams._tokens, batch_size=1, bptt=60, end=0, answers=answers)
    assert torch.equal(plain.batch(1, 60)[1], targets)
    return tokens[None, :60], targets
