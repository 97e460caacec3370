"""The network: sizes, shapes, the dial, the identity at the start."""

import pytest
import torch

from restora.networks.cost import count_macs_per_pixel
from restora.networks.fbcnn import FBCNN, FBCNNConfig

TINY = FBCNNConfig(
    widths=(4, 8, 8), blocks=(1, 1, 1), predictor_blocks=1, mlp=8,
    unshuffle=2, residual=True, gate_scale=2.0,
)  # fmt: skip


def live(config=TINY):
    """A network whose every part does something, the tail too."""
    torch.manual_seed(0)
    network = FBCNN(config).eval()
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    return network


@pytest.mark.parametrize(("channels", "parameters"), [(1, 71_919_490), (3, 71_921_796)])
def test_published_size(channels, parameters):
    with torch.device("meta"):
        network = FBCNN.__new__(FBCNN)
        # The start values of 72 million weights are not needed to count them.
        network._initialise = lambda: None
        network.__init__(FBCNNConfig(channels=channels))
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_published_cost():
    """2.71 million multiply-adds a pixel, without the predictor's linear layers."""
    config = FBCNNConfig(widths=(16, 32, 64, 128), predictor_blocks=4, mlp=8)
    # Every convolution of the published network has 16 times the weights of this narrow one,
    # but for head and tail, which have 4 times.
    narrow = count_macs_per_pixel(FBCNN(config))
    ends = 2 * 9 * 16
    assert (narrow - ends) * 16 + ends * 4 == pytest.approx(2_707_000, rel=0.01)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (16, 16), (33, 50)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_comes_back(size, channels):
    network = live(TINY.model_copy(update={"channels": channels}))
    restored, strength = network(torch.rand(2, channels, *size))
    assert restored.shape == (2, channels, *size)
    assert strength.shape == (2, 1)
    assert ((strength >= 0) & (strength <= 1)).all()


def test_starts_as_the_identity():
    picture = torch.rand(1, 1, 32, 32)
    assert torch.equal(FBCNN(TINY)(picture)[0], picture)


def test_nan_means_the_prediction():
    network, picture = live(), torch.rand(2, 1, 32, 32)
    blind, strength = network(picture)
    given = torch.tensor([[torch.nan], [0.9]])
    mixed, _ = network(picture, given)
    assert torch.allclose(mixed[0], blind[0])
    assert not torch.allclose(mixed[1], blind[1])
    told, _ = network(picture, strength)
    assert torch.allclose(told, blind, atol=1e-6)


def test_every_parameter_learns():
    network = live()
    restored, strength = network(torch.rand(2, 1, 32, 32))
    (restored.square().mean() + strength.mean()).backward()
    without = [n for n, p in network.named_parameters() if p.grad is None]
    assert without == []


def test_luma_and_chroma_inside_change_nothing_at_the_start():
    config = TINY.model_copy(update={"channels": 3, "ycbcr": True})
    picture = torch.rand(1, 3, 20, 20)
    assert torch.allclose(FBCNN(config)(picture)[0], picture, atol=1e-6)
