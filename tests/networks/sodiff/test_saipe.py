"""SAIPE and D_up: sizes, any picture, gradients."""

import pytest
import torch
from pydantic import ValidationError

from restora.networks.sodiff.reconstruction import Reconstruction
from restora.networks.sodiff.saipe import PUBLISHED, SAIPE, SAIPEConfig

SMALL = SAIPEConfig(
    side_px=64, channels=8, stem=4, stages=1, heads=2, performer_heads=2, performer_head_dim=4,
    queries=5, query_heads=2, token_dim=12, recon_heads=2, recon_width=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return SAIPE(SMALL).eval()


def picture(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(3))


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_published_size():
    with torch.device("meta"):
        network, up = SAIPE(PUBLISHED), Reconstruction(PUBLISHED)
    assert parameters(network) == 18_944_428
    assert parameters(up) == 2_334_381
    assert network.to("meta")(torch.empty(1, 3, 512, 512, device="meta")).shape == (1, 77, 1024)


def test_compact_size():
    with torch.device("meta"):
        network, up = SAIPE(SAIPEConfig()), Reconstruction(SAIPEConfig())
    assert parameters(network) == 983_584
    assert parameters(up) == 133_107


@pytest.mark.parametrize("size", [(1, 1), (7, 200), (64, 64), (33, 50), (130, 70)])
@torch.no_grad()
def test_any_picture_gives_a_prompt(small, size):
    prompt = small(picture(2, 3, *size))
    assert prompt.shape == (2, 5, 12)
    assert prompt.isfinite().all()
    assert small.trunk(picture(2, 3, *size)).shape == (2, 8, 16, 16)


@torch.no_grad()
def test_the_prompt_tells_of_the_picture(small):
    """Pictures of one batch do not see each other, and tokens differ."""
    pair = picture(2, 3, 64, 64)
    prompt = small(pair)
    assert not torch.allclose(prompt[0], prompt[1], atol=1e-3)
    assert not torch.allclose(prompt[0, 0], prompt[0, 1], atol=1e-3)
    assert torch.allclose(small(pair[1:]), prompt[1:], atol=1e-5)


@torch.no_grad()
def test_the_trunk_sees_the_size_it_wants_as_it_is(small):
    """Only other sizes are resized; a flat picture stays the same whatever its size."""
    flat = torch.full((1, 3, 64, 64), 0.3)
    assert torch.allclose(small.trunk(flat), small.trunk(flat[..., :20, :37]), atol=1e-5)


def test_the_picture_comes_back_and_gradients_reach_the_trunk(small):
    up = Reconstruction(SMALL)
    mid = small.trunk(picture(2, 3, 64, 64))
    restored = up(mid)
    assert restored.shape == (2, 3, 64, 64)
    small.zero_grad()
    restored.square().mean().backward()
    assert small.shallow[0].weight.grad.abs().sum() > 0
    assert small.embedder.embed.weight.grad is None


def test_every_parameter_learns(small):
    small.zero_grad()
    # The plain mean of what a normalisation gives hardly depends on what came in.
    (small(picture(2, 3, 64, 64)) * picture(5, 12)).square().sum().backward()
    still = [name for name, p in small.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


@torch.no_grad()
def test_a_batch_starts_at_the_tokens_bias():
    """A trainer may put the mean of its targets there."""
    network = SAIPE(SMALL)
    before = network(picture(1, 3, 64, 64))
    network.embedder.attention.bias += 2
    assert torch.allclose(network(picture(1, 3, 64, 64)), before + 2, atol=1e-5)
    assert SAIPE(SMALL.model_copy(update={"token_bias": False})).embedder.attention.bias is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"side_px": 62}, "side_px must be a multiple of 4, not 62"),
        ({"heads": 3}, "channels must be a multiple of 3, not 8"),
        ({"recon_heads": 5}, "channels must be a multiple of 5, not 8: each of D_up's"),
        ({"query_heads": 5}, "token_dim must be a multiple of 5, not 12"),
        ({"window": 5}, "grid must be a multiple of 5, not 16: windows tile"),
        ({"pool": 3}, "grid must be a multiple of 3, not 16: keys and values"),
        ({"kernels": (3, 4)}, r"kernels are odd, not \(3, 4\)"),
        ({"chanels": 8}, "chanels"),  # codespell:ignore chanels
    ],
)
def test_what_does_not_fit_is_said(change, message):
    with pytest.raises(ValidationError, match=message):
        SAIPEConfig(**{**SMALL.model_dump(), **change})


@pytest.mark.parametrize(
    "change",
    [
        {"performer_depth": 2, "performer_dim": 10},
        {"pool": 1, "kernels": (3,)},
        {"pool": 16, "fused_dim": 6},
        {"window": 16},
    ],
)
@torch.no_grad()
def test_other_shapes(change):
    network = SAIPE(SAIPEConfig(**{**SMALL.model_dump(), **change}))
    assert network(picture(1, 3, 64, 64)).shape == (1, 5, 12)
