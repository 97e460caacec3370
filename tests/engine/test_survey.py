"""The survey: equal to the network's own pooling, whatever the windows and the tiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restora.engine.backend_torch_dagn import DagnTorchBackend
from restora.engine.ensemble import Ensemble, _view
from restora.engine.models import open_backend
from restora.engine.survey import OVERLAP_PX, WINDOW_PX, Maps, pool
from restora.engine.tiles import GRID_PX, lay_axis
from restora.networks.cells import LEVELS


@pytest.fixture(scope="module")
def backend(small_dagn):
    return DagnTorchBackend(small_dagn.config, small_dagn.state_dict())


def picture(height_px, width_px, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.random((height_px // 8 + 1, width_px // 8 + 1), np.float32)
    smooth = np.kron(coarse, np.ones((8, 8), np.float32))[:height_px, :width_px, None]
    return np.clip(smooth + 0.05 * rng.standard_normal(smooth.shape, np.float32), 0, 1)


def pooled_whole(network, pixels):
    """What the network itself makes of the padded picture, as four arrays."""
    import torch

    height, width = pixels.shape[:2]
    padding = ((0, -height % 16), (0, -width % 16), (0, 0))
    padded = np.pad(pixels, padding, "edge").transpose(2, 0, 1)[None]
    with torch.no_grad():
        return [each.numpy() for each in network.pool(network.look(torch.from_numpy(padded)))]


@given(st.integers(1, 9000), st.sampled_from([16, 32, 64, 160]))
def test_shares_are_the_whole_without_overlap(length_px, overlap_px):
    axis = lay_axis(length_px, tile_px=512, overlap_px=overlap_px)
    end = 0
    for number, origin in enumerate(axis.origins):
        start, before = axis.share(number)
        assert start == end
        assert start % GRID_PX == 0
        assert origin + (overlap_px // 2 // 16 * 16 if number else 0) <= start < before
        assert before <= origin + axis.tile_px
        end = before
    assert end == -(-length_px // 16) * 16


@pytest.mark.parametrize(
    "size", [(1, 1), (40, 130), (WINDOW_PX, 96), (90, 1500), (1010, 800)], ids=str
)
def test_equals_the_networks_own_pooling(small_dagn, backend, size):
    """To the last digits with several windows too: the compact encoders see half an overlap."""
    pixels = picture(*size)
    found = backend.survey(pixels)
    expected = pooled_whole(small_dagn, pixels)
    each = (found.sensitive, found.insensitive, found.keys, found.values)
    for array, other in zip(each, expected, strict=True):
        assert array.dtype == np.float32
        assert array.shape == other.shape
        assert np.abs(array - other).max() < 1e-5


def test_windows_tell_when_they_are_done_and_can_be_stopped(backend):
    done = []
    pixels = picture(48, 2000)
    backend.survey(pixels, check=lambda: done.append(1))
    assert len(done) == len(lay_axis(2000, tile_px=WINDOW_PX, overlap_px=OVERLAP_PX).origins) == 4

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backend.survey(pixels, check=stop)


def test_some_networks_want_none():
    fbcnn = open_backend("fbcnn-gray-compact", device="cpu", threads=1, precision="float")
    assert fbcnn.survey(picture(40, 900)) is None
    assert Ensemble(fbcnn, 4).survey(picture(40, 900)) is None


def test_many_pictures_at_once():
    rng = np.random.default_rng(0)
    maps = Maps(*(rng.random((3, channels, 5, 7), np.float32) for channels in (4, 4, 2, 2)))
    found = pool(maps)
    assert np.allclose(found.sensitive, maps.sensitive.mean(axis=(2, 3)))
    assert np.allclose(found.keys[:, 0], maps.keys.mean(axis=(2, 3)))
    assert found.values.shape == (3, 85, 2)
    assert found.rows(3) is found
    alone = pool(
        Maps(*(array[2:] for array in (maps.sensitive, maps.insensitive, maps.keys, maps.values)))
    )
    assert np.array_equal(alone.rows(4).values, found.values[[2, 2, 2, 2]])


@pytest.mark.parametrize("size", [(64, 48), (33, 900)])
def test_an_ensemble_has_the_guidance_of_every_turned_picture(small_dagn, backend, size):
    pixels = picture(*size)
    views = Ensemble(backend, 8).survey(pixels)
    assert len(views) == 8
    padded = np.pad(pixels, ((0, -size[0] % 16), (0, -size[1] % 16), (0, 0)), "edge")
    for number, found in enumerate(views):
        expected = pooled_whole(small_dagn, _view(padded[None], number)[0])
        assert np.abs(found.sensitive[0] - expected[0]).max() < 1e-5
        assert np.abs(found.insensitive[0] - expected[1]).max() < 1e-5
        first = 0
        for level in LEVELS:  # the same anchors in another order
            some = slice(first, first := first + level**2)
            for a, b in (
                (found.keys[0], expected[2][0]),
                (found.values[0], expected[3][0]),
            ):
                assert np.abs(np.sort(a[some], axis=0) - np.sort(b[some], axis=0)).max() < 1e-5
