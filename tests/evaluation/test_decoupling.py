from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from restora.errors import UsageError
from restora.evaluation.decoupling import (
    QUALITIES,
    Codes,
    DecouplingReport,
    Weight,
    markdown,
    measure_decoupling,
    probe,
)
from restora.evaluation.linear_probe import held_out, r_squared

PICTURES, NUMBERS = 12, 6


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def codes_of(rng, *, by_quality=0.0, by_picture=0.0, noise=1.0, numbers=NUMBERS):
    """Codes (P, 10, D), clean first, whose parts move with the quality, the picture, or nothing."""
    direction = rng.normal(size=numbers)
    strength = np.concatenate([[100], QUALITIES]) / 100
    codes = by_quality * strength[None, :, None] * direction
    codes = codes + by_picture * rng.normal(size=(PICTURES, 1, numbers))
    return codes + noise * rng.normal(size=(PICTURES, 10, numbers))


def probed(codes, code="sensitive"):
    return probe(codes[:, 0], codes[:, 1:], weight="w", code=code)


def test_a_linear_relation_is_read_on_unseen_pictures(rng):
    row = probed(codes_of(rng, by_quality=1, noise=0.01))
    assert row.r2 > 0.99
    assert row.quality_error < 2
    assert (row.wanted, row.met) == ("> 0.95", True)
    assert not probed(codes_of(rng, by_quality=1, noise=0.01), "insensitive").met


def test_random_codes_tell_nothing(rng):
    for numbers in (NUMBERS, 300):  # 300: more than there are samples, which fits anything
        row = probed(codes_of(rng, numbers=numbers), "insensitive")
        assert -0.3 < row.r2 < 0.1
        assert row.quality_error > 18
        assert 0.2 < row.clean_accuracy < 0.8
        assert (row.wanted, row.met) == ("< 0.3", True)


def test_codes_that_are_the_picture_alone_tell_nothing(rng):
    row = probed(codes_of(rng, by_picture=1, noise=0))
    assert row.r2 == pytest.approx(0, abs=1e-6)
    assert row.quality_error == pytest.approx(np.abs(np.array(QUALITIES) - 50).mean(), abs=1e-3)
    assert row.clean_accuracy == 0.5  # twice the same code: one of them is told wrong


def test_clean_and_saved_are_told_apart_where_the_code_does(rng):
    codes = codes_of(rng, by_picture=0.1, noise=0.01)
    codes[:, 0] += 1
    row = probed(codes)
    assert row.clean_accuracy == 1.0
    assert row.r2 < 0.1  # of those that are saved it says nothing


def test_pictures_are_held_out_whole():
    """A code that is the picture's own number tells its target, if it was seen: it never is."""
    groups = np.arange(12).repeat(5)
    codes, targets = np.eye(12)[groups], np.random.default_rng(2).normal(size=12)[groups]
    alone = np.arange(60)
    assert r_squared(held_out(codes, targets, alone), targets) > 0.99  # what leaking would give
    assert r_squared(held_out(codes, targets, groups), targets) < 0


def test_the_strength_is_chosen_without_the_held_out(rng):
    """What is told of a fold does not change with the fold's own targets."""
    x, y, groups = rng.normal(size=(60, 3)), rng.normal(size=60), np.arange(12).repeat(5)
    told = held_out(x, y, groups, seed=4)
    for group in range(12):
        changed = np.where(groups == group, y + 100, y)
        again = held_out(x, changed, groups, seed=4)
        assert np.array_equal(again[groups == group], told[groups == group])


def test_ridge_against_the_normal_equations(rng):
    from restora.evaluation.linear_probe import STRENGTHS, _ridge

    x, y, other = rng.normal(2, 3, (30, 4)), rng.normal(size=30), rng.normal(size=(5, 4))
    x[:, 3] = 7  # says nothing and breaks nothing
    told = _ridge(x, y, other)
    scale = np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    z, far = (x - x.mean(axis=0)) / scale, (other - x.mean(axis=0)) / scale
    for strength, line in zip(STRENGTHS, told, strict=True):
        weights = np.linalg.solve(z.T @ z + 30 * strength * np.eye(4), z.T @ (y - y.mean()))
        assert line == pytest.approx(far @ weights + y.mean(), rel=1e-6)


@pytest.fixture
def pictures(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for number, path in enumerate(paths):
        noise = np.random.default_rng(number).normal(0, 20, (48, 48, 3))
        plane = 128 + 60 * np.sin(np.arange(48) / (2 + number))[:, None]
        Image.fromarray((plane + noise).clip(0, 255).astype(np.uint8)).save(path)
    return paths


def test_measured_from_pictures(pictures):
    """A code that counts gray levels of detail knows the quality; a constant one does not."""
    shapes = []

    def see(pixels):
        shapes.append((pixels.shape, pixels.dtype.name, float(pixels.max()) <= 1))
        fine = np.abs(np.diff(pixels, axis=0)).mean()
        return Codes(np.float32([fine, np.log(fine)]), np.ones(3, np.float32))

    seen = []
    report = measure_decoupling(
        pictures, {"gray": Weight(1, see), "color": Weight(3, see)},
        progress=lambda *at: seen.append(at),
    )  # fmt: skip
    assert (seen[0], seen[-1]) == ((0, 12), (12, 12))
    assert shapes == [((48, 48, 1), "float32", True)] * 60 + [((48, 48, 3), "float32", True)] * 60
    assert [(row.weight, row.code, row.numbers) for row in report.rows] == [
        ("gray", "sensitive", 2), ("gray", "insensitive", 3),
        ("color", "sensitive", 2), ("color", "insensitive", 3),
    ]  # fmt: skip
    assert report.rows[1].r2 == pytest.approx(0)
    assert report.rows[0].r2 > report.rows[1].r2
    assert DecouplingReport.model_validate_json(report.model_dump_json()) == report
    table = markdown(report)
    assert "| gray | insensitive | 3 | 0.000 | < 0.3 | no | 22.2 | 50 % | 50 % | 1.0 |" in table
    assert "6 pictures saved at 10, 20, 30, 40, 50, 60, 70, 80, 90; ridge regression" in table


def test_a_dead_code_is_not_decoupled(rng):
    """It tells nothing of the quality because it tells nothing at all."""
    shape = (10, len(QUALITIES), 6)
    alive = rng.normal(size=(10, 1, 6))
    same = probe(alive[:, 0], np.broadcast_to(alive, shape), weight="w", code="insensitive")
    assert same.met
    assert same.rank > 4
    dead = probe(np.ones((10, 6)), np.ones(shape), weight="w", code="insensitive")
    assert not dead.met
    assert dead.rank == 1


def test_too_few_pictures(pictures):
    with pytest.raises(UsageError, match="5 folds by picture need 5 pictures, not 4"):
        measure_decoupling(pictures[:4], {})
    with pytest.raises(UsageError, match="5 folds by picture need 5 pictures, not 2"):
        held_out(np.zeros((4, 1)), np.zeros(4), [0, 0, 1, 1])
