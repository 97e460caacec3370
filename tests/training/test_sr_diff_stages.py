"""SR-Diff's three stages: what each trains, that they resume exactly, and what they refuse."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from restora.engine.backend_torch_sr_diff import SrDiffTorchBackend
from restora.engine.samplers import sample
from restora.errors import InputError, UsageError
from restora.networks.sr_diff.network import SRDiff
from restora.training.checkpoint import load_checkpoint
from restora.training.initial import gather
from restora.training.loop import CURVE, LATEST, LOG, Trainer, train
from restora.training.sr_diff.pairs import PairBatch
from restora.training.sr_diff.restore_task import RestoreTask, draw_steps

TRAINED = {"refiner": "refiner", "judge": "judge", "restore": "unet"}
STILL = {"weight_decay": 0.0}  # else every weight that an optimiser holds moves
LOSSES = ("clean-l1", "clean-log", "noise-l1", "maxlik")


def fitted(recipe):
    """Weights of a fresh network whose refiner has been fitted, so that none needs to be."""
    torch.manual_seed(0)
    network = SRDiff(recipe.network)
    network.refiner.mean.fill_(0.4)
    network.refiner.scale.fill_(0.3)
    return network.state_dict()


def trainer_of(recipe, photos):
    return Trainer(recipe, photos, initial=fitted(recipe))


@pytest.mark.parametrize("stage", TRAINED)
def test_a_stage_resumes_to_the_last_bit(sr_diff_recipe, photos, tmp_path, stage):
    recipe = sr_diff_recipe(stage)
    through = trainer_of(recipe, photos)
    for _ in range(6):
        through.advance()
    train(
        recipe, photos, out=tmp_path, initial=fitted(recipe),
        stop=iter([False, False, True]).__next__,
    )  # fmt: skip
    resumed = Trainer(recipe, photos)  # as the command does: the checkpoint has it all
    resumed.resume(tmp_path / LATEST)
    assert resumed.step == 3
    for _ in range(3):
        resumed.advance()
    for one, other in (
        (through.network.state_dict(), resumed.network.state_dict()),
        (through.ema.weights, resumed.ema.weights),
    ):
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert torch.equal(other[name], value), name
    assert resumed.snapshot().encoders == through.snapshot().encoders
    assert bool(resumed.snapshot().encoders) == (stage != "judge")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("stage", TRAINED)
def test_a_stage_trains_its_part_and_nothing_else(sr_diff_recipe, photos, stage, precision):
    trainer = trainer_of(sr_diff_recipe(stage, settings=STILL | {"precision": precision}), photos)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    for _ in range(2):
        parts = trainer.advance()
    after = trainer.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[0] for name in changed} == {TRAINED[stage]}
    assert all(value.isfinite().all() for value in [*parts.values(), *after.values()])
    assert not changed & {"refiner.mean", "refiner.basis", "refiner.scale"}


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"sde": {"max_sigma": 30}}, "holds a run of another network; choose another folder"),
        ({"context": "none"}, "holds a run of another network; choose another folder"),
    ],
)
def test_a_run_belongs_to_its_network(sr_diff_recipe, photos, tmp_path, network, message):
    recipe, other = sr_diff_recipe("restore"), sr_diff_recipe("restore", network=network)
    train(recipe, photos, out=tmp_path, stop=lambda: True, initial=fitted(recipe))
    with pytest.raises(UsageError, match=message):
        train(other, photos, out=tmp_path, initial=fitted(other))


def test_a_run_belongs_to_its_stage(sr_diff_recipe, photos, tmp_path):
    recipe = sr_diff_recipe("restore")
    train(recipe, photos, out=tmp_path, stop=lambda: True, initial=fitted(recipe))
    with pytest.raises(UsageError, match=r"with srdiff\.stage restore, not judge; choose another"):
        Trainer(sr_diff_recipe("judge"), photos).resume(tmp_path / LATEST)


def test_who_is_held_out_stays_so(sr_diff_recipe, photos, tmp_path):
    recipe, other = (sr_diff_recipe("refiner", holdout=share) for share in (0.0, 0.5))
    train(recipe, photos, out=tmp_path, stop=lambda: True, initial=fitted(recipe))
    with pytest.raises(UsageError, match=r"with srdiff\.holdout 0\.0, not 0\.5; choose another"):
        train(other, photos, out=tmp_path, initial=fitted(other))


def test_the_loss_may_change_on_the_way_and_it_is_told(sr_diff_recipe, photos, tmp_path):
    first, then = (sr_diff_recipe("restore", loss=loss) for loss in ("clean-l1", "clean-log"))
    train(first, photos, out=tmp_path, stop=lambda: True, initial=fitted(first))
    resumed = trainer_of(then, photos)
    resumed.resume(tmp_path / LATEST)
    assert resumed.history == ("until step 1: srdiff.loss clean-l1",)


def one_batch():
    """Four smooth pictures, darker and greyer."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(4, 3, 4, 4, generator=generator)
    clean = torch.nn.functional.interpolate(coarse, (16, 16), mode="bilinear")
    return PairBatch(
        clean=clean,
        degraded=0.5 * clean + 0.2,
        task=torch.tensor([0, 1, 0, 1]),
        tokens=torch.randn(4, 50, 1280, generator=generator),
        keep=torch.tensor([True, True, True, False]),
        dice=torch.tensor([0.0, 0.3, 0.6, 0.999]),
        starts=torch.zeros(4, dtype=torch.bool),
    )


