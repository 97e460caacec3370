from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from restora.errors import InputError
from restora.evaluation.metrics import METRICS, blocking_effect, measure, psnr, psnr_b, ssim

U8 = NDArray[np.uint8]


@st.composite
def picture_pairs(draw: st.DrawFn, smallest_px: int = 1) -> tuple[U8, U8]:
    """Two pictures of one size; the second is noise or a little noise on the first."""
    height, width = draw(st.integers(smallest_px, 40)), draw(st.integers(smallest_px, 40))
    shape = (height, width, 3) if draw(st.booleans()) else (height, width)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    first = rng.integers(0, 256, shape, dtype=np.uint8)
    if draw(st.booleans()):
        return first, rng.integers(0, 256, shape, dtype=np.uint8)
    noisy = first.astype(int) + rng.integers(-3, 4, shape)
    return first, np.clip(noisy, 0, 255).astype(np.uint8)


def waves(height: int, width: int, *, seed: int = 0) -> U8:
    """A smooth picture with some noise; the same on every machine up to rounding."""
    y, x = np.mgrid[:height, :width]
    shape = 128 + 60 * np.sin(x / 5) + 50 * np.cos((x + 2 * y) / 11)
    noise = (x * 7 + y * 13 + x * y + seed * 5) % 11 - 5
    return np.clip(np.rint(shape) + noise, 0, 255).astype(np.uint8)


def blocky(picture: U8) -> U8:
    """Every 8x8 block replaced by its rounded mean: the worst JPEG."""
    result = picture.copy()
    for top in range(0, picture.shape[0], 8):
        for left in range(0, picture.shape[1], 8):
            block = result[top : top + 8, left : left + 8]
            block[...] = np.rint(block.mean(axis=(0, 1)))
    return result


# ------------------------------------------------------------------ PSNR


def test_psnr_by_hand() -> None:
    clean = np.zeros((2, 2), np.uint8)
    restored = np.uint8([[0, 0], [0, 4]])  # mean squared error 4
    assert psnr(clean, restored) == pytest.approx(20 * math.log10(255 / 2))


def test_psnr_does_not_wrap_around() -> None:
    black, white = np.zeros((4, 4), np.uint8), np.full((4, 4), 255, np.uint8)
    assert psnr(black, white) == 0.0
    assert psnr(white, black) == 0.0


def test_colour_psnr_pools_the_channels() -> None:
    clean = np.zeros((4, 4, 3), np.uint8)
    restored = clean.copy()
    restored[..., 0] = 3
    assert psnr(clean, restored) == pytest.approx(10 * math.log10(255**2 / 3))


# ------------------------------------------------------------------ SSIM


