"""``restora compare``: one picture at several quality settings or with several captions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from restora.engine.plan import Plan
    from restora.images.contact_sheet import Window
    from restora.images.picture import Pixels

QUALITIES = "10,30,50,70,90"
COLUMNS = 3
CELL_PX = 480
LABEL = 48  # letters of a caption under a cell
MAGNIFY = 4


def compare(
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, readable=False)],
    out: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads annotations at run time
        typer.Option("-o", "--out", help="The sheet (.png). Default: FILE-compare.png here."),
    ] = None,
    quality: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Quality settings to try, with commas between. Default: 10,30,50,70,90."),
    ] = None,
    task: Annotated[str, typer.Option(help="jpeg, or real, which tries captions.")] = "jpeg",
    prompt: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help='real: a caption to try; give several. Default: "", none at all.'),
    ] = None,
    strength: Annotated[int, typer.Option(help="Share of the repair to apply, 0-100.")] = 100,
    model: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Model, as for restore. Default: fbcnn, ssp-ir for real."),
    ] = None,
    constraint: Annotated[str, typer.Option(help="auto, off, soft or hard.")] = "auto",
    seed: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Diffusion models: draw the results by this number."),
    ] = None,
    steps: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="real: steps to a result."),
    ] = None,
    text_guidance: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="real: how far words count; more shows better what they do."),
    ] = None,
    zoom: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Corner of the zoom as X,Y in pixels. Default: where most changes."),
    ] = None,
    zoom_size: Annotated[int, typer.Option(help="Side of the zoomed square in pixels.")] = 96,
    device: Annotated[str, typer.Option(help="cpu, or a PyTorch device such as cuda.")] = "cpu",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the sheets.")] = False,
) -> None:
    """Restore one picture at several quality settings: a contact sheet, and a zoom of it.

    The picture is encoded once; each setting costs the decoder alone. The first cells are the input
    and what `restore` would do by itself. With --task real it is captions that are tried, and each
    costs a restoration.
    """
    import time

    from restora.cli.bench.options import numbers
    from restora.engine.plan import Wishes
    from restora.engine.restorer import Restorer
    from restora.errors import InputError, UsageError
    from restora.images.contact_sheet import busiest_window, contact_sheet
    from restora.images.orientation import apply_orientation

    trials = _trials(task, quality, prompt)
    if not 16 <= zoom_size <= 512:
        raise UsageError(f"--zoom-size is from 16 to 512 pixels, not {zoom_size}.")
    corner = None if zoom is None else numbers(zoom, "--zoom")
    if corner is not None and (len(corner) != 2 or min(corner) < 0):
        raise UsageError(f"--zoom is two numbers from 0, X,Y, not {zoom!r}.")
    if task == "jpeg":
        _check_model(model)
    sheet_path = out or Path(f"{file.stem}-compare.png")
    if sheet_path.suffix.lower() != ".png":
        raise UsageError(f"{sheet_path}: the sheet is a PNG; its name ends in .png.")
    zoom_path = sheet_path.with_name(f"{sheet_path.stem}-zoom.png")
    for path in (sheet_path, zoom_path):
        _check_place(path, overwrite=overwrite)

    started = time.monotonic()
    session = Restorer(device=device).session(
        file,
        Wishes(
            model=model,
            task=task,
            strength=strength,
            constraint=constraint,
            seed=seed,
            steps=steps,
            text_guidance=text_guidance,
        ),
    )
    if session.picture.space == "cmyk":
        raise InputError(f"{file}: a CMYK picture has no sheet to look at; convert it to RGB.")
    turn = session.picture.metadata.orientation

    def upright(pixels: Pixels) -> Pixels:
        return apply_orientation(pixels, turn)

    cells = [("input", upright(session.picture.pixels))]
    window = None if corner is None else _window(corner, cells[0][1], zoom_size)
    cells.append((_by_itself(session.plan), upright(session.restore().picture.pixels)))
    first_s = time.monotonic() - started
    seconds = []
    for trial in trials:
        result = session.restore(quality=trial.quality, prompt=trial.prompt)
        seconds.append(result.seconds)
        cells.append((trial.label, upright(result.picture.pixels)))
    if window is None:
        window = busiest_window(cells[0][1], cells[2][1], side_px=zoom_size)
    sheet = contact_sheet(cells, columns=COLUMNS, largest_px=CELL_PX)
    close = contact_sheet(
        [(name, window.cut(pixels)) for name, pixels in cells],
        columns=COLUMNS,
        largest_px=CELL_PX,
        magnify=MAGNIFY,
    )
    # The sheet is RGB, of which a gray picture's profile says nothing.
    icc = session.picture.metadata.icc if session.picture.space == "rgb" else None
    _save(sheet, sheet_path, icc)
    _save(close, zoom_path, icc)
    typer.echo(f"{sheet_path}: {len(cells)} pictures", err=True)
    side = "1 pixel" if window.side_px == 1 else f"{window.side_px} pixels"
    typer.echo(
        f"{zoom_path}: {side} from ({window.x}, {window.y}), {MAGNIFY} times",
        err=True,
    )
    typer.echo(
        f"first result {first_s:.2f} s, each further setting {sum(seconds) / len(seconds):.2f} s",
        err=True,
    )


@dataclass(frozen=True)
class _Trial:
    """A setting: a quality or a caption, and what its cell is called."""

    label: str
    quality: int | None = None
    prompt: str | None = None


def _trials(task: str, quality: str | None, prompts: list[str] | None) -> list[_Trial]:
    """What is tried, by task.

    Raises:
        UsageError: There is nothing to try for the task, or a setting is none.
    """
    from restora.cli.bench.options import numbers
    from restora.errors import UsageError

    if task == "real":
        if quality is not None:
            raise UsageError(
                "--quality is for JPEG repair; --task real compares captions: --prompt."
            )
        return [_Trial(_label(prompt), prompt=prompt) for prompt in prompts or [""]]
    if task != "jpeg":
        raise UsageError(f"compare is for --task jpeg or real, not {task!r}.")
    if prompts:
        raise UsageError("--prompt is for --task real; --task jpeg does not take it.")
    settings = numbers(QUALITIES if quality is None else quality, "--quality")
    wrong = next((setting for setting in settings if not 1 <= setting <= 100), None)
    if wrong is not None:
        raise UsageError(f"--quality is numbers from 1 to 100, not {wrong}.")
    return [_Trial(f"quality {setting}", quality=setting) for setting in settings]


def _by_itself(plan: Plan) -> str:
    """What the cell is called that `restore` would make."""
    if plan.prompt is not None:
        return f"by itself: {_label(plan.prompt)}"
    if plan.quality is None:
        return "by itself"
    return f"by itself: quality {plan.quality:g}, {plan.quality_source}"


def _label(prompt: str) -> str:
    if not prompt:
        return "no caption"
    return prompt if len(prompt) <= LABEL else f"{prompt[: LABEL - 3]}..."


def _check_model(model: str | None) -> None:
    """Refuse a model that no quality changes.

    Raises:
        UsageError: It is one, or there is no such model.
    """
    from restora.engine.models import resolve_model, tasks_of
    from restora.errors import UsageError

    if model is not None and tasks_of(resolve_model(model)):
        raise UsageError(f"compare tries quality settings, which {model} does not look at.")


def _check_place(path: Path, *, overwrite: bool) -> None:
    """Make the folder of a sheet and see that it can be written there, before any work is done.

    Raises:
        OutputError: It cannot.
    """
    import os

    from restora.engine.batch import make_folder
    from restora.errors import OutputError

    if path.is_dir():
        raise OutputError(f"{path} cannot be written: it is a folder.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} is there already; --overwrite replaces it.")
    make_folder(path.parent)
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"{path} cannot be written: permission denied.")


def _window(corner: tuple[int, ...], pixels: Pixels, side_px: int) -> Window:
    """The window at X,Y, moved into the picture if it sticks out.

    Raises:
        UsageError: The corner lies outside.
    """
    from restora.errors import UsageError
    from restora.images.contact_sheet import Window

    (x, y), (height, width) = corner, pixels.shape[:2]
    if x >= width or y >= height:
        raise UsageError(f"--zoom {x},{y} is outside the picture of {width}×{height} pixels.")
    side_px = min(side_px, height, width)
    return Window(min(y, height - side_px), min(x, width - side_px), side_px)


def _save(image: object, path: Path, icc: bytes | None) -> None:
    import io

    from PIL import Image

    from restora.images.atomic import write_atomically

    assert isinstance(image, Image.Image)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", icc_profile=icc)
    write_atomically(path, buffer.getvalue())
