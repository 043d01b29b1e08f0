"""Makes two small training texts in which each line is a question and its answer.

    sentiment.txt       The film was not dull at all. => positive
    translations.txt    because the dog sees the red house > weil der Hund das rote Haus sieht

and what is asked of a model of each: `sentiment.examples.jsonl`, `translations.prompts.jsonl`. What
is asked for is left out by pairs: a word never stands in that wording in the training text, an
adjective never beside that noun, so that a line learnt by heart is no answer. The same seed gives
the same bytes at each run.
"""

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

SEED = 7
HERE = Path(__file__).resolve().parent
HELD_OUT = 200  # of each task

# -- sentiment: many tokens in, one label out --------------------------------------------------

LABELS = ("positive", "negative")
SENTIMENT_LINES = 1700
# {x} is a thing. {p} goes with the label and {q} against it: each wording serves both labels, and
# what the line says of itself cannot be told from the words without their order.
WORDINGS = {
    "plain": (
        "The {x} was {p}.", "A {p} {x}, {verdict}.", "What a {p} {x}!", "I found the {x} {p}.",
        "It is a really {p} {x}.", "The {x} was {p} from beginning to end.",
        "I {v} every minute of the {x}.",
    ),
    "negated": (
        "The {x} was not {q} at all.", "There was nothing {q} about the {x}.",
        "No one could call the {x} {q}.", "The {x} was anything but {q}.",
        "I would not call it a {q} {x}.", "The {x} was never {q}.",
        "I did not {w} a minute of the {x}.",
    ),
    "two clauses": (
        "The {x} was {q} at first, but {p} in the end.",
        "Everyone called the {x} {q}; to me it was {p}.",
        "Some parts were {q}, yet the {x} as a whole was {p}.",
        "A {p} {x}, even if the first minutes were {q}.", "The {x} was {p} and not {q}.",
        "I had expected a {q} {x} and got a {p} one.", "Not {q}, but {p}, this {x}.",
        "I thought that I would {w} the {x}, but I {v} it.",
    ),
}  # fmt: skip
SHARES = {"plain": 0.4, "negated": 0.25, "two clauses": 0.35}
OPINIONS = {
    "positive": (
        "wonderful", "lovely", "great", "delightful", "splendid", "excellent", "charming",
        "perfect", "superb", "pleasant", "brilliant", "good",
    ),
    "negative": (
        "awful", "terrible", "dreadful", "dull", "horrible", "poor", "disappointing", "bad",
        "miserable", "unpleasant", "boring", "weak",
    ),
}  # fmt: skip
VERBS = {
    "positive": (("enjoy", "enjoyed"), ("love", "loved"), ("like", "liked"), ("adore", "adored")),
    "negative": (
        ("hate", "hated"), ("regret", "regretted"), ("dislike", "disliked"),
        ("detest", "detested"),
    ),
}  # fmt: skip
VERDICTS = {
    "positive": (
        "I would {again} it again", "I was sorry when it ended", "I could {again} it every week",
    ),
    "negative": (
        "I would not {again} it again", "I was glad when it ended", "I want my money back",
    ),
}  # fmt: skip
THINGS = {
    "film": "see", "play": "see", "show": "see", "circus": "see", "concert": "hear",
    "opera": "hear", "song": "hear", "lecture": "hear", "book": "read", "story": "read",
    "novel": "read", "musical": "see", "festival": "visit", "picnic": "have", "party": "have",
    "cruise": "book", "trip": "make", "tour": "make", "game": "play", "course": "take",
}  # fmt: skip
NEUTRAL = (
    "We went on a Monday.", "My sister came along.", "It rained outside.", "It took two hours.",
    "We sat near the window.", "It was my second time.", "There were many people.",
    "My brother chose it.", "It was late in May.", "We paid at the door.",
)  # fmt: skip
LEFT_OUT_WORDS = 2  # of the opinions, from each wording; one of the verbs


class Line(NamedTuple):
    """A text with its label, and whether it is to be left out of the training text."""

    text: str
    label: str
    held_out: bool


