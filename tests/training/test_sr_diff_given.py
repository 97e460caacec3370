"""Pairs that are given in the published layout, and features beside them."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from restora.degradations.by_task import degrade
from restora.errors import InputError, UsageError
from restora.networks.sr_diff.network import SRDiff
from restora.networks.sr_diff.tasks import FOLDERS
from restora.semantics.lookup import load_image_encoder
from restora.training.data import PhotoStore
from restora.training.loop import Trainer
from restora.training.methods import make_validation
from restora.training.sr_diff.figures import refinement_figures
from restora.training.sr_diff.given import GivenPairs, find_layout
from restora.training.sr_diff.layout import Layout, write_features
from restora.training.sr_diff.make_features import ENCODER_NAME, make_features
from restora.training.sr_diff.pairs import CropPairs
from restora.training.sr_diff.refiner_task import TokenBatches
from restora.training.sr_diff.store import token_maker

TASKS = ("dehaze", "lowlight")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Three hazy pairs, two dark ones of the same photos, and one of each to validate."""
    root = tmp_path_factory.mktemp("published") / "data"
    rng = np.random.default_rng(0)
    clean = {}
    for name in ("a_0", "a_0+1", "b", "v"):
        coarse = rng.integers(0, 256, (5, 5, 3), np.uint8)
        clean[name] = np.asarray(Image.fromarray(coarse).resize((40, 32), Image.Resampling.BICUBIC))
    for split, task, names in (
        ("train", "dehaze", ("a_0", "a_0+1", "b")),
        ("train", "lowlight", ("a_0", "b")),
        ("val", "dehaze", ("v",)),
        ("val", "lowlight", ("v",)),
    ):
        for part in ("LQ", "GT"):
            (root / split / FOLDERS[task] / part).mkdir(parents=True)
        for number, name in enumerate(names):
            made = {"GT": clean[name], "LQ": degrade(clean[name], task, (number,)).pixels}
            for part, pixels in made.items():
                Image.fromarray(pixels).save(root / split / FOLDERS[task] / part / f"{name}.png")
    return root


@pytest.fixture
def root(published, tmp_path):
    return shutil.copytree(published, tmp_path / "data")


def open_photos(root):
    return PhotoStore.open(root, cache=root.parent / "cache")


def pairs_of(root, *, tasks=TASKS, count=50, encoder="lite0", holdout=0.0):
    photos = open_photos(root)
    make = token_maker(encoder, count=count, dim=1280)
    return GivenPairs(photos, find_layout(photos), tasks=tasks, make_tokens=make, holdout=holdout)


def read(root, split, task, part, stem):
    return np.asarray(Image.open(root / split / FOLDERS[task] / part / f"{stem}.png"))


def test_photos_tell_whether_they_are_of_a_layout(root, photos, tmp_path):
    assert find_layout(open_photos(root)) == Layout(root)
    assert find_layout(photos) is None
    clean = PhotoStore.open(root / "train" / "hazy" / "GT", cache=tmp_path / "clean")
    assert find_layout(clean) is None  # a folder of clean photos as any other
    shutil.copytree(root, root.parent / "both" / "one")
    shutil.copytree(root, root.parent / "both" / "other")
    with pytest.raises(UsageError, match=r"several folders of pairs; take one: .*one, .*other\."):
        find_layout(open_photos(root.parent / "both"))


def test_a_layout_is_found_from_within(root, monkeypatch, tmp_path):
    from pathlib import Path

    monkeypatch.chdir(root / "train")
    photos = PhotoStore.open(Path(), cache=tmp_path / "within")
    assert find_layout(photos) == Layout(root)


def test_pairs_are_those_of_train(root):
    pairs = pairs_of(root)
    assert len(pairs) == 5
    assert [list(pairs.numbers(task)) for task in TASKS] == [[0, 1, 2], [3, 4]]
    for task, names in (("dehaze", ("a_0", "a_0+1", "b")), ("lowlight", ("a_0", "b"))):
        for number, name in zip(pairs.numbers(task), names, strict=True):
            assert np.array_equal(pairs.clean(number), read(root, "train", task, "GT", name))
            degraded = pairs.degraded(number, task)
            assert np.array_equal(degraded, read(root, "train", task, "LQ", name))
    with pytest.raises(KeyError, match="pair 0 is for dehaze, not lowlight"):
        pairs.degraded(0, "lowlight")


