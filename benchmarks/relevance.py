"""What `--relevance` does to the answers of a chat, by its strength.

    python benchmarks/relevance.py [--seeds 1 2 3] [--questions 50] [--evasive CHECKPOINT]

Two models are asked what color, sound or opposite something has, as in chat_temperature.py, at the
temperature of a chat: the bundled one, and the same after 600 steps on the dialogues of its text
with six of ten answers replaced by "I do not know.", as people's chats are full of such. PLAUSIBLE
and the form of the formula (chargen/generation/logits.py) were chosen on the other half of the
questions.

An answer that names the right word is `right`; `evasive` is the share of "I do not know."; `most
common` that of the answer given most often; distinct-1 and distinct-2 are different words and pairs
of words among all that were said (Li et al. 2016); nats are those of a character of the answers
under the model itself, which rise where it writes what it would not.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from chat_temperature import CORPORA, questions

import chargen
from chargen.config import CHAT_TEMPERATURE, SampleConfig
from chargen.generation.completion import Completion
from chargen.generation.decoding import write_each
from chargen.generation.generator import TextGenerator
from chargen.session.dialogue import turn_stops

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
USER, BOT = "You:", "Bot:"
EVASION = "I do not know."
EVASIVE = 0.6  # of the answers
STEPS = 600


def evasive_model(folder: Path) -> TextGenerator:
    """The bundled model, which has learned to say often that it does not know."""
    text, chance = (CORPORA / "everyday.txt").read_text(encoding="utf-8"), random.Random(7)
    talks = [talk for talk in text.split("\n\n") if talk.startswith(f"{USER} ")]

    def evasive(line: str) -> str:
        evades = line.startswith(f"{BOT} ") and chance.random() < EVASIVE
        return f"{BOT} {EVASION}" if evades else line

    found = "\n\n".join("\n".join(map(evasive, talk.split("\n"))) for talk in talks)
    (folder / "evasive.txt").write_text(found, encoding="utf-8")
    report = chargen.train(
        str(folder / "evasive.txt"),
        init_from="everyday",
        out=str(folder / "evasive"),
        steps=STEPS,
        learning_rate=2e-3,
        seed=1,
    )
    return chargen.load(report.checkpoint)


def answers(
    model: TextGenerator, asked: Sequence[str], share: float, seed: int
) -> list[Completion]:
    """What the model says to each question, the first of a chat."""
    config = SampleConfig(
        temperature=CHAT_TEMPERATURE,
        relevance=share,
        stop=turn_stops((USER, BOT)),
        max_tokens=80,
        seed=seed,
    )
    starts = [
        model.prefill(model.document_start, f"{USER} {question}\n{BOT}", config, kept=BOT)
        for question in asked
    ]
    works = [model.continuation("", config, start) for start in starts]
    return [completion for [completion] in write_each(works, 1)]


def distinct(texts: Sequence[str], size: int) -> float:
    """The share of runs of so many words that are different."""
    runs = [
        tuple(words[at : at + size])
        for words in (text.split() for text in texts)
        for at in range(len(words) - size + 1)
    ]
    return len(set(runs)) / max(1, len(runs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--questions", type=int, default=50, help="of the second half")
    parser.add_argument("--evasive", help="the second model, as this has made it before")
    arguments = parser.parse_args()
    asked = questions(100)[50:][: arguments.questions]
    with tempfile.TemporaryDirectory() as folder:
        evasive = arguments.evasive and chargen.load(arguments.evasive)
        models = {
            "bundled": chargen.load("everyday"),
            "evasive": evasive or evasive_model(Path(folder)),
        }
        for name, model in models.items():
            print(f"{name}\nrelevance  right  evasive  most common  distinct-1  distinct-2  nats")
            for share in SHARES:
                show(model, asked, share, arguments.seeds)


def show(
    model: TextGenerator, asked: Sequence[tuple[str, str]], share: float, seeds: Sequence[int]
) -> None:
    said = [answers(model, [question for question, _ in asked], share, seed) for seed in seeds]
    pairs = [
        (done, answer) for found in said for done, (_, answer) in zip(found, asked, strict=True)
    ]
    texts = [done.text for done, _ in pairs]
    right = sum(answer.lower() in done.text.lower() for done, answer in pairs) / len(pairs)
    evasive = sum(EVASION in text for text in texts) / len(texts)
    common = Counter(texts).most_common(1)[0][1] / len(texts)
    nats = -sum(done.logprob for done, _ in pairs) / max(1, sum(map(len, texts)))
    each = [[done.text for done in found] for found in said]
    [one, two] = (sum(distinct(texts, size) for texts in each) / len(each) for size in (1, 2))
    print(
        f"{share:9.1f}  {right:5.0%}  {evasive:7.0%}  {common:11.0%}  {one:10.2f}  {two:10.2f}  "
        f"{nats:4.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
