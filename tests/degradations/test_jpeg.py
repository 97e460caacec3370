"""The tensor JPEG against libjpeg-turbo, and what both must do."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from restora.degradations.jpeg import JpegBatch, compress


def photo(height_px=112, width_px=112, seed=0):
    """A picture with smooth parts, edges and fine detail, (H, W, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height_px, :width_px]
    base = 128 + 60 * np.sin(x / 17 + seed) + 50 * np.cos(y / 11)
    base = base + 60 * ((x // 23 + y // 31) % 2) + rng.normal(0, 6, base.shape)
    tint = np.stack([base, base * 0.8 + 20 * np.sin(y / 9), 200 - 0.5 * base], axis=-1)
    return tint.clip(0, 255).astype(np.uint8)


def as_batch(*pictures):
    stack = np.stack([p[..., None] if p.ndim == 2 else p for p in pictures])
    return torch.from_numpy(stack).permute(0, 3, 1, 2)


def difference(picture, quality):
    """Tensor JPEG less libjpeg-turbo's, in gray levels."""
    ours = JpegBatch()(as_batch(picture), torch.tensor([quality]))[0].permute(1, 2, 0).numpy()
    return ours.reshape(picture.shape) - compress(picture, quality).astype(float)


@pytest.mark.parametrize("quality", [5, 10, 30, 50, 75, 90, 95])
def test_gray_agrees_with_libjpeg(quality):
    error = difference(photo()[..., 1], quality)
    assert np.abs(error).mean() < 0.5
    assert abs(error.mean()) < 0.03


@pytest.mark.parametrize("quality", [5, 10, 30, 50, 75, 90, 95])
def test_color_agrees_with_libjpeg(quality):
    picture = photo()
    error = difference(picture, quality)
    damage = np.abs(compress(picture, quality).astype(float) - picture).mean()
    assert np.abs(error).mean() < min(0.6, 0.2 * damage)


@pytest.mark.parametrize("shape", [(2, 3), (9, 17), (15, 33)])
def test_odd_sizes_agree_too(shape):
    assert np.abs(difference(photo(*shape), 40)).mean() < 1.5


def test_each_picture_has_its_own_quality():
    pictures = as_batch(photo(seed=1), photo(seed=2))
    jpeg = JpegBatch()
    both = jpeg(pictures, torch.tensor([10, 80]))
    assert torch.equal(both[0], jpeg(pictures[:1], torch.tensor([10]))[0])
    assert torch.equal(both[1], jpeg(pictures[1:], torch.tensor([80]))[0])


@given(st.integers(1, 100), st.integers(1, 100))
def test_a_second_save_on_the_grid_changes_little(first, second):
    """Saved again at the same quality, a gray picture stays as it is but for rounding."""
    once = JpegBatch()(as_batch(photo(32, 32)[..., 0]), torch.tensor([first]))
    again = JpegBatch()(once, torch.tensor([first]))
    assert (once - again).abs().mean() < 1.5
    other = JpegBatch()(once, torch.tensor([second]))
    assert ((other >= 0) & (other <= 255) & (other == other.round())).all()


def test_lower_quality_does_more_damage():
    picture = photo()
    damage = [np.abs(compress(picture, q).astype(float) - picture).mean() for q in (5, 20, 50, 90)]
    assert damage == sorted(damage, reverse=True)
