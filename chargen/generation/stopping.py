"""Where a text ends: at its length, a stop text, or the end of a word, sentence, line or paragraph.

Pure: a text so far and what is new of it in, the end out. Knows no tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from chargen.config import SampleConfig
from chargen.words import (
    JOINERS,
    SENTENCE_ENDS,
    SPACED_ENDS,
    begins_word,
    closes,
    in_word,
    matching_any_line_end,
    with_lf,
)

FinishReason = Literal["length", "stop", "end"]


class UnitProgress(NamedTuple):
    """How far a text has come with what `until` asks for.

    `pending` counts the characters, the last ones, that are no part of it should it end now.
    """

    stage: str = "start"
    pending: int = 0

    @property
    def has_begun(self) -> bool:
        """Whether anything of the unit is there, besides what leads up to it."""
        return self.stage not in ("start", "before")


def advance_unit(unit: str, progress: UnitProgress, character: str) -> UnitProgress | None:
    """The progress after one more character, or None where the unit ended before it."""
    stage, pending = progress
    if not progress.has_begun:  # whatever leads up to a word, blank lines among it
        if unit == "word":
            # The first of all may go on with a letter that the prompt ends with.
            begins = begins_word(character) or (stage == "start" and in_word(character))
        else:
            begins = not character.isspace()
        return UnitProgress("inside" if begins else "before")
    if unit == "word":
        if in_word(character) if stage == "inside" else begins_word(character):
            return UnitProgress("inside")
        joins = stage == "inside" and character in JOINERS
        return UnitProgress("joined", 1) if joins else None
    if unit == "line":
        return None if character in "\n\r" else progress
    if stage in ("returned", "broken"):  # after a CR, which an LF may follow, or any line end
        if character in "\n\r" and not (character == "\n" and stage == "returned"):
            return None
        blank = character.isspace()
        return UnitProgress("broken", pending + 1) if blank else UnitProgress("inside")
    if stage in ("marked", "closed"):
        if character in SENTENCE_ENDS:
            return UnitProgress("closed")
        if character in SPACED_ENDS or closes(character, spaced=stage == "marked"):
            return progress
        ends = character.isspace() or stage == "closed"
        return None if ends else UnitProgress("inside")  # as in 3.14
    if character in "\n\r":
        return UnitProgress("broken" if character == "\n" else "returned", 1)
    if unit == "sentence" and character in SPACED_ENDS:
        return UnitProgress("marked")
    if unit == "sentence" and character in SENTENCE_ENDS:
        return UnitProgress("closed")
    return UnitProgress("inside")


BETWEEN = UnitProgress("before")  # after a unit that has ended


def unit_end(unit: str, progress: UnitProgress, text: str) -> int | None:
    """How many characters of `text`, the next ones, belong to the unit that ends in it; below 0
    where it ended with some before. None where it does not end."""
    for at, character in enumerate(text):
        after = advance_unit(unit, progress, character)
        if after is None:
            return at - progress.pending
        progress = after
    return None


def find_end(
    config: SampleConfig, held: str, new_from: int, given: int, progress: UnitProgress
) -> tuple[int | None, FinishReason | None, UnitProgress]:
    """Where the `held` text ends, if it does, for what, and the progress of its unit after it.

    So many characters were `given` before it, and it is new from `new_from` on.
    """
    cuts: list[tuple[int, FinishReason]] = []
    least = max(0, (config.min_chars or 0) - given)
    cuts += [(at, "stop") for stop in config.stop if (at := find_stop(held, stop, least)) >= 0]
    if config.until is not None:
        end, progress = _find_unit_end(config.until, held, new_from, least, progress)
        if end is not None:
            cuts.append((end, "stop"))
    if config.max_chars is not None and given + len(held) >= config.max_chars:
        cuts.append((config.max_chars - given, "length"))
    if not cuts:
        return None, None, progress
    return *min(cuts, key=lambda cut: cut[0]), progress


def _find_unit_end(
    unit: str, held: str, new_from: int, least: int, progress: UnitProgress
) -> tuple[int | None, UnitProgress]:
    """Where the word, line, ... ends that is asked for, not before `least` characters."""
    for at in range(new_from, len(held)):
        character = held[at]
        after = advance_unit(unit, progress, character)
        if after is None and at - progress.pending >= least:
            return at - progress.pending, progress
        progress = after or advance_unit(unit, BETWEEN, character) or BETWEEN
    return None, progress


def find_stop(text: str, stop: str, start: int = 0) -> int:
    """Where a stop text stands first, from a place on; -1 where it does not. A line end in it is
    any of the text's: LF, CRLF or CR."""
    if "\n" not in stop and "\r" not in stop:
        return text.find(stop, start)
    found = matching_any_line_end(stop).search(text, start)
    return found.start() if found else -1


def stop_starts(stops: Sequence[str]) -> frozenset[str]:
    """The characters that stop texts can begin with."""
    starts = {stop[0] for stop in stops}
    return frozenset(starts | {"\n", "\r"} if starts & {"\n", "\r"} else starts)


def safe_length(held: str, stops: Sequence[str], pending: int) -> int:
    """How much of the held text is before anything that may turn out to be no part of it: the
    beginning of a stop text, and the last `pending` characters."""
    for start in range(len(held) if stops else 0):
        left = with_lf(held[start:])
        if any(with_lf(stop).startswith(left) for stop in stops):
            return min(start, len(held) - pending)
    return len(held) - pending
