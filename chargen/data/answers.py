"""Which tokens of a text count in the loss, where not all of them do: those of its answers.

A text is scanned by the bytes that its tokens spell, so the same bytes count whatever the
tokenizer; a token counts if it holds any byte of an answer. Pure, chunk by chunk, in bounded
memory. Knows no files.

Letters: N tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chargen.config import CorpusConfig
from chargen.data.shards import Ids
from chargen.tokenizers.base import Tokenizer
from chargen.words import LINE_END

Mask = npt.NDArray[np.uint8]

# What a mask says of a token: it is of an answer, and the last one of it.
IN_ANSWER, ENDS_ANSWER = 1, 2
# As what the end of a document is scanned: a byte that no UTF-8 holds.
_END = b"\xff"
_LINE_END = LINE_END.encode()


@dataclass(frozen=True)
class AnswerRule:
    """Where answers begin and end in the bytes of a text.

    A match of group `opens` begins one after it, where none has begun; of `turn` in any case, after
    it has ended another; of `closes` or `unit` it ends one, which holds the match: what tells a
    reader that the answer is over has to be learned with it. A match of `unit` also ends what
    should hold one answer at least.
    """

    pattern: bytes
    longest: int  # bytes of a match, and what it looks at after it


def answer_rule(
    config: CorpusConfig, *, has_documents: bool = False, speakers: Iterable[str] = ()
) -> AnswerRule | None:
    """What counts in texts that are read so; None where all does.

    In files that hold no documents of their own, a text to learn `loss_after` is looked for in each
    line. Turns of other `speakers`, by name, are no answers either.
    """
    if config.loss_after is not None:
        text = config.loss_after.encode()
        # A space at its end is of the answer: whoever asks may leave it to the model.
        asked = text.rstrip(b" ") or text
        space = b"(?=" + re.escape(text[len(asked) :]) + b")" if asked != text else b""
        in_lines = config.documents == "file" and not has_documents
        ends = _END + b"|" + _LINE_END if in_lines else _END
        pattern = b"(?P<opens>" + re.escape(asked) + space + b")|(?P<unit>" + ends + b")"
        return AnswerRule(pattern, max(len(text), 2))
    if config.loss != "turns":
        return None
    bot = config.bot.encode()
    others = {config.user.encode(), *(f"{name}:".encode() for name in speakers)} - {bot}
    # Of labels that begin alike the longest is meant.
    labels = [re.escape(label) for label in sorted(others, key=lambda label: (-len(label), label))]
    longer = [label for label in others if label.startswith(bot)]
    not_longer = b"".join(b"(?!" + re.escape(label[len(bot) :]) + b")" for label in sorted(longer))
    pattern = (
        b"(?<=[\n\r\xff])(?:(?P<turn>" + re.escape(bot) + not_longer + b")|"
        b"(?P<closes>" + b"|".join(labels) + b"))"
        # A blank line ends a turn (session.dialogue).
        b"|(?P<blank>" + _LINE_END + b"{2})|(?P<unit>" + _END + b")"
    )
    return AnswerRule(pattern, max(4, *map(len, [bot, *others])))


class AnswerScanner:
    """Tokens of a text come in, chunk by chunk, and out comes which of them count.

    Of what it has seen, in the split: `answers` so many, and `without` one so many of the `units`
    (documents, or lines with something in them).
    """

    def __init__(self, rule: AnswerRule, tokenizer: Tokenizer) -> None:
        self.answers = self.units = self.without = 0
        self._pattern = re.compile(rule.pattern)
        self._longest = rule.longest
        self._pieces = list(tokenizer.pieces)
        self._pieces[tokenizer.end] = _END
        self._lengths = np.array([len(piece) for piece in self._pieces])
        self._data = _END  # of the tokens that are not decided, and the byte before them
        self._tokens: Ids = np.empty(0, np.int64)  # those
        self._at = 1  # where in the data matches are looked for
        self._open: int | None = None  # where in the data the answer began that has not ended
        self._has_answer = self._has_text = False  # the unit so far

    def feed(self, tokens: Ids) -> Mask:
        """(n,) of the next tokens that are decided: some of these, some of those before."""
        self._data += b"".join([self._pieces[token] for token in tokens.tolist()])
        self._tokens = np.concatenate([self._tokens, tokens])
        # No match that begins so early can be longer than what is known.
        return self._scan(len(self._data) - self._longest)

    def finish(self) -> Mask:
        """(n,) of the rest: the text is over."""
        mask = self._scan(len(self._data))
        self._end_unit(empty=True)
        return mask

    def _scan(self, stop: int) -> Mask:
        """The mask of all tokens that end before what matches from `stop` on."""
        data, ends = self._data, 1 + np.cumsum(self._lengths[self._tokens])
        spans: list[tuple[int, int, bool]] = []  # start, stop, and whether the answer ends there
        at = self._at
        for match in self._pattern.finditer(data, at):
            if match.start() >= stop:
                break
            self._has_text = self._has_text or match.start() > at
            at = match.end()
            kind = match.lastgroup
            if kind != "opens" and self._open is not None:
                spans.append((self._open, at, True))
                self.answers += 1
                self._open = None
            if kind == "unit":
                self._end_unit(empty=False)
            elif kind in ("opens", "turn"):
                self._has_answer = self._has_text = True
                self._open = at if self._open is None else self._open
        decided = max(at, stop)
        self._has_text = self._has_text or decided > at
        if self._open is not None:
            spans.append((self._open, decided, False))
        count = int(np.searchsorted(ends, decided, side="right"))
        mask = _mask(spans, ends[:count], self._lengths[self._tokens[:count]])
        self._tokens = self._tokens[count:]
        gone = (int(ends[count - 1]) if count else 1) - 1  # the last byte stays: a line may begin
        self._data, self._at = data[gone:], decided - gone
        if self._open is not None:
            self._open = max(1, self._open - gone)
        return mask

    def _end_unit(self, *, empty: bool) -> None:
        """A document or a line ends here; an `empty` one is none, nor is one at the end."""
        if self._has_text or self._has_answer:
            self.units += 1
            self.without += not self._has_answer
        self._has_answer = self._has_text = False


def _mask(
    spans: list[tuple[int, int, bool]], ends: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> Mask:
    """(n,) of the tokens that end there: of which the spans hold a byte, and where one is over."""
    if not spans or not len(ends):
        return np.zeros(len(ends), np.uint8)
    starts, stops, over = (np.array(column) for column in zip(*spans, strict=True))
    first = np.searchsorted(ends, starts, side="right")
    after = np.searchsorted(ends - lengths, stops, side="left")
    full = stops > starts
    change = np.zeros(len(ends) + 1, np.int64)
    np.add.at(change, first[full], 1)
    np.add.at(change, np.maximum(after, first)[full], -1)
    mask = (np.cumsum(change[:-1]) > 0).astype(np.uint8)
    last = after[full & over] - 1
    mask[last[last < len(ends)]] = ENDS_ANSWER
    return mask


def scan(
    chunks: Iterable[Ids], rule: AnswerRule, tokenizer: Tokenizer
) -> Iterator[tuple[Mask, AnswerScanner]]:
    """(n,) masks of a whole text, given in chunks, and the scanner as it is after each."""
    scanner = AnswerScanner(rule, tokenizer)
    for tokens in chunks:
        yield scanner.feed(tokens), scanner
    yield scanner.finish(), scanner
