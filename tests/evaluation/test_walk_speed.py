"""What a step costs, from the times of whole walks."""

import time

import pytest

from restora.errors import UsageError
from restora.evaluation.walk_speed import WalkReport, made_picture, measure_walk, walk_grids


def measure(**changes):
    options = {
        "model": "m", "reference_name": "r", "steps": (1, 3, 5), "megapixels": 0.5, "tile_px": 500,
        "repeats": 2, "threads": 1,
    }  # fmt: skip
    return measure_walk(
        lambda steps: time.sleep(0.01 + 0.004 * steps),
        lambda: time.sleep(0.001),
        lambda: time.sleep(0.005),
        **{**options, **changes},
    )


def test_the_slope_is_the_cost_of_a_step():
    seen = []
    report = measure(progress=lambda *at: seen.append(at))
    assert seen[-1] == (15, 15)
    assert [row.steps for row in report.rows] == [1, 3, 5]
    best = [row.best_seconds_per_megapixel for row in report.rows]
    assert best == sorted(best)
    assert report.step_seconds_per_megapixel == pytest.approx((best[2] - best[0]) / 4)
    assert report.rest_seconds_per_megapixel + report.step_seconds_per_megapixel == pytest.approx(
        best[0]
    )
    assert best[0] >= (0.01 + 0.004) / 0.5
    assert report.denoiser_seconds_per_megapixel >= 0.001 / 0.25
    (grid,) = walk_grids(report)
    assert [line[0] for line in grid.measured] == [
        *("m, 1 step", "m, 3 steps", "m, 5 steps"),
        *("one more step", "all but the steps", "the denoiser alone, one call", "r"),
    ]
    assert grid.measured[-1][-1] == "1.00"
    assert WalkReport.model_validate_json(report.model_dump_json()) == report


@pytest.mark.parametrize("changes", [{"steps": (4,)}, {"steps": (4, 4)}, {"steps": (0, 4)}])
def test_steps_rise(changes):
    with pytest.raises(UsageError, match="two numbers of steps"):
        measure(**changes)


def test_nothing_is_repeated():
    with pytest.raises(UsageError, match="0 repeats"):
        measure(repeats=0)


def test_the_picture_is_as_large_as_asked():
    assert made_picture(0.01).shape == (100, 100, 3)
