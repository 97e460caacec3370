"""Every bad file ends in one sentence that names it; nothing else ever comes out."""

from __future__ import annotations

import io
import os
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from restora.errors import InputError
from restora.images import Picture, encode, read, read_bytes, read_file
from restora.jpeg import inspect

READS = "Restora reads JPEG, PNG, TIFF, WebP, AVIF, BMP, PPM and GIF."


def message(data, name="a.jpg", **options):
    with pytest.raises(InputError) as caught:
        read_bytes(data, name=name, **options)
    return str(caught.value)


@pytest.fixture
def jpeg(samples):
    out = io.BytesIO()
    Image.fromarray(samples(64, 48, 3)).save(out, "JPEG", quality=90)
    return out.getvalue()


def test_no_picture():
    assert message(b"") == "a.jpg is empty: it has 0 bytes."
    assert message(b"hello") == f"a.jpg is not a picture Restora knows; {READS}"
    assert message(b"%PDF-1.7") == f"a.jpg is a PDF file; {READS}"
    assert message(b"\0\0\0\x18ftypheic") == f"a.jpg is a HEIC file; {READS}"


def test_no_file(tmp_path):
    for path, reason in [
        (tmp_path / "no.jpg", "There is no file {}."),
        (tmp_path, "{} is a folder, not a picture."),
    ]:
        with pytest.raises(InputError) as caught:
            read(path)
        assert str(caught.value) == reason.format(path)
    with pytest.raises(InputError, match=r"cannot be read \(.*embedded null (byte|character)"):
        read("a\0b")  # Python's words, which differ among its versions


def test_only_regular_files_are_read(tmp_path):
    (tmp_path / "whole").write_bytes(b"some bytes")
    assert read_file(tmp_path / "whole") == b"some bytes"
    pipe, link = tmp_path / "pipe.jpg", tmp_path / "link.jpg"
    try:
        os.mkfifo(pipe)
        link.symlink_to("whole")
    except (AttributeError, OSError):
        pytest.skip("no pipes here")
    assert read_file(str(link)) == b"some bytes"
    for reader in (read_file, read):  # neither waits for somebody to write
        with pytest.raises(InputError) as caught:
            reader(pipe)
        assert str(caught.value) == (
            f"{pipe} is a pipe, a socket or a device, not a file with a picture."
        )


def test_an_unreadable_file_is_a_sentence(tmp_path, monkeypatch):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError) as caught:
        read_file(path)
    assert str(caught.value) == f"{path} may not be read: permission denied."


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", bytes(500), b"%PDF-1.7", b"\0\0\0\x18ftypheic", b"<html>", b"<svg>",
     b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xf7\0\4ab"],
)  # fmt: skip
def test_both_rooms_refuse_in_the_same_words(data):
    with pytest.raises(InputError) as caught:
        inspect(data, name="a.jpg")
    assert message(data) == str(caught.value)


def test_tiff_tags_that_share_their_bytes_do_not_fill_the_memory():
    """A megabyte in a thousand tags would be a gigabyte of EXIF."""
    plain = encode(Picture(pixels=np.zeros((4, 4, 1), np.float32), space="gray"), format="TIFF")
    at = int.from_bytes(plain[4:8], "little")
    count = int.from_bytes(plain[at : at + 2], "little")
    slots = plain[at + 2 : at + 2 + 12 * count]
    more = b"".join(struct.pack("<HHII", tag, 7, 1 << 20, 8) for tag in range(40000, 41000))
    body = plain + bytes(1 << 20)
    start = body[:4] + struct.pack("<I", len(body)) + body[8:]
    directory = struct.pack("<H", count + 1000) + slots + more + bytes(4)
    found = read_bytes(start + directory, name="a.tif")
    assert found.width_px == 4
    assert len(found.metadata.exif or b"") < 2 << 20


