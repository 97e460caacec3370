"""PNG as a list of chunks: cutting files apart, and the chunks that hold metadata.

Source: PNG Specification, third edition (W3C, 2025).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from restora.images.metadata_in import RawMetadata
from restora.images.picture import Metadata

__all__ = ["SIGNATURE", "Chunk", "chunk", "metadata_chunks", "read_chunks", "read_metadata"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_XMP_KEY = b"XML:com.adobe.xmp"
_INCH_M = 0.0254
_INFLATED_MAX_BYTES = 64 << 20  # no honest profile is larger; a hostile one would fill the memory


@dataclass(frozen=True)
class Chunk:
    """One chunk of a file.

    Attributes:
        kind: Its four letters.
        body: What it holds; shorter than promised if the file ends.
        checksum: As stored, right or wrong; not 4 bytes long if the file ends.
    """

    kind: bytes
    body: bytes
    checksum: bytes

    def again(self) -> bytes:
        """The chunk as it stood in the file; a cut one gets a checksum that fits what is left."""
        if len(self.checksum) < 4:
            return chunk(self.kind, self.body)
        return struct.pack(">I", len(self.body)) + self.kind + self.body + self.checksum


def read_chunks(data: bytes) -> list[Chunk]:
    """All chunks of a PNG file up to ``IEND`` or to where the file ends."""
    chunks = []
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        chunks.append(Chunk(kind, data[at + 8 : end], data[end : end + 4]))
        if kind == b"IEND":
            break
        at = end + 4
    return chunks


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk ready for the file, with length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def read_metadata(chunks: list[Chunk]) -> RawMetadata:
    """What the chunks say beside pixels; damaged ones become a note."""
    raw = RawMetadata()
    for entry in chunks:
        try:
            _take(entry, raw)
        except (ValueError, zlib.error, struct.error):
            raw.notes.append(
                f"The {entry.kind.decode('latin-1')} chunk is damaged and was left out."
            )
    return raw


def _take(entry: Chunk, raw: RawMetadata) -> None:
    body = entry.body
    if entry.kind == b"iCCP":
        _, rest = body.split(b"\0", 1)
        raw.icc = _inflate(rest[1:])
    elif entry.kind == b"eXIf":
        raw.exif = body
    elif entry.kind == b"pHYs":
        across, down, unit = struct.unpack(">IIB", body)
        if unit == 1:
            raw.dpi = (across * _INCH_M, down * _INCH_M)
    elif entry.kind == b"iTXt" and body.startswith(_XMP_KEY + b"\0"):
        packed = body[len(_XMP_KEY) + 1] == 1
        _, _, text = body[len(_XMP_KEY) + 3 :].split(b"\0", 2)
        raw.xmp = _inflate(text) if packed else text
    elif entry.kind in {b"tEXt", b"zTXt"} and body.startswith(b"Raw profile type "):
        _take_raw_profile(entry, raw)


def _take_raw_profile(entry: Chunk, raw: RawMetadata) -> None:
    """ImageMagick's older way: hexadecimal text. Newer chunks win over it."""
    key, rest = entry.body.split(b"\0", 1)
    text = _inflate(rest[1:]) if entry.kind == b"zTXt" else rest
    lines = text.split(b"\n", 3)  # an empty line, the name, the length, the digits
    payload = bytes.fromhex(lines[3].decode("ascii")) if len(lines) == 4 else b""
    name = key.removeprefix(b"Raw profile type ").lower()
    if name in {b"exif", b"app1"} and payload.startswith(b"Exif"):
        raw.exif = raw.exif or payload
    elif name == b"xmp":
        raw.xmp = raw.xmp or payload
    elif name in {b"icc", b"icm"}:
        raw.icc = raw.icc or payload


def _inflate(packed: bytes) -> bytes:
    worker = zlib.decompressobj()
    plain = worker.decompress(packed, _INFLATED_MAX_BYTES)
    if not worker.eof:
        raise ValueError("cut off, or far too large")
    return plain


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
