"""Scores of a restored picture against the clean one that ask how it looks and what is seen in it.

A scorer is shown the clean picture once and gives back a function that scores any other; what it
needs of the clean one is then computed once. Pictures are uint8, ``(H, W, 3)`` RGB, 0-255.

- :class:`Ssimulacra2`: the score of JPEG XL's encoder, up to 100 (metrics extra).
- :class:`FeatureSimilarity`: cosines of what EfficientNet-Lite2 sees (downstream extra).
- :class:`EmbeddingSimilarity`: the cosine of what an image encoder such as CLIP makes of them.
- :class:`NetworkDistance`: a distance of PyTorch tensors such as DISTS or LPIPS.
- :class:`Fidelity`: PSNR, SSIM and PSNR-B, as in the other protocols.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict

from restora._optional import require
from restora.errors import InputError
from restora.evaluation.metrics import METRICS
from restora.semantics.efficientnet_lite import Classifier
from restora.semantics.pictures import resize
from restora.semantics.protocols import Floats, ImageEncoder

__all__ = [
    "Column",
    "EmbeddingSimilarity",
    "Feature",
    "FeatureSimilarity",
    "Fidelity",
    "NetworkDistance",
    "Score",
    "Scorer",
    "Ssimulacra2",
]

METRICS_EXTRA = "metrics"
NETWORKS_EXTRA = "downstream"

Pixels = NDArray[np.uint8]

Score = Callable[[Pixels], tuple[float, ...]]
"""A picture in, its figures against the clean one out, one for each column of the scorer."""


class Column(BaseModel):
    """A figure as a report and a table know it.

    Attributes:
        name: Key in the report.
        label: Heading in the table.
        better: Which way is better; ``None`` where neither is by itself.
        digits: Digits after the point.
        group: Which table it stands in.
        meaning: What is computed, as a sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    label: str
    better: Literal["higher", "lower"] | None
    digits: int
    group: Literal["perceptual", "fidelity"] = "perceptual"
    meaning: str = ""


class Scorer(Protocol):
    """One score, or several that share their work."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """What the figures are."""
        ...

    def against(self, clean: Pixels) -> Score:
        """Look at the clean picture; what is scored then is of its size."""
        ...


class Ssimulacra2:
    """SSIMULACRA2 as the package ``ssimulacra2`` computes it.

    100 where nothing differs; 90 and more is hardly to be seen, 50 is a common web JPEG; below 0 is
    ruin. Six scales are weighed: pictures with a side under 225 px have fewer, and their figures
    cannot be compared with those of larger ones.
    """

    columns = (
        Column(
            name="ssimulacra2", label="SSIMULACRA2", better="higher", digits=2,
            meaning="the package ssimulacra2, up to 100",
        ),
    )  # fmt: skip

    def __init__(self) -> None:
        """Find the package.

        Raises:
            MissingExtra: It is not installed.
        """
        package = require("ssimulacra2", extra=METRICS_EXTRA)
        self._compute: Callable[[Any, Any], float] = package.compute_ssimulacra2

    def against(self, clean: Pixels) -> Score:
        """See :class:`Scorer`."""
        reference = _portable(clean)

        def score(picture: Pixels) -> tuple[float, ...]:
            return (float(self._compute(io.BytesIO(reference), io.BytesIO(_portable(picture)))),)

        return score


Feature = tuple[Floats, Floats]
"""What a network sees in a picture: (T, D), a vector for each place, and their mean (D,)."""


class FeatureSimilarity:
    """Cosines of the features of an EfficientNet-Lite, 1 where it sees the same.

    The features are those before the last layer (1280 of them), a vector for every 32×32 pixels
    that the network is given. It is given

    - a copy of the whole picture, squeezed to its own side (260×260 for Lite2, bicubic with
      antialiasing), for ``features`` (the cosine of the pooled vectors, the mean over all places)
      and ``tokens_scaled`` (the mean of the cosines place by place), and
    - the middle of the picture at its own size, a square of 260 px or what there is, for
      ``tokens_crop`` (the mean of the cosines place by place).

    The copy hides most of what JPEG did and asks what the picture shows; the crop asks whether
    detail is seen where it was.
    """

    def __init__(self, classifier: Classifier) -> None:
        """Take the network.

        Args:
            classifier: :func:`restora.semantics.efficientnet_lite.load_classifier`.
        """
        self._torch = require("torch", extra=NETWORKS_EXTRA)
        self._classifier = classifier
        side_px, title = classifier.variant.side_px, classifier.variant.title
        copy = f"a {side_px} px copy of the picture"
        crop = f"its middle {side_px} px at full size"
        self.columns = tuple(
            Column(name=name, label=label, better="higher", digits=4, meaning=meaning)
            for name, label, meaning in (
                ("features", "features", f"cosine of what {title} sees in {copy}, pooled"),
                (
                    "tokens_scaled",
                    "tokens",
                    f"cosine of what it sees there, place by place, {copy}",
                ),
                ("tokens_crop", "tokens, crop", f"the same, {crop}"),
            )
        )

    def against(self, clean: Pixels) -> Score:
        """See :class:`Scorer`."""
        scaled, crop = self._scaled(clean), self._crop(clean)

        def score(picture: Pixels) -> tuple[float, ...]:
            now = self._scaled(picture)
            pooled = float(cosines(now[1], scaled[1]))
            here = float(cosines(self._crop(picture)[0], crop[0]).mean())
            return pooled, float(cosines(now[0], scaled[0]).mean()), here

        return score

    def see(self, picture: Pixels) -> Feature:
        """The features of a picture as it is, of any size from 32×32."""
        tensor = self._torch.from_numpy(_unit(picture).transpose(0, 3, 1, 2))
        with self._torch.inference_mode():
            grid: Floats = self._classifier.levels(tensor)[-1][0].numpy()
        tokens = grid.reshape(len(grid), -1).T
        return tokens, tokens.mean(axis=0)

    def _scaled(self, picture: Pixels) -> Feature:
        return self.see(resize(_unit(picture), self._classifier.variant.side_px)[0])

    def _crop(self, picture: Pixels) -> Feature:
        side_px = self._classifier.variant.side_px
        height, width = picture.shape[:2]
        top, left = max(height - side_px, 0) // 2, max(width - side_px, 0) // 2
        return self.see(picture[top : top + side_px, left : left + side_px])


class EmbeddingSimilarity:
    """The cosine of an image encoder's pooled vectors of whole pictures, 1 where they agree."""

    def __init__(self, encoder: ImageEncoder, *, name: str = "clip", label: str = "CLIP") -> None:
        """Take the encoder.

        Args:
            encoder: Squeezes and normalises pictures by itself.
            name: Key in the report.
            label: Heading in the table.
        """
        self._encoder = encoder
        meaning = f"cosine of the pooled vectors that {encoder.name} makes of whole pictures"
        self.columns = (Column(name=name, label=label, better="higher", digits=4, meaning=meaning),)

    def against(self, clean: Pixels) -> Score:
        """See :class:`Scorer`."""
        reference = self._encoder.encode(_unit(clean)).pooled[0]

        def score(picture: Pixels) -> tuple[float, ...]:
            return (float(cosines(self._encoder.encode(_unit(picture)).pooled[0], reference)),)

        return score


