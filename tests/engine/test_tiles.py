"""Tiles cover a picture, keep the grid, and blend to what the whole would give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restora.engine.tiles import GRID_PX, lay_axis, lay_grid, run_tiled
from restora.errors import UsageError

lengths = st.integers(1, 5000)
overlaps = st.sampled_from([16, 32, 64])


@given(lengths, overlaps, st.sampled_from([128, 256, 512]))
def test_axis_covers_on_the_grid(length_px, overlap_px, tile_px):
    axis = lay_axis(length_px, tile_px=tile_px, overlap_px=overlap_px)
    assert axis.tile_px <= tile_px
    assert axis.tile_px % GRID_PX == 0
    assert all(origin % GRID_PX == 0 for origin in axis.origins)
    assert axis.origins[0] == 0
    assert axis.origins[-1] < length_px <= axis.origins[-1] + axis.tile_px


@given(lengths, overlaps)
def test_weights_sum_to_one_everywhere(length_px, overlap_px):
    axis = lay_axis(length_px, tile_px=256, overlap_px=overlap_px)
    total = np.zeros(axis.origins[-1] + axis.tile_px, np.float32)
    for number, origin in enumerate(axis.origins):
        total[origin : origin + axis.tile_px] += axis.weights(number)
    assert np.allclose(total, 1, atol=1e-6)


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([1, 3]))
def test_a_local_operator_is_the_same_tiled_and_whole(height_px, width_px, channels):
    pixels = np.random.default_rng(height_px).random((height_px, width_px, channels), np.float32)
    grid = lay_grid(height_px, width_px, tile_px=128, overlap_px=32)
    out = run_tiled(pixels, lambda tiles, _: 1 - tiles, grid)
    assert out.shape == pixels.shape
    assert np.allclose(out, 1 - pixels, atol=1e-6)


def test_an_operator_that_looks_around_shows_no_seams():
    pixels = np.random.default_rng(0).random((300, 400, 1), np.float32)

    def blur(tiles, _=0):
        padded = np.pad(tiles, ((0, 0), (7, 7), (7, 7), (0, 0)), mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (15, 15), axis=(1, 2))
        return windows.mean(axis=(-1, -2), dtype=np.float32)

    grid = lay_grid(300, 400, tile_px=128, overlap_px=32)
    inner = (slice(0, 290), slice(0, 390))  # past the picture the edge is padded further than 7
    assert np.allclose(
        run_tiled(pixels, blur, grid)[inner], blur(pixels[None])[0][inner], atol=1e-6
    )


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_batches_change_nothing_and_progress_counts_every_tile(batch):
    done, firsts = [], []
    pixels = np.random.default_rng(0).random((300, 200, 1), np.float32)
    grid = lay_grid(300, 200, tile_px=128, overlap_px=32)

    def operator(tiles, first):
        firsts.append(first)
        assert len(tiles) <= batch
        return tiles

    out = run_tiled(pixels, operator, grid, batch=batch, progress=done.append)
    assert np.allclose(out, pixels, atol=1e-6)
    assert sum(done) == len(grid) > 4
    assert firsts == list(range(0, len(grid), batch))


def test_a_tile_too_small_for_its_overlap_is_refused():
    with pytest.raises(
        UsageError, match="A tile of 48 pixels does not work; choose a multiple of 16, at least 128"
    ):
        lay_axis(1000, tile_px=48, overlap_px=64)
