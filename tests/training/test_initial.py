"""What a SODiff starts from: a prior, and what earlier stages made."""

import pytest
import torch

from restora.errors import UsageError, WeightsError
from restora.networks.catalogue import build
from restora.networks.sodiff.network import SODiff, merge_lora
from restora.networks.weight_files import write_safetensors
from restora.training.checkpoint import Checkpoint, save_checkpoint
from restora.training.initial import gather
from restora.training.loop import Trainer
from restora.training.recipe import parse_recipe


@pytest.fixture
def recipe(sodiff_raw):
    """A function from a stage, and changes of the network, to a tiny recipe."""

    def make(stage="one-step", **changes):
        raw = {
            "name": "tiny", "method": "sodiff", "network": sodiff_raw | changes,
            "data": {"patch_px": 16, "batch": 2}, "train": {"steps": 4}, "sodiff": {"stage": stage},
        }  # fmt: skip
        return parse_recipe(raw, name="tiny")

    return make


@pytest.fixture
def run(recipe, tmp_path):
    """Makes a checkpoint of a stage in which every weight is the same number, or nearly."""

    def make(stage, number, *, encoders=None, **changes):
        made = recipe(stage, **changes)
        weights = {
            name: torch.full_like(value, number) if value.is_floating_point() else value
            for name, value in SODiff(made.network).state_dict().items()
        }
        path = tmp_path / f"{stage}-{number}.pt"
        found = Checkpoint(made, 1, 1.0, (), weights, weights, {}, encoders=encoders or {})
        save_checkpoint(found, path)
        return path

    return make


def numbers(weights):
    """What the weights of each part are, where they are all one number; else None."""
    found = {}
    for part in ("codec.", "step.unet.", "prompter.", "predictor."):
        values = torch.cat(
            [
                v.flatten()
                for n, v in weights.items()
                if n.startswith(part) and v.is_floating_point()
            ]
        )
        found[part] = float(values[0]) if (values == values[0]).all() else None
    return found


def test_each_later_run_gives_what_its_stage_trained(recipe, run):
    files = [run("codec", 1.0), run("prior", 2.0), run("prompt", 3.0)]
    start = gather(files, recipe())
    assert numbers(start.weights) == {
        "codec.": 1.0, "step.unet.": 2.0, "prompter.": 3.0, "predictor.": 1.0
    }  # fmt: skip
    SODiff(recipe().network).load_state_dict(start.weights)
    # These runs did not build upon each other, which shows in one place only.
    assert start.notes == (f"{files[1]}: this U-Net was trained on the latents of another codec.",)
    everything = gather([files[0], run("one-step", 4.0)], recipe())
    assert set(numbers(everything.weights).values()) == {4.0}
    assert everything.notes == ()
    assert gather([], recipe()).weights is None


def test_what_is_new_starts_as_it_would_without_a_file(recipe, run):
    start = gather([run("one-step", 2.0)], recipe(prompt="learned"))
    assert numbers(start.weights)["step.unet."] == 2.0
    torch.manual_seed(0)
    fresh = SODiff(recipe(prompt="learned").network).state_dict()
    assert torch.equal(start.weights["prompter.tokens"], fresh["prompter.tokens"])


@pytest.mark.parametrize("prompt", ["empty", "learned", "cave"])
def test_other_prompts_start_fresh_and_it_is_said(recipe, run, prompt):
    file = run("one-step", 2.0)
    wanted = recipe(prompt=prompt, timestep=299)
    start = gather([file], wanted)
    SODiff(wanted.network).load_state_dict(start.weights)
    assert start.notes == (f"{file}: not taken, for the recipe's is another: prompter.",)
    # A stage that trained nothing but the prompt has nothing to give.
    before = gather([file], wanted).weights
    after = gather([file, run("prompt", 3.0)], wanted)
    assert all(torch.equal(after.weights[name], before[name]) for name in before)
    assert len(after.notes) == 2


def test_a_residual_step_starts_at_nothing_where_noise_was_learned(recipe, run):
    """In the stage that restores, and in no other: a prior goes on as it was."""
    name = "step.unet.conv_out.weight"
    files = [run("prior", 2.0, residual=True), run("prompt", 3.0, residual=True)]
    start = gather(files, recipe("one-step", residual=True))
    assert not start.weights[name].any()
    assert (start.weights["step.unet.conv_in.weight"] == 2).all()
    assert start.notes == (
        f"{files[0]}: the last layer of this U-Net starts at nothing, for with network.residual it "
        "is not noise that it is to give.",
    )
    for stage in ("prior", "prompt", "predictor"):
        start = gather(files, recipe(stage, residual=True))
        assert (start.weights[name] == 2).all()
        assert start.notes == ()
    assert (gather(files, recipe("one-step")).weights[name] == 2).all()
    restoring = run("one-step", 4.0, residual=True)
    start = gather([restoring, files[1]], recipe("one-step", residual=True))
    assert (start.weights[name] == 4).all()
    assert start.notes == ()


@pytest.mark.parametrize("residual", [True, False])
def test_a_step_gives_what_it_gave(recipe, run, residual):
    file = run("one-step", 2.0, residual=residual)
    said = f"{file}: this U-Net gives .*take network.residual={str(residual).lower()}"
    with pytest.raises(WeightsError, match=said):
        gather([file], recipe(residual=not residual))


