"""PyTorch: the backend for GPUs, with the same weights and the same results."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from restora.errors import MemoryLimit
from restora.networks.device import find_device
from restora.networks.fbcnn import (
    FBCNN,
    FBCNNConfig,
    quality_to_strength,
    strength_to_quality,
)
from restora.networks.onnx_weights import read_onnx_weights


class TorchBackend:
    """A network in PyTorch; see :class:`restora.engine.backend.Backend`."""

    def __init__(self, model: bytes, config: FBCNNConfig, *, device: str) -> None:
        """Load the weights of an ONNX file.

        Args:
            model: Bytes of the file.
            config: The network's numbers, from its card.
            device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` ...

        Raises:
            UsageError: There is no such device here.
            WeightsError: File and configuration do not fit.
        """
        self._device = find_device(device)
        network = FBCNN(config)
        network.load_state_dict(read_onnx_weights(model, config))
        self._network = network.to(self._device).eval()

    @property
    def channels(self) -> int:
        return self._network.config.channels

    @torch.inference_mode()
    def run(self, tile: NDArray[np.float32], quality: float) -> tuple[NDArray[np.float32], float]:
        batch = torch.from_numpy(np.ascontiguousarray(tile.transpose(2, 0, 1)))[None]
        strength = quality_to_strength(torch.full((1, 1), quality))
        try:
            restored, predicted = self._network(batch.to(self._device), strength.to(self._device))
        except torch.OutOfMemoryError as error:
            raise MemoryLimit(
                f"A tile of {tile.shape[1]}×{tile.shape[0]} pixels does not fit into the memory "
                f"of {self._device}; try --tile {max(128, tile.shape[1] // 2 // 16 * 16)}."
            ) from error
        pixels = restored[0].permute(1, 2, 0).float().cpu().numpy()
        return pixels, float(strength_to_quality(predicted)[0, 0])
