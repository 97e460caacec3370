"""Draws and fills ssp-ir.md: its pictures, its curves, its tables.

    python docs/make_ssp_ir.py --data testsets --pictures --damage testsets/cid22_val/159550.webp
    python docs/make_ssp_ir.py --runs PROCESSOR RESTORE
    python docs/make_ssp_ir.py --tables

Run from the root of the repository. ``--tables`` copies what make_benchmarks.py has measured, and
measures nothing. Writes ``docs/ssp-ir*.png``, ``docs/ssp-ir-curves.svg`` and what stands between
the markers of ``docs/ssp-ir.md``.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from measured_tables import fill_tables
from PIL import Image

from restora.engine.plan import Wishes
from restora.engine.restorer import Restorer
from restora.evaluation.plots import LINES, STYLE
from restora.images.contact_sheet import contact_sheet
from restora.images.enlarge import enlarge_bytes

HERE = Path(__file__).parent
CELL_PX = 240
# Photographs as they are found: the name without suffix, times enlarged, and where the eye should
# look, as shares of height and width.
REAL = (
    ("realsr_building", 1, (0.5, 0.5)),
    ("realsr_dog", 1, (0.5, 0.5)),
    ("realsr_chip", 2, (0.5, 0.5)),
    ("realsr_oldphoto6", 2, (0.5, 0.5)),
)
WORDS_ON = "realsr_dog"
WORDS = ("a dog with long fur", "a brick wall")
WORDS_BY: dict[str, dict[str, float]] = {
    "as shipped": {},
    "guidance 3": {"text_guidance": 3.0},
    "10 steps, noise, guidance 3": {"text_guidance": 3.0, "steps": 10, "temperature": 1.0},
}
AMPLIFIED = 16
DAMAGE_SEED = 70
SETTINGS = {"1_light": "x1 light", "2_full": "x2 full", "4_full": "x4 full"}
# Of each stage: its name, and the key of its log that no other stage has.
STAGES = {"all of it": "diffusion", "Processor alone": "rgb"}


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def photo(data: Path, name: str) -> np.ndarray:
    return read(next((data / "real_degraded").glob(f"{name}.*")))


def restored(restorer: Restorer, pixels: np.ndarray, **wishes: object) -> np.ndarray:
    """What one sample makes of it, ``(H, W, 3)`` 0-255."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    asked = Wishes.model_validate({"task": "real", **wishes})
    found = restorer.restore(file.getvalue(), asked).picture.pixels
    return np.rint(found * 255).astype(np.uint8)


def square(
    pixels: np.ndarray, at: tuple[float, float] = (0.5, 0.5), side_px: int | None = None
) -> np.ndarray:
    """A square around a place, the largest unless told, scaled to the cell, as 0-1."""
    height, width = pixels.shape[:2]
    side = min(height, width, side_px or height)
    top, left = (
        round(min(max(share * length - side / 2, 0), length - side))
        for share, length in zip(at, (height, width), strict=True)
    )
    cut = Image.fromarray(pixels[top : top + side, left : left + side])
    scaled = cut.resize((CELL_PX, CELL_PX), Image.Resampling.LANCZOS)
    return np.asarray(scaled, np.float32) / 255


def draw_real(restorer: Restorer, data: Path, model: str) -> None:
    """Photographs before and after, whole or, where they are large, their middle."""
    cells = []
    for name, times, at in REAL:
        before = photo(data, name)
        after = restored(restorer, before, model=model, upscale=times)
        label = "before" if times == 1 else f"before, {times} times bicubic"
        # Two pixels of the sheet a pixel at most, that what was done is seen.
        cells.append((label, square(enlarge_bytes(before, times), at, side_px=CELL_PX)))
        cells.append(("after", square(after, at, side_px=CELL_PX)))
    save(cells, "ssp-ir-before-after.png", columns=4)


def draw_captions(restorer: Restorer, data: Path, model: str) -> None:
    """One picture by two captions, as shipped and with guidance, and how far these are apart."""
    before = photo(data, WORDS_ON)
    cells: list[tuple[str, np.ndarray]] = []
    for told, wishes in WORDS_BY.items():
        found = [restored(restorer, before, model=model, prompt=words, **wishes) for words in WORDS]
        cells += [(f"{told}: {w}", square(p)) for w, p in zip(WORDS, found, strict=True)]
        apart = (found[0].astype(np.float32) - found[1]) * AMPLIFIED + 128
        shown = np.rint(apart.clip(0, 255)).astype(np.uint8)
        largest = int(np.abs(found[0].astype(int) - found[1]).max())
        cells.append((f"{AMPLIFIED} times the difference, at most {largest}", square(shown)))
    save(cells, "ssp-ir-captions.png", columns=3)


def draw_damage(path: Path) -> None:
    """A clean picture on its way through both rounds of the published chain."""
    from restora.degradations.real_world.drawing import draw  # noqa: PLC0415 - needs PyTorch

    clean = read(path)
    settings = draw(np.random.default_rng(DAMAGE_SEED), strength="full", scale=4)
    stages = list(_stages(clean, settings))
    save([(label, square(pixels)) for label, pixels in stages], "ssp-ir-damage.png", columns=3)


