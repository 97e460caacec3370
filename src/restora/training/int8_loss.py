"""What the 8-bit form of a network costs, on pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from restora.degradations.jpeg import compress
from restora.engine.backend import PREDICT, Backend
from restora.errors import InputError
from restora.training.data import validation_pictures

QUALITIES = (10, 20, 30, 40)


def measure_loss(exact: Backend, rounded: Backend, folder: Path) -> float:
    """The most PSNR in dB that a network loses in 8 bits at any of four JPEG qualities.

    Args:
        exact: The network.
        rounded: Its 8-bit form.
        folder: Clean pictures; the centre of each is taken, and each form estimates the quality.

    Returns:
        The largest of the four mean losses, no less than 0.

    Raises:
        InputError: The folder holds no pictures.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder of clean pictures.")
    clean = list(validation_pictures(folder, channels=exact.channels))
    if not clean:
        raise InputError(f"{folder}: holds no clean pictures to measure on.")
    losses = []
    for quality in QUALITIES:
        scores = [
            [_psnr(_restore(backend, compress(picture, quality)), picture) for picture in clean]
            for backend in (exact, rounded)
        ]
        losses.append(float(np.mean(scores[0]) - np.mean(scores[1])))
    return max(0.0, *losses)


def _restore(backend: Backend, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    tiles = pixels.reshape(1, *pixels.shape[:2], -1).astype(np.float32) / np.float32(255)
    out = backend.decode(backend.encode(tiles), PREDICT)
    plain: NDArray[np.float64] = np.rint(np.clip(out[0], 0, 1) * 255).astype(np.float64)
    return plain.reshape(pixels.shape)


def _psnr(a: NDArray[np.float64], b: NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / max(float(np.mean((a - b) ** 2)), 1e-10)))
