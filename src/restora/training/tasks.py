"""What a step is for FBCNN, what every method's task offers, and how networks are validated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from restora.degradations.jpeg import compress
from restora.images import RGB_TO_YCBCR
from restora.networks.catalogue import Network
from restora.networks.fbcnn import FBCNN, quality_to_strength, strength_to_quality
from restora.training.data import Batch, validation_pictures
from restora.training.recipe import FBCNNRecipe
from restora.training.sections import TrainRecipe

VALIDATION_SAVES = ((10,), (40,), (10, 50))  # qualities; before the last the grid is moved
VALIDATION_SHIFT_PX = 4
RMS_FLOOR = 1e-3  # a quarter of a gray level: below it nothing is to be gained


Pairs = Iterable[tuple[Tensor, Tensor]]
"""Clean and compressed pictures, (1, C, H, W) each, 0-1."""


class Task(Protocol):
    """What a method trains, and how."""

    @property
    def validates(self) -> bool:
        """Whether the network restores already, so that :class:`Scoring` says something."""

    @property
    def encoders(self) -> dict[str, str]:
        """Fingerprints of the captioner and encoders it is taught with, by role."""

    @property
    def network(self) -> Any:
        """What ships; its weights are averaged."""

    @property
    def optimiser(self) -> torch.optim.Optimizer:
        """Its rate is ``train.lr`` times each group's ``scale``."""

    def to(self, device: str) -> None:
        """Move everything to a device."""

    def step(self, batch: Any, *, done: float) -> dict[str, Tensor]:
        """One optimiser step at a share ``done`` of all; gives the parts of the loss."""

    def whole(self, network: Any) -> Any:
        """``network`` with all that a picture goes through, for :class:`Scoring`."""

    def monitor(self, network: Any, pairs: Pairs) -> dict[str, float]:
        """Figures of the method's own for the log of a validation."""

    def extra_state(self) -> dict[str, Any]:
        """``companions`` and ``rival`` of a checkpoint, where there are any."""

    def load_extra(self, companions: dict[str, Tensor], rival: dict[str, Any]) -> None:
        """Undo :meth:`extra_state`."""


class Scoring(Protocol):
    """How networks are scored on a folder of clean pictures."""

    def pairs(self, device: str) -> Pairs:
        """Every clean picture with each of its damaged forms."""

    def __call__(self, network: Any) -> dict[str, float]:
        """Scores by name."""


class FBCNNTask:
    """An FBCNN, which is all there is to it; see :class:`Task`."""

    validates = True
    encoders: dict[str, str] = {}  # noqa: RUF012 - nobody adds to it

    def __init__(self, recipe: FBCNNRecipe, network: FBCNN, *, compiled: bool = False) -> None:
        self.network = network
        self._settings = recipe.train
        self._forward = torch.compile(network) if compiled else network
        self.optimiser = make_optimiser(
            [{"params": [*network.parameters()], "scale": 1.0}], recipe.train
        )

    def to(self, device: str) -> None:
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def step(self, batch: Batch, *, done: float) -> dict[str, Tensor]:  # noqa: ARG002 - no ramp here
        loss, parts = fbcnn_loss(self._forward, batch, self._settings)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self._settings.clip_norm)
        self.optimiser.step()
        return parts

    def whole(self, network: FBCNN) -> FBCNN:
        return network

    def monitor(self, network: FBCNN, pairs: Pairs) -> dict[str, float]:  # noqa: ARG002
        return {}

    def extra_state(self) -> dict[str, Any]:
        return {}

    def load_extra(self, companions: dict[str, Tensor], rival: dict[str, Any]) -> None:
        del companions, rival


def make_optimiser(groups: list[dict[str, Any]], settings: TrainRecipe) -> torch.optim.AdamW:
    """AdamW over groups of parameters."""
    return torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=settings.weight_decay)


