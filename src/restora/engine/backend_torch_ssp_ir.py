"""SSP-IR in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from restora.engine.backend import Draw, Floats
from restora.engine.backend_ssp_ir import Context, SspIrBackend, Told
from restora.engine.backend_torch_place import Place, to_array
from restora.networks.ssp_ir.config import SSPIRConfig
from restora.networks.ssp_ir.network import SSPIR


class SspIrTorchBackend(SspIrBackend):
    """An SSP-IR in PyTorch; see :class:`restora.engine.backend.Backend`."""

    def __init__(
        self,
        config: SSPIRConfig,
        weights: dict[str, Tensor],
        *,
        device: str = "cpu",
        half: bool = False,
    ) -> None:
        """As :class:`restora.engine.backend_torch.TorchBackend`.

        Raises:
            UsageError: There is no such device here, or the weights do not say where an encoder is.
            InputError, MissingExtra, WeightsError: diffusers is not installed, or the image encoder
                cannot be loaded.
        """
        self._place = Place(device, half=half)
        super().__init__(config, device=device)
        network = SSPIR(config)
        network.load_state_dict(weights)
        self._network = network.to(self._place.device).eval()

    @torch.inference_mode()
    def _refine(self, tokens: Floats) -> Floats:
        return to_array(self._network.refiner(self._place.put(tokens)))

    @torch.inference_mode()
    def _restore(self, tiles: Floats, context: Context, draw: Draw | None) -> Floats:
        with self._place.told(tiles.shape):
            return super()._restore(tiles, context, draw)

    def put(self, array: Floats) -> Tensor:
        return self._place.put(array)

    def _take(self, array: Tensor) -> Floats:
        return to_array(array)

    def join(self, arrays: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(arrays)) if len(arrays) > 1 else arrays[0]

    # Half precision is inside the parts: the walk between them stays in single.

    def _process(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        with self._place.autocast():
            made = self._network.process(picture)
        return made.features.float(), made.picture.float()

    def _compress(self, picture: Tensor) -> Tensor:
        with self._place.autocast():
            latent = self._network.codec.encode(picture)
        return latent.float()

    def _decompress(self, latent: Tensor) -> Tensor:
        with self._place.autocast():
            picture = self._network.codec.decode(latent)
        return picture.float()

    def denoise(self, state: Tensor, time: Tensor, told: Told) -> Tensor:
        with self._place.autocast():
            clean = self._network(state, told.anchor, time, told.features, told.text, told.image)
        return cast(Tensor, clean.float())
