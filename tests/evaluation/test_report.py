from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pytest
from pydantic import ValidationError
from rich.console import Console

from restora.errors import InputError, OutputError
from restora.evaluation.baseline import check_baseline
from restora.evaluation.grid import drawn as draw
from restora.evaluation.grid import written
from restora.evaluation.report import (
    Environment,
    QualityError,
    Report,
    Row,
    gains,
    read_report,
    write_report,
)
from restora.evaluation.settings import FBCNN_DOUBLE, Setting
from restora.evaluation.tables import figures, gain_figures, quality_figures, report_grids

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
    notes=("ours: made up.",),
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
| GRL-S\* (published) | 28.26 \| 0.808 \| - | 30.57 \| 0.875 \| - | - |

- ours: made up.
- The plain JPEG is that of GRL repository (ofsoundof/GRL-Image-Restoration), figs/task5.png to \
the digit: PSNR, SSIM in every column.
- JPEG, QGAC, FBCNN, GRL-S\*: GRL repository (ofsoundof/GRL-Image-Restoration), figs/task5.png.
- \*: one model for each quality, told which.
- QGAC: Is told the quantisation table.
- GRL-S\*: One model a quality is inferred from an issue of its repository.
"""

GAIN_MARKDOWN = r"""
**jpeg-color on bsds500, 200 pictures: PSNR over the plain JPEG, dB**

| method | QF 10 | QF 20 |
| --- | ---: | ---: |
| ours [s] | +1.76 | +1.69 |
| QGAC (published) | +1.90 | +1.80 |
| FBCNN (published) | +2.01 | +1.93 |
| GRL-S\* (published) | +2.42 | +2.36 |

- \*: one model for each quality, told which.
"""

QUALITY_MARKDOWN = r"""
**jpeg-color on bsds500: estimated quality, points off**

|  | QF 10 | QF 20 |
| --- | ---: | ---: |
| mean absolute error | 1.25 | 2.00 |
| bias | -0.50 | +1.75 |
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

TABLE_ROWS = """
│ ours [s]           │ 27.60 | 0.790 | 27.31 │ 29.90 | 0.861 | 29.30 │ 1.40 │
├────────────────────┼───────────────────────┼───────────────────────┼──────┤
│ JPEG (published)   │     25.84 | 0.741 | - │     28.21 | 0.827 | - │    - │
"""


def drawn(what, width: int = 100) -> str:
    file = io.StringIO()
    Console(file=file, width=width, color_system=None).print(draw(what))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


# ------------------------------------------------------------------ the check


def test_the_published_row_matches() -> None:
    found = check_baseline(REPORT)
    assert (found.wrong, found.gaps) == ((), ())
    assert found.agreed == (
        "The plain JPEG is that of GRL repository (ofsoundof/GRL-Image-Restoration), "
        "figs/task5.png to the digit: PSNR, SSIM in every column.",
    )


def test_figures_are_compared_as_printed() -> None:
    close = report_of(jpeg(10, 25.8351, 0.7405001, 0.0))  # rounds to 25.84 and 0.741
    assert check_baseline(close).wrong == ()


def test_a_wrong_row_is_named() -> None:
    wrong = report_of(jpeg(10, 27.02, 0.7734, 25.3301, n=29), protocol="jpeg-gray", set="live1")
    found = check_baseline(wrong)
    assert found.wrong == (
        "At QF 10 the plain JPEG has PSNR 27.02 dB here, 27.77 dB in FBCNN repository "
        "(jiaxi-jiang/FBCNN), figs/single_table.png.",
    )
    assert found.agreed == ()


def test_part_of_the_pictures_proves_nothing() -> None:
    assert check_baseline(report_of(jpeg(10, 25.84, 0.741, 24.12, n=3))).wrong == (
        "3 pictures were measured, bsds500 has 200; the known row is the mean of all, "
        "so nothing was checked.",
    )


def test_other_qualities_prove_nothing_alone() -> None:
    off_grid = jpeg(15, 1.0, 0.1, 1.0)
    gap = (
        "No plain JPEG row is known for jpeg-color on bsds500 at QF 15, so nothing was checked "
        "there.",
    )
    alone = check_baseline(report_of(off_grid))
    assert (alone.wrong, alone.agreed, alone.gaps) == ((), (), gap)
    both = check_baseline(report_of(off_grid, jpeg(10, 25.84, 0.741, 24.12)))
    assert (both.wrong, both.gaps) == ((), gap)
    assert both.agreed[0].endswith("PSNR, SSIM at QF 10.")


def test_a_missing_plain_row_is_named() -> None:
    assert check_baseline(report_of(*REPORT.rows[2:])).wrong == (
        "The plain JPEG was not measured at QF 10.",
        "The plain JPEG was not measured at QF 20.",
    )


