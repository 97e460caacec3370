"""What works inside an actor: the same Restorer, one picture after the other."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from restora._optional import require
from restora.apps.scale.files import StoreFiles
from restora.engine.batch import Outcome, outcome_of
from restora.engine.manifest import Item
from restora.engine.restore_file import Settings, restore_file
from restora.engine.restorer import Restorer
from restora.errors import InputError, RestoraError

DEATHS_MAX = 3  # a picture that so many processes died at is given up

Told = dict[str, Any]  # an outcome, or a refusal to do any work, ready for JSON


class Worker:
    """Restores pictures. Only their names come in, and only reports go out."""

    def __init__(self, settings: Settings, *, device: str, ledger: Any) -> None:
        """Load the network.

        Args:
            settings: How pictures are restored.
            device: As for :class:`restora.engine.restorer.Restorer`.
            ledger: Handle of an actor that is a :class:`restora.apps.scale.ledger.Ledger`.
        """
        self._settings = settings
        self._ledger = ledger
        self._files = StoreFiles()
        self._refusal: Told | None = None
        # Each has a core to itself.
        self._restorer = Restorer(device=device, threads=1)
        try:
            self._restorer.load(settings.wishes)
        except RestoraError as error:  # raised here, it would come wrapped in words of Ray
            self._refusal = {"refused": type(error).__name__, "message": str(error)}

    def __call__(self, block: dict[str, Any]) -> dict[str, list[str]]:
        """Restore the pictures of a block.

        Args:
            block: ``items``: JSON of each :class:`Item`.

        Returns:
            ``told``: JSON of what became of each.
        """
        told = [self._tell(Item(**json.loads(str(item)))) for item in block["items"]]
        return {"told": [json.dumps(each) for each in told]}

    def _tell(self, item: Item) -> Told:
        if self._refusal is not None:
            return self._refusal
        return to_plain(outcome_of(item, lambda: self._restore(item)))

    def _restore(self, item: Item) -> dict[str, object] | None:
        get = require("ray", extra="scale").get
        deaths = get(self._ledger.begin.remote(item.source))
        try:
            if deaths >= DEATHS_MAX:
                raise InputError(
                    f"{item.source}: the process that worked on it died {deaths} times, perhaps "
                    "for want of memory."
                )
            return self._work(item)
        finally:
            self._ledger.end.remote(item.source)

    def _work(self, item: Item) -> dict[str, object] | None:
        return restore_file(
            self._restorer,
            item.source,
            item.target,
            self._settings,
            known=item.known,
            files=self._files,
        )


def to_plain(outcome: Outcome) -> Told:
    """An outcome whose job is an :class:`Item`, ready for JSON."""
    return {
        "job": asdict(outcome.job),  # type: ignore[call-overload]
        "status": outcome.status,
        "message": outcome.message,
        "report": outcome.report,
        "full": outcome.full,
    }


def from_plain(told: Told) -> Outcome:
    """The outcome again."""
    return Outcome(**(told | {"job": Item(**told["job"])}))
