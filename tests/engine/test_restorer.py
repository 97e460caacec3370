"""The Restorer with the weights that ship."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

import restora
from restora.engine.backend import PREDICT, too_large
from restora.engine.models import open_backend
from restora.engine.plan import Wishes
from restora.engine.restorer import Restorer
from restora.errors import InputError, UsageError
from restora.images import Picture, read_bytes
from restora.weights.registry import MODELS, load_card, load_weight

WEIGHTS = [weight for model in MODELS for weight in model.weights]


@pytest.fixture(scope="module")
def restorer():
    return Restorer(threads=2)


def psnr(a, b):
    return 10 * np.log10(1 / np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("quality", [10, 30])
def test_a_bad_jpeg_gets_better(restorer, jpeg, photo, mode, quality):
    clean = np.asarray(Image.fromarray(photo()).convert(mode)).reshape(96, 128, -1) / 255
    data = jpeg(quality=quality, mode=mode)
    before = read_bytes(data, name="x").pixels
    after = restorer.restore(data).picture.pixels
    assert psnr(after, clean) > psnr(before, clean) + 0.3


@pytest.mark.parametrize("size", [(1, 1), (3, 700), (17, 16), (48, 64)])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_any_size_and_space_comes_back(restorer, jpeg, size, mode):
    result = restorer.restore(jpeg(*size, mode=mode))
    channels = {"L": 1, "RGB": 3, "CMYK": 4}[mode]
    assert result.picture.pixels.shape == (*size, channels)
    assert result.picture.pixels.dtype == np.float32
    assert 0 <= result.picture.pixels.min() <= result.picture.pixels.max() <= 1


def test_tiles_agree_with_the_whole(restorer, jpeg):
    data = jpeg(300, 420, quality=10)
    whole = restorer.restore(data, Wishes(tile_px=512, quality=10)).picture.pixels
    tiled = restorer.restore(data, Wishes(tile_px=192, quality=10)).picture.pixels
    assert np.abs(whole - tiled).max() < 2 / 255
    assert np.abs(whole - tiled).mean() < 0.05 / 255


def test_strength_mixes_with_the_input(restorer, jpeg):
    data = jpeg()
    before = read_bytes(data, name="x").pixels
    none, half, full = (
        restorer.restore(data, Wishes(strength=s, constraint="off")).picture.pixels
        for s in (0, 50, 100)
    )
    assert np.allclose(none, before, atol=1e-6)
    assert np.allclose(half, (before + full) / 2, atol=1e-6)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_session_gives_what_a_restoration_gives(restorer, jpeg, mode):
    data = jpeg(300, 220, mode=mode)
    wishes = {"tile_px": 192, "constraint": "soft"}
    session = restorer.session(data, Wishes(**wishes))
    for changes in ({}, {"quality": 10}, {"quality": 60, "strength": 40}, {"constraint": "off"}):
        once = session.restore(**changes)
        anew = restorer.restore(data, Wishes(**wishes | changes))
        assert np.array_equal(once.picture.pixels, anew.picture.pixels)
        assert once.plan == anew.plan


def test_a_session_knows_all_whatever_it_was_opened_with(restorer, jpeg):
    data = jpeg(quality=30)
    session = restorer.session(data, Wishes(constraint="off", quality=30))
    result = session.restore(constraint="hard")
    assert result.plan.constraint == "hard"
    assert result.inside == 1
    assert session.facts.looked_back


@pytest.mark.parametrize("strength", [100, 50])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_hard_is_hard_at_any_strength(restorer, jpeg, mode, strength):
    data = jpeg(quality=50, mode=mode)
    result = restorer.restore(data, Wishes(constraint="hard", strength=strength))
    assert result.inside == 1
    assert result.report()["inside_bins"] == 1
    assert result.plan.half_width == 0.5


def test_a_constraint_without_bins_is_refused(restorer, jpeg):
    opened = restorer.open(jpeg())
    plan = restorer.plan(opened.picture, opened.facts, Wishes(constraint="hard"))
    with pytest.raises(ValueError, match="needs the file's bins"):
        restorer.run(opened.picture, plan)


def test_what_cannot_be_is_told_before_any_file_is_read(restorer):
    with pytest.raises(UsageError, match="--precision half is for PyTorch devices"):
        restorer.load(Wishes(precision="half"))
    with pytest.raises(UsageError, match="--tile is a multiple of 16"):
        restorer.load(Wishes(tile_px=100))


def test_the_way_of_a_training_is_shown(restorer):
    with pytest.raises(UsageError, match="is exported first: restora export"):
        restorer.load(Wishes(model="run/latest.pt"))


def test_int8_is_close_to_float(restorer, jpeg):
    data = jpeg(200, 240, quality=15)
    wishes = {"quality": 15, "constraint": "off"}
    exact, rounded = (
        restorer.restore(data, Wishes(precision=p, **wishes)) for p in ("float", "int8")
    )
    assert rounded.plan.precision == "int8"
    assert 0 < np.abs(exact.picture.pixels - rounded.picture.pixels).mean() < 1.5 / 255


def test_a_session_encodes_once(restorer, jpeg, monkeypatch):
    session = restorer.session(jpeg(300, 220), Wishes(tile_px=192))
    session.restore()
    backend = restorer._backend(session.plan.weights[0], session.plan.precision)
    calls = []
    monkeypatch.setattr(backend, "encode", calls.append)
    session.restore(quality=30)
    assert calls == []


def test_a_session_refuses_what_makes_no_sense(restorer, jpeg):
    with pytest.raises(UsageError, match="from 1 to 100, not 0"):
        restorer.session(jpeg()).restore(quality=0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"strength": 50.5}, "strength is a whole number, not 50.5"),
        ({"quality": "good"}, "quality is 'auto' or a whole number from 1 to 100, not 'good'"),
        ({"constraint": 3}, "constraint is a text, not 3"),
    ],
)
def test_settings_of_the_wrong_kind_are_told(restorer, jpeg, setting, message):
    with pytest.raises(UsageError, match=message):
        restorer.session(jpeg()).restore(**setting)
    with pytest.raises(UsageError, match=message):
        restora.restore(jpeg(), **setting)


def test_quality_auto_decides_by_itself(restorer, jpeg, photo):
    assert restora.restore(jpeg(quality=25), quality="auto").plan.quality_source == "header"
    buffer = io.BytesIO()
    Image.fromarray(photo()).save(buffer, "PNG")
    session = restorer.session(buffer.getvalue(), Wishes(quality=30))
    by_itself = restorer.restore(buffer.getvalue()).plan
    assert session.plan.quality == 30
    assert session.restore(quality="auto").plan == by_itself


@pytest.mark.parametrize("count", [2, 4, 8])
def test_an_ensemble_sees_a_turned_picture_alike(restorer, photo, count):
    """What is restored of the mirrored picture is the mirrored result."""
    from restora.engine.ensemble import Ensemble

    backend = Ensemble(restorer._backend("fbcnn-color-compact", "float"), count)
    tiles = photo(64, 96)[None].astype(np.float32) / 255
    out = backend.decode(backend.encode(tiles), 20.0)
    mirrored = backend.decode(backend.encode(tiles[:, :, ::-1]), 20.0)
    assert out.shape == tiles.shape
    assert np.allclose(mirrored, out[:, :, ::-1], atol=1e-5)


def test_an_ensemble_is_planned_and_carried_out(restorer, jpeg):
    data = jpeg()
    one, eight = (restorer.restore(data, Wishes(ensemble=n)) for n in (1, 8))
    assert "ensemble: the mean over 8 views" in eight.plan.explain()
    assert 0 < np.abs(one.picture.pixels - eight.picture.pixels).mean() < 0.02


def test_a_lower_quality_smooths_more(restorer, jpeg):
    data = jpeg(quality=30)
    rough = [
        np.abs(np.diff(restorer.restore(data, Wishes(quality=q)).picture.pixels, axis=0)).mean()
        for q in (10, 30, 60, 90)
    ]
    assert rough == sorted(rough)


def test_neutral_pictures_stay_neutral(restorer, jpeg):
    gray = Image.open(io.BytesIO(jpeg(mode="L"))).convert("RGB")
    buffer = io.BytesIO()
    gray.save(buffer, "PNG")
    result = restorer.restore(buffer.getvalue())
    assert result.plan.route == "neutral"
    assert result.picture.is_neutral


def test_alpha_and_metadata_pass_through(restorer, photo):
    image = Image.fromarray(photo()).convert("RGBA")
    alpha = np.arange(96 * 128, dtype=np.uint32).reshape(96, 128).astype(np.uint8)
    image.putalpha(Image.fromarray(alpha))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", dpi=(300, 300))
    picture = restorer.restore(buffer.getvalue()).picture
    assert np.array_equal(picture.alpha, alpha)
    assert picture.metadata.dpi == pytest.approx((300, 300), abs=0.1)


def test_one_restorer_serves_many_threads(restorer, jpeg):
    files = [jpeg(40 + 8 * n, 64, quality=10 + 5 * n) for n in range(6)]
    alone = [restorer.restore(f).picture.pixels for f in files]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda f: restorer.restore(f).picture.pixels, files))
    for a, b in zip(alone, together, strict=True):
        assert np.array_equal(a, b)


def test_progress_is_told(restorer, jpeg):
    seen = []
    restorer.restore(jpeg(300, 300), Wishes(tile_px=192), progress=lambda *a: seen.append(a))
    assert seen == [(k, 4) for k in range(1, 5)]


def test_the_report_is_plain(restorer, jpeg):
    report = restorer.restore(jpeg(quality=25)).report()
    assert report["plan"]["quality"] == 25
    assert (report["width_px"], report["height_px"]) == (128, 96)


def test_the_report_gives_the_size_that_is_written(restorer, jpeg, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    result = restorer.restore(jpeg(exif=exif))
    result.save(tmp_path / "a.png")
    report = result.report()
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (report["width_px"], report["height_px"]) == (96, 128)


@pytest.mark.parametrize(
    ("shape", "advice"),
    [
        ((1, 512, 512, 3), "try --tile 256."),
        ((1, 512, 64, 3), "try --tile 256."),
        ((1, 144, 144, 1), "try --tile 128."),
        ((1, 128, 128, 3), "no smaller tile can be asked for: free some memory."),
        ((1, 48, 64, 3), "no smaller tile can be asked for: free some memory."),
    ],
)
def test_advice_for_too_little_memory_is_true(shape, advice):
    assert str(too_large(shape, "memory")).endswith(f"does not fit into memory; {advice}")


def test_a_missing_file_is_named(restorer, tmp_path):
    with pytest.raises(InputError, match=r"There is no file .*nowhere\.jpg"):
        restorer.restore(tmp_path / "nowhere.jpg")


def test_a_wrong_model_is_told_before_the_file_is_read(restorer, tmp_path):
    with pytest.raises(UsageError, match="no model named 'x'"):
        restorer.restore(tmp_path / "nowhere.jpg", Wishes(model="x"))


@pytest.mark.parametrize("weight", WEIGHTS)
def test_pytorch_gives_the_same(weight, photo):
    """The parity of the two backends, for every weight that ships."""
    from restora.engine.backend_torch import open_torch
    from restora.networks.catalogue import parse_config
    from restora.networks.onnx_weights import read_onnx_weights

    card = load_card(weight)
    config = parse_config(card.method, card.training.recipe["network"])
    parts = [load_weight(weight, part) for part in card.parts()]
    light = open_backend(weight, device="cpu", threads=2, precision="float")
    full = open_torch(config, read_onnx_weights(parts, config))
    half = open_torch(config, read_onnx_weights(parts, config), half=True)
    pictures = [photo(64, 64, seed)[..., : card.channels] for seed in (0, 1)]
    tiles = np.stack(pictures).astype(np.float32) / 255
    for quality in (PREDICT, 10.0, 90.0):
        a, b, c = (backend.encode(tiles) for backend in (light, full, half))
        if card.method in ("sr-diff", "ssp-ir"):  # which know of no quality
            assert np.isnan(a.quality).all()
            assert np.isnan(b.quality).all()
        else:
            assert a.quality == pytest.approx(b.quality, abs=0.1)
        expected = light.decode(a, quality)
        assert np.abs(expected - full.decode(b, quality)).max() < 1e-3
        assert np.abs(expected - half.decode(c, quality)).mean() < 1e-3


def test_a_device_that_is_not_there(photo):
    with pytest.raises(UsageError, match="cannot use the device 'cuda:7'"):
        Restorer(device="cuda:7").run(
            Picture(pixels=photo().astype(np.float32) / 255, space="rgb"),
            Restorer().plan(
                Picture(pixels=photo().astype(np.float32) / 255, space="rgb"), None, Wishes()
            ),
        )


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_clean_picture_is_left_alone(restorer, photo, mode):
    buffer = io.BytesIO()
    Image.fromarray(photo()).convert(mode).save(buffer, "PNG")
    before = read_bytes(buffer.getvalue(), name="x").pixels
    assert psnr(restorer.restore(buffer.getvalue()).picture.pixels, before) > 38