def test_a_state_that_a_walk_starts_from_holds_nothing_of_the_clean_picture(sr_diff_recipe):
    recipe = sr_diff_recipe("restore")
    task = RestoreTask(recipe, SRDiff(recipe.network), encoders={})
    sde = recipe.network.sde.make()
    noise = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    states = []
    for lighter in (0.0, 0.3):
        batch = one_batch()
        starts = torch.tensor([False, True, False, True])
        batch = replace(batch, clean=batch.clean + lighter, starts=starts)
        states.append(task._state(batch, torch.full((4,), sde.steps), noise))
    unlike = (states[1] - states[0]).abs().amax(dim=(1, 2, 3))
    assert unlike[[1, 3]].max() == 0
    assert unlike[[0, 2]].min() > 1e-3  # which is what the mean of a patch would tell
    # It is what a walk starts from, to the last bit.
    start = sample(sde, one_batch().degraded, lambda state, _: state, lambda _: noise, steps=1)
    assert torch.equal(states[0][[1, 3]], start[[1, 3]])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("predicts", ["clean", "noise"])
def test_every_loss_falls_on_a_batch_that_is_shown_again(sr_diff_recipe, predicts, loss):
    recipe = sr_diff_recipe(
        "restore", loss=loss, network={"predicts": predicts}, settings={"lr": 3e-3}
    )
    network = SRDiff(recipe.network)
    network.load_state_dict(fitted(recipe))
    task = RestoreTask(recipe, network, encoders={})
    for group in task.optimiser.param_groups:
        group["lr"] = 3e-3
    values = []
    for _ in range(30):
        torch.manual_seed(1)  # the same noise
        values.append(float(task.step(one_batch(), done=0.0)["loss"].detach()))
    assert all(torch.tensor(values).isfinite())
    if loss == "clean-log":
        assert values[-1] < values[0] - 0.1  # 2 dB
    else:
        assert 0 <= values[-1] < 0.8 * values[0]


@pytest.mark.parametrize("predicts", ["clean", "noise"])
@pytest.mark.parametrize("loss", LOSSES)
def test_who_gives_the_truth_loses_nothing(sr_diff_recipe, monkeypatch, predicts, loss):
    """Nearly: the published loss wants the likeliest state before, of which Euler's step misses."""
    recipe = sr_diff_recipe("restore", loss=loss, network={"predicts": predicts})
    network = SRDiff(recipe.network)
    network.load_state_dict(fitted(recipe))
    batch, sde = one_batch(), recipe.network.sde.make()
    bias = torch.zeros(1, requires_grad=True)

    def truth(state, degraded, time, task, context):
        seen = sde.noise_of(state, degraded, batch.clean, time)
        return (batch.clean - degraded if predicts == "clean" else seen) + 0 * bias

    monkeypatch.setattr(network, "prediction", truth)
    lost = RestoreTask(recipe, network, encoders={}).step(batch, done=0.0)["loss"].item()
    if loss == "clean-log":
        assert lost == pytest.approx(-2.5, abs=0.01)  # its floor, 50 dB
    else:
        assert lost < (0.02 if loss == "maxlik" else 1e-4)


def test_where_no_context_is_kept_none_is_given(sr_diff_recipe):
    recipe = sr_diff_recipe("restore")
    network = SRDiff(recipe.network)
    network.load_state_dict(fitted(recipe))
    given = []
    network.unet.register_forward_pre_hook(lambda _, inputs: given.append(inputs))
    batch = one_batch()
    RestoreTask(recipe, network, encoders={}).step(batch, done=0.0)
    state, degraded, time, task, context = given[0]
    assert context[:3].abs().amax(dim=(1, 2)).min() > 0
    assert not context[3].any()
    assert time.tolist() == [1, 31, 61, 100]
    assert task.tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]
    assert torch.equal(degraded, batch.degraded)
    away = (state - degraded).flatten(1).std(dim=1)
    assert away[3] == pytest.approx(50 / 255, rel=0.1)  # all of the noise


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({}, r"its refiner was never trained: --start with a run of the stage refiner"),
        ({"context": "raw"}, "the projection was never fitted: --start with"),
        ({"context": "oracle-gt"}, "the projection was never fitted"),
    ],
)
def test_a_refiner_that_never_learned_is_refused(sr_diff_recipe, photos, network, message):
    with pytest.raises(UsageError, match=message):
        Trainer(sr_diff_recipe("restore", network=network), photos).advance()


def test_without_a_context_no_encoder_is_needed(sr_diff_recipe, photos):
    nobody = {"context": "none", "encoder": "clip:/nowhere"}
    trainer = Trainer(sr_diff_recipe("restore", network=nobody), photos)
    assert trainer.advance()["loss"].isfinite()
    assert trainer.encoders == {}


