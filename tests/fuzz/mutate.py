"""Damage that keeps a file's structure, which reaches deeper than changed bytes do.

Changed at random, most files fail at their first bytes. Here a JPEG is taken apart into its
segments, a PNG into its chunks (with checksums that fit again) and a TIFF into its tags; those are
changed, doubled, dropped, moved or mixed with another file's, and put together again.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Sequence

from restora.jpeg.sniff import sniff

__all__ = ["mutate"]

_TELLING = (0, 1, 2, 7, 8, 63, 64, 127, 128, 254, 255)
_TELLING_16 = (0, 1, 2, 3, 16, 255, 256, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
_TELLING_32 = (*_TELLING_16, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_MARKERS = (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC9, 0xCC, 0xD0, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD,
            0xDE, 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE)  # fmt: skip
_TAGS = (254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 284, 317, 320, 322, 323,
         324, 325, 330, 338, 339, 347, 512, 513, 529, 530, 700, 34665, 34675, 65111)  # fmt: skip


def mutate(data: bytes, *, seed: int, others: Sequence[bytes] = ()) -> bytes:
    """One to four changes that suit the kind of file.

    Args:
        data: Any file; of an unknown kind its bytes are changed.
        seed: The same seed makes the same changes.
        others: Files that parts may be taken from.
    """
    rng = random.Random(seed)
    for _ in range(rng.randint(1, 4)):
        change = _CHANGES.get(sniff(data) or "", _bytes) if rng.random() < 0.8 else _bytes
        other = rng.choice(others) if others else data
        data = change(data, other, rng)
    return data


def _bytes(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """One byte changed, some dropped or put in, the end cut off or another file's."""
    if not data:
        return other
    at = rng.choice((rng.randrange(len(data)), rng.randrange(min(len(data), 200))))
    before, behind = data[:at], data[at:]
    match rng.randrange(6):
        case 0:
            behind = bytes([rng.randrange(256)]) + behind[1:]
        case 1:
            behind = bytes([rng.choice(_TELLING)]) + behind[1:]
        case 2:
            behind = b""
        case 3:
            behind = behind[rng.randint(1, 40) :]
        case 4:
            behind = rng.randbytes(rng.randint(1, 40)) + behind
        case _:
            behind = other[rng.randrange(len(other) + 1) :]
    return before + behind


def _set_number(payload: bytes, rng: random.Random) -> bytes:
    """Another number of 1, 2 or 4 bytes somewhere."""
    size, form, telling = rng.choice(
        ((1, "B", _TELLING), (2, ">H", _TELLING_16), (2, "<H", _TELLING_16), (4, ">I", _TELLING_32),
         (4, "<I", _TELLING_32))
    )  # fmt: skip
    if len(payload) < size:
        return payload + rng.randbytes(2)
    at = rng.randrange(min(len(payload) - size + 1, 80))
    number = rng.choice((rng.choice(telling), rng.randrange(1 << 8 * size)))
    return payload[:at] + struct.pack(form, number) + payload[at + size :]


def _reordered(parts: list[bytes], other: list[bytes], rng: random.Random) -> list[bytes]:
    """Parts dropped, doubled, moved, repeated many times, or taken from another file."""
    parts = list(parts)
    at = rng.randrange(len(parts))
    match rng.randrange(5):
        case 0:
            del parts[at]
        case 1:
            parts.insert(rng.randrange(len(parts) + 1), parts[at])
        case 2:
            parts.insert(rng.randrange(len(parts)), parts.pop(at))
        case 3:
            parts[at:at] = [parts[at]] * rng.randint(2, 20)
        case _:
            parts.insert(at, rng.choice(other or parts))
    return parts


def _jpeg_parts(data: bytes) -> list[bytes]:
    """SOI, each segment, and the coded data behind a scan header together with what follows it."""
    parts, at = [data[:2]], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        parts.append(data[at:end])
        if data[at + 1] == 0xDA:
            following = data.find(b"\xff", end)
            while following >= 0 and data[following + 1 : following + 2] in _IN_SCAN:
                following = data.find(b"\xff", following + 2)
            stop = len(data) if following < 0 else following
            parts.append(data[end:stop])
            end = stop
        at = end
    return [*parts, data[at:]]


_IN_SCAN = {bytes([code]) for code in (0, *range(0xD0, 0xD8))}