def test_another_start_of_the_step_is_told(recipe, run):
    file = run("one-step", 2.0)
    start = gather([file], recipe(regressor="fbcnn-color-compact"))
    assert start.notes == (
        f"{file}: this U-Net learned with network.regressor None, not fbcnn-color-compact.",
    )


def test_whose_words_were_taught_goes_on(recipe, run):
    tags, clip = {"captioner": "tags:1:0"}, {"text encoder": "clip:77x768:0"}
    minilm = {"text encoder": "minilm:16x384:0"}
    codec, prior = run("codec", 1.0), run("prior", 2.0, encoders=tags | minilm)
    again = run("prompt", 3.0, encoders={"captioner": "file:2:0"} | minilm)
    assert gather([codec, prior], recipe()).encoders == tags | minilm
    start = gather([codec, prior, again], recipe())
    assert start.encoders == {"captioner": "file:2:0"} | minilm
    other = run("prompt", 4.0, encoders=tags | clip)
    message = "this SAIPE gives the tokens of clip:77x768:0, but the U-Net of .* reads those of min"
    with pytest.raises(UsageError, match=message):
        gather([codec, prior, other], recipe())
    assert gather([codec, other], recipe()).encoders == tags | clip  # that U-Net read no words


def test_a_fixed_timestep_changes_nothing(recipe, run):
    file = run("one-step", 2.0)
    start = gather([file], recipe(timestep=499))
    assert start.notes == ()
    assert set(numbers(start.weights).values()) == {2.0}


def test_lora_comes_and_goes(recipe, run, tmp_path):
    """Beside weights that had none it changes nothing; where it is not wanted it goes inside."""
    wanted = recipe(lora={"rank": 2, "alpha": 2})
    start = gather([run("prior", 0.5)], wanted)
    network = SODiff(wanted.network)
    network.load_state_dict(start.weights)
    assert any("lora_A" in name for name in start.weights)
    with torch.no_grad():
        merged = merge_lora(network)
    assert numbers(merged)["step.unet."] == 0.5
    with torch.no_grad():
        for name, value in network.named_parameters():
            if "lora_" in name:
                value.fill_(0.5)
        inside = merge_lora(network)
    path = tmp_path / "with.safetensors"
    write_safetensors(path, wanted.network, network.state_dict())
    plain = gather([path], recipe()).weights
    name = "step.unet.mid_block.resnets.0.conv1.weight"
    assert torch.allclose(plain[name], inside[name])
    assert not torch.allclose(plain[name], merged[name])
    again = gather([path], recipe(lora={"rank": 3, "alpha": 3})).weights
    base = name.replace(".weight", ".base_layer.weight")
    assert torch.allclose(again[base], plain[name])


@pytest.fixture
def altered(sodiff_raw):
    """A function to the network with some numbers of one of its sections changed."""

    def make(section, **changes):
        prior = sodiff_raw["prior"]
        if section in prior:
            return {"prior": prior | {section: prior[section] | changes}}
        return {section: sodiff_raw[section] | changes}

    return make


@pytest.mark.parametrize(
    ("stage", "section", "change", "part"),
    [
        ("codec", "codec", {"widths": [12]}, "codec"),
        ("prior", "codec", {"widths": [12]}, "codec"),
        ("prior", "unet", {"widths": [16, 32]}, "step.unet"),
        ("prompt", "saipe", {"channels": 8}, "prompter"),
        ("one-step", "predictor", {"widths": [8, 16]}, "predictor"),
    ],
)
def test_what_a_stage_trained_must_fit(recipe, run, altered, stage, section, change, part):
    file = run(stage, 1.0)
    message = f"holds a network that does not fit into the recipe's: its {part} is another"
    with pytest.raises(WeightsError, match=message):
        gather([file], recipe(**altered(section, **change)))


def test_what_a_stage_did_not_train_may_differ(recipe, run, altered):
    file = run("codec", 1.0)
    start = gather([file], recipe(**altered("saipe", channels=8)))
    assert numbers(start.weights)["codec."] == 1.0
    assert start.notes == (f"{file}: not taken, for the recipe's is another: prompter.",)


def test_other_methods_take_one_file(recipe, run, dagn_recipe, tmp_path):
    file = run("codec", 1.0)
    with pytest.raises(UsageError, match="Several --start are for SODiff"):
        gather([file, file], dagn_recipe)
    with pytest.raises(WeightsError, match="does not fit into the recipe's"):
        gather([file], dagn_recipe)
    state = build(dagn_recipe.network).state_dict()
    save_checkpoint(Checkpoint(dagn_recipe, 1, 1.0, (), state, state, {}), tmp_path / "dagn.pt")
    with pytest.raises(WeightsError, match="does not fit into the recipe's"):
        gather([tmp_path / "dagn.pt"], recipe())


def test_a_codecs_training_goes_on_from_it(recipe, run, photos):
    """The weights fit where a training takes them."""
    wanted = recipe("codec")
    trainer = Trainer(wanted, photos, initial=gather([run("codec", 0.1)], wanted).weights)
    assert numbers(trainer.network.state_dict())["codec."] == pytest.approx(0.1)
    assert torch.isfinite(trainer.advance()["pixel"])
