"""Trying settings on one picture: encode once, decode for each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from restora.engine.plan import Plan, Wishes, make_plan
from restora.engine.render import Memory, Progress
from restora.images import Picture
from restora.jpeg import JpegFacts

if TYPE_CHECKING:
    from restora.engine.restorer import Opened, Restorer, Result


class Session:
    """One picture, encoded once; each setting after the first costs the decoder alone.

    It keeps about 90 bytes for each pixel of the picture while it lives. Not for use by several
    threads at once.

    Example:
        >>> session = restora.load().session("photo.jpg")  # doctest: +SKIP
        >>> session.restore(quality=10).save("strong.png")  # doctest: +SKIP
        >>> session.restore(quality=60).save("mild.png")  # doctest: +SKIP
    """

    def __init__(self, restorer: Restorer, opened: Opened, wishes: Wishes) -> None:
        """Made by :meth:`Restorer.session`."""
        self._restorer = restorer
        self._opened = opened
        self._wishes = wishes
        self._memory: Memory = {}
        self._seen = restorer.see(opened.picture, wishes)
        self._plan = self._planned(wishes)

    @property
    def picture(self) -> Picture:
        """The picture as it was read."""
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
        quality: int | None = None,
        strength: int | None = None,
        constraint: str | None = None,
        progress: Progress = lambda *_: None,
    ) -> Result:
        """Restore the picture.

        Args:
            quality: The quality it is taken to be saved at, 1-100; None as planned.
            strength: Share of the restoration that is applied, 0-100; None as planned.
            constraint: ``"auto"``, ``"off"``, ``"soft"`` or ``"hard"``; None as planned.
            progress: Called with (tiles done, tiles in all).

        Raises:
            UsageError: A setting makes no sense.
        """
        started = time.monotonic()
        asked = {"quality": quality, "strength": strength, "constraint": constraint}
        changes = {name: value for name, value in asked.items() if value is not None}
        plan = self._plan
        if changes:
            plan = self._planned(Wishes.model_validate(self._wishes.model_dump() | changes))
        return self._restorer.finish(
            self._opened, plan, started=started, memory=self._memory, progress=progress
        )

    def _planned(self, wishes: Wishes) -> Plan:
        return make_plan(
            self.picture,
            self.facts,
            wishes,
            seen_quality=self._seen,
            no_bins=self._opened.no_bins,
            machine=self._restorer.machine,
        )
