"""SR-Diff in ONNX Runtime: a graph for the whole picture, and one for each step of a tile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from restora.engine.backend import Floats
from restora.engine.backend_ort import load_session, run_session
from restora.engine.backend_sr_diff import SrDiffBackend

if TYPE_CHECKING:
    from restora.networks.sr_diff.config import SRDiffConfig


class SrDiffOrtBackend(SrDiffBackend):
    """An SR-Diff in ONNX Runtime; see :class:`restora.engine.backend.Backend`."""

    def __init__(
        self, config: SRDiffConfig, refiner: bytes, denoiser: bytes, *, threads: int = 0
    ) -> None:
        """Load its parts; the judge, which chooses a task, is none of them.

        Args:
            config: The network's numbers, from its card.
            refiner: Bytes of the ONNX file that makes a context of an encoder's tokens.
            denoiser: Of that which sees the clean picture in a state.
            threads: Threads inside the network; 0 takes every core.

        Raises:
            WeightsError: The bytes are not a network Restora can run, or the image encoder cannot
                be loaded.
        """
        super().__init__(config)
        self._refiner, self._denoiser = (
            load_session(part, threads) for part in (refiner, denoiser)
        )
        # What the network does not read, the exporter leaves out.
        self._reads = {given.name for given in self._denoiser.get_inputs()}

    def _refine(self, tokens: Floats) -> Floats:
        (context,) = self._refiner.run(None, {"tokens": tokens})
        found: Floats = context
        return found

    def _put(self, array: Floats) -> Floats:
        return np.ascontiguousarray(array)

    def _take(self, array: Floats) -> Floats:
        return array

    def _denoise(
        self, state: Floats, degraded: Floats, time: Floats, task: Floats, context: Floats
    ) -> Floats:
        feeds = {
            "state": state,
            "degraded": degraded,
            "time": time,
            "task": task,
            "context": context,
        }
        feeds = {name: array for name, array in feeds.items() if name in self._reads}
        count, channels, height, width = state.shape
        (clean,) = run_session(self._denoiser, feeds, (count, height, width, channels))
        found: Floats = clean
        return found
