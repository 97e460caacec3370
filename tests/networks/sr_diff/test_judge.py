"""The network that tells which task a picture needs."""

import numpy as np
import onnxruntime
import pytest
import torch

from restora.networks.sr_diff.config import JudgeConfig
from restora.networks.sr_diff.judge import Judge, Statistics, oriented_filters
from restora.training.tracing import OpenSizes, Tracing, to_onnx

TASKS = ("dehaze", "derain", "deblur", "lowlight")


@pytest.fixture
def judge():
    torch.manual_seed(0)
    made = Judge(JudgeConfig(side_px=32, widths=(24, 16)), TASKS)
    made.train().scores(torch.randn(32, made.numbers) - 3)  # its normalisation has seen a batch
    return made.eval()


@pytest.fixture
def views():
    return torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_one_picture_gets_the_scores_of_a_batch(judge, views):
    alone = judge(views)
    assert alone.shape == (1, 1 + len(TASKS))
    seen = torch.cat([judge.look(v) for v in (views, views.flip(-1))])
    assert seen.shape == (2, judge.numbers)
    torch.testing.assert_close(judge.scores(seen)[:1], alone)


def test_the_whole_and_the_crops_are_told_apart_and_the_order_of_crops_is_nothing(judge, views):
    torch.testing.assert_close(judge(views[[0, 3, 1, 4, 2]]), judge(views))
    assert not torch.allclose(judge(views[[1, 0, 2, 3, 4]]), judge(views), atol=1e-5)


def test_filters_see_nothing_in_a_flat_place_and_most_in_their_direction():
    filters = oriented_filters()
    torch.testing.assert_close(filters.sum(dim=(1, 2, 3)), torch.zeros(16), atol=1e-6, rtol=0)
    upright = torch.zeros(1, 1, 15, 15)
    upright[..., 7] = 1
    found = torch.nn.functional.conv2d(upright, filters)[0].amax(dim=(1, 2))
    assert int(found[:8].argmax()) == 0  # across it lies the direction of 0 degrees
    lying = torch.nn.functional.conv2d(upright.mT, filters)[0].amax(dim=(1, 2))
    assert int(lying[:8].argmax()) == 4


def test_statistics_tell_blur_darkness_and_haze():
    see, generator = Statistics(), torch.Generator().manual_seed(0)
    sharp = torch.rand(1, 3, 64, 64, generator=generator)
    blurred = torch.nn.functional.avg_pool2d(sharp, 5, stride=1, padding=2)
    told = see(torch.cat([sharp, blurred, 0.1 * sharp, 0.7 + 0.3 * sharp]))
    assert told.shape == (4, see.count)
    fine, coarse = told[:, 30:46].mean(dim=1), told[:, -44:-28].mean(dim=1)
    assert fine[0] - fine[1] > 0.7 > coarse[0] - coarse[1]  # blur leaves what is coarse
    histogram = told[:, :8]
    torch.testing.assert_close(histogram.sum(dim=1), torch.ones(4))
    assert histogram[2, :2].sum() > 0.99
    dark_channel = told[:, 8:16]
    assert dark_channel[3, :4].sum() < 0.01 < dark_channel[0, :4].sum()


def test_a_black_picture_has_finite_statistics():
    assert Statistics()(torch.zeros(2, 3, 32, 32)).isfinite().all()


def test_the_temperature_is_in_the_logits(judge, views):
    before = judge(views)
    judge.temperature.fill_(2.0)
    torch.testing.assert_close(judge(views), before / 2)
    assert "temperature" in judge.state_dict()


def test_the_shipped_size_is_small():
    made = Judge(JudgeConfig(side_px=128, widths=(160, 64)), TASKS)
    assert 50_000 < sum(p.numel() for p in made.parameters()) < 200_000


def test_it_exports_with_any_number_of_views(judge, views):
    shapes = (OpenSizes().row(),)
    example = (torch.zeros(2, 3, 32, 32),)
    model = to_onnx(Tracing(judge, example, shapes, ["views"], ["logits"], as_stored=True))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for count in (2, 3, 5):
        told = session.run(None, {"views": views[:count].numpy()})[0]
        np.testing.assert_allclose(told, judge(views[:count]).detach().numpy(), atol=1e-4)
