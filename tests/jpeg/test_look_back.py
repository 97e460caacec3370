"""Looking for an earlier save in whole files."""

import io
import struct
import warnings

import numpy as np
import pytest
from PIL import Image

from restora.jpeg import inspect, look_back


@pytest.fixture
def saved_twice():
    """Makes the bytes of a file saved at 20, cropped, and saved at 60."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:200, :240]
    levels = 128 + 50 * np.sin(x / 9) * np.cos(y / 13) + rng.normal(0, 12, (200, 240))
    first = io.BytesIO()
    Image.fromarray(levels.clip(6, 249).astype(np.uint8)).save(first, "JPEG", quality=20)

    def make(**options):
        second = io.BytesIO()
        Image.open(first).crop((4, 4, 240, 200)).save(second, "JPEG", quality=60, **options)
        return second.getvalue()

    return make


def test_the_earlier_save_is_found(saved_twice):
    facts = inspect(saved_twice(), name="x", history=True)
    assert facts.looked_back
    assert (facts.earlier_save.row_px, facts.earlier_save.column_px) == (4, 4)


def test_neither_size_nor_bad_metadata_makes_pillow_speak(saved_twice, monkeypatch):
    data = saved_twice(exif=b"Exif\0\0II*\0\x08\0\0\0" + b"\xff" * 60)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Image.open refuses twice that
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        facts = inspect(data, name="x", history=True)
    assert facts.earlier_save is not None


def test_enormous_pictures_are_left_unlooked_at(saved_twice, monkeypatch):
    monkeypatch.setattr(look_back, "MOST_PIXELS", 1000)
    assert not inspect(saved_twice(), name="x", history=True).looked_back


def test_a_size_the_data_cannot_fill_is_not_decoded(saved_twice):
    data = saved_twice()
    at = data.index(b"\xff\xc0") + 5
    bomb = data[:at] + struct.pack(">HH", 20_000, 20_000) + data[at + 4 :]
    assert not inspect(bomb, name="x", history=True).looked_back
