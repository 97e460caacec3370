"""A card: what a weight is, how it was made, how good it measured."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

ENCODER = "image-encoder"  # restores nothing: others read what it sees
# The files a weight of each method is made of, in the order they run.
PARTS: Mapping[str, tuple[str, ...]] = {
    "fbcnn": ("encoder", "decoder"),
    "dagn": ("survey", "encoder", "decoder"),
    "sodiff": ("prompt", "predictor", "encoder", "decoder"),
    "sr-diff": ("judge", "refiner", "denoiser"),
    "ssp-ir": ("refiner", "processor", "encoder", "denoiser", "decoder"),
    ENCODER: ("encoder", "classifier"),
}
# Under encoders: whose tokens of the picture guide SR-Diff and SSP-IR, and of words SSP-IR.
IMAGE_ENCODER = "image encoder"
TEXT_ENCODER = "text encoder"

MOST = 10**15  # of anything that is counted: far above all there is, and within a float


# In what a card says of a network: the largest there are have 1280 channels and 1000 steps.
LARGEST = 100_000
LONGEST = 10_000
DEEPEST = 10
LONGEST_REASON = 300


def one_line(text: str) -> str:
    """A stranger's words for a message: none that steer a terminal, and not all of a long text."""
    plain = "".join(filter(str.isprintable, text))[:LONGEST_REASON]
    return plain if plain == text else f"{plain} ..."


def _printable(text: str) -> str:
    """A card may be a stranger's, and what it says is printed: it must not steer a terminal."""
    if any(unicodedata.category(char).startswith("C") and char not in "\n\t" for char in text):
        raise ValueError("it has control characters in it")
    return text


def _file_name(name: str) -> str:
    """A card's files lie beside it, and nowhere else."""
    if not re.fullmatch(r"[^\x00-\x1f<>:\"/\\|?*.][^\x00-\x1f<>:\"/\\|?*]{0,99}", name):
        raise ValueError(f"{name[:100]!r} cannot be the name of a file")
    return name


def _check_network(value: object, *, depth: int = 0) -> None:
    """Refuse numbers no network has, before anyone makes that many of something; and such words."""
    parts = [*value, *value.values()] if isinstance(value, Mapping) else value
    if isinstance(parts, str):
        _printable(parts)
        return
    if isinstance(parts, bool | float) or parts is None:
        return
    if isinstance(parts, int):
        if abs(parts) > LARGEST:
            raise ValueError(f"no network has numbers above {LARGEST:,}")
        return
    found = list(cast("Iterable[object]", parts))
    if len(found) > LONGEST or depth > DEEPEST:
        raise ValueError("no network has lists as long or as deep")
    for part in found:
        _check_network(part, depth=depth + 1)


Text = Annotated[str, AfterValidator(_printable)]
Count = Annotated[int, Field(ge=0, le=MOST)]


class Training(BaseModel):
    """How a weight was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: dict[str, Any] = Field(description="the resolved recipe")
    data: Text = Field(description="photos it learned from, and their licences")
    device: Text
    steps: Count
    seconds: float = Field(ge=0, le=MOST)
    history: Text = Field("", description="earlier runs this one started from")
    curve: Text = Field("", description="what more training would still give")


class WeightFile(BaseModel):
    """One file of a weight."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: Count
    url: Text | None = Field(
        None,
        description="where it can be fetched, also relative to the card's address; None: beside it",
    )


class Card(BaseModel):
    """What a weight is; it lies beside the files of the same name.

    The files are ``<name>.<part>.onnx``, with the parts of :data:`PARTS`, and where there is an
    8-bit form those parts with ``.int8`` behind.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[Text, AfterValidator(_file_name)]
    method: str
    title: Text
    paper: Text
    channels: Literal[1, 3] = Field(description="1 for gray, 3 for RGB")
    parameters: Count
    macs_per_pixel: Count = Field(
        description="multiply-adds for each input pixel, of SR-Diff for each step, of SSP-IR with "
        "one; what costs the same for a picture of any size is not in it: SODiff's prompt, what "
        "SR-Diff and SSP-IR are told of the whole"
    )
    overlap_px: int = Field(ge=0, le=4096, description="overlap of tiles that hides their borders")
    licence: Text
    files: dict[str, WeightFile] = Field(description="the files by part")
    int8_loss_db: float | None = Field(
        None, description="PSNR the 8-bit form costs, the worst measured; None: there is none"
    )
    first: Text | None = Field(
        None, description="the weight that restores a picture before this one; None: none does"
    )
    encoders: dict[Text, Text] = Field(
        {},
        description="fingerprints of what told it about pictures when it was taught: captioner and "
        "text encoder, or image encoder; of an image encoder, its own",
    )
    training: Training
    scores: dict[Text, dict[Text, float]] = Field(
        description="measured through the command line: protocol and quality to PSNR in dB, or to "
        "the score that the protocol's name ends in"
    )

    @field_validator("method")
    @classmethod
    def _method_is_known(cls, method: str) -> str:
        if method not in PARTS:
            raise ValueError(f"this version knows {', '.join(PARTS)}, not {method!r}")
        return method

    @model_validator(mode="after")
    def _files_are_parts(self) -> Card:
        known = {*self.parts(), *self.parts(int8=True)}
        if odd := sorted(self.files.keys() - known):
            raise ValueError(f"a {self.method} has no part {odd[0][:100]!r}")
        return self

    @model_validator(mode="after")
    def _network_is_a_table(self) -> Card:
        network = self.training.recipe.get("network", {})
        if not isinstance(network, Mapping):
            raise ValueError("the network in its recipe is no table")
        _check_network(network)
        return self

    @property
    def tasks(self) -> tuple[str, ...]:
        """What a model that samples undoes, as its recipe says; nothing for other methods."""
        if self.method == "ssp-ir":
            return ("real",)
        if self.method != "sr-diff":
            return ()
        tasks = self.training.recipe.get("network", {}).get("tasks", ())
        return tuple(map(str, tasks)) if isinstance(tasks, list | tuple) else ()

    def parts(self, *, int8: bool = False) -> tuple[str, ...]:
        """What the files of one form are called under ``files``, in the order they run."""
        form = ".int8" if int8 else ""
        return tuple(part + form for part in PARTS[self.method])

    def size_bytes(self, *, int8: bool = False) -> int:
        """Bytes of the files that one form needs."""
        return sum(self.files[p].size_bytes for p in self.parts(int8=int8) if p in self.files)
