"""Which tokens may come next where the text must match an expression or keep to some characters.

    expression or characters -> Automaton over bytes -> Guide over the tokens of one model

An automaton reads bytes, so it stops at no boundary of a token, and in the midst of no character
either.

Shapes: S states, V vocabulary, B rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from chargen.config import SampleConfig
from chargen.errors import ConfigError, named
from chargen.generation.automata import UNDECIDABLE, steps_of
from chargen.generation.logits import NEG_INF
from chargen.nn.softmax import AnyFloats, logsumexp
from chargen.nn.weights import Bools
from chargen.options import unescape
from chargen.tokenizers.base import Tokenizer, Tokens
from chargen.tokenizers.unicode import NUM_BYTES

States = npt.NDArray[np.int32]
NOWHERE = -1  # instead of a state
MAX_ENTRIES = 50_000_000  # of the table of a guide, four bytes each
MAX_PLACES = 100_000  # that an expression may have once its counted repeats are written out
CLASS_PLACES = 100  # that stand for a class such as \w: its characters have so many spellings
WIDE = r"^\.$|^\[\^|\\[wWdDsSpP]|[^\x00-\x7f]"


@dataclass(frozen=True)
class Automaton:
    """Reads bytes: from state `s` the byte `b` leads to `table[s, b]`; it begins in state 0."""

    table: States  # (S, 256)
    final: Bools  # (S,): where the text so far matches as a whole

    @classmethod
    def of_characters(cls, characters: set[str]) -> Automaton:
        """Any text of these characters; each state is the bytes of a character so far."""
        spellings = [character.encode() for character in sorted(characters)]
        begun = {spelling[:end] for spelling in spellings for end in range(len(spelling))}
        states = {prefix: state for state, prefix in enumerate(sorted(begun))}  # b"" is first
        table = np.full((len(states), NUM_BYTES), NOWHERE, dtype=np.int32)
        for spelling in spellings:
            for end in range(len(spelling)):
                after = states.get(spelling[: end + 1], 0)
                table[states[spelling[:end]], spelling[end]] = after
        return cls(table, np.arange(len(states)) == 0)

    @classmethod
    @lru_cache(maxsize=8)
    def of_expression(cls, pattern: str) -> Automaton:
        """What an expression matches as a whole. Raises ConfigError on what no automaton decides,
        such as a look around."""
        try:  # Python's own messages tell best what is wrong; it does not know \p alone
            re.compile(re.sub(r"\\[pP](\w|\{[^}]*\})", r"\\w", pattern))
        except (re.error, OverflowError, RecursionError) as error:
            raise ConfigError(
                named("regex") + f" is not a valid regular expression: {error}"
            ) from None
        _check_size(pattern)
        # The text matches as a whole anyway, and an automaton knows no anchors.
        inner = re.sub(r"(?<!\\)((?:\\\\)*)\$\Z", r"\1", pattern.removeprefix("^"))
        try:
            found = steps_of(inner)
        except ImportError:
            raise ConfigError(
                named("regex") + " needs the package outlines-core",
                hint="pip install 'chargen[regex]'",
            ) from None
        if found == UNDECIDABLE:
            raise ConfigError(
                named("regex") + f" uses a construct that no finite automaton can match: {pattern}",
                hint="no lookaround, backreferences, \\b, or ^ and $ inside the expression",
            )
        if isinstance(found, int):
            raise ConfigError(
                named("regex") + f" has too many states: {pattern}", hint="simplify it"
            )
        steps, finals = found
        num_states = 1 + max([0, *finals, *(max(state, after) for state, _, after in steps)])
        table = np.full((num_states, NUM_BYTES), NOWHERE, dtype=np.int32)
        for state, byte, after in steps:
            table[state, byte] = after
        final = np.zeros(num_states, dtype=np.bool_)
        final[finals] = True
        return cls(table, final)


def _check_size(pattern: str) -> None:
    """Counted repeats within each other multiply: what takes minutes and gigabytes is refused."""
    parts = r"(?P<opens>\()|(?P<closes>\))|\{(?P<least>\d*)(?:,(?P<most>\d*))?\}|(?P<few>[?*+|])"
    atoms = r"|(?P<atom>\\.|\[\^?\]?(?:\\.|[^]\\])*\]|.)"
    sums, last = [0], 0  # of each open group, and what a repeat would repeat
    for part in re.finditer(parts + atoms, pattern, re.DOTALL):
        if part["opens"]:
            sums[-1] += last
            sums.append(0)
            last = 0
        elif part["closes"]:
            last += sums.pop() if len(sums) > 1 else 0
        elif part["atom"]:
            sums[-1] += last
            last = CLASS_PLACES if re.search(WIDE, part["atom"], re.DOTALL) else 1
        elif not part["few"]:
            counts = [count for count in (part["least"], part["most"]) if count]
            # A count of so many digits is too large, whatever it is.
            last *= max([1, *(int(count[:9]) for count in counts)])
        if sum(sums) + last > MAX_PLACES:
            raise ConfigError(
                named("regex") + " nests too many repeats", hint="make its counts smaller"
            )


def _characters(spelled: str) -> set[str]:
    """`a-z0-9` as the characters that it stands for; a `-` at either end is itself."""
    text = unescape(spelled)
    characters: set[str] = set()
    at = 0
    while at < len(text):
        if text[at + 1 : at + 2] == "-" and at + 2 < len(text):
            first, last = text[at], text[at + 2]
            if first > last:
                raise ConfigError(named("charset") + f" has a reversed range: {text[at : at + 3]}")
            characters |= {chr(code) for code in range(ord(first), ord(last) + 1)}
            at += 3
        else:
            characters.add(text[at])
            at += 1
    characters -= set(map(chr, range(0xD800, 0xE000)))  # halves of characters
    if not characters:
        raise ConfigError("must contain a character", option="charset")
    return characters


class Guide:
    """An automaton that reads the tokens of a model. States are int arrays, one a row.

    Where the text matches as a whole and the model would rather go on with what may not follow,
    it ends: the end of the document stands for all that.
    """

    def __init__(self, automaton: Automaton, tokenizer: Tokenizer, seen: Bools) -> None:
        """`seen` are (V,) booleans, false for tokens that are never sampled."""
        self._automaton = automaton
        self._end = tokenizer.end
        self._pieces = tokenizer.pieces
        after = _read_tokens(automaton, tokenizer)  # (S, V)
        after[:, ~seen] = NOWHERE
        # A dead end is never entered: only states stay from which the text can come to match.
        live = _leading_to(automaton.final, after)
        after[~live[after]] = NOWHERE
        self._live, self._after = live, after

    @property
    def nbytes(self) -> int:
        """Of its table."""
        return self._after.nbytes

    @property
    def can_begin(self) -> bool:
        """Whether any text matches that begins with a token of its own."""
        return bool(self._live[0])

    @classmethod
    def of(cls, config: SampleConfig, tokenizer: Tokenizer, seen: Bools) -> Guide | None:
        """The guide that a config asks for, or none."""
        if config.charset is not None:
            automaton = Automaton.of_characters(_characters(config.charset))
        elif config.regex is not None:
            automaton = Automaton.of_expression(config.regex)
        else:
            return None
        return cls(automaton, tokenizer, seen)

    def limit(self, logits: AnyFloats, states: States) -> AnyFloats:
        """(B, V) logits, (B,) states -> the logits of what may follow; minus infinity elsewhere."""
        follows = self._after[states] != NOWHERE  # (B, V)
        limited = np.where(follows, logits, NEG_INF)
        final = self._automaton.final[states]  # (B,)
        if final.any():
            elsewhere = logsumexp(np.where(follows, NEG_INF, logits))  # (B,)
            limited[final, self._end] = elsewhere[final]
        return limited

    def advance(self, states: States, tokens: Tokens) -> States:
        """The states after (B,) tokens; a row that has ended stays where it is."""
        after = self._after[states, tokens]
        return np.where(after == NOWHERE, states, after)

    def begin(self, token: int, inside: int) -> int:
        """The state after the first token, of which some bytes stand in the prompt; NOWHERE if it
        cannot be the first."""
        state = 0
        for byte in self._pieces[token][inside:]:
            state = int(self._automaton.table[state, byte])
            if state == NOWHERE:
                return NOWHERE
        return state if self._live[state] else NOWHERE


def _leading_to(goal: Bools, after: States) -> Bools:
    """The states (S,) from which a state of the goal is reached, by the steps (S, V)."""
    before: dict[int, list[int]] = {}
    for state, row in enumerate(after):
        for target in np.unique(row).tolist():
            before.setdefault(target, []).append(state)
    reached, edge = goal.copy(), np.flatnonzero(goal).tolist()
    while edge:
        for state in before.get(edge.pop(), []):
            if not reached[state]:
                reached[state] = True
                edge.append(state)
    return reached


def _read_tokens(automaton: Automaton, tokenizer: Tokenizer) -> States:
    """Where each token leads from each state, (S, V); those that spell nothing lead nowhere."""
    num_states, lengths = len(automaton.table), tokenizer.byte_lengths
    if num_states * tokenizer.vocab_size > MAX_ENTRIES:
        raise ConfigError(
            named("regex", "charset", last=" or ") + f" has {num_states:,} states, too many for "
            f"{tokenizer.vocab_size:,} tokens",
            hint="simplify it",
        )
    # One more state that all wrong bytes lead to.
    table = np.full((num_states + 1, NUM_BYTES), num_states, dtype=np.int32)
    table[:-1] = np.where(automaton.table == NOWHERE, num_states, automaton.table)
    after = np.repeat(np.arange(num_states, dtype=np.int32)[:, None], len(lengths), axis=1)
    for place in range(int(lengths.max())):
        [longer] = np.nonzero(lengths > place)
        bytes_there = np.array([tokenizer.pieces[token][place] for token in longer])
        after[:, longer] = table[after[:, longer], bytes_there]
    after[:, lengths == 0] = num_states
    return np.where(after == num_states, NOWHERE, after).astype(np.int32)
