"""Measures what SODiff does, and draws it: tables, picture and curves of sodiff.md.

    python docs/make_sodiff.py --data testsets/cid22_val --show 159550 --show 1025469
    python docs/make_sodiff.py --runs CODEC PRIOR PROMPT PREDICTOR ONE-STEP

Run from the root of the repository. Prints the tables; writes ``docs/sodiff-qf5.png`` and
``docs/sodiff-curves.svg``.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from restora.engine.models import open_backend, resolve_model, weight_facts
from restora.engine.plan import HALF_WIDTH, Wishes
from restora.engine.restorer import Restorer
from restora.evaluation.plots import LINES, STYLE
from restora.images import ycbcr_from_rgb
from restora.images.contact_sheet import busiest_window, contact_sheet
from restora.jpeg.constraint import Bins, constrain, inside_share

HERE = Path(__file__).parent
SHOWN_AT = 5  # the quality of the picture
CROP_PX = 128
QUALITIES = tuple(range(5, 100, 5))
HELD_AT = (5, 10, 20, 40, 80)
SHIFTED_AT = (5, 10, 20, 40, 80)
# Of each stage: what it is called, the label of the axis, and what of its log is drawn under which
# name. The first key tells the stage.
STAGES = (
    ("codec", "error of its pictures", {"pixel": "training"}),
    (
        "prior",
        "error of the noise it sees",
        {"noise": "training", **{f"held_out_noise_{t}": f"at {t}" for t in (100, 300, 500, 700)}},
    ),
    (
        "SAIPE",
        "share of captions found",
        {"retrieval": "in a batch", "held_out_retrieval": "held out", "held_out_chance": "chance"},
    ),
    ("predictor", "loss", {"quality": "quality, in 100", "choice": "timestep, entropy"}),
    (
        "one step",
        "EA-DISTS",
        {"distance": "training", "distance_before": "JPEG", "distance_after": "held out"},
    ),
)
TOLD_BY = ("codec_psnr", "noise", "retrieval", "quality_seen_0", "distance")


def load(file: Path, side_px: int | None = None) -> Image.Image:
    """A clean picture, or the corner of it."""
    with Image.open(file) as image:
        whole = image.convert("RGB")
    return whole if side_px is None else whole.crop((0, 0, side_px, side_px))


def save(clean: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    clean.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def floats(image: Image.Image) -> np.ndarray:
    return np.asarray(image, np.float32) / 255


def decoded(data: bytes) -> np.ndarray:
    return floats(Image.open(io.BytesIO(data)).convert("RGB"))


def draw_pictures(restorer: Restorer, files: Sequence[Path], model: str) -> None:
    """Crops where the JPEG is farthest from the clean picture, 2:1, a row for each file."""
    cells = []
    for file in files:
        clean = load(file)
        data = save(clean, SHOWN_AT)
        row = [("clean", floats(clean)), (f"JPEG, quality {SHOWN_AT}", decoded(data))]
        for label, wishes in (
            ("fbcnn", Wishes(precision="float")),
            ("sodiff, free", Wishes(model=model, constraint="off")),
            ("sodiff, in the bins", Wishes(model=model, constraint="hard")),
        ):
            row.append((label, restorer.restore(data, wishes).picture.pixels))
        window = busiest_window(row[0][1], row[1][1], side_px=CROP_PX)
        cells += [(label, window.cut(pixels)) for label, pixels in row]
    sheet = contact_sheet(cells, columns=5, largest_px=400, magnify=2)
    sheet.save(HERE / "sodiff-qf5.png", optimize=True)


def print_estimates(files: Sequence[Path], model: str, side_px: int) -> None:
    """What the time predictor makes of pictures of each quality, on the grid and off it."""
    weight = resolve_model(model).color
    assert weight is not None
    backend = open_backend(weight, device="cpu", threads=1, precision="float")
    timesteps = weight_facts(weight).timesteps

    def look(pixels: np.ndarray) -> tuple[float, int]:
        told = backend.survey(np.ascontiguousarray(pixels))
        assert told is not None
        return 100 - 100 * float(told.strength[0, 0]), timesteps[int(told.logits[0].argmax())]

    pictures = [load(file, side_px) for file in files]
    points = []
    print("| saved at | estimated quality | off by, mean | timestep, mean |\n|---|---:|---:|---:|")
    for quality in QUALITIES:
        seen = np.array([look(decoded(save(clean, quality))) for clean in pictures])
        points += [(quality, timestep) for timestep in seen[:, 1]]
        off = np.abs(seen[:, 0] - quality).mean()
        print(
            f"| {quality} | {seen[:, 0].mean():.1f} | {off:.1f} | {seen[:, 1].mean():.0f} |",
            flush=True,
        )
    correlation = rank_correlation(*np.array(points).T)
    print(f"\nRank correlation of timestep and quality: {correlation:.3f}.\n")
    print(
        "| saved at | moved by 1 to 7 pixels the estimate moves by, mean | worst |\n|---|---:|---:|"
    )
    for quality in SHIFTED_AT:
        moves = []
        for clean in pictures:
            pixels = decoded(save(clean, quality))
            start = look(pixels)[0]
            moves += [abs(look(pixels[k:, k:])[0] - start) for k in range(1, 8)]
        print(f"| {quality} | {np.mean(moves):.1f} | {max(moves):.1f} |", flush=True)
    print()


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's; equal values share a rank. NaN where all values are equal."""

    def ranks(values: np.ndarray) -> np.ndarray:
        _, place, count = np.unique(values, return_inverse=True, return_counts=True)
        return (np.cumsum(count) - (count - 1) / 2)[place]

    if len(np.unique(a)) == 1 or len(np.unique(b)) == 1:
        return float("nan")
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def print_bins(restorer: Restorer, files: Sequence[Path], model: str, side_px: int) -> None:
    """Share of luma's coefficients inside their bins, without the constraint and with it."""
    modes = ("off", "soft", "hard")
    print(f"| saved at | {' | '.join(modes)} |\n|---|---:|---:|---:|")
    for quality in HELD_AT:
        shares = []
        for file in files:
            opened = restorer.open(save(load(file, side_px), quality), name=file.name)
            assert opened.bins is not None
            wishes = Wishes(model=model, constraint="off")
            plan = restorer.plan(opened.picture, opened.facts, wishes)
            free = restorer.run(opened.picture, plan).pixels
            row = [luma_share(free, opened.bins)]
            for mode in ("soft", "hard"):
                held = constrain(free, opened.bins, mode=mode, half_width=HALF_WIDTH[mode])
                row.append(luma_share(held, opened.bins))
            shares.append(row)
        mean = 100 * np.mean(shares, axis=0)
        print(f"| {quality} | {' | '.join(f'{share:.2f} %' for share in mean)} |", flush=True)


