"""What an SSP-IR starts from: a prior, a SODiff's codec, earlier stages, where they fit."""

from pathlib import Path

import pytest
import torch

from restora.errors import UsageError, WeightsError
from restora.networks.catalogue import build
from restora.networks.ssp_ir.network import SSPIR
from restora.networks.weight_files import write_safetensors
from restora.training.checkpoint import Checkpoint, save_checkpoint
from restora.training.initial import gather
from restora.training.recipe import load_recipe

ROOT = Path(__file__).parents[2]
WORDS = {"captioner": "tags:1:0", "text encoder": "minilm:384x16:0"}
LITE = {"image encoder": "lite0:50x1280:0"}
PARTS = ("codec.", "processor.", "refiner.", "unet.", "control.", "anchor.")


@pytest.fixture
def run(ssp_ir_recipe, tmp_path):
    """Makes a checkpoint of a stage in which every weight is the same number."""

    def make(stage, number, *, encoders=None, recipe=None, **network):
        recipe = recipe or ssp_ir_recipe(stage, network=network)
        path = tmp_path / f"{recipe.method}-{stage}-{number}.pt"
        weights = filled(recipe.network, number)
        found = Checkpoint(recipe, 1, 1.0, (), weights, weights, {}, encoders=encoders or {})
        save_checkpoint(found, path)
        return path

    return make


@pytest.fixture
def sodiff(run, sodiff_recipe, ssp_ir_recipe):
    """Makes a SODiff of the same codec, and on demand of the same U-Net."""

    def make(number, *, stage="prior", codec=None, encoders=None, **unet):
        prior = ssp_ir_recipe("restore").network.prior.model_dump()
        prior["unet"] |= unet
        prior["codec"] |= codec or {}
        recipe = sodiff_recipe(stage, network={"prior": prior, "residual": stage == "one-step"})
        return run(stage, number, recipe=recipe, encoders=encoders)

    return make


def filled(config, number):
    return {
        name: torch.full_like(value, number) if value.is_floating_point() else value
        for name, value in build(config).state_dict().items()
    }


def numbers(weights, parts=PARTS):
    """What the weights of each part are, where they are all one number; else None."""
    found = {}
    for part in parts:
        values = torch.cat([v.flatten().float() for n, v in weights.items() if n.startswith(part)])
        found[part] = float(values[0]) if (values == values[0]).all() else None
    return found


def test_nothing_gives_nothing(ssp_ir_recipe):
    assert gather([], ssp_ir_recipe("restore")).weights is None


def test_the_first_gives_all_and_each_later_run_what_it_trained(ssp_ir_recipe, run):
    recipe = ssp_ir_recipe("restore")
    start = gather([run("restore", 1.0), run("processor", 2.0)], recipe)
    assert numbers(start.weights) == dict.fromkeys(PARTS, 1.0) | {"processor.": None}
    # What the processor tells the ControlNet is that one's business.
    assert numbers(start.weights, ["processor.tail.", "processor.head."]) == {
        "processor.tail.": 1.0, "processor.head.": 2.0,
    }  # fmt: skip
    SSPIR(recipe.network).load_state_dict(start.weights)
    assert start.notes == ()
    again = gather([run("processor", 2.0), run("restore", 3.0)], recipe)
    assert numbers(again.weights) == dict.fromkeys(PARTS, 3.0)
    alone = gather([run("processor", 2.0)], recipe)
    assert numbers(alone.weights) == dict.fromkeys(PARTS, 2.0)


def test_a_sodiff_gives_its_codec_and_a_run_its_processor(ssp_ir_recipe, run, sodiff):
    """Whatever codec that run had: it learned from pixels."""
    recipe = ssp_ir_recipe("restore")
    other = sodiff(1.0, widths=(8, 24), encoders=WORDS)
    start = gather([other, run("processor", 2.0)], recipe)
    assert start.notes == (f"{other}: not taken, for the recipe's is another: U-Net.",)
    assert start.encoders == {}
    torch.manual_seed(recipe.train.seed)
    fresh = SSPIR(recipe.network).state_dict()
    for name, value in start.weights.items():
        number = {"codec": 1.0, "processor": 2.0}.get(name.split(".")[0])
        if number is None or name.startswith("processor.tail."):
            assert torch.equal(value, fresh[name]), name
        else:
            assert (value == number).all(), name
    first = gather([other], ssp_ir_recipe("processor"))
    assert numbers(first.weights)["codec."] == 1.0


@pytest.mark.parametrize("name", ["compact-processor", "compact"])
def test_the_codec_that_ships_fits_the_compact_scale(name):
    recipe = load_recipe(ROOT / "recipes" / "ssp-ir" / f"{name}.yaml")
    start = gather([ROOT / "src" / "restora" / "weights" / "sodiff-compact.json"], recipe)
    network = SSPIR(recipe.network)
    network.load_state_dict(start.weights)
    assert not network.codec.is_fresh
    smooth = torch.nn.functional.interpolate(torch.rand(1, 3, 3, 3), (64, 64), mode="bilinear")
    with torch.no_grad():
        missed = network.codec.decode(network.codec.encode(smooth)) - smooth
    assert missed.abs().mean() < 0.02


