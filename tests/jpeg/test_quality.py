from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from restora.jpeg import estimate_quality, inspect, libjpeg_tables
from restora.jpeg.markers import ZIGZAG

EVERY_QUALITY = range(1, 101)

# What a compact camera and Photoshop ("Save As", 8 of 12) write, first row-pairs of their shape.
CAMERA_LUMA = np.add.outer(np.arange(8), np.arange(8)) * 2 + 4
CAMERA_CHROMA = np.add.outer(np.arange(8), np.arange(8)) * 3 + 6
PHOTOSHOP_LUMA_FLAT = [6, 4, 7, 11, 14, 17, 22, 17, 4, 5, 6, 10, 14, 19, 12, 12]


def test_the_100_qualities_are_100_pairs_of_tables():
    lumas = {libjpeg_tables(quality)[0].tobytes() for quality in EVERY_QUALITY}
    assert len(lumas) == 100


def test_the_readout_is_exact_for_colour_and_gray(save):
    for quality in EVERY_QUALITY:
        colour = inspect(save(quality=quality), name="colour.jpg").quality
        assert dataclasses.astuple(colour) == (quality, True, 0.0, quality, quality, False)
        gray = inspect(save("L", quality=quality), name="gray.jpg").quality
        assert dataclasses.astuple(gray) == (quality, True, 0.0, quality, None, False)


def test_the_readout_is_exact_for_cmyk_and_rgb(save):
    for options in ({"mode": "CMYK"}, {"mode": "RGB", "keep_rgb": True}):
        estimate = inspect(save(**options, quality=35), name="x.jpg").quality
        assert (estimate.quality, estimate.exact, estimate.chroma) == (35, True, None)


@pytest.mark.parametrize("quality", EVERY_QUALITY)
def test_tables_that_need_16_bits_are_read_too(quality):
    tables = libjpeg_tables(quality, force_baseline=False)
    estimate = estimate_quality(*tables)
    assert (estimate.quality, estimate.exact, estimate.distance) == (quality, True, 0)
    assert (tables[0].max() > 255) == (quality < 24)


@pytest.mark.parametrize(("luma", "chroma"), [(80, 60), (30, 31), (95, 5), (10, 90)])
def test_mixed_tables_are_told_and_luma_decides(luma, chroma):
    estimate = estimate_quality(libjpeg_tables(luma)[0], libjpeg_tables(chroma)[1])
    assert estimate.mixed
    assert not estimate.exact
    assert estimate.distance > 0
    assert (estimate.luma, estimate.chroma) == (luma, chroma)
    assert abs(estimate.quality - luma) <= 1


@pytest.mark.parametrize("quality", [1, 2, 3])
def test_a_chroma_table_of_several_qualities_is_not_mixed(quality):
    estimate = estimate_quality(*libjpeg_tables(quality))
    assert not estimate.mixed
    assert estimate.chroma == quality


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 90])
def test_one_changed_entry_is_not_exact_but_near(quality):
    luma, chroma = libjpeg_tables(quality)
    luma[7, 7] = luma[7, 7] - 1
    estimate = estimate_quality(luma, chroma)
    assert (estimate.quality, estimate.exact, estimate.mixed) == (quality, False, False)
    assert 0 < estimate.distance < 0.01


@pytest.mark.parametrize("quality", [20, 45, 70, 90])
def test_a_slightly_scaled_table_lands_on_its_quality(quality):
    scaled = [np.maximum(table + (table > 20), 1) for table in libjpeg_tables(quality)]
    estimate = estimate_quality(*scaled)
    assert not estimate.exact
    assert abs(estimate.quality - quality) <= 2


@pytest.mark.parametrize(
    ("luma", "chroma", "expected"),
    [
        (CAMERA_LUMA, CAMERA_CHROMA, 83),
        (CAMERA_LUMA * 4, CAMERA_CHROMA * 4, 39),
        (np.resize(PHOTOSHOP_LUMA_FLAT, 64), np.resize(PHOTOSHOP_LUMA_FLAT, 64) + 4, 89),
    ],
    ids=["camera", "camera, coarse", "photoshop"],
)
def test_foreign_tables_get_the_nearest_quality(luma, chroma, expected, save):
    flat = [np.ravel(luma).tolist(), np.ravel(chroma).tolist()]
    estimate = inspect(save(qtables=flat), name="foreign.jpg").quality
    assert not estimate.exact
    assert not estimate.mixed
    assert estimate.distance > 0
    assert abs(estimate.quality - expected) <= 3


def test_the_nearest_is_the_nearest():
    rng = np.random.default_rng(3)
    for _ in range(10):
        luma, chroma = rng.integers(1, 256, (2, 8, 8))
        estimate = estimate_quality(luma, chroma)
        distances = [
            2 / 3 * np.abs(np.log2(luma / reference[0])).mean()
            + 1 / 3 * np.abs(np.log2(chroma / reference[1])).mean()
            for reference in (
                libjpeg_tables(quality, force_baseline=baseline)
                for quality in EVERY_QUALITY
                for baseline in (True, False)
            )
        ]
        assert estimate.distance == pytest.approx(min(distances))


def test_harsher_tables_never_give_a_better_quality():
    found = [estimate_quality(CAMERA_LUMA * factor).quality for factor in range(1, 14)]
    assert found == sorted(found, reverse=True)


def test_one_table_for_all_is_measured_as_colour_too(save):
    luma = libjpeg_tables(50)[0].ravel().tolist()
    estimate = inspect(save(qtables=[luma]), name="one.jpg").quality
    assert not estimate.exact
    assert estimate.luma == 50
    assert estimate.chroma > 50


def test_a_zero_entry_does_no_harm():
    assert estimate_quality(np.zeros((8, 8))).quality == 100


def test_zigzag_is_the_standards():
    assert ZIGZAG[:10] == (0, 1, 8, 16, 9, 2, 3, 10, 17, 24)
    assert ZIGZAG[-3:] == (55, 62, 63)
    assert sorted(ZIGZAG) == list(range(64))
