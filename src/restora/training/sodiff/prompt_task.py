"""SODiff's first stage: SAIPE learns to say in tokens what a caption of the clean picture says.

Source: SODiff, figure of SAIPE: alignment with the text and reconstruction, of the compressed
picture; the forms and weights of both losses are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.networks.sodiff.network import SODiff
from restora.networks.sodiff.reconstruction import Reconstruction
from restora.networks.sodiff.saipe import SAIPE
from restora.semantics.lookup import load_captioner, load_text_encoder
from restora.training.sodiff.recipe import SODiffRecipe
from restora.training.sodiff.views import CAPTION_PX, Views
from restora.training.tasks import Pairs, make_optimiser

INFONCE_TEMPERATURE = 0.07


@dataclass(frozen=True)
class ViewBatch:
    """B small copies of views, (B, 3, S, S), 0-1, and tokens (B, T, D) and mask (B, T) of text."""

    clean: Tensor
    degraded: Tensor
    tokens: Tensor
    mask: Tensor


class ViewBatches:
    """Views of different photos for each step, each saved at one of its qualities or clean."""

    def __init__(self, views: Views, *, batch: int, seed: int) -> None:
        self._views = views
        self._batch = min(batch, len(views.tokens))
        self._seed = seed

    def batch(self, step: int, *, device: str = "cpu") -> ViewBatch:
        """That of optimiser step ``step``."""
        rng = np.random.default_rng((self._seed, step))
        copies = self._views.copies
        # Different photos, for two views of one may well deserve the same words.
        photos = rng.choice(len(copies), self._batch, replace=False)
        views = rng.integers(copies.shape[1], size=self._batch)
        saves = rng.integers(copies.shape[2], size=self._batch)
        mirrored = rng.random(self._batch) < 0.5
        pair = [copies[photos, views, number] for number in (np.zeros_like(saves), saves)]
        clean, degraded = (
            _planes(np.where(mirrored[:, None, None, None], p[:, :, ::-1], p)) for p in pair
        )
        return ViewBatch(
            clean.to(device),
            degraded.to(device),
            torch.from_numpy(self._views.tokens[photos, views]).float().to(device),
            torch.from_numpy(self._views.mask[photos, views]).to(device),
        )


def _planes(copies: Any) -> Tensor:
    """Bytes (B, S, S, 3) to (B, 3, S, S), 0-1."""
    return torch.from_numpy(np.ascontiguousarray(copies)).permute(0, 3, 1, 2).float() / 255


class PromptTask:
    """SAIPE and its reconstruction branch; see :class:`restora.training.tasks.Task`."""

    validates = False

    def __init__(
        self, recipe: SODiffRecipe, network: SODiff, views: Views, *, compiled: bool = False
    ) -> None:
        assert isinstance(network.prompter, SAIPE)
        self.network = network
        self.encoders = views.fingerprints
        common = network.prompter.embedder.attention.bias
        if common is not None and not common.any():  # nothing learned: start at the mean text
            common.data.copy_(torch.from_numpy(views.tokens.mean(axis=(0, 1), dtype=np.float32)))
        self._recipe = recipe
        self._saipe: Any = network.prompter
        self._run = torch.compile(self._look) if compiled else self._look
        self.reconstruction = Reconstruction(recipe.network.saipe)
        parameters = [*network.prompter.parameters(), *self.reconstruction.parameters()]
        self.optimiser = make_optimiser([{"params": parameters, "scale": 1.0}], recipe.train)
        self._parameters = parameters
        self._described: dict[bytes, Tensor] = {}  # held-out pictures' text

    def to(self, device: str) -> None:
        for module in (self.network, self.reconstruction):
            module.to(device)

    def _look(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        middle = self._saipe.trunk(picture)
        return self._saipe.embed(middle), self.reconstruction(middle)

    def step(self, batch: ViewBatch, *, done: float) -> dict[str, Tensor]:
        section, settings = self._recipe.sodiff, self._recipe.train
        self.network.train()
        half = settings.precision == "bf16"
        with torch.autocast(batch.clean.device.type, torch.bfloat16, enabled=half):
            prompt, drawn = (each.float() for each in self._run(batch.degraded))
        parts = {
            "reconstruction": (drawn - batch.clean).abs().mean(),
            "alignment": alignment_loss(prompt, batch.tokens, batch.mask),
            "contrast": contrast_loss(prompt, batch.tokens),
        }
        loss = parts["reconstruction"]
        if done >= section.warmup:
            loss = loss + section.align_weight * parts["alignment"]
            loss = loss + section.contrast_weight * parts["contrast"]
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, settings.clip_norm)
        self.optimiser.step()
        own = torch.arange(len(prompt), device=prompt.device)
        return parts | {"retrieval": retrieval(prompt.detach(), batch.tokens, own)}

    def whole(self, network: SODiff) -> SODiff:
        return network

    @torch.no_grad()
    def monitor(self, network: SODiff, pairs: Pairs) -> dict[str, float]:
        """Held out: how often a picture's own caption is the nearest to its prompt of all."""
        prompts, own = [], []
        gallery: dict[bytes, Tensor] = {}
        for clean, compressed in pairs:
            key = clean.cpu().numpy().tobytes()
            if key not in self._described:
                self._described[key] = self._describe(clean)
            gallery[key] = self._described[key]
            own.append(list(gallery).index(key))
            prompts.append(network.prompter(compressed))
        texts = torch.cat(list(gallery.values()))
        found = retrieval(torch.cat(prompts), texts, torch.tensor(own, device=texts.device))
        return {"held_out_retrieval": float(found), "held_out_chance": 1 / len(texts)}

    def _describe(self, clean: Tensor) -> Tensor:
        """Tokens (1, T, D) of a clean picture's caption."""
        section = self._recipe.sodiff
        size = (CAPTION_PX, CAPTION_PX)
        picture = functional.interpolate(clean, size, mode="bilinear", antialias=True)
        shown = picture.cpu().permute(0, 2, 3, 1).contiguous().numpy()
        words = load_captioner(section.captioner).caption(shown)
        count = self._recipe.network.saipe.queries
        encoder = load_text_encoder(section.text_encoder, max_tokens=count)
        return torch.from_numpy(encoder.encode(words).tokens).to(clean.device)

    def extra_state(self) -> dict[str, Any]:
        return {"companions": self.reconstruction.state_dict(), "rival": {}}

    def load_extra(self, companions: dict[str, Tensor], rival: dict[str, Any]) -> None:
        del rival
        self.reconstruction.load_state_dict(companions)


