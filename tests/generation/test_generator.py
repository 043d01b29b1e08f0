"""What is written: the same however it is cut into pieces, batched, seeded or searched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chargen
from chargen.checkpoint.filing import set_sampling
from chargen.checkpoint.metadata import read_metadata
from chargen.config import CorpusConfig, SampleConfig, SamplingDefaults
from chargen.errors import ConfigError, TokenizerError
from chargen.generation.completion import Piece
from chargen.generation.generator import TextGenerator
from tests.support.tiny import logprob_of, tiny


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> TextGenerator:
    return chargen.load(checkpoint)


@pytest.fixture(scope="module")
def subwords(subword_checkpoint: Path) -> TextGenerator:
    return chargen.load(subword_checkpoint)


# -- samples ----------------------------------------------------------------------------------


def test_it_has_learnt_its_text(model: TextGenerator) -> None:
    assert model.generate("GRANN", max_tokens=1, temperature=0).text == "Y"
    assert model.generate("The strawberry is", max_tokens=4, temperature=0).text == " red"


@given(seed=st.integers(0, 2**63 - 1), prompt=st.text("GRANtehk é漢", max_size=8))
def test_a_seed_repeats_and_a_stream_equals_the_whole(
    model: TextGenerator, seed: int, prompt: str
) -> None:
    options: dict[str, Any] = {"max_tokens": 12, "temperature": 2.0, "seed": seed}
    whole = model.generate(prompt, **options)
    pieces = list(model.stream(prompt, **options))
    assert model.generate(prompt, **options) == whole
    assert "".join(piece.text for piece in pieces) == whole.text
    assert tuple(token for piece in pieces for token in piece.tokens) == whole.tokens
    assert sum(piece.logprob for piece in pieces) == pytest.approx(whole.logprob)
    assert model.tokenizer.decode(whole.tokens) == whole.text
    assert 12 - 3 <= len(whole.tokens) <= 12, "it ends at no half of a character"


def test_the_logprob_is_the_models_own_whatever_the_sampler_does(model: TextGenerator) -> None:
    done = model.generate("The ", max_tokens=9, temperature=0.3, top_k=3, top_p=0.9, seed=1)
    before = model.tokenizer.encode("The ")
    assert done.logprob == pytest.approx(logprob_of(model, before, done.tokens), abs=1e-4)


@pytest.mark.usefixtures("row_by_row")
def test_samples_of_a_batch_are_those_of_smaller_ones(model: TextGenerator) -> None:
    eight = model.generate("The ", num_samples=8, seed=4, max_tokens=20)
    three = model.generate("The ", num_samples=3, seed=4, max_tokens=20)
    assert [done.text for done in eight[:3]] == [done.text for done in three]
    assert len({done.text for done in eight}) > 1
    assert model.generate("The ", seed=4, max_tokens=20).text == eight[0].text


@pytest.mark.usefixtures("row_by_row")
def test_more_samples_than_a_batch_holds(model: TextGenerator) -> None:
    together = model.generate("", num_samples=5, seed=1, max_tokens=6)
    apart = model.generate("", num_samples=5, seed=1, max_tokens=6, batch_size=2)
    assert [done.text for done in apart] == [done.text for done in together]


def test_no_seed_samples_anew(model: TextGenerator) -> None:
    assert len({model.generate("", max_tokens=30, temperature=3.0).text for _ in range(3)}) > 1


def test_a_long_prompt_is_read_in_chunks(
    model: TextGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = "The sky is blue.\n" * 5
    whole = model.generate(prompt, max_tokens=20, temperature=0)
    monkeypatch.setattr("chargen.nn.engine.READ_AT_ONCE", 7)
    assert model.generate(prompt, max_tokens=20, temperature=0).text == whole.text


def test_what_was_never_seen_is_never_written(model: TextGenerator) -> None:
    seen = set(np.flatnonzero(model.weights.seen).tolist())
    samples = model.generate("", num_samples=20, max_tokens=50, temperature=50.0, seed=1)
    tokens = {token for done in samples for token in done.tokens}
    assert len(tokens) > 20
    assert tokens <= seen
    assert len(seen) < model.tokenizer.vocab_size


def test_a_bad_prompt_is_refused_at_once(model: TextGenerator) -> None:
    with pytest.raises(TokenizerError):
        model.stream("\ud800")
    with pytest.raises(TokenizerError):
        model.generate(5)  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="give either that or options"):
        model.stream("", SampleConfig(), seed=1)
    with pytest.raises(ConfigError, match="there is no option 'warmth'"):
        model.generate("", warmth=1)  # type: ignore[call-overload]


# -- the end of a text ------------------------------------------------------------------------


def test_what_is_loaded_keeps_what_its_checkpoint_says(
    checkpoint: Path,
) -> None:
    loaded = chargen.load(checkpoint)
    assert loaded.metadata is not None
    assert loaded.metadata == read_metadata(checkpoint)
    assert TextGenerator(loaded.weights, loaded.tokenizer).metadata is None


def test_texts_without_a_newline_are_no_lines(tmp_path: Path) -> None:
    """What a model saw cannot tell them apart; its checkpoint can."""
    files = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for file in files:
        file.write_text("abc " * 200, encoding="utf-8")
    options: dict[str, Any] = {"steps": 1, "hidden_size": 4, "valid_fraction": 0}
    for documents in ("file", "line"):
        chargen.train(files, out=tmp_path / documents, documents=documents, **options)
        loaded = chargen.load(tmp_path / documents)
        assert loaded.corpus_options.documents == documents
        unnamed = TextGenerator(loaded.weights, loaded.tokenizer)
        assert unnamed.corpus_options.documents == "line"


def test_the_end_of_the_document_ends_a_text() -> None:
    generator = tiny(0, "a", "b")
    finished = [
        done
        for done in generator.generate("", num_samples=50, seed=1, max_tokens=30)
        if done.finish_reason == "end"
    ]
    assert finished
    for done in finished:
        assert done.tokens[-1] == 2 not in done.tokens[:-1]
        assert len(done.text) == len(done.tokens) - 1
        assert done.logprob == pytest.approx(logprob_of(generator, [], done.tokens), abs=1e-4)


# -- what may be sampled ----------------------------------------------------------------------


def test_penalties_and_bans_change_what_is_written(model: TextGenerator) -> None:
    plain = model.generate("The ", temperature=0, max_tokens=60).text
    assert "e" in plain
    assert "e" not in model.generate("The ", temperature=0, max_tokens=60, ban=("e",)).text
    for name in ("repetition_penalty", "frequency_penalty", "presence_penalty"):
        options: dict[str, Any] = {name: 3.0}
        assert model.generate("The ", temperature=0, max_tokens=60, **options).text != plain
    done = model.generate("The ", temperature=0, max_tokens=200, no_repeat_ngram=4)
    whole = model.tokenizer.encode("The ") + list(done.tokens)
    runs = [tuple(whole[at : at + 4]) for at in range(len(whole) - 3)]
    assert len(set(runs)) == len(runs)


def test_penalties_look_no_further_than_the_window(model: TextGenerator) -> None:
    options: dict[str, Any] = {"temperature": 0, "max_tokens": 40, "frequency_penalty": 1.0}
    wide = model.generate("The banana is", **options)
    assert model.generate("The banana is", **options, penalty_window=1) != wide
    assert model.generate("The banana is", **options, penalty_window=1000) == wide


@pytest.mark.parametrize(
    ("ban", "says"),
    [(("ab",), "no token of this model contains 'ab'"), (("",), "must not be empty")],
)
def test_bans_that_cannot_be(model: TextGenerator, ban: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        model.stream("", ban=ban)


def test_nothing_is_left_to_sample() -> None:
    generator = tiny(0, "a", "ab", seen=range(2))
    with pytest.raises(ConfigError, match="leaves nothing to sample"):
        generator.generate("", ban=("a",))


# -- length -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model", "subwords"])
@given(most=st.integers(1, 30), seed=st.integers(0, 9))
def test_so_many_characters_and_no_more(
    request: pytest.FixtureRequest, name: str, most: int, seed: int
) -> None:
    generator = request.getfixturevalue(name)
    done = generator.generate("The ", max_chars=most, seed=seed, temperature=2.0)
    assert (len(done.text), done.finish_reason) == (most, "length")


def test_a_text_is_as_long_as_is_asked_for_at_least() -> None:
    generator = tiny(0, "a", "b", "ab")
    options: dict[str, Any] = {"num_samples": 40, "seed": 1, "max_tokens": 50}
    assert min(len(done.text) for done in generator.generate("", **options)) < 5
    for done in generator.generate("", **options, min_chars=5):
        assert len(done.text) >= 5
    for done in generator.generate("", **options, min_chars=5, stop=("b",)):
        assert len(done.text) >= 5
        assert "b" not in done.text[5:]


@pytest.mark.parametrize("options", [{"num_samples": 2}, {"beams": 2}, {}])
def test_a_prompt_that_is_too_long_is_refused_at_once(
    model: TextGenerator, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    monkeypatch.setattr("chargen.generation.continuation.MAX_PROMPT", 10)
    with pytest.raises(TokenizerError, match="a prompt of 11 characters is too long"):
        model.stream("x" * 11, **options)
    assert model.generate("x" * 10, max_tokens=1, **options)


@given(prompt=st.text("ab \n\u00e9", max_size=40))
def test_a_prompt_is_encoded_in_pieces(subwords: TextGenerator, prompt: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        whole = subwords.generate(prompt, max_tokens=5, temperature=0, heal=False)
        patch.setattr("chargen.generation.prompt_state.ENCODED_AT_ONCE", 7)
        assert subwords.generate(prompt, max_tokens=5, temperature=0, heal=False) == whole


# -- lines ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "written", "end"),
    [
        ("a\n", "", "\n"),
        ("a\r", "", "\r"),
        ("a", "", "\n"),
        ("a\r\n", "a\r\na", "\r\n"),
        ("a\r\n", "a\na\r", "\n"),  # a stray CR
        ("a\r\n", "aaa", "\n"),
    ],
)
def test_lines_end_as_in_the_text(
    seen: str, written: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = tiny(1, *seen)
    pieces = [Piece(character, (), 0.0) for character in written]
    monkeypatch.setattr(generator, "stream", lambda *_: iter(pieces))
    assert generator.line_end == end
    assert generator.corpus_options.documents == ("file" if {*"\r\n"} & {*seen} else "line")
    assert generator.with_own_line_ends("a\n\r\nb") == f"a{end}{end}b"


@pytest.mark.parametrize("documents", ["line", "paragraph"])
def test_a_stray_cr_ends_no_line_where_documents_are_short(documents: str) -> None:
    generator = tiny(1, *"a\r")
    generator.corpus_options = CorpusConfig(documents=documents)
    assert generator.line_end == "\n"


def test_a_checkpoint_is_sampled_as_it_wants_where_nobody_says_otherwise(folder: Path) -> None:
    plain = chargen.load(folder)
    set_sampling(folder, SamplingDefaults(temperature=0, stop=("s",), mode="chat"))
    model = chargen.load(folder)
    prompt = "The straw"
    expected = plain.generate(prompt, temperature=0, stop="s", max_tokens=40)
    assert expected.finish_reason == "stop"
    assert model.generate(prompt, max_tokens=40) == expected
    assert "".join(piece.text for piece in model.stream(prompt, max_tokens=40)) == expected.text
    hot: dict[str, Any] = {"temperature": 1.0, "stop": (), "seed": 1, "max_tokens": 40}
    assert model.generate(prompt, **hot) == plain.generate(prompt, **hot), "what is given wins"
    assert model.generate(prompt, beams=2, max_tokens=9) == plain.generate(
        prompt, beams=2, stop="s", max_tokens=9
    ), "a search has no temperature"
    config = SampleConfig(temperature=0, max_tokens=40)
    assert list(model.stream(prompt, config)) == list(plain.stream(prompt, config))
