"""SSP-IR as files: five parts and a card, safetensors, what it costs, and what is refused."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from restora.cli.main import app
from restora.errors import UsageError
from restora.networks.cost import count_macs_per_pixel, count_ssp_ir_macs
from restora.networks.onnx_weights import switched_off
from restora.networks.ssp_ir.config import SSPIRConfig
from restora.networks.ssp_ir.network import SSPIR
from restora.networks.weight_files import read_weights
from restora.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from restora.training.export import export_onnx, export_weight
from restora.training.loop import LATEST, train
from restora.training.recipe import parse_recipe
from restora.weights.registry import load_card

pytestmark = pytest.mark.timeout(600)  # PyTorch's exporter takes its time
PARTS = ("refiner", "processor", "encoder", "denoiser", "decoder")
NETWORK = {
    "prior": {
        "codec": {
            "unshuffle": 4, "widths": [8], "layers": 1, "latents": 4, "scale": 1.5,
            "attention": False, "linear": True,
        },
        "unet": {
            "widths": [8, 16], "reads": [False, True], "layers": 1, "heads": [2, 2],
            "self_attention": False,
        },
        "token_dim": 12, "norm": "local", "norm_groups": 4,
    },
    "encoder": "lite0", "tokens": 5, "token_dim": 10, "text_encoder": "minilm", "text_tokens": 6,
    "null_text": "zeros", "predicts": "clean", "residual": True, "start": "processed",
    "processor": {
        "widths": [8, 8, 8],
        "front": {"widths": [8, 12], "blocks": 1, "unshuffle": 2, "gain": True},
    },
    "refiner": {"layers": 1, "hidden": 16, "dim": 8},
    "attention": {"form": "light", "window": 2},
}  # fmt: skip
# As published, but small: group norms, a codec of several scales, transformers, the noise.
PUBLISHED = {
    "prior": {
        "codec": {"widths": [8, 8], "layers": 1, "latents": 4},
        "unet": {"widths": [8], "reads": [True], "layers": 1, "heads": [2], "linear": False},
        "token_dim": 12, "norm_groups": 4,
    },
    "tokens": 5, "token_dim": 10, "text_tokens": 6, "processor": {"widths": [8, 8]},
    "refiner": {"layers": 2, "hidden": 16, "dim": 8},
}  # fmt: skip
ENCODERS = {"image encoder": "lite0:5x10:0", "text encoder": "minilm:12x6:0"}


def network_of(raw=NETWORK, **changes):
    """A network whose every part does something."""
    torch.manual_seed(0)
    network = SSPIR(SSPIRConfig.model_validate(raw | changes)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.05 * torch.randn(value.shape, generator=generator))
    return network


@pytest.fixture(scope="module")
def trained():
    return network_of()


def run_of(network):
    """The checkpoint of its training."""
    recipe = parse_recipe(
        {"name": "tiny", "method": "ssp-ir", "network": network.config.model_dump(),
         "sspir": {"stage": "restore"}}, name="tiny",
    )  # fmt: skip
    state = network.state_dict()
    return Checkpoint(recipe, 7, 1.0, (), state, state, {}, encoders=ENCODERS)


@pytest.fixture(scope="module")
def card_path(trained, made_once):
    def make(folder):
        export_weight(run_of(trained), folder, title="t", data="d", device="c", overlap_px=64)

    return made_once("ssp-ir-exported", make) / "tiny.json"


def initialisers(card_path, part):
    graph = onnx.load(card_path.with_name(f"tiny.{part}.onnx")).graph
    return {tensor.name: tensor for tensor in graph.initializer}


def shown(config, count, height, width, words):
    """What every graph is given, by name."""
    factor, wide = config.prior.codec.factor, config.prior.unet.widths[0]
    there = (height // factor, width // factor)
    state, anchor, latent = torch.randn(3, count, config.prior.codec.latents, *there)
    return {
        "tokens": torch.randn(count, config.tokens, config.token_dim),
        "picture": torch.rand(count, 3, height, width), "latent": latent, "state": state,
        "anchor": anchor, "time": torch.tensor([0.0, 500.0, 999.0])[:count],
        "features": torch.randn(count, wide, *there),
        "text": torch.randn(count, words, config.prior.token_dim),
        "image": torch.randn(count, config.tokens, config.refiner.dim),
    }  # fmt: skip


def expected(network, given):
    """Of every graph, by the network itself."""
    made = network.process(given["picture"])
    step = ("state", "anchor", "time", "features", "text", "image")
    smaller = made.heads[-len(network.processor.to_rgb) :]
    rgb = {f"rgb_{2 ** (k + 1)}": head / 2 + 0.5 for k, head in enumerate(smaller)}
    return {
        "refiner": {"image": network.refiner(given["tokens"])},
        "processor": {"features": made.features, "processed": made.picture} | rgb,
        "encoder": {"latent": network.codec.encode(given["picture"])},
        "denoiser": {"clean": network(*(given[name] for name in step))},
        "decoder": {"picture": network.codec.decode(given["latent"])},
    }


@torch.no_grad()
def check(sessions, network, sizes):
    """Within 1e-3 of PyTorch, whatever the size."""
    for size in sizes:
        given = shown(network.config, *size)
        for part, wanted in expected(network, given).items():
            if part not in sessions:
                continue
            inputs = [each.name for each in sessions[part].get_inputs()]
            assert [each.name for each in sessions[part].get_outputs()] == list(wanted)
            found = sessions[part].run(None, {name: given[name].numpy() for name in inputs})
            for name, value in zip(wanted, found, strict=True):
                assert value.shape == tuple(wanted[name].shape), name
                assert wanted[name].std() > 1e-2, name  # else zeros would pass
                scale = max(1.0, float(wanted[name].abs().max()))
                assert np.abs(value - wanted[name].numpy()).max() < 1e-3 * scale, (part, name)


def test_the_card_tells_what_it_is(trained, card_path):
    card = load_card(str(card_path))
    assert card.parts() == PARTS == tuple(card.files)
    assert (card.method, card.channels, card.overlap_px) == ("ssp-ir", 3, 64)
    assert card.parameters == sum(p.numel() for p in trained.parameters())
    assert card.macs_per_pixel == count_macs_per_pixel(trained)
    assert (card.training.steps, card.encoders) == (7, ENCODERS)
    assert SSPIRConfig.model_validate(card.training.recipe["network"]) == trained.config
    assert card.int8_loss_db is None


def test_every_part_matches_pytorch(card_path):
    """The network of its weights, at any size and number, and with captions of any length."""
    loaded = read_weights(card_path)
    network = SSPIR(loaded.config).eval()
    network.load_state_dict(loaded.weights)
    sessions = {
        part: onnxruntime.InferenceSession(card_path.with_name(f"tiny.{part}.onnx"))
        for part in PARTS
    }
    inputs = [each.name for each in sessions["denoiser"].get_inputs()]
    assert inputs == ["state", "anchor", "time", "features", "text", "image"]
    check(sessions, network, [(1, 16, 32, 6), (3, 64, 48, 9), (2, 16, 16, 1)])


@pytest.mark.parametrize("file", ["tiny.json", "tiny.processor.onnx", "tiny.denoiser.onnx"])
def test_every_file_leads_to_the_weights(trained, card_path, file):
    loaded = read_weights(card_path.with_name(file))
    assert (loaded.kind, loaded.config) == ("onnx", trained.config)
    assert loaded.weights.keys() == trained.state_dict().keys()
    for name, weight in trained.state_dict().items():
        assert torch.allclose(loaded.weights[name], weight, rtol=1e-3, atol=1e-4), name


def test_every_weight_is_in_a_file(trained, card_path):
    """Once, but for what the latents are counted in."""
    names = {part: set(initialisers(card_path, part)) for part in PARTS}
    homes = {"refiner": "refiner", "processor": "processor"} | dict.fromkeys(
        ("unet", "control", "anchor"), "denoiser"
    )
    for name in trained.state_dict():
        found = [part for part in PARTS if name in names[part]]
        if name == "codec.scale":
            assert found == ["encoder", "decoder"]
        elif name.startswith("codec."):
            assert len(found) == 1, name
            assert found[0] in ("encoder", "decoder"), name
        else:
            assert found == [homes[name.split(".")[0]]], name
    stored = initialisers(card_path, "denoiser")["unet.base.mid_block.resnets.0.conv1.weight"]
    assert stored.data_type == onnx.TensorProto.FLOAT16
    data = b"".join(path.read_bytes() for path in card_path.parent.iterdir())
    assert b"/site-packages" not in data
    assert b".py" not in data


def test_what_is_published_has_graphs_too():
    """Inputs that it does not read stay, so that whoever runs it need not ask."""
    network = network_of(PUBLISHED)
    files = {part: export_onnx(network, part) for part in ("processor", "denoiser")}
    sessions = {part: onnxruntime.InferenceSession(data) for part, data in files.items()}
    for data in files.values():  # what ships is halved
        for tensor in onnx.load_from_string(data).graph.initializer:
            if tensor.name in network.state_dict():
                value = torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy()).float()
                network.state_dict()[tensor.name].copy_(value)
    check(sessions, network, [(1, 8, 16, 6), (2, 24, 16, 3)])
    inputs = [each.name for each in sessions["denoiser"].get_inputs()]
    assert inputs == ["state", "anchor", "time", "features", "text", "image"]


SWITCHES = [
    {"control": False}, {"pixel": False}, {"control": False, "pixel": False}, {"image": False},
    {"text": False}, {},
]  # fmt: skip


@pytest.mark.parametrize("switches", SWITCHES)
def test_what_is_switched_off_changes_nothing(switches):
    """Weights that no file holds are of no use to the network either; all others are."""
    network = network_of(**switches)
    off = switched_off(network.config)
    given = shown(network.config, 2, 16, 16, 6)
    step = [given[n] for n in ("state", "anchor", "time", "features", "text", "image")]
    with torch.no_grad():
        before = network(*step)
        for name, value in network.state_dict().items():
            if name.startswith(off):
                value.add_(1.0)
        assert torch.equal(network(*step), before)
    network(*step).square().sum().backward()
    heard = {name for name, p in network.named_parameters() if p.grad is not None}
    parts = ("unet.", "control.", "anchor.")
    wanted = {n for n, _ in network.named_parameters() if n.startswith(parts)}
    assert heard == {name for name in wanted if not name.startswith(off)}
    assert bool(off) == (not network.config.control)


def export(*arguments):
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


def test_safetensors_there_and_back(trained, card_path, tmp_path):
    """From a card and from a run."""
    assert export(card_path, "-o", tmp_path, "--format", "safetensors").exit_code == 0
    read = read_weights(tmp_path / "tiny.safetensors")
    assert read.config == trained.config
    for name, weight in read_weights(card_path).weights.items():
        assert torch.equal(read.weights[name], weight.float()), name
    save_checkpoint(run_of(trained), tmp_path / "run.pt")
    done = export(tmp_path / "run.pt", "-o", tmp_path, "--format", "safetensors", "--name", "run")
    assert done.exit_code == 0, done.exception
    read = read_weights(tmp_path / "run.safetensors")
    for name, weight in trained.state_dict().items():
        assert torch.equal(read.weights[name], weight.float()), name


def test_one_step_of_training_can_be_exported(ssp_ir_recipe, photos, tmp_path):
    """All that learned comes back: the Processor, the refine layer and what was added too."""
    recipe = ssp_ir_recipe("restore")
    train(recipe, photos, out=tmp_path, stop=lambda: True)
    done = export(tmp_path / LATEST, "-o", tmp_path, "--format", "safetensors", "--name", "one")
    assert done.exit_code == 0, done.exception
    found = load_checkpoint(tmp_path / LATEST).average
    read = read_weights(tmp_path / "one.safetensors")
    assert read.config == recipe.network
    assert read.weights.keys() == found.keys()
    assert all(torch.equal(read.weights[name], value) for name, value in found.items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "onnx-whole"], "An SSP-IR is five files"),
        (["--format", "safetensors", "--released-names"], "--released-names are those of FBCNN"),
        (["--title", "t", "--data", "d", "--trained-on", "c", "--int8-photos", "no",
          "--validation", "no"], "An 8-bit form is made of FBCNN alone, not of SSP-IR."),
    ],
)  # fmt: skip
def test_what_it_has_not_is_refused(trained, tmp_path, options, message):
    """Before any file is written."""
    save_checkpoint(run_of(trained), tmp_path / "run.pt")
    done = export(tmp_path / "run.pt", "-o", tmp_path / "out", *options)
    assert isinstance(done.exception, UsageError)
    assert str(done.exception).startswith(message)
    out = tmp_path / "out"
    assert not out.exists() or list(out.iterdir()) == []


def test_the_cost_of_the_parts_by_hand(trained):
    """Of a Processor, whose convolutions can be counted; and what is in the sum."""
    config, side = trained.config, 32
    found = count_ssp_ir_macs(config, side)
    assert tuple(found) == PARTS
    # Ends, two blocks and what is between at half the size; a block, and both ways, at a quarter.
    front = 9 * (12 * 8 + 2 * 2 * 64 + 64 + 8 * 24) * (side // 2) ** 2
    front += (4 * 96 + 9 * 2 * 144 + 4 * 96) * (side // 4) ** 2
    stages = sum(9 * 64 * (side // f) ** 2 + 9 * (64 + 24) * (side // f // 2) ** 2 for f in (1, 2))
    ends = 9 * 24 * side**2 + 9 * 64 * (side // 4) ** 2
    assert found["processor"] == front + stages + ends
    assert found["refiner"] == 5 * (10 * 16 + 16 * 8)
    tile = count_ssp_ir_macs(config, 512)
    per_pixel = (sum(tile.values()) - tile["refiner"]) / 512**2
    assert count_macs_per_pixel(trained) == round(per_pixel)
