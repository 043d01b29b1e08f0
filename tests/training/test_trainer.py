"""Training learns, keeps the best, plans its length, and goes on as if it had not stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import chargen
from chargen.checkpoint.folder import load_checkpoint, load_snapshot
from chargen.checkpoint.metadata import read_metadata
from chargen.checkpoint.metrics import load_metrics
from chargen.config import CorpusConfig, ModelConfig, TrainConfig
from chargen.data.corpus import Corpus, open_corpus
from chargen.errors import TrainingError
from chargen.nn.model import LanguageModel, State
from chargen.nn.transfer import load_tensors
from chargen.scoring.scores import Score
from chargen.scoring.validation import validate
from chargen.training.events import EvalReport, Event, OutOfMemory, Rollback, Saved, StepReport
from chargen.training.request import RunRequest
from chargen.training.train import prepare
from chargen.training.trainer import Trainer
from tests.support.networks import CELL_NAMES
from tests.support.samples import SMALL

SHAPE: dict[str, Any] = {"hidden_size": 16, "embedding_size": 8}
STEPS: dict[str, Any] = {"batch_size": 4, "bptt": 12}


@pytest.fixture
def corpus(corpus_file: Path) -> Corpus:
    return open_corpus([corpus_file], CorpusConfig(valid_fraction=0.1, test_fraction=0))


def make_trainer(corpus: Corpus, model: dict[str, Any] | None = None, **options: Any) -> Trainer:
    torch.manual_seed(1)
    network = LanguageModel(ModelConfig(**SHAPE, **(model or {})), corpus.tokenizer.vocab_size)
    network.start_from_counts(torch.from_numpy(corpus.counts))
    clock = options.pop("clock", None)
    config = TrainConfig(**(STEPS | options))
    return Trainer(network, corpus, config, **({"clock": clock} if clock else {}))


def equal(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Whether arrays, or tensors, are the same by name, bit by bit."""
    return left.keys() == right.keys() and all(np.array_equal(left[n], right[n]) for n in left)


def evaluations(events: list[Event]) -> list[EvalReport]:
    return [event for event in events if isinstance(event, EvalReport)]


