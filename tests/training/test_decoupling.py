"""What draws DAGN's encoders apart: losses, guards, both optimisers, both stages."""

import json
import math

import pytest
import torch

from restora.errors import RecipeError, UsageError, WeightsError
from restora.networks.dagn import DAGN, DAGNConfig
from restora.networks.fbcnn import FBCNN, FBCNNConfig
from restora.training.checkpoint import load_checkpoint
from restora.training.decoupling import (
    Companions,
    Discriminator,
    accuracy,
    correlation_loss,
    discriminator_loss,
    encoder_loss,
    rank,
    variance_loss,
)
from restora.training.initial import read_initial
from restora.training.loop import LATEST, LOG, Trainer, train
from restora.training.recipe import DecouplingRecipe, parse_recipe


def staged(recipe, **changes):
    return recipe.model_copy(update={"decoupling": recipe.decoupling.model_copy(update=changes)})


def test_the_rivals_want_opposite_answers():
    sure, wrong = torch.full((4,), 6.0), torch.full((4,), -6.0)
    assert discriminator_loss(sure, wrong) < 0.01
    for saturating in (True, False):
        won = encoder_loss(sure, wrong, saturating=saturating)
        lost = encoder_loss(wrong, sure, saturating=saturating)
        assert won > lost
    undecided = torch.zeros(4)
    assert discriminator_loss(undecided, undecided) == pytest.approx(2 * math.log(2))


def test_accuracy_counts_both_sides():
    assert accuracy(torch.tensor([1.0, 2.0]), torch.tensor([-1.0, 1.0])) == 0.75


def test_a_dead_code_costs_and_has_rank_one():
    dead, alive = torch.zeros(32, 8), 3 * torch.randn(32, 8)
    assert variance_loss(dead) > 0.9
    assert variance_loss(alive) < 0.05
    line = torch.randn(32, 1) @ torch.randn(1, 8)
    assert rank(line) == pytest.approx(1, abs=1e-2)
    assert correlation_loss(line) == pytest.approx(1, abs=1e-3)
    assert correlation_loss(alive) < 0.1
    assert rank(alive) > 5


def test_a_discriminator_learns_to_tell_and_its_norm_is_held():
    torch.manual_seed(0)
    rival = Discriminator(16, normed=True)
    optimiser = torch.optim.Adam(rival.parameters(), lr=3e-3)
    noise = torch.randn(64, 16, 3, 3)
    losses = []
    for _ in range(60):
        loss = discriminator_loss(rival(noise + 1), rival(noise))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    singular = torch.linalg.svdvals(rival.layers[0].weight.detach().flatten(1))
    assert singular[0] == pytest.approx(1, abs=0.2)


def test_the_auto_encoder_draws_a_picture_of_the_right_size(dagn_recipe):
    companions = Companions(dagn_recipe.network, 32, DecouplingRecipe())
    assert companions.draw(torch.rand(2, 32, 2, 3)).shape == (2, 1, 32, 48)
    assert companions.tell_damage(torch.rand(2, 32)).shape == (2,)


@pytest.mark.parametrize("stage", ["joint", "encoders", "restoration"])
def test_resumes_exactly_with_both_optimisers(photos, dagn_recipe, tmp_path, stage):
    recipe = staged(dagn_recipe, stage=stage)
    whole = train(recipe, photos, out=tmp_path / "whole")
    settings = recipe.train.model_copy(update={"steps": 4, "decay_steps": 0})
    ramp = recipe.decoupling.adversarial_ramp * 2  # of half the steps: the same in steps
    half = staged(recipe.model_copy(update={"train": settings}), adversarial_ramp=ramp)
    train(half, photos, out=tmp_path / "parts")
    resumed = train(recipe, photos, out=tmp_path / "parts")
    assert resumed.step == whole.step == 8
    for part in ("network", "average", "companions"):
        one, other = getattr(whole, part), getattr(resumed, part)
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert torch.equal(value, other[name]), name
    for optimiser in ("optimiser", "rival"):
        one, other = getattr(whole, optimiser)["state"], getattr(resumed, optimiser)["state"]
        assert one.keys() == other.keys()
        assert bool(one) == (optimiser == "optimiser" or stage != "restoration")
        for number, state in one.items():
            for name, value in state.items():
                assert torch.equal(value, other[number][name])
    assert load_checkpoint(tmp_path / "parts" / LATEST).recipe == recipe