def test_cut_jpeg(jpeg):
    assert re.fullmatch(
        r"a\.jpg is cut off: about (2[4-9]|3\d) of 64 rows decode\. "
        r"Use --salvage to restore the part that decodes\.",
        message(jpeg[: len(jpeg) * 6 // 10]),
    )
    header = "a.jpg is cut off inside its header: there is no picture in it."
    assert message(jpeg[:3]) == header
    assert message(jpeg[:100]) == header
    just_before_pixels = jpeg.index(b"\xff\xda") + 14
    assert message(jpeg[:just_before_pixels]) == "a.jpg is cut off and nothing of it decodes."


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_cannot_fill_its_size_is_a_cut_one(progressive, samples):
    """A cut file that another program gave a new end; libjpeg fills it up with gray."""
    out = io.BytesIO()
    Image.fromarray(samples(24, 48, 3)).save(out, "JPEG", quality=20, progressive=progressive)
    whole = out.getvalue()
    at = whole.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    short = whole[:at] + struct.pack(">H", 9000) + whole[at + 2 :]
    assert message(short).startswith("a.jpg is cut off")
    assert "Use --salvage" in message(short)
    found = read_bytes(short, name="a.jpg", salvage=True)
    assert found.height_px == 9000
    if progressive:
        note = "The file is cut off: of this progressive JPEG the finer detail is missing."
        assert found.notes == (note,)
    else:
        assert re.fullmatch(
            r"The file is damaged: about \d\d of 9000 rows \(0 %\) could be decoded\.",
            found.notes[0],
        )
    assert read_bytes(whole, name="a.jpg").notes == ()


def test_jpeg_of_unknown_kinds(jpeg):
    at = jpeg.index(b"\xff\xc0") + 4
    assert message(jpeg[:at] + b"\x0c" + jpeg[at + 1 :]) == (
        "a.jpg is a JPEG with 12-bit samples; only 8-bit JPEGs can be read."
    )
    assert message(jpeg[: at + 1] + b"\0\0" + jpeg[at + 3 :]) == (
        "a.jpg states a height of 0 lines and no DNL marker gives the true one; "
        "its size cannot be known."
    )
    dnl = b"\xff\xdc\0\4\0\x40"
    assert message(jpeg[: at + 1] + b"\0\0" + jpeg[at + 3 : -2] + dnl + jpeg[-2:]) == (
        "a.jpg states its height behind its pixels (in a DNL marker), "
        "which the decoder does not read."
    )
    assert message(jpeg[: at + 7] + b"\0" + jpeg[at + 8 :]) == (
        "a.jpg has a damaged frame header: it states sampling factors 0×0 for component 1."
    )


def test_broken_jpeg(jpeg):
    at = jpeg.index(b"\xff\xda") + 8
    broken = jpeg[:at] + b"\x77" * 3 + jpeg[at + 3 :]
    assert message(broken).startswith("a.jpg is damaged and does not decode (")


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "WebP", "AVIF", "BMP", "PPM", "GIF"])
def test_bombs_are_refused_by_their_header(name, picture):
    if name in {"JPEG", "PNG", "TIFF", "WebP", "AVIF"}:
        data = encode(picture(20, 30), format=name)
    else:
        out = io.BytesIO()
        Image.new("RGB", (30, 20)).save(out, name)
        data = out.getvalue()
    assert message(data, max_pixels=599) == (
        "a.jpg says it is 30×20 pixels in size, more than the limit of 599 pixels. "
        "Allow more with --max-megapixels (in Python: max_pixels), if you trust the file."
    )
    assert read_bytes(data, name="a", max_pixels=600).width_px == 30


def test_png_bomb_costs_nothing(picture):
    data = bytearray(encode(picture(4, 4), format="PNG"))
    data[16:24] = b"\x7f\xff\xff\xff\x7f\xff\xff\xff"
    assert "more than the limit" in message(bytes(data))


@pytest.mark.parametrize("bits", [8, 16])
def test_cut_png(bits, picture):
    data = encode(picture(60, 40, bits=bits), format="PNG")
    cut = "a.jpg is cut off. Use --salvage to restore the part that decodes."
    assert message(data[: len(data) // 2]) == cut
    assert "header" in message(data[:20])
    missing_end = read_bytes(data[:-12], name="a.png")
    note = "The end of the file is missing; the picture itself is complete."
    assert missing_end.notes == (note,)


def test_cut_others(picture):
    webp = encode(picture(40, 40), format="WebP")
    assert "cut off" in message(webp[: len(webp) // 2])
    avif = encode(picture(40, 40), format="AVIF")
    assert message(avif[: len(avif) // 2]).startswith("a.jpg is ")
    tiff = encode(picture(40, 40), format="TIFF")
    assert "cut off" in message(tiff[: len(tiff) // 2])


@pytest.mark.parametrize("dtype", [np.float32, np.uint32, np.int16])
def test_tiff_samples_that_are_no_picture(dtype):
    out = io.BytesIO()
    tifffile.imwrite(out, np.zeros((4, 4), dtype), photometric="minisblack")
    text = message(out.getvalue())
    assert "-bit" in text
    assert text.endswith("samples; Restora reads TIFF with up to 8 or 16 bits, unsigned.")


def _whole_files():
    rng = np.random.default_rng(1)
    pixels = rng.random((12, 10, 3), np.float32)
    for bits, name in [(8, "JPEG"), (8, "PNG"), (16, "PNG"), (8, "TIFF"), (16, "TIFF"),
                       (8, "WebP"), (8, "AVIF")]:  # fmt: skip
        yield encode(Picture(pixels=pixels, space="rgb", bits=bits), format=name)
    for name in ("BMP", "GIF", "PPM", "TIFF"):
        out = io.BytesIO()
        Image.fromarray((pixels * 255).astype(np.uint8)).save(out, name)
        yield out.getvalue()


FILES = list(_whole_files())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damage_of_any_kind_gives_a_picture_or_a_sentence(data):
    """Warnings are errors here, so this also holds that no warning escapes."""
    whole = bytearray(data.draw(st.sampled_from(FILES)))
    for _ in range(data.draw(st.integers(0, 4))):
        # most structure sits at the two ends
        near = data.draw(st.integers(0, min(200, len(whole) - 1)))
        at = data.draw(st.sampled_from([near, len(whole) - 1 - near]))
        whole[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))
    salvage = data.draw(st.booleans())
    try:
        found = read_bytes(bytes(whole[:cut]), name="odd.bin", salvage=salvage, max_pixels=10**6)
    except InputError as error:
        assert str(error).startswith("odd.bin ")
        assert str(error).endswith(".") or "pip install" in str(error)
    else:
        assert np.isfinite(found.pixels).all()
        assert found.pixels.min() >= 0
        assert found.pixels.max() <= 1
