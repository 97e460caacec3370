from __future__ import annotations

import numpy as np
import pytest

from restora.evaluation.detections import Detections, Tally, match, overlaps


def found(*things):
    """Things as (left, top, right, bottom, score, label)."""
    array = np.array(things, np.float32).reshape(-1, 6)
    return Detections(array[:, :4], array[:, 4], array[:, 5].astype(np.int64))


def test_overlap_is_intersection_over_union():
    a = np.array([[0, 0, 10, 10], [5, 5, 5, 9]], np.float32)
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 4]], np.float32)
    assert overlaps(a, b).tolist() == [[1, pytest.approx(1 / 3), 0, 0.04], [0, 0, 0, 0]]
    assert overlaps(a[1:], a[1:]).tolist() == [[0]]  # a box without area, even with itself
    assert overlaps(a[:0], b).shape == (0, 4)


def test_what_is_alike_matches():
    clean = found((0, 0, 10, 10, 0.9, 1), (20, 0, 30, 10, 0.8, 2))
    assert match(clean, clean) == Tally(both=2)
    moved = found((21, 0, 31, 10, 0.7, 2), (1, 1, 11, 11, 0.6, 1))
    assert match(moved, clean) == Tally(both=2)


def test_another_label_or_too_little_overlap_does_not_match():
    clean = found((0, 0, 10, 10, 0.9, 1))
    assert match(found((0, 0, 10, 10, 0.9, 2)), clean) == Tally(0, invented=1, lost=1)
    # Half is enough: 10×10 against 10×5 is exactly that
    assert match(found((0, 0, 10, 5, 0.9, 1)), clean) == Tally(both=1)
    assert match(found((0, 0, 10, 4.9, 0.9, 1)), clean) == Tally(0, 1, 1)
    assert match(found((0, 0, 10, 4.9, 0.9, 1)), clean, least=0.4) == Tally(both=1)


def test_a_thing_is_found_once_and_by_the_surest():
    clean = found((0, 0, 10, 10, 0.9, 1))
    twice = found((0, 0, 10, 10, 0.6, 1), (0, 1, 10, 11, 0.9, 1))
    assert match(twice, clean) == Tally(both=1, invented=1)
    # The surest takes the one it overlaps most, which leaves the other without a partner.
    pair = found((0, 0, 10, 10, 0.9, 1), (0, 4, 10, 14, 0.9, 1))
    greedy = found((0, 1, 10, 11, 0.9, 1), (0, -4, 10, 6, 0.8, 1))
    assert match(greedy, pair) == Tally(both=1, invented=1, lost=1)


def test_nothing_anywhere():
    nothing, one = found(), found((0, 0, 10, 10, 0.9, 1))
    assert match(nothing, nothing) == Tally()
    assert match(nothing, one) == Tally(lost=1)
    assert match(one, nothing) == Tally(invented=1)
    assert Tally().f_measure == 1.0
    assert Tally(lost=1).f_measure == 0.0
    assert (Tally(2, 1, 0) + Tally(1, 0, 1)).f_measure == pytest.approx(0.75)


def test_only_the_sure_are_kept():
    things = found((0, 0, 10, 10, 0.5, 1), (0, 0, 9, 9, 0.49, 2))
    assert things.sure().labels.tolist() == [1]
    assert things.sure(0.4).labels.tolist() == [1, 2]
    assert len(things.sure(0.6)) == 0
