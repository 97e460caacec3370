"""The picture as Restora passes it around: pixels, and everything else a file holds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Alpha", "Metadata", "Picture", "Pixels", "Space"]

Pixels: TypeAlias = NDArray[np.float32]
Alpha: TypeAlias = NDArray[np.uint8 | np.uint16]
Space: TypeAlias = Literal["gray", "rgb", "cmyk"]

CHANNELS: dict[Space, int] = {"gray": 1, "rgb": 3, "cmyk": 4}


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What a picture carries beside its pixels, as the bytes the file held.

    Attributes:
        icc: The colour profile.
        exif: EXIF as a TIFF structure that starts with ``II*`` or ``MM``, so **without** the
            ``Exif\\0\\0`` that JPEG puts before it.
        xmp: The XMP packet.
        dpi: Dots per inch, across and down, as stored.
        orientation: The EXIF orientation, 1-8; 1 is upright.
        comment: A JPEG or GIF comment.
        photoshop: Photoshop's image resources, which hold IPTC, without ``Photoshop 3.0\\0``.
        png: Chunks that only PNG knows, one after the other as in the file: how its numbers are to
            be seen where there is no profile (cICP, sRGB, gAMA, cHRM), then texts, never unpacked.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    orientation: int = 1
    comment: bytes | None = None
    photoshop: bytes | None = None
    png: bytes | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A picture in memory.

    Pixels and alpha lie in the file's own orientation, because that is where JPEG's 8×8 grid is.
    Nothing but :func:`restora.images.write` turns them.

    Attributes:
        pixels: ``(H, W, C)`` float32 in 0-1. RGB and gray as the file codes them (no linear
            light); CMYK as amounts of ink, 1 is full.
        space: Which channels: ``gray`` (C = 1), ``rgb`` (3) or ``cmyk`` (4).
        bits: Depth of the source, 8 or 16.
        alpha: ``(H, W)`` uint8 or uint16 as stored, not premultiplied; None where there is none.
        metadata: Everything else.
        format: The file format, such as ``"JPEG"``; None for a picture that was never a file.
        notes: Sentences for the user about what was found while reading.
        left_out: What the file holds besides this picture, such as ``"2 more frames"``, and would
            lose if the picture were written over it; None for nothing.

    Example:
        >>> gray = Picture(pixels=np.zeros((2, 3, 1), np.float32), space="gray")
        >>> gray.height_px, gray.width_px
        (2, 3)
    """

    pixels: Pixels
    space: Space
    bits: int = 8
    alpha: Alpha | None = None
    metadata: Metadata = field(default_factory=Metadata)
    format: str | None = None
    notes: tuple[str, ...] = ()
    left_out: str | None = None

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit each other.

        Raises:
            ValueError: The arrays contradict ``space`` or one another.
        """
        channels = CHANNELS[self.space]
        if self.pixels.ndim != 3 or self.pixels.shape[2] != channels:
            raise ValueError(f"{self.space} pixels are (H, W, {channels}), not {self.pixels.shape}")
        if self.pixels.dtype != np.float32:
            raise ValueError(f"pixels are float32 in 0-1, not {self.pixels.dtype}")
        if 0 in self.pixels.shape:
            raise ValueError("a picture has at least one pixel")
        if self.bits not in {8, 16}:
            raise ValueError(f"bits is 8 or 16, not {self.bits}")
        if self.alpha is not None:
            if self.alpha.shape != self.pixels.shape[:2]:
                raise ValueError(f"alpha is (H, W) of the pixels, not {self.alpha.shape}")
            if self.alpha.dtype not in (np.uint8, np.uint16):
                raise ValueError(f"alpha is uint8 or uint16, not {self.alpha.dtype}")

    @property
    def height_px(self) -> int:
        """Height in stored orientation."""
        return int(self.pixels.shape[0])

    @property
    def width_px(self) -> int:
        """Width in stored orientation."""
        return int(self.pixels.shape[1])

    @property
    def is_neutral(self) -> bool:
        """Whether nothing in the picture has a colour, at 8-bit precision.

        True for gray pictures and for RGB whose R, G and B differ by less than half an 8-bit step
        everywhere. CMYK is never called neutral: what its inks look like is the profile's affair.
        """
        if self.space != "rgb":
            return self.space == "gray"
        rows = max(1, (1 << 20) // self.width_px)  # strips, so that no large temporary appears
        for top in range(0, self.height_px, rows):
            strip = self.pixels[top : top + rows]
            for channel in (0, 2):
                if np.abs(strip[..., channel] - strip[..., 1]).max() >= 0.5 / 255:
                    return False
        return True

    def with_pixels(self, pixels: Pixels) -> Picture:
        """The same picture with other pixels.

        Args:
            pixels: ``(H, W, C)`` float32 in 0-1, of the same ``space``.
        """
        return replace(self, pixels=pixels)