def alignment_loss(prompt: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    """Squared error of all tokens, and one minus the cosine of those that are words.

    Args:
        prompt, tokens: (B, T, D).
        mask: (B, T) bool, which of ``tokens`` are words.
    """
    squared = functional.mse_loss(prompt, tokens)
    cosine = functional.cosine_similarity(prompt, tokens, dim=2)
    return squared + 1 - (cosine * mask).sum() / mask.sum().clamp_min(1)


def contrast_loss(prompt: Tensor, tokens: Tensor) -> Tensor:
    """InfoNCE between the mean tokens of prompts and of texts of one batch, both ways."""
    similar = _similar(prompt, tokens) / INFONCE_TEMPERATURE
    own = torch.arange(len(similar), device=similar.device)
    there, back = functional.cross_entropy(similar, own), functional.cross_entropy(similar.T, own)
    return (there + back) / 2


def retrieval(prompt: Tensor, tokens: Tensor, own: Tensor) -> Tensor:
    """Share of prompts (N, T, D) whose own text, ``own`` (N,) of ``tokens``, is the nearest."""
    return (_similar(prompt, tokens).argmax(dim=1) == own).float().mean()


def _similar(prompt: Tensor, tokens: Tensor) -> Tensor:
    """Cosines (N, M) of mean tokens, without what all texts have in common: it hides the rest."""
    texts = tokens.mean(dim=1)
    common = texts.mean(dim=0)
    told = functional.normalize(prompt.mean(dim=1) - common, dim=1)
    return told @ functional.normalize(texts - common, dim=1).T
