"""A text as a network reads it: its tokens, the trace of each chunk, the parts that people see.

Shapes: B rows, T tokens, H hidden.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chargen.data.documents import EncodedText, encode_text
from chargen.generation.generator import TextGenerator
from chargen.nn.trace import Trace, trace
from chargen.progress import OnShare
from chargen.tokenizers.base import StreamDecoder, Tokenizer, Tokens

CHUNK_TOKENS = 512

Floats = npt.NDArray[np.float64]


def tokens_of(generator: TextGenerator, text: str) -> Tokens:
    """(N,) the tokens of a text as the network knows such. Raises TokenizerError."""
    parts = encode_text([text], generator.tokenizer, generator.corpus_options)
    return EncodedText.joined(parts).tokens


def read_traces(
    generator: TextGenerator, tokens: Tokens, at_once: int, on_progress: OnShare
) -> Iterator[tuple[Tokens, Tensor, Trace]]:
    """Some tokens after others, the (1, T, H) output that foretold them, and what they did."""
    model, device = generator.model, generator.model.head.weight.device
    begin = torch.tensor([[generator.tokenizer.end]], device=device)
    x, state = model.read(begin, model.initial_state(1))
    for at in range(0, len(tokens), at_once):
        chunk = tokens[at : at + at_once]
        found = trace(
            model, torch.from_numpy(chunk[None]).to(device), state, generator.tokenizer.end
        )
        yield chunk, torch.cat([x, found.output[:, :-1]], dim=1), found
        x, state = found.output[:, -1:], found.state
        on_progress(min(1.0, (at + len(chunk)) / len(tokens)))


def parts_of(tokenizer: Tokenizer, tokens: Tokens) -> list[tuple[int, int, str]]:
    """The tokens that spell whole characters together: first, first of the next, their text."""
    decoder = StreamDecoder(tokenizer)
    parts, begin, text = [], 0, ""
    for place, token in enumerate(tokens.tolist(), start=1):
        text += "\n" if token == tokenizer.end else decoder.feed(token)
        if not decoder.inside_character:
            parts.append((begin, place, text))
            begin, text = place, ""
    return parts


def memory_of(values: dict[str, Tensor]) -> npt.NDArray[np.float32]:
    """What a layer remembers, between -1 and 1 but for ReLU: (B, T, H)."""
    memory = values["cell"].tanh() if "cell" in values else values["hidden"]
    found: npt.NDArray[np.float32] = memory.cpu().numpy()
    return found
