"""What is the color of a thing, asked in words never seen beside it?

Shapes: B rows, T tokens, V vocabulary.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from chargen.insight.charts import Chart, Line
from chargen.lab.finding import Finding
from chargen.lab.toy_training import (
    CharVocab,
    make_network,
    train_on_text,
)
from chargen.nn.model import LanguageModel
from chargen.progress import OnProgress, part_of

THINGS = {
    "red": ("strawberry", "cherry", "tomato", "brick", "ruby", "fire truck"),
    "yellow": ("banana", "lemon", "canary", "daffodil", "chick", "sunflower"),
    "green": ("frog", "cucumber", "lime", "meadow", "cactus", "parrot"),
    "blue": ("sapphire", "cornflower", "dolphin", "jay", "whale", "river"),
    "white": ("swan", "snowman", "ghost", "lily", "polar bear", "tooth"),
    "black": ("raven", "panther", "tire", "beetle", "hearse", "crow"),
    "brown": ("chestnut", "sparrow", "potato", "biscuit", "horse", "log"),
    "pink": ("pig", "flamingo", "peony", "shrimp", "tongue", "carnation"),
}
COLOUR_OF = {thing: colour for colour, things in THINGS.items() for thing in things}
# The colour, the last word, is left to whoever writes or asks.
WORDINGS = (
    "The color of a {} is",
    "A {} looks",
    "Every {} I saw was",
    "What color is a {}? It is",
    "She painted the {}",
    "If it is a {}, it must be",
    "My {} has turned",
    "I like a {}, for it is",
)
HELD_OUT = ("strawberry", 0)  # the pair of thing and wording that is always left out

Pair = tuple[str, int]  # a thing and the place of a wording


def split_pairs(random: np.random.Generator, *, left_out: int = 2) -> tuple[list[Pair], list[Pair]]:
    """All pairs of thing and wording: those to train on, and those to ask, `left_out` of each
    thing. "The color of a strawberry is" is always among the latter."""
    train, held_out = [], []
    for thing in COLOUR_OF:
        order = random.permutation(len(WORDINGS)).tolist()
        if thing == HELD_OUT[0]:
            order = [HELD_OUT[1], *(place for place in order if place != HELD_OUT[1])]
        held_out += [(thing, place) for place in order[:left_out]]
        train += [(thing, place) for place in order[left_out:]]
    return train, held_out


def prompt_of(pair: Pair) -> str:
    return WORDINGS[pair[1]].format(pair[0])


def colour_text(random: np.random.Generator, pairs: Sequence[Pair], rounds: int) -> str:
    """Every pair so many times, each round in another order, a line each."""
    lines = []
    for _ in range(rounds):
        for place in random.permutation(len(pairs)).tolist():
            pair = pairs[place]
            lines.append(f"{prompt_of(pair)} {COLOUR_OF[pair[0]]}.\n")
    return "".join(lines)


def copy_baseline(text: str, prompt: str) -> str:
    """What a copier would answer: the word that follows the longest end of the prompt that stands
    in the text, at its first place there."""
    for begin in range(len(prompt)):
        place = text.find(f"{prompt[begin:]} ")
        if place >= 0:
            return text[place + len(prompt) - begin + 1 :].split(".")[0]
    return ""


@dataclass(frozen=True)
class Answer:
    """What was said after a prompt, and the probability of the colour that is right."""

    pair: Pair
    said: str
    probability: float

    @property
    def colour(self) -> str:
        """What is right."""
        return COLOUR_OF[self.pair[0]]

    @property
    def right(self) -> bool:
        return self.said == self.colour


def run(seed: int, on_progress: OnProgress, *, steps: int = 900, hidden_size: int = 128) -> Finding:
    """The colour of a thing asked in a wording that stood nowhere beside it."""
    rng = np.random.default_rng(seed)
    pairs, asked = split_pairs(rng)
    text = colour_text(rng, pairs, 20)
    vocab = CharVocab(text)
    tokens = vocab.encode("\n" + text)
    starts = torch.nonzero(tokens == vocab.encode("\n"))[:, 0]
    model = make_network(
        "lstm", len(vocab), seed=seed, hidden_size=hidden_size, embedding_size=32, dropout=0.3
    )
    curve = train_on_text(
        model,
        tokens,
        seed,
        steps,
        part_of(on_progress, "with memory", 0, 0.95),
        length=80,
        starts=starts,
    )
    answers = [answer(model, vocab, pair) for pair in asked]
    known = [answer(model, vocab, pairs[i]) for i in rng.permutation(len(pairs))[: len(asked)]]
    usual = Counter(COLOUR_OF[thing] for thing, _ in pairs).most_common(1)[0][0]
    guess = statistics.fmean(COLOUR_OF[thing] == usual for thing, _ in asked)
    groups = {
        wording.format("..."): [one for one in answers if one.pair[1] == place]
        for place, wording in enumerate(WORDINGS)
    }
    berry = next(one for one in answers if one.pair == HELD_OUT)
    groups |= {"all left out": answers, "as many trained on": known, prompt_of(HELD_OUT): [berry]}
    rows = tuple(
        (
            name,
            len(ones),
            statistics.fmean(one.right for one in ones),
            statistics.fmean(one.probability for one in ones),
            guess if len(ones) > 1 else None,
            _copied_share(text, ones),
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
    copying = _copied_share(text, answers)
    chart = Chart(
        "Learning what has which colour",
        "step",
        "loss on what is trained on, bits per letter",
        [Line("lstm", range(1, steps + 1), curve.smoothed_bits())],
    )
    says = summarize(berry, sum(a.right for a in answers), len(answers), trained, guess, copying)
    return Finding("strawberry", columns, rows, (chart,), says)


def _copied_share(text: str, answers: Sequence[Answer]) -> float:
    """The share of prompts that the copy baseline answers rightly."""
    return statistics.fmean(copy_baseline(text, prompt_of(a.pair)) == a.colour for a in answers)


@torch.inference_mode()
def answer(model: LanguageModel, vocab: CharVocab, pair: Pair) -> Answer:
    """What the network says after a prompt at the beginning of a line, letter by letter the
    most likely, up to a full stop; and the probability of the right colour with its full stop."""
    tokens = vocab.encode(f"\n{prompt_of(pair)} ")
    logits, state = model(tokens[None], model.initial_state(1))
    right = vocab.encode(f"{COLOUR_OF[pair[0]]}.")
    after, _ = model(right[None, :-1], state)
    every = torch.cat([logits[:, -1:], after], dim=1)[0].log_softmax(-1)
    probability = float(every.gather(-1, right[:, None]).sum().exp())
    said = ""
    while len(said) < 12 and not said.endswith("."):
        token = logits[:, -1:].argmax(-1)
        said += vocab.decode(token[0])
        logits, state = model(token, state)
    return Answer(pair, said.removesuffix("."), probability)


def summarize(
    berry: Answer, hits: int, asked: int, trained: float, guess: float, copying: float
) -> str:
    """Two sentences on the one prompt, on all that were left out, and on the baselines."""
    prompt = f'"{prompt_of(HELD_OUT)}" stands nowhere in the text'
    if berry.right:
        first = f'{prompt}, and the network goes on with " {berry.said}" ({berry.probability:.1%})'
    else:
        first = (
            f'{prompt}, and the network goes on with " {berry.said}", which is wrong: it gives '
            f'" {COLOUR_OF[HELD_OUT[0]]}" {berry.probability:.1%}'
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
