"""How much of real-world damage is undone on pictures that were not learned from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restora.degradations.real_world import real_world_pixels
from restora.engine.latent_samplers import start_state, walk_latent
from restora.engine.latent_schedule import LatentSchedule
from restora.errors import InputError
from restora.networks.ssp_ir.network import SSPIR
from restora.training.data import photo_files, read_photo
from restora.training.sr_diff.store import TokenMaker
from restora.training.ssp_ir.given import read_pairs
from restora.training.ssp_ir.layout import RealLayout
from restora.training.ssp_ir.recipe import SSPIRRecipe
from restora.training.tasks import Pairs

SEED = 1_000_003  # of the damage; apart from that of training
STEPS = 4
CROP_PX = 192
GIVEN = "given"  # the damage of pairs
SETTINGS: tuple[tuple[int, Literal["light", "full"]], ...] = (
    (1, "light"),
    (2, "full"),
    (4, "full"),
)


@dataclass(frozen=True)
class _Case:
    """The middle of a clean picture and of its damaged form, (1, 3, h, w), 0-1; tokens."""

    clean: Tensor
    degraded: Tensor
    tokens: Tensor


class RealValidation:
    """PSNR that is gained, for light damage, and down to a half and a quarter of the size.

    Of what the Processor makes of pictures, and of a short walk from a fixed noise without a
    caption. On clean pictures, which are damaged here, or on pairs in the published layout, which
    are one damage, ``given``.
    """

    def __init__(
        self, folder: Path, recipe: SSPIRRecipe, make_tokens: TokenMaker, no_words: Tensor
    ) -> None:
        """
        Args:
            folder: Of clean pictures, or the one that holds the folders of pairs.
            recipe: For its network.
            make_tokens: What says what the pictures show.
            no_words: (L, D), the tokens of no caption.
        """
        self._folder, self._recipe, self._make_tokens = folder, recipe, make_tokens
        self._no_words = no_words

    def pairs(self, device: str) -> Pairs:
        """Every clean picture with each of its damaged forms."""
        for cases in self._cases.values():
            for case in cases:
                yield case.clean.to(device), case.degraded.to(device)

    @torch.no_grad()
    def __call__(self, network: SSPIR) -> dict[str, float]:
        """``gain_<damage>`` in dB of the Processor or of a walk, and the mean of all, ``gain``."""
        device = str(next(network.parameters()).device)
        scores: dict[str, float] = {}
        walks = self._recipe.sspir.stage == "restore"
        for name, cases in self._cases.items():
            gains: dict[str, list[float]] = {"gain": [], "processed": []}
            for case in cases:
                degraded = case.degraded.to(device)
                made = network.process(degraded)
                before = _psnr(degraded, case.clean)
                processed = made.picture.clamp(0, 1)
                gains["processed"].append(_psnr(processed, case.clean) - before)
                if walks:
                    tokens, words = case.tokens.to(device), self._no_words[None].to(device)
                    restored = restore(network, degraded, tokens, steps=STEPS, text=words)
                    gains["gain"].append(_psnr(restored.clamp(0, 1), case.clean) - before)
            kept = {key: float(np.mean(each)) for key, each in gains.items() if each}
            kept.setdefault("gain", kept["processed"])
            scores |= {f"{key}_{name}": value for key, value in kept.items()}
        scores["gain"] = float(np.mean([scores[f"gain_{name}"] for name in self._cases]))
        return scores

    @cached_property
    def _cases(self) -> dict[str, list[_Case]]:
        """Those of each damage.

        Raises:
            InputError: There are no pictures, they do not pair up, or the sizes of two do not.
        """
        layout = RealLayout(self._folder)
        if layout.is_there:
            return {GIVEN: [self._case(*both) for both in read_pairs(layout)]}
        return self._made()

    def _made(self) -> dict[str, list[_Case]]:
        files = photo_files(self._folder)
        if not files:
            raise InputError(f"{self._folder}: the folder holds no pictures to validate on.")
        cases: dict[str, list[_Case]] = {f"{scale}_{kind}": [] for scale, kind in SETTINGS}
        for number, file in enumerate(files):
            picture = read_photo(file)
            for place, (scale, kind) in enumerate(SETTINGS):
                seed = (SEED, place, number)
                made = real_world_pixels(picture, seed, strength=kind, scale=scale).pixels
                cases[f"{scale}_{kind}"].append(self._case(picture, made))
        return cases

    def _case(self, clean: NDArray[np.uint8], degraded: NDArray[np.uint8]) -> _Case:
        config = self._recipe.network
        tokens = torch.zeros(1, config.tokens, config.token_dim)
        if self._recipe.sspir.stage == "restore" and config.image:
            tokens = torch.from_numpy(self._make_tokens(degraded))[None].float()
        multiple = config.multiple_px
        return _Case(_centre(clean, multiple), _centre(degraded, multiple), tokens)


@torch.no_grad()
def restore(
    network: SSPIR,
    degraded: Tensor,
    tokens: Tensor,
    *,
    steps: int,
    text: Tensor | None = None,
) -> Tensor:
    """(B, 3, H, W), not clipped, from noise that is always the same, as it is taught: no guidance.

    Args:
        network: The network.
        degraded: (B, 3, H, W), 0-1.
        tokens: (B, T, F), what the encoder says.
        steps: Of the walk.
        text: (B, L, D); None: no caption, as zeros.
    """
    config, count = network.config, len(degraded)
    schedule = LatentSchedule(**config.prior.schedule.model_dump())
    made = network.process(degraded)
    start = network.start_of(degraded, made.picture)
    anchor = network.codec.encode(start)
    image = network.refiner(tokens)
    words = network.no_words(count, config.text_tokens) if text is None else text
    generator = torch.Generator().manual_seed(0)

    def draw(_number: int) -> Tensor:
        return config.temperature * torch.randn(anchor.shape, generator=generator).to(anchor)

    def predict(state: Tensor, t: int) -> Tensor:
        time = torch.full((count,), t, device=state.device)
        found: Tensor = network(state, anchor, time, made.features, words, image)
        return found

    begun = anchor * 0 if config.start == "noise" else anchor
    state = start_state(schedule, begun, draw(0), config.start_step)
    latent = walk_latent(
        schedule,
        state,
        predict,
        draw,
        sampler="dpm-solver++",
        steps=min(steps, config.start_step + 1),
        start_step=config.start_step,
    )
    restored = network.codec.decode(latent)
    if config.keeps_detail:
        restored = restored + start - network.codec.decode(anchor)
    return restored


def _centre(picture: NDArray[np.uint8], multiple_px: int) -> Tensor:
    """The middle of a picture (H, W, 3) as (1, 3, h, w), 0-1."""
    height, width = (min(CROP_PX, n) // multiple_px * multiple_px for n in picture.shape[:2])
    y, x = ((n - m) // 2 for n, m in zip(picture.shape[:2], (height, width), strict=True))
    crop = picture[y : y + height, x : x + width].copy()
    return torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255


def _psnr(a: Tensor, b: Tensor) -> float:
    return float(-10 * torch.log10((a.cpu() - b).square().mean().clamp_min(1e-10)))
