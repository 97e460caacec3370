"""JPEG bytes made by code: by Pillow, and by hand where Pillow does not write such a thing."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def save() -> Callable[..., bytes]:
    """Save a small picture through Pillow: ``save(mode="RGB", **options)``."""
    rng = np.random.default_rng(7)
    down, across = np.mgrid[0:40, 0:56]
    planes = np.stack([across * 3 + down, 250 - across * 2, down * 5], axis=-1)
    pixels = np.clip(planes * 0.6 + rng.normal(20, 12, (40, 56, 3)), 0, 255).astype(np.uint8)
    picture = Image.fromarray(pixels)

    def save(mode: str = "RGB", **options: object) -> bytes:
        buffer = io.BytesIO()
        picture.convert(mode).save(buffer, "JPEG", **options)
        return buffer.getvalue()

    return save


@pytest.fixture(scope="session")
def segment() -> Callable[[int, bytes], bytes]:
    """A marker segment: ``segment(0xFE, b"a comment")``."""

    def segment(marker: int, payload: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload

    return segment


@pytest.fixture(scope="session")
def build(segment: Callable[[int, bytes], bytes]) -> Callable[..., bytes]:
    """A JPEG by hand: 16x16 pixels, one table of ones, a scan of made-up data.

    ``components`` are (id, horizontal, vertical, table) each; ``extra`` goes before the frame.
    """

    def build(
        *,
        components: tuple[tuple[int, int, int, int], ...] = ((1, 1, 1, 0),),
        extra: bytes = b"",
        tables: bytes = b"\0" + b"\1" * 64,
        sof: int = 0xC0,
        size: tuple[int, int] = (16, 16),
        precision: int = 8,
        coded: bytes = b"\x12\x34\x56\x78",
        end: bytes = b"\xff\xd9",
    ) -> bytes:
        width, height = size
        frame = struct.pack(">BHHB", precision, height, width, len(components)) + b"".join(
            bytes([id_, across << 4 | down, table]) for id_, across, down, table in components
        )
        scan = bytes([len(components)]) + b"".join(bytes([c[0], 0]) for c in components)
        return (
            b"\xff\xd8"
            + extra
            + (segment(0xDB, tables) if tables else b"")
            + segment(sof, frame)
            + segment(0xDA, scan + b"\0\x3f\0")
            + coded
            + end
        )

    return build
