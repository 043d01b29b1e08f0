"""A session: what was stopped goes on, what was done is undone, and the text is what was read."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chargen.config import SampleConfig
from chargen.errors import ChargenError, ConfigError, SessionError
from chargen.generation.beam_search import BeamResult
from chargen.generation.completion import Piece
from chargen.generation.generator import TextGenerator
from chargen.generation.prompt_state import PromptState, start_decoding
from chargen.session.history import MAX_UNDO, MODES, Exchange, History, Moment
from chargen.session.session import Events, Session
from chargen.session.state import SessionState
from tests.support.tiny import logprob_of, tiny

KINDS = ("checkpoint", "subword_checkpoint")
ROLES = ("The", "GRANNY'S")  # such turns stand in the text


@pytest.fixture(params=KINDS)
def session(request: pytest.FixtureRequest) -> Session:
    return seeded(request.getfixturevalue(request.param))


@pytest.fixture
def talk(checkpoint: Path) -> Session:
    """Over characters."""
    return seeded(checkpoint)


def seeded(folder: Path, mode: str = "complete", max_tokens: int = 40) -> Session:
    session = Session(folder)
    session.name_roles(ROLES)
    session.change("seed", 7)
    session.change("max_tokens", max_tokens)
    session.enter(mode)
    return session


def over(folder: Path, generator: TextGenerator) -> Session:
    """A session with a model that is not in its folder."""
    session = Session(folder)
    model = replace(session.state.model, loaded=generator, generator=generator)
    session.state = SessionState(model, History(Moment("complete", generator.document_start)))
    return session


def drain(events: Events, pieces: int | None = None) -> str:
    """The text of so many pieces; then it is closed."""
    with closing(events) as opened:  # type: ignore[type-var]
        return "".join(event.text for event in islice(opened, pieces) if isinstance(event, Piece))


def answer_nothing(talk: Session) -> None:
    talk.change("temperature", 0)
    talk.change("stop", (" ",))
    assert drain(talk.answer("The sky")) == ""
    talk.change("stop", ())


def tokens_of(session: Session) -> list[int]:
    return [token for part in session.now.segments for token in part.tokens]


def logprobs_at(generator: TextGenerator, place: PromptState) -> torch.Tensor:
    found = start_decoding(generator.model, generator.engine, generator.tokenizer, place)
    assert found.spellings is None
    return found.logits[0].double().log_softmax(-1)


def goes_on_alike(session: Session, one: PromptState, other: PromptState) -> bool:
    chances = [logprobs_at(session.generator, place) for place in (one, other)]
    return torch.equal(*chances)


def bytes_in(folder: Path) -> dict[str, str]:
    files = sorted(folder.iterdir())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# -- going on ---------------------------------------------------------------------------------


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


def draw(session: Session) -> None:
    session.change("heal", False)
    drain(session.answer("ab"))


def draw_several(session: Session) -> None:
    session.change("num_samples", 2)
    session.several("ab")


def search(session: Session) -> None:
    session.change("beams", 3)
    drain(session.answer("ab"))


@pytest.mark.parametrize("ask", [draw, draw_several, search])
@pytest.mark.parametrize("pieces", [("a", "b"), ("a", "b", "ab", "bab")])
def test_past_the_end_of_a_document_another_begins(
    checkpoint: Path, pieces: tuple[str, ...], ask: Callable[[Session], None]
) -> None:
    session = next(ended(checkpoint, pieces, ask))
    model, tokens = session.generator, session.generator.tokenizer.encode(session.text)
    if ask is draw:  # the tokens may be others than those of the text
        tokens = model.tokenizer.encode("ab") + tokens_of(session)[:-1]
    session.change("beams", None)
    drain(session.continue_text(), 1)
    start = session.now.segments[-1].start
    assert (start.unread[-1], start.tail) == (model.tokenizer.end, b"")
    logprobs, after = logprobs_at(model, start), [*tokens, model.tokenizer.end]
    for token in range(len(pieces)):
        assert float(logprobs[token]) == pytest.approx(logprob_of(model, after, [token]), abs=1e-5)


# -- what is read -----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["story", "chat"])
def test_the_place_is_where_the_text_ends(session: Session, mode: str) -> None:
    """The chances there are those that the plain model gives after all the tokens at once."""
    session.enter(mode)
    session.change("heal", False)
    encode, tokens = session.generator.tokenizer.encode, list[int]()
    for prompt in ("The straw", "\nGRAN", "caf\u00e9 \u4e2d", ""):
        drain(session.answer(prompt), 9)
        assert session.now.last is not None
        tokens += encode(session.now.last.read) + tokens_of(session)
    assert session.generator.tokenizer.decode(tokens) == session.text
    logprobs = logprobs_at(session.generator, session.now.place)
    for token in encode("Ta \n"):
        expected = logprob_of(session.generator, tokens, [token])
        assert float(logprobs[token]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("mode", ["story", "chat"])
def test_what_comes_next_is_what_the_text_read_anew_says(talk: Session, mode: str) -> None:
    talk.enter(mode)
    for prompt in ("The straw", "\nGRAN", "caf\u00e9 \u4e2d"):
        drain(talk.answer(prompt))
        drain(talk.continue_text(), 3)
    anew = talk.generator.prefill(talk.generator.document_start, talk.text, talk.config)
    one, other = (logprobs_at(talk.generator, place) for place in (talk.now.place, anew))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_each_mode_reads_its_own(talk: Session) -> None:
    talk.change("max_tokens", 2)
    [one, two] = (drain(talk.answer(prompt)) for prompt in ("The sky", "GRAN"))
    assert talk.text == f"GRAN{two}"
    assert [e.prompt + e.text for e in talk.exchanges] == [f"The sky{one}", f"GRAN{two}"]
    talk.enter("story")
    three = drain(talk.answer("A"))
    assert talk.text == f"GRAN{two}A{three}"
    talk.enter("chat")
    assert talk.text == ""
    [four, five] = (drain(talk.answer(prompt)) for prompt in ("hi", "so"))
    assert talk.text == f"The hi\nGRANNY'S{four}\nThe so\nGRANNY'S{five}"
    talk.enter("story")
    assert talk.text == ""
    assert len(talk.exchanges) == 5


def test_a_turn_ends_where_the_next_begins(session: Session) -> None:
    session.enter("chat")
    session.change("stop", ("zz",))
    assert session.config.stop == ("zz", "\nThe", "\nGRANNY'S", "\n\n")
    session.change("max_tokens", 200)
    for prompt in ("strawberry is red.", "banana", "caf\u00e9"):
        text = drain(session.answer(prompt))
        assert session.now.finish_reason == "stop"
        assert not any(end in text for end in session.config.stop)
    session.enter("complete")
    assert len(session.config.stop) == 1


def test_the_roles_are_those_of_the_checkpoint(talk: Session, tmp_path: Path) -> None:
    talk.name_roles(("Me:", "\u6f22:"))
    talk.save_model(tmp_path / "new")
    assert Session(tmp_path / "new").roles == talk.roles == ("Me:", "\u6f22:")
    for wrong in [
        (),
        ("a",),
        ("a", "b", "c"),
        ("a", "a"),
        ("", "b"),
        ("a\n", "b"),
        ("a", "\ud800"),
    ]:
        with pytest.raises(ConfigError):
            talk.name_roles(wrong)
    assert talk.roles == ("Me:", "\u6f22:")


@pytest.mark.parametrize("mode", MODES)
def test_memory_does_not_grow_with_the_exchanges(talk: Session, mode: str) -> None:
    def states(moment: Moment) -> Iterator[int]:
        for place in (moment.place, *(part.start for part in moment.segments)):
            yield from (id(part) for layer in place.state.layers for part in layer)

    talk.enter(mode)
    talk.change("max_tokens", 1)
    counts = []
    for count in range(1, 2 * MAX_UNDO + 41):
        drain(talk.answer("a"))
        if count % 20 == 0:
            kept = [talk.now, *talk.state.history.past]
            assert len(talk.state.history.past) <= MAX_UNDO
            assert all(len(moment.segments) <= 1 for moment in kept)
            counts.append(len(set(itertools.chain.from_iterable(map(states, kept)))))
    assert counts[-1] == counts[-2] == counts[-3]


# -- undoing ----------------------------------------------------------------------------------

STEPS: dict[str, Callable[[Session], object]] = {
    "answer": lambda session: drain(session.answer("The s")),
    "stopped": lambda session: drain(session.answer("GRAN"), 1),
    "several": lambda session: session.several("A"),
    "retry": lambda session: drain(session.retry()),
    "continue": lambda session: drain(session.continue_text()),
    "reset": lambda session: session.reset(),
    "chat": lambda session: session.enter("chat"),
    "story": lambda session: session.enter("story"),
    "complete": lambda session: session.enter("complete"),
}


@pytest.fixture(scope="module")
def folders(checkpoint: Path, subword_checkpoint: Path) -> list[Path]:
    return [checkpoint, subword_checkpoint]


@hypothesis_settings(max_examples=40)
@given(which=st.integers(0, 1), steps=st.lists(st.sampled_from(list(STEPS)), max_size=12))
def test_undo_brings_all_back(folders: list[Path], which: int, steps: list[str]) -> None:
    session = seeded(folders[which], max_tokens=3)
    before: list[tuple[Moment, tuple[Exchange, ...], str]] = []
    for step in steps:
        stood = session.now, session.exchanges, session.text
        try:
            STEPS[step](session)
        except ConfigError:
            assert (session.now, session.exchanges, session.text) == stood
        if session.now is not stood[0]:
            before.append(stood)
    while before:
        moment, exchanges, text = before.pop()
        session.undo()
        assert session.now is moment
        assert session.exchanges == exchanges
        assert session.text == text
    with pytest.raises(ConfigError, match="nothing to undo"):
        session.undo()


def test_after_undo_the_same_comes_again(session: Session) -> None:
    session.enter("story")
    drain(session.answer("The sky"))
    texts = [
        drain(session.answer("\nGRAN")),
        drain(session.continue_text()),
        drain(session.retry()),
    ]
    for _ in texts:
        session.undo()
    assert [
        drain(session.answer("\nGRAN")), drain(session.continue_text()), drain(session.retry())
    ] == texts  # fmt: skip


def test_so_many_steps_are_undone(talk: Session) -> None:
    talk.change("max_tokens", 1)
    for _ in range(MAX_UNDO + 5):
        drain(talk.answer(""))
    for _ in range(MAX_UNDO):
        talk.undo()
    with pytest.raises(ConfigError, match="nothing to undo"):
        talk.undo()
    assert len(talk.exchanges) == talk.now.count == 5


# -- other answers ----------------------------------------------------------------------------


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


@pytest.mark.parametrize("again", ["retry", "variants", "compare", "why"])
def test_without_an_answer_there_is_none_to_do_again(
    talk: Session, again: str, tmp_path: Path
) -> None:
    def do() -> object:
        arguments = {"variants": (2,), "compare": (talk.folder,), "why": (2,)}
        return getattr(talk, again)(*arguments.get(again, ()))

    with pytest.raises(ConfigError, match="answer"):
        do()
    answer_nothing(talk)
    do()
    talk.save(tmp_path / "a.session")
    talk.open(tmp_path / "a.session")
    with pytest.raises(ConfigError, match="answer"):
        do()
    talk.reset()
    with pytest.raises(ConfigError, match="answer"):
        do()


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


# -- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -1), ("temperature", math.nan), ("temperature", "hot"), ("warmth", 1),
        ("max_tokens", 0), ("max_tokens", 2**70), ("stop", ("",)), ("stop", "x"), ("until", "page"),
        ("beams", 0), ("seed", 2**63), ("heal", 1), ("regex", "("), ("regex", "\u03a9+"),
        ("charset", "z-a"), ("ban", ("no token holds this",)),
        ("ban", tuple(map(chr, range(1, 0x250)))), ("min_chars", 99), ("regex", ""),
        ("no_repeat_ngram", 300), ("length_penalty", -1),
    ],
)  # fmt: skip
def test_a_wrong_value_changes_nothing(talk: Session, name: str, value: object) -> None:
    talk.change("max_chars", 50)
    drain(talk.answer("The"), 3)
    settings, now = dict(talk.settings), talk.now
    with pytest.raises(ChargenError):
        talk.change(name, value)
    assert talk.settings == settings
    assert talk.now is now


def test_settings_go_back_to_their_defaults(talk: Session) -> None:
    talk.change("charset", "a-z")
    talk.change("beams", 3)
    talk.change("length_penalty", 1)
    talk.reset_settings()
    assert talk.settings == asdict(SampleConfig())
    assert talk.config == SampleConfig()


def test_beams_put_the_settings_of_drawing_aside(talk: Session) -> None:
    talk.change("temperature", 0.7)
    talk.change("beams", 3)
    assert talk.config == SampleConfig(beams=3, max_tokens=40)
    talk.change("length_penalty", 1)
    talk.change("beams", None)
    assert talk.config == SampleConfig(temperature=0.7, seed=7, max_tokens=40)


# -- learning and loading ---------------------------------------------------------------------

LINE = "Zorbix met ANNA in Quandel.\n"


def test_what_is_learnt_is_likelier_and_forgotten(session: Session, tmp_path: Path) -> None:
    files, loaded = bytes_in(session.folder), session.generator
    tokens = loaded.tokenizer.encode(LINE)
    before = logprob_of(loaded, [], tokens)
    session.learn(True)
    assert session.learns
    assert not session.has_learnt
    session.save(tmp_path / "before.session")
    drain(session.answer(""), 1)
    assert not session.has_learnt  # of nothing
    for _ in range(3):
        drain(session.answer(LINE))
    assert session.has_learnt
    assert logprob_of(session.generator, [], tokens) > before + 5
    with pytest.raises(SessionError, match="has learnt"):
        session.save(tmp_path / "after.session")
    learnt = session.generator
    drain(session.retry())
    drain(session.continue_text())
    assert session.generator is learnt  # the model's own text teaches it nothing
    session.learn(True)
    assert session.generator is learnt
    session.learn(False)
    assert session.generator is loaded
    assert not (session.learns or session.has_learnt)
    session.save(tmp_path / "after.session")
    assert bytes_in(session.folder) == files
    assert logprob_of(loaded, [], tokens) == before


@pytest.mark.parametrize("mode", ["story", "chat"])
def test_learning_goes_on_in_the_text(session: Session, mode: str) -> None:
    session.enter(mode)
    session.learn(True)
    plain = session.generator
    for _ in range(4):
        drain(session.answer("Zorbix is pink.\n"), 5)
    read = plain.tokenizer.encode("Zorbix is pink.\n")
    assert logprob_of(session.generator, [], read) > logprob_of(plain, [], read) + 5


def test_the_first_answer_is_that_of_the_model_as_it_was(session: Session) -> None:
    plain = drain(session.answer(LINE))
    session.learn(True)
    assert drain(session.answer(LINE)) == plain


def test_the_model_that_answered_is_looked_into_and_learns_before_the_next_prompt(
    session: Session,
) -> None:
    session.learn(True)
    model = session.generator.model
    drain(session.answer(LINE))
    cost = sum(surprise.nats for surprise in session.why(1))
    assert session.generator.model is model
    assert session.has_learnt
    drain(session.answer(LINE))
    assert session.generator.model is not model
    assert cost > 0


def test_learning_can_be_stopped(session: Session) -> None:
    def told(share: float) -> None:
        raise KeyboardInterrupt

    session.learn(True)
    drain(session.answer(LINE))
    with pytest.raises(KeyboardInterrupt):
        session.answer(LINE, told)
    assert not session.has_learnt


def test_what_is_undone_is_not_learnt(session: Session) -> None:
    session.learn(True)
    model = session.generator.model
    drain(session.answer(LINE))
    session.undo()
    drain(session.answer(LINE))
    assert session.generator.model is model


def test_a_seed_that_was_set_outlives_what_is_undone(session: Session) -> None:
    session.enter("story")
    session.change("seed", 1)
    drain(session.answer("The "))
    drain(session.answer("The "))
    session.change("seed", 5)
    session.undo()
    drain(session.answer("The "))
    assert session.seed == 5


def test_what_was_learnt_becomes_a_checkpoint(session: Session, tmp_path: Path) -> None:
    old, files = session.folder, bytes_in(session.folder)
    session.enter("story")
    session.learn(True)
    drain(session.answer(LINE))
    text = session.text
    with pytest.raises(ChargenError, match="exists"):
        session.save_model(old)
    learnt = session.generator.model.state_dict()
    assert session.has_learnt
    session.save_model(tmp_path / "new")
    assert (session.folder, session.text) == (tmp_path / "new", text)
    assert not session.has_learnt
    session.save(tmp_path / "a.session")
    kept = Session(tmp_path / "new")
    for name, weight in kept.generator.model.state_dict().items():
        assert torch.equal(weight, learnt[name])
    kept.open(tmp_path / "a.session")
    assert kept.text == text
    assert bytes_in(old) == files
    assert Session(tmp_path / "new").metadata.scores.valid_loss is None


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
