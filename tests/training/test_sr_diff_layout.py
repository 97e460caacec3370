"""SR-Diff's folders: what is there, and files of features that hold nothing else."""

import numpy as np
import pytest
import torch
from PIL import Image

from restora.errors import InputError
from restora.training.sr_diff.layout import Layout, read_features, write_features


@pytest.fixture
def layout(tmp_path):
    """Hazy pictures to train with and dark ones to validate with, in the published names."""
    for folder, names in (
        ("train/hazy/LQ", ["b.png", "a.png"]),
        ("train/hazy/GT", ["a.png", "b.jpg"]),
        ("val/low-light/LQ", ["c.png"]),
        ("val/low-light/GT", ["c.png"]),
    ):
        (tmp_path / folder).mkdir(parents=True)
        for name in names:
            Image.new("RGB", (8, 8), "teal").save(tmp_path / folder / name)
    return Layout(tmp_path)


def test_which_tasks_and_splits_there_are(layout, tmp_path):
    assert layout.sections() == [("train", "dehaze"), ("val", "lowlight")]
    pairs = layout.pairs("train", "dehaze")
    assert [(pair.degraded.name, pair.clean.name) for pair in pairs] == [
        ("a.png", "a.png"),
        ("b.png", "b.jpg"),
    ]
    assert layout.folder("val", "deblur", "LQ") == tmp_path / "val/motion-blurry/LQ"


def test_another_folder_is_no_layout(tmp_path):
    with pytest.raises(InputError, match=r"no folder of SR-Diff's data, .*\{train,val\}/\{hazy,"):
        Layout(tmp_path).sections()


@pytest.mark.parametrize("shape", [(1, 768), (50, 12)])
def test_features_come_back_as_they_were(layout, shape):
    path = layout.features_path("train", "dehaze", "LQCLS", "a")
    path.parent.mkdir()
    tokens = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    write_features(path, tokens[1])
    assert np.array_equal(layout.features("train", "dehaze", "LQCLS", "a"), tokens[1])
    plain = torch.load(path, weights_only=True)
    assert type(plain) is torch.Tensor
    assert plain.shape == shape
    assert path.stat().st_size < tokens[1].nbytes + 2000  # not all it was cut from


def test_published_files_may_be_halved_or_of_an_old_torch(tmp_path):
    tensor = torch.randn(1, 768).half().requires_grad_()
    torch.save(tensor, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    read = read_features(tmp_path / "a.pt")
    assert read.dtype == np.float32
    assert np.array_equal(read, tensor.detach().float().numpy())


def test_missing_features_are_named(layout):
    with pytest.raises(InputError, match=r"GTCLS.b\.pt: these features are missing; `restora data"):
        layout.features("train", "dehaze", "GTCLS", "b")


class Code:
    """What a stranger's file might hold."""

    def __reduce__(self):
        return (print, ("this must never be run",))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (Code(), "holds more than a tensor; code in it is never run"),
        ({"features": torch.zeros(1, 4)}, "features are one tensor, not a dict"),
        (torch.zeros(4), r"shape \(T, D\), not torch.float32 of the shape \(4,\)"),
        (torch.zeros(1, 4, dtype=torch.int64), r"not torch.int64"),
        (torch.zeros(0, 4), r"of the shape \(0, 4\)"),
        (torch.full((1, 4), float("nan")), "not finite"),
    ],
)
def test_anything_else_is_refused(tmp_path, capsys, content, sentence):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(InputError, match=sentence):
        read_features(tmp_path / "a.pt")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("keep", [0, 20, 600])
def test_damaged_files_are_refused(tmp_path, keep):
    path = tmp_path / "a.pt"
    write_features(path, np.ones((1, 768), np.float32))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"a\.pt: this"):
        read_features(path)
