"""``restora restore --resume`` and ``--engine ray``: many pictures, with a manifest."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from restora.cli.restore import finish, share_threads

if TYPE_CHECKING:
    from restora.cli.show import Screen
    from restora.engine.archive import Archive
    from restora.engine.batch import Existing, Outcome
    from restora.engine.manifest import Item, Manifest
    from restora.engine.restore_file import Settings


def restore_archive(
    inputs: list[str],
    out: str,
    settings: Settings,
    *,
    engine: str,
    address: str | None,
    manifest: Path | None,
    device: str,
    jobs: int | None,
    existing: Existing,
    explain: bool,
    json: bool,
) -> None:
    """Restore what is missing in a manifest, failed or changed; see the options of the command.

    Raises:
        DiskFull: There is no room for more results.
        InputError: None of the inputs is a picture.
        UsageError: The options contradict each other, or what the manifest says.
        typer.Exit: With the exit code, where it is not 0.
    """
    from restora.cli.show import show_outcomes
    from restora.engine.batch import Outcome
    from restora.engine.manifest import Manifest
    from restora.engine.restore_file import weights_of
    from restora.errors import DiskFull, InputError, UsageError

    archive = _archive(inputs, out, engine)
    path = manifest or archive.manifest
    if path is None:
        raise UsageError(f"{out} is no folder of this machine: say with --manifest where it is.")
    told = settings.plain() | {"weights": weights_of(settings.wishes)}
    unusable: list[tuple[str, str]] = []
    full = False
    with Manifest(path) as rows:
        rows.plan(
            archive.listed(inputs, unusable),
            settings=told,
            root=archive.root,
            format=settings.format,
            sizes=archive.sizes(),
            real=archive.real,
            existing=existing,
        )
        counts = {status: rows.count(status) for status in ("waiting", "restored")}
        refused = rows.count("failed") + rows.count("skipped")
        if not sum(counts.values()) + refused:
            raise InputError("\n".join(reason for _, reason in unusable))
        with show_outcomes(
            counts["waiting"] + refused,
            unusable=unusable,
            done_before=counts["restored"],
            explain=explain,
            json=json,
        ) as screen:
            for status, item, reason in rows.refused():
                screen.add(Outcome(_whole(item, archive), status, reason))
            waiting = (_whole(item, archive) for item in rows.waiting())
            if engine == "ray":
                from restora.apps.scale.run import run_on_ray

                run = run_on_ray(waiting, settings, address=address, workers=jobs, device=device)
            else:
                run = _run_here(waiting, settings, screen, jobs=jobs or 1, device=device)
            with closing(run):
                full = _record(run, rows, screen)
    if full:
        raise DiskFull(
            f"There is no room for more results: {screen.left} left to do. Make room and give the "
            "same command again; what is done is kept."
        )
    finish(screen)


def _archive(inputs: list[str], out: str, engine: str) -> Archive:
    from restora.engine.archive import LocalArchive
    from restora.errors import UsageError

    if engine == "ray":
        from restora.apps.scale.archive import open_archive

        return open_archive(out)
    for text in (*inputs, out):
        if "://" in text and not Path(text).exists():
            raise UsageError(f"{text} is a URL, which --engine ray reads and writes.")
    return LocalArchive(Path(out))


def _whole(item: Item, archive: Archive) -> Item:
    """With the whole path, or URL, of its result."""
    return replace(item, target=archive.root + item.target)


def _run_here(
    items: Iterator[Item], settings: Settings, screen: Screen, *, jobs: int, device: str
) -> Generator[Outcome]:
    from restora.engine.batch import Check, run_jobs
    from restora.engine.jobs import Job
    from restora.engine.restore_file import LocalFiles, restore_file
    from restora.engine.restorer import Restorer

    restorer = Restorer(device=device, threads=share_threads(jobs))
    restorer.load(settings.wishes)
    files = LocalFiles(tidy=True)

    def work(job: Job, check: Check) -> dict[str, object] | None:
        def advance(done: int, total: int) -> None:
            check()
            screen.tile(job, done, total)

        return restore_file(
            restorer,
            str(job.source),
            str(job.target),
            settings,
            known=job.known,
            files=files,
            progress=advance,
        )

    todo = (Job(Path(item.source), Path(item.target), item.known) for item in items)
    # Every name is claimed in the manifest: what is there is ours.
    return run_jobs(todo, work, existing="overwrite", workers=jobs)


def _record(run: Iterator[Outcome], rows: Manifest, screen: Screen) -> bool:
    """Note and show what becomes of each picture; True if it ended for want of room."""
    for outcome in run:
        rows.record(outcome)
        screen.add(outcome)
        if outcome.full:
            return True
    return False