def sentiment_line(rng: random.Random, label: str) -> Line:
    """A text in which one word decides: the one that goes with the label, or that is negated."""
    other = LABELS[1 - LABELS.index(label)]
    kind = rng.choices(list(SHARES), list(SHARES.values()))[0]
    wording = rng.choice(WORDINGS[kind])
    number = [*WORDINGS["plain"], *WORDINGS["negated"], *WORDINGS["two clauses"]].index(wording)
    own, against = rng.choice(VERBS[label]), rng.choice(VERBS[other])
    p, q = rng.choice(OPINIONS[label]), rng.choice(OPINIONS[other])
    if "{v}" in wording:
        held_out = VERBS[label].index(own) == number % len(VERBS[label])
    elif "{w}" in wording:
        held_out = VERBS[other].index(against) == number % len(VERBS[other])
    else:
        words, word = (OPINIONS[label], p) if "{p}" in wording else (OPINIONS[other], q)
        held_out = (words.index(word) - LEFT_OUT_WORDS * number) % len(words) < LEFT_OUT_WORDS
    thing = rng.choice(list(THINGS))
    verdict = rng.choice(VERDICTS[label]).format(again=THINGS[thing])
    text = wording.format(x=thing, p=p, q=q, v=own[1], w=against[0], verdict=verdict)
    text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
    match rng.randrange(5):
        case 0:
            text = f"{rng.choice(NEUTRAL)} {text}"
        case 1:
            text = f"{text} {rng.choice(NEUTRAL)}"
    return Line(text, label, held_out)


