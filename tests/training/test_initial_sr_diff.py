"""What an SR-Diff starts from: earlier stages, put together where they fit."""

import pytest
import torch

from restora.errors import UsageError, WeightsError
from restora.networks.catalogue import build
from restora.networks.sr_diff.network import SRDiff
from restora.networks.weight_files import write_safetensors
from restora.training.checkpoint import Checkpoint, save_checkpoint
from restora.training.initial import gather

LITE, BLIP = {"image encoder": "lite0:49x1280:0"}, {"image encoder": "blip-vector:1x768:0"}


@pytest.fixture
def run(sr_diff_recipe, tmp_path):
    """Makes a checkpoint of a stage in which every weight is the same number."""

    def make(stage, number, *, encoders=None, **network):
        recipe = sr_diff_recipe(stage, network=network)
        weights = {
            name: torch.full_like(value, number) if value.is_floating_point() else value
            for name, value in SRDiff(recipe.network).state_dict().items()
        }
        path = tmp_path / f"{stage}-{number}.pt"
        found = Checkpoint(recipe, 1, 1.0, (), weights, weights, {}, encoders=encoders or {})
        save_checkpoint(found, path)
        return path

    return make


def numbers(weights):
    """What the weights of each part are, where they are all one number; else None."""
    found = {}
    for part in ("refiner", "judge", "unet"):
        values = torch.cat(
            [
                value.flatten()
                for name, value in weights.items()
                if name.startswith(f"{part}.") and value.is_floating_point()
            ]
        )
        found[part] = float(values[0]) if (values == values[0]).all() else None
    return found


def test_the_first_gives_all_and_each_later_run_what_it_trained(sr_diff_recipe, run):
    files = [run("refiner", 1.0), run("judge", 2.0), run("restore", 3.0)]
    start = gather(files, sr_diff_recipe("restore"))
    assert numbers(start.weights) == {"refiner": 1.0, "judge": 2.0, "unet": 3.0}
    assert start.notes == ()
    SRDiff(sr_diff_recipe("restore").network).load_state_dict(start.weights)
    first = gather([files[1]], sr_diff_recipe("restore"))
    assert numbers(first.weights) == {"refiner": 2.0, "judge": 2.0, "unet": 2.0}
    assert gather([], sr_diff_recipe("restore")).weights is None


def test_a_weight_file_gives_the_unet(sr_diff_recipe, run, tmp_path):
    config = sr_diff_recipe("restore").network
    weights = {
        name: torch.full_like(value, 5.0) for name, value in SRDiff(config).state_dict().items()
    }
    path = tmp_path / "small.safetensors"
    write_safetensors(path, config, weights)
    start = gather([run("refiner", 1.0), path], sr_diff_recipe("restore"))
    assert numbers(start.weights) == {"refiner": 1.0, "judge": 1.0, "unet": 5.0}
    assert set(numbers(gather([path], sr_diff_recipe("restore")).weights).values()) == {5.0}


OTHERS = [
    ("refiner", {"refiner": {"form": "residual", "projected": 4, "hidden": 16, "heads": 2}}),
    # Of the same shapes, but it would not do what it learned.
    ("refiner", {"refiner": {"form": "residual", "projected": 8, "hidden": 16, "layers": 1,
                             "heads": 4}}),
    ("refiner", {"encoder": "lite2"}),
    ("judge", {"tasks": ["derain", "deblur"]}),
    ("judge", {"judge": {"side_px": 64, "widths": [8, 8]}}),
    ("restore", {"tasks": ["derain", "deblur"]}),
    ("restore", {"predicts": "noise"}),
    ("restore", {"unet": {"width": 16, "multipliers": [1, 2]}}),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "network"), OTHERS)
def test_what_a_stage_trained_must_fit(sr_diff_recipe, run, stage, network):
    """In whatever order; a judge that sees other tasks has the same shapes."""
    files = [run("refiner", 1.0), run(stage, 2.0, **network)]
    part = {"refiner": "refiner", "judge": "judge", "restore": "unet"}[stage]
    for order in (files, files[1:]):
        with pytest.raises(WeightsError, match=f"not fit into the recipe's: its {part} is another"):
            gather(order, sr_diff_recipe("restore"))


def test_what_a_stage_did_not_train_may_differ_and_it_is_said(sr_diff_recipe, run):
    file = run("refiner", 2.0, unet={"width": 16, "multipliers": [1, 2]})
    start = gather([file], sr_diff_recipe("restore"))
    assert numbers(start.weights)["refiner"] == 2.0
    assert start.notes == (f"{file}: not taken, for the recipe's is another: unet.",)
    torch.manual_seed(0)
    fresh = SRDiff(sr_diff_recipe("restore").network).state_dict()
    assert torch.equal(start.weights["unet.stem.weight"], fresh["unet.stem.weight"])


def test_who_has_no_judge_misses_none(sr_diff_recipe, run):
    file = run("refiner", 2.0, judge=None)
    assert gather([file], sr_diff_recipe("restore")).notes == ()
    other = run("refiner", 3.0)
    without = sr_diff_recipe("restore", network={"judge": None})
    assert gather([other], without).notes == ()
    with pytest.raises(WeightsError, match="its judge is another"):
        gather([other, run("judge", 4.0)], without)


def test_another_walk_is_told(sr_diff_recipe, run):
    file = run("restore", 2.0, sde={"max_sigma": 30})
    start = gather([file], sr_diff_recipe("restore", network={"context": "raw"}))
    assert numbers(start.weights)["unet"] == 2.0
    assert start.notes[0] == f"{file}: this U-Net learned with network.context refined, not raw."
    assert "learned with network.sde steps=100 max_sigma=30.0" in start.notes[1]


def test_tokens_of_two_encoders_are_not_mixed(sr_diff_recipe, run):
    lite, blip = run("refiner", 1.0, encoders=LITE), run("restore", 2.0, encoders=BLIP)
    with pytest.raises(UsageError, match=r"with the image encoder lite0.*not blip.*leave out"):
        gather([lite, blip], sr_diff_recipe("restore"))
    # A judge sees pixels; whose tokens its run carried along is nobody's business,
    judge = run("judge", 3.0, encoders=BLIP)
    assert gather([lite, judge], sr_diff_recipe("restore")).encoders == LITE
    # unless its run gives the other parts too.
    assert gather([judge], sr_diff_recipe("restore")).encoders == BLIP
    with pytest.raises(UsageError, match="image encoder"):
        gather([judge, lite], sr_diff_recipe("restore"))


def test_other_methods_do_not_fit(recipe, sr_diff_recipe, run, tmp_path):
    state = build(recipe.network).state_dict()
    save_checkpoint(Checkpoint(recipe, 1, 1.0, (), state, state, {}), tmp_path / "fbcnn.pt")
    with pytest.raises(WeightsError, match="holds no SR-Diff"):
        gather([tmp_path / "fbcnn.pt"], sr_diff_recipe("restore"))
    with pytest.raises(WeightsError, match="does not fit into the recipe's"):
        gather([run("restore", 1.0)], recipe)
