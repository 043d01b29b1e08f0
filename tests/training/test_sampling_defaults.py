"""How a model is sampled where nobody says otherwise follows from its text."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargen.checkpoint.filing import set_sampling
from chargen.checkpoint.metadata import read_metadata
from chargen.config import CHAT_TEMPERATURE, CorpusConfig, SamplingDefaults
from chargen.data.corpus import open_corpus
from chargen.training.request import RunRequest
from chargen.training.sampling_defaults import sampling_defaults
from chargen.training.train import prepare
from tests.support.samples import SMALL

CHAT = SamplingDefaults(temperature=CHAT_TEMPERATURE, stop=("\nAnn:",), mode="chat")
NOTHING = SamplingDefaults()
TALK = "Ann: How are you?\nBen: I am fine.\n\n"
PROSE = "The sky is blue, and the grass is green.\n"


def defaults_of(
    tmp_path: Path, text: str, before: SamplingDefaults | None = None, **options: str
) -> SamplingDefaults:
    path = tmp_path / "text.txt"
    path.write_text(text, encoding="utf-8")
    config = CorpusConfig(**{"user": "Ann:", "bot": "Ben:"} | options)  # type: ignore[arg-type]
    return sampling_defaults(open_corpus([path], config), config, before)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TALK * 40, CHAT),
        ((TALK + PROSE) * 200, CHAT),
        ((TALK + 9 * PROSE) * 200, NOTHING),  # it also holds dialogues
        (TALK * 5, NOTHING),  # too few turns
        ("Ann: Hello?\n" * 100, NOTHING),  # one side
        (PROSE * 100, NOTHING),
        ("x" * 1000, NOTHING),
    ],
)
def test_a_text_of_dialogues_is_talked_to(
    tmp_path: Path, text: str, expected: SamplingDefaults
) -> None:
    assert defaults_of(tmp_path, text) == expected
    assert defaults_of(tmp_path, text, tokenizer="byte") == expected


def test_the_turns_are_those_of_the_text(tmp_path: Path) -> None:
    assert defaults_of(tmp_path, TALK * 40, user="You:", bot="Bot:") == NOTHING
    assert defaults_of(tmp_path, TALK * 40, documents="line") == NOTHING


def test_a_chat_of_many_ends_where_any_other_speaks(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    names = ("Ann", "Ben", "Cy") * 20
    path.write_text("".join(f"[10:{n % 60:02}] <{name}> hi\n" for n, name in enumerate(names)))
    corpus = open_corpus([path], CorpusConfig())
    stop = ("\nBen:", "\nAnn:")
    expected = SamplingDefaults(temperature=CHAT_TEMPERATURE, stop=stop, mode="chat")
    assert corpus.config.bot == "Cy:"
    assert sampling_defaults(corpus, corpus.config) == expected


def test_sides_that_are_alike_are_talked_to(tmp_path: Path) -> None:
    path = tmp_path / "talk.txt"
    path.write_text("> How are you?\n> I am fine.\n\n" * 40)
    corpus = open_corpus([path], CorpusConfig())
    expected = SamplingDefaults(temperature=CHAT_TEMPERATURE, stop=("\n>",), mode="chat")
    assert sampling_defaults(corpus, corpus.config) == expected


def test_fine_tuning_keeps_what_the_new_text_does_not_decide(tmp_path: Path) -> None:
    cold = SamplingDefaults(temperature=0.2)
    assert defaults_of(tmp_path, PROSE * 100, cold) == cold
    assert defaults_of(tmp_path, TALK * 40, cold) == CHAT
    assert defaults_of(tmp_path, PROSE * 100, CHAT) == NOTHING


def test_the_trainer_keeps_them_in_the_checkpoint(tmp_path: Path) -> None:
    talk, prose = tmp_path / "talk.txt", tmp_path / "prose.txt"
    talk.write_text(TALK * 40)
    prose.write_text(PROSE * 60)
    options = {**SMALL, "steps": 1}
    roles = {"user": "Ann:", "bot": "Ben:"}

    def train(text: Path, out: str, init_from: Path | None = None) -> Path:
        own = options | (roles if text == talk else {})
        request = RunRequest([text], out=tmp_path / out, init_from=init_from, options=own)
        run = prepare(request)
        list(run.events())
        return run.folder

    chat = train(talk, "chat")
    assert read_metadata(chat).sampling == CHAT
    plain = train(prose, "plain")
    assert read_metadata(plain).sampling == NOTHING
    set_sampling(plain, SamplingDefaults(temperature=0.2))
    assert read_metadata(train(prose, "tuned", plain)).sampling.temperature == 0.2
    assert read_metadata(train(talk, "tuned-to-talk", plain)).sampling == CHAT
