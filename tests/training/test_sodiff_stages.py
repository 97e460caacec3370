"""SODiff's five stages: what each trains, and what it leaves alone."""

import json
import logging
import shutil

import pytest
import torch

from restora.errors import RecipeError, UsageError
from restora.training.loop import LOG, Trainer, train
from restora.training.sodiff.prompt_task import alignment_loss, contrast_loss, retrieval
from restora.training.sodiff.regress import load_regressor

STAGES = ("codec", "prior", "prompt", "predictor", "one-step")
TRAINED = {
    "codec": {"codec"},
    "prior": {"step"},
    "prompt": {"prompter"},
    "predictor": {"predictor"},
    "one-step": {"step", "predictor"},
}
STILL = {"weight_decay": 0.0}  # else every weight that an optimiser holds moves
REGRESSED = {"regressor": "fbcnn-color-compact", "residual": True}


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
    trainer = Trainer(sodiff_recipe(stage, critic_weight=0.01, settings=STILL), photos)
    changed, parts = moved(trainer)
    assert changed == TRAINED[stage]
    assert all(value.isfinite() for value in parts.values())


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_learns_in_bfloat16(sodiff_recipe, photos, stage):
    settings = STILL | {"precision": "bf16"}
    trainer = Trainer(sodiff_recipe(stage, critic_weight=0.01, settings=settings), photos)
    changed, parts = moved(trainer, 1)
    assert changed == TRAINED[stage]
    assert all(value.isfinite() for value in parts.values())


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
    recipe = sodiff_recipe("one-step", network=REGRESSED, critic_weight=0.0, settings=STILL)
    trainer = Trainer(recipe, photos)
    unit = trainer.network.step.unit
    assert (unit > 0).all()
    assert unit.max() > 2 * unit.min()
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


@pytest.mark.parametrize("name", ["fbcnn-gray-compact", "dagn-color-compact", "fbcnn-colour"])
def test_regression_is_fbcnns_and_in_colour(name):
    with pytest.raises(UsageError, match=f"colour weight of FBCNN that ships; {name} is not"):
        load_regressor(name)


def test_the_critic_learns_and_its_gradient_reaches_the_unet(sodiff_recipe, photos):
    """Only the critic pulls here, so what the U-Net does comes from it."""
    recipe = sodiff_recipe(
        "one-step", pixel_weight=0.0, distance_weight=0.0, critic_weight=1.0, warmup=0.0,
        settings=STILL,
    )  # fmt: skip
    trainer = Trainer(recipe, photos)
    rival = trainer.task.rival.critic
    critic = {k: v.clone() for k, v in rival.state_dict().items()}
    changed, parts = moved(trainer, 1)
    assert "step" in changed
    assert parts["critic"] > 0
    now = rival.state_dict()
    assert any(not torch.equal(critic[k], now[k]) for k in critic)


@pytest.mark.parametrize("stage", ["predictor", "one-step"])
def test_a_batch_of_unknown_qualities_teaches_no_nonsense(sodiff_recipe, photos, stage):
    twice = {"double_share": 1.0, "clean_share": 0.0, "rescaled_share": 1.0}
    trainer = Trainer(sodiff_recipe(stage, data=twice, critic_weight=0.0), photos)
    assert trainer.batches.batch(0).quality.isnan().all()
    _, parts = moved(trainer, 1)
    assert parts["quality"] == parts["choice"] == 0
    assert all(value.isfinite().all() for value in trainer.network.state_dict().values())


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


def test_captions_from_files_are_not_asked_of_other_pictures(
    sodiff_recipe, photos, photo_folder, tmp_path, caplog
):
    for photo in list(photo_folder.iterdir()):
        photo.with_suffix(".txt").write_text(f"photo number {photo.stem}")
    validation = tmp_path / "validation"
    validation.mkdir()
    shutil.copy(photo_folder / "0.png", validation / "other.png")
    recipe = sodiff_recipe("prompt", captioner=f"file:{photo_folder}")
    with caplog.at_level(logging.WARNING):
        train(recipe, photos, out=tmp_path / "run", validation=validation, validate_every=3)
    rows = [json.loads(row) for row in (tmp_path / "run" / LOG).read_text().splitlines()]
    assert len(rows) == 3
    assert not any("held_out_retrieval" in row for row in rows)
    assert [r.message for r in caplog.records] == [
        "Held-out pictures have no captions in files: no held_out_retrieval."
    ]


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


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"view_qualities": []}, "sodiff.view_qualities: .* at least 1 item"),
        ({"view_qualities": [0]}, "sodiff.view_qualities.0: .* greater than or equal to 1"),
        ({"temperature": [1.0, 0.0]}, "sodiff.temperature.1: .* greater than 0"),
    ],
)
def test_settings_that_cannot_work_are_told(sodiff_recipe, section, message):
    with pytest.raises(RecipeError, match=message):
        sodiff_recipe("one-step", **section)


def test_the_critic_needs_timesteps(sodiff_recipe, sodiff_raw):
    sodiff_raw["prior"]["schedule"] = {"steps": 980}
    with pytest.raises(RecipeError, match=r"the critic draws timesteps up to 980: .*, not 980"):
        sodiff_recipe("one-step", critic_weight=0.01)
    assert sodiff_recipe("one-step", critic_weight=0.0)


def test_patches_must_suit_the_prior(sodiff_recipe, sodiff_raw):
    sodiff_raw["prior"]["codec"]["unshuffle"] = 16
    with pytest.raises(RecipeError, match=r"data\.patch_px is a multiple of 32 for this prior"):
        sodiff_recipe("codec")
