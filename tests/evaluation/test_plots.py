from __future__ import annotations

import json

import pytest
from PIL import Image

from restora.errors import InputError, OutputError, UsageError
from restora.evaluation.plots import (
    CostPoint,
    draw_cost,
    draw_gains,
    draw_training,
    shipped_points,
)
from restora.evaluation.published_costs import COSTS, cost_of
from restora.evaluation.report import Environment, Report, Row
from restora.weights.registry import MODELS, load_card

pytest.importorskip("matplotlib")


def report_of(*rows, protocol="jpeg-gray"):
    return Report(protocol=protocol, set="live1", rows=rows, environment=Environment.here())


def row(method, quality, psnr, **others):
    return Row(method=method, quality=quality, psnr=psnr, ssim=0.8, psnr_b=psnr, n=29, **others)


REPORT = report_of(
    row("JPEG", 10, 27.77), row("JPEG", 20, 30.07), row("ours", 10, 29.0), row("ours", 20, 31.3),
    row("JPEG", 10, 27.0, earlier=30), row("ours", 10, 28.0, earlier=30),
)  # fmt: skip


def test_the_same_figures_give_the_same_bytes(tmp_path):
    for suffix in ("svg", "png"):
        for number in range(2):
            draw_gains(tmp_path / f"{number}.{suffix}", [REPORT])
        first, second = (tmp_path / f"{number}.{suffix}" for number in range(2))
        assert first.read_bytes() == second.read_bytes()
    assert b"<dc:date>" not in (tmp_path / "0.svg").read_bytes()


def test_cost_shows_what_ships(tmp_path):
    draw_cost(tmp_path / "cost.png")
    with Image.open(tmp_path / "cost.png") as image:
        assert image.size == (1050, 660)
        assert len(image.convert("RGB").getcolors(1 << 20)) > 10  # something is drawn
    draw_cost(tmp_path / "empty.png", ours=[CostPoint("nothing like it", 1e4, 20.0)])
    assert (tmp_path / "empty.png").read_bytes() != (tmp_path / "cost.png").read_bytes()


def test_points_of_what_ships_are_those_of_the_cards():
    points = {point.label: point for point in shipped_points("jpeg-gray", "live1", 10)}
    for model in MODELS:
        if model.gray is None:
            continue
        card = load_card(model.gray)
        assert points[model.gray].macs_per_pixel == card.macs_per_pixel
        assert points[model.gray].psnr == card.scores["jpeg-gray live1 blind"]["QF10"]
        assert model.color not in points


def test_gains_of_two_protocols_are_refused(tmp_path):
    other = report_of(row("JPEG", 10, 25.7), row("ours", 10, 26.0), protocol="jpeg-color")
    for reports in ([REPORT, other], []):
        with pytest.raises(UsageError, match="all of one protocol and one test set"):
            draw_gains(tmp_path / "a.svg", reports)
    with pytest.raises(UsageError, match="hold no gain"):
        draw_gains(tmp_path / "a.svg", [report_of(row("JPEG", 10, 27.77))])


def test_learning_curves(tmp_path):
    log = tmp_path / "log.jsonl"
    rows = [{"step": 500 * k, "psnr_10": 28 + k / 10, "jpeg_10": 27.7} for k in range(4)]
    log.write_text("\n".join(map(json.dumps, [*rows, {"step": 2200, "pixel": 0.1}])))
    draw_training(tmp_path / "curve.svg", {"gray": log})
    assert (tmp_path / "curve.svg").read_bytes().startswith(b"<?xml")
    with pytest.raises(UsageError, match="no PSNR at quality 40"):
        draw_training(tmp_path / "curve.svg", {"gray": log}, quality=40)
    with pytest.raises(InputError, match="no log of a training"):
        draw_training(tmp_path / "curve.svg", {"gray": tmp_path / "none.jsonl"})


def test_where_a_plot_cannot_go_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"written as \.svg or \.png"):
        draw_cost(tmp_path / "cost.pdf")
    with pytest.raises(OutputError, match="cannot be written: No such file or directory"):
        draw_cost(tmp_path / "none" / "cost.svg")


def test_costs_are_plausible():
    assert len({cost.method for cost in COSTS}) == len(COSTS)
    fbcnn, dncnn = cost_of("FBCNN"), cost_of("DnCNN")
    # Its layers alone count 2,706,816; the source also counts what stands between them.
    assert 0 < fbcnn.macs_per_pixel / 2_706_816 - 1 < 1.2e-3
    # twenty layers of 3×3: as many multiply-adds a pixel as weights
    assert dncnn.macs_per_pixel == pytest.approx(dncnn.parameters, rel=0.01)
    assert cost_of("no such method") is None
