from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restora.errors import InputError, UsageError
from restora.evaluation.grid import written
from restora.evaluation.metrics import blocking_effect
from restora.evaluation.real_jpeg import FOLDER, RealOutcome, RealReport, measure_real, real_grids


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two JPEG files of quality 10, gray and colour, and a file that is none."""
    (tmp_path / FOLDER).mkdir()
    waves = 128 + 60 * np.sin(np.mgrid[:40, :48][1] / 5)
    gray = waves.astype(np.uint8)
    Image.fromarray(gray).save(tmp_path / FOLDER / "b.jpg", quality=10)
    colour = np.dstack([gray, gray // 2, 255 - gray])
    Image.fromarray(colour).save(tmp_path / FOLDER / "a.JPEG", quality=10)
    (tmp_path / FOLDER / "notes.txt").write_text("no picture")
    return tmp_path


def pixels(file: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image)


def brighter(file: bytes) -> RealOutcome:
    before = pixels(file)
    after = np.minimum(before, 253) + np.uint8(2)
    return RealOutcome(before, after.astype(np.uint8), saved_at=10, earlier=7.2, used=7.2)


def refuse(file: bytes) -> RealOutcome:
    raise InputError("it is a fake.")


def test_what_is_told_of_a_file(data: Path) -> None:
    told: list[tuple[int, int]] = []
    report = measure_real(
        data, {"brighter": brighter}, progress=lambda *counts: told.append(counts)
    )
    assert told == [(0, 2), (1, 2), (2, 2)]
    colour, gray = report.rows
    assert (colour.file, gray.file) == ("a.JPEG", "b.jpg")
    plane = pixels((data / FOLDER / "b.jpg").read_bytes())
    assert gray.bef_before == blocking_effect(plane)
    assert gray.bef_after == blocking_effect((np.minimum(plane, 253) + np.uint8(2)).astype("u1"))
    assert gray.change == pytest.approx(np.abs(np.minimum(plane, 253) + 2.0 - plane).mean())
    assert (gray.saved_at, gray.earlier, gray.megapixels) == (10, 7.2, 40 * 48 / 1e6)
    assert RealReport.model_validate_json(report.model_dump_json()) == report


def test_a_file_that_fails_is_counted_and_named(data: Path) -> None:
    report = measure_real(data, {"brighter": brighter, "refuse": refuse}, notes=("A note.",))
    sums, first, second = real_grids(report)
    assert [row[:3] for row in sums.measured] == [
        ("brighter", "2 of 2", "2"),
        ("refuse", "0 of 2", "0"),
    ]
    assert sums.notes[0] == "A note."
    assert first.measured[0][:4] == ("a.JPEG", "10", "7", "7")
    assert second.measured[0] == ("a.JPEG: it is a fake.", *["-"] * 6)
    assert "| refuse | 0 of 2 | 0 | - | - | - | - |" in written(sums)


def test_messages(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There are no JPEG files in"):
        measure_real(tmp_path / "nowhere", {"m": brighter})
    with pytest.raises(UsageError, match="A limit of 0 pictures leaves none"):
        measure_real(data, {"m": brighter}, limit=0)
    assert len(measure_real(data, {"m": brighter}, limit=1).rows) == 1
