"""The authors' weights: read by their names, and computed as the authors' class computes."""

import pytest
import torch
from torch.nn import functional

from restora.errors import WeightsError
from restora.networks.fbcnn import FBCNN, FBCNNConfig
from restora.networks.released import from_released, is_released, released_names, to_released
from restora.networks.weight_files import read_weights

NARROW = {"channels": 1, "widths": (8, 16, 24, 32), "blocks": 2, "mlp": 12}
PUBLISHED = {"widths": (64, 128, 256, 512), "blocks": 4, "mlp": 512}


def released_shapes(channels, widths, blocks, mlp):
    """Names and shapes as the authors' class has them, spelt out again here."""
    shapes = {}

    def layer(name, *shape, bias=None):
        shapes[f"{name}.weight"] = shape
        shapes[f"{name}.bias"] = (shape[0] if bias is None else bias,)

    def residuals(part, width, *, first=0):
        for i in range(first, first + blocks):
            for place in (0, 2):
                layer(f"{part}.{i}.res.{place}", width, width, 3, 3)

    layer("m_head", widths[0], channels, 3, 3)
    for k in (1, 2, 3):
        residuals(f"m_down{k}", widths[k - 1])
        layer(f"m_down{k}.{blocks}", widths[k], widths[k - 1], 2, 2)
    residuals("m_body_encoder", widths[3])
    residuals("m_body_decoder", widths[3])
    for k in (3, 2, 1):
        layer(f"m_up{k}.0", widths[k], widths[k - 1], 2, 2, bias=widths[k - 1])
        residuals(f"m_up{k}", widths[k - 1], first=1)
    layer("m_tail", channels, widths[0], 3, 3)
    residuals("qf_pred", widths[3])
    layer(f"qf_pred.{blocks + 2}", mlp, widths[3])
    layer(f"qf_pred.{blocks + 4}", mlp, mlp)
    layer(f"qf_pred.{blocks + 6}", 1, mlp)
    layer("qf_embed.0", mlp, 1)
    layer("qf_embed.2", mlp, mlp)
    layer("qf_embed.4", mlp, mlp)
    for k in (3, 2, 1):
        layer(f"to_gamma_{k}.0", widths[k - 1], mlp)
        layer(f"to_beta_{k}.0", widths[k - 1], mlp)
    return shapes


def released_weights(seed=0, **size):
    """Random weights under the authors' names that keep numbers near 1 and the quality off 0."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in released_shapes(**size).items():
        fan_in = torch.Size(shape[1:]).numel() if len(shape) > 1 else 100
        gain = 0.3 if ".res.2." in name else 1
        weights[name] = torch.randn(shape, generator=generator) * gain / fan_in**0.5
    return weights


def released_forward(w, blocks, picture, strength=None):
    """The published network on the authors' names, without any of our modules."""

    def conv(x, name, **kwargs):
        return functional.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], **kwargs)

    def linear(x, name):
        return functional.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def branch(x, name):
        inner = functional.relu(conv(x, f"{name}.res.0", padding=1))
        return conv(inner, f"{name}.res.2", padding=1)

    def residuals(x, part):
        for i in range(blocks):
            x = x + branch(x, f"{part}.{i}")
        return x

    height, width = picture.shape[-2:]
    below, right = (8 - height % 8) % 8, (8 - width % 8) % 8
    padded = functional.pad(picture, (0, right, 0, below), mode="replicate")
    skips = [conv(padded, "m_head", padding=1)]
    for k in (1, 2, 3):
        inner = residuals(skips[-1], f"m_down{k}")
        skips.append(conv(inner, f"m_down{k}.{blocks}", stride=2))
    body = residuals(skips[-1], "m_body_encoder")
    features = functional.adaptive_avg_pool2d(residuals(body, "qf_pred"), 1).flatten(1)
    for place in (2, 4):
        features = functional.relu(linear(features, f"qf_pred.{blocks + place}"))
    predicted = torch.sigmoid(linear(features, f"qf_pred.{blocks + 6}"))
    embedding = predicted if strength is None else strength
    for place in (0, 2, 4):
        embedding = functional.relu(linear(embedding, f"qf_embed.{place}"))
    x = residuals(body, "m_body_decoder")
    for k in (3, 2, 1):
        gamma = torch.sigmoid(linear(embedding, f"to_gamma_{k}.0"))[:, :, None, None]
        beta = torch.tanh(linear(embedding, f"to_beta_{k}.0"))[:, :, None, None]
        weight, bias = w[f"m_up{k}.0.weight"], w[f"m_up{k}.0.bias"]
        x = functional.conv_transpose2d(x + skips[k], weight, bias, stride=2)
        for i in range(1, blocks + 1):
            x = x + gamma * branch(x, f"m_up{k}.{i}") + beta
    return conv(x + skips[0], "m_tail", padding=1)[..., :height, :width], predicted


