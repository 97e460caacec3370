"""`restora train --start`: from one file, from several, from none that a run needs."""

import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner

from restora.cli.main import app
from restora.errors import UsageError, WeightsError
from restora.networks.sodiff.network import SODiff
from restora.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from restora.training.loop import LATEST
from restora.training.recipe import parse_recipe


@pytest.fixture
def recipe(sodiff_raw):
    """A function from a stage, and changes of the network, to a recipe as YAML holds it."""

    def make(stage="codec", **changes):
        return {
            "name": "tiny", "method": "sodiff", "network": sodiff_raw | changes,
            "data": {"patch_px": 16, "batch": 2},
            "train": {"steps": 2, "warmup_steps": 0, "decay_steps": 1},
            "sodiff": {"stage": stage},
        }  # fmt: skip

    return make


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "a.png")
    return folder


@pytest.fixture
def train(tmp_path, photos, interruptible):
    """Runs a recipe."""

    def run(raw, *arguments):
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(json.loads(json.dumps(raw))))
        threads = torch.get_num_threads()
        return CliRunner().invoke(
            app,
            ["train", str(path), "--photos", str(photos), "--out", str(tmp_path / "run"),
             "--threads", str(threads), *map(str, arguments)],
        )  # fmt: skip

    return run


@pytest.fixture
def started(recipe, tmp_path):
    """Makes a checkpoint of a stage whose weights are all one number."""

    def make(stage, number):
        parsed = parse_recipe(recipe(stage), name="tiny")
        weights = {
            name: torch.full_like(value, number) if value.is_floating_point() else value
            for name, value in SODiff(parsed.network).state_dict().items()
        }
        path = tmp_path / f"{stage}.pt"
        save_checkpoint(Checkpoint(parsed, 1, 1.0, (), weights, weights, {}), path)
        return path

    return make


def test_sodiff_starts_from_several_runs(recipe, started, train, tmp_path):
    files = [started(stage, number) for stage, number in (("codec", 0.1), ("prior", 0.2))]
    changed = recipe(prompt="empty")
    done = train(changed, "--start", files[0], "--start", files[1])
    assert done.exit_code == 0, done.exception
    assert "codec.pt: not taken, for the recipe's is another: prompter." in done.stderr
    assert "prior.pt: this U-Net was trained on the latents of another codec." in done.stderr
    weights = load_checkpoint(tmp_path / "run" / LATEST).network
    assert (weights["step.unet.conv_in.weight"] == 0.2).all()  # a codec's run leaves it alone
    assert weights["codec.vae.encoder.conv_in.weight"].mean() == pytest.approx(0.1, abs=0.01)
    # What a run goes on with is its own.
    again = train(changed, "--start", tmp_path / "gone.pt", "--override", "train.steps=3")
    assert again.exit_code == 0, again.exception
    assert "finished at step 3" in again.stderr


def test_a_start_that_cannot_be_read_is_told(recipe, train, tmp_path):
    done = train(recipe(), "--start", tmp_path / "gone.pt")
    assert isinstance(done.exception, WeightsError)
    named = ("--override", f"sodiff.prior_weights={tmp_path}")
    done = train(recipe(), *named)
    assert isinstance(done.exception, WeightsError)
    assert "has group norms: network.prior.norm is group" in str(done.exception)
    done = train(recipe(), *named, "--override", "network.prior.norm=group")
    assert isinstance(done.exception, WeightsError)
    assert "no vae of a prior can be read there" in str(done.exception)


def test_others_start_from_one(train, tmp_path):
    recipe = {"name": "tiny", "network": {"widths": [4, 8], "blocks": [1, 1]}}
    done = train(recipe, "--start", tmp_path / "a.pt", "--start", tmp_path / "b.pt")
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == (
        "Several --start are for SODiff, SR-Diff and SSP-IR, which are made in stages; "
        "fbcnn takes one."
    )
