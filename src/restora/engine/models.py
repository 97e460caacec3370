"""From what ``--model`` names to a network that runs: weights that ship, cards, checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from restora._optional import require
from restora.engine.backend import Backend
from restora.engine.backend_ort import OrtBackend
from restora.engine.backend_ort_dagn import DagnOrtBackend
from restora.engine.backend_ort_sodiff import SodiffOrtBackend
from restora.engine.backend_ort_sr_diff import SrDiffOrtBackend
from restora.engine.backend_ort_ssp_ir import SspIrOrtBackend
from restora.engine.backend_sr_diff import SrDiffBackend
from restora.engine.backend_ssp_ir import SspIrBackend
from restora.engine.tasks import REAL, Sampled
from restora.engine.tiles import GRID_PX
from restora.errors import UsageError, WeightsError
from restora.networks.sodiff.buckets import CANDIDATES
from restora.weights.cards import IMAGE_ENCODER, PARTS, Card
from restora.weights.registry import (
    FOLDER,
    Model,
    find_model,
    is_card_path,
    load_card,
    load_weight,
)

if TYPE_CHECKING:
    from restora.networks.sr_diff.config import SRDiffConfig
    from restora.networks.ssp_ir.config import SSPIRConfig
    from restora.networks.weight_files import Loaded

Precision = Literal["float", "half", "int8"]

ORT_BACKENDS: Mapping[str, Callable[..., Backend]] = {
    "fbcnn": OrtBackend,
    "dagn": DagnOrtBackend,
    "sodiff": SodiffOrtBackend,
}
# Whose backends also take what their cards say of the network.
SAMPLERS = {"sr-diff": "SR-Diff", "ssp-ir": "SSP-IR"}
TORCH_SUFFIXES = (".pth", ".safetensors")
SCALES = range(4)  # of codec and U-Net at published size, each half as large as the one before
# Of tiles, for weights without a card: half of how far the published network sees.
DEFAULT_OVERLAP_PX = 128


@dataclass(frozen=True)
class WeightFacts:
    """What a plan needs to know of a weight.

    Attributes:
        channels: 1 for gray, 3 for RGB.
        overlap_px: Overlap of tiles that hides their borders.
        int8_loss_db: PSNR that its 8-bit form costs; None where it has none.
        torch: It is no ONNX file and runs in PyTorch on the CPU too.
        timesteps: Those it can start from; none unless it is a diffusion model. Such a one can
            draw its latents by a seed.
        first: The weight that restores a picture before this one does, if any.
        multiple_px: Sides of a tile are multiples of this.
        local: What it makes of a place depends on no more than the overlap around it. Else a
            picture comes out a little different for every way to cut it into tiles.
        tasks: What it undoes, where it is one that samples; others repair JPEG artifacts.
        steps: That it takes to a sample where nobody asks for a number, 0 if it does not sample.
        most_steps: That it can be asked for.
        ssp_ir: All that an SSP-IR is made of; None for other methods.
        encoders: Fingerprints of what told it of pictures and words in training, where known.
    """

    channels: int
    overlap_px: int
    int8_loss_db: float | None = None
    torch: bool = False
    timesteps: tuple[int, ...] = ()
    first: str | None = None
    multiple_px: int = GRID_PX
    local: bool = True
    tasks: tuple[Sampled, ...] = ()
    steps: int = 0
    most_steps: int = 0
    ssp_ir: SSPIRConfig | None = None
    encoders: Mapping[str, str] = field(default_factory=dict)


def resolve_model(name: str) -> Model:
    """The model of a name, or of the path of a card or a checkpoint.

    Raises:
        MissingExtra: A checkpoint needs PyTorch, which is not installed.
        UsageError: There is no such model.
        WeightsError: The file holds no weights Restora can use.
    """
    path = Path(name)
    suffix = path.suffix.lower()
    if not _is_path(name) and suffix not in (".onnx", ".pt"):
        return find_model(name)
    if suffix == ".pt":
        raise UsageError(f"{name}: a training's checkpoint is exported first: restora export.")
    if not path.is_file():
        raise UsageError(f"{name}: there is no such file of weights.")
    if suffix == ".onnx":
        raise UsageError(f"{name}: give the card beside it (.json), which names all its files.")
    channels = weight_facts(name).channels
    return Model(
        name=name,
        summary="weights given by path",
        gray=name if channels == 1 else None,
        color=name if channels == 3 else None,
    )


def weight_facts(weight: str) -> WeightFacts:
    """What is known of a weight: the name of one that ships, or a path.

    Raises:
        MissingExtra: A checkpoint needs PyTorch, which is not installed.
        WeightsError: The file holds no weights Restora can use.
    """
    if _is_torch(weight):
        config = _read(weight).config
        facts = WeightFacts(
            config.channels,
            DEFAULT_OVERLAP_PX,
            torch=True,
            first=getattr(config, "regressor", None),
            multiple_px=config.multiple_px,
        )
        if hasattr(config, "candidates"):
            return _diffusion_facts(facts, config.model_dump(mode="json"))
        return _sampler_facts(facts, config)
    card = load_card(weight)
    if card.method not in (*ORT_BACKENDS, *SAMPLERS):
        raise WeightsError(f"The weight {card.name} restores nothing by itself.")
    facts = WeightFacts(
        card.channels,
        card.overlap_px,
        card.int8_loss_db,
        first=card.first,
        encoders=card.encoders,
    )
    if card.method in SAMPLERS:
        return _sampler_facts(facts, _config_of(card))
    if card.method != "sodiff":
        return facts
    try:
        return _diffusion_facts(facts, card.training.recipe.get("network", {}))
    except (AttributeError, TypeError, ValueError) as error:  # a card may say anything
        raise WeightsError(f"The card of {card.name} describes no SODiff.") from error


def tasks_of(model: Model) -> tuple[Sampled, ...]:
    """What a model undoes; nothing if it repairs JPEG artifacts."""
    return weight_facts(model.weights[0]).tasks


def first_facts(weight: str, first: str) -> WeightFacts:
    """What is known of the weight that restores pictures before another does.

    Args:
        weight: That other.
        first: The name of one that ships; a path would mean another file in every folder.

    Raises:
        WeightsError: There is none of that name here, or it cannot come first.
    """
    if Path(first).name != first or not (FOLDER / f"{first}.json").is_file():
        raise WeightsError(
            f"{weight} starts from what {first} restores, and this Restora has no such weight; "
            "a newer one may."
        )
    facts = weight_facts(first)
    if facts.channels != weight_facts(weight).channels or facts.first is not None:
        raise WeightsError(f"{weight} cannot start from what {first} restores.")
    return facts


def _diffusion_facts(facts: WeightFacts, network: Mapping[str, Any]) -> WeightFacts:
    """With those that a SODiff's configuration tells, read without PyTorch.

    Args:
        facts: All others.
        network: :class:`restora.networks.sodiff.config.SODiffConfig` as a card holds it; what is
            not in it is as that has it.
    """
    timestep, prior = network.get("timestep"), network.get("prior", {})
    codec, unet = prior.get("codec", {}), prior.get("unet", {})
    candidates = network.get("predictor", {}).get("candidates", CANDIDATES)
    halvings = sum(len(part.get("widths", SCALES)) - 1 for part in (codec, unet))
    return replace(
        facts,
        timesteps=tuple(candidates) if timestep is None else (timestep,),
        multiple_px=codec.get("unshuffle", 1) * 2**halvings,
        local=prior.get("norm", "group") == "local"
        and not codec.get("attention", True)
        and not unet.get("self_attention", True),
    )


def _sampler_facts(facts: WeightFacts, config: object) -> WeightFacts:
    """With those that a configuration tells, if it is of a network that samples."""
    from restora.networks.sr_diff.config import SRDiffConfig  # noqa: PLC0415 - rarely needed
    from restora.networks.ssp_ir.config import SSPIRConfig  # noqa: PLC0415

    _check_encoders_here(config)
    if isinstance(config, SRDiffConfig):
        unet = config.unet
        return replace(
            facts,
            multiple_px=config.multiple_px,
            local=unet.norm == "layer" and not (unet.linear_attention or unet.self_attention),
            tasks=config.tasks,
            steps=min(config.walk, config.sde.steps),
            most_steps=config.sde.steps,
        )
    if isinstance(config, SSPIRConfig):
        return replace(
            facts,
            multiple_px=config.multiple_px,
            local=config.is_local,
            tasks=(REAL,),
            steps=min(config.walk, config.start_step + 1),
            most_steps=config.start_step + 1,
            ssp_ir=config,
        )
    return facts


def _check_encoders_here(config: object) -> None:
    """Refuse a weight whose encoders would be fetched: a file must not send anyone to the network.

    Raises:
        WeightsError: It was taught by an encoder that is not on this machine.
    """
    for role in ("encoder", "text_encoder"):
        kind, colon, source = str(getattr(config, role, "")).partition(":")
        if colon and not Path(source).exists():
            raise WeightsError(
                f"This weight is told about pictures by {kind}:{source}, no folder of this "
                "machine; nothing is fetched because a file of weights says so."
            )


def _config_of(card: Card) -> SRDiffConfig | SSPIRConfig:
    """The configuration of a network that samples, as its card holds it.

    Raises:
        WeightsError: It does not hold one.
    """
    from restora.networks.sr_diff.config import SRDiffConfig  # noqa: PLC0415 - rarely needed
    from restora.networks.ssp_ir.config import SSPIRConfig  # noqa: PLC0415

    kind = SSPIRConfig if card.method == "ssp-ir" else SRDiffConfig
    try:
        return kind.model_validate(card.training.recipe.get("network"))
    except ValidationError as error:
        raise WeightsError(
            f"The card of {card.name} describes no {SAMPLERS[card.method]}. ({error})"
        ) from error


def open_backend(weight: str, *, device: str, threads: int, precision: Precision) -> Backend:
    """Load a weight.

    Args:
        weight: The name of one that ships, or a path.
        device: ``"cpu"`` runs ONNX Runtime where it can; anything else runs PyTorch.
        threads: CPU threads inside the network; 0 takes every core.
        precision: ``"int8"`` is for ONNX Runtime, ``"half"`` for PyTorch.

    Raises:
        MissingExtra: PyTorch is needed and not installed.
        UsageError: There is no such device here.
        WeightsError: The weight cannot be read, or what guided it in training is not here.
    """
    card = None if _is_torch(weight) else load_card(weight)
    if card is not None and device == "cpu":
        if card.method in SAMPLERS:
            return _guided(_open_sampler(weight, card, threads=threads), card)
        parts = [load_weight(weight, part) for part in card.parts(int8=precision == "int8")]
        return ORT_BACKENDS[card.method](*parts, threads=threads)
    require("torch", extra="train")
    from restora.engine.backend_torch import open_torch  # noqa: PLC0415 - needs PyTorch

    loaded = _read(weight if _is_path(weight) else str(FOLDER / f"{weight}.json"))
    half = precision == "half"
    return _guided(open_torch(loaded.config, loaded.weights, device=device, half=half), card)


def _open_sampler(weight: str, card: Card, *, threads: int) -> Backend:
    """A network that samples, in ONNX Runtime."""
    from restora.networks.sr_diff.config import SRDiffConfig  # noqa: PLC0415 - rarely needed

    config = _config_of(card)
    if isinstance(config, SRDiffConfig):
        refiner, denoiser = (load_weight(weight, part) for part in ("refiner", "denoiser"))
        return SrDiffOrtBackend(config, refiner, denoiser, threads=threads)
    parts = {part: load_weight(weight, part) for part in PARTS[card.method]}
    return SspIrOrtBackend(config, parts, threads=threads)


def _guided(backend: Backend, card: Card | None) -> Backend:
    """A network, if what will guide it is what did in training.

    Raises:
        WeightsError: It is an SR-Diff or an SSP-IR and something else would.
    """
    if isinstance(backend, SspIrBackend) and card is not None:
        backend.check_encoders(card.encoders)
    if isinstance(backend, SrDiffBackend):
        backend.check_context()
        backend.check_encoder(None if card is None else card.encoders.get(IMAGE_ENCODER))
    return backend


def _is_torch(weight: str) -> bool:
    return weight.lower().endswith(TORCH_SUFFIXES)


def _is_path(weight: str) -> bool:
    return _is_torch(weight) or is_card_path(weight)


def _read(weight: str) -> Loaded:
    path = Path(weight)
    return _read_once(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)  # every picture asks; a large file is kept, but not many of them
def _read_once(path: Path, _changed: int) -> Loaded:
    require("torch", extra="train")
    from restora.networks.weight_files import read_weights  # noqa: PLC0415 - needs PyTorch

    return read_weights(path)
