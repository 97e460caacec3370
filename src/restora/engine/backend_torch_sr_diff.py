"""SR-Diff in PyTorch."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from restora.engine.backend import Draw, Floats
from restora.engine.backend_sr_diff import SrDiffBackend
from restora.engine.backend_torch_place import Place, to_array
from restora.networks.sr_diff.config import SRDiffConfig
from restora.networks.sr_diff.network import SRDiff


class SrDiffTorchBackend(SrDiffBackend):
    """An SR-Diff in PyTorch; see :class:`restora.engine.backend.Backend`."""

    def __init__(
        self,
        config: SRDiffConfig,
        weights: dict[str, Tensor],
        *,
        device: str = "cpu",
        half: bool = False,
    ) -> None:
        """As :class:`restora.engine.backend_torch.TorchBackend`.

        Raises:
            UsageError: There is no such device here.
            InputError, MissingExtra, UsageError, WeightsError: The image encoder cannot be loaded.
        """
        self._place = Place(device, half=half)
        super().__init__(config, device=device)
        network = SRDiff(config)
        network.load_state_dict(weights)
        self._network = network.to(self._place.device).eval()

    @torch.inference_mode()
    def _refine(self, tokens: Floats) -> Floats:
        return to_array(self._network.context(self._place.put(tokens)))

    @torch.inference_mode()
    def _restore(self, tiles: Floats, context: Floats, draw: Draw | None) -> Floats:
        with self._place.told(tiles.shape):
            return super()._restore(tiles, context, draw)

    def _put(self, array: Floats) -> Tensor:
        return self._place.put(array)

    def _take(self, array: Tensor) -> Floats:
        return to_array(array)

    def _denoise(
        self, state: Tensor, degraded: Tensor, time: Tensor, task: Tensor, context: Tensor
    ) -> Tensor:
        with self._place.autocast():  # not around the walk, which stays in single precision
            clean = self._network(state, degraded, time, task, context)
        return cast(Tensor, clean.float())
