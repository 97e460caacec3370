"""Weight files: each kind gives the same network back, and a wrong one says what it is."""

import json
import re

import pytest
import safetensors.torch
import torch

from restora.errors import MissingExtra, OutputError, WeightsError
from restora.networks.fbcnn import FBCNN, FBCNNConfig
from restora.networks.released import to_released
from restora.networks.weight_files import NETWORK_KEY, read_weights, write_safetensors
from restora.training.checkpoint import Checkpoint
from restora.training.export import export_onnx, export_weight
from restora.training.initial import read_initial
from restora.training.recipe import parse_recipe

RELEASED = FBCNNConfig(
    channels=3, widths=(8, 12, 16, 24), blocks=(2, 2, 2, 2), predictor_blocks=2, mlp=16
)
COMPACT = FBCNNConfig(
    channels=3, widths=(8, 16), blocks=(1, 1), predictor_blocks=1, mlp=8,
    unshuffle=2, residual=True, gate_scale=2.0, ycbcr=True,
)  # fmt: skip


def live(config):
    """A network whose every part does something."""
    torch.manual_seed(0)
    network = FBCNN(config).eval()
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    for module in network.modules():
        if getattr(module, "bias", None) is not None:
            torch.nn.init.normal_(module.bias, std=0.1)
    return network


@torch.no_grad()
def results(config, weights):
    """What a network of these weights gives for one picture, blind and told."""
    network = FBCNN(config).eval()
    network.load_state_dict(weights)
    picture = torch.rand(1, config.channels, 19, 26, generator=torch.Generator().manual_seed(1))
    told, predicted = network(picture, torch.tensor([[0.7]]))
    return network(picture)[0], told, predicted


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("config", [RELEASED, COMPACT], ids=["released", "compact"])
def test_safetensors_give_the_same_outputs(tmp_path, config):
    state = live(config).state_dict()
    write_safetensors(tmp_path / "a.safetensors", config, state, {"title": "a test"})
    loaded = read_weights(tmp_path / "a.safetensors")
    assert (loaded.kind, loaded.config) == ("safetensors", config)
    assert same(results(config, loaded.weights), results(config, state))


def test_the_header_tells_what_the_file_is(tmp_path):
    path = tmp_path / "a.safetensors"
    write_safetensors(path, COMPACT, live(COMPACT).state_dict(), {"title": "a test"})
    with safetensors.safe_open(path, framework="pt") as file:
        header = file.metadata()
    assert header["title"] == "a test"
    assert header["format"] == "pt"
    assert FBCNNConfig.model_validate_json(header[NETWORK_KEY]) == COMPACT


def test_the_way_from_the_authors_file_and_back(tmp_path):
    released = to_released(live(RELEASED).state_dict(), RELEASED)
    torch.save(released, tmp_path / "fbcnn_color.pth")
    first = read_weights(tmp_path / "fbcnn_color.pth")
    assert (first.kind, first.config) == ("released", RELEASED)
    write_safetensors(tmp_path / "a.safetensors", first.config, first.weights)
    second = read_weights(tmp_path / "a.safetensors")
    back = to_released(second.weights, second.config)
    assert back.keys() == released.keys()
    assert all(torch.equal(back[name], released[name]) for name in released)


def test_safetensors_with_the_authors_names(tmp_path):
    state = live(RELEASED).state_dict()
    write_safetensors(tmp_path / "a.safetensors", RELEASED, state, released=True)
    assert "m_head.weight" in safetensors.torch.load_file(tmp_path / "a.safetensors")
    loaded = read_weights(tmp_path / "a.safetensors")
    assert (loaded.kind, loaded.config) == ("released", RELEASED)
    assert same(results(RELEASED, loaded.weights), results(RELEASED, state))
    # What other programs write has no header of ours.
    safetensors.torch.save_file(to_released(state, RELEASED), tmp_path / "b.safetensors")
    assert read_weights(tmp_path / "b.safetensors").config == RELEASED


def test_half_is_half_the_size_and_nearly_the_same(tmp_path):
    state = live(COMPACT).state_dict()
    full, half = tmp_path / "full.safetensors", tmp_path / "half.safetensors"
    write_safetensors(full, COMPACT, state)
    write_safetensors(half, COMPACT, state, half=True)
    stored = safetensors.torch.load_file(half)
    assert stored["body_encoder.0.conv1.weight"].dtype == torch.float16
    assert stored["head.bias"].dtype == torch.float32  # too small to matter
    loaded = read_weights(half).weights
    assert {weight.dtype for weight in loaded.values()} == {torch.float32}
    pairs = zip(results(COMPACT, loaded), results(COMPACT, state), strict=True)
    assert all(torch.allclose(a, b, atol=5e-3) for a, b in pairs)
    assert half.stat().st_size < 0.7 * full.stat().st_size


def test_weights_of_any_memory_layout_can_be_written(tmp_path):
    network = live(COMPACT).to(memory_format=torch.channels_last)
    write_safetensors(tmp_path / "a.safetensors", COMPACT, network.state_dict())
    loaded = read_weights(tmp_path / "a.safetensors").weights
    assert all(torch.equal(loaded[name], w) for name, w in network.state_dict().items())


@pytest.fixture(scope="module")
def checkpoint():
    """A moment of a training of the compact network."""
    recipe = parse_recipe({"name": "tiny", "network": COMPACT.model_dump()}, name="tiny")
    state = live(COMPACT).state_dict()
    return Checkpoint(recipe, 1, 1.0, (), state, state, {})


