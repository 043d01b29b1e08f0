"""Which checkpoint is meant where none is named: the one that its user last
finished training or talked to.

What lies below `checkpoints` is seen there. When it was talked to, and which checkpoints elsewhere
were trained or talked to from the folder that one stands in, is remembered in a file of the user's
state. That is a convenience: where it cannot be read or written, nothing is remembered.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from chargen.checkpoint import locate
from chargen.checkpoint.files import TRAINING
from chargen.checkpoint.locate import CHECKPOINTS, is_bundled, is_checkpoint, list_checkpoints
from chargen.checkpoint.metadata import CheckpointMetadata, open_training, read_metadata
from chargen.errors import ChargenError, CheckpointError
from chargen.runtime.files import Record, decode, encode_indented, is_locked, read_file, write_file
from chargen.runtime.user_folders import state_folder

MAX_REMEMBERED = 100  # visits
MAX_BYTES = 1_000_000
FILE = "recent.json"


@dataclass(frozen=True)
class DefaultCheckpoint:
    """The checkpoint that is meant where none is named, and why: it was `trained` to its end or
    `talked to`, `at` so many seconds since the epoch; it was `stopped`, but there is no other of
    one's own; there is none at all, so it is the main `bundled` one; all are `damaged`.

    `passed_over` was trained later but not to its end: `is_training` still, or stopped. `elsewhere`
    is what was last talked to from another folder, where there is none in this one.
    """

    folder: Path
    reason: Literal["trained", "talked to", "stopped", "bundled", "damaged"]
    at: float = 0.0
    passed_over: Path | None = None
    is_training: bool = False
    elsewhere: Path | None = None


# -- what is remembered -------------------------------------------------------------------------


class _Visit(Record, forbid_unknown_fields=True, frozen=True):
    """A checkpoint that was trained or talked to, and in which folder its user stood then. Of one
    that was only trained, no time is kept: the checkpoint says it."""

    checkpoint: str
    standing_in: str
    talked_at: float = 0.0


class _Visits(Record, forbid_unknown_fields=True, frozen=True):
    visits: list[_Visit]  # the latest last


def remember_training(folder: Path) -> None:
    """That a run trains in this folder; those below `checkpoints` are seen anyway."""
    if folder.parent != CHECKPOINTS:
        _remember(folder, 0.0)


def remember_talk(folder: Path) -> None:
    """That the model in this folder is talked to now."""
    _remember(folder, time.time())


def remember_move(old: Path, new: Path) -> None:
    """That the checkpoint that lay in one folder, by its real path, lies in another now."""
    moved = [
        _Visit(str(new.resolve()), visit.standing_in, visit.talked_at)
        for visit in _visits()
        if visit.checkpoint == str(old)
    ]
    if moved:
        _write([visit for visit in _visits() if visit.checkpoint != str(old)] + moved)


def _remember(folder: Path, talked_at: float) -> None:
    visit = _Visit(str(folder.resolve()), _here(), talked_at)
    key = (visit.checkpoint, visit.standing_in)
    _write([v for v in _visits() if (v.checkpoint, v.standing_in) != key] + [visit])


def _visits() -> list[_Visit]:
    state = state_folder()
    if state is not None:
        with suppress(OSError, ValueError):
            return decode(read_file(state / FILE, MAX_BYTES), _Visits).visits
    return []


def _write(visits: list[_Visit]) -> None:
    state = state_folder()
    if state is not None:
        with suppress(OSError, UnicodeError):  # a path may be no UTF-8
            state.mkdir(parents=True, exist_ok=True)
            write_file(state / FILE, encode_indented(_Visits(visits[-MAX_REMEMBERED:])))


def _here() -> str:
    with suppress(OSError):  # the folder that one stands in may be gone
        return os.getcwd()
    return ""


# -- what is chosen -----------------------------------------------------------------------------


def default_checkpoint() -> DefaultCheckpoint:
    """The checkpoint that is meant where none is named. Raises CheckpointError where there is none
    at all."""
    candidates = _candidates()
    passed_over: DefaultCheckpoint | None = None
    stopped: DefaultCheckpoint | None = None
    for metadata, talked_at in candidates:
        folder, saved_at = metadata.folder, metadata.saved_seconds
        found = DefaultCheckpoint(folder, "stopped", is_training=is_locked(folder))
        if is_bundled(folder) and not talked_at:
            continue
        if not found.is_training and talked_at >= saved_at:
            found = replace(found, reason="talked to", at=talked_at)
            return _instead_of(passed_over, found)
        if not found.is_training and is_finished(metadata):
            return _instead_of(passed_over, replace(found, reason="trained", at=saved_at))
        passed_over = passed_over or found
        if not found.is_training:
            stopped = stopped or found
    if stopped is not None:  # better than a model of somebody else's text
        return _instead_of(passed_over, stopped)
    # Where all of one's own are damaged, reading one tells what is wrong.
    readable = {metadata.folder for metadata, _ in candidates}
    own = [folder for folder in sorted(CHECKPOINTS.glob("*/")) if not is_bundled(folder)]
    damaged = [folder for folder in own if is_checkpoint(folder) and folder not in readable]
    if damaged and all(map(is_bundled, readable)):
        return DefaultCheckpoint(damaged[0], "damaged")
    return _instead_of(passed_over, _bundled())


def _candidates() -> list[tuple[CheckpointMetadata, float]]:
    """The checkpoints below `checkpoints`, and those elsewhere that were trained or talked to from
    here, each with when it was talked to; the one that was used last comes first."""
    visits = _visits()
    listed = list_checkpoints()
    known = {str(metadata.folder.resolve()) for metadata in listed}
    here = _here()
    for visit in visits:
        if visit.standing_in == here and visit.checkpoint not in known:
            with suppress(ChargenError):  # it is gone, say
                listed.append(read_metadata(Path(visit.checkpoint)))
    talks: dict[str, float] = {}
    for visit in visits:
        talks[visit.checkpoint] = max(talks.get(visit.checkpoint, 0.0), visit.talked_at)
    used = [(metadata, talks.get(str(metadata.folder.resolve()), 0.0)) for metadata in listed]
    return sorted(used, key=lambda pair: max(pair[0].saved_seconds, pair[1]), reverse=True)


def _bundled() -> DefaultCheckpoint:
    in_clone = CHECKPOINTS / locate.BUNDLED.name
    folder = in_clone if in_clone.resolve() == locate.BUNDLED else locate.BUNDLED
    if not is_checkpoint(folder):
        raise CheckpointError(
            f"no checkpoint in {CHECKPOINTS.resolve()}, and none at {locate.BUNDLED}",
            hint="train one with: chargen train corpus.txt",
        )
    talked_to = [Path(visit.checkpoint) for visit in reversed(_visits()) if visit.talked_at]
    others = (other for other in talked_to if other not in locate.BUNDLED_MODELS)
    return DefaultCheckpoint(folder, "bundled", elsewhere=next(filter(is_checkpoint, others), None))


def _instead_of(
    passed_over: DefaultCheckpoint | None, found: DefaultCheckpoint
) -> DefaultCheckpoint:
    if passed_over is None or passed_over is found:
        return found
    return replace(found, passed_over=passed_over.folder, is_training=passed_over.is_training)


def is_finished(metadata: CheckpointMetadata) -> bool:
    """Whether the run did all that it was to do, or ran out of patience. What has no training state
    that could be resumed is."""
    if not os.path.isfile(metadata.folder / TRAINING):
        return True
    try:
        with open_training(metadata.folder) as (state, _):
            at: dict[str, Any] = state.progress
            evaluations = state.metrics[at["patience_from"] :]
        is_over = at["progress"] >= 1 and at["evaluated"] >= metadata.training.evaluations
    except (ChargenError, KeyError, TypeError):
        return True
    patience = metadata.training.patience or len(evaluations) + 1
    is_impatient = len(evaluations) >= patience
    return bool(is_over) or (
        is_impatient and not any(line["best"] for line in evaluations[-patience:])
    )