def test_a_photo_is_held_out_in_every_task(root):
    told = set()
    for share in np.linspace(0, 1, 21):
        pairs = pairs_of(root, holdout=float(share))
        aside = [pairs.held_out(number) for number in range(5)]
        assert aside[0] == aside[1] == aside[3]  # a_0 and a_0+1
        assert aside[2] == aside[4]  # b
        told.add((aside[0], aside[2]))
    assert {(False, False), (True, True)} < told


def test_tokens_are_made_where_there_are_no_features(root):
    encoder, pairs = load_image_encoder("lite0"), pairs_of(root)
    for tokens, picture in (
        (pairs.tokens(4, "lowlight"), pairs.degraded(4, "lowlight")),
        (pairs.clean_tokens(1), pairs.clean(1)),
    ):
        told = encoder.encode(picture[None].astype(np.float32) / 255)
        assert tokens[0] == pytest.approx(told.pooled[0], abs=2e-3)
        assert tokens[1:] == pytest.approx(told.tokens[0], rel=1e-2, abs=2e-3)


def test_features_that_are_there_are_read(root):
    """All of them, or those of some pictures; RestoreCLS is nobody's business."""
    layout = Layout(root)
    make_features(layout, load_image_encoder("lite0"))
    numbers = np.random.default_rng(0).normal(size=(2, 50, 1280)).astype(np.float32)
    for place, part in enumerate(("LQCLS", "GTCLS")):
        write_features(layout.features_path("train", "dehaze", part, "b"), numbers[place])
    layout.features_path("train", "dehaze", "LQCLS", "a_0").unlink()
    folder = layout.folder("train", "dehaze", "RestoreCLS")
    folder.mkdir()
    (folder / "b.pt").write_bytes(b"not read")
    pairs = pairs_of(root)
    assert pairs.tokens(2, "dehaze") == pytest.approx(numbers[0], abs=2e-3)
    assert pairs.clean_tokens(2) == pytest.approx(numbers[1], abs=2e-3)
    assert np.abs(pairs.tokens(0, "dehaze")).max() < 20
    assert pairs.tokens(0, "dehaze").any()
    one = pairs_of(root, count=1)
    assert one.tokens(2, "dehaze") == pytest.approx(numbers[0, :1], abs=2e-3)
    assert one.encoders == {"image encoder": load_image_encoder("lite0").fingerprint()}


def test_features_of_another_encoder_are_refused(root):
    path = Layout(root).features_path("train", "dehaze", "LQCLS", "b")
    path.parent.mkdir()
    write_features(path, np.zeros((1, 768), np.float32))
    with pytest.raises(UsageError, match="features of an unknown encoder, not of lite0"):
        pairs_of(root).tokens(0, "dehaze")
    told = {"encoder": "blip-vector", "fingerprint": "blip-vector:1x768:0"}
    (root / ENCODER_NAME).write_text(json.dumps(told))
    message = "of blip-vector:1x768:0, not of lite0.*which network.encoder says; `restora data feat"
    with pytest.raises(UsageError, match=message):
        _ = pairs_of(root).encoders  # before anything is learned
    told["fingerprint"] = load_image_encoder("lite0").fingerprint()
    (root / ENCODER_NAME).write_text(json.dumps(told))
    with pytest.raises(UsageError, match=r"holds 1 tokens of 768 numbers; .* ask for 50 of 1280"):
        pairs_of(root).tokens(0, "dehaze")


def test_a_task_without_pairs_is_refused(root):
    with pytest.raises(UsageError, match=r"no pairs for derain, deblur, which .*rainy.LQ and bes"):
        pairs_of(root, tasks=("dehaze", "derain", "deblur"))