def fbcnn_loss(
    network: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], batch: Batch, recipe: TrainRecipe
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss on the pixels plus weighted L1 on the strength. Source: FBCNN, section 3.3.

    Where the batch says so the controller gets the true strength, so that it learns even
    while the prediction is still bad; elsewhere it gets the prediction, undetached.

    Returns:
        The loss, and its parts for the log.
    """
    strength = quality_to_strength(batch.quality)[:, None]
    given = torch.where(batch.teach[:, None], strength, torch.nan)
    half = recipe.precision == "bf16"
    with torch.autocast(batch.clean.device.type, torch.bfloat16, enabled=half):
        restored, predicted = network(batch.degraded, given)
    pixel = pixel_loss(restored.float() - batch.clean, recipe)
    # Some samples have no one true quality; those teach the pixels alone.
    quality = (predicted.float() - strength)[~strength.isnan()].abs().sum() / len(strength)
    return pixel + recipe.quality_weight * quality, {"pixel": pixel, "quality": quality}


def pixel_loss(error: Tensor, recipe: TrainRecipe) -> Tensor:
    """One number for the errors (B, C, H, W) of a batch."""
    if recipe.pixel_loss == "mse":
        return error.square().mean()
    if recipe.pixel_loss == "rms":
        # What PSNR counts; the root of each sample keeps hard saves from drowning mild ones.
        each = error.square().mean(dim=(1, 2, 3)) + RMS_FLOOR**2
        return torch.sqrt(each).mean()
    if recipe.chroma_weight is None:
        return error.abs().mean()
    # In RGB luma's larger error hides chroma's sign; apart, both give a clear gradient. Most of
    # chroma's error lies in few places, along edges of colour: the square goes after those.
    planes: Tensor = torch.einsum("ij,bjhw->ibhw", error.new_tensor(RGB_TO_YCBCR), error)
    luma, chroma = planes[0], planes[1:]
    squared = chroma.square().mean() * len(chroma)
    return luma.abs().mean() + recipe.chroma_weight * squared


class Validation:
    """Blind PSNR and quality error on a folder of clean pictures, compressed once up front."""

    def __init__(
        self, folder: Path, *, channels: int, saves: tuple[tuple[int, ...], ...] = VALIDATION_SAVES
    ) -> None:
        """
        Args:
            folder: Of the clean pictures.
            channels: 1 for gray, 3 for colour.
            saves: The qualities each is saved at, one after another; off the grid in between.
        """
        clean = list(validation_pictures(folder, channels=channels))
        self._pairs = {each: [_save_each(picture, each) for picture in clean] for each in saves}

    def pairs(self, device: str) -> Pairs:
        """Every clean picture with each of its compressed forms."""
        for pairs in self._pairs.values():
            for clean, picture in pairs:
                yield _batch(clean.astype(np.uint8), device), _batch(picture, device)

    @torch.no_grad()
    def __call__(self, network: Network) -> dict[str, float]:
        """``psnr_<q>``, ``jpeg_<q>`` in dB and ``quality_error_<q>``, means over the pictures.

        ``<q>`` is ``10_50`` for a picture saved at 10, moved off the grid and saved at 50.
        """
        scores: dict[str, float] = {}
        device = str(next(network.parameters()).device)
        for saves, pairs in self._pairs.items():
            rows = []
            for clean, picture in pairs:
                restored, strength = network(_batch(picture, device))
                out = restored[0].permute(1, 2, 0).mul(255).round().clamp(0, 255)
                predicted = float(strength_to_quality(strength)[0, 0])
                rows.append(
                    (
                        _psnr(out.cpu().double().numpy().reshape(clean.shape), clean),
                        _psnr(picture.astype(np.float64), clean),
                        abs(predicted - min(saves)),
                    )
                )
            name = "_".join(map(str, saves))
            names = (f"psnr_{name}", f"jpeg_{name}", f"quality_error_{name}")
            scores.update(zip(names, (float(v) for v in np.mean(rows, axis=0)), strict=True))
        return scores


def _save_each(
    clean: NDArray[np.uint8], saves: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """A clean picture and the same after its saves, both cut alike."""
    saved = compress(clean, saves[0])
    for quality in saves[1:]:
        clean, saved = (
            np.ascontiguousarray(p[VALIDATION_SHIFT_PX:, VALIDATION_SHIFT_PX:])
            for p in (clean, saved)
        )
        saved = compress(saved, quality)
    return clean.astype(np.float64), saved


def _batch(picture: NDArray[np.uint8], device: str) -> Tensor:
    """A gray or colour picture as (1, C, H, W), 0-1."""
    planes = picture[..., None] if picture.ndim == 2 else picture
    return torch.from_numpy(planes.copy()).to(device).permute(2, 0, 1)[None].float() / 255


def _psnr(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    error = float(np.mean((a - b) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-10)))  # no infinity in a mean of a log
