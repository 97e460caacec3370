"""Guidance is a weighted sum of what the network sees when it is told less or more."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from restora.engine.guidance import Branch, branches, combine
from restora.errors import UsageError

RNG = np.random.default_rng(0)
NOTHING, IMAGE, BOTH = RNG.standard_normal((3, 2, 4, 5, 6))
GUIDANCE = st.floats(0, 30)


def seen(branch):
    if branch.text:
        assert branch.image  # words alone are never asked for
        return BOTH
    return IMAGE if branch.image else NOTHING


def guided(text, image):
    parts = branches(text, image)
    return combine(parts, [seen(part) for part in parts])


def test_as_trained_it_is_the_prediction_itself():
    assert branches(1, 1) == (Branch(1, text=True, image=True),)
    assert guided(1.0, 1.0) is BOTH


def test_one_for_the_image_is_the_original_guidance():
    parts = branches(7.5, 1)
    assert [(part.text, part.image) for part in parts] == [(True, True), (False, True)]
    assert guided(7.5, 1) == pytest.approx(IMAGE + 7.5 * (BOTH - IMAGE), abs=1e-12)


@pytest.mark.parametrize(
    ("text", "image", "told"),
    [
        (0, 0, [(False, False)]),
        (0, 1, [(False, True)]),
        (0, 3, [(False, True), (False, False)]),
        (1, 3, [(True, True), (False, True), (False, False)]),
        (3, 3, [(True, True), (False, False)]),
        (2, 0, [(True, True), (False, True), (False, False)]),
    ],
)
def test_only_what_counts_is_computed(text, image, told):
    assert [(part.text, part.image) for part in branches(text, image)] == told


@given(text=GUIDANCE, image=GUIDANCE)
def test_it_is_the_sum_it_says(text, image):
    wanted = NOTHING + image * (IMAGE - NOTHING) + text * (BOTH - IMAGE)
    assert guided(text, image) == pytest.approx(wanted, abs=1e-10)
    parts = branches(text, image)
    assert sum(part.weight for part in parts) == pytest.approx(1, abs=1e-12)
    assert all(part.weight for part in parts)


@given(text=GUIDANCE, image=GUIDANCE, other=GUIDANCE)
def test_the_two_are_independent(text, image, other):
    """What one adds does not depend on the other."""
    by_image = guided(text, image) - guided(text, other)
    assert by_image == pytest.approx((image - other) * (IMAGE - NOTHING), abs=1e-10)
    by_text = guided(image, text) - guided(other, text)
    assert by_text == pytest.approx((image - other) * (BOTH - IMAGE), abs=1e-10)


def test_branches_of_one_batch_and_in_torch():
    parts = branches(2.5, 1.5)
    batch = torch.from_numpy(np.stack([seen(part) for part in parts])).float()
    found = combine(parts, batch)
    assert found.dtype == torch.float32
    assert found.numpy() == pytest.approx(guided(2.5, 1.5), abs=1e-5)


def test_as_many_predictions_as_branches():
    with pytest.raises(ValueError, match="2 branches, but 1"):
        combine(branches(3, 1), [BOTH])


@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_no_guidance(value):
    with pytest.raises(UsageError, match="The text guidance is a number from 0"):
        branches(value, 1)
    with pytest.raises(UsageError, match="The image guidance is a number from 0"):
        branches(1, value)
