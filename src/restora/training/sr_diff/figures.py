"""How near the tokens of degraded pictures are to those of the clean ones, and what refining gives.

Cosines are of standardised tokens: as an encoder gives them they have so much in common that any
two pictures look alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional

from restora.networks.sr_diff.network import SRDiff
from restora.networks.sr_diff.tasks import Task
from restora.training.sr_diff.sources import PairSource

THIRDS = ("mild", "medium", "strong")


@torch.no_grad()
def refinement_figures(network: SRDiff, store: PairSource) -> dict[str, float]:
    """Mean cosines to the clean tokens over the photos held out, before and after refining.

    Names are ``cosine_<which>_<when>`` for all, and with ``_<task>`` or ``_<third>`` behind for a
    part: ``which`` is pooled (the first token) or tokens (all of them, where there are more),
    ``when`` is before or after, and thirds are by strength among the pictures of each task, where
    that is known.

    Returns:
        Nothing where no photo is held out.
    """
    refiner = network.refiner
    device = next(refiner.parameters()).device
    photos = [number for number in range(len(store)) if store.held_out(number)]
    if not photos:
        return {}
    was_training = refiner.training
    refiner.eval()
    sums: dict[str, list[float]] = {}
    for photo, task, third, variant in _held_out(store, photos):
        raw = (store.tokens(photo, task, variant), store.clean_tokens(photo))
        degraded, clean = (
            refiner.project(torch.from_numpy(np.array(t)).to(device).float()[None]) for t in raw
        )
        wanted = refiner.standardised(clean)
        for when, tokens in (("before", degraded), ("after", refiner.refine(degraded))):
            near = functional.cosine_similarity(refiner.standardised(tokens), wanted, dim=2)[0]
            means = {"pooled": float(near[0])}
            if len(near) > 1:
                means["tokens"] = float(near.mean())
            for which, value in means.items():
                for part in ("", f"_{task}", *([f"_{third}"] if third else [])):
                    sums.setdefault(f"cosine_{which}_{when}{part}", []).append(value)
    refiner.train(was_training)
    return {name: float(np.mean(values)) for name, values in sums.items()}


def _held_out(store: PairSource, photos: list[int]) -> Iterator[tuple[int, Task, str | None, int]]:
    """Photo, task, third if known, and variant of every degraded picture of the photos."""
    for task in store.tasks:
        having = sorted(set(photos) & set(store.numbers(task)))
        cases = [
            (store.strength(photo, task, variant), photo, variant)
            for photo in having
            for variant in range(store.variants)
        ]
        if any(math.isnan(strength) for strength, _, _ in cases):
            yield from ((photo, task, None, variant) for _, photo, variant in cases)
            continue
        for place, (_, photo, variant) in enumerate(sorted(cases)):
            yield photo, task, THIRDS[place * len(THIRDS) // len(cases)], variant
