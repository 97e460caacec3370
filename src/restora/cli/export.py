"""``restora export``: a training run or a weight file as ONNX with its card, or as safetensors."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from restora.networks.weight_files import Loaded
    from restora.weights.cards import Card

RUN_OVERLAP_PX = 64  # of tiles, for the compact sizes
FORMATS = ("onnx", "onnx-whole", "safetensors")


def export(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A run's .pt; .pth of the authors, .safetensors or card; or what ships, by name.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the files.", readable=False)],
    format: Annotated[
        str,
        typer.Option(
            help="onnx: its parts and card, for restore --model. onnx-whole: all in one "
            "file, for other programs. safetensors: the weights for PyTorch."
        ),
    ] = "onnx",
    name: Annotated[
        Optional[str],  # noqa: UP045 - typer reads annotations at run time
        typer.Option(help="What the files are called. Default: the recipe's or the file's name."),
    ] = None,
    released_names: Annotated[
        bool,
        typer.Option(
            "--released-names", help="safetensors: the authors' names, for programs built on them."
        ),
    ] = False,
    title: Annotated[str, typer.Option(help="For the card: what it is, in a few words.")] = "",
    data: Annotated[str, typer.Option(help="For a run's card: photos, and their licences.")] = "",
    trained_on: Annotated[str, typer.Option(help="For a run's card: the device.")] = "",
    history: Annotated[str, typer.Option(help="For a run's card: runs it started from.")] = "",
    curve: Annotated[str, typer.Option(help="For a run's card: what more would give.")] = "",
    overlap: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Overlap of tiles in pixels. Default: 64 for a run, else 128."),
    ] = None,
    int8_photos: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="A run: also make an 8-bit form, with these photos it was trained on.",
            readable=False,
        ),
    ] = None,
    validation: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Clean pictures to measure the 8-bit form on.", readable=False),
    ] = None,
    cache: Annotated[
        Path, typer.Option(help="Where decoded photos are kept.", readable=False)
    ] = Path(".cache"),
    bench: Annotated[
        list[Path],
        typer.Option(help="Reports of `restora bench --json` for a run's card.", readable=False),
    ] = [],  # noqa: B006 - typer copies it
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Export weights: ONNX of any size with the quality as an input, or safetensors.

    Cards with their files and safetensors can go in again; a whole ONNX file is for others.
    """
    from restora._optional import require
    from restora.errors import UsageError

    require("torch", extra="train")
    _check_overlap(overlap)
    if format not in FORMATS:
        raise UsageError(f"--format is {', '.join(FORMATS)}, not {format!r}.")
    if released_names and format != "safetensors":
        raise UsageError("--released-names goes with --format safetensors.")
    from restora.engine.models import DEFAULT_OVERLAP_PX

    path = Path(source)
    is_run = path.suffix == ".pt"
    if (int8_photos is None) != (validation is None):
        raise UsageError("An 8-bit form needs both --int8-photos and --validation.")
    _check_told(
        is_run and format == "onnx",
        needed=(title, data, trained_on),
        told=(data, trained_on, history, curve, bench, int8_photos),
    )
    from restora.weights.registry import ENCODERS

    if source in ENCODERS:
        as_it_ships = format == "onnx" and not name and not title and overlap is None
        _export_encoder(source, out, as_it_ships=as_it_ships, overwrite=overwrite)
        return
    from restora.evaluation.card_scores import read_card_scores
    from restora.networks.catalogue import PROPER_NAMES, method_of
    from restora.networks.weight_files import write_safetensors
    from restora.training.data import PhotoStore
    from restora.training.export import (
        Int8Data,
        check_int8,
        export_loaded,
        export_weight,
        write_whole,
    )

    loaded, stem = _read(path)
    _check_method(loaded, source, format=format, released=released_names)
    stem = name or stem
    suffix = {"onnx": ".json", "onnx-whole": ".onnx", "safetensors": ".safetensors"}[format]
    target = out / f"{stem}{suffix}"
    _make_room(target, overwrite=overwrite)
    if format == "safetensors":
        write_safetensors(target, loaded.config, loaded.weights, released=released_names)
    elif format == "onnx-whole":
        write_whole(target, loaded.config, loaded.weights)
    elif is_run:
        int8 = None
        if int8_photos is not None and validation is not None:
            check_int8(loaded.config)  # before photos are decoded
            int8 = Int8Data(PhotoStore.open(int8_photos, cache=cache), validation)
        from restora.training.checkpoint import load_checkpoint

        card = export_weight(
            load_checkpoint(path),
            out,
            name=stem,
            title=title,
            data=data,
            device=trained_on,
            history=history,
            curve=curve,
            overlap_px=RUN_OVERLAP_PX if overlap is None else overlap,
            scores={k: v for report in bench for k, v in read_card_scores(report).items()},
            int8=int8,
        )
        _tell(out, card)
        return
    elif loaded.kind == "onnx":
        raise UsageError(f"{source}: this is such an export already; copy the card and its files.")
    else:
        card = export_loaded(
            loaded,
            out,
            name=stem,
            title=title or f"{PROPER_NAMES[method_of(loaded.config)]} from {path.name}",
            overlap_px=DEFAULT_OVERLAP_PX if overlap is None else overlap,
            source=f"exported from {path.name}",
        )
        _tell(out, card)
        return
    typer.echo(f"{target}: {target.stat().st_size / 1e6:.2f} MB")


