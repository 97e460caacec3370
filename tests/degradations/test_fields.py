"""Smooth fields: random, shrunk, and along edges."""

import numpy as np
import pytest

from restora.degradations import fields


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 2), (70, 120)])
def test_smooth_noise_stays_within_0_and_1_at_every_size(shape):
    field = fields.smooth_noise(*shape, 3, np.random.default_rng(1))
    assert field.shape == shape
    assert field.dtype == np.float32
    assert 0 <= field.min() <= field.max() <= 1


def test_smooth_noise_is_smooth_and_not_flat():
    field = fields.smooth_noise(200, 200, 3, np.random.default_rng(1))
    assert np.ptp(field) > 0.3
    assert np.abs(np.diff(field, axis=0)).max() < 0.05
    assert np.abs(np.diff(field, axis=1)).max() < 0.05


def test_box_mean_is_the_mean_of_the_window():
    plane = np.random.default_rng(0).random((9, 14), np.float32)
    padded = np.pad(plane, 2, mode="edge")
    slow = [[padded[y : y + 5, x : x + 5].mean() for x in range(14)] for y in range(9)]
    np.testing.assert_allclose(fields.box_mean(plane, 2), slow, atol=1e-5)


def test_steps_of_a_coarse_field_fall_on_the_edges_of_the_guide():
    guide = np.full((160, 160), 0.2, np.float32)
    guide[:, 83:] = 0.8
    coarse = fields.resized((guide > 0.5).astype(np.float32), 20, 20, smooth=False)
    fine = fields.along_edges(coarse, guide)
    plain = fields.resized(coarse, 160, 160)
    assert fine[:, 83].mean() - fine[:, 82].mean() > 0.5
    assert plain[:, 83].mean() - plain[:, 82].mean() < 0.2
    assert fine[:, :60].max() < 0.2
    assert fine[:, 110:].min() > 0.8
