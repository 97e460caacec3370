"""Restoring what a manifest has left to do, by Ray Data."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import asdict
from itertools import chain, islice
from typing import Any

from restora import errors
from restora._optional import require
from restora.apps.scale.cluster import check_device, connected, load_ray
from restora.apps.scale.ledger import Ledger
from restora.apps.scale.worker import Worker, from_plain
from restora.engine.batch import Outcome
from restora.engine.manifest import Item
from restora.engine.restore_file import Settings
from restora.errors import RestoraError

WINDOW = 1000  # pictures a worker that Ray knows of at a time
BLOCK_MAX = 16  # pictures handed to a worker at a time
QUEUED = 2  # blocks a worker has: one at work, and the next


def run_on_ray(
    items: Iterator[Item],
    settings: Settings,
    *,
    address: str | None,
    workers: int | None,
    device: str,
) -> Generator[Outcome]:
    """Restore pictures with Ray Data.

    Args:
        items: The pictures; read from this thread, no more of them at a time than a window.
        settings: How.
        address: Of a cluster that runs, as for ``ray.init``; None starts one on this machine.
        workers: Processes at work; None: one a CPU, or one a GPU.
        device: ``"cpu"``, or a device of PyTorch.

    Returns:
        An outcome for every picture, as they end; close it to end the run.

    Raises:
        MissingExtra: ``restora[scale]`` is not installed.
        RestoraError: There is no Ray to be had, or it fails; while outcomes are read.
        UsageError: The device or address makes no sense with Ray.
    """
    load_ray()
    require("fsspec", extra="scale")
    check_device(device)
    return _run(items, settings, address=address, workers=workers, device=device)


def _run(
    items: Iterator[Item],
    settings: Settings,
    *,
    address: str | None,
    workers: int | None,
    device: str,
) -> Generator[Outcome]:
    first = next(items, None)
    if first is None:  # nothing to start Ray for
        return
    items = chain([first], items)
    with connected(address=address, workers=workers, device=device) as count:
        ray = load_ray()
        options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
        ledger = ray.remote(Ledger).options(**options).remote()
        made = {"settings": settings, "device": device, "ledger": ledger}
        # Ray Data wants to know all of its input, so it gets a part at a time. The workers are
        # started anew for each, seconds in many minutes.
        while window := list(islice(items, count * WINDOW)):
            yield from _restore(window, made, count=count, gpu=check_device(device) == "GPU")


def block_size(workers: int) -> int:
    """Pictures handed to a worker at a time.

    One, so that each is told as it ends; but one process hands out all blocks, about a hundred a
    second.
    """
    return max(1, min(BLOCK_MAX, workers // 8))


def _restore(
    window: list[Item], made: dict[str, Any], *, count: int, gpu: bool
) -> Iterator[Outcome]:
    data = require("ray.data", extra="scale")
    table = require("pyarrow", extra="scale").table
    size = block_size(count)
    told = [json.dumps(asdict(item)) for item in window]
    blocks = [table({"items": told[at : at + size]}) for at in range(0, len(told), size)]
    results = data.from_blocks(blocks).map_batches(
        Worker,
        fn_constructor_kwargs=made,
        batch_size=None,
        compute=data.ActorPoolStrategy(
            size=min(count, len(blocks)), max_tasks_in_flight_per_actor=QUEUED
        ),
        num_cpus=1,
        num_gpus=1 if gpu else None,
    )
    try:
        for block in results.iter_batches(batch_size=None, prefetch_batches=0):
            for each in block["told"]:
                yield _outcome(json.loads(str(each)))
    except RestoraError:
        raise
    except Exception as error:  # Ray has many
        words = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RestoraError(
            f"Ray gave up ({words}). Give the same command again; what is done is kept."
        ) from error


def _outcome(told: dict[str, Any]) -> Outcome:
    if "refused" in told:
        raise getattr(errors, told["refused"])(told["message"])
    return from_plain(told)
