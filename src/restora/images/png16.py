"""PNG with 16 bits a sample, which Pillow reads as 8 and does not write in colour.

Reading stays at the speed of Pillow's decoder by asking it twice: once for the high byte of each
sample, once for the low one. Writing filters with NumPy and packs with zlib.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile, PngImagePlugin

from restora.images.decode import Decoded, Request, load
from restora.images.picture import Alpha, Metadata
from restora.images.png_chunks import SIGNATURE, Chunk, chunk, metadata_chunks
from restora.images.samples import band, floats, joined, strips

__all__ = ["decode_png16", "encode_png16"]

Fetch = Callable[[int, int], NDArray[np.uint16]]


def decode_png16(header: Chunk, rest: bytes, request: Request) -> tuple[Decoded, int | None, Fetch]:
    """Decode a 16-bit PNG.

    Args:
        header: Its ``IHDR``.
        rest: All that follows in the file, from the ``IDAT`` chunks on.
        request: Salvage keeps what decodes.

    Returns:
        The picture; the rows that decoded if that was not all; and a function that gives rows
        ``top`` to ``bottom`` as uint16 ``(rows, W, C)``, colours then alpha.

    Raises:
        InputError: It does not decode.
    """
    colour_type = header.body[9]
    rows: int | None
    if colour_type in {0, 4}:
        # PNG filters bytes, not samples. So gray with 16 bits is, byte for byte, gray with alpha
        # of 8 bits, and gray with alpha of 16 bits is RGBA of 8: the header alone must change.
        stand_in = 4 if colour_type == 0 else 6
        body = header.body[:8] + bytes([8, stand_in]) + header.body[10:]
        image = _open(body, rest)
        rows = load(image, request)

        def fetch(top: int, bottom: int) -> NDArray[np.uint16]:
            both = band(image, top, bottom)
            return joined(both[..., ::2], both[..., 1::2])
    else:
        mode = "RGB" if colour_type == 2 else "RGBA"
        # "16L" means the second byte is the high one: in a file where the first one is, that
        # picks out the low byte.
        image, low = (_open(header.body, rest, rawmode=f"{mode};16{end}") for end in "BL")
        rows = load(image, request, low=low)

        def fetch(top: int, bottom: int) -> NDArray[np.uint16]:
            return joined(band(image, top, bottom), band(low, top, bottom))

    colours = 1 if colour_type in {0, 4} else 3
    shape = (image.height, image.width, colours)
    alpha = None
    if colour_type in {4, 6}:
        alpha = np.empty(shape[:2], np.uint16)
        for top, bottom in strips(*shape[:2]):
            alpha[top:bottom] = fetch(top, bottom)[..., -1]
    pixels = floats(lambda top, end: fetch(top, end)[..., :colours], shape=shape, peak=65535)
    decoded = Decoded(pixels, "gray" if colours == 1 else "rgb", bits=16, alpha=alpha)
    return decoded, rows, fetch


def _open(header: bytes, rest: bytes, *, rawmode: str | None = None) -> ImageFile.ImageFile:
    data = io.BytesIO(SIGNATURE + chunk(b"IHDR", header) + rest)
    image = PngImagePlugin.PngImageFile(data)
    if rawmode is not None:
        image.tile = [tile._replace(args=rawmode) for tile in image.tile]
    return image


def encode_png16(
    samples: NDArray[np.uint16], *, alpha: Alpha | None = None, metadata: Metadata | None = None
) -> bytes:
    """Write a PNG file with 16 bits a sample.

    Args:
        samples: ``(H, W, 1)`` gray or ``(H, W, 3)`` RGB, uint16.
        alpha: ``(H, W)`` uint16, or None.
        metadata: Goes into iCCP, eXIf, iTXt and pHYs.

    Returns:
        The file's bytes.
    """
    height, width, colours = samples.shape
    colour_type = {(1, False): 0, (3, False): 2, (1, True): 4, (3, True): 6}[
        (colours, alpha is not None)
    ]
    parts = [
        SIGNATURE,
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)),
        metadata_chunks(metadata) if metadata else b"",
    ]
    packer = zlib.compressobj(6, zlib.DEFLATED, 15, 9, zlib.Z_FILTERED)
    step = 2 * (colours + (alpha is not None))  # bytes a pixel
    above = np.zeros((1, width * step), np.uint8)
    for top, bottom in strips(height, width):
        strip: NDArray[Any] = samples[top:bottom]
        if alpha is not None:
            strip = np.concatenate([strip, alpha[top:bottom, :, None]], axis=2)
        lines = strip.astype(">u2").view(np.uint8).reshape(bottom - top, -1)
        packed = packer.compress(_filtered(lines, above=above, step=step).tobytes())
        if packed:
            parts.append(chunk(b"IDAT", packed))
        above = lines[-1:]
    parts += [chunk(b"IDAT", packer.flush()), chunk(b"IEND", b"")]
    return b"".join(parts)


def _filtered(
    lines: NDArray[np.uint8], *, above: NDArray[np.uint8], step: int
) -> NDArray[np.uint8]:
    """Rows ``(H, W * step)`` with the filter byte in front, each row filtered as suits it best.

    The choice is PNG's usual one: the filter whose result, as signed numbers, is smallest in sum.
    """
    up = np.concatenate([above, lines[:-1]])
    left, corner = np.zeros_like(lines), np.zeros_like(lines)
    left[:, step:], corner[:, step:] = lines[:, :-step], up[:, :-step]
    # Filters 1 (left), 2 (up) and 4 (see `_paeth`); 3, the average, hardly ever wins on photos.
    choices = {1: lines - left, 2: lines - up, 4: lines - _paeth(left, up, corner)}
    costs = [np.abs(tried.view(np.int8).astype(np.int16)).sum(axis=1) for tried in choices.values()]
    best = np.argmin(costs, axis=0)
    result = np.empty((lines.shape[0], lines.shape[1] + 1), np.uint8)
    for index, (number, tried) in enumerate(choices.items()):
        rows = best == index
        result[rows, 0] = number
        result[rows, 1:] = tried[rows]
    return result


def _paeth(
    left: NDArray[np.uint8], up: NDArray[np.uint8], corner: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    a, b, c = (plane.astype(np.int16) for plane in (left, up, corner))
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    guess = np.where((to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, up, corner))
    return guess.astype(np.uint8, copy=False)
