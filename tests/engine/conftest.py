"""Small pictures made by code, and JPEG files of them."""

import io

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photo():
    """Makes a picture with smooth parts, edges and detail, (H, W, 3) uint8."""

    def make(height_px=96, width_px=128, seed=0):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:height_px, :width_px]
        base = 128 + 50 * np.sin(x / 17 + seed) + 40 * np.cos(y / 11) + rng.normal(0, 4, x.shape)
        base = base + 40 * ((x // 23 + y // 31) % 2)
        tint = np.stack([base, base * 0.8 + 20 * np.sin(y / 9), 200 - 0.5 * base], axis=-1)
        return tint.clip(0, 255).astype(np.uint8)

    return make


@pytest.fixture
def jpeg(photo):
    """Makes the bytes of a JPEG file."""

    def make(height_px=96, width_px=128, *, quality=15, mode="RGB", **options):
        buffer = io.BytesIO()
        image = Image.fromarray(photo(height_px, width_px)).convert(mode)
        image.save(buffer, "JPEG", quality=quality, **options)
        return buffer.getvalue()

    return make


@pytest.fixture
def pixels(photo):
    """Makes that picture as a network sees it, (H, W, 3) in 0-1."""

    def make(height_px=96, width_px=128, seed=0):
        return photo(height_px, width_px, seed).astype(np.float32) / 255

    return make
