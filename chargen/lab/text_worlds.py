"""Small worlds of text: what a network makes of letters, words, facts and sentences.

Shapes: B rows, T tokens, V vocabulary, H hidden.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from chargen.insight.charts import Chart, Line
from chargen.lab.finding import Cell, Finding
from chargen.lab.toy_texts import (
    ASKED,
    COLOUR_OF,
    WORDINGS,
    Pair,
    colour_text,
    commonest_after,
    copied,
    entropy_after_one,
    next_letters,
    prompt_of,
    split_pairs,
    story,
    strings,
    word_text,
)
from chargen.lab.toy_training import (
    LEARNING_RATE,
    LENGTH,
    NOT_ASKED,
    ROWS,
    Batch,
    CharVocab,
    Practice,
    make_network,
    random_windows,
    teach,
    train_toy,
)
from chargen.nn.model import LanguageModel
from chargen.progress import OnProgress, OnShare, part_of


def teach_memoryless(
    model: LanguageModel, tokens: Tensor, seed: int, steps: int, on_share: OnShare
) -> Practice:
    """`teach` with each letter a row of its own, so that the state never holds another one."""
    random = torch.Generator().manual_seed(seed)

    def batch(step: int) -> Batch:
        rows, targets = random_windows(tokens, random, ROWS, LENGTH)
        return rows.reshape(-1, 1), targets.reshape(-1, 1)

    return train_toy(model, batch, steps, learning_rate=2 * LEARNING_RATE, on_share=on_share)


@torch.inference_mode()
def bits_per_letter(model: LanguageModel, tokens: Tensor, *, memory: bool) -> float:
    """The mean loss, in bits, of each token of a text (N,) but the first; without memory each is
    foreseen from the one before alone."""
    rows = tokens[:-1].view(1, -1) if memory else tokens[:-1].view(-1, 1)
    x, _ = model.read(rows, model.initial_state(len(rows)))
    logits = model.read_out(x).view(-1, model.vocab_size)
    return float(F.cross_entropy(logits, tokens[1:])) / math.log(2)


@torch.inference_mode()
def next_chances(
    model: LanguageModel, alphabet: CharVocab, text: str, *, memory: bool = True
) -> dict[str, float]:
    """The probability of each letter after a text, or after its last letter alone."""
    tokens = alphabet.encode(text if memory else text[-1:])
    logits, _ = model(tokens[None], model.initial_state(1))
    chances = logits[0, -1].softmax(-1).tolist()
    return dict(zip(alphabet.characters, chances, strict=True))


def most_likely(chances: Mapping[str, float]) -> tuple[str, float]:
    letter = max(chances, key=chances.__getitem__)
    return letter, chances[letter]


def shown(letter: str) -> str:
    """A letter that can be seen in a table."""
    return {" ": "\u2423", "\n": "\u21b5"}.get(letter, letter)


# -- memoryless -------------------------------------------------------------------------------

# Two and two end in the same letter, though other letters follow.
ENDING_ALIKE = (
    "Mary was working in the g", "Mary g", "Paul goes to the c", "Paul was working in the c",
    "Tom goes to the bathroom to take a b", "Judith was working in the kitchen. She b",
    "Anna was w", "Anna goes to the bathroom to take a bath. She w",
)  # fmt: skip


def memoryless(
    seed: int, on_progress: OnProgress, *, steps: int = 1000, subjects: int = 2500
) -> Finding:
    """A network that sees one letter at a time, beside the same with memory, on one text."""
    rng = np.random.default_rng(seed)
    text, fresh = story(rng, subjects).text, story(rng, subjects // 2).text
    alphabet = CharVocab("".join([text, fresh, *ENDING_ALIKE]))
    tokens, unread = alphabet.encode(text), alphabet.encode(fresh)
    models, curves = {}, {}
    for place, name in enumerate(("memoryless", "with memory")):
        on_share = part_of(on_progress, name, place / 2, place / 2 + 0.5)
        models[name] = make_network("lstm", len(alphabet), seed=seed, hidden_size=64)
        way = teach if place else teach_memoryless
        curves[name] = way(models[name], tokens, seed, steps, on_share).losses
    bits = {
        name: bits_per_letter(models[name], unread, memory=name != "memoryless") for name in models
    }
    floor = entropy_after_one(fresh)
    commonest = commonest_after(text)
    rows: list[tuple[Cell, ...]] = []
    for beginning in ENDING_ALIKE:
        said = [
            most_likely(next_chances(model, alphabet, beginning, memory=name != "memoryless"))
            for name, model in models.items()
        ]
        rows.append(
            (
                beginning,
                shown(commonest[beginning[-1]]),
                *(cell for letter, chance in said for cell in (shown(letter), chance)),
            )
        )
    columns = (
        "text so far",
        "commonest after its last letter",
        "memoryless says",
        "its chance",
        "with memory says",
        "this one's chance",
    )
    chart = Chart(
        "Learning with and without memory",
        "step",
        "loss, bits per letter",
        [
            *(
                Line(name, range(1, steps + 1), smooth([nats / math.log(2) for nats in curve]))
                for name, curve in curves.items()
            ),
            Line("entropy given one letter", [1, steps], [floor, floor]),
        ],
    )
    every = [
        most_likely(next_chances(models["memoryless"], alphabet, letter))[0] == commonest[letter]
        for letter in commonest
    ]
    says = say_memoryless(sum(every), len(every), bits["memoryless"], bits["with memory"], floor)
    return Finding("memoryless", columns, tuple(rows), (chart,), says)


def smooth(values: Sequence[float], width: int = 10) -> list[float]:
    """The mean of each value and up to `width` - 1 before it."""
    return [statistics.fmean(values[max(0, at - width + 1) : at + 1]) for at in range(len(values))]


def say_memoryless(agree: int, letters: int, alone: float, memory: float, floor: float) -> str:
    """Two sentences: after how many of the letters it says the commonest, bits per letter of both
    networks on fresh text, and the entropy given one letter of that text."""
    always = (
        f"The memoryless network says the commonest letter after all {letters} letters"
        if agree == letters
        else f"The memoryless network says the commonest letter after {agree} of {letters} letters"
    )
    near = (
        f"comes to the floor, {alone:.2f} bits per letter of fresh text where counts allow "
        f"{floor:.2f}"
        if alone - floor < 0.05
        else f"has not come to the floor yet, {alone:.2f} bits per letter of fresh text where "
        f"counts allow {floor:.2f}"
    )
    below = (
        f"With memory it goes below what one letter can tell, to {memory:.2f} bits"
        if memory < floor
        else f"With memory it stays, at {memory:.2f} bits, above what one letter could tell: it "
        "has learned no use of its memory here"
    )
    return f"{always}, whatever stood before, and {near}. {below}."


# -- two-ones ---------------------------------------------------------------------------------

SHORT = 20  # digits, the longest string that is trained on
ASKED_LENGTHS = (SHORT, 50, 100, 10 * SHORT)
BITS = CharVocab("01=yn")
FRESH = 1000  # strings of each length
CELLS = ("rnn", "lstm", "gru")


def string_batch(random: np.random.Generator, rows: int, length: int) -> Batch:
    """Lines such as `0100101=n`, without their answer, which is asked after the `=`."""
    bits, holds = strings(random, rows, length)
    tokens = torch.from_numpy(np.concatenate([bits, np.zeros((rows, 1), np.int64)], axis=1))
    zero, one, equals, no, yes = BITS.encode("01=ny").tolist()
    tokens = torch.where(tokens == 1, one, zero)
    tokens[:, -1] = equals
    targets = torch.full_like(tokens, NOT_ASKED)
    targets[:, -1] = torch.where(torch.from_numpy(holds), yes, no)
    return tokens, targets


def two_ones(
    seed: int, on_progress: OnProgress, *, steps: int = 1500, fresh: int = FRESH
) -> Finding:
    """Does a string of 0s and 1s hold two 1s in a row? Trained on strings of 2 to 20, asked on
    strings up to ten times as long."""
    right: dict[str, list[tuple[float, float]]] = {}
    for place, cell in enumerate(CELLS):
        model = make_network(cell, len(BITS), seed=seed, hidden_size=32)
        on_share = part_of(on_progress, cell, place / len(CELLS), (place + 1) / len(CELLS))
        _learn_strings(model, np.random.default_rng(seed), steps, on_share)
        ask = np.random.default_rng([seed, 1])
        right[cell] = [_asked(model, ask, fresh, length) for length in ASKED_LENGTHS]
    ask = np.random.default_rng([seed, 1])
    counting = [by_number_of_ones(ask, fresh, length) for length in ASKED_LENGTHS]
    columns = (
        "network",
        *(f"right at {length} digits, share" for length in ASKED_LENGTHS),
        f"right at {ASKED_LENGTHS[-1]}, no two 1s",
        f"right at {ASKED_LENGTHS[-1]}, two 1s",
    )
    accuracy = {cell: tuple(sum(pair) / 2 for pair in right[cell]) for cell in CELLS}
    rows: list[tuple[Cell, ...]] = [(cell, *accuracy[cell], *right[cell][-1]) for cell in CELLS]
    rows.append(("the number of 1s", *counting, None, None))
    rows.append(("chance", *[0.5] * (len(ASKED_LENGTHS) + 2)))
    chart = Chart(
        f"Two 1s in a row: trained on up to {SHORT} digits",
        "length, digits",
        "answered rightly, share",
        [
            *(Line(cell, ASKED_LENGTHS, accuracy[cell]) for cell in CELLS),
            Line("the number of 1s", ASKED_LENGTHS, counting),
            Line("chance", ASKED_LENGTHS, [0.5] * len(ASKED_LENGTHS)),
        ],
    )
    says = say_two_ones(accuracy, counting)
    return Finding("two-ones", columns, tuple(rows), (chart,), says)


def _learn_strings(
    model: LanguageModel, random: np.random.Generator, steps: int, on_share: OnShare
) -> None:
    def batch(step: int) -> Batch:
        return string_batch(random, ROWS, int(random.integers(2, SHORT + 1)))

    train_toy(model, batch, steps, learning_rate=LEARNING_RATE, on_share=on_share)


@torch.inference_mode()
def _asked(
    model: LanguageModel, random: np.random.Generator, count: int, length: int
) -> tuple[float, float]:
    """The shares that are answered rightly of strings without and with two 1s in a row."""
    tokens, targets = string_batch(random, count, length)
    x, _ = model.read(tokens, model.initial_state(count))
    says = model.read_out(x[:, -1:])[:, 0].argmax(-1)
    no, yes = ((says == targets[:, -1])[targets[:, -1] == BITS.encode(a)] for a in "ny")
    return float(no.float().mean()), float(yes.float().mean())


def by_number_of_ones(random: np.random.Generator, count: int, length: int) -> float:
    """How often the number of 1s alone would tell: the share that is right of fresh strings, the
    border between the two answers chosen on others of the same length."""
    sides = []
    for _ in range(2):
        bits, holds = strings(random, count, length)
        sides.append((bits.sum(axis=1), holds))
    (ones, holds), (fresh_ones, fresh_holds) = sides
    borders = range(length + 1)
    border = max(borders, key=lambda border: int(((ones > border) == holds).sum()))
    return float(((fresh_ones > border) == fresh_holds).mean())


def say_two_ones(accuracy: Mapping[str, Sequence[float]], counting: Sequence[float]) -> str:
    """Two sentences on the share that is right at each of the lengths."""
    short = ", ".join(f"{cell} {accuracy[cell][0]:.1%}" for cell in accuracy)
    long = ", ".join(f"{cell} {accuracy[cell][-1]:.1%}" for cell in accuracy)
    learned = [cell for cell in accuracy if accuracy[cell][0] >= 0.95]
    kept = [cell for cell in learned if accuracy[cell][-1] >= 0.95]
    if not learned:
        first = f"None learned the rule on strings of {SHORT} digits ({short}"
    elif len(learned) == len(accuracy):
        first = f"All learned the rule on strings of {SHORT} digits ({short}"
    else:
        first = f"Only {' and '.join(learned)} learned the rule on strings of {SHORT} ({short}"
    first += f"; the number of 1s alone would give {counting[0]:.1%})"
    if not kept:
        second = "On strings ten times as long none kept to it"
    elif kept == list(accuracy):
        second = "On strings ten times as long, which none had seen, all still keep to it"
    else:
        second = f"On strings ten times as long {' and '.join(kept)} alone still kept to it"
    return f"{first}. {second}: {long}, where the number of 1s would give {counting[-1]:.1%}."


# -- namaskar ---------------------------------------------------------------------------------

SPELLED = ("NAMASKAR", "GRANNY")
# Beginnings that end as those of the two words do, and what would come if they were those words.
ALIKE = {"KA": "R", "ALASKA": "R", "RAN": "N", "TYRANN": "Y"}


def namaskar(seed: int, on_progress: OnProgress, *, steps: int = 700) -> Finding:
    """The eighth letter after seven: NAMASKA goes on with R, GRANN with Y."""
    rng = np.random.default_rng(seed)
    text = word_text(rng, 8000)
    alphabet = CharVocab(text)
    tokens = alphabet.encode(text)
    model = make_network("lstm", len(alphabet), seed=seed, hidden_size=64)
    teach(model, tokens, seed, steps, part_of(on_progress, "with memory", 0, 0.7))
    alone = make_network("lstm", len(alphabet), seed=seed, hidden_size=64)
    teach_memoryless(alone, tokens, seed, steps // 2, part_of(on_progress, "memoryless", 0.7, 1))
    to_come = {word[:at]: word[at] for word in SPELLED for at in range(1, len(word))}
    rows, chances, best = [], {}, {}
    for beginning, expected in (to_come | ALIKE).items():
        memory = next_chances(model, alphabet, f" {beginning}")
        without = next_chances(alone, alphabet, beginning, memory=False)
        counts = next_letters(beginning)
        best[beginning] = counts[expected] / counts.total()
        chances[beginning] = (memory[expected], without[expected])
        says = (shown(most_likely(memory)[0]), shown(most_likely(without)[0]))
        rows.append((beginning, expected, best[beginning], *chances[beginning], *says))
    columns = (
        "beginning",
        "letter asked about",
        "its share of the words",
        "its chance with memory",
        "its chance, memoryless",
        "with memory says",
        "memoryless says",
    )
    charts = tuple(
        Chart(
            f"{word}: what comes next, from letter to letter",
            "letters read",
            "probability of the right letter",
            [
                Line("with memory", range(1, len(word)), [chances[b][0] for b in begins]),
                Line("memoryless", range(1, len(word)), [chances[b][1] for b in begins]),
                Line("share of the words", range(1, len(word)), [best[b] for b in begins]),
            ],
        )
        for word in SPELLED
        for begins in [[word[:length] for length in range(1, len(word))]]
    )
    last = {word: chances[word[:-1]] for word in SPELLED}
    off = statistics.fmean(abs(chances[b][0] - best[b]) for b in chances)
    return Finding("namaskar", columns, tuple(rows), charts, say_namaskar(last, off))


def say_namaskar(last: Mapping[str, tuple[float, float]], off: float) -> str:
    """Two sentences on the probability of the last letter of each word, with and without memory,
    and on how far the network is from the shares of the words, on average."""
    ends = " and ".join(f"{w[:-1]} with {w[-1]} at {last[w][0]:.1%}" for w in last)
    alone = " and ".join(f"{last[w][1]:.1%}" for w in last)
    if all(with_memory > 0.5 for with_memory, _ in last.values()):
        first = f"With memory the network goes on after {ends}"
    else:
        first = f"Even with memory the network is not sure of a last letter: after {ends}"
    first += f", while one that sees the last letter alone gives them {alone}"
    if off < 0.05:
        second = "From letter to letter it says how many words are still possible"
    else:
        second = "From letter to letter it is not yet as sure as the words would let it be"
    return f"{first}. {second}: its probabilities are {off:.3f} off their shares on average."


# -- strawberry -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What was said after a prompt, and the probability of the colour that is right."""

    pair: Pair
    said: str
    chance: float

    @property
    def colour(self) -> str:
        """What is right."""
        return COLOUR_OF[self.pair[0]]

    @property
    def right(self) -> bool:
        return self.said == self.colour


