"""DISTS and its edge-aware form: distances that let a texture be another sample of itself.

Sources: Ding et al., Image Quality Assessment: Unifying Structure and Texture Similarity, IEEE
TPAMI 2022, section 3; the edge-aware form is D3SR's.

Shapes: B pictures, C channels of a stage, H×W pixels.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.errors import UsageError, WeightsError
from restora.networks.perceptual.features import Features, LiteFeatures
from restora.networks.perceptual.filter_bank import FilterBank, texture_weights
from restora.networks.perceptual.vgg16 import VGG16, read_tensors
from restora.semantics.efficientnet_lite import CLASSIFIERS

MEAN_CONSTANT = 1e-6  # c1 and c2 of the paper
COVARIANCE_CONSTANT = 1e-6
EDGE_FLOOR = 1e-6  # under the root of the Sobel magnitude
COLOURS = 3  # channels of stage 0, the picture itself


class DISTS(nn.Module):
    """One minus the weighted similarity of means and of structure, over stages and channels.

    With the means m, variances v and the covariance c of a channel over the picture::

        1 - sum alpha (2 m m' + c1) / (m^2 + m'^2 + c1) + beta (2 c + c2) / (v + v' + c2)

    Stage 0 is the picture itself. All weights together are 1, so the distance is 0 where the two
    are equal, and at most 2. The paper's measurements shrink the shorter side to 256 pixels first;
    this does not.
    """

    alpha: Tensor
    beta: Tensor

    def __init__(
        self, features: Features, alpha: Tensor | None = None, beta: Tensor | None = None
    ) -> None:
        """Take features and weights.

        Args:
            features: What gives stages 1 and on.
            alpha: Weights of the means, as many as all stages have channels, in any shape; scaled
                so that ``alpha`` and ``beta`` together sum to 1. Equal ones when not given.
            beta: Weights of the structure, likewise.

        Raises:
            WeightsError: ``alpha`` or ``beta`` is of other features.
        """
        super().__init__()
        self.features = features
        self._split = [COLOURS, *features.channels]
        count = sum(self._split)
        pair = []
        for name, weights in (("alpha", alpha), ("beta", beta)):
            given = torch.ones(count) if weights is None else weights.detach().float().flatten()
            if len(given) != count:
                raise WeightsError(
                    f"DISTS on these features takes {count} weights, but {name} has {len(given)}."
                )
            pair.append(given)
        total = pair[0].sum() + pair[1].sum()
        self.register_buffer("alpha", pair[0] / total)
        self.register_buffer("beta", pair[1] / total)

    def forward(self, restored: Tensor, clean: Tensor) -> Tensor:
        """Distances (B,) of pictures (B, 3, H, W), RGB, 0-1."""
        # Squares and the constants are too much, and too little, for half precision.
        with torch.autocast(restored.device.type, enabled=False):
            return self._distances(restored.float(), clean.float())

    def _distances(self, restored: Tensor, clean: Tensor) -> Tensor:
        stages = zip(
            [restored, *self.features(restored)],
            [clean, *self.features(clean)],
            torch.split(self.alpha, self._split),
            torch.split(self.beta, self._split),
            strict=True,
        )
        total = restored.new_zeros(len(restored))
        # One minus each similarity: exact where the two are nearly the same.
        for x_stage, y_stage, alpha, beta in stages:
            x, y = x_stage.flatten(2), y_stage.flatten(2)
            x_mean, y_mean = x.mean(2), y.mean(2)
            x, y = x - x_mean[..., None], y - y_mean[..., None]
            means = (x_mean - y_mean).square() / (x_mean.square() + y_mean.square() + MEAN_CONSTANT)
            structure = (x - y).square().mean(2) / (
                x.square().mean(2) + y.square().mean(2) + COVARIANCE_CONSTANT
            )
            total = total + (alpha * means + beta * structure).sum(1)
        return total


class EADISTS(nn.Module):
    """DISTS of the pictures plus DISTS of their Sobel magnitudes. Source: D3SR."""

    def __init__(self, dists: DISTS) -> None:
        super().__init__()
        self.dists = dists

    def forward(self, restored: Tensor, clean: Tensor) -> Tensor:
        """Distances (B,) of pictures (B, 3, H, W), RGB, 0-1; at most 4."""
        with torch.autocast(restored.device.type, enabled=False):
            steep = sobel_magnitude(restored.float()), sobel_magnitude(clean.float())
        edges: Tensor = self.dists(*steep)
        plain: Tensor = self.dists(restored, clean)
        return plain + edges


def sobel_magnitude(pictures: Tensor) -> Tensor:
    """How steep the mean of the colours is, the same in three channels: (B, 3, H, W) to likewise.

    The border counts as an edge to black, and a flat place has 0.001, as in the authors' demo.
    """
    across = pictures.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    kernels = torch.stack([across, across.T])[:, None]
    slopes = functional.conv2d(pictures.mean(1, keepdim=True), kernels, padding=1)
    steepness = (slopes.square().sum(1, keepdim=True) + EDGE_FLOOR).sqrt()
    return steepness.expand(-1, 3, -1, -1)


def equal_stages(features: Features) -> Tensor:
    """Weights by which every stage counts the same, however many channels it has."""
    return torch.cat([torch.full((count,), 1 / count) for count in (COLOURS, *features.channels)])


def load_dists(name: str) -> DISTS:
    """DISTS by the name of its features.

    Args:
        name: ``"filter-bank"``, which needs no weights; ``"lite0"`` or ``"lite2"``, whose weights
            come as a package; or ``"vgg16:PATH"`` with torchvision's weights of VGG16 in a file,
            and ``"vgg16:PATH,WEIGHTS"`` with the published alpha and beta in another. Alpha and
            beta are taken from the first file if it holds them.

    Raises:
        MissingExtra: The package of the weights is not installed.
        UsageError: There are no such features.
        WeightsError: A file is missing, damaged or of the wrong kind.
    """
    kind, _, files = name.partition(":")
    if kind == "vgg16" and files:
        path, _, weights_path = files.partition(",")
        tensors = read_tensors(Path(path))
        features = VGG16(tensors, source=path)
        weights = read_tensors(Path(weights_path)) if weights_path else tensors
        if weights_path and not {"alpha", "beta"} <= weights.keys():
            raise WeightsError(f"{weights_path}: holds no alpha and beta of DISTS.")
        return DISTS(features, weights.get("alpha"), weights.get("beta"))
    if name == "filter-bank":
        bank = FilterBank()
        return DISTS(bank, *texture_weights(bank))
    if name in CLASSIFIERS:
        lite = LiteFeatures(name)
        return DISTS(lite, equal_stages(lite), equal_stages(lite))
    known = ", ".join(["filter-bank", *CLASSIFIERS, "vgg16:PATH", "vgg16:PATH,DISTS_WEIGHTS"])
    raise UsageError(f"There are no features {name!r} for DISTS; there are {known}.")
