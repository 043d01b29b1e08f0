"""The folder of a run: claimed for a new one, found again, locked while it trains, saved to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from chargen.checkpoint.files import TRAINING
from chargen.checkpoint.folder import save
from chargen.checkpoint.locate import CHECKPOINTS, is_checkpoint, list_checkpoints
from chargen.checkpoint.metadata import CorpusFacts, FineTuned
from chargen.checkpoint.recent import is_finished
from chargen.checkpoint.snapshot import Snapshot
from chargen.config import CorpusConfig, SamplingDefaults
from chargen.data.corpus import Corpus
from chargen.data.finding import readable
from chargen.errors import CheckpointError, named, setting
from chargen.nn.transfer import to_arrays
from chargen.runtime.files import Lock, is_locked, is_part, remove_parts, sync_folder
from chargen.training.trainer import Trainer


def claim_folder(
    out: str | os.PathLike[str] | None, name: str, overwrite: bool
) -> tuple[Path, bool]:
    """The folder to save to, and whether it was just made. Raises CheckpointError."""
    folder = CHECKPOINTS / name if out is None else Path(out)
    if overwrite and folder.is_dir():
        if not _is_empty(folder) and not is_checkpoint(folder):
            raise CheckpointError(
                f"{folder} is not a checkpoint, so it is not overwritten",
                hint="name another folder with " + setting("out", fill_in="FOLDER"),
            )
        return folder, False
    number = 1
    while True:
        try:
            folder.mkdir(parents=True)
            sync_folder(folder.parent)
            return folder, True
        except FileExistsError as error:
            if out is not None:
                hint = "name another folder with " + setting("out", fill_in="FOLDER")
                if is_checkpoint(folder):
                    hint = (
                        "resume it with "
                        + setting("resume", True)
                        + ", replace it with "
                        + setting("overwrite", True)
                        + ", or name another"
                    )
                elif folder.is_dir() and _is_empty(folder):
                    lock_folder(folder).release()  # refused where a run has just begun there
                    hint = "it is empty: " + setting("overwrite", True) + " takes it"
                raise CheckpointError(f"{folder} exists", hint=hint) from error
            number += 1
            folder = CHECKPOINTS / f"{name}-{number}"
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise CheckpointError(
                f"cannot create the folder {folder}: {why}",
                hint="name another one with " + setting("out", fill_in="FOLDER"),
            ) from error


def _is_empty(folder: Path) -> bool:
    """But for what a killed run had begun to write. What cannot be seen is not."""
    try:
        return all(is_part(name) for name in os.listdir(folder))
    except OSError:
        return False


def lock_folder(folder: Path) -> Lock:
    """The folder, for this run alone. Raises CheckpointError."""
    try:
        lock = Lock(folder)
    except BlockingIOError as error:
        raise CheckpointError(
            f"{folder} is in use by another chargen",
            hint="wait for it to finish or stop it, or name another folder with "
            + setting("out", fill_in="FOLDER"),
        ) from error
    except OSError as error:
        raise CheckpointError(f"cannot open {folder}: {error.strerror}") from error
    remove_parts(folder)
    return lock


def last_run(name: str | None) -> Path:
    """The run below `checkpoints/` that was saved last, of the corpus `name` if one is given."""
    runs = [
        entry.folder
        for entry in list_checkpoints(CHECKPOINTS)
        if os.path.isfile(entry.folder / TRAINING) and name in (None, entry.corpus.name)
    ]
    if not runs:
        of = f" of {name}" if name else ""
        raise CheckpointError(
            f"there is no run{of} below {CHECKPOINTS.resolve()} to resume",
            hint="name its folder with "
            + setting("out", fill_in="FOLDER")
            + ", or start over without "
            + named("resume"),
        )
    return runs[0]


def stopped_run(corpus: Corpus) -> Path | None:
    """The last run of this text below `checkpoints/`, where it was stopped before its end."""
    hashes = [sha256 for *_, sha256 in corpus.sources]
    for entry in list_checkpoints(CHECKPOINTS):
        if [sha256 for *_, sha256 in entry.corpus.files] == hashes:
            is_over = is_locked(entry.folder) or is_finished(entry)
            return None if is_over else entry.folder
    return None


class FolderSaver:
    """Saves a trainer to its folder, with all that is said there of where its text came from."""

    def __init__(
        self,
        folder: Path,
        corpus: Corpus,
        facts: CorpusFacts,
        config: CorpusConfig,
        paths: Sequence[str | os.PathLike[str]],
        sampling: SamplingDefaults,
        fine_tuned: FineTuned | None = None,
    ) -> None:
        self._folder = folder
        self._corpus = corpus
        self._facts = facts
        self._config = config
        self._sampling = sampling
        self._fine_tuned = fine_tuned
        self._paths = [saved_path(path) for path in paths]

    def __call__(self, trainer: Trainer) -> None:
        """Raises CheckpointError."""
        state = trainer.state()
        snapshot = Snapshot(
            model_config=trainer.model.config,
            corpus_config=self._config,
            train_config=trainer.config,
            tokenizer=self._corpus.tokenizer,
            corpus=self._facts,
            paths=self._paths,
            scores=trainer.scores(),
            weights=to_arrays(state.weights),
            best=to_arrays(state.best),
            learner=to_arrays(state.learner),
            progress=state.position,
            metrics=state.metrics,
            sampling=self._sampling,
            fine_tuned=self._fine_tuned,
        )
        save(self._folder, snapshot)


def saved_path(path: str | os.PathLike[str]) -> str:
    """How a checkpoint names a text, to find it again."""
    return "-" if os.fspath(path) == "-" else readable(os.path.abspath(path))
