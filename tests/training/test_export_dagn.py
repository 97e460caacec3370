"""DAGN as files: three parts and a card, the whole in one, safetensors."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import safetensors
import torch
from typer.testing import CliRunner

from restora.cli.main import app
from restora.errors import UsageError, WeightsError
from restora.networks.catalogue import PAPERS
from restora.networks.cost import count_macs_per_pixel
from restora.networks.dagn import DAGN
from restora.networks.onnx_weights import read_onnx_weights
from restora.networks.weight_files import Loaded, read_weights, write_safetensors
from restora.training.checkpoint import Checkpoint, save_checkpoint
from restora.training.export import export_loaded, export_onnx, write_whole
from restora.training.recipe import parse_recipe
from restora.weights.registry import load_card


def test_the_card_tells_what_it_is(small_dagn, dagn_card):
    card = load_card(dagn_card)
    assert card.method == "dagn"
    assert card.paper == PAPERS["dagn"]
    assert card.parts() == ("survey", "encoder", "decoder") == tuple(card.files)
    assert card.parts(int8=True)[0] == "survey.int8"
    sizes = [Path(dagn_card).with_name(f"small.{p}.onnx").stat().st_size for p in card.parts()]
    assert card.size_bytes() == sum(sizes)
    assert card.parameters == sum(p.numel() for p in small_dagn.parameters())
    assert card.macs_per_pixel == count_macs_per_pixel(small_dagn)
    assert card.int8_loss_db is None


@pytest.mark.parametrize("file", ["small.json", "small.survey.onnx", "small.decoder.onnx"])
def test_every_file_leads_to_the_weights(small_dagn, dagn_card, file):
    loaded = read_weights(Path(dagn_card).with_name(file))
    assert (loaded.kind, loaded.config) == ("onnx", small_dagn.config)
    for name, weight in small_dagn.state_dict().items():
        assert torch.allclose(loaded.weights[name], weight, rtol=1e-3, atol=1e-4), name


@torch.no_grad()
def agrees(network, data, sizes):
    """Whether a whole graph restores like PyTorch, blind, told and insisted on."""
    network = DAGN(network.config).eval()
    network.load_state_dict(read_onnx_weights([data], network.config))
    session = onnxruntime.InferenceSession(data)
    for size in sizes:
        picture = np.random.default_rng(0).random((3, network.config.channels, *size), np.float32)
        quality = np.array([np.nan, 20, 20], np.float32)
        insist = np.array([0, 0, 1], np.float32)
        feeds = {"picture": picture, "quality": quality, "insist": insist}
        restored, predicted = session.run(None, feeds)
        strength = torch.from_numpy(1 - quality / 100)[:, None]
        expected, seen = network(
            torch.from_numpy(picture), strength, torch.from_numpy(insist)[:, None]
        )
        assert np.abs(restored - expected.numpy()).max() < 1e-3
        assert np.abs(predicted - 100 * (1 - seen[:, 0].numpy())).max() < 1e-2


def test_the_whole_graph_matches_pytorch_at_any_size(small_dagn, tmp_path):
    path = tmp_path / "small.onnx"
    write_whole(path, small_dagn.config, small_dagn.state_dict())
    agrees(small_dagn, path.read_bytes(), [(1, 1), (16, 16), (35, 50), (7, 300), (256, 128)])


def test_batch_normalisation_keeps_its_weights(small_dagn):
    """Bottlenecks, colour and normalisation, as in the published network."""
    changes = {"norm": True, "encoder_block": "bottleneck", "channels": 3, "ycbcr": True}
    torch.manual_seed(0)
    network = DAGN(small_dagn.config.model_copy(update=changes)).train()
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    with torch.no_grad():
        network(torch.rand(2, 3, 32, 32))  # running means of its own
    agrees(network.eval(), export_onnx(network), [(20, 16), (40, 100)])


def test_a_fresh_network_with_everything_off_comes_back(small_dagn, tmp_path):
    """Equal weights, zeros, and weights that no graph uses: none is lost."""
    off = {"fusion": False, "sensitive": False, "insensitive": False}
    network = DAGN(small_dagn.config.model_copy(update=off))
    loaded = Loaded(network.config, network.state_dict(), "safetensors")
    export_loaded(loaded, tmp_path, name="off", title="t", overlap_px=16, source="code")
    back = read_weights(tmp_path / "off.json")
    assert back.config == network.config
    assert back.weights.keys() == network.state_dict().keys()
    for name, weight in network.state_dict().items():
        if "_guidance" in name or "fusion" in name:
            continue
        assert torch.allclose(back.weights[name], weight, rtol=1e-3, atol=1e-4), name


def test_safetensors_there_and_back(small_dagn, tmp_path):
    path = tmp_path / "a.safetensors"
    write_safetensors(path, small_dagn.config, small_dagn.state_dict())
    with safetensors.safe_open(path, framework="pt") as file:
        assert file.metadata()["restora_method"] == "dagn"
    loaded = read_weights(path)
    assert (loaded.kind, loaded.config) == ("safetensors", small_dagn.config)
    for name, weight in small_dagn.state_dict().items():
        assert torch.equal(loaded.weights[name], weight)
    with pytest.raises(WeightsError, match="authors' names are those of FBCNN"):
        write_safetensors(path, small_dagn.config, small_dagn.state_dict(), released=True)


def test_no_8_bit_form_is_made_of_it(small_dagn, tmp_path):
    """Told before any photo is decoded, let alone a file written."""
    recipe = parse_recipe(
        {"name": "run", "method": "dagn", "network": small_dagn.config.model_dump()}, name="run"
    )
    state = small_dagn.state_dict()
    save_checkpoint(Checkpoint(recipe, 1, 1.0, (), state, state, {}), tmp_path / "run.pt")
    done = CliRunner().invoke(
        app,
        ["export", str(tmp_path / "run.pt"), "-o", str(tmp_path / "out"), "--title", "t", "--data",
         "d", "--trained-on", "c", "--int8-photos", "nowhere", "--validation", "nowhere"],
    )  # fmt: skip
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == "An 8-bit form is made of FBCNN alone, not of DAGN."
    assert list((tmp_path / "out").iterdir()) == []


def test_a_card_becomes_safetensors(small_dagn, dagn_card, tmp_path):
    arguments = ["export", dagn_card, "-o", str(tmp_path), "--format", "safetensors"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert read_weights(tmp_path / "small.safetensors").config == small_dagn.config
