"""DAGN's step: pixels, quality, and the two encoders drawn apart.

Source: DAGN (Ma et al., IEEE TIP 2024) and its released code.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from restora.networks.dagn import DAGN, Maps
from restora.networks.fbcnn import quality_to_strength
from restora.networks.stride16 import STRIDE
from restora.training.data import CLEAN_QUALITY, Batch
from restora.training.decoupling import (
    Companions,
    Discriminator,
    accuracy,
    correlation_loss,
    deviation,
    discriminator_loss,
    encoder_loss,
    rank,
    variance_loss,
)
from restora.training.perceptual import PerceptualLoss
from restora.training.recipe import DAGNRecipe
from restora.training.tasks import Pairs, make_optimiser, pixel_loss

DAMAGE_UNIT = 20.0  # gray levels of 255; brings the damage a pixel near 1, as the quality is
LEAST_PAIRS = 2  # fewer have no deviation

Parts = dict[str, Tensor]


class DAGNTask:
    """A DAGN, its companions and their rival; see :class:`restora.training.tasks.Task`."""

    validates = True
    encoders: dict[str, str] = {}  # noqa: RUF012 - nobody adds to it

    def __init__(self, recipe: DAGNRecipe, network: DAGN, *, compiled: bool = False) -> None:
        self.recipe = recipe.decoupling
        self.network = network
        self._run = torch.compile(network.restore) if compiled else network.restore
        code = network.sensitive_encoder.out_channels
        self.companions = Companions(recipe.network, code, self.recipe)
        self.rival = Discriminator(code, normed=self.recipe.spectral_norm)
        self.settings = recipe.train
        self._perceptual = PerceptualLoss() if self.recipe.perceptual_weight else None
        self.decouples = self.recipe.stage in ("joint", "encoders")
        self.restores = self.recipe.stage in ("joint", "restoration")
        self.optimiser = self._make_optimiser()
        self.rival_optimiser = torch.optim.Adam(
            self.rival.parameters(), lr=self.recipe.discriminator_lr, betas=(0.5, 0.99)
        )

    def to(self, device: str) -> None:
        """Move everything."""
        if self._perceptual is not None:
            self._perceptual.to(device)
        for module in (self.network, self.companions, self.rival):
            module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _make_optimiser(self) -> torch.optim.Optimizer:
        network, settings = self.network, self.settings
        sensitive = [*network.sensitive_encoder.parameters(), *network.quality_head.parameters()]
        insensitive = [*network.insensitive_encoder.parameters()]
        encoders = {id(p) for p in (*sensitive, *insensitive)}
        rest = [p for p in network.parameters() if id(p) not in encoders]
        groups = [
            {"params": sensitive, "scale": self.recipe.encoder_rate},
            {"params": insensitive, "scale": self.recipe.insensitive_rate},
            {"params": rest, "scale": 1.0 if self.restores else 0.0},
        ]
        if self.decouples:
            groups.append({"params": [*self.companions.parameters()], "scale": 1.0})
        return make_optimiser(groups, settings)

    def step(self, batch: Batch, *, done: float) -> Parts:
        """One step of both optimisers, the rival's last; ``done`` is the share of steps done."""
        self._hold_still()
        loss, parts, maps = self._losses(batch, done)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        moved = [p for group in self.optimiser.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(moved, self.settings.clip_norm)
        self.optimiser.step()
        if maps is not None:
            compressed, original = (m.detach().float() for m in maps)
            answers = self.rival(compressed), self.rival(original)
            judged = discriminator_loss(*answers)
            self.rival_optimiser.zero_grad(set_to_none=True)
            judged.backward()  # type: ignore[no-untyped-call]
            self.rival_optimiser.step()
            parts |= {"discriminator": judged, "told_apart": accuracy(*answers)}
        return parts

    def _hold_still(self) -> None:
        """Batch norms of what does not learn keep what they know."""
        network = self.network.train()
        if not self.recipe.encoder_rate:
            network.sensitive_encoder.eval()
        if not self.recipe.insensitive_rate:
            network.insensitive_encoder.eval()
        if not self.restores:
            network.fusion.eval()

    def _cast(self, batch: Batch) -> torch.autocast:
        half = self.settings.precision == "bf16"
        return torch.autocast(batch.clean.device.type, torch.bfloat16, enabled=half)

    def _losses(
        self, batch: Batch, done: float
    ) -> tuple[Tensor, Parts, tuple[Tensor, Tensor] | None]:
        """The loss, its parts, and the insensitive maps the rival shall judge."""
        strength = quality_to_strength(batch.quality)[:, None]
        total = batch.clean.new_zeros(())
        parts: Parts = {}
        with self._cast(batch):
            sensitive = self.network.look_sensitive(batch.degraded)
            code = sensitive.float().mean(dim=(2, 3))
            # Both in one batch: where there is batch norm, it may not tell them apart.
            seen = [batch.degraded, batch.clean] if self.decouples else [batch.degraded]
            content = self.network.look_insensitive(torch.cat(seen)).chunk(len(seen))
            if self.restores:
                predicted, restored = self._restore(batch, sensitive, content[0], strength)
            else:
                predicted = self.network.predict(code)
        if self.restores:
            restored = restored.float()
            parts["pixel"] = pixel_loss(restored - batch.clean, self.settings)
            total = total + parts["pixel"]
            if self._perceptual is not None:
                parts["perceptual"] = self._perceptual(restored, batch.clean)
                total = total + self.recipe.perceptual_weight * parts["perceptual"]
        known = ~strength.isnan()
        quality = (predicted.float() - strength)[known].abs().sum() / len(strength)
        total = total + self.settings.quality_weight * quality
        parts["quality"] = quality
        if not self.decouples:
            return total, parts, None
        decoupling, more, judged = self._decouple(batch, content, code, done)
        return total + decoupling, parts | more, judged

    def _restore(
        self, batch: Batch, sensitive: Tensor, content: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Predicted strength (B, 1) and the restored batch."""
        if not self.recipe.insensitive_sees_pixels:
            content = content.detach()  # pixels would like to know the quality from any code
        maps = Maps(sensitive, content, *self.network.fusion.project(content))
        given = torch.where(batch.teach[:, None], strength, torch.nan)
        insist = batch.teach & (batch.dice < self.recipe.insist_share) & ~batch.quality.isnan()
        restored, predicted = self._run(batch.degraded, maps, given, insist.float()[:, None])
        return predicted, restored

    def _decouple(
        self, batch: Batch, content: tuple[Tensor, ...], code: Tensor, done: float
    ) -> tuple[Tensor, Parts, tuple[Tensor, Tensor]]:
        """What draws the encoders apart; ``content``: of the compressed, then of the clean."""
        recipe = self.recipe
        degraded, original = content
        with self._cast(batch):
            drawn = [self.companions.draw(degraded)]
            if recipe.reconstruct == "clean":
                drawn.append(self.companions.draw(original))
            told = self.companions.tell_damage(code)
        target = batch.clean if recipe.reconstruct == "clean" else batch.degraded
        damage = (batch.degraded - batch.clean).abs().mean(dim=(1, 2, 3)) * 255 / DAMAGE_UNIT
        compressed = batch.quality != CLEAN_QUALITY  # the others have no difference to tell
        if compressed.sum() < LEAST_PAIRS:
            compressed = torch.ones_like(compressed)
        pair = degraded.float()[compressed], original.float()[compressed]
        codes = pair[0].mean(dim=(2, 3))
        losses = {
            "damage": (told.float() - damage).abs().mean(),
            "reconstruction": torch.stack(
                [(d.float() - target).abs().mean() for d in drawn]
            ).mean(),
            "alignment": (pair[0] - pair[1]).abs().mean(),
            "variance": variance_loss(codes),
            "correlation": correlation_loss(codes),
        }
        weights = {name: float(getattr(recipe, f"{name}_weight")) for name in losses}
        if recipe.adversarial_weight:
            ramp = min(1.0, done / recipe.adversarial_ramp) if recipe.adversarial_ramp else 1.0
            self.rival.requires_grad_(False)
            answers = self.rival(pair[0]), self.rival(pair[1])
            self.rival.requires_grad_(True)
            saturating = recipe.adversarial == "saturating"
            losses["adversarial"] = encoder_loss(*answers, saturating=saturating)
            weights["adversarial"] = recipe.adversarial_weight * ramp
        total = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
        watched = {
            "code_deviation": deviation(codes),
            "code_rank": rank(codes),
            "code_dead": (codes.amax(dim=0) <= 0).float().mean(),
        }
        return total, losses | watched, pair

    def whole(self, network: DAGN) -> DAGN:
        """The network restores by itself."""
        return network

    @torch.no_grad()
    def monitor(self, network: DAGN, pairs: Pairs) -> dict[str, float]:
        """Held-out figures: how often the rival is right, code rank, and the drawn picture's PSNR.

        Args:
            network: The network as it is judged.
            pairs: Clean and compressed pictures, (1, C, H, W) each.
        """
        if not self.decouples:
            return {}
        right, codes, errors = [], [], []
        self.rival.eval()  # in training every look turns its spectral norm a little
        for pair in pairs:
            height, width = (length // STRIDE * STRIDE for length in pair[0].shape[-2:])
            clean, compressed = (each[..., :height, :width] for each in pair)
            maps = [network.look_insensitive(each) for each in (compressed, clean)]
            right.append(accuracy(*(self.rival(each) for each in maps)))
            codes.append(maps[0].mean(dim=(2, 3)))
            errors.append((self.companions.draw(maps[0]) - clean).square().mean())
        self.rival.train()
        return {
            "held_out_told_apart": float(torch.stack(right).mean()),
            "held_out_rank": float(rank(torch.cat(codes))),
            "held_out_deviation": float(deviation(torch.cat(codes))),
            "drawn_psnr": float(-10 * torch.stack(errors).log10().mean()),
        }

    def extra_state(self) -> dict[str, Any]:
        """What a checkpoint keeps beside network and optimiser."""
        companions = nn.ModuleDict({"companions": self.companions, "rival": self.rival})
        return {
            "companions": companions.state_dict(),
            "rival": self.rival_optimiser.state_dict(),
        }

    def load_extra(self, companions: dict[str, Tensor], rival: dict[str, Any]) -> None:
        """Undo :meth:`extra_state`."""
        modules = nn.ModuleDict({"companions": self.companions, "rival": self.rival})
        modules.load_state_dict(companions)
        self.rival_optimiser.load_state_dict(rival)
