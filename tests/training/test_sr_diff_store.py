"""Pairs that are made of photos: once, always alike, and with whole photos held out."""

import numpy as np
import pytest

from restora.degradations.by_task import degrade
from restora.networks.sr_diff.tasks import TASKS
from restora.semantics.protocols import SemanticFeatures
from restora.training.data import PhotoStore
from restora.training.sr_diff.store import SEED, PairStore, TokenMaker, set_aside

DIM = 6


class Colours:
    """An image encoder that tells mean and spread of the colours, of all and of the upper half."""

    name, token_dim, pooled_dim, max_tokens = "colours", DIM, DIM, 1

    def __init__(self, print_of="colours 6"):
        self._print = print_of
        self.seen = 0

    def fingerprint(self):
        return self._print

    def encode(self, pictures):
        self.seen += len(pictures)
        told = [
            np.concatenate([part.mean(axis=(1, 2)), part.std(axis=(1, 2))], axis=1)
            for part in (pictures, pictures[:, : pictures.shape[1] // 2])
        ]
        return SemanticFeatures(told[1][:, None], told[0])


def maker(encoder, name="colours", count=2):
    return TokenMaker(name, count, DIM, lambda: encoder)


def store_of(photos, encoder=None, *, tasks=("dehaze", "lowlight"), variants=2, name="colours"):
    make = maker(encoder or Colours(), name)
    return PairStore(photos, tasks=tasks, variants=variants, make_tokens=make)


def everything(store):
    """All that it gives, as bytes and numbers."""
    told = {
        number: (store.clean(number).tobytes(), store.clean_tokens(number).tobytes())
        for number in range(len(store))
    }
    return told | {
        (number, task, variant): (
            store.degraded(number, task, variant).tobytes(),
            store.tokens(number, task, variant).tobytes(),
            store.strength(number, task, variant),
        )
        for number in range(len(store))
        for task in store.tasks
        for variant in range(store.variants)
    }


def test_all_is_made_once_and_found_again(photo_folder, tmp_path):
    cache = tmp_path / "cache"
    first = everything(store_of(PhotoStore.open(photo_folder, cache=cache)))
    written = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert not any(path.suffix == ".part" for path in written)
    unused = Colours()
    again = everything(store_of(PhotoStore.open(photo_folder, cache=cache), unused))
    assert again == first
    assert unused.seen == 0
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == written


def test_without_a_cache_it_is_the_same(photos):
    plain = PhotoStore(photos._data, photos._index, names=photos.names)
    assert everything(store_of(plain)) == everything(store_of(photos))


def test_copies_are_those_of_the_degradations(photos):
    store = store_of(photos, tasks=TASKS, variants=1)
    for number in range(len(photos)):
        for place, task in enumerate(TASKS):
            made = degrade(photos[number], task, (SEED, place, 0, number))
            assert np.array_equal(store.degraded(number, task), made.pixels)
            assert store.strength(number, task) == np.float32(made.strength)
        assert np.array_equal(store.clean(number), photos[number])


def test_a_task_and_a_variant_are_the_same_whatever_stands_beside_them(
    photos, photo_folder, tmp_path
):
    alone = store_of(photos, tasks=("lowlight",), variants=1)
    other = PhotoStore.open(photo_folder, cache=tmp_path / "other")
    among = store_of(other, tasks=TASKS, variants=2)
    for number in range(len(photos)):
        one, two = (store.degraded(number, "lowlight", 0) for store in (alone, among))
        assert np.array_equal(one, two)
        assert not np.array_equal(one, among.degraded(number, "lowlight", 1))


def test_what_was_interrupted_is_made_anew(photos):
    whole = everything(store_of(photos))
    told = sorted(photos.cache.glob("*-strength.bin"))
    told[0].unlink()  # it is written last
    assert everything(store_of(photos)) == whole


def test_tokens_are_of_the_whole_picture(photos):
    store, encoder = store_of(photos), Colours()
    for number in range(len(photos)):
        for tokens, picture in (
            (store.clean_tokens(number), store.clean(number)),
            (store.tokens(number, "dehaze", 1), store.degraded(number, "dehaze", 1)),
        ):
            told = encoder.encode(picture[None].astype(np.float32) / 255)
            assert tokens.shape == (2, DIM)
            assert tokens[0] == pytest.approx(told.pooled[0], abs=1e-3)
            assert tokens[1] == pytest.approx(told.tokens[0, 0], abs=1e-3)


def test_another_encoder_in_the_same_folder_says_something_else(photos):
    """A name that ships is enough; a path may hold anything."""
    old, new, same = Colours("a"), Colours("b"), Colours("b")
    for encoder in (old, new, same):
        store_of(photos, encoder, name="colours:/somewhere").clean_tokens(0)
    assert (old.seen, new.seen, same.seen) == (3, 3, 0)
    for encoder in (old, new):
        encoder.seen = 0
        store_of(photos, encoder).clean_tokens(0)
    assert (old.seen, new.seen) == (3, 0)


def test_all_photos_have_every_task(photos):
    store = store_of(photos)
    assert [list(store.numbers(task)) for task in store.tasks] == [[0, 1, 2]] * 2
    assert store.encoders == {"image encoder": "colours 6"}


def test_tiles_and_variants_of_a_photo_are_held_out_together():
    stems = [
        f"photo{n}_{tile}{more}" for n in range(40) for tile in range(3) for more in ("", "+1")
    ]
    aside = set_aside(stems, 0.3)
    photos = [aside[first : first + 6] for first in range(0, len(aside), 6)]
    assert all(len(set(each)) == 1 for each in photos)
    assert 0.1 < sum(each[0] for each in photos) / 40 < 0.5
    some = stems[60:90]
    assert set_aside(some, 0.3) == aside[60:90]  # whatever others there are
    assert set_aside(stems, 0.0) == [False] * len(stems)
    assert set_aside(stems, 1.0) == [True] * len(stems)


def test_all_the_haze_of_a_photo_of_reside_is_held_out_together():
    hazes = ("0.8_0.04", "0.95_0.2", "1_0.08")
    aside = set_aside([f"{n:04d}_{haze}" for n in range(100) for haze in hazes], 0.3)
    photos = [aside[first : first + 3] for first in range(0, len(aside), 3)]
    assert all(len(set(each)) == 1 for each in photos)
    assert 10 < sum(each[0] for each in photos) < 50


@pytest.mark.parametrize("cameras", [("DSC",), ("DSC", "IMG")])
def test_what_a_camera_calls_its_photos_does_not_make_them_one(cameras):
    stems = [f"{camera}_{number:04d}" for camera in cameras for number in range(100)]
    assert 0.1 * len(stems) < sum(set_aside(stems, 0.3)) < 0.5 * len(stems)


def test_photos_without_names_are_told_apart_by_number():
    photos = PhotoStore(np.zeros(200 * 3, np.uint8), [(3 * n, 1, 1) for n in range(200)])
    aside = set_aside([str(n) for n in range(200)], 0.3)
    store = PairStore(
        photos, tasks=("lowlight",), variants=1, make_tokens=maker(Colours()), holdout=0.3
    )
    assert [store.held_out(n) for n in range(200)] == aside
    assert 20 < sum(aside) < 100
