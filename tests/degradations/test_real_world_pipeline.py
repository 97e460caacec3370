"""Real-world damage, the whole chain."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restora.degradations.real_world import apply, degrade_real, draw, real_world_pixels
from restora.degradations.real_world.drawing import draw_course
from restora.errors import InputError, UsageError


def scene(count=4, side=48):
    """Smooth hills with a hard edge and some texture, (count, 3, side, side)."""
    rng = np.random.default_rng(1)
    hills = torch.from_numpy(rng.random((count, 3, 5, 5), np.float32))
    grown = torch.nn.functional.interpolate(hills, (side, side), mode="bilinear")
    grown[..., side // 3 : side // 2, 5:-9] *= 0.4
    texture = torch.from_numpy(rng.normal(0, 0.03, grown.shape).astype(np.float32))
    return (grown + texture).clamp(0, 1)


def psnr(one, other):
    return float((-10 * (one - other).square().mean((1, 2, 3)).log10()).mean())


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("strength", ["full", "light"])
def test_gives_whole_levels_at_the_same_size(scale, strength):
    clean = scene()
    damaged = degrade_real(clean, rng(), strength=strength, scale=scale)
    assert damaged.shape == clean.shape
    assert damaged.dtype == torch.float32
    assert float(damaged.min()) >= 0
    assert float(damaged.max()) <= 1
    levels = damaged * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    assert 8 < psnr(damaged, clean) < 40


def test_the_same_seed_gives_the_same_pictures_and_others_others():
    clean = scene(2)
    one = degrade_real(clean, rng(5))
    assert torch.equal(one, degrade_real(clean, rng(5)))
    assert not torch.equal(one, degrade_real(clean, rng(6)))


@pytest.mark.parametrize("share", [1, 3])
def test_a_batch_is_its_pictures_one_by_one(share):
    clean = scene(6)
    source = rng(2)
    drawn = []
    for index in range(6):
        each = draw(source)
        drawn.append(each if index % share == 0 else replace(each, course=drawn[-1].course))
    together = apply(clean, drawn)
    alone = torch.cat([apply(clean[i : i + 1], [drawn[i]]) for i in range(6)])
    # Sums in another order may fall to the other side of a rounding in the JPEG.
    assert float((together - alone).abs().mean()) < 0.2 / 255


def test_pictures_that_share_a_course_share_nothing_else():
    clean = scene(1).expand(4, -1, -1, -1)
    damaged = degrade_real(clean, rng(3), share=4)
    assert len({each.numpy().tobytes() for each in damaged}) == 4


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_full_is_harsher_than_light(scale):
    clean = scene(1).expand(40, -1, -1, -1)
    full, light = (
        psnr(degrade_real(clean, rng(7), strength=strength, scale=scale), clean)
        for strength in ("full", "light")
    )
    assert full < light - 1


def test_a_larger_strength_is_a_larger_damage():
    clean = scene(1)
    drawn = [draw(rng(seed)) for seed in range(60)]
    strengths = [each.strength for each in drawn]
    assert min(strengths) >= 0
    assert max(strengths) <= 1
    damage = [-psnr(apply(clean, [each]), clean) for each in drawn]
    assert np.corrcoef(strengths, damage)[0, 1] > 0.4


def test_smaller_scales_are_milder():
    sizes, widths = ([], [])
    for scale in (1, 2, 4):
        drawn = [draw(rng(seed), scale=scale) for seed in range(100)]
        sizes.append(np.mean([each.course.smallest for each in drawn]))
        widths.append(np.mean([each.blurs[0].sigma_px for each in drawn]))
    assert sizes == sorted(sizes, reverse=True)
    assert widths == sorted(widths)


def test_the_published_ranges_and_shares_are_met():
    source = rng()
    drawn = [draw(source) for _ in range(2000)]
    firsts = np.array([each.course.first for each in drawn])
    assert 0.15 < firsts.min() < 0.17
    assert 1.48 < firsts.max() < 1.5
    assert np.mean(firsts > 1) == pytest.approx(0.2, abs=0.04)
    assert np.mean(firsts == 1) == pytest.approx(0.1, abs=0.04)
    seconds = np.array([each.course.second for each in drawn])
    assert (seconds.min(), seconds.max()) == pytest.approx((0.3, 1.2), abs=0.01)
    blurs, seconds = zip(*(each.blurs for each in drawn), strict=True)
    assert np.mean([each is None for each in seconds]) == pytest.approx(0.2, abs=0.04)
    assert np.mean([each.sinc is None for each in drawn]) == pytest.approx(0.2, abs=0.04)
    assert np.mean([each.shape == "sinc" for each in blurs]) == pytest.approx(0.1, abs=0.03)
    assert np.mean([each.noises[0].gray for each in drawn]) == pytest.approx(0.4, abs=0.05)
    sigmas = [each.noises[0].level for each in drawn if each.noises[0].kind == "gaussian"]
    assert (min(sigmas) * 255, max(sigmas) * 255) == pytest.approx((1, 30), abs=0.2)
    qualities = {quality for each in drawn for quality in each.qualities}
    assert (min(qualities), max(qualities)) == (30, 95)
    assert np.mean([each.course.jpeg_last for each in drawn]) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("strength", "sizes", "gaussian", "qualities"),
    [
        ("full", ((0.15, 1.5), (0.3, 1.2)), (30, 25), ((30, 95), (30, 95))),
        ("light", ((0.3, 1.5), (0.6, 1.2)), (15, 12), ((60, 95), (60, 100))),
    ],
)
def test_the_published_numbers_of_both_rounds(strength, sizes, gaussian, qualities):
    source = rng(1)
    drawn = [draw(source, strength=strength) for _ in range(2000)]
    for number, (first, second) in enumerate(zip(sizes[0], sizes[1], strict=True)):
        extreme = (min, max)[number]
        assert extreme(each.course.first for each in drawn) == pytest.approx(first, abs=0.02)
        assert extreme(each.course.second for each in drawn) == pytest.approx(second, abs=0.02)
    ups = [np.mean([each.course.second > 1 for each in drawn])]
    ups += [np.mean([each.course.second == 1 for each in drawn])]
    assert ups == pytest.approx([0.3, 0.3], abs=0.04)
    for place in (0, 1):
        noises = [each.noises[place] for each in drawn]
        loud = [255 * each.level for each in noises if each.kind == "gaussian"]
        assert len(loud) / len(noises) == pytest.approx(0.5, abs=0.05)
        assert (min(loud), max(loud)) == pytest.approx((1, gaussian[place]), abs=0.2)
        found = [each.qualities[place] for each in drawn]
        assert (min(found), max(found)) == qualities[place]
    if strength == "full":
        for place, most in ((0, 3.0), (1, 2.5)):
            levels = [e.noises[place].level for e in drawn if e.noises[place].kind == "poisson"]
            assert (min(levels), max(levels)) == pytest.approx((0.05, most), abs=0.02)


def test_the_published_kernels():
    """Shares of the shapes among those that are no sinc, and what their numbers are."""
    source = rng(2)
    drawn = [each.blurs for each in (draw(source) for _ in range(3000))]
    for place, widest in ((0, 3.0), (1, 1.5)):
        blurs = [each[place] for each in drawn if each[place] is not None]
        plain = [each for each in blurs if each.shape != "sinc"]
        shares = {
            (shape, alike): np.mean(
                [e.shape == shape and (e.sigma_px[0] == e.sigma_px[1]) == alike for e in plain]
            )
            for shape in ("gaussian", "generalised", "plateau")
            for alike in (True, False)
        }
        wanted = [0.45, 0.25, 0.12, 0.03, 0.12, 0.03]
        assert list(shares.values()) == pytest.approx(wanted, abs=0.03)
        sigmas = [sigma for each in plain for sigma in each.sigma_px]
        assert (min(sigmas), max(sigmas)) == pytest.approx((0.2, widest), abs=0.02)
        assert {each.side_px for each in blurs} == set(range(7, 22, 2))
        for shape, least, most, flat in (("generalised", 0.5, 4, 0.5), ("plateau", 1, 2, 0.5)):
            betas = [each.beta for each in plain if each.shape == shape]
            assert (min(betas), max(betas)) == pytest.approx((least, most), abs=0.1)
            assert np.mean([beta > 1 for beta in betas]) == pytest.approx(flat, abs=0.1)
        assert {each.beta for each in plain if each.shape == "gaussian"} == {1.0}
        for narrow, lowest in ((True, np.pi / 3), (False, np.pi / 5)):
            cutoffs = [
                each.cutoff_rad for each in blurs
                if each.shape == "sinc" and (each.side_px < 13) == narrow
            ]  # fmt: skip
            assert (min(cutoffs), max(cutoffs)) == pytest.approx((lowest, np.pi), abs=0.1)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([None, 1, 2, 4]),
)
def test_pixels_of_any_size_keep_it(seed, size, scale):
    pixels = rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    result = real_world_pixels(pixels, seed, scale=scale)
    assert result.pixels.shape == pixels.shape
    assert result.pixels.dtype == np.uint8
    assert 0 <= result.strength <= 1
    assert json.loads(json.dumps(result.settings))["course"]["scale"] in (1, 2, 4)


def test_pixels_belong_to_their_seed():
    pixels = (scene(1, 53)[0, :, :37].permute(1, 2, 0) * 255).byte().numpy()
    one = real_world_pixels(pixels, [3, 1])
    again = real_world_pixels(pixels, [3, 1])
    assert np.array_equal(one.pixels, again.pixels)
    assert one.settings == again.settings
    assert not np.array_equal(one.pixels, real_world_pixels(pixels, [3, 2]).pixels)


def test_strength_and_scale_are_drawn_when_not_given():
    pixels = np.full((4, 4, 3), 99, np.uint8)
    drawn = [real_world_pixels(pixels, seed).settings for seed in range(40)]
    assert {each["kind"] for each in drawn} == {"full", "light"}
    assert {each["course"]["scale"] for each in drawn} == {1, 2, 4}
    given_both = real_world_pixels(pixels, 0, strength="light", scale=2).settings
    assert (given_both["kind"], given_both["course"]["scale"]) == ("light", 2)


def test_says_what_is_wrong():
    with pytest.raises(UsageError, match="no strength 'heavy'"):
        draw(rng(), strength="heavy")
    with pytest.raises(UsageError, match="no scale 3"):
        draw_course(rng(), scale=3)
    with pytest.raises(UsageError, match="no scale 3"):
        real_world_pixels(np.zeros((4, 4, 3), np.uint8), 0, scale=3)
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(InputError, match="8-bit RGB"):
            real_world_pixels(wrong, 0)
