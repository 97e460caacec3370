from __future__ import annotations

import sys

import pytest

from restora.engine.backend_ort import load_session
from restora.errors import RestoraError, UsageError
from restora.evaluation import network_speed
from restora.evaluation.network_speed import (
    PUBLISHED_NAME,
    forms_of,
    jpeg_models,
    measure_networks,
    missing_exporter,
    published_size,
    shipped,
)
from restora.evaluation.speed import SpeedReport, markdown, measure_speed
from restora.weights.registry import Model, load_card

TINY = {"widths": [4, 4], "blocks": [1, 1], "predictor_blocks": 1, "mlp": 4}


def test_all_that_ships_is_measured():
    seen = []
    report = measure_speed(
        repeats=2, threads=1, published=False, megapixels=0.01, tile_px=64,
        progress=lambda *at: seen.append(at),
    )  # fmt: skip
    names = [row.name for row in report.networks]
    for model in jpeg_models():
        for weight in model.weights:
            row = report.networks[names.index(weight)]
            assert row.parameters == load_card(weight).parameters
            assert row.file_bytes == load_card(weight).size_bytes()
            assert 0 < row.best_seconds_per_megapixel <= row.median_seconds_per_megapixel
            assert row.times_faster is None
            if sys.platform == "linux":
                assert 1e6 < row.peak_bytes < 1e9
    assert {(row.model, row.kind) for row in report.tool} == {
        (model.name, kind) for model in jpeg_models() for kind in ("gray", "color")
    }
    for row in report.tool:
        assert 0 < row.best_seconds_per_megapixel <= row.median_seconds_per_megapixel
        assert row.second_setting_seconds > 0
    assert [done for done, _ in seen] == list(range(len(seen)))
    assert seen[-1] == (len(seen) - 1, len(seen) - 1)  # what was announced is what was done
    assert SpeedReport.model_validate_json(report.model_dump_json()) == report
    assert f"| {names[0]} |" in markdown(report)


def test_a_sodiff_is_measured_like_the_others(sodiff_card, monkeypatch):
    """Its four graphs as one network, and the tool with it, in colour and gray."""
    card = load_card(sodiff_card)
    monkeypatch.setattr(
        "restora.evaluation.network_speed.MODELS", (Model(sodiff_card, "", None, sodiff_card),)
    )
    report = measure_speed(repeats=1, threads=1, published=False, megapixels=0.01, tile_px=64)
    (row,) = report.networks
    assert (row.name, row.parameters) == (card.name, card.parameters)
    assert row.file_bytes == card.size_bytes()
    assert row.best_seconds_per_megapixel > 0
    assert [tool.kind for tool in report.tool] == ["gray", "color"]
    assert all(tool.best_seconds_per_megapixel > 0 for tool in report.tool)


def test_every_part_is_timed(sodiff_card, monkeypatch):
    """A network that left one out would be too fast."""
    ran = []

    def load(model, threads):
        session = load_session(model, threads)

        class Noting:
            get_inputs, get_outputs = session.get_inputs, session.get_outputs

            def run(self, *arguments):
                ran.append(model)
                return session.run(*arguments)

        return Noting()

    monkeypatch.setattr("restora.engine.backend_ort_sodiff.load_session", load)
    monkeypatch.setattr(network_speed, "_peak_bytes", lambda *_, **__: None)
    (candidate,) = forms_of(sodiff_card, 64)
    measure_networks([candidate], repeats=2, threads=1, peak_tile_px=64)
    assert ran == list(candidate.models) * 3  # one turn warms up


def test_the_published_network_gives_the_others_their_ratio():
    pytest.importorskip("onnxscript")
    published = published_size(64, TINY)
    assert published.parameters == 1826  # counted by hand
    rows = measure_networks(
        [*shipped(64)[:1], published], repeats=1, threads=1, peak_tile_px=64
    )  # fmt: skip
    assert rows[1].name == PUBLISHED_NAME
    assert rows[1].times_faster is None
    assert rows[0].times_faster == pytest.approx(
        rows[1].best_seconds_per_megapixel / rows[0].best_seconds_per_megapixel
    )


def test_without_the_train_extra_the_published_row_is_left_out(monkeypatch):
    monkeypatch.setattr(network_speed, "find_spec", lambda module: None)
    assert missing_exporter() == "torch"
    monkeypatch.setattr("restora.evaluation.speed.shipped", lambda tile_px: [])
    report = measure_speed(repeats=1, threads=1, megapixels=0.01, tile_px=64)
    assert report.networks == ()
    assert "it needs torch, pip install 'restora[train]'" in report.notes[0]


def test_no_repeats_are_refused():
    with pytest.raises(UsageError, match="0 repeats measure nothing"):
        measure_speed(repeats=0)


def test_a_process_that_fails_is_told():
    with pytest.raises(RestoraError, match="ended with 1: ValueError: no such thing"):
        network_speed._python("raise ValueError('no such thing')")
