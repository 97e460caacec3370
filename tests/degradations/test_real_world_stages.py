"""Real-world damage, each other stage alone: noise, sizes, JPEG, sharpening."""

from dataclasses import replace

import pytest
import torch

from restora.degradations.jpeg import JpegBatch
from restora.degradations.real_world import sharpen
from restora.degradations.real_world.noise import noise_of, noisy
from restora.degradations.real_world.pipeline import compressed
from restora.degradations.real_world.resize import resized, size_at
from restora.degradations.real_world.settings import Noise

HISS = Noise("gaussian", 20 / 255, gray=False, seed=3)
SHOT = Noise("poisson", 2.0, gray=False, seed=3)


def flat(level, side=120):
    return torch.full((3, side, side), level)


def test_gaussian_noise_has_its_level_and_no_colour_in_common():
    noise = noise_of(flat(0.5), HISS)
    assert float(noise.std()) == pytest.approx(20 / 255, rel=0.03)
    assert abs(float(noise.mean())) < 0.002
    assert abs(float(torch.corrcoef(noise.flatten(1))[0, 1])) < 0.05


@pytest.mark.parametrize("noise", [HISS, SHOT])
def test_gray_noise_is_equal_in_the_channels(noise):
    picture = torch.rand(3, 30, 30)
    drawn = noise_of(picture, replace(noise, gray=True))
    assert drawn.shape == picture.shape
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(*noise_of(picture, noise)[:2])


def test_poisson_noise_grows_as_the_root_of_brightness():
    levels = (0.0, 0.25, 1.0)
    spread = [float(noise_of(flat(level), SHOT).std()) for level in levels]
    assert spread == pytest.approx([2 * (level / 256) ** 0.5 for level in levels], rel=0.03)
    assert float(noise_of(flat(0.5), SHOT).std()) == pytest.approx(SHOT.sigma, rel=0.03)
    assert abs(float(noise_of(flat(1.0), SHOT).mean())) < 0.003


def test_noise_belongs_to_its_seed_and_its_picture():
    pictures = torch.stack([flat(0.5, 20), flat(0.5, 20), flat(0.99, 20)])
    first, again, bright = noisy(pictures, [HISS, HISS, replace(HISS, seed=4)])
    assert torch.equal(first, again)
    assert float(bright.max()) == 1
    assert not torch.equal(first, noisy(pictures[:1], [replace(HISS, seed=4)])[0])


@pytest.mark.parametrize("interpolation", ["area", "bilinear", "bicubic"])
def test_resizing_meets_the_size_and_keeps_a_constant(interpolation):
    for size in ((7, 13), (40, 50), (1, 1), (20, 30)):
        result = resized(torch.full((2, 3, 20, 30), 0.4), size, interpolation)
        assert result.shape == (2, 3, *size)
        assert float((result - 0.4).abs().max()) < 1e-5


def test_a_size_is_never_below_one_pixel():
    assert size_at((37, 53), 0.25) == (9, 13)
    assert size_at((1, 2), 0.15) == (1, 1)


def test_jpeg_is_the_jpeg_of_the_house():
    pictures = torch.rand(2, 3, 19, 21)
    expected = JpegBatch()(pictures * 255, torch.tensor([30, 90]))
    assert torch.equal(compressed(pictures, [30, 90]) * 255, expected / 255 * 255)


def test_sharpening_steepens_edges_and_leaves_the_rest():
    clean = torch.full((1, 3, 60, 90), 0.3)
    clean[..., 45:] = 0.6
    clean[..., :5, :] += 0.01
    sharp = sharpen(clean)
    assert sharp.shape == clean.shape
    assert float(sharp[0, 0, 30, 45] - sharp[0, 0, 30, 44]) > 0.35
    slight = torch.full((1, 3, 60, 90), 0.3)
    slight[..., 45:] += 0.02  # five levels
    torch.testing.assert_close(sharpen(slight), slight)
    assert sharpen(torch.rand(1, 3, 1, 1)).shape == (1, 3, 1, 1)
