"""Inks to light, for formats that hold no CMYK."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

from restora.images.picture import Pixels
from restora.images.samples import band, strips, whole_numbers

__all__ = ["rgb_from_cmyk"]


def rgb_from_cmyk(pixels: Pixels, *, icc: bytes | None) -> Pixels:
    """Show CMYK as RGB.

    Args:
        pixels: ``(H, W, 4)`` float32, amounts of ink in 0-1.
        icc: The profile of the inks. With one the result is sRGB, as print shops mean it, at a
            precision of 8 bits; without, or with a damaged one, it is the plain product
            ``(1 - ink) · (1 - black)``.

    Returns:
        ``(H, W, 3)`` float32 in 0-1.
    """
    if icc is not None:
        converted = _by_profile(pixels, icc)
        if converted is not None:
            return converted
    rgb = np.empty((*pixels.shape[:2], 3), np.float32)
    for top, bottom in strips(*pixels.shape[:2]):
        inks = np.clip(pixels[top:bottom], 0, 1)
        np.multiply(1 - inks[..., :3], 1 - inks[..., 3:], out=rgb[top:bottom])
    return rgb


def _by_profile(pixels: Pixels, icc: bytes) -> Pixels | None:
    height, width = pixels.shape[:2]
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(icc)),
            ImageCms.createProfile("sRGB"),
            "CMYK",
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError):
        return None  # not a profile of inks, or none at all
    rgb = np.empty((height, width, 3), np.float32)
    for top, bottom in strips(height, width):
        numbers = whole_numbers(pixels[top:bottom], bits=8)
        inks = Image.frombuffer("CMYK", (width, bottom - top), numbers, "raw", "CMYK", 0, 1)
        shown = ImageCms.applyTransform(inks, transform)
        if shown is None:
            return None
        np.divide(
            band(shown, 0, bottom - top), np.float32(255), out=rgb[top:bottom], dtype=np.float32
        )
    return rgb
