"""Time and memory of networks alone, in ONNX Runtime on the CPU, on tiles of noise.

A tile is a picture of its own: what a network sees of the whole picture, such as DAGN's codes or
SODiff's prompt, counts once for each tile. A network that restores the picture first has a row of
its own; only the tool's rows have both together.

They take turns (A, B, C, A, B, C ...), so that whatever else the machine does slows all of them
alike, and the best of the turns is what the machine can do.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from restora._optional import require
from restora.engine.backend_ort import channels_first, load_session
from restora.engine.models import ORT_BACKENDS, tasks_of
from restora.errors import RestoraError
from restora.weights.registry import MODELS, Model, load_card, load_weight

__all__ = [
    "PUBLISHED_NAME",
    "WHOLE",
    "Candidate",
    "NetworkSpeed",
    "clocked",
    "forms_of",
    "jpeg_models",
    "measure_networks",
    "missing_exporter",
    "published_size",
    "shipped",
]

PUBLISHED_NAME = "FBCNN, published size"
QUALITY = 30.0
WHOLE = "whole"  # as a method: one graph, the quality among its inputs

Floats = NDArray[np.float32]

# PyTorch runs in a process of its own: its threads and its memory would change what is measured.
EXPORT = """
import json, sys
from pathlib import Path
from restora.networks.cost import count_macs_per_pixel
from restora.networks.fbcnn import FBCNN, FBCNNConfig
from restora.training.export import export_onnx
network = FBCNN(FBCNNConfig.model_validate_json(sys.argv[1]))
facts = {
    "channels": network.config.channels,
    "parameters": sum(p.numel() for p in network.parameters()),
    "macs_per_pixel": count_macs_per_pixel(network),
}
Path(sys.argv[2], "facts.json").write_text(json.dumps(facts))
Path(sys.argv[2], "network.onnx").write_bytes(export_onnx(network))
"""
PEAK = (
    "import sys; from restora.evaluation.network_speed import tell_peak; tell_peak(*sys.argv[1:])"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network to measure.

    Attributes:
        name: For the table.
        method: As on a card, or :data:`WHOLE`.
        models: ONNX files: the parts of the method in their order, or the one graph, which sees
            ``picture`` (1, C, H, W) and ``quality`` (1,).
        channels, parameters, macs_per_pixel: As on a card.
        tile_px: Side of the tile to time it on, a multiple of 16.
    """

    name: str
    method: str
    models: tuple[bytes, ...]
    channels: int
    parameters: int
    macs_per_pixel: int
    tile_px: int


class NetworkSpeed(BaseModel):
    """What was measured of one network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    parameters: int
    macs_per_pixel: int = Field(description="multiply-adds for each pixel")
    file_bytes: int
    tile_px: int = Field(description="side of the tile that was timed")
    best_seconds_per_megapixel: float
    median_seconds_per_megapixel: float
    peak_bytes: int | None = Field(
        description="memory that loading it and restoring a tile takes; None where the system "
        "does not tell"
    )
    times_faster: float | None = Field(description="than the published-size network, in this run")


def shipped(tile_px: int) -> list[Candidate]:
    """Every weight of the registry that repairs JPEG artifacts, in all its forms."""
    weights = dict.fromkeys(weight for model in jpeg_models() for weight in model.weights)
    return [each for weight in weights for each in forms_of(weight, tile_px)]


def jpeg_models() -> tuple[Model, ...]:
    """The models of the registry that repair JPEG artifacts; ``restora bench walk`` has others."""
    return tuple(model for model in MODELS if not tasks_of(model))


def forms_of(weight: str, tile_px: int) -> list[Candidate]:
    """A weight, the name of one that ships or a card's path; its 8-bit form second, if any."""
    card = load_card(weight)
    candidates = []
    for suffix in ("", ".int8"):
        parts = card.parts(int8=bool(suffix))
        if not all(part in card.files for part in parts):
            continue
        candidates.append(
            Candidate(
                name=card.name + suffix.replace(".", ", "),
                method=card.method,
                models=tuple(load_weight(weight, part) for part in parts),
                channels=card.channels,
                parameters=card.parameters,
                macs_per_pixel=card.macs_per_pixel,
                tile_px=tile_px,
            )
        )
    return candidates


def missing_exporter() -> str | None:
    """The first module that :func:`published_size` needs and that is not installed."""
    needed = ("torch", "onnx", "onnxscript")
    return next((module for module in needed if find_spec(module) is None), None)


