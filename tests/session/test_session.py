"""A session: what was stopped goes on, other answers come, and another model takes over."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import chargen
from chargen.config import MODES
from chargen.errors import ChargenError, ConfigError
from chargen.generation.beam_search import BeamResult
from chargen.generation.completion import Piece
from chargen.session.session import Session
from chargen.tokenizers.byte import ByteTokenizer
from tests.support.samples import SMALL
from tests.support.sessions import (
    KINDS,
    answer_nothing,
    drain,
    goes_on_alike,
    logprobs_at,
    over,
    seeded,
    tokens_of,
)
from tests.support.tiny import logprob_of, tiny, tiny_over


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stop", [(), (" is", "S K", "y.\n"), ("zzz", "GARDEN\nThe")])
@pytest.mark.parametrize("cuts", [(1,), (2, 1, 3), (5, 5), (1, 1, 1, 1, 1)])
def test_a_text_that_was_stopped_goes_on_as_if_it_had_not_been(
    request: pytest.FixtureRequest, mode: str, kind: str, stop: tuple[str, ...],
    cuts: tuple[int, ...],
) -> None:  # fmt: skip
    folder = request.getfixturevalue(kind)
    whole, parted = (seeded(folder, mode, 30) for _ in range(2))
    for session in (whole, parted):
        drain(session.answer("The straw"))
        session.change("stop", stop)
    pieces = [e for e in whole.answer("\nUNCLE JO") if isinstance(e, Piece)]
    sizes = iter(cuts)
    drain(parted.answer("\nUNCLE JO"), next(sizes))
    while len(tokens_of(parted)) < len(tokens_of(whole)):
        parted.change("max_tokens", 30 - len(tokens_of(parted)))
        drain(parted.continue_text(), next(sizes, None))
    assert parted.exchanges == whole.exchanges
    assert parted.text == whole.text
    assert tokens_of(parted) == tokens_of(whole) == [t for p in pieces for t in p.tokens]
    assert parted.now.stream == whole.now.stream
    if not whole.now.place.tail:
        assert goes_on_alike(whole, whole.now.place, parted.now.place)
    parted.change("max_tokens", 30)
    [after, after_parts] = (drain(session.answer(" is")) for session in (whole, parted))
    assert after == after_parts


@pytest.mark.parametrize("sizes", [(7,), (4, 5, 6), (10, 4)])
def test_no_half_of_a_character_stands_beside_the_whole(
    checkpoint: Path, sizes: tuple[int, ...]
) -> None:
    tokenizer = ByteTokenizer()
    generator = tiny_over(tokenizer, 2, seen="\u7a7a\u306f\n".encode())
    whole, parted = (over(checkpoint, generator) for _ in range(2))
    for session in (whole, parted):
        session.change("seed", 3)
        session.change("max_tokens", 60)
    drain(whole.answer(""))
    assert "\ufffd" not in whole.text[-1:], "it ends before a character that has only begun"
    parts = itertools.cycle(sizes)
    parted.change("max_tokens", next(parts))
    drain(parted.answer(""))
    while len(parted.text) < len(whole.text):
        parted.change("max_tokens", next(parts))
        drain(parted.continue_text())
    assert parted.text[: len(whole.text)] == whole.text


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_a_talk_has_the_line_ends_of_the_models_text(tmp_path: Path, end: str) -> None:
    talked = "".join(f"You: the {name}{end}Bot: {name} is here{end}" for name in ("sky", "sea"))
    text = tmp_path / "talk.txt"
    text.write_bytes((talked * 150).encode())
    options = SMALL | {"learning_rate": 0.02, "valid_fraction": 0.0, "test_fraction": 0.0}
    chargen.train(text, out=tmp_path / "model", steps=150, **options)
    session = Session(tmp_path / "model")
    session.change("temperature", 0)
    session.enter("chat")
    assert drain(session.answer("the sky")) == " sky is here"
    other = drain(session.answer("the\nsea"))
    assert "\r" not in other
    assert session.text == (
        f"You: the sky{end}Bot: sky is here{end}You: the{end}sea{end}Bot:{other}"
    )
    session.enter("complete")
    session.change("until", "line")
    assert drain(session.answer("You: the sea")).lstrip("\r\n") == "Bot: sea is here"


def test_a_text_goes_on_past_what_stopped_it(talk: Session) -> None:
    talk.change("stop", (".",))
    talk.change("temperature", 0)
    assert drain(talk.answer("The sky")) == " is blue"
    assert talk.now.finish_reason == "stop"
    assert drain(talk.continue_text()).startswith(".\n")
    talk.change("until", "word")
    before = talk.text
    drain(talk.continue_text())
    drain(talk.continue_text())
    assert len(talk.text) > len(before) + 1


def test_what_was_never_begun_is_not_there(talk: Session) -> None:
    before = talk.now
    talk.answer("The sky").close()  # type: ignore[attr-defined]
    assert talk.now is before
    assert not talk.exchanges
    talk.change("seed", 5)
    from_nothing = drain(talk.continue_text())
    talk.reset()
    assert from_nothing == drain(talk.answer(""))


@pytest.mark.parametrize("prompt", ["\ud800", "a\udfff"])
def test_a_prompt_that_is_no_text_changes_nothing(session: Session, prompt: str) -> None:
    drain(session.answer("The sky"))
    before, exchanges = session.now, session.exchanges
    with pytest.raises(ChargenError):
        session.answer(prompt)
    assert session.now is before
    assert session.exchanges == exchanges


def ended(
    folder: Path, pieces: tuple[str, ...], ask: Callable[[Session], object]
) -> Iterator[Session]:
    """Sessions whose last text came to the end of the document."""
    for seed in range(40):
        session = over(folder, tiny(3, *pieces))
        session.change("seed", seed)
        ask(session)
        if session.now.finish_reason == "end":
            yield session


def sample(session: Session) -> None:
    session.change("heal", False)
    drain(session.answer("ab"))


def sample_several(session: Session) -> None:
    session.change("num_samples", 2)
    session.several("ab")


def search(session: Session) -> None:
    session.change("beams", 3)
    drain(session.answer("ab"))


@pytest.mark.parametrize("ask", [sample, sample_several, search])
@pytest.mark.parametrize("pieces", [("a", "b"), ("a", "b", "ab", "bab")])
def test_past_the_end_of_a_document_another_begins(
    checkpoint: Path, pieces: tuple[str, ...], ask: Callable[[Session], None]
) -> None:
    session = next(ended(checkpoint, pieces, ask))
    model, tokens = session.generator, session.generator.tokenizer.encode(session.text)
    if ask is sample:  # the tokens may be others than those of the text
        tokens = model.tokenizer.encode("ab") + tokens_of(session)[:-1]
    session.change("beams", None)
    drain(session.continue_text(), 1)
    start = session.now.segments[-1].start
    assert (start.unread[-1], start.tail) == (model.tokenizer.end, b"")
    logprobs, after = logprobs_at(model, start), [*tokens, model.tokenizer.end]
    for token in range(len(pieces)):
        assert float(logprobs[token]) == pytest.approx(logprob_of(model, after, [token]), abs=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_variants_are_what_retry_brings(session: Session, mode: str) -> None:
    session.enter(mode)
    drain(session.answer("The sky"))
    answer = drain(session.answer("\nUNCLE"))
    found = [done.text for done in session.variants(4)]
    assert found == [answer, *(drain(session.retry()) for _ in range(3))]
    assert session.variants(2)[0].text == found[-1]
    assert len(session.exchanges) == 2


def test_a_seed_repeats_and_without_one_all_is_new(session: Session) -> None:
    first = drain(session.answer("The"))
    assert session.seed == 7
    assert drain(session.answer("The")) == first
    session.change("seed", None)
    session.change("temperature", 3)
    texts = {drain(session.answer("The")) for _ in range(3)}
    assert len(texts) == 3
    assert session.now.last is not None
    session.change("seed", session.seed)
    assert drain(session.answer("The")) == session.exchanges[-2].text


def test_a_story_does_not_draw_the_same_numbers_again(talk: Session) -> None:
    talk.enter("story")
    for _ in range(3):
        drain(talk.answer("\nThe "))
    assert talk.now.stream is not None
    assert (talk.seed, talk.now.stream.used) == (7, 120)


def test_a_model_beside_itself_writes_the_same(session: Session) -> None:
    drain(session.answer("The straw"))
    drain(session.continue_text())
    mine, theirs = session.compare(session.folder)
    assert mine.text == theirs.text
    assert session.text.startswith("The straw" + mine.text)


def test_another_model_reads_the_story_first(talk: Session, subword_checkpoint: Path) -> None:
    talk.enter("story")
    for prompt in ("The straw", "\nUNCLE"):
        answer = drain(talk.answer(prompt))
    mine, theirs = talk.compare(talk.folder)
    assert mine.text == theirs.text == answer
    before = talk.now
    _, theirs = talk.compare(subword_checkpoint)
    assert theirs.text
    assert talk.now is before


def test_what_was_loaded_and_found_can_be_done_again(talk: Session) -> None:
    answer_nothing(talk)
    talk.load(talk.folder)
    talk.change("beams", 2)
    assert drain(talk.continue_text()) == talk.exchanges[-1].text
    drain(talk.retry())


@pytest.mark.parametrize("mode", MODES)
def test_beams_go_on_from_the_best_text(session: Session, mode: str) -> None:
    session.enter(mode)
    session.change("beams", 3)
    session.change("max_tokens", 12)
    *pieces, found = session.answer("The straw")
    assert isinstance(found, BeamResult)
    best = found.completions[0].text
    assert "".join(piece.text for piece in pieces if isinstance(piece, Piece)) == best
    assert session.exchanges[-1].text == best
    assert session.now.finish_reason == found.completions[0].finish_reason
    anew = session.generator.prefill(session.generator.document_start, session.text, session.config)
    assert session.now.place.tail == anew.tail
    session.change("beams", None)
    text = session.text
    more = drain(session.continue_text())
    assert session.text == text + more
    session.change("temperature", 0)
    assert drain(session.retry())


@pytest.mark.parametrize("heal", [True, False])
def test_the_first_of_several_goes_on(talk: Session, heal: bool) -> None:
    talk.change("heal", heal)
    whole = drain(talk.answer("The "))
    talk.change("num_samples", 3)
    assert talk.samples_several
    talk.change("max_tokens", 10)
    found = talk.several("The ")
    assert len({done.text for done in found}) > 1
    assert talk.exchanges[-1].text == found[0].text == whole[:10]
    assert [done.text for done in talk.variants(3)] == [done.text for done in found]
    talk.change("max_tokens", 30)
    assert whole[:10] + drain(talk.continue_text()) == whole
    talk.change("beams", 2)
    assert not talk.samples_several
    talk.change("beams", None)
    talk.enter("story")
    assert not talk.samples_several


def test_another_model_takes_over_the_text(session: Session, folders: list[Path]) -> None:
    session.enter("story")
    for prompt in ("The straw", "\nGRAN"):
        drain(session.answer(prompt))
    text, exchanges = session.text, session.exchanges
    [other] = [folder for folder in folders if folder != session.folder]
    heard: list[float] = []
    session.load(other, heard.append)
    assert heard[-1] == 1
    assert (session.folder, session.text, session.exchanges) == (other, text, exchanges)
    anew = session.generator.prefill(session.generator.document_start, text, session.config)
    assert session.now.place.tail == anew.tail
    assert session.now.place.unread == anew.unread
    more = drain(session.continue_text())
    assert session.text == text + more
    with pytest.raises(ConfigError, match="answer"):
        session.retry()


def test_a_model_that_cannot_be_loaded_changes_nothing(
    session: Session, folders: list[Path], tmp_path: Path
) -> None:
    session.enter("story")
    drain(session.answer("The straw"))
    session.learn(True)
    before = session.state

    def interrupted(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(ChargenError):
        session.load(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        session.load(folders[0], interrupted)
    assert session.state is before
    session.undo()


def test_an_interrupt_while_a_prompt_is_read_changes_nothing(talk: Session) -> None:
    drain(talk.answer("The"))
    before = talk.now

    def interrupted(share: float) -> None:
        raise KeyboardInterrupt

    for ask in (talk.answer, talk.several):
        with pytest.raises(KeyboardInterrupt):
            ask("The sky", interrupted)
    assert talk.now is before
    assert len(talk.exchanges) == 1


def test_a_state_that_was_kept_is_come_back_to(session: Session) -> None:
    session.enter("story")
    drain(session.answer("The straw"))
    kept = session.state
    texts = []
    for _ in range(2):
        texts.append(drain(session.answer("\nUNCLE")))
        session.change("temperature", 0)
        session.enter("chat")
        session.state = kept
    assert texts[0] == texts[1]
    assert session.state is kept


def test_another_answer_stands_beside_the_last_one(checkpoint: Path) -> None:
    session = seeded(checkpoint)
    session.change("temperature", 2)
    texts = [drain(session.answer("The "))]
    texts += [drain(session.answer_again()) for _ in range(2)]
    assert [exchange.text for exchange in session.exchanges] == texts
    assert len(set(texts)) == 3
    again = seeded(checkpoint)
    again.change("temperature", 2)
    drain(again.answer("The "))
    assert drain(again.retry()) == texts[1], "both go on along the seed"
    again.change("seed", 8)
    other = seeded(checkpoint)
    other.change("temperature", 2)
    other.change("seed", 8)
    assert drain(again.answer_again()) == drain(other.answer("The ")), "a new seed begins anew"


@pytest.mark.parametrize("mode", ["story", "chat"])
def test_exchanges_of_elsewhere_are_read_as_if_they_had_been_written_here(
    checkpoint: Path, mode: str
) -> None:
    written, read = seeded(checkpoint, mode), seeded(checkpoint, mode)
    for prompt in ("The sky", "And GRANNY"):
        drain(written.answer(prompt))
    read.read_exchanges([(one.prompt, one.text) for one in written.exchanges])
    assert read.text == written.text
    for session in (written, read):
        session.change("seed", 5)
    assert drain(written.answer("What")) == drain(read.answer("What"))
