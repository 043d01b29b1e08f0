"""What each token of a text costs a model, and how the model fares with the text as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chargen.data.documents import EncodedText
from chargen.nn.engine import Engine
from chargen.reprs import surprise, text_html
from chargen.scoring.scores import NOTHING, Score, score_of, token_nats
from chargen.scoring.units import NATS_PER_BIT
from chargen.tokenizers.base import Tokenizer, spelled


@dataclass(frozen=True)
class TokenCost:
    """A token of a text, the text that it spells, and its surprise in nats. Bytes that are not a
    whole character are spelled in hexadecimal digits, <E4>; the end of a document is a newline."""

    token: int
    text: str
    nats: float

    @property
    def bits(self) -> float:
        return self.nats / NATS_PER_BIT


@dataclass(frozen=True)
class TextScore(Score):
    """The score of one text, and in `costs` the surprise of each of its tokens."""

    costs: tuple[TokenCost, ...] = ()

    __repr__ = Score.__repr__

    def _repr_html_(self) -> str:
        """The text, coloured by the bits that each token cost."""
        parts = [(cost.text, surprise(cost.bits), f"{cost.bits:.2f} bits") for cost in self.costs]
        return text_html(parts, caption=repr(self).strip("<>"))

    @property
    def bits(self) -> float:
        """The total surprise, in bits."""
        return self.nats / NATS_PER_BIT


def token_costs(
    engine: Engine, tokenizer: Tokenizer, parts: Iterable[EncodedText]
) -> Iterator[tuple[Score, list[TokenCost]]]:
    """The score of some of the text, and of each token there, chunk after chunk."""
    spellings = [spelled(piece) for piece in tokenizer.pieces]
    spellings[tokenizer.end] = "\n"  # within a text, what separates its documents
    for part, nats in token_nats(engine, tokenizer, parts):
        pairs = zip(part.tokens.tolist(), nats.tolist(), strict=True)
        costs = [TokenCost(token, spellings[token], cost) for token, cost in pairs]
        yield score_of(part, nats), costs


def score_tokens(engine: Engine, tokenizer: Tokenizer, parts: Iterable[EncodedText]) -> TextScore:
    """The exact score of one text, given in parts, with what each token costs."""
    total, every = NOTHING, list[TokenCost]()
    for score, costs in token_costs(engine, tokenizer, parts):
        total += score
        every += costs
    return TextScore(total.nats, total.tokens, total.bytes, total.characters, costs=tuple(every))