@pytest.mark.parametrize("size", [(1, 1), (16, 24), (13, 21), (40, 9)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("given", [None, 0.9, 0.2])
@torch.no_grad()
def test_number_for_number(tmp_path, size, channels, given):
    scale = NARROW | {"channels": channels}
    weights = released_weights(**scale)
    torch.save(weights, tmp_path / "fbcnn_any.pth")
    loaded = read_weights(tmp_path / "fbcnn_any.pth")
    assert loaded.kind == "released"
    network = FBCNN(loaded.config).eval()
    network.load_state_dict(loaded.weights)
    picture = torch.rand(2, channels, *size, generator=torch.Generator().manual_seed(1))
    strength = None if given is None else torch.full((2, 1), given)
    restored, predicted = network(picture, strength)
    expected, seen = released_forward(weights, scale["blocks"], picture, strength)
    assert 0.1 < expected.abs().max() < 10  # one that says nothing would prove nothing
    assert ((seen > 0.1) & (seen < 0.9)).all()
    assert (restored - expected).abs().max() <= 1e-5
    assert (predicted - seen).abs().max() <= 1e-5


@torch.no_grad()
def test_the_dial_reaches_the_picture():
    """The comparison above would pass with a controller that does nothing."""
    weights = released_weights(**NARROW)
    picture = torch.rand(1, 1, 16, 16)
    hard, _ = released_forward(weights, 2, picture, torch.tensor([[0.9]]))
    mild, _ = released_forward(weights, 2, picture, torch.tensor([[0.1]]))
    assert (hard - mild).abs().max() > 1e-3


@pytest.mark.parametrize(("channels", "parameters"), [(1, 71_919_490), (3, 71_921_796)])
def test_published_scale(channels, parameters):
    """Every name and shape of the released files, and no other."""
    shapes = released_shapes(channels=channels, **PUBLISHED)
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == parameters
    with torch.device("meta"):
        weights = {name: torch.empty(shape) for name, shape in shapes.items()}
    config, state = from_released(weights, source="fbcnn.pth")
    assert config == FBCNNConfig(channels=channels)
    back = {name: tuple(weight.shape) for name, weight in to_released(state, config).items()}
    assert back == shapes
    assert sum(weight.numel() for weight in state.values()) == parameters


@torch.no_grad()
def test_published_scale_number_for_number():
    weights = released_weights(channels=3, **PUBLISHED)
    config, state = from_released(weights, source="fbcnn_color.pth")
    with torch.device("meta"):  # start values are not needed
        network = FBCNN(config).eval()
    network.load_state_dict(state, assign=True)
    picture = torch.rand(1, 3, 7, 12, generator=torch.Generator().manual_seed(1))
    restored, predicted = network(picture)
    expected, seen = released_forward(weights, 4, picture)
    assert 0.1 < expected.abs().max() < 20
    assert 0.1 < seen < 0.9
    assert (restored - expected).abs().max() <= 1e-5
    assert (predicted - seen).abs().max() <= 1e-5


def test_names_come_back_bit_for_bit():
    weights = released_weights(**NARROW)
    config, state = from_released(weights, source="x.pth")
    back = to_released(state, config)
    assert back.keys() == weights.keys()
    assert all(torch.equal(back[name], weights[name]) for name in weights)


def test_the_numbers_of_the_network_are_read_off():
    config, state = from_released(released_weights(**NARROW), source="x.pth")
    assert config == FBCNNConfig(
        channels=1, widths=(8, 16, 24, 32), blocks=(2, 2, 2, 2), predictor_blocks=2, mlp=12
    )
    assert state.keys() == FBCNN(config).state_dict().keys()


def test_one_block_a_scale():
    """The authors' class has no list where there is one body block alone."""
    config = FBCNNConfig(
        widths=(4, 4, 4, 4), blocks=(1, 1, 1, 1), predictor_blocks=1, mlp=4, channels=3
    )
    state = FBCNN(config).state_dict()
    named = to_released(state, config)
    assert "m_body_encoder.res.0.weight" in named
    found, back = from_released(named, source="x.pth")
    assert found == config
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_every_weight_has_a_name_of_its_own():
    config = FBCNNConfig(widths=(4, 4, 8), blocks=(1, 2, 3), predictor_blocks=2, mlp=4)
    names = released_names(config)
    assert names.keys() == FBCNN(config).state_dict().keys()
    assert len(set(names.values())) == len(names)
    assert is_released(names.values())
    assert not is_released(names)


def test_half_precision_weights_become_single():
    weights = {name: w.half() for name, w in released_weights(**NARROW).items()}
    _, state = from_released(weights, source="x.pth")
    assert {weight.dtype for weight in state.values()} == {torch.float32}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"m_head.weight": None}, r"x: no FBCNN weights: m_head\.weight is missing; found keys"),
        ({"m_up2.1.res.0.bias": None}, r"x: these .* not complete: m_up2\.1\.res\.0\.bias is miss"),
        ({"m_down2.2.weight": None}, r"m_down2\.2\.weight is missing\."),
        (
            {"m_tail.weight": torch.zeros(3, 8, 3, 3)},
            r"x: m_tail\.weight has shape 3×8×3×3; the network that the other weights describe "
            r"needs 1×8×3×3\.",
        ),
        ({"m_head.weight": torch.zeros(8)}, r"m_head\.weight has shape 8, not a layer's\."),
        ({"m_head.weight": torch.zeros(8, 4, 3, 3)}, r"x: is for pictures of 4 channels"),
        (
            {"m_down1.0.res.1.running_mean": torch.zeros(8)},
            r"x: holds 1 weights that the published FBCNN has no place for, such as "
            r"m_down1\.0\.res\.1\.running_mean\.",
        ),
    ],
)
def test_what_is_wrong_is_told(change, message):
    weights = released_weights(**NARROW) | change
    weights = {name: weight for name, weight in weights.items() if weight is not None}
    with pytest.raises(WeightsError, match=message):
        from_released(weights, source="x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unshuffle": 2, "residual": True, "gate_scale": 2.0}, "unshuffle, residual, gate_scale"),
        ({"channels": 3, "residual": True, "ycbcr": True}, "differs in residual, ycbcr"),
        ({"blocks": (1, 1, 2, 1)}, "equally many blocks"),
        ({"predictor_blocks": 2}, "equally many blocks"),
        ({"widths": (4, 4), "blocks": (1, 1)}, "networks of 4 scales"),
    ],
)
def test_other_networks_get_no_authors_names(change, message):
    """Under those names they would run elsewhere, and give a wrong picture."""
    config = FBCNNConfig(widths=(4, 4, 4, 4), blocks=(1, 1, 1, 1), predictor_blocks=1, mlp=4)
    config = config.model_copy(update=change)
    with pytest.raises(WeightsError, match=message):
        to_released(FBCNN(config).state_dict(), config)
