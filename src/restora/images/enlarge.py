"""A picture enlarged before it is restored, with what it says about itself kept true."""

from __future__ import annotations

import re
import struct
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restora.errors import InputError, UsageError
from restora.images.decode import MORE_PIXELS
from restora.images.picture import Alpha, Metadata, Picture, Pixels
from restora.images.read import MAX_PIXELS
from restora.images.samples import strips
from restora.jpeg.ifd import first_directory, read_directory

__all__ = ["FACTORS", "enlarge", "enlarge_bytes"]

FACTORS = (1, 2, 3, 4)

_EXIF_DIRECTORY = 0x8769
_LONG = 4
_ACROSS = {0x0100, 0xA002}  # ImageWidth, PixelXDimension
_DOWN = {0x0101, 0xA003}  # ImageLength, PixelYDimension
_XMP_SIZE = re.compile(
    rb"((?:exif:Pixel(X|Y)Dimension|tiff:Image(?:(Width)|Length))(?:\s*=\s*[\"']|\s*>)\s*)"
    rb"[0-9]+(?=\s*[\"'<])"
)


def enlarge(picture: Picture, factor: int, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """The picture with more pixels for the same content, bicubic.

    Alpha is enlarged likewise, at its own depth. Metadata stays, dots per inch and the profile too;
    where EXIF or XMP state the size in pixels, they state the new one.

    Args:
        picture: Any picture.
        factor: 1-4; 1 gives the picture itself.
        max_pixels: Refuse to make a larger picture.

    Returns:
        ``factor`` times as wide and as high, clipped to 0-1.

    Raises:
        UsageError: The factor is none of those.
        InputError: The picture would become too large.

    Example:
        >>> gray = Picture(pixels=np.zeros((2, 3, 1), np.float32), space="gray")
        >>> enlarge(gray, 4).pixels.shape
        (8, 12, 1)
    """
    if factor not in FACTORS:
        raise UsageError(f"--upscale is 1, 2, 3 or 4, not {factor}.")
    if factor == 1:
        return picture
    height, width = picture.height_px * factor, picture.width_px * factor
    if height * width > max_pixels:
        raise InputError(
            f"Enlarged {factor} times the picture has {width}×{height} pixels, more than the limit "
            f"of {max_pixels:,} pixels.",
            remedy=MORE_PIXELS,
        )
    pixels: Pixels = np.empty((height, width, picture.pixels.shape[2]), np.float32)
    for channel in range(pixels.shape[2]):
        _enlarge_plane(picture.pixels[..., channel], factor, out=pixels[..., channel])
    return replace(
        picture,
        pixels=pixels,
        alpha=None if picture.alpha is None else _enlarged_alpha(picture.alpha, factor),
        metadata=_of_size(picture.metadata, width, height),
    )


def enlarge_bytes(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Pixels (h, w, 3), 0-255, ``factor`` times as large, as :func:`enlarge` does it; no limit."""
    if factor == 1:
        return pixels
    small = Picture(pixels=pixels.astype(np.float32) / np.float32(255), space="rgb")
    large = enlarge(small, factor, max_pixels=pixels.size * factor**2)
    made: NDArray[np.uint8] = np.rint(large.pixels * 255).astype(np.uint8)
    return made


def _enlarged_alpha(alpha: Alpha, factor: int) -> Alpha:
    out: Alpha = np.empty((alpha.shape[0] * factor, alpha.shape[1] * factor), alpha.dtype)
    _enlarge_plane(alpha, factor, out=out)
    return out


def _enlarge_plane(plane: Pixels | Alpha, factor: int, *, out: Pixels | Alpha) -> None:
    """Enlarge one plane (H, W) into another of its kind, strip by strip, clipped to its range."""
    height, width = plane.shape
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    whole_numbers = out.dtype != np.float32
    peak = 256**out.itemsize - 1 if whole_numbers else 1
    for top, end in strips(height, width * factor * factor):
        # The box says which rows are wanted; Pillow still sees their neighbours outside of it.
        part = image.resize(
            (width * factor, (end - top) * factor),
            Image.Resampling.BICUBIC,
            box=(0, top, width, end),
        )
        rows = np.clip(np.asarray(part), 0, peak)
        out[top * factor : end * factor] = np.rint(rows) if whole_numbers else rows


def _of_size(metadata: Metadata, width_px: int, height_px: int) -> Metadata:
    """The metadata of a picture that now has this size, in stored orientation."""
    exif, xmp = metadata.exif, metadata.xmp
    return replace(
        metadata,
        exif=_exif_of_size(exif, width_px, height_px) if exif else exif,
        xmp=_xmp_of_size(xmp, width_px, height_px) if xmp else xmp,
    )


def _exif_of_size(exif: bytes, width_px: int, height_px: int) -> bytes:
    """The EXIF with its notes of the size overwritten where they stand; no byte moves."""
    first = first_directory(exif)
    if first is None:
        return exif
    at = first.whole_number(_EXIF_DIRECTORY)
    below = read_directory(exif, order=first.order, at=at) if at is not None else None
    changed = bytearray(exif)
    for directory in (first, below):
        for tag, entry in (directory.entries if directory else {}).items():
            if tag in _ACROSS | _DOWN:
                value = width_px if tag in _ACROSS else height_px
                # LONG, whatever it was: EXIF allows it beside SHORT, and any size fits.
                struct.pack_into(first.order + "HII", changed, entry.field_at + 2, _LONG, 1, value)
    return bytes(changed)


def _xmp_of_size(xmp: bytes, width_px: int, height_px: int) -> bytes:
    """The packet with its notes of the size replaced; no other byte changes."""

    def told(found: re.Match[bytes]) -> bytes:
        across = found.group(2) == b"X" or found.group(3) is not None
        return found.group(1) + b"%d" % (width_px if across else height_px)

    return _XMP_SIZE.sub(told, xmp)
