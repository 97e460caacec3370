"""An SR-Diff in PyTorch that is told its context, whatever its own encoder would say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from restora.cli.bench.loaded import read_loaded

if TYPE_CHECKING:
    from restora.networks.sr_diff.tasks import Task
    from restora.networks.weight_files import Loaded

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


def read_network(weight: str) -> Loaded:
    """An SR-Diff in PyTorch: of a model, a weight file, or the average of a training's checkpoint.

    Raises:
        MissingExtra: PyTorch is not installed.
        UsageError: It is no SR-Diff.
        WeightsError: It cannot be read.
    """
    from restora.errors import UsageError

    loaded = read_loaded(weight)
    from restora.networks.sr_diff.config import SRDiffConfig

    if not isinstance(loaded.config, SRDiffConfig):
        raise UsageError(f"{weight} is no SR-Diff, and has no context.")
    return loaded


class GuidedSRDiff:
    """An SR-Diff that is told its context; see ``restora.evaluation.context_ablation.Guided``."""

    def __init__(self, loaded: Loaded, *, device: str = "cpu", encoder: Any = None) -> None:
        """
        Args:
            loaded: Its weights.
            device: Where it runs.
            encoder: An image encoder in place of the one it was taught.

        Raises:
            InputError, MissingExtra, UsageError, WeightsError: The encoder cannot be loaded.
        """
        from restora.engine.backend_torch_sr_diff import SrDiffTorchBackend
        from restora.networks.sr_diff.config import SRDiffConfig
        from restora.networks.sr_diff.network import SRDiff
        from restora.semantics.lookup import load_image_encoder

        config = loaded.config
        assert isinstance(config, SRDiffConfig)
        self._config = config
        self._backend = SrDiffTorchBackend(config, loaded.weights, device=device)
        self._encoder = load_image_encoder(config.encoder) if encoder is None else encoder
        network = SRDiff(config)
        network.load_state_dict(loaded.weights)
        self._refiner = network.eval().refiner

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Those it was trained for."""
        return self._config.tasks

    @property
    def most_steps(self) -> int:
        """Of a walk."""
        return self._config.sde.steps

    @property
    def trained_with(self) -> str:
        """The context it knows from training."""
        return self._config.context

    def contexts(self, degraded: Pixels, clean: Pixels) -> dict[str, Floats]:
        """See the protocol."""
        import torch

        with torch.inference_mode():
            raw, oracle = (
                self._refiner.project(torch.from_numpy(self._tokens(picture)))
                for picture in (degraded, clean)
            )
            refined = self._refiner.refine(raw)
        return {"raw": raw.numpy(), "refined": refined.numpy(), "oracle": oracle.numpy()}

    def restore(
        self, degraded: Pixels, task: Task, context: Floats, *, steps: int, seed: Sequence[int]
    ) -> Pixels:
        """See the protocol."""
        from restora.engine.backend_sr_diff import Context

        def draw(shape: tuple[int, ...], number: int = 0, /) -> Floats:
            return np.random.default_rng((*seed, number)).standard_normal(shape, np.float32)

        backend = self._backend.asked(task=task, steps=steps, samples=1)
        tile = _floats(degraded)[None]
        made = backend.decode(backend.encode(tile, Context(context), draw=draw), 0)[0]
        restored: Pixels = np.rint(made.clip(0, 1) * 255).astype(np.uint8)
        return restored

    def _tokens(self, picture: Pixels) -> Floats:
        from restora.semantics.context import one_row

        return one_row(self._encoder.encode(_floats(picture)[None]), self._config.tokens)


def _floats(picture: Pixels) -> Floats:
    return picture.astype(np.float32) / np.float32(255)