def sentiment(rng: random.Random) -> tuple[list[str], list[dict[str, str]]]:
    """The lines of the training text, and what is asked, both with as many of each label."""
    lines: list[str] = []
    asked: list[dict[str, str]] = []
    for label in LABELS:
        drawn = distinct(lambda label=label: sentiment_line(rng, label))  # type: ignore[misc]
        told: list[str] = []
        held: list[dict[str, str]] = []
        while len(told) < SENTIMENT_LINES // 2 or len(held) < HELD_OUT // 2:
            line = next(drawn)
            if line.held_out:
                held.append({"text": line.text, "label": label})
            else:
                told.append(f"{line.text} => {label}")
        lines += told[: SENTIMENT_LINES // 2]
        asked += held[: HELD_OUT // 2]
    rng.shuffle(lines)
    rng.shuffle(asked)
    return lines, asked


def distinct(draw: Callable[[], Line]) -> Iterator[Line]:
    """What is drawn, each of it once."""
    before: set[Line] = set()
    while True:
        line = draw()
        if line not in before:
            before.add(line)
            yield line


# -- translations: many tokens in, many out ----------------------------------------------------

TRANSLATION_LINES = 2750


@dataclass(frozen=True)
class Noun:
    """An English noun and its plural, a German one with its gender and its plural."""

    singular: str
    plural: str
    gender: str  # m, f or n
    german: str
    german_plural: str
    kind: str

    def in_german(self, number: str, case: str) -> str:
        if number == "one":
            return self.german
        # In the dative, all plurals end in -n that can.
        return self.german_plural + "n" * (case == "dative" and self.german_plural[-1] not in "ns")


class Adjective(NamedTuple):
    """An English adjective, the German one as a predicate, and what its endings are joined to."""

    english: str
    predicate: str
    stem: str


class Verb(NamedTuple):
    """English: see, sees, seen. German: (ich) sehe, (sie) sieht, sehen, gesehen."""

    base: str
    third: str
    participle: str
    german_first: str
    german_third: str
    infinitive: str
    german_participle: str


class Phrase(NamedTuple):
    """A noun phrase or a pronoun, in English and German."""

    english: str
    german: str
    person: str  # first, third or plural, as the verb needs it
    is_new: bool  # an adjective stands beside a noun where the training text never has it


NOUNS = """
person: man men m Mann Männer, teacher teachers m Lehrer Lehrer, woman women f Frau Frauen,
    sister sisters f Schwester Schwestern, child children n Kind Kinder,
    girl girls n Mädchen Mädchen
animal: dog dogs m Hund Hunde, bird birds m Vogel Vögel, cat cats f Katze Katzen,
    mouse mice f Maus Mäuse, horse horses n Pferd Pferde, pig pigs n Schwein Schweine
thing: table tables m Tisch Tische, coat coats m Mantel Mäntel, key keys m Schlüssel Schlüssel,
    letter letters m Brief Briefe, lamp lamps f Lampe Lampen, flower flowers f Blume Blumen,
    bag bags f Tasche Taschen, clock clocks f Uhr Uhren, house houses n Haus Häuser,
    book books n Buch Bücher, picture pictures n Bild Bilder, bed beds n Bett Betten
"""
ADJECTIVES = """
person: young jung, small klein, old alt, tired müde, happy glücklich, strange seltsam
animal: black schwarz, white weiß, big groß, small klein, old alt, young jung, tired müde
thing: red rot, green grün, yellow gelb, white weiß, black schwarz, new neu, old alt, big groß,
    small klein, beautiful schön
"""
# Who can be meant by the subject: anyone, or people alone.
VERBS_OF_ALL = (
    Verb("see", "sees", "seen", "sehe", "sieht", "sehen", "gesehen"),
    Verb("find", "finds", "found", "finde", "findet", "finden", "gefunden"),
    Verb("carry", "carries", "carried", "trage", "trägt", "tragen", "getragen"),
)
VERBS_OF_PEOPLE = (
    Verb("buy", "buys", "bought", "kaufe", "kauft", "kaufen", "gekauft"),
    Verb("paint", "paints", "painted", "male", "malt", "malen", "gemalt"),
)
PRONOUNS = (
    Phrase("I", "ich", "first", False), Phrase("he", "er", "third", False),
    Phrase("she", "sie", "third", False), Phrase("we", "wir", "plural", False),
    Phrase("they", "sie", "plural", False),
)  # fmt: skip
HAS = {"first": ("have", "habe"), "third": ("has", "hat"), "plural": ("have", "haben")}
ADVERBS = (("today", "heute"), ("now", "jetzt"))
PREPOSITIONS = (
    ("with", "mit", "dative"), ("behind", "hinter", "dative"), ("for", "für", "accusative"),
    ("without", "ohne", "accusative"),
)  # fmt: skip
# Endings in the nominative, accusative and dative, by gender and of the plural: of "der" and
# "dieser", of "ein" and "mein", and of an adjective after each of them and after no article.
CASES = ("nominative", "accusative", "dative")
THE = {"m": "der den dem", "f": "die die der", "n": "das das dem", "many": "die die den"}
THIS = {"m": "er en em", "f": "e e er", "n": "es es em", "many": "e e en"}
ONE = {"m": "- en em", "f": "e e er", "n": "- - em", "many": "e e en"}
WEAK = {"m": "e en en", "f": "e e en", "n": "e e en", "many": "en en en"}
MIXED = {"m": "er en en", "f": "e e en", "n": "es es en", "many": "en en en"}
BARE = {"many": "e e en"}
ARTICLES = ("the", "the", "a", "a", "my", "this", "two")
LEFT_OUT_ADJECTIVES = 1  # for each noun


def read_nouns() -> list[Noun]:
    return [Noun(*row.split(), kind) for kind, rows in sections(NOUNS) for row in rows]  # type: ignore[call-arg]


def read_adjectives() -> dict[str, list[Adjective]]:
    return {
        kind: [Adjective(*row.split(), row.split()[1].removesuffix("e")) for row in rows]  # type: ignore[call-arg]
        for kind, rows in sections(ADJECTIVES)
    }


def sections(table: str) -> Iterator[tuple[str, list[str]]]:
    for kind, rows in re.findall(r"(\w+):([^:]+)(?=\n\w+:|\n$)", table):
        yield kind, [" ".join(row.split()) for row in rows.split(",")]


def ending(table: dict[str, str], form: str, case: str) -> str:
    return table[form].split()[CASES.index(case)].strip("-")


class Translator:
    """Writes sentences in both languages at once, drawing each choice from one seeded source."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.nouns = read_nouns()
        self.adjectives = read_adjectives()
        self.left_out = {
            (noun, adjective)
            for noun in self.nouns
            for adjective in rng.sample(self.adjectives[noun.kind], LEFT_OUT_ADJECTIVES)
        }

    # -- phrases ------------------------------------------------------------------------------

    def phrase(self, case: str, kinds: str = "person animal thing", article: str = "") -> Phrase:
        """An article, an adjective for most, and a noun of these kinds."""
        noun = self.rng.choice([noun for noun in self.nouns if noun.kind in kinds.split()])
        article = article or self.rng.choice(ARTICLES)
        many = article == "two" or (article != "a" and self.rng.random() < 0.35)
        number, form = ("many", "many") if many else ("one", noun.gender)
        match article:
            case "the":
                german, endings = ending(THE, form, case), WEAK
            case "this":
                german, endings = "dies" + ending(THIS, form, case), WEAK
            case "two":
                german, endings = "zwei", BARE
            case _:
                german = {"a": "ein", "my": "mein"}[article] + ending(ONE, form, case)
                endings = MIXED
        english = "these" if article == "this" and many else article
        words, german_words, is_new = [english], [german], False
        if self.rng.random() < 0.7:
            adjective = self.rng.choice(self.adjectives[noun.kind])
            words.append(adjective.english)
            german_words.append(adjective.stem + ending(endings, form, case))
            is_new = (noun, adjective) in self.left_out
        words.append(noun.plural if many else noun.singular)
        german_words.append(noun.in_german(number, case))
        if article == "a" and words[1][0] in "aeiou":
            words[0] = "an"
        person = "plural" if many else "third"
        return Phrase(" ".join(words), " ".join(german_words), person, is_new)

    def subject(self) -> tuple[Phrase, tuple[Verb, ...]]:
        """Who does something, and what they can do."""
        of_people = VERBS_OF_ALL + VERBS_OF_PEOPLE
        match self.rng.randrange(6):
            case 0 | 1 | 2:
                return self.rng.choice(PRONOUNS), of_people
            case 3:
                return self.phrase("nominative", "animal"), VERBS_OF_ALL
        return self.phrase("nominative", "person"), of_people

    # -- lines --------------------------------------------------------------------------------

    def line(self) -> Line:
        """A line in which the German is the label."""
        match self.rng.randrange(7):
            case 0 | 1 | 2:
                phrase = self.phrase("nominative")
                return Line(phrase.english, phrase.german, phrase.is_new)
            case 3:
                preposition, german, case = self.rng.choice(PREPOSITIONS)
                phrase = self.phrase(case)
                english = f"{preposition} {phrase.english}"
                return Line(english, f"{german} {phrase.german}", phrase.is_new)
        return self.clause()

    def clause(self) -> Line:
        """Somebody does something: the German verb moves, and takes its participle to the end."""
        subject, verbs = self.subject()
        verb = self.rng.choice(verbs)
        frame = self.rng.randrange(6)
        it = self.phrase("accusative", "animal thing", "the" if frame == 5 else "")
        who, wer, what, was = subject.english, subject.german, it.english, it.german
        first, third = subject.person == "first", subject.person == "third"
        does, do = (verb.third, "does") if third else (verb.base, "do")
        tut = verb.german_third if third else verb.german_first if first else verb.infinitive
        has, hat = HAS[subject.person]
        done, getan = verb.participle, verb.german_participle
        adverb, adverb_in_german = self.rng.choice(ADVERBS)
        english, german = (
            (f"{who} {does} {what}", f"{wer} {tut} {was}"),
            (f"{who} {has} {done} {what}", f"{wer} {hat} {was} {getan}"),
            (f"{adverb} {who} {does} {what}", f"{adverb_in_german} {tut} {wer} {was}"),
            (f"because {who} {does} {what}", f"weil {wer} {was} {tut}"),
            (f"{do} {who} {verb.base} {what}?", f"{tut} {wer} {was}?"),
            (f"{who} {do} not {verb.base} {what}", f"{wer} {tut} {was} nicht"),
        )[frame]
        return Line(english, german, subject.is_new or it.is_new)

    def both(self) -> tuple[list[str], list[dict[str, str]]]:
        """The lines of the training text, and what is asked."""
        told: list[str] = []
        held: list[dict[str, str]] = []
        lines = distinct(self.line)
        while len(told) < TRANSLATION_LINES or len(held) < HELD_OUT:
            line = next(lines)
            if line.held_out:
                held.append({"prompt": f"{line.text} >", "answer": f" {line.label}"})
            else:
                told.append(f"{line.text} > {line.label}")
        return told[:TRANSLATION_LINES], held[:HELD_OUT]


def main() -> None:
    for name, kind, (lines, asked) in (
        ("sentiment", "examples", sentiment(random.Random(SEED))),
        ("translations", "prompts", Translator(random.Random(SEED)).both()),
    ):
        text = "".join(f"{line}\n" for line in lines)
        for row in asked:
            question = next(iter(row.values()))
            assert question.lower() not in text.lower(), f"{question!r} stands in the text"
        rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in asked)
        (HERE / f"{name}.txt").write_text(text, encoding="utf-8", newline="\n")
        (HERE / f"{name}.{kind}.jsonl").write_text(rows, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
