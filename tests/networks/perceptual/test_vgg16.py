"""VGG16 from a named file: the walk against a plain one, DISTS and LPIPS on it, wrong files."""

import pytest
import safetensors.torch
import torch
from torch.nn import functional

from restora.errors import WeightsError
from restora.networks.perceptual import DISTS, LPIPS, VGG16, load_dists
from restora.networks.perceptual.vgg16 import read_tensors

# Places of the convolutions in torchvision's list, and the numbers of channels around them.
CONVOLUTIONS = {
    0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256),
    14: (256, 256), 17: (256, 512), 19: (512, 512), 21: (512, 512), 24: (512, 512),
    26: (512, 512), 28: (512, 512),
}  # fmt: skip
POOLS = (4, 9, 16, 23)
LAST_OF_STAGE = (2, 7, 14, 21, 28)
CHANNELS = 3 + 64 + 128 + 256 + 512 + 512


@pytest.fixture(scope="module")
def weights():
    generator = torch.Generator().manual_seed(0)
    table = {"classifier.6.bias": torch.zeros(1000)}  # the file holds more than is needed
    for place, (before, after) in CONVOLUTIONS.items():
        spread = (2 / (9 * before)) ** 0.5
        weight = spread * torch.randn(after, before, 3, 3, generator=generator)
        table[f"features.{place}.weight"] = weight
        table[f"features.{place}.bias"] = 0.05 * torch.randn(after, generator=generator)
    return table


@pytest.fixture(scope="module")
def path(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save(weights, path)
    return path


@pytest.fixture
def pictures():
    return torch.rand(2, 2, 3, 32, 48, generator=torch.Generator().manual_seed(1)).unbind(0)


def walk(weights, picture, pool):
    """The stages by torchvision's list of layers."""
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    x = (picture - mean) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    stages = []
    for place in range(29):
        if place in POOLS:
            x = pool(x)
        elif place in CONVOLUTIONS:
            x = functional.conv2d(
                x, weights[f"features.{place}.weight"], weights[f"features.{place}.bias"], padding=1
            ).relu()
            if place in LAST_OF_STAGE:
                stages.append(x)
    return stages


def l2_pool(x):
    """The root of each 3×3 window's mean of squares, weighted by a Hanning window."""
    hanning = torch.hann_window(5, periodic=False)[1:-1]
    window = torch.outer(hanning, hanning).flatten()
    height, width = -(-x.shape[2] // 2), -(-x.shape[3] // 2)
    patches = functional.unfold(x.square(), 3, padding=1, stride=2)
    patches = patches.view(len(x), x.shape[1], 9, height, width)
    weighted = (patches * window[:, None, None]).sum(2) / window.sum()
    return (weighted + 1e-12).sqrt()


@pytest.mark.parametrize(
    ("pooling", "pool"), [("l2", l2_pool), ("max", lambda x: functional.max_pool2d(x, 2))]
)
def test_stages_are_those_of_the_layers_in_torchvisions_order(weights, pictures, pooling, pool):
    vgg = VGG16(weights, pooling=pooling)
    stages = vgg(pictures[0])
    assert tuple(stage.shape[1] for stage in stages) == vgg.channels == (64, 128, 256, 512, 512)
    for ours, plain in zip(stages, walk(weights, pictures[0], pool), strict=True):
        assert torch.allclose(ours, plain, atol=1e-4)


def test_dists_takes_alpha_and_beta_from_either_file(tmp_path, weights, path, pictures):
    generator = torch.Generator().manual_seed(2)
    alpha, beta = torch.rand(2, 1, CHANNELS, 1, 1, generator=generator)
    torch.save({"alpha": torch.nn.Parameter(alpha), "beta": beta}, tmp_path / "weights.pt")
    both = tmp_path / "both.safetensors"
    safetensors.torch.save_file({**weights, "alpha": alpha.clone(), "beta": beta.clone()}, both)
    expected = DISTS(VGG16(weights), alpha, beta)(*pictures)
    assert torch.equal(load_dists(f"vgg16:{path},{tmp_path / 'weights.pt'}")(*pictures), expected)
    assert torch.equal(load_dists(f"vgg16:{both}")(*pictures), expected)
    plain = load_dists(f"vgg16:{path}")
    assert not torch.allclose(plain(*pictures), expected, rtol=1e-3)
    assert plain.alpha.unique().tolist() == [pytest.approx(0.5 / CHANNELS)]


def test_gradients_pass_and_are_finite_where_all_is_equal(path):
    dists = load_dists(f"vgg16:{path}")
    clean = torch.zeros(1, 3, 32, 32)
    for restored in (clean.clone(), clean + 0.1 * torch.rand(1, 3, 32, 32)):
        restored.requires_grad_()
        dists(restored, clean).sum().backward()
        assert restored.grad.isfinite().all()
    assert restored.grad.abs().max() > 0
    assert not [weight for weight in dists.parameters() if weight.requires_grad]


def test_lpips_by_hand(tmp_path, weights, path, pictures):
    generator = torch.Generator().manual_seed(3)
    linear = {
        f"lin{stage}.model.1.weight": torch.rand(1, channels, 1, 1, generator=generator)
        for stage, channels in enumerate((64, 128, 256, 512, 512))
    }
    torch.save(linear, tmp_path / "vgg.pth")
    lpips = LPIPS.load(path, tmp_path / "vgg.pth")
    expected = torch.zeros(2)
    stages = (walk(weights, p, lambda x: functional.max_pool2d(x, 2)) for p in pictures)
    for a, b, weight in zip(*stages, linear.values(), strict=True):
        squares = (functional.normalize(a) - functional.normalize(b)).square()
        expected += functional.conv2d(squares, weight).mean((1, 2, 3))
    assert torch.allclose(lpips(*pictures), expected, rtol=1e-4)
    assert lpips(pictures[0], pictures[0]).abs().max() == 0
    assert not lpips(pictures[0].requires_grad_(), pictures[1]).requires_grad


def test_wrong_files_say_what_they_are(tmp_path, weights, path):
    other = tmp_path / "a.pt"
    torch.save({"lin0.model.1.weight": torch.ones(1, 64, 1, 1)}, other)
    with pytest.raises(WeightsError, match=r"no lin1\.model\.1\.weight"):
        LPIPS.load(path, other)
    with pytest.raises(WeightsError, match="no alpha and beta"):
        load_dists(f"vgg16:{path},{other}")
    with pytest.raises(WeightsError, match=r"features\.0\.weight is missing"):
        load_dists(f"vgg16:{other}")
    narrow = {**weights, "features.5.weight": torch.zeros(8, 64, 3, 3)}
    with pytest.raises(WeightsError, match=r"features\.5\.weight is \(8, 64, 3, 3\)"):
        VGG16(narrow)
    with pytest.raises(WeightsError, match="LPIPS takes"):
        LPIPS(VGG16(weights, pooling="max"), [torch.ones(64)])


class Harmful:
    def __reduce__(self):
        return (print, ("this must never run",))


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_damaged_files_are_refused(tmp_path, name, capsys):
    file = tmp_path / name
    file.write_bytes(b"no weights at all")
    with pytest.raises(WeightsError, match=name):
        read_tensors(file)
    if name.endswith(".pth"):
        torch.save({"features.0.weight": Harmful()}, file)
        with pytest.raises(WeightsError, match="never run"):
            read_tensors(file)
        assert capsys.readouterr().out == ""
        torch.save([1, 2], file)
        with pytest.raises(WeightsError, match="no table of tensors"):
            read_tensors(file)
