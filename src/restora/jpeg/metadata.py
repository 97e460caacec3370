"""What the segments before the first scan say beside the picture itself.

Source: T.871 (JFIF); CIPA DC-008 (EXIF) and DC-007 (multi-picture format); ICC.1, Annex B.4; Adobe,
XMP Specification, part 3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from restora.jpeg.facts import Density
from restora.jpeg.ifd import byte_order, first_directory
from restora.jpeg.markers import APP0, APP1, APP2, APP13, COM, Layout, Segment

__all__ = [
    "EXIF",
    "ICC",
    "PHOTOSHOP",
    "XMP",
    "Exif",
    "Metadata",
    "is_jfif",
    "read_metadata",
]

EXIF: Final = b"Exif\0\0"
XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
ICC: Final = b"ICC_PROFILE\0"  # then the number of the part, from 1, and how many there are
PHOTOSHOP: Final = b"Photoshop 3.0\0"
_XMP_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_MPF = b"MPF\0"
_MPF_COUNT = 0xB001


@dataclass(frozen=True, slots=True)
class Exif:
    """The EXIF of a file, put together from its segments.

    Attributes:
        data: A TIFF structure, or what damage left of one.
        segments: Where it comes from.
    """

    data: bytes = field(repr=False)
    segments: tuple[Segment, ...]

    def offset_in_file(self, at: int) -> int:
        """Where byte ``at`` of the data stands in the file."""
        for segment in self.segments:
            room = segment.length - len(EXIF)
            if at < room:
                break
            at -= room
        return segment.payload_offset + len(EXIF) + at


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file carries beside its picture, as bytes.

    Attributes:
        density: JFIF's.
        exif: EXIF, unchecked.
        xmp: The XMP packet.
        xmp_extended: Whether the packet goes on in segments of its own, which are not read.
        icc: The parts of the colour profile that are there, in order.
        icc_whole: Whether those are all; also True without any.
        photoshop: Photoshop's image resources, without their prefix.
        comments: All of them.
        pictures: How many the index of a multi-picture file counts; 1 without one.
    """

    density: Density | None
    exif: Exif | None
    xmp: bytes | None
    xmp_extended: bool
    icc: bytes | None
    icc_whole: bool
    photoshop: bytes | None
    comments: tuple[bytes, ...]
    pictures: int


def read_metadata(layout: Layout) -> Metadata:
    """Gather the metadata of a picture from its segments."""
    densities = [_density(segment) for segment in layout.before_scan(APP0) if is_jfif(segment)]
    app1, app2 = layout.before_scan(APP1), layout.before_scan(APP2)
    packets = _bodies(app1, XMP)
    # A part without its two numbers holds nothing.
    parts = [body for body in _bodies(app2, ICC) if len(body) > 2]
    profile = {body[0]: body[2:] for body in reversed(parts)}  # the first of twins wins
    resources = _bodies(layout.before_scan(APP13), PHOTOSHOP)
    return Metadata(
        density=next(filter(None, densities), None),
        exif=_exif(app1),
        xmp=next(filter(None, packets), None),
        xmp_extended=any(segment.starts(_XMP_EXTENSION) for segment in app1),
        icc=b"".join(profile[number] for number in sorted(profile)) if parts else None,
        icc_whole=not parts or len(profile) == parts[0][1],  # some number from 0
        photoshop=b"".join(resources) if resources else None,
        comments=tuple(bytes(segment.payload) for segment in layout.before_scan(COM)),
        pictures=_pictures(app2),
    )


def is_jfif(segment: Segment) -> bool:
    """Whether this is JFIF's own segment, whole."""
    return segment.marker == APP0 and segment.length >= 14 and segment.starts(b"JFIF\0")


def _bodies(segments: tuple[Segment, ...], prefix: bytes) -> list[bytes]:
    return [bytes(s.payload[len(prefix) :]) for s in segments if s.starts(prefix)]


def _density(jfif: Segment) -> Density | None:
    unit, x, y = struct.unpack_from(">BHH", jfif.payload, 7)
    if unit > 2 or not x or not y:
        return None
    if unit == 0:
        return Density(x=x, y=y, unit="aspect ratio")
    return Density(x=x, y=y, unit="per inch" if unit == 1 else "per cm")


def _exif(app1: tuple[Segment, ...]) -> Exif | None:
    """EXIF; longer than a segment, it goes on in the next, but a second EXIF is no more of it."""
    # The sixth byte is padding, and readers differ in whether it has to be 0.
    found = [s for s in app1 if s.starts(EXIF[:5]) and s.length >= len(EXIF)]
    if not found:
        return None
    further = [s for s in found[1:] if byte_order(bytes(s.payload[len(EXIF) :][:4])) is None]
    parts = (found[0], *further)
    return Exif(b"".join(s.payload[len(EXIF) :] for s in parts), parts)


def _pictures(app2: tuple[Segment, ...]) -> int:
    index = next(iter(_bodies(app2, _MPF)), b"")
    directory = first_directory(index)
    return (directory.whole_number(_MPF_COUNT) if directory else None) or 1
