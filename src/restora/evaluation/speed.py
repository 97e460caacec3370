"""How fast this version is, network by network and as a whole, beside the published-size network.

Only figures of one run on one machine may be divided by each other, so one run measures all.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Literal

import numpy as np
import onnxruntime
from pydantic import BaseModel, ConfigDict, Field

from restora.engine.plan import Wishes
from restora.engine.restorer import Restorer
from restora.errors import UsageError
from restora.evaluation.network_speed import (
    PUBLISHED_NAME,
    NetworkSpeed,
    clocked,
    jpeg_models,
    measure_networks,
    missing_exporter,
    published_size,
    shipped,
)
from restora.evaluation.protocols import encode
from restora.evaluation.report import Environment

__all__ = ["SpeedReport", "ToolSpeed", "markdown", "measure_speed", "measure_tool"]

TILE_PX = 512
PUBLISHED_TILE_PX = 256  # a tile of 512 would take most of the time of a run
QUALITIES = (30, 50)  # a session's first setting and its second

Kind = Literal["gray", "color"]
KINDS: tuple[Kind, ...] = ("gray", "color")


class ToolSpeed(BaseModel):
    """The whole way of one JPEG file in memory: reading, planning, restoring; networks loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    kind: Kind
    megapixels: float
    best_seconds_per_megapixel: float
    median_seconds_per_megapixel: float
    first_setting_seconds: float = Field(description="opening a session, with its first quality")
    second_setting_seconds: float = Field(description="another quality in that session")


