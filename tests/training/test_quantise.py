"""Networks in 8 bits."""

from collections import Counter
from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from restora.networks.fbcnn import FBCNN, FBCNNConfig
from restora.training.data import PhotoStore
from restora.training.quantise import quantise
from restora.training.quantise_fit import FloatSteps, equalise, restore
from restora.training.quantise_graph import round_weight
from restora.training.quantise_walk import Prepared, decode, encode, streams
from restora.training.sections import DataRecipe

SMALL = DataRecipe(patch_px=32, batch=2, clean_share=0)


def make_network(channels):
    torch.manual_seed(0)
    network = FBCNN(
        FBCNNConfig(
            channels=channels,
            widths=(8, 16),
            blocks=(1, 1),
            predictor_blocks=1,
            mlp=16,
            unshuffle=2,
            residual=True,
            gate_scale=2.0,
            ycbcr=channels == 3,
        )
    )
    network.tail.weight.data.normal_(0, 0.005)
    return network.eval()


def make_photos():
    """A soft picture with some edges, twice."""
    y, x = np.mgrid[:96, :96] / 96
    photo = np.stack([y, x, (x > 0.4) * 0.6 + 0.2 * (y > 0.7)], axis=-1)
    pixels = np.rint(photo * 255).astype(np.uint8)
    data = np.concatenate([pixels.reshape(-1), pixels[::-1].reshape(-1)])
    return PhotoStore(data, [(0, 96, 96), (pixels.size, 96, 96)])


def make_quantised(channels):
    return quantise(make_network(channels), make_photos(), batches=2, pictures=SMALL)


def make_picture(channels, batch, height, width):
    y, x = np.mgrid[:height, :width] / max(height, width)
    planes = [0.5 + 0.4 * np.sin(7 * x), y, 0.7 * (x > y)][:channels]
    return np.stack([np.stack(planes)] * batch).astype(np.float32)


def run(model, feeds):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds), strict=True))


def restore_quantised(models, picture, quality):
    features = run(models[0], {"picture": picture})
    predicted = features.pop("predicted_quality")
    feeds = {"picture": picture, "quality": np.array([quality], np.float32), **features}
    return run(models[1], feeds)["restored"], predicted


@cache
def quantised(channels):
    return make_quantised(channels)


@pytest.fixture
def color():  # of no wider scope: threads are set for each test
    return quantised(3)


@pytest.mark.parametrize("channels", [1, 3])
def test_walk_is_the_network_in_any_units(channels):
    network = make_network(channels)
    picture = torch.from_numpy(make_picture(channels, 2, 16, 24))
    strength = torch.tensor([[0.3], [0.8]])
    with torch.no_grad():
        expected, predicted = network(picture, strength)
    other_units = equalise(network, [picture])
    assert not torch.allclose(other_units.units[0], torch.ones(8))
    for net in (Prepared.plain(network), other_units):
        with torch.no_grad():
            features, quality = encode(FloatSteps(), net, picture)
            found = decode(FloatSteps(), net, picture, features, 100 * (1 - strength[:, 0]))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(quality, 100 * (1 - predicted[:, 0]))


def test_every_tensor_of_a_stream_is_known_to_the_walk():
    names = []

    class Listener(FloatSteps):
        def made(self, name, tensor):
            names.append(name)
            return tensor

    net = Prepared.plain(make_network(1))
    with torch.no_grad():
        restore(Listener(), net, torch.zeros(1, 1, 8, 8))
    assert len(set(names)) == len(names)
    in_streams = {name for stream in streams(net.config) for name in stream}
    assert {name for name in names if not name.endswith((".hidden", "tail"))} == in_streams


@pytest.mark.parametrize(("batch", "height", "width"), [(1, 16, 16), (2, 48, 80)])
def test_color_is_near_the_float_network_at_any_size(color, batch, height, width):
    check_near(color, make_network(3), make_picture(3, batch, height, width))


def test_gray_is_near_the_float_network():
    check_near(quantised(1), make_network(1), make_picture(1, 1, 32, 48))


def check_near(models, network, picture):
    with torch.no_grad():
        expected, strength = network(torch.from_numpy(picture), torch.full((len(picture), 1), 0.75))
    found, predicted = restore_quantised(models, picture, quality=25)
    change = expected.numpy() - picture
    assert found.dtype == np.float32
    noise = np.mean((found - expected.numpy()) ** 2)
    assert 10 * np.log10(np.mean(change**2) / noise) > 15
    np.testing.assert_allclose(predicted, 100 * (1 - strength[:, 0]), atol=5)


def test_quality_changes_the_result(color):
    picture = make_picture(3, 1, 32, 32)
    weak, strong = (restore_quantised(color, picture, quality)[0] for quality in (95, 5))
    assert np.abs(weak - strong).max() > 1e-3


def test_all_convolutions_but_the_first_are_8_bit(color):
    for number, model in enumerate(color):
        onnx.checker.check_model(model)
        kinds = Counter(node.op_type for node in model.graph.node)
        assert kinds["Conv"] == (1 if number == 0 else 0)
        assert kinds["ConvTranspose"] == 0
        weights = [
            t
            for t in model.graph.initializer
            if t.data_type == onnx.TensorProto.INT8 and t.dims[1:]
        ]
        assert len(weights) == kinds["QLinearConv"] > 5
        assert all(onnx.numpy_helper.to_array(t).min() >= -127 for t in weights)


def test_features_travel_as_8_bit_numbers(color):
    sent = {o.name: o.type.tensor_type.elem_type for o in color[0].graph.output}
    taken = {i.name: i.type.tensor_type.elem_type for i in color[1].graph.input}
    features = {name for name, kind in sent.items() if kind == onnx.TensorProto.UINT8}
    assert features == {"skip_0", "skip_1", "body"}
    assert all(taken[name] == onnx.TensorProto.UINT8 for name in features)


def test_same_photos_and_seed_give_the_same_bytes():
    first, second = (
        [model.SerializeToString(deterministic=True) for model in models]
        for models in (quantised(1), make_quantised(1))
    )
    assert first == second


def test_one_batch_has_one_quality(color):
    picture = make_picture(3, 2, 16, 16)
    features = run(color[0], {"picture": picture})
    features.pop("predicted_quality")
    feeds = {"picture": picture, "quality": np.array([10, 90], np.float32), **features}
    with pytest.raises(Exception, match="quality"):
        run(color[1], feeds)


def test_round_weight_keeps_a_scale_for_each_channel_and_survives_zeros():
    weight = np.zeros((3, 1, 1, 2), np.float32)
    weight[0, 0, 0] = [-0.5, 0.25]
    weight[1, 0, 0] = [2, 1]
    numbers, scales = round_weight(weight)
    np.testing.assert_array_equal(numbers[:, 0, 0], [[-127, 64], [127, 64], [0, 0]])
    np.testing.assert_allclose(scales, np.array([0.5, 2, 1]) / 127, rtol=1e-6)
