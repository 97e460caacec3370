"""Reading JPEG, MPO's first picture included.

CMYK: JPEG stores ink upside down (0 is full) because Adobe began so; Pillow turns every CMYK and
YCCK file round, with or without Adobe's marker, as Skia and ImageMagick do. Restora follows, so
that 1.0 is full ink.
"""

from __future__ import annotations

import io

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
from restora.images.metadata_in import RawMetadata
from restora.images.picture import Picture
from restora.images.samples import band, strips
from restora.jpeg.facts import Density
from restora.jpeg.markers import read_frame, read_layout
from restora.jpeg.metadata import Metadata, read_metadata

__all__ = ["read_jpeg"]

_END = b"\xff\xd9"
_CM_PER_INCH = 2.54


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
    # Asked before Pillow is, so that a wrong size or depth gets its own sentence.
    layout = read_layout(data, name=request.name)
    frame = read_frame(layout, name=request.name)
    if frame.precision_bits != 8:
        raise InputError(
            f"{request.name} is a JPEG with {frame.precision_bits}-bit samples; "
            f"only 8-bit JPEGs can be read."
        )
    if frame.height_from_dnl:
        raise InputError(
            f"{request.name} states its height behind its pixels (in a DNL marker), "
            f"which the decoder does not read."
        )
    check_size(request, width_px=frame.width_px, height_px=frame.height_px)
    image = _open(data, request, ending=_END)
    rows = load(image, request)
    notes: list[str] = []
    if rows is not None:
        notes.append(salvage_note(rows, image.height))
    elif image.ran_out:
        progressive = frame.coding == "progressive"
        notes.append(_judge_missing_end(image, data, request, progressive=progressive))
    found = read_metadata(layout)
    raw = _raw(found)
    metadata = raw.settle()
    with guarded(request):
        decoded = from_pillow(image, request)
    if found.pictures > 1:
        notes.append(f"The file holds {found.pictures} pictures; the first was taken.")
    return Picture(
        pixels=decoded.pixels,
        space=decoded.space,
        metadata=metadata,
        format="MPO" if found.pictures > 1 else "JPEG",
        notes=(*notes, *raw.notes),
    )


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


def _raw(found: Metadata) -> RawMetadata:
    raw = RawMetadata(
        icc=found.icc if found.icc_whole else None,
        exif=found.exif.data if found.exif else None,
        xmp=found.xmp,
        dpi=_dpi(found.density),
        comment=found.comments[0] if found.comments else None,
        photoshop=found.photoshop,
    )
    if found.xmp_extended:
        raw.notes.append("The extended part of the XMP was left out.")
    if not found.icc_whole:
        raw.notes.append("The colour profile is incomplete and was left out.")
    return raw


def _dpi(density: Density | None) -> tuple[float, float] | None:
    if density is None or density.unit == "aspect ratio":
        return None
    factor = _CM_PER_INCH if density.unit == "per cm" else 1.0
    return density.x * factor, density.y * factor
