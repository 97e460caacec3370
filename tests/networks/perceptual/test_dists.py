"""DISTS and EA-DISTS: the formula, what counts as near, gradients, names."""

import pytest
import safetensors.torch
import torch
from torch.nn import functional

from restora.errors import UsageError, WeightsError
from restora.networks.perceptual import (
    DISTS,
    EADISTS,
    FilterBank,
    LiteFeatures,
    load_dists,
    sobel_magnitude,
)
from restora.networks.perceptual.dists import equal_stages


@pytest.fixture(scope="module", params=["filter-bank", "lite0"])
def dists(request):
    return load_dists(request.param)


@pytest.fixture(scope="module")
def bank_dists():
    return load_dists("filter-bank")


@pytest.fixture
def scene():
    """A bright disc and a dark bar on a slope, in colour, (2, 3, 64, 64)."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    gray = 0.3 + x / 320
    gray = torch.where((x - 24) ** 2 + (y - 40) ** 2 < 200, 0.8, gray)
    gray = torch.where((y > 8) & (y < 14), 0.1, gray)
    colours = torch.tensor([[1.0, 0.9, 0.8], [0.7, 0.9, 1.0]])
    return gray * colours[:, :, None, None]


def blurred(pictures, sigma_px):
    reach = int(3 * sigma_px + 1)
    kernel = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * sigma_px**2))
    kernel = torch.outer(kernel, kernel) / kernel.sum() ** 2
    planes = functional.pad(pictures, (reach,) * 4, mode="reflect").flatten(0, 1)[:, None]
    return functional.conv2d(planes, kernel[None, None]).view(pictures.shape)


def texture(seed, slope):
    """Noise whose amplitude falls as frequency to the power of ``slope``, (4, 3, 64, 64)."""
    noise = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(seed))
    frequencies = torch.fft.fftfreq(64)
    radius = (frequencies[:, None] ** 2 + frequencies**2).sqrt().clamp_min(2 / 64)
    shaped = torch.fft.ifft2(torch.fft.fft2(noise) * radius**-slope).real
    return (0.5 + 0.08 * shaped / shaped.std((2, 3), keepdim=True)).expand(-1, 3, -1, -1)


class Thirds:
    """Features of two channels: sums and differences of a third of the picture."""

    channels = (2, 1)

    def __call__(self, pictures):
        red, green, blue = pictures[..., ::2, ::2].unbind(1)
        return [torch.stack([red + green, red * blue], 1), blue.square()[:, None]]


def by_the_formula(a, b, alpha, beta):
    """One minus the weighted similarities, in double precision, channel by channel."""
    planes = []
    for picture in (a, b):
        stages = [picture[None], *Thirds()(picture[None])]
        planes.append([plane.flatten() for stage in stages for plane in stage[0]])
    similarity = 0.0
    for x, y, mean_weight, structure_weight in zip(*planes, alpha, beta, strict=True):
        covariance = (x * y).mean() - x.mean() * y.mean()
        x_variance, y_variance = x.var(correction=0), y.var(correction=0)
        means = (2 * x.mean() * y.mean() + 1e-6) / (x.mean() ** 2 + y.mean() ** 2 + 1e-6)
        structure = (2 * covariance + 1e-6) / (x_variance + y_variance + 1e-6)
        similarity += mean_weight * means + structure_weight * structure
    return 1 - similarity / (sum(alpha) + sum(beta))


@pytest.mark.parametrize("given", [True, False])
def test_it_is_the_published_formula(given):
    generator = torch.Generator().manual_seed(0)
    restored, clean = torch.rand(2, 2, 3, 6, 8, generator=generator)
    alpha, beta = torch.rand(2, 6, generator=generator) if given else torch.ones(2, 6)
    dists = DISTS(Thirds(), *([alpha, beta[:, None, None]] if given else []))
    expected = [
        by_the_formula(a, b, alpha.double(), beta.double()).item()
        for a, b in zip(restored.double(), clean.double(), strict=True)
    ]
    assert dists(restored, clean).tolist() == pytest.approx(expected, abs=1e-6)


def test_equal_pictures_are_at_0_and_a_blurred_one_is_not(dists, scene):
    edge_aware = EADISTS(dists)
    assert edge_aware(scene, scene).abs().max() < 1e-6
    near, far = (edge_aware(blurred(scene, sigma), scene) for sigma in (0.6, 1.5))
    assert near.min() > 1e-3
    assert (far > near).all()


def test_edge_damage_costs_more_with_edges(dists, scene):
    ragged = scene.clone()
    ragged[..., ::2, :] = scene[..., ::2, :].roll(1, dims=3)
    ragged[..., :2] = scene[..., :2]
    assert (EADISTS(dists)(ragged, scene) > 1.2 * dists(ragged, scene)).all()


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_another_sample_of_a_texture_is_nearer_than_its_blur(bank_dists, slope):
    clean, sample = texture(0, slope), texture(1, slope)
    blur = blurred(clean, 2.0)
    assert (sample - clean).square().mean() > (blur - clean).square().mean()
    assert bank_dists(sample, clean).mean() < bank_dists(blur, clean).mean()


def test_it_is_the_same_either_way(dists, scene):
    other = blurred(scene, 1.0)
    assert torch.allclose(dists(scene, other), dists(other, scene))


@pytest.mark.parametrize("flat", [False, True])
def test_gradients_are_finite_where_the_pictures_are_equal(dists, scene, flat):
    clean = torch.full_like(scene, 0.5) if flat else scene
    restored = clean.clone().requires_grad_()
    EADISTS(dists)(restored, clean).sum().backward()
    assert restored.grad.isfinite().all()


def test_descending_it_sharpens(bank_dists, scene):
    distance = EADISTS(bank_dists)
    restored = blurred(scene, 1.0).requires_grad_()
    optimiser = torch.optim.Adam([restored], lr=0.01)
    losses = []
    for _ in range(20):
        loss = distance(restored, scene).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_autocast_costs_no_precision(dists, scene):
    other, edge_aware = blurred(scene, 1.0), EADISTS(dists)
    with torch.autocast("cpu", dtype=torch.float16):
        within = edge_aware(other, scene)
    assert torch.equal(within, edge_aware(other, scene))


def test_the_sobel_magnitude_by_hand():
    picture = torch.zeros(1, 3, 5, 6)
    picture[:, :, :, 3:] = torch.tensor([0.3, 0.6, 0.9])[:, None, None]
    magnitude = sobel_magnitude(picture)
    assert magnitude.shape == picture.shape
    # Columns 2 and 3 stand at the step of 0.6, weighted 1 + 2 + 1; column 5 at the border.
    row = torch.tensor([0.0, 0.0, 2.4, 2.4, 0.0, 2.4])
    assert torch.allclose(magnitude[0, :, 2], (row**2 + 1e-6).sqrt().expand(3, -1))


def test_all_weights_together_are_1(dists):
    assert (dists.alpha.sum() + dists.beta.sum()).item() == pytest.approx(1, abs=1e-6)
    plain = DISTS(FilterBank())
    assert plain.alpha.unique().tolist() == [pytest.approx(1 / 62)] == plain.beta.unique().tolist()


def test_equal_stages_count_the_same():
    features = LiteFeatures()
    shares = [part.sum().item() for part in equal_stages(features).split((3, *features.channels))]
    assert shares == pytest.approx([1] * 5)


def test_there_is_nothing_to_train(dists):
    assert not [weight for weight in dists.parameters() if weight.requires_grad]


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(UsageError) as caught:
        load_dists("vgg61")
    for name in ("'vgg61'", "filter-bank", "lite0", "lite2", "vgg16:PATH"):
        assert name in str(caught.value)
    with pytest.raises(UsageError):
        load_dists("vgg16")


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(WeightsError, match=r"^\S+a\.pth: there is no such file of weights\.$"):
        load_dists(f"vgg16:{tmp_path / 'a.pth'}")


def test_weights_of_other_features_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="takes 31 weights, but beta has 30"):
        DISTS(FilterBank(), torch.ones(31), torch.ones(1, 30, 1, 1))
    safetensors.torch.save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match="no weights of VGG16"):
        load_dists(f"vgg16:{tmp_path / 'a.safetensors'}")
