"""The training loop: set the rate, step, average, log; stop by the clock; resume exactly."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from restora.errors import UsageError
from restora.networks.fbcnn import FBCNN
from restora.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from restora.training.data import JpegPairs, PhotoStore
from restora.training.ema import Ema
from restora.training.recipe import Recipe
from restora.training.tasks import FBCNNValidation, fbcnn_loss

log = logging.getLogger(__name__)

LATEST = "latest.pt"
BEFORE_DECAY = "before-decay.pt"  # where a longer training takes up the thread
LOG = "log.jsonl"


def train(
    recipe: Recipe,
    photos: PhotoStore,
    *,
    out: Path,
    budget_s: float = float("inf"),
    validation: Path | None = None,
    device: str = "cpu",
    compiled: bool = False,
    initial: dict[str, Tensor] | None = None,
    checkpoint_every_s: float = 120.0,
    validate_every: int = 1000,
    report: Callable[[dict[str, float]], None] = lambda row: None,
) -> Checkpoint:
    """Train until the recipe's last step or until the budget is spent, whichever is first.

    Args:
        recipe: What to train.
        photos: Clean photos.
        out: Folder of this run; a checkpoint found there is taken up exactly where it stopped.
        budget_s: Seconds this call may take.
        validation: Folder of clean pictures to score the averaged weights on.
        device: ``"cpu"``, ``"cuda"`` ...
        compiled: Use ``torch.compile``.
        initial: Weights to start from instead of random ones, when there is no checkpoint.
        checkpoint_every_s: Seconds between checkpoints.
        validate_every: Steps between validations.
        report: Called with every row that goes to the log.

    Returns:
        The last checkpoint, which is also in ``out``.

    Raises:
        UsageError: ``out`` holds a run of another network.
    """
    end = time.monotonic() + budget_s
    out.mkdir(parents=True, exist_ok=True)
    settings = recipe.train
    torch.manual_seed(settings.seed)
    network = FBCNN(recipe.network)
    if initial is not None:
        network.load_state_dict(initial)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    ema = Ema(network, settings.ema)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.lr, betas=(0.9, 0.99), weight_decay=settings.weight_decay
    )
    step, seconds = 0, 0.0
    if (out / LATEST).exists():
        found = load_checkpoint(out / LATEST)
        if found.recipe.network != recipe.network:
            raise UsageError(f"{out}: holds a run of another network; choose another folder.")
        network.load_state_dict(found.network)
        ema.load(found.average)
        optimiser.load_state_dict(found.optimiser)
        step, seconds = found.step, found.seconds
    pairs = JpegPairs(
        photos,
        recipe.data,
        channels=recipe.network.channels,
        seed=settings.seed,
        teacher=settings.teacher_share,
    )
    validate = None
    if validation is not None:
        validate = FBCNNValidation(validation, channels=recipe.network.channels)
        averaged = FBCNN(recipe.network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    forward = torch.compile(network) if compiled else network
    kind = torch.device(device).type

    def snapshot() -> Checkpoint:
        return Checkpoint(
            recipe=recipe,
            step=step,
            seconds=seconds,
            network=network.state_dict(),
            average=ema.weights,
            optimiser=optimiser.state_dict(),
        )

    def write_row(row: dict[str, float]) -> None:
        with (out / LOG).open("a") as file:
            file.write(json.dumps(row) + "\n")
        report(row)

    sums: dict[str, float] = {}
    counted, last_save = 0, time.monotonic()
    while step < settings.steps and time.monotonic() < end:
        started = time.monotonic()
        for group in optimiser.param_groups:
            group["lr"] = settings.lr_at(step)
        if step == settings.steps - settings.decay_steps:
            save_checkpoint(snapshot(), out / BEFORE_DECAY)
        batch = pairs.batch(step, device=device)
        with torch.autocast(kind, torch.bfloat16, enabled=settings.precision == "bf16"):
            loss, parts = fbcnn_loss(forward, batch, settings)  # type: ignore[arg-type]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
        optimiser.step()
        ema.update(network, step)
        step += 1
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        counted += 1
        seconds += time.monotonic() - started
        if step % validate_every == 0 or step == settings.steps:
            row = {
                "step": step,
                "seconds": round(seconds, 1),
                "lr": settings.lr_at(step - 1),
                "patches_per_s": round(step * recipe.data.batch / seconds, 1),
                **{name: value / counted for name, value in sums.items()},
            }
            sums, counted = {}, 0
            if validate is not None:
                averaged.load_state_dict(ema.weights)
                row.update(validate(averaged))
            write_row(row)
        if time.monotonic() - last_save > checkpoint_every_s:
            save_checkpoint(snapshot(), out / LATEST)
            last_save = time.monotonic()
    final = snapshot()
    save_checkpoint(final, out / LATEST)
    return final
