from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from restora.jpeg import estimate_quality, inspect, libjpeg_tables
from restora.jpeg.markers import ZIGZAG

EVERY_QUALITY = range(1, 101)

RAMP = np.add.outer(np.arange(8), np.arange(8))
# Read from a file by a Kodak DC210, of 1998.
KODAK_LUMA = [
    [6, 6, 6, 7, 9, 12, 15, 19],
    [6, 6, 7, 8, 10, 13, 16, 20],
    [6, 7, 8, 11, 13, 15, 19, 23],
    [7, 8, 11, 14, 17, 20, 24, 29],
    [9, 10, 13, 17, 22, 26, 32, 38],
    [12, 13, 15, 20, 26, 34, 42, 50],
    [15, 16, 19, 24, 32, 42, 53, 66],
    [19, 20, 23, 29, 38, 50, 66, 86],
]
KODAK_CHROMA = [
    [6, 6, 6, 7, 8, 10, 13, 16],
    [6, 6, 6, 7, 9, 11, 14, 17],
    [6, 6, 8, 9, 11, 13, 16, 20],
    [7, 7, 9, 12, 15, 17, 20, 24],
    [8, 9, 11, 15, 18, 22, 26, 30],
    [10, 11, 13, 17, 22, 27, 33, 39],
    [13, 14, 16, 20, 26, 33, 41, 50],
    [16, 17, 20, 24, 30, 39, 50, 63],
]
# Read from a file by Photoshop.
PHOTOSHOP_LUMA = [
    [6, 4, 4, 6, 9, 11, 12, 16],
    [4, 5, 5, 6, 8, 10, 12, 12],
    [4, 5, 5, 6, 10, 12, 12, 12],
    [6, 6, 6, 11, 12, 12, 12, 12],
    [9, 8, 10, 12, 12, 12, 12, 12],
    [11, 10, 12, 12, 12, 12, 12, 12],
    [12, 12, 12, 12, 12, 12, 12, 12],
    [16, 12, 12, 12, 12, 12, 12, 12],
]
PHOTOSHOP_CHROMA = [
    [7, 7, 13, 24, 20, 20, 17, 17],
    [7, 12, 16, 14, 14, 12, 12, 12],
    [13, 16, 14, 14, 12, 12, 12, 12],
    [24, 14, 14, 12, 12, 12, 12, 12],
    [20, 14, 12, 12, 12, 12, 12, 12],
    [20, 12, 12, 12, 12, 12, 12, 12],
    [17, 12, 12, 12, 12, 12, 12, 12],
    [17, 12, 12, 12, 12, 12, 12, 12],
]


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
        (KODAK_LUMA, KODAK_CHROMA, 85),
        (PHOTOSHOP_LUMA, PHOTOSHOP_CHROMA, 92),
        (RAMP * 2 + 4, RAMP * 3 + 6, 83),
        (RAMP * 8 + 16, RAMP * 12 + 24, 39),
    ],
    ids=["camera", "photoshop", "ramp", "coarse ramp"],
)
def test_foreign_tables_get_the_nearest_quality(luma, chroma, expected, save):
    flat = [np.ravel(luma).tolist(), np.ravel(chroma).tolist()]
    estimate = inspect(save(qtables=flat), name="foreign.jpg").quality
    assert not estimate.exact
    assert not estimate.mixed
    assert estimate.distance > 0
    assert abs(estimate.quality - expected) <= 1


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
    found = [estimate_quality((RAMP * 2 + 4) * factor).quality for factor in range(1, 14)]
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