def _jpeg(data: bytes, other: bytes, rng: random.Random) -> bytes:
    parts = _jpeg_parts(data)
    if rng.random() < 0.3:
        return b"".join(_reordered(parts, _jpeg_parts(other), rng))
    at = rng.randrange(len(parts))
    part = parts[at]
    if len(part) < 5 or part[0] != 0xFF:
        parts[at] = _bytes(part, part, rng)
        return b"".join(parts)
    marker, payload = part[1], part[4:]
    match rng.randrange(8):
        case 0:
            marker = rng.choice(_MARKERS)
        case 1:  # a length that does not fit
            length = rng.choice((*_TELLING_16, len(payload) + rng.randint(-3, 6))) & 0xFFFF
            parts[at] = part[:2] + struct.pack(">H", length) + payload
            return b"".join(parts)
        case 2 if marker == 0xC4:
            payload = _huffman(payload, rng)
        case 3:
            payload = payload[: rng.randrange(len(payload) + 1)]
        case 4:
            payload += rng.choice((payload, rng.randbytes(rng.randint(1, 70))))
        case 5 if marker in {0xC0, 0xC2}:
            payload = _frame(payload, rng)
        case _:
            payload = _set_number(payload, rng)
    payload = payload[:65533]
    parts[at] = bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload
    return b"".join(parts)


def _huffman(payload: bytes, rng: random.Random) -> bytes:
    """Another number of codes of one length, with as many symbols as the counts say."""
    if len(payload) < 17:
        return payload
    counts = bytearray(payload[1:17])
    counts[rng.randrange(16)] = rng.choice((0, 1, 2, 16, 255))
    symbols = (payload[17:] + rng.randbytes(256))[: sum(counts)]
    return payload[:1] + counts + symbols


def _frame(payload: bytes, rng: random.Random) -> bytes:
    """Another size, precision, number of components, sampling or table."""
    changed = bytearray(payload.ljust(18, b"\1"))
    at = rng.randrange(len(changed))
    changed[at] = rng.choice((0, 1, 2, 8, 12, 0x11, 0x12, 0x21, 0x22, 0x14, 0x41, 0x44, 255))
    if rng.random() < 0.3:
        changed[5] = rng.choice((0, 1, 2, 3, 4, 5, 255))
    return bytes(changed)


def _png_parts(data: bytes) -> list[bytes]:
    parts, at = [], 8
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4])
        parts.append(data[at + 4 : at + 8 + length])
        at += 12 + length
    return parts or [b"IHDR"]


def _png(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Chunks changed, with checksums that fit; those of packed text are packed again."""
    parts = _png_parts(data)
    if rng.random() < 0.3:
        parts = _reordered(parts, _png_parts(other) if sniff(other) == "PNG" else [], rng)
    else:
        at = rng.randrange(len(parts))
        kind, body = parts[at][:4], parts[at][4:]
        if kind == b"IDAT" and rng.random() < 0.5:
            plain = zlib.decompressobj()
            try:
                body = zlib.compress(_bytes(plain.decompress(body, 1 << 16), b"", rng))
            except zlib.error:
                body = b""
        elif rng.random() < 0.2:
            kind = rng.choice(
                (b"IHDR", b"IDAT", b"tRNS", b"PLTE", b"iCCP", b"zTXt", b"acTL", b"eXIf")
            )
        else:
            body = _set_number(body, rng)
        parts[at] = kind + body
    packed = [
        struct.pack(">I", max(0, len(part) - 4)) + part + struct.pack(">I", zlib.crc32(part))
        for part in parts
    ]
    return data[:8] + b"".join(packed)


def _tiff(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """One field of one tag of the first directory, or of its header."""
    order = "<" if data[:2] == b"II" else ">"
    if len(data) < 16 or data[2:3] == b"+" or data[3:4] == b"+":
        return _set_number(data, rng)
    at = struct.unpack_from(order + "I", data, 4)[0]
    if at + 2 > len(data):
        return _set_number(data, rng)
    count = struct.unpack_from(order + "H", data, at)[0]
    slots = [at + 2 + 12 * k for k in range(count) if at + 14 + 12 * k <= len(data)]
    if not slots or rng.random() < 0.1:
        return _set_number(data, rng)
    slot = rng.choice(slots)
    changed = bytearray(data)
    match rng.randrange(5):
        case 0:
            struct.pack_into(order + "H", changed, slot, rng.choice(_TAGS))
        case 1:
            struct.pack_into(order + "H", changed, slot + 2, rng.randrange(20))
        case 2:
            struct.pack_into(order + "I", changed, slot + 4, rng.choice(_TELLING_32))
        case 3:
            number = rng.choice((rng.choice(_TELLING_32), rng.randrange(len(data) + 4)))
            struct.pack_into(order + "I", changed, slot + 8, number)
        case _:  # a small number, which in the order of big-endian files sits in front
            struct.pack_into(order + "H", changed, slot + 8, rng.choice(_TELLING_16))
    return bytes(changed)


Change = Callable[[bytes, bytes, random.Random], bytes]
_CHANGES: dict[str, Change] = {"JPEG": _jpeg, "PNG": _png, "TIFF": _tiff}
