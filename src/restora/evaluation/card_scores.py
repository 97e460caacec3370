"""What a card keeps of reports: protocol, set and variant, to a score for each setting."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from restora.errors import InputError
from restora.evaluation.real_world_report import INPUT, RealWorldReport
from restora.evaluation.report import PLAIN_JPEG, Report, read_report
from restora.evaluation.restoration import RestorationReport

__all__ = ["card_scores", "read_card_scores", "real_world_scores", "restoration_scores"]

Scores = dict[str, dict[str, float]]


def read_card_scores(path: Path) -> Scores:
    """The scores of a report of any protocol whose results go into cards.

    Raises:
        InputError: The file is missing or no such report.
    """
    try:
        content = path.read_bytes()
    except OSError:  # what is wrong is told as of a report of JPEG
        return card_scores(read_report(path))
    with suppress(ValidationError):
        return restoration_scores(RestorationReport.model_validate_json(content))
    with suppress(ValidationError):
        return real_world_scores(RealWorldReport.model_validate_json(content))
    return card_scores(read_report(path))


def card_scores(report: Report) -> Scores:
    """Of JPEG protocols: PSNR in dB by quality."""
    scores: Scores = {}
    for row in report.rows:
        if row.method == PLAIN_JPEG:
            continue
        variant = row.method.partition(", ")[2] or "blind"  # alone it has no name
        measured = " ".join(filter(None, (report.protocol, report.set, variant)))
        cell = str(row.setting).replace("QF ", "QF")
        scores.setdefault(measured, {})[cell] = round(row.psnr, 2)
    if report.quality_errors:
        errors = [error.mean_absolute_error for error in report.quality_errors]
        scores[f"quality error {report.set}"] = {"mean": round(sum(errors) / len(errors), 2)}
    return scores


def restoration_scores(report: RestorationReport) -> Scores:
    """Of haze, rain, blur and darkness: PSNR in RGB, and what is gained of it, by task."""
    scores: Scores = {}
    for task in report.tasks:
        rows = [row for row in report.rows if row.task == task]
        after = sum(row.after.psnr for row in rows) / len(rows)
        before = sum(row.before.psnr for row in rows) / len(rows)
        for what, value in (("PSNR", after), ("gain", after - before)):
            scores.setdefault(f"restoration {report.set} {what}", {})[task] = round(value, 2)
    return scores


def real_world_scores(report: RealWorldReport) -> Scores:
    """Of real-world damage: what the model scores by damage, and what it gains of PSNR in RGB.

    Raises:
        InputError: The report is on a network's parts, which is of crops and plain walks.
    """
    if report.protocol == "priors":
        raise InputError("A report of `restora bench priors` holds no scores for a card.")
    scores: Scores = {}
    for setting in report.settings:
        for column in report.columns:
            value = report.mean(setting, report.model, column.name)
            measured = scores.setdefault(f"real {report.set} {column.label}", {})
            measured[setting] = round(value, column.digits)
        before, after = (report.mean(setting, method, "psnr") for method in (INPUT, report.model))
        scores.setdefault(f"real {report.set} gain", {})[setting] = round(after - before, 2)
    return scores
