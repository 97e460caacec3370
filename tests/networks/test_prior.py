"""The compact prior: local norms, a codec that starts as principal components, SD's schedule."""

import pytest
import torch
from torch import nn

from restora.networks.local_norm import LocalNorm, localise
from restora.networks.prior import (
    Codec,
    PriorConfig,
    make_unet,
    set_components,
    signal_and_noise,
)


@pytest.fixture
def tiny(sodiff_config):
    return sodiff_config.prior


def shown(count=2, side=32, seed=0):
    """Smooth pictures (count, 3, side, side)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, side // 8, side // 8, generator=generator)
    return nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("groups", [1, 4])
def test_a_local_norm_looks_at_one_place_alone(groups):
    norm = LocalNorm(groups, 32)
    x = torch.randn(2, 32, 6, 5)
    out = norm(x)
    assert torch.allclose(norm(x[:, :, 2:4, 1:3]), out[:, :, 2:4, 1:3], atol=1e-6)
    apart = out.view(2, groups, 32 // groups, 6, 5)
    assert apart.mean(dim=2).abs().max() < 1e-5
    assert apart.square().mean(dim=2).sub(1).abs().max() < 1e-2


def test_a_local_norm_is_what_group_norm_is_for_a_single_place():
    local, group = LocalNorm(4, 8), nn.GroupNorm(4, 8)
    x = torch.randn(3, 8, 1, 1)
    assert torch.allclose(local(x), group(x), atol=1e-5)


def test_a_local_norm_is_what_it_says():
    """By hand, also where features have three axes, as attention has them."""
    norm = LocalNorm(1, 32)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    for x in (torch.randn(2, 32, 6, 5), torch.randn(2, 32, 7)):
        centred = x - x.mean(1, keepdim=True)
        normal = centred * torch.rsqrt(centred.square().mean(1, keepdim=True) + 1e-5)
        shape = (-1, *[1] * (x.ndim - 2))
        wanted = normal * norm.weight.view(shape) + norm.bias.view(shape)
        assert torch.allclose(norm(x), wanted, atol=1e-6)


@pytest.mark.parametrize("groups", [1, 4])
def test_a_local_norm_holds_in_half_precision(groups):
    norm = LocalNorm(groups, 32)
    x = (300 * torch.randn(2, 32, 6, 5)).half()  # whose squares half precision cannot hold
    out = norm(x)
    assert out.dtype == torch.half
    assert torch.allclose(out.float(), norm(x.float()), atol=2e-3)


def test_no_group_norm_is_left_in_a_local_prior(tiny):
    module = nn.Sequential(nn.GroupNorm(2, 4), nn.Sequential(nn.GroupNorm(2, 4)))
    localise(module)
    assert not any(isinstance(m, nn.GroupNorm) for m in module.modules())
    for part in (Codec(tiny), make_unet(tiny)):
        assert not any(isinstance(m, nn.GroupNorm) for m in part.modules())


def test_a_fresh_codec_keeps_the_principal_components_and_no_more(tiny):
    torch.manual_seed(0)
    codec = Codec(tiny)
    picture = shown(8, 64)
    assert codec.is_fresh
    set_components(codec, picture)
    with torch.no_grad():
        mean, spread = codec.moments(picture)
        drawn = codec.decode(mean)
    assert mean.shape == (8, 8, 16, 16)
    assert torch.allclose(mean.std(dim=(0, 2, 3)), torch.ones(8), atol=0.02)
    assert spread.max() < 0.01
    # What is lost is the spread along the components left out, and nothing else.
    x = nn.functional.pixel_unshuffle(picture * 2 - 1, 4).transpose(0, 1).flatten(1)
    left_out = torch.linalg.eigvalsh(torch.cov(x))[:-8].clamp_min(0).sum() / 48
    assert ((drawn - picture) * 2).square().mean().item() == pytest.approx(
        left_out.item(), rel=0.02
    )


def test_codec_and_unet_work_on_any_multiple_and_alike_on_a_part_of_it(tiny):
    torch.manual_seed(0)
    codec, unet = Codec(tiny).eval(), make_unet(tiny).eval()
    for parameter in codec.parameters():
        nn.init.normal_(parameter, std=0.1)
    codec, unet = codec.double(), unet.double()  # small spreads make rounding loud
    picture, tokens = shown(1, 320).double(), torch.randn(1, 3, 24).double()

    def run(pixels):
        with torch.no_grad():
            latent = codec.encode(pixels)
            return codec.decode(latent), unet(latent, torch.tensor([500]), tokens).sample

    whole, part = run(picture), run(picture[:, :, :256, :256])
    assert whole[0].shape == picture.shape
    assert tiny.multiple_px == 8
    for all_of_it, some, side in zip(whole, part, (32, 8), strict=True):
        assert torch.allclose(all_of_it[:, :, :side, :side], some[:, :, :side, :side], atol=1e-9)


def test_the_schedule_is_that_of_stable_diffusion(tiny):
    signal, noise = signal_and_noise(tiny.schedule)
    assert len(signal) == 1000
    assert torch.allclose(signal.square() + noise.square(), torch.ones(1000), atol=1e-6)
    for timestep, gains in {99: (1.06, 0.34), 399: (1.53, 1.16), 999: (14.6, 14.6)}.items():
        assert 1 / signal[timestep].item() == pytest.approx(gains[0], rel=0.01)
        assert (noise / signal)[timestep].item() == pytest.approx(gains[1], rel=0.01)


def test_a_linear_map_stands_beside_one_scale():
    with pytest.raises(ValueError, match="beside it the VAE has one scale, not 2"):
        PriorConfig.model_validate({"codec": {"linear": True, "widths": [8, 8]}})


def test_scales_must_agree():
    with pytest.raises(ValueError, match="equally long"):
        PriorConfig.model_validate({"unet": {"widths": [8, 8], "reads": [True], "heads": [1, 1]}})
