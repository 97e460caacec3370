from __future__ import annotations

import pytest

from restora.evaluation.protocols import USUAL_SETTINGS
from restora.evaluation.published import PUBLISHED, REFEREE, SET_SIZES, plain_rows, published
from restora.evaluation.settings import OAPT_DOUBLE, OFF_GRID, Setting

WITH_PLAIN = sorted({(row.protocol, row.set) for row in PUBLISHED if row.method == "JPEG"})
ROW_NAMES = [f"{row.protocol}-{row.set}-{row.method}" for row in PUBLISHED]


def test_each_row_is_there_once() -> None:
    for rows in (PUBLISHED, REFEREE):
        keys = [(row.protocol, row.set, row.method) for row in rows]
        assert len(keys) == len(set(keys))


@pytest.mark.parametrize(("protocol", "test_set"), WITH_PLAIN)
def test_the_plain_jpeg_comes_first_and_loses(protocol, test_set) -> None:
    plain, *others = published(protocol, test_set)
    assert plain.method == "JPEG"
    assert plain is plain_rows(protocol, test_set)[0]
    assert "FBCNN" in {row.method for row in others}
    for row in others:
        for setting in row.figures.keys() & plain.figures.keys() - {Setting(1)}:
            figures, base = row.figures[setting], plain.figures[setting]
            assert 0.4 < figures.psnr - base.psnr < 3
            if figures.ssim is not None:
                assert 0 < figures.ssim - base.ssim < 0.1


@pytest.mark.parametrize("row", PUBLISHED, ids=ROW_NAMES)
def test_rows_are_plausible(row) -> None:
    assert row.source
    assert not row.measured
    assert row.figures
    if row.method != "JPEG":
        assert set(row.figures) - {Setting(1)} <= set(USUAL_SETTINGS[row.protocol])
    for name, digits in (("psnr", 2), ("ssim", 4), ("psnr_b", 2)):
        values = [getattr(figures, name) for figures in row.figures.values()]
        known = [value for value in values if value is not None]
        assert all(round(value, digits) == value for value in known)
        if row.protocol in ("jpeg-gray", "jpeg-color"):
            assert known == sorted(known)  # better quality, better figures
    assert all(f.psnr_b < f.psnr for f in row.figures.values() if f.psnr_b is not None)


def test_complete_tables() -> None:
    """The rows of each table, so that none is lost in an edit."""
    counts = {place: len(published(*place)) for place in WITH_PLAIN}
    assert counts == {
        ("jpeg-color", "bsds500"): 4,
        ("jpeg-color", "live1"): 7,
        ("jpeg-double", "live1"): 7,
        ("jpeg-gray", "bsds500"): 8,
        ("jpeg-gray", "classic5"): 14,
        ("jpeg-gray", "live1"): 13,
        ("jpeg-oapt", "live1"): 8,
    }
    assert len(published("jpeg-oapt", "classic5")) == 7
    assert len(published("jpeg-oapt", "bsds500")) == 3


def test_oapt_quotes_fbcnn_a_within_a_digit() -> None:
    """Both tables hold the same four measurements: one convention, one grid shift."""
    ours = next(r for r in published("jpeg-double", "live1") if r.method == "FBCNN-A")
    theirs = next(r for r in published("jpeg-oapt", "live1") if r.method == "FBCNN")
    shared = ours.figures.keys() & theirs.figures.keys()
    assert len(shared) == 4
    for setting in shared:
        assert ours.figures[setting].psnr == theirs.figures[setting].psnr
        assert ours.figures[setting].ssim == pytest.approx(theirs.figures[setting].ssim, abs=6e-4)


def test_the_double_row_leaves_out_its_psnr_b() -> None:
    for protocol in ("jpeg-double", "jpeg-oapt"):
        row = plain_rows(protocol, "live1")[0]
        assert row.unchecked == ("psnr_b",)
        assert "PSNR-B is left out" in row.note


def test_the_referee_covers_what_nobody_published() -> None:
    for test_set in ("live1", "classic5"):
        gray = plain_rows("jpeg-gray", test_set)[-1]
        assert gray.measured
        assert set(OFF_GRID) <= set(gray.figures)
        assert set(plain_rows("jpeg-oapt", test_set)[-1].figures) == set(OAPT_DOUBLE)


@pytest.mark.parametrize("row", REFEREE, ids=lambda row: f"{row.protocol}-{row.set}")
def test_the_referee_agrees_with_the_published_row(row) -> None:
    for other in published(row.protocol, row.set):
        if other.method == "JPEG":
            for setting in row.figures.keys() & other.figures.keys():
                assert f"{row.figures[setting].psnr:.2f}" == f"{other.figures[setting].psnr:.2f}"


def test_nothing_is_published_for_classic5_in_colour() -> None:
    assert published("jpeg-color", "classic5") == ()
    assert plain_rows("jpeg-color", "classic5") == ()
    assert SET_SIZES["classic5"] == 5
