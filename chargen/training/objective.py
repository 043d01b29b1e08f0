"""What training minimizes: the loss and its penalties. Knows nothing of how it is minimized.

Shapes: B streams, T tokens a step, V vocabulary, H hidden.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from chargen.config import TrainConfig
from chargen.nn.model import LanguageModel, State


class Objective(nn.Module):
    """The loss, and the penalties on the top layer's output (B, T, H), which
    ask it to be small and to change slowly (AR and TAR: Merity, McCann and Socher 2017)."""

    def __init__(self, model: LanguageModel, config: TrainConfig) -> None:
        super().__init__()
        self.model = model
        self._config = config

    def forward(
        self, inputs: Tensor, targets: Tensor, state: State
    ) -> tuple[Tensor, Tensor, State]:
        """(objective, loss, state after): the first two are means over the (B, T) targets."""
        x, state = self.model.read(inputs, state)  # (B, T, H)
        logits = self.model.output_logits(x)  # (B, T, V)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        objective = loss
        if self._config.activation_penalty:
            objective = objective + self._config.activation_penalty * x.float().square().mean()
        if self._config.temporal_penalty and x.shape[1] > 1:
            change = (x[:, 1:] - x[:, :-1]).float().square().mean()
            objective = objective + self._config.temporal_penalty * change
        return objective, loss, state
