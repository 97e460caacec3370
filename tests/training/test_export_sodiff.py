"""SODiff as files: four parts and a card, safetensors, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from restora.cli.main import app
from restora.errors import UsageError
from restora.networks.cost import count_macs_per_pixel, count_sodiff_macs, on_meta
from restora.networks.sodiff.config import SODiffConfig
from restora.networks.sodiff.network import SODiff
from restora.networks.weight_files import read_weights, write_safetensors
from restora.training import export as export_module
from restora.training.checkpoint import save_checkpoint
from restora.training.export import export_onnx, export_weight
from restora.training.graphs_sodiff import sodiff_tracing
from restora.weights.cards import Card
from restora.weights.registry import load_card

PARTS = ("prompt", "predictor", "encoder", "decoder")


@pytest.fixture
def card_path(sodiff_card):
    return Path(sodiff_card)


def initialisers(card_path, part):
    graph = onnx.load(card_path.with_name(f"tiny.{part}.onnx")).graph
    return {tensor.name: tensor for tensor in graph.initializer}


def test_the_card_tells_what_it_is(trained_sodiff, card_path):
    card = load_card(str(card_path))
    plain = trained_sodiff.merged()
    assert card.parts() == PARTS == tuple(card.files)
    assert card.parameters == sum(p.numel() for p in plain.parameters())
    assert card.macs_per_pixel == count_macs_per_pixel(trained_sodiff)
    assert card.training.recipe["network"]["lora"] == {"rank": 2, "alpha": 4.0}  # how it was made
    assert card.int8_loss_db is None


def test_the_card_tells_whose_words_it_was_taught(sodiff_run, tmp_path, monkeypatch):
    monkeypatch.setattr(export_module, "_write", lambda network, card, folder, int8: card)
    taught = {"captioner": "tags:1:0", "text encoder": "minilm:384x16:0"}
    told = {"title": "t", "data": "d", "device": "c", "overlap_px": 8}
    card = export_weight(replace(sodiff_run, encoders=taught), tmp_path, **told)
    assert Card.model_validate_json(card.model_dump_json()).encoders == taught
    assert export_weight(sodiff_run, tmp_path, **told).encoders == {}


def test_the_cost_is_that_of_a_tile(trained_sodiff):
    """By hand for what is simple; the prompt is not in it."""
    shapes = on_meta(trained_sodiff.config)
    parts, quarter = count_sodiff_macs(shapes, 512), count_sodiff_macs(shapes, 256)
    linear = trained_sodiff.codec.linear
    both = sum(layer.weight.numel() for layer in (linear.there, linear.back)) * 128**2
    vae = trained_sodiff.codec.vae
    head = vae.encoder.conv_in.weight.numel() * 128**2
    assert parts["encoder"] > head + both / 2
    tiles = sum(parts[name] for name in ("predictor", "encoder", "unet", "decoder"))
    assert count_macs_per_pixel(trained_sodiff) == round(tiles / 512**2)
    assert parts["prompt"] == quarter["prompt"]
    assert parts["encoder"] == 4 * quarter["encoder"]


@torch.no_grad()
def test_every_part_matches_pytorch(trained_sodiff, card_path):
    """Within 1e-3 of the network with LoRA beside its weights, at any size and number."""
    sessions = {
        part: onnxruntime.InferenceSession(card_path.with_name(f"tiny.{part}.onnx"))
        for part in PARTS
    }

    def run(part, **feeds):
        found = sessions[part].run(None, {k: v.numpy() for k, v in feeds.items()})
        names = [output.name for output in sessions[part].get_outputs()]
        return dict(zip(names, found, strict=True))

    def near(found, expected, names):
        assert list(found) == names
        for name, tensor in zip(names, expected, strict=True):
            assert found[name].shape == tuple(tensor.shape)
            assert np.abs(found[name] - tensor.numpy()).max() < 1e-3, name

    loaded = read_weights(card_path)
    stored = SODiff(loaded.config).eval()
    stored.load_state_dict(loaded.weights)
    for count, *size in ((1, 16, 16), (3, 32, 48), (2, 128, 80)):
        picture, small = torch.rand(count, 3, *size), torch.rand(count, 3, 32, 32)
        prompt = stored.prompter(small)
        near(run("prompt", picture=small), [prompt], ["prompt"])
        near(run("predictor", picture=picture), stored.predictor(picture), ["logits", "strength"])
        mean, spread = stored.codec.moments(picture)
        near(run("encoder", picture=picture), [mean, spread], ["mean", "spread"])
        choice = torch.eye(4)[torch.arange(count)]
        restored = stored.codec.decode(stored.step(mean, prompt, choice))
        found = run("decoder", latent=mean, prompt=prompt, choice=choice)
        near(found, [restored], ["restored"])
        # Half precision of the stored weights is all that parts them from those that were trained.
        exact = trained_sodiff.codec.decode(
            trained_sodiff.step(
                trained_sodiff.codec.encode(picture), trained_sodiff.prompter(small), choice
            )
        )
        assert (restored - exact).abs().mean() < 0.01 * exact.std()
        other = stored.codec.decode(stored.step(mean, prompt, choice.flip(1)))
        assert (other - restored).abs().max() > 1e-2  # the choice is heard


@pytest.mark.parametrize("file", ["tiny.json", "tiny.prompt.onnx", "tiny.decoder.onnx"])
def test_every_file_leads_to_the_weights(trained_sodiff, card_path, file):
    """All of them, with LoRA's changes inside."""
    plain = trained_sodiff.merged()
    loaded = read_weights(card_path.with_name(file))
    assert (loaded.kind, loaded.config) == ("onnx", plain.config)
    assert loaded.weights.keys() == plain.state_dict().keys()
    for name, weight in plain.state_dict().items():
        if not name.endswith("num_batches_tracked"):  # of no use to a graph
            assert torch.allclose(loaded.weights[name], weight, rtol=1e-3, atol=1e-4), name


