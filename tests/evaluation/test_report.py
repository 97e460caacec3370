from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pytest
from pydantic import ValidationError
from rich.console import Console

from restora.errors import InputError, OutputError
from restora.evaluation.report import (
    Environment,
    QualityError,
    Report,
    Row,
    baseline_mismatches,
    gains,
    read_report,
    write_report,
)
from restora.evaluation.tables import (
    gain_markdown,
    gain_table,
    markdown,
    quality_markdown,
    quality_table,
    table,
)

ENVIRONMENT = Environment(
    python="3.12.1",
    numpy="2.4.0",
    pillow="13.0.0",
    jpeg_library="libjpeg-turbo 3.1.2",
    machine="x86_64",
    cpu_count=2,
)


def report_of(*rows: Row, **others) -> Report:
    values = {"protocol": "jpeg-color", "set": "bsds500", "rows": rows, **others}
    return Report(environment=ENVIRONMENT, **values)


def jpeg(quality: int, psnr: float, ssim: float, psnr_b: float, n: int = 200) -> Row:
    return Row(method="JPEG", quality=quality, psnr=psnr, ssim=ssim, psnr_b=psnr_b, n=n)


REPORT = report_of(
    jpeg(10, 25.8399, 0.7412, 24.12),
    jpeg(20, 28.2101, 0.8271, 26.36),
    Row(
        method="ours [s]", quality=10, psnr=27.6012, ssim=0.79, psnr_b=27.31, n=200,
        seconds_per_megapixel=1.5,
    ),
    Row(
        method="ours [s]", quality=20, psnr=29.9, ssim=0.8612, psnr_b=29.3, n=200,
        seconds_per_megapixel=1.3,
    ),
    quality_errors=(
        QualityError(quality=10, mean_absolute_error=1.25, bias=-0.5, n=200),
        QualityError(quality=20, mean_absolute_error=2, bias=1.75, n=200),
    ),
)  # fmt: skip


MARKDOWN = r"""
**jpeg-color on bsds500, 200 pictures: PSNR \| SSIM \| PSNR-B**

| method | QF 10 | QF 20 | s/MP |
| --- | ---: | ---: | ---: |
| JPEG | 25.84 \| 0.741 \| 24.12 | 28.21 \| 0.827 \| 26.36 | - |
| ours [s] | 27.60 \| 0.790 \| 27.31 | 29.90 \| 0.861 \| 29.30 | 1.40 |
| JPEG (published) | 25.84 \| 0.741 \| - | 28.21 \| 0.827 \| - | - |
| QGAC (published) | 27.74 \| 0.802 \| - | 30.01 \| 0.869 \| - | - |
| FBCNN (published) | 27.85 \| 0.799 \| - | 30.14 \| 0.867 \| - | - |

- JPEG, QGAC, FBCNN: GRL repository, figure task5.png (the paper's table 7).
"""

GAIN_MARKDOWN = r"""
**jpeg-color on bsds500, 200 pictures: PSNR over the plain JPEG, dB**

| method | QF 10 | QF 20 |
| --- | ---: | ---: |
| ours [s] | +1.76 | +1.69 |
| QGAC (published) | +1.90 | +1.80 |
| FBCNN (published) | +2.01 | +1.93 |
"""

QUALITY_MARKDOWN = r"""
**jpeg-color on bsds500: estimated quality, points off**

|  | QF 10 | QF 20 |
| --- | ---: | ---: |
| mean absolute error | 1.25 | 2.00 |
| bias | -0.50 | +1.75 |
"""

TABLE = r"""
jpeg-color on bsds500, 200 pictures: PSNR | SSIM | PSNR-B
┏━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━┓
┃ method            ┃                 QF 10 ┃                 QF 20 ┃ s/MP ┃
┡━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━┩
│ JPEG              │ 25.84 | 0.741 | 24.12 │ 28.21 | 0.827 | 26.36 │    - │
│ ours [s]          │ 27.60 | 0.790 | 27.31 │ 29.90 | 0.861 | 29.30 │ 1.40 │
├───────────────────┼───────────────────────┼───────────────────────┼──────┤
│ JPEG (published)  │     25.84 | 0.741 | - │     28.21 | 0.827 | - │    - │
│ QGAC (published)  │     27.74 | 0.802 | - │     30.01 | 0.869 | - │    - │
│ FBCNN (published) │     27.85 | 0.799 | - │     30.14 | 0.867 | - │    - │
└───────────────────┴───────────────────────┴───────────────────────┴──────┘
JPEG, QGAC, FBCNN: GRL repository, figure task5.png (the paper's table 7).
"""

GAIN_TABLE = r"""
jpeg-color on bsds500, 200 pictures:
PSNR over the plain JPEG, dB
┏━━━━━━━━━━━━━━━━━━━┳━━━━━━━┳━━━━━━━┓
┃ method            ┃ QF 10 ┃ QF 20 ┃
┡━━━━━━━━━━━━━━━━━━━╇━━━━━━━╇━━━━━━━┩
│ ours [s]          │ +1.76 │ +1.69 │
├───────────────────┼───────┼───────┤
│ QGAC (published)  │ +1.90 │ +1.80 │
│ FBCNN (published) │ +2.01 │ +1.93 │
└───────────────────┴───────┴───────┘
"""

