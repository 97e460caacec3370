"""Noise has a place in the picture, whoever asks for it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restora.engine.noise import BLOCK, NoiseField
from restora.engine.tiles import lay_grid


@given(
    height_px=st.integers(1, 400),
    width_px=st.integers(1, 400),
    tile_px=st.sampled_from([128, 192, 256]),
    overlap_px=st.sampled_from([16, 32, 64]),
    step_px=st.sampled_from([1, 4, 16]),
    number=st.integers(0, 50),
    seed=st.integers(0, 2**70),
)
def test_it_does_not_depend_on_the_tiles(
    height_px, width_px, tile_px, overlap_px, step_px, number, seed
):
    whole_grid = lay_grid(height_px, width_px, tile_px=512, overlap_px=overlap_px)
    sides = [axis.tile_px // step_px for axis in (whole_grid.rows, whole_grid.columns)]
    (whole,) = NoiseField(seed, whole_grid).of([(0, 0)])((1, 2, *sides), number)
    grid = lay_grid(height_px, width_px, tile_px=tile_px, overlap_px=overlap_px)
    places = list(grid)
    height, width = (axis.tile_px // step_px for axis in (grid.rows, grid.columns))
    tiles = NoiseField(seed, grid).of(places)((len(places), 2, height, width), number)
    for tile, (row, column) in zip(tiles, places, strict=True):
        top, left = grid.rows.origins[row] // step_px, grid.columns.origins[column] // step_px
        assert np.array_equal(tile, whole[:, top : top + height, left : left + width])


def test_it_is_normal_and_no_two_fields_or_places_are_alike():
    grid = lay_grid(512, 512, tile_px=512, overlap_px=16)
    shape = (1, 3, 512, 512)
    fields = [NoiseField(seed, grid).of([(0, 0)])(shape, n) for seed in (0, 1) for n in (0, 1)]
    blocks = np.stack(fields).reshape(4, 3, 512 // BLOCK, BLOCK, 512 // BLOCK, BLOCK)
    rows = blocks.transpose(0, 1, 2, 4, 3, 5).reshape(-1, BLOCK * BLOCK)
    assert abs(rows.mean()) < 0.003
    assert rows.std() == pytest.approx(1, abs=0.003)
    assert np.mean(rows**4) == pytest.approx(3, abs=0.03)
    near = rows @ rows.T / rows.shape[1] - np.eye(len(rows))  # neither from block to block
    near[np.diag_indices(len(near))] = 0
    assert np.abs(near).max() < 6 / BLOCK
    assert abs((rows[:, 1:] * rows[:, :-1]).mean()) < 0.003  # nor from place to place


def test_the_same_seed_is_the_same_noise_for_good():
    grid = lay_grid(64, 64, tile_px=128, overlap_px=16)
    noise = NoiseField(7, grid).of([(0, 0)])((1, 3, 64, 64), 2)
    again = NoiseField(7, grid).of([(0, 0)])((1, 3, 64, 64), 2)
    assert np.array_equal(noise, again)
    assert noise[0, 0, 0, :3] == pytest.approx([0.8986164, -0.2985636, 1.2815114], abs=1e-6)
