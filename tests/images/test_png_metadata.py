"""What a PNG says beside its pixels, and what of it the next PNG says too."""

from __future__ import annotations

import struct
import time
import zlib

import pytest

from restora.images import encode, read_bytes
from restora.images.png_chunks import SIGNATURE, chunk, read_chunks

GAMMA = chunk(b"gAMA", struct.pack(">I", 100_000))
USUAL_GAMMA = chunk(b"gAMA", struct.pack(">I", 45_455))
WIDE = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
USUAL_PRIMARIES = chunk(
    b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
)
SRGB = chunk(b"sRGB", b"\0")
PQ = chunk(b"cICP", b"\x09\x10\0\1")
TEXTS = [
    chunk(b"tEXt", b"Copyright\0Ren\xe9"),
    chunk(b"iTXt", b"Title\0\0\0de\0Titel\0\xc3\xa9t\xc3\xa9"),
    chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1 << 20))),
    chunk(b"tEXt", b"Raw profile type iptc\0\niptc\n       1\n00"),
]


def png(*more, depth=8):
    header = struct.pack(">IIBBBBB", 1, 1, depth, 0, 0, 0, 0)
    rest = [*more, chunk(b"IDAT", zlib.compress(bytes(1 + depth // 8))), chunk(b"IEND", b"")]
    return SIGNATURE + chunk(b"IHDR", header) + b"".join(rest)


def read_png(*more, depth=8):
    return read_bytes(png(*more, depth=depth), name="a.png")


def stored(data):
    return [bytes(entry.stored) for entry in read_chunks(data, name="a.png")]


@pytest.mark.parametrize("depth", [8, 16])
def test_colour_and_texts_go_from_png_to_png(depth):
    kept = [GAMMA, WIDE, *TEXTS]
    first = read_png(*TEXTS[:2], GAMMA, WIDE, *TEXTS[2:], depth=depth)
    written = stored(encode(first, format="PNG"))
    assert written[1:7] == kept  # before the pixels, those about colour first
    again = read_bytes(encode(first, format="PNG"), name="b.png")
    assert again.metadata == first.metadata
    for name in ("JPEG", "TIFF", "WebP", "AVIF"):
        assert read_bytes(encode(first, format=name), name="b").metadata.png is None


def test_the_time_of_the_last_change_goes():
    found = read_png(chunk(b"tIME", struct.pack(">HBBBBB", 2020, 1, 1, 1, 1, 1)))
    assert (found.metadata.png, found.notes) == (None, ())


def test_what_has_a_place_of_its_own_is_not_kept_twice(exif):
    """Kept as text, EXIF of a turned picture would turn the upright one once more."""
    turned = b"Exif\0\0" + exif(6)
    text = b"Raw profile type exif\0\nexif\n%8d\n" % len(turned) + turned.hex().encode()
    packet = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>")
    found = read_png(chunk(b"tEXt", text), packet)
    assert (found.metadata.exif, found.metadata.xmp) == (exif(6), b"<x/>")
    assert (found.metadata.png, found.notes) == (None, ())


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        ([GAMMA], "gAMA"),
        ([USUAL_GAMMA, WIDE], "cHRM"),
        ([SRGB, PQ], "cICP"),
        ([USUAL_GAMMA, USUAL_PRIMARIES], None),
        ([SRGB, GAMMA, WIDE], None),
        ([chunk(b"cICP", b"\x01\x0d\0\1"), GAMMA], None),
    ],
)
def test_colours_that_only_png_can_state_are_noted(chunks, kind):
    notes = (
        f"Only PNG can say how this file's colours are meant ({kind}); "
        f"in another format they look different.",
    )
    assert read_png(*chunks).notes == (notes if kind else ())


def test_a_profile_says_it_in_every_format(icc):
    profile = chunk(b"iCCP", b"p\0\0" + zlib.compress(icc(b"GRAY")))
    assert read_png(profile, GAMMA).notes == ()


@pytest.mark.parametrize(
    "bad",
    [
        chunk(b"gAMA", b"\0\1"),
        chunk(b"cHRM", bytes(31)),
        chunk(b"sRGB", b""),
        chunk(b"cICP", bytes(5)),
        chunk(b"tEXt", b"no key ends here"),
        chunk(b"tEXt", b"\0no key"),
        chunk(b"zTXt", b"k" * 80 + b"\0\0" + zlib.compress(b"too long a key")),
        TEXTS[0][:-1] + b"\0",  # not the sum of what it holds
        chunk(b"iTXt", b"XML:com.adobe.xmp\0"),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1"),
    ],
    ids=["gAMA", "cHRM", "sRGB", "cICP", "endless", "keyless", "long", "sum", "XMP", "packed XMP"],
)
def test_damaged_ones_are_left_out(bad):
    found = read_png(bad, USUAL_GAMMA, *TEXTS)
    note = f"The {bad[4:8].decode()} chunk is damaged and was left out."
    assert (found.metadata.png, found.notes) == (b"".join([USUAL_GAMMA, *TEXTS]), (note,))


def test_of_twins_the_first_counts():
    assert read_png(GAMMA, USUAL_GAMMA).metadata.png == GAMMA


def test_very_many_and_very_long_texts_are_read_soon(monkeypatch):
    from restora.images import png_chunks

    started = time.process_time()
    many = read_png(*TEXTS[:1] * 20_000, *[GAMMA] * 20_000)
    assert many.metadata.png == GAMMA + TEXTS[0] * 20_000
    assert time.process_time() - started < 5
    monkeypatch.setattr(png_chunks, "_METADATA_MAX_BYTES", 1000)
    found = read_png(TEXTS[0], chunk(b"tEXt", b"Long\0" + bytes(1000)))
    assert found.metadata.png == TEXTS[0]
    assert found.notes == ("The tEXt chunk is damaged and was left out.",)
