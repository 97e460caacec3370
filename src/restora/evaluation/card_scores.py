"""What a card keeps of reports: protocol, set and variant, to a score for each setting."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from restora.evaluation.report import PLAIN_JPEG, Report, read_report
from restora.evaluation.restoration import RestorationReport

__all__ = ["card_scores", "read_card_scores", "restoration_scores"]

Scores = dict[str, dict[str, float]]


def read_card_scores(path: Path) -> Scores:
    """The scores of a report of any protocol whose results go into cards.

    Raises:
        InputError: The file is missing or no such report.
    """
    try:
        return restoration_scores(RestorationReport.model_validate_json(path.read_bytes()))
    except (OSError, ValidationError):  # a report of JPEG, or what is wrong is told as of one
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