def luma_share(pixels: np.ndarray, bins: Bins) -> float:
    """Of the picture as it is written with 8 bits and as an encoder makes luma of that."""
    written = np.rint(np.clip(pixels, 0, 1) * np.float32(255)) / np.float32(255)
    luma = np.ascontiguousarray(ycbcr_from_rgb(written)[..., :1])
    return inside_share(luma, Bins(bins.width_px, bins.height_px, bins.components[:1]))


def draw_curves(runs: Sequence[Path]) -> None:
    """The logs of the stages side by side; runs of one stage follow each other."""
    rows_of: dict[str, list[dict[str, float]]] = {}
    for run in runs:
        rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
        known = {key for row in rows for key in row}
        number = max(n for n, key in enumerate(TOLD_BY) if key in known)
        before = rows_of.setdefault(STAGES[number][0], [])
        spent = before[-1]["seconds"] if before else 0
        before += [row | {"seconds": spent + row["seconds"]} for row in counted(rows)]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 5.4), layout="constrained")
        panels = figure.subplots(2, 3).flat
        for (name, label, keys), axes in zip(STAGES, panels, strict=False):
            rows = rows_of.get(name, [])
            usual = np.median([row["steps"] for row in rows]) if rows else 0
            for (key, legend), color in zip(keys.items(), LINES, strict=False):
                told = [row for row in rows if key in row]
                training = 2 * len(told) > len(rows)  # what is held out is measured seldom
                if training:  # the mean of hardly any steps says nothing
                    told = [row for row in told if row["steps"] > 0.2 * usual]
                points = [(row["seconds"] / 60, row[key]) for row in told]
                if points:
                    style = "-" if training else "o-"
                    axes.plot(*zip(*points, strict=True), style, color=color, label=legend)
            axes.set_title(name)
            axes.set_xlabel("minutes")
            axes.set_ylabel(label)
            if axes.lines:
                axes.legend()
        for axes in panels:
            axes.set_visible(False)
        figure.savefig(HERE / "sodiff-curves.svg", metadata={"Date": None, "Creator": None})


def counted(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    """The rows of a log with how many steps each is the mean of."""
    steps = np.diff([row["step"] for row in rows], prepend=0)
    return [row | {"steps": int(count)} for row, count in zip(rows, steps, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of clean pictures")
    parser.add_argument("--model", default="sodiff", help="as for restora restore")
    parser.add_argument("--limit", type=int, default=None, help="tables: only the first so many")
    parser.add_argument("--side", type=int, default=384, help="tables: of the corner that is used")
    parser.add_argument("--show", action="append", help="picture: a name without suffix, repeated")
    parser.add_argument("--runs", type=Path, nargs="+", default=[], help="folders with log.jsonl")
    arguments = parser.parse_args()
    if arguments.runs:
        draw_curves(arguments.runs)
    if arguments.data is None:
        return
    files = sorted(p for p in arguments.data.iterdir() if p.suffix in (".png", ".webp"))
    shown = files[:3]
    if arguments.show:
        named = {file.stem: file for file in files}
        shown = [named[name] for name in arguments.show]
    restorer = Restorer()
    draw_pictures(restorer, shown, arguments.model)
    files = files[: arguments.limit]
    print_estimates(files, arguments.model, arguments.side)
    print_bins(restorer, files, arguments.model, arguments.side)


if __name__ == "__main__":
    main()
