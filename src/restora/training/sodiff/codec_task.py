"""The compact prior's auto-encoder. Source: Rombach et al., CVPR 2022, section 3.1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restora.networks.prior import set_components
from restora.networks.sodiff.network import SODiff
from restora.training.data import Batch, JpegPairs, PhotoStore
from restora.training.plain_stage import PlainStage
from restora.training.sodiff.recipe import SODiffRecipe
from restora.training.tasks import Pairs, make_optimiser, pixel_loss

SCALE_PACE = 0.02  # how fast the latents' scale follows their spread
COMPONENT_STEPS = 40  # batches of a training that components are found in


class CodecTask(PlainStage):
    """The VAE alone: pictures, compressed or not, drawn again; see ``training.tasks.Task``.

    No critic and no perceptual loss, unlike the published ones: here it is to lose nothing, since
    all that it loses is lost to restoration.
    """

    def __init__(
        self,
        recipe: SODiffRecipe,
        network: SODiff,
        photos: PhotoStore,
        *,
        compiled: bool = False,
    ) -> None:
        self.network = network
        if network.codec.linear is not None and network.codec.is_fresh:
            set_components(network.codec, _some(recipe, photos))
        self._recipe = recipe
        self._moments = torch.compile(network.codec.moments) if compiled else network.codec.moments
        self._decode = torch.compile(network.codec.decode) if compiled else network.codec.decode
        self.optimiser = make_optimiser(
            [{"params": [*network.codec.parameters()], "scale": 1.0}], recipe.train
        )

    def to(self, device: str) -> None:
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def step(self, batch: Batch, *, done: float) -> dict[str, Tensor]:  # noqa: ARG002 - no ramp
        settings = self._recipe.train
        codec = self.network.codec.train()
        picture = batch.degraded
        half = settings.precision == "bf16"
        with torch.autocast(picture.device.type, torch.bfloat16, enabled=half):
            mean, spread = (each.float() for each in self._moments(picture))
            latent = mean + spread * torch.randn_like(spread)
            drawn = self._decode(latent).float()
        pixel = pixel_loss(drawn - picture, settings)
        variance = (spread / codec.scale).square()
        squared = (mean / codec.scale).square()
        kl = 0.5 * (squared + variance - 1 - variance.clamp_min(1e-12).log()).mean()
        loss = pixel + self._recipe.sodiff.kl_weight * kl
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(codec.parameters(), settings.clip_norm)
        self.optimiser.step()
        with torch.no_grad():
            deviation = mean.std() / codec.scale
            codec.scale.lerp_(1 / deviation.clamp_min(1e-3), SCALE_PACE)
        return {"pixel": pixel, "kl": kl, "deviation": mean.detach().std()}

    @torch.no_grad()
    def monitor(self, network: SODiff, pairs: Pairs) -> dict[str, float]:
        """PSNR of pictures drawn again, which bounds what restoration can reach."""
        errors: dict[str, list[Tensor]] = {"codec_psnr": [], "codec_psnr_jpeg": []}
        for clean, compressed in pairs:
            for name, picture in zip(errors, (clean, compressed), strict=True):
                drawn = network.codec.decode(network.codec.encode(picture))
                errors[name].append((drawn.clamp(0, 1) - picture).square().mean())
        return {k: float(-10 * torch.stack(v).log10().mean()) for k, v in errors.items()}


def _some(recipe: SODiffRecipe, photos: PhotoStore) -> Tensor:
    """Pictures as a training meets them, (B, 3, H, W)."""
    pairs = JpegPairs(photos, recipe.data, channels=3, seed=recipe.train.seed, teacher=0)
    return torch.cat([pairs.batch(step).degraded for step in range(COMPONENT_STEPS)])
