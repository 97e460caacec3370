"""PNG as a list of chunks: cutting files apart, and the chunks that hold metadata.

Source: PNG Specification, third edition (W3C, 2025).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from restora.errors import InputError
from restora.images.metadata_in import RawMetadata
from restora.images.picture import Metadata

__all__ = [
    "SIGNATURE",
    "Chunk",
    "chunk",
    "damaged_note",
    "metadata_chunks",
    "read_chunks",
    "read_metadata",
]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_XMP_KEY = b"XML:com.adobe.xmp"
_INCH_M = 0.0254
_HEAD_BYTES = 8  # length and kind
# 250 megapixels of noise with 16 bits, in chunks of 8 kB as libpng has them, are this many.
_CHUNKS_MAX = 250_000
_TEXTS = {b"iTXt", b"tEXt", b"zTXt"}
_RAW_PROFILES = {b"exif", b"app1", b"xmp", b"icc", b"icm"}
_KEY_MAX_BYTES = 79
_METADATA_MAX_BYTES = 64 << 20  # no honest profile is larger; a hostile one would fill the memory
_GAMMA, _PRIMARIES, _SRGB, _CODE_POINTS = b"gAMA", b"cHRM", b"sRGB", b"cICP"
_COLOUR_BYTES = {_GAMMA: 4, _PRIMARIES: 32, _SRGB: 1, _CODE_POINTS: 4}
# What they hold where they say no more than sRGB does, and by how much that may differ unseen.
_USUAL = {
    _GAMMA: (">I", (45455,), 2273),
    _PRIMARIES: (">8I", (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000), 1000),
    _CODE_POINTS: (">4B", (1, 13, 0, 1), 0),
}


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of a file.

    Attributes:
        kind: Its four letters.
        stored: It as it stands in the file, from its length to its checksum; shorter than it says
            if the file ends.
    """

    kind: bytes
    stored: memoryview = field(repr=False)

    @property
    def size_bytes(self) -> int:
        """Bytes of the body that are there."""
        stated = int.from_bytes(self.stored[:4])
        return min(stated, len(self.stored) - _HEAD_BYTES)

    @property
    def body(self) -> bytes:
        """What it holds; shorter than promised if the file ends."""
        return bytes(self.stored[_HEAD_BYTES : _HEAD_BYTES + self.size_bytes])

    def again(self) -> bytes | memoryview:
        """The chunk as it stood in the file; a cut one gets a checksum that fits what is left."""
        if len(self.stored) < _HEAD_BYTES + int.from_bytes(self.stored[:4]) + 4:
            return chunk(self.kind, self.body)
        return self.stored


def read_chunks(data: bytes, *, name: str) -> list[Chunk]:
    """All chunks of a PNG file up to ``IEND`` or to where the file ends.

    Raises:
        InputError: There are more than any picture has.
    """
    view = memoryview(data)
    chunks: list[Chunk] = []
    at = len(SIGNATURE)
    while at + _HEAD_BYTES <= len(data):
        if len(chunks) == _CHUNKS_MAX:
            raise InputError(f"{name} holds more than {_CHUNKS_MAX:,} chunks; it is damaged.")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + _HEAD_BYTES + length + 4
        chunks.append(Chunk(kind, view[at:end]))
        if kind == b"IEND":
            break
        at = end
    return chunks


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk ready for the file, with length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def read_metadata(chunks: list[Chunk]) -> RawMetadata:
    """What the chunks say beside pixels; damaged ones become a note."""
    raw, inflate = RawMetadata(), _Inflate()
    for entry in chunks:
        try:
            _take(entry, raw, inflate)
        except (ValueError, zlib.error, struct.error):
            note = damaged_note(entry.kind)
            if note not in raw.notes:
                raw.notes.append(note)
    raw.notes += _colour_notes(raw)
    return raw


def damaged_note(kind: bytes) -> str:
    """The sentence for the user about a chunk that is not used."""
    return f"The {kind.decode('latin-1')} chunk is damaged and was left out."


class _Inflate:
    """Inflates texts and profiles; they, and what is kept packed, go up to one limit a file."""

    def __init__(self) -> None:
        self._left_bytes = _METADATA_MAX_BYTES

    def count(self, kept: bytes) -> None:
        """Count what is kept as it is.

        Raises:
            ValueError: The limit is reached.
        """
        self._left_bytes -= len(kept)
        if self._left_bytes < 0:
            raise ValueError("far too large")

    def __call__(self, packed: bytes) -> bytes:
        """The plain bytes.

        Raises:
            ValueError: It is cut off, or the limit is reached.
            zlib.error: It is damaged.
        """
        if self._left_bytes <= 0:
            raise ValueError("far too large")
        worker = zlib.decompressobj()
        plain = worker.decompress(packed, self._left_bytes)
        self._left_bytes -= len(plain)
        if not worker.eof:
            raise ValueError("cut off, or far too large")
        return plain


