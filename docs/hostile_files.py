"""Files made to do harm: they ask for far more time or memory than they are long.

Each function makes one, or a few of one kind. None is copied from anywhere; what they abuse is said
beside them.
"""

from __future__ import annotations

import io
import lzma
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tifffile
from PIL import Image

__all__ = ["BOMBS", "FORMATS", "damaged_headers", "truncations", "whole"]

MILLION = 1_000_000


def photo(width: int = 120, height: int = 90) -> Image.Image:
    """Something with edges, gradients and noise."""
    down, across = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(5).integers(0, 50, (height, width, 3))
    planes = np.stack([across * 2 + down, down * 2, 200 - across], axis=-1) + noise
    return Image.fromarray(np.clip(planes, 0, 255).astype(np.uint8))


def saved(form: str, mode: str = "RGB", **options: Any) -> bytes:
    """A picture in a format, by Pillow."""
    out = io.BytesIO()
    photo().convert(mode).save(out, form, **options)
    return out.getvalue()


def whole() -> dict[str, bytes]:
    """A sound file of each kind that is cut and damaged below."""
    return {
        "baseline.jpg": saved("JPEG", quality=60, restart_marker_rows=2),
        "progressive.jpg": saved("JPEG", quality=60, progressive=True),
        "cmyk.jpg": saved("JPEG", mode="CMYK", quality=60),
        "rgb.png": saved("PNG"),
        "palette.png": saved("PNG", mode="P"),
        "deflate.tif": saved("TIFF", compression="tiff_adobe_deflate"),
        "raw.tif": saved("TIFF"),
        "lossy.webp": saved("WEBP", quality=60),
        "colour.avif": saved("AVIF", quality=60),
        "animated.gif": saved("GIF", mode="P", save_all=True, append_images=[photo(60, 60)]),
        "rgb.bmp": saved("BMP"),
        "rgb.ppm": saved("PPM"),
    }


FORMATS = ("JPEG", "PNG", "TIFF", "WebP", "AVIF", "GIF", "BMP", "PPM")