@pytest.fixture(scope="module")
def exported(tmp_path_factory, checkpoint):
    """A folder with what an export writes, and the whole network beside it."""
    folder = tmp_path_factory.mktemp("exported")
    export_weight(checkpoint, folder, title="t", data="d", device="c", overlap_px=16)
    (folder / "tiny.onnx").write_bytes(export_onnx(live(COMPACT)))
    return folder


@pytest.mark.parametrize(
    "name", ["tiny.json", "tiny.encoder.onnx", "tiny.decoder.onnx", "tiny.onnx"]
)
def test_onnx_files_with_their_card(exported, checkpoint, name):
    loaded = read_weights(exported / name)
    assert (loaded.kind, loaded.config) == ("onnx", COMPACT)
    for key, weight in checkpoint.average.items():
        assert torch.allclose(loaded.weights[key], weight, rtol=1e-3, atol=1e-4), key


def test_a_training_starts_from_every_kind(exported, tmp_path):
    state = live(COMPACT).state_dict()
    write_safetensors(tmp_path / "a.safetensors", COMPACT, state)
    from_file = read_initial(tmp_path / "a.safetensors", COMPACT)
    assert all(torch.equal(from_file[name], state[name]) for name in state)
    assert read_initial(exported / "tiny.encoder.onnx", COMPACT).keys() == state.keys()
    released = live(RELEASED).state_dict()
    torch.save(to_released(released, RELEASED), tmp_path / "fbcnn.pth")
    from_file = read_initial(tmp_path / "fbcnn.pth", RELEASED)
    assert all(torch.equal(from_file[name], released[name]) for name in released)


class Trap:
    """Pickles as a call, which a careless reader would make."""

    def __reduce__(self):
        return (print, ("this must never run",))


def test_code_in_a_file_is_never_run(tmp_path, capsys):
    torch.save({"m_head.weight": Trap()}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"a\.pth: .* code in it is never run\."):
        read_weights(tmp_path / "a.pth")
    assert "never run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"head.weight": torch.zeros(1)}, "no FBCNN weights: m_head.weight is missing; found"),
        ({}, "no FBCNN weights: m_head.weight is missing; found keys like none at all."),
        (
            {"params": {"m_head.weight": torch.zeros(1)}},
            "no FBCNN weights: m_head.weight is missing; found keys like params.",
        ),
        ([torch.zeros(1)], "no FBCNN weights: holds no table of tensors."),
        ({"m_head.weight": 3}, "no FBCNN weights: holds other things than tensors."),
        ({"recipe": "{}", "average": {}, "step": 3}, "this is a training checkpoint; `restora"),
    ],
)
def test_other_files_of_pytorch_are_told(tmp_path, content, message):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=re.escape(f"{tmp_path / 'a.pth'}: {message}")):
        read_weights(tmp_path / "a.pth")


@pytest.mark.parametrize("cut", [0, 10, 1000])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".onnx"])
def test_damaged_files_are_told(tmp_path, exported, suffix, cut):
    path = tmp_path / f"tiny{suffix}"
    if suffix == ".onnx":
        path.write_bytes((exported / "tiny.onnx").read_bytes()[:cut])
        (tmp_path / "tiny.json").write_bytes((exported / "tiny.json").read_bytes())
    elif suffix == ".pth":
        torch.save(to_released(live(RELEASED).state_dict(), RELEASED), path)
        path.write_bytes(path.read_bytes()[:cut])
    else:
        write_safetensors(path, COMPACT, live(COMPACT).state_dict())
        path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(WeightsError, match=re.escape(str(path))):
        read_weights(path)


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors", "a.onnx", "a.json"])
def test_missing_files_are_told(tmp_path, name):
    with pytest.raises(WeightsError, match=r"a\.(pth|safetensors|json)"):
        read_weights(tmp_path / name)


def test_a_folder_is_told(tmp_path):
    with pytest.raises(WeightsError, match="cannot be read"):
        read_weights(tmp_path)


def test_safetensors_of_something_else(tmp_path):
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file({"lora.up": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match=r"no FBCNN weights: .* found keys like lora\.up\."):
        read_weights(path)
    state = live(COMPACT).state_dict()
    header = {NETWORK_KEY: json.dumps({"swirl": 3})}
    safetensors.torch.save_file(state, path, metadata=header)
    with pytest.raises(WeightsError, match="describes no network this version knows"):
        read_weights(path)
    header = {NETWORK_KEY: COMPACT.model_dump_json()}
    del state["tail.bias"]
    safetensors.torch.save_file(state, path, metadata=header)
    with pytest.raises(WeightsError, match=r"a\.safetensors: .* tail\.bias is missing"):
        read_weights(path)


def test_a_card_without_a_network(tmp_path, exported):
    card = json.loads((exported / "tiny.json").read_text())
    del card["training"]["recipe"]["network"]
    (tmp_path / "tiny.json").write_text(json.dumps(card))
    for part in ("encoder", "decoder"):
        name = f"tiny.{part}.onnx"
        (tmp_path / name).write_bytes((exported / name).read_bytes())
    with pytest.raises(WeightsError, match="this card describes no FBCNN"):
        read_weights(tmp_path / "tiny.json")


def test_a_failed_write_says_so(tmp_path):
    with pytest.raises(OutputError, match="its folder does not exist"):
        write_safetensors(tmp_path / "no" / "a.safetensors", COMPACT, live(COMPACT).state_dict())
    with pytest.raises(WeightsError, match="differs in unshuffle"):
        write_safetensors(
            tmp_path / "a.safetensors", COMPACT, live(COMPACT).state_dict(), released=True
        )
    assert list(tmp_path.iterdir()) == []


def test_a_missing_library_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "safetensors.torch", None)
    with pytest.raises(MissingExtra, match=r"restora\[train\]"):
        write_safetensors(tmp_path / "a.safetensors", COMPACT, {})