def moved(before, trainer):
    """The parts of the network that a step moved."""
    after = trainer.network.state_dict()
    return {name.split(".")[0] for name, value in before.items() if not value.equal(after[name])}


ENCODERS = {"sensitive_encoder", "insensitive_encoder"}


@pytest.mark.parametrize(
    ("changes", "with_these", "without"),
    [
        ({"stage": "encoders"}, ENCODERS | {"quality_head"}, {"head", "fusion", "decoder"}),
        ({"stage": "restoration", "insensitive_rate": 0.0}, {"tail"}, {"insensitive_encoder"}),
        ({"stage": "joint"}, ENCODERS | {"tail", "quality_head"}, set()),
    ],
)
def test_each_stage_moves_its_own(photos, dagn_recipe, changes, with_these, without):
    recipe = staged(dagn_recipe, **changes)
    recipe = recipe.model_copy(
        update={"train": recipe.train.model_copy(update={"weight_decay": 0.0})}
    )
    trainer = Trainer(recipe, photos)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    for _ in range(3):
        trainer.advance()
    found = moved(before, trainer)
    assert with_these <= found
    assert not without & found


def gradient(recipe, photos, part):
    """How hard the pixel loss pulls at a part of the network."""
    trainer = Trainer(recipe, photos)
    torch.manual_seed(5)
    for parameter in trainer.network.parameters():  # a fresh tail and fusion let nothing through
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    trainer.advance()
    return sum(
        float(p.grad.abs().sum())
        for p in getattr(trainer.network, part).parameters()
        if p.grad is not None
    )


def test_pixels_teach_the_insensitive_encoder_only_where_asked(photos, dagn_recipe):
    asleep = staged(dagn_recipe, stage="restoration")
    awake = staged(dagn_recipe, stage="restoration", insensitive_sees_pixels=True)
    assert gradient(asleep, photos, "insensitive_encoder") == 0
    assert gradient(awake, photos, "insensitive_encoder") > 0
    assert gradient(asleep, photos, "fusion") > 0


def test_the_adversarial_term_rises_along_its_ramp(photos, dagn_recipe):
    """At step 0 its weight is nothing: the encoder moves as it would without it."""
    seen = []
    for weight in (0.0, 5.0):
        trainer = Trainer(staged(dagn_recipe, stage="encoders", adversarial_weight=weight), photos)
        states = []
        for _ in range(3):
            trainer.advance()
            states.append(trainer.network.insensitive_encoder.stem.weight.detach().clone())
        seen.append(states)
    assert torch.equal(seen[0][0], seen[1][0])
    assert not torch.equal(seen[0][2], seen[1][2])


def test_validation_watches_the_rivals(photos, dagn_recipe, photo_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "restora.training.tasks.validation_pictures",
        lambda folder, channels: iter([photos[1][:40, :36, 0]]),
    )
    train(dagn_recipe, photos, out=tmp_path / "run", validation=photo_folder, validate_every=8)
    last = json.loads((tmp_path / "run" / LOG).read_text().splitlines()[-1])
    for figure in ("held_out_told_apart", "held_out_rank", "drawn_psnr", "told_apart", "psnr_10"):
        assert math.isfinite(last[figure])
    assert 0 <= last["held_out_told_apart"] <= 1


def test_starts_from_an_fbcnn(photos, dagn_recipe, tmp_path):
    """Its U-Net restores at once as it did, where the quality is given."""
    shared = dagn_recipe.network.model_dump()
    fields = {k: v for k, v in shared.items() if k in FBCNNConfig.model_fields}
    plain = parse_recipe(
        {"name": "plain", "network": fields | {"predictor_blocks": 1}, "train": {"steps": 2}}
        | {"data": {"patch_px": 16, "batch": 2}},
        name="plain",
    )
    done = train(plain, photos, out=tmp_path / "plain")
    start = tmp_path / "plain" / LATEST
    network = DAGN(dagn_recipe.network)
    network.load_state_dict(read_initial(start, dagn_recipe.network))
    fbcnn = FBCNN(plain.network)
    fbcnn.load_state_dict(done.average)
    picture, strength = torch.rand(1, 1, 32, 48), torch.full((1, 1), 0.7)
    insist = torch.ones(1, 1)
    same, _ = fbcnn(picture, strength)
    assert torch.allclose(network(picture, strength, insist)[0], same, atol=1e-5)
    wider = dagn_recipe.network.model_copy(update={"widths": (8, 8)})
    with pytest.raises(WeightsError, match="does not fit"):
        read_initial(start, wider)
    run = train(dagn_recipe, photos, out=tmp_path / "dagn")
    switched = dagn_recipe.network.model_copy(update={"fusion": False})
    assert read_initial(tmp_path / "dagn" / LATEST, switched).keys() == run.average.keys()


