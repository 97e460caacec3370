"""Running an object detector that the user has: an ONNX file, or torchvision's where it is there.

The ONNX file is what exporting a torchvision detection model gives, the most common form:

* one input of float32, a picture (1, 3, H, W) or (3, H, W), RGB, 0-1, of any height and width; what
  the network does to it beyond that, scaling included, is inside the graph;
* outputs ``boxes`` (N, 4) of left, top, right and bottom in pixels of the picture given, ``scores``
  (N,) in 0-1 and ``labels`` (N,), in any order and with a batch of one before or not. They are
  known by these words in their names (``bbox_labels`` are labels), else by their kind: the four
  columns are boxes, the whole numbers labels. Further outputs, such as masks, are left alone.

A detector of one fixed size would see pictures scaled down, which removes most of what JPEG did;
it is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlparse

import numpy as np
from numpy.typing import NDArray

from restora._optional import require
from restora.engine.backend_ort import load_session
from restora.errors import InputError, MissingExtra, UsageError, WeightsError
from restora.evaluation.detections import Detections

__all__ = ["TORCHVISION", "Detector", "OnnxDetector", "TorchvisionDetector", "load_detector"]

TORCHVISION = "torchvision"
"""The name that is no file."""

WORDS = {"labels": ("label", "class"), "scores": ("score", "conf"), "boxes": ("box",)}


class Detector(Protocol):
    """Finds things in pictures."""

    @property
    def name(self) -> str:
        """What tables call it."""

    def find(self, picture: NDArray[np.uint8]) -> Detections:
        """Everything in (H, W, 3) RGB, 0-255, however unsure."""


class OnnxDetector:
    """A detector in ONNX Runtime; see the module's docstring for its inputs and outputs."""

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        """Load a file.

        Args:
            path: The ONNX file.
            threads: CPU threads; 0 takes every core.

        Raises:
            InputError: The file cannot be read.
            WeightsError: It is no network, or its inputs and outputs are no detector's.
        """
        self.name = path.name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: the detector cannot be read ({error.strerror}).") from error
        self._session = load_session(content, threads)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        self._batched = _check_input(self.name, inputs)
        self._outputs = _find_outputs(self.name, outputs)
        self._input = str(inputs[0].name)

    def find(self, picture: NDArray[np.uint8]) -> Detections:
        """See :class:`Detector`.

        Raises:
            WeightsError: The network fails on the picture, or what it gives is not as promised.
        """
        planes = np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32) / 255
        feed = planes[None] if self._batched else planes
        try:
            given = self._session.run(list(self._outputs.values()), {self._input: feed})
        except Exception as error:  # ONNX Runtime has no public tree of errors
            raise WeightsError(f"{self.name} fails on a picture: {error}") from error
        return _checked(self.name, dict(zip(self._outputs, map(np.asarray, given), strict=True)))


class TorchvisionDetector:
    """torchvision's Faster R-CNN with MobileNetV3-Large at 320 px, trained on COCO.

    Its weights are taken from where torchvision keeps what it has loaded; nothing is downloaded.
    """

    name = "fasterrcnn_mobilenet_v3_large_320_fpn"

    def __init__(self) -> None:
        """Load it.

        Raises:
            MissingExtra: torchvision is not installed, or does not work beside this PyTorch.
            WeightsError: Its weights are not on this machine.
        """
        try:
            detection = require("torchvision.models.detection", extra="downstream")
        except MissingExtra:
            raise MissingExtra(
                "--detector torchvision needs torchvision, which no extra of Restora brings: "
                "install the one for your PyTorch, or give a detector as an ONNX file."
            ) from None
        except (ImportError, OSError, RuntimeError) as error:
            # With another build of PyTorch its compiled part does not load, or lacks its operators.
            raise MissingExtra(
                f"torchvision is installed but does not work beside this PyTorch ({error}): "
                "install one that fits, or give a detector as an ONNX file."
            ) from error
        self._torch = require("torch", extra="downstream")
        weights = detection.FasterRCNN_MobileNet_V3_Large_320_FPN_Weights.DEFAULT
        folder = Path(self._torch.hub.get_dir()) / "checkpoints"
        file = folder / Path(urlparse(weights.url).path).name
        if not file.is_file():
            raise WeightsError(
                f"The detector's weights are not at {file}, and Restora downloads nothing: "
                f"fetch {weights.url} into that folder."
            )
        # Finds the file there; built without it, it would have other norms than the weights.
        self._network = detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights=weights).eval()

    def find(self, picture: NDArray[np.uint8]) -> Detections:
        """See :class:`Detector`."""
        planes = self._torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32) / 255)
        with self._torch.inference_mode():
            (found,) = self._network([planes])
        given = {word: found[word].numpy() for word in WORDS}
        return _checked(self.name, given)