def _check_told(run_card: bool, *, needed: Iterable[object], told: Iterable[object]) -> None:
    """Refuse a run's card that would lack something, and what no other card takes.

    Raises:
        UsageError: The message names the options.
    """
    from restora.errors import UsageError

    if run_card and not all(needed):
        raise UsageError("A run's card needs --title, --data and --trained-on.")
    if not run_card and any(told):
        raise UsageError(
            "--data, --trained-on, --history, --curve, --bench and --int8-photos are for the card "
            "of a run, so for a run's .pt and --format onnx."
        )


def _export_encoder(name: str, out: Path, *, as_it_ships: bool, overwrite: bool) -> None:
    """Make an image encoder that ships anew, from its package.

    Raises:
        UsageError: It is not wanted as it ships, or is there already.
    """
    from restora.errors import UsageError
    from restora.training.image_encoders import export_image_encoder

    if not as_it_ships:
        raise UsageError(f"{name} is exported as it ships: with -o and --overwrite alone.")
    _make_room(out / f"{name}.json", overwrite=overwrite)
    _tell(out, export_image_encoder(name, out))


def _make_room(target: Path, *, overwrite: bool) -> None:
    """Make the folder a file goes to.

    Raises:
        UsageError: The file is there, and shall not be replaced.
    """
    from restora.engine.batch import make_folder
    from restora.errors import UsageError

    make_folder(target.parent)
    if target.exists() and not overwrite:
        raise UsageError(f"{target} is there already; --overwrite replaces it.")


def _check_overlap(overlap: int | None) -> None:
    """Refuse an overlap that no tiles can have.

    Raises:
        UsageError: The message names what is wanted.
    """
    from restora.engine.tiles import GRID_PX
    from restora.errors import UsageError

    if overlap is not None and (overlap < GRID_PX or overlap % GRID_PX):
        raise UsageError(
            f"--overlap is a multiple of {GRID_PX} pixels, at least {GRID_PX}, not {overlap}."
        )


def _check_method(loaded: Loaded, source: str, *, format: str, released: bool) -> None:
    """Refuse the authors' names for what they have none for, and one file for what runs in parts.

    Raises:
        UsageError: The network is of another method than FBCNN, or a SODiff.
    """
    from restora.errors import UsageError
    from restora.networks.catalogue import PROPER_NAMES, method_of
    from restora.training.export import check_whole

    if format == "onnx-whole":
        check_whole(loaded.config)
    method = method_of(loaded.config)
    if released and method != "fbcnn":
        raise UsageError(
            f"--released-names are those of FBCNN; {source} is a {PROPER_NAMES[method]}."
        )


def _read(path: Path) -> tuple[Loaded, str]:
    """The weights of a run, a file, or a name that ships, LoRA inside them; and what to call them.

    Raises:
        UsageError: There is no such name.
    """
    from restora.errors import UsageError
    from restora.networks.weight_files import Loaded, read_weights, without_lora
    from restora.training.checkpoint import load_checkpoint
    from restora.weights.registry import FOLDER, MODELS

    if path.suffix == ".pt":
        checkpoint = load_checkpoint(path)
        recipe = checkpoint.recipe
        loaded = Loaded(recipe.network, checkpoint.average, "safetensors")
        return without_lora(loaded), recipe.name
    names = [weight for model in MODELS for weight in model.weights]
    if not path.suffix and str(path) not in names:
        raise UsageError(f"There is no weight named {str(path)!r}; known are {', '.join(names)}.")
    loaded = read_weights(path if path.suffix else FOLDER / f"{path}.json")
    return without_lora(loaded), path.stem


def _tell(out: Path, card: Card) -> None:
    typer.echo(
        f"{out / card.name}.json and its files: {card.size_bytes() / 1e6:.2f} MB, "
        f"{card.macs_per_pixel / 1000:.1f} thousand multiply-adds a pixel"
    )
