"""SR-Diff as files: three parts and a card, safetensors, what it costs, and what is refused."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from restora.cli.main import app
from restora.errors import UsageError, WeightsError
from restora.networks.cost import count_macs_per_pixel
from restora.networks.onnx_weights import switched_off
from restora.networks.sr_diff.config import SRDiffConfig
from restora.networks.sr_diff.network import SRDiff, one_hot
from restora.networks.weight_files import read_weights
from restora.training.checkpoint import Checkpoint, save_checkpoint
from restora.training.export import export_onnx, export_weight
from restora.training.graphs_sr_diff import sr_diff_tracing
from restora.training.recipe import load_recipe, parse_recipe
from restora.weights.registry import load_card

RECIPES = Path(__file__).parents[2] / "recipes" / "sr-diff"
PARTS = ("judge", "refiner", "denoiser")
NETWORK = {
    "tasks": ["dehaze", "derain", "deblur"], "token_dim": 12, "tokens": 5, "predicts": "clean",
    "unet": {
        "width": 8, "multipliers": [1, 2], "blocks": 1, "unshuffle": 2, "stem_px": 3,
        "linear_attention": False, "self_attention": False, "head_dim": 8, "norm": "layer",
        "modulated": True,
    },
    "refiner": {"form": "residual", "projected": 8, "hidden": 16, "layers": 1, "heads": 2},
    "judge": {"side_px": 32, "widths": [8, 8]},
}  # fmt: skip


def network_of(**changes):
    """A network whose every part does something."""
    torch.manual_seed(0)
    network = SRDiff(SRDiffConfig.model_validate(NETWORK | changes)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.05 * torch.randn(value.shape, generator=generator))
        network.refiner.mean.add_(0.1)
        network.refiner.scale.add_(0.5)
        if network.judge is not None:
            network.judge.temperature.fill_(1.5)
            network.judge.head[0].running_mean.add_(0.1)
    return network


@pytest.fixture(scope="module")
def trained():
    return network_of()


def run_of(network):
    """The checkpoint of its training."""
    recipe = parse_recipe(
        {"name": "tiny", "method": "sr-diff", "network": network.config.model_dump(),
         "srdiff": {"stage": "restore"}}, name="tiny",
    )  # fmt: skip
    state = network.state_dict()
    encoders = {"image encoder": "lite0:49x1280:0"}
    return Checkpoint(recipe, 7, 1.0, (), state, state, {}, encoders=encoders)


@pytest.fixture(scope="module")
def card_path(trained, made_once):
    def make(folder):
        export_weight(run_of(trained), folder, title="t", data="d", device="c", overlap_px=64)

    return made_once("sr-diff-exported", make) / "tiny.json"


def initialisers(card_path, part):
    graph = onnx.load(card_path.with_name(f"tiny.{part}.onnx")).graph
    return {tensor.name: tensor for tensor in graph.initializer}


@pytest.mark.timeout(300)  # PyTorch's exporter takes its time
def test_the_card_tells_what_it_is(trained, card_path):
    card = load_card(str(card_path))
    assert card.parts() == PARTS == tuple(card.files)
    assert (card.method, card.channels, card.overlap_px) == ("sr-diff", 3, 64)
    assert card.parameters == sum(p.numel() for p in trained.parameters())
    assert card.macs_per_pixel == count_macs_per_pixel(trained)
    assert card.training.steps == 7
    assert card.training.recipe["network"]["tasks"] == NETWORK["tasks"]
    assert card.encoders == {"image encoder": "lite0:49x1280:0"}
    assert card.int8_loss_db is None


@torch.no_grad()
def test_every_part_matches_pytorch(card_path):
    """Within 1e-3 of the network of its weights, at any size and number."""
    loaded = read_weights(card_path)
    network = SRDiff(loaded.config).eval()
    network.load_state_dict(loaded.weights)
    sessions = {
        part: onnxruntime.InferenceSession(card_path.with_name(f"tiny.{part}.onnx"))
        for part in PARTS
    }

    def near(part, expected, **feeds):
        (found,) = sessions[part].run(None, {k: v.numpy() for k, v in feeds.items()})
        assert found.shape == tuple(expected.shape)
        assert np.abs(found - expected.numpy()).max() < 1e-3

    assert [out.name for part in PARTS for out in sessions[part].get_outputs()] == [
        "logits", "context", "clean",
    ]  # fmt: skip
    for views in (2, 7):
        shown = torch.rand(views, 3, 32, 32)
        near("judge", network.judge(shown), views=shown)
    heard = []
    for count, height, width in ((1, 4, 8), (2, 36, 20), (3, 64, 64)):
        tokens = torch.randn(count, 5, 12)
        context = network.context(tokens)
        near("refiner", context, tokens=tokens)
        state, degraded = torch.rand(2, count, 3, height, width)
        for number, t in enumerate((1.0, 50.0, 100.0)):
            feeds = {
                "state": state, "degraded": degraded, "time": torch.full((count,), t),
                "task": one_hot(number, 3, count), "context": context,
            }  # fmt: skip
            clean = network(*feeds.values())
            near("denoiser", clean, **feeds)
            heard.append((clean - degraded).abs().max())
    assert min(heard) > 1e-2  # else zeros would pass


@pytest.mark.parametrize("file", ["tiny.json", "tiny.judge.onnx", "tiny.denoiser.onnx"])
def test_every_file_leads_to_the_weights(trained, card_path, file):
    loaded = read_weights(card_path.with_name(file))
    assert (loaded.kind, loaded.config) == ("onnx", trained.config)
    off = switched_off(trained.config)
    assert loaded.weights.keys() == trained.state_dict().keys()
    for name, weight in trained.state_dict().items():
        if not name.startswith(off) and not name.endswith("num_batches_tracked"):
            assert torch.allclose(loaded.weights[name], weight, rtol=1e-3, atol=1e-4), name


def test_every_weight_is_in_one_part(trained, card_path):
    names = {part: set(initialisers(card_path, part)) for part in PARTS}
    off = switched_off(trained.config)
    for name in trained.state_dict():
        if name.startswith(off) or name.endswith("num_batches_tracked"):
            continue
        part = {"judge": "judge", "refiner": "refiner", "unet": "denoiser"}[name.split(".")[0]]
        assert [p for p in PARTS if name in names[p]] == [part], name
    stored = initialisers(card_path, "denoiser")["unet.middle.0.conv1.weight"]
    assert stored.data_type == onnx.TensorProto.FLOAT16
    data = b"".join(path.read_bytes() for path in card_path.parent.iterdir())
    assert b"/site-packages" not in data
    assert b".py" not in data


def test_what_is_switched_off_changes_nothing():
    """Weights that no file holds are of no use to the network either."""
    for changes in (
        {},
        {"context": "raw"},
        {"context": "none"},
        {"context": "oracle-gt", "refiner": NETWORK["refiner"] | {"projected": None}},
    ):
        network = network_of(**changes)
        off = switched_off(network.config)
        tokens, (state, degraded) = torch.randn(1, 5, 12), torch.rand(2, 1, 3, 8, 8)

        def told(network=network, tokens=tokens, state=state, degraded=degraded):
            with torch.no_grad():
                context = network.context(tokens)
                time = torch.tensor([30.0])
                return context, network(state, degraded, time, one_hot(0, 3, 1), context)

        before = told()
        for name, value in network.state_dict().items():
            if name.startswith(off):
                value.add_(1.0)
        assert all(torch.equal(a, b) for a, b in zip(before, told(), strict=True)), changes
        assert any(name.startswith(off) for name in network.state_dict()) == bool(off)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("context", "projected"), [("raw", 8), ("none", 8), ("oracle-gt", None), ("refined", None)]
)
def test_every_arm_has_a_refiner_graph(context, projected):
    """Which may have little to do."""
    network = network_of(context=context, refiner=NETWORK["refiner"] | {"projected": projected})
    model = export_onnx(network, "refiner")
    tokens = torch.randn(3, 5, 12)
    (found,) = onnxruntime.InferenceSession(model).run(None, {"tokens": tokens.numpy()})
    with torch.no_grad():
        wanted = network.context(tokens)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted.numpy()).max() < 5e-3  # its weights are halved
    stored = {tensor.name for tensor in onnx.load_from_string(model).graph.initializer}
    off = switched_off(network.config)
    assert {n for n in network.state_dict() if n.startswith("refiner.")} <= stored | {
        n for n in network.state_dict() if n.startswith(off)
    }


def test_without_a_judge_there_is_no_graph_of_one():
    with pytest.raises(WeightsError, match=r"has no judge.*take --format safetensors"):
        sr_diff_tracing(network_of(judge=None), "judge")


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "onnx-whole"], "An SR-Diff is run step by step"),
        (["--format", "safetensors", "--released-names"], "--released-names are those of FBCNN"),
        (["--title", "t", "--data", "d", "--trained-on", "c", "--int8-photos", "no",
          "--validation", "no"], "An 8-bit form is made of FBCNN alone, not of SR-Diff."),
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


def test_the_cost_of_a_step_by_hand():
    """Of the compact weight: its convolutions, scale by scale, for each pixel of a picture."""
    config = load_recipe(RECIPES / "compact.yaml").network
    unet, tokens, context = config.unet, config.tokens, config.context_dim
    assert (unet.blocks, unet.stem_px, unet.self_attention) == (1, 3, False)
    inner = 3 * unet.unshuffle**2
    width, widths = unet.width, [unet.width, *(unet.width * m for m in unet.multipliers)]
    last = len(unet.multipliers) - 1

    def block(before, after):
        skip = before * after if before != after else 0
        return 9 * before * after + 9 * after * after + skip

    def attention(channels):
        # In and out, query and answer, eight times wider and back, and each place with each token.
        return 2 * channels**2 + 2 * channels**2 + 12 * channels**2 + 2 * tokens * channels

    total = 0.0
    for level, (few, many) in enumerate(pairwise(widths)):
        share = 1 / (unet.unshuffle * 2**level) ** 2  # of a place for each pixel
        smaller = share if level == last else share / 4
        total += share * (block(few, few) + block(many + few, many))
        total += smaller * (9 if level == last else 16) * few * many
        total += (share if level == 0 else 4 * share) * 9 * many * few  # when it has grown
        if level == last:
            total += share * (2 * block(many, many) + attention(few) + 2 * attention(many))
    out = inner + (3 if unet.gain else 0)
    total += (9 * 2 * inner * width + block(2 * width, width) + 9 * width * out) / unet.unshuffle**2
    # Keys and values are made of a few tokens, the time of one number: next to nothing.
    with torch.device("meta"):
        counted = count_macs_per_pixel(SRDiff(config))
    assert counted == pytest.approx(total, rel=0.02)
    assert context == config.refiner.projected
