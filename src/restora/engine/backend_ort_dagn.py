"""DAGN in ONNX Runtime: three graphs, of which the first sees the whole picture."""

from __future__ import annotations

import numpy as np

from restora.engine.backend import Check, Draw, Encoded, Floats
from restora.engine.backend_ort import channels_first, load_session, run_session
from restora.engine.survey import Guidance, Maps, pool, survey


class DagnOrtBackend:
    """A DAGN in ONNX Runtime; see :class:`restora.engine.backend.Backend`."""

    def __init__(self, survey: bytes, encoder: bytes, decoder: bytes, *, threads: int = 0) -> None:
        """Load its three parts.

        Args:
            survey: Bytes of the ONNX file that makes maps of a picture.
            encoder: Of that which makes features of a tile, without a quality.
            decoder: Of that which restores it.
            threads: Threads inside the network; 0 takes every core.

        Raises:
            WeightsError: The bytes are not a network Restora can run.
        """
        self._survey = load_session(survey, threads)
        self._encoder = load_session(encoder, threads)
        self._decoder = load_session(decoder, threads)
        self._features = [output.name for output in self._encoder.get_outputs()][:-1]

    @property
    def channels(self) -> int:
        return int(self._survey.get_inputs()[0].shape[1])

    def survey(
        self,
        pixels: Floats,
        *,
        alike: Guidance | None = None,  # noqa: ARG002 - it decides nothing, it tells
        check: Check = lambda: None,
    ) -> Guidance:
        return survey(pixels, self._look, check=check)

    def _look(self, tiles: Floats) -> Maps:
        feeds = {"picture": channels_first(tiles)}
        return Maps(*run_session(self._survey, feeds, tiles.shape, fixed=True))

    def encode(
        self,
        tiles: Floats,
        guidance: Guidance | None = None,
        *,
        draw: Draw | None = None,  # noqa: ARG002 - it has no latent to draw
    ) -> Encoded:
        if guidance is None:
            guidance = pool(self._look(tiles))
        picture = channels_first(tiles)
        given = guidance_feeds(guidance.rows(len(tiles)))
        feeds = {name: given[name] for name in ("keys", "values", "sensitive_code")}
        feeds["picture"] = picture
        *features, quality = run_session(self._encoder, feeds, tiles.shape)
        return Encoded(picture, tuple(features), quality, guidance)

    def decode(self, encoded: Encoded, quality: float, *, insist: bool = False) -> Floats:
        assert encoded.guidance is not None
        count, channels, height, width = encoded.tiles.shape
        given = guidance_feeds(encoded.guidance.rows(count))
        feeds = {name: given[name] for name in ("sensitive_code", "insensitive_code")}
        feeds |= dict(zip(self._features, encoded.features, strict=True))
        feeds |= {
            "picture": encoded.tiles,
            "quality": encoded.or_predicted(quality),
            "insist": np.full(count, insist, np.float32),
        }
        (made,) = run_session(self._decoder, feeds, (count, height, width, channels))
        out: Floats = made.transpose(0, 2, 3, 1)
        return out


def guidance_feeds(guidance: Guidance) -> dict[str, Floats]:
    """Guidance as the graphs of encoder and decoder call it."""
    return {
        "sensitive_code": guidance.sensitive,
        "insensitive_code": guidance.insensitive,
        "keys": guidance.keys,
        "values": guidance.values,
    }
