"""Photos decoded once; pairs that depend on seed and step alone."""

import numpy as np
import pytest
import torch
from PIL import Image

from restora.errors import InputError
from restora.training.data import JpegPairs, PhotoStore, validation_pictures


def pairs(photos, recipe, *, channels=1, seed=0, **changes):
    data = recipe.data.model_copy(update=changes)
    return JpegPairs(photos, data, channels=channels, seed=seed, teacher=0.5)


def test_photos_come_back_as_they_were(photos, photo_folder):
    files = sorted(photo_folder.iterdir())
    assert len(photos) == len(files)
    for number, file in enumerate(files):
        assert np.array_equal(photos[number], np.asarray(Image.open(file)))


def test_photos_are_decoded_once(photos, photo_folder, tmp_path):
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").iterdir()}
    PhotoStore.open(photo_folder, cache=tmp_path / "cache")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").iterdir()} == stamps


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(InputError, match="no photos found"):
        PhotoStore.open(tmp_path, cache=tmp_path / "cache")


def test_photos_too_small_are_told(photos, recipe):
    with pytest.raises(InputError, match="no photo is at least 112 pixels"):
        pairs(photos, recipe, patch_px=96)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("codec", ["libjpeg", "tensor"])
def test_a_batch_is_what_it_says(photos, recipe, channels, codec):
    batch = pairs(photos, recipe, channels=channels, codec=codec, batch=16).batch(3)
    for pictures in (batch.clean, batch.degraded):
        assert pictures.shape == (16, channels, 16, 16)
        assert pictures.min() >= 0
        assert pictures.max() <= 1
    assert ((batch.quality >= 1) & (batch.quality <= 100)).all()
    changed = (batch.clean != batch.degraded).flatten(1).any(1)
    assert not (changed & (batch.quality == 100)).any()
    assert changed.sum() >= 10  # of 16; the rest are clean, or so good that nothing moved


def test_pairs_depend_on_seed_and_step_alone(photos, recipe):
    first, second = pairs(photos, recipe), pairs(photos, recipe)
    second.batch(0)
    assert torch.equal(first.batch(5).degraded, second.batch(5).degraded)
    assert not torch.equal(first.batch(5).clean, first.batch(6).clean)
    assert not torch.equal(first.batch(5).clean, pairs(photos, recipe, seed=1).batch(5).clean)


def test_never_compressed_means_unchanged(photos, recipe):
    batch = pairs(photos, recipe, clean_share=1.0).batch(0)
    assert torch.equal(batch.clean, batch.degraded)
    assert (batch.quality == 100).all()


def test_of_two_saves_the_harsher_is_the_label(photos, recipe):
    shares = {"clean_share": 0.0, "rescaled_share": 0.0, "batch": 64}
    twice = pairs(photos, recipe, double_share=1.0, **shares)
    once = pairs(photos, recipe, double_share=0.0, **shares)
    assert twice.batch(0).quality.mean() < once.batch(0).quality.mean() - 5


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("codec", ["libjpeg", "tensor"])
def test_made_smaller_between_two_saves_has_no_one_quality(photos, recipe, channels, codec):
    shares = {"double_share": 1.0, "clean_share": 0.0, "rescaled_share": 1.0, "batch": 8}
    batch = pairs(photos, recipe, channels=channels, codec=codec, **shares).batch(0)
    assert batch.quality.isnan().all()
    assert (batch.clean != batch.degraded).flatten(1).any(1).all()
    # still the same picture: nothing was moved or turned between the two
    assert (batch.clean - batch.degraded).abs().mean() < (batch.clean - 0.5).abs().mean()


def test_small_validation_pictures_are_cut_to_whole_blocks(tmp_path):
    for number, size in enumerate([(250, 300), (600, 40), (256, 256)]):
        Image.new("RGB", size).save(tmp_path / f"{number}.png")
    shapes = [p.shape for p in validation_pictures(tmp_path, channels=3)]
    assert shapes == [(256, 240, 3), (32, 256, 3), (256, 256, 3)]
    ramp = np.arange(100, dtype=np.uint8)[:, None, None].repeat(20, 1).repeat(3, 2)
    Image.fromarray(ramp).save(tmp_path / "0.png")
    found = next(validation_pictures(tmp_path, channels=3, side_px=32))
    assert found.shape == (32, 16, 3)
    assert found[0, 0, 0] == 32  # of 0 to 68, on the grid
    Image.new("RGB", (300, 15)).save(tmp_path / "3.png")
    with pytest.raises(InputError, match=r"3\.png: 300×15 pixels are too few to validate on"):
        list(validation_pictures(tmp_path, channels=3))


def test_validation_pictures_are_centres(photo_folder):
    gray = list(validation_pictures(photo_folder, channels=1, side_px=16))
    color = list(validation_pictures(photo_folder, channels=3, side_px=16))
    assert {g.shape for g in gray} == {(16, 16)}
    assert {c.shape for c in color} == {(16, 16, 3)}
    assert min(g.min() for g in gray) >= 16
    assert max(g.max() for g in gray) <= 235
