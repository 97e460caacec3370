"""The network that tells which task a picture needs."""

import pytest
import torch

from restora.networks.sr_diff.config import JudgeConfig
from restora.networks.sr_diff.judge import Judge

TASKS = ("dehaze", "derain", "deblur", "lowlight")


@pytest.fixture
def judge():
    torch.manual_seed(0)
    made = Judge(JudgeConfig(side_px=32, widths=(8, 12, 16, 16)), TASKS)
    made.train().scores(torch.rand(4, 3, 3, 32, 32))  # its normalisations have seen a batch
    return made.eval()


@pytest.fixture
def views():
    return torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_one_picture_and_a_batch_get_the_same_scores(judge, views):
    alone = judge(views)
    assert alone.shape == (1, 1 + len(TASKS))
    torch.testing.assert_close(judge.scores(torch.stack([views, views.flip(-1)]))[:1], alone)


def test_the_whole_and_the_crops_are_told_apart_and_the_order_of_crops_is_nothing(judge, views):
    torch.testing.assert_close(judge(views[[0, 3, 1, 4, 2]]), judge(views))
    assert not torch.allclose(judge(views[[1, 0, 2, 3, 4]]), judge(views), atol=1e-5)


def test_one_bad_corner_is_seen_among_many_crops(judge, views):
    same = views[:1].repeat(9, 1, 1, 1)
    torn = same.clone()
    torn[5] = views[1]
    # The mean of the crops alone would move by an eighth of what the strongest moves by.
    assert (judge(torn) - judge(same)).abs().max() > 1e-4


def test_the_temperature_is_in_the_logits(judge, views):
    before = judge(views)
    judge.temperature.fill_(2.0)
    torch.testing.assert_close(judge(views), before / 2)
    assert "temperature" in judge.state_dict()


def test_the_shipped_size_is_small():
    made = Judge(JudgeConfig(side_px=128), TASKS)
    assert 100_000 < sum(p.numel() for p in made.parameters()) < 250_000


def test_it_exports_with_any_number_of_views(judge, views):
    import numpy as np
    import onnxruntime
    from torch.export import Dim

    from restora.training.tracing import Tracing, to_onnx

    shapes = ({0: Dim("views", min=2, max=64)},)
    model = to_onnx(Tracing(judge, (views,), shapes, ["views"], ["logits"], as_stored=True))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for count in (2, 3, 5):
        told = session.run(None, {"views": views[:count].numpy()})[0]
        np.testing.assert_allclose(told, judge(views[:count]).detach().numpy(), atol=1e-4)