def _take(entry: Chunk, raw: RawMetadata, inflate: _Inflate) -> None:
    if entry.kind not in {b"iCCP", b"eXIf", b"pHYs", *_TEXTS, *_COLOUR_BYTES}:
        return
    body = entry.body
    if entry.kind == b"iCCP":
        _, rest = body.split(b"\0", 1)
        raw.icc = inflate(rest[1:])
    elif entry.kind == b"eXIf":
        raw.exif = body
    elif entry.kind == b"pHYs":
        across, down, unit = struct.unpack(">IIB", body)
        if unit == 1:
            raw.dpi = (across * _INCH_M, down * _INCH_M)
    elif entry.kind == b"iTXt" and body.startswith(_XMP_KEY + b"\0"):
        packed = body[len(_XMP_KEY) + 1 : len(_XMP_KEY) + 2] == b"\1"
        _, _, text = body[len(_XMP_KEY) + 3 :].split(b"\0", 2)
        raw.xmp = inflate(text) if packed else text
    elif entry.kind in {b"tEXt", b"zTXt"} and (name := _raw_profile_name(body)) in _RAW_PROFILES:
        _, rest = body.split(b"\0", 1)
        text = inflate(rest[1:]) if entry.kind == b"zTXt" else rest
        _take_raw_profile(name, text, raw)
    else:
        _keep(entry, body, raw, inflate)


def _keep(entry: Chunk, body: bytes, raw: RawMetadata, inflate: _Inflate) -> None:
    """Take a chunk as it is, for the next PNG."""
    inflate.count(body)
    kept = chunk(entry.kind, body)
    if entry.kind in _TEXTS:
        sound = 1 <= body.find(b"\0") <= _KEY_MAX_BYTES
    else:
        sound = len(body) == _COLOUR_BYTES[entry.kind]
    if not sound or kept != entry.stored:  # cut, or its checksum is wrong
        raise ValueError("damaged")
    if entry.kind in _TEXTS:
        raw.png_texts.append(kept)
    else:
        raw.png_colour.setdefault(entry.kind, kept)


def _colour_notes(raw: RawMetadata) -> list[str]:
    """A note where the colours are meant in a way that no other format can say."""
    stated = raw.png_colour
    if _CODE_POINTS in stated:  # the first of these that is there is what counts
        kinds = [_CODE_POINTS]
    elif raw.icc or _SRGB in stated:
        return []
    else:
        kinds = [kind for kind in (_GAMMA, _PRIMARIES) if kind in stated]
    for kind in kinds:
        code, usual, tolerance = _USUAL[kind]
        numbers = zip(struct.unpack_from(code, stated[kind], _HEAD_BYTES), usual, strict=True)
        if any(abs(number - other) > tolerance for number, other in numbers):
            return [
                f"Only PNG can say how this file's colours are meant ({kind.decode()}); "
                f"in another format they look different."
            ]
    return []


def _raw_profile_name(body: bytes) -> bytes:
    start = b"Raw profile type "
    return body[len(start) :].split(b"\0", 1)[0].lower() if body.startswith(start) else b""


def _take_raw_profile(name: bytes, text: bytes, raw: RawMetadata) -> None:
    """ImageMagick's older way: hexadecimal text. Newer chunks win over it."""
    lines = text.split(b"\n", 3)  # an empty line, the name, the length, the digits
    payload = bytes.fromhex(lines[3].decode("ascii")) if len(lines) == 4 else b""
    if name in {b"exif", b"app1"} and payload.startswith(b"Exif"):
        raw.exif = raw.exif or payload
    elif name == b"xmp":
        raw.xmp = raw.xmp or payload
    elif name in {b"icc", b"icm"}:
        raw.icc = raw.icc or payload


def metadata_chunks(metadata: Metadata) -> bytes:
    """The chunks for a file, to stand between ``IHDR`` and ``IDAT``."""
    out = b""
    if metadata.icc:
        out += chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc, 9))
    if metadata.dpi:
        across, down = (min(2**31 - 1, round(value / _INCH_M)) for value in metadata.dpi)
        out += chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    if metadata.exif:
        out += chunk(b"eXIf", metadata.exif)
    if metadata.xmp:
        # not compressed, so that programs that search files for packets find it
        out += chunk(b"iTXt", _XMP_KEY + b"\0\0\0\0\0" + metadata.xmp)
    return out + (metadata.png or b"")
