"""SAIPE: from a compressed picture to tokens that a text encoder might have written.

Source: SODiff (arXiv 2508.07346), figure of SAIPE; what the paper's public parts leave open is a
field of :class:`SAIPEConfig`. A trunk of shallow convolutions and residual Swin blocks sees the
picture at a fixed size and gives a map at a quarter of it. The embedder turns the map into the
prompt: linear attention, convolutions of several sizes beside a bypass, and learned queries that
ask what came of them. For training, :class:`restora.networks.sodiff.reconstruction.Reconstruction`
makes the map a picture again.

Shapes: B pictures, 0-1 RGB of any H×W; S = side_px; G = S / 4 is the side of the map of C
channels; P = G / pool that of the keys and values; Q queries of D numbers.
"""

from __future__ import annotations

from typing import Self, cast

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from restora.networks.sodiff.performer import Performer, feature_count
from restora.networks.sodiff.swin import RSTB

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
REDUCTION = 4  # of the trunk


class SAIPEConfig(BaseModel):
    """Every number of the architecture; the defaults are the compact network.

    The published sizes are :data:`PUBLISHED`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    side_px: int = Field(128, ge=4, description="pictures are seen at this height and width")
    channels: int = Field(48, ge=1, description="of the trunk")
    stem: int | None = Field(16, ge=1, description="channels at full size; null: channels")
    stages: int = Field(2, ge=1, description="residual Swin blocks, in the trunk and in D_up")
    layers: int = Field(2, ge=1, description="Swin layers of each block of the trunk")
    heads: int = Field(4, ge=1, description="attention heads of the trunk")
    window: int = Field(8, ge=1, description="side of an attention window, in places of the map")
    mlp_ratio: float = Field(2.0, gt=0, description="hidden over outer channels, Swin layers")
    performer_dim: int | None = Field(None, ge=1, description="of its tokens; null: channels")
    performer_depth: int = Field(1, ge=1, description="1: one skip as drawn; more: pre-norm")
    performer_heads: int = Field(4, ge=1, description="heads of the linear attention")
    performer_head_dim: int = Field(16, ge=1, description="channels of each of them")
    performer_features: int | None = Field(
        None, ge=1, description="random features of a head; null: d ln d of its channels d"
    )
    performer_mlp_ratio: float = Field(2.0, gt=0, description="hidden over outer channels")
    kernels: tuple[int, ...] = Field((3, 5, 7), min_length=1, description="of the branches, odd")
    pool: int = Field(4, ge=1, description="places of the map for one key and value, a side")
    queries: int = Field(16, ge=1, description="tokens of the prompt")
    query_heads: int = Field(8, ge=1, description="heads of the queries' attention")
    token_dim: int = Field(384, ge=1, description="numbers of a token")
    token_bias: bool = Field(True, description="a learned constant for each token, from 0")
    fused_dim: int | None = Field(None, ge=1, description="of keys and values; null: token_dim")
    recon_layers: int = Field(2, ge=1, description="Swin layers of each block of D_up")
    recon_heads: int = Field(4, ge=1, description="attention heads of D_up")
    recon_width: int = Field(16, ge=1, description="channels of D_up's growing convolutions")
    mean_rgb: tuple[float, float, float] = Field(DIV2K_MEAN, description="taken off a picture")

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        for whole, part, meaning in (
            ("side_px", REDUCTION, "the trunk's map is a quarter of it"),
            ("channels", self.heads, "each of the trunk's heads has as many"),
            ("channels", self.recon_heads, "each of D_up's heads has as many"),
            ("token_dim", self.query_heads, "each of the queries' heads has as many"),
            ("grid", self.window, "windows tile the map of side_px / 4"),
            ("grid", self.pool, "keys and values tile the map of side_px / 4"),
        ):
            value = getattr(self, whole)
            if value % part:
                raise ValueError(f"{whole} must be a multiple of {part}, not {value}: {meaning}")
        if any(kernel < 1 or kernel % 2 == 0 for kernel in self.kernels):
            raise ValueError(f"kernels are odd, not {self.kernels}")
        return self

    @property
    def grid(self) -> int:
        """G, the side of the trunk's map."""
        return self.side_px // REDUCTION


PUBLISHED = SAIPEConfig(
    side_px=512,
    channels=180,
    stem=None,
    layers=6,
    heads=6,
    performer_depth=4,
    performer_heads=6,
    performer_head_dim=128,
    performer_mlp_ratio=4.0,
    pool=8,
    queries=77,
    token_dim=1024,
    token_bias=False,
    recon_layers=3,
    recon_heads=3,
    recon_width=64,
)
"""The sizes of HAODiff, by the same authors: SODiff's own are not public.

The kernels, ``performer_mlp_ratio`` and ``recon_width`` are this project's.
"""


class SwinStages(nn.Module):
    """Residual Swin blocks and a normalisation, (B, G, G, C) to the same."""

    def __init__(self, config: SAIPEConfig, *, layers: int, heads: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                RSTB(
                    config.channels,
                    layers=layers,
                    heads=heads,
                    side=config.grid,
                    window=config.window,
                    mlp_ratio=config.mlp_ratio,
                )
                for _ in range(config.stages)
            )
        )
        self.norm = nn.LayerNorm(config.channels)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.norm(self.blocks(x)))


