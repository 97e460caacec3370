"""DAGN in PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor

from restora.engine.backend import Check, Draw, Encoded, Floats
from restora.engine.backend_torch_place import Place, shape_of, to_array
from restora.engine.survey import Guidance, Maps, pool, survey
from restora.networks.dagn import DAGN, DAGNConfig
from restora.networks.fbcnn import quality_to_strength, strength_to_quality


class DagnTorchBackend:
    """A DAGN in PyTorch; see :class:`restora.engine.backend.Backend`."""

    def __init__(
        self,
        config: DAGNConfig,
        weights: dict[str, Tensor],
        *,
        device: str = "cpu",
        half: bool = False,
    ) -> None:
        """As :class:`restora.engine.backend_torch.TorchBackend`."""
        self._place = Place(device, half=half)
        network = DAGN(config)
        network.load_state_dict(weights)
        self._network = network.to(self._place.device).eval()

    @property
    def channels(self) -> int:
        return self._network.config.channels

    def survey(
        self,
        pixels: Floats,
        *,
        alike: Guidance | None = None,  # noqa: ARG002 - it decides nothing, it tells
        check: Check = lambda: None,
    ) -> Guidance:
        return survey(pixels, self._look, check=check)

    @torch.inference_mode()
    def _look(self, tiles: Floats) -> Maps:
        with self._place.told(tiles.shape, fixed=True), self._place.autocast():
            return Maps(*map(to_array, self._network.look(self._place.put_tiles(tiles))))

    @torch.inference_mode()
    def encode(
        self,
        tiles: Floats,
        guidance: Guidance | None = None,
        *,
        draw: Draw | None = None,  # noqa: ARG002 - it has no latent to draw
    ) -> Encoded:
        if guidance is None:
            guidance = pool(self._look(tiles))
        given = guidance.rows(len(tiles))
        with self._place.told(tiles.shape), self._place.autocast():
            batch = self._place.put_tiles(tiles)
            keys, values = self._place.put(given.keys), self._place.put(given.values)
            features = self._network.analyse(batch, keys, values)
            strength = self._network.predict(self._place.put(given.sensitive))
        quality = to_array(strength_to_quality(strength.float())[:, 0])
        return Encoded(batch, tuple(features), quality, guidance)

    @torch.inference_mode()
    def decode(self, encoded: Encoded, quality: float, *, insist: bool = False) -> Floats:
        assert encoded.guidance is not None
        given = encoded.guidance.rows(len(encoded.tiles))
        strength = quality_to_strength(self._place.put(encoded.or_predicted(quality)))[:, None]
        with self._place.told(shape_of(encoded.tiles)), self._place.autocast():
            restored = self._network.reconstruct(
                encoded.tiles,
                list(encoded.features),
                self._place.put(given.sensitive),
                self._place.put(given.insensitive),
                strength,
                torch.full_like(strength, float(insist)),
            )
        return to_array(restored.permute(0, 2, 3, 1))