def ssim_by_definition(x: U8, y: U8) -> float:
    """One window at a time, straight from the paper."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    a = sliding_window_view(x.astype(float), (11, 11))
    b = sliding_window_view(y.astype(float), (11, 11))

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return (values * window).sum(axis=(2, 3))

    ma, mb = mean(a), mean(b)
    va = mean((a - ma[..., None, None]) ** 2)
    vb = mean((b - mb[..., None, None]) ** 2)
    vab = mean((a - ma[..., None, None]) * (b - mb[..., None, None]))
    c1, c2 = 2.55**2, 7.65**2
    top = (2 * ma * mb + c1) * (2 * vab + c2)
    return float((top / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean())


@settings(max_examples=30, deadline=None)
@given(picture_pairs(smallest_px=11))
def test_ssim_is_the_definition(pair: tuple[U8, U8]) -> None:
    x, y = pair
    planes = [(x, y)] if x.ndim == 2 else [(x[..., i], y[..., i]) for i in range(3)]
    expected = np.mean([ssim_by_definition(a, b) for a, b in planes])
    assert ssim(x, y) == pytest.approx(expected, abs=1e-9)


def test_ssim_of_more_rows_than_one_band() -> None:
    clean = waves(150, 30)
    assert ssim(clean, blocky(clean)) == pytest.approx(
        ssim_by_definition(clean, blocky(clean)), abs=1e-9
    )


def test_ssim_of_flat_pictures_by_hand() -> None:
    dark, bright = np.full((12, 12), 50, np.uint8), np.full((12, 12), 100, np.uint8)
    expected = (2 * 50 * 100 + 2.55**2) / (50**2 + 100**2 + 2.55**2)
    assert ssim(dark, bright) == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(picture_pairs(smallest_px=11))
def test_ssim_is_symmetric_and_at_most_one(pair: tuple[U8, U8]) -> None:
    x, y = pair
    assert ssim(x, y) == pytest.approx(ssim(y, x), abs=1e-12)
    assert -1 - 1e-9 <= ssim(x, y) <= 1 + 1e-9


# ------------------------------------------------------------------ PSNR-B


def blocking_effect_by_counting(plane: U8) -> float:
    """Pair by pair in plain Python integers."""
    height, width = plane.shape
    levels = [[int(value) for value in row] for row in plane]
    edges = inside = 0
    for y in range(height):
        for x in range(width):
            if x + 1 < width:
                step = (levels[y][x] - levels[y][x + 1]) ** 2
                edges, inside = (edges + step, inside) if x % 8 == 7 else (edges, inside + step)
            if y + 1 < height:
                step = (levels[y][x] - levels[y + 1][x]) ** 2
                edges, inside = (edges + step, inside) if y % 8 == 7 else (edges, inside + step)
    edge_pairs = height * (width / 8 - 1) + width * (height / 8 - 1)
    pairs = height * (width - 1) + width * (height - 1)
    if edge_pairs == 0 or edges / edge_pairs <= inside / (pairs - edge_pairs):
        return 0.0
    eta = math.log2(8) / math.log2(min(height, width))
    return eta * (edges / edge_pairs - inside / (pairs - edge_pairs))


@settings(max_examples=40, deadline=None)
@given(picture_pairs(smallest_px=8), st.booleans())
def test_blocking_effect_is_the_definition(pair: tuple[U8, U8], averaged: bool) -> None:
    plane = pair[0] if pair[0].ndim == 2 else np.ascontiguousarray(pair[0][..., 1])
    plane = blocky(plane) if averaged else plane
    assert blocking_effect(plane) == pytest.approx(blocking_effect_by_counting(plane), abs=1e-9)


def test_blocking_effect_by_hand() -> None:
    plane = np.zeros((16, 16), np.uint8)
    plane[:, 8:] = 10  # one edge of 16 pairs, 32 pairs on the grid in all, log2(8)/log2(16)
    assert blocking_effect(plane) == pytest.approx(0.75 * 16 * 100 / 32)


def test_blocking_effect_does_not_wrap_around() -> None:
    rising, falling = np.zeros((16, 16), np.uint8), np.zeros((16, 16), np.uint8)
    rising[:, 8:] = 200
    falling[:, :8] = 200  # 200 - 0 and 0 - 200 are 200 and 56 in uint8
    assert blocking_effect(rising) == blocking_effect(falling) == 0.75 * 16 * 200**2 / 32


def test_smooth_ramps_and_edges_off_the_grid_have_no_blocking_effect() -> None:
    ramp = np.tile(np.arange(0, 96, 2, dtype=np.uint8), (48, 1))
    off_grid = np.zeros((32, 32), np.uint8)
    off_grid[:, 12:] = 90
    assert blocking_effect(ramp) == 0
    assert blocking_effect(ramp.T) == 0
    assert blocking_effect(off_grid) == 0
    assert psnr_b(off_grid, off_grid) == math.inf


def test_one_block_has_no_edges() -> None:
    assert blocking_effect(waves(8, 8)) == 0


def test_psnr_b_looks_at_the_second_argument() -> None:
    clean = waves(48, 64)
    assert psnr_b(clean, blocky(clean)) < psnr(clean, blocky(clean)) - 1
    assert psnr_b(blocky(clean), clean) == pytest.approx(psnr(clean, blocky(clean)))


def test_colour_psnr_b_takes_its_blocks_from_luma() -> None:
    clean = np.full((16, 16, 3), 128, np.uint8)
    restored = clean.copy()
    restored[:, 8:] += np.uint8(20)  # luma: 126 and 143, by hand from the weights
    error = np.mean([0, 20**2])
    expected = 10 * math.log10(255**2 / (error + 0.75 * 16 * 17**2 / 32))
    assert psnr_b(clean, restored) == pytest.approx(expected)


# ------------------------------------------------------------------ all three


@settings(max_examples=30, deadline=None)
@given(picture_pairs(smallest_px=11))
def test_psnr_b_is_never_above_psnr(pair: tuple[U8, U8]) -> None:
    scores = measure(*pair)
    assert scores.psnr_b <= scores.psnr


@pytest.mark.parametrize("shape", [(16, 24), (16, 24, 3)])
def test_equal_pictures_are_perfect(shape: tuple[int, ...]) -> None:
    picture = np.full(shape, 90, np.uint8)
    picture[2:6, 3:7] = 140  # edges, but none on the grid
    scores = measure(picture, picture)
    assert (scores.psnr, scores.ssim, scores.psnr_b) == (math.inf, 1.0, math.inf)


def test_figures_of_the_referee() -> None:
    """The same arrays through an independent script with OpenCV's Gaussian blur."""
    gray = waves(61, 83)
    colour = np.dstack([waves(61, 83, seed=seed) for seed in range(3)])
    found = [measure(picture, blocky(picture)) for picture in (gray, colour)]
    assert [(s.psnr, s.ssim, s.psnr_b) for s in found] == [
        pytest.approx((20.4015399, 0.4990639, 15.2719509), abs=1e-6),
        pytest.approx((20.4168770, 0.4996366, 16.1461937), abs=1e-6),
    ]


