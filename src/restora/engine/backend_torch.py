"""PyTorch: the backend for GPUs and for weights that are no ONNX file; the results are the same."""

from __future__ import annotations

import torch
from torch import Tensor

from restora.engine.backend import Backend, Check, Draw, Encoded, Floats, Guidance
from restora.engine.backend_torch_dagn import DagnTorchBackend
from restora.engine.backend_torch_place import Place, shape_of, to_array
from restora.engine.backend_torch_sodiff import SodiffTorchBackend
from restora.engine.backend_torch_sr_diff import SrDiffTorchBackend
from restora.engine.backend_torch_ssp_ir import SspIrTorchBackend
from restora.networks.catalogue import NetworkConfig
from restora.networks.dagn import DAGNConfig
from restora.networks.fbcnn import (
    FBCNN,
    FBCNNConfig,
    quality_to_strength,
    strength_to_quality,
)
from restora.networks.sodiff.config import SODiffConfig
from restora.networks.sr_diff.config import SRDiffConfig
from restora.networks.ssp_ir.config import SSPIRConfig


def open_torch(
    config: NetworkConfig, weights: dict[str, Tensor], *, device: str = "cpu", half: bool = False
) -> Backend:
    """A network of any method; the arguments are those of :class:`TorchBackend`.

    Raises:
        MissingExtra: The network needs a library that is not installed.
        UsageError: There is no such device here.
    """
    if isinstance(config, SSPIRConfig):
        return SspIrTorchBackend(config, weights, device=device, half=half)
    if isinstance(config, SRDiffConfig):
        return SrDiffTorchBackend(config, weights, device=device, half=half)
    if isinstance(config, SODiffConfig):
        return SodiffTorchBackend(config, weights, device=device, half=half)
    if isinstance(config, DAGNConfig):
        return DagnTorchBackend(config, weights, device=device, half=half)
    return TorchBackend(config, weights, device=device, half=half)


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
        self._place = Place(device, half=half)
        network = FBCNN(config)
        network.load_state_dict(weights)
        self._network = network.to(self._place.device).eval()

    @property
    def channels(self) -> int:
        return self._network.config.channels

    def survey(
        self,
        pixels: Floats,  # noqa: ARG002 - its tiles need nothing of each other
        *,
        alike: Guidance | None = None,  # noqa: ARG002
        check: Check = lambda: None,  # noqa: ARG002
    ) -> None:
        return None

    @torch.inference_mode()
    def encode(
        self,
        tiles: Floats,
        guidance: Guidance | None = None,  # noqa: ARG002
        *,
        draw: Draw | None = None,  # noqa: ARG002
    ) -> Encoded:
        with self._place.told(tiles.shape), self._place.autocast():
            batch = self._place.put_tiles(tiles)
            features, strength = self._network.analyse(batch)
        quality = to_array(strength_to_quality(strength.float())[:, 0])
        return Encoded(batch, tuple(features), quality)

    @torch.inference_mode()
    def decode(
        self,
        encoded: Encoded,
        quality: float,
        *,
        insist: bool = False,  # noqa: ARG002 - nothing but the quality tells it anyway
    ) -> Floats:
        strength = quality_to_strength(self._place.put(encoded.or_predicted(quality)))[:, None]
        with self._place.told(shape_of(encoded.tiles)), self._place.autocast():
            restored = self._network.reconstruct(encoded.tiles, list(encoded.features), strength)
        return to_array(restored.permute(0, 2, 3, 1))
