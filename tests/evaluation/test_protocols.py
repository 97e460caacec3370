from __future__ import annotations

import io
import math
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from restora.errors import InputError, UsageError
from restora.evaluation.measurement import PictureScore, estimate_pictures, measure_pictures, run
from restora.evaluation.metrics import measure
from restora.evaluation.protocols import JpegProtocol, degrade, encode
from restora.evaluation.report import Report
from restora.evaluation.settings import FBCNN_DOUBLE, OAPT_DOUBLE, Setting, at_qualities

U8 = NDArray[np.uint8]


def photo(height: int, width: int, seed: int) -> U8:
    """A coloured, smooth, slightly noisy picture."""
    y, x = np.mgrid[:height, :width]
    planes = [128 + 70 * np.sin((x + seed * 9) / (6 + i)) + 40 * np.cos(y / 5) for i in range(3)]
    noise = np.random.default_rng(seed).normal(0, 6, (height, width, 3))
    return np.clip(np.dstack(planes) + noise, 0, 255).astype(np.uint8)


def studio_luma(rgb: U8) -> U8:
    return np.rint(rgb @ np.array([65.481, 128.553, 24.966]) / 255 + 16).astype(np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layout of the real test sets, two tiny pictures each."""
    root = tmp_path_factory.mktemp("testsets")
    for name in ("live1_gray", "live1_color", "classic5", "bsds500_test"):
        (root / name).mkdir()
    for i, name in enumerate(("b", "a")):
        picture = photo(37 + 8 * i, 48, i)
        gray = Image.fromarray(studio_luma(picture))
        gray.save(root / "live1_gray" / f"{name}.png")
        gray.save(root / "classic5" / f"{name}.png")
        Image.fromarray(picture).save(root / "live1_color" / f"{name}.webp", lossless=True)
        Image.fromarray(picture).save(root / "bsds500_test" / f"{name}.jpg", quality=95)
        (root / "live1_gray" / f".{name}.png").write_bytes(b"left by another program")
        (root / "live1_gray" / "readme.txt").write_text("not a picture")
    return root


def decode(file: bytes) -> U8:
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image)


TWICE = (Setting(30, 10, (4, 4)), Setting(50, 30, (0, 4)))

ALL = [
    JpegProtocol(
        "jpeg-gray",
        "live1",
        at_qualities(
            (
                10,
                40,
            )
        ),
    ),
    JpegProtocol(
        "jpeg-gray",
        "classic5",
        at_qualities(
            (
                10,
                40,
            )
        ),
    ),
    JpegProtocol(
        "jpeg-gray",
        "bsds500",
        at_qualities(
            (
                10,
                40,
            )
        ),
    ),
    JpegProtocol(
        "jpeg-color",
        "live1",
        at_qualities(
            (
                10,
                40,
            )
        ),
    ),
    JpegProtocol(
        "jpeg-color",
        "bsds500",
        at_qualities(
            (
                10,
                40,
            )
        ),
    ),
    JpegProtocol("jpeg-double", "live1", TWICE),
    JpegProtocol("jpeg-oapt", "classic5", TWICE),
]


@pytest.mark.parametrize("protocol", ALL, ids=lambda p: f"{p.name}-{p.set}")
def test_every_protocol(protocol: JpegProtocol, data: Path) -> None:
    report = run(protocol, data, restorers={"decoder": decode})
    assert report.methods == ("JPEG", "decoder")
    assert report.settings == protocol.settings
    assert {row.n for row in report.rows} == {2}
    for setting in protocol.settings:
        plain, same = report.row("JPEG", setting), report.row("decoder", setting)
        assert plain is not None
        assert same is not None
        assert (plain.psnr, plain.ssim, plain.psnr_b) == (same.psnr, same.ssim, same.psnr_b)
        assert plain.seconds_per_megapixel is None
        assert same.seconds_per_megapixel is not None
    assert report.rows[0].psnr < report.rows[1].psnr  # quality 10, quality 40


def test_the_plain_row_is_pillow_at_420_averaged_by_picture(data: Path) -> None:
    expected = []
    for path in sorted((data / "live1_color").iterdir()):
        clean = np.asarray(Image.open(path))
        file = io.BytesIO()
        Image.fromarray(clean).save(file, "JPEG", quality=10)
        expected.append(measure(clean, decode(file.getvalue())))
    row = run(JpegProtocol("jpeg-color", "live1", at_qualities((10,))), data).rows[0]
    assert row.psnr == pytest.approx(np.mean([scores.psnr for scores in expected]))
    assert row.ssim == pytest.approx(np.mean([scores.ssim for scores in expected]))
    assert row.psnr_b == pytest.approx(np.mean([scores.psnr_b for scores in expected]))


def test_saved_twice_is_encode_crop_encode() -> None:
    """Written out with Pillow alone, the shift on rows first: (h, w) as in a NumPy index."""
    clean = studio_luma(photo(40, 56, 3))
    first = io.BytesIO()
    Image.fromarray(clean).save(first, "JPEG", quality=10)
    cropped = decode(first.getvalue())[3:, 5:]
    second = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(cropped)).save(second, "JPEG", quality=50)
    reference, file = degrade(clean, Setting(50, earlier=10, shift_px=(3, 5)))
    np.testing.assert_array_equal(reference, clean[3:, 5:])
    np.testing.assert_array_equal(decode(file), decode(second.getvalue()))


def test_saved_once_is_the_file() -> None:
    clean = photo(24, 24, 1)
    reference, file = degrade(clean, Setting(30))
    np.testing.assert_array_equal(reference, clean)
    assert file == encode(clean, 30)


def test_the_settings_of_the_literature_are_the_default() -> None:
    assert JpegProtocol("jpeg-double", "live1").settings == FBCNN_DOUBLE
    assert JpegProtocol("jpeg-oapt", "bsds500").settings == OAPT_DOUBLE
    assert (len(FBCNN_DOUBLE), len(OAPT_DOUBLE)) == (9, 8)
    assert {setting.shift_px for setting in OAPT_DOUBLE} == {(4, 4), (0, 4)}
    assert JpegProtocol("jpeg-double", "live1").gray


def test_estimates_of_a_double_protocol_are_of_its_last_saves(data: Path) -> None:
    protocol = JpegProtocol("jpeg-double", "live1", TWICE)
    found = estimate_pictures(protocol, data, lambda file: 50.0, limit=1)
    assert [guess.quality for guess in found] == [30, 50]


def test_pictures_come_by_name_and_limited(data: Path) -> None:
    protocol = JpegProtocol("jpeg-gray", "live1")
    assert [path.name for path in protocol.find(data)] == ["a.png", "b.png"]
    assert [path.name for path in protocol.find(data, limit=1)] == ["a.png"]


def test_gray_pictures(data: Path, tmp_path: Path) -> None:
    gray = JpegProtocol("jpeg-gray", "live1")
    shipped = [gray.load(path) for path in gray.find(data)]
    (tmp_path / "LIVE1_color").mkdir()  # only colour there, and the folder's name in capitals
    for path in (data / "live1_color").iterdir():
        Image.open(path).save(tmp_path / "LIVE1_color" / f"{path.stem}.bmp")
    made = [gray.load(path) for path in gray.find(tmp_path)]
    for first, second in zip(shipped, made, strict=True):
        np.testing.assert_array_equal(first, second)


def test_gray_stored_as_colour_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "classic5").mkdir()
    plane = studio_luma(photo(16, 24, 0))
    Image.fromarray(np.dstack([plane] * 3)).save(tmp_path / "classic5" / "x.bmp")
    protocol = JpegProtocol("jpeg-gray", "classic5")
    np.testing.assert_array_equal(protocol.load(protocol.find(tmp_path)[0]), plane)


def test_neutral_colour_becomes_studio_luma(tmp_path: Path) -> None:
    (tmp_path / "bsds500_test").mkdir()
    plane = np.full((16, 16), 255, np.uint8)
    Image.fromarray(np.dstack([plane] * 3)).save(tmp_path / "bsds500_test" / "x.png")
    protocol = JpegProtocol("jpeg-gray", "bsds500")
    assert set(protocol.load(protocol.find(tmp_path)[0]).flat) == {235}


def test_a_perfect_restorer_is_infinite(data: Path, tmp_path: Path) -> None:
    protocol = JpegProtocol("jpeg-gray", "live1", at_qualities((10,)))
    clean = protocol.load(protocol.find(data)[0])
    report = run(protocol, data, restorers={"oracle": lambda file: clean}, limit=1)
    row = report.row("oracle", Setting(10))
    assert row is not None
    assert (row.psnr, row.ssim) == (math.inf, 1.0)
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_speed_is_all_seconds_over_all_megapixels(data: Path) -> None:
    ticks = count(step=2)  # the restorer takes two seconds, always
    report = run(
        JpegProtocol("jpeg-gray", "live1", at_qualities((10,))),
        data,
        restorers={"slow": decode},
        clock=lambda: float(next(ticks)),
    )
    assert report.rows[1].seconds_per_megapixel == pytest.approx(4e6 / (48 * 37 + 48 * 45))


@pytest.mark.parametrize(("warm_up", "calls"), [(True, 5), (False, 4)])
def test_warm_up_is_one_call_more(data: Path, warm_up: bool, calls: int) -> None:
    seen: list[bytes] = []

    def restore(file: bytes) -> U8:
        seen.append(file)
        return decode(file)

    protocol = JpegProtocol(
        "jpeg-gray",
        "live1",
        at_qualities(
            (
                10,
                20,
            )
        ),
    )
    run(protocol, data, restorers={"m": restore}, warm_up=warm_up)
    assert len(seen) == calls


def test_figures_come_one_by_one(data: Path) -> None:
    protocol = JpegProtocol(
        "jpeg-gray",
        "live1",
        at_qualities(
            (
                10,
                20,
            )
        ),
    )
    stream = measure_pictures(protocol, data, restorers={"m": decode})
    first = next(stream)
    assert isinstance(first, PictureScore)
    assert (first.method, first.setting.quality) == ("JPEG", 10)
    assert (first.picture, first.seconds) == ("a", None)
    rest = [(score.picture, score.setting.quality, score.method) for score in stream]
    assert rest[:4] == [("a", 10, "m"), ("a", 20, "JPEG"), ("a", 20, "m"), ("b", 10, "JPEG")]
    assert len(rest) == 7


def test_progress_counts_everything(data: Path) -> None:
    seen: list[tuple[int, int]] = []
    run(
        JpegProtocol(
            "jpeg-gray",
            "live1",
            at_qualities(
                (
                    10,
                    20,
                )
            ),
        ),
        data,
        restorers={"m": decode},
        estimate=lambda file: 50.0,
        estimate_qualities=(5, 50, 95),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(done, 14) for done in range(15)]


def test_quality_errors(data: Path) -> None:
    guesses = iter((12.0, 25.0, 6.0, 25.0))
    report = run(
        JpegProtocol("jpeg-gray", "live1", at_qualities((30,))),
        data,
        estimate=lambda file: next(guesses),
        estimate_qualities=(10, 20),
    )
    found = [(e.quality, e.mean_absolute_error, e.bias, e.n) for e in report.quality_errors]
    assert found == [(10, 3.0, -1.0, 2), (20, 5.0, 5.0, 2)]
    assert report.settings == (Setting(30),)


def test_the_estimator_sees_the_file(data: Path) -> None:
    protocol = JpegProtocol("jpeg-color", "live1", at_qualities((10,)))
    sizes: list[tuple[int, int]] = []

    def estimate(file: bytes) -> float:
        with Image.open(io.BytesIO(file)) as image:
            assert image.format == "JPEG"
            sizes.append(image.size)
        return 10.0

    assert [guess.picture for guess in estimate_pictures(protocol, data, estimate)] == ["a", "b"]
    assert sizes == [(48, 45), (48, 37)]


# ------------------------------------------------------------------ messages


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: JpegProtocol("jpeg-grey", "live1"),  # type: ignore[arg-type]
            "There is no protocol 'jpeg-grey'. Did you mean jpeg-gray? "
            "Known are jpeg-gray, jpeg-color, jpeg-double, jpeg-oapt.",
        ),
        (
            lambda: JpegProtocol("jpeg-gray", "kodak"),  # type: ignore[arg-type]
            "There is no test set 'kodak'. Known are live1, classic5, bsds500.",
        ),
        (
            lambda: JpegProtocol("jpeg-color", "classic5"),
            "The test set classic5 has no colour pictures; jpeg-color runs on live1 or bsds500.",
        ),
        (
            lambda: JpegProtocol(
                "jpeg-gray",
                "live1",
                at_qualities(
                    (
                        10,
                        0,
                    )
                ),
            ),
            "A JPEG quality of 0 does not exist; it runs from 1 to 100.",
        ),
        (
            lambda: JpegProtocol("jpeg-double", "live1", (Setting(10, 0, (4, 4)),)),
            "A JPEG quality of 0 does not exist; it runs from 1 to 100.",
        ),
        (
            lambda: JpegProtocol("jpeg-double", "live1", (Setting(10, 20, (8, 0)),)),
            "A grid shift is two numbers from 0 to 7, not (8, 0).",
        ),
        (
            lambda: JpegProtocol("jpeg-double", "live1", (Setting(10, None, (4, 4)),)),
            "A grid shift needs an earlier save, whose grid it shifts.",
        ),
        (
            lambda: JpegProtocol(
                "jpeg-gray",
                "live1",
                at_qualities(
                    (
                        10,
                        20,
                        10,
                    )
                ),
            ),
            "A setting is listed twice: QF 10; QF 20; QF 10.",
        ),
        (
            lambda: JpegProtocol("jpeg-gray", "live1").find(Path(), limit=0),
            "A limit of 0 pictures leaves none; the least is 1.",
        ),
        (
            lambda: measure_pictures(
                JpegProtocol("jpeg-gray", "live1"), Path(), restorers={"JPEG": decode}
            ),
            "A method cannot be called JPEG: that row is the plain file.",
        ),
    ],
)
def test_usage_messages(make, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        make()
    assert str(caught.value) == message


def test_message_without_the_pictures(tmp_path: Path) -> None:
    (tmp_path / "live1_gray").mkdir()  # there, but empty
    with pytest.raises(UsageError) as caught:
        run(JpegProtocol("jpeg-gray", "live1"), tmp_path)
    assert str(caught.value) == (
        "The clean pictures of live1 were not found: jpeg-gray expects "
        f"{tmp_path / 'live1_gray' / '*.png'} or {tmp_path / 'live1_color' / '*.webp'}."
    )


def test_message_without_the_folder(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    with pytest.raises(UsageError) as caught:
        measure_pictures(JpegProtocol("jpeg-color", "bsds500"), nowhere)  # before the first step
    assert str(caught.value) == (
        "The clean pictures of bsds500 were not found: jpeg-color expects "
        f"{nowhere / 'bsds500_test' / '*.jpg'}; there is no folder {nowhere}."
    )


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_message_of_a_damaged_picture(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "classic5").mkdir()
    path = tmp_path / "classic5" / "x.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a picture") as caught:
        run(JpegProtocol("jpeg-gray", "classic5"), tmp_path)
    assert str(path) in str(caught.value)


def test_message_of_a_wrong_result(data: Path) -> None:
    def colour(file: bytes) -> U8:
        return np.dstack([decode(file)] * 3)

    with pytest.raises(InputError) as caught:
        run(JpegProtocol("jpeg-gray", "live1"), data, restorers={"mine": colour})
    assert str(caught.value) == (
        "mine turned a into uint8 of the shape (45, 48, 3); expected is uint8 of the shape "
        "(45, 48)."
    )
