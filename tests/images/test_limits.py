"""What a file may ask for is limited, and what asks for more ends in a sentence, soon."""

from __future__ import annotations

import io
import itertools
import lzma
import struct
import time
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from restora.errors import InputError
from restora.images import read, read_bytes, read_file
from restora.jpeg import inspect
from restora.jpeg.constraint import NoBins, read_bins


def message(data, **options):
    with pytest.raises(InputError) as caught:
        read_bytes(data, name="a", **options)
    return str(caught.value)


def saved(form, mode="RGB", size=(24, 16), **options):
    out = io.BytesIO()
    Image.new(mode, size, 1 if mode == "P" else None).save(out, form, **options)
    return out.getvalue()


@pytest.fixture
def soon():
    """Fails a test that took long, of the processor's time; each file here once took minutes."""
    started = time.process_time()
    yield
    assert time.process_time() - started < 5


# ---- bytes


def test_bytes(tmp_path):
    path = tmp_path / "a.ppm"
    path.write_bytes(b"P5 2 1 255 ab")
    says = f"{path} has 13 bytes, more than the limit of 12. --max-megabytes allows more."
    for refuse in (read_file, read):
        assert refuse(path, max_bytes=13) is not None
        with pytest.raises(InputError) as caught:
            refuse(path, max_bytes=12)
        assert str(caught.value) == says
    assert message(path.read_bytes(), max_bytes=12) == says.replace(str(path), "a")


