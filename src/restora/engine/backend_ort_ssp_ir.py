"""SSP-IR in ONNX Runtime: one graph for the whole picture, and four for a tile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from restora.engine.backend import Floats
from restora.engine.backend_ort import load_session, run_session
from restora.engine.backend_ssp_ir import SspIrBackend, Told
from restora.weights.cards import PARTS

if TYPE_CHECKING:
    from restora.networks.ssp_ir.config import SSPIRConfig


class SspIrOrtBackend(SspIrBackend):
    """An SSP-IR in ONNX Runtime; see :class:`restora.engine.backend.Backend`."""

    def __init__(
        self,
        config: SSPIRConfig,
        parts: Mapping[str, bytes],
        *,
        threads: int = 0,
    ) -> None:
        """Load its five parts.

        Args:
            config: The network's numbers, from its card.
            parts: Bytes of the ONNX files, by what :data:`restora.weights.cards.PARTS` calls them.
            threads: Threads inside the network; 0 takes every core.

        Raises:
            WeightsError: The bytes are not a network Restora can run, or the image encoder cannot
                be loaded.
        """
        super().__init__(config)
        self._refiner, self._processor, self._compressor, self._denoiser, self._decompressor = (
            load_session(parts[name], threads) for name in PARTS["ssp-ir"]
        )
        # What the network does not read, the exporter leaves out.
        self._reads = {given.name for given in self._denoiser.get_inputs()}

    def _refine(self, tokens: Floats) -> Floats:
        (image,) = self._refiner.run(None, {"tokens": tokens})
        found: Floats = image
        return found

    def put(self, array: Floats) -> Floats:
        return np.ascontiguousarray(array)

    def _take(self, array: Floats) -> Floats:
        return array

    def join(self, arrays: Sequence[Floats]) -> Floats:
        return np.concatenate(arrays) if len(arrays) > 1 else arrays[0]

    def _process(self, picture: Floats) -> tuple[Floats, Floats]:
        features, processed, *_ = run_session(
            self._processor, {"picture": picture}, _tiles_of(picture)
        )
        return features, processed

    def _compress(self, picture: Floats) -> Floats:
        feeds = {"picture": picture}
        (latent,) = run_session(self._compressor, feeds, _tiles_of(picture))
        found: Floats = latent
        return found

    def _decompress(self, latent: Floats) -> Floats:
        (picture,) = run_session(self._decompressor, {"latent": latent}, self._tiles_of(latent))
        found: Floats = picture
        return found

    def denoise(self, state: Floats, time: Floats, told: Told) -> Floats:
        feeds = {
            "state": state,
            "anchor": told.anchor,
            "time": time,
            "features": told.features,
            "text": told.text,
            "image": told.image,
        }
        feeds = {name: array for name, array in feeds.items() if name in self._reads}
        (clean,) = run_session(self._denoiser, feeds, self._tiles_of(state))
        found: Floats = clean
        return found

    def _tiles_of(self, latent: Floats) -> tuple[int, ...]:
        """The shape of the tiles (N, H, W, C) of latents (N, c, h, w)."""
        count, _, height, width = latent.shape
        factor = self._config.prior.codec.factor
        return count, height * factor, width * factor, self.channels


def _tiles_of(picture: Floats) -> tuple[int, ...]:
    count, channels, height, width = picture.shape
    return count, height, width, channels
