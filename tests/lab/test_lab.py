"""The small worlds: what they are made of is what they say, and they say what was measured."""

from __future__ import annotations

import itertools
import json
import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen import lab
from chargen.errors import ConfigError
from chargen.lab import forget as forgetting
from chargen.lab import gradient_worlds, text_worlds
from chargen.lab import toy_texts as little_texts
from chargen.lab.echo_state import Reservoir, solve_ridge
from chargen.lab.finding import Finding
from chargen.lab.forget import Mean
from chargen.lab.gradient_worlds import DISTANCES, Outcome, Way
from chargen.lab.text_worlds import Answer
from chargen.lab.toy_texts import ASKED, COLOUR_OF, WORDINGS, Story
from chargen.lab.toy_training import (
    NOT_ASKED,
    CharVocab,
    make_network,
    random_windows,
    steady,
    train_toy,
)
from chargen.progress import no_progress
from tests.support.command import Chargen

ORDER = ["memoryless", "vanishing", "exploding", "two-ones", "namaskar", "strawberry", "forget"]
# Each so small that it takes a second and learns little.
SMALL: dict[str, Callable[[int], Finding]] = {
    "memoryless": lambda seed: text_worlds.memoryless(seed, no_progress, steps=3, subjects=60),
    "vanishing": lambda seed: gradient_worlds.vanishing(
        seed, no_progress, steps=4, reservoir_size=20, back=100
    ),
    "exploding": lambda seed: gradient_worlds.exploding(seed, no_progress, steps=2, longest=12),
    "two-ones": lambda seed: text_worlds.two_ones(seed, no_progress, steps=3, fresh=20),
    "namaskar": lambda seed: text_worlds.namaskar(seed, no_progress, steps=4),
    "strawberry": lambda seed: text_worlds.strawberry(
        seed, no_progress, steps=2, hidden_size=8
    ),
    "forget": lambda seed: forgetting.forget(
        seed, no_progress, steps=2, subjects=50, fresh=10
    ),
}  # fmt: skip


def sentences(text: str) -> list[str]:
    """Cut after a full stop that ends a sentence: not one in a quotation, nor a decimal point."""
    return re.split(r"(?<=\.) (?=[A-Z\"])", re.sub(r'"[^"]*"', '""', text))


# -- all worlds -------------------------------------------------------------------------------


def test_the_worlds_stand_in_their_order() -> None:
    assert list(lab.WORLDS) == ORDER
    for name, world in lab.WORLDS.items():
        assert world.name == name
        assert world.question.endswith("?")


def test_an_unknown_world_is_told_with_those_that_exist() -> None:
    with pytest.raises(ConfigError, match="there is no world 'nowhere'") as caught:
        lab.run("nowhere")
    for name in ORDER:
        assert name in str(caught.value)


@pytest.mark.parametrize("name", ORDER)
def test_a_finding_is_whole_and_its_seed_repeats_it(name: str) -> None:
    with steady():
        found = SMALL[name](3)
    assert found.world == name
    assert found.rows
    assert len(set(found.columns)) == len(found.columns)
    assert all(len(row) == len(found.columns) for row in found.rows)
    for row in found.rows:
        assert all(math.isfinite(cell) for cell in row if isinstance(cell, float))
    assert found.charts
    for chart in found.charts:
        assert chart.x_label
        assert chart.y_label
        assert chart.lines
        assert all(len(line.x) == len(line.y) > 0 for line in chart.lines)
    assert len(sentences(found.says)) == 2
    assert not re.search(r"\b(\w+) \1\b", found.says)  # no word twice
    with steady():
        # As text, since no number equals itself.
        assert repr(SMALL[name](3)) == repr(found)
        assert repr(SMALL[name](4)) != repr(found)


def test_whoever_is_told_hears_a_growing_share_and_can_end_it() -> None:
    heard: list[float] = []

    def on_progress(doing: str, share: float) -> None:
        assert doing
        heard.append(share)
        if len(heard) == 20:
            raise KeyboardInterrupt

    threads, state = torch.get_num_threads(), torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        lab.run("two-ones", on_progress=on_progress)
    assert heard == sorted(heard)
    assert 0 < heard[-1] < 1
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_worlds_are_listed_without_torch() -> None:
    code = "import sys; from chargen import lab; print(list(lab.WORLDS)[0], 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["memoryless", "False"]


