"""diffusers' U-Net and ControlNet, with layers between their own that read the other priors.

The walk through the blocks is written out here, since between a residual block and its text
attention comes image attention, and behind both, in the decoder, pixel attention.
Source: SSP-IR, its code (order image, text, pixel) and framework figure.

Imported where a network is built, since diffusers takes seconds to import.

Shapes: B pictures; maps (B, C, h, w); text (B, L, D); image tokens (B, T, D').
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import ControlNetModel
from torch import Tensor, nn

from restora.networks.local_norm import localise
from restora.networks.prior import make_unet
from restora.networks.ssp_ir.attention import Guide, PixelGuide
from restora.networks.ssp_ir.config import SSPIRConfig


@dataclass(frozen=True)
class Told:
    """What every layer is told.

    Attributes:
        time: (B, E), the embedded timesteps.
        text: (B, L, D).
        image: (B, T, D').
    """

    time: Tensor
    text: Tensor
    image: Tensor


@dataclass(frozen=True)
class Control:
    """What the ControlNet adds.

    Attributes:
        skips: A map for each skip connection of the U-Net, first to last.
        middle: One for its middle.
    """

    skips: tuple[Tensor, ...]
    middle: Tensor


class GuidedUNet(nn.Module):
    """The prior's U-Net (``base``), and what is added to it."""

    def __init__(self, config: SSPIRConfig) -> None:
        super().__init__()
        self.base: Any = make_unet(config.prior)
        self._adds = config.control
        self._reads_text = config.text
        self.image_attentions: Any = _ImageGuides(config, self.base) if config.image else None
        self.pixel_attentions: Any = _pixel_guides(config) if config.pixel else None
        if config.prior.norm == "local":
            # It would take away the size of what is before the last layer, which then runs away.
            self.base.register_module("conv_norm_out", None)
            for guides in (self.image_attentions, self.pixel_attentions):
                if guides is not None:
                    localise(guides)

    def forward(
        self, state: Tensor, time: Tensor, text: Tensor, image: Tensor, control: Control | None
    ) -> Tensor:
        """What the U-Net predicts, shaped like the state.

        Args:
            state: (B, c, h, w).
            time: (B,), steps of the schedule.
            text: (B, L, D).
            image: (B, T, D').
            control: Of the ControlNet; None where there is none.
        """
        base, guides = self.base, self.image_attentions
        text = text if self._reads_text else text * 0
        told = Told(_embed(base, state, time), text, image)
        x, skips = _encode(base, guides, base.conv_in(state), told)
        x = _middle(base, guides, x, told)
        if control is not None and self._adds:
            x = x + control.middle
            skips = [skip + added for skip, added in zip(skips, control.skips, strict=True)]
        number = len(skips)
        for level, block in enumerate(base.up_blocks):
            for place, residual in enumerate(block.resnets):
                number -= 1
                x = residual(torch.cat([x, skips[number]], dim=1), told.time)
                if _attends(block):
                    if guides is not None:
                        x = guides.up[level][place](x, image)
                    x = block.attentions[place](x, encoder_hidden_states=text, return_dict=False)[0]
                if self.pixel_attentions is not None and control is not None:
                    x = self.pixel_attentions[len(skips) - 1 - number](x, control.skips[number])
            for grow in block.upsamplers or ():
                x = grow(x)
        if base.conv_norm_out is not None:
            x = base.conv_norm_out(x)
        found: Tensor = base.conv_out(base.conv_act(x))
        return found


class GuidedControl(nn.Module):
    """The ControlNet: diffusers' own, shown what the Processor made, and reading image tokens."""

    def __init__(self, config: SSPIRConfig, unet: GuidedUNet) -> None:
        """
        Args:
            config: The network.
            unet: Whose encoder it starts as a copy of.
        """
        super().__init__()
        self.base: Any = ControlNetModel.from_unet(unet.base, load_weights_from_unet=False)
        self.base.controlnet_cond_embedding = nn.Identity()  # the Processor's place
        self._reads_text = config.text
        self.image_attentions: Any = (
            _ImageGuides(config, self.base, decodes=False) if config.image else None
        )
        if config.prior.norm == "local":
            localise(self)
        self.copy_encoder(unet)
        if not config.control:
            # Their residuals go to pixel attention alone. Where that starts at nothing too, neither
            # would ever teach the other.
            for out in self.base.controlnet_down_blocks:
                out.reset_parameters()

    def copy_encoder(self, unet: GuidedUNet) -> None:
        """Take the weights of a U-Net's encoder and middle."""
        for part in ("conv_in", "time_embedding", "down_blocks", "mid_block"):
            getattr(self.base, part).load_state_dict(getattr(unet.base, part).state_dict())

    def forward(
        self, state: Tensor, time: Tensor, features: Tensor, text: Tensor, image: Tensor
    ) -> Control:
        """As the U-Net; ``features`` (B, C, h, w) are what the Processor tells."""
        base, guides = self.base, self.image_attentions
        text = text if self._reads_text else text * 0
        told = Told(_embed(base, state, time), text, image)
        x, skips = _encode(base, guides, base.conv_in(state) + features, told)
        x = _middle(base, guides, x, told)
        each = zip(base.controlnet_down_blocks, skips, strict=True)
        return Control(tuple(out(skip) for out, skip in each), base.controlnet_mid_block(x))


class _ImageGuides(nn.Module):
    """Image attention before every text attention, and in the middle."""

    def __init__(self, config: SSPIRConfig, base: Any, *, decodes: bool = True) -> None:
        super().__init__()
        shape, groups = config.prior.unet, config.prior.norm_groups

        def make(level: int) -> Guide:
            return Guide(
                config.attention,
                channels=shape.widths[level],
                heads=shape.heads[level],
                dim=config.refiner.dim,
                groups=groups,
            )

        def row(level: int, block: Any) -> nn.ModuleList:
            count = len(block.resnets) if _attends(block) else 0
            return nn.ModuleList(make(level) for _ in range(count))

        last = len(shape.widths) - 1
        self.down = nn.ModuleList(row(level, block) for level, block in enumerate(base.down_blocks))
        self.middle = make(last)
        self.up = nn.ModuleList(
            row(last - place, block)
            for place, block in enumerate(base.up_blocks if decodes else ())
        )


def _pixel_guides(config: SSPIRConfig) -> nn.ModuleList:
    """Pixel attention behind every residual block of the decoder, from the lowest on."""
    shape, groups = config.prior.unet, config.prior.norm_groups
    levels = range(len(shape.widths))
    # Channels of the skips, first to last: behind the first convolution, the blocks, the halvings.
    skips = [shape.widths[0]]
    for level in levels:
        skips += [shape.widths[level]] * (shape.layers + (level < levels[-1]))
    guides = nn.ModuleList()
    for level in reversed(levels):
        for _ in range(shape.layers + 1):
            heads = shape.heads[level] if shape.reads[level] else 1  # as the code has it
            guides.append(
                PixelGuide(
                    config.attention,
                    channels=shape.widths[level],
                    heads=heads,
                    dim=skips[-1 - len(guides)],
                    groups=groups,
                )
            )
    return guides


def _embed(base: Any, state: Tensor, time: Tensor) -> Tensor:
    """The embedding (B, E) of timesteps (B,)."""
    found: Tensor = base.time_embedding(base.time_proj(time).to(state.dtype))
    return found


def _encode(base: Any, guides: Any, x: Tensor, told: Told) -> tuple[Tensor, list[Tensor]]:
    """Down through the blocks of a U-Net or ControlNet; also the skips, first to last."""
    skips = [x]
    for level, block in enumerate(base.down_blocks):
        for place, residual in enumerate(block.resnets):
            x = residual(x, told.time)
            if _attends(block):
                if guides is not None:
                    x = guides.down[level][place](x, told.image)
                x = block.attentions[place](x, encoder_hidden_states=told.text, return_dict=False)[
                    0
                ]
            skips.append(x)
        for halve in block.downsamplers or ():
            x = halve(x)
            skips.append(x)
    return x, skips


def _middle(base: Any, guides: Any, x: Tensor, told: Told) -> Tensor:
    """Through the middle."""
    block = base.mid_block
    x = block.resnets[0](x, told.time)
    if guides is not None:
        x = guides.middle(x, told.image)
    for attention, residual in zip(block.attentions, block.resnets[1:], strict=True):
        if attention is not None:
            x = attention(x, encoder_hidden_states=told.text, return_dict=False)[0]
        x = residual(x, told.time)
    return x


def _attends(block: Any) -> bool:
    """Whether a block has text attention, and so image attention."""
    return bool(getattr(block, "has_cross_attention", False))
