"""Pairs that are given in SSP-IR's published layout, and captions beside them."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from restora.errors import InputError, UsageError
from restora.images import read
from restora.images.enlarge import enlarge
from restora.semantics.lookup import load_image_encoder, load_text_encoder
from restora.training.data import PhotoStore
from restora.training.loop import LATEST, Trainer, train
from restora.training.methods import make_batches, make_validation
from restora.training.sr_diff.store import PairStore, token_maker
from restora.training.ssp_ir.given import GivenPairs, captioner_of, find_layout, note_of
from restora.training.ssp_ir.layout import RealLayout
from restora.training.ssp_ir.pairs import RealPairs
from restora.training.ssp_ir.recipe import SSPIRSection

NAMES = ("b", "a_0", "c")
SIZES = {"b": (40, 32), "a_0": (36, 40), "c": (24, 28)}  # (H, W)
WORDS = {"b": "a red barn", "a_0": "two\nboats", "c": "a cat", "other": "no picture of these"}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Three pairs of different sizes and their captions; beside them what is no part of them."""
    root = tmp_path_factory.mktemp("published") / "data"
    rng = np.random.default_rng(0)
    for part in ("gt", "sr_bicubic", "lr", "gt_llm_caption"):
        (root / part).mkdir(parents=True)
    for name in NAMES:
        height, width = SIZES[name]
        coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8))
        clean = coarse.resize((width, height), Image.Resampling.BICUBIC)
        clean.save(root / "gt" / f"{name}.png")
        clean.resize((9, 9)).resize((width, height)).save(root / "sr_bicubic" / f"{name}.png")
        clean.resize((9, 9)).save(root / "lr" / f"{name}.png")
    for name, words in WORDS.items():
        (root / "gt_llm_caption" / f"{name}.txt").write_text(words)
    return root


@pytest.fixture
def root(published, tmp_path):
    return shutil.copytree(published, tmp_path / "data")


def open_photos(root, cache="cache"):
    return PhotoStore.open(root, cache=root.parent / cache)


def pairs_of(photos):
    make = token_maker("lite0", count=50, dim=1280)
    return GivenPairs(photos, find_layout(photos), make_tokens=make)


def look(root, part, stem):
    return np.asarray(Image.open(root / part / f"{stem}.png"))


