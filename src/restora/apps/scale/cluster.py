"""Ray itself: one that is started for a run on this machine, or one that runs already."""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from restora._optional import require
from restora._processes import lives
from restora.errors import RestoraError, UsageError

STORE_BYTES = 100_000_000  # names and reports go through it, never pixels
KNOCK_S = 10
_FOLDER = re.compile(r"restora-ray-([0-9]+)-.*")
# Ray talks a lot, and would tell its makers that it is used.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # or deaths of workers are told on stdout
}


@cache
def load_ray() -> ModuleType:
    """Import Ray and Ray Data, and have them hold their tongues.

    Raises:
        MissingExtra: ``restora[scale]`` is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    ray = require("ray", extra="scale")
    data = require("ray.data", extra="scale")
    for logger in ("ray", "ray.data"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_options.preserve_order = False
    context.execution_no_progress_timeout_s = -1  # a picture may take long
    context.issue_detectors_config.detectors = []
    return ray


@contextmanager
def connected(*, address: str | None, workers: int | None, device: str) -> Iterator[int]:
    """Have Ray for the time of a ``with`` block.

    Args:
        address: Of a cluster that runs, as for ``ray.init``; None starts one on this machine.
        workers: Wished for; None: one a CPU, or one a GPU.
        device: As for :class:`restora.engine.restorer.Restorer`.

    Yields:
        The number of workers.

    Raises:
        RestoraError: There is no Ray to be had, or it has no such device.
        UsageError: The device or address makes no sense with Ray.
    """
    kind = check_device(device)
    ray = load_ray()
    if ray.is_initialized():  # by whoever called
        yield _count(ray, workers, kind)
        return
    if address is None:
        with _folder() as folder:
            try:
                _start(ray, folder, workers)
                yield _count(ray, workers, kind)
            finally:
                ray.shutdown()
        return
    if address.startswith("ray://"):
        raise UsageError(
            f"--address {address}: Ray's client is not enough; give the command on a machine of "
            "the cluster, with --address auto."
        )
    try:
        _knock(address)
        with _hushed():
            ray.init(address=address, log_to_driver=False, configure_logging=False)
    except Exception as error:  # Ray has many
        raise RestoraError(
            f"There is no Ray to be had at {address} ({_first(error)}).",
            remedy="If it asks for a token, set RAY_AUTH_MODE=token as well.",
        ) from error
    try:
        yield _count(ray, workers, kind)
    finally:
        ray.shutdown()


def check_device(device: str) -> str:
    """What Ray calls a device: CPU or GPU.

    Raises:
        UsageError: A certain one is named, and it is Ray that hands them out.
    """
    if device.startswith("cuda:"):
        raise UsageError(
            f"--device {device}: Ray hands every worker a GPU of its own; say --device cuda."
        )
    return "GPU" if device == "cuda" else "CPU"


def _start(ray: Any, folder: str, workers: int | None) -> None:
    # Only who knows this word may talk to it; from the environment, it is written to no disk.
    os.environ.setdefault("RAY_AUTH_TOKEN", _token())
    try:
        with _hushed():
            ray.init(
                address="local",
                num_cpus=workers,
                object_store_memory=STORE_BYTES,
                include_dashboard=False,
                log_to_driver=False,
                configure_logging=False,
                _temp_dir=folder,
            )
    except Exception as error:  # Ray has many
        raise RestoraError(f"Ray cannot be started on this machine ({_first(error)}).") from error


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep what Ray's own library says from the console: until it runs, no setting does."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no console
        yield
        return
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _knock(address: str) -> None:
    """Find out at once whether somebody is there: Ray would try for minutes.

    Raises:
        OSError: Nobody is.
    """
    host, _, port = address.rpartition(":")
    if host and port.isdigit():  # not a word such as auto
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()


@cache
def _token() -> str:
    return secrets.token_hex(32)


def _count(ray: Any, workers: int | None, kind: str) -> int:
    if workers is not None:
        return workers
    found = int(ray.cluster_resources().get(kind, 0))
    if not found:
        raise RestoraError(f"Ray has no {kind} to work on; --jobs says how many there will be.")
    return found


def base_folder() -> Path:
    """Where temporary folders are whose sockets have short paths, as they must."""
    return Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())


@contextmanager
def _folder() -> Iterator[str]:
    """Where Ray keeps its sockets and logs: gone afterwards, with those of runs that died."""
    base = base_folder()
    for old in base.glob("restora-ray-*"):
        found = _FOLDER.fullmatch(old.name)
        if found and not lives(int(found[1])):
            shutil.rmtree(old, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=f"restora-ray-{os.getpid()}-", dir=base)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _first(error: Exception) -> str:
    """What Ray complains about, in a few words."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
