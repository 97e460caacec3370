"""``restora export``: a training run or a weight file as ONNX with its card, or as safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from restora.evaluation.report import Report
    from restora.weights.cards import Card

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
            help="onnx: encoder, decoder and card, for restore --model. onnx-whole: all in one "
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
    overlap: Annotated[int, typer.Option(help="Overlap of tiles in pixels.")] = 64,
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
) -> None:
    """Export weights: ONNX of any size with the quality as an input, or safetensors.

    Whatever comes out can go in again.
    """
    from restora._optional import require
    from restora.errors import UsageError

    require("torch", extra="train")
    if format not in FORMATS:
        raise UsageError(f"--format is {', '.join(FORMATS)}, not {format!r}.")
    if released_names and format != "safetensors":
        raise UsageError("--released-names goes with --format safetensors.")
    from restora.evaluation.report import read_report
    from restora.networks.weight_files import read_weights, write_safetensors
    from restora.training.checkpoint import load_checkpoint
    from restora.training.data import PhotoStore
    from restora.training.export import Int8Data, export_loaded, export_weight, write_whole
    from restora.weights.registry import FOLDER

    path = Path(source)
    if path.suffix == ".pt" and format == "onnx":
        if not (title and data and trained_on):
            raise UsageError("A run's card needs --title, --data and --trained-on.")
        if (int8_photos is None) != (validation is None):
            raise UsageError("An 8-bit form needs both --int8-photos and --validation.")
        int8 = None
        if int8_photos is not None and validation is not None:
            int8 = Int8Data(PhotoStore.open(int8_photos, cache=cache), validation)
        card = export_weight(
            load_checkpoint(path),
            out,
            title=title,
            data=data,
            device=trained_on,
            history=history,
            curve=curve,
            overlap_px=overlap,
            scores={k: v for report in bench for k, v in card_scores(read_report(report)).items()},
            int8=int8,
        )
        _tell(out, card)
        return
    if path.suffix == ".pt":
        checkpoint = load_checkpoint(path)
        config, weights = checkpoint.recipe.network, checkpoint.average
        stem = name or checkpoint.recipe.name
    else:
        ships = not path.suffix and (FOLDER / f"{source}.json").is_file()
        loaded = read_weights(FOLDER / f"{source}.json" if ships else path)
        config, weights, stem = loaded.config, loaded.weights, name or path.stem
        if format == "onnx":
            card = export_loaded(
                loaded,
                out,
                name=stem,
                title=title or f"FBCNN from {path.name}",
                overlap_px=overlap,
                source=f"exported from {path.name}",
            )
            _tell(out, card)
            return
    out.mkdir(parents=True, exist_ok=True)
    if format == "safetensors":
        target = out / f"{stem}.safetensors"
        write_safetensors(target, config, weights, released=released_names)
    else:
        target = out / f"{stem}.onnx"
        write_whole(target, config, weights)
    typer.echo(f"{target}: {target.stat().st_size / 1e6:.2f} MB")


def _tell(out: Path, card: Card) -> None:
    typer.echo(
        f"{out / card.name}.json and its files: {card.size_bytes() / 1e6:.2f} MB, "
        f"{card.macs_per_pixel / 1000:.1f} thousand multiply-adds a pixel"
    )


def card_scores(report: Report) -> dict[str, dict[str, float]]:
    """The rows of a report as a card keeps them: what was measured, to PSNR in dB by quality."""
    from restora.evaluation.report import PLAIN_JPEG

    scores: dict[str, dict[str, float]] = {}
    for row in report.rows:
        if row.method == PLAIN_JPEG:
            continue
        variant = row.method.partition(", ")[2]
        measured = " ".join(filter(None, (report.protocol, report.set, variant)))
        cell = str(row.setting).replace("QF ", "QF")
        scores.setdefault(measured, {})[cell] = round(row.psnr, 2)
    if report.quality_errors:
        errors = [error.mean_absolute_error for error in report.quality_errors]
        scores[f"quality error {report.set}"] = {"mean": round(sum(errors) / len(errors), 2)}
    return scores
