"""The filter bank: what each channel answers to, at every octave and any size."""

import math

import pytest
import torch

from restora.networks.perceptual import FilterBank, LiteFeatures
from restora.networks.perceptual.filter_bank import DIRECTIONS, gabor_filters

SIDE = 96


@pytest.fixture(scope="module")
def bank():
    return FilterBank()


def wave(wavelength_px, angle, phase=0.0, amplitude=0.1):
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    along = x * math.cos(angle) + y * math.sin(angle)
    gray = 0.5 + amplitude * torch.cos(2 * math.pi / wavelength_px * along + phase)
    return gray.expand(1, 3, -1, -1)


@pytest.mark.parametrize("octave", [0, 1, 2])
@pytest.mark.parametrize("direction", range(DIRECTIONS))
def test_a_wave_is_found_in_its_octave_and_direction(bank, octave, direction):
    angle = math.pi * direction / DIRECTIONS
    stages = bank(wave(3 * 2**octave, angle))
    means = torch.stack([stage[0, :DIRECTIONS].mean((1, 2)) for stage in stages])
    assert divmod(int(means.argmax()), DIRECTIONS) == (octave, direction)
    pyramid = (1, 0.56, 0.49)[
        octave
    ]  # what the pyramid leaves of it: cos(pi/6)^4, then cos(pi/12)^4
    assert means.max().item() == pytest.approx(0.1 * pyramid, rel=0.15)


def test_the_phase_of_a_wave_does_not_matter(bank):
    first, other = (bank(wave(6, 0.3, phase))[1][..., 4:-4, 4:-4] for phase in (0.0, 1.3))
    magnitudes = first[:, :DIRECTIONS], other[:, :DIRECTIONS]
    assert (magnitudes[0] - magnitudes[1]).abs().max() < 0.1 * magnitudes[0].max()


def test_filters_are_blind_to_constants_and_of_unit_gain():
    filters = gabor_filters()
    assert filters.shape == (8, 1, 7, 7)
    assert filters.sum((1, 2, 3)).abs().max() < 1e-6


def test_low_pass_channels_are_luma_and_chroma(bank):
    red = torch.tensor([1.0, 0.0, 0.0])[:, None, None].expand(1, 3, 32, 32)
    for stage in bank(red):
        low = stage[0, DIRECTIONS:].mean((1, 2))
        assert torch.allclose(low, torch.tensor([0.299, 0.5 - 0.168736, 1.0]), atol=1e-4)
        assert stage[0, :DIRECTIONS].max() < 1e-3


@pytest.mark.parametrize("features", [FilterBank(), FilterBank(5), LiteFeatures()])
@pytest.mark.parametrize("size", [(1, 1), (17, 9), (64, 64)])
def test_any_size_gives_the_promised_channels(features, size):
    stages = features(torch.rand(2, 3, *size))
    assert tuple(stage.shape[1] for stage in stages) == features.channels
    halved = size
    for stage in stages:
        halved = tuple(-(-length // 2) for length in halved)
        assert stage.shape[2:] == halved
        assert stage.min() >= 0


def test_lite_features_are_those_of_the_classifier_by_sign():
    from restora.semantics.efficientnet_lite import load_classifier

    classifier = load_classifier("lite0")
    picture = torch.rand(1, 3, 32, 32)
    levels = classifier.levels(picture)[:4]
    for stage, level in zip(LiteFeatures(classifier)(picture), levels, strict=True):
        positive, negative = stage.chunk(2, dim=1)
        assert torch.equal(positive - negative, level)


@pytest.mark.parametrize("features", [FilterBank(), LiteFeatures()])
def test_gradients_reach_the_picture_and_nothing_else(features):
    picture = torch.rand(1, 3, 32, 32, requires_grad=True)
    sum(stage.sum() for stage in features(picture)).backward()
    assert picture.grad.abs().min() >= 0 and picture.grad.abs().max() > 0
    assert not list(features.parameters())