def truncations(data: bytes, *, parts: int = 200) -> Iterator[bytes]:
    """The file cut at each 1/200 of its length."""
    for part in range(parts):
        yield data[: len(data) * part // parts]


def damaged_headers(data: bytes, *, most_bytes: int = 700) -> Iterator[bytes]:
    """Each byte of the header changed in turn: to 0, to 255, by one bit, and by one."""
    for at in range(min(most_bytes, len(data))):
        old = data[at]
        for new in {0, 255, old ^ 0x80, (old + 1) % 256} - {old}:
            yield data[:at] + bytes([new]) + data[at + 1 :]


# ---- JPEG


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _jpeg(*parts: bytes, start: bytes = b"") -> bytes:
    return b"\xff\xd8" + start + b"".join(parts) + b"\xff\xd9"


def _behind_start(middle: bytes) -> bytes:
    sound = saved("JPEG")
    return sound[:2] + middle + sound[2:]


def enormous_jpeg() -> bytes:
    """65,535 × 65,535 pixels by its header, and the data of a small picture."""
    sound = saved("JPEG")
    at = sound.index(b"\xff\xc0") + 5
    return sound[:at] + b"\xff\xff\xff\xff" + sound[at + 4 :]


def scan_bomb(side_px: int, scans: int) -> bytes:
    """A progressive JPEG whose scans take 200 bytes and, each, a walk over all its blocks."""
    blocks = (-(-side_px // 8)) ** 2
    one_code = bytes([1, *[0] * 15])
    runs, rest = divmod(blocks, 32767)
    # One bit for "a run of 16384 + 14 bits more blocks is over", and those 14 bits, all 1.
    bits = "0" + "1" * 14
    text = bits * (runs + bool(rest))
    text += "1" * (-len(text) % 8)
    coded = int(text, 2).to_bytes(len(text) // 8).replace(b"\xff", b"\xff\0")
    first = b"\0" * (-(-blocks // 8))
    refine = _segment(0xDA, b"\1\1\0\1\x3f\x10") + coded
    return _jpeg(
        _segment(0xDB, b"\0" + b"\1" * 64),
        _segment(0xC2, struct.pack(">BHHB", 8, side_px, side_px, 1) + b"\1\x11\0"),
        _segment(0xC4, b"\0" + one_code + b"\0"),
        _segment(0xC4, b"\x10" + one_code + b"\xe0"),
        _segment(0xDA, b"\1\1\0\0\0\0") + first,
        _segment(0xDA, b"\1\1\0\1\x3f\1") + coded,
        refine * (scans - 2),
    )


def many_segments(count: int) -> bytes:
    """So many comments of one byte."""
    return _behind_start(_segment(0xFE, b"x") * count)


def many_exif_segments() -> bytes:
    """EXIF in 1,500 pieces; a reader that joins them one by one copies 22 GB."""
    return _behind_start(_segment(0xE1, b"Exif\0\0" + b"II*\0" + bytes(20_000)) * 1500)


def fill_bytes() -> bytes:
    """8 MB of fill bytes between two segments, which are allowed."""
    return _behind_start(b"\xff" * (8 * MILLION))


def many_tables() -> bytes:
    """120,000 quantisation tables, 8 MB."""
    return _behind_start(_segment(0xDB, (b"\3" + b"\1" * 64) * 1000) * 120)


# ---- PNG


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(*middle: bytes, width: int = 8, height: int = 8) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + bytes(range(8)) for _ in range(8)))
    return b"".join([
        b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header), *middle,
        _chunk(b"IDAT", rows), _chunk(b"IEND", b""),
    ])  # fmt: skip


def empty_chunks() -> bytes:
    """900,000 chunks of no bytes, 11 MB."""
    return _png(_chunk(b"juNK", b"") * 900_000)


def packed_texts() -> bytes:
    """100 texts of 65 kB that unpack to 64 MB each."""
    text = zlib.compress(bytes(60 * MILLION), 9)
    return _png(_chunk(b"zTXt", b"Raw profile type exif\0\0" + text) * 100)


def packed_profile() -> bytes:
    """A colour profile of 1 MB that unpacks to 1 GB."""
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(10 * MILLION)) for _ in range(100)) + packer.flush()
    return _png(_chunk(b"iCCP", b"icc\0\0" + body))


def packed_rows() -> bytes:
    """Pixels of 1 GB for a picture of 64."""
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(10 * MILLION)) for _ in range(100)) + packer.flush()
    return b"".join([
        b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)),
        _chunk(b"IDAT", body), _chunk(b"IEND", b""),
    ])  # fmt: skip


def enormous_png() -> bytes:
    """2³¹ − 1 pixels a side."""
    return _png(width=2**31 - 1, height=2**31 - 1)


# ---- TIFF


def _tiff(
    entries: list[tuple[int, int, int, int]], *, body: bytes = b"", next_at: int = 0
) -> bytes:
    """A classic TIFF: the body at byte 8, and behind it one directory."""
    at = 8 + len(body) + len(body) % 2
    slots = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"".join([
        b"II*\0", struct.pack("<I", at), body, b"\0" * (len(body) % 2),
        struct.pack("<H", len(entries)), slots, struct.pack("<I", next_at),
    ])  # fmt: skip


_GRAY = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
         (273, 4, 1, 8), (277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, 64)]  # fmt: skip


