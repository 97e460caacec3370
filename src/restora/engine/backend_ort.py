"""ONNX Runtime on the CPU: the backend of the light install."""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from restora.errors import MemoryLimit, WeightsError


class OrtBackend:
    """A network in ONNX Runtime; see :class:`restora.engine.backend.Backend`."""

    def __init__(self, model: bytes, *, threads: int = 0) -> None:
        """Load an ONNX file.

        Args:
            model: Bytes of the file.
            threads: Threads inside the network; 0 takes every core.

        Raises:
            WeightsError: The bytes are not a network Restora can run.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # The arena would keep the largest tile of every shape; a few large tensors gain nothing.
        options.enable_cpu_mem_arena = False
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
            self._channels = int(self._session.get_inputs()[0].shape[1])
        except Exception as error:  # ONNX Runtime has no public tree of errors
            raise WeightsError(f"ONNX Runtime cannot load this network: {error}") from error

    @property
    def channels(self) -> int:
        return self._channels

    def run(self, tile: NDArray[np.float32], quality: float) -> tuple[NDArray[np.float32], float]:
        batch = np.ascontiguousarray(tile.transpose(2, 0, 1))[None]
        feeds = {"picture": batch, "quality": np.array([quality], np.float32)}
        try:
            restored, predicted = self._session.run(["restored", "predicted_quality"], feeds)
        except Exception as error:
            if "alloc" in str(error).lower() or isinstance(error, MemoryError):
                raise MemoryLimit(
                    f"A tile of {tile.shape[1]}×{tile.shape[0]} pixels does not fit into memory; "
                    f"try --tile {max(128, tile.shape[1] // 2 // 16 * 16)}."
                ) from error
            raise
        return restored[0].transpose(1, 2, 0), float(predicted[0])