class NetworkDistance:
    """A distance of pictures that a PyTorch module computes, at full size."""

    def __init__(self, distance: Callable[[Any, Any], Any], column: Column) -> None:
        """Take the module.

        Args:
            distance: Takes two tensors (1, 3, H, W), RGB, 0-1, the restored picture first; gives a
                tensor of one number.
            column: What it is called.

        Raises:
            MissingExtra: PyTorch is not installed.
        """
        self._torch = require("torch", extra=NETWORKS_EXTRA)
        self._distance = distance
        self.columns = (column,)

    def against(self, clean: Pixels) -> Score:
        """See :class:`Scorer`."""
        reference = self._tensor(clean)

        def score(picture: Pixels) -> tuple[float, ...]:
            with self._torch.inference_mode():
                return (float(self._distance(self._tensor(picture), reference)),)

        return score

    def _tensor(self, picture: Pixels) -> Any:
        channels_first = np.ascontiguousarray(_unit(picture).transpose(0, 3, 1, 2))
        return self._torch.from_numpy(channels_first)


class Fidelity:
    """PSNR, SSIM and PSNR-B, see :mod:`restora.evaluation.metrics`."""

    columns = tuple(
        Column(
            name=metric.name, label=metric.label, better=metric.better, digits=metric.digits,
            group="fidelity",
        )
        for metric in METRICS
    )  # fmt: skip

    def against(self, clean: Pixels) -> Score:
        """See :class:`Scorer`."""
        return lambda picture: tuple(metric(clean, picture) for metric in METRICS)


def cosines(one: Floats, other: Floats) -> NDArray[np.float64]:
    """Cosines of the vectors along the last axis, in float64; 1 for two that are both zero."""
    if one.shape != other.shape:
        raise InputError(f"Features of the shapes {one.shape} and {other.shape} do not compare.")
    a, b = one.astype(np.float64), other.astype(np.float64)
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    both_zero = ~(a.any(axis=-1) | b.any(axis=-1))
    found: NDArray[np.float64] = (a * b).sum(axis=-1) / np.maximum(lengths, 1e-12)
    return np.where(both_zero, 1.0, found)


def _unit(picture: Pixels) -> Floats:
    """(1, H, W, 3) float32 in 0-1."""
    return (picture.astype(np.float32) / np.float32(255))[None]


def _portable(picture: Pixels) -> bytes:
    """The picture as a file: the package reads files, and this one costs nothing to make."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PPM")
    return file.getvalue()
