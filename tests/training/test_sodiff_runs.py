"""A SODiff's run: it resumes exactly, and belongs to its stage, its critic and its encoders."""

import pytest
import torch

from restora.errors import UsageError
from restora.training.checkpoint import load_checkpoint
from restora.training.loop import LATEST, Trainer, train

STAGES = ("codec", "prior", "prompt", "predictor", "one-step")
REGRESSED = {"regressor": "fbcnn-color-compact", "residual": True}


@pytest.mark.parametrize(
    ("stage", "network"), [*((stage, {}) for stage in STAGES), ("one-step", REGRESSED)]
)
def test_a_stage_resumes_to_the_last_bit(sodiff_recipe, photos, tmp_path, stage, network):
    """Weights, their average and what is trained beside them."""
    recipe = sodiff_recipe(
        stage, network=network, data={"batch": 6}, critic_weight=0.01, warmup=0.0
    )
    through = Trainer(recipe, photos)
    for _ in range(6):
        through.advance()
    train(recipe, photos, out=tmp_path, stop=iter([False, False, True]).__next__)
    resumed = Trainer(recipe, photos)
    resumed.resume(tmp_path / LATEST)
    assert resumed.step == 3
    for _ in range(3):
        resumed.advance()
    companions = [
        trainer.task.extra_state().get("companions", {}) for trainer in (through, resumed)
    ]
    assert (stage in ("prompt", "one-step")) == bool(companions[0])
    for one, other in (
        (through.network.state_dict(), resumed.network.state_dict()),
        (through.ema.weights, resumed.ema.weights),
        companions,
    ):
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert torch.equal(other[name], value), name


def test_a_run_belongs_to_its_stage(sodiff_recipe, photos, tmp_path):
    train(sodiff_recipe("codec"), photos, out=tmp_path, stop=lambda: True)
    with pytest.raises(UsageError, match="stage codec, not prior; choose another folder"):
        Trainer(sodiff_recipe("prior"), photos).resume(tmp_path / LATEST)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ({"critic_weight": 0.0}, {}, "with the critic off, not on; choose another folder"),
        ({}, {"critic_weight": 0.0}, "with the critic on, not off"),
        ({}, {"critic_lora": 2}, "with the critic on, not on and sodiff.critic_lora 2"),
    ],
)
def test_a_run_belongs_to_its_critic(sodiff_recipe, photos, tmp_path, before, after, message):
    train(sodiff_recipe("one-step", **before), photos, out=tmp_path, stop=lambda: True)
    with pytest.raises(UsageError, match=message):
        Trainer(sodiff_recipe("one-step", **after), photos).resume(tmp_path / LATEST)


def test_a_run_belongs_to_its_encoders(sodiff_recipe, photos, tmp_path):
    train(sodiff_recipe("prior"), photos, out=tmp_path, stop=lambda: True)
    found = load_checkpoint(tmp_path / LATEST)
    assert found.encoders.keys() == {"captioner", "text encoder"}
    other = sodiff_recipe("prior", captioner="static:a picture of a dog")
    with pytest.raises(UsageError, match=r"was trained with the captioner .*, not .*; take that"):
        Trainer(other, photos).resume(tmp_path / LATEST)
    # Started from, other captions are another experiment; another text encoder is none.
    assert (
        Trainer(other, photos, encoders=found.encoders).encoders["captioner"]
        != (found.encoders["captioner"])
    )
    with pytest.raises(UsageError, match="What is started from: was trained with the text encoder"):
        Trainer(other, photos, encoders={"text encoder": "clip:77x768:0"})


def test_a_stage_without_words_keeps_whose_words_were_taught(sodiff_recipe, photos, tmp_path):
    recipe = sodiff_recipe("one-step", critic_weight=0.0, captioner="no such captioner")
    taught = {"captioner": "tags:1:0", "text encoder": "minilm:384x16:0"}
    train(recipe, photos, out=tmp_path, stop=lambda: True, encoders=taught)
    assert load_checkpoint(tmp_path / LATEST).encoders == taught
    resumed = Trainer(recipe, photos)
    resumed.resume(tmp_path / LATEST)
    assert resumed.snapshot().encoders == taught
