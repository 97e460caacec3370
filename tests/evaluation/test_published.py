from __future__ import annotations

import pytest

from restora.evaluation.published import PUBLISHED, published, published_jpeg

PLACES = sorted({(row.protocol, row.set) for row in PUBLISHED})


def test_each_row_is_there_once() -> None:
    keys = [(row.protocol, row.set, row.method) for row in PUBLISHED]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(("protocol", "test_set"), PLACES)
def test_the_plain_jpeg_comes_first_and_loses(protocol, test_set) -> None:
    plain, *others = published(protocol, test_set)
    assert plain.method == "JPEG"
    assert plain is published_jpeg(protocol, test_set)
    assert {"QGAC", "FBCNN"} <= {row.method for row in others}
    for row in others:
        for quality, figures in row.figures.items():
            base = plain.figures[quality]
            assert 0.5 < figures.psnr - base.psnr < 3
            assert 0 < figures.ssim - base.ssim < 0.1


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row.protocol}-{row.set}-{row.method}")
def test_rows_are_plausible(row) -> None:
    assert row.source
    assert list(row.figures) == [10, 20, 30, 40]
    for name, digits in (("psnr", 2), ("ssim", 4), ("psnr_b", 2)):
        values = [getattr(figures, name) for figures in row.figures.values()]
        known = [value for value in values if value is not None]
        assert known == sorted(known)  # better quality, better figures
        assert all(round(value, digits) == value for value in known)
    assert all(f.psnr_b < f.psnr for f in row.figures.values() if f.psnr_b is not None)


def test_nothing_is_published_for_classic5_in_colour() -> None:
    assert published("jpeg-color", "classic5") == ()
    assert published_jpeg("jpeg-color", "classic5") is None
