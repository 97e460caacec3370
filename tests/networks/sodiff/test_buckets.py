"""The same rule for every kind of array."""

import numpy as np
import torch

from restora.networks.sodiff.buckets import slice_of
from restora.networks.sodiff.time_predictor import bucket


def test_every_quality_is_in_the_same_slice_for_numpy_and_torch():
    quality = np.arange(1, 101, dtype=np.float32)
    strength = (100 - quality) / np.float32(100)
    for slices in range(2, 12):
        found = slice_of(strength, slices)
        assert np.array_equal(found, bucket(torch.from_numpy(strength), slices).numpy())
        assert np.array_equal(np.unique(found), np.arange(slices))
        assert (np.diff(found) <= 0).all()


def test_borders_belong_to_the_stronger_slice():
    strength = np.array([-0.1, 0, 0.24, 0.25, 0.5, 0.75, 1, 1.2], np.float32)
    assert slice_of(strength, 4).tolist() == [0, 0, 0, 1, 2, 3, 3, 3]