def strawberry(
    seed: int, on_progress: OnProgress, *, steps: int = 900, hidden_size: int = 128
) -> Finding:
    """The colour of a thing asked in a wording that stood nowhere beside it."""
    rng = np.random.default_rng(seed)
    pairs, asked = split_pairs(rng)
    text = colour_text(rng, pairs, 20)
    alphabet = CharVocab(text)
    tokens = alphabet.encode("\n" + text)
    starts = torch.nonzero(tokens == alphabet.encode("\n"))[:, 0]
    model = make_network(
        "lstm", len(alphabet), seed=seed, hidden_size=hidden_size, embedding_size=32, dropout=0.3
    )
    practice = teach(
        model,
        tokens,
        seed,
        steps,
        part_of(on_progress, "with memory", 0, 0.95),
        length=80,
        starts=starts,
    )
    answers = [answer(model, alphabet, pair) for pair in asked]
    known = [answer(model, alphabet, pairs[i]) for i in rng.permutation(len(pairs))[: len(asked)]]
    usual = Counter(COLOUR_OF[thing] for thing, _ in pairs).most_common(1)[0][0]
    guess = statistics.fmean(COLOUR_OF[thing] == usual for thing, _ in asked)
    groups = {
        wording.format("..."): [one for one in answers if one.pair[1] == place]
        for place, wording in enumerate(WORDINGS)
    }
    berry = next(one for one in answers if one.pair == ASKED)
    groups |= {"all left out": answers, "as many trained on": known, prompt_of(ASKED): [berry]}
    rows = tuple(
        (
            name,
            len(ones),
            statistics.fmean(one.right for one in ones),
            statistics.fmean(one.chance for one in ones),
            guess if len(ones) > 1 else None,
            statistics.fmean(copied(text, prompt_of(one.pair)) == one.colour for one in ones),
        )
        for name, ones in groups.items()
        if ones
    )
    trained = statistics.fmean(one.right for one in known)
    columns = (
        "asked",
        "prompts",
        "right, share",
        "probability of the right colour, mean",
        "always the commonest colour: right, share",
        "copying after the longest match: right, share",
    )
    copying = statistics.fmean(copied(text, prompt_of(one.pair)) == one.colour for one in answers)
    chart = Chart(
        "Learning what has which colour",
        "step",
        "loss on what is trained on, bits per letter",
        [Line("lstm", range(1, steps + 1), smooth([n / math.log(2) for n in practice.losses]))],
    )
    says = say_strawberry(
        berry, sum(a.right for a in answers), len(answers), trained, guess, copying
    )
    return Finding("strawberry", columns, rows, (chart,), says)


