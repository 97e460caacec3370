"""SODiff's four stages: what each trains, what it leaves alone, and that it resumes exactly."""

import json

import numpy as np
import pytest
import torch

from restora.errors import RecipeError, UsageError
from restora.training.checkpoint import load_checkpoint
from restora.training.loop import LATEST, LOG, Trainer, train
from restora.training.sodiff.prompt_task import (
    ViewBatches,
    alignment_loss,
    contrast_loss,
    retrieval,
)
from restora.training.sodiff.regress import load_regressor
from restora.training.sodiff.views import read_views

STAGES = ("codec", "prior", "prompt", "predictor", "one-step")
TRAINED = {
    "codec": {"codec"},
    "prior": {"step"},
    "prompt": {"prompter"},
    "predictor": {"predictor"},
    "one-step": {"step", "predictor"},
}


def moved(trainer, steps=2):
    """Which parts of the network some steps changed, and the parts of the last loss."""
    before = {k: v.clone() for k, v in trainer.network.state_dict().items()}
    for _ in range(steps):
        parts = trainer.advance()
    after = trainer.network.state_dict()
    changed = {k.split(".")[0] for k in before if not torch.equal(before[k], after[k])}
    return changed, parts


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_trains_its_part_and_nothing_else(sodiff_recipe, photos, stage):
    trainer = Trainer(sodiff_recipe(stage, critic_weight=0.01), photos)
    changed, parts = moved(trainer)
    assert changed == TRAINED[stage]
    assert all(value.isfinite() for value in parts.values())


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_resumes_to_the_last_bit(sodiff_recipe, photos, tmp_path, stage):
    recipe = sodiff_recipe(stage, critic_weight=0.01, warmup=0.0)
    through = Trainer(recipe, photos)
    for _ in range(4):
        through.advance()
    train(recipe, photos, out=tmp_path, stop=iter([False, True]).__next__)
    resumed = Trainer(recipe, photos)
    resumed.resume(tmp_path / LATEST)
    assert resumed.step == 2
    for _ in range(2):
        resumed.advance()
    for name, value in through.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], value), name


def test_a_run_belongs_to_its_stage(sodiff_recipe, photos, tmp_path):
    train(sodiff_recipe("codec"), photos, out=tmp_path, stop=lambda: True)
    with pytest.raises(UsageError, match="stage codec, not prior; choose another folder"):
        Trainer(sodiff_recipe("prior"), photos).resume(tmp_path / LATEST)


def test_a_run_belongs_to_its_encoders(sodiff_recipe, photos, tmp_path):
    train(sodiff_recipe("prior"), photos, out=tmp_path, stop=lambda: True)
    found = load_checkpoint(tmp_path / LATEST)
    assert found.encoders.keys() == {"captioner", "text encoder"}
    other = sodiff_recipe("prior", captioner="static:a picture of a dog")
    with pytest.raises(UsageError, match="was trained with the captioner .*, not .*; take that"):
        Trainer(other, photos).resume(tmp_path / LATEST)


def test_the_codec_starts_at_the_components_and_its_spread_is_one(sodiff_recipe, photos):
    recipe = sodiff_recipe("codec", data={"clean_share": 1.0})
    trainer = Trainer(recipe, photos)
    batch = trainer.batches.batch(0)
    with torch.no_grad():
        latent = trainer.network.codec.encode(batch.clean)
        drawn = trainer.network.codec.decode(latent)
    assert latent.std().item() == pytest.approx(1, abs=0.5)  # of three patches
    assert (drawn - batch.clean).square().mean() < 0.3 * batch.clean.var()


def test_the_codec_keeps_what_a_run_before_it_learned(sodiff_recipe, photos):
    recipe = sodiff_recipe("codec")
    first = Trainer(recipe, photos)
    moved(first, 3)
    weights = {k: v.clone() for k, v in first.network.state_dict().items()}
    second = Trainer(recipe, photos, initial=weights)
    for name, value in second.network.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_lora_alone_learns_where_there_is_one(sodiff_recipe, photos):
    recipe = sodiff_recipe("one-step", network={"lora": {"rank": 2}}, critic_weight=0.0)
    trainer = Trainer(recipe, photos)
    before = {k: v.clone() for k, v in trainer.network.state_dict().items()}
    trainer.advance()
    after = trainer.network.state_dict()
    changed = {k for k in before if k.startswith("step.") and not torch.equal(before[k], after[k])}
    assert changed
    assert all(".lora_" in name for name in changed)


@pytest.mark.parametrize("network", [{"prompt": "learned"}, {"prompt": "cave"}])
def test_other_prompts_learn_with_the_unet(sodiff_recipe, photos, network):
    trainer = Trainer(sodiff_recipe("one-step", network=network, critic_weight=0.0), photos)
    changed, _ = moved(trainer)
    assert "prompter" in changed


def test_a_fixed_timestep_needs_no_choice(sodiff_recipe, photos):
    recipe = sodiff_recipe("one-step", network={"timestep": 399}, critic_weight=0.0)
    _, parts = moved(Trainer(recipe, photos), 1)
    assert "choice" not in parts