def test_metrics_know_themselves() -> None:
    assert [(m.name, m.label, m.unit, m.better, m.digits, m.smallest_px) for m in METRICS] == [
        ("psnr", "PSNR", "dB", "higher", 2, 1),
        ("ssim", "SSIM", "", "higher", 3, 11),
        ("psnr_b", "PSNR-B", "dB", "higher", 2, 8),
    ]
    assert METRICS[2].text(math.inf, unit=True) == "inf dB"
    assert METRICS[1].text(0.0534, sign=True) == "+0.053"


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_the_smallest_size_is_true(metric) -> None:
    picture = waves(metric.smallest_px, metric.smallest_px)
    assert metric(picture, picture) > 0.99
    if metric.smallest_px > 1:
        with pytest.raises(InputError, match="needs sides of at least"):
            metric(picture[1:], picture[1:])


# ------------------------------------------------------------------ messages


@pytest.mark.parametrize(
    ("clean", "restored", "message"),
    [
        (
            np.zeros((16, 16), np.uint8),
            np.zeros((16, 16), np.float32),
            "The restored picture is float32; metrics are defined on uint8, 0 to 255.",
        ),
        (
            np.zeros((16, 16, 4), np.uint8),
            np.zeros((16, 16, 4), np.uint8),
            "The clean picture has the shape (16, 16, 4); metrics take (height, width) or "
            "(height, width, 3).",
        ),
        (
            np.zeros((0, 16), np.uint8),
            np.zeros((0, 16), np.uint8),
            "The clean picture has the shape (0, 16); metrics take (height, width) or "
            "(height, width, 3).",
        ),
        (
            np.zeros((16, 16), np.uint8),
            np.zeros((16, 16, 3), np.uint8),
            "The restored picture has the shape (16, 16, 3), the clean one (16, 16); "
            "they must agree.",
        ),
    ],
)
@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_messages(metric, clean, restored, message: str) -> None:
    with pytest.raises(InputError) as caught:
        metric(clean, restored)
    assert str(caught.value) == message


def test_message_of_a_small_picture() -> None:
    picture = np.zeros((5, 30, 3), np.uint8)
    with pytest.raises(InputError) as caught:
        ssim(picture, picture)
    assert str(caught.value) == ("SSIM needs sides of at least 11 pixels; this picture has 30 x 5.")