# -- practice ---------------------------------------------------------------------------------


def test_an_alphabet_comes_back() -> None:
    alphabet = CharVocab("strawberry")
    assert alphabet.characters == "aberstwy"
    assert len(alphabet) == 8
    assert alphabet.decode(alphabet.encode("berry")) == "berry"


@pytest.mark.parametrize("cell", ["rnn", "rnn relu", "lstm", "gru"])
def test_a_cut_gradient_is_the_whole_one_where_it_is_not_cut(cell: str) -> None:
    batch = gradient_worlds.recall_batch(torch.Generator().manual_seed(1), 9, 4)  # 11 tokens
    norms = {}
    for reach in (None, 11, 50, 3):
        model = make_network(cell, 9, seed=1, hidden_size=5)
        practice = train_toy(model, lambda step: batch, 1, learning_rate=0.1, reach=reach)
        norms[reach] = practice.norms[0]
        losses = practice.losses[0]
        assert losses == pytest.approx(practice_loss(cell, batch), rel=1e-5)
    assert norms[11] == norms[50] == norms[None]
    assert norms[3] != pytest.approx(norms[None], rel=1e-3)


def practice_loss(cell: str, batch: tuple[torch.Tensor, torch.Tensor]) -> float:
    tokens, targets = batch
    model = make_network(cell, 9, seed=1, hidden_size=5)
    logits, _ = model(tokens, model.initial_state(len(tokens)))
    return torch.nn.functional.cross_entropy(logits[:, -1], targets[:, -1]).item()


def test_practice_ends_where_the_loss_is_no_number() -> None:
    batch = gradient_worlds.recall_batch(torch.Generator().manual_seed(1), 3, 4)
    model = make_network("lstm", 9, seed=1, hidden_size=5)
    with torch.no_grad():
        model.head.bias.fill_(math.nan)
    practice = train_toy(model, lambda step: batch, 10, learning_rate=0.1)
    assert practice.broke
    assert len(practice.losses) == len(practice.norms) == 1


def test_windows_are_the_text_and_what_follows() -> None:
    tokens = torch.arange(50)
    inputs, targets = random_windows(tokens, torch.Generator().manual_seed(1), 200, 7)
    assert torch.equal(inputs + 1, targets)
    assert inputs.min() == 0
    assert targets.max() == 49
    starts = torch.tensor([3, 20, 49])  # from the last no window fits
    inputs, _ = random_windows(tokens, torch.Generator().manual_seed(1), 50, 7, starts)
    assert set(inputs[:, 0].tolist()) == {3, 20}


# -- memoryless -------------------------------------------------------------------------------


def test_the_entropy_after_one_letter() -> None:
    assert little_texts.entropy_after_one("abababab") == 0
    # After a: b, b, c of three; after b: a, a; after c: nothing follows but a. "ababaca".
    expected = (3 / 6) * -(2 / 3 * math.log2(2 / 3) + 1 / 3 * math.log2(1 / 3))
    assert little_texts.entropy_after_one("ababaca") == pytest.approx(expected)
    assert little_texts.commonest_after("ababaca") == {"a": "b", "b": "a", "c": "a"}


def test_no_memoryless_network_is_below_the_entropy_after_one_letter() -> None:
    text = little_texts.story(np.random.default_rng(1), 20).text
    alphabet = CharVocab(text)
    model = make_network("gru", len(alphabet), seed=1, hidden_size=32)
    tokens = alphabet.encode(text)
    text_worlds.teach_memoryless(model, tokens, 1, 60, no_progress_share)
    bits = text_worlds.bits_per_letter(model, tokens, memory=False)
    floor = little_texts.entropy_after_one(text)
    assert floor < bits < floor + 0.5
    first, second = (
        text_worlds.next_chances(model, alphabet, beginning, memory=False)
        for beginning in ("Tom goes", "She fills")
    )
    assert first == second


def no_progress_share(share: float) -> None:
    pass


def test_endings_that_are_alike_stand_in_stories() -> None:
    text = little_texts.story(np.random.default_rng(1), 4000).text
    alike = text_worlds.ENDING_ALIKE
    for one, other in zip(alike[::2], alike[1::2], strict=True):
        assert one[-1] == other[-1]
        assert one in text
        assert other in text