def test_a_step_may_start_from_what_regression_made(sodiff_recipe, photos):
    shipped = {"regressor": "fbcnn-color-compact", "residual": True}
    recipe = sodiff_recipe("one-step", network=shipped, critic_weight=0.0)
    trainer = Trainer(recipe, photos)
    torch.nn.init.zeros_(trainer.network.unet.conv_out.weight)
    torch.nn.init.zeros_(trainer.network.unet.conv_out.bias)
    batch = trainer.batches.batch(0)
    whole = trainer.task.whole(trainer.network.eval())
    with torch.no_grad():
        regressed = load_regressor("fbcnn-color-compact")(batch.degraded)[0].clamp(0, 1)
        assert torch.allclose(whole.start(batch.degraded), regressed, atol=1e-6)
        drawn = trainer.network.codec.decode(trainer.network.codec.encode(regressed))
        assert torch.allclose(whole(batch.degraded)[0], drawn, atol=1e-4)
    changed, _ = moved(trainer)
    assert changed == TRAINED["one-step"]
    with pytest.raises(UsageError, match="colour weight of FBCNN; fbcnn-gray-compact is not"):
        load_regressor("fbcnn-gray-compact")


def test_the_critic_learns_and_its_gradient_reaches_the_unet(sodiff_recipe, photos):
    """Only the critic pulls here, so what the U-Net does comes from it."""
    recipe = sodiff_recipe(
        "one-step", pixel_weight=0.0, distance_weight=0.0, critic_weight=1.0, warmup=0.0
    )
    trainer = Trainer(recipe, photos)
    critic = {k: v.clone() for k, v in trainer.task.critic.state_dict().items()}
    changed, parts = moved(trainer, 1)
    assert "step" in changed
    assert parts["critic"] > 0
    now = trainer.task.critic.state_dict()
    assert any(not torch.equal(critic[k], now[k]) for k in critic)


def test_no_optimiser_holds_what_is_frozen(sodiff_recipe, photos):
    trainer = Trainer(sodiff_recipe("one-step"), photos)
    held = {id(p) for group in trainer.task.optimiser.param_groups for p in group["params"]}
    network = trainer.network
    assert held.isdisjoint(id(p) for p in network.codec.parameters())
    assert held.isdisjoint(id(p) for p in network.prompter.parameters())
    assert {id(p) for p in network.predictor.parameters()} <= held


def test_validations_say_what_each_stage_is_for(sodiff_recipe, photos, photo_folder, tmp_path):
    rows = {}
    for stage in STAGES:
        out = tmp_path / stage
        recipe = sodiff_recipe(stage, critic_weight=0.0)
        train(
            recipe.model_copy(update={"train": recipe.train.model_copy(update={"steps": 4})}),
            photos, out=out, validation=photo_folder,
        )  # fmt: skip
        rows[stage] = json.loads((out / LOG).read_text().splitlines()[-1])
    assert rows["codec"]["codec_psnr"] > 10
    assert rows["prior"]["held_out_noise_500"] > 0
    assert 99 <= rows["predictor"]["timestep_0"] <= 599
    assert 0 <= rows["prompt"]["held_out_retrieval"] <= 1
    assert rows["prompt"]["held_out_chance"] == pytest.approx(1 / 3)
    assert {"psnr_5", "jpeg_20", "quality_error_10", "distance_after"} <= rows["one-step"].keys()
    assert "psnr_5" not in rows["codec"]


def test_views_are_made_once_and_tell_what_they_show(sodiff_recipe, photos):
    section = sodiff_recipe("prompt").sodiff
    made = read_views(photos, section, side_px=32, max_tokens=6)
    assert made.copies.shape == (3, 2, 3, 32, 32, 3)
    assert made.tokens.shape == (3, 2, 6, 384)
    assert made.captions[0] == ["a photo of a pier"] * 2
    clean, hard, mild = (made.copies[0, 0, n].astype(float) for n in range(3))
    assert np.abs(hard - clean).mean() > np.abs(mild - clean).mean()
    again = read_views(photos, section, side_px=32, max_tokens=6)
    assert isinstance(again.copies, np.memmap)
    assert np.array_equal(again.copies, made.copies)
    assert again.captions == made.captions
    quality = torch.tensor([100.0, float("nan"), 3.0, 12.0, 50.0, 99.0])
    assert made.nearest(quality).tolist() == [0, 0, 1, 1, 2, 2]


def test_view_batches_are_a_function_of_the_step(sodiff_recipe, photos):
    section = sodiff_recipe("prompt").sodiff
    views = read_views(photos, section, side_px=32, max_tokens=6)
    batches = ViewBatches(views, batch=2, seed=1)
    one, same, other = batches.batch(3), batches.batch(3), batches.batch(4)
    assert torch.equal(one.degraded, same.degraded)
    assert not torch.equal(one.clean, other.clean)
    assert one.clean.shape == one.degraded.shape == (2, 3, 32, 32)


def test_prompts_are_drawn_to_their_own_text():
    torch.manual_seed(0)
    text = torch.randn(5, 6, 8)
    mask = torch.ones(5, 6, dtype=torch.bool)
    own = torch.arange(5)
    assert alignment_loss(text, text, mask) == pytest.approx(0, abs=1e-5)
    assert alignment_loss(-text, text, mask) > 2
    assert contrast_loss(text, text) < contrast_loss(text.flip(0), text)
    near = text + 0.1 * torch.randn_like(text)
    assert retrieval(near, text, own) == 1
    assert retrieval(near, text, own.flip(0)) == pytest.approx(0.2)


def test_saipe_is_trained_only_where_it_is(sodiff_recipe):
    with pytest.raises(RecipeError, match="the stage prompt trains SAIPE"):
        sodiff_recipe("prompt", network={"prompt": "empty"})


def test_patches_must_suit_the_prior(sodiff_recipe, sodiff_raw):
    sodiff_raw["prior"]["codec"]["unshuffle"] = 16
    with pytest.raises(RecipeError, match=r"data\.patch_px is a multiple of 32 for this prior"):
        sodiff_recipe("codec")
