"""SODiff in PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor

from restora.engine.backend import Floats
from restora.engine.backend_sodiff import SodiffBackend
from restora.engine.backend_torch_place import Place, to_array
from restora.networks.sodiff.config import SODiffConfig
from restora.networks.sodiff.network import SODiff


class SodiffTorchBackend(SodiffBackend):
    """A SODiff in PyTorch; see :class:`restora.engine.backend.Backend`."""

    def __init__(
        self,
        config: SODiffConfig,
        weights: dict[str, Tensor],
        *,
        device: str = "cpu",
        half: bool = False,
    ) -> None:
        """As :class:`restora.engine.backend_torch.TorchBackend`.

        Raises:
            MissingExtra: diffusers is not installed.
            UsageError: There is no such device here.
        """
        super().__init__(side_px=config.saipe.side_px, timesteps=len(config.candidates))
        self._place = Place(device, half=half)
        network = SODiff(config)
        network.load_state_dict(weights)
        self._network = network.merged().to(self._place.device).eval()

    @torch.inference_mode()
    def _prompt(self, tiles: Floats) -> Floats:
        with self._place.told(tiles.shape, fixed=True), self._place.autocast():
            return to_array(self._network.prompter(self._place.put_tiles(tiles)))

    @torch.inference_mode()
    def _predict(self, tiles: Floats) -> tuple[Floats, Floats]:
        with self._place.told(tiles.shape, fixed=True), self._place.autocast():
            logits, strength = self._network.predictor(self._place.put_tiles(tiles))
            return to_array(logits), to_array(strength)

    @torch.inference_mode()
    def _moments(self, tiles: Floats) -> tuple[Floats, Floats]:
        with self._place.told(tiles.shape), self._place.autocast():
            mean, spread = self._network.codec.moments(self._place.put_tiles(tiles))
            return to_array(mean), to_array(spread)

    @torch.inference_mode()
    def _restore(
        self, latent: Floats, prompt: Floats, choice: Floats, shape: tuple[int, ...]
    ) -> Floats:
        with self._place.told(shape), self._place.autocast():
            given = (self._place.put(array) for array in (latent, prompt, choice))
            restored = self._network.codec.decode(self._network.step(*given))
            return to_array(restored.permute(0, 2, 3, 1))
