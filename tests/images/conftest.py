"""Small pictures and metadata, made by code."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from restora.images import Metadata, Picture

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"'
    b' dc:title="\xc3\xa9t\xc3\xa9"/></x:xmpmeta>'
)


def make_exif(orientation: int | None = 6, order: str = "<") -> bytes:
    """EXIF with a camera name, an Exif directory and a maker's note that points into itself."""
    note = b"MAKER" + struct.pack(order + "I", 999_999) + b"\0opaque\xff"
    make = b"Camera & Co\0"
    tags = [(0x010F, 2, len(make)), (0x8769, 4, 1)]
    if orientation is not None:
        tags.insert(1, (0x0112, 3, 1))
    ifd_end = 8 + 2 + 12 * len(tags) + 4
    make_at, sub_at = ifd_end, ifd_end + len(make)
    note_at = sub_at + 2 + 12 + 4
    values = {
        0x010F: struct.pack(order + "I", make_at),
        0x0112: struct.pack(order + "HH", orientation or 0, 0),
        0x8769: struct.pack(order + "I", sub_at),
    }
    out = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, len(tags))
    for tag, kind, count in tags:
        out += struct.pack(order + "HHI", tag, kind, count) + values[tag]
    out += bytes(4) + make
    out += struct.pack(order + "HHHII", 1, 0x927C, 7, len(note), note_at) + bytes(4)
    return out + note


def make_icc(space: bytes = b"RGB ", length: int = 400) -> bytes:
    """Bytes with the header of a colour profile."""
    body = bytes(range(256)) * (length // 256 + 1)
    return struct.pack(">I", length) + b"test\x04\x30\0\0mntr" + space + body[: length - 20]


def make_metadata(space: str = "rgb", orientation: int = 1, order: str = "<") -> Metadata:
    names = {"gray": b"GRAY", "rgb": b"RGB ", "cmyk": b"CMYK"}
    return Metadata(
        icc=make_icc(names[space]),
        exif=make_exif(orientation, order),
        xmp=XMP % orientation,
        dpi=(300.0, 300.0),
        orientation=orientation,
    )


def make_samples(
    height: int, width: int, channels: int, bits: int = 8, seed: int = 0
) -> NDArray[np.uint8 | np.uint16]:
    kind = np.uint8 if bits == 8 else np.uint16
    shape = (height, width, channels)
    return np.random.default_rng(seed).integers(0, 1 << bits, shape).astype(kind)


def make_picture(
    height: int = 12,
    width: int = 9,
    *,
    space: str = "rgb",
    bits: int = 8,
    alpha: bool = False,
    orientation: int = 1,
    order: str = "<",
    seed: int = 0,
) -> Picture:
    channels = {"gray": 1, "rgb": 3, "cmyk": 4}[space]
    samples = make_samples(height, width, channels, bits, seed)
    peak = np.float32((1 << bits) - 1)
    return Picture(
        pixels=samples.astype(np.float32) / peak,
        space=space,
        bits=bits,
        alpha=make_samples(height, width, 1, bits, seed + 1)[..., 0] if alpha else None,
        metadata=make_metadata(space, orientation, order),
    )


@pytest.fixture
def picture() -> Callable[..., Picture]:
    return make_picture


@pytest.fixture
def samples() -> Callable[..., NDArray[np.uint8 | np.uint16]]:
    return make_samples


@pytest.fixture
def exif() -> Callable[..., bytes]:
    return make_exif


@pytest.fixture
def icc() -> Callable[..., bytes]:
    return make_icc


@pytest.fixture
def smooth() -> Callable[..., NDArray[np.uint8]]:
    """A soft colour gradient: what JPEG codes without visible loss."""

    def make(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
        y, x = np.mgrid[0:height, 0:width]
        ramps = [x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), (x + y) % 256]
        return np.stack(ramps, axis=-1).astype(np.uint8)

    return make
