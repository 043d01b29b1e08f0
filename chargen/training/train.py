"""From what is asked for to a run, and through it, whoever watches: the command line, Python."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from chargen.checkpoint.locate import CHECKPOINTS, is_checkpoint
from chargen.checkpoint.recent import remember_training
from chargen.errors import CorpusError, Spelling, setting
from chargen.runtime.device import pick_device
from chargen.runtime.distributed import join
from chargen.runtime.openmp import preserved_num_threads
from chargen.runtime.signals import Interrupts, SignalHandler
from chargen.training.events import Event
from chargen.training.new_run import begin_run
from chargen.training.request import RunRequest
from chargen.training.resume import resume_run
from chargen.training.run import Run, TrainReport
from chargen.training.setup import Setup


class RunView(Protocol):
    """Who watches a run. What it raises ends the run, which is saved all the same."""

    def begin(self, run: Run) -> None:
        """The first step is about to be taken."""

    def show(self, event: Event) -> None:
        """Something happened."""

    def advise(self, advice: Sequence[str]) -> None:
        """What another option would do better, before the first step or after the last."""

    def end(self, report: TrainReport, stopped: bool) -> None:
        """The run is over, or was stopped and can go on."""


@preserved_num_threads()  # of which a run may take fewer
def run_training(
    request: RunRequest, view: RunView, spell: Spelling, *, on_second_sigint: SignalHandler
) -> tuple[TrainReport, Interrupts]:
    """Train as is asked for, to the end or to a first signal, after which all is saved: what came
    of it, and which signal stopped it; one that comes when all is done stops nothing. Advice names
    options as `spell` writes them. Raises ChargenError, and what the view raises."""
    run = prepare(request)
    if run.ranks.is_main:
        remember_training(run.folder)
    try:
        # What is shown may fail, on a terminal that was closed; it is saved all the same.
        with Interrupts(on_second_sigint=on_second_sigint) as interrupts:
            with closing(run.events(lambda: interrupts.caught is not None)) as events:
                view.begin(run)
                view.advise([advice.spelled(spell) for advice in run.text_advice()])
                for event in events:
                    view.show(event)
                    if interrupts.caught:
                        break
            report, stopped = run.report(), interrupts.caught is not None and not run.finished
            view.end(report, stopped)
            if not stopped:
                view.advise([advice.spelled(spell) for advice in run.advice()])
    finally:
        run.release()  # also where nothing has begun
    if not stopped:
        interrupts.caught = None
    return report, interrupts


def check_is_text(path: str | os.PathLike[str]) -> None:
    """Raises CorpusError where it names a checkpoint, by its folder or its name."""
    folder = Path(path)
    if not folder.exists() and len(folder.parts) == 1:
        folder = CHECKPOINTS / folder
    if is_checkpoint(folder):
        raise CorpusError(
            f"{path} is a checkpoint, not a text",
            hint="to resume its run, use "
            + setting("resume", True)
            + " and "
            + setting("out", folder)
            + "; to train it on another text, name that, with "
            + setting("init_from", folder),
        )


def prepare(request: RunRequest) -> Run:
    """Everything up to the first step. Raises a ChargenError, and then leaves nothing behind."""
    for path in (*request.paths, *request.replay):
        check_is_text(path)
    ranks, device = join(pick_device(request.device))
    setup = Setup(request, ranks, device)
    return resume_run(setup) if request.resume else begin_run(setup)
