"""The time predictor: sizes, choices with gradients, buckets."""

import math

import pytest
import torch
from pydantic import ValidationError

from restora.networks.sodiff.time_predictor import (
    PUBLISHED,
    TimePredictor,
    TimePredictorConfig,
    balance_loss,
    bucket,
    choose,
    pick,
)


@pytest.fixture(scope="module")
def small():
    """With statistics of its own in every normalisation."""
    torch.manual_seed(0)
    network = TimePredictor(TimePredictorConfig(widths=(4, 6, 8, 8)))
    for _ in range(3):
        network(torch.rand(8, 3, 24, 24))
    return network.eval()


def noise(seed=0):
    return torch.Generator().manual_seed(seed)


def parameters(config):
    with torch.device("meta"):
        return sum(p.numel() for p in TimePredictor(config).parameters())


def test_published_and_compact_size():
    assert parameters(PUBLISHED) == 1_293_511
    assert parameters(TimePredictorConfig()) == 160_039


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (16, 16), (33, 50)])
@torch.no_grad()
def test_any_size(small, size):
    logits, strength = small(torch.rand(2, 3, *size))
    assert logits.shape == (2, 6)
    assert strength.shape == (2, 1)
    assert ((strength > 0) & (strength < 1)).all()


@torch.no_grad()
def test_the_same_picture_gives_the_same_whoever_is_beside_it(small):
    pictures = torch.rand(3, 3, 32, 32, generator=noise())
    logits, strength = small(pictures)
    assert torch.equal(small(pictures)[0], logits)
    assert torch.allclose(small(pictures[:1])[0], logits[:1], atol=1e-6)
    assert torch.allclose(small(pictures[:1])[1], strength[:1], atol=1e-6)


@torch.no_grad()
def test_features_are_an_eighth_and_can_be_pooled_outside(small):
    picture = torch.rand(1, 3, 64, 64, generator=noise())
    features = small.look(picture)
    assert features.shape == (1, 8, 8, 8)
    for whole, part in zip(small(picture), small.heads(features.mean(dim=(2, 3))), strict=True):
        assert torch.equal(whole, part)


@torch.no_grad()
def test_starts_blind_to_brightness_and_colour():
    network = TimePredictor(TimePredictorConfig())
    flat = torch.rand(4, 3, 1, 1, generator=noise()).expand(4, 3, 9, 9)
    inside = network.stem(flat)[..., 1:-1, 1:-1]
    assert torch.allclose(inside, network.stem.bias[:, None, None].expand_as(inside), atol=1e-4)


def test_choices_are_one_hot_and_every_logit_learns():
    logits = torch.randn(64, 6, generator=noise(), requires_grad=True)
    choice = choose(logits, 1.0, generator=noise(1))
    assert torch.equal(choice.detach().sort(dim=1).values[:, -1], torch.ones(64))
    assert torch.equal(choice.detach().sum(dim=1), torch.ones(64))
    assert set(choice.detach().unique().tolist()) == {0.0, 1.0}
    (choice * torch.tensor([99.0, 199, 299, 399, 499, 599])).sum().backward()
    assert (logits.grad.abs() > 0).all()


def test_soft_choices_have_the_gradient_of_the_hard_ones():
    price = torch.randn(6, generator=noise(5))
    logits = torch.randn(4, 6, generator=noise(), requires_grad=True)
    gradients = []
    for hard in (True, False):
        cost = (choose(logits, 0.7, generator=noise(1), hard=hard) * price).sum()
        gradients += torch.autograd.grad(cost, logits)
    assert torch.allclose(*gradients)
    soft = choose(logits, 0.7, generator=noise(1), hard=False)
    assert torch.allclose(soft.sum(dim=1), torch.ones(4))
    assert ((soft > 0) & (soft < 1)).all()


def test_choices_are_drawn_as_the_logits_say():
    """Gumbel noise on logits draws from their softmax."""
    logits = torch.tensor([0.0, 1.0, 2.0])
    drawn = choose(logits.expand(20_000, 3), 0.5, generator=noise()).mean(dim=0)
    assert torch.allclose(drawn, logits.softmax(dim=0), atol=0.015)


def test_noise_comes_from_the_generator():
    logits = torch.zeros(50, 6)
    first = choose(logits, 1.0, generator=noise(1))
    assert torch.equal(first, choose(logits, 1.0, generator=noise(1)))
    assert not torch.equal(first, choose(logits, 1.0, generator=noise(2)))


def test_picking_is_without_noise():
    logits = torch.randn(8, 6, generator=noise())
    assert torch.equal(pick(logits), logits.argmax(dim=1))
    assert torch.equal(pick(logits), pick(logits))
    assert torch.equal(pick(torch.tensor([[0.0, 3.0, 1.0]])), torch.tensor([1]))


def test_low_quality_gets_a_large_timestep():
    quality = torch.arange(1, 101)
    buckets = bucket((100 - quality)[:, None] / 100)
    assert buckets.shape == (100,)
    assert (buckets.diff() <= 0).all()
    assert buckets[0] == 5
    assert buckets[-1] == 0
    assert buckets.unique().numel() == 6
    assert torch.equal(bucket(torch.tensor([0.0, 0.5, 1.0]), 4), torch.tensor([0, 2, 3]))


def test_balance():
    assert float(balance_loss(torch.eye(6))) == pytest.approx(0, abs=1e-6)
    lonely = torch.eye(6)[[2, 2, 2]].requires_grad_()
    loss = balance_loss(lonely)
    assert float(loss.detach()) == pytest.approx(math.log(6), abs=1e-5)
    loss.backward()
    assert lonely.grad.isfinite().all()
    assert (lonely.grad[:, 2] > lonely.grad[:, 0]).all()  # away from what everyone chose


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"candidates": (99, 99)}, "candidates rise from 0"),
        ({"candidates": (-1, 99)}, "candidates rise from 0"),
        ({"candidates": (99,)}, "at least 2"),
        ({"widths": (0, 4)}, "widths are at least 1"),
        ({"width": (4,)}, "width"),
    ],
)
def test_what_makes_no_sense_is_said(change, message):
    with pytest.raises(ValidationError, match=message):
        TimePredictorConfig(**change)
