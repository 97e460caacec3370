"""A card: what a weight is, how it was made, how good it measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

# The files a weight of each method is made of, in the order they run.
PARTS: Mapping[str, tuple[str, ...]] = {
    "fbcnn": ("encoder", "decoder"),
    "dagn": ("survey", "encoder", "decoder"),
    "sodiff": ("prompt", "predictor", "encoder", "decoder"),
    "sr-diff": ("judge", "refiner", "denoiser"),
    "ssp-ir": ("refiner", "processor", "encoder", "denoiser", "decoder"),
    "image-encoder": ("encoder", "classifier"),  # restores nothing: others read what it sees
}
# Under encoders: whose tokens of the picture guide SR-Diff and SSP-IR, and of words SSP-IR.
IMAGE_ENCODER = "image encoder"
TEXT_ENCODER = "text encoder"


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


class WeightFile(BaseModel):
    """One file of a weight."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    size_bytes: int


class Card(BaseModel):
    """What a weight is; it lies beside the files of the same name.

    The files are ``<name>.<part>.onnx``, with the parts of :data:`PARTS`, and where there is an
    8-bit form those parts with ``.int8`` behind.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    method: str
    title: str
    paper: str
    channels: int = Field(description="1 for gray, 3 for RGB")
    parameters: int
    macs_per_pixel: int = Field(
        description="multiply-adds for each input pixel, of SR-Diff for each step, of SSP-IR with "
        "one; what costs the same for a picture of any size is not in it: SODiff's prompt, what "
        "SR-Diff and SSP-IR are told of the whole"
    )
    overlap_px: int = Field(description="overlap of tiles that hides their borders")
    licence: str
    files: dict[str, WeightFile] = Field(description="the files by part")
    int8_loss_db: float | None = Field(
        None, description="PSNR the 8-bit form costs, the worst measured; None: there is none"
    )
    first: str | None = Field(
        None, description="the weight that restores a picture before this one; None: none does"
    )
    encoders: dict[str, str] = Field(
        {},
        description="fingerprints of what told it about pictures when it was taught: captioner and "
        "text encoder, or image encoder; of an image encoder, its own",
    )
    training: Training
    scores: dict[str, dict[str, float]] = Field(
        description="measured through the command line: protocol and quality to PSNR in dB, or to "
        "the score that the protocol's name ends in"
    )

    @field_validator("method")
    @classmethod
    def _method_is_known(cls, method: str) -> str:
        if method not in PARTS:
            raise ValueError(f"this version knows {', '.join(PARTS)}, not {method!r}")
        return method

    @property
    def tasks(self) -> tuple[str, ...]:
        """What a model that samples undoes, as its recipe says; nothing for other methods."""
        if self.method == "ssp-ir":
            return ("real",)
        if self.method != "sr-diff":
            return ()
        return tuple(self.training.recipe.get("network", {}).get("tasks", ()))

    def parts(self, *, int8: bool = False) -> tuple[str, ...]:
        """What the files of one form are called under ``files``, in the order they run."""
        form = ".int8" if int8 else ""
        return tuple(part + form for part in PARTS[self.method])

    def size_bytes(self, *, int8: bool = False) -> int:
        """Bytes of the files that one form needs."""
        return sum(self.files[part].size_bytes for part in self.parts(int8=int8))
