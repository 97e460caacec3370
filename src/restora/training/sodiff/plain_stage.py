"""What the stages before the last have in common: they restore nothing and keep nothing beside."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from restora.networks.sodiff.network import SODiff


class PlainStage:
    """Answers of a stage that trains a part alone; see :class:`restora.training.tasks.Task`."""

    validates = False
    encoders: dict[str, str] = {}  # noqa: RUF012 - nobody adds to it

    def whole(self, network: SODiff) -> SODiff:
        """The network as it is: nothing runs before it yet."""
        return network

    def extra_state(self) -> dict[str, Any]:
        """Nothing beside network and optimiser."""
        return {}

    def load_extra(self, companions: dict[str, Tensor], rival: dict[str, Any]) -> None:
        """Undo :meth:`extra_state`."""
        del companions, rival
