"""A chat that is trained on, from its export to a model that answers as one of its people."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from chargen.checkpoint.metadata import CheckpointMetadata, read_metadata
from chargen.data.roles import AskMe
from chargen.training.request import RunRequest
from chargen.training.train import prepare
from tests.support.samples import SMALL

CHAT = "".join(
    f"[{day}.12.23, 21:{minute:02}:00] {name}: {said} {minute}\n"
    for day in range(1, 29)
    for minute, (name, said) in enumerate([("Ana", "how are you?"), ("Ben", "I am fine.")] * 2)
)


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    path = tmp_path / "chat.txt"
    path.write_text(CHAT, encoding="utf-8")
    return path


def train(
    text: Path, out: Path, *, ask: AskMe | None = None, init_from: Path | None = None, **given: str
) -> CheckpointMetadata:
    options = SMALL | {"steps": 1} | given
    run = prepare(RunRequest([text], options=options, out=out, ask_me=ask, init_from=init_from))
    list(run.events())
    return read_metadata(out)


def test_who_is_asked_is_saved_and_known_when_the_run_goes_on(chat: Path, tmp_path: Path) -> None:
    asked: list[tuple[Sequence[str], str]] = []

    def ask(names: Sequence[str], suggested: str) -> str:
        asked.append((names, suggested))
        return "Ben"

    metadata = train(chat, tmp_path / "out", ask=ask)
    known = metadata.corpus_options
    assert (known.me, known.user, known.bot, known.loss) == ("Ben", "Ben:", "Ana:", "turns")
    assert (metadata.sampling.mode, metadata.sampling.stop) == ("chat", ("\nBen:",))
    resumed = RunRequest([], resume=True, out=tmp_path / "out", options={"steps": 2}, ask_me=ask)
    list(prepare(resumed).events())
    again = read_metadata(tmp_path / "out")
    assert (again.scores.steps, again.corpus_options) == (2, known)
    assert len(asked) == 1 and set(asked[0][0]) == {"Ana", "Ben"}


def test_who_does_not_answer_leaves_nothing(chat: Path, tmp_path: Path) -> None:
    def ask(names: Sequence[str], suggested: str) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(chat, tmp_path / "out", ask=ask)
    assert not (tmp_path / "out").exists()


def test_fine_tuning_takes_the_names_of_the_new_chat(chat: Path, tmp_path: Path) -> None:
    train(chat, tmp_path / "first", me="Ana")
    others = tmp_path / "others.txt"
    others.write_text(CHAT.replace("Ana", "Cy").replace("Ben", "Di"), encoding="utf-8")
    known = train(others, tmp_path / "second", init_from=tmp_path / "first").corpus_options
    assert {known.user, known.bot} == {"Cy:", "Di:"}
    known = train(chat, tmp_path / "third", init_from=tmp_path / "first").corpus_options
    assert (known.user, known.bot) == ("Ana:", "Ben:")