def _stages(clean: np.ndarray, settings: object) -> Iterator[tuple[str, np.ndarray]]:
    """Each stage by itself, as ``restora.degradations.real_world`` applies them."""
    import torch  # noqa: PLC0415
    from torch import Tensor  # noqa: PLC0415

    from restora.degradations.real_world.kernels import filtered  # noqa: PLC0415
    from restora.degradations.real_world.noise import noisy  # noqa: PLC0415
    from restora.degradations.real_world.pipeline import apply, compressed  # noqa: PLC0415
    from restora.degradations.real_world.resize import resized, size_at  # noqa: PLC0415

    def shown(x: Tensor) -> np.ndarray:
        return (x[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()

    def percent(size: tuple[int, int]) -> str:
        return f"{100 * size[0] / full[0]:.0f} %"

    channels_first = np.ascontiguousarray(clean.transpose(2, 0, 1))
    start = torch.from_numpy(channels_first)[None].float() / 255
    course, full = settings.course, clean.shape[:2]
    yield "clean", clean
    x, rounds = start, (course.first, course.second / course.scale)
    for number, factor in enumerate(rounds):
        turn = number + 1
        blur, noise = settings.blurs[number], settings.noises[number]
        size = size_at(full, factor)
        x = resized(filtered(x, [blur]), size, course.interpolations[number])
        wide = "no blur" if blur is None else f"blur {blur.width_px:.1f} px"
        yield f"{turn}: {wide}, size {percent(size)}", shown(x)
        x = noisy(x, [noise])
        yield f"{turn}: {noise.kind} noise", shown(x)
        if number == 0 or not course.jpeg_last:
            x = compressed(x, [settings.qualities[number]])
            yield f"{turn}: JPEG {settings.qualities[number]}", shown(x)
    small = size_at(full, 1 / course.scale)
    x = filtered(resized(x, small, course.interpolations[2]), [settings.sinc])
    ringing = "no ringing" if settings.sinc is None else "ringing"
    yield f"size {percent(small)}, {ringing}", shown(x)
    if course.jpeg_last:
        x = compressed(x, [settings.qualities[1]])
        yield f"2: JPEG {settings.qualities[1]}", shown(x)
    yield "enlarged: what is restored", shown(apply(start, [settings]))


def save(cells: Sequence[tuple[str, np.ndarray]], name: str, *, columns: int) -> None:
    sheet = contact_sheet(cells, columns=columns, largest_px=CELL_PX)
    sheet.save(HERE / name, optimize=True)


def draw_curves(runs: Sequence[Path]) -> None:
    """Gains on pictures not learned from, by stage; runs of one stage follow each other."""
    rows_of: dict[str, list[dict[str, float]]] = {}
    for run in runs:
        rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
        known = {key for row in rows for key in row}
        name = next(name for name, key in STAGES.items() if key in known)
        before = rows_of.setdefault(name, [])
        spent = before[-1]["seconds"] if before else 0
        before += [row | {"seconds": spent + row["seconds"]} for row in rows]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2 + 3.4 * len(rows_of), 3.2), layout="constrained")
        panels = figure.subplots(1, len(rows_of), squeeze=False)[0]
        for (name, rows), axes in zip(rows_of.items(), panels, strict=True):
            for number, (key, legend) in enumerate(SETTINGS.items()):
                for line, score in (("--", "processed"), ("-", "gain")):
                    told = [row for row in rows if f"{score}_{key}" in row]
                    points = [(row["seconds"] / 60, row[f"{score}_{key}"]) for row in told]
                    if points:
                        axes.plot(
                            *zip(*points, strict=True),
                            line,
                            color=LINES[number % len(LINES)],
                            label=legend if line == "-" else None,
                        )
            axes.set_title(name)
            axes.set_xlabel("minutes")
            axes.set_ylabel("gain, dB (dashed: the Processor)")
            axes.legend()
        figure.savefig(HERE / "ssp-ir-curves.svg", metadata={"Date": None, "Creator": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("testsets"), help="the test sets")
    parser.add_argument("--model", default="ssp-ir", help="as for restora restore")
    parser.add_argument("--pictures", action="store_true", help="draw the pictures")
    parser.add_argument("--damage", type=Path, help="a clean photo: draw the stages of its damage")
    parser.add_argument("--runs", type=Path, nargs="+", default=[], help="folders with log.jsonl")
    parser.add_argument("--tables", action="store_true", help="copy what was measured")
    arguments = parser.parse_args()
    if arguments.damage is not None:
        draw_damage(arguments.damage)
    if arguments.pictures:
        restorer = Restorer()
        draw_real(restorer, arguments.data, arguments.model)
        draw_captions(restorer, arguments.data, arguments.model)
    if arguments.runs:
        draw_curves(arguments.runs)
    if arguments.tables:
        fill_tables(HERE / "ssp-ir.md")


if __name__ == "__main__":
    main()
