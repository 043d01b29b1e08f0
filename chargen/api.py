"""Functions for Python that also show something, where a person looks: what the rooms below do,
with what `display` makes of it."""

from __future__ import annotations

import inspect
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Unpack

from chargen.config import CorpusConfig, ModelConfig, TrainConfig
from chargen.display.notebook import NotebookView, notebook_display
from chargen.display.training import View, training_view
from chargen.display.training_lines import how_to_resume
from chargen.errors import ConfigError, in_python
from chargen.keywords import Device, Preset, TrainOptions
from chargen.options import check_names, takes_options
from chargen.runtime.device import pick_device
from chargen.runtime.random_states import preserved_random_states
from chargen.runtime.torchrun import is_rank_0
from chargen.training.events import Event, Preparing
from chargen.training.request import RunRequest, paths_of
from chargen.training.run import Run, TrainReport
from chargen.training.train import run_training

OnEvent = Callable[[Event | Preparing], object]


@takes_options(CorpusConfig, ModelConfig, TrainConfig)
def train(
    corpus: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    *,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    init_from: str | os.PathLike[str] | None = None,
    replay: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    preset: Preset | None = None,
    tensorboard: bool = False,
    device: Device = "auto",
    on_progress: OnEvent | None = None,
    quiet: bool = False,
    **options: Unpack[TrainOptions],
) -> TrainReport:
    """Train a model on one text or several and save it.

    `corpus` is a file, a folder, a glob, or a list of them. The model is saved in `out`, a new
    folder (default: one in `checkpoints`, named after the text); `overwrite` replaces what is
    there. `resume` continues the run in `out`, or the last one. `init_from` is a checkpoint whose
    weights and tokenizer to start from, and `replay` names texts to mix some of in, so that it
    forgets less of them. `preset` is a size of the network; `tensorboard` also writes the events
    for TensorBoard; `device` is where to compute.

    Progress is shown in a terminal, as by `chargen train`, and in a notebook, as a line and curves
    that change in place; nowhere else, and not if `quiet`.

    `on_progress` is called with each event, a record whose `kind` says what it is: "preparing"
    (doing, share), before the first step; then "step" (step, progress, train_loss,
    tokens_per_second, seconds_left, ...) a few times a second, "eval" (valid_loss, bits_per_byte,
    best, sample, ...), "saved", "rollback", "memory" and "replan". An exception that it
    raises ends the training, with everything saved, and is raised from here.

    Ctrl-C saves at the next step boundary, then raises KeyboardInterrupt; SIGTERM and SIGHUP raise
    SystemExit in the same way. A second Ctrl-C raises at once, and the last save is intact. Every
    mistake in the call or the text raises a ChargenError. torch's global random state and number of
    threads are left as they were.

    The options are the fields of CorpusConfig, ModelConfig and TrainConfig, which are the options
    of `chargen train`.
    """
    check_names(options, list(inspect.signature(train).parameters))
    paths = paths_of(corpus)
    if not paths and not resume:
        raise ConfigError("no text was given", hint="as in: chargen.train('corpus.txt')")
    with preserved_random_states(pick_device(device)), _view(quiet) as shown:
        view = shown if on_progress is None else _Reporting(shown, on_progress)
        request = RunRequest(
            paths,
            options=options,
            out=out,
            resume=resume,
            overwrite=overwrite,
            init_from=init_from,
            replay=paths_of(replay, "replay"),
            preset=preset,
            tensorboard=tensorboard,
            device=device,
            on_progress=view.preparing,
        )
        # Somebody's process is not ours to end.
        report, interrupts = run_training(
            request, view, in_python, on_second_sigint=signal.default_int_handler
        )
    if interrupts.caught == signal.SIGINT:
        raise KeyboardInterrupt(how_to_resume(report, in_python=True).plain)
    if interrupts.caught:
        raise SystemExit(interrupts.exit_code)
    return report


def _view(quiet: bool) -> View:
    """What a person looks at; nothing where nobody does."""
    if quiet or not is_rank_0():
        return View()
    display = notebook_display()
    if display is not None:
        return NotebookView(display)
    # Not what rich calls a terminal: FORCE_COLOR makes one of a file.
    if sys.stdout is None or not sys.stdout.isatty():
        return View()
    return training_view(False, in_python=True)


class _Reporting(View):
    """A view, and someone who wants to be called with each event."""

    def __init__(self, view: View, on_progress: OnEvent) -> None:
        self._view, self._on_progress = view, on_progress

    def preparing(self, doing: str, share: float) -> None:
        self._view.preparing(doing, share)
        self._on_progress(Preparing(doing, share))

    def begin(self, run: Run) -> None:
        self._view.begin(run)

    def show(self, event: Event) -> None:
        self._view.show(event)
        self._on_progress(event)

    def advise(self, advice: Sequence[str]) -> None:
        self._view.advise(advice)

    def end(self, report: TrainReport, stopped: bool) -> None:
        self._view.end(report, stopped)
