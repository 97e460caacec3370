"""DAGN as files: three parts and a card, the whole in one, safetensors."""

import copy
import itertools
from pathlib import Path

import numpy as np
import onnx
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
from restora.networks.onnx_weights import switched_off
from restora.networks.weight_files import HALF_LEAST, Loaded, read_weights, write_safetensors
from restora.training.checkpoint import Checkpoint, save_checkpoint
from restora.training.export import export_loaded, export_onnx, export_weight, write_whole
from restora.training.initial import read_initial
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


def changed(network, **changes):
    """A live network with other numbers of its own: normed, it has means from a picture."""
    torch.manual_seed(0)
    network = DAGN(network.config.model_copy(update=changes)).train()
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    with torch.no_grad():
        network(torch.rand(2, network.config.channels, 32, 32))
    return network.eval()


def stored(network):
    """Its weights as a file holds them: the large ones in half precision."""
    weights = network.state_dict().items()
    return {n: w.half().float() if w.numel() >= HALF_LEAST else w for n, w in weights}


@torch.no_grad()
def agrees(network, data, sizes):
    """Whether a whole graph restores like this network, blind, told and insisted on."""
    weights = stored(network)
    network = DAGN(network.config).eval()
    network.load_state_dict(weights)
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
    network = copy.deepcopy(small_dagn)
    with torch.no_grad():
        network.tail.weight.mul_(20)  # what it adds to a picture is seen
    write_whole(path, network.config, network.state_dict())
    agrees(network, path.read_bytes(), [(1, 1), (16, 16), (35, 50), (7, 300), (256, 128)])
    other = copy.deepcopy(network)
    other.body_decoder[0].conv1.weight.data *= 1.1
    with pytest.raises(AssertionError):
        agrees(other, path.read_bytes(), [(35, 50)])


TINY = {"widths": (4, 8), "blocks": (1, 1)}  # exports take long
NORMED = {"norm": True, "encoder_block": "bottleneck", "channels": 3, "ycbcr": True}


def test_batch_normalisation_keeps_its_weights(small_dagn):
    """Bottlenecks, colour and normalisation, as in the published network."""
    network = changed(small_dagn, **NORMED, **TINY)
    data = export_onnx(network)
    agrees(network, data, [(20, 16), (40, 100)])
    # ONNX Runtime would warn of each.
    assert "CastLike" not in {node.op_type for node in onnx.load_from_string(data).graph.node}


def test_a_normed_run_comes_back_from_its_card(small_dagn, tmp_path):
    """Weights and running statistics, although costs are counted on a black picture."""
    network = changed(small_dagn, norm=True, **TINY)
    state = {name: weight.clone() for name, weight in network.state_dict().items()}
    assert state["head.weight"].any()
    assert state["sensitive_encoder.norm.running_mean"].abs().min() > 0.01
    assert state["sensitive_encoder.norm.num_batches_tracked"] == 1
    recipe = parse_recipe(
        {"name": "run", "method": "dagn", "network": network.config.model_dump()}, name="run"
    )
    checkpoint = Checkpoint(recipe, 1, 1.0, (), state, state, {})
    export_weight(checkpoint, tmp_path, title="t", data="d", device="c", overlap_px=16)
    back = read_weights(tmp_path / "run.json").weights
    assert back.keys() == state.keys()
    for name, weight in state.items():
        if not name.endswith("num_batches_tracked"):  # it is of no use to a graph
            assert torch.allclose(back[name], weight, rtol=1e-3, atol=1e-4), name


def test_costs_are_counted_without_a_trace(small_dagn):
    network = changed(small_dagn, norm=True).train()
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    costs = count_macs_per_pixel(network)
    assert network.training
    assert all(torch.equal(w, before[name]) for name, w in network.state_dict().items())
    assert costs == count_macs_per_pixel(network.eval())
    assert not network.training


