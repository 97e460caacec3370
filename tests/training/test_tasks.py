"""Losses by hand, and what a validation says."""

import numpy as np
import pytest
import torch
from PIL import Image

from restora.networks.fbcnn import FBCNN
from restora.training.data import Batch
from restora.training.sections import TrainRecipe
from restora.training.tasks import Validation, fbcnn_loss


def batch_of(error, quality=(50.0,)):
    """Pairs that differ by ``error`` (B, C, H, W)."""
    return Batch(
        clean=torch.full_like(error, 0.5),
        degraded=0.5 + error,
        quality=torch.tensor(quality),
        teach=torch.zeros(len(quality), dtype=torch.bool),
        dice=torch.zeros(len(quality)),
        photo=torch.zeros(len(quality), dtype=torch.int64),
    )


def nothing(strength):
    """A network that changes nothing and always predicts ``strength``."""
    return lambda pictures, given: (pictures, torch.full((len(pictures), 1), strength))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 0.02),  # mean of 0.03, 0.03 and 0.0
        ({"pixel_loss": "mse"}, (2 * 0.03**2) / 3),
        ({"pixel_loss": "rms"}, np.sqrt((2 * 0.03**2) / 3 + 1e-6)),
        # Y of (0.03, 0.03, 0) is 0.02658, Cb -0.015, Cr 0.00244
        ({"chroma_weight": 20.0}, 0.02658 + 20 * (0.015**2 + 0.00244**2)),
    ],
)
def test_pixel_losses(settings, expected):
    error = torch.tensor([0.03, 0.03, 0.0])[None, :, None, None].expand(1, 3, 4, 4)
    _, parts = fbcnn_loss(nothing(0.5), batch_of(error), TrainRecipe(**settings))
    assert parts["pixel"].item() == pytest.approx(expected, rel=1e-3)


def test_the_quality_loss_is_in_strength():
    settings = TrainRecipe(quality_weight=0.1)
    batch = batch_of(torch.zeros(2, 1, 4, 4), quality=(50.0, 90.0))
    loss, parts = fbcnn_loss(nothing(0.3), batch, settings)
    assert parts["quality"].item() == pytest.approx((0.2 + 0.2) / 2)
    assert loss.item() == pytest.approx(0.1 * 0.2)


def test_the_controller_is_taught_where_the_batch_says_so():
    seen = []

    def network(pictures, given):
        seen.append(given)
        return pictures, torch.full((2, 1), 0.5)

    batch = batch_of(torch.zeros(2, 1, 4, 4), quality=(10.0, 20.0))
    batch.teach[1] = True
    fbcnn_loss(network, batch, TrainRecipe())
    assert torch.isnan(seen[0][0]).all()
    assert seen[0][1].item() == pytest.approx(0.8)


def test_a_sample_without_a_quality_teaches_the_pixels_alone():
    predicted = torch.full((2, 1), 0.5, requires_grad=True)
    batch = batch_of(torch.zeros(2, 1, 4, 4), quality=(30.0, float("nan")))
    batch.teach[:] = True
    given = []

    def network(pictures, strength):
        given.append(strength)
        return pictures, predicted

    loss, parts = fbcnn_loss(network, batch, TrainRecipe())
    assert parts["quality"].item() == pytest.approx(0.2 / 2)
    assert torch.isnan(given[0][1]).all()
    loss.backward()
    assert predicted.grad[0] != 0
    assert predicted.grad[1] == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_validation_of_a_network_that_changes_nothing(tmp_path, recipe, channels):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(coarse).resize((300, 300)).save(tmp_path / "a.png")
    network = FBCNN(recipe.network.model_copy(update={"channels": channels}))
    scores = Validation(tmp_path, channels=channels)(network)
    for quality in ("10", "40", "10_50"):
        assert scores[f"psnr_{quality}"] == pytest.approx(scores[f"jpeg_{quality}"])
    assert scores["jpeg_40"] > scores["jpeg_10"] + 1
