"""On a GPU all is as on the CPU, and Python does not hold it up.

Skipped where there is none: `pytest -m cuda` runs them alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import chargen
from chargen.checkpoint.folder import load_snapshot
from chargen.config import CorpusConfig, ModelConfig, TrainConfig
from chargen.data.batches import BatchLoader
from chargen.data.corpus import open_corpus
from chargen.nn.engine import initial_state
from chargen.nn.model import LanguageModel
from chargen.nn.torch_engine import CAPTURE_AFTER, TorchEngine
from chargen.runtime.device import pick_device
from chargen.runtime.precision import autocast
from chargen.training.request import RunRequest
from chargen.training.stepper import TrainStepper
from chargen.training.train import prepare
from tests.support.networks import CELL_NAMES
from tests.support.samples import SMALL
from tests.support.steps import take_steps

pytestmark = pytest.mark.cuda


def stepper_on(name: str, text: Path, cell: str = "lstm", **options: Any) -> TrainStepper:
    corpus = open_corpus([text], CorpusConfig())
    torch.manual_seed(1)
    shape = ModelConfig(cell=cell, hidden_size=32, embedding_size=8)
    model = LanguageModel(shape, corpus.tokenizer.vocab_size).to(pick_device(name))
    defaults: dict[str, Any] = {"batch_size": 6, "bptt": 12, "precision": "float32"}
    return TrainStepper(model, corpus, TrainConfig(**defaults | options))


def test_auto_takes_the_gpu() -> None:
    assert pick_device("auto").type == "cuda"


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_recorded_steps_are_the_plain_ones(corpus_file: Path, cell: str) -> None:
    recorded, plain, on_cpu = (
        stepper_on(name, corpus_file, cell, reset=0.3) for name in ("cuda", "cuda", "cpu")
    )
    plain._recorded = None
    losses = [take_steps(stepper, 50)[0] for stepper in (recorded, plain, on_cpu)]
    assert recorded.is_captured and not plain.is_captured
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert losses[0] == pytest.approx(losses[2], abs=1e-2)  # cuDNN computes in TF32


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("resident", [True, False])
def test_no_step_waits_for_the_gpu(corpus_file: Path, precision: str, resident: bool) -> None:
    stepper = stepper_on("cuda", corpus_file, precision=precision, reset=0.3)
    if not resident:
        assert isinstance(stepper.streams, BatchLoader)
        stepper.streams._resident = None
        stepper._recapture()
    for _ in range(6):
        stepper.step(0.01)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(6):
            stepper.step(0.01)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert stepper.is_captured is resident
    assert all(weight.dtype == torch.float32 for weight in stepper.model.parameters())


@pytest.mark.parametrize("cell", CELL_NAMES)
@pytest.mark.parametrize("rows", [1, 5])
def test_the_recorded_engine_gives_the_logits_of_the_model(cell: str, rows: int) -> None:
    torch.manual_seed(1)
    shape = ModelConfig(cell=cell, hidden_size=48, num_layers=2, layer_norm=True, residual=True)
    model = LanguageModel(shape, 70).cuda().eval()
    stepper = TorchEngine(model).start(initial_state(shape, rows))
    tokens = torch.randint(70, (rows, CAPTURE_AFTER + 20))
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        expected, _ = model(tokens.cuda(), model.initial_state(rows))
    for at in range(tokens.shape[1]):
        logits = stepper.step(tokens[:, at].numpy())
        assert np.allclose(logits, expected[:, at].cpu(), atol=1e-4)
    assert stepper.buffers.replay is not None and stepper.buffers.replay.is_captured


@pytest.mark.parametrize(("first", "second"), [("cuda", "cpu"), ("cpu", "cuda")])
def test_a_run_moves_between_gpu_and_cpu(
    corpus_file: Path, tmp_path: Path, first: str, second: str
) -> None:
    out = tmp_path / "run"
    chargen.train(corpus_file, out=out, steps=40, device=first, learning_rate=0.02, **SMALL)
    run = prepare(RunRequest([], out=out, resume=True, device=second, options={"steps": 80}))
    assert run.model.head.weight.device.type == second
    list(run.events())
    losses = [line["valid_loss"] for line in load_snapshot(out).metrics]
    assert losses[-1] < losses[3]
    texts = [
        chargen.load(out, device=name).generate("GRANN", max_tokens=20, temperature=0)
        for name in (first, second)
    ]
    assert texts[0].text == texts[1].text


def test_dropout_draws_the_same_when_it_is_recorded(corpus_file: Path) -> None:
    recorded, plain = (stepper_on("cuda", corpus_file, reset=0.3) for _ in range(2))
    plain._recorded = None
    losses = []
    for stepper in (recorded, plain):
        stepper.model.config = ModelConfig(hidden_size=32, embedding_size=8, dropout=0.3)
        torch.manual_seed(1)
        losses.append(take_steps(stepper, 20)[0])
        assert torch.cuda.get_rng_state().any()
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_another_dropout_is_recorded_anew(corpus_file: Path) -> None:
    changed, plain = (stepper_on("cuda", corpus_file) for _ in range(2))
    changed.set_dropout(0.5, 0.4)
    _, tensors = take_steps(changed, 20)
    kept = {name: tensor.clone() for name, tensor in tensors.items()}
    changed.set_dropout(0.0, 0.0)
    plain.restore(kept, changed.numbers())
    losses = [take_steps(stepper, 20)[0] for stepper in (changed, plain)]
    assert changed.is_captured
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_scoring_and_sampling_between_recorded_steps_change_none(corpus_file: Path) -> None:
    plain, watched = (stepper_on("cuda", corpus_file, average=0.9) for _ in range(2))
    expected, _ = take_steps(plain, 40)
    losses = []
    for _ in range(4):
        losses += take_steps(watched, 10)[0]
        assert watched.average is not None
        with watched.average.applied():
            engine = TorchEngine(watched.model)
            memory = engine.start(initial_state(engine.config, 2))
            for _ in range(CAPTURE_AFTER + 5):
                memory.step(np.array([1, 2]))
    assert losses == pytest.approx(expected, abs=1e-5)


def test_the_cells_do_not_compute_in_float16(corpus_file: Path) -> None:
    stepper = stepper_on("cuda", corpus_file, precision="bfloat16")
    inputs, _ = stepper.streams.batch(0, 12)
    with autocast(stepper.device, True):
        x, _ = stepper.model.read(inputs, stepper.state)
        logits = stepper.model.output_logits(x)
    assert (x.dtype, logits.dtype) == (torch.float32, torch.bfloat16)


def test_a_rollback_goes_on_from_a_recorded_step(corpus_file: Path) -> None:
    stepper = stepper_on("cuda", corpus_file, average=0.9)
    losses, tensors = take_steps(stepper, 20)
    kept = {name: tensor.clone() for name, tensor in tensors.items()}
    expected, _ = take_steps(stepper, 10)
    stepper.restore(kept, {"step": 20, "place": 20 * 12, "average_updates": 20})
    again, _ = take_steps(stepper, 10)
    assert again == pytest.approx(expected, abs=1e-5)
    assert losses[0] > again[-1]
