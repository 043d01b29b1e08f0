"""What could come next in a text, and how surprising was what came: all under the model itself,
before any processor."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from chargen.config import SampleConfig
from chargen.generation.beam_search import BeamResult
from chargen.generation.generator import TextGenerator
from chargen.generation.healing import Spellings
from chargen.generation.logits import NEG_INF
from chargen.generation.prompt_state import DecodingStart, PromptState, start_decoding
from chargen.nn.softmax import Doubles, log_probabilities, softmax
from chargen.progress import OnShare, no_progress
from chargen.tokenizers.base import StreamDecoder, Tokenizer, spelled

MAX_WORD = 40  # characters


@dataclass(frozen=True)
class TokenProbability:
    """What can come next, and its probability, 0 to 1. An empty text is the end of the document; a
    part of a character is spelled in hexadecimal digits, <E4>."""

    text: str
    probability: float


@dataclass(frozen=True)
class Surprisal:
    """A token of a text, or several that spell one character, and its surprise in nats; with the
    most likely ones in its place, which it may be among."""

    text: str
    nats: float
    most_likely: tuple[TokenProbability, ...]

    def as_dict(self) -> dict[str, object]:
        """As `chargen inspect --json` prints it."""
        return {
            "text": self.text,
            "nats": self.nats,
            "likeliest": [asdict(other) for other in self.most_likely],
        }


def next_characters(
    generator: TextGenerator, start: PromptState, count: int
) -> list[TokenProbability]:
    """The most likely next characters, over all the tokens that begin with each."""
    tokenizer = generator.tokenizer
    found = _begin(generator, start)
    totals: Counter[str] = Counter()
    if found.spellings is None:
        _add(totals, tokenizer, softmax(found.logits[0]))
        return list(_best(totals, count))
    ways = found.spellings
    shares = np.exp(ways.logprobs)
    beyond = [tokenizer.pieces[token][inside:] for token, inside in _pairs(ways)]
    for piece, share in zip(beyond, shares.tolist(), strict=True):
        if piece:
            totals[_first_character(piece)] += share
    whole = np.array([not piece for piece in beyond])
    if whole.any():  # these have spelled the text's end, and say nothing yet of what comes
        stepper = generator.engine.start(ways.state[ways.parents[whole]])
        _add(totals, tokenizer, shares[whole] @ softmax(stepper.step(ways.tokens[whole])))
    return list(_best(totals, count))


def next_words(
    generator: TextGenerator, start: PromptState, count: int, on_progress: OnShare
) -> list[TokenProbability]:
    """The most likely next words, with what leads up to them. `on_progress` is called as the search
    goes on, and what it raises ends it."""
    config = SampleConfig(until="word", beams=count, max_chars=MAX_WORD)
    for event in generator.search("", config, start):
        on_progress(0.0)
        if isinstance(event, BeamResult):
            return [TokenProbability(c.text, math.exp(c.score or 0.0)) for c in event.completions]
    raise AssertionError("a search ends with what it found")


def surprisals(
    generator: TextGenerator,
    start: PromptState,
    tokens: Sequence[int],
    text: str,
    count: int,
    on_progress: OnShare = no_progress,
) -> list[Surprisal]:
    """What each of the `tokens` that were written from a start on cost, and the `count` most
    likely there; their texts joined are `text`, whose end may cut the last one."""
    decoder = StreamDecoder(generator.tokenizer)
    rows: list[Surprisal] = []
    shown, cost, most_likely = "", 0.0, tuple[TokenProbability, ...]()
    costs = _costs(generator, start, tokens, text, count)
    for number, (token, inside, nats, here) in enumerate(costs):
        on_progress(number / len(tokens))
        if not decoder.inside_character:
            shown, cost, most_likely = "", 0.0, here
        cost += nats
        shown += decoder.feed(token, inside)
        if not decoder.inside_character:
            rows.append(Surprisal(text[: len(shown)], cost, most_likely))
            text = text[len(shown) :]
    if decoder.inside_character:
        rows.append(Surprisal(text, cost, most_likely))
    return rows


def _costs(
    generator: TextGenerator, start: PromptState, tokens: Sequence[int], text: str, count: int
) -> Iterator[tuple[int, int, float, tuple[TokenProbability, ...]]]:
    """Each token, how many of its bytes stood there before, its nats, and the most likely there."""
    engine, pieces = generator.engine, generator.tokenizer.pieces
    found = _begin(generator, start)
    logits, state, left = found.logits, found.state, list(tokens)
    stepper = engine.start(state)
    if found.spellings is not None and left:
        ways = found.spellings
        goes_on = [len(pieces[t]) > n for t, n in _pairs(ways)]
        whole = b"".join(pieces[token] for token in left)
        # Where the tokens can stand so deep in what was there: the rest of them is the text.
        depths = {
            inside
            for inside in set(ways.inside)
            if whole[inside:].decode(errors="replace").startswith(text)
        }
        begins = zip(_pairs(ways), goes_on, strict=True)
        fits = np.array([goes and t == left[0] and n in depths for (t, n), goes in begins])
        # One that ends with the text that was there has come before the first token.
        fits = fits if fits.any() else ~np.array(goes_on)
        way = int(np.where(fits, ways.logprobs, NEG_INF).argmax())
        stepper = engine.start(ways.state[ways.parents[way : way + 1]])
        if goes_on[way]:
            totals: Counter[str] = Counter()
            shares = np.exp(ways.logprobs).tolist()
            for (token, inside), share in zip(_pairs(ways), shares, strict=True):
                totals[spelled(pieces[token][inside:])] += share
            del totals[""]
            yield left.pop(0), ways.inside[way], -float(ways.logprobs[way]), _best(totals, count)
        logits = stepper.step(ways.tokens[way : way + 1])
    for token in left:
        logprobs = log_probabilities(logits[0])
        best = np.argsort(-logprobs, kind="stable")[:count]
        pairs = zip(best.tolist(), np.exp(logprobs[best]).tolist(), strict=True)
        here = tuple(TokenProbability(spelled(pieces[t]), probability) for t, probability in pairs)
        yield token, 0, -float(logprobs[token]), here
        logits = stepper.step(np.array([token]))


def _begin(generator: TextGenerator, start: PromptState) -> DecodingStart:
    return start_decoding(generator.engine, generator.tokenizer, start)


def _pairs(ways: Spellings) -> list[tuple[int, int]]:
    """The token of each way and how many of its bytes stand in the prompt."""
    return list(zip(ways.tokens.tolist(), ways.inside, strict=True))


def _add(totals: Counter[str], tokenizer: Tokenizer, shares: Doubles) -> None:
    """The (V,) shares of tokens, by the first character of each."""
    for token, share in enumerate(shares.tolist()):
        totals[_first_character(tokenizer.pieces[token])] += share


def _first_character(piece: bytes) -> str:
    """The first character; a part of one as <E4>, which is all that is known of it then."""
    whole = piece.decode(errors="ignore")[:1]
    return whole if whole and piece.startswith(whole.encode()) else spelled(piece[:1])


def _best(totals: Counter[str], count: int) -> tuple[TokenProbability, ...]:
    return tuple(TokenProbability(text, share) for text, share in totals.most_common(count))
