"""Raw metadata made into ``Metadata``: checked, and never a reason to refuse a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from restora.images.exif import exif_dpi, exif_is_sound, exif_orientation, strip_prefix
from restora.images.orientation import xmp_orientation
from restora.images.picture import Metadata

__all__ = ["RawMetadata"]


@dataclass
class RawMetadata:
    """What a reader found in a file, unchecked.

    Attributes:
        icc: Colour profile.
        exif: EXIF, with or without ``Exif\\0\\0``.
        xmp: XMP packet.
        dpi: Resolution the container itself states; EXIF's is taken where it states none.
        comment: Comment.
        photoshop: Image resources.
        orientation: What the container itself states, such as TIFF's own tag. Otherwise EXIF
            decides, and without EXIF's word, XMP, as in Pillow and Adobe's programs.
        png_colour: PNG's own chunks about colour, whole, by their kind.
        png_texts: Its texts, likewise.
        notes: Sentences for the user about what could not be kept.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    comment: bytes | None = None
    photoshop: bytes | None = None
    orientation: int | None = None
    png_colour: dict[bytes, bytes] = field(default_factory=dict)
    png_texts: list[bytes] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def settle(self) -> Metadata:
        """The checked metadata; adds a note for what had to be left out."""
        exif = strip_prefix(self.exif) if self.exif else None
        if exif and not exif_is_sound(exif):
            self.notes.append("The EXIF could not be read and was left out.")
            exif = None
        orientation = self.orientation
        if orientation is None and exif:
            orientation = exif_orientation(exif)
        if orientation is None and self.xmp:
            orientation = xmp_orientation(self.xmp)
        dpi = self.dpi or (exif_dpi(exif) if exif else None)
        if dpi is not None and not all(math.isfinite(value) and value > 0 for value in dpi):
            dpi = None
        return Metadata(
            icc=self.icc or None,
            exif=exif or None,
            xmp=self.xmp or None,
            dpi=dpi,
            orientation=orientation if orientation and 1 <= orientation <= 8 else 1,
            comment=self.comment,
            photoshop=self.photoshop or None,
            png=b"".join([*self.png_colour.values(), *self.png_texts]) or None,
        )
