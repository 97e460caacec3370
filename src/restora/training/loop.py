"""The training loop: set the rate, step, average, log; stop by the clock; resume exactly."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restora.errors import OutputError, WeightsError
from restora.images.atomic import write_atomically
from restora.networks.catalogue import build
from restora.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from restora.training.curve import draw_curve
from restora.training.data import PhotoStore
from restora.training.ema import Ema
from restora.training.methods import make_batches, make_task, make_validation
from restora.training.same_run import TEXT_ENCODER, check_encoders, check_same_run
from restora.training.sections import Recipe
from restora.training.tasks import Scoring
from restora.weights.cards import IMAGE_ENCODER

LATEST = "latest.pt"
BEFORE_DECAY = "before-decay.pt"  # where a longer training takes up the thread
LOG = "log.jsonl"
CURVE = "curve.svg"
CHANCE = 1_000_003  # apart from the seeds of other trainings, which are small numbers


class Trainer:
    """A network on its way: weights, their average, optimiser, step and time spent."""

    def __init__(
        self,
        recipe: Recipe,
        photos: PhotoStore,
        *,
        device: str = "cpu",
        compiled: bool = False,
        initial: dict[str, Tensor] | None = None,
        encoders: Mapping[str, str] | None = None,
    ) -> None:
        """See :func:`train`.

        Raises:
            UsageError: The weights to start from were taught the words of another encoder.
        """
        settings = recipe.train
        torch.manual_seed(settings.seed)
        self.recipe = recipe
        self.photos = photos.key
        self.device = device
        self.network = build(recipe.network)
        if initial is not None:
            self.network.load_state_dict(initial)
        self.task = make_task(recipe, self.network, photos, device=device, compiled=compiled)
        taught = encoders or {}
        check_encoders(
            taught,
            self.task.encoders,
            of="What is started from",
            roles=(TEXT_ENCODER, IMAGE_ENCODER),  # another captioner says the same in other words
            instead="start from something else",
        )
        self.encoders = {**taught, **self.task.encoders}
        self.task.to(device)
        self.ema = Ema(self.network, settings.ema)
        self.batches = make_batches(recipe, photos, device=device)
        self.step = 0
        self.seconds = 0.0
        self.history: tuple[str, ...] = ()
        # Pairs depend on the step alone, so the next can be made while this one is learned from.
        self._maker = ThreadPoolExecutor(1)
        self._ahead: tuple[int, Future[Any]] | None = None

    def resume(self, path: Path) -> None:
        """Take up a checkpoint exactly where it stopped.

        Raises:
            UsageError: It belongs to another network, stage or critic, or was taught the words of
                another captioner or encoder.
            WeightsError: It is not a checkpoint.
        """
        found = load_checkpoint(path)
        check_same_run(found, self.recipe, folder=path.parent)
        check_encoders(found.encoders, self.task.encoders, of=str(path.parent))
        try:
            self.network.load_state_dict(found.network)
            self.ema.load(found.average)
            for part, group in zip(
                self.task.optimiser.param_groups, found.optimiser["param_groups"], strict=True
            ):
                group["scale"] = part["scale"]  # what the recipe says now
            self.task.optimiser.load_state_dict(found.optimiser)
            self.task.load_extra(found.companions, found.rival)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise WeightsError(
                f"{path}: this checkpoint is damaged: what it holds does not fit its own recipe."
            ) from error
        self.encoders = {**found.encoders, **self.task.encoders}
        self.step, self.seconds, self.history = found.step, found.seconds, found.history
        changes = _changes(found.recipe, self.recipe)
        if found.photos not in ("", self.photos):
            changes = ", ".join(filter(None, [changes, "other photos"]))
        if changes:
            self.history += (f"until step {self.step}: {changes}",)

    def snapshot(self) -> Checkpoint:
        """This moment."""
        return Checkpoint(
            recipe=self.recipe,
            step=self.step,
            seconds=self.seconds,
            history=self.history,
            photos=self.photos,
            network=self.network.state_dict(),
            average=self.ema.weights,
            optimiser=self.task.optimiser.state_dict(),
            encoders=self.encoders,
            **self.task.extra_state(),
        )

    def advance(self) -> dict[str, Tensor]:
        """One optimiser step; gives the parts of the loss."""
        started = time.monotonic()
        settings = self.recipe.train
        for group in self.task.optimiser.param_groups:
            # Both: a resumed optimiser brings back what the recipe said before.
            group["lr"] = settings.lr_at(self.step) * group["scale"]
            group["weight_decay"] = settings.weight_decay
        batch = self._next_batch()
        # What a step leaves to chance is a function of its number, as its batch is.
        torch.manual_seed(settings.seed + CHANCE * (self.step + 1))
        parts = self.task.step(batch, done=self.step / settings.steps)
        self.ema.update(self.network, self.step)
        self.step += 1
        self.seconds += time.monotonic() - started
        return {name: value.detach() for name, value in parts.items()}

    def _next_batch(self) -> Any:
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == self.step:
            batch = ahead[1].result()
        else:
            batch = self.batches.batch(self.step, device=self.device)
        if self.step + 1 < self.recipe.train.steps:
            job = self._maker.submit(self.batches.batch, self.step + 1, device=self.device)
            self._ahead = (self.step + 1, job)
        return batch


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
    encoders: Mapping[str, str] | None = None,
    checkpoint_every_s: float = 120.0,
    report_every_s: float = 30.0,
    validate_every: int = 1000,
    report: Callable[[dict[str, float]], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
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
        encoders: Fingerprints of the captioner and encoders whose words those were taught, by role.
        checkpoint_every_s: Seconds between checkpoints.
        report_every_s: Seconds between rows of the log.
        validate_every: Steps between rows with a validation; the last step has one too.
        report: Called with every row that goes to the log.
        stop: Asked after every step; True ends the training as the clock does.

    Returns:
        The last checkpoint, which is also in ``out``, beside the log and its curve.

    Raises:
        OutputError: ``out`` cannot be made.
        UsageError: ``out`` holds a run of another network, stage or critic; or it, or the weights
            to start from, were taught the words of another captioner or encoder.
        WeightsError: The checkpoint there is none.
    """
    end = time.monotonic() + budget_s
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: the folder cannot be made ({error.strerror}).") from error
    trainer = Trainer(
        recipe, photos, device=device, compiled=compiled, initial=initial, encoders=encoders
    )
    if (out / LATEST).exists():
        trainer.resume(out / LATEST)
        _forget_after(out / LOG, trainer.step)
    validate = None
    if validation is not None:
        validate = make_validation(recipe, validation, device=device)
    last_step, decay_from = recipe.train.steps, recipe.train.steps - recipe.train.decay_steps
    losses: list[dict[str, Tensor]] = []
    last_save = last_row = time.monotonic()
    done = trainer.step >= last_step or time.monotonic() >= end
    while not done:
        if trainer.step == decay_from:
            save_checkpoint(trainer.snapshot(), out / BEFORE_DECAY)
        losses.append(trainer.advance())
        now = time.monotonic()
        done = trainer.step == last_step or now >= end or stop()
        score = trainer.step % validate_every == 0 or trainer.step == last_step
        if score or done or now - last_row > report_every_s:
            row = _row(trainer, losses, validate if score else None, clock_s=end - now)
            losses, last_row = [], now
            with (out / LOG).open("a") as file:
                file.write(json.dumps(row) + "\n")
            report(row)
        if now - last_save > checkpoint_every_s:
            save_checkpoint(trainer.snapshot(), out / LATEST)
            last_save = now
    final = trainer.snapshot()
    save_checkpoint(final, out / LATEST)
    draw_curve(out / LOG, out / CURVE)
    return final


