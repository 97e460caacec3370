"""Reading PNG of every depth.

Pillow decodes the pixels and sees only the chunks that hold them. Everything else (metadata,
transparency, animation) is read here: Pillow would warn about it, or lose it.
"""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from restora.errors import InputError
from restora.images.decode import (
    Decoded,
    Request,
    check_size,
    cut_off,
    from_pillow,
    guarded,
    load,
    salvage_note,
)
from restora.images.left_out import bytes_behind, listed, more
from restora.images.picture import Alpha, Picture
from restora.images.png16 import Fetch, decode_png16
from restora.images.png_chunks import (
    SIGNATURE,
    Chunk,
    chunk,
    damaged_note,
    read_chunks,
    read_metadata,
)
from restora.images.samples import band, strips

__all__ = ["read_png"]


def read_png(data: bytes, request: Request) -> Picture:
    """Decode a PNG file.

    Raises:
        InputError: It is cut off, damaged or too large.
    """
    chunks = read_chunks(data, name=request.name)
    header = next((entry for entry in chunks if entry.kind == b"IHDR"), None)
    pixels = [entry for entry in chunks if entry.kind == b"IDAT"]
    if header is None or header.size_bytes != 13 or not any(entry.size_bytes for entry in pixels):
        raise InputError(f"{request.name} is cut off inside its header: there is no picture in it.")
    width, height = struct.unpack(">II", header.body[:8])
    check_size(request, width_px=width, height_px=height)
    kinds = {b"PLTE", b"IDAT"}
    parts = [entry.again() for entry in chunks if entry.kind in kinds]
    rest = b"".join([*parts, chunk(b"IEND", b"")])
    raw = read_metadata(chunks)
    see_through = _see_through(header, chunks, raw.notes)
    ended = chunks[-1].kind == b"IEND"
    try:
        with guarded(request):
            decoded, rows = _decode(header, rest, see_through, request)
    except InputError as error:
        if not ended and not request.salvage:
            raise cut_off(request) from error
        raise
    metadata = raw.settle()
    notes = []
    if rows is not None:
        notes.append(salvage_note(rows, height))
    elif not ended:
        notes.append("The end of the file is missing; the picture itself is complete.")
    frames = _further_frames(chunks)
    if frames:
        notes.append("The file is animated; its still picture was taken.")
    behind = bytes_behind(data, len(SIGNATURE) + sum(len(entry.stored) for entry in chunks))
    if behind:
        notes.append(f"The file holds {behind}; they were left out.")
    return Picture(
        pixels=decoded.pixels,
        space=decoded.space,
        bits=decoded.bits,
        alpha=decoded.alpha,
        metadata=metadata,
        format="PNG",
        notes=(*notes, *raw.notes),
        left_out=listed(more(frames, "frame"), behind),
    )


def _further_frames(chunks: list[Chunk]) -> int:
    """Frames besides the still picture, which may be the first of them or none."""
    kinds = [entry.kind for entry in chunks]
    return kinds[kinds.index(b"IDAT") :].count(b"fcTL")


def _see_through(header: Chunk, chunks: list[Chunk], notes: list[str]) -> bytes | None:
    """What ``tRNS`` holds; one of a length that fits no picture of its kind becomes a note."""
    body = next((entry.body for entry in chunks if entry.kind == b"tRNS"), None)
    right_bytes = {0: 2, 2: 6}.get(header.body[9])  # a palette's is as long as it likes
    if body is None or (len(body) == right_bytes if right_bytes else body):
        return body
    notes.append(damaged_note(b"tRNS"))
    return None


def _decode(
    header: Chunk, rest: bytes, see_through: bytes | None, request: Request
) -> tuple[Decoded, int | None]:
    depth, colour_type = header.body[8:10]
    if depth == 16:
        decoded, rows, fetch = decode_png16(header, rest, request)
        if see_through is not None and colour_type in {0, 2}:
            decoded = replace(decoded, alpha=_alpha16(decoded, see_through, fetch))
        return decoded, rows
    start = SIGNATURE + chunk(b"IHDR", header.body)
    image = PngImagePlugin.PngImageFile(io.BytesIO(start + rest))
    rows = load(image, request)
    alpha = None if see_through is None else _alpha8(image, see_through, depth, colour_type)
    decoded = from_pillow(image, request)
    return (decoded if alpha is None else replace(decoded, alpha=alpha)), rows


def _alpha8(image: Image.Image, see_through: bytes, depth: int, colour_type: int) -> Alpha | None:
    """Alpha from ``tRNS``: a table for a palette, else the one colour that is see-through."""
    if colour_type == 3:
        table = np.full(256, 255, np.uint8)
        known = np.frombuffer(see_through[:256], np.uint8)
        table[: known.size] = known
        return _filled(image, lambda rows: table[rows])
    if colour_type not in {0, 2}:
        return None
    key = np.frombuffer(see_through, ">u2").astype(np.uint16) & np.uint16((1 << depth) - 1)
    if depth in {2, 4}:
        key = key * np.uint16(255 // ((1 << depth) - 1))  # Pillow spreads these to 0-255
    return _filled(image, lambda rows: _not_key(rows, key, np.uint8))


def _alpha16(decoded: Decoded, see_through: bytes, fetch: Fetch) -> Alpha:
    key = np.frombuffer(see_through, ">u2").astype(np.uint16)
    height, width = decoded.pixels.shape[:2]
    alpha = np.empty((height, width), np.uint16)
    for top, bottom in strips(height, width):
        alpha[top:bottom] = _not_key(fetch(top, bottom), key, np.uint16)
    return alpha


def _not_key(rows: NDArray[Any], key: NDArray[np.uint16], kind: Any) -> NDArray[Any]:
    if rows.ndim == 2:
        rows = rows[..., None]
    return np.where((rows == key).all(axis=-1), 0, np.iinfo(kind).max).astype(kind)


def _filled(image: Image.Image, alpha_of: Any) -> NDArray[np.uint8]:
    alpha = np.empty((image.height, image.width), np.uint8)
    for top, bottom in strips(image.height, image.width):
        alpha[top:bottom] = alpha_of(band(image, top, bottom))
    return alpha