class SpeedReport(BaseModel):
    """What :func:`measure_speed` found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    networks: tuple[NetworkSpeed, ...]
    tool: tuple[ToolSpeed, ...]
    repeats: int
    threads: int = Field(description="threads inside a network; 0: every core")
    peak_tile_px: int = Field(description="side of the tile that memory was measured with")
    onnxruntime: str
    environment: Environment
    notes: tuple[str, ...] = ()


def measure_speed(
    *,
    repeats: int = 3,
    threads: int = 0,
    published: bool = True,
    megapixels: float = 1.0,
    tile_px: int = TILE_PX,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> SpeedReport:
    """Measure all that ships, and how much faster it is than the published size.

    Args:
        repeats: Turns of each; the best and the median are reported.
        threads: Threads inside a network; 0 takes every core.
        published: Also the published-size network. It needs the train extra; without it the row
            is left out and a note says so.
        megapixels: Size of the JPEG the whole tool restores.
        tile_px: Side of the tile the networks that ship are timed on, a multiple of 16.
        progress: Told how many of how many steps are done.

    Raises:
        UsageError: ``repeats`` is under 1.
    """
    if repeats < 1:
        raise UsageError(f"{repeats} repeats measure nothing; the least is 1.")
    candidates, notes = shipped(tile_px), []
    missing = missing_exporter()
    if published and missing is not None:
        notes.append(
            f"The published-size network is left out: it needs {missing}, "
            "pip install 'restora[train]'."
        )
        published = False
    total = (len(candidates) + published) * (repeats + 2) + published
    total += len(jpeg_models()) * len(KINDS) * (repeats + 1)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    progress(0, total)
    if published:
        side_px = min(PUBLISHED_TILE_PX, tile_px)
        candidates.append(published_size(side_px))
        notes.append(
            f"{PUBLISHED_NAME}: gray, random weights, which cost the same time; timed on a tile "
            f"of {side_px}×{side_px} pixels."
        )
        advance()
    networks = measure_networks(
        candidates, repeats=repeats, threads=threads, peak_tile_px=tile_px, advance=advance
    )
    tool = measure_tool(repeats=repeats, threads=threads, megapixels=megapixels, advance=advance)
    return SpeedReport(
        networks=networks,
        tool=tool,
        repeats=repeats,
        threads=threads,
        peak_tile_px=tile_px,
        onnxruntime=onnxruntime.__version__,
        environment=Environment.here(),
        notes=tuple(notes),
    )


def measure_tool(
    *,
    repeats: int,
    threads: int,
    megapixels: float,
    advance: Callable[[], None] = lambda: None,
) -> tuple[ToolSpeed, ...]:
    """Time :class:`Restorer` on a gray and a colour JPEG with every model that repairs such.

    Args:
        repeats: Turns that count, after one to warm up.
        threads: Threads inside a network; 0 takes every core.
        megapixels: Size of the JPEG.
        advance: Called ``repeats + 1`` times for each model and kind.
    """
    restorer = Restorer(threads=threads)
    files = {kind: _made_jpeg(megapixels, kind) for kind in KINDS}
    cases = [(model.name, kind) for model in jpeg_models() for kind in KINDS]
    seconds: dict[tuple[str, Kind], list[tuple[float, float, float]]] = {c: [] for c in cases}
    for turn in range(-1, repeats):
        for model, kind in cases:
            alone = clocked(restorer.restore, files[kind], Wishes(model=model))
            first, second = _two_settings(restorer, files[kind], model)
            if turn >= 0:
                seconds[model, kind].append((alone, first, second))
            advance()
    rows = []
    for (model, kind), turns in seconds.items():
        alone_s, first_s, second_s = zip(*turns, strict=True)
        rows.append(
            ToolSpeed(
                model=model,
                kind=kind,
                megapixels=megapixels,
                best_seconds_per_megapixel=min(alone_s) / megapixels,
                median_seconds_per_megapixel=statistics.median(alone_s) / megapixels,
                first_setting_seconds=min(first_s),
                second_setting_seconds=min(second_s),
            )
        )
    return tuple(rows)


def markdown(report: SpeedReport) -> str:
    """The report as two Markdown tables and the notes."""
    lines = [
        "| network | parameters | MAC a pixel | file, MB | s/MP, best | s/MP, median "
        "| times faster | peak MB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in report.networks:
        peak = "-" if row.peak_bytes is None else f"{row.peak_bytes / 1e6:.0f}"
        ratio = "-" if row.times_faster is None else f"{row.times_faster:.1f}"
        lines.append(
            f"| {row.name} | {row.parameters / 1e6:.2f} M | {row.macs_per_pixel:,} "
            f"| {row.file_bytes / 1e6:.1f} | {row.best_seconds_per_megapixel:.2f} "
            f"| {row.median_seconds_per_megapixel:.2f} | {ratio} | {peak} |"
        )
    lines += [
        "",
        "| the whole tool | s/MP, best | s/MP, median | first setting, s | second setting, s |",
        "|---|---:|---:|---:|---:|",
    ]
    for tool in report.tool:
        lines.append(
            f"| {tool.model}, {tool.kind} JPEG of {tool.megapixels:g} MP "
            f"| {tool.best_seconds_per_megapixel:.2f} | {tool.median_seconds_per_megapixel:.2f} "
            f"| {tool.first_setting_seconds:.2f} | {tool.second_setting_seconds:.2f} |"
        )
    threads = report.threads or f"every core ({report.environment.cpu_count})"
    side = report.peak_tile_px
    notes = (
        f"ONNX Runtime {report.onnxruntime}, CPU, threads: {threads}; the best and the median of "
        f"{report.repeats}, in turns.",
        f"Peak: memory of loading a network and restoring a tile of {side}×{side} pixels.",
        *report.notes,
    )
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)]) + "\n"


def _two_settings(restorer: Restorer, file: bytes, model: str) -> tuple[float, float]:
    """Seconds of opening a session with its first quality, and of its second."""
    started = time.perf_counter()
    session = restorer.session(file, Wishes(model=model))
    session.restore(quality=QUALITIES[0])
    first = time.perf_counter() - started
    return first, clocked(session.restore, quality=QUALITIES[1])


def _made_jpeg(megapixels: float, kind: Kind) -> bytes:
    """A square JPEG of quality 30 with waves, edges and grain, so that nothing is empty."""
    side = round(np.sqrt(megapixels * 1e6))
    y, x = np.mgrid[:side, :side]
    waves = 128 + 50 * np.sin(x / 9) * np.cos(y / 13) + 40 * ((x // 37 + y // 29) % 2)
    waves += np.random.default_rng(0).normal(0, 6, waves.shape)
    picture = waves if kind == "gray" else np.stack([waves, waves * 0.8, 255 - waves], axis=-1)
    return encode(picture.clip(0, 255).astype(np.uint8), 30)