def test_a_sodiff_of_the_same_unet_gives_that_too(ssp_ir_recipe, sodiff):
    """The ControlNet starts as its copy; what it gives from now on is another thing."""
    file = sodiff(1.0, encoders=WORDS)
    start = gather([file], ssp_ir_recipe("restore"))
    assert start.notes == (
        f"{file}: the last layer of this U-Net starts at nothing, for it is not noise that it is "
        "to give.",
    )
    assert start.encoders == {"text encoder": WORDS["text encoder"]}
    copied = ("conv_in", "time_embedding", "down_blocks", "mid_block")
    own = tuple(f"control.base.{part}." for part in copied)
    for name, value in start.weights.items():
        if name.startswith("unet.base.conv_out."):
            assert not value.any(), name
        elif name.startswith(("unet.base.", *own)):
            assert (value == 1).all(), name
        elif name.startswith("control.base."):
            assert name.startswith("control.base.controlnet_"), name
            assert not value.any(), name


def test_a_weight_file_gives_all(ssp_ir_recipe, run, tmp_path):
    recipe = ssp_ir_recipe("restore")
    path = tmp_path / "small.safetensors"
    write_safetensors(path, recipe.network, filled(recipe.network, 5.0))
    start = gather([run("processor", 2.0), path], recipe)
    assert numbers(start.weights) == dict.fromkeys(PARTS, 5.0)


OTHERS = [
    ("processor", {"processor": {"widths": [8, 8, 8]}, "start": "picture"}, "processor"),
    ("restore", {"processor": {"widths": [8, 8, 8]}, "start": "picture"}, "processor"),
    ("restore", {"refiner": {"layers": 0, "dim": 8}}, "refiner"),
    # Of the same shapes, but not what it learned.
    ("restore", {"encoder": "lite2"}, "refiner"),
    ("restore", {"attention": {"form": "light", "window": None}}, "U-Net"),
    ("restore", {"predicts": "noise", "residual": False}, "U-Net"),
    ("restore", {"text": False}, "U-Net"),
    ("restore", {"pixel": False}, "U-Net"),
]


@pytest.mark.parametrize(("stage", "network", "part"), OTHERS)
def test_what_a_stage_trained_must_fit(ssp_ir_recipe, run, stage, network, part):
    files = [run("restore", 1.0), run(stage, 2.0, **network)]
    for order in (files, files[1:]):
        with pytest.raises(WeightsError, match=f"not fit into the recipe's: its {part} is another"):
            gather(order, ssp_ir_recipe("restore"))


def test_what_a_stage_did_not_train_may_differ_and_it_is_said(ssp_ir_recipe, run):
    file = run("processor", 2.0, predicts="noise", residual=False, walk=50)
    start = gather([file], ssp_ir_recipe("restore"))
    assert start.notes == (f"{file}: not taken, for the recipe's is another: U-Net.",)
    kept = {"codec.": 2.0, "refiner.": 2.0, "processor.head.": 2.0, "processor.tail.": 0.0}
    assert numbers(start.weights, kept) == kept


def test_another_start_is_told(ssp_ir_recipe, run):
    file = run("restore", 2.0, start="picture", start_step=499, walk=1, sampler="ddpm")
    assert gather([file], ssp_ir_recipe("restore")).notes == (
        f"{file}: this SSP-IR learned with network.start picture, not processed.",
        f"{file}: this SSP-IR learned with network.start_step 499, not 999.",
    )


def test_another_codec_is_refused(ssp_ir_recipe, sodiff):
    with pytest.raises(WeightsError, match=r"fit into the recipe's: its codec is another\."):
        gather([sodiff(1.0, codec={"latents": 6})], ssp_ir_recipe("restore"))
    # What latents are counted in is measured, and comes along.
    scaled = gather([sodiff(1.5, codec={"scale": 2.0})], ssp_ir_recipe("restore"))
    assert scaled.weights["codec.scale"] == 1.5


def test_words_and_tokens_of_two_encoders_are_not_mixed(ssp_ir_recipe, run, sodiff):
    recipe = ssp_ir_recipe("restore")
    told = WORDS | LITE
    trained = run("restore", 1.0, encoders=told)
    assert gather([trained], recipe).encoders == told
    other = run("restore", 2.0, encoders=told | {"image encoder": "lite0:50x1280:1"})
    with pytest.raises(UsageError, match=r"image encoder lite0.*:0, not lite0.*:1.*leave out"):
        gather([trained, other], recipe)
    # Another captioner speaks the same language.
    talker = run("restore", 3.0, encoders=told | {"captioner": "blip:1"})
    assert gather([trained, talker], recipe).encoders == told | {"captioner": "blip:1"}
    strange = sodiff(1.0, encoders={"text encoder": "minilm:384x16:9"})
    with pytest.raises(UsageError, match="text encoder"):
        gather([strange, trained], recipe)
    # The Processor was told nothing by anybody, unless its run gives the other parts too.
    processor = run("processor", 4.0, encoders=LITE)
    assert gather([trained, processor], recipe).encoders == told
    assert gather([processor], recipe).encoders == LITE


def test_other_methods_do_not_fit(recipe, ssp_ir_recipe, run, tmp_path):
    state = build(recipe.network).state_dict()
    save_checkpoint(Checkpoint(recipe, 1, 1.0, (), state, state, {}), tmp_path / "fbcnn.pt")
    with pytest.raises(WeightsError, match="holds neither an SSP-IR nor a SODiff"):
        gather([tmp_path / "fbcnn.pt"], ssp_ir_recipe("restore"))
    with pytest.raises(WeightsError, match="does not fit into the recipe's"):
        gather([run("restore", 1.0)], recipe)
