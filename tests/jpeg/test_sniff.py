"""One list of formats, and one sentence for what holds no picture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restora.images.formats import SUFFIXES
from restora.jpeg.sniff import READABLE, no_jpeg, no_picture, sniff

READS = "Restora reads JPEG, PNG, TIFF, WebP, AVIF, BMP, PPM and GIF."


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff\xd8", "JPEG"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"GIF87a", "GIF"),
        (b"GIF89a", "GIF"),
        (b"GIF88a", None),
        (b"BM", "BMP"),
        (b"RIFF\1\2\3\4WEBP", "WEBP"),
        (b"RIFF\1\2\3\4WAVE", None),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"II+\0", "TIFF"),
        (b"MM\0+", "TIFF"),
        (b"P5 1 1", "PPM"),
        (b"P7\n", None),
        (b"P", None),
        (b"\0\0\0\x18ftypavif", "AVIF"),
        (b"\0\0\0\x18ftypavis", "AVIF"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "AVIF"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypheix", "HEIC"),
        (b"\0\0\0\x18ftyphevc", "HEIC"),
        (b"\0\0\0\x18ftypmsf1", "HEIC"),
        (b"\0\0\0\x18ftypisom", "video"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\xff\x0a", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x4f\xff\x51", "JPEG 2000"),
        (b"8BPS", "Photoshop"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04", "zip"),
        (b"\x1f\x8b", "gzip"),
        (b"\xef\xbb\xbf \n<!DOCTYPE HTML><html>", "web page"),
        (b"<html lang='en'>", "web page"),
        (b"<svg xmlns='x'>", "SVG"),
        (b"<?xml version='1.0'?>\n<!-- made by a program -->\n<SVG>", "SVG"),
        (b"<?xml version='1.0'?><feed>", None),
        (b"hello", None),
        (b"", None),
    ],
)
def test_the_first_bytes_tell(data, kind):
    assert sniff(data) == kind


def test_every_format_with_a_suffix_is_read():
    assert list(READABLE) == list(SUFFIXES)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "a.jpg is empty: it has 0 bytes."),
        (b"\0\0\0\x18ftypheic", f"a.jpg is a HEIC file; {READS}"),
        (b"8BPS", f"a.jpg is a Photoshop file; {READS}"),
        (b"<svg>", f"a.jpg is an SVG file; {READS}"),
        (b"<html>", "a.jpg is a web page, not a picture; the download may have failed."),
        (bytes(5000), "a.jpg is not a picture: it holds nothing but zeros."),
        (b"hello", f"a.jpg is not a picture Restora knows; {READS}"),
    ],
)
def test_what_holds_no_picture_is_one_sentence(data, sentence):
    assert no_picture(data, name="a.jpg") == sentence
    assert no_jpeg(data, name="a.jpg") == sentence


def test_another_picture_is_no_jpeg():
    assert no_picture(b"GIF89a", name="a.jpg") is None
    assert no_jpeg(b"GIF89a", name="a.jpg") == "a.jpg is a GIF file, not a JPEG."
    assert no_jpeg(b"\xff\xd8\xff", name="a.jpg") is None


@given(st.binary(max_size=60))
def test_any_bytes_are_a_picture_or_a_sentence(data):
    for start in (b"", b"\0\0\0\x18ftyp", b"RIFF", b"<", b"P"):
        sentence = no_picture(start + data, name="x")
        assert (sentence is None) == (sniff(start + data) in READABLE)
        assert sentence is None or (sentence.startswith("x ") and sentence.endswith("."))