def test_no_weight_is_left_out_and_none_is_twice(trained_sodiff, card_path):
    names = {part: set(initialisers(card_path, part)) for part in PARTS}
    state = {
        n for n in trained_sodiff.merged().state_dict() if not n.endswith("num_batches_tracked")
    }
    assert state <= set().union(*names.values())
    shared = (names["encoder"] & names["decoder"]) & state
    assert shared == {"codec.scale"}
    assert not any("lora" in name or "base_layer" in name for name in set().union(*names.values()))


def test_what_trains_saipe_does_not_ship(card_path):
    """No part of the reconstruction branch, whose last layers give three channels."""
    graph = onnx.load(card_path.with_name("tiny.prompt.onnx")).graph
    assert [output.name for output in graph.output] == ["prompt"]
    tensors = initialisers(card_path, "prompt")
    assert {name.split(".")[0] for name in tensors if "." in name} == {"prompter"}
    assert not any(name.startswith(("prompter.up", "prompter.tail")) for name in tensors)


def test_files_are_half_and_name_no_folder(card_path):
    tensors = initialisers(card_path, "decoder")
    half = "step.unet.mid_block.resnets.0.conv1.weight"
    assert tensors[half].data_type == onnx.TensorProto.FLOAT16
    data = b"".join(path.read_bytes() for path in card_path.parent.iterdir())
    assert b"/site-packages" not in data
    assert b".py" not in data


@pytest.mark.parametrize("prompt", ["saipe", "empty", "learned", "cave"])
@torch.no_grad()
def test_every_arm_has_graphs(sodiff_raw, prompt):
    changes = {"prompt": prompt, "timestep": 299}
    network = SODiff(SODiffConfig.model_validate(sodiff_raw | changes)).eval()
    found = {}
    for part in PARTS:
        tracing = sodiff_tracing(network, part)
        result = tracing.graph.eval()(*tracing.example)
        found[part] = result if isinstance(result, tuple) else (result,)
        assert len(found[part]) == len(tracing.outputs)
    tokens = 1 if prompt == "cave" else 4
    assert found["prompt"][0].shape == (2, tokens, 24)
    assert found["predictor"][0].shape == (2, 6)
    assert sodiff_tracing(network, "decoder").example[2].tolist() == [[1.0], [1.0]]
    assert found["decoder"][0].shape == (2, 3, 24, 32)


@pytest.mark.parametrize("prompt", ["empty", "learned"])
def test_a_prompt_that_never_looks_is_a_file(sodiff_raw, prompt):
    """Of any number of pictures."""
    network = SODiff(SODiffConfig.model_validate(sodiff_raw | {"prompt": prompt}))
    session = onnxruntime.InferenceSession(export_onnx(network, "prompt"))
    for count in (1, 3):
        picture = torch.ones(count, 3, 32, 32)
        (found,) = session.run(None, {"picture": picture.numpy()})
        assert np.allclose(found, network.prompter(picture).detach(), atol=1e-4)


def export(*arguments):
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


def test_safetensors_there_and_back(trained_sodiff, sodiff_run, card_path, tmp_path):
    """From a card and from a run, whose LoRA goes inside."""
    assert export(card_path, "-o", tmp_path, "--format", "safetensors").exit_code == 0
    read = read_weights(tmp_path / "tiny.safetensors")
    assert read.config == trained_sodiff.merged().config
    for name, weight in read_weights(card_path).weights.items():
        assert torch.equal(read.weights[name], weight.float()), name
    save_checkpoint(sodiff_run, tmp_path / "run.pt")
    done = export(tmp_path / "run.pt", "-o", tmp_path, "--format", "safetensors", "--name", "run")
    assert done.exit_code == 0, done.exception
    read = read_weights(tmp_path / "run.safetensors")
    assert read.config.lora is None
    for name, weight in trained_sodiff.merged().state_dict().items():
        assert torch.allclose(read.weights[name], weight.float(), atol=1e-6), name
    # A file of someone else's may keep it apart.
    write_safetensors(
        tmp_path / "apart.safetensors", trained_sodiff.config, trained_sodiff.state_dict()
    )
    apart = read_weights(tmp_path / "apart.safetensors")
    assert apart.config.lora is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "onnx-whole"], "A SODiff is four files"),
        (["--format", "safetensors", "--released-names"], "--released-names are those of FBCNN"),
        (["--title", "t", "--data", "d", "--trained-on", "c", "--int8-photos", "no",
          "--validation", "no"], "An 8-bit form is made of FBCNN alone, not of SODiff."),
    ],
)  # fmt: skip
def test_what_it_has_not_is_refused(sodiff_run, tmp_path, options, message):
    """Before any file is written."""
    save_checkpoint(sodiff_run, tmp_path / "run.pt")
    done = export(tmp_path / "run.pt", "-o", tmp_path / "out", *options)
    assert isinstance(done.exception, UsageError)
    assert str(done.exception).startswith(message)
    assert "SODIFF" not in str(done.exception)
    out = Path(tmp_path / "out")
    assert not out.exists() or list(out.iterdir()) == []