def test_memoryless_says_what_was_measured() -> None:
    shown = text_worlds.say_memoryless(20, 20, 2.51, 1.2, 2.5)
    assert "all 20 letters" in shown
    assert "comes to the floor" in shown
    assert "goes below" in shown
    absent = text_worlds.say_memoryless(18, 20, 2.9, 2.8, 2.5)
    assert "18 of 20" in absent
    assert "has not come to the floor" in absent
    assert "stays" in absent


# -- vanishing and exploding ------------------------------------------------------------------


@given(distance=st.integers(1, 40), seed=st.integers(0, 99))
@settings(max_examples=20)
def test_what_is_asked_is_the_first_symbol_after_exactly_so_many(distance: int, seed: int) -> None:
    tokens, targets = gradient_worlds.recall_batch(torch.Generator().manual_seed(seed), distance, 6)
    symbols = gradient_worlds.SYMBOLS
    assert tokens.shape == targets.shape == (6, distance + 2)
    assert torch.equal(targets[:, -1], tokens[:, 0])
    assert (targets[:, :-1] == NOT_ASKED).all()
    assert (tokens[:, 0] < symbols).all()
    others = tokens[:, 1:-1]
    assert ((others >= symbols) & (others < 2 * symbols)).all()
    assert (tokens[:, -1] == gradient_worlds.CUE).all()


def test_a_reservoir_has_the_spectral_radius_that_was_asked() -> None:
    random = torch.Generator().manual_seed(1)
    reservoir = Reservoir(5, 40, random=random, spectral_radius=0.9, density=0.2)
    weight = reservoir.weight.double()
    assert float(torch.linalg.eigvals(weight).abs().max()) == pytest.approx(0.9, abs=1e-5)
    assert 0.1 < float((weight != 0).double().mean()) < 0.3


def test_a_reservoir_is_its_equation() -> None:
    reservoir = Reservoir(5, 7, random=torch.Generator().manual_seed(1), density=0.5)
    tokens = torch.tensor([[0, 3, 1], [2, 2, 4]])
    for row, state in zip(tokens, reservoir.read(tokens), strict=True):
        h = torch.zeros(7)
        for token in row:
            h = (reservoir.weight @ h + reservoir.columns[token]).tanh()
        assert torch.allclose(state, h, atol=1e-6)


def test_the_ridge_solution_is_that_of_the_normal_equations() -> None:
    random = torch.Generator().manual_seed(1)
    x = torch.randn(30, 4, generator=random, dtype=torch.float64)
    y = torch.randn(30, 2, generator=random, dtype=torch.float64)
    weight = solve_ridge(x, y, 0.5)
    # The gradient of |xw - y|^2 / 2 + ridge |w|^2 / 2 is nothing there.
    assert torch.allclose(x.T @ (x @ weight - y) + 0.5 * weight, torch.zeros(4, 2).double())
    assert torch.allclose(solve_ridge(torch.eye(2), torch.tensor([[3.0], [6.0]]), 2.0),
                          torch.tensor([[1.0], [2.0]]).double())  # fmt: skip


def test_a_recurrent_weight_has_the_radius_that_was_asked() -> None:
    model = make_network("rnn relu", 5, seed=1, hidden_size=12)
    gradient_worlds.scale_recurrent(model, 1.5)
    weight = model.layers[0].weight_hh_l0
    assert isinstance(weight, torch.Tensor)
    singular = torch.linalg.svdvals(weight.detach())
    assert torch.allclose(singular, torch.full((12,), 1.5), atol=1e-5)


def test_the_growth_of_a_gradient() -> None:
    assert gradient_worlds.growth_of([1.1**k for k in range(31)]) == pytest.approx(1.1)
    assert gradient_worlds.growth_of([1.0, 0.5, 0.0]) == 0


def test_the_farthest_distance_has_all_shorter_ones() -> None:
    assert gradient_worlds.farthest((1.0, 1.0, 0.7, 0.3)) == 100
    assert gradient_worlds.farthest((0.5, 1.0, 1.0, 1.0)) == 0


