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

__all__ = ["SIGNATURE", "Chunk", "chunk", "metadata_chunks", "read_chunks", "read_metadata"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_XMP_KEY = b"XML:com.adobe.xmp"
_INCH_M = 0.0254
_HEAD_BYTES = 8  # length and kind
# 250 megapixels of noise with 16 bits, in chunks of 8 kB as libpng has them, are this many.
_CHUNKS_MAX = 250_000
_METADATA = {b"iCCP", b"eXIf", b"pHYs", b"iTXt", b"tEXt", b"zTXt"}
_INFLATED_MAX_BYTES = 64 << 20  # no honest profile is larger; a hostile one would fill the memory


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
    raw, unpacker = RawMetadata(), _Unpacker()
    for entry in chunks:
        try:
            _take(entry, raw, unpacker)
        except (ValueError, zlib.error, struct.error):
            note = f"The {entry.kind.decode('latin-1')} chunk is damaged and was left out."
            if note not in raw.notes:
                raw.notes.append(note)
    return raw


class _Unpacker:
    """Inflates texts and profiles, all those of a file up to one limit."""

    def __init__(self) -> None:
        self._left_bytes = _INFLATED_MAX_BYTES

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


def _take(entry: Chunk, raw: RawMetadata, inflate: _Unpacker) -> None:
    if entry.kind not in _METADATA:
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
        packed = body[len(_XMP_KEY) + 1] == 1
        _, _, text = body[len(_XMP_KEY) + 3 :].split(b"\0", 2)
        raw.xmp = inflate(text) if packed else text
    elif entry.kind in {b"tEXt", b"zTXt"} and body.startswith(b"Raw profile type "):
        _take_raw_profile(entry.kind, body, raw, inflate)


def _take_raw_profile(kind: bytes, body: bytes, raw: RawMetadata, inflate: _Unpacker) -> None:
    """ImageMagick's older way: hexadecimal text. Newer chunks win over it."""
    key, rest = body.split(b"\0", 1)
    text = inflate(rest[1:]) if kind == b"zTXt" else rest
    lines = text.split(b"\n", 3)  # an empty line, the name, the length, the digits
    payload = bytes.fromhex(lines[3].decode("ascii")) if len(lines) == 4 else b""
    name = key.removeprefix(b"Raw profile type ").lower()
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
    return out