QUALITY_TABLE = r"""
jpeg-color on bsds500: estimated
quality, points off
┏━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━┳━━━━━━━┓
┃                     ┃ QF 10 ┃ QF 20 ┃
┡━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━╇━━━━━━━┩
│ mean absolute error │  1.25 │  2.00 │
│ bias                │ -0.50 │ +1.75 │
└─────────────────────┴───────┴───────┘
"""


def drawn(what, width: int = 100) -> str:
    file = io.StringIO()
    Console(file=file, width=width, color_system=None).print(what)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


# ------------------------------------------------------------------ the check


def test_the_published_row_matches() -> None:
    assert baseline_mismatches(REPORT) == []


def test_figures_are_compared_as_printed() -> None:
    close = report_of(jpeg(10, 25.8351, 0.7405001, 0.0))  # rounds to 25.84 and 0.741
    assert baseline_mismatches(close) == []


def test_a_wrong_row_is_named() -> None:
    wrong = report_of(jpeg(10, 27.02, 0.7734, 25.3301, n=29), protocol="jpeg-gray", set="live1")
    assert baseline_mismatches(wrong) == [
        "At quality 10 the plain JPEG has PSNR 27.02 dB here, 27.77 dB in FBCNN repository "
        "(jiaxi-jiang/FBCNN), figs/single_table.png."
    ]


def test_part_of_the_pictures_proves_nothing() -> None:
    assert baseline_mismatches(report_of(jpeg(10, 25.84, 0.741, 24.12, n=3))) == [
        "3 pictures were measured, bsds500 has 200; the published row is the mean of all, "
        "so nothing was checked."
    ]


def test_other_qualities_prove_nothing_alone() -> None:
    off_grid = jpeg(15, 1.0, 0.1, 1.0)
    assert baseline_mismatches(report_of(off_grid)) == [
        "No plain JPEG row is published for jpeg-color on bsds500 at quality 15, "
        "so nothing was checked."
    ]
    assert baseline_mismatches(report_of(off_grid, jpeg(10, 25.84, 0.741, 24.12))) == []


def test_a_missing_plain_row_is_named() -> None:
    assert baseline_mismatches(report_of(*REPORT.rows[2:])) == [
        "The plain JPEG was not measured at quality 10.",
        "The plain JPEG was not measured at quality 20.",
    ]


def test_gains() -> None:
    first, second = gains(REPORT)
    assert (first.method, first.quality, second.quality) == ("ours [s]", 10, 20)
    assert first.psnr == pytest.approx(1.7613)
    assert first.ssim == pytest.approx(0.0488)
    assert first.psnr_b == pytest.approx(3.19)


# ------------------------------------------------------------------ the file


def test_there_and_back(tmp_path: Path) -> None:
    perfect = report_of(jpeg(10, math.inf, 1.0, math.inf), *REPORT.rows[1:])
    path = tmp_path / "report.json"
    write_report(perfect, path)
    assert read_report(path) == perfect
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]

    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is no JSON")

    content = json.loads(path.read_text(), parse_constant=refuse)
    assert content["rows"][0]["psnr"] == "Infinity"


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(OutputError) as caught:
        write_report(REPORT, path)
    assert str(caught.value) == f"The report could not be written to {path}: Is a directory."
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OutputError) as caught:
        write_report(REPORT, tmp_path / "none" / "r.json")
    assert "No such file or directory" in str(caught.value)


def test_messages_of_reading(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    with pytest.raises(InputError) as caught:
        read_report(path)
    assert str(caught.value) == f"The report {path} cannot be read: No such file or directory."
    content = REPORT.model_dump(mode="json")
    content["rows"][0]["quality"] = 101
    path.write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:
        read_report(path)
    assert str(caught.value) == (
        f"{path} is no report of Restora: rows.0.quality: "
        "Input should be less than or equal to 100."
    )
    path.write_text("{")
    with pytest.raises(InputError, match="is no report of Restora: the file: Invalid JSON"):
        read_report(path)


def test_reports_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        REPORT.rows[0].psnr = 99.0


def test_the_environment_is_this_one() -> None:
    here = Environment.here()
    assert here.cpu_count >= 1
    assert "libjpeg" in here.jpeg_library


# ------------------------------------------------------------------ tables


def test_markdown() -> None:
    assert markdown(REPORT) == MARKDOWN.lstrip()
    assert gain_markdown(REPORT) == GAIN_MARKDOWN.lstrip()
    assert quality_markdown(REPORT) == QUALITY_MARKDOWN.lstrip()


def test_terminal() -> None:
    assert drawn(table(REPORT)) == TABLE.strip()
    assert drawn(gain_table(REPORT)) == GAIN_TABLE.strip()
    assert drawn(quality_table(REPORT)) == QUALITY_TABLE.strip()


def test_a_narrow_terminal_loses_no_digit() -> None:
    narrow = drawn(table(REPORT), width=50)
    assert "…" not in narrow
    assert all(figure in narrow for figure in ("27.60", "0.790", "27.31", "0.861"))


def test_stars_and_notes_come_with_the_rows_they_are_about() -> None:
    text = markdown(report_of(jpeg(10, 27.77, 0.773, 25.33), protocol="jpeg-gray", set="live1"))
    assert r"| ARCNN\* (published) | 28.96 \| 0.808 \| 28.68 | - |" in text
    assert r"- \*: one model for each quality, told which." in text
    assert "- QGAC: SSIM as FBCNN evaluated it again" in text


def test_a_quality_nobody_published() -> None:
    text = markdown(report_of(jpeg(15, 27.0, 0.79, 25.3)))
    assert "| JPEG (published) | - | - |" in text
