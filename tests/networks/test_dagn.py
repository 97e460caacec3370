"""DAGN: sizes, the dial, what each switch turns off, the identity at the start."""

import pytest
import torch
from torch.nn import functional

from restora.networks.cost import count_macs_per_pixel
from restora.networks.dagn import DAGN, DAGNConfig
from restora.networks.fusion import LEVELS, cell_means, pyramid


@pytest.fixture
def picture():
    return torch.rand(2, 1, 48, 64, generator=torch.Generator().manual_seed(3))


def switched(network, **switches):
    """The same weights with parts switched on or off."""
    other = DAGN(network.config.model_copy(update=switches)).eval()
    other.load_state_dict(network.state_dict())
    return other


@pytest.mark.parametrize(("channels", "parameters"), [(1, 111_442_946), (3, 111_457_796)])
def test_published_size(channels, parameters):
    with torch.device("meta"):
        network = DAGN.__new__(DAGN)
        network._initialise = lambda: None  # start values are not needed to count them
        network.__init__(DAGNConfig(channels=channels))
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_the_cost_counts_the_survey(small_dagn):
    """By hand: the stem of an encoder is 25 by 4 at a quarter of the pixels."""
    with_survey = count_macs_per_pixel(small_dagn)
    survey = 0
    for before, after, strides in [(4, 4, 16), (4, 8, 64), (8, 16, 256), (16, 32, 256)]:
        shortcut = 0 if before == after else before * after
        survey += (9 * before * after + 9 * after * after + shortcut) / strides
    survey = 2 * (25 * 4 / 4 + survey) + 2 * 32 * 6 / 256
    unet = 2 * 9 * 4 * 8 / 4  # head and tail
    for width, blocks, pixels in [(8, 3, 4), (12, 3, 16), (16, 2, 64)]:
        unet += blocks * 2 * 9 * width * width / pixels
    unet += 2 * (4 * 8 * 12 / 16 + 4 * 12 * 16 / 64)  # down and up
    assert with_survey == pytest.approx(unet + survey + 2 * 16 * 6 / 64, abs=1)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (16, 16), (33, 50)])
def test_any_size_comes_back(small_dagn, size):
    restored, strength = small_dagn(torch.rand(2, 1, *size))
    assert restored.shape == (2, 1, *size)
    assert ((strength > 0) & (strength < 1)).all()


@pytest.mark.parametrize("length", [1, 3, 8, 13, 48])
def test_cells_are_those_of_adaptive_pooling(length):
    features = torch.rand(2, 5, length, 2 * length + 1)
    pooled = [functional.adaptive_avg_pool2d(features, n).flatten(2) for n in LEVELS]
    expected = torch.cat(pooled, dim=2).transpose(1, 2)
    assert torch.allclose(pyramid(features), expected, atol=1e-6)
    assert torch.allclose(cell_means(length, 8, features).sum(dim=1), torch.ones(8))


def test_starts_as_the_identity(small_dagn, picture):
    assert torch.equal(DAGN(small_dagn.config)(picture)[0], picture)


def test_fusion_changes_nothing_before_it_is_trained(small_dagn, picture):
    network = DAGN(small_dagn.config).eval()
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    restored, _ = network(picture)
    assert not torch.allclose(restored, picture, atol=1e-3)
    assert torch.equal(switched(network, fusion=False)(picture)[0], restored)


@torch.no_grad()
def test_each_switch_turns_its_own_guidance_off(small_dagn, picture):
    """With a switch off nothing depends on what that guidance is told; with it on, all does."""
    told = small_dagn.pool(small_dagn.look(picture))
    noise = [torch.rand_like(part) for part in told]
    strength, none = torch.full((2, 1), 0.8), torch.zeros(2, 1)

    def run(network, changed):
        codes = [noise[k] if k == changed else told[k] for k in range(len(told))]
        features = network.analyse(picture, codes[2], codes[3])
        return network.reconstruct(picture, features, codes[0], codes[1], strength, none)

    for switch, place in [("sensitive", 0), ("insensitive", 1), ("fusion", 3)]:
        off = switched(small_dagn, **{switch: False})
        assert torch.equal(run(off, place), run(off, None))
        assert not torch.allclose(run(small_dagn, place), run(small_dagn, None), atol=1e-6)
        assert not torch.allclose(run(off, None), run(small_dagn, None), atol=1e-6)


@torch.no_grad()
def test_the_dial_turns_and_insisting_leaves_the_code_out(small_dagn, picture):
    asked = [
        small_dagn(picture, torch.full((2, 1), 1 - quality / 100), torch.ones(2, 1))[0]
        for quality in (10, 80)
    ]
    assert (asked[0] - asked[1]).abs().mean() > 1e-4
    blind, predicted = small_dagn(picture)
    told, _ = small_dagn(picture, predicted)
    assert torch.allclose(blind, told, atol=1e-6)
    nan, _ = small_dagn(picture, torch.full((2, 1), torch.nan))
    assert torch.equal(nan, blind)
