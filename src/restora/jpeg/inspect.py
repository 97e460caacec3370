"""Reading the facts out of a file's bytes; pixels are decoded only to look for an earlier save.

Source: ITU-T T.81, Annex B (coding); T.871 (JFIF); CIPA DC-008 (EXIF). The colour space follows
libjpeg's ``default_decompress_parms``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from restora.errors import InputError
from restora.jpeg.behind import count_further_pictures
from restora.jpeg.facts import (
    ColourSpace,
    ComponentFacts,
    JpegFacts,
    QuantisationTable,
    Thumbnail,
)
from restora.jpeg.ifd import first_directory, orientation_of, read_directory
from restora.jpeg.look_back import look_back
from restora.jpeg.markers import (
    APP0,
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
from restora.jpeg.metadata import Exif, Metadata, is_jfif, read_metadata
from restora.jpeg.quality import QualityEstimate, estimate_quality
from restora.jpeg.sniff import no_jpeg

__all__ = ["inspect"]

_THUMBNAIL_AT, _THUMBNAIL_BYTES = 0x0201, 0x0202
_SAMPLING_NAMES = {  # how much smaller the colour planes are, (across, down)
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (1, 2): "4:4:0",
    (4, 1): "4:1:1",
    (4, 2): "4:1:0",
}


def inspect(data: bytes, *, name: str, history: bool = False) -> JpegFacts:
    """Say what a JPEG file knows about itself.

    Args:
        data: The whole file.
        name: The file's name, for messages.
        history: Also decode its luma and look for an earlier save; damaged files and those
            without luma are left unlooked at.

    Raises:
        InputError: The file is empty, no JPEG, or so damaged that not even the size is known.
    """
    reason = no_jpeg(data, name=name)
    if reason is not None:
        raise InputError(reason)
    layout = read_layout(data, name=name)
    frame = read_frame(layout, name=name)
    tables = tables_of_components(layout, frame)
    space = _colour_space(layout, frame)
    metadata = read_metadata(layout)
    exif = _judge_exif(metadata.exif)
    scans = layout.scans
    coded_bytes = layout.coded_bytes
    distinct = list({id(table): table for table in tables if table is not None}.values())
    further = count_further_pictures(data, layout.end)
    enough = 8 * coded_bytes >= frame.least_bits
    facts = JpegFacts(
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
        orientation=exif.orientation,
        has_exif=metadata.exif is not None,
        has_xmp=metadata.xmp is not None or metadata.xmp_extended,
        has_icc=metadata.icc is not None,
        has_photoshop=metadata.photoshop is not None,
        icc_bytes=len(metadata.icc or b""),
        thumbnails=(*exif.thumbnails, *_jfif_thumbnails(layout)),
        comment="\n".join(filter(None, map(_text, metadata.comments))) or None,
        truncated=layout.truncated,
        trailing_bytes=len(data) - layout.end,
        further_pictures=further,
        enough_data=enough,
        remarks=(
            *_remarks_on_coding(layout, frame, tables, enough=enough),
            *_remarks_on_metadata(metadata, exif_sound=exif.sound, pictures=1 + further),
        ),
    )
    return look_back(data, facts) if history else facts


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
    if any(is_jfif(segment) for segment in layout.before_scan(APP0)):
        return "YCbCr"
    if adobe is not None:
        return "RGB" if adobe == 0 else "YCbCr"
    ids = bytes(component.id for component in frame.components)
    # Without any marker libjpeg-turbo takes lossless files for RGB.
    return "RGB" if ids == b"RGB" or frame.coding == "lossless" else "YCbCr"


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


def _remarks_on_metadata(metadata: Metadata, *, exif_sound: bool, pictures: int) -> list[str]:
    remarks = []
    if not exif_sound:
        remarks.append("The EXIF is damaged.")
    if not metadata.icc_whole:
        remarks.append("The colour profile is incomplete.")
    if metadata.pictures > pictures:
        remarks.append(
            f"The file should hold {metadata.pictures} pictures but {pictures} "
            f"{'is' if pictures == 1 else 'are'} there."
        )
    return remarks


def _text(comment: bytes) -> str:
    stripped = comment.strip(b"\0 \r\n\t")
    try:
        return stripped.decode()
    except UnicodeDecodeError:
        return stripped.decode("latin-1")


def _jfif_thumbnails(layout: Layout) -> list[Thumbnail]:
    found = [_jfif_thumbnail(segment) for segment in layout.before_scan(APP0)]
    return [thumbnail for thumbnail in found if thumbnail is not None]


def _jfif_thumbnail(segment: Segment) -> Thumbnail | None:
    """The thumbnail in JFIF's own segment or its extension, if it lies inside."""
    payload = segment.payload
    form: Literal["JPEG", "palette", "RGB"] = "RGB"
    where: Literal["JFIF", "JFXX"] = "JFXX"
    start = size = 0
    if is_jfif(segment):
        where, start, size = "JFIF", 14, 3 * payload[12] * payload[13]
    elif segment.starts(b"JFXX\0") and len(payload) >= 8:
        pixels = payload[6] * payload[7]
        if payload[5] == 0x10 and segment.starts(b"JFXX\0\x10\xff\xd8"):
            form, start, size = "JPEG", 6, len(payload) - 6
        elif payload[5] == 0x11:  # 256 colours, then an index for each pixel
            form, start, size = "palette", 8, 768 + pixels if pixels else 0
        elif payload[5] == 0x13:
            start, size = 8, 3 * pixels
    if size == 0 or start + size > len(payload):
        return None
    at = segment.payload_offset + start
    return Thumbnail(where=where, format=form, offset=at, size_bytes=size)


@dataclass(frozen=True, slots=True)
class _ExifFacts:
    orientation: int | None = None
    thumbnails: tuple[Thumbnail, ...] = ()
    sound: bool = True


def _judge_exif(exif: Exif | None) -> _ExifFacts:
    """Orientation and thumbnail; file offsets are the whole file's."""
    first = first_directory(exif.data) if exif else None
    if exif is None or first is None:
        return _ExifFacts(sound=exif is None)
    orientation = orientation_of(first)
    if first.next_at == 0:
        return _ExifFacts(orientation)
    second = read_directory(exif.data, order=first.order, at=first.next_at)
    if second is None:
        return _ExifFacts(orientation, sound=False)
    at, size = second.whole_number(_THUMBNAIL_AT), second.whole_number(_THUMBNAIL_BYTES)
    if at is None or not size:
        return _ExifFacts(orientation)
    if at + size > len(exif.data) or exif.data[at : at + 2] != b"\xff\xd8":
        return _ExifFacts(orientation, sound=False)
    offset = exif.offset_in_file(at)
    thumbnail = Thumbnail(where="EXIF", format="JPEG", offset=offset, size_bytes=size)
    return _ExifFacts(orientation, (thumbnail,))
