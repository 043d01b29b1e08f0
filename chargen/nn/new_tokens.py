"""Tokens that a trained network never saw: where their rows begin when it is trained on.

Shapes: V vocabulary, W the larger vocabulary, H hidden, E embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from chargen.nn.model import LanguageModel
from chargen.nn.transfer import Tensors

OF_TOKENS = ("embedding.weight", "head.weight", "head.bias", "seen")  # a row a token


def with_more_tokens(tensors: Tensors, vocab_size: int) -> Tensors:
    """The tensors of a network of (V,) tokens with rows for W, which its first V are. The others
    are zeros: tokens that were not seen."""
    larger = dict(tensors)
    for name in OF_TOKENS:
        if name in tensors:
            rows = tensors[name]
            larger[name] = rows.new_zeros(vocab_size, *rows.shape[1:])
            larger[name][: len(rows)] = rows
    return larger


@torch.no_grad()
def start_new_tokens(model: LanguageModel, counts: Tensor, seed: int) -> Tensor:
    """Have the network begin to know tokens of a text that holds each of (V,) `counts` times: (V,)
    which of them it did not know. What it has of the others stays as it is, bit for bit.

    A new token's rows are drawn with the mean and the spread of those that are known, which is
    learned from sooner than their mean alone or than a new network's rows are; its bias is that of
    a token that is as frequent.
    """
    known, new = model.seen.clone(), (counts > 0) & ~model.seen
    if not new.any():
        return new
    random = torch.Generator().manual_seed(seed)
    matrices = {id(m): m for m in (model.head.weight, model.embedding.weight)}  # or one, if tied
    for weight in matrices.values():
        rows = weight[known]
        spread, mean = torch.std_mean(rows, dim=0, correction=0)
        noise = torch.randn(int(new.sum()), rows.shape[1], generator=random)
        weight[new] = mean + spread * noise
    shares = (counts.double() + 1) / (counts + 1).sum()
    bias = model.head.bias
    # How much the bias of a token that is known lies above the log of its share.
    weights = counts[known].double()
    above = ((bias[known].double() - shares[known].log()) * weights).sum() / weights.sum().clamp(1)
    bias[new] = (shares[new].log() + above).to(bias.dtype)
    model.seen |= new
    return new
