"""Limits on what a JPEG may ask for, and the file as the decoder gets it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from restora.errors import InputError
from restora.jpeg import inspect
from restora.jpeg.coefficients import read_coefficients
from restora.jpeg.markers import read_frame, read_layout
from restora.jpeg.planes import NoBins
from restora.jpeg.work import check_work, decodable, too_much_work


def test_limits():
    sides = {"width_px": 10_000, "height_px": 10_000}
    assert not too_much_work(**sides, scans=50)
    assert too_much_work(**sides, scans=51)
    assert not too_much_work(width_px=8, height_px=8, scans=500)
    assert too_much_work(width_px=8, height_px=8, scans=501)
    assert not too_much_work(width_px=15_800, height_px=15_800, scans=20)  # the most pixels read


def test_a_real_progressive_file_is_far_from_them(save):
    data = save(progressive=True)
    layout = read_layout(data, name="a")
    frame = read_frame(layout, name="a")
    check_work(layout, frame, name="a")
    assert len(layout.scans) < 20


def test_the_message(build, segment):
    scan = segment(0xDA, b"\1\1\0\0\x3f\0") + b"\x12"
    layout = read_layout(build(end=scan * 500 + b"\xff\xd9"), name="a")
    with pytest.raises(InputError) as caught:
        check_work(layout, read_frame(layout, name="a"), name="a.jpg")
    assert str(caught.value) == (
        "a.jpg is coded in 501 passes over 16×16 pixels, far more than any real picture; "
        "it is damaged or a trap."
    )


def test_the_decoder_gets_no_metadata_and_no_junk(save, segment):
    plain = save(quality=70)
    adobe = segment(0xEE, b"Adobe\0\x64\0\0\0\0\1")
    start = segment(0xE1, b"Exif\0\0" + bytes(50)) + segment(0xFE, b"words") + adobe
    data = plain[:2] + start + b"\xff" * 9 + b"junk" + plain[2:] + b"behind"
    lean = decodable(data, read_layout(data, name="a"))
    assert lean == plain[:2] + adobe + plain[2:] + b"behind"
    assert decodable(plain, read_layout(plain, name="a")) == plain
    headers = plain[: plain.index(b"\xff\xda")]
    assert decodable(headers, read_layout(headers, name="a")) == headers


def test_frames_that_contradict_each_other(save, segment):
    """The first one counts for the facts, the last one for the decoder."""
    data = save()
    at = data.index(b"\xff\xda")
    for second in (b"\x08\0\x28\0\x38\1\1\x11\0", b"\x08\0\x28", b"\0\0\x28\0\x38\1\1\x11\0"):
        twice = data[:at] + segment(0xC0, second) + data[at:]
        with pytest.raises(NoBins) as caught:
            read_coefficients(twice, inspect(twice, name="a"))
        assert str(caught.value) in {
            "its headers contradict each other",
            "its coded data is damaged",
        }


def test_coefficients_of_many_clipped_blocks_settle_in_bands():
    """More blocks than a band holds, every one of them clipped, as in black and white."""
    down, across = np.mgrid[0:520, 0:640]
    stripes = ((across // 5 + down // 7) % 2 * 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(stripes).save(out, "JPEG", quality=95)
    (whole,) = read_coefficients(out.getvalue(), inspect(out.getvalue(), name="a"))
    part = io.BytesIO()
    Image.fromarray(stripes[:80]).save(part, "JPEG", quality=95)
    (top,) = read_coefficients(part.getvalue(), inspect(part.getvalue(), name="a"))
    assert whole.quantised.shape == (65, 80, 8, 8)
    assert np.array_equal(whole.quantised[:10], top.quantised)
    assert np.array_equal(whole.known[:10], top.known)