def _with(*changed: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
    return list({entry[0]: entry for entry in (*_GRAY, *changed)}.values())


def long_tag() -> bytes:
    """A width of 20 million numbers, 40 MB."""
    return _tiff(_with((256, 3, 20 * MILLION, 8)), body=b"\x08\0" * (20 * MILLION))


def many_strips() -> bytes:
    """5 million strips for a picture of 8 rows, 20 MB."""
    return _tiff(
        _with((273, 4, 5 * MILLION, 8), (278, 3, 1, 1), (279, 4, 5 * MILLION, 8)),
        body=b"\x08\0\0\0" * (5 * MILLION),
    )


def circular_tiff() -> bytes:
    """A directory whose next one is itself."""
    data = _tiff(_GRAY, body=bytes(64), next_at=8)
    at = int.from_bytes(data[4:8], "little")
    return data[:-4] + struct.pack("<I", at)


def overlapping_directories() -> bytes:
    """9,000 directories of 65,535 tags each that share their bytes, in 1 MB."""
    count, tags = 9000, 65_535
    step, first = 14, 200_000
    body = bytearray(first + step * count + 12 * tags + 100)
    places = [first + step * number for number in range(count)]
    for place, following in zip(places, [*places[1:], 0], strict=True):
        struct.pack_into("<H", body, place, tags)
        struct.pack_into("<I", body, place + 2 + 12 * tags, following)
    return _tiff(_GRAY, body=bytes(body[8:]), next_at=first)


def shared_tags() -> bytes:
    """60,000 tags that share one megabyte: as EXIF they would be 60 GB."""
    tags = [(40_000 + k // 3, 7, MILLION, 8) for k in range(0, 60_000, 3)]
    return _tiff([*_GRAY, *tags], body=bytes(MILLION))


def _planes(compression: int, packed: bytes) -> bytes:
    """Two 16-bit planes, which Pillow does not read."""
    places = struct.pack("<II", 16 + 8, 16 + 8) + struct.pack("<II", len(packed), len(packed))
    return _tiff(
        _with((258, 3, 2, 16 | 16 << 16), (259, 3, 1, compression), (273, 4, 2, 8),
              (277, 3, 1, 2), (279, 4, 2, 16), (284, 3, 1, 2), (338, 3, 1, 2)),
        body=places + packed,
    )  # fmt: skip


def packed_strip() -> bytes:
    """A strip of 1 MB, deflated, that unpacks to 1 GB."""
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(10 * MILLION)) for _ in range(100)) + packer.flush()
    return _planes(8, body)


def lzma_strip() -> bytes:
    """The same with LZMA, in 150 kB."""
    return _planes(34925, lzma.compress(bytes(1000 * MILLION), preset=0))


def packbits_strip() -> bytes:
    """The same with PackBits, which unpack 64 to 1: 4 MB to 256 MB."""
    return _planes(32773, b"\x81\0" * (2 * MILLION))


def deflate_rows() -> bytes:
    """Rows of 1 GB for a picture of 64 pixels, which libtiff unpacks."""
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(10 * MILLION)) for _ in range(100)) + packer.flush()
    return _tiff(_with((259, 3, 1, 8), (279, 4, 1, len(body))), body=body)


def _shared_rows(strip: bytes, *, compression: int, bits: int = 8, planes: int = 1) -> bytes:
    """80,000 rows of 16 pixels, each of them the same bytes."""
    count = 80_000 * planes
    body = strip + struct.pack("<I", 8) * count + struct.pack("<I", len(strip)) * count
    places, lengths = 8 + len(strip), 8 + len(strip) + 4 * count
    return _tiff(
        _with((256, 3, 1, 16), (257, 4, 1, 80_000), (258, 3, 1, bits), (259, 3, 1, compression),
              (262, 3, 1, 2), (273, 4, count, places), (277, 3, 1, 3), (278, 3, 1, 1),
              (279, 4, count, lengths), (284, 3, 1, 2 if planes > 1 else 1)),
        body=body,
    )  # fmt: skip


def shared_deflate() -> bytes:
    """Strips that are one megabyte of nothing and then a row: 80 GB to go through."""
    return _shared_rows(
        b"\x78\x01" + b"\0\0\0\xff\xff" * (MILLION // 5) + zlib.compress(bytes(48))[2:],
        compression=8,
    )


def shared_packbits() -> bytes:
    """The same with PackBits, in planes of 16 bits that Pillow does not read."""
    row = b"\x80" * MILLION + b"\x1f" + bytes(32)
    return _shared_rows(row, compression=32773, bits=16, planes=3)


def wide_tile() -> bytes:
    """A tile of 15,792 × 15,792, well packed, for a picture of 64 pixels."""
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(1 << 24)) for _ in range(16)) + packer.flush()
    return _tiff(
        [*(e for e in _with((259, 3, 1, 8)) if e[0] not in {273, 278, 279}),
         (322, 4, 1, 15_792), (323, 4, 1, 15_792), (324, 4, 1, 8), (325, 4, 1, len(body))],
        body=body,
    )  # fmt: skip


