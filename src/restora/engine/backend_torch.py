"""PyTorch: the backend for GPUs and for weights that are no ONNX file; the results are the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from restora.engine.backend import Backend, Encoded, Floats, too_large
from restora.engine.survey import Guidance, Maps, pool
from restora.networks.catalogue import NetworkConfig
from restora.networks.dagn import DAGN, DAGNConfig
from restora.networks.device import find_device
from restora.networks.fbcnn import (
    FBCNN,
    FBCNNConfig,
    quality_to_strength,
    strength_to_quality,
)


def open_torch(
    config: NetworkConfig, weights: dict[str, Tensor], *, device: str = "cpu", half: bool = False
) -> Backend:
    """A network of either method; the arguments are those of :class:`TorchBackend`.

    Raises:
        UsageError: There is no such device here.
    """
    if isinstance(config, DAGNConfig):
        return DagnTorchBackend(config, weights, device=device, half=half)
    return TorchBackend(config, weights, device=device, half=half)


class _Place:
    """A device, and how numbers get there and back."""

    def __init__(self, device: str, *, half: bool) -> None:
        self.device = find_device(device)
        self.half = half

    def autocast(self) -> torch.autocast:
        # float16 has three more bits of precision than bfloat16, and nothing here grows large.
        return torch.autocast(self.device.type, torch.float16, enabled=self.half)

    @contextmanager
    def told(self, shape: tuple[int, ...], *, fixed: bool = False) -> Iterator[None]:
        """Raise MemoryLimit where tiles (N, H, W, C) do not fit."""
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise too_large(shape, f"the memory of {self.device}", fixed=fixed) from error

    def put(self, array: Floats) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def put_tiles(self, tiles: Floats) -> Tensor:
        return self.put(tiles.transpose(0, 3, 1, 2))

    def strength(self, encoded: Encoded, quality: float) -> Tensor:
        """(N, 1)."""
        return quality_to_strength(self.put(encoded.or_predicted(quality)))[:, None]


def _array(tensor: Tensor) -> Floats:
    array: Floats = tensor.float().cpu().numpy()
    return array


def _shape(batch: Tensor) -> tuple[int, ...]:
    """The shape of a batch (N, C, H, W) as tiles, (N, H, W, C)."""
    count, channels, height, width = batch.shape
    return count, height, width, channels


class TorchBackend:
    """An FBCNN in PyTorch; see :class:`restora.engine.backend.Backend`."""

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
        self._place = _Place(device, half=half)
        network = FBCNN(config)
        network.load_state_dict(weights)
        self._network = network.to(self._place.device).eval()

    @property
    def channels(self) -> int:
        return self._network.config.channels

    def look(self, tiles: Floats) -> None:  # noqa: ARG002 - its tiles need nothing of each other
        return None

    @torch.inference_mode()
    def encode(self, tiles: Floats, guidance: Guidance | None = None) -> Encoded:  # noqa: ARG002
        with self._place.told(tiles.shape), self._place.autocast():
            batch = self._place.put_tiles(tiles)
            features, strength = self._network.analyse(batch)
        return Encoded(batch, tuple(features), _array(strength_to_quality(strength.float())[:, 0]))

    @torch.inference_mode()
    def decode(
        self,
        encoded: Encoded,
        quality: float,
        *,
        insist: bool = False,  # noqa: ARG002 - nothing but the quality tells it anyway
    ) -> Floats:
        strength = self._place.strength(encoded, quality)
        with self._place.told(_shape(encoded.tiles)), self._place.autocast():
            restored = self._network.reconstruct(encoded.tiles, list(encoded.features), strength)
        return _array(restored.permute(0, 2, 3, 1))


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
        """As :class:`TorchBackend`."""
        self._place = _Place(device, half=half)
        network = DAGN(config)
        network.load_state_dict(weights)
        self._network = network.to(self._place.device).eval()

    @property
    def channels(self) -> int:
        return self._network.config.channels

    @torch.inference_mode()
    def look(self, tiles: Floats) -> Maps:
        with self._place.told(tiles.shape, fixed=True), self._place.autocast():
            return Maps(*map(_array, self._network.look(self._place.put_tiles(tiles))))

    @torch.inference_mode()
    def encode(self, tiles: Floats, guidance: Guidance | None = None) -> Encoded:
        if guidance is None:
            guidance = pool(self.look(tiles))
        given = guidance.rows(len(tiles))
        with self._place.told(tiles.shape), self._place.autocast():
            batch = self._place.put_tiles(tiles)
            keys, values = self._place.put(given.keys), self._place.put(given.values)
            features = self._network.analyse(batch, keys, values)
            strength = self._network.predict(self._place.put(given.sensitive))
        quality = _array(strength_to_quality(strength.float())[:, 0])
        return Encoded(batch, tuple(features), quality, guidance)

    @torch.inference_mode()
    def decode(self, encoded: Encoded, quality: float, *, insist: bool = False) -> Floats:
        assert encoded.guidance is not None
        given = encoded.guidance.rows(len(encoded.tiles))
        strength = self._place.strength(encoded, quality)
        with self._place.told(_shape(encoded.tiles)), self._place.autocast():
            restored = self._network.reconstruct(
                encoded.tiles,
                list(encoded.features),
                self._place.put(given.sensitive),
                self._place.put(given.insensitive),
                strength,
                torch.full_like(strength, float(insist)),
            )
        return _array(restored.permute(0, 2, 3, 1))
