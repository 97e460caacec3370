"""A SODiff by its card: four graphs of ONNX, without PyTorch the same as with it."""

from pathlib import Path

import numpy as np
import pytest

from restora.engine.backend import PREDICT
from restora.engine.backend_torch_sodiff import SodiffTorchBackend
from restora.engine.models import open_backend, weight_facts
from restora.engine.noise import NoiseField
from restora.engine.plan import Wishes
from restora.engine.restorer import Restorer
from restora.engine.tiles import lay_grid
from restora.errors import UsageError
from restora.images import read_bytes
from restora.networks.weight_files import read_weights, write_safetensors


@pytest.fixture(scope="module")
def light(sodiff_card):
    return open_backend(sodiff_card, device="cpu", threads=1, precision="float")


@pytest.fixture(scope="module")
def loaded(sodiff_card):
    return read_weights(Path(sodiff_card))


@pytest.fixture(scope="module")
def restorer():
    return Restorer(threads=1)


def test_the_backends_agree(light, loaded, pixels):
    full = SodiffTorchBackend(loaded.config, loaded.weights)
    tiles = np.stack([pixels(seed=0), pixels(seed=1)])
    draw = NoiseField(3, lay_grid(96, 128, tile_px=128, overlap_px=16)).of([(0, 0), (0, 0)])
    for whole in (None, np.concatenate(list(tiles))):
        told = [None if whole is None else each.survey(whole) for each in (light, full)]
        for given in (None, draw):
            a, b = (
                each.encode(tiles, guidance, draw=given)
                for each, guidance in zip((light, full), told, strict=True)
            )
            assert a.quality == pytest.approx(b.quality, abs=0.1)
            assert np.array_equal(a.choice, b.choice)
            for quality, insist in [(PREDICT, False), (10.0, True), (90.0, True)]:
                expected = light.decode(a, quality, insist=insist)
                assert np.abs(expected - tiles).max() > 1e-2
                assert np.abs(expected - full.decode(b, quality, insist=insist)).max() < 1e-3


def test_the_card_tells_the_timesteps(sodiff_card, small_sodiff):
    facts = weight_facts(sodiff_card)
    assert facts.timesteps == small_sodiff.config.candidates
    assert (facts.channels, facts.torch) == (3, False)


@pytest.mark.parametrize("seed", [None, 7])
def test_a_restoration_is_the_same_with_pytorch(
    restorer, sodiff_card, loaded, jpeg, tmp_path, seed
):
    path = tmp_path / "small.safetensors"
    write_safetensors(path, loaded.config, loaded.weights)
    data = jpeg(70, 300)
    a, b = (
        restorer.restore(data, Wishes(model=model, tile_px=256, seed=seed, constraint="off"))
        for model in (sodiff_card, str(path))
    )
    assert np.abs(a.picture.pixels - b.picture.pixels).max() < 1e-3
    assert a.plan.reasons == b.plan.reasons
    assert np.abs(a.picture.pixels - read_bytes(data, name="x").pixels).max() > 0.02


@pytest.mark.parametrize(("size", "mode"), [((1, 1), "RGB"), ((3, 300), "L"), ((97, 33), "RGB")])
def test_any_size_comes_back(restorer, sodiff_card, jpeg, size, mode):
    wishes = Wishes(model=sodiff_card, constraint="hard", ensemble=2)
    result = restorer.restore(jpeg(*size, mode=mode), wishes)
    assert result.picture.pixels.shape == (*size, 1 if mode == "L" else 3)
    assert result.inside == 1


def test_there_is_no_8_bit_form(restorer, sodiff_card, jpeg):
    with pytest.raises(UsageError, match="needs a model with an 8-bit form"):
        restorer.restore(jpeg(), Wishes(model=sodiff_card, precision="int8"))