def enormous_tile() -> bytes:
    """A tile of 65,520 × 65,520 for a picture of 64 pixels."""
    return _tiff(
        [*(e for e in _GRAY if e[0] not in {273, 278, 279}), (322, 4, 1, 65_520),
         (323, 4, 1, 65_520), (324, 4, 1, 8), (325, 4, 1, 64)],
        body=bytes(64),
    )  # fmt: skip


def big_tiff_chain() -> bytes:
    """A BigTIFF of 500,000 directories, 18 MB."""
    out = io.BytesIO()
    tifffile.imwrite(out, np.zeros((8, 8), np.uint8), bigtiff=True, metadata=None)
    data = bytearray(out.getvalue())
    first = struct.unpack_from("<Q", data, 8)[0]
    tags = struct.unpack_from("<Q", data, first)[0]
    start = len(data)
    struct.pack_into("<Q", data, first + 8 + 20 * tags, start)
    one = struct.pack("<QHHQQ", 1, 256, 3, 1, 8)
    for number in range(500_000):
        data += one + struct.pack("<Q", start + 36 * (number + 1) if number < 499_999 else 0)
    return bytes(data)


# ---- the others


def gif_comments() -> bytes:
    """A comment of 20 MB."""
    data = saved("GIF", mode="P")
    at = 13 + (3 << ((data[10] & 7) + 1))
    comment = b"\x21\xfe" + (b"\xff" + b"x" * 255) * 78_000 + b"\0"
    return data[:at] + comment + data[at:]


def gif_small_blocks() -> bytes:
    """An extension of 4 million blocks of one byte."""
    data = saved("GIF", mode="P")
    at = 13 + (3 << ((data[10] & 7) + 1))
    return data[:at] + b"\x21\xfe" + b"\1x" * (4 * MILLION) + b"\0" + data[at:]


def gif_extensions() -> bytes:
    """3 million extensions of no block, 9 MB."""
    data = saved("GIF", mode="P")
    at = 13 + (3 << ((data[10] & 7) + 1))
    return data[:at] + b"\x21\xfe\0" * (3 * MILLION) + data[at:]


def enormous_gif() -> bytes:
    """65,535 × 65,535 by its first frame."""
    data = bytearray(saved("GIF", mode="P"))
    at = data.index(b"\x2c\0\0\0\0")
    data[at + 5 : at + 9] = b"\xff" * 4
    return bytes(data)


def enormous_webp() -> bytes:
    """A canvas of 16,384 × 16,384 for an animation of small frames; its decoder takes 2 GB."""
    out = io.BytesIO()
    frames = [photo(64, 64), photo(64, 64).rotate(90)]
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:])
    data = bytearray(out.getvalue())
    data[24:30] = (16_383).to_bytes(3, "little") * 2
    return bytes(data)


def enormous_avif() -> bytes:
    """65,535 × 65,535 by its box of sizes."""
    data = bytearray(saved("AVIF"))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = struct.pack(">II", 65_535, 65_535)
    return bytes(data)


def lying_avif() -> bytes:
    """8 × 8 by its boxes, and 16,000 × 16,000 in its coded data."""
    out = io.BytesIO()
    Image.new("L", (12_000, 12_000), 90).save(
        out, "AVIF", quality=10, speed=10, subsampling="4:0:0"
    )
    data = bytearray(out.getvalue())
    at = data.index(b"ispe") + 8
    data[at : at + 8] = struct.pack(">II", 8, 8)
    return bytes(data)