class Clock:
    """Time that goes on a little at each look at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.02
        return self.now


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_every_cell_learns(corpus: Corpus, cell: str) -> None:
    trainer = make_trainer(corpus, {"cell": cell}, steps=150, learning_rate=0.02)
    before = validate(trainer.model, trainer.tokenizer, corpus.valid).loss
    events = list(trainer.run())
    after = validate(trainer.model, trainer.tokenizer, corpus.valid).loss
    assert after < before - 1.0
    assert evaluations(events)[-1].valid_loss == pytest.approx(after)


def test_the_first_loss_is_that_of_the_frequencies(corpus: Corpus) -> None:
    counts = torch.from_numpy(corpus.counts).double()
    shares = (counts + 1) / (counts + 1).sum()
    entropy = -float((counts / counts.sum() * shares.log()).sum())
    trainer = make_trainer(corpus, steps=1)
    [evaluation] = evaluations(list(trainer.run()))
    assert evaluation.train_loss == pytest.approx(entropy, rel=0.1)


def test_events_tell_the_whole_run(corpus: Corpus) -> None:
    events = list(make_trainer(corpus, steps=40, evaluations=4).run())
    assert [event.step for event in evaluations(events)] == [10, 20, 30, 40]
    assert isinstance(events[-1], Saved)
    reports = [event for event in events if isinstance(event, StepReport)]
    assert reports[-1].progress == 1.0
    assert reports[-1].learning_rate < reports[0].learning_rate
    assert all(report.tokens_per_second > 0 for report in reports)


def test_each_evaluation_follows_a_report_of_its_step(corpus: Corpus) -> None:
    events = list(make_trainer(corpus, steps=20).run())
    pairs = [(a, b) for a, b in pairwise(events) if isinstance(b, EvalReport)]
    assert len(pairs) == 10
    for before, evaluation in pairs:
        assert isinstance(before, StepReport) and before.step == evaluation.step


def test_epochs_are_passes_over_the_text(corpus: Corpus) -> None:
    trainer = make_trainer(corpus, epochs=0.5)
    list(trainer.run())
    assert trainer.step == round(0.5 * len(corpus.train) / (4 * 12))
    assert trainer.epoch == pytest.approx(0.5, rel=0.05)


def test_minutes_are_the_whole_time(corpus: Corpus) -> None:
    trainer = make_trainer(corpus, minutes=0.5, clock=Clock(), evaluations=3)
    found = evaluations(list(trainer.run()))
    assert 0.8 * 30 < trainer.seconds <= 30
    assert found[-1].progress == 1.0
    assert found[-1].learning_rate == pytest.approx(0.0, abs=1e-9)


def test_even_the_shortest_time_is_a_step_and_a_score(corpus: Corpus) -> None:
    trainer = make_trainer(corpus, minutes=1e-6)
    assert len(evaluations(list(trainer.run()))) == 1
    assert trainer.step >= 1


def test_the_best_weights_are_kept(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(corpus, steps=6, evaluations=6)
    scores = iter([3.0, 2.0, 2.5, 1.0, 4.0, 2.0])
    kept = []

    def scored(*_: object) -> list[Score]:
        kept.append({name: tensor.clone() for name, tensor in trainer.weights().items()})
        return [Score(next(scores), 1, 1, 1)]

    monkeypatch.setattr("chargen.training.evaluator.validation", scored)
    found = evaluations(list(trainer.run()))
    assert [report.best for report in found] == [True, True, False, True, False, False]
    assert equal(trainer.best, kept[3])
    assert trainer.scores().valid_loss == 1.0


def test_without_validation_text_the_last_is_the_best(corpus_file: Path) -> None:
    corpus = open_corpus([corpus_file], CorpusConfig(valid_fraction=0, test_fraction=0))
    trainer = make_trainer(corpus, steps=5)
    found = evaluations(list(trainer.run()))
    assert all(report.valid_loss is None for report in found)
    assert equal(trainer.best, trainer.weights())


def test_one_seed_gives_one_model(corpus: Corpus) -> None:
    runs = [make_trainer(corpus, {"dropout": 0.3}, steps=20, reset=0.3) for _ in range(2)]
    for trainer in runs:
        list(trainer.run())
    assert equal(runs[0].weights(), runs[1].weights())


# -- one by one -------------------------------------------------------------------------------


def test_random_lengths_average_to_bptt_and_read_on_without_a_gap(corpus: Corpus) -> None:
    trainer = make_trainer(corpus, steps=200, random_bptt=True)
    batch = trainer.stepper.streams.batch
    asked: list[tuple[int, int]] = []

    def watched(
        place: int | torch.Tensor, length: int, elsewhere: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        assert isinstance(place, int)
        asked.append((place, length))
        return batch(place, length, elsewhere)

    trainer.stepper.streams.batch = watched  # type: ignore[method-assign]
    list(trainer.run())
    places, lengths = zip(*asked, strict=True)
    assert set(lengths) == set(range(6, 19))
    assert sum(lengths) / 200 == pytest.approx(12, rel=0.1)
    assert list(places) == [sum(lengths[:index]) for index in range(200)]
    assert trainer.epoch == pytest.approx(4 * sum(lengths) / len(corpus.train))


@pytest.mark.parametrize("name", ["activation_penalty", "temporal_penalty"])
def test_a_penalty_makes_smaller_what_it_is_on(corpus: Corpus, name: str) -> None:
    sizes = []
    for weight in (0.0, 10.0):
        options: dict[str, Any] = {"steps": 60, "learning_rate": 0.02, name: weight}
        trainer = make_trainer(corpus, **options)
        events = list(trainer.run())
        inputs, _ = trainer.stepper.streams.batch(0, 12)
        with torch.no_grad():
            x, _ = trainer.model.read(inputs, trainer.model.initial_state(4))
        change = x[:, 1:] - x[:, :-1] if name == "temporal_penalty" else x
        sizes.append(float(change.square().mean()))
        # What is reported is the loss alone, which stands near the validation's.
        [*_, last] = evaluations(events)
        assert last.train_loss is not None and last.valid_loss is not None
        assert abs(last.train_loss - last.valid_loss) < 0.5
    assert sizes[1] < 0.5 * sizes[0]


def test_a_running_mean_of_the_weights_is_scored_and_kept(corpus: Corpus) -> None:
    trainer = make_trainer(corpus, steps=30, evaluations=1, average=0.9)
    seen: list[torch.Tensor] = []
    batch = trainer.stepper.streams.batch

    def watched(
        place: int | torch.Tensor, length: int, elsewhere: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(trainer.model.head.weight.detach().clone())
        return batch(place, length, elsewhere)

    trainer.stepper.streams.batch = watched  # type: ignore[method-assign]
    [report] = evaluations(list(trainer.run()))
    mean = seen[0]
    for updates, weight in enumerate([*seen[1:], trainer.model.head.weight.detach()], start=1):
        mean = torch.lerp(mean, weight, 1 - min(0.9, updates / (updates + 10)))
    assert torch.allclose(trainer.best["head.weight"], mean, atol=1e-6)
    assert not torch.allclose(trainer.best["head.weight"], trainer.model.head.weight)
    load_tensors(trainer.model, trainer.best)
    again = validate(trainer.model.eval(), trainer.tokenizer, corpus.valid).loss
    assert report.valid_loss == pytest.approx(again)


# -- accidents of numbers ---------------------------------------------------------------------


def test_where_memory_ends_a_run_goes_on_and_says_how(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(corpus, steps=10)
    read = trainer.model.read

    def read_some(tokens: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        if len(tokens) > 1 and trainer.model.training:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return read(tokens, state)

    monkeypatch.setattr(trainer.model, "read", read_some)
    events = list(trainer.run())
    assert [event.parts for event in events if isinstance(event, OutOfMemory)] == [4]
    assert trainer.step == 10


def spoil(trainer: Trainer) -> None:
    with torch.no_grad():
        trainer.model.head.bias.fill_(float("nan"))


@pytest.mark.parametrize("when", [3, 150, 230])
def test_a_loss_that_is_no_number_goes_back_to_the_last_good_state(
    corpus: Corpus, when: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chargen.training.trainer.REPORT_SECONDS", 0)
    trainer = make_trainer(corpus, {"dropout": 0.2}, steps=260, average=0.9)
    saved = []
    trainer._save = lambda trainer: saved.append(trainer.weights()["head.bias"].clone())
    events: list[Event] = []
    for event in trainer.run():
        if event.step == when and not any(isinstance(e, Rollback) for e in events):
            spoil(trainer)
        events.append(event)
    [rollback] = [event for event in events if isinstance(event, Rollback)]
    assert rollback.step in (when, when + 1)
    # The last of the checks every hundred steps, or of those before an evaluation.
    assert rollback.back_to == max(step for step in (0, 100, *range(0, 260, 26)) if step < when)
    assert rollback.learning_rate == pytest.approx(2 / SHAPE["hidden_size"] / 2)
    rates = [event.learning_rate for event in events if isinstance(event, StepReport)]
    assert rates[-1] < rates[0]
    assert trainer.step == 260
    assert all(bias.isfinite().all() for bias in saved)
    assert all(
        tensor.isfinite().all()
        for tensor in trainer.best.values()
        if tensor.dtype.is_floating_point
    )


def test_going_back_restores_all_that_the_next_step_depends_on(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an accident the steps are those of a run that always had half the learning rate."""
    monkeypatch.setattr("chargen.training.trainer.REPORT_SECONDS", 0)
    options: dict[str, Any] = {"steps": 40, "reset": 0.3, "random_bptt": True, "average": 0.5}
    spoilt, half = (
        make_trainer(corpus, {"dropout": 0.3}, **options, learning_rate=rate)
        for rate in (0.02, 0.01)
    )
    events = spoilt.run()
    next(events)
    spoil(spoilt)
    assert any([isinstance(event, Rollback) for event in events])
    list(half.run())
    assert equal(spoilt.weights(), half.weights())
    assert spoilt.epoch == half.epoch


