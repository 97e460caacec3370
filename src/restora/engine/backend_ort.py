"""ONNX Runtime on the CPU: the backend of the light install."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime

from restora.engine.backend import Check, Draw, Encoded, Floats, Guidance, too_large
from restora.errors import WeightsError
from restora.weights.onnx_check import check_onnx


class OrtBackend:
    """An FBCNN in ONNX Runtime; see :class:`restora.engine.backend.Backend`."""

    def __init__(self, encoder: bytes, decoder: bytes, *, threads: int = 0) -> None:
        """Load its two halves.

        Args:
            encoder: Bytes of its ONNX file.
            decoder: Likewise.
            threads: Threads inside the network; 0 takes every core.

        Raises:
            WeightsError: The bytes are not a network Restora can run.
        """
        self._encoder = load_session(encoder, threads)
        self._decoder = load_session(decoder, threads)
        quality = next(i for i in self._decoder.get_inputs() if i.name == "quality")
        self._one_quality = quality.shape == [1]
        self._features = [output.name for output in self._encoder.get_outputs()][:-1]

    @property
    def channels(self) -> int:
        return int(self._encoder.get_inputs()[0].shape[1])

    def survey(
        self,
        pixels: Floats,  # noqa: ARG002 - its tiles need nothing of each other
        *,
        alike: Guidance | None = None,  # noqa: ARG002
        check: Check = lambda: None,  # noqa: ARG002
    ) -> None:
        return None

    def encode(
        self,
        tiles: Floats,
        guidance: Guidance | None = None,  # noqa: ARG002
        *,
        draw: Draw | None = None,  # noqa: ARG002
    ) -> Encoded:
        picture = channels_first(tiles)
        feeds = {"picture": picture}
        *features, quality = run_session(self._encoder, feeds, tiles.shape)
        return Encoded(picture, tuple(features), quality)

    def decode(
        self,
        encoded: Encoded,
        quality: float,
        *,
        insist: bool = False,  # noqa: ARG002 - nothing but the quality tells it anyway
    ) -> Floats:
        count, channels, height, width = encoded.tiles.shape
        wanted = encoded.or_predicted(quality)
        # The 8-bit form takes one quality for a whole batch: its tiles go one by one.
        step = 1 if self._one_quality else count
        made = []
        for first in range(0, count, step):
            some = slice(first, first + step)
            feeds = {
                name: feature[some]
                for name, feature in zip(self._features, encoded.features, strict=True)
            }
            feeds |= {"picture": encoded.tiles[some], "quality": wanted[some]}
            made += run_session(self._decoder, feeds, (step, height, width, channels))
        out: Floats = np.concatenate(made).transpose(0, 2, 3, 1)
        return out


def channels_first(tiles: Floats) -> Floats:
    """Tiles (N, H, W, C) as networks take them, (N, C, H, W)."""
    return np.ascontiguousarray(tiles.transpose(0, 3, 1, 2))


def run_session(
    session: onnxruntime.InferenceSession,
    feeds: dict[str, Any],
    shape: tuple[int, ...],
    *,
    fixed: bool = False,
) -> list[Any]:
    """All that a network gives for ``feeds``.

    Args:
        session: From :func:`load_session`.
        feeds: Its inputs by name.
        shape: Of the tiles (N, H, W, C) among them.
        fixed: No user sets their size.

    Raises:
        MemoryLimit: They do not fit into memory.
        WeightsError: The network does not work.
    """
    try:
        return list(session.run(None, feeds))
    except Exception as error:  # ONNX Runtime has no public tree of errors
        if "alloc" in str(error).lower() or isinstance(error, MemoryError):
            raise too_large(shape, "memory", fixed=fixed) from error
        raise WeightsError(f"ONNX Runtime cannot run this network: {_line(error)}") from error


def load_session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    """An ONNX file, ready to run on the CPU as all networks here do.

    Raises:
        WeightsError: The bytes are not a network Restora can run.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # errors are raised; printed too, they would say it twice
    # Encoder and decoder run in turn, each with threads of its own: those that waited busily for
    # more would take the other's cores, a third of the speed on two of them.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # It has a format of its own too, which nothing here checks.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    check_onnx(model, name="of this network")
    try:
        return onnxruntime.InferenceSession(
            model,
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,  # to the same, after words on standard output
        )
    except Exception as error:
        raise WeightsError(f"ONNX Runtime cannot load this network: {_line(error)}") from error


def _line(error: Exception) -> str:
    """The first line of what ONNX Runtime says, and not all of a long one."""
    return (str(error).splitlines() or ["out of memory"])[0][:400]
