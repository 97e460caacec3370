"""SODiff in ONNX Runtime: four graphs, of which the first two see the whole picture."""

from __future__ import annotations

from restora.engine.backend import Floats
from restora.engine.backend_ort import channels_first, load_session, run_session
from restora.engine.backend_sodiff import SodiffBackend


class SodiffOrtBackend(SodiffBackend):
    """A SODiff in ONNX Runtime; see :class:`restora.engine.backend.Backend`."""

    def __init__(
        self, prompt: bytes, predictor: bytes, encoder: bytes, decoder: bytes, *, threads: int = 0
    ) -> None:
        """Load its four parts.

        Args:
            prompt: Bytes of the ONNX file that makes tokens of a small copy of the picture.
            predictor: Of that which sees its timestep and its quality.
            encoder: Of that which makes latents of tiles.
            decoder: Of that which cleans them and makes tiles of them again.
            threads: Threads inside the network; 0 takes every core.

        Raises:
            WeightsError: The bytes are not a network Restora can run.
        """
        parts = (prompt, predictor, encoder, decoder)
        self._prompter, self._predictor, self._encoder, self._decoder = (
            load_session(part, threads) for part in parts
        )
        choice = next(i for i in self._decoder.get_inputs() if i.name == "choice")
        super().__init__(
            side_px=int(self._prompter.get_inputs()[0].shape[2]), timesteps=int(choice.shape[1])
        )

    def _prompt(self, tiles: Floats) -> Floats:
        feeds = {"picture": channels_first(tiles)}
        (prompt,) = run_session(self._prompter, feeds, tiles.shape, fixed=True)
        found: Floats = prompt
        return found

    def _predict(self, tiles: Floats) -> tuple[Floats, Floats]:
        feeds = {"picture": channels_first(tiles)}
        logits, strength = run_session(self._predictor, feeds, tiles.shape, fixed=True)
        return logits, strength

    def _moments(self, tiles: Floats) -> tuple[Floats, Floats]:
        feeds = {"picture": channels_first(tiles)}
        mean, spread = run_session(self._encoder, feeds, tiles.shape)
        return mean, spread

    def _restore(
        self, latent: Floats, prompt: Floats, choice: Floats, shape: tuple[int, ...]
    ) -> Floats:
        feeds = {"latent": latent, "prompt": prompt, "choice": choice}
        (made,) = run_session(self._decoder, feeds, shape)
        out: Floats = made.transpose(0, 2, 3, 1)
        return out
