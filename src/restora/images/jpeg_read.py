"""Reading JPEG, MPO's first picture included.

CMYK: JPEG stores ink upside down (0 is full) because Adobe began so; Pillow turns every CMYK and
YCCK file round, with or without Adobe's marker, as Skia and ImageMagick do. Restora follows, so
that 1.0 is full ink.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import numpy as np
from PIL import JpegImagePlugin

from restora.errors import InputError
from restora.images.decode import (
    Request,
    check_size,
    cut_off,
    damaged,
    from_pillow,
    guarded,
    load,
    salvage_note,
)
from restora.images.ifd import byte_order, numbers, read_ifd
from restora.images.metadata_in import RawMetadata
from restora.images.picture import Picture
from restora.images.samples import band, strips

__all__ = ["read_jpeg"]

_END = b"\xff\xd9"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP = b"Photoshop 3.0\0"


class _JpegFile(JpegImagePlugin.JpegImageFile):
    """Pillow's reader without its two habits that are not per call.

    It warns about damaged EXIF (which is read here, more patiently), and it forgives a missing end
    only through a setting that holds for the whole process.
    """

    ending: bytes | None = None  # what to pretend the file ends with
    ran_out = False

    def _read_dpi_from_exif(self) -> None:
        pass

    def load_read(self, read_bytes: int) -> bytes:
        assert self.fp is not None
        data = self.fp.read(read_bytes)
        if data or self.ran_out or self.ending is None:
            return data
        self.ran_out = True
        return self.ending


def read_jpeg(data: bytes, request: Request) -> Picture:
    """Decode a JPEG file.

    Raises:
        InputError: It is cut off, damaged, too large or of a kind libjpeg does not decode.
    """
    frame = _find_frame(data)
    if frame is None:
        raise InputError(f"{request.name} is cut off inside its header: there is no picture in it.")
    if frame.bits != 8:
        raise InputError(
            f"{request.name} is a JPEG with {frame.bits}-bit samples; only 8-bit JPEGs can be read."
        )
    check_size(request, width_px=frame.width_px, height_px=frame.height_px)
    image = _open(data, request, ending=_END)
    rows = load(image, request)
    notes: list[str] = []
    if rows is not None:
        notes.append(salvage_note(rows, image.height))
    elif image.ran_out:
        notes.append(_judge_missing_end(image, data, request, progressive=frame.progressive))
    raw = _metadata(image)
    metadata = raw.settle()
    with guarded(request):
        decoded = from_pillow(image, request)
    frames = _mpo_frames(image)
    if frames > 1:
        notes.append(f"The file holds {frames} pictures; the first was taken.")
    return Picture(
        pixels=decoded.pixels,
        space=decoded.space,
        metadata=metadata,
        format="MPO" if frames > 1 else "JPEG",
        notes=(*notes, *raw.notes),
    )


@dataclass(frozen=True)
class _Frame:
    bits: int
    width_px: int
    height_px: int
    progressive: bool


def _find_frame(data: bytes) -> _Frame | None:
    """What the frame header says, or None if the file ends before it.

    Looked up before Pillow is asked, so that a wrong size or depth gets its own sentence.
    """
    at = 2
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 4 > len(data):
            return None
        marker = data[at + 1]
        if marker in {0x00, 0x01, 0xD8, 0xFF} or 0xD0 <= marker <= 0xD7:
            at += 1 if marker == 0xFF else 2
            continue
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            if at + 10 > len(data):
                return None
            bits, height, width = struct.unpack_from(">BHH", data, at + 4)
            return _Frame(bits, width, height, progressive=marker in {0xC2, 0xC6, 0xCA, 0xCE})
        if marker in {0xDA, 0xD9}:
            return None
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]


def _open(data: bytes, request: Request, *, ending: bytes) -> _JpegFile:
    try:
        image = _JpegFile(io.BytesIO(data))
    except Exception as error:
        if "Truncated" in str(error):
            raise InputError(
                f"{request.name} is cut off inside its header: there is no picture in it."
            ) from error
        raise damaged(request, error) from error
    check_size(request, width_px=image.width, height_px=image.height)
    if not image.tile:
        raise InputError(f"{request.name} is cut off before its pixels: there is no picture in it.")
    image.ending = ending
    return image


def _judge_missing_end(
    image: _JpegFile, data: bytes, request: Request, *, progressive: bool
) -> str:
    """Tell a file that lacks only its end marker from one that lacks pixels.

    libjpeg fills what is missing with gray and does not say where. So the file is decoded again
    with other bits behind its end: rows that come out different were never in the file.

    Returns:
        The note for the user.

    Raises:
        InputError: Pixels are missing and salvage was not asked for.
    """
    other = _open(data, request, ending=b"\x5a\xa5\x33" * 200 + _END)
    try:
        other.load()
    except OSError:  # the invented bits broke the decoder, so they were needed
        other.tile = []
    rows = _first_unequal_row(image, other)
    if rows is None:
        return "The end marker is missing; the picture itself is complete."
    if progressive:
        if not request.salvage:
            raise cut_off(request, ", the finer detail of this progressive JPEG is missing")
        return "The file is cut off: of this progressive JPEG the finer detail is missing."
    if rows == 0:
        raise InputError(f"{request.name} is cut off and nothing of it decodes.")
    if not request.salvage:
        raise cut_off(request, f": about {rows} of {image.height} rows decode")
    return salvage_note(rows, image.height)


def _first_unequal_row(first: _JpegFile, second: _JpegFile) -> int | None:
    for top, bottom in strips(first.height, first.width):
        unequal = band(first, top, bottom) != band(second, top, bottom)
        rows = unequal.reshape(bottom - top, -1).any(axis=1)
        if rows.any():
            return top + int(np.flatnonzero(rows)[0])
    return None


def _metadata(image: _JpegFile) -> RawMetadata:
    """The metadata from the segments before the pixels."""
    raw = RawMetadata()
    parts: dict[int, bytes] = {}
    parts_total = 0
    for name, body in image.applist:
        if name == "APP0" and body.startswith(b"JFIF\0") and len(body) >= 12:
            raw.dpi = _jfif_dpi(body)
        elif name == "APP1" and body.startswith(b"Exif\0\0"):
            raw.exif = (raw.exif or b"") + body[6:]  # longer EXIF goes on in the next segment
        elif name == "APP1" and body.startswith(_XMP):
            raw.xmp = raw.xmp or body[len(_XMP) :]
        elif name == "APP1" and body.startswith(_XMP_EXTENSION):
            raw.notes = ["The extended part of the XMP was left out."]
        elif name == "APP2" and body.startswith(b"ICC_PROFILE\0") and len(body) > 14:
            parts.setdefault(body[12], body[14:])
            parts_total = body[13]
        elif name == "APP13" and body.startswith(_PHOTOSHOP):
            raw.photoshop = (raw.photoshop or b"") + body[len(_PHOTOSHOP) :]
        elif name == "COM" and raw.comment is None:
            raw.comment = body
    if len(parts) == parts_total:
        raw.icc = b"".join(parts[number] for number in sorted(parts))
    elif parts:
        raw.notes.append("The colour profile is incomplete and was left out.")
    return raw


def _jfif_dpi(body: bytes) -> tuple[float, float] | None:
    unit, across, down = struct.unpack_from(">BHH", body, 7)
    if unit not in {1, 2} or not across or not down:
        return None  # unit 0 states an aspect ratio, no resolution
    factor = 2.54 if unit == 2 else 1.0
    return across * factor, down * factor


def _mpo_frames(image: _JpegFile) -> int:
    """How many pictures the multi-picture index counts; 1 where there is none."""
    index = next((body[4:] for _, body in image.applist if body.startswith(b"MPF\0")), b"")
    order = byte_order(index)
    if order is None or len(index) < 8:
        return 1
    found = read_ifd(index, order=order, at=struct.unpack_from(order + "I", index, 4)[0])
    count = numbers(found[0].get(0xB001), order=order) if found else ()
    return int(count[0]) if count else 1
