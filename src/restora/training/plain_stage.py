"""What tasks that train one part of a network have in common: they keep nothing beside it."""

from __future__ import annotations

from typing import Any

from torch import Tensor


class PlainStage:
    """Answers of a stage that trains a part alone; see :class:`restora.training.tasks.Task`."""

    validates = False
    encoders: dict[str, str] = {}  # noqa: RUF012 - nobody adds to it

    def whole(self, network: Any) -> Any:
        """The network as it is: nothing runs before it yet."""
        return network

    def extra_state(self) -> dict[str, Any]:
        """Nothing beside network and optimiser."""
        return {}

    def load_extra(self, companions: dict[str, Tensor], rival: dict[str, Any]) -> None:
        """Undo :meth:`extra_state`."""
        del companions, rival