def load_detector(text: str, *, threads: int = 0) -> Detector:
    """The detector that ``--detector`` names: ``torchvision``, or the path of an ONNX file.

    Raises:
        InputError: The file cannot be read.
        MissingExtra: torchvision is asked for and not installed, or does not work.
        UsageError: It is neither.
        WeightsError: It is no detector, or the weights are missing.
    """
    if text == TORCHVISION:
        return TorchvisionDetector()
    if Path(text).suffix.lower() != ".onnx":
        raise UsageError(f"--detector is an ONNX file or the word {TORCHVISION}, not {text!r}.")
    return OnnxDetector(Path(text), threads=threads)


def _check_input(name: str, inputs: Sequence[Any]) -> bool:
    """Whether the one input has a batch."""
    if len(inputs) != 1 or inputs[0].type != "tensor(float)":
        kinds = ", ".join(f"{i.name} {i.type}" for i in inputs)
        raise WeightsError(f"{name}: a detector has one input, a float32 picture, not {kinds}.")
    shape = list(inputs[0].shape)
    wanted = {3: [3], 4: [1, 3]}.get(len(shape))
    # A dimension of any size is a text or None.
    if wanted is None or any(
        isinstance(is_, int) and is_ != must for is_, must in zip(shape, wanted, strict=False)
    ):
        raise WeightsError(
            f"{name}: a detector takes a picture (1, 3, H, W) or (3, H, W), not {shape}."
        )
    if any(isinstance(part, int) for part in shape[-2:]):
        raise WeightsError(
            f"{name}: this detector takes pictures of {shape[-2]}×{shape[-1]} only; export it with "
            "dynamic height and width."
        )
    return len(shape) == 4


def _find_outputs(name: str, outputs: Sequence[Any]) -> dict[str, str]:
    """The names of the outputs by what they are."""
    found: dict[str, str] = {}
    unnamed = []
    for output in outputs:
        lower = output.name.lower()
        word = next((w for w, parts in WORDS.items() if any(part in lower for part in parts)), None)
        if word is not None:
            found.setdefault(word, output.name)
        else:
            unnamed.append(output)
    for output in unnamed:
        kind = _kind(output)
        if kind is not None:
            found.setdefault(kind, output.name)
    missing = [word for word in WORDS if word not in found]
    if missing:
        there = ", ".join(f"{o.name} {list(o.shape)}" for o in outputs)
        raise WeightsError(
            f"{name}: a detector gives boxes (N, 4), scores (N) and labels (N); there is no output "
            f"for {' and '.join(missing)} among {there}."
        )
    return found


def _kind(output: Any) -> str | None:
    """What an output is that its name does not tell."""
    shape = output.shape
    if len(shape) in (2, 3) and shape[-1] == 4:
        return "boxes"
    if len(shape) not in (1, 2):
        return None
    return "labels" if "int" in output.type else "scores"


def _checked(name: str, given: dict[str, NDArray[Any]]) -> Detections:
    """Outputs as detections.

    Raises:
        WeightsError: Their shapes do not go together.
    """
    shapes = {word: array.shape for word, array in given.items()}
    ranks = {"boxes": 2, "scores": 1, "labels": 1}
    for word, rank in ranks.items():
        if given[word].ndim == rank + 1 and len(given[word]) == 1:
            given[word] = given[word][0]  # a batch of one
    n = len(given["scores"]) if given["scores"].ndim == 1 else -1
    if given["boxes"].shape != (n, 4) or given["labels"].shape != (n,):
        raise WeightsError(
            f"{name}: a detector gives boxes (N, 4), scores (N) and labels (N), not {shapes}."
        )
    return Detections(
        boxes=given["boxes"].astype(np.float32),
        scores=given["scores"].astype(np.float32),
        labels=given["labels"].astype(np.int64),
    )