def _row(
    trainer: Trainer,
    losses: list[dict[str, Tensor]],
    validate: Scoring | None,
    *,
    clock_s: float,
) -> dict[str, float]:
    """A line of the log: where the training is, mean losses, scores of the averaged weights."""
    recipe = trainer.recipe
    step_s = trainer.seconds / trainer.step
    row = {
        "step": trainer.step,
        "seconds": round(trainer.seconds, 1),
        "left_s": round(max(0, min((recipe.train.steps - trainer.step) * step_s, clock_s)), 1),
        "lr": recipe.train.lr_at(trainer.step - 1),
        "patches_per_s": round(recipe.data.batch / step_s, 1),
        **{name: float(torch.stack([p[name] for p in losses]).mean()) for name in losses[0]},
    }
    if validate is not None:
        averaged = build(recipe.network)
        averaged.load_state_dict(trainer.ema.weights)
        averaged = averaged.to(trainer.device).eval()
        if trainer.task.validates:
            row |= validate(trainer.task.whole(averaged))
        row |= trainer.task.monitor(averaged, validate.pairs(trainer.device))
    return row


def _forget_after(log: Path, step: int) -> None:
    """Drop rows of steps that were lost when a training was killed and are done again."""
    if not log.exists():
        return
    lines = log.read_text().splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["step"] <= step]
    write_atomically(log, "".join(kept).encode())


def _changes(before: Recipe, after: Recipe) -> str:
    """The settings of a recipe that another one changes, as it had them: "train.lr 0.001"."""
    old, new = before.model_dump(), after.model_dump()
    return ", ".join(
        f"{section}.{key} {value}"
        for section in ("data", "train", "decoupling", "sodiff", "srdiff", "sspir")
        for key, value in old.get(section, {}).items()
        if new[section][key] != value
    )
