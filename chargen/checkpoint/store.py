"""A model's tensors as bytes and back, checked. The only door to safetensors.

Knows nothing of folders and files.
"""

from __future__ import annotations

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from chargen.config import ModelConfig
from chargen.nn.model import LanguageModel

Tensors = dict[str, Tensor]


def weights_of(model: LanguageModel) -> Tensors:
    """The model's tensors by name, a tied matrix once."""
    tensors = dict(model.state_dict())
    if model.config.tie_weights:
        del tensors["embedding.weight"]
    return tensors


def load_weights(model: LanguageModel, tensors: Tensors) -> None:
    """Put tensors where `weights_of` found them; a model on `meta` takes them as its own."""
    if model.config.tie_weights:
        tensors = tensors | {"embedding.weight": tensors["head.weight"]}
    model.load_state_dict(tensors, assign=model.head.weight.is_meta)
    if model.config.tie_weights:
        model.embedding.weight = model.head.weight


def blank_model(config: ModelConfig, vocab_size: int) -> LanguageModel:
    """A model of this shape that takes no memory."""
    with torch.device("meta"):
        return LanguageModel(config, vocab_size)


def num_bytes(model: LanguageModel) -> int:
    """What its tensors take."""
    return sum(tensor.nbytes for tensor in weights_of(model).values())


def check_weights(model: LanguageModel, tensors: Tensors) -> None:
    """Raises ValueError where the tensors are not those of such a model, or are not finite."""
    expected = {name: (tensor.shape, tensor.dtype) for name, tensor in weights_of(model).items()}
    found = {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
    if expected != found:
        wrong = sorted(n for n in expected | found if expected.get(n) != found.get(n))
        raise ValueError(f"{wrong[0]} is missing, unknown or of another shape")
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{name} holds a number that is not finite")


def tensors_to_bytes(tensors: Tensors, metadata: dict[str, str] | None = None) -> bytes:
    """The content of a safetensors file, to which `own_copies` must have given the tensors."""
    return safetensors.torch.save(tensors, metadata)


def tensors_from_bytes(content: bytes) -> Tensors:
    """The tensors in the content of a safetensors file. Raises ValueError."""
    try:
        return dict(safetensors.torch.load(content))
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise ValueError(str(error)) from error


def own_copies(tensors: Tensors) -> Tensors:
    """Copies on the CPU: safetensors rejects tensors that share memory, as equal states do."""
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()
    }
