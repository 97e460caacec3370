"""PyTorch: the backend for GPUs and for weights that are no ONNX file; the results are the same."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from restora.engine.backend import Encoded, Floats, too_large
from restora.networks.device import find_device
from restora.networks.fbcnn import (
    FBCNN,
    FBCNNConfig,
    quality_to_strength,
    strength_to_quality,
)


class TorchBackend:
    """A network in PyTorch; see :class:`restora.engine.backend.Backend`."""

    def __init__(
        self,
        config: FBCNNConfig,
        weights: dict[str, Tensor],
        *,
        device: str = "cpu",
        half: bool = False,
    ) -> None:
        """Put a network on a device.

        Args:
            config: The network's numbers.
            weights: Its state dictionary.
            device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` ...
            half: Compute in half precision; the picture itself stays in single.

        Raises:
            UsageError: There is no such device here.
        """
        self._device = find_device(device)
        network = FBCNN(config)
        network.load_state_dict(weights)
        self._network = network.to(self._device).eval()
        self._half = half

    @property
    def channels(self) -> int:
        return self._network.config.channels

    def _autocast(self) -> torch.autocast:
        # float16 has three more bits of precision than bfloat16, and nothing here grows large.
        return torch.autocast(self._device.type, torch.float16, enabled=self._half)

    @torch.inference_mode()
    def encode(self, tiles: Floats) -> Encoded:
        batch = torch.from_numpy(np.ascontiguousarray(tiles.transpose(0, 3, 1, 2)))
        try:
            batch = batch.to(self._device)
            with self._autocast():
                features, strength = self._network.analyse(batch)
        except torch.OutOfMemoryError as error:
            raise too_large(tiles.shape, f"the memory of {self._device}") from error
        quality = strength_to_quality(strength.float())[:, 0].cpu().numpy()
        return Encoded(batch, tuple(features), quality)

    @torch.inference_mode()
    def decode(self, encoded: Encoded, quality: float) -> Floats:
        used = torch.from_numpy(encoded.or_predicted(quality)).to(self._device)
        try:
            with self._autocast():
                restored = self._network.reconstruct(
                    encoded.tiles, list(encoded.features), quality_to_strength(used)[:, None]
                )
        except torch.OutOfMemoryError as error:
            count, channels, height, width = encoded.tiles.shape
            shape = (count, height, width, channels)
            raise too_large(shape, f"the memory of {self._device}") from error
        out: Floats = restored.permute(0, 2, 3, 1).float().cpu().numpy()
        return out