def test_pairs_that_do_not_fit_are_refused(root):
    Image.new("RGB", (39, 32)).save(root / "train" / "hazy" / "LQ" / "b.png")
    with pytest.raises(InputError, match=r"LQ.b\.png: is of another size than .*GT.b\.png"):
        pairs_of(root)
    (root / "train" / "hazy" / "LQ" / "b.png").unlink()
    with pytest.raises(InputError, match=r"no partner in .*LQ: b\.png"):
        pairs_of(root)


def test_every_crop_and_token_is_of_a_photo_with_its_task(root, sr_diff_recipe):
    pairs = pairs_of(root)
    known = {
        pairs.tokens(number, task).tobytes(): (place, pairs.clean_tokens(number).tobytes())
        for place, task in enumerate(TASKS)
        for number in pairs.numbers(task)
    }
    batch = CropPairs(pairs, sr_diff_recipe("restore", data={"batch": 40})).batch(0)
    drawn = zip(batch.tokens.half().numpy(), batch.task.tolist(), strict=True)
    assert all(known[tokens.tobytes()][0] == task for tokens, task in drawn)
    refining = TokenBatches(pairs, batch=40, seed=0).batch(0)
    drawn = zip(refining.degraded.half().numpy(), refining.clean.half().numpy(), strict=True)
    assert all(known[lq.tobytes()][1] == gt.tobytes() for lq, gt in drawn)
    assert len({tokens.numpy().tobytes() for tokens in refining.degraded}) == 5


def test_the_stages_learn_from_them(root, sr_diff_recipe):
    photos = open_photos(root)
    first = Trainer(sr_diff_recipe("refiner"), photos)
    assert first.advance()["l1"].isfinite()
    start = {name: value.clone() for name, value in first.network.state_dict().items()}
    second = Trainer(sr_diff_recipe("restore"), photos, initial=start)
    assert second.advance()["loss"].isfinite()
    with pytest.raises(UsageError, match="the judge learns from clean photos"):
        Trainer(sr_diff_recipe("judge"), photos)
    with pytest.raises(UsageError, match="holds no pairs for derain"):
        Trainer(sr_diff_recipe("refiner", network={"tasks": ["dehaze", "derain"]}), photos)


def test_figures_know_no_strength(root, sr_diff_recipe):
    torch.manual_seed(0)
    network = SRDiff(sr_diff_recipe("refiner").network)
    figures = refinement_figures(network, pairs_of(root, holdout=1.0))
    parts = {name.rpartition("_")[2] for name in figures}
    assert parts == {"before", "after", "dehaze", "lowlight"}


def test_every_task_needs_a_photo_to_learn_from(root):
    pairs = pairs_of(root)
    pairs._aside = [False, False, True, True, True]
    with pytest.raises(UsageError, match="leaves no photo of the task lowlight to learn from"):
        TokenBatches(pairs, batch=2, seed=0)


def test_validation_takes_the_pairs_of_val(root, sr_diff_recipe):
    recipe = sr_diff_recipe("restore", network={"context": "none"})
    validation = make_validation(recipe, root)
    (hazy_clean, hazy), (_, dark) = validation.pairs("cpu")
    for tensor, task, part in (
        (hazy, "dehaze", "LQ"),
        (hazy_clean, "dehaze", "GT"),
        (dark, "lowlight", "LQ"),
    ):
        assert np.array_equal(
            (tensor[0].permute(1, 2, 0) * 255).round().numpy(), read(root, "val", task, part, "v")
        )
    torch.manual_seed(0)
    scores = validation(SRDiff(recipe.network).eval())
    assert scores["gain_dehaze"] == scores["gain_lowlight"] == 0  # it starts by changing nothing
    Image.new("RGB", (39, 32)).save(root / "val" / "hazy" / "LQ" / "v.png")
    with pytest.raises(InputError, match=r"LQ.v\.png: is of another size than .*GT.v\.png"):
        next(iter(make_validation(recipe, root).pairs("cpu")))
    shutil.rmtree(root / "val" / "hazy")
    with pytest.raises(UsageError, match=r"no pairs for dehaze, which network\.tasks"):
        next(iter(make_validation(recipe, root).pairs("cpu")))
    (root / "empty").mkdir()
    with pytest.raises(InputError, match="no pictures to validate on"):
        next(iter(make_validation(recipe, root / "empty").pairs("cpu")))
