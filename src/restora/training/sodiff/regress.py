"""A network that restores pictures before the step does, where the recipe names one. Ours.

A prior that two cores can train knows less of pictures than a regression network of the same size,
which was trained for nothing else. So the step may start from what that one made, and has only to
give back what regression takes: texture and edges. DiffBIR (Lin et al., ECCV 2024) works in these
two stages too, with many steps.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restora.errors import UsageError
from restora.networks.catalogue import build
from restora.networks.fbcnn import FBCNN
from restora.networks.sodiff.network import SODiff
from restora.networks.weight_files import read_weights
from restora.weights.registry import FOLDER, MODELS


def load_regressor(name: str) -> FBCNN:
    """A weight of FBCNN that ships, frozen.

    Raises:
        UsageError: It is no colour weight of FBCNN that ships.
        WeightsError: It cannot be read.
    """
    if any(name == model.color for model in MODELS):
        loaded = read_weights(FOLDER / f"{name}.json")
        network = build(loaded.config)
        if isinstance(network, FBCNN):
            network.load_state_dict(loaded.weights)
            return network.eval().requires_grad_(False)
    raise UsageError(f"network.regressor is a colour weight of FBCNN that ships; {name} is not.")


class Restoring(nn.Module):
    """Both together, as the engine runs them."""

    def __init__(self, network: SODiff, regressor: FBCNN | None) -> None:
        super().__init__()
        self.network = network
        self.regressor = regressor

    @torch.no_grad()
    def start(self, picture: Tensor, strength: Tensor | None = None) -> Tensor:
        """What the step starts from, (B, 3, H, W), 0-1, of compressed pictures of that shape.

        Args:
            picture: The pictures.
            strength: (B, 1), as :class:`FBCNN` takes it; NaN, or None, for what it sees itself.
        """
        if self.regressor is None:
            return picture
        restored, _ = self.regressor(picture, strength)
        return restored.clamp(0, 1)  # type: ignore[no-any-return]

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`SODiff.forward` without a quality."""
        return self.network(picture, start=self.start(picture))  # type: ignore[no-any-return]
