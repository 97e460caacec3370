"""``restora restore``: files, folders or patterns in, restored pictures out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from restora.cli.show import Screen
    from restora.engine.batch import Existing
    from restora.engine.restore_file import Settings


def restore(
    inputs: Annotated[list[str], typer.Argument(metavar="FILE|FOLDER|GLOB...", show_default=False)],
    out: Annotated[
        Optional[str],  # noqa: UP045 - typer reads annotations at run time
        typer.Option("-o", "--out", metavar="PATH", help="File for one picture, folder for more."),
    ] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Write over the inputs.")] = False,
    quality: Annotated[
        str, typer.Option(help="Quality the file was saved at: auto, or 1-100. Lower is stronger.")
    ] = "auto",
    strength: Annotated[int, typer.Option(help="Share of the repair to apply, 0-100.")] = 100,
    task: Annotated[
        str,
        typer.Option(
            help="What to undo: jpeg, dehaze, derain, deblur, lowlight, real (blur, noise, lost "
            "pixels and JPEG together), or auto: a judge looks, and a JPEG's artifacts come first."
        ),
    ] = "jpeg",
    model: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Model of `restora models`, or a card (.json), .safetensors or .pth. Default: "
            "fbcnn for jpeg, ssp-ir for real, else sr-diff."
        ),
    ] = None,
    constraint: Annotated[
        str,
        typer.Option(help="Hold the result to the file's quantisation: auto, off, soft or hard."),
    ] = "auto",
    ensemble: Annotated[
        int, typer.Option(help="Mean over 2, 4 or 8 views of the picture: better, slower.")
    ] = 1,
    precision: Annotated[
        str, typer.Option(help="Inside the network: auto, float, half (GPU) or int8 (CPU).")
    ] = "auto",
    seed: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Diffusion models: the number that noise is drawn by."),
    ] = None,
    steps: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            help="sr-diff, ssp-ir: steps to a result; fewer are faster. Default: the model's."
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(
            help="sr-diff, ssp-ir: take the mean of so many results: truer, slower, softer."
        ),
    ] = 1,
    prompt: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help='real: the caption, "" for none. Default: --caption-model writes one.'),
    ] = None,
    caption_model: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="real: who writes the caption: tags, file:FOLDER, static:TEXT, blip:PATH, "
            "llava:PATH, or the word empty: nobody. Default: tags (needs restora[captions])."
        ),
    ] = None,
    negative_prompt: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="real: words that guidance leads away from."),
    ] = None,
    sampler: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="real: ddpm or dpm-solver++. Default: the model's."),
    ] = None,
    temperature: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            help="real: share of the noise that is drawn, 0-1: more invents more. Default: the "
            "model's."
        ),
    ] = None,
    text_guidance: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="real: how far words count, 0-20; 1 is as taught. Default: the model's."),
    ] = None,
    image_guidance: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="real: how far what the picture shows counts, likewise."),
    ] = None,
    color_fix: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="real: colours of the input: none, adain, wavelet. Default: the model's."
        ),
    ] = None,
    upscale: Annotated[
        int, typer.Option(help="real: enlarge the picture before, 2, 3 or 4 times.")
    ] = 1,
    format: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="png, jpeg, tiff, webp, avif, or same as the input. Folders: png."),
    ] = None,
    bits: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="8 or 16 bits a channel (16: png and tiff). Default: the input's."),
    ] = None,
    jpeg_quality: Annotated[int, typer.Option(help="Quality of a JPEG result, 1-100.")] = 95,
    tile: Annotated[
        int, typer.Option(help="Largest tile in pixels; smaller needs less memory.")
    ] = 512,
    device: Annotated[
        str, typer.Option(help="cpu, or a PyTorch device such as cuda (needs restora[train]).")
    ] = "cpu",
    jobs: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Pictures worked on at the same time. Default: 1; ray: one a CPU."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave results that are there alone.")
    ] = False,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Restore what decodes of a truncated file.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Keep a manifest with the results, and do only what is missing in it, failed or "
            "changed.",
        ),
    ] = False,
    manifest: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="Where that is, on a disk of this machine. Default: restora-manifest.sqlite in "
            "the folder of the results."
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            help="local, or ray: many processes or machines, always with a manifest; folders, "
            "patterns and URLs (s3, gs, http) in and out (needs restora[scale])."
        ),
    ] = "local",
    address: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="ray: a cluster that runs already, such as auto. Default: this machine."),
    ] = None,
    max_megapixels: Annotated[
        int,
        typer.Option(help="Refuse larger pictures, as a guard against bombs; enlarged ones too."),
    ] = 250,
    max_megabytes: Annotated[int, typer.Option(help="Refuse larger files.")] = 2000,
    max_seconds: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="Give a picture up that takes longer. Default: none."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print what is done to each picture, and why.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON line a picture on stdout.")
    ] = False,
) -> None:
    """Restore pictures."""
    from restora.cli.archive import restore_archive
    from restora.engine.plan import Wishes
    from restora.engine.restore_file import Settings
    from restora.errors import UsageError

    if overwrite and skip_existing:
        raise UsageError("--overwrite and --skip-existing exclude each other.")
    for option, least in {"jobs": jobs, "max-megapixels": max_megapixels}.items():
        if least is not None and least < 1:
            raise UsageError(f"--{option} is at least 1, not {least}.")
    if max_megabytes < 1:
        raise UsageError(f"--max-megabytes is at least 1, not {max_megabytes}.")
    if max_seconds is not None and max_seconds <= 0:
        raise UsageError(f"--max-seconds is above 0, not {max_seconds:g}.")
    check_output(format, bits, jpeg_quality)
    check_engine(engine, resume=resume, address=address, manifest=manifest)
    wishes = Wishes(
        model=model,
        task=task,
        quality=parse_quality(quality),
        strength=strength,
        tile_px=tile,
        constraint=constraint,
        ensemble=ensemble,
        precision=precision,
        seed=seed,
        steps=steps,
        samples=samples,
        prompt=prompt,
        caption_model=caption_model,
        negative_prompt=negative_prompt,
        sampler=sampler,
        text_guidance=text_guidance,
        image_guidance=image_guidance,
        temperature=temperature,
        color_fix=color_fix,
        upscale=upscale,
    ).checked()
    settings = Settings(
        wishes=wishes,
        format=format,
        bits=bits,
        jpeg_quality=jpeg_quality,
        salvage=salvage,
        max_pixels=max_megapixels * 1_000_000,
        max_bytes=max_megabytes * 1_000_000,
        max_seconds=max_seconds,
    )
    existing: Existing = "overwrite" if overwrite else "skip" if skip_existing else "refuse"
    if engine == "local" and not resume:
        target = None if out is None else Path(out)
        restore_once(
            inputs,
            target,
            settings,
            in_place=in_place,
            device=device,
            jobs=jobs or 1,
            existing=existing,
            explain=explain,
            json=json,
        )
        return
    if in_place or out is None:
        raise UsageError(
            "With a manifest the results need a folder of their own: -o FOLDER, not --in-place."
        )
    restore_archive(
        inputs,
        out,
        settings,
        engine=engine,
        address=address,
        manifest=manifest,
        device=device,
        jobs=jobs,
        existing=existing,
        explain=explain,
        json=json,
    )


def restore_once(
    inputs: list[str],
    out: Path | None,
    settings: Settings,
    *,
    in_place: bool,
    device: str,
    jobs: int,
    existing: Existing,
    explain: bool,
    json: bool,
) -> None:
    """Restore pictures without a manifest; see :func:`restore`.

    Raises:
        typer.Exit: With the exit code, where it is not 0.
    """
    from restora.cli.show import show_outcomes
    from restora.engine.batch import Check, run_jobs
    from restora.engine.jobs import Job, find_jobs
    from restora.engine.restore_file import restore_file
    from restora.engine.restorer import Restorer

    found = find_jobs(inputs, out, format=settings.format, in_place=in_place)
    restorer = Restorer(device=device, threads=share_threads(jobs))
    # A device or an extra that is missing is told once, not for every file.
    restorer.load(settings.wishes)
    with show_outcomes(
        len(found.jobs), unusable=found.unusable, explain=explain, json=json
    ) as screen:

        def work(job: Job, check: Check) -> dict[str, object] | None:
            def advance(done: int, total: int) -> None:
                check()
                screen.tile(job, done, total)

            source, target = str(job.source), str(job.target)
            return restore_file(restorer, source, target, settings, progress=advance)

        for outcome in run_jobs(found.jobs, work, existing=existing, workers=jobs):
            screen.add(outcome)
    finish(screen)


def finish(screen: Screen) -> None:
    """End the command with the exit code that tells how it went.

    Raises:
        typer.Exit: Something failed, or was interrupted.
    """
    if screen.interrupted:
        raise typer.Exit(130)
    if screen.failed:
        raise typer.Exit(1)


def parse_quality(text: str) -> int | None:
    """``auto`` to None, a number to itself.

    Raises:
        UsageError: Neither; numbers out of range are told by the plan.
    """
    from restora.errors import UsageError

    if text == "auto":
        return None
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--quality is 'auto' or a number from 1 to 100, not {text!r}.") from None


def share_threads(jobs: int) -> int:
    """Threads for a network that ``jobs`` pictures use at the same time; 0 is every core.

    All share the network and its one pool of threads. Each picture works with a thread of its own
    besides, and the network counts one of those in; together they make up the cores.
    """
    import os

    return 0 if jobs == 1 else max(1, (os.cpu_count() or 1) - jobs + 1)


def check_output(format: str | None, bits: int | None, jpeg_quality: int) -> None:
    """Refuse output options that no picture could satisfy, before any work is done.

    Raises:
        UsageError: The message names the option and its values.
    """
    from restora.errors import UsageError
    from restora.images.formats import writable_name

    if format not in (None, "same"):
        writable_name(format)
    if bits not in (None, 8, 16):
        raise UsageError(f"--bits is 8 or 16, not {bits}.")
    if not 1 <= jpeg_quality <= 100:
        raise UsageError(f"--jpeg-quality is a number from 1 to 100, not {jpeg_quality}.")


def check_engine(engine: str, *, resume: bool, address: str | None, manifest: Path | None) -> None:
    """Refuse options that do not go together.

    Raises:
        UsageError: The message names them.
    """
    from restora.errors import UsageError

    if engine not in ("local", "ray"):
        raise UsageError(f"--engine is local or ray, not {engine!r}.")
    if address is not None and engine != "ray":
        raise UsageError("--address is of --engine ray.")
    if manifest is not None and engine == "local" and not resume:
        raise UsageError("--manifest is of --resume and of --engine ray.")