def test_an_exploding_loss_goes_back_too(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chargen.training.trainer.REPORT_SECONDS", 0)
    trainer = make_trainer(corpus, steps=30)
    events = trainer.run()
    next(events)
    with torch.no_grad():
        trainer.model.head.weight.mul_(1e4)
    [rollback] = [event for event in events if isinstance(event, Rollback)]
    assert rollback.train_loss > 10
    assert trainer.step == 30


def test_after_three_times_it_gives_up_and_keeps_the_last_good_state(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chargen.training.trainer.REPORT_SECONDS", 0)
    trainer = make_trainer(corpus, steps=60, evaluations=6)
    saved = []
    trainer._save = lambda trainer: saved.append((trainer.step, trainer.weights()["head.bias"]))
    rollbacks = []
    with pytest.raises(TrainingError, match=r"exploded for the 4th time.*step 20 is saved"):
        for event in trainer.run():
            if isinstance(event, Rollback):
                rollbacks.append((event.back_to, event.left))
            elif event.step == 25:
                spoil(trainer)
    assert rollbacks == [(20, 2), (20, 1), (20, 0)]
    assert {step for step, _ in saved} == {10, 20}  # 10: before the first evaluation
    step, bias = saved[-1]
    assert step == 20
    assert bias.isfinite().all()


def test_closing_a_spoilt_run_saves_the_last_good_state(corpus: Corpus) -> None:
    trainer = make_trainer(corpus, steps=50)
    saved = []
    trainer._save = lambda trainer: saved.append(trainer.weights()["head.bias"].clone())
    events = trainer.run()
    next(events)
    spoil(trainer)
    trainer.train_step()
    trainer.report()
    before = len(saved)
    events.close()
    assert len(saved) == before + 1
    assert all(bias.isfinite().all() for bias in saved)


def test_patience_ends_a_run_that_gets_no_better(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(corpus, steps=100, evaluations=10, patience=3)
    scores = iter([3.0, 2.0, 2.5, 1.0, 4.0, 2.0, 1.0, 0.5, 0.4, 0.3])
    monkeypatch.setattr(
        "chargen.training.evaluator.validation", lambda *_: [Score(next(scores), 1, 1, 1)]
    )
    assert len(evaluations(list(trainer.run()))) == 7
    assert trainer.finished and trainer.out_of_patience
    assert trainer.step == 70
    assert trainer.scores().valid_loss == 1.0


# -- stopping and going on --------------------------------------------------------------------


EVERY_REGULARISER = {
    "embedding_dropout": 0.1,
    "token_dropout": 0.1,
    "weight_dropout": 0.2,
    "layer_norm": True,
    "residual": True,
    "activation_penalty": 0.5,
    "temporal_penalty": 0.5,
    "random_bptt": True,
    "average": 0.9,
}


@pytest.fixture
def small_run(corpus_file: Path) -> dict[str, Any]:
    options = SMALL | {"steps": 30, "dropout": 0.2, "reset": 0.2, "evaluations": 3, "num_layers": 2}
    return {"paths": [corpus_file], "options": options}


@pytest.mark.parametrize(
    ("cell", "more"),
    [
        *((cell, {}) for cell in CELL_NAMES),
        ("lstm", {"loss_after": "banana is "}),
        ("gru", {"documents": "line", "fresh_state": True, "random_bptt": False}),
    ],
)
@pytest.mark.parametrize("stop", [1, 10, 17, 30])
def test_resumed_equals_uninterrupted(
    tmp_path: Path,
    small_run: dict[str, Any],
    cell: str,
    more: dict[str, Any],
    stop: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # a report, so an exit, each step
    monkeypatch.setattr("chargen.training.trainer.REPORT_SECONDS", 0)
    monkeypatch.setattr("chargen.training.trainer.CHECK_STEPS", 7)
    small_run["options"] |= {"cell": cell} | EVERY_REGULARISER | more
    whole = prepare(RunRequest(out=tmp_path / "whole", **small_run))
    list(whole.events())

    halves = prepare(RunRequest(out=tmp_path / "halves", **small_run))
    events = halves.events()
    for event in events:
        if event.step == stop:
            events.close()
    torch.manual_seed(99)  # another process would not have the same global state
    resumed = prepare(RunRequest([], out=tmp_path / "halves", resume=True, options={}))
    assert resumed.trainer.step == stop
    list(resumed.events())

    one, other = (load_snapshot(tmp_path / name) for name in ("whole", "halves"))
    assert equal(one.weights, other.weights)
    assert equal(one.best, other.best)
    assert equal(one.learner, other.learner)
    times = ("seconds", "step_seconds", "schedule_start", "reserve", "evaluation_seconds")
    assert {k: v for k, v in one.progress.items() if k not in times} == {
        k: v for k, v in other.progress.items() if k not in times
    }
    losses = [
        [(line["step"], line["train_loss"], line["valid_loss"]) for line in snapshot.metrics]
        for snapshot in (one, other)
    ]
    assert losses[0] == losses[1]


def test_a_finished_run_can_be_extended(tmp_path: Path, small_run: dict[str, Any]) -> None:
    list(prepare(RunRequest(out=tmp_path / "run", **small_run)).events())
    again = prepare(RunRequest([], out=tmp_path / "run", resume=True, options={}))
    assert again.trainer.finished
    assert list(again.events()) == []
    longer = prepare(RunRequest([], out=tmp_path / "run", resume=True, options={"steps": 45}))
    list(longer.events())
    assert longer.trainer.step == 45
    assert load_checkpoint(tmp_path / "run").metadata.training.steps == 45


def test_a_run_stopped_before_its_last_evaluation_makes_up_for_it(
    tmp_path: Path, small_run: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # reports at evaluations alone
    monkeypatch.setattr("chargen.training.trainer.REPORT_SECONDS", 1e9)
    run = prepare(RunRequest(out=tmp_path / "run", **small_run))
    events = run.events()
    for event in events:
        if isinstance(event, StepReport) and event.progress == 1.0:
            events.close()
    assert [report.step for report in run.trainer.history] == [10, 20]
    resumed = prepare(RunRequest([], out=tmp_path / "run", resume=True, options={}))
    report, *_ = resumed.events()
    assert isinstance(event, StepReport) and isinstance(report, StepReport)
    assert report.train_loss == event.train_loss, "though nothing was learned since"
    assert [report.step for report in resumed.trainer.history] == [10, 20, 30]


def test_the_time_of_a_stopped_run_counts(corpus: Corpus) -> None:
    first = make_trainer(corpus, minutes=0.5, clock=Clock())
    events = first.run()
    for event in events:
        if event.seconds > 12:
            events.close()
    second = make_trainer(corpus, minutes=0.5, clock=Clock())
    second.restore(first.state())
    assert second.seconds > 12
    list(second.run())
    assert second.seconds <= 30


def test_fine_tuning_keeps_what_was_learnt(
    tmp_path: Path, checkpoint: Path, corpus_file: Path
) -> None:
    text = tmp_path / "more.txt"
    text.write_text("A new line with a Q.\n" * 100, encoding="utf-8")
    run = prepare(
        RunRequest(
            [text],
            out=tmp_path / "tuned",
            init_from=checkpoint,
            options={"steps": 1, "batch_size": 2, "bptt": 8},
        )
    )
    source = chargen.load(checkpoint)
    assert run.corpus.tokenizer == source.tokenizer
    seen, before = run.model.seen, source.model.seen
    assert torch.equal(run.model.head.bias[before], source.model.head.bias[before])
    assert seen[ord("Q")] and not source.model.seen[ord("Q")]
    assert (source.model.seen <= seen).all()
    list(run.events())
    assert chargen.load(tmp_path / "tuned").model.config.hidden_size == SMALL["hidden_size"]


def test_fine_tuning_reads_its_text_as_the_model_knows_texts(tmp_path: Path) -> None:
    text = tmp_path / "talks.txt"
    text.write_text("Ana: hello\nBen: yes\n\n" * 60, encoding="utf-8")
    small: dict[str, Any] = {"steps": 1, "batch_size": 2, "bptt": 8}
    known: dict[str, Any] = {"user": "Ana:", "bot": "Ben:", "newlines": "lf"}
    known["documents"] = "paragraph"
    made: dict[str, Any] = {"tokenizer": "subword", "vocab_size": 270, "hidden_size": 8}
    chargen.train(text, out=tmp_path / "first", **small, **known, **made)
    run = prepare(RunRequest([text], out=tmp_path / "next", init_from=tmp_path / "first",
                             options=small | {"bot": "Bo:", "valid_fraction": 0.2}))  # fmt: skip
    list(run.events())
    options = asdict(read_metadata(tmp_path / "next").corpus_options)
    asked = {"bot": "Bo:", "valid_fraction": 0.2, "tokenizer": "subword", "vocab_size": 270}
    asked["loss"] = "all"  # which the text has decided
    assert options == asdict(CorpusConfig()) | known | asked
    said = {choice.name: choice.value for choice in run.plan}
    assert known.items() - {("bot", "Ben:")} <= said.items(), "what nobody asked for is shown"
    assert "bot" not in said


def test_streams_begin_anew_where_texts_begin_and_nowhere_else(tmp_path: Path) -> None:
    """With the end of a document before them and nothing remembered, and nothing is remembered of
    it: a text that begins elsewhere, or goes on from another place, is none that there is."""
    text = tmp_path / "names.txt"
    text.write_text("".join(f"Name{chr(97 + index % 26)}\n" for index in range(600)))
    corpus = open_corpus([text], CorpusConfig(valid_fraction=0, test_fraction=0))
    trainer = make_trainer(corpus, steps=60, reset=0.5, bptt=13)
    stepper, end = trainer.stepper, corpus.tokenizer.end
    batch = stepper.streams.batch
    begun: list[str] = []
    sent = torch.tensor([])

    def watched(
        place: int | torch.Tensor, length: int, elsewhere: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal sent
        assert elsewhere is not None
        inputs, targets = batch(place, length, elsewhere)
        sent = elsewhere >= 0
        begins = inputs[:, 0] == end
        begins[0] &= place != 0  # there the first stream begins with the text
        assert torch.equal(begins, sent)
        begun.extend(corpus.tokenizer.decode(row[:4].tolist()) for row in targets[begins])
        return inputs, targets

    stepper.streams.batch = watched  # type: ignore[method-assign]
    for event in trainer.run():
        if isinstance(event, StepReport):
            for part in stepper.state.parts():
                assert torch.equal((part == 0).all(dim=1), sent)
    assert len(begun) > 60 and set(begun) == {"Name"}


def test_answers_alone_are_learned_scored_and_told(tmp_path: Path) -> None:
    """What stands before them cannot be guessed, so that nothing of it is learned."""
    draw = np.random.default_rng(1)
    words = ["".join(draw.choice([*"abcd"], 6)) for _ in range(400)]
    text = "".join(
        f"{word}{'xy'[i % 2]} => {'no' if i % 2 else 'yes'}\n" for i, word in enumerate(words)
    )
    path = tmp_path / "words.txt"
    path.write_text(text)
    options = SMALL | {
        "steps": 160,
        "documents": "line",
        "loss_after": "=> ",
        "valid_fraction": 0.2,
    }
    events: list[Any] = []
    report = chargen.train(
        path,
        out=tmp_path / "run",
        quiet=True,
        on_progress=events.append,
        learning_rate=0.02,
        **options,
    )
    last = evaluations(events)[-1]
    assert report.answers is not None and report.answers > 0.95
    assert last.valid_loss is not None and last.valid_loss < 0.1
    assert read_metadata(report.checkpoint).scores.answers == report.answers
    assert any(line.get("answers") == report.answers for line in load_metrics(report)[1])
    assert f"{report.answers:.1%} of the answers" in repr(report)
    assert "| exact answers |" in (report.checkpoint / "README.md").read_text()
    model = chargen.load(report)
    assert model.generate("dabcay =>", temperature=0).text == " no"
    assert chargen.classify(model, "dabcax", ["yes", "no"]).label == "yes"


def test_a_held_out_part_without_answers_is_no_validation(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("some => answer\n" * 60 + "and no other\n" * 20)
    config = CorpusConfig(valid_fraction=0.1, test_fraction=0, loss_after="=>")
    corpus = open_corpus([tmp_path / "a.txt"], config)
    mask = corpus.mask("valid")
    assert mask is not None and len(mask) and not mask[:].any()
    trainer = make_trainer(corpus, steps=4, evaluations=1)
    [evaluation] = evaluations(list(trainer.run()))
    assert evaluation.valid_loss is evaluation.answers is None
