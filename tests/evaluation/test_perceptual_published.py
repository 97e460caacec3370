from __future__ import annotations

import pytest

from restora.evaluation.published.perceptual import (
    PERCEPTUAL,
    PERCEPTUAL_QUALITIES,
    PERCEPTUAL_SIZES,
    published_perceptual,
)

METHODS = (
    *("JPEG", "FBCNN", "JDEC", "PromptCIR", "DiffBIR*", "SUPIR", "SODiff", "OSEDiff*", "CODiff"),
)


@pytest.mark.parametrize("test_set", PERCEPTUAL_SIZES)
def test_each_set_has_the_rows_of_the_table(test_set):
    assert tuple(row.method for row in published_perceptual(test_set)) == METHODS


@pytest.mark.parametrize("row", PERCEPTUAL, ids=lambda row: f"{row.set}-{row.method}")
def test_figures_are_plausible(row):
    assert row.source
    assert tuple(row.figures) == PERCEPTUAL_QUALITIES
    for name, digits, largest in (
        *(("lpips", 4, 0.5), ("dists", 4, 0.35)),
        *(("musiq", 2, 75), ("maniqa", 4, 0.65), ("clipiqa", 4, 0.8)),
    ):
        values = [getattr(row.figures[quality], name) for quality in PERCEPTUAL_QUALITIES]
        assert all(0 < value < largest and round(value, digits) == value for value in values)
        if name in ("lpips", "dists"):
            assert values == sorted(values, reverse=True)  # better quality, nearer


def test_the_slipped_cells_are_those_of_the_other_table():
    plain = published_perceptual("div2k")[0]
    assert plain.figures[5] == (0.4466, 0.3183, 34.59, 0.2570, 0.2595)
    assert "CODiff" in plain.note


def test_counts_of_wins_over_the_table_it_leaves_out():
    """44 of 45 cells over OSEDiff*, one of 45 over CODiff, and one tie."""

    def won(test_set, other):
        ours, theirs = (
            next(row for row in published_perceptual(test_set) if row.method == method).figures
            for method in ("SODiff", other)
        )
        signs = (-1, -1, 1, 1, 1)
        steps = [
            sign * (a - b)
            for quality in PERCEPTUAL_QUALITIES
            for a, b, sign in zip(ours[quality], theirs[quality], signs, strict=True)
        ]
        return sum(step > 0 for step in steps), sum(step == 0 for step in steps)

    for other, wins, ties in (("OSEDiff*", 44, 0), ("CODiff", 1, 1)):
        counts = [won(test_set, other) for test_set in PERCEPTUAL_SIZES]
        assert (sum(w for w, _ in counts), sum(t for _, t in counts)) == (wins, ties)
