"""All that a training step changes and the next one depends on, as tensors by dotted names.

They are what a checkpoint keeps and what a run that explodes goes back to. Of several ranks each
holds the hidden states of its own streams; as tensors they are those of all, whatever their number.

Shapes: B streams of this rank, H hidden.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from chargen.config import TrainConfig
from chargen.nn.model import LanguageModel
from chargen.nn.transfer import Tensors, load_tensors, tensors_of
from chargen.runtime.distributed import Ranks
from chargen.runtime.random_states import random_states, set_random_states
from chargen.training.optimizer import WeightAverage, make_optimizer

OF_OTHER_DEVICES = {"random.cuda", "random.mps"}  # random states that may be there or not


class Learner:
    """The network, its optimizer, what it remembers of each stream, the mean of its weights, and
    the random numbers of its steps."""

    def __init__(self, model: LanguageModel, config: TrainConfig, ranks: Ranks) -> None:
        self.model = model
        self.device = model.head.weight.device
        self.rows = ranks.rows(config.batch_size)  # of all streams, those of this rank
        # Written to in place: a recorded step finds it where it was.
        self.state = model.initial_state(len(self.rows)).map(Tensor.clone)  # (B, H) a layer
        self.average = WeightAverage(model, config.average) if config.average else None
        self.optimizer = make_optimizer(model, config)
        self.random = torch.Generator().manual_seed(config.seed)  # resets, lengths of steps
        self._ranks = ranks
        self._batch_size = config.batch_size

    def tensors(self) -> Tensors:
        """All beside the weights, of all ranks, which call it together."""
        tensors = {f"random.{kind}": s for kind, s in random_states(self.device).items()}
        tensors["random.resets"] = self.random.get_state()
        for index, slots in self.optimizer.state_dict()["state"].items():
            for slot, tensor in slots.items():
                tensors[f"optimizer.{index}.{slot}"] = tensor
        for index, layer in enumerate(self.state.layers):
            for part, tensor in enumerate(layer):
                whole = self._ranks.gather(tensor, self.rows, self._batch_size)
                tensors[f"state.{index}.{part}"] = whole
        if self.average:
            tensors |= {f"average.{n}": tensor for n, tensor in self.average.tensors().items()}
        return tensors

    def check_shapes(self, tensors: Tensors) -> None:
        """Raises ValueError where these are not the weights and what `tensors` gives."""
        expected = {f"model.{name}": tensor for name, tensor in tensors_of(self.model).items()}
        expected["random.torch"] = torch.get_rng_state()
        expected["random.resets"] = self.random.get_state()
        for index, layer in enumerate(self.state.layers):
            for part, tensor in enumerate(layer):
                whole = tensor[:1].expand(self._batch_size, -1)
                expected[f"state.{index}.{part}"] = whole
        if self.average:
            expected |= {f"average.{n}": tensor for n, tensor in self.average.tensors().items()}
        if any(name.startswith("optimizer.") for name in tensors):  # not before the first step
            groups = self.optimizer.param_groups
            for index, weight in enumerate(p for group in groups for p in group["params"]):
                slots = {"step": torch.zeros(()), "exp_avg": weight, "exp_avg_sq": weight}
                expected |= {f"optimizer.{index}.{slot}": t for slot, t in slots.items()}
        for name in sorted((expected.keys() | tensors.keys()) - OF_OTHER_DEVICES):
            if name not in tensors or name not in expected:
                raise ValueError(f"the tensor {name!r} is missing or unknown")
            if tensors[name].shape != expected[name].shape:
                raise ValueError(f"the tensor {name!r} has another shape")
        for name in ("random.torch", "random.resets"):
            torch.Generator().set_state(tensors[name])  # raises where it is the state of none

    def restore(self, tensors: Tensors, average_updates: int) -> None:
        """Go on where a learner, of whatever number of ranks, had these weights (`model.`) and
        `tensors`."""
        grouped: dict[str, Tensors] = {}
        for name, tensor in tensors.items():
            group, _, rest = name.partition(".")
            grouped.setdefault(group, {})[rest] = tensor
        load_tensors(self.model, grouped["model"])
        slots: dict[int, dict[str, Any]] = {}
        for name, tensor in grouped.get("optimizer", {}).items():
            weight, _, slot = name.partition(".")
            slots.setdefault(int(weight), {})[slot] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})
        for index, layer in enumerate(self.state.layers):
            for which, part in enumerate(layer):
                whole = grouped["state"][f"{index}.{which}"]
                part.copy_(whole[self.rows.start : self.rows.stop])
        if self._ranks.is_main:
            set_random_states(self.device, grouped["random"])
        self.random.set_state(grouped["random"]["resets"].cpu())
        if self.average:
            self.average.restore(grouped["average"], average_updates)
