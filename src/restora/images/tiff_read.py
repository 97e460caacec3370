"""Reading TIFF of 8 and 16 bits a sample.

Pillow decodes, but sees a directory reduced to what describes the pixels, because of what a hostile
one makes it do, and because it turns the picture by itself. Colour with 16 bits, which Pillow would
cut to 8, is decoded twice, once for each byte. What Pillow does not know goes to tifffile.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile, TiffImagePlugin

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
from restora.images.exif import resolution
from restora.images.left_out import more
from restora.images.metadata_in import RawMetadata
from restora.images.picture import Picture, Space
from restora.images.samples import band, floats, joined, strips
from restora.images.tiff_exif import collect_exif
from restora.images.tiff_lean import (
    PARTS_MAX,
    PARTS_TAGS,
    PICTURES_MAX,
    classic_from_big,
    lean,
)
from restora.images.tiff_rest import CHANNELS_MAX, decode_by_tifffile
from restora.jpeg.ifd import (
    ORIENTATION_TAG,
    Directory,
    byte_order,
    first_directory,
    read_directory,
)

__all__ = ["read_tiff"]

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 258, 262, 322, 323
_CHANNELS, _PLANAR, _SUB_IFDS, _SAMPLE_FORMAT = 277, 284, 330, 339
_XMP, _PHOTOSHOP, _ICC = 700, 34377, 34675
# Of all directories together that are looked through for smaller pictures; a real one has some 20.
_TAGS_MAX = 200_000


def read_tiff(data: bytes, request: Request) -> Picture:
    """Decode the first picture of a TIFF file.

    Raises:
        InputError: It is cut off, damaged, too large, or packed in a way that cannot be undone.
    """
    if byte_order(data) is None:
        return _read_big(data, request)
    directory = first_directory(data)
    if directory is None:
        raise _no_directory(request)
    decoded, notes = _read_pixels(directory, request)
    raw = _metadata(directory)
    metadata = raw.settle()
    return _picture(decoded, raw, notes, metadata=metadata, pictures=_count(directory))


def _read_big(data: bytes, request: Request) -> Picture:
    """BigTIFF, whose directories have another layout: pixels and no metadata."""
    found = classic_from_big(data)
    if found is None:
        raise _no_directory(request)
    directory, pictures = found
    decoded, notes = _read_pixels(directory, request)
    raw = RawMetadata(notes=["The metadata of a BigTIFF file is not read and was left out."])
    return _picture(decoded, raw, notes, metadata=raw.settle(), pictures=pictures)


def _no_directory(request: Request) -> InputError:
    return InputError(f"{request.name} is cut off: its table of contents is missing.")


def _read_pixels(directory: Directory, request: Request) -> tuple[Decoded, list[str]]:
    """The pixels a directory describes, and a note where they are but a part."""
    _check(directory, request=request)
    with guarded(request):
        data = lean(directory)
        planes = directory.numbers(_PLANAR)[:1] == (2,)
        if planes and directory.numbers(_BITS)[:1] == (16,):
            # Pillow would take each byte of such a plane for a sample
            decoded, rows = decode_by_tifffile(data, request), None
        else:
            decoded, rows = _decode(data, request)
    return decoded, [] if rows is None else [salvage_note(rows, decoded.pixels.shape[0])]


def _picture(
    decoded: Decoded, raw: RawMetadata, notes: list[str], *, metadata: Any, pictures: int
) -> Picture:
    if pictures > 1:
        notes.append(f"The file holds {pictures} pictures; the first was taken.")
    return Picture(
        pixels=decoded.pixels,
        space=decoded.space,
        bits=decoded.bits,
        alpha=decoded.alpha,
        metadata=metadata,
        format="TIFF",
        notes=(*notes, *raw.notes),
        left_out=more(pictures - 1, "picture"),
    )


def _check(directory: Directory, *, request: Request) -> None:
    def first(tag: int, default: float) -> int:
        return int((directory.numbers(tag) or (default,))[0])

    check_size(request, width_px=first(_WIDTH, 0), height_px=first(_HEIGHT, 0))
    channels = first(_CHANNELS, 1)
    if not 1 <= channels <= CHANNELS_MAX:  # a lie here is a bomb as well
        raise InputError(f"{request.name} says it has {channels} channels; that is no picture.")
    if _TILE_WIDTH in directory.entries:  # a single tile may be larger than the whole picture
        side = {"width_px": first(_TILE_WIDTH, 0), "height_px": first(_TILE_HEIGHT, 0)}
        check_size(request, **side)
    for tag in PARTS_TAGS:
        entry = directory.entries.get(tag)
        if entry is not None and entry.count > PARTS_MAX:
            raise InputError(
                f"{request.name} says it is cut into {entry.count:,} strips or tiles, more than "
                f"the limit of {PARTS_MAX:,}."
            )
    bits, sample_format = first(_BITS, 1), first(_SAMPLE_FORMAT, 1)
    if bits not in {1, 2, 4, 8, 16} or sample_format not in {1, 4}:
        kind = {2: "signed", 3: "floating point"}.get(sample_format, "whole-number")
        raise InputError(
            f"{request.name} holds {bits}-bit {kind} samples; "
            f"Restora reads TIFF with up to 8 or 16 bits, unsigned."
        )


def _decode(data: bytes, request: Request) -> tuple[Decoded, int | None]:
    try:
        image = TiffImagePlugin.TiffImageFile(io.BytesIO(data))
    except Exception as error:
        if "too short" in str(error) or "cut" in str(error):
            raise cut_off(request) from error
        return decode_by_tifffile(data, request), None
    check_size(request, width_px=image.width, height_px=image.height)
    rawmodes = {_rawmode(tile) for tile in image.tile}
    colour16 = any(";16" in rawmode and not rawmode.startswith("I;") for rawmode in rawmodes)
    if colour16:
        return _decode_colour16(data, image, request)
    inverted = image.mode.startswith("I;16") and image.tag_v2.get(_PHOTOMETRIC) == 0
    rows = load(image, request)
    decoded = from_pillow(image, request)
    if inverted:  # white is 0; Pillow turns that round for 8 bits only
        np.subtract(np.float32(1), decoded.pixels, out=decoded.pixels)
    return decoded, rows


def _rawmode(tile: Any) -> str:
    return str(tile.args if isinstance(tile.args, str) else tile.args[0])


def _rest(tile: Any) -> tuple[Any, ...]:
    return () if isinstance(tile.args, str) else tuple(tile.args)[1:]


def _decode_colour16(
    data: bytes, image: ImageFile.ImageFile, request: Request
) -> tuple[Decoded, int | None]:
    rawmode = _rawmode(image.tile[0])
    family, _, end = rawmode.partition(";16")
    premultiplied = family == "RGBa"
    family = "RGBA" if premultiplied else family  # the bytes as they are; divided below
    if end == "N":
        end = "L" if sys.byteorder == "little" else "B"
    ends = {"high": end, "low": "B" if end == "L" else "L"}
    high, low = image, TiffImagePlugin.TiffImageFile(io.BytesIO(data))
    for part, which in ((high, "high"), (low, "low")):
        part.tile = [
            tile._replace(args=(f"{family};16{ends[which]}", *_rest(tile))) for tile in part.tile
        ]
    rows = load(high, request)
    load(low, request)

    def fetch(top: int, bottom: int) -> NDArray[np.uint16]:
        return joined(band(high, top, bottom), band(low, top, bottom))

    space: Space = "cmyk" if high.mode == "CMYK" else "rgb"
    colours = 4 if space == "cmyk" else 3
    shape = (image.height, image.width, colours)
    pixels = floats(lambda top, end: fetch(top, end)[..., :colours], shape=shape, peak=65535)
    alpha = None
    if high.mode == "RGBA":
        alpha = np.empty(shape[:2], np.uint16)
        for top, bottom in strips(*shape[:2]):
            alpha[top:bottom] = fetch(top, bottom)[..., 3]
            if premultiplied:
                share = alpha[top:bottom, :, None] / np.float32(65535)
                part_pixels = pixels[top:bottom]
                np.divide(part_pixels, share, out=part_pixels, where=share > 0)
                np.minimum(part_pixels, np.float32(1), out=part_pixels)
    return Decoded(pixels, space, bits=16, alpha=alpha), rows


def _metadata(directory: Directory) -> RawMetadata:
    def raw_bytes(tag: int) -> bytes | None:
        entry = directory.entries.get(tag)
        return entry.data if entry else None

    turned = directory.numbers(ORIENTATION_TAG)
    return RawMetadata(
        icc=raw_bytes(_ICC),
        exif=collect_exif(directory),
        xmp=raw_bytes(_XMP),
        photoshop=raw_bytes(_PHOTOSHOP),
        dpi=resolution(directory),
        orientation=int(turned[0]) if turned else 1,
    )


def _count(directory: Directory) -> int:
    """How many pictures: the chain of directories, safe against circles, and those below them.

    Directories may overlap, so that thousands of them fit into a small file; it is given up when
    they have more tags together than any real file.
    """
    seen, following, below = {0}, directory.next_at, _count_below(directory)
    tags = directory.count
    while following not in seen and len(seen) < PICTURES_MAX:
        found = read_directory(directory.source, order=directory.order, at=following)
        if found is None or (tags := tags + found.count) > _TAGS_MAX:
            break
        seen.add(following)
        following, below = found.next_at, below + _count_below(found)
    return len(seen) + below


def _count_below(directory: Directory) -> int:
    """Smaller forms, or a camera's raw picture."""
    entry = directory.entries.get(_SUB_IFDS)
    return entry.count if entry and entry.whole else 0
