"""Pixels out of memory come back as they went, as far as a file can tell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restora.apps.web.disk import Bytes, Pixels
from restora.images import Picture, encode
from restora.images.samples import whole_numbers

CHANNELS = {"gray": 1, "rgb": 3, "cmyk": 4}


@st.composite
def pictures(draw):
    """As a network leaves them: anywhere, also a little outside 0-1 and between whole numbers."""
    space = draw(st.sampled_from(sorted(CHANNELS)))
    bits = draw(st.sampled_from([8, 16]))
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    pixels = rng.uniform(-0.1, 1.1, (height, width, CHANNELS[space])).astype(np.float32)
    if draw(st.booleans()):  # exactly between two whole numbers
        pixels = ((np.floor(pixels * 255) + 0.5) / 255).astype(np.float32)
    alpha = None
    if space != "cmyk" and draw(st.booleans()):
        kind = np.uint8 if bits == 8 else np.uint16
        alpha = rng.integers(0, 1 << bits, (height, width)).astype(kind)
    return Picture(pixels=pixels, space=space, bits=bits, alpha=alpha)


@given(picture=pictures(), bits=st.sampled_from([None, 8, 16]))
def test_every_format_gets_the_same_bytes(picture, bits):
    kept = Pixels(picture, bits=bits)
    back = kept.picture()
    assert (back.space, back.bits, back.metadata) == (
        picture.space,
        picture.bits,
        picture.metadata,
    )
    for format in ("PNG", "TIFF", "JPEG", "WebP"):
        if format in ("JPEG", "WebP") and bits == 16:
            continue
        if format == "JPEG" and picture.alpha is not None:
            continue
        made = encode(back, format=format, bits=bits)
        assert made == encode(picture, format=format, bits=bits)
    kept.close()


@given(whole=st.lists(st.integers(0, 255), min_size=3, max_size=60))
def test_whole_numbers_survive(whole):
    samples = np.array(whole[: len(whole) // 3 * 3], np.uint8).reshape(1, -1, 3)
    picture = Picture(pixels=samples.astype(np.float32) / 255, space="rgb")
    kept = Pixels(picture, bits=None)
    back = kept.picture()
    kept.close()
    assert (whole_numbers(back.pixels, bits=8) == samples).all()
    assert (back.pixels == picture.pixels).all()


@pytest.mark.parametrize(
    ("space", "bits", "asked", "bytes_a_sample"),
    [("rgb", 8, None, 1), ("gray", 8, 8, 1), ("rgb", 8, 16, 4), ("rgb", 16, None, 4),
     ("rgb", 16, 8, 4), ("cmyk", 8, None, 4)],
)  # fmt: skip
def test_room(space, bits, asked, bytes_a_sample):
    shape = (7, 5, CHANNELS[space])
    picture = Picture(pixels=np.full(shape, 0.5, np.float32), space=space, bits=bits)
    kept = Pixels(picture, bits=asked)
    kept.close()
    assert kept.size == bytes_a_sample * np.prod(shape)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_alpha_is_out_of_memory_too(kind):
    alpha = np.arange(35).reshape(7, 5).astype(kind)
    shape = (7, 5, 3)
    kept = Pixels(
        Picture(pixels=np.full(shape, 0.5, np.float32), space="rgb", alpha=alpha), bits=None
    )
    assert kept.size == 105 + alpha.nbytes
    assert kept._empty.alpha is None
    back = kept.picture().alpha
    kept.close()
    assert back.dtype == kind
    assert (back == alpha).all()


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 3000])
def test_bytes(data):
    kept = Bytes(data)
    assert kept.size == len(data)
    assert kept.read() == data
    assert kept.read() == data
    kept.close()


def test_nothing_has_a_name(tmp_path, monkeypatch, opened_files):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = opened_files()
    data = Bytes(b"secret")
    pixels = Pixels(Picture(pixels=np.zeros((4, 4, 3), np.float32), space="rgb"), bits=None)
    assert opened_files() == before + 2
    assert list(tmp_path.iterdir()) == []
    data.close()
    pixels.close()
    assert opened_files() == before
