"""What a card keeps of the reports that `restora export --bench` is given."""

import pytest

from restora.errors import InputError
from restora.evaluation.card_scores import read_card_scores
from restora.evaluation.report import Environment
from restora.evaluation.restoration import Figures, RestorationReport, RestorationRow


def row(task, before, after):
    figures = [Figures(psnr=p, ssim=0.5, psnr_y=p + 1, ssim_y=0.5) for p in (before, after)]
    return RestorationRow(
        task=task, picture="a", steps=4, seed=0, done_as=task, megapixels=0.1, seconds=1.0,
        before=figures[0], after=figures[1],
    )  # fmt: skip


def test_means_by_task(tmp_path):
    rows = (row("dehaze", 10.0, 14.0), row("dehaze", 20.0, 21.0), row("deblur", 25.0, 24.5))
    report = RestorationReport(
        set="made", model="sr-diff", rows=rows, environment=Environment.here()
    )
    path = tmp_path / "made.json"
    path.write_text(report.model_dump_json())
    assert read_card_scores(path) == {
        "restoration made PSNR": {"dehaze": 17.5, "deblur": 24.5},
        "restoration made gain": {"dehaze": 2.5, "deblur": -0.5},
    }


@pytest.mark.parametrize("text", ["{}", "no JSON", '{"protocol": "restoration"}'])
def test_what_is_no_report_is_told(tmp_path, text):
    path = tmp_path / "odd.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"odd\.json is no report of Restora"):
        read_card_scores(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_card_scores(tmp_path / "none.json")
