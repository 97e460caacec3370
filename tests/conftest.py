"""Settings all tests share."""

import copy
import os
import signal
import time

import pytest
from hypothesis import settings

# Two workers on two cores: a network's second thread would wait for a core more than it works.
# Before PyTorch is imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What PyTorch's exporter remembers of every operation takes longer than it saves with open sizes.
os.environ.setdefault("TORCH_FAKE_TENSOR_DISPATCH_CACHE", "0")

# A machine that is busy elsewhere must not fail a test: speed is measured by `restora bench`.
settings.register_profile("restora", deadline=None, max_examples=40, print_blob=True)
settings.load_profile("restora")


def pytest_collection_modifyitems(items):
    """Whoever is first to need a SODiff's files has them made, and others may wait for that."""
    for item in items:
        if {"sodiff_card", "sr_diff_card"} & set(item.fixturenames):
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture
def interruptible():
    """Interrupts as in a terminal; a shell's background work is started with them ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """A function to the folder of a name, filled by the first worker of pytest-xdist that asks.

    For what PyTorch's exporter makes: it works half a minute on the parts of one network.
    """
    base = tmp_path_factory.getbasetemp()
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder_of(name, fill):
        folder, claim = common / name, common / f"{name}.claimed"
        while not folder.exists():
            try:
                claim.mkdir()
            except FileExistsError:  # another is at it; should it fail, this one tries
                time.sleep(0.2)
                continue
            try:
                if not folder.exists():
                    unfinished = tmp_path_factory.mktemp(name)
                    fill(unfinished)
                    unfinished.rename(folder)  # whole or not at all
            finally:
                claim.rmdir()
        return folder

    return folder_of


@pytest.fixture(scope="session")
def small_dagn():
    """A small gray DAGN whose every part does something."""
    import torch

    from restora.networks.dagn import DAGN, DAGNConfig

    config = DAGNConfig(
        channels=1, widths=(8, 12, 16), blocks=(1, 1, 1), sensitive_blocks=1, insensitive_blocks=1,
        encoder_block="basic", encoder_width=4, encoder_blocks=(1, 1, 1, 1), mlp=8, key=6,
        norm=False, unshuffle=2, residual=True, gate_scale=2.0,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    network = DAGN(config).eval()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if not name.startswith("to_"):
                value.add_(0.05 * torch.randn(value.shape, generator=generator))
        network.sensitive_guidance.mlp[0].weight.mul_(4)
        network.sensitive_guidance.mlp[-2].bias.add_(0.5)  # eight ReLUs may all be silent
        # What the network adds to a picture stays small, as it does in one that has learned.
        network.tail.weight.mul_(0.01)
    return network


@pytest.fixture(scope="session")
def dagn_card(small_dagn, made_once):
    """The path of its card, with the three files beside it."""
    from restora.networks.weight_files import Loaded
    from restora.training.export import export_loaded

    def make(folder):
        loaded = Loaded(small_dagn.config, small_dagn.state_dict(), "safetensors")
        export_loaded(loaded, folder, name="small", title="a test", overlap_px=128, source="code")

    return str(made_once("dagn", make) / "small.json")


SODIFF = {
    "prior": {
        "codec": {
            "unshuffle": 4, "widths": [16], "layers": 1, "latents": 8, "scale": 1.0,
            "attention": False, "linear": True,
        },
        "unet": {
            "widths": [16, 16], "reads": [False, True], "layers": 1, "heads": [2, 2],
            "self_attention": False,
        },
        "token_dim": 24, "norm": "local", "norm_groups": 4,
    },
    "saipe": {
        "side_px": 32, "channels": 16, "stages": 1, "layers": 1, "heads": 2, "window": 4,
        "queries": 4, "query_heads": 2, "token_dim": 24, "recon_layers": 1, "recon_heads": 2,
    },
    "predictor": {"widths": [8, 8, 8, 8]},
}  # fmt: skip


@pytest.fixture
def sodiff_raw():
    """The configuration of a SODiff small enough for tests, as a recipe has it."""
    return copy.deepcopy(SODIFF)


@pytest.fixture
def sodiff_config(sodiff_raw):
    from restora.networks.sodiff.config import SODiffConfig

    return SODiffConfig.model_validate(sodiff_raw)


@pytest.fixture(scope="session")
def trained_sodiff():
    """A small SODiff as a training leaves it: LoRA beside its weights, and every part at work."""
    import torch

    from restora.networks.prior import set_components
    from restora.networks.sodiff.config import SODiffConfig
    from restora.networks.sodiff.network import SODiff

    made = {
        "saipe": SODIFF["saipe"] | {"layers": 2},  # of which one is shifted
        # Weak timesteps: a network that learned nothing must not go far.
        "predictor": SODIFF["predictor"] | {"candidates": [19, 59, 119, 199]},
        "lora": {"rank": 2, "alpha": 4},
    }
    torch.manual_seed(0)
    network = SODiff(SODiffConfig.model_validate(SODIFF | made)).eval()
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(8, 3, 16, 16, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (64, 64), mode="bilinear")
    seen = smooth + 0.05 * torch.randn(smooth.shape, generator=generator)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.02 * torch.randn(value.shape, generator=generator))
        set_components(network.codec, seen)
        network.codec.scale.fill_(0.8)
        for last in (network.codec.vae.quant_conv, network.codec.vae.decoder.conv_out):
            last.weight.normal_(std=0.02, generator=generator)
        network.codec.vae.quant_conv.bias[8:] = -3.0  # a spread that is seen
        tail = network.unet.conv_out
        for weight in (tail.base_layer.weight, tail.lora_B["default"].weight):
            weight.mul_(0.3)
        network.predictor.train()(seen)  # its normalisations have seen a batch
        network.predictor.time_head.weight.mul_(20)
        network.predictor.time_head.bias.copy_(torch.tensor([0.0, 0.0, 3.0, 0.0]))
    return network.eval()


@pytest.fixture(scope="session")
def small_sodiff(trained_sodiff):
    """The same with LoRA inside its weights, as it runs."""
    return trained_sodiff.merged()


@pytest.fixture(scope="session")
def sodiff_run(trained_sodiff):
    """The checkpoint of its training."""
    from restora.training.checkpoint import Checkpoint
    from restora.training.recipe import parse_recipe

    recipe = parse_recipe(
        {"name": "tiny", "method": "sodiff", "network": trained_sodiff.config.model_dump(),
         "data": {"patch_px": 32}, "sodiff": {"stage": "one-step"}}, name="tiny",
    )  # fmt: skip
    state = trained_sodiff.state_dict()
    return Checkpoint(recipe, 1, 1.0, (), state, state, {})


@pytest.fixture(scope="session")
def sodiff_card(sodiff_run, made_once):
    """The path of its card, with the four files beside it."""
    from restora.training.export import export_weight

    def make(folder):
        export_weight(sodiff_run, folder, title="t", data="d", device="c", overlap_px=128)

    return str(made_once("sodiff", make) / "tiny.json")


@pytest.fixture(scope="session")
def small_sr_diff():
    """A small SR-Diff whose every part does something, and its sight of a place is narrow."""
    import torch

    from restora.networks.sr_diff.config import SRDiffConfig
    from restora.networks.sr_diff.network import SRDiff

    config = SRDiffConfig.model_validate(
        {"tasks": ["dehaze", "derain", "deblur", "lowlight"], "encoder": "lite0",
         "token_dim": 1280, "tokens": 50, "predicts": "clean",
         "unet": {"width": 8, "multipliers": [1, 2], "blocks": 1, "unshuffle": 2, "stem_px": 3,
                  "linear_attention": False, "self_attention": False, "norm": "layer",
                  "modulated": True},
         "refiner": {"form": "residual", "projected": 16, "hidden": 16, "layers": 1, "heads": 2}}
    )  # fmt: skip
    torch.manual_seed(0)
    network = SRDiff(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.05 * torch.randn(value.shape, generator=generator))
        # Tokens that differ little between pictures shall still be told apart.
        basis = network.refiner.basis
        basis.copy_(torch.randn(basis.shape, generator=generator) / 16)
        network.unet.out.weight.mul_(0.1)  # one that learned nothing must not go far
    return network


@pytest.fixture(scope="session")
def sr_diff_card(small_sr_diff, made_once):
    """A function to the path of its card, with its files and a judge that always sees one thing.

    The judge's word is the name of a task or ``nothing``, and how sure it is.
    """
    import hashlib

    from restora.networks.cost import count_macs_per_pixel
    from restora.training.export import export_onnx
    from restora.weights.cards import Card, Training, WeightFile

    def make(folder):
        for part in ("refiner", "denoiser"):
            (folder / f"{part}.onnx").write_bytes(export_onnx(small_sr_diff, part))

    made = made_once("sr-diff", make)
    recipe = {"method": "sr-diff", "network": small_sr_diff.config.model_dump(mode="json")}
    training = Training(recipe=recipe, data="d", device="c", steps=0, seconds=0)

    def card(word="dehaze", share=0.9):
        def write(folder):
            files = {
                "judge": _judge_that_says(word, share),
                **{part: (made / f"{part}.onnx").read_bytes() for part in ("refiner", "denoiser")},
            }
            named = {}
            for part, data in files.items():
                (folder / f"tiny.{part}.onnx").write_bytes(data)
                digest = hashlib.sha256(data).hexdigest()
                named[part] = WeightFile(sha256=digest, size_bytes=len(data))
            told = Card(
                name="tiny", method="sr-diff", title="t", paper="p", channels=3, parameters=1,
                macs_per_pixel=count_macs_per_pixel(small_sr_diff), overlap_px=128, licence="l",
                files=named, training=training, scores={},
            )  # fmt: skip
            (folder / "tiny.json").write_text(told.model_dump_json())

        return str(made_once(f"sr-diff-{word}-{share}", write) / "tiny.json")

    return card


def _judge_that_says(word, share):
    """An ONNX file from views to the logits of ``nothing`` and four tasks, whatever they show."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    names = ["nothing", "dehaze", "derain", "deblur", "lowlight"]
    shares = [share if name == word else (1 - share) / 4 for name in names]
    logits = np.log(np.array([shares], np.float32))
    views = helper.make_tensor_value_info("views", TensorProto.FLOAT, ["V", 3, 32, 32])
    out = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 5])
    nodes = [
        helper.make_node("ReduceMean", ["views"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["none"]),
        helper.make_node("Add", ["said", "none"], ["logits"]),
    ]
    kept = [
        numpy_helper.from_array(logits, "said"),
        numpy_helper.from_array(np.zeros((), np.float32), "zero"),
    ]
    graph = helper.make_graph(nodes, "judge", [views], [out], kept)
    opset = [helper.make_opsetid("", 18)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()
