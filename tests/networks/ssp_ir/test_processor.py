"""The structure prior and the refine layer."""

import pytest
import torch

from restora.networks.ssp_ir.config import FrontConfig, ProcessorConfig, RefinerConfig
from restora.networks.ssp_ir.processor import Processor
from restora.networks.ssp_ir.refiner import RefineLayer

FRONTS = {
    "published": FrontConfig(widths=(8,), blocks=2),
    "compact": FrontConfig(widths=(8, 12, 16), blocks=1, unshuffle=2, gain=True),
}


@pytest.fixture(params=FRONTS)
def front(request):
    return FRONTS[request.param]


def processor_of(*, front=None, factor=8, widths=(8, 8, 12, 16)):
    torch.manual_seed(0)
    config = ProcessorConfig(widths=widths, front=front)
    return Processor(config, channels=20, factor=factor).eval()


@pytest.mark.parametrize(("factor", "places"), [(8, (4, 6)), (4, (8, 12)), (2, (16, 24))])
@torch.no_grad()
def test_features_are_as_large_as_the_latent(factor, places):
    made = processor_of(factor=factor)(torch.rand(2, 3, 32, 48))
    assert made.features.shape == (2, 20, *places)
    assert [tuple(head.shape) for head in made.heads] == [
        (2, 3, 16, 24), (2, 3, 8, 12), (2, 3, 4, 6),
    ]  # fmt: skip


@torch.no_grad()
def test_nothing_is_told_at_first():
    processor = processor_of()
    picture = torch.rand(1, 3, 16, 16)
    assert not processor(picture).features.any()
    torch.nn.init.normal_(processor.tail.weight)
    told = processor(picture).features
    assert told.any()
    assert not torch.allclose(processor(1 - picture).features, told)


@torch.no_grad()
def test_a_front_end_changes_no_picture_at_first(front):
    picture = torch.rand(1, 3, 16, 16)
    assert processor_of()(picture).picture is picture
    processor = processor_of(front=front)
    made = processor(picture)
    assert torch.allclose(made.picture, picture, atol=1e-6)
    assert len(made.heads) == 4
    assert torch.allclose(made.heads[0], picture * 2 - 1, atol=1e-6)
    torch.nn.init.normal_(processor.front.tail.weight)
    assert not torch.allclose(processor(picture).picture, picture, atol=0.01)


@torch.no_grad()
def test_what_the_front_end_made_feeds_the_rest(front):
    processor = processor_of(front=front)
    picture = torch.rand(1, 3, 16, 16)
    before = processor(picture).heads
    processor.front.tail.bias += 1
    after = processor(picture).heads
    assert all((a - b).abs().max() > 1e-6 for a, b in zip(before, after, strict=True))


@torch.no_grad()
def test_a_gain_says_how_much_of_a_value_stays(front):
    processor = processor_of(front=front)
    picture = torch.rand(1, 3, 16, 16)
    made = processor.front.tail.bias
    made[len(made) // 2 :] = -0.25
    found, x = processor(picture).heads[0], picture * 2 - 1
    if front.gain:
        assert torch.allclose(found, 0.75 * x, atol=1e-5)
    else:  # there is but what is added
        assert len(made) == 3


@torch.no_grad()
def test_the_refine_layer_sees_each_token_by_itself():
    torch.manual_seed(0)
    layer = RefineLayer(RefinerConfig(layers=2, hidden=16, dim=8), 12)
    tokens = torch.randn(2, 5, 12)
    made = layer(tokens)
    assert made.shape == (2, 5, 8)
    assert torch.allclose(layer(tokens.flip(1)).flip(1), made, atol=1e-6)
    kinds = [type(part).__name__ for part in layer.layers]
    assert kinds == ["Linear", "LayerNorm", "LeakyReLU"] * 2 + ["Linear"]
    alone = RefineLayer(RefinerConfig(layers=0, dim=8), 12).layers
    assert [type(part).__name__ for part in alone] == ["Linear"]