def accuracies(*farthest: int) -> dict[str, tuple[float, ...]]:
    return {
        cell: tuple(1.0 if distance <= far else 0.25 for distance in DISTANCES)
        for cell, far in zip(gradient_worlds.CELLS, farthest, strict=True)
    }


def test_vanishing_says_what_was_measured() -> None:
    echo = (1.0, 0.3, 0.25, 0.25)
    left = dict.fromkeys(gradient_worlds.CELLS, 1e-9)
    shown = gradient_worlds.say_vanishing(
        accuracies(0, 10, 30, 30),
        accuracies(300, 30, 300, 300),
        accuracies(0, 0, 300, 100),
        echo,
        left,
        400,
    )
    assert "lstm and gru carried a symbol farther than" in shown
    assert "lstm and gru still remembered beyond the cut" in shown
    assert "rnn tanh none, rnn ReLU to 10, lstm to 30, gru to 30, echo state network to 10" in shown
    assert "1e-09 (rnn tanh)" in shown and "1e-09 (lstm, of its cell)" in shown
    same, none = accuracies(10, 10, 10, 10), accuracies(0, 0, 0, 0)
    absent = gradient_worlds.say_vanishing(same, same, none, echo, left, 400)
    assert "no farther in this run" in absent
    assert "no network got farther" in absent
    assert "none got beyond it" in absent
    for says in (shown, absent):
        assert len(sentences(says)) == 2


def test_exploding_says_what_was_measured() -> None:
    curves = {radius: [(radius * 0.7) ** k for k in range(50)] for radius in (0.9, 1.5)}
    free, held = Way("SGD", None), Way("SGD", 1.0)
    good, bad = Outcome(2.0, (0.5, 0.5)), Outcome(1e9, (None, None))
    shown = gradient_worlds.say_exploding(curves, {free: bad, held: good})
    assert "exploded with a recurrent weight of 1.5" in shown
    assert "Clipping helped: the loss became no number in 2 of 2 runs without" in shown
    assert "SGD, no clipping no number" in shown
    calm = {radius: [0.5**k for k in range(50)] for radius in (0.9, 1.1)}
    absent = gradient_worlds.say_exploding(calm, {free: good, held: good})
    assert "exploded with none" in absent
    assert "not with 1.1" in absent
    assert "made no difference" in absent
    worse = gradient_worlds.say_exploding(calm, {free: Outcome(9.0, (2.0, 2.0)), held: good})
    assert "saved no run" in worse
    assert "did not help" in gradient_worlds.say_exploding(calm, {free: good, held: bad})
    dear = gradient_worlds.say_exploding(calm, {free: good, held: Outcome(9.0, (2.0, 2.0))})
    assert "did not help" in dear
    other, other_held = Way("AdamW", None), Way("AdamW", 1.0)
    both = gradient_worlds.say_exploding(
        calm, {free: bad, held: good, other: good, other_held: Outcome(9.0, (2.0, 2.0))}
    )
    assert "in one way and not in another" in both


def test_fresh_draws_are_others() -> None:
    draws = [
        gradient_worlds.recall_batch(random, 10, 32)[0].tolist()
        for random in (torch.Generator().manual_seed(1), gradient_worlds._fresh(1))
    ]
    assert draws[0] != draws[1]


# -- two ones ---------------------------------------------------------------------------------


@given(length=st.integers(2, 30), seed=st.integers(0, 999))
@settings(max_examples=60)
def test_strings_hold_two_ones_where_they_say_so_and_half_do(length: int, seed: int) -> None:
    bits, holds = little_texts.strings(np.random.default_rng(seed), 20, length)
    assert bits.shape == (20, length)
    assert holds.sum() == 10
    for row, answer in zip(bits.tolist(), holds.tolist(), strict=True):
        pairs = sum(a == b == 1 for a, b in itertools.pairwise(row))
        assert pairs == (1 if answer else 0)


def test_strings_without_two_ones_are_drawn_evenly() -> None:
    bits, holds = little_texts.strings(np.random.default_rng(1), 16_000, 4)
    without = Counter(map(tuple, bits[~holds].tolist()))
    assert len(without) == 8  # of the 16 of four digits
    assert all(count == pytest.approx(1000, rel=0.15) for count in without.values())
    places = Counter(
        next(at for at in range(3) if row[at] == row[at + 1] == 1) for row in bits[holds].tolist()
    )
    assert all(places[at] == pytest.approx(8000 / 3, rel=0.1) for at in range(3))


