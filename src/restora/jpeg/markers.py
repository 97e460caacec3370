"""The segments of a JPEG file: where they lie and what those about coding say.

Nothing is decoded, and damage is met with patience: fill bytes and junk between segments are
skipped, and a marker inside coded data counts only if a whole segment stands behind it. The work
grows linearly with the file, whatever is in it.

Source: ITU-T T.81, Annex B; T.86 for Adobe's APP14. Where the standard leaves a choice, libjpeg's
is taken, because that is what will decode the file.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from restora.errors import InputError

__all__ = [
    "APP0",
    "APP1",
    "APP2",
    "APP13",
    "APP14",
    "COM",
    "ZIGZAG",
    "Coding",
    "Component",
    "Frame",
    "Layout",
    "Segment",
    "Table",
    "adobe_transform",
    "read_frame",
    "read_layout",
    "read_tables",
    "restart_interval",
    "segments",
    "tables_of_components",
]

Coding: TypeAlias = Literal["baseline", "extended", "progressive", "lossless", "hierarchical"]

SOI, EOI, SOS, DQT, DNL, DRI, DHP, COM = 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xFE
APP0, APP1, APP2, APP13, APP14 = 0xE0, 0xE1, 0xE2, 0xED, 0xEE
JPEG_LS = 0xF7

_SOF: Final[dict[int, tuple[Coding, bool]]] = {  # marker: (coding, arithmetic)
    0xC0: ("baseline", False),
    0xC1: ("extended", False),
    0xC2: ("progressive", False),
    0xC3: ("lossless", False),
    0xC5: ("hierarchical", False),
    0xC6: ("hierarchical", False),
    0xC7: ("hierarchical", False),
    0xC9: ("extended", True),
    0xCA: ("progressive", True),
    0xCB: ("lossless", True),
    0xCD: ("hierarchical", True),
    0xCE: ("hierarchical", True),
    0xCF: ("hierarchical", True),
}

# Reserved codes, restarts and TEM never open a segment; 00 is a stuffed byte, FF is fill.
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
# A real file has a few hundred at most; the limit keeps hostile ones from filling the memory.
_SEGMENTS_MAX = 65_536
# What looks like a marker and is none: damage makes a few; looking at each takes a microsecond.
_FALSE_MARKERS_MAX = 1_000_000
# A table takes a hundred times longer to read than its bytes; a real file has 4, or 8 a scan.
_TABLES_MAX_BYTES = 1 << 20

# Natural (row-major) position of each coefficient in zigzag order: up along one diagonal, down the
# next.
ZIGZAG: Final[tuple[int, ...]] = tuple(
    sorted(
        range(64),
        key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8),
    )
)


@dataclass(frozen=True, slots=True)
class Segment:
    """One marker with what belongs to it.

    Attributes:
        marker: The marker's second byte, such as ``0xDB`` for DQT.
        offset: Where its 0xFF stands in the file.
        payload: The bytes behind the length field; shorter than stated where the file is cut.
        end: Where the next marker may begin; for a scan that is behind its coded data.
    """

    marker: int
    offset: int
    payload: memoryview = field(repr=False)
    end: int

    @property
    def length(self) -> int:
        """Bytes of payload."""
        return len(self.payload)

    @property
    def payload_offset(self) -> int:
        """Where the payload starts in the file."""
        return self.offset + 4

    @property
    def coded_bytes(self) -> int:
        """Bytes of entropy-coded data behind a scan header; 0 for other segments."""
        # A file may end inside the header's own four bytes.
        behind = self.end - self.payload_offset - self.length
        return max(0, behind) if self.marker == SOS else 0

    def starts(self, *prefixes: bytes) -> bool:
        """Whether the payload starts with one of these."""
        return any(bytes(self.payload[: len(prefix)]) == prefix for prefix in prefixes)


@dataclass(frozen=True, slots=True)
class Layout:
    """The segments of one picture.

    Attributes:
        segments: All of them in order, SOI and EOI included.
        end: Where the picture ends: behind EOI, at the start of another picture, or at the end of
            the file.
        truncated: Whether EOI is missing.
    """

    segments: tuple[Segment, ...]
    end: int
    truncated: bool

    @property
    def scans(self) -> tuple[Segment, ...]:
        """The scan headers; each knows the extent of its coded data."""
        return self.of(SOS)

    @property
    def coded_bytes(self) -> int:
        """Bytes of entropy-coded data in all scans."""
        return sum(scan.coded_bytes for scan in self.scans)

    def of(self, *markers: int) -> tuple[Segment, ...]:
        """The segments with one of these markers."""
        return tuple(segment for segment in self.segments if segment.marker in markers)

    def before_scan(self, *markers: int) -> tuple[Segment, ...]:
        """Those of :meth:`of` that stand before the first scan."""
        scans = self.scans
        limit = scans[0].offset if scans else self.end
        return tuple(segment for segment in self.of(*markers) if segment.offset < limit)


@dataclass(frozen=True, slots=True)
class Component:
    """One plane of the picture as the frame header declares it: sampling factors are 1-4."""

    id: int
    horizontal: int
    vertical: int
    table: int


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame header (SOF).

    Attributes:
        height_from_dnl: The header left the height open and a DNL marker states it.
    """

    coding: Coding
    arithmetic: bool
    precision_bits: int
    width_px: int
    height_px: int
    components: tuple[Component, ...]
    height_from_dnl: bool = False

    @property
    def blocks(self) -> int:
        """How many 8x8 blocks the picture consists of, those beyond its edges left out."""
        across = max(c.horizontal for c in self.components)
        down = max(c.vertical for c in self.components)
        return sum(
            -(-self.width_px * c.horizontal // (8 * across))
            * -(-self.height_px * c.vertical // (8 * down))
            for c in self.components
        )

    @property
    def least_bits(self) -> int:
        """How much coded data the picture takes at the very least; 0 where that is unknown.

        A Huffman code has one bit or more, and a block has one for its mean. Without progression it
        has another, which ends the block.
        """
        if self.arithmetic or self.coding in {"lossless", "hierarchical"}:
            return 0
        return self.blocks * (1 if self.coding == "progressive" else 2)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A quantisation table.

    Attributes:
        slot: Where the file puts it, 0-3.
        bits: Stored width of an entry, 8 or 16.
        values: ``(8, 8)`` in natural order.
    """

    slot: int
    bits: int
    values: NDArray[np.int64]


def segments(data: bytes, *, start: int = 0) -> Iterator[Segment]:
    """Walk the segments of the picture whose SOI stands at ``start``.

    Ends behind EOI, where another picture begins, or where the data ends.

    >>> [hex(segment.marker) for segment in segments(b"\\xff\\xd8\\xff\\xfe\\0\\4hi\\xff\\xd9")]
    ['0xd8', '0xfe', '0xd9']
    """
    view = memoryview(data)
    yield Segment(SOI, start, view[:0], start + 2)
    at, in_scans, patience = start + 2, False, _Patience()
    while (marker := _next_marker(data, at, patience, strict=in_scans)) is not None:
        offset = marker.start()
        code = data[offset + 1]
        if code == SOI:  # another picture; the segments of this one are over
            return
        if code == EOI:
            yield Segment(EOI, offset, view[:0], offset + 2)
            return
        payload_end = offset + 2 + int.from_bytes(view[offset + 2 : offset + 4])
        at = min(max(payload_end, offset + 4), len(data))
        payload = view[offset + 4 : at]
        if code == SOS:
            in_scans = True
            following = _next_marker(data, at, patience, strict=True)
            at = len(data) if following is None else _before_fill(data, following.start(), at)
        yield Segment(code, offset, payload, at)


class _Patience:
    """How many more false markers are looked at before a file is taken for nothing but junk."""

    left = _FALSE_MARKERS_MAX


def _next_marker(
    data: bytes, at: int, patience: _Patience, *, strict: bool
) -> re.Match[bytes] | None:
    """The next marker that opens a segment or closes the picture.

    Args:
        data: The whole file.
        at: Where to start.
        patience: Where it ends, there is no next marker.
        strict: Coded data lies before it, which may be damaged: take only a marker whose segment is
            whole, or a cut or flipped bit would end the picture early.
    """
    for marker in _MARKER.finditer(data, at):
        offset = marker.start()
        code = data[offset + 1]
        patience.left -= 1
        if patience.left < 0:
            break
        if code == EOI:
            return marker
        if code == SOI:
            # A second SOI in the header is junk; behind a scan it starts another picture.
            if strict and data[offset + 2 : offset + 3] == b"\xff":
                return marker
            continue
        length = int.from_bytes(data[offset + 2 : offset + 4])
        if not strict:
            if length >= 2 or offset + 4 > len(data):
                return marker
            continue
        end = offset + 2 + length
        if length < 2 or end >= len(data):
            continue
        if code == SOS:
            if data[offset + 4] in range(1, 5) and length == 6 + 2 * data[offset + 4]:
                return marker
        elif data[end] == 0xFF:
            return marker
    return None


def _before_fill(data: bytes, offset: int, at: int) -> int:
    """``offset`` moved before the fill bytes that stand there, but not before ``at``."""
    return at + len(data[at:offset].rstrip(b"\xff"))


def read_layout(data: bytes, *, name: str, start: int = 0) -> Layout:
    """Find all segments of the picture whose SOI stands at ``start``.

    Raises:
        InputError: The file consists of more segments, or of more tables, than any picture has.
    """
    found: list[Segment] = []
    tables_bytes = 0
    for segment in segments(data, start=start):
        found.append(segment)
        if len(found) > _SEGMENTS_MAX:
            raise InputError(f"{name} holds more than {_SEGMENTS_MAX:,} segments; it is damaged.")
        tables_bytes += segment.length if segment.marker == DQT else 0
        if tables_bytes > _TABLES_MAX_BYTES:
            raise InputError(f"{name} holds thousands of quantisation tables; it is damaged.")
    last = found[-1]
    return Layout(tuple(found), end=last.end, truncated=last.marker != EOI)


def read_frame(layout: Layout, *, name: str) -> Frame:
    """Read the frame header; the first one, if damage or layers made several.

    Raises:
        InputError: There is none, or it makes no sense.
    """
    headers = layout.of(*_SOF)
    if not headers:
        if layout.of(JPEG_LS):
            raise InputError(f"{name} is a JPEG-LS file, another format than JPEG.")
        if layout.truncated:
            raise InputError(f"{name} is cut off inside its header: there is no picture in it.")
        raise InputError(f"{name} is a JPEG without a frame header: there is no picture in it.")
    payload = headers[0].payload
    if len(payload) < 6 or len(payload) < 6 + 3 * payload[5]:
        if layout.truncated and headers[0].end == layout.end:
            raise InputError(f"{name} is cut off inside its header: there is no picture in it.")
        raise _bad_frame(name, "it is too short")
    precision, height, width, count = struct.unpack_from(">BHHB", payload)
    components = tuple(
        Component(payload[i], payload[i + 1] >> 4, payload[i + 1] & 15, payload[i + 2])
        for i in range(6, 6 + 3 * count, 3)
    )
    if not components:
        raise _bad_frame(name, "it states no components")
    if width == 0:
        raise _bad_frame(name, "it states a width of 0 pixels")
    for number, component in enumerate(components, start=1):
        if not (1 <= component.horizontal <= 4 and 1 <= component.vertical <= 4):
            factors = f"{component.horizontal}×{component.vertical}"
            raise _bad_frame(name, f"it states sampling factors {factors} for component {number}")
    from_dnl = height == 0
    if from_dnl:
        stated = [dnl for dnl in layout.of(DNL) if dnl.length >= 2]
        height = int.from_bytes(stated[0].payload[:2]) if stated else 0
        if height == 0:
            raise InputError(
                f"{name} states a height of 0 lines and no DNL marker gives the true one; "
                "its size cannot be known."
            )
    coding, arithmetic = _SOF[headers[0].marker]
    if layout.before_scan(DHP):
        coding = "hierarchical"
    return Frame(coding, arithmetic, precision, width, height, components, from_dnl)


def _bad_frame(name: str, why: str) -> InputError:
    return InputError(f"{name} has a damaged frame header: {why}.")


def read_tables(segment: Segment) -> tuple[tuple[Table, ...], bool]:
    """The quantisation tables of one DQT segment.

    Returns:
        The tables before the first damage, and whether the segment is sound.
    """
    payload, found, at = segment.payload, list[Table](), 0
    while at < len(payload):
        bits, slot = (16 if payload[at] >> 4 else 8), payload[at] & 15
        end = at + 1 + 64 * bits // 8
        if payload[at] >> 4 > 1 or slot > 3 or end > len(payload):
            return tuple(found), False
        values = np.empty(64, np.int64)
        values[list(ZIGZAG)] = np.frombuffer(payload[at + 1 : end], ">u2" if bits == 16 else "u1")
        found.append(Table(slot, bits, values.reshape(8, 8)))
        at = end
    return tuple(found), True


def tables_of_components(layout: Layout, frame: Frame) -> tuple[Table | None, ...]:
    """The quantisation table of each component; None where the file defines none.

    A file may redefine a table between scans; a component keeps the one that stood when its first
    scan began.
    """
    slots: dict[int, Table] = {}
    kept: dict[int, Table | None] = {}
    for segment in layout.of(DQT, SOS):
        if segment.marker == DQT:
            slots.update((table.slot, table) for table in read_tables(segment)[0])
            continue
        count = segment.payload[0] if segment.length else 0
        ids = set(bytes(segment.payload[1 : 1 + 2 * count : 2]))
        for index, component in enumerate(frame.components):
            if component.id in ids:
                kept.setdefault(index, slots.get(component.table))
    return tuple(
        kept[index] if index in kept else slots.get(component.table)
        for index, component in enumerate(frame.components)
    )


def restart_interval(layout: Layout) -> int:
    """Coding units between restart markers in the first scan; 0 where there are none."""
    stated = [dri for dri in layout.before_scan(DRI) if dri.length >= 2]
    return int.from_bytes(stated[-1].payload[:2]) if stated else 0


def adobe_transform(layout: Layout) -> int | None:
    """The colour transform Adobe's APP14 states (0 none, 1 YCbCr, 2 YCCK); None without it."""
    for segment in layout.before_scan(APP14):
        if segment.length >= 12 and segment.starts(b"Adobe"):
            return segment.payload[11]
    return None
