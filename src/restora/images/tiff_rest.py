"""TIFF that Pillow does not know, decoded by tifffile.

tifffile unpacks a strip whole, however much comes out of it; so that is looked at before.
"""

from __future__ import annotations

import io
import logging
import lzma
import math
import zlib
from typing import Any, Final

import numpy as np

from restora.errors import InputError
from restora.images.decode import Decoded, Request, check_size, damaged
from restora.images.picture import Space
from restora.images.samples import floats

__all__ = ["CHANNELS_MAX", "decode_by_tifffile"]

CHANNELS_MAX = 16
_NOBODY = logging.NullHandler()
_PACKBITS, _LZMA = 32773, 34925
_DEFLATE = (8, 32946)
# The largest dictionary of its usual settings takes 65 MB.
_LZMA_MAX_BYTES: Final = 128 << 20
_PIECE_BYTES: Final = 1 << 20
_SPARE_BYTES: Final = 64  # PackBits that say nothing, of which a strip can be full


def decode_by_tifffile(data: bytes, request: Request, *, length: int) -> Decoded:
    """Decode what Pillow cannot: planes one after the other, gray with alpha at 16 bits.

    Args:
        data: From :func:`restora.images.tiff_lean.lean`.
        request: Its name and limit.
        length: How many bytes the file itself has; what ``data`` has behind them are no pixels.

    Raises:
        InputError: It is cut off, or the samples are no picture, or do not fit their size, or take
            a package that is not there.
    """
    import tifffile  # noqa: PLC0415 it takes longer to import than most pictures to read

    # It tells of every damage in its log, which Python prints if nobody listens.
    logging.getLogger("tifffile").addHandler(_NOBODY)

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        check_size(request, width_px=page.imagewidth, height_px=page.imagelength)
        if math.prod(page.shape) > CHANNELS_MAX * request.max_pixels:
            raise damaged(request, "its samples do not fit its size")
        if page.dtype is not None:
            _check_parts(page, data, request, length=length)
        try:
            samples = page.asarray()
        except ValueError as error:
            if "imagecodecs" in str(error):
                raise InputError(
                    f"{request.name} is packed with {page.compression.name}, which needs one more "
                    f"package: pip install imagecodecs"
                ) from error
            raise
        photometric, extra = int(page.photometric), tuple(int(kind) for kind in page.extrasamples)
        planar, bits = int(page.planarconfig) == 2, int(page.bitspersample)
    if bits not in {8, 16} or photometric not in {0, 1, 2, 5}:
        raise InputError(
            f"{request.name} holds samples of a kind that Restora does not read; it reads gray, "
            f"RGB and CMYK at 8 or 16 bits."
        )
    if samples.ndim == 2:
        samples = samples[..., None]
    elif planar:
        samples = np.moveaxis(samples, 0, -1)
    spaces: dict[int, tuple[Space, int]] = {2: ("rgb", 3), 5: ("cmyk", 4)}
    space, colours = spaces.get(photometric, ("gray", 1))
    if samples.ndim != 3 or samples.shape[2] < colours:
        raise damaged(request, "its samples do not fit its colour space")
    peak = int(np.iinfo(samples.dtype).max)
    height, width = samples.shape[:2]
    pixels = floats(
        lambda top, end: samples[top:end, :, :colours], shape=(height, width, colours), peak=peak
    )
    if photometric == 0:
        np.subtract(np.float32(1), pixels, out=pixels)
    has_alpha = bool(extra) and extra[0] in {1, 2} and samples.shape[2] > colours
    alpha = np.ascontiguousarray(samples[..., colours]) if has_alpha else None
    if alpha is not None and extra[0] == 1:
        share = alpha[..., None] / np.float32(peak)
        np.divide(pixels, share, out=pixels, where=share > 0)
        np.minimum(pixels, np.float32(1), out=pixels)
    return Decoded(pixels, space, bits=8 * samples.dtype.itemsize, alpha=alpha)


def _check_parts(page: Any, data: bytes, request: Request, *, length: int) -> None:
    most = math.prod(page.chunks) * page.dtype.itemsize
    plain = int(page.compression) == 1  # then what is stated beyond the need is not missed
    for at, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        if at + (min(count, most) if plain else count) > length:
            raise InputError(
                f"{request.name} is cut off, and of a TIFF of its kind no part can be rescued."
            )
        if not _fits(memoryview(data)[at : at + count], int(page.compression), most):
            raise damaged(request, "its strips unpack to more than their size")


def _fits(packed: memoryview, compression: int, most: int) -> bool:
    """Whether a strip or tile unpacks to ``most`` bytes or fewer."""
    if compression in _DEFLATE:
        return _end_within(zlib.decompressobj(), packed, most)
    if compression == _LZMA:
        return _end_within(lzma.LZMADecompressor(memlimit=_LZMA_MAX_BYTES), packed, most)
    if compression == _PACKBITS:  # one byte in 128 is not of the picture, or one in two at worst
        return len(packed) <= 2 * most + _SPARE_BYTES and _unpacked_bytes(packed, most) <= most
    return True


def _end_within(unpacker: Any, packed: memoryview, most: int) -> bool:
    """Unpack in pieces that are thrown away, until there is no more, or too much."""
    left = most
    given: bytes | memoryview = packed
    while left >= 0:
        got = len(unpacker.decompress(given, min(_PIECE_BYTES, left + 1)))
        left -= got
        if unpacker.eof or not got:
            return left >= 0
        given = getattr(unpacker, "unconsumed_tail", b"")
    return False


def _unpacked_bytes(packed: memoryview, most: int) -> int:
    """What PackBits make, counted up to just above ``most``."""
    at = count = 0
    while at < len(packed) and count <= most:
        control = packed[at]
        if control > 128:  # the next byte, so many times
            count += 257 - control
            at += 2
        else:
            count += control + 1 if control < 128 else 0
            at += control + 2 if control < 128 else 1
    return count