def test_lines_ask_after_the_equals_sign() -> None:
    tokens, targets = text_worlds.string_batch(np.random.default_rng(1), 8, 6)
    for row, answer in zip(tokens, targets, strict=True):
        line = text_worlds.BITS.decode(row)
        assert re.fullmatch("[01]{6}=", line)
        assert text_worlds.BITS.decode(answer[-1:]) == ("y" if "11" in line else "n")
        assert (answer[:-1] == NOT_ASKED).all()


def test_two_ones_says_what_was_measured() -> None:
    counting = (0.6, 0.55, 0.5, 0.5)
    all_of_it = dict.fromkeys(("rnn", "lstm", "gru"), (1.0, 1.0, 1.0, 1.0))
    assert "all still keep to it" in text_worlds.say_two_ones(all_of_it, counting)
    some = all_of_it | {"rnn": (1.0, 0.6, 0.5, 0.5)}
    says = text_worlds.say_two_ones(some, counting)
    assert "All learned" in says
    assert "lstm and gru alone still kept to it: rnn 50.0%" in says
    few = all_of_it | {"rnn": (0.6, 0.6, 0.5, 0.5), "gru": (0.6, 0.6, 0.5, 0.5)}
    assert "Only lstm learned the rule" in text_worlds.say_two_ones(few, counting)
    none = dict.fromkeys(all_of_it, (0.6, 0.5, 0.5, 0.5))
    says = text_worlds.say_two_ones(none, counting)
    assert "None learned" in says
    assert "none kept to it" in says


# -- namaskar and strawberry ------------------------------------------------------------------


def test_the_words_do_not_give_their_last_letter_away() -> None:
    for word in text_worlds.SPELLED:
        assert word in little_texts.WORDS
        assert little_texts.next_letters(word[:-1]) == {word[-1]: 1}
        # Other letters follow their last three, where less stands before.
        tail = word[-4:-1]
        follow = Counter(
            f"{other} "[at + 3]
            for other in little_texts.WORDS
            for at in range(len(other) - 2)
            if other[at : at + 3] == tail
        )
        assert len(follow) > 1
    assert set(little_texts.next_letters("NAMAS")) == {"K", "T"}


def test_namaskar_says_what_was_measured() -> None:
    shown = text_worlds.say_namaskar({"NAMASKAR": (0.99, 0.05), "GRANNY": (0.97, 0.1)}, 0.02)
    assert "goes on after NAMASKA with R at 99.0% and GRANN with Y at 97.0%" in shown
    assert "how many words are still possible" in shown
    absent = text_worlds.say_namaskar({"NAMASKAR": (0.99, 0.05), "GRANNY": (0.3, 0.1)}, 0.2)
    assert "is not sure" in absent
    assert "not yet as sure" in absent


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_asked_stands_nowhere_in_the_text(seed: int) -> None:
    random = np.random.default_rng(seed)
    pairs, asked = little_texts.split_pairs(random)
    assert ASKED in asked
    assert little_texts.prompt_of(ASKED) == "The color of a strawberry is"
    assert sorted(pairs + asked) == sorted(itertools.product(COLOUR_OF, range(len(WORDINGS))))
    assert set(Counter(thing for thing, _ in asked).values()) == {2}
    text = little_texts.colour_text(random, pairs, 2)
    for pair in asked:
        assert little_texts.prompt_of(pair) not in text
    for pair in pairs:
        assert text.count(f"{little_texts.prompt_of(pair)} {COLOUR_OF[pair[0]]}.\n") >= 2


def test_strawberry_says_what_was_measured() -> None:
    right, wrong = Answer(ASKED, "red", 0.99), Answer(ASKED, "blue", 0.1)
    assert right.right
    assert not wrong.right
    shown = text_worlds.say_strawberry(right, 84, 96, 1.0, 0.125, 0.1)
    assert 'goes on with " red"' in shown
    assert "It has learned things apart from wordings: 84 of 96" in shown
    assert "longest match in the text 10%" in shown
    part = text_worlds.say_strawberry(wrong, 40, 96, 1.0, 0.125, 0.1)
    assert "which is wrong" in part
    assert "in part" in part
    assert "has not learned" in text_worlds.say_strawberry(wrong, 14, 96, 1.0, 0.125, 0.1)
    # As good as a copier is no more than a copier.
    assert "has not learned" in text_worlds.say_strawberry(wrong, 40, 96, 1.0, 0.125, 0.4)