def ppm_comments() -> bytes:
    """1 MB of empty comments between numbers; a reader that cuts them out one by one copies TBs."""
    return b"P2\n8 8\n255\n" + b"#\n" * (MILLION // 2) + b"1 " * 64


def ppm_long_header() -> bytes:
    """A comment of 20 MB in the header."""
    return b"P5\n#" + b"x" * (20 * MILLION) + b"\n8 8\n255\n" + bytes(64)


def ppm_numbers() -> bytes:
    """4 million samples in words."""
    return b"P2\n2000 2000\n255\n" + b"255 " * (4 * MILLION)


def ppm_odd_peak() -> bytes:
    """4 megapixels whose largest number is 100, so that each has to be scaled."""
    return b"P6\n2000 2000\n100\n" + bytes(12 * MILLION)


def _rle_bmp(side_px: int, body: bytes) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, side_px, side_px, 1, 8, 1, len(body), 0, 0, 16, 0)
    start = 14 + len(head) + 64
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + head + bytes(64) + body


def bmp_short_runs() -> bytes:
    """Runs of one pixel: 4 megapixels in 8 MB."""
    return _rle_bmp(2000, (b"\1\5" * 2000 + b"\0\0") * 2000)


def bmp_empty_runs() -> bytes:
    """Runs of no room: 8 MB of them behind the end of a row."""
    return _rle_bmp(2000, b"\xff\5" * (4 * MILLION))


def bmp_line_ends() -> bytes:
    """Ends of lines alone, each of which fills a row: 100 megapixels in 20 kB."""
    return _rle_bmp(10_000, b"\1\5\0\0" * 10_000)


def false_markers() -> bytes:
    """8 MB of coded data in which everything looks like a marker and nothing is one."""
    sound = saved("JPEG")
    at = sound.index(b"\xff\xda") + 14
    return sound[:at] + b"\xff\xc0\0\0" * (2 * MILLION) + sound[at:]


def random_bytes() -> bytes:
    """8 MB of noise that starts like a JPEG."""
    return b"\xff\xd8\xff" + random.Random(1).randbytes(8 * MILLION)


BOMBS: dict[str, Callable[[], bytes]] = {
    "enormous.jpg": enormous_jpeg,
    "scans-500-of-4-megapixels.jpg": lambda: scan_bomb(2000, 500),
    "scans-20-of-225-megapixels.jpg": lambda: scan_bomb(15_000, 20),
    "scans-5000-of-4-megapixels.jpg": lambda: scan_bomb(2000, 5000),
    "scans-1000-of-225-megapixels.jpg": lambda: scan_bomb(15_000, 1000),
    "segments-65000.jpg": lambda: many_segments(65_000),
    "segments-100000.jpg": lambda: many_segments(100_000),
    "exif-1500-segments.jpg": many_exif_segments,
    "fill-bytes.jpg": fill_bytes,
    "tables-120000.jpg": many_tables,
    "false-markers.jpg": false_markers,
    "noise.jpg": random_bytes,
    "enormous.png": enormous_png,
    "empty-chunks.png": empty_chunks,
    "packed-texts.png": packed_texts,
    "packed-profile.png": packed_profile,
    "packed-rows.png": packed_rows,
    "long-tag.tif": long_tag,
    "many-strips.tif": many_strips,
    "circular.tif": circular_tiff,
    "overlapping-directories.tif": overlapping_directories,
    "shared-tags.tif": shared_tags,
    "packed-strip.tif": packed_strip,
    "lzma-strip.tif": lzma_strip,
    "packbits-strip.tif": packbits_strip,
    "deflate-rows.tif": deflate_rows,
    "enormous-tile.tif": enormous_tile,
    "wide-tile.tif": wide_tile,
    "shared-deflate.tif": shared_deflate,
    "shared-packbits.tif": shared_packbits,
    "big-chain.tif": big_tiff_chain,
    "comments.gif": gif_comments,
    "small-blocks.gif": gif_small_blocks,
    "extensions.gif": gif_extensions,
    "enormous.gif": enormous_gif,
    "enormous.webp": enormous_webp,
    "enormous.avif": enormous_avif,
    "lying.avif": lying_avif,
    "comments.ppm": ppm_comments,
    "long-header.ppm": ppm_long_header,
    "numbers.ppm": ppm_numbers,
    "odd-peak.ppm": ppm_odd_peak,
    "short-runs.bmp": bmp_short_runs,
    "empty-runs.bmp": bmp_empty_runs,
    "line-ends.bmp": bmp_line_ends,
}