class Branch(nn.Module):
    """One size of convolution on its way to the keys' grid: (B, d, G, G) to (B, d, P, P).

    Half of the way is a stride and the rest a mean: strides alone would leave places unseen.
    """

    def __init__(self, dim: int, kernel: int, pool: int) -> None:
        super().__init__()
        stride = 2 if pool % 2 == 0 else 1
        self.rest = pool // stride
        self.depthwise = nn.Conv2d(dim, dim, kernel, stride=stride, padding=kernel // 2, groups=dim)
        self.pointwise = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.gelu(self.pointwise(self.depthwise(x)))
        return functional.avg_pool2d(x, self.rest)


class QueryAttention(nn.Module):
    """Learned queries ask tokens (B, P*P, F): (B, Q, D)."""

    def __init__(self, queries: int, dim: int, source: int, heads: int, *, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.queries = nn.Parameter(torch.randn(queries, dim))
        self.query, self.out = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.key, self.value = nn.Linear(source, dim), nn.Linear(source, dim)
        self.norm = nn.LayerNorm(dim)
        # A text encoder's first and last tokens hardly change from text to text.
        self.bias = nn.Parameter(torch.zeros(queries, dim)) if bias else None

    def forward(self, tokens: Tensor) -> Tensor:
        query = self.query(self.queries).unflatten(1, (self.heads, -1)).transpose(0, 1)
        key, value = (
            layer(tokens).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.key, self.value)
        )
        match = (query * query.shape[-1] ** -0.5) @ key.transpose(2, 3)  # (B, heads, Q, P*P)
        found = (torch.softmax(match, dim=-1) @ value).transpose(1, 2).flatten(2)
        prompt = cast(Tensor, self.norm(self.out(found)))
        return prompt if self.bias is None else prompt + self.bias


class Embedder(nn.Module):
    """T_align: the trunk's map (B, C, G, G) to the prompt (B, Q, D)."""

    def __init__(self, config: SAIPEConfig) -> None:
        super().__init__()
        dim = config.performer_dim or config.channels
        fused = config.fused_dim or config.token_dim
        self.pool, self.grid = config.pool, config.grid
        self.embed = nn.Linear(config.channels, dim)
        self.position = nn.Parameter(torch.zeros(config.grid**2, dim))
        nn.init.trunc_normal_(self.position, std=0.02)
        self.performer = Performer(
            dim,
            depth=config.performer_depth,
            heads=config.performer_heads,
            head_dim=config.performer_head_dim,
            features=config.performer_features or feature_count(config.performer_head_dim),
            mlp_ratio=config.performer_mlp_ratio,
        )
        self.branches = nn.ModuleList(Branch(dim, k, config.pool) for k in config.kernels)
        self.fusion = nn.Conv2d(dim * len(config.kernels), fused, 1)
        self.bypass = nn.Conv2d(dim, fused, 1)
        self.norm = nn.LayerNorm(fused)
        self.attention = QueryAttention(
            config.queries, config.token_dim, fused, config.query_heads, bias=config.token_bias
        )

    def forward(self, mid: Tensor) -> Tensor:
        tokens = self.embed(mid.flatten(2).transpose(1, 2)) + self.position
        tokens = self.performer(tokens)
        x = tokens.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        scales = torch.cat([branch(x) for branch in self.branches], dim=1)
        fused = self.fusion(scales) + self.bypass(functional.avg_pool2d(x, self.pool))
        return cast(Tensor, self.attention(self.norm(fused.flatten(2).transpose(1, 2))))


class SAIPE(nn.Module):
    """The network; see the module's docstring."""

    mean: Tensor

    def __init__(self, config: SAIPEConfig) -> None:
        super().__init__()
        self.config = config
        channels, stem = config.channels, config.stem or config.channels
        self.shallow = nn.Sequential(
            nn.Conv2d(3, stem, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(stem, channels, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(channels, channels, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.position = nn.Parameter(torch.zeros(config.grid, config.grid, channels))
        nn.init.trunc_normal_(self.position, std=0.02)
        self.down = SwinStages(config, layers=config.layers, heads=config.heads)
        self.embedder = Embedder(config)
        mean = torch.tensor(config.mean_rgb)[:, None, None]
        self.register_buffer("mean", mean, persistent=False)

    def trunk(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) in 0-1, resized where it is not S×S, to the map (B, C, G, G)."""
        side = self.config.side_px
        if picture.shape[-2:] != (side, side):
            picture = functional.interpolate(
                picture, (side, side), mode="bilinear", antialias=True, align_corners=False
            )
        # The blocks want channels last; a CPU's convolutions are faster so, too.
        picture = (picture - self.mean).contiguous(memory_format=torch.channels_last)
        shallow = self.shallow(picture).permute(0, 2, 3, 1) + self.position
        return cast(Tensor, shallow + self.down(shallow)).permute(0, 3, 1, 2)

    def embed(self, mid: Tensor) -> Tensor:
        """The map of :meth:`trunk` to the prompt (B, Q, D)."""
        return cast(Tensor, self.embedder(mid))

    def forward(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) in 0-1, any size from 1x1, to the prompt (B, Q, D)."""
        return self.embed(self.trunk(picture))