def test_a_copier_goes_on_after_the_longest_match() -> None:
    text = "A frog looks green.\nEvery toad I saw was brown.\n"
    assert little_texts.copied(text, "A frog looks") == "green"
    assert little_texts.copied(text, "Every frog I saw was") == "brown"
    assert little_texts.copied(text, "My frog") == "looks green"
    assert little_texts.copied(text, "zzz") == ""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_colour_can_be_copied(seed: int) -> None:
    """What is left out is answered by no longest match more often than by chance, about 1 of 8."""
    rng = np.random.default_rng(seed)
    pairs, asked = little_texts.split_pairs(rng)
    text = little_texts.colour_text(rng, pairs, 3)
    answers = [little_texts.copied(text, little_texts.prompt_of(pair)) for pair in asked]
    right = sum(
        answer == COLOUR_OF[thing] for answer, (thing, _) in zip(answers, asked, strict=True)
    )
    assert right < 25  # of 96


# -- forget -----------------------------------------------------------------------------------


def test_a_story_is_its_sentences() -> None:
    told = little_texts.story(np.random.default_rng(1), 50)
    ends = [*told.starts[1:], len(told.text)]
    assert told.kinds.count("subject") == 50
    for start, end, kind in zip(told.starts, ends, told.kinds, strict=True):
        sentence = told.text[start:end]
        assert sentence.endswith(". ")
        assert sentence.count(".") == 1
        assert (sentence.split()[0] in ("She", "He")) == (kind == "pronoun")


def test_means_are_of_the_places_that_they_name() -> None:
    text = "Tom was here. He sat. Ben ate. "
    story = Story(text, (0, 14, 22), ("subject", "pronoun", "subject"))
    gates = torch.zeros(len(text), 2)
    gates[text.index(". He")] = 0.25
    gates[text.index(". Ben")] = 0.5
    gates[22:25] = torch.tensor([[0.1, 0.3], [0.4, 0.4], [0.6, 0.6]])
    means = forgetting.means_by_place(story, gates)
    assert means["full stop before the same subject"] == [0.25]
    assert means["full stop before a new subject"] == [0.5]
    assert means["first three letters of a new subject"] == pytest.approx([0.4])
    assert means["first three letters of the same subject"] == [0.0]
    assert len(means["inside words"]) == 3


def test_what_is_kept_is_the_product_of_the_gates() -> None:
    text = "Tom was here and there. He sat and sat on. "
    story = Story(text, (0, 24), ("subject", "pronoun"))
    gates = torch.full((len(text), 2), 0.5)
    gates[:, 1] = 1.0
    cells = torch.ones(len(text), 2)
    cells[:, 1] = -3.0  # what the second unit holds weighs three times as much
    kept = forgetting.kept_after(story, gates, cells)
    expected = [(0.5**n + 3) / 4 for n in range(1, forgetting.FOLLOWED + 1)]
    assert kept["on with the same subject"] == [pytest.approx(expected)]
    assert kept["into a new subject"] == []
    assert len(kept["inside a sentence"]) == 2


def test_gates_read_in_parts_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_network("lstm", 9, seed=1, hidden_size=6)
    tokens = torch.randint(9, (50,), generator=torch.Generator().manual_seed(1))
    whole = forgetting.read_gates(model, tokens)
    monkeypatch.setattr(forgetting, "READ_AT_ONCE", 7)
    for one, other in zip(whole, forgetting.read_gates(model, tokens), strict=True):
        assert one.shape == (50, 6)
        assert torch.allclose(one, other, atol=1e-6)


def test_a_mean_has_its_standard_error() -> None:
    assert Mean.of([1.0, 2.0, 3.0]) == Mean(2.0, 1 / math.sqrt(3), 3)


