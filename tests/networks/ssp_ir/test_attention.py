"""Layers that read image tokens, or pixels by the window."""

import pytest
import torch

from restora.networks.local_norm import localise
from restora.networks.ssp_ir.attention import Guide, PixelGuide, _join, _windows
from restora.networks.ssp_ir.config import AttentionConfig


def made(kind, *, form="light", window=None, zero_init=False, local=False):
    torch.manual_seed(0)
    config = AttentionConfig(form=form, window=window, zero_init=zero_init)
    layer = kind(config, channels=8, heads=2, dim=6, groups=4).eval()
    if local:
        localise(layer)
    return layer


@pytest.mark.parametrize("form", ["light", "full"])
@torch.no_grad()
def test_it_starts_as_nothing(form):
    x, tokens = torch.randn(2, 8, 4, 6), torch.randn(2, 5, 6)
    assert torch.equal(made(Guide, form=form, zero_init=True)(x, tokens), x)
    guide = made(Guide, form=form)
    told = guide(x, tokens)
    assert told.shape == x.shape
    assert (told - x).abs().max() > 0.01
    assert (told - guide(x, tokens + 1)).abs().max() > 1e-3
    # Tokens have no order.
    assert torch.allclose(guide(x, tokens.flip(1)), told, atol=1e-5)


@torch.no_grad()
def test_windows_are_cut_and_joined():
    x = torch.arange(2.0 * 3 * 4 * 6).reshape(2, 3, 4, 6)
    cut = _windows(x, 2)
    assert cut.shape == (2 * 6, 3, 2, 2)
    assert torch.equal(cut[1], x[0, :, :2, 2:4])
    assert torch.equal(cut[6 + 5], x[1, :, 2:, 4:])
    assert torch.equal(_join(cut, 2, 3), x)


@pytest.mark.parametrize("form", ["light", "full"])
@torch.no_grad()
def test_a_window_is_the_same_whatever_tile_it_is_in(form):
    guide = made(PixelGuide, form=form, window=2, local=True)
    x, skip = torch.randn(2, 8, 8, 12), torch.randn(2, 6, 8, 12)
    whole = guide(x, skip)
    tile = (..., slice(2, 6), slice(4, 10))
    assert torch.allclose(guide(x[tile], skip[tile]), whole[tile], atol=1e-5)
    # It sees its own window, all of it, and no other.
    moved = skip.clone()
    moved[:, :, 2, 4] += 3
    away = (guide(x, moved) - whole).abs().amax(dim=(0, 1)) > 1e-6
    assert away[2:4, 4:6].all()
    assert away.sum() == 4


@torch.no_grad()
def test_without_windows_each_place_sees_all():
    guide = made(PixelGuide)
    x, skip = torch.randn(1, 8, 4, 6), torch.randn(1, 6, 4, 6)
    moved = skip.clone()
    moved[:, :, 0, 0] += 3
    assert ((guide(x, moved) - guide(x, skip)).abs().amax(dim=1) > 1e-6).all()
