"""``restora bench real``: real-world damage, of blur, noise, downscaling and JPEG together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    check_json,
)
from restora.cli.bench.real_options import (
    CleanFolder,
    CleanSet,
    light_scores,
    published_damage,
    set_name,
)

if TYPE_CHECKING:
    from restora.cli.bench.variants import Variant
    from restora.engine.restorer import Restorer
    from restora.evaluation.perceptual_scores import Scorer
    from restora.evaluation.real_world import Restore
    from restora.evaluation.real_world_sets import Loaded, Pixels, RealCase
    from restora.images import Picture

MODEL = "ssp-ir"
BASE = "fbcnn"  # what repairs JPEG alone, whatever else is wrong


def real(
    data: Data = DATA,
    test_set: CleanSet = "live1",
    pictures: CleanFolder = None,
    pairs: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads annotations at run time
        typer.Option(
            help="Pairs too: a folder with input and target, the same names in both, such as "
            "RealSR's; inputs 2 to 4 times smaller are enlarged.",
            readable=False,
        ),
    ] = None,
    model: Annotated[
        list[str], typer.Option("--model", help="Model to measure, again for more.")
    ] = [MODEL],  # noqa: B006 - typer copies it
    variant: Annotated[
        list[str],
        typer.Option(
            "--variant",
            help="Wishes to measure every model with too, again for more, such as 'steps=4' or "
            "'prompt=\"a street\" text_guidance=2', in one pair of quotes.",
        ),
    ] = [],  # noqa: B006
    seed: Annotated[
        Optional[int],  # noqa: UP045 - typer reads annotations at run time
        typer.Option(min=0, help="Of the noise, for every picture; for models that draw any."),
    ] = None,
    looks: Annotated[
        bool,
        typer.Option(
            "--looks",
            help="Also DISTS and features by Lite2, as restora bench perceptual has them.",
        ),
    ] = False,
    clip: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Weights of a CLIP image encoder: its similarity too.", readable=False),
    ] = None,
    save: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="Also write all pictures here as PNG, for the no-reference scores of another "
            "toolbox.",
            readable=False,
        ),
    ] = None,
    limit: Limit = None,
    device: Device = "cpu",
    threads: Threads = 0,
    json: JsonFile = None,
    markdown: Markdown = False,
) -> None:
    """Blur, noise, downscaling and JPEG together: clean pictures damaged here, and your pairs."""
    from restora.cli.bench.output import print_grids, progress_bar
    from restora.cli.bench.variants import read_variants
    from restora.engine.restorer import Restorer
    from restora.evaluation.real_world import measure_real_world
    from restora.evaluation.real_world_folders import RealWorldFolders, real_cross_check
    from restora.evaluation.real_world_report import INPUT
    from restora.evaluation.real_world_sets import clean_pictures, pair_cases, synthetic_cases
    from restora.evaluation.real_world_tables import real_world_grids
    from restora.evaluation.report import write_report

    check_json(json)
    asked = read_asked(model, variant, seed)
    found = clean_pictures(test_set, data, folder=pictures, limit=limit)
    given = () if pairs is None else pair_cases(pairs, limit=limit)
    cases: list[RealCase] = [*synthetic_cases(found, published_damage()), *given]
    scorers, missing = light_scores()
    scorers += _more_scores(looks=looks, clip=clip)
    restorer = Restorer(device=device, threads=threads)
    (base,) = read_variants([f"blind model={BASE}"], BASE).values()
    restorers = {BASE: _repairer(base, restorer)}
    words: dict[str, dict[tuple[str, str], bool]] = {name: {} for name in asked}
    restorers |= {name: _restorer(asked[name], restorer, words[name]) for name in asked}
    folders = None if save is None else RealWorldFolders(save, tuple(restorers))
    with progress_bar("real") as progress:
        report = measure_real_world(
            cases,
            restorers,
            scorers,
            test_set=set_name(test_set, pictures),
            model=next(iter(asked)),
            bases=(INPUT, BASE),
            seed=seed,
            folders=folders,
            notes=(*_notes(asked, seed, paired=bool(given)), *missing),
            progress=progress,
        )
    report = report.model_copy(update={"notes": (*report.notes, *_captioned(words))})
    print_grids(real_world_grids(report), markdown=markdown)
    if json is not None:
        write_report(report, json)
    if folders is not None:
        typer.echo("The pictures are saved. With pyiqa of your own, no-reference scores too:")
        typer.echo(real_cross_check(folders.root))


def read_asked(
    models: Sequence[str], variants: Sequence[str], seed: int | None
) -> dict[str, Variant]:
    """Every model as it comes and with every variant's wishes, by the name for the table.

    Raises:
        UsageError: A word is not known, a value makes no sense, or something is asked for twice.
    """
    import shlex

    from restora.cli.bench.variants import read_variants
    from restora.errors import UsageError

    found: dict[str, Variant] = {}
    for model in models:
        for words in ("", *variants):
            name = " ".join([Path(model).name, *words.split()])
            if name in found or name == BASE:
                raise UsageError(f"{name} is asked for twice.")
            drawn = "" if seed is None else f"seed={seed}"
            text = f"tool task=real {drawn} {words} {shlex.quote(f'model={model}')}"
            (found[name],) = read_variants([text], model).values()
    return found


def _restorer(variant: Variant, restorer: Restorer, words: dict[tuple[str, str], bool]) -> Restore:
    """A model that is told the damage is of the real world, and how much to enlarge.

    ``words`` is told of each picture whether it was restored by a caption.
    """

    def restore(loaded: Loaded) -> Pixels:
        wishes = variant.wishes
        if loaded.factor > 1:
            wishes = wishes.model_copy(update={"upscale": loaded.factor})
        result = restorer.restore(loaded.file, wishes, name=loaded.name)
        words[loaded.setting, loaded.name] = bool(result.plan.prompt)
        return _colour(result.picture)

    return restore


def _repairer(variant: Variant, restorer: Restorer) -> Restore:
    """A model for JPEG, which gives the size it is given."""
    from restora.images.enlarge import enlarge_bytes

    def restore(loaded: Loaded) -> Pixels:
        picture, _ = variant.repair(restorer, loaded.file)
        return enlarge_bytes(_colour(picture), loaded.factor)

    return restore


def _colour(picture: Picture) -> Pixels:
    """``(H, W, 3)``, 0-255: the clean picture is read as colour, whatever this one is."""
    from restora.cli.bench.variants import to_bytes

    pixels = to_bytes(picture)
    return pixels[..., None].repeat(3, axis=2) if pixels.ndim == 2 else pixels


def _more_scores(*, looks: bool, clip: Path | None) -> list[Scorer]:
    """What the user's weights and extras add."""
    from restora.cli.bench.perceptual import FEATURES, clip_similarity, distances
    from restora.evaluation.perceptual_scores import FeatureSimilarity

    found: list[Scorer] = []
    if looks:
        from restora.semantics.efficientnet_lite import load_classifier

        found += [*distances(lpips=None, dists=None), FeatureSimilarity(load_classifier(FEATURES))]
    if clip is not None:
        found.append(clip_similarity(clip))
    return found


def _captioned(words: Mapping[str, Mapping[tuple[str, str], bool]]) -> Iterator[str]:
    """How many pictures had a caption; what writes them may not be installed."""
    for name, told in words.items():
        yield f"{name}: {sum(told.values())} of {len(told)} pictures with a caption."


def _notes(asked: Mapping[str, Variant], seed: int | None, *, paired: bool) -> tuple[str, ...]:
    from restora.evaluation.real_world_report import INPUT

    notes = [
        f"{INPUT}: the degraded picture{', enlarged by bicubic interpolation' if paired else ''}.",
        f"{BASE}: the colour weight for JPEG alone, blind: the degraded picture comes as PNG"
        f"{', and is enlarged after its repair' if paired else ''}.",
        f"{', '.join(asked)}: as `restora restore --task real` does it, one sample"
        f"{'' if seed is None else f', seed {seed}'}.",
    ]
    return tuple(notes)