def test_recipes_know_their_keys():
    with pytest.raises(RecipeError, match="adversarial_weight"):
        parse_recipe(
            {"name": "x", "method": "dagn", "network": {}, "decoupling": {"adversarial_wait": 1}},
            name="x",
        )
    with pytest.raises(RecipeError, match="fbcnn, dagn, sodiff, sr-diff, ssp-ir, not 'dagm'"):
        parse_recipe({"name": "x", "method": "dagm", "network": {}}, name="x")
    with pytest.raises(RecipeError, match=r"data\.batch is 2 or more"):
        parse_recipe({"name": "x", "method": "dagn", "network": {}, "data": {"batch": 1}}, name="x")


def test_a_batch_of_clean_pictures_is_no_trouble(photos, dagn_recipe):
    data = dagn_recipe.data.model_copy(update={"clean_share": 1.0})
    trainer = Trainer(dagn_recipe.model_copy(update={"data": data}), photos)
    assert all(part.isfinite() for part in trainer.advance().values())


def test_start_values_do_not_blow_up():
    """Deep, wide and without damping the signal would be hundreds of times the picture."""
    torch.manual_seed(0)
    config = DAGNConfig(
        channels=1, widths=(16, 32, 48), blocks=(4, 4, 4), encoder_block="basic",
        encoder_width=8, mlp=16, key=8, norm=False,
    )  # fmt: skip
    with torch.no_grad():
        out, _ = DAGN(config)(torch.rand(1, 1, 64, 64))
    assert out.std() < 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ycbcr": True}, "three channels"),
        ({"widths": (4, 8, 8)}, "as many scales, not 3 and 2"),
        ({"encoder_width": 0}, "greater than or equal to 1"),
        ({"encoder_blocks": (1, 1, 0, 1)}, "stage a block"),
    ],
)
def test_networks_that_cannot_be(dagn_recipe, changes, message):
    with pytest.raises(ValueError, match=message):
        DAGNConfig(**(dagn_recipe.network.model_dump() | changes))


def test_a_run_of_another_stage_is_refused(photos, dagn_recipe, tmp_path):
    first = staged(dagn_recipe, stage="encoders")
    train(first, photos, out=tmp_path / "run", budget_s=0)
    with pytest.raises(UsageError, match=r"decoupling.stage encoders, not restoration; choose"):
        train(staged(dagn_recipe, stage="restoration"), photos, out=tmp_path / "run")


def normed(recipe, **changes):
    network = recipe.network.model_copy(update={"norm": True})
    return staged(recipe.model_copy(update={"network": network}), **changes)


def statistics(trainer):
    """The running means of all batch norms by their part of the network."""
    means = {}
    for name, value in trainer.network.state_dict().items():
        if name.endswith("running_mean"):
            means.setdefault(name.split(".")[0], []).append(value.clone())
    return means


def test_a_frozen_encoder_keeps_its_statistics(photos, dagn_recipe):
    trainer = Trainer(normed(dagn_recipe, stage="restoration", insensitive_rate=0.0), photos)
    before = statistics(trainer)
    trainer.advance()
    after = statistics(trainer)
    same = {
        part: all(torch.equal(a, b) for a, b in zip(before[part], after[part], strict=True))
        for part in before
    }
    assert same["insensitive_encoder"]
    assert not same["sensitive_encoder"]
    assert not same["encoder"]


def test_batch_norm_resumes_and_averages(photos, dagn_recipe, tmp_path):
    recipe = normed(dagn_recipe, stage="joint")
    done = train(recipe, photos, out=tmp_path / "run")
    counters = [v for k, v in done.average.items() if k.endswith("num_batches_tracked")]
    assert all(int(count) == recipe.train.steps for count in counters)
    taken_up = Trainer(recipe, photos)
    taken_up.resume(tmp_path / "run" / LATEST)
    for name, value in taken_up.network.state_dict().items():
        assert torch.equal(value, done.network[name]), name
