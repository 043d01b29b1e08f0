"""Judges a text by the grammar that the author writes from: what of it the grammar could have
written, and whether what it says is so. Writes nothing, and knows of no model.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from author.facts import Facts
from author.lexicon import Lexicon, Word, plans
from author.pieces import FORMS, Pieces
from author.reader import (
    END,
    Domain,
    Reader,
    Reading,
    Template,
    is_written_well,
    length,
    plain,
    without_an,
)
from author.stories import Stories
from author.talk_grammar import Exchange, Grammar, attributes

# In talks.grammar: what stands in an answer and is more than words, and sections of such lines.
PARTS = (
    "riddle", "story", "mystory", "rhyme", "joke", "no", "known", "fact", "factof", "full", "reply",
    "quiz", "again", "counted", "countdown", "letters",
)  # fmt: skip
LINES = (
    "stories", "my stories", "rhyming", "jokes", "no", "known", "before fact", "before request",
)  # fmt: skip
SHORT = {
    "what'?s": "what is", "i'?m": "i am", "it's": "it is", "who'?s": "who is", "don'?t": "do not",
    "can'?t": "cannot", "where'?s": "where is", "that'?s": "that is", "didn'?t": "did not",
    "isn'?t": "is not",
}  # fmt: skip
GOES_ON = re.compile(r"\s[a-z]")
OPENING = ("fact", "riddle", "title", "heading")  # kinds of wordings that a text can begin with
YOU, BOT = "You: ", "Bot: "
WORDS = re.compile(r"\b[A-Za-z]+(?:['-][A-Za-z]+)*(?<=\w\w)")  # of two letters and more


@dataclass(frozen=True)
class Sentences:
    """How many sentences a text has, how many of them can be read, how many of these tell facts,
    and of how many the facts are so."""

    all: int = 0
    read: int = 0
    facts: int = 0
    true: int = 0

    def __add__(self, other: "Sentences") -> "Sentences":
        return Sentences(
            self.all + other.all,
            self.read + other.read,
            self.facts + other.facts,
            self.true + other.true,
        )


class Critic:
    """Has read all of the grammar."""

    def __init__(self) -> None:
        rng, self.lexicon = random.Random(0), Lexicon()
        self.facts = Facts(rng, self.lexicon)
        self.stories, self.pieces = Stories(rng, self.lexicon), Pieces(rng, self.lexicon)
        self.talks = Grammar(self.lexicon)
        self.lists = {name: Domain(words) for name, words in self.talks.lists.items()}
        self.plans = [*plans("stories.grammar"), *plans("pieces.grammar")]

    # -- wordings ---------------------------------------------------------------------------

    @cached_property
    def prose(self) -> Reader:
        """Reads what is no talk."""
        return Reader(
            [
                *self.facts.templates(),
                *self._of_stories(),
                *self.pieces.templates(),
                *self._of_plans(),
            ]
        )

    @cached_property
    def bot(self) -> Reader:
        """Reads what Bot says."""
        return Reader([*self._questions("bot"), *self._talks("bot"), *self._parts()])

    @cached_property
    def you(self) -> Reader:
        """Reads what You types: without marks, and no matter how careless."""
        templates = [*self._questions("you"), *self._talks("you"), *self._parts()]
        return Reader([replace(known, wording=typed(known.wording)) for known in templates])

    def _of_stories(self) -> Iterator[Template]:
        for known in self.stories.templates():
            is_title = known.section == "title"
            yield replace(known, kind="title", judged=False) if is_title else known

    def _of_plans(self) -> Iterator[Template]:
        listed = {name: Domain(words) for name, words in self.lexicon.lists.items()}
        for number, (titles, *lines) in enumerate(self.plans):
            for title in titles:
                yield Template("title", f"plan {number}", title, listed, listed, judged=False)
            for wording in (wording.removeprefix("| ") for line in lines for wording in line):
                yield Template("plan", f"plan {number}", wording, listed, listed)

    def _questions(self, side: str) -> Iterator[Template]:
        for exchanges in self.talks.questions.values():
            for exchange in exchanges:
                wordings = getattr(exchange, side)
                again = [re.sub("^(Yes|No), ", "", wording) for wording in wordings]
                for wording in dict.fromkeys([*wordings, *again]):
                    yield self._about(exchange, wording, judged=side == "bot")

    def _about(self, exchange: Exchange, wording: str, judged: bool = True) -> Template:
        kind = exchange.kind
        strict, loose = (self.lists | dict.fromkeys("xopyz", some) for some in self._words[kind])

        def fits(found: Mapping[str, Word]) -> bool:
            return "x" not in found or all(
                self.talks.goes_beside(letter, other, found["x"], kind)
                for letter, other in found.items()
                if letter in "opyz"
            )

        return Template("question", exchange.section, wording, strict, loose, fits, judged)

    @cached_property
    def _words(self) -> dict[str, tuple[Domain, Domain]]:
        """Of each kind of question the words that it can be about, and those beside all nouns."""
        return {
            kind: (Domain(words), Domain([*words, *self._nouns.words]))
            for kind, words in self.talks.having.items()
        }

    @cached_property
    def _nouns(self) -> Domain:
        tables = ("animals", "foods", "things", "nature", "jobs")
        return Domain([word for word in self.talks.words if word.table in tables])

    def _talks(self, side: str) -> Iterator[Template]:
        about = [Word(f"{word:s}" if word.counted else word) for word in self._nouns.words]
        named = self.lists | {"about": Domain(about), "x": self._nouns, "answer": self._nouns}
        named |= {"guess": self._nouns, "first": self.lists["letter"]}
        named |= dict.fromkeys(("r1", "r2"), self.lists["rhyming"])
        for section, exchanges in self.talks.talks.items():
            wordings = [w for exchange in exchanges for w in getattr(exchange, side)]
            for wording in dict.fromkeys(wordings):
                for part in self._without_parts(wording):
                    yield Template("talk", section, part, named, named, judged=False)

    def _without_parts(self, wording: str) -> Iterator[str]:
        """The sentences of a wording that stand beside a longer part; a rhyme goes on in one."""
        parts = re.split("|".join(f"{{{name}}}" for name in PARTS), wording)
        for part in filter(None, map(str.strip, parts)):
            if part[-1] in '.?!"' or len(parts) == 1:
                yield part
            elif part[-1] == ":":
                yield from (f"{part} {line}" for line in self.talks.lines["rhyming"])

    def _parts(self) -> Iterator[Template]:
        lines = self.talks.lines
        for section in LINES:
            for wording in dict.fromkeys(lines[section]):
                domains = self.lists | dict.fromkeys(("r1", "r2"), self.lists["rhyming"])
                yield Template("talk", section, wording, domains, domains, judged=False)
        quizzes = [part for line in lines["quizzes"] for part in re.split(" > | / ", line)]
        facts = [*lines["facts"], *lines["facts about"], *quizzes]
        for section, wording in [*product(["fact"], facts), *product(["clue I"], lines["clues"])]:
            told = attributes(wording)
            having = [w for w in self.talks.words if all(hasattr(w, name) for name in told)]
            words, nouns = Domain(having), Domain([*having, *self._nouns.words])
            yield Template("question", section, wording, {"x": words}, {"x": nouns})
        yield Template("talk", "clues", "What am I?", {}, {})
        numbers = [str(word) for word in self.talks.having["number"]]
        counted = [", ".join(numbers[:count]) for count in range(1, len(numbers) + 1)]
        down = [", ".join(reversed(numbers[:count])) for count in range(1, len(numbers) + 1)]
        spelled = [", ".join(word) for word in self.talks.lists["spelled"]]
        rows = {"row": Domain([Word(text) for text in [*counted, *down, *spelled]])}
        for wording in ("{row}.", "{row}!", "Of course: {row}.", "Yes: {row}."):
            yield Template("talk", "row", wording, rows, rows, judged=False)

    # -- words ------------------------------------------------------------------------------

    @cached_property
    def vocabulary(self) -> set[str]:
        """The words that the grammar knows, as they are written in the midst of a sentence."""
        found: set[str] = set()
        for reader in (self.prose, self.you, self.bot):
            for template in reader.templates:
                text = re.sub(r"{[^}]*}", " 0 ", template.wording)
                found.update(re.findall(WORDS, text))
                found.update(re.findall(WORDS, text.lower()))
                for slot in template.slots:
                    domain = template.loose.get(slot.name)
                    domain = domain or template.loose[slot.name.rstrip("0123456789")]
                    found |= self._spelled(domain, slot.path, slot.spec)
        return found

    @cached_property
    def _seen(self) -> dict[tuple[int, str, str], set[str]]:
        return {}

    def _spelled(self, domain: Domain, path: str, spec: str) -> set[str]:
        key = id(domain.words), path, spec
        if key not in self._seen:
            self._seen[key] = {
                word for text in domain.texts(path, spec) for word in WORDS.findall(text)
            }
        return self._seen[key]

    def words(self, text: str) -> list[str]:
        """The words of a text, those that You typed in small letters and at full length."""
        lines = text.split("\n")
        return WORDS.findall(
            "\n".join(typed(line) if line.startswith(YOU) else line for line in lines)
        )

    def unknown(self, text: str) -> list[str]:
        """The words of a text that do not exist. A capital may be due to where a word stands, and
        a small letter to who types."""
        found = []
        for line in text.split("\n"):
            is_you = line.startswith(YOU)
            for word in WORDS.findall(typed(line) if is_you else line):
                small = is_you or re.sub("'S$", "", word).isupper()
                forms = (word, re.sub("'[sS]$", "", word))
                if not any(self.exists(form, small) for form in forms):
                    found.append(word)
        return found

    def exists(self, word: str, small: bool) -> bool:
        words = self.vocabulary
        if word in words or word[0].lower() + word[1:] in words:
            return True
        return small and word.lower() in self._small

    @cached_property
    def _small(self) -> set[str]:
        return {word.lower() for word in self.vocabulary}

    # -- sentences --------------------------------------------------------------------------

    def read(self, line: str) -> tuple[Reading, ...]:
        """How a line can be read: as what You or Bot says, or else as prose."""
        if line.startswith(YOU):
            said = line.removeprefix(YOU)
            return self.you.read(typed(said)) or self.you.read(typed(said, its="it is"))
        if line.startswith(BOT):
            return self.bot.read(line.removeprefix(BOT))
        return self.prose.read(line)

    def sentences(self, text: str) -> Sentences:
        """What can be read of a text, and what of that is so."""
        found, topic = Sentences(), None
        for line in filter(None, text.split("\n")):
            of_talk = line.startswith((YOU, BOT))
            here, topic = self._line(line, topic if of_talk else None)
            found += here
        return found

    def _line(self, line: str, topic: set[str] | None) -> tuple[Sentences, set[str] | None]:
        """What can be read of a line, if what was last named is the topic; and what is now."""
        is_you = line.startswith(YOU)
        said = line.removeprefix(YOU).removeprefix(BOT)
        readings = self.read(line)
        if is_you:
            is_read = bool(readings) and length(readings) >= len(plain(typed(said)))
            for reading in readings:
                if reading.template.kind == "talk":
                    topic = None
                elif not topic or not re.search(" (it|them)$", reading.template.section):
                    topic = _about(reading) or topic
            return Sentences(1, int(is_read)), topic
        ends = _ends(without_an(said))
        wrong = {end for end, text in zip(ends, _split(said), strict=True) if not _is_well(text)}
        read = facts = true = 0
        for reading in readings:
            if topic and reading.vague:
                reading = reading.vague
            template, about, holds = reading.template, _about(reading), reading.holds
            here = [end for end in ends if reading.start < end <= reading.end]
            if not wrong.isdisjoint(here):
                continue
            read += len(here)
            if template.section.endswith(" I") and reading.start == 0:
                topic = None  # a riddle begins
            if template.tells and not template.names and topic is not None:
                about &= topic
                holds = bool(about)
            if template.tells:
                facts += len(here)
                true += len(here) * holds
            topic = (about | (topic or set()) if line.startswith(BOT) else about or topic) or None
        return Sentences(len(ends), read, facts, true), topic

    # -- whole texts ------------------------------------------------------------------------

    def begins(self, text: str) -> bool:
        """Whether its first line is one that a text of the grammar can begin with."""
        first = text.split("\n")[0]
        if not self._is_read(first):
            return False
        return first.startswith(YOU) or _origin(self.read(first)) in self._openings

    @cached_property
    def _openings(self) -> set[tuple[str, str]]:
        """Of what kind and section first lines are."""
        templates = self.prose.templates
        can = {(some.kind, some.section) for some in templates if some.kind in OPENING}
        for name in FORMS:
            for text in self.pieces.some(name, 60):
                can.add(_origin(self.prose.read(text.split("\n")[0])))
        return can

    def _is_read(self, line: str) -> bool:
        found, _ = self._line(line, None)
        return found.read == found.all

    def keeps_story(self, text: str) -> bool | None:
        """Whether a story keeps its hero, its place and its pronouns, and most of it can be read;
        None if it is no story."""
        title, _, told = text.partition("\n")
        is_piece = _origin(self.read(told.split("\n")[0]))[0] == "piece"
        sections = set() if told.isupper() or is_piece else self._titles(plain(title))
        if not told or not sections:
            return None
        return any(self._keeps(section, text) for section in sections)

    def _titles(self, title: str) -> set[str]:
        candidates = self.prose.candidates(title)
        found = self.prose.at(title, 0, [some for some in candidates if some.kind == "title"])
        return {reading.template.section for reading in found if reading.end == len(title)}

    def _keeps(self, section: str, text: str) -> bool:
        if not section.startswith("plan"):
            found = self.sentences(text)
            return found.read >= 0.8 * found.all and bool(self.stories.check_story(text))
        known: dict[str, set[str]] = {}
        read = total = 0
        for line in text.split("\n")[1:]:
            total += len(line)
            for reading in self.prose.read(line):
                if reading.template.section != section:
                    continue
                read += reading.end - reading.start + 1
                for name in {slot.name for slot in reading.template.slots}:
                    words = {str(found[name]) for found in reading.words}
                    known[name] = known.get(name, words) & words
        return read >= 0.8 * total and all(known.values())


def _origin(readings: Sequence[Reading]) -> tuple[str, str]:
    return (readings[0].template.kind, readings[0].template.section) if readings else ("", "")


def _about(reading: Reading) -> set[str]:
    return {str(words["x"]) for words in reading.words if "x" in words}


def typed(text: str, its: str = "its") -> str:
    """What somebody typed, in small letters, without marks, and with no word drawn together. The
    slots of a wording stay as they are."""
    parts = re.split(r"({[^}]*})", text)
    parts[::2] = [_typed(part, its) for part in parts[::2]]
    return "".join(parts).strip()


def _typed(text: str, its: str) -> str:
    text = re.sub(r"[,.?!:\"]", "", text.lower().replace("colour", "color"))
    for short, long in SHORT.items():
        text = re.sub(rf"\b{short}\b", long, text)
    return re.sub(r"\bits\b", its, text.replace("'", ""))


def _ends(text: str) -> list[int]:
    """Where the sentences of a line end."""
    ends = [found.end() for found in END.finditer(text) if not GOES_ON.match(text, found.end())]
    return ends if ends and ends[-1] == len(text) else [*ends, len(text)]


def _split(text: str) -> Iterator[str]:
    start = 0
    for end in _ends(text):
        yield text[start:end].strip()
        start = end


def _is_well(sentence: str) -> bool:
    """Whether a and an stand where they should, and it begins with a capital."""
    small = sentence[-1:] in ".?!" and re.match(r'"?[a-z]', sentence)
    return is_written_well(sentence) and not small and not re.search(r"[.?!] [a-z]", sentence)
