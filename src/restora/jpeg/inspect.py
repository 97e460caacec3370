"""Reading the facts out of a file's bytes; no pixels are decoded.

Source: ITU-T T.81, Annex B (coding); T.871 (JFIF); CIPA DC-008 (EXIF) and DC-007 (multi-picture
format); ICC.1, Annex B.4. The colour space follows libjpeg's ``default_decompress_parms``.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from restora.errors import InputError
from restora.jpeg.facts import (
    ColourSpace,
    ComponentFacts,
    Density,
    JpegFacts,
    QuantisationTable,
    Thumbnail,
)
from restora.jpeg.markers import (
    APP0,
    APP1,
    APP2,
    APP13,
    COM,
    DQT,
    Component,
    Frame,
    Layout,
    Segment,
    Table,
    adobe_transform,
    read_frame,
    read_layout,
    read_tables,
    restart_interval,
    tables_of_components,
)
from restora.jpeg.quality import QualityEstimate, estimate_quality

__all__ = ["inspect"]

_OTHERS: Final = (
    (0, b"\x89PNG\r\n\x1a\n", "a PNG"),
    (0, b"GIF8", "a GIF"),
    (8, b"WEBP", "a WebP"),
    (0, b"BM", "a BMP"),
    (0, b"II*\0", "a TIFF"),
    (0, b"MM\0*", "a TIFF"),
    (0, b"II+\0", "a TIFF"),
    (0, b"MM\0+", "a TIFF"),
    (4, b"ftypavif", "an AVIF"),
    (4, b"ftypavis", "an AVIF"),
    (4, b"ftyphei", "a HEIC"),
    (4, b"ftypmif1", "a HEIC"),
    (4, b"ftyp", "a video"),
    (4, b"JXL \r\n", "a JPEG XL"),
    (0, b"\xff\x0a", "a JPEG XL"),
    (4, b"jP  \r\n", "a JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"%PDF", "a PDF"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
)
_WEB_PAGE = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head)", re.IGNORECASE)
_SVG = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<svg", re.IGNORECASE)
# Between the pictures of an MPO there may be padding.
_NEXT_PICTURE = re.compile(rb"[\x00\xff]*?\xff\xd8\xff")
_PICTURES_MAX = 100

_XMP = (b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0")
_ICC = b"ICC_PROFILE\0"
_ORIENTATION, _THUMBNAIL_AT, _THUMBNAIL_BYTES = 0x0112, 0x0201, 0x0202
_MPF_COUNT = 0xB001
_SAMPLING_NAMES = {  # how much smaller the colour planes are, (across, down)
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (1, 2): "4:4:0",
    (4, 1): "4:1:1",
    (4, 2): "4:1:0",
}


def inspect(data: bytes, *, name: str) -> JpegFacts:
    """Say what a JPEG file knows about itself, from its bytes alone.

    Args:
        data: The whole file.
        name: The file's name, for messages.

    Raises:
        InputError: The file is empty, no JPEG, or so damaged that not even the size is known.
    """
    if not data:
        raise InputError(f"{name} is empty: it has 0 bytes.")
    if data[:2] != b"\xff\xd8":
        raise InputError(_not_a_jpeg(data, name))
    layout = read_layout(data, name=name)
    frame = read_frame(layout, name=name)
    tables = tables_of_components(layout, frame)
    space = _colour_space(layout, frame)
    metadata = _read_metadata(layout)
    scans = layout.scans
    coded_bytes = sum(scan.coded_bytes for scan in scans)
    distinct = list({id(table): table for table in tables if table is not None}.values())
    further = _count_further_pictures(data, layout.end)
    # Every block costs a Huffman code of at least one bit.
    enough = frame.arithmetic or frame.coding == "lossless" or 8 * coded_bytes >= frame.blocks
    return JpegFacts(
        file_size_bytes=len(data),
        width_px=frame.width_px,
        height_px=frame.height_px,
        components=tuple(
            ComponentFacts(
                id=component.id,
                horizontal=component.horizontal,
                vertical=component.vertical,
                table=None if table is None else [id(t) for t in distinct].index(id(table)),
            )
            for component, table in zip(frame.components, tables, strict=True)
        ),
        colour_space=space,
        sampling=_sampling(frame.components),
        coding=frame.coding,
        arithmetic=frame.arithmetic,
        precision_bits=frame.precision_bits,
        quality=_quality(tables, space),
        quantisation_tables=tuple(
            QuantisationTable(
                slot=table.slot,
                bits=16 if table.bits == 16 else 8,
                values=tuple(tuple(row) for row in table.values.tolist()),
            )
            for table in distinct
        ),
        restart_interval=restart_interval(layout),
        scan_count=len(scans),
        coded_bytes=coded_bytes,
        bits_per_pixel=8 * coded_bytes / (frame.width_px * frame.height_px),
        density=metadata.density,
        orientation=metadata.exif.orientation if metadata.exif else None,
        has_exif=metadata.exif is not None,
        has_xmp=metadata.has_xmp,
        has_icc=metadata.icc_parts > 0,
        has_photoshop=metadata.has_photoshop,
        icc_bytes=metadata.icc_bytes,
        thumbnails=metadata.thumbnails,
        comment=metadata.comment,
        truncated=layout.truncated,
        trailing_bytes=len(data) - layout.end,
        further_pictures=further,
        enough_data=enough,
        remarks=(
            *_remarks_on_coding(layout, frame, tables, enough=enough),
            *_remarks_on_metadata(metadata, pictures=1 + further),
        ),
    )


def _not_a_jpeg(data: bytes, name: str) -> str:
    for offset, magic, what in _OTHERS:
        if data.startswith(magic, offset):
            return f"{name} is {what}, not a JPEG."
    if _WEB_PAGE.match(data):
        return f"{name} is a web page, not a JPEG; the download may have failed."
    if _SVG.match(data):
        return f"{name} is an SVG, not a JPEG."
    if data.count(0) == len(data):
        return f"{name} is not a JPEG: it holds nothing but zeros."
    return f"{name} is not a JPEG."


def _colour_space(layout: Layout, frame: Frame) -> ColourSpace:
    """What libjpeg takes the components for."""
    count = len(frame.components)
    adobe = adobe_transform(layout)
    if count == 1:
        return "gray"
    if count == 4:
        return "CMYK" if adobe in {None, 0} else "YCCK"
    if count != 3:
        return "unknown"
    if any(_is_jfif(segment) for segment in layout.before_scan(APP0)):
        return "YCbCr"
    if adobe is not None:
        return "RGB" if adobe == 0 else "YCbCr"
    ids = bytes(component.id for component in frame.components)
    # Without any marker libjpeg-turbo takes lossless files for RGB.
    return "RGB" if ids == b"RGB" or frame.coding == "lossless" else "YCbCr"


def _is_jfif(segment: Segment) -> bool:
    return segment.length >= 14 and segment.starts(b"JFIF\0")


def _sampling(components: Sequence[Component]) -> str | None:
    """The usual name of the sampling; the raw factors where none fits."""
    if len(components) == 1:
        return None
    factors = [(component.horizontal, component.vertical) for component in components]
    full = factors[0]
    across, down = full[0] / factors[1][0], full[1] / factors[1][1]
    name = _SAMPLING_NAMES.get((int(across), int(down)))
    usual = (
        len(factors) in {3, 4}
        and across.is_integer()
        and down.is_integer()
        and factors[1] == factors[2]
        and factors[3:] in ([], [full])
    )
    if name is not None and usual:
        return name
    return " ".join(f"{horizontal}×{vertical}" for horizontal, vertical in factors)


def _quality(tables: Sequence[Table | None], space: ColourSpace) -> QualityEstimate | None:
    luma = tables[0]
    if luma is None:
        return None
    chroma = tables[1] if len(tables) > 2 else None
    if chroma is None or (chroma is luma and space not in {"YCbCr", "YCCK"}):
        return estimate_quality(luma.values)
    return estimate_quality(luma.values, chroma.values)


def _count_further_pictures(data: bytes, at: int) -> int:
    """JPEG pictures from ``at`` on, up to the first thing that is none."""
    count = 0
    while count < _PICTURES_MAX and (following := _NEXT_PICTURE.match(data, at)):
        try:
            layout = read_layout(data, name="", start=following.end() - 3)
            read_frame(layout, name="")
        except InputError:
            break
        at = layout.end
        count += 1
    return count


def _remarks_on_coding(
    layout: Layout, frame: Frame, tables: Sequence[Table | None], *, enough: bool
) -> list[str]:
    remarks = []
    if frame.height_from_dnl:
        remarks.append(
            "The height stands in a DNL marker behind the first scan; most programs refuse that."
        )
    if not layout.scans:
        remarks.append("There is no scan: the file ends before its pixels.")
    elif not enough:
        remarks.append("There is too little data for the stated size.")
    if frame.coding != "lossless" and None in tables:
        remarks.append("A quantisation table is missing.")
    if not all(read_tables(segment)[1] for segment in layout.of(DQT)):
        remarks.append("A quantisation table is damaged.")
    if any(table is not None and not table.values.all() for table in tables):
        remarks.append("A quantisation table holds a zero.")
    if len(tables) > 2 and tables[1] is not None and tables[2] is not None:
        same = (tables[1].values == tables[2].values).all()
        if not same and tables[0] is not tables[2]:
            remarks.append("The two colour planes have different tables; quality is the first's.")
    return remarks


@dataclass(frozen=True, slots=True)
class _Exif:
    orientation: int | None
    thumbnail: Thumbnail | None
    sound: bool


@dataclass(frozen=True, slots=True)
class _Metadata:
    density: Density | None
    exif: _Exif | None
    thumbnails: tuple[Thumbnail, ...]
    icc_parts: int
    icc_bytes: int
    icc_whole: bool
    has_xmp: bool
    has_photoshop: bool
    mpf_pictures: int
    comment: str | None


def _read_metadata(layout: Layout) -> _Metadata:
    density: Density | None = None
    exif: _Exif | None = None
    thumbnails: list[Thumbnail] = []
    for segment in layout.of(APP0, APP1):
        payload = segment.payload
        if _is_jfif(segment):
            density = density or _density(payload)
        elif segment.marker == APP1 and segment.starts(b"Exif\0") and exif is None:
            exif = _read_exif(payload[6:], offset=segment.payload_offset + 6)
            thumbnails += [exif.thumbnail] if exif.thumbnail else []
        thumbnails += _jfif_thumbnail(segment)
    icc = [s.payload for s in layout.of(APP2) if s.length > 14 and s.starts(_ICC)]
    parts = {part[12]: len(part) - 14 for part in reversed(icc)}
    mpf = [s.payload for s in layout.of(APP2) if s.starts(b"MPF\0")]
    comments = [_text(bytes(segment.payload)) for segment in layout.of(COM)]
    return _Metadata(
        density=density,
        exif=exif,
        thumbnails=tuple(thumbnails),
        icc_parts=len(icc),
        icc_bytes=sum(parts.values()),
        icc_whole=not icc or set(parts) == set(range(1, icc[0][13] + 1)),
        has_xmp=any(segment.starts(*_XMP) for segment in layout.of(APP1)),
        has_photoshop=any(segment.starts(b"Photoshop 3.0\0") for segment in layout.of(APP13)),
        mpf_pictures=_mpf_pictures(mpf[0][4:]) if mpf else 1,
        comment="\n".join(filter(None, comments)) or None,
    )


def _remarks_on_metadata(metadata: _Metadata, *, pictures: int) -> list[str]:
    remarks = []
    if metadata.exif is not None and not metadata.exif.sound:
        remarks.append("The EXIF is damaged.")
    if not metadata.icc_whole:
        remarks.append("The colour profile is incomplete.")
    if metadata.mpf_pictures > pictures:
        remarks.append(
            f"The file should hold {metadata.mpf_pictures} pictures but {pictures} "
            f"{'is' if pictures == 1 else 'are'} there."
        )
    return remarks


def _text(comment: bytes) -> str:
    stripped = comment.strip(b"\0 \r\n\t")
    try:
        return stripped.decode()
    except UnicodeDecodeError:
        return stripped.decode("latin-1")


def _density(payload: memoryview) -> Density | None:
    unit, x, y = struct.unpack_from(">BHH", payload, 7)
    if unit > 2 or not x or not y:
        return None
    if unit == 0:
        return Density(x=x, y=y, unit="aspect ratio")
    return Density(x=x, y=y, unit="per inch" if unit == 1 else "per cm")


def _jfif_thumbnail(segment: Segment) -> list[Thumbnail]:
    """The thumbnail in JFIF's own segment or its extension, if it lies inside."""
    payload = segment.payload
    form: Literal["JPEG", "palette", "RGB"] = "RGB"
    where: Literal["JFIF", "JFXX"] = "JFXX"
    start = size = 0
    if _is_jfif(segment):
        where, start, size = "JFIF", 14, 3 * payload[12] * payload[13]
    elif segment.marker == APP0 and segment.starts(b"JFXX\0") and len(payload) >= 8:
        pixels = payload[6] * payload[7]
        if payload[5] == 0x10 and segment.starts(b"JFXX\0\x10\xff\xd8"):
            form, start, size = "JPEG", 6, len(payload) - 6
        elif payload[5] == 0x11:  # 256 colours, then an index for each pixel
            form, start, size = "palette", 8, 768 + pixels if pixels else 0
        elif payload[5] == 0x13:
            start, size = 8, 3 * pixels
    if size == 0 or start + size > len(payload):
        return []
    at = segment.payload_offset + start
    return [Thumbnail(where=where, format=form, offset=at, size_bytes=size)]