def test_the_referee_checks_off_the_grid() -> None:
    """More digits than the literature prints, as the referee has them."""
    here = {"protocol": "jpeg-gray", "set": "live1"}
    right = report_of(jpeg(5, 25.29131, 0.67124, 23.07951, n=29), **here)
    assert "an independent script" in check_baseline(right).agreed[0]
    wrong = report_of(jpeg(5, 25.2923, 0.67124, 23.0795, n=29), **here)
    assert check_baseline(wrong).wrong == (
        "At QF 5 the plain JPEG has PSNR 25.2923 dB here, 25.2913 dB in an independent script of "
        "this project (OpenCV, its own metrics).",
    )


def double_row(setting: Setting, psnr: float, ssim: float, psnr_b: float, method="JPEG") -> Row:
    return Row(
        method=method, quality=setting.quality, earlier=setting.earlier,
        shift_px=setting.shift_px, psnr=psnr, ssim=ssim, psnr_b=psnr_b, n=29,
    )  # fmt: skip


def test_the_psnr_b_of_the_double_table_is_left_out() -> None:
    row = double_row(FBCNN_DOUBLE[0], 27.4909, 0.7623, 25.1165)  # 25.62 is printed
    found = check_baseline(report_of(row, protocol="jpeg-double", set="live1"))
    assert found.wrong == ()
    assert "PSNR, SSIM in every column; PSNR-B is left out, see the note." in found.agreed[0]
    assert "PSNR, SSIM, PSNR-B in every column." in found.agreed[1]


def test_gains() -> None:
    first, second = gains(REPORT)
    assert (first.method, first.setting, second.setting) == ("ours [s]", Setting(10), Setting(20))
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
    (table,) = figures(REPORT)
    assert written(table) == MARKDOWN.replace("\\\n", "").lstrip()
    assert written(gain_figures(REPORT)) == GAIN_MARKDOWN.lstrip()
    assert written(quality_figures(REPORT)) == QUALITY_MARKDOWN.lstrip()
    assert report_grids(REPORT) == (table, gain_figures(REPORT), quality_figures(REPORT))


def test_terminal() -> None:
    assert TABLE_ROWS.strip() in drawn(figures(REPORT)[0])
    assert drawn(quality_figures(REPORT)) == QUALITY_TABLE.strip()


def test_a_narrow_terminal_loses_no_digit() -> None:
    narrow = drawn(figures(REPORT)[0], width=50)
    assert "…" not in narrow
    assert all(figure in narrow for figure in ("27.60", "0.790", "27.31", "0.861"))


def test_stars_and_notes_come_with_the_rows_they_are_about() -> None:
    text = written(
        figures(report_of(jpeg(10, 27.77, 0.773, 25.33), protocol="jpeg-gray", set="live1"))[0]
    )
    assert r"| ARCNN\* (published) | 28.96 \| 0.808 \| 28.68 | - |" in text
    assert r"- \*: one model for each quality, told which." in text
    assert "- QGAC: Is told the quantisation table. SSIM as FBCNN evaluated it again" in text


def test_a_quality_nobody_published() -> None:
    text = written(figures(report_of(jpeg(15, 27.0, 0.79, 25.3)))[0])
    assert "(published)" not in text


def test_many_settings_have_a_table_for_each_metric() -> None:
    rows = [double_row(setting, 27.49, 0.762, 25.12) for setting in FBCNN_DOUBLE]
    rows += [double_row(setting, 29.0, 0.8, 28.0, method="ours") for setting in FBCNN_DOUBLE]
    report = report_of(*rows, protocol="jpeg-double", set="live1")
    psnr, ssim, psnr_b = figures(report)
    assert psnr.title == (
        "jpeg-double on live1, 29 pictures, saved twice, grid shift (4, 4), columns QF1, QF2: PSNR"
    )
    assert psnr.heading[:3] == ("method", "30, 10", "50, 10")
    assert psnr.measured[1][:2] == ("ours", "29.00")
    assert ssim.measured[1][:2] == ("ours", "0.800")
    assert psnr_b.quoted[0][:2] == ("JPEG (published)", "25.62")
    assert (psnr.notes, ssim.notes) == ((), ())
    assert any("different scales" in note for note in psnr_b.notes)


def test_differing_shifts_stand_in_the_headings() -> None:
    settings = (Setting(30, 30, (4, 4)), Setting(30, 30, (0, 4)))
    rows = [double_row(setting, 29.98, 0.8475, 28.11) for setting in settings]
    (table,) = figures(report_of(*rows, protocol="jpeg-oapt", set="live1"))
    assert table.heading[1:3] == ("30, 30 at 4, 4", "30, 30 at 0, 4")
    assert "columns QF1, QF2 at the grid shift h, w" in table.title
    assert table.quoted[0][:3] == ("JPEG (published)", "29.98 | 0.847 | 28.53", "-")
    gains_of = {row[0]: row[1:] for row in gain_figures(report_of(
        *rows, double_row(settings[0], 31.0, 0.87, 30.0, method="ours"),
        protocol="jpeg-oapt", set="live1",
    )).quoted}  # fmt: skip
    assert gains_of["OAPT (published)"] == ("+2.12", "+2.44")  # the second over the referee's row
