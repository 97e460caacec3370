"""PBM, PGM and PPM in words and bytes, whole and damaged."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image

from restora.errors import InputError
from restora.images import read_bytes


def levels(data, **options):
    found = read_bytes(data, name="a.ppm", **options)
    peak = 65535 if found.bits == 16 else 255
    return np.rint(found.pixels * peak).astype(int).squeeze().tolist()


def message(data, **options):
    with pytest.raises(InputError) as caught:
        read_bytes(data, name="a.ppm", **options)
    return str(caught.value)


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_as_pillow_reads_it(mode, samples):
    image = Image.fromarray(samples(13, 21, 3)).convert(mode)
    out = io.BytesIO()
    image.save(out, "PPM")
    found = read_bytes(out.getvalue(), name="a.ppm")
    assert np.array_equal(
        np.rint(found.pixels * 255).squeeze(),
        np.asarray(image.convert("L" if mode == "1" else mode)),
    )
    assert (found.format, found.bits, found.notes) == ("PPM", 8, ())


def test_words():
    assert levels(b"P1\n# words\n4 2\n0110 10\n01") == [[255, 0, 0, 255], [0, 255, 255, 0]]
    assert levels(b"P2 3#a\n2\n15 0 1 #b\r2\n13 14 15") == [[0, 17, 34], [221, 238, 255]]
    assert levels(b"P3 1 2 255 1 2 3 4 5 6 7 8") == [[1, 2, 3], [4, 5, 6]]
    assert levels(b"P2 2 1 65535 0 65535") == [0, 65535]


def test_a_comment_before_the_pixels():
    """Its end is no white space, so one more byte of that stands before the pixels."""
    assert levels(b"P6 1 1 255#c\n\nabc") == [97, 98, 99]
    assert levels(b"P5 1 1#a\r255#b\r#c\n\t\x20") == 32
    assert levels(b"P6 1 1 255 #c\n") == [35, 99, 10]
    assert levels(b"P2 1 1 255#c\n7") == 7


@pytest.mark.parametrize(
    "behind", [b"P2 2 1 255\n3 4", b"words", b"\0", b"-1 999", b"z" * 3_000_000]
)
def test_what_stands_behind_the_last_number_does_not_matter(behind):
    assert levels(b"P2 2 1 255\n1 2\n" + behind) == [1, 2]
    assert levels(b"P3 1 1 255\n1 2 3\n" + behind) == [1, 2, 3]
    assert levels(b"P1 2 1\n1 0\n" + behind) == [0, 255]


def test_bytes_of_other_peaks():
    assert levels(b"P5 3 1 100\n\0\x32\xff") == [0, 128, 255]
    assert levels(b"P5 2 1 1000\n\x03\xe8\x01\xf4") == [65535, 32768]
    assert levels(b"P6 1 1 65535\n\0\1\0\2\xff\xff") == [1, 2, 65535]
    assert levels(b"P4 10 2\n\xff\xc0\0\0") == [[0] * 10, [255] * 10]


def test_cut():
    data = b"P5 2 4 255\n" + b"\x09" * 5
    assert message(data) == (
        "a.ppm is cut off: about 2 of 4 rows decode. "
        "Use --salvage to restore the part that decodes."
    )
    found = read_bytes(data, name="a.ppm", salvage=True)
    assert found.notes == ("The file is damaged: about 2 of 4 rows (50 %) could be decoded.",)
    assert levels(data, salvage=True) == [[9, 9], [9, 9], [0, 0], [0, 0]]
    for start in (b"P4 9 3\n\0", b"P5 2 2 255\n", b"P1 3 1 01", b"P3 1 1 9 1 2", b"P2 1 1 9"):
        assert message(start, salvage=True) in {
            "a.ppm is damaged and nothing of it decodes.",
            "a.ppm is cut off inside its header: there is no picture in it.",
        }
    for start in (b"P5 ", b"P5 2", b"P5 2 2", b"P5 2 2 255"):
        assert message(start) == "a.ppm is cut off inside its header: there is no picture in it."


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"P5 2 x 255\n1234", "its header holds something that is no number"),
        (b"P5 2 -2 255\n1234", "its header holds something that is no number"),
        (b"P5 2 2 0\n1234", "it says its largest number is 0, which has to be 1-65535"),
        (b"P5 2 2 65536\n1234", "it says its largest number is 65536, which has to be 1-65535"),
        (b"P2 2 2 9 1 2 3 10", "it holds something that is no number up to its largest"),
        (b"P2 2 2 9 1 2 3 -1", "it holds something that is no number up to its largest"),
        (b"P2 2 2 9 1 2 3 " + b"9" * 30, "it holds something that is no number up to its largest"),
        (b"P1 2 2 0 1 1 7", "it holds something that is no number up to its largest"),
        (
            b"P2 2 2 9 1 2 3 " + b"9" * 3_000_000,
            "it holds something that is no number up to its largest",
        ),
        (b"P6 1 1 255#c\nabc", "no white space stands between its header and its pixels"),
        (b"P6 1 1 255#c", "no white space stands between its header and its pixels"),
        (b"P5\n#" + b"x" * 70_000, "its header is longer than 65,536 bytes"),
    ],
)
def test_damage(data, why):
    assert message(data) == f"a.ppm is damaged and does not decode ({why})."


def test_long_files_of_words_and_comments_are_read_soon():
    started = time.process_time()
    data = b"P2\n1000 800\n255\n" + b"#\n" * 500_000 + b"255 " * 800_000
    assert read_bytes(data, name="a.ppm").pixels.min() == 1
    assert time.process_time() - started < 5
