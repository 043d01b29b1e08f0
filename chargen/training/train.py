"""From what is asked for to a run, and through it.

`train` is the whole road for Python; the command line walks the same one and shows the events.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Unpack

from chargen.config import CorpusConfig, ModelConfig, TrainConfig
from chargen.keywords import Device, Preset, TrainOptions
from chargen.options import takes_options
from chargen.runtime.device import pick_device
from chargen.runtime.distributed import join
from chargen.runtime.random_states import preserved_random_states
from chargen.runtime.signals import Interrupts
from chargen.training.new_run import begin_run
from chargen.training.request import RunRequest
from chargen.training.resume import resume_run
from chargen.training.run import Run, TrainReport
from chargen.training.setup import Setup


@takes_options(CorpusConfig, ModelConfig, TrainConfig)
def train(
    corpus: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    init_from: str | os.PathLike[str] | None = None,
    preset: Preset | None = None,
    tensorboard: bool = False,
    device: Device = "auto",
    **options: Unpack[TrainOptions],
) -> TrainReport:
    """Train a model on one text or several and save it; prints nothing.

    The options are the fields of CorpusConfig, ModelConfig and TrainConfig, which are the flags of
    `chargen train`. Ctrl-C saves at the next step boundary, then raises KeyboardInterrupt, and
    SIGTERM and SIGHUP likewise SystemExit; a second Ctrl-C raises at once, and what was saved last
    is there. Every mistake in the call or the text is a ChargenError. torch's global random state
    is left as it was found.
    """
    request = RunRequest(
        [corpus] if isinstance(corpus, str | os.PathLike) else corpus,
        options=options,
        out=out,
        resume=resume,
        overwrite=overwrite,
        init_from=init_from,
        preset=preset,
        tensorboard=tensorboard,
        device=device,
    )
    with preserved_random_states(pick_device(device)):
        run = prepare(request)
        with Interrupts(on_second_sigint=signal.default_int_handler) as interrupts:
            events = run.events(lambda: interrupts.caught is not None)
            for _ in events:
                if interrupts.caught:
                    events.close()
    if interrupts.caught == signal.SIGINT:
        raise KeyboardInterrupt
    if interrupts.caught:
        raise SystemExit(interrupts.exit_code)
    return run.report()


def prepare(request: RunRequest) -> Run:
    """Everything up to the first step. Raises a ChargenError, and then leaves nothing behind."""
    ranks, device = join(pick_device(request.device))
    setup = Setup(request, ranks, device)
    return resume_run(setup) if request.resume else begin_run(setup)