SWITCHES = ("fusion", "sensitive", "insensitive")
OFF = dict.fromkeys(SWITCHES, False)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("on", list(itertools.product([False, True], repeat=3)))
def test_what_no_graph_uses_is_known(small_dagn, on, norm):
    """The weights that may be missing in a file are those that no output depends on."""
    switches = dict(zip(SWITCHES, on, strict=True))
    network = changed(small_dagn, norm=norm, **switches)
    for weight in network.parameters():  # what is nothing would hide what is multiplied by it
        torch.nn.init.normal_(weight, std=0.1)
    picture = torch.rand(2, 1, 32, 32)
    half = torch.full((2, 1), 0.5)

    def unused(*outputs):
        network.zero_grad()
        sum(output.sum() for output in outputs).backward()
        return {name for name, weight in network.named_parameters() if weight.grad is None}

    def off(*, whole):
        prefixes = switched_off(network.config, whole=whole)
        return {name for name, _ in network.named_parameters() if name.startswith(prefixes)}

    assert off(whole=True) == unused(*network(picture, half, half))
    maps = network.look(picture)
    guidance = network.pool(maps)
    features = network.analyse(picture, guidance.keys, guidance.values)
    codes = (guidance.sensitive, guidance.insensitive)
    restored = network.reconstruct(picture, features, *codes, half, half)
    parts = unused(*maps, *features, network.predict(guidance.sensitive), restored)
    assert off(whole=False) == parts


@pytest.mark.parametrize(
    "switches",
    [{**OFF, "sensitive": True}, {**OFF, "insensitive": True, "norm": True}],
    ids=["sensitive", "insensitive"],
)
def test_a_whole_file_with_parts_off_comes_back(small_dagn, dagn_card, tmp_path, switches):
    """With a card beside it, as docs/weights.md has it, and with its switches on again."""
    network = changed(small_dagn, **switches, **TINY)
    state = network.state_dict()
    write_whole(tmp_path / "off.onnx", network.config, state)
    agrees(network, (tmp_path / "off.onnx").read_bytes(), [(20, 16)])
    card = load_card(dagn_card)
    recipe = {"method": "dagn", "network": network.config.model_dump(mode="json")}
    training = card.training.model_copy(update={"recipe": recipe})
    card = card.model_copy(update={"training": training})
    (tmp_path / "off.json").write_text(card.model_dump_json())
    more = network.config.model_copy(update=dict.fromkeys(SWITCHES, True))
    back = read_initial(tmp_path / "off.onnx", more)
    assert back.keys() == state.keys()
    off = switched_off(network.config, whole=True)
    for name, weight in state.items():
        if not name.startswith(off) and not name.endswith("num_batches_tracked"):
            assert torch.allclose(back[name], weight, rtol=1e-3, atol=1e-4), name
    again = read_initial(tmp_path / "off.onnx", more)
    assert all(torch.equal(back[name], again[name]) for name in back)


def test_a_fresh_network_with_everything_off_comes_back(small_dagn, tmp_path):
    """Equal weights, zeros, and weights that no graph uses: none is lost."""
    network = DAGN(small_dagn.config.model_copy(update=OFF))
    loaded = Loaded(network.config, network.state_dict(), "safetensors")
    export_loaded(loaded, tmp_path, name="off", title="t", overlap_px=16, source="code")
    back = read_weights(tmp_path / "off.json")
    assert back.config == network.config
    assert back.weights.keys() == network.state_dict().keys()
    for name, weight in network.state_dict().items():
        if name.startswith(switched_off(network.config)):
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


def test_the_authors_names_are_refused(dagn_card, tmp_path):
    out = tmp_path / "out"
    done = CliRunner().invoke(
        app,
        ["export", dagn_card, "-o", str(out), "--format", "safetensors", "--released-names"],
    )  # fmt: skip
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == f"--released-names are those of FBCNN; {dagn_card} is a DAGN."
    assert not out.exists()


def test_a_card_becomes_safetensors(small_dagn, dagn_card, tmp_path):
    arguments = ["export", dagn_card, "-o", str(tmp_path), "--format", "safetensors"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert read_weights(tmp_path / "small.safetensors").config == small_dagn.config