def test_forget_says_what_was_measured() -> None:
    def gates(stop: float, name: float) -> dict[str, Mean]:
        return {
            "inside words": Mean(0.7, 0.01, 9),
            "full stop before a new subject": Mean(stop, 0.01, 9),
            "full stop before the same subject": Mean(stop, 0.01, 9),
            "first three letters of a new subject": Mean(name, 0.01, 9),
        }

    def kept(change: float) -> dict[str, Mean]:
        return {
            "into a new subject": Mean(change, 0.01, 9),
            "on with the same subject": Mean(0.5, 0.01, 9),
            "inside a sentence": Mean(0.6, 0.01, 9),
        }

    one = [0.9, 0.8, 0.7, 0.6, 0.4]
    shown = forgetting.say_forget(gates(0.4, 0.6), kept(0.3), one)
    assert "closes in part" in shown
    assert "lower than inside words" in shown
    assert "More is forgotten" in shown
    assert "40.0%" in shown
    absent = forgetting.say_forget(gates(0.7, 0.7), kept(0.5), one)
    assert "does nothing of its own" in absent
    assert "does not close at the name" in absent
    assert "no more than an old one" in absent
    other = forgetting.say_forget(gates(0.9, 0.9), kept(0.7), one)
    assert "opens at the end" in other
    assert "rather less" in other
    for says in (shown, absent, other):
        assert len(sentences(says)) == 2


# -- the command line -------------------------------------------------------------------------


@pytest.fixture
def small_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab with its worlds made small."""

    def small(name: str) -> lab.World:
        return replace(lab.WORLDS[name], run=lambda seed, told: SMALL[name](seed))

    monkeypatch.setattr(lab, "WORLDS", {name: small(name) for name in lab.WORLDS})


def test_the_lab_lists_its_worlds(run_chargen: Chargen) -> None:
    done = run_chargen("lab")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(lab.WORLDS)
    lines = map(json.loads, run_chargen("lab", "--json").stdout.splitlines())
    assert [line["world"] for line in lines] == list(lab.WORLDS)


@pytest.mark.parametrize("name", SMALL)
def test_the_lab_shows_a_table_charts_and_what_they_say(
    run_chargen: Chargen, tmp_path: Path, small_worlds: None, name: str
) -> None:
    done = run_chargen("lab", name, "--seed", 3, "--out", "lab.svg")
    assert done.returncode == 0, done.stderr
    found = SMALL[name](3)
    shown = " ".join(done.stdout.split())
    assert " ".join(found.says.split()) in shown
    drawn = (tmp_path / "lab.svg").read_text(encoding="utf-8")
    for chart in found.charts:
        assert chart.title in shown
        assert f"<!-- {chart.lines[0].name} -->" in drawn


@pytest.mark.parametrize("name", SMALL)
def test_the_lab_prints_a_finding_as_json(
    run_chargen: Chargen, small_worlds: None, name: str
) -> None:
    done = run_chargen("lab", name, "--seed", 3, "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    found = SMALL[name](3)
    assert printed["says"] == found.says
    assert [tuple(row) for row in printed["rows"]] == list(found.rows)
    for chart, drawn in zip(found.charts, printed["charts"], strict=True):
        assert [line["x"] for line in drawn["lines"]] == [list(line.x) for line in chart.lines]


@pytest.mark.parametrize(
    ("written", "name"),
    [("Two ones", "two-ones"), ("two_ones", "two-ones"), ("colour of a strawberry", "strawberry")],
)
def test_a_world_may_be_written_as_people_do(small_worlds: None, written: str, name: str) -> None:
    assert lab.run(written, seed=3).world == name


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        ("moon", 2, "there is no world 'moon'; there are memoryless, vanishing, exploding"),
        ("namaskar --seed -1", 2, "must be at least 0"),
        ("namaskar --out x.txt", 2, "--out must end in .png"),
        ("namaskar --out no/x.png", 1, "there is no folder no"),
        ("--out x.png", 2, "a world must be named"),
        ("--seed 3", 2, "a world must be named"),
        ("namaskar --out x.png --json", 2, "--json and --out cannot be combined"),
    ],
)
def test_what_is_wrong_with_the_command_is_told(
    run_chargen: Chargen, flags: str, code: int, says: str
) -> None:
    done = run_chargen("lab", *flags.split())
    assert done.returncode == code
    assert says in done.stderr
