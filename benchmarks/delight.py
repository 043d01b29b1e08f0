"""What the model that comes with chargen says, judged by the grammar that its text comes from.

    python benchmarks/delight.py CHECKPOINT [--texts 2000] [--talks 500] [--seed 1] [--show 0]

Writes texts without a prompt and holds talks, all at the checkpoint's own defaults, and lets
`corpora/author/critic.py` and `talk_judge.py` judge them, which know all wordings and tables. In a
talk You says a name, asks, goes on asking, tells something and asks for both again. Beside each
share stands what issue 27 aims at. `copied` is the share of windows of eight words that stand in
everyday.txt or in one of the texts of other seeds that `make everyday` trains on, beside that of a
text with a seed that it does not train on. --show prints so many of the sentences that cannot be
read, of those that are not so, and of the wrong answers.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import chargen
from chargen.config import CHAT_TEMPERATURE
from chargen.evaluation.prompts import Prompt, ask, read_prompts

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "corpora"))

from author.critic import Critic, Sentences
from author.kept import Kept
from author.lexicon import Word, finish
from author.pieces import Pieces
from author.talk_grammar import slots_in
from author.talk_judge import Judge
from author.talk_pieces import Unfit
from author.talks import QUESTIONS, Talk, Talks

CORPORA = Path(__file__).resolve().parent.parent / "corpora"
TRAINED_ON = range(11, 27)  # the seeds of the Makefile, beside that of everyday.txt
OTHER_SEED = 8
WINDOW = 8  # words
MOST_CHARACTERS = 1500  # of a text
MOST_SAID = 200  # characters of an answer
TOLD = {  # what You may tell beside a name, and what then is asked
    "age": "age", "town": "town", "pet": "petname", "like": "liked", "hue": "hue",
    "birthday": "birthday", "friend": "friend", "lunch": "lunch", "mine": "tint",
}  # fmt: skip


@dataclass
class Share:
    """So many of so many."""

    some: int = 0
    all: int = 0

    def count(self, holds: bool) -> None:
        self.some += holds
        self.all += 1

    def __add__(self, other: Share) -> Share:
        return Share(self.some + other.some, self.all + other.all)

    def __str__(self) -> str:
        return f"{self.some / self.all if self.all else 0:7.1%}  {self.some:6} of {self.all}"


def show(name: str, share: Share, aim: str = "") -> None:
    print(f"{name:<34}{share!s:<28}{aim}", flush=True)


# -- texts ------------------------------------------------------------------------------------


def words_in(text: str) -> list[str]:
    return re.findall(r"[\w'-]+", text.lower())


def windows(texts: Iterable[str]) -> Iterator[tuple[str, ...]]:
    for text in texts:
        words = words_in(text)
        yield from zip(*(words[start:] for start in range(WINDOW)), strict=False)


def documents(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").strip("\n").split("\n\n")


def written_with(seed: int) -> list[str]:
    """What the author writes with this seed."""
    with tempfile.TemporaryDirectory() as folder:
        script = str(CORPORA / "make_everyday.py")
        command = [sys.executable, script, "--seed", str(seed), "--folder", folder]
        subprocess.run(command, check=True)
        return documents(Path(folder) / "everyday.txt")


def copied(texts: Iterable[str], known: set[tuple[str, ...]]) -> Share:
    share = Share()
    for window in windows(texts):
        share.count(window in known)
    return share


def repeats(text: str) -> bool:
    """Whether a line, or a sentence of a line, comes twice; of those of four words and more."""
    lines = re.sub(r"(?m)^You: .*$", "", text).split("\n")
    for said in (lines, *(re.findall(r"[^.?!]+[.?!]", line) for line in lines)):
        long = [part.strip() for part in said if len(words_in(part)) >= 4]
        if len(set(long)) < len(long):
            return True
    return False


def judge_texts(critic: Critic, texts: Sequence[tuple[str, bool]], shown: int) -> None:
    """Each text comes with whether it came to its end."""
    exist, begins, stories, twice, ended = Share(), Share(), Share(), Share(), Share()
    found, forms = Sentences(), Share()
    keeps_form = Kept(Pieces(random.Random(), critic.lexicon))
    strange: Counter[str] = Counter()
    for text, is_ended in texts:
        unknown = critic.unknown(text)
        strange.update(unknown)
        exist.all += len(critic.words(text))
        exist.some += len(critic.words(text)) - len(unknown)
        begins.count(critic.begins(text))
        found += critic.sentences(text)
        kept = critic.keeps_story(text)
        if kept is not None:
            stories.count(kept and is_ended)
        if (kept := keeps_form(text)) is not None:
            forms.count(kept and is_ended)
        twice.count(repeats(text))
        ended.count(is_ended)
    show("words that exist", exist, "99.5 %")
    show("sentences that can be read", Share(found.read, found.all), "95 %")
    show("statements that are true", Share(found.true, found.facts), "90 %")
    show("stories that keep who and where", stories, "60 %")
    show("letters, riddles, diaries that do", forms)
    show("texts that begin as texts do", begins)
    show("texts that come to their end", ended)
    show("texts that say a sentence twice", twice)
    for text in [text for text, _ in texts][:shown]:
        for line in text.split("\n"):
            here = critic.sentences(line)
            if here.read < here.all:
                print(f"    not read: {line}")
            if here.true < here.facts:
                print(f"    not so: {line}")
    if shown:
        print(f"    no words: {', '.join(word for word, _ in strange.most_common(shown))}")


# -- talks ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Turn:
    kind: str  # of what it asks for
    you: str


class Asker:
    """Draws what You says in a talk."""

    def __init__(self, rng: random.Random, talks: Talks) -> None:
        self.rng, self.talks, self.grammar = rng, talks, talks.grammar

    def turns(self) -> list[Turn]:
        known = {name: self.rng.choice(self.grammar.lists[name]) for name in ("name", "time")}
        told = self.rng.choice(list(TOLD))
        hello = [Turn("hello", self.talk("hello", known))] * (self.rng.random() < 0.4)
        begun = [*hello, Turn("name", self.talk("tell name", known)), *self.question_and_more()]
        for slot in sorted(slots_in(*self.grammar.talks[f"tell {told}"][0].you)):
            known[slot] = self.rng.choice(self.grammar.lists[slot])
        return [
            *begun,
            Turn("tell", self.talk(f"tell {told}", known)),
            Turn("question", self.question()[0]),
            Turn("name again", self.talk("recall name", known)),
            Turn("memory", self.talk(f"recall {told}", known)),
        ]

    def talk(self, section: str, known: Mapping[str, Word]) -> str:
        """What You says that is no question about the tables."""
        wordings = [you for exchange in self.grammar.talks[section] for you in exchange.you]
        wordings = [you for you in wordings if slots_in(you) <= set(known)]
        return finish(self.rng.choice(wordings).format_map(known))

    def question(self) -> tuple[str, str, str, Word]:
        """A question, its wording, and of what kind and about what it is."""
        while True:
            kind = self.talks.weighted(QUESTIONS)
            word = self.talks.subject(kind)
            for wording, said in self.ask(kind, word):
                return said, wording, kind, word

    def question_and_more(self) -> list[Turn]:
        """A question, and the same about another thing, or something else about the same."""
        while True:
            said, wording, kind, word = self.question()
            if slots_in(wording) == {"x"} and re.search("{x:?[a-z]*}", wording):
                for then in self.follow_up(kind, word, "{x:s}" in wording):
                    return [Turn("question", said), Turn("follow-up", then)]

    def follow_up(self, kind: str, word: Word, many: bool) -> Iterator[str]:
        other = f"{kind} {'they' if many else 'and'}"
        same = [f"{name} {'them' if many else 'it'}" for name in self.grammar.knows(word)]
        same = [section for section in same if section in self.grammar.questions]
        same = [section for section in same if section.split()[0] != kind]
        words = [w for w in self.talks.common[kind] if w.table == word.table and w != word]
        if words and other in self.grammar.questions and (self.rng.random() < 0.6 or not same):
            yield from (said for _, said in self.ask(other, self.rng.choice(words)))
        elif same:
            yield from (said for _, said in self.ask(self.rng.choice(same), word))

    def ask(self, section: str, word: Word) -> Iterator[tuple[str, str]]:
        """The wordings that ask about the word, and what they say of it."""
        for exchange in self.talks.shuffled(self.grammar.questions[section]):
            you = self.rng.choice(exchange.you)
            with suppress(Unfit):
                beside = Talk(self.talks).beside(you + exchange.bot[0], word, exchange.kind)
                yield you, finish(you.format_map(beside))


def hold_talks(
    model: chargen.TextGenerator, talks: Sequence[Sequence[Turn]], seed: int
) -> list[list[str]]:
    """What Bot says in each talk. All talks go on side by side."""
    own = model.metadata.sampling.options if model.metadata else {}
    temperature = own.get("temperature", CHAT_TEMPERATURE)
    said: list[list[str]] = [[] for _ in talks]
    for place in range(max(map(len, talks))):
        going = [index for index, turns in enumerate(talks) if place < len(turns)]
        prompts = []
        for index in going:
            pairs = zip(talks[index], said[index], strict=False)
            lines = [f"You: {turn.you}\nBot: {answer}\n" for turn, answer in pairs]
            prompts.append("".join(lines) + f"You: {talks[index][place].you}\nBot:")
        answers = model.generate(
            prompts, max_tokens=MOST_SAID, temperature=temperature, stop=("\n",), seed=seed + place
        )
        for index, answer in zip(going, answers, strict=True):
            said[index].append(answer.text.strip())
    return said


def judge_talks(
    judge: Judge, talks: Sequence[Sequence[Turn]], said: Sequence[Sequence[str]], shown: int
) -> None:
    shares = {name: Share() for name in ("question", "name", "name again", "follow-up", "memory")}
    named = Share()
    for turns, answers in zip(talks, said, strict=True):
        pairs = [(turn.you, answer) for turn, answer in zip(turns, answers, strict=True)]
        verdicts = judge.check(pairs)
        for verdict in verdicts:
            if verdict.kind == "name kept":
                named.count(verdict.right)
        right = {verdict.turn for verdict in verdicts if verdict.right}
        right -= {verdict.turn for verdict in verdicts if not verdict.right}
        for place, (turn, answer) in enumerate(zip(turns, answers, strict=True)):
            if turn.kind in shares:
                shares[turn.kind].count(place in right)
                if place not in right and shown > 0:
                    shown -= 1
                    print(f"    {turn.kind}: {turn.you} > {answer}")
    show("questions answered rightly", shares["question"], "85 %")
    show("names kept", shares["name"] + shares["name again"], "95 %")
    show("  at once", shares["name"])
    show("  three turns later", shares["name again"])
    show("  whenever Bot says one", named)
    show("follow-ups answered rightly", shares["follow-up"], "80 %")
    show("what was told, known later", shares["memory"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--talks", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=0, help="so many of what is wrong")
    arguments = parser.parse_args()
    model, critic = chargen.load(arguments.checkpoint), Critic()

    written = model.generate(
        num_samples=arguments.texts,
        max_tokens=MOST_CHARACTERS,
        stop=("\n\n",),
        seed=arguments.seed,
    )
    texts = [(done.text.strip("\n"), done.finish_reason != "length") for done in written]
    judge_texts(critic, [(text, ended) for text, ended in texts if text], arguments.show)
    known = set(windows(documents(CORPORA / "everyday.txt")))
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # of processes that write
        for text in pool.map(written_with, TRAINED_ON):
            known.update(windows(text))
    others = copied(written_with(OTHER_SEED), known)
    ours = copied([text for text, _ in texts], known)
    show("copied windows of eight words", ours, f"below held-out text's own {others}")

    rng = random.Random(arguments.seed)
    author = Talks(rng, critic.lexicon)
    asker = Asker(rng, author)
    talks = [asker.turns() for _ in range(arguments.talks)]
    said = hold_talks(model, talks, arguments.seed)
    judge_talks(Judge(author), talks, said, arguments.show)

    share = Share()
    for answer in ask(model, read_prompts(CORPORA / "everyday.prompts.jsonl")):
        share.count(answer.correct)
    show("left-out prompts", share, "90 %")
    for prompt in (Prompt("GRANN", "Y"), Prompt("NAMASKA", "R")):
        print(f"{prompt.prompt:<34}{next(ask(model, [prompt])).text}")


if __name__ == "__main__":
    main()