def test_stages_are_put_together(sr_diff_recipe, photos, tmp_path):
    """Refiner and judge apart, then the U-Net on both, and a longer training of that."""
    runs = {}
    for stage in ("refiner", "judge"):
        runs[stage] = tmp_path / stage / LATEST
        train(sr_diff_recipe(stage), photos, out=runs[stage].parent, stop=lambda: True)
    recipe = sr_diff_recipe("restore")
    start = gather([runs["refiner"], runs["judge"]], recipe)
    made = {stage: load_checkpoint(run).average for stage, run in runs.items()}
    for name, value in start.weights.items():
        giver = made["judge" if name.startswith("judge.") else "refiner"]
        assert torch.equal(value, giver[name]), name
    assert start.notes == ()
    assert start.encoders == load_checkpoint(runs["refiner"]).encoders
    out = tmp_path / "restore"
    done = train(
        recipe, photos, out=out, stop=lambda: True, initial=start.weights, encoders=start.encoders
    )
    assert done.encoders == start.encoders
    for name, value in done.network.items():
        if not name.startswith("unet."):
            assert torch.equal(value, start.weights[name]), name
    again = gather([runs["refiner"], out / LATEST, runs["judge"]], recipe)
    for name, value in load_checkpoint(out / LATEST).average.items():
        assert torch.equal(again.weights[name], value), name
    assert start.encoders == again.encoders


def test_validations_tell_what_is_gained(sr_diff_recipe, photos, photo_folder, tmp_path):
    recipe = sr_diff_recipe("restore", settings={"steps": 2, "decay_steps": 0})
    train(recipe, photos, out=tmp_path / "run", validation=photo_folder, initial=fitted(recipe))
    row = json.loads((tmp_path / "run" / LOG).read_text().splitlines()[-1])
    gains = [row[f"gain_{task}"] for task in recipe.network.tasks]
    assert row["gain"] == pytest.approx(sum(gains) / 2)
    assert row["psnr_dehaze"] > 3
    curve = (tmp_path / "run" / CURVE).read_text()
    assert ">dehaze</text>" in curve
    assert ">lowlight</text>" in curve


def test_stages_that_restore_nothing_read_no_pictures_to_validate_on(
    sr_diff_recipe, photos, tmp_path
):
    (tmp_path / "empty").mkdir()
    for stage in TRAINED:
        recipe = sr_diff_recipe(stage, settings={"steps": 1, "decay_steps": 0}, holdout=1 / 3)
        told = {
            "out": tmp_path / stage,
            "validation": tmp_path / "empty",
            "initial": fitted(recipe),
        }
        if stage == "restore":
            with pytest.raises(InputError, match="no pictures to validate on"):
                train(recipe, photos, **told)
        else:
            train(recipe, photos, **told)
            row = json.loads((tmp_path / stage / LOG).read_text().splitlines()[-1])
            assert ("accuracy" in row) == (stage == "judge")
            assert not any(name.startswith(("psnr", "gain")) for name in row)


def test_without_a_context_it_restores_as_it_learned(sr_diff_recipe):
    """What it learned to do with zeros is not what it does without a context."""
    config = sr_diff_recipe("restore", network={"context": "none"}).network
    torch.manual_seed(0)
    network = SRDiff(config).eval()
    with torch.no_grad():
        for value in network.unet.parameters():
            value.add_(0.1 * torch.randn_like(value))
    tile = np.random.default_rng(0).random((1, 16, 24, 3), np.float32)
    backend = SrDiffTorchBackend(config, network.state_dict())
    encoded = backend.asked(task="dehaze", steps=1, samples=1).encode(tile)
    degraded = torch.from_numpy(tile).permute(0, 3, 1, 2)  # and no noise
    with torch.no_grad():
        context = network.context(torch.zeros(1, config.tokens, config.token_dim))
        time, task = torch.tensor([100.0]), torch.tensor([[1.0, 0.0]])
        wanted = network(degraded, degraded, time, task, context)
    found = torch.from_numpy(encoded.features[0]).permute(0, 3, 1, 2)
    assert torch.allclose(found, wanted, atol=1e-5)


def test_late_steps_come_as_often_as_is_asked():
    dice = torch.linspace(0, 1, 100_001)[:-1]
    plain = draw_steps(dice, 100)
    assert plain.unique().tolist() == list(range(1, 101))
    assert plain.bincount(minlength=101)[1:].float().std() < 1  # each as often as any other
    mixed = draw_steps(dice, 100, late=0.5)
    # Half of them for sure, and three tenths of the others, which are drawn from all.
    assert (mixed > 70).float().mean().item() == pytest.approx(0.5 + 0.5 * 0.3, abs=0.01)
    assert mixed.unique().tolist() == list(range(1, 101))
    assert draw_steps(dice, 100, late=1.0).min() == 71
    assert draw_steps(dice, 1, late=0.5).unique().tolist() == [1]
