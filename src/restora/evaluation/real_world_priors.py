"""What each prior is worth to an SSP-IR: the same walks with one of them left out.

One network, the same pictures, the same noise; the middle of a picture is restored, while caption
and image tokens are of the whole. A network was taught with all of its priors: what it loses
without one says how much it leans on that, and not what one taught without would have reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from restora.errors import UsageError
from restora.evaluation.perceptual_scores import Scorer
from restora.evaluation.real_world import Restore, measure_real_world
from restora.evaluation.real_world_report import INPUT, RealWorldReport
from restora.evaluation.real_world_sets import Loaded, RealCase
from restora.semantics.protocols import Floats

__all__ = ["FULL", "PARTS", "PROCESSED", "Middle", "Part", "Primed", "measure_priors"]

Pixels = NDArray[np.uint8]

Part = Literal["text", "image", "pixel", "control"]

FULL = "full"
WRONG_WORDS = "wrong words"
PROCESSED = "Processor alone"
PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "no caption": "text",
        "no image tokens": "image",
        "no pixel attention": "pixel",
        "no structure": "control",
    }
)
"""What may be left out of a walk, and the part of the network that is."""

_MEANINGS = {
    FULL: "all three priors, a plain walk: no guidance, no colour fix",
    "no caption": "what training shows where the caption was dropped",
    WRONG_WORDS: "the caption of the next picture that has another one",
    "no image tokens": "image attention is left out",
    "no pixel attention": "pixel attention, which looks at the structure, is left out",
    "no structure": "what the ControlNet adds to the skips is zero; pixel attention still looks",
    PROCESSED: "what the Processor's front end restores, no walk",
}


class Primed(Protocol):
    """An SSP-IR that can be told its priors."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """Those it has."""
        ...

    @property
    def has_front(self) -> bool:
        """Whether its Processor gives a picture."""
        ...

    @property
    def multiple_px(self) -> int:
        """Sides of what it restores are multiples of this."""
        ...

    def caption(self, degraded: Pixels) -> str:
        """What a whole picture ``(H, W, 3)`` is said to show."""
        ...

    def tokens(self, degraded: Pixels) -> Floats:
        """(1, T, F) of a whole picture."""
        ...

    def restore(
        self, degraded: Pixels, tokens: Floats, words: str | None, *, without: Part | None = None
    ) -> Pixels:
        """A piece of a picture, restored by one walk; no words are no caption."""
        ...

    def processed(self, degraded: Pixels) -> Pixels:
        """What the Processor makes of a piece of a picture."""
        ...


class _Told(NamedTuple):
    """What is said of a whole picture."""

    words: str
    tokens: Floats


@dataclass(frozen=True, slots=True)
class Middle:
    """The middle of a case that needs no enlarging; see ``RealCase``.

    Attributes:
        case: The whole.
        side_px: Of the square, or of what there is.
        multiple_px: The sides are multiples of this.
    """

    case: RealCase
    side_px: int | None
    multiple_px: int

    @property
    def setting(self) -> str:
        """Of the whole."""
        return self.case.setting

    @property
    def name(self) -> str:
        """Of the whole."""
        return self.case.name

    def load(self) -> Loaded:
        """The middle, as a case of its own; it has no file.

        Raises:
            InputError: A file is no picture.
            UsageError: The picture is too small.
        """
        whole = self.case.load()
        clean, degraded = (self._cut(pixels) for pixels in (whole.clean, whole.degraded))
        return Loaded(whole.setting, whole.name, clean, degraded, b"", 1)

    def _cut(self, pixels: Pixels) -> Pixels:
        lengths = pixels.shape[:2]
        sides = [
            min(length, self.side_px or length) // self.multiple_px * self.multiple_px
            for length in lengths
        ]
        if not all(sides):
            raise UsageError(f"{self.name} has no {self.multiple_px} pixels to each side.")
        top, left = ((n - m) // 2 for n, m in zip(lengths, sides, strict=True))
        return np.ascontiguousarray(pixels[top : top + sides[0], left : left + sides[1]])


def measure_priors(
    cases: Sequence[RealCase],
    network: Primed,
    scorers: Sequence[Scorer],
    *,
    test_set: str,
    model: str,
    side_px: int | None = None,
    notes: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda *_: None,
) -> RealWorldReport:
    """Restore the middle of every case by the whole network, and without each of its parts.

    Args:
        cases: Of at least two pictures a setting, of one size degraded and clean.
        network: The network.
        scorers: What to measure with.
        test_set: What the clean pictures are called.
        model: What the network is called.
        side_px: Of the middle; None: all of a picture.
        notes: Sentences for the report.
        progress: Told how many of how many results are scored.

    Raises:
        InputError: A picture cannot be read.
        UsageError: There is nothing to measure, or wrong words need a second picture.
    """
    told: dict[tuple[str, str], _Told] = {}
    for case in cases:
        degraded = case.load().degraded
        told[case.setting, case.name] = _Told(network.caption(degraded), network.tokens(degraded))
    restorers = _restorers(network, told)
    return measure_real_world(
        [Middle(case, side_px, network.multiple_px) for case in cases],
        restorers,
        scorers,
        test_set=test_set,
        model=model,
        bases=(FULL, INPUT),
        protocol="priors",
        notes=(*notes, *(f"{name}: {_MEANINGS[name]}." for name in restorers)),
        warm_up=False,  # nothing is timed
        progress=progress,
    )


def _restorers(network: Primed, told: Mapping[tuple[str, str], _Told]) -> dict[str, Restore]:
    def walk(name: str, part: Part | None) -> Restore:
        def restore(loaded: Loaded) -> Pixels:
            words, tokens = told[loaded.setting, loaded.name]
            if part == "text":
                return network.restore(loaded.degraded, tokens, None)
            if name == WRONG_WORDS:
                words = others[loaded.setting, loaded.name]
            return network.restore(loaded.degraded, tokens, words, without=part)

        return restore

    found = {FULL: walk(FULL, None)}
    for name, part in PARTS.items():
        if part in network.parts:
            found[name] = walk(name, part)
            if part == "text":
                others = _wrong_words(told)
                found[WRONG_WORDS] = walk(WRONG_WORDS, None)
    if network.has_front:
        found[PROCESSED] = lambda loaded: network.processed(loaded.degraded)
    return found


def _wrong_words(told: Mapping[tuple[str, str], _Told]) -> dict[tuple[str, str], str]:
    """For each picture the caption of the next one of its damage that has another."""
    found = {}
    for setting in dict.fromkeys(setting for setting, _ in told):
        keys = [key for key in told if key[0] == setting]
        for number, key in enumerate(keys):
            rest = [told[other].words for other in (*keys[number + 1 :], *keys[:number])]
            other = next((words for words in rest if words != told[key].words), None)
            if other is None:
                raise UsageError(
                    f"The words of another picture need one that is described otherwise than "
                    f"{key[1]}; take more pictures."
                )
            found[key] = other
    return found