def published_size(tile_px: int, config: dict[str, Any] | None = None) -> Candidate:
    """FBCNN as published, gray (71.9 M parameters), with random weights: they cost the same time.

    Args:
        tile_px: Side of the tile to time it on.
        config: Other numbers for :class:`restora.networks.fbcnn.FBCNNConfig`.

    Raises:
        MissingExtra: The exporter is not installed.
        RestoraError: The export failed.
    """
    if missing := missing_exporter():
        require(missing, extra="train")
    with TemporaryDirectory() as folder:
        _python(EXPORT, json.dumps(config or {}), folder)
        facts = json.loads(Path(folder, "facts.json").read_bytes())
        model = Path(folder, "network.onnx").read_bytes()
    return Candidate(name=PUBLISHED_NAME, method=WHOLE, models=(model,), tile_px=tile_px, **facts)


def measure_networks(
    candidates: Sequence[Candidate],
    *,
    repeats: int,
    threads: int,
    peak_tile_px: int,
    advance: Callable[[], None] = lambda: None,
) -> tuple[NetworkSpeed, ...]:
    """Time the candidates in turns, after one turn to warm up; then measure their memory.

    Args:
        candidates: The networks; one named :data:`PUBLISHED_NAME` gives the others their ratio.
        repeats: Turns that count.
        threads: Threads inside a network; 0 takes every core.
        peak_tile_px: Side of the tile that memory is measured with.
        advance: Called ``repeats + 2`` times for each candidate.
    """
    networks = [_load(each.method, each.models, threads=threads) for each in candidates]
    tiles = [_tile(candidate.channels, candidate.tile_px) for candidate in candidates]
    seconds: list[list[float]] = [[] for _ in candidates]
    for turn in range(-1, repeats):
        for candidate, network, tile, found in zip(
            candidates, networks, tiles, seconds, strict=True
        ):
            taken = clocked(network, tile)
            if turn >= 0:
                found.append(taken / (candidate.tile_px**2 / 1e6))
            advance()
    del networks, tiles
    published = [
        min(found)
        for candidate, found in zip(candidates, seconds, strict=True)
        if candidate.name == PUBLISHED_NAME
    ]
    rows = []
    for candidate, found in zip(candidates, seconds, strict=True):
        compared = published and candidate.name != PUBLISHED_NAME
        rows.append(
            NetworkSpeed(
                name=candidate.name,
                parameters=candidate.parameters,
                macs_per_pixel=candidate.macs_per_pixel,
                file_bytes=sum(map(len, candidate.models)),
                tile_px=candidate.tile_px,
                best_seconds_per_megapixel=min(found),
                median_seconds_per_megapixel=statistics.median(found),
                peak_bytes=_peak_bytes(candidate, tile_px=peak_tile_px, threads=threads),
                times_faster=published[0] / min(found) if compared else None,
            )
        )
        advance()
    return tuple(rows)


def clocked(work: Callable[..., object], *arguments: object, **named: object) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    work(*arguments, **named)
    return time.perf_counter() - started


def tell_peak(method: str, channels: str, tile_px: str, threads: str, *paths: str) -> None:
    """Print how many bytes loading a network and restoring a tile add to this process."""
    tile = _tile(int(channels), int(tile_px))
    before = _high_water_bytes()
    _load(method, [Path(path).read_bytes() for path in paths], threads=int(threads))(tile)
    sys.stdout.write(str(_high_water_bytes() - before))


def _peak_bytes(candidate: Candidate, *, tile_px: int, threads: int) -> int | None:
    if os.name != "posix":
        return None
    with TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.onnx") for number in range(len(candidate.models))]
        for path, model in zip(paths, candidate.models, strict=True):
            path.write_bytes(model)
        numbers = (candidate.channels, tile_px, threads)
        return int(_python(PEAK, candidate.method, *map(str, numbers), *map(str, paths)))


def _high_water_bytes() -> int:
    """The most memory this process has held so far."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: on Linux a new process starts with the value of the one that made it.
        line = next(one for one in status.read_text().splitlines() if one.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource  # noqa: PLC0415 - Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _load(method: str, models: Sequence[bytes], *, threads: int) -> Callable[[Floats], object]:
    """The files of a network as one function of a tile (1, H, W, C)."""
    if method == WHOLE:
        session = load_session(models[0], threads)
        quality = np.array([QUALITY], np.float32)
        return lambda tile: session.run(None, {"picture": channels_first(tile), "quality": quality})
    backend = ORT_BACKENDS[method](*models, threads=threads)
    return lambda tile: backend.decode(backend.encode(tile), QUALITY)


def _tile(channels: int, tile_px: int) -> Floats:
    return np.random.default_rng(0).random((1, tile_px, tile_px, channels), np.float32)


def _python(code: str, *arguments: str) -> str:
    """What ``code`` prints, run by this interpreter in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise RestoraError(
            f"A measuring process ended with {done.returncode}: "
            f"{said[-1] if said else 'without a word'}"
        )
    return done.stdout
