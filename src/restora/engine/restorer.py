"""The Restorer: picture in, result out. Stateless but for the networks it has loaded."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restora._optional import require
from restora.engine.backend import PREDICT, Backend
from restora.engine.backend_ort import OrtBackend
from restora.engine.estimate import estimate_quality
from restora.engine.plan import Plan, Wishes, choose_route, make_plan
from restora.engine.tiles import TileGrid, lay_grid, run_tiled
from restora.images import Picture, read_bytes, read_file, write
from restora.jpeg import JpegFacts, inspect
from restora.weights.registry import find_model, load_card, load_weight

Floats = NDArray[np.float32]
Progress = Callable[[int, int], None]  # (tiles done, tiles in all)


@dataclass(frozen=True)
class Result:
    """A restored picture and how it came about.

    Attributes:
        picture: The restored picture, with everything its file held.
        plan: What was done.
        facts: What the file knew, if it was a JPEG.
        seconds: Time spent, reading and planning included.
    """

    picture: Picture
    plan: Plan
    facts: JpegFacts | None
    seconds: float

    def save(
        self, path: str | Path, *, bits: int | None = None, quality: int | None = None
    ) -> None:
        """Write the picture; the suffix says the format. See :func:`restora.images.write`."""
        write(self.picture, Path(path), bits=bits, quality=quality)

    def report(self) -> dict[str, Any]:
        """Everything but the pixels, ready for JSON."""
        return {
            "width_px": self.picture.width_px,
            "height_px": self.picture.height_px,
            "plan": self.plan.model_dump(mode="json"),
            "notes": list(self.picture.notes),
            "seconds": round(self.seconds, 3),
        }


class Restorer:
    """Restores pictures. One object serves many threads.

    Example:
        >>> Restorer().restore("photo.jpg").save("photo.png")  # doctest: +SKIP
    """

    def __init__(self, *, device: str = "cpu", threads: int = 0) -> None:
        """Nothing is loaded before it is needed.

        Args:
            device: ``"cpu"`` runs ONNX Runtime; ``"cuda"``, ``"mps"`` and the like run PyTorch.
            threads: CPU threads inside a network; 0 takes every core.
        """
        self._device = device
        self._threads = threads
        self._backends: dict[str, Backend] = {}
        self._lock = threading.Lock()

    def restore(
        self,
        source: str | Path | bytes,
        wishes: Wishes | None = None,
        *,
        name: str = "picture",
        salvage: bool = False,
        max_pixels: int | None = None,
        accept: Callable[[Picture], None] = lambda _: None,
        progress: Progress = lambda *_: None,
    ) -> Result:
        """Restore one file.

        Args:
            source: A path, or the bytes of a file.
            wishes: What to do; None means everything by itself.
            name: How messages call ``source`` when it is bytes.
            salvage: Restore the part of a truncated file that decodes.
            max_pixels: Refuse pictures with more pixels than this; None means the usual limit.
            accept: Called with the picture as read, before any work; may refuse it by raising.
            progress: Called with (tiles done, tiles in all).

        Raises:
            InputError: The file cannot be used.
            UsageError: A wish makes no sense.
        """
        started = time.monotonic()
        wishes = (wishes or Wishes()).checked()
        find_model(wishes.model)  # a wrong name is told before a large file is decoded
        if isinstance(source, bytes):
            data = source
        else:
            name, data = str(source), read_file(Path(source))
        limit = {} if max_pixels is None else {"max_pixels": max_pixels}
        picture = read_bytes(data, name=name, salvage=salvage, **limit)
        accept(picture)
        facts = inspect(data, name=name) if picture.format in ("JPEG", "MPO") else None
        del data
        plan = self.plan(picture, facts, wishes)
        restored = self.run(picture, plan, progress=progress)
        return Result(restored, plan, facts, time.monotonic() - started)

    def load(self, model: str) -> None:
        """Load the networks of a model now instead of with the first picture.

        Raises:
            MissingExtra: The device needs PyTorch, which is not installed.
            UsageError: There is no such model, or no such device here.
        """
        found = find_model(model)
        for weight in (found.gray, found.color):
            self._backend(weight)

    def plan(self, picture: Picture, facts: JpegFacts | None, wishes: Wishes) -> Plan:
        """Decide what to do with a picture; see :func:`restora.engine.plan.make_plan`."""
        seen = None
        if wishes.quality is None:
            route, weights, _ = choose_route(picture, find_model(wishes.model))
            planes = _planes(picture, route)[0]
            seen = estimate_quality(planes, self._backend(weights[0]))
        return make_plan(picture, facts, wishes, seen_quality=seen)

    def run(
        self,
        picture: Picture,
        plan: Plan,
        *,
        progress: Progress = lambda *_: None,
    ) -> Picture:
        """Carry out a plan."""
        grid = lay_grid(
            picture.height_px, picture.width_px, tile_px=plan.tile_px, overlap_px=plan.overlap_px
        )
        total, done = len(grid) * len(plan.weights), 0
        restored = []
        for planes, weight in zip(_planes(picture, plan.route), plan.weights, strict=True):

            def advance() -> None:
                nonlocal done
                done += 1
                progress(done, total)

            restored.append(
                self._restore_planes(planes, plan, weight=weight, grid=grid, advance=advance)
            )
        pixels = _assemble(restored, plan.route)
        return picture.with_pixels(pixels)

    def _restore_planes(
        self,
        planes: Floats,
        plan: Plan,
        *,
        weight: str,
        grid: TileGrid,
        advance: Callable[[], None],
    ) -> Floats:
        backend = self._backend(weight)
        quality = PREDICT if plan.quality is None else plan.quality
        share = np.float32(plan.strength / 100)

        def operator(tile: Floats) -> Floats:
            out = np.clip(backend.run(tile, quality)[0], 0, 1)
            return out if plan.strength == 100 else tile + share * (out - tile)

        return run_tiled(planes, operator, grid, progress=advance)

    def _backend(self, weight: str) -> Backend:
        with self._lock:
            if weight not in self._backends:
                if self._device == "cpu":
                    self._backends[weight] = OrtBackend(load_weight(weight), threads=self._threads)
                else:
                    self._backends[weight] = _torch_backend(weight, self._device)
            return self._backends[weight]


@functools.cache
def shared_restorer(device: str, threads: int) -> Restorer:
    """One Restorer for each way to run, so that networks are loaded once a process."""
    return Restorer(device=device, threads=threads)


def _torch_backend(weight: str, device: str) -> Backend:
    require("torch", extra="train")
    from restora.engine.backend_torch import TorchBackend  # noqa: PLC0415 - needs PyTorch
    from restora.networks.fbcnn import FBCNNConfig  # noqa: PLC0415 - needs PyTorch

    config = FBCNNConfig.model_validate(load_card(weight).training.recipe["network"])
    return TorchBackend(load_weight(weight), config, device=device)


def _planes(picture: Picture, route: str) -> list[Floats]:
    """The arrays the networks of a route take, each (H, W, 1 or 3), 0-1."""
    pixels = picture.pixels
    if route == "neutral":
        return [pixels[..., :1]]
    if route == "cmyk":
        # Inks are dark where they are large; the networks know light.
        return [1 - pixels[..., :3], 1 - pixels[..., 3:]]
    return [pixels]


def _assemble(restored: list[Floats], route: str) -> Floats:
    """Undo :func:`_planes`."""
    if route == "neutral":
        return np.repeat(restored[0], 3, axis=2)
    if route == "cmyk":
        return 1 - np.concatenate(restored, axis=2)
    return restored[0]
