"""Whether a small form keeps what it began with: a letter its names, a diary its day, a riddle its
answer, and people what they like. Knows the forms of `pieces`, and of no other text.
"""

import re
from collections.abc import Iterator

from author.pieces import Pieces

NAME = r"[A-Z][a-z]+"
PERSON = rf"(?:(?:Mr\.|Mrs\.|Miss|Aunt|Uncle) )?{NAME}"


class Kept:
    """Judges texts by what `pieces` can write."""

    def __init__(self, pieces: Pieces) -> None:
        self.pieces = pieces
        self.days = pieces.lists["day"]
        self.day = re.compile(rf"\b(?:{'|'.join(self.days)})\b", re.IGNORECASE)
        self.persons = {str(person) for name in ("name", "grown") for person in pieces.lists[name]}

    def __call__(self, text: str) -> bool | None:
        """Whether a text keeps what it began with; None if it is of no form that has to."""
        verdicts = [verdict for judge in (self.letter, self.likes, self.riddle, self.day_of)
                    if (verdict := judge(text)) is not None]  # fmt: skip
        return all(verdicts) if verdicts else None

    def letter(self, text: str) -> bool | None:
        """Whom a letter is for it calls by name, if any, and somebody else signs it."""
        dear = re.match(rf"(?:INVITATION\n)?Dear ({PERSON}),", text)
        if not dear or "\n" not in text.strip():
            return None
        *body, signed = text.strip().split("\n")
        signer = re.search(rf"{PERSON}$", signed)
        if signer is None or signer[0] not in self.persons - {dear[1]}:
            return False
        return {*re.findall(rf", ({PERSON})[.!?]", " ".join(body))} <= {dear[1]}

    def likes(self, text: str) -> bool | None:
        """Every answer agrees with what the first line tells of who likes what."""
        first, *lines = text.strip().split("\n")
        told = re.findall(rf"({NAME}) likes ([\w ]+?)(?: best|, too)?\.", first)
        if not told or not lines or any("like" not in line for line in lines if "And" not in line):
            return None
        liked = {name: thing.lower() for name, thing in told}
        return all(agrees for line in lines for agrees in self._answers(line, liked))

    def _answers(self, line: str, liked: dict[str, str]) -> Iterator[bool]:
        known = re.match(
            rf"(?:What does|And|Does) ({NAME})(?: like)?(?: (?P<asked>[\w ]+))?\? (?P<said>.+)\.",
            line,
        )
        if known and known[1] in liked:
            is_liked, said = liked[known[1]], known["said"].lower()
            if said.startswith("yes,"):
                yield known["asked"].lower() == is_liked
            elif said.startswith("no,"):
                yield known["asked"].lower() != is_liked and said.endswith(f" {is_liked}")
            else:
                yield said in (is_liked, f"{known[1]} likes {is_liked}".lower())
        elif known := re.match(rf"Who (else )?likes ([\w ]+)\? ({NAME}) does\.", line):
            names = [name for name, thing in liked.items() if thing == known[2].lower()]
            yield known[3] in (names[1:] if known[1] else names)
        else:
            yield False

    def riddle(self, text: str) -> bool | None:
        """The answer is what all its clues speak of."""
        asked, _, answer = text.rpartition(" am I?")
        of_clue: dict[str, set[str]] = {}
        for name, clues in self.pieces.riddles.items():
            for clue in clues:
                if clue in asked:
                    of_clue.setdefault(clue, set()).add(name)
        if not of_clue:
            return None
        said = " ".join(re.findall(r"\w+", answer.lower()))
        answers = set.intersection(*of_clue.values())
        return any(re.search(rf"\b{name.lower()}\b", said) for name in answers)

    def day_of(self, text: str) -> bool | None:
        """The days that are named are that of the text, or one after it where it says so."""
        first = "\n".join(text.split("\n")[:2])
        headed = re.match(
            rf"(?i:(?:THE WEATHER(?: FOR| ON|\nOn) )?({self.day.pattern})(?=[.\n ])"
            rf"|(?:Dear diary,\nToday is|My diary,) ({self.day.pattern}))",
            first,
        )
        if not headed:
            return None
        day = next(day for day in self.days if day.lower() == (headed[1] or headed[2]).lower())
        weather = text.startswith("THE WEATHER")
        rest = text[headed.end() :]
        for found in self.day.finditer(rest):
            before = rest[: found.start()]
            tomorrow = weather or re.search(r"(?:Tomorrow is|Tomorrow, on|On) $", before)
            if found[0] not in ((day, day.next) if weather else (day.next if tomorrow else day,)):
                return False
        return True
