"""How much of the damage is undone on pictures that were not learned from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restora.degradations.by_task import degrade
from restora.engine.samplers import sample
from restora.errors import InputError, UsageError
from restora.images.pairs import Pair
from restora.networks.sr_diff.network import SRDiff, one_hot
from restora.networks.sr_diff.tasks import Task
from restora.training.data import photo_files, read_photo
from restora.training.sr_diff.layout import Layout
from restora.training.sr_diff.recipe import SRDiffRecipe
from restora.training.sr_diff.store import TokenMaker
from restora.training.tasks import Pairs

SEED = 1_000_003  # of the damage; apart from that of training
STEPS_MAX = 4  # of the walk as it ships, which may have many more
CROP_PX = 192


@dataclass(frozen=True)
class _Case:
    """The middle of a clean picture and of its degraded form, (1, 3, h, w), 0-1, and tokens."""

    clean: Tensor
    degraded: Tensor
    tokens: Tensor


class RestorationValidation:
    """PSNR that is gained by a short walk from a fixed noise, task by task.

    On clean pictures, which are damaged here, or on the pairs of ``val`` in the published layout.
    They are read when they are first wanted, for not every stage restores.
    """

    def __init__(self, folder: Path, recipe: SRDiffRecipe, make_tokens: TokenMaker) -> None:
        """
        Args:
            folder: Of clean pictures, or the one that holds ``val``.
            recipe: For its tasks.
            make_tokens: What says what the pictures show.
        """
        self._folder, self._network, self._make_tokens = folder, recipe.network, make_tokens

    def pairs(self, device: str) -> Pairs:
        """Every clean picture with each of its degraded forms."""
        for cases in self._cases.values():
            for case in cases:
                yield case.clean.to(device), case.degraded.to(device)

    @torch.no_grad()
    def __call__(self, network: SRDiff) -> dict[str, float]:
        """``gain_<task>`` and ``psnr_<task>`` in dB, means over the pictures, and their mean."""
        device = str(next(network.parameters()).device)
        scores: dict[str, float] = {}
        for task, cases in self._cases.items():
            rows = []
            for case in cases:
                degraded, tokens = case.degraded.to(device), case.tokens.to(device)
                restored = _restore(network, degraded, tokens, task)
                rows.append([_psnr(picture.cpu(), case.clean) for picture in (degraded, restored)])
            before, after = np.mean(rows, axis=0)
            scores |= {f"psnr_{task}": float(after), f"gain_{task}": float(after - before)}
        scores["gain"] = float(np.mean([scores[f"gain_{task}"] for task in self._cases]))
        return scores

    @cached_property
    def _cases(self) -> dict[Task, list[_Case]]:
        """Those of each task.

        Raises:
            InputError: There are no pictures, they do not pair up, or two of a pair differ in
                size.
            UsageError: There are pairs, but none of some task.
        """
        layout, tasks = Layout(self._folder), self._network.tasks
        given = [task for task in tasks if layout.folder("val", task, "LQ").is_dir()]
        if not given:
            return self._made()
        if len(given) < len(tasks):
            lacking = next(task for task in tasks if task not in given)
            raise UsageError(
                f"{self._folder}: holds no pairs for {lacking}, which network.tasks asks for; they "
                f"would be in {layout.folder('val', lacking, 'LQ')} and beside it."
            )
        return {
            task: [self._case(*_read(pair)) for pair in layout.pairs("val", task)] for task in tasks
        }

    def _made(self) -> dict[Task, list[_Case]]:
        files = photo_files(self._folder)
        if not files:
            raise InputError(f"{self._folder}: the folder holds no pictures to validate on.")
        cases: dict[Task, list[_Case]] = {task: [] for task in self._network.tasks}
        for number, file in enumerate(files):
            picture = read_photo(file)
            for place, task in enumerate(cases):
                made = degrade(picture, task, (SEED, place, number)).pixels
                cases[task].append(self._case(picture, made))
        return cases

    def _case(self, clean: NDArray[np.uint8], degraded: NDArray[np.uint8]) -> _Case:
        config = self._network
        tokens = torch.zeros(1, config.tokens, config.token_dim)
        if config.context != "none":
            told = self._make_tokens(clean if config.context == "oracle-gt" else degraded)
            tokens = torch.from_numpy(told)[None].float()
        return _Case(_centre(clean), _centre(degraded), tokens)


def _restore(network: SRDiff, degraded: Tensor, tokens: Tensor, task: Task) -> Tensor:
    """(1, 3, H, W), 0-1, from noise that is always the same."""
    config = network.config
    context = network.context(tokens)
    told = one_hot(config.tasks.index(task), len(config.tasks), 1).to(degraded.device)
    noise = torch.Generator().manual_seed(0)

    def predict(state: Tensor, t: int) -> Tensor:
        time = torch.full((1,), float(t), device=state.device)
        found: Tensor = network(state, degraded, time, told, context)
        return found

    def draw(_number: int) -> Tensor:
        return torch.randn(degraded.shape, generator=noise).to(degraded.device)

    steps = min(config.walk, STEPS_MAX)
    restored: Tensor = sample(config.sde.make(), degraded, predict, draw, steps=steps)
    return restored.clamp(0, 1)


def _read(pair: Pair) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Clean and degraded (H, W, 3)."""
    clean, degraded = read_photo(pair.clean), read_photo(pair.degraded)
    if clean.shape != degraded.shape:
        raise InputError(f"{pair.degraded}: is of another size than {pair.clean}.")
    return clean, degraded


def _centre(picture: NDArray[np.uint8]) -> Tensor:
    """The middle of a picture (H, W, 3) as (1, 3, h, w), 0-1."""
    y, x = (max(0, (length - CROP_PX) // 2) for length in picture.shape[:2])
    crop = picture[y : y + CROP_PX, x : x + CROP_PX].copy()
    return torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255


def _psnr(a: Tensor, b: Tensor) -> float:
    return float(-10 * torch.log10((a - b).square().mean().clamp_min(1e-10)))
