"""Carrying out a plan: encode, decode, blend, fix the colours, keep to the evidence."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence

import numpy as np

from restora.engine.backend import PREDICT, Backend, Encoded, Floats, Guidance
from restora.engine.colour_fix import fix_colours
from restora.engine.noise import NoiseField
from restora.engine.plan import Plan
from restora.engine.routes import join, split
from restora.engine.tiles import lay_grid, run_tiled
from restora.images import Picture
from restora.jpeg.constraint import Bins, constrain

Progress = Callable[[int, int], None]  # (tiles done, tiles in all)
Memory = MutableMapping[tuple[str, int], Encoded]  # (weight, first tile of a batch)


def render(
    picture: Picture,
    plan: Plan,
    backends: Sequence[Backend],
    *,
    bins: Bins | None = None,
    guidance: Guidance | None = None,
    start: Picture | None = None,
    memory: Memory | None = None,
    batch: int = 1,
    progress: Progress = lambda *_: None,
) -> Picture:
    """Restore a picture.

    Args:
        picture: The picture.
        plan: What to do.
        backends: A network for each of the plan's weights.
        bins: The file's quantisation bins, where the plan keeps to them.
        guidance: What the first network's survey of the picture told; None: it is not known yet.
        start: What the networks start from, where it is not the picture itself; what they are told
            of the whole is still told of the picture.
        memory: Where encoded tiles are kept and found again; None keeps none. Tiles depend on
            nothing in a plan but ``tile_px``, ``ensemble``, ``precision``, ``seed``, ``task``,
            ``steps`` and ``samples``, and on words, guidance, sampler and temperature where
            there are any.
        batch: Tiles a network gets at once.
        progress: Called with (tiles done, tiles in all).
    """
    grid = lay_grid(
        picture.height_px,
        picture.width_px,
        tile_px=plan.tile_px,
        overlap_px=plan.overlap_px,
        grid_px=plan.grid_px,
    )
    quality = PREDICT if plan.quality is None else plan.quality
    insist = plan.quality_source == "asked"
    share = np.float32(plan.strength / 100)
    total, done = len(grid) * len(backends), 0

    def advance(tiles: int) -> None:
        nonlocal done
        done += tiles
        progress(done, total)

    seen_by_each = split(picture.pixels, plan.route)
    begun_by_each = seen_by_each if start is None else split(start.pixels, plan.route)
    noise = None if plan.seed is None else NoiseField(plan.seed, grid)
    places = list(grid)
    restored: list[Floats] = []
    each = zip(plan.weights, seen_by_each, begun_by_each, backends, strict=True)
    for weight, planes, source, backend in each:
        seen = None if memory is None else memory.get((weight, 0))
        told = None if restored else guidance
        if seen is not None:  # what one tile was told, all were told
            told = seen.guidance
        elif told is None:
            told = backend.survey(planes, check=lambda: advance(0))

        def operator(
            tiles: Floats,
            first: int,
            weight: str = weight,
            backend: Backend = backend,
            told: Guidance | None = told,
        ) -> Floats:
            encoded = None if memory is None else memory.get((weight, first))
            if encoded is None:
                some = places[first : first + len(tiles)]
                draw = None if noise is None else noise.of(some)
                encoded = backend.encode(tiles, told, draw=draw)
                if memory is not None:
                    memory[weight, first] = encoded
            return np.clip(backend.decode(encoded, quality, insist=insist), 0, 1)

        restored.append(run_tiled(source, operator, grid, batch=batch, progress=advance))
    pixels = join(restored, plan.route, picture.pixels)
    if plan.color_fix != "none":  # over the whole: tiles would each be fixed by themselves
        fix_colours(pixels, picture.pixels, plan.color_fix, out=pixels)
    if plan.strength != 100:  # in place, here and below: a picture may be most of the memory
        pixels -= picture.pixels
        pixels *= share
        pixels += picture.pixels
    if plan.constraint != "off":
        if bins is None:
            raise ValueError("a plan with a constraint needs the file's bins")
        constrain(pixels, bins, mode=plan.constraint, half_width=plan.half_width, out=pixels)
    return picture.with_pixels(pixels)
