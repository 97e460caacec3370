"""Pictures side by side, and their labels."""

import numpy as np
import pytest

from restora.images.contact_sheet import GAP_PX, LABEL_PX, PAPER, contact_sheet

LABELS = ("by itself: quality 30, earlier save", "input", "quality 100")


def picture(height_px, width_px, seed=0):
    return np.random.default_rng(seed).random((height_px, width_px, 3), np.float32)


@pytest.mark.parametrize(("width_px", "height_px"), [(33, 31), (400, 20)])
def test_no_label_runs_into_the_next(width_px, height_px):
    """Each cell looks as it does on a sheet of its own."""
    cells = [(label, picture(height_px, width_px, n)) for n, label in enumerate(LABELS)]
    sheet = np.asarray(contact_sheet(cells, columns=3, largest_px=480))
    step = (sheet.shape[1] - GAP_PX) // 3
    assert step >= width_px + GAP_PX
    assert sheet.shape[0] == height_px + LABEL_PX + 2 * GAP_PX
    for n, cell in enumerate(cells):
        alone = np.asarray(contact_sheet([cell], columns=3, largest_px=480))[:, GAP_PX:-GAP_PX]
        here = sheet[:, GAP_PX + n * step :][:, :step]
        assert np.array_equal(here[:, : alone.shape[1]], alone)
        assert (here[:, alone.shape[1] :] == PAPER).all()


def test_labels_shorter_than_the_picture_move_nothing():
    sheet = contact_sheet(
        [("a", picture(20, 60)), ("b", picture(20, 60))], columns=2, largest_px=480
    )
    assert sheet.size == (2 * (60 + GAP_PX) + GAP_PX, 20 + LABEL_PX + 2 * GAP_PX)
