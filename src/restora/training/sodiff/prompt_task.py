"""SODiff's first stage: SAIPE learns to say in tokens what a caption of the clean picture says.

Source: SODiff, figure of SAIPE: alignment with the text and reconstruction, of the compressed
picture; the forms and weights of both losses are ours.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.networks.sodiff.network import SODiff
from restora.networks.sodiff.reconstruction import Reconstruction
from restora.networks.sodiff.saipe import SAIPE
from restora.training.plain_stage import PlainStage
from restora.training.sodiff.copies import Copies
from restora.training.sodiff.recipe import SODiffRecipe
from restora.training.sodiff.views import planes, small_copy
from restora.training.sodiff.words import CAPTION_PX, Describer, Words
from restora.training.tasks import Pairs, make_optimiser

INFONCE_TEMPERATURE = 0.07

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ViewBatch:
    """B small copies of views, (B, 3, S, S), 0-1, and tokens (B, T, D) and mask (B, T) of text."""

    clean: Tensor
    degraded: Tensor
    tokens: Tensor
    mask: Tensor


class ViewBatches:
    """Views of different photos for each step, each saved at one of its qualities or clean."""

    def __init__(
        self, copies: Copies, words: Words, *, batch: int, seed: int, mirrored: bool = False
    ) -> None:
        """
        Args:
            copies: Of every view that there are words for.
            words: What is said of them.
            batch: B, or as many as there are photos.
            seed: Of the draws.
            mirrored: Half of the copies are mirrored: only where no words tell left from right.
        """
        self._copies, self._words = copies, words
        self._batch = min(batch, len(copies))
        self._seed = seed
        self._mirrored = mirrored

    def batch(self, step: int, *, device: str = "cpu") -> ViewBatch:
        """That of optimiser step ``step``."""
        rng = np.random.default_rng((self._seed, step))
        copies, words = self._copies, self._words
        # Different photos, for two views of one may well deserve the same words.
        photos = rng.choice(len(copies), self._batch, replace=False)
        views = rng.integers(len(copies.views), size=self._batch)
        saves = rng.integers(1 + len(copies.qualities), size=self._batch)
        mirrored = (rng.random(self._batch) < 0.5) & self._mirrored
        pair = [copies.take(photos, views, number) for number in (np.zeros_like(saves), saves)]
        clean, degraded = (
            planes(np.where(mirrored[:, None, None, None], p[:, :, ::-1], p), device) for p in pair
        )
        return ViewBatch(
            clean,
            degraded,
            torch.from_numpy(words.tokens[photos, views]).float().to(device),
            torch.from_numpy(words.mask[photos, views]).to(device),
        )


class PromptTask(PlainStage):
    """SAIPE and its reconstruction branch; see :class:`restora.training.tasks.Task`."""

    def __init__(
        self,
        recipe: SODiffRecipe,
        network: SODiff,
        words: Words,
        describer: Describer,
        *,
        compiled: bool = False,
    ) -> None:
        assert isinstance(network.prompter, SAIPE)
        self.network = network
        self.encoders = words.fingerprints
        common = network.prompter.embedder.attention.bias
        if common is not None and not common.any():  # nothing learned: start at the mean text
            common.data.copy_(torch.from_numpy(words.tokens.mean(axis=(0, 1), dtype=np.float32)))
        self._recipe = recipe
        self._saipe: Any = network.prompter
        self._run = torch.compile(self._look) if compiled else self._look
        self.reconstruction = Reconstruction(recipe.network.saipe)
        parameters = [*network.prompter.parameters(), *self.reconstruction.parameters()]
        self.optimiser = make_optimiser([{"params": parameters, "scale": 1.0}], recipe.train)
        self._parameters = parameters
        self._describer = describer
        self._described: dict[bytes, Tensor] = {}  # tokens (T, D) of held-out pictures
        self._told = False

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

    @torch.no_grad()
    def monitor(self, network: SODiff, pairs: Pairs) -> dict[str, float]:
        """Held out: how often a picture's own caption is the nearest to its prompt of all."""
        if self._describer.looks_up:
            if not self._told:
                _log.warning("Held-out pictures have no captions in files: no held_out_retrieval.")
            self._told = True
            return {}
        prompts, keys, new = [], [], {}
        for clean, compressed in pairs:
            shown = clean[0].permute(1, 2, 0).mul(255).round().byte().cpu().numpy()
            keys.append(shown.tobytes())
            if keys[-1] not in self._described:
                new[keys[-1]] = small_copy(shown, CAPTION_PX)
            prompts.append(network.prompter(compressed))
        if new:
            sentences = self._describer.caption(list(new.values()))
            tokens, _ = self._describer.encode(sentences)
            self._described.update(zip(new, torch.from_numpy(tokens), strict=True))
            self._describer.unload()
        gallery = list(dict.fromkeys(keys))
        texts = torch.stack([self._described[key] for key in gallery]).to(prompts[0].device)
        own = torch.tensor([gallery.index(key) for key in keys], device=texts.device)
        found = retrieval(torch.cat(prompts), texts, own)
        return {"held_out_retrieval": float(found), "held_out_chance": 1 / len(texts)}

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
