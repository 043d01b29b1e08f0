"""What training minimizes: the loss and its penalties. Knows nothing of how it is minimized.

Shapes: B streams, T tokens a step, V vocabulary, H hidden.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chargen.config import TrainConfig
from chargen.nn.model import LanguageModel, State


class Objective(nn.Module):
    """The loss, and the penalties on the top layer's output (B, T, H), which
    ask it to be small and to change slowly (AR and TAR: Merity, McCann and Socher 2017).

    Where only a `share` of the targets counts, the sum of what they cost is divided by how many of
    so many would count on average: each weighs as much wherever it stands, and a step without any
    has no loss. Where the text is padded, it is divided by how many are `counted` in a step, on
    average, and penalties are means over as many. Neither: all count.
    """

    def __init__(
        self,
        model: LanguageModel,
        config: TrainConfig,
        share: float | None = None,
        *,
        counted: float | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self._config = config
        self._share = share
        self._counted = counted

    def forward(
        self, inputs: Tensor, targets: Tensor, state: State
    ) -> tuple[Tensor, Tensor, State]:
        """(objective, loss, state after) over the (B, T) targets: the mean loss; or, where not all
        count, (2,) what those cost that do, in nats, and how many they are."""
        x, state = self.model.read(inputs, state)  # (B, T, H)
        logits = self.model.output_logits(x)  # (B, T, V)
        if self._share is None and self._counted is None:
            objective = loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        else:
            nats = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
            objective = nats / (self._counted or (self._share or 0.0) * targets.numel())
            loss = torch.stack([nats, (targets >= 0).sum().to(nats.dtype)])
        if self._config.activation_penalty:
            penalty = self._mean(x.float().square(), targets)
            objective = objective + self._config.activation_penalty * penalty
        if self._config.temporal_penalty and x.shape[1] > 1:
            change = self._mean((x[:, 1:] - x[:, :-1]).float().square(), targets[:, 1:])
            objective = objective + self._config.temporal_penalty * change
        return objective, loss, state

    def _mean(self, values: Tensor, targets: Tensor) -> Tensor:
        """The mean of (B, T, H) values; where (B, T) targets are padded, of those that count."""
        if self._counted is None:
            return values.mean()
        return values[targets >= 0].mean(dim=-1).sum() / self._counted
