"""What is measured in one run: a mode and wishes, written as ``blind constraint=hard``.

A new mode is a function here and an entry in :data:`MODES`; a new wish needs nothing: every field
of :class:`~restora.engine.plan.Wishes` is known by its name.
"""

from __future__ import annotations

import difflib
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from restora.engine.plan import HALF_WIDTH, Constraint, Plan, Wishes
from restora.engine.plan_tasks import model_of
from restora.engine.restorer import Restorer
from restora.errors import InputError, UsageError
from restora.images import Picture, read_bytes
from restora.jpeg import inspect

Repaired = tuple[Picture, Plan]


@dataclass(frozen=True, slots=True)
class Mode:
    """How a file is repaired, and the sentence that says so in a report."""

    repair: Callable[[Restorer, bytes, Wishes], Repaired]
    summary: str


@dataclass(frozen=True, slots=True)
class Variant:
    """One thing to measure; ``words`` is how it was asked for, less the model."""

    mode: str
    wishes: Wishes
    words: str

    def repair(self, restorer: Restorer, file: bytes) -> Repaired:
        """Repair a file."""
        return MODES[self.mode].repair(restorer, file, self.wishes)

    @property
    def model(self) -> str:
        """The model's name, or its path."""
        return model_of(self.wishes).name


def _blind(restorer: Restorer, file: bytes, wishes: Wishes) -> Repaired:
    if wishes.constraint not in ("soft", "hard"):
        picture = read_bytes(file, name="bench")
        plan = restorer.plan(picture, None, wishes)
        return restorer.run(picture, plan), plan
    constraint: Constraint = "soft" if wishes.constraint == "soft" else "hard"
    # The bins are the file's, the quality is the network's: two things a header holds. Blind knows
    # nothing of earlier saves, so they are not looked for.
    opened = restorer.open(file, name="bench", history=False)
    plan = restorer.plan(opened.picture, None, wishes)
    if opened.bins is not None:
        plan = _held(plan, constraint, "measured, with the file's bins")
    elif opened.no_bins is not None:  # a JPEG, which the plan was not told
        plan = _held(plan, "off", opened.no_bins)
    return restorer.run(opened.picture, plan, bins=opened.bins), plan


def _held(plan: Plan, constraint: Constraint, why: str) -> Plan:
    """The plan with another constraint, and the reason for it in place of its own."""
    others = [reason for reason in plan.reasons if not reason.startswith("constraint")]
    update = {
        "constraint": constraint,
        "half_width": HALF_WIDTH[constraint],
        "reasons": (*others, f"constraint {constraint}: {why}"),
    }
    return plan.model_copy(update=update)


def _header(restorer: Restorer, file: bytes, wishes: Wishes) -> Repaired:
    found = inspect(file, name="bench").quality
    if wishes.quality is None and found is not None:
        wishes = wishes.model_copy(update={"quality": found.quality})
    return _tool(restorer, file, wishes)


def _tool(restorer: Restorer, file: bytes, wishes: Wishes) -> Repaired:
    result = restorer.restore(file, wishes, name="bench")
    return result.picture, result.plan


MODES: Mapping[str, Mode] = MappingProxyType(
    {
        "blind": Mode(_blind, "the network estimates the quality, the header is not read"),
        "header": Mode(_header, "the network is told the quality that the header states"),
        "tool": Mode(_tool, "as `restora restore` does it, which decides by itself"),
    }
)


def read_variants(texts: Sequence[str], model: str) -> dict[str, Variant]:
    """Variants by the name for the table.

    Args:
        texts: Each a mode, then wishes as ``name=value``, quoted as in a shell.
        model: The model of those that name none.

    Raises:
        UsageError: A word is not known, a value makes no sense, or two variants are the same.

    >>> list(read_variants(["blind", "tool ensemble=8"], "fbcnn"))
    ['Restora fbcnn, blind', 'Restora fbcnn, tool ensemble=8']
    """
    read = [_read(text, model) for text in texts]
    ends = Counter(path.name for path in {Path(variant.model) for variant in read})
    found: dict[str, Variant] = {}
    for text, variant in zip(texts, read, strict=True):
        words = "" if [text] == ["blind"] == list(texts) else f", {variant.words}"
        # A path is long; mostly its end tells it apart.
        path = Path(variant.model)
        name = f"Restora {path if ends[path.name] > 1 else path.name}{words}"
        if name in found:
            raise UsageError(f"--variant {text!r} is asked for twice.")
        found[name] = variant
    return found


def mode_notes(variants: Mapping[str, Variant]) -> tuple[str, ...]:
    """A sentence for each mode that is measured.

    >>> mode_notes(read_variants(["blind"], "fbcnn"))
    ('blind: the network estimates the quality, the header is not read.',)
    """
    modes = dict.fromkeys(variant.mode for variant in variants.values())
    return tuple(f"{mode}: {MODES[mode].summary}." for mode in modes)


def pixel_restorers(
    variants: Mapping[str, Variant], restorer: Restorer
) -> dict[str, Callable[[bytes], NDArray[np.uint8]]]:
    """The variants as functions from a file to uint8 pixels; gray is ``(H, W)``."""

    def bound(variant: Variant) -> Callable[[bytes], NDArray[np.uint8]]:
        return lambda file: to_bytes(variant.repair(restorer, file)[0])

    return {name: bound(variant) for name, variant in variants.items()}


def to_bytes(picture: Picture) -> NDArray[np.uint8]:
    """The pixels as uint8 0-255: ``(H, W)`` gray or ``(H, W, 3)`` RGB.

    Raises:
        InputError: The picture is CMYK, which no protocol measures.
    """
    if picture.space == "cmyk":
        raise InputError("CMYK pictures are not measured.")
    pixels = np.rint(picture.pixels * 255).astype(np.uint8)  # the Restorer clips to 0-1
    return pixels[..., 0] if picture.space == "gray" else pixels


def _read(text: str, model: str) -> Variant:
    mode, *pairs = _words(text) or [""]
    if mode not in MODES:
        raise UsageError(f"--variant begins with {' or '.join(MODES)}, not {mode!r}.")
    asked: dict[str, Any] = {"model": model}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or key not in Wishes.model_fields:
            near = difflib.get_close_matches(key, Wishes.model_fields, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(
                f"--variant {text!r}: {pair!r} is no wish.{hint} Known are "
                f"{', '.join(f'{name}=' for name in Wishes.model_fields)}."
            )
        asked[key] = _value(key, value)
    wishes = Wishes(**asked).checked()
    model_of(wishes)  # a wrong name is told before anything is measured
    kept = [pair for pair in pairs if not pair.startswith("model=")]
    return Variant(mode, wishes, " ".join([mode, *kept]))


def _words(text: str) -> list[str]:
    """The words of a variant; quotes keep together what holds spaces, such as a path."""
    try:
        return shlex.split(text)
    except ValueError:
        raise UsageError(f"--variant {text!r}: a quote or a backslash is left open.") from None


def _value(key: str, text: str) -> object:
    """The first reading of ``text`` that the wish takes: a number, a word, ``auto`` as none."""
    for value in _readings(text):
        try:
            return getattr(Wishes.model_validate({key: value}), key)
        except ValidationError:
            continue
    raise UsageError(f"--variant: {key} cannot be {text!r}.")


def _readings(text: str) -> Iterator[object]:
    if text.lstrip("-").isdecimal():
        yield int(text)
    yield text
    if text == "auto":
        yield None