def _read_exif(tiff: memoryview, *, offset: int) -> _Exif:
    """Orientation and thumbnail.

    Args:
        tiff: EXIF without its prefix.
        offset: Where it starts in the file.
    """
    order = _byte_order(tiff)
    first = _directory(tiff, order, int.from_bytes(tiff[4:8], order))
    if first is None:
        return _Exif(None, None, sound=False)
    tags, next_at = first
    orientation = tags.get(_ORIENTATION)
    if orientation not in range(1, 9):
        orientation = None
    second = _directory(tiff, order, next_at) if next_at else ({}, 0)
    if second is None:
        return _Exif(orientation, None, sound=False)
    at, size = second[0].get(_THUMBNAIL_AT), second[0].get(_THUMBNAIL_BYTES, 0)
    if at is None or size == 0:
        return _Exif(orientation, None, sound=True)
    if at + size > len(tiff) or bytes(tiff[at : at + 2]) != b"\xff\xd8":
        return _Exif(orientation, None, sound=False)
    thumbnail = Thumbnail(where="EXIF", format="JPEG", offset=offset + at, size_bytes=size)
    return _Exif(orientation, thumbnail, sound=True)


def _mpf_pictures(tiff: memoryview) -> int:
    """How many pictures a multi-picture index counts."""
    order = _byte_order(tiff)
    index = _directory(tiff, order, int.from_bytes(tiff[4:8], order))
    return index[0].get(_MPF_COUNT, 1) if index else 1


