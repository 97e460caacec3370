from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from restora.engine.restorer import Restorer
from restora.errors import InputError, UsageError
from restora.evaluation.checks import (
    CleanReport,
    CleanRow,
    clean_markdown,
    find_pictures,
    load_rgb,
    measure_clean,
    measure_tiles,
    tiles_markdown,
)


@pytest.fixture
def pictures(tmp_path):
    """Two pictures with waves and grain, 208×160 and 96×96, as files."""
    rng = np.random.default_rng(3)
    for name, height, width in (("a", 160, 208), ("b", 96, 96)):
        y, x = np.mgrid[:height, :width]
        waves = 128 + 60 * np.sin(x / 7) * np.cos(y / 11) + rng.normal(0, 5, x.shape)
        rgb = np.stack([waves, waves * 0.8, 255 - waves], axis=-1).clip(0, 255).astype(np.uint8)
        Image.fromarray(rgb).save(tmp_path / f"{name}.png")
    return find_pictures(tmp_path)


def open_png(file):
    with Image.open(io.BytesIO(file)) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def test_a_restorer_that_changes_nothing_leaves_clean_pictures_unchanged(pictures):
    report = measure_clean(open_png, pictures)
    assert report.unchanged == 2
    assert report.mean == math.inf
    assert CleanReport.model_validate_json(report.model_dump_json()) == report


def test_clean_counts_the_changed_and_finds_the_worst(pictures):
    def one_brighter(file):
        picture = open_png(file)
        return picture if picture.shape[0] == 96 else picture ^ 1

    seen = []
    report = measure_clean(one_brighter, pictures, progress=lambda *at: seen.append(at))
    assert seen == [(0, 2), (1, 2), (2, 2)]
    assert report.unchanged == 1
    assert report.worst == CleanRow(picture="a", psnr=report.mean)
    assert report.mean == pytest.approx(20 * math.log10(255))  # every sample is off by one
    assert clean_markdown(report).splitlines()[-1] == "| 2 | 48.13 | 48.13 | a | 1 |"


def test_tiles_are_compared_at_every_size_that_cuts(pictures):
    report = measure_tiles(Restorer(threads=1), pictures, tile_sizes_px=(128, 192, 256))
    # the picture of 96 px fits into every tile, that of 208 into the largest
    assert [(row.kind, row.tile_px, row.n) for row in report.rows] == [
        ("gray", 128, 1), ("gray", 192, 1), ("color", 128, 1), ("color", 192, 1),
    ]  # fmt: skip
    for row in report.rows:
        assert 0 < row.mean < row.largest < 30
    assert tiles_markdown(report).count("\n| gray |") == 2


def test_tiles_that_hold_every_picture_compare_nothing(pictures):
    with pytest.raises(UsageError, match="No picture is larger than a tile of 256 pixels"):
        measure_tiles(Restorer(threads=1), pictures, tile_sizes_px=(256,))


def test_gray_files_are_read_as_colour(tmp_path):
    Image.new("L", (5, 4), 77).save(tmp_path / "g.png")
    assert load_rgb(tmp_path / "g.png").tolist() == [[[77] * 3] * 5] * 4


def test_what_is_no_picture_is_told(tmp_path):
    with pytest.raises(UsageError, match="holds no lossless pictures"):
        find_pictures(tmp_path)
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(InputError, match=r"a\.png cannot be read as a picture"):
        load_rgb(tmp_path / "a.png")
