"""Reading JPEG, MPO's first picture included.

CMYK: JPEG stores ink upside down (0 is full) because Adobe began so; Pillow turns every CMYK and
YCCK file round, with or without Adobe's marker, as Skia and ImageMagick do. Restora follows, so
that 1.0 is full ink.
"""

from __future__ import annotations

import io

import numpy as np

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
from restora.images.jpeg_segments import BODY_MAX_BYTES
from restora.images.left_out import bytes_behind, more
from restora.images.metadata_in import RawMetadata
from restora.images.picture import Picture
from restora.images.samples import band, strips
from restora.jpeg.behind import count_further_pictures
from restora.jpeg.decoder import JpegFile
from restora.jpeg.facts import Density
from restora.jpeg.markers import read_frame, read_layout
from restora.jpeg.metadata import Metadata, read_metadata
from restora.jpeg.work import check_work, decodable

__all__ = ["read_jpeg"]

_END = b"\xff\xd9"
_CM_PER_INCH = 2.54


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
    check_work(layout, frame, name=request.name)
    further, behind = count_further_pictures(data, layout.end), bytes_behind(data, layout.end)
    short = bool(layout.scans) and 8 * layout.coded_bytes < frame.least_bits
    if short:  # libjpeg would fill it up without a word; it is a cut file that got a new end
        data = data[: layout.scans[-1].end]
    data = decodable(data, layout)
    image = _open(data, request, ending=_END)
    rows = load(image, request)
    notes: list[str] = []
    if rows is not None:
        notes.append(salvage_note(rows, image.height))
    elif image.ran_out:
        progressive = frame.coding == "progressive"
        notes.append(_judge_missing_end(image, data, request, progressive=progressive, short=short))
    found = read_metadata(layout)
    raw = _raw(found)
    metadata = raw.settle()
    with guarded(request):
        decoded = from_pillow(image, request)
    # The index of a file whose other pictures were cut away may still count them.
    pictures = max(1 + further, found.pictures if behind else 1)
    if pictures > 1:
        notes.append(f"The file holds {pictures} pictures; the first was taken.")
    elif behind:
        notes.append(f"The file holds {behind}, perhaps a film; they were left out.")
    return Picture(
        pixels=decoded.pixels,
        space=decoded.space,
        metadata=metadata,
        format="MPO" if pictures > 1 else "JPEG",
        notes=(*notes, *raw.notes),
        left_out=more(pictures - 1, "picture") or behind,
    )


def _open(data: bytes, request: Request, *, ending: bytes) -> JpegFile:
    try:
        image = JpegFile(io.BytesIO(data))
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
    image: JpegFile, data: bytes, request: Request, *, progressive: bool, short: bool
) -> str:
    """Tell a file that lacks only its end marker from one that lacks pixels.

    libjpeg fills what is missing with gray and does not say where. So the file is decoded again
    with other bits behind its end: rows that come out different were never in the file.

    Args:
        image: The picture, decoded.
        data: The file, up to where it ends.
        request: What was asked for.
        progressive: Whether its coding is.
        short: The data are too few for the size, whatever the rows look like.

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
    if rows is None and not short:
        return "The end marker is missing; the picture itself is complete."
    if progressive:
        if not request.salvage:
            raise cut_off(request, ", the finer detail of this progressive JPEG is missing")
        return "The file is cut off: of this progressive JPEG the finer detail is missing."
    if rows is None:
        if not request.salvage:
            raise cut_off(request, ", it holds too little data for its size")
        return "The file is cut off: it holds too little data for its size."
    if rows == 0:
        raise InputError(f"{request.name} is cut off and nothing of it decodes.")
    if not request.salvage:
        raise cut_off(request, f": about {rows} of {image.height} rows decode")
    return salvage_note(rows, image.height)


def _first_unequal_row(first: JpegFile, second: JpegFile) -> int | None:
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
        comment=_comment(found.comments),
        photoshop=found.photoshop,
    )
    if found.xmp_extended:
        raw.notes.append("The extended part of the XMP was left out.")
    if not found.icc_whole:
        raw.notes.append("The colour profile is incomplete and was left out.")
    return raw


def _comment(parts: tuple[bytes, ...]) -> bytes | None:
    """All comments, a line each; where a segment is full, the next one goes on."""
    ends = [b"" if len(part) == BODY_MAX_BYTES else b"\n" for part in parts[:-1]]
    return b"".join(map(bytes.__add__, parts, [*ends, b""])) or None


def _dpi(density: Density | None) -> tuple[float, float] | None:
    if density is None or density.unit == "aspect ratio":
        return None
    factor = _CM_PER_INCH if density.unit == "per cm" else 1.0
    return density.x * factor, density.y * factor
