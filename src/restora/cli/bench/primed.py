"""An SSP-IR in PyTorch whose priors can be left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from restora.cli.bench.loaded import read_loaded

if TYPE_CHECKING:
    from restora.evaluation.real_world_priors import Part
    from restora.networks.ssp_ir.network import SSPIR
    from restora.networks.weight_files import Loaded

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


def read_ssp_ir(weight: str) -> Loaded:
    """An SSP-IR in PyTorch: of a model, a weight file, or the average of a training's checkpoint.

    Raises:
        MissingExtra: PyTorch is not installed.
        UsageError: It is no SSP-IR.
        WeightsError: It cannot be read.
    """
    from restora.errors import UsageError

    loaded = read_loaded(weight)
    from restora.networks.ssp_ir.config import SSPIRConfig

    if not isinstance(loaded.config, SSPIRConfig):
        raise UsageError(f"{weight} is no SSP-IR, and has none of its priors.")
    return loaded


class PrimedSSPIR:
    """See ``restora.evaluation.real_world_priors.Primed``."""

    def __init__(
        self,
        loaded: Loaded,
        *,
        steps: int | None = None,
        captioner: str = "tags",
        image_encoder: str | None = None,
        text_encoder: str | None = None,
        device: str = "cpu",
    ) -> None:
        """
        Args:
            loaded: Its weights.
            steps: Of a walk; None: as the weight says.
            captioner: As ``restora.semantics.lookup.load_captioner`` knows it.
            image_encoder, text_encoder: With their paths, where the network's need one.
            device: Where it runs.

        Raises:
            InputError, MissingExtra, UsageError, WeightsError: An encoder cannot be loaded.
        """
        from restora.networks.ssp_ir.config import SSPIRConfig
        from restora.semantics.lookup import (
            load_captioner,
            load_image_encoder,
            load_text_encoder,
        )

        config = loaded.config
        assert isinstance(config, SSPIRConfig)
        self._config, self._weights, self._device = config, loaded.weights, device
        self.steps = min(steps or config.walk, config.start_step + 1)
        self._networks: dict[Part | None, SSPIR] = {}
        self._encoder, self._captioner, self._reader = None, None, None
        if config.image:
            self._encoder = load_image_encoder(image_encoder or config.encoder, device=device)
        if config.text:
            name = text_encoder or config.text_encoder
            self._reader = load_text_encoder(name, max_tokens=config.text_tokens, device=device)
            self._captioner = load_captioner(captioner, device=device)

    @property
    def parts(self) -> tuple[Part, ...]:
        """See the protocol."""
        every: tuple[Part, ...] = ("text", "image", "pixel", "control")
        return tuple(part for part in every if getattr(self._config, part))

    @property
    def has_front(self) -> bool:
        """See the protocol."""
        return self._config.processor.front is not None

    @property
    def multiple_px(self) -> int:
        """See the protocol."""
        return self._config.multiple_px

    def caption(self, degraded: Pixels) -> str:
        """See the protocol."""
        from restora.semantics.words import describe

        return "" if self._captioner is None else describe(_floats(degraded), self._captioner)

    def tokens(self, degraded: Pixels) -> Floats:
        """See the protocol."""
        from restora.semantics.context import one_row

        if self._encoder is None:
            return np.zeros((1, self._config.tokens, self._config.token_dim), np.float32)
        return one_row(self._encoder.encode(_floats(degraded)[None]), self._config.tokens)

    def restore(
        self, degraded: Pixels, tokens: Floats, words: str | None, *, without: Part | None = None
    ) -> Pixels:
        """See the protocol."""
        import torch

        from restora.training.ssp_ir.validation import restore

        made = restore(
            self._network(without),
            self._tensor(degraded),
            torch.from_numpy(tokens).to(self._device),
            steps=self.steps,
            text=self._read(words),
        )
        return _pixels(made)

    def processed(self, degraded: Pixels) -> Pixels:
        """See the protocol."""
        import torch

        with torch.inference_mode():
            return _pixels(self._network(None).process(self._tensor(degraded)).picture)

    def _network(self, without: Part | None) -> SSPIR:
        """The network less a part; its other weights are the same."""
        from restora.networks.ssp_ir.network import SSPIR

        if without not in self._networks:
            left: dict[str, bool] = {} if without is None else {without: False}
            network = SSPIR(self._config.model_copy(update=left))
            # Only what is left out may be left over.
            missing, _ = network.load_state_dict(self._weights, strict=without is None)
            assert not missing
            self._networks[without] = network.eval().to(self._device)
        return self._networks[without]

    def _read(self, words: str | None) -> Any:
        """Tokens (1, L, D) of a caption, or of none."""
        import torch

        from restora.semantics.words import encode_words

        if self._reader is None or (words is None and self._config.null_text == "zeros"):
            return None
        config = self._config
        count = None if config.null_text == "encoded" else config.text_tokens
        tokens = encode_words(words or "", self._reader, count)
        return torch.from_numpy(tokens).to(self._device)

    def _tensor(self, pixels: Pixels) -> Any:
        import torch

        channels_first = np.ascontiguousarray(_floats(pixels).transpose(2, 0, 1))
        return torch.from_numpy(channels_first)[None].to(self._device)


def _floats(picture: Pixels) -> Floats:
    return picture.astype(np.float32) / np.float32(255)


def _pixels(made: Any) -> Pixels:
    """(1, 3, H, W), not clipped, as ``(H, W, 3)``, 0-255."""
    found: Pixels = np.rint(made[0].permute(1, 2, 0).cpu().numpy().clip(0, 1) * 255).astype(
        np.uint8
    )
    return found