def _byte_order(tiff: memoryview) -> Literal["little", "big"]:
    return "little" if bytes(tiff[:2]) == b"II" else "big"


def _directory(
    tiff: memoryview, order: Literal["little", "big"], at: int
) -> tuple[dict[int, int], int] | None:
    """The single whole numbers of a TIFF directory, and where the next one lies (0: nowhere)."""
    if bytes(tiff[:4]) not in {b"II*\0", b"MM\0*"} or not 8 <= at <= len(tiff) - 2:
        return None
    count = int.from_bytes(tiff[at : at + 2], order)
    end = at + 2 + 12 * count
    if end > len(tiff):
        return None
    tags: dict[int, int] = {}
    for entry in range(at + 2, end, 12):
        tag = int.from_bytes(tiff[entry : entry + 2], order)
        size = {1: 1, 3: 2, 4: 4}.get(int.from_bytes(tiff[entry + 2 : entry + 4], order))
        if size is not None and int.from_bytes(tiff[entry + 4 : entry + 8], order) == 1:
            tags.setdefault(tag, int.from_bytes(tiff[entry + 8 : entry + 8 + size], order))
    # Some writers leave out "next" at the very end.
    return tags, int.from_bytes(tiff[end : end + 4], order) if end + 4 <= len(tiff) else 0
