"""Crops of pairs: functions of the step, cut alike, with the context of the whole picture."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from restora.errors import InputError, RecipeError
from restora.training.data import PhotoStore
from restora.training.sr_diff.pairs import CropPairs, apply_gamma
from restora.training.sr_diff.sources import Having
from restora.training.sr_diff.store import PairStore, token_maker

FIELDS = ("clean", "degraded", "task", "tokens", "keep", "dice", "starts")


@pytest.fixture
def store(photos):
    return store_of(photos)


def store_of(photos, variants=2):
    make = token_maker("lite0", count=50, dim=1280)
    return PairStore(photos, tasks=("dehaze", "lowlight"), variants=variants, make_tokens=make)


def numbered():
    """A photo in which every pixel is another."""
    y, x = np.mgrid[:60, :70]
    pixels = np.stack([3 * y, 3 * x, y + x], axis=2).astype(np.uint8)
    return PhotoStore(pixels.reshape(-1), [(0, 60, 70)])


def test_a_batch_is_a_function_of_the_step(store, sr_diff_recipe):
    recipe = sr_diff_recipe("restore")
    pairs = CropPairs(store, recipe)
    batches = [pairs.batch(step) for step in (4, 5, 4)]
    again = CropPairs(store, recipe).batch(5)
    for name in FIELDS:
        first, other, same = (getattr(batch, name) for batch in batches)
        assert torch.equal(first, same)
        assert torch.equal(other, getattr(again, name))
    assert not torch.equal(batches[0].clean, batches[1].clean)
    seeded = CropPairs(store, sr_diff_recipe("restore", settings={"seed": 1})).batch(4)
    assert not torch.equal(batches[0].clean, seeded.clean)


def test_shapes_and_ranges(store, sr_diff_recipe):
    batch = CropPairs(store, sr_diff_recipe("restore", data={"batch": 5})).batch(0)
    assert batch.clean.shape == batch.degraded.shape == (5, 3, 16, 16)
    assert batch.tokens.shape == (5, 50, 1280)
    assert batch.task.dtype == torch.int64
    assert batch.keep.dtype == torch.bool
    for values in (batch.clean, batch.degraded, batch.dice):
        assert values.dtype == torch.float32
        assert values.min() >= 0
        assert values.max() <= 1


class Same:
    """Pairs whose degraded picture is the clean one, in every task."""

    tasks, variants, encoders = ("dehaze", "lowlight"), 2, {}

    def __init__(self, photos):
        self._photos = photos

    def __len__(self):
        return len(self._photos)

    def numbers(self, task):
        return range(len(self))

    def clean(self, number):
        return self._photos[number]

    def degraded(self, number, task, variant=0):
        return self._photos[number]

    def tokens(self, number, task, variant=0):
        return np.full((50, 1280), number + 1, np.float16)

    def clean_tokens(self, number):
        return np.full((50, 1280), -number - 1, np.float16)


def test_both_are_cut_from_the_same_place_and_turned_alike(sr_diff_recipe):
    pairs = CropPairs(Same(numbered()), sr_diff_recipe("restore", data={"batch": 40}))
    seen = set()
    for step in range(5):
        batch = pairs.batch(step)
        assert torch.equal(batch.clean, batch.degraded)
        for crop in (batch.clean * 255).round().int():
            down, right = crop[:, 1, 0] - crop[:, 0, 0], crop[:, 0, 1] - crop[:, 0, 0]
            seen.add((*down[:2].tolist(), *right[:2].tolist()))
    # Four turns, each also mirrored.
    assert seen == {
        (3 * a, 3 * b, 3 * c, 3 * d)
        for a, b, c, d in [
            (1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, 1), (-1, 0, 0, -1),
            (0, 1, 1, 0), (0, 1, -1, 0), (0, -1, 1, 0), (0, -1, -1, 0),
        ]
    }  # fmt: skip


def test_crops_are_of_the_copy_of_the_task_that_is_told(store, sr_diff_recipe):
    batch = CropPairs(store, sr_diff_recipe("restore", data={"batch": 30})).batch(0)
    lighter = (batch.degraded - batch.clean).mean(dim=(1, 2, 3))
    assert (lighter[batch.task == 1] < 0).all()  # low light
    assert set(batch.task.tolist()) == {0, 1}


def test_the_context_is_that_of_the_whole_picture(store, sr_diff_recipe):
    """Whatever the crop, its tokens are one of the few that the store holds."""
    known = {
        store.tokens(number, task, variant).tobytes(): place
        for number in range(len(store))
        for place, task in enumerate(store.tasks)
        for variant in range(store.variants)
    }
    pairs = CropPairs(store, sr_diff_recipe("restore", data={"batch": 20}))
    for step in range(3):
        batch = pairs.batch(step)
        for tokens, task in zip(batch.tokens.half().numpy(), batch.task.tolist(), strict=True):
            assert known[tokens.tobytes()] == task


@pytest.mark.parametrize(
    ("context", "sign"), [("refined", 1), ("raw", 1), ("oracle-gt", -1), ("none", 0)]
)
def test_whose_tokens_they_are(sr_diff_recipe, context, sign):
    recipe = sr_diff_recipe("restore", network={"context": context})
    batch = CropPairs(Same(numbered()), recipe).batch(0)
    assert batch.tokens.unique().tolist() == [sign]


def test_some_task_is_left_to_learn(sr_diff_recipe):
    with pytest.raises(RecipeError, match="task_shares leave no task to learn"):
        sr_diff_recipe("restore", task_shares={"dehaze": 0, "lowlight": 0})
    sr_diff_recipe("restore", task_shares={"dehaze": 0})


def test_shares_are_kept(sr_diff_recipe):
    recipe = sr_diff_recipe(
        "restore", data={"batch": 500}, context_drop=0.25, task_shares={"lowlight": 3}
    )
    batch = CropPairs(Same(numbered()), recipe).batch(0)
    assert (batch.task == 1).float().mean() == pytest.approx(0.75, abs=0.06)
    assert batch.keep.float().mean() == pytest.approx(0.75, abs=0.06)
    everything = CropPairs(Same(numbered()), sr_diff_recipe("restore", context_drop=0)).batch(0)
    assert everything.keep.all()


def test_small_photos_are_left_out(store, sr_diff_recipe):
    recipe = sr_diff_recipe("restore", data={"patch_px": 32, "batch": 30})
    pairs = CropPairs(store, recipe)
    assert pairs.batch(0).clean.shape == (30, 3, 32, 32)
    with pytest.raises(InputError, match="no photo is at least 96 pixels wide and high"):
        CropPairs(store, sr_diff_recipe("restore", data={"patch_px": 96}))


class Unequal(Same):
    """A hundred photos, of which five are dark and the others hazy."""

    def numbers(self, task):
        return range(95) if task == "dehaze" else range(95, 100)


def test_a_photo_that_lacks_its_task_is_drawn_again(sr_diff_recipe):
    """And every photo that has a task stays as likely as any other."""
    photos = PhotoStore(np.zeros(16 * 16 * 3, np.uint8), [(0, 16, 16)] * 100)
    recipe = sr_diff_recipe("restore", data={"batch": 1000})
    batch = CropPairs(Unequal(photos), recipe).batch(0)
    numbers = batch.tokens[:, 0, 0].int() - 1
    assert ((numbers >= 95) == (batch.task == 1)).all()
    assert (batch.task == 1).float().mean() == pytest.approx(0.5, abs=0.05)
    counts = torch.bincount(numbers, minlength=100)
    assert counts[95:].min() > 60
    assert counts[95:].max() < 140
    assert counts[:95].max() < 20


def test_where_all_have_every_task_nothing_more_is_drawn():
    photos = PhotoStore(np.zeros(16 * 16 * 3, np.uint8), [(0, 16, 16)] * 100)
    one, other = np.random.default_rng(0), np.random.default_rng(0)
    having = Having(Same(photos), range(100))
    assert having.redraw(one, [5, 99, 0], ["dehaze", "lowlight", "dehaze"]) == [5, 99, 0]
    assert one.random() == other.random()
    assert having.missing() == []
    assert Having(Unequal(photos), range(90)).missing() == ["lowlight"]


def test_fresh_damage_is_of_the_same_place_and_new_each_time(sr_diff_recipe):
    recipe = sr_diff_recipe(
        "restore", data={"batch": 8}, fresh=True, task_shares={"lowlight": 0, "dehaze": 1}
    )
    pairs = CropPairs(Same(numbered()), recipe)  # its stored copies are not damaged at all
    batch, again = pairs.batch(0), pairs.batch(0)
    assert torch.equal(batch.degraded, again.degraded)
    assert batch.degraded.shape == batch.clean.shape == (8, 3, 16, 16)
    damage = (batch.degraded - batch.clean).abs().amax(dim=(1, 2, 3))
    assert damage.min() > 0.02
    # A steep gradient, in another direction for each turn, is still to be seen through a haze.
    for clean, degraded in zip(batch.clean, batch.degraded, strict=True):
        pair = torch.stack([clean.flatten(), degraded.flatten()])
        assert torch.corrcoef(pair)[0, 1] > 0.5


def test_a_gamma_changes_clean_and_degraded_alike(sr_diff_recipe):
    options = {"data": {"batch": 8}, "fresh": True, "task_shares": {"lowlight": 0, "dehaze": 1}}

    def batch(**more):
        recipe = sr_diff_recipe("restore", **options, **more)
        return CropPairs(Same(numbered()), recipe).batch(0)

    def slopes(planes):  # of red and green, which rise by 3 from row to row or column to column
        return (255 * planes[:2]).round().diff(dim=-1).abs().unique().tolist()

    assert all(slopes(clean) == [0, 3] for clean in batch().clean)
    curved = batch(random_gamma=1.5)
    assert sum(slopes(clean) == [0, 3] for clean in curved.clean) < 3  # a gamma may be near 1
    for clean, degraded in zip(curved.clean, curved.degraded, strict=True):
        assert torch.corrcoef(torch.stack([clean.flatten(), degraded.flatten()]))[0, 1] > 0.5


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_as_many_start_as_is_asked_and_all_else_is_the_same(store, sr_diff_recipe, share):
    data = {"batch": 40}
    plain = CropPairs(store, sr_diff_recipe("restore", data=data)).batch(0)
    batch = CropPairs(store, sr_diff_recipe("restore", data=data, start_share=share)).batch(0)
    assert batch.starts.float().mean().item() == pytest.approx(share, abs=0.2)
    assert not plain.starts.any()
    for name in FIELDS[:-1]:
        assert torch.equal(getattr(plain, name), getattr(batch, name))


def test_starting_states_are_for_losses_of_the_clean_picture(sr_diff_recipe):
    with pytest.raises(RecipeError, match="start_share is for the losses clean-l1 and clean-log"):
        sr_diff_recipe("restore", start_share=0.5, loss="maxlik")


@given(gamma=st.floats(0.25, 4))
def test_a_gamma_keeps_order_black_and_white(gamma):
    every = np.arange(256, dtype=np.uint8)
    curve = apply_gamma(every, gamma)
    assert (curve[0], curve[-1]) == (0, 255)
    assert (np.diff(curve.astype(int)) >= 0).all()
    assert (curve.astype(int) <= every).all() if gamma > 1 else (curve >= every).all()
    np.testing.assert_array_equal(apply_gamma(every, 1.0), every)


def test_a_gamma_is_for_fresh_damage(sr_diff_recipe):
    with pytest.raises(RecipeError, match=r"random_gamma is for fresh damage: set srdiff\.fresh"):
        sr_diff_recipe("restore", random_gamma=1.5)
