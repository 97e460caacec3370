"""``restora bench perceptual``: how restored pictures look, by the protocol of diffusion papers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from restora.cli.bench.options import (
    DATA,
    Data,
    Device,
    JsonFile,
    Limit,
    Markdown,
    Threads,
    Variants,
    check_json,
    numbers,
)

if TYPE_CHECKING:
    from restora.evaluation.perceptual_scores import Scorer

FEATURES = "lite2"


def perceptual(
    data: Data = DATA,
    test_set: Annotated[
        str,
        typer.Option(
            "--set", help="live1, urban100, div2k, or a folder of pictures under the data folder."
        ),
    ] = "live1",
    quality: Annotated[
        str, typer.Option(help="Qualities to measure, with commas between.")
    ] = "5,10,20",
    variant: Variants = ["tool"],  # noqa: B006 - typer copies it
    model: Annotated[
        list[str], typer.Option("--model", help="Model to measure, again for more.")
    ] = ["fbcnn"],  # noqa: B006
    clip: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads annotations at run time
        typer.Option(help="Weights of a CLIP image encoder: its similarity too.", readable=False),
    ] = None,
    lpips: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="VGG,LINEAR",
            help="Weights of VGG16, a comma, LPIPS's own for it: LPIPS (VGG16) too.",
        ),
    ] = None,
    dists: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="VGG[,WEIGHTS]",
            help="Weights of VGG16, and with a comma those of DISTS: DISTS on VGG16 too.",
        ),
    ] = None,
    save: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="Also write clean and restored pictures here as PNG, for another toolbox.",
            readable=False,
        ),
    ] = None,
    limit: Limit = None,
    device: Device = "cpu",
    threads: Threads = 0,
    json: JsonFile = None,
    markdown: Markdown = False,
) -> None:
    """Whole colour pictures at QF 5, 10 and 20: how they look, how true they are."""
    from restora.cli.bench.output import print_grids, progress_bar
    from restora.cli.bench.variants import mode_notes, pixel_restorers, read_variants
    from restora.engine.restorer import Restorer
    from restora.evaluation.perceptual import find_set, measure_perceptual
    from restora.evaluation.perceptual_folders import PictureFolders, cross_check
    from restora.evaluation.perceptual_tables import perceptual_grids
    from restora.evaluation.report import write_report
    from restora.evaluation.settings import at_qualities, check_settings

    check_json(json)
    qualities = numbers(quality, "--quality")
    check_settings(at_qualities(qualities))
    variants = read_variants(of_every_model(variant, model), model[0])
    pictures = find_set(data, test_set, limit=limit)
    scorers = _scorers(clip=clip, lpips=lpips, dists=dists)
    folders = None if save is None else PictureFolders(save, test_set, tuple(variants))
    with progress_bar("perceptual") as progress:
        report = measure_perceptual(
            pictures,
            pixel_restorers(variants, Restorer(device=device, threads=threads)),
            scorers,
            test_set=test_set,
            qualities=qualities,
            folders=folders,
            notes=mode_notes(variants),
            progress=progress,
        )
    print_grids(perceptual_grids(report), markdown=markdown)
    if json is not None:
        write_report(report, json)
    if folders is not None:
        typer.echo("The pictures are saved. With pyiqa of your own, the published columns are:")
        typer.echo(cross_check(folders.folder))


def of_every_model(variants: Sequence[str], models: Sequence[str]) -> list[str]:
    """Every variant with every model; one that names its model stays alone.

    >>> of_every_model(["tool", "blind model=dagn"], ["fbcnn", "a b.json"])
    ['tool model=fbcnn', "tool 'model=a b.json'", 'blind model=dagn']
    """
    import shlex

    every = []
    for text in variants:
        if "model=" in text:
            every.append(text)
        else:
            every.extend(f"{text} {shlex.quote(f'model={name}')}" for name in models)
    return every


def _scorers(*, clip: Path | None, lpips: str | None, dists: str | None) -> list[Scorer]:
    """What is always measured, and what the user's weights add, in the order of the columns."""
    from restora.evaluation.perceptual_scores import FeatureSimilarity, Fidelity, Ssimulacra2
    from restora.semantics.efficientnet_lite import load_classifier

    return [
        Ssimulacra2(),
        *distances(lpips=lpips, dists=dists),
        FeatureSimilarity(load_classifier(FEATURES)),
        *([clip_similarity(clip)] if clip is not None else []),
        Fidelity(),
    ]


def distances(*, lpips: str | None, dists: str | None) -> list[Scorer]:
    """LPIPS and DISTS on VGG16 with the user's weights; DISTS on what is at hand without."""
    from restora._optional import require
    from restora.errors import UsageError
    from restora.evaluation.perceptual_scores import Column, NetworkDistance

    require("torch", extra="downstream")
    from restora.networks.perceptual import LPIPS, load_dists

    found: list[Scorer] = []
    if lpips is not None:
        vgg, comma, linear = lpips.partition(",")
        if not comma:
            raise UsageError(f"--lpips is two files with a comma between, not {lpips!r}.")
        column = Column(
            name="lpips_vgg", label="LPIPS (VGG16)", better="lower", digits=4,
            meaning="version 0.1; published figures are mostly AlexNet's, which are others",
        )  # fmt: skip
        found.append(NetworkDistance(LPIPS.load(Path(vgg), Path(linear)), column))
    if dists is not None:
        measured = load_dists(f"vgg16:{dists}")
        own = bool((measured.alpha != measured.alpha[0]).any())
        column = Column(
            name="dists" if own else "dists_vgg_equal",
            label="DISTS" if own else "DISTS (VGG16, equal weights)",
            better="lower", digits=4,
            meaning="on VGG16 at full size, with its own weights" if own
            else "on VGG16 at full size, all channels alike: not the published DISTS",
        )  # fmt: skip
        found.append(NetworkDistance(measured, column))
    for name, label, seen in (
        (FEATURES, "DISTS (Lite2)", "features of EfficientNet-Lite2"),
        (
            "filter-bank", "DISTS (filter bank)", "Gabor magnitudes of four octaves, to which the "
            "edges of blocks are texture",
        ),
    ):  # fmt: skip
        meaning = f"the formula of DISTS on {seen}; not the published DISTS"
        key = f"dists_{name.replace('-', '_')}"
        column = Column(name=key, label=label, better="lower", digits=4, meaning=meaning)
        found.append(NetworkDistance(load_dists(name), column))
    return found


def clip_similarity(path: Path) -> Scorer:
    """The similarity that a CLIP of the user's sees."""
    from restora.evaluation.perceptual_scores import EmbeddingSimilarity
    from restora.semantics.lookup import load_image_encoder

    return EmbeddingSimilarity(load_image_encoder(f"clip:{path}"))
