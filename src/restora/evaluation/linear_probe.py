"""What a linear function can read from features: ridge regression, judged on unseen pictures.

Samples come in groups, the pictures they are of. No group is in training and test at once, nor is
any in the choice of the ridge's strength: whatever is said of a sample was learned from other
pictures alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from restora.errors import UsageError

__all__ = ["FOLDS", "STRENGTHS", "held_out", "r_squared"]

FOLDS = 5
STRENGTHS: tuple[float, ...] = tuple(float(10.0**power) for power in range(-6, 4))
"""Of the ridge, the weight of the squared coefficients beside the mean squared error."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def held_out(
    features: NDArray[np.floating],
    targets: NDArray[np.floating],
    groups: Sequence[int] | Integers,
    *,
    folds: int = FOLDS,
    seed: int = 0,
) -> Floats:
    """What ridge regression says of each sample that had no part in it.

    The groups are dealt into folds; each fold is told by a regression on the others, whose strength
    is the one of :data:`STRENGTHS` with the least squared error in a cross-validation of the same
    kind inside those others. Features are standardised by what is trained on, targets centred.

    Args:
        features: (N, D); D may be above N.
        targets: (N,).
        groups: (N,) the number of each sample's group.
        folds: At least 2.
        seed: Of the dealing.

    Returns:
        (N,) predictions.

    Raises:
        UsageError: There are fewer groups than folds, or under 3.

    >>> x = np.arange(20.0)
    >>> told = held_out(x[:, None], 3 * x + 1, np.arange(20) // 2)
    >>> bool(np.abs(told - (3 * x + 1)).max() < 0.01)
    True
    """
    groups = np.asarray(groups)
    many = len(np.unique(groups))
    if many < max(folds, 3):
        raise UsageError(f"{folds} folds by picture need {max(folds, 3)} pictures, not {many}.")
    x, y = features.astype(np.float64), targets.astype(np.float64)
    told = np.empty(len(y))
    for test in _folds(groups, folds, seed):
        train = ~test
        errors = np.zeros(len(STRENGTHS))
        inside = groups[train]
        for held in _folds(inside, min(folds, len(np.unique(inside))), seed):
            guesses = _ridge(x[train][~held], y[train][~held], x[train][held])
            errors += ((guesses - y[train][held]) ** 2).sum(axis=1)
        told[test] = _ridge(x[train], y[train], x[test])[int(errors.argmin())]
    return told


def r_squared(told: Floats, targets: NDArray[np.floating]) -> float:
    """The share of the targets' variance that is told: 1 all, 0 as the mean, below 0 worse."""
    rest = ((targets - told) ** 2).sum()
    return float(1 - rest / ((targets - targets.mean()) ** 2).sum())


def _folds(groups: Integers, folds: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Masks of the samples of each fold."""
    names = np.random.default_rng(seed).permutation(np.unique(groups))
    for fold in range(folds):
        yield np.isin(groups, names[fold::folds])


def _ridge(x: Floats, y: Floats, other: Floats) -> Floats:
    """Learned from (N, D) and (N,), told of (M, D): (strengths, M)."""
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation[deviation <= 1e-12 * np.abs(mean)] = 1  # a constant feature tells nothing
    x, other = (x - mean) / deviation, (other - mean) / deviation
    # One decomposition serves every strength, and takes more features than samples.
    left, sizes, right = np.linalg.svd(x, full_matrices=False)
    seen = left.T @ (y - y.mean())
    ridges = len(x) * np.array(STRENGTHS)[:, None]
    shrunk = sizes * seen / (sizes**2 + ridges)
    told: Floats = shrunk @ (right @ other.T) + y.mean()
    return told
