"""Reading TIFF of 8 and 16 bits a sample.

Pillow decodes, but sees a directory reduced to what describes the pixels, because of what a hostile
one makes it do, and because it turns the picture by itself. Colour with 16 bits, which Pillow would
cut to 8, is decoded twice, once for each byte. What Pillow does not know goes to tifffile.
"""

from __future__ import annotations

import io
import itertools
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
    damaged,
    from_pillow,
    guarded,
    load,
    salvage_note,
)
from restora.images.exif import resolution
from restora.images.left_out import listed, more
from restora.images.metadata_in import RawMetadata
from restora.images.picture import Picture, Space
from restora.images.samples import band, floats, joined, strips
from restora.images.tiff_exif import LAYERS_TAG, collect_exif
from restora.images.tiff_lean import (
    PARTS_MAX,
    PARTS_TAGS,
    PICTURES_MAX,
    classic_from_big,
    lean,
    pixel_bytes,
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
_COMPRESSION, _CHANNELS, _PLANAR, _SUB_IFDS, _SAMPLE_FORMAT = 259, 277, 284, 330, 339
_SUBSAMPLING = 530
_PLACES, _LENGTHS = (273, 324), (279, 325)  # of strips, of tiles
_PLAIN, _PALETTE, _YCBCR = 1, 3, 6
# Fax is black on white, and what JPEG came before JPEG in TIFF is YCbCr.
_KNOWN_MEANING = {2, 3, 4, 6}
_XMP, _PHOTOSHOP, _ICC = 700, 34377, 34675
# Of all directories together that are looked through for smaller pictures; a real one has some 20.
_TAGS_MAX = 200_000
# How often strips or tiles may share their bytes, as equal ones do; and more in small files.
_SHARED_MAX = 8
_SPARE_BYTES = 32 << 20
_TILES_MAX = 4  # pixels of all tiles together, in pictures of the largest size


def read_tiff(data: bytes, request: Request) -> Picture:
    """Decode the first picture of a TIFF file.

    Raises:
        InputError: It is cut off, damaged, too large, or packed in a way that cannot be undone.
    """
    directory, pictures = first_directory(data), 1
    if byte_order(data) is None:
        directory, pictures = classic_from_big(data) or (None, 1)
    if directory is None:
        raise InputError(f"{request.name} is cut off: its table of contents is missing.")
    decoded, notes = _read_pixels(directory, request, length=len(data))
    raw = _metadata(directory)
    metadata = raw.settle()
    pictures += _count(directory) - 1
    if pictures > 1:
        notes.append(f"The file holds {pictures} pictures; the first was taken.")
    channels = more(_channels_left(directory, decoded), "channel")
    if channels:
        notes.append(f"The file holds {channels}, such as a mask or a spot colour; not taken.")
    layers = "the layers of Photoshop" if LAYERS_TAG in directory.entries else None
    if layers:
        notes.append("The file holds the layers of Photoshop; what they make together was taken.")
    return Picture(
        pixels=decoded.pixels,
        space=decoded.space,
        bits=decoded.bits,
        alpha=decoded.alpha,
        metadata=metadata,
        format="TIFF",
        notes=(*notes, *raw.notes),
        left_out=listed(more(pictures - 1, "picture"), channels, layers),
    )


def _channels_left(directory: Directory, decoded: Decoded) -> int:
    """How many channels there are besides those of the picture; a palette is for one."""
    indexed = _first(directory, _PHOTOMETRIC, 0) == _PALETTE
    colours = 1 if indexed else decoded.pixels.shape[2]
    return _first(directory, _CHANNELS, 1) - colours - (decoded.alpha is not None)


def _first(directory: Directory, tag: int, default: int) -> int:
    return int((directory.numbers(tag) or (default,))[0])


def _read_pixels(
    directory: Directory, request: Request, *, length: int
) -> tuple[Decoded, list[str]]:
    """The pixels a directory describes, and a note where they are but a part.

    Args:
        directory: In a file that may have grown at its end.
        request: Its name and limit.
        length: How many bytes the file itself has.
    """
    _check(directory, request=request)
    _check_meaning(directory, request=request)
    cut = _check_parts(directory, request=request, length=length)
    with guarded(request):
        data = lean(directory)
        channels, bits = _first(directory, _CHANNELS, 1), _first(directory, _BITS, 1)
        planes = _first(directory, _PLANAR, 1) == 2
        # Pillow would take each byte of a plane of 16 bits for a sample, and lose a second plane
        if planes and (bits == 16 or channels not in {1, 3, 4}):
            return decode_by_tifffile(data, request, length=length), []
        plain = pixel_bytes(directory)[:length]
        decoded, rows = _decode(data, request, plain=plain, cut=cut)
    height_px = decoded.pixels.shape[0]
    if rows is None and cut:
        rows = height_px  # what lies behind the end made sense to the decoder
    return decoded, [] if rows is None else [salvage_note(rows, height_px)]


def _check(directory: Directory, *, request: Request) -> None:
    def first(tag: int, default: int) -> int:
        return _first(directory, tag, default)

    check_size(request, width_px=first(_WIDTH, 0), height_px=first(_HEIGHT, 0))
    channels = first(_CHANNELS, 1)
    if not 1 <= channels <= CHANNELS_MAX:  # a lie here is a bomb as well
        raise InputError(f"{request.name} says it has {channels} channels; that is no picture.")
    if _TILE_WIDTH in directory.entries:  # a single tile may be larger than the whole picture
        side = {"width_px": first(_TILE_WIDTH, 0), "height_px": first(_TILE_HEIGHT, 0)}
        check_size(request, **side)
        _check_tiles(directory, request=request, **side)
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


def _check_tiles(directory: Directory, *, request: Request, width_px: int, height_px: int) -> None:
    """Refuse tiles that reach far over the edges; all of each is unpacked."""
    across = -(-_first(directory, _WIDTH, 0) // width_px)
    down = -(-_first(directory, _HEIGHT, 0) // height_px)
    if across * width_px * down * height_px > _TILES_MAX * request.max_pixels:
        raise InputError(
            f"{request.name} says its tiles are {width_px}×{height_px} pixels in size, far larger "
            f"than the picture."
        )


def _check_meaning(directory: Directory, *, request: Request) -> None:
    """Refuse what Pillow would give wrong colours to, or call cut off."""
    compression = _first(directory, _COMPRESSION, _PLAIN)
    if not directory.numbers(_PHOTOMETRIC) and compression not in _KNOWN_MEANING:
        raise InputError(
            f"{request.name} does not say what its numbers mean: the TIFF tag "
            f"PhotometricInterpretation is missing. Another program may know; save it from there."
        )
    shared = (directory.numbers(_SUBSAMPLING) or (2, 2)) != (1, 1)
    if compression == _PLAIN and _first(directory, _PHOTOMETRIC, 0) == _YCBCR and shared:
        raise InputError(
            f"{request.name} holds uncompressed YCbCr whose pixels share their colour, which "
            f"Restora does not read; save it as RGB."
        )


def _check_parts(directory: Directory, *, request: Request, length: int) -> bool:
    """Whether compressed strips or tiles reach behind the end of the file.

    Raises:
        InputError: Thousands of them share their bytes, so that a small file takes hours to unpack.
    """
    plain = _first(directory, _COMPRESSION, _PLAIN) == _PLAIN
    behind, total = False, 0
    # Decoders take what is said of strips for tiles as well.
    for place_tag, length_tag in itertools.product(_PLACES, _LENGTHS):
        places = _all_numbers(directory, place_tag, request)
        lengths = _all_numbers(directory, length_tag, request)[: len(places)]
        there = np.clip(length - places[: len(lengths)], 0, lengths)
        total = max(total, int(there.sum()))
        behind |= bool((there < lengths).any()) and not plain
    if total > _SHARED_MAX * length + _SPARE_BYTES:
        raise InputError(
            f"{request.name} says its strips or tiles hold {total:,} bytes together, far more than "
            f"the {length:,} of the file; no program writes that."
        )
    return behind


def _all_numbers(directory: Directory, tag: int, request: Request) -> NDArray[np.int64]:
    entry = directory.entries.get(tag)
    if entry is None or not entry.data:
        return np.zeros(0, np.int64)
    code = {1: "u1", 3: "u2", 4: "u4", 6: "i1", 8: "i2", 9: "i4", 13: "u4"}.get(entry.kind)
    if code is None:
        raise damaged(request, "where its strips lie is not told in whole numbers")
    return np.maximum(np.frombuffer(entry.data, directory.order + code).astype(np.int64), 0)


def _decode(
    data: bytes, request: Request, *, plain: bytes, cut: bool
) -> tuple[Decoded, int | None]:
    """What Pillow makes of it, or tifffile, and how many rows could be rescued.

    Args:
        data: From :func:`lean`.
        request: Its name and limit.
        plain: The file itself, to its end.
        cut: From :func:`_check_parts`.
    """
    try:
        image = _Tiff(data, plain)
    except Exception:
        return decode_by_tifffile(data, request, length=len(plain)), None
    if cut and not request.salvage:
        raise cut_off(request)
    check_size(request, width_px=image.width, height_px=image.height)
    rawmodes = {_rawmode(tile) for tile in image.tile}
    colour16 = any(";16" in rawmode and not rawmode.startswith("I;") for rawmode in rawmodes)
    if colour16:
        return _decode_colour16(image, _Tiff(data, plain), request)
    inverted = image.mode.startswith("I;16") and image.tag_v2.get(_PHOTOMETRIC) == 0
    rows = load(image, request)
    decoded = from_pillow(image, request)
    if inverted:  # white is 0; Pillow turns that round for 8 bits only
        np.subtract(np.float32(1), decoded.pixels, out=decoded.pixels)
    return decoded, rows


class _Tiff(TiffImagePlugin.TiffImageFile):
    """Takes plain pixels from the file itself, so that our directory is not read for the last."""

    def __init__(self, data: bytes, plain: bytes) -> None:
        self._plain = io.BytesIO(plain)
        super().__init__(io.BytesIO(data))

    def load_read(self, count: int) -> bytes:
        return self._plain.read(count)

    def load_seek(self, at: int) -> None:
        self._plain.seek(at)


def _rawmode(tile: Any) -> str:
    return str(tile.args if isinstance(tile.args, str) else tile.args[0])


def _rest(tile: Any) -> tuple[Any, ...]:
    return () if isinstance(tile.args, str) else tuple(tile.args)[1:]


def _decode_colour16(
    high: ImageFile.ImageFile, low: ImageFile.ImageFile, request: Request
) -> tuple[Decoded, int | None]:
    rawmode = _rawmode(high.tile[0])
    family, _, end = rawmode.partition(";16")
    premultiplied = family == "RGBa"
    family = "RGBA" if premultiplied else family  # the bytes as they are; divided below
    if end == "N":
        end = "L" if sys.byteorder == "little" else "B"
    ends = {"high": end, "low": "B" if end == "L" else "L"}
    for part, which in ((high, "high"), (low, "low")):
        part.tile = [
            tile._replace(args=(f"{family};16{ends[which]}", *_rest(tile))) for tile in part.tile
        ]
    rows = load(high, request, low=low)

    def fetch(top: int, bottom: int) -> NDArray[np.uint16]:
        return joined(band(high, top, bottom), band(low, top, bottom))

    space: Space = "cmyk" if high.mode == "CMYK" else "rgb"
    colours = 4 if space == "cmyk" else 3
    shape = (high.height, high.width, colours)
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
