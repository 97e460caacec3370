"""Files of weights made to do harm: none runs code, each is refused in a sentence."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from restora.engine.models import weight_facts
from restora.errors import RestoraError, UsageError, WeightsError
from restora.evaluation.detector import OnnxDetector
from restora.networks.perceptual.vgg16 import read_tensors
from restora.networks.weight_files import NETWORK_KEY, read_weights
from restora.semantics.pretrained import load_network
from restora.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from restora.training.initial import read_initial
from restora.training.recipe import parse_recipe
from restora.training.sr_diff.layout import read_features
from restora.weights.cards import Card
from restora.weights.registry import load_card

SCRIPT = Path(__file__).parents[2] / "docs" / "hostile_weights.py"
spec = importlib.util.spec_from_file_location("hostile_weights", SCRIPT)
hostile = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hostile)

READERS = {
    "a.pth": read_weights,
    "a.safetensors": read_weights,
    "a.onnx": read_weights,
    "a.json": read_weights,
    "a.pt": load_checkpoint,
    "vgg.pth": read_tensors,
    "vgg.safetensors": read_tensors,
    "features.pt": read_features,
    "detector.onnx": OnnxDetector,
    "start.pt": lambda path: read_initial(path, None),
    "start.pth": lambda path: read_initial(path, None),
}


def sentence(error):
    return "\n" not in str(error) and len(str(error)) < hostile.LONGEST_MESSAGE


@pytest.mark.parametrize("form", ["zip", "legacy", "plain"])
@pytest.mark.parametrize("name", READERS)
def test_no_pickle_runs(tmp_path, name, form):
    """The payload is real: whoever unpickled it would make a file."""
    for which in hostile.TRAPS:
        mark, path = tmp_path / "made", tmp_path / name
        path.write_bytes(hostile.trap(which, mark, form=form))
        with pytest.raises(RestoraError) as caught:
            READERS[name](path)
        assert sentence(caught.value)
        assert not mark.exists()


def test_the_traps_work(tmp_path):
    import pickle

    for which in hostile.TRAPS:
        mark = tmp_path / which
        pickle.loads(hostile.trap(which, mark, form="plain"))
        assert mark.exists()


def test_no_pickle_of_a_pretrained_network_runs(tmp_path):
    config = {
        "model_type": "clip_vision_model", "hidden_size": 8, "intermediate_size": 8,
        "num_attention_heads": 2, "num_hidden_layers": 1, "image_size": 8, "patch_size": 4,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    mark = tmp_path / "made"
    for form in ("zip", "legacy", "plain"):
        (tmp_path / "pytorch_model.bin").write_bytes(hostile.trap("os.mkdir", mark, form=form))
        with pytest.raises(WeightsError, match="Cannot load CLIPVisionModel from"):
            load_network("CLIPVisionModel", str(tmp_path))
        assert not mark.exists()


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_damaged_and_forged_files_are_told(tmp_path_factory, tmp_path, made_once, kind):
    """A few of those of docs/make_weights.py, which tries thousands."""
    sound = made_once("sound-weights", hostile.make_sound)
    for seed in range(24):
        path = hostile.place(kind, sound, tmp_path, seed)
        read = load_checkpoint if kind == "checkpoint" else read_weights
        what, text = hostile.judge(lambda path=path, read=read: read(path))
        assert what in ("works", "told"), (seed, text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../../x"}, "'../../x' cannot be the name of a file"),
        ({"name": "/x"}, "cannot be the name of a file"),
        ({"name": ""}, "cannot be the name of a file"),
        ({"name": "a\\b"}, "cannot be the name of a file"),
        ({"title": "\x1b[2Jgone"}, "title: .*control characters"),
        ({"channels": 4}, "channels: "),
        ({"parameters": 10**30}, "parameters: "),
        ({"files": {"../x": {"sha256": "0" * 64, "size_bytes": 1}}}, "has no part '../x'"),
        ({"files": {}}, "It names no file for encoder"),
        ({"files": {"encoder": {"sha256": "x", "size_bytes": 1}}}, "files.encoder.sha256: "),
        ({"files": {"encoder": {"sha256": "0" * 64, "size_bytes": -1}}}, "encoder.size_bytes: "),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
    ],
)
def test_cards_that_say_what_no_card_says(tmp_path, changes, message):
    raw = load_card("fbcnn-gray-compact").model_dump(mode="json")
    path = tmp_path / "x.json"
    path.write_text(json.dumps(raw | changes))
    with pytest.raises(WeightsError, match=message) as caught:
        load_card(str(path))
    assert sentence(caught.value)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (None, "the network in its recipe is no table"),
        ({"blocks": [10**9]}, "no network has numbers above 100,000"),
        ({"blocks": [1] * 10_001}, "no network has lists as long or as deep"),
        ({"a": [[[[[[[[[[[[1]]]]]]]]]]]]}, "no network has lists as long or as deep"),
    ],
)
def test_networks_out_of_all_size(network, message):
    raw = load_card("fbcnn-gray-compact").model_dump(mode="json")
    raw["training"]["recipe"]["network"] = network
    with pytest.raises(ValueError, match=message):
        Card.model_validate(raw)


@pytest.mark.parametrize(
    ("method", "network", "message"),
    [
        ("sr-diff", {"tasks": ["dehaze"], "encoder": "clip:someone/else"}, "clip:someone/else, no"),
        ("sodiff", {"prior": 3}, "describes no SODiff"),
        ("ssp-ir", {"walk": -1}, "describes no SSP-IR"),
    ],
)
def test_a_card_sends_nobody_to_the_network(tmp_path, method, network, message):
    shipped = {"sr-diff": "sr-diff-compact", "sodiff": "sodiff-compact", "ssp-ir": "ssp-ir-compact"}
    raw = load_card(shipped[method]).model_dump(mode="json")
    raw["training"]["recipe"]["network"] |= network
    (tmp_path / "x.json").write_text(json.dumps(raw))
    with pytest.raises(WeightsError, match=message):
        weight_facts(str(tmp_path / "x.json"))


def safetensors_file(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


F32 = {"dtype": "F32", "shape": [1]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 8,
        (10**15).to_bytes(8, "little") + b"{}",
        safetensors_file(b"{"),
        safetensors_file(b"\xff\xfe"),
        safetensors_file({"a": F32 | {"data_offsets": [0, 400]}}, bytes(4)),
        safetensors_file({"a": F32 | {"data_offsets": [4, 0]}}, bytes(4)),
        safetensors_file(
            {"a": F32 | {"data_offsets": [0, 4]}, "b": F32 | {"data_offsets": [2, 6]}}, bytes(6)
        ),
        safetensors_file({"a": F32 | {"shape": [2**62, 4], "data_offsets": [0, 4]}}, bytes(4)),
        safetensors_file({"a": F32 | {"dtype": "EVIL", "data_offsets": [0, 4]}}, bytes(4)),
        safetensors_file({"a": F32 | {"data_offsets": [0, 4]}}, bytes(400)),
    ],
)
def test_safetensors_that_lie_are_told(tmp_path, data):
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="this is not a safetensors file") as caught:
        read_weights(path)
    assert sentence(caught.value)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"blocks": [10**9, 1], "widths": [4, 4]}, "many more layers than there are weights for"),
        ({"widths": [10**12, 10**12], "blocks": [1, 1]}, "cannot be built|another shape"),
        ({"widths": [], "blocks": []}, "cannot be built"),
    ],
)
def test_a_header_that_describes_too_much(tmp_path, network, message):
    text = json.dumps({"channels": 1, "unshuffle": 1} | network)
    header = {"__metadata__": {NETWORK_KEY: text}, "a": F32 | {"data_offsets": [0, 4]}}
    (tmp_path / "a.safetensors").write_bytes(safetensors_file(header, bytes(4)))
    with pytest.raises(WeightsError, match=message):
        read_weights(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "odd", [torch.zeros(1).expand(10**9), torch.eye(2).to_sparse(), torch.zeros(2).int()]
)
def test_tensors_that_are_not_all_there(tmp_path, odd):
    torch.save({"m_head.weight": odd}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="holds other things than tensors"):
        read_weights(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": "3"}, r"this is not a training checkpoint \(step is of another kind\)"),
        ({"average": {"a": 3}}, "average holds other things than tensors"),
        ({"encoders": {"a": 3}}, "encoders holds other things than words"),
        ({"surprise": 3}, "this is not a training checkpoint"),
        ({"recipe": "{}"}, "this is not a training checkpoint"),
        ({"network": {}}, "the weights are not those of the network in its recipe"),
    ],
)
def test_checkpoints_of_something_else(tmp_path, changes, message):
    from restora.networks.catalogue import build

    small = {"widths": [4, 4], "blocks": [1, 1], "mlp": 4, "predictor_blocks": 1}
    recipe = parse_recipe({"name": "tiny", "network": small}, name="tiny")
    state = build(recipe.network).state_dict()
    path = tmp_path / "latest.pt"
    save_checkpoint(Checkpoint(recipe, 1, 1.0, (), state, state, {}), path)
    assert load_checkpoint(path).step == 1
    raw = torch.load(path, weights_only=True)
    torch.save(raw | changes, path)
    with pytest.raises(WeightsError, match=message) as caught:
        load_checkpoint(path)
    assert sentence(caught.value)


def test_an_address_is_no_file_of_weights():
    """What is named by --model is never fetched."""
    from restora.engine.models import resolve_model

    with pytest.raises(UsageError, match="there is no such file of weights"):
        resolve_model("https://example.invalid/x.json")
