"""Patches of damaged photos beside the clean ones, with words and image tokens of the whole photo.

Shapes: B patches of P×P pixels; L text tokens of D numbers; T image tokens of F numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restora.degradations.by_task import REAL
from restora.degradations.real_world import degrade_real
from restora.degradations.real_world.drawing import SCALES
from restora.errors import InputError
from restora.training.data import cut_alike, planes_of
from restora.training.sr_diff.store import PairStore
from restora.training.ssp_ir.recipe import SSPIRRecipe

LIGHT_SHARE = 0.5  # of mixed damage


@dataclass(frozen=True)
class RealBatch:
    """One step's pairs.

    Attributes:
        clean: (B, 3, P, P) float32 in 0-1.
        degraded: The same place in the damaged photo.
        text: (B, L, D) float32, what the clean photo's caption says; zeros without one.
        tokens: (B, T, F) float32, what the encoder says of the whole damaged photo.
        keep_image: (B,) bool, where image tokens are given.
        dice: (B,) float32, 0-1 at random, for the timestep.
    """

    clean: Tensor
    degraded: Tensor
    text: Tensor
    tokens: Tensor
    keep_image: Tensor
    dice: Tensor


class RealPairs:
    """Batches of patches: that of a step is a pure function of the seed and the step."""

    def __init__(
        self,
        store: PairStore,
        recipe: SSPIRRecipe,
        text: NDArray[np.float16] | None,
        no_text: Tensor,
    ) -> None:
        """
        Args:
            store: Photos, their damaged copies and image tokens.
            recipe: What to train.
            text: (photos, L, D), of their captions; None: the stage reads none.
            no_text: (L, D), where there is no caption.

        Raises:
            InputError: No photo is large enough.
        """
        side = recipe.data.patch_px
        self._store, self._recipe = store, recipe
        self._text, self._no_text = text, no_text.numpy()
        self._usable = [n for n in range(len(store)) if min(store.clean(n).shape[:2]) >= side]
        if not self._usable:
            raise InputError(f"no photo is at least {side} pixels wide and high.")

    def batch(self, step: int, *, device: str = "cpu") -> RealBatch:
        """The pairs of optimiser step ``step``."""
        recipe, store = self._recipe, self._store
        section = recipe.sspir
        rng = np.random.default_rng((recipe.train.seed, step))
        count, side = recipe.data.batch, recipe.data.patch_px
        numbers = [self._usable[n] for n in rng.integers(len(self._usable), size=count)]
        variants = rng.integers(store.variants, size=count).tolist()
        cut = [
            cut_alike(rng, (store.clean(number), store.degraded(number, REAL, variant)), side)
            for number, variant in zip(numbers, variants, strict=True)
        ]
        clean, degraded = (planes_of(np.stack(part), device) for part in zip(*cut, strict=True))
        if section.fresh:
            degraded = self._damage(clean, rng)
        said = rng.random(count) >= section.caption_drop
        keep_image = rng.random(count) >= section.image_drop
        dice = rng.random(count, np.float32)
        return RealBatch(
            clean=clean,
            degraded=degraded,
            text=torch.from_numpy(self._words(numbers, said)).to(device),
            tokens=torch.from_numpy(self._tokens(numbers, variants)).to(device),
            keep_image=torch.from_numpy(keep_image).to(device),
            dice=torch.from_numpy(dice).to(device),
        )

    def _damage(self, clean: Tensor, rng: np.random.Generator) -> Tensor:
        """Each patch damaged anew."""
        if self._recipe.sspir.damage == "published":
            return degrade_real(clean, rng, strength="full", scale=4)
        parts = []
        for patch in torch.split(clean, 1):
            scale = int(rng.choice(SCALES))
            light = rng.random() < LIGHT_SHARE
            parts.append(
                degrade_real(patch, rng, strength="light" if light else "full", scale=scale)
            )
        return torch.cat(parts)

    def _words(self, numbers: Sequence[int], said: NDArray[np.bool_]) -> NDArray[np.float32]:
        shape = (len(numbers), *self._no_text.shape)
        if self._text is None:
            return np.broadcast_to(self._no_text, shape).astype(np.float32)
        given = self._text[np.asarray(numbers)].astype(np.float32)
        words = np.where(said[:, None, None], given, self._no_text).astype(np.float32)
        if self._recipe.network.null_text == "zeros":
            return words
        # A pretrained base has never met padding of zeros.
        return with_nothing_behind(words, self._no_text)

    def _tokens(self, numbers: Sequence[int], variants: Sequence[int]) -> NDArray[np.float32]:
        config = self._recipe.network
        if self._recipe.sspir.stage != "restore" or not config.image:
            return np.zeros((len(numbers), config.tokens, config.token_dim), np.float32)
        chosen = zip(numbers, variants, strict=True)
        return np.stack([self._store.tokens(n, REAL, v) for n, v in chosen]).astype(np.float32)


def with_nothing_behind(
    texts: NDArray[np.float32], no_text: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Texts (B, L, D) without padding of zeros: as short as the longest allows.

    What is behind a shorter one are windows of nothing, which is what its encoder makes of padding.

    Args:
        texts: Zeros behind the end.
        no_text: (L, D), that of an empty text, a window with its marks; zeros behind it too.
    """
    ends = [_length(text) for text in texts]
    window = no_text[1 : max(2, _length(no_text) - 1)]
    padded = texts[:, : max(ends)].copy()
    for text, end in zip(padded, ends, strict=True):
        if end < len(text):
            text[end:] = window[np.arange(end - 1, len(text) - 1) % len(window)]
    return padded


def _length(text: NDArray[np.float32]) -> int:
    """Tokens of a text (L, D) before its padding of zeros."""
    return int(np.flatnonzero(text.any(axis=1))[-1]) + 1
