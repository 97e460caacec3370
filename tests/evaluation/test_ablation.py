from __future__ import annotations

import json

import pytest

from restora.errors import InputError
from restora.evaluation.ablation import (
    VARIANTS,
    AblationReport,
    AblationRow,
    Score,
    markdown,
    read_scores,
)
from restora.evaluation.report import Environment


def test_scores_are_those_of_the_last_validation(tmp_path):
    log = tmp_path / "log.jsonl"
    rows = [
        {"step": 1000, "psnr_10": 28.0, "jpeg_10": 27.5},
        {"step": 2000, "psnr_10": 28.4, "jpeg_10": 27.5, "psnr_10_50": 27.0, "jpeg_10_50": 27.1},
        {"step": 2100, "pixel": 0.1},
    ]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    once, twice = read_scores(log)
    assert once == Score(setting="10", psnr=28.4, jpeg=27.5)
    assert once.gain == pytest.approx(0.9)
    assert (once.heading, twice.heading) == ("QF 10", "QF 10, 50")


def test_a_log_without_scores(tmp_path):
    log = tmp_path / "log.jsonl"
    with pytest.raises(InputError, match="cannot be read as the log of a training"):
        read_scores(log)
    log.write_text('{"step": 1}\n')
    with pytest.raises(InputError, match=r"log\.jsonl holds no validation"):
        read_scores(log)
    log.write_text("{\n")
    with pytest.raises(InputError, match="cannot be read as the log of a training"):
        read_scores(log)


def test_the_table():
    rows = tuple(
        AblationRow(
            variant=variant,
            parameters=1_234_567,
            steps=2000,
            scores=(
                Score(setting="10", psnr=28 + number / 10, jpeg=27.5),
                Score(setting="10_50", psnr=27, jpeg=27.1),
            ),
        )
        for number, variant in enumerate(VARIANTS)
    )
    report = AblationReport(recipe="tiny", steps=2000, rows=rows, environment=Environment.here())
    assert AblationReport.model_validate_json(report.model_dump_json()) == report
    assert markdown(report).splitlines() == [
        "Gain over JPEG in dB of PSNR, tiny after 2,000 steps:",
        "",
        "| variant | parameters | QF 10 | QF 10, 50 |",
        "|---|---:|---:|---:|",
        "| none | 1.23 M | +0.500 | -0.100 |",
        "| fusion | 1.23 M | +0.600 | -0.100 |",
        "| CSG | 1.23 M | +0.700 | -0.100 |",
        "| CIG | 1.23 M | +0.800 | -0.100 |",
        "| all | 1.23 M | +0.900 | -0.100 |",
    ]