def shrink(root, stem, factor):
    """Make a degraded picture smaller, as RealSR has them."""
    path = root / "sr_bicubic" / f"{stem}.png"
    height, width = SIZES[stem]
    Image.open(path).resize((width // factor, height // factor)).save(path)
    return path


def silent(recipe):
    """A recipe that says nothing of a captioner."""
    told = recipe.sspir.model_dump(exclude={"captioner"})
    return recipe.model_copy(update={"sspir": SSPIRSection.model_validate(told)})


def equal(one, other):
    return all(torch.equal(value, vars(other)[name]) for name, value in vars(one).items())


def test_photos_tell_whether_they_are_of_a_layout(root, photos, tmp_path):
    assert find_layout(open_photos(root)) == RealLayout(root)
    assert find_layout(photos) is None
    clean = PhotoStore.open(root / "gt", cache=tmp_path / "clean")
    assert find_layout(clean) is None  # a folder of clean photos as any other
    degraded = PhotoStore.open(root / "sr_bicubic", cache=tmp_path / "degraded")
    with pytest.raises(InputError, match=r"gt.a_0\.png is not among the photos; take .*data for"):
        pairs_of(degraded)
    shutil.copytree(root, root.parent / "both" / "one")
    shutil.copytree(root, root.parent / "both" / "other")
    with pytest.raises(UsageError, match=r"several folders of pairs; take one: .*one, .*other\."):
        find_layout(open_photos(root.parent / "both"))


def test_a_layout_is_found_from_within(root, monkeypatch, tmp_path):
    from pathlib import Path

    monkeypatch.chdir(root)
    pairs = pairs_of(PhotoStore.open(Path(), cache=tmp_path / "within"))
    assert pairs.layout == RealLayout(root)
    assert np.array_equal(pairs.clean(0), look(root, "gt", "a_0"))


def test_pairs_are_numbered_by_name(root):
    pairs = pairs_of(open_photos(root))
    assert (len(pairs), pairs.variants) == (3, 1)
    for number, name in enumerate(sorted(NAMES)):
        assert np.array_equal(pairs.clean(number), look(root, "gt", name))
        assert np.array_equal(pairs.degraded(number, "real"), look(root, "sr_bicubic", name))
        assert np.isnan(pairs.strength(number, "real"))


def test_tokens_are_those_of_the_given_degraded_picture(root):
    pairs, encoder = pairs_of(open_photos(root)), load_image_encoder("lite0")
    told = encoder.encode(look(root, "sr_bicubic", "b")[None].astype(np.float32) / 255)
    assert pairs.tokens(1, "real")[0] == pytest.approx(told.pooled[0], abs=2e-3)
    again = pairs_of(open_photos(root))
    assert np.array_equal(again.tokens(1, "real"), pairs.tokens(1, "real"))
    assert not np.array_equal(pairs.tokens(0, "real"), pairs.tokens(1, "real"))
    assert pairs.encoders == {"image encoder": encoder.fingerprint()}


def test_smaller_pictures_are_enlarged_once(root):
    paths = {"b": (shrink(root, "b", 4), 4), "c": (shrink(root, "c", 2), 2)}
    pairs = pairs_of(open_photos(root))
    kept = {path: path.stat().st_mtime_ns for path in (root.parent / "cache").iterdir()}
    for again in (pairs, pairs_of(open_photos(root))):
        for number, name in enumerate(sorted(NAMES)):
            found = again.degraded(number, "real")
            if name not in paths:
                assert np.array_equal(found, look(root, "sr_bicubic", name))
                continue
            path, factor = paths[name]
            wanted = enlarge(read(path), factor).pixels
            assert found.shape == again.clean(number).shape
            assert np.abs(found - wanted * 255).max() <= 0.501
    assert {path: path.stat().st_mtime_ns for path in (root.parent / "cache").iterdir()} == kept
    photos = open_photos(root)
    unkept = pairs_of(PhotoStore(photos._data, photos._index, names=photos.names))
    assert np.array_equal(unkept.degraded(1, "real"), pairs.degraded(1, "real"))
    told = load_image_encoder("lite0").encode(pairs.degraded(1, "real")[None] / np.float32(255))
    assert pairs.tokens(1, "real")[0] == pytest.approx(told.pooled[0], abs=2e-3)


@pytest.mark.parametrize("size", [(41, 32), (8, 16), (80, 64), (8, 6)])
def test_sizes_that_do_not_fit_are_refused(root, size):
    Image.new("RGB", size[::-1]).save(root / "sr_bicubic" / "b.png")
    message = rf"b\.png has {size[1]}×{size[0]} pixels and .*b\.png 32×40; .* or 2 to 4 times\."
    with pytest.raises(InputError, match=message):
        pairs_of(open_photos(root))


def test_every_picture_needs_its_partner(root):
    (root / "sr_bicubic" / "b.png").unlink()
    (root / "gt" / "c.png").unlink()
    with pytest.raises(InputError, match=r"no partner in .*gt: c\.png.* in .*sr_bicubic: b\.png"):
        pairs_of(open_photos(root))
    shutil.rmtree(root / "gt")
    with pytest.raises(InputError, match=r"There is no folder .*gt\."):
        pairs_of(open_photos(root))


def test_the_order_of_a_listing_has_no_say(root, ssp_ir_recipe):
    photos = open_photos(root)
    recipe = silent(ssp_ir_recipe("restore"))
    wanted = [make_batches(recipe, photos).batch(step) for step in range(3)]
    order = np.random.default_rng(1).permutation(len(photos))
    assert order.tolist() != sorted(order)
    shuffled = PhotoStore(
        photos._data,
        [photos._index[n] for n in order],
        names=tuple(photos.names[n] for n in order),
    )
    batches = make_batches(recipe, shuffled)
    assert all(equal(batches.batch(step), one) for step, one in enumerate(wanted))


def test_words_go_with_their_pictures(root, ssp_ir_recipe):
    """Every crop's caption and tokens are those of the picture it was cut from."""
    plain = np.arange(3) * 60 + 40
    for grey, name in zip(plain, sorted(NAMES), strict=True):
        for part in ("gt", "sr_bicubic"):
            Image.new("RGB", SIZES[name][::-1], (grey,) * 3).save(root / part / f"{name}.png")
    recipe = silent(ssp_ir_recipe("restore", caption_drop=0.0, data={"batch": 12}))
    photos = open_photos(root)
    batch, pairs = make_batches(recipe, photos).batch(0), pairs_of(photos)
    encoder = load_text_encoder("minilm", max_tokens=16)
    seen = set()
    for n in range(12):
        number = plain.tolist().index(int((batch.clean[n, 0, 0, 0] * 255).round()))
        seen.add(number)
        told = encoder.encode([WORDS[sorted(NAMES)[number]]]).tokens[0]
        assert batch.text[n, : len(told)].numpy() == pytest.approx(told, abs=2e-3)
        assert np.array_equal(batch.tokens[n].numpy(), pairs.tokens(number, "real"))
    assert seen == {0, 1, 2}


def test_who_describes_the_pictures(root, ssp_ir_recipe):
    layout = RealLayout(root)
    asked = ssp_ir_recipe("restore", captioner="tags")
    files = ssp_ir_recipe("restore", captioner="file")
    texts = f"file:{root / 'gt_llm_caption'}"
    assert captioner_of(asked, layout) == "tags"
    assert captioner_of(files, layout) == captioner_of(silent(asked), layout) == texts
    (root / "llm_caption").mkdir()  # the other one counts
    assert captioner_of(files, layout) == texts
    shutil.rmtree(root / "llm_caption")
    (root / "gt_llm_caption").rename(root / "llm_caption")
    assert captioner_of(silent(asked), layout) == f"file:{root / 'llm_caption'}"
    shutil.rmtree(root / "llm_caption")
    assert captioner_of(silent(asked), layout) == "tags"
    with pytest.raises(UsageError, match=r"captions from files, and .* in .*gt_llm_caption\."):
        captioner_of(files, layout)


def test_missing_captions_are_named(root, ssp_ir_recipe):
    recipe = silent(ssp_ir_recipe("restore"))
    (root / "gt_llm_caption" / "a_0.txt").unlink()
    (root / "gt_llm_caption" / "c.txt").unlink()
    photos = open_photos(root)
    message = r"captions of 2 of 3 clean pictures are missing: a_0\.txt, c\.txt\. Write them, or"
    with pytest.raises(InputError, match=message):
        Trainer(recipe, photos)
    assert Trainer(ssp_ir_recipe("restore"), photos).task.encoders["captioner"][:6] == "static"
    Trainer(silent(ssp_ir_recipe("processor")), photos)  # which reads none


def test_a_note_tells_what_is_learned_from(root, photos, ssp_ir_recipe):
    recipe = silent(ssp_ir_recipe("restore"))
    assert note_of(recipe, photos) is None
    told = note_of(recipe, open_photos(root))
    assert told == f"{root}: 3 given pairs, captions by file:{root / 'gt_llm_caption'}."
    told = note_of(ssp_ir_recipe("processor"), open_photos(root))
    assert told == f"{root}: 3 given pairs."


def test_patches_may_be_damaged_anew(root, ssp_ir_recipe):
    """The clean ones and the tokens stay what they are."""
    photos = open_photos(root)
    given, fresh = (
        make_batches(ssp_ir_recipe("restore", fresh=fresh), photos).batch(0)
        for fresh in (False, True)
    )
    assert torch.equal(given.clean, fresh.clean)
    assert torch.equal(given.tokens, fresh.tokens)
    assert not torch.equal(given.degraded, fresh.degraded)


@pytest.mark.parametrize("stage", ["processor", "restore"])
def test_a_training_on_them_resumes_to_the_last_bit(root, tmp_path, ssp_ir_recipe, stage):
    shrink(root, "b", 2)
    recipe = silent(ssp_ir_recipe(stage))
    through = Trainer(recipe, open_photos(root))
    for _ in range(4):
        through.advance()
    train(recipe, open_photos(root), out=tmp_path / "run", stop=iter([False, True]).__next__)
    photos = open_photos(root)  # as another process would
    resumed = Trainer(recipe, photos)
    resumed.resume(tmp_path / "run" / LATEST)
    assert resumed.step == 2
    assert equal(resumed.batches.batch(3), through.batches.batch(3))
    for _ in range(2):
        resumed.advance()
    one, other = through.network.state_dict(), resumed.network.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    if stage == "restore":
        assert resumed.encoders["captioner"].startswith("file:")


def test_photos_are_damaged_as_ever(photos, ssp_ir_recipe):
    recipe = ssp_ir_recipe("restore", caption_drop=1.0)
    make = token_maker("lite0", count=50, dim=1280)
    store = PairStore(photos, tasks=("real",), variants=1, make_tokens=make)
    nothing = torch.zeros(16, 384)
    assert equal(
        make_batches(recipe, photos).batch(5), RealPairs(store, recipe, None, nothing).batch(5)
    )


def test_validation_takes_pairs(root, ssp_ir_recipe):
    from restora.networks.catalogue import build

    path = shrink(root, "b", 2)
    recipe = ssp_ir_recipe("restore")
    validation = make_validation(recipe, root)
    found = list(validation.pairs("cpu"))
    assert len(found) == 3
    multiple = recipe.network.multiple_px
    for (clean, degraded), name in zip(found, sorted(NAMES), strict=True):
        height, width = (length // multiple * multiple for length in SIZES[name])
        assert clean.shape == degraded.shape == (1, 3, height, width)
    y, x = ((length % multiple) // 2 for length in SIZES["b"])
    height, width = found[1][1].shape[2:]
    middle = enlarge(read(path), 2).pixels[y : y + height, x : x + width]
    wanted = torch.from_numpy(middle).permute(2, 0, 1)[None]
    assert (found[1][1] - wanted).abs().max() < 0.51 / 255
    torch.manual_seed(0)
    network = build(recipe.network).eval()
    scores = validation(network)
    assert scores.keys() == {"gain_given", "processed_given", "gain"}
    assert scores["gain"] == scores["gain_given"]
    alone = make_validation(ssp_ir_recipe("processor"), root)(network)
    assert alone["gain_given"] == alone["processed_given"] == scores["processed_given"]
    Image.new("RGB", (31, 40)).save(path)
    with pytest.raises(InputError, match=r"b\.png has 31×40 pixels"):
        next(iter(make_validation(recipe, root).pairs("cpu")))
