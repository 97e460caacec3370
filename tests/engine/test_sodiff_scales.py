"""A SODiff as large sizes have it: tiles on a wider grid, and a network that sees all of each."""

import numpy as np
import pytest
import torch

from restora.engine.models import weight_facts
from restora.engine.plan import Wishes
from restora.engine.restorer import Restorer
from restora.errors import UsageError
from restora.images import read_bytes
from restora.networks.sodiff.config import SODiffConfig
from restora.networks.sodiff.network import SODiff
from restora.networks.weight_files import write_safetensors

WIDE = {
    "codec": {"unshuffle": 4, "widths": [8, 8], "latents": 4, "linear": False, "attention": True},
    "unet": {"widths": [8] * 4, "reads": [False] * 3 + [True], "heads": [2] * 4},
}


@pytest.fixture(scope="module")
def restorer():
    return Restorer(threads=1)


@pytest.fixture
def wide(sodiff_raw, tmp_path):
    """One whose sides are multiples of 64, with attention over all of a tile."""
    for name, changes in WIDE.items():
        sodiff_raw["prior"][name] |= changes
    sodiff_raw["prior"]["unet"]["self_attention"] = True
    torch.manual_seed(0)
    network = SODiff(SODiffConfig.model_validate(sodiff_raw)).eval()
    path = tmp_path / "wide.safetensors"
    write_safetensors(path, network.config, network.state_dict())
    return str(path)


@pytest.mark.parametrize("size", [(3, 20), (70, 300)])
def test_tiles_are_as_the_network_wants_them(restorer, wide, jpeg, size):
    facts = weight_facts(wide)
    assert (facts.multiple_px, facts.local) == (64, False)
    picture = read_bytes(jpeg(*size), name="x")
    plan = restorer.plan(picture, None, Wishes(model=wide, tile_px=256, seed=1, ensemble=2))
    assert plan.grid_px == 64
    assert ("other tiles give" in plan.explain()) == (size[1] > 256)
    made = restorer.run(picture, plan).pixels
    assert made.shape == picture.pixels.shape
    assert np.isfinite(made).all()


def test_a_tile_that_is_none_is_refused(restorer, wide):
    with pytest.raises(UsageError, match=r"tile of 272 pixels does not work; .* multiple of 64"):
        restorer.load(Wishes(model=wide, tile_px=272))
