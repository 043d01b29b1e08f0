"""A network and its state from arrays to torch and back. Arrays and tensors share their memory
where that can be.

Shapes: B rows, H hidden, P parts of the state.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from chargen.config import ModelConfig
from chargen.nn.engine import State as StateArray
from chargen.nn.model import LanguageModel, State
from chargen.nn.weights import Array, Arrays, Weights

Tensors = dict[str, Tensor]


def tensors_of(model: LanguageModel) -> Tensors:
    """The model's tensors by name, a tied matrix once."""
    tensors = dict(model.state_dict())
    if model.config.tie_weights:
        del tensors["embedding.weight"]
    return tensors


def load_tensors(model: LanguageModel, tensors: Tensors) -> None:
    """Put tensors where `tensors_of` found them; a model on `meta` takes them as its own."""
    if model.config.tie_weights:
        tensors = tensors | {"embedding.weight": tensors["head.weight"]}
    model.load_state_dict(tensors, assign=model.head.weight.is_meta)
    if model.config.tie_weights:
        model.embedding.weight = model.head.weight


def blank_model(config: ModelConfig, vocab_size: int) -> LanguageModel:
    """A model of this shape that takes no memory."""
    with torch.device("meta"):
        return LanguageModel(config, vocab_size)


def to_arrays(tensors: Tensors) -> dict[str, Array]:
    """Tensors as arrays, copies on the CPU."""
    return {name: tensor.detach().to("cpu", copy=True).contiguous().numpy()
            for name, tensor in tensors.items()}  # fmt: skip


def to_tensors(arrays: Arrays) -> Tensors:
    """Arrays as tensors on the CPU. What cannot be written to is copied."""
    return {
        name: torch.from_numpy(array if array.flags.writeable else array.copy())
        for name, array in arrays.items()
    }


def weights_of(model: LanguageModel) -> Weights:
    """The model's weights as they are now: copies."""
    return Weights(model.config, model.vocab_size, to_arrays(tensors_of(model)))


def model_of(weights: Weights) -> LanguageModel:
    """The model of these weights, on the CPU, ready to be asked: a copy."""
    model = blank_model(weights.config, weights.vocab_size)
    load_tensors(model, {n: t.clone() for n, t in to_tensors(weights.arrays).items()})
    return model.eval()


def state_of(array: StateArray, model: LanguageModel) -> State:
    """(B, P, H) as the model has it: where its weights are, (B, H) each part."""
    parts = torch.from_numpy(np.array(array)).to(model.head.weight.device).unbind(dim=1)
    count = model.config.num_layers
    layers = zip(*(parts[at : at + count] for at in range(0, len(parts), count)), strict=True)
    return State(tuple(tuple(part.contiguous() for part in layer) for layer in layers))


def array_of(state: State) -> StateArray:
    """The model's state as an array, (B, P, H)."""
    parts = [part for kind in zip(*state.layers, strict=True) for part in kind]
    found: StateArray = torch.stack(parts, dim=1).detach().float().cpu().numpy()
    return found
