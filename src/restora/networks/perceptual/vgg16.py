"""The convolutions of VGG16, from a file of weights the user names.

Sources: Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition,
ICLR 2015, configuration D; the L2 pooling is that of DISTS (Ding et al., IEEE TPAMI 2022).

Shapes: B pictures, C channels, H×W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from restora._optional import require
from restora.errors import WeightsError
from restora.networks.expected import first_sentence
from restora.networks.plain_values import read_plain

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
ROOT_FLOOR = 1e-12  # under the root of the L2 pooling


class VGG16(nn.Module):
    """Five stages at H, H/2, H/4, H/8 and H/16, each after its last ReLU."""

    mean: Tensor
    std: Tensor
    window: Tensor

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        *,
        pooling: Literal["l2", "max"] = "l2",
        source: str = "VGG16",
    ) -> None:
        """Fill the convolutions.

        Args:
            weights: torchvision's names, ``features.0.weight`` to ``features.28.bias``; others,
                such as the last layers', are passed over.
            pooling: ``"l2"`` as DISTS has it, ``"max"`` as VGG16 and LPIPS have it.
            source: What messages call the weights.

        Raises:
            WeightsError: A weight is missing or of another shape.
        """
        super().__init__()
        self.pooling = pooling
        self.stages = nn.ModuleList()
        index, before = 0, 3  # the index counts torchvision's convolutions, ReLUs and pools
        for widths in STAGES:
            stage = nn.ModuleList()
            for width in widths:
                stage.append(_convolution(weights, index, (width, before, 3, 3), source))
                index, before = index + 2, width
            self.stages.append(stage)
            index += 1
        self.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(STD)[:, None, None], persistent=False)
        hanning = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("window", torch.outer(hanning, hanning)[None, None], persistent=False)

    @property
    def channels(self) -> tuple[int, ...]:
        """C of every stage."""
        return tuple(widths[-1] for widths in STAGES)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """The stages, each (B, C, h, w), of pictures (B, 3, H, W), RGB, 0-1."""
        x = (pictures - self.mean) / self.std
        stages: list[Tensor] = []
        for convolutions in self.stages:
            if stages:
                x = self._pooled(x)
            for convolution in cast("nn.ModuleList", convolutions):
                x = functional.relu(convolution(x))
            stages.append(x)
        return stages

    def _pooled(self, x: Tensor) -> Tensor:
        if self.pooling == "max":
            return functional.max_pool2d(x, 2)
        window = self.window.expand(x.shape[1], -1, -1, -1)
        squares = functional.conv2d(x * x, window, stride=2, padding=1, groups=x.shape[1])
        return (squares + ROOT_FLOOR).sqrt()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a table of tensors; no code in the file is ever run.

    Args:
        path: ``.safetensors``; anything else is read as a file of PyTorch.

    Raises:
        MissingExtra: safetensors is not installed.
        WeightsError: The file is missing, damaged or holds other things.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file of weights.")
    if path.suffix.lower() == ".safetensors":
        raw = _read_safetensors(path)
    else:
        raw = read_plain(
            path,
            foreign="this is not a file of PyTorch weights, or holds more than weights",
            damaged="this file of weights is damaged",
        )
    if not isinstance(raw, Mapping) or not all(isinstance(w, Tensor) for w in raw.values()):
        raise WeightsError(f"{path}: holds no table of tensors.")
    return {str(name): weight.detach().float() for name, weight in raw.items()}


def _read_safetensors(path: Path) -> Mapping[str, Tensor]:
    safetensors = require("safetensors.torch", extra="diffusion")
    try:
        return cast(Mapping[str, Tensor], safetensors.load_file(path))
    except Exception as error:  # safetensors raises whatever the damage happens to hit
        raise WeightsError(
            f"{path}: this file of weights is damaged ({first_sentence(error)})."
        ) from error


def _convolution(
    weights: Mapping[str, Tensor], index: int, shape: tuple[int, ...], source: str
) -> nn.Conv2d:
    convolution = nn.Conv2d(shape[1], shape[0], 3, padding=1, device="meta").to_empty(device="cpu")
    for part, wanted in (("weight", shape), ("bias", shape[:1])):
        name = f"features.{index}.{part}"
        if name not in weights or weights[name].shape != wanted:
            found = tuple(weights[name].shape) if name in weights else "missing"
            raise WeightsError(
                f"{source}: these are no weights of VGG16: {name} is {found}, not {wanted}."
            )
        with torch.no_grad():
            getattr(convolution, part).copy_(weights[name])
    return convolution