def test_a_file_that_grows_while_it_is_read(tmp_path, monkeypatch):
    """Its size is asked once more of what was read."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 100)
    small = tmp_path / "small.bin"
    small.write_bytes(b"x")
    status = small.stat()
    monkeypatch.setattr(type(path), "stat", lambda self, **_: status)
    assert read_file(path, max_bytes=100) == b"x" * 100
    with pytest.raises(InputError, match=r"a\.bin has 51 bytes, more than the limit of 50\."):
        read_file(path, max_bytes=50)


# ---- JPEG


def segment(marker, payload):
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def many_scans(side_px, scans):
    """A progressive JPEG whose scans say that nothing changes, in a few bytes each."""
    blocks = (side_px // 8) ** 2
    code = bytes([1, *[0] * 15])
    text = ("0" + "1" * 14) * -(-blocks // 32767)
    text += "1" * (-len(text) % 8)
    none = int(text, 2).to_bytes(len(text) // 8).replace(b"\xff", b"\xff\0")
    return b"".join([
        b"\xff\xd8",
        segment(0xDB, b"\0" + b"\1" * 64),
        segment(0xC2, struct.pack(">BHHB", 8, side_px, side_px, 1) + b"\1\x11\0"),
        segment(0xC4, b"\0" + code + b"\0") + segment(0xC4, b"\x10" + code + b"\xe0"),
        segment(0xDA, b"\1\1\0\0\0\0") + bytes(-(-blocks // 8)),
        segment(0xDA, b"\1\1\0\1\x3f\1") + none,
        (segment(0xDA, b"\1\1\0\1\x3f\x10") + none) * (scans - 2),
        b"\xff\xd9",
    ])  # fmt: skip


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(("side_px", "scans"), [(64, 501), (15_000, 24)])
def test_scans(side_px, scans):
    data = many_scans(side_px, scans)
    assert message(data) == (
        f"a is coded in {scans} passes over {side_px}×{side_px} pixels, far more than any real "
        "picture; it is damaged or a trap."
    )
    facts = inspect(data, name="a", history=True)
    assert (facts.scan_count, facts.looked_back) == (scans, False)
    with pytest.raises(NoBins) as caught:
        read_bins(data, facts)
    assert str(caught.value) == "it is coded in too many scans"


def test_many_scans_of_a_small_picture_are_read():
    data = many_scans(64, 500)
    assert read_bytes(data, name="a").notes == ()
    facts = inspect(data, name="a", history=True)
    assert facts.looked_back
    assert (read_bins(data, facts).components[0].quantised == 0).all()


@pytest.mark.usefixtures("soon")
def test_segments_and_tables():
    sound = saved("JPEG")

    def with_start(middle):
        return sound[:2] + middle + sound[2:]

    many = with_start(segment(0xFE, b"x") * 65_536)
    assert message(many) == "a holds more than 65,536 segments; it is damaged."
    tables = with_start(segment(0xDB, (b"\3" + b"\1" * 64) * 1000) * 17)
    assert message(tables) == "a holds thousands of quantisation tables; it is damaged."
    for data in (many, tables):
        with pytest.raises(InputError) as caught:
            inspect(data, name="a")
        assert str(caught.value) == message(data)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    "middle",
    [
        b"\xff" * 4_000_000,
        segment(0xE1, b"Exif\0\0II*\0" + bytes(20_000)) * 700,
        segment(0xFE, b"x" * 60_000) * 100,
    ],
    ids=["fill", "exif", "comments"],
)
def test_what_stands_before_a_jpeg_costs_little(middle):
    sound = saved("JPEG")
    data = sound[:2] + middle + sound[2:]
    assert np.array_equal(read_bytes(data, name="a").pixels, read_bytes(sound, name="a").pixels)
    facts = inspect(data, name="a", history=True)
    assert facts.looked_back
    assert len(str(facts.rows())) < 2000


@pytest.mark.usefixtures("soon")
def test_false_markers_in_coded_data():
    sound = saved("JPEG")
    at = sound.index(b"\xff\xda") + 14
    data = sound[:at] + b"\xff\xc0\0\0" * 1_100_000 + sound[at:]
    assert message(data).startswith("a is ")
    assert inspect(data, name="a").truncated


# ---- PNG


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.usefixtures("soon")
def test_chunks():
    sound = saved("PNG")
    data = sound[:33] + chunk(b"juNK", b"") * 250_000 + sound[33:]
    assert message(data) == "a holds more than 250,000 chunks; it is damaged."


@pytest.mark.usefixtures("soon")
def test_packed_metadata_is_unpacked_up_to_a_limit_for_all_of_it():
    sound = saved("PNG")
    packed = zlib.compress(b"\nexif\n9\n" + bytes(60_000_000), 1)
    text = chunk(b"zTXt", b"Raw profile type exif\0\0" + packed)
    found = read_bytes(sound[:33] + text * 60 + sound[33:], name="a")
    assert found.notes == ("The zTXt chunk is damaged and was left out.",)


# ---- TIFF


GRAY = {256: (3, 1, 8), 257: (3, 1, 8), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1),
        273: (4, 1, 8), 277: (3, 1, 1), 278: (3, 1, 8), 279: (4, 1, 64)}  # fmt: skip


def tiff(changed, *, body=bytes(64), next_at=0):
    tags = GRAY | changed
    slots = b"".join(struct.pack("<HHII", tag, *tags[tag]) for tag in sorted(tags))
    head = b"II*\0" + struct.pack("<I", 8 + len(body)) + body
    return head + struct.pack("<H", len(tags)) + slots + struct.pack("<I", next_at)


@pytest.mark.usefixtures("soon")
def test_strips():
    data = tiff({273: (4, 250_001, 8), 278: (3, 1, 1)}, body=bytes(4 * 250_002))
    assert message(data) == (
        "a says it is cut into 250,001 strips or tiles, more than the limit of 250,000."
    )


@pytest.mark.usefixtures("soon")
def test_a_tag_of_millions_of_numbers_is_its_first():
    data = tiff({256: (3, 5_000_000, 8)}, body=b"\x08\0" * 5_000_000)
    assert read_bytes(data, name="a").width_px == 8


def planes(compression, packed):
    places = struct.pack("<IIII", 24, 24, len(packed), len(packed))
    changed = {258: (3, 2, 16 | 16 << 16), 259: (3, 1, compression), 273: (4, 2, 8),
               277: (3, 1, 2), 279: (4, 2, 16), 284: (3, 1, 2), 338: (3, 1, 2)}  # fmt: skip
    body = places + packed
    return tiff(changed, body=body + bytes(len(body) % 2))


def packbits(data):
    return b"".join(
        bytes([len(data[k : k + 100]) - 1]) + data[k : k + 100] for k in range(0, len(data), 100)
    )


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    ("compression", "pack"),
    [(8, zlib.compress), (34925, lambda data: lzma.compress(data, preset=0)), (32773, packbits)],
    ids=["deflate", "lzma", "packbits"],
)
def test_strips_that_unpack_to_more_than_they_should(compression, pack):
    plain = bytes(range(128))
    found = read_bytes(planes(compression, pack(plain)), name="a")
    assert np.array_equal(
        np.rint(found.pixels[..., 0] * 65535).ravel(), np.frombuffer(plain, "<u2")
    )
    assert message(planes(compression, pack(bytes(129)))) == (
        "a is damaged and does not decode (its strips unpack to more than their size)."
    )
    huge = pack(bytes(30_000_000)) if compression != 32773 else b"\x81\0" * 3_000_000
    assert "unpack to more" in message(planes(compression, huge))


@pytest.mark.usefixtures("soon")
def test_circles_and_crowds_of_directories():
    data = tiff({}, next_at=72)  # itself
    assert read_bytes(data, name="a").left_out in {None, "1 more picture"}
    # Thousands of directories of 65,535 tags each that share their bytes.
    count, tags, first = 3000, 65_535, 1000
    body = bytearray(first + 14 * count + 12 * tags + 100)
    for number in range(count):
        at = first + 14 * number
        struct.pack_into("<H", body, at, tags)
        struct.pack_into("<I", body, at + 2 + 12 * tags, at + 14)
    found = read_bytes(tiff({}, body=bytes(body[8:]), next_at=first), name="a")
    assert found.left_out is not None


_BIG = ({}, {"compression": "zlib", "predictor": True}, {"tile": (16, 16)}, {"rowsperstrip": 3},
        {"planarconfig": "separate"}, {"byteorder": ">"})  # fmt: skip


def test_big_tiff_of_every_packing(samples):
    for options, bits in itertools.product(_BIG, (8, 16)):
        whole = samples(21, 35, 3, bits)
        shown = np.moveaxis(whole, -1, 0) if "planarconfig" in options else whole
        out = io.BytesIO()
        tifffile.imwrite(out, shown, bigtiff=True, photometric="rgb", **options)
        found = read_bytes(out.getvalue(), name="a")
        peak = (1 << bits) - 1
        assert np.array_equal(np.rint(found.pixels * peak), whole), (options, bits)
        assert found.bits == bits


@pytest.mark.parametrize("at", [4, 8, 15])
def test_big_tiff_without_a_directory(at, samples):
    out = io.BytesIO()
    tifffile.imwrite(out, samples(4, 4, 3), bigtiff=True, photometric="rgb")
    data = bytearray(out.getvalue())
    data[at] ^= 0x77
    assert message(bytes(data)) == "a is cut off: its table of contents is missing."
    assert message(bytes(data[:12])) == "a is cut off: its table of contents is missing."


# ---- GIF, WebP, BMP


@pytest.mark.usefixtures("soon")
def test_gif_blocks():
    sound = saved("GIF", mode="P")
    at = 13 + (3 << ((sound[10] & 7) + 1))
    says = "a is damaged and does not decode (too much stands before its first frame)."
    assert message(sound[:at] + b"\x21\xfe\0" * 10_001 + sound[at:]) == says
    assert message(sound[:at] + b"x" * 10_001 + sound[at:]) == says
    small = sound[:at] + b"\x21\xfe" + b"\1x" * 4_000_001 + b"\0" + sound[at:]
    assert message(small) == "a holds more than 4,000,000 blocks; it is damaged."
    assert (
        message(sound[:at]) == "a is damaged and does not decode (it ends before its first frame)."
    )
    assert message(sound[:9]) == "a is damaged and does not decode (its header is cut off)."


def test_gif_comments_are_kept():
    sound = saved("GIF", mode="P")
    at = 13 + (3 << ((sound[10] & 7) + 1))
    comments = (
        b"\x21\xfe\x05hello\x02, \0" + b"\x21\xff\x0bNETSCAPE2.0\x03\1\0\0\0" + b"\x21\xfe\2ho\0"
    )
    found = read_bytes(sound[:at] + comments + sound[at:], name="a")
    assert found.metadata.comment == b"hello, \nho"
    assert np.array_equal(found.pixels, read_bytes(sound, name="a").pixels)


@pytest.mark.parametrize(
    "options", [{"lossless": True}, {"quality": 50}, {"exif": b"II*\0" + bytes(20)}]
)
def test_webp_is_refused_before_its_decoder_takes_memory(options):
    data = saved("WEBP", size=(70, 33), **options)
    assert "a says it is 70×33 pixels in size" in message(data, max_pixels=2000)
    assert message(data[:25]).startswith("a is cut off")


def run_length(side_px, body):
    head = struct.pack("<IiiHHIIiiII", 40, side_px, side_px, 1, 8, 1, len(body), 0, 0, 2, 0)
    start = 14 + len(head) + 8
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + head + bytes(8) + body


@pytest.mark.usefixtures("soon")
def test_run_length_coded_bmp():
    assert read_bytes(run_length(4, b"\4\1\0\0" * 4 + b"\0\1"), name="a").width_px == 4
    assert message(run_length(5001, b"")) == (
        "a is a run-length coded BMP of 5001×5001 pixels, and those are read up to 25,000,000 "
        "pixels; save it as PNG."
    )
    assert message(run_length(4, b"\xff\1" * 1_000_000)) == (
        "a is damaged and does not decode (it holds far more data than its size needs)."
    )