@torch.inference_mode()
def answer(model: LanguageModel, alphabet: CharVocab, pair: Pair) -> Answer:
    """What the network says after a prompt at the beginning of a line, letter by letter the
    likeliest, up to a full stop; and the probability of the right colour with its full stop."""
    tokens = alphabet.encode(f"\n{prompt_of(pair)} ")
    logits, state = model(tokens[None], model.initial_state(1))
    right = alphabet.encode(f"{COLOUR_OF[pair[0]]}.")
    after, _ = model(right[None, :-1], state)
    every = torch.cat([logits[:, -1:], after], dim=1)[0].log_softmax(-1)
    chance = float(every.gather(-1, right[:, None]).sum().exp())
    said = ""
    while len(said) < 12 and not said.endswith("."):
        token = logits[:, -1:].argmax(-1)
        said += alphabet.decode(token[0])
        logits, state = model(token, state)
    return Answer(pair, said.removesuffix("."), chance)


def say_strawberry(
    berry: Answer, hits: int, asked: int, trained: float, guess: float, copying: float
) -> str:
    """Two sentences on the one prompt, on all that were left out, and on the baselines."""
    prompt = f'"{prompt_of(ASKED)}" stands nowhere in the text'
    if berry.right:
        first = f'{prompt}, and the network goes on with " {berry.said}" ({berry.chance:.1%})'
    else:
        first = (
            f'{prompt}, and the network goes on with " {berry.said}", which is wrong: it gives '
            f'" {COLOUR_OF[ASKED[0]]}" {berry.chance:.1%}'
        )
    share = hits / asked
    numbers = (
        f"{hits} of {asked} prompts that were left out are answered rightly ({share:.0%}), "
        f"{trained:.0%} of those trained on; the commonest colour alone would get {guess:.0%}, "
        f"copying what stands after the longest match in the text {copying:.0%}"
    )
    guess = max(guess, copying)
    error = math.sqrt(max(guess * (1 - guess), share * (1 - share), 1e-9) / asked)
    if share >= 0.8:
        second = f"It has learned things apart from wordings: {numbers}"
    elif share > guess + 3 * error:
        second = f"It has learned things apart from wordings in part: {numbers}"
    else:
        second = f"It has not learned things apart from wordings: {numbers}"
    return f"{first}. {second}."
