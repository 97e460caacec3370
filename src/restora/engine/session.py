"""Trying settings on one picture: encode once, decode for each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from restora.engine.estimate import Seen
from restora.engine.plan import Plan, Wishes, make_plan
from restora.engine.render import Memory, Progress
from restora.errors import UsageError
from restora.images import Picture
from restora.jpeg import JpegFacts

if TYPE_CHECKING:
    from restora.engine.opened import Opened
    from restora.engine.restorer import Restorer
    from restora.engine.result import Result


def changed(wishes: Wishes, **changes: object) -> Wishes:
    """Wishes with some of them replaced.

    Args:
        wishes: What stays where nothing replaces it.
        changes: New values by name; as a quality ``"auto"`` means None.

    Raises:
        UsageError: A value is not of the kind that is wanted; whether it is in range is told by
            :meth:`Wishes.checked`.
    """
    if changes.get("quality") == "auto":
        changes["quality"] = None
    try:
        return Wishes.model_validate(wishes.model_dump() | changes)
    except ValidationError as error:
        sentences = (_wrong(str(found["loc"][0]), found["input"]) for found in error.errors())
        raise UsageError(" ".join(sentences)) from error


def _wrong(name: str, value: object) -> str:
    if name == "quality":
        return f"quality is 'auto' or a whole number from 1 to 100, not {value!r}."
    kind = Wishes.model_fields[name].annotation
    if kind in (int, int | None):
        return f"{name} is a whole number, not {value!r}."
    return f"{name} is {'a number' if kind == float | None else 'a text'}, not {value!r}."


class Session:
    """One picture, encoded once; each setting after the first costs the decoder alone.

    With the models that ship, what it keeps of the network while it lives is about 95 bytes for
    each pixel of a colour picture (85 to 110, by how far tiles overlap) and 70 of a gray one; with
    an ensemble, as many times that as there are views. Where one weight starts from what another
    restores (``Plan.first``), only the other's encoding is kept: what it restores depends on the
    setting. With a model that samples (``Plan.task``) a strength or a constraint costs next to
    nothing, for only other words (``prompt``) change the sample, and cost all of it. Not for use by
    several threads at once.

    Example:
        >>> session = restora.load().session("photo.jpg")  # doctest: +SKIP
        >>> session.restore(quality=10).save("strong.png")  # doctest: +SKIP
        >>> session.restore(quality=60).save("mild.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        restorer: Restorer,
        opened: Opened,
        wishes: Wishes,
        *,
        name: str | None = None,
        remember: bool = True,
    ) -> None:
        """Made by :meth:`Restorer.session`.

        Args:
            restorer, opened, wishes: Who restores what, and how where nothing else is asked for.
            name: The picture's path, if it has one.
            remember: Keep what is encoded; without, each setting costs everything anew.
        """
        self._restorer = restorer
        self._opened = opened
        self._wishes = wishes
        self._name = name
        self._memory: Memory | None = {} if remember else None
        self._seen: Seen | None = None
        self._plan = self._planned(wishes)
        self._told = self._plan.prompt  # what the memory was told

    @property
    def picture(self) -> Picture:
        """The picture as it was read, and enlarged where that was asked for."""
        return self._opened.picture

    @property
    def facts(self) -> JpegFacts | None:
        """What its file knows, if it is a JPEG."""
        return self._opened.facts

    @property
    def plan(self) -> Plan:
        """What is done where :meth:`restore` asks for nothing else."""
        return self._plan

    def restore(
        self,
        *,
        quality: int | Literal["auto"] | None = None,
        strength: int | None = None,
        constraint: str | None = None,
        prompt: str | None = None,
        progress: Progress = lambda *_: None,
    ) -> Result:
        """Restore the picture.

        Args:
            quality: The quality it is taken to be saved at, 1-100; ``"auto"`` reads or estimates
                it; None as planned.
            strength: Share of the restoration that is applied, 0-100; None as planned.
            constraint: ``"auto"``, ``"off"``, ``"soft"`` or ``"hard"``; None as planned.
            prompt: Task real: the caption, empty for none; None as planned.
            progress: Called with (tiles done, tiles in all).

        Raises:
            UsageError: A setting makes no sense.
        """
        started = time.monotonic()
        asked = {
            "quality": quality,
            "strength": strength,
            "constraint": constraint,
            "prompt": prompt,
        }
        changes: dict[str, object] = {k: value for k, value in asked.items() if value is not None}
        if prompt is not None:
            changes["caption_model"] = None  # it takes the place of what another wrote
        plan = self._plan
        if changes:
            plan = self._planned(changed(self._wishes, **changes))
        if plan.prompt != self._told:
            if self._memory is not None:
                self._memory.clear()
            self._told = plan.prompt
        return self._restorer.finish(
            self._opened,
            plan,
            started=started,
            seen=self._seen,
            memory=self._memory,
            progress=progress,
        )

    def _planned(self, wishes: Wishes) -> Plan:
        seen = self._seen
        if seen is None:  # also later: "auto" may follow a quality that was asked for
            seen = self._seen = self._restorer.see(self.picture, wishes, name=self._name)
        elif wishes.prompt != self._wishes.prompt:
            seen = self._restorer.see(self.picture, wishes.checked(), name=self._name)
        return make_plan(
            self.picture,
            self.facts,
            wishes,
            seen=seen,
            no_bins=self._opened.no_bins,
            machine=self._restorer.machine,
        )
