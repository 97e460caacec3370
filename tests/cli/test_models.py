"""`restora models --detail`: everything on a card, and what a network of a paper costs."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from restora.cli.main import app
from restora.errors import UsageError
from restora.weights.registry import MODELS, load_card


def models(*arguments):
    return CliRunner().invoke(app, ["models", *arguments])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_facts_of_every_weight(model):
    told = models("--detail", model.name).stdout
    for weight in model.weights:
        card = load_card(weight)
        steps = {"sr-diff": " and step", "ssp-ir": " with one step"}
        of_what = f"pixel{steps.get(card.method, '')}"
        facts = [
            card.title, card.paper, card.licence, f"weights: {card.parameters:,}",
            f"multiply-adds a {of_what}: {card.macs_per_pixel:,}",
            f"{card.training.steps:,} steps", card.training.data, card.training.device,
            *(f"{weight}.{part}.onnx, {file.size_bytes / 1e6:.2f} MB"
              for part, file in card.files.items()),
            *card.scores,
        ]  # fmt: skip
        for fact in facts:
            assert fact in told, fact
    assert ("The network of the paper" in told) == (model.name == "sodiff")


def test_sodiff_has_the_scale_of_the_paper():
    lines = models("--detail", "sodiff").stdout.splitlines()
    (unet,) = [line.split() for line in lines if line.strip().startswith("U-Net ")]
    assert unet[:5] == ["U-Net", "865.91", "3,464", "1,732", "402.1"]
    (total,) = [line.split() for line in lines if line.strip().startswith("all, LoRA merged")]
    assert total[3:] == ["969.80", "3,879", "1,940", "2,509.4"]


def test_detail_as_json():
    fbcnn = json.loads(models("--detail", "fbcnn", "--json").stdout)
    assert {card["channels"] for card in fbcnn["weights"]} == {1, 3}
    assert fbcnn["published"] == []
    parts = json.loads(models("--detail", "sodiff", "--json").stdout)["published"]
    assert [part["name"] for part in parts][1] == "U-Net"
    assert parts[1]["fp16_bytes"] == 2 * parts[1]["parameters"]


def test_no_such_model():
    done = models("--detail", "fbcn")
    assert isinstance(done.exception, UsageError)
    assert "Did you mean 'fbcnn'?" in str(done.exception)


def test_the_light_install_can_tell():
    """Without PyTorch and diffusers."""
    code = (
        "import sys; sys.modules.update(torch=None, diffusers=None, onnx=None);"
        "from restora.cli.main import main; sys.argv = ['restora', 'models', '--detail', 'sodiff'];"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "U-Net" in done.stdout
