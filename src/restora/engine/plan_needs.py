"""What running the weights of a plan takes: tiles, precision, and what may be asked of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

from restora.engine.models import Precision, WeightFacts, first_facts, weight_facts
from restora.engine.plan_real import check_real
from restora.engine.plan_tasks import check_sampling
from restora.engine.tiles import GRID_PX
from restora.engine.wishes import Machine, Wishes
from restora.errors import UsageError

INT8_MOST_LOSS_DB = 0.05  # above that the 8-bit form is for those who ask for it


@dataclass(frozen=True)
class Needs:
    """How some weights will run, whatever the picture.

    Attributes:
        known: What is known of each.
        first: The weight that restores before they do, if any.
        precision: In which all of them run.
        why_precision: In words.
        overlap_px: Of tiles.
        grid_px: What tiles start at and end at multiples of.
    """

    known: tuple[WeightFacts, ...]
    first: str | None
    precision: Precision
    why_precision: str
    overlap_px: int
    grid_px: int


def check_wishes(
    wishes: Wishes, weights: tuple[str, ...], machine: Machine, *, first: str | None = None
) -> Needs:
    """What running some weights takes.

    Args:
        wishes: What the user asks for.
        weights: They, in order.
        machine: Where they will run.
        first: A weight that shall run before; None: the one that they themselves name.

    Raises:
        UsageError: These weights cannot do what is wished, or not on this machine.
        WeightsError: One of them needs another, which is not here.
    """
    known = tuple(weight_facts(weight) for weight in weights)
    check_sampling(wishes, known)
    for weight in known:
        if weight.ssp_ir is not None:
            check_real(wishes, weight.ssp_ir)
    first = first or known[0].first
    run = [*known] if first is None else [first_facts(weights[0], first), *known]
    precision, why_precision = choose_precision(wishes.checked(), run, machine)
    return Needs(
        known,
        first,
        precision,
        why_precision,
        overlap_px=max(weight.overlap_px for weight in run),
        grid_px=math.lcm(GRID_PX, *(weight.multiple_px for weight in run)),
    )


def choose_precision(
    wishes: Wishes, weights: list[WeightFacts], machine: Machine
) -> tuple[Precision, str]:
    """8 bits where they cost next to nothing and gain time; half on a GPU; else single."""
    losses = [weight.int8_loss_db for weight in weights]
    on_ort = machine.device == "cpu" and not any(weight.torch for weight in weights)
    has_int8 = on_ort and None not in losses
    if wishes.precision == "int8" and not has_int8:
        raise UsageError("--precision int8 needs a model with an 8-bit form, on the CPU.")
    if wishes.precision == "half" and on_ort:
        raise UsageError("--precision half is for PyTorch devices such as cuda.")
    for asked in get_args(Precision):
        if wishes.precision == asked:
            return asked, f"precision {asked}: asked for"
    if machine.device.startswith("cuda"):
        return "half", "precision half: on this device it is faster and costs nothing to see"
    if not (has_int8 and machine.fast_int8):
        return "float", "precision float"
    worst = max(loss for loss in losses if loss is not None)
    if worst > INT8_MOST_LOSS_DB:
        return "float", f"precision float: int8 would cost {worst:.2f} dB"
    return "int8", f"precision int8: this CPU is faster at it, and it costs {worst:.2f} dB"
