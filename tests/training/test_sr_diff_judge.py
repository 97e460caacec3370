"""The stage that teaches which task a picture needs."""

import numpy as np
import pytest
import torch
from PIL import Image

from restora.engine.judge import views
from restora.errors import UsageError
from restora.networks.sr_diff.judge import Judge
from restora.networks.sr_diff.network import SRDiff
from restora.training.data import PhotoStore
from restora.training.sr_diff.judge_task import (
    JudgeBatches,
    JudgeTask,
    figures,
    fit_temperature,
    judge_views,
)
from restora.training.sr_diff.judge_views import look, make_sample, read_judge_views
from restora.training.sr_diff.recipe import SRDiffRecipe

TASKS = ("dehaze", "derain", "deblur", "lowlight")


def recipe_of(judge=True, **train):
    return SRDiffRecipe.model_validate(
        {
            "name": "tiny", "method": "sr-diff",
            "network": {
                "tasks": list(TASKS), "token_dim": 16,
                "unet": {"width": 8, "multipliers": [1], "blocks": 1, "stem_px": 3,
                         "linear_attention": False, "self_attention": False, "head_dim": 8},
                "refiner": {"hidden": 8, "layers": 1, "heads": 2},
                "judge": {"side_px": 32, "widths": [24, 16]} if judge else None,
            },
            "data": {"patch_px": 32, "batch": 24},
            "train": {"steps": 40, "warmup_steps": 2, "decay_steps": 20, "lr": 1e-2, "ema": 0.0}
            | train,
            "srdiff": {"stage": "judge"},
        }
    )  # fmt: skip


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(24):
        coarse = rng.integers(0, 256, (9, 9, 3), np.uint8)
        picture = Image.fromarray(coarse).resize((80, 72), Image.Resampling.BICUBIC)
        picture.save(folder / f"photo-{number}.png")
    return PhotoStore.open(folder, cache=tmp_path / "cache")


def learn(recipe, photos):
    torch.manual_seed(0)
    network = SRDiff(recipe.network)
    task, batches = JudgeTask(recipe, network, photos), JudgeBatches(photos, recipe)
    parts = []
    for step in range(recipe.train.steps):
        for group in task.optimiser.param_groups:
            group["lr"] = recipe.train.lr_at(step)
        parts.append(task.step(batches.batch(step), done=step / recipe.train.steps))
    return network, task, parts


def test_it_learns_to_judge_and_fits_its_temperature(photos):
    recipe = recipe_of()
    network, task, parts = learn(recipe, photos)
    first, last = (torch.stack([p["judgement"] for p in some]).mean() for some in
                   (parts[:8], parts[-8:]))  # fmt: skip
    assert last < 0.9 * first
    assert float(network.judge.temperature) != 1
    found = task.monitor(network.eval(), [])
    assert set(found) == {"accuracy", "found", "false_alarms", "calibration_error"}
    assert all(0 <= value <= 1 for value in found.values())


def test_the_other_parts_stay_as_they_are(photos):
    recipe = recipe_of(steps=2)
    torch.manual_seed(0)
    fresh = SRDiff(recipe.network).state_dict()
    network, _, _ = learn(recipe, photos)
    changed = {k.split(".")[0] for k, v in network.state_dict().items() if not v.equal(fresh[k])}
    assert changed == {"judge"}


def test_a_batch_is_a_function_of_its_step(photos):
    recipe = recipe_of(steps=4)
    once, again = (JudgeBatches(photos, recipe) for _ in range(2))
    first, same, other = once.batch(3), again.batch(3), once.batch(2)
    assert first.seen.shape == (24, Judge(recipe.network.judge, TASKS).numbers)
    assert first.seen.equal(same.seen)
    assert first.labels.equal(same.labels)
    assert not first.seen.equal(other.seen)


def test_samples_are_kept_and_held_out_by_the_photo(photos):
    made = judge_views(photos, recipe_of())
    assert len(made.seen) == 40 * 24
    assert len(list(photos.cache.glob("*-judge.bin"))) == 1
    again = judge_views(photos, recipe_of())
    np.testing.assert_array_equal(made.seen, again.seen)
    assert not set(made.learned) & set(made.held_out)
    assert 0 < len(made.held_out) < len(made.learned)
    assert set(made.labels) == set(range(1 + len(TASKS)))


def test_one_photo_is_learned_from_and_judged_by(photos):
    one = PhotoStore(np.array(photos[0]).ravel(), [(0, 72, 80)])
    made = read_judge_views(one, Judge(recipe_of().network.judge, TASKS), count=6, seed=0)
    assert len(made.learned) == len(made.held_out) == 6


@pytest.mark.parametrize("task", TASKS)
def test_a_sample_with_damage_differs_from_the_same_without(photos, task):
    photo, seed = photos[1], (5, 6)
    sound, damaged = make_sample(photo, None, seed), make_sample(photo, task, seed)
    np.testing.assert_array_equal(damaged, make_sample(photo, task, seed))
    if sound.shape == damaged.shape:
        assert np.abs(sound.astype(int) - damaged).mean() > 2


def test_a_sample_is_seen_as_the_engine_shows_it():
    judge = Judge(recipe_of().network.judge, TASKS)
    picture = np.random.default_rng(0).integers(0, 256, (70, 100, 3), np.uint8)
    shown = views(picture.astype(np.float32) / 255, 32)
    np.testing.assert_allclose(
        look(judge, picture), judge.look(torch.from_numpy(shown))[0].numpy(), rtol=1e-6
    )


def test_the_temperature_undoes_too_much_and_too_little_certainty():
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(4000, 5, generator=generator)
    labels = torch.multinomial(torch.softmax(logits, 1), 1, generator=generator)[:, 0]
    assert fit_temperature(logits, labels) == pytest.approx(1, abs=0.1)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3, abs=0.3)
    honest, boasting = (figures(k * logits, labels)["calibration_error"] for k in (1, 3))
    assert honest < 0.03
    assert boasting > 0.1


def test_figures_by_hand():
    sure, unsure = 9.0, 1.0
    logits = torch.tensor([[sure, 0, 0], [0, sure, 0], [0, sure, 0], [0, unsure, 0], [0, 0, sure]])
    found = figures(logits, torch.tensor([0, 0, 1, 1, 1]))
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["false_alarms"] == pytest.approx(1 / 2)
    assert found["found"] == pytest.approx(1 / 3)


def test_averaged_weights_are_refused(photos):
    with pytest.raises(UsageError, match=r"train\.ema 0, not 0\.99"):
        JudgeTask(recipe_of(ema=0.99), SRDiff(recipe_of().network), photos)
