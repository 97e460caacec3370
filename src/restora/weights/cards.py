"""A card: what a weight is, how it was made, how good it measured."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Training(BaseModel):
    """How a weight was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: dict[str, Any] = Field(description="the resolved recipe")
    data: str = Field(description="photos it learned from, and their licences")
    device: str
    steps: int
    seconds: float
    history: str = Field("", description="earlier runs this one started from")
    curve: str = Field("", description="what more training would still give")


class Card(BaseModel):
    """What a weight is; it lies beside the file of the same name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    method: str
    title: str
    paper: str
    channels: int = Field(description="1 for gray, 3 for RGB")
    parameters: int
    macs_per_pixel: int
    overlap_px: int = Field(description="overlap of tiles that hides their borders")
    licence: str
    sha256: str
    size_bytes: int
    training: Training
    scores: dict[str, dict[str, float]] = Field(
        description="measured through the command line: protocol and quality to PSNR in dB"
    )
