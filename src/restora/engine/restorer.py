"""The Restorer: picture in, result out. Stateless but for the networks it has loaded."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from restora.engine.backend import Backend, Guidance
from restora.engine.backend_sr_diff import SrDiffBackend
from restora.engine.backend_ssp_ir import Asked, SspIrBackend
from restora.engine.ensemble import Ensemble
from restora.engine.estimate import Seen, look_at
from restora.engine.judge import judge
from restora.engine.machine import this_machine
from restora.engine.models import Precision, open_backend
from restora.engine.opened import Opened, open_source
from restora.engine.plan import Machine, Plan, Wishes, check_wishes, make_plan
from restora.engine.plan_tasks import first_of, judge_of, model_of, only_jpeg
from restora.engine.render import Memory, Progress, render
from restora.engine.result import Result
from restora.engine.routes import choose_route, split
from restora.engine.session import Session
from restora.engine.tasks import REAL, SAMPLED
from restora.engine.tiles import lay_axis
from restora.engine.words import prepare_words, write_words
from restora.images import MAX_PIXELS, Picture
from restora.images.enlarge import enlarge
from restora.jpeg import JpegFacts
from restora.jpeg.constraint import Bins, inside_share
from restora.networks.sr_diff.tasks import TASKS
from restora.weights.cards import TEXT_ENCODER

SEEING: Precision = "float"  # how a picture is looked at before anything is decided
DEVICE_BATCH = 8  # tiles a GPU gets at once; a CPU gains nothing from more than one
NOTHING = "nothing to restore was found; --task says what to undo all the same."


class Restorer:
    """Restores pictures. One object serves many threads.

    Example:
        >>> Restorer().restore("photo.jpg").save("photo.png")  # doctest: +SKIP
    """

    def __init__(self, *, device: str = "cpu", threads: int = 0) -> None:
        """Nothing is loaded before it is needed.

        Args:
            device: ``"cpu"`` runs ONNX Runtime; ``"cuda"``, ``"mps"`` and the like run PyTorch.
            threads: CPU threads inside a network; 0 takes every core.
        """
        self._machine = this_machine(device)
        self._threads = threads
        self._backends: dict[tuple[str, Precision], Backend] = {}
        self._lock = threading.Lock()

    @property
    def machine(self) -> Machine:
        """Where it runs."""
        return self._machine

    def restore(
        self,
        source: str | Path | bytes,
        wishes: Wishes | None = None,
        *,
        name: str | None = None,
        salvage: bool = False,
        max_pixels: int | None = None,
        accept: Callable[[Picture], None] = lambda _: None,
        progress: Progress = lambda *_: None,
    ) -> Result:
        """Restore one file.

        Args:
            source: A path, or the bytes of a file.
            wishes: What to do; None means everything by itself.
            name: The path of ``source`` when it is bytes, for messages and to find its caption.
            salvage: Restore the part of a truncated file that decodes.
            max_pixels: Refuse pictures with more pixels than this, enlarged if they shall be; None
                means the usual limit.
            accept: Called with the picture as read, and enlarged if it shall be, before any work;
                may refuse it by raising.
            progress: Called with (tiles done, tiles in all).

        Raises:
            InputError: The file cannot be used.
            UsageError: A wish makes no sense.
        """
        started = time.monotonic()
        wishes = (wishes or Wishes()).checked()
        model_of(wishes)  # a wrong name is told before a large file is decoded
        # What nobody asks for is not searched: neither to choose a quality nor the constraint.
        asks = wishes.quality is None or wishes.constraint == "auto"
        history = asks and wishes.task not in SAMPLED
        opened = self.open(
            source,
            name=name or "picture",
            salvage=salvage,
            max_pixels=max_pixels,
            history=history,
        )
        opened = _enlarged(opened, wishes.upscale, max_pixels)
        accept(opened.picture)
        seen = self.see(opened.picture, wishes, name=_path_of(source) or name)
        plan = make_plan(
            opened.picture,
            opened.facts,
            wishes,
            seen=seen,
            no_bins=opened.no_bins,
            machine=self._machine,
        )
        return self.finish(opened, plan, started=started, seen=seen, progress=progress)

    def session(
        self,
        source: str | Path | bytes | Opened,
        wishes: Wishes | None = None,
        *,
        name: str = "picture",
        max_pixels: int | None = None,
        remember: bool = True,
    ) -> Session:
        """Open one file to try settings on: the slow half of the work is done once.

        Args:
            source: A path, the bytes of a file, or what :meth:`open` made of either.
            wishes, name, max_pixels: As for :meth:`restore`.
            remember: Keep what is encoded; without, each setting costs everything anew.

        Raises:
            InputError: The file cannot be used.
            UsageError: A wish makes no sense.
        """
        wishes = (wishes or Wishes()).checked()
        path = None
        if not isinstance(source, Opened):
            path = _path_of(source)
            history = wishes.task not in SAMPLED  # those never ask for it
            source = self.open(source, name=name, max_pixels=max_pixels, history=history)
        opened = _enlarged(source, wishes.upscale, max_pixels)
        return Session(self, opened, wishes, name=path, remember=remember)

    def open(
        self,
        source: str | Path | bytes,
        *,
        name: str = "picture",
        salvage: bool = False,
        max_pixels: int | None = None,
        history: bool = True,
    ) -> Opened:
        """Read a file, and look at what it knows.

        Args:
            source, name, salvage, max_pixels: As for :meth:`restore`.
            history: Also look for an earlier save.

        Raises:
            InputError: The file cannot be used.
        """
        return open_source(
            source, name=name, salvage=salvage, max_pixels=max_pixels, history=history
        )

    def load(self, wishes: Wishes) -> None:
        """Load the networks of a model now instead of with the first picture.

        Raises:
            MissingExtra: The device needs PyTorch, or words are asked for, and what that takes is
                not installed.
            UsageError: There is no such model or no such device here, or the model cannot do what
                is wished.
            WeightsError: A weight is missing or damaged.
        """
        weights = model_of(wishes).weights
        needs = check_wishes(wishes, weights, self._machine, first=first_of(wishes))
        side_px = wishes.tile_px
        lay_axis(side_px, tile_px=side_px, overlap_px=needs.overlap_px, grid_px=needs.grid_px)
        for weight in weights if needs.first is None else (needs.first, *weights):
            self._backend(weight, needs.precision)
        for known in needs.known:
            if known.ssp_ir is not None and known.ssp_ir.text:
                prepare_words(
                    wishes,
                    known.ssp_ir,
                    taught=known.encoders.get(TEXT_ENCODER),
                    device=self._machine.device,
                )

    def plan(
        self,
        picture: Picture,
        facts: JpegFacts | None,
        wishes: Wishes,
        *,
        no_bins: str | None = None,
    ) -> Plan:
        """Decide what to do with a picture, enlarged already if it shall be.

        See :func:`restora.engine.plan.make_plan`.
        """
        seen = self.see(picture, wishes)
        return make_plan(picture, facts, wishes, seen=seen, no_bins=no_bins, machine=self._machine)

    def see(self, picture: Picture, wishes: Wishes, *, name: str | None = None) -> Seen | None:
        """What networks see in a picture; None where all that they could tell is asked for.

        Args:
            picture: As plans are made for it.
            wishes: What the user asks for.
            name: Its path; captions from files are found by it.

        Raises:
            MissingExtra, UsageError, WeightsError: As :meth:`load` does.
        """
        if wishes.task == REAL:
            return self._words(picture, wishes, name)
        if wishes.task == "auto":
            seen = self.see(picture, only_jpeg(wishes).model_copy(update={"quality": None}))
            if seen is None or picture.space == "cmyk":  # which the judge does not know
                return seen
            return replace(seen, judged=judge(picture, judge_of(wishes)))
        if wishes.quality is not None or wishes.task in SAMPLED:
            return None
        route, weights, _ = choose_route(picture, model_of(wishes))
        first = check_wishes(wishes, weights, self._machine).first
        planes = split(picture.pixels, route)[0]
        seen = look_at(planes, self._backend(weights[0], SEEING))
        if first is None:
            return seen
        # The quality is for the weight that runs first: what comes after chooses by the picture.
        return replace(seen, quality=look_at(planes, self._backend(first, SEEING)).quality)

    def _words(self, picture: Picture, wishes: Wishes, name: str | None) -> Seen | None:
        """What is said of a picture; None where the network reads no words."""
        _, weights, _ = choose_route(picture, model_of(wishes))
        (known,) = check_wishes(wishes, weights, self._machine).known
        if known.ssp_ir is None or not known.ssp_ir.text:
            return None
        words = write_words(
            picture,
            wishes,
            known.ssp_ir,
            taught=known.encoders.get(TEXT_ENCODER),
            device=self._machine.device,
            name=name,
        )
        return Seen(None, words=words)

    def run(
        self,
        picture: Picture,
        plan: Plan,
        *,
        bins: Bins | None = None,
        seen: Seen | None = None,
        memory: Memory | None = None,
        progress: Progress = lambda *_: None,
    ) -> Picture:
        """Carry out a plan; see :func:`restora.engine.render.render`.

        Args:
            picture, plan, memory, progress: What to do, and with what.
            bins: The file's bins; needed where the plan has a constraint.
            seen: What :meth:`see` found in the picture, so that it is not looked for again.

        Raises:
            ValueError: They are missing.
        """
        if plan.task == "none":
            return replace(picture, notes=(*picture.notes, NOTHING))
        start = None
        if plan.first is not None:
            start = self._start(picture, plan, plan.first, memory=memory, progress=progress)
            memory = None  # what it starts from depends on the quality
            progress = _second_half(progress)
        # It is no matter of precision, and a plan may have been told by it.
        guidance = None if seen is None else seen.guidance
        return render(
            picture,
            plan,
            self._backends_of(plan.weights, plan, upright=guidance),
            bins=bins,
            guidance=guidance if plan.ensemble == 1 else None,
            start=start,
            memory=memory,
            batch=1 if self._machine.device == "cpu" else DEVICE_BATCH,
            progress=progress,
        )

    def _start(
        self,
        picture: Picture,
        plan: Plan,
        first: str,
        *,
        memory: Memory | None,
        progress: Progress,
    ) -> Picture:
        """What the weights of a plan start from: all that another restores, unconstrained."""
        alone = {"task": "jpeg", "weights": (first,), "first": None}
        whole = {"strength": 100, "constraint": "off", "seed": None}
        plan = plan.model_copy(update=alone | whole)
        return render(
            picture,
            plan,
            self._backends_of((first,), plan),
            memory=memory,
            batch=1 if self._machine.device == "cpu" else DEVICE_BATCH,
            progress=lambda done, total: progress(done, 2 * total),
        )

    def _backends_of(
        self, weights: tuple[str, ...], plan: Plan, *, upright: Guidance | None = None
    ) -> list[Backend]:
        """Networks as a plan runs them; ``upright``: what the first one's survey told, if known."""
        backends = [self._asked(weight, plan) for weight in weights]
        if plan.ensemble == 1:
            return backends
        told = [upright, *[None] * (len(backends) - 1)]
        return [
            Ensemble(backend, plan.ensemble, upright=each)
            for backend, each in zip(backends, told, strict=True)
        ]

    def finish(
        self,
        opened: Opened,
        plan: Plan,
        *,
        started: float,
        seen: Seen | None = None,
        memory: Memory | None = None,
        progress: Progress = lambda *_: None,
    ) -> Result:
        """Carry out a plan for an opened file; ``started`` is by :func:`time.monotonic`."""
        picture = self.run(
            opened.picture, plan, bins=opened.bins, seen=seen, memory=memory, progress=progress
        )
        inside = None
        if plan.constraint != "off" and opened.bins is not None:
            inside = inside_share(picture.pixels, opened.bins)
        return Result(picture, plan, opened.facts, inside, time.monotonic() - started)

    def _asked(self, weight: str, plan: Plan) -> Backend:
        """A network, set to what a plan asks of it."""
        backend = self._backend(weight, plan.precision)
        if plan.task in TASKS and isinstance(backend, SrDiffBackend):
            assert plan.steps is not None  # of a plan for such a network
            return backend.asked(task=plan.task, steps=plan.steps, samples=plan.samples)
        if isinstance(backend, SspIrBackend):
            return backend.asked(_asked_of(plan))
        return backend

    def _backend(self, weight: str, precision: Precision) -> Backend:
        with self._lock:
            if (weight, precision) not in self._backends:
                self._backends[weight, precision] = open_backend(
                    weight,
                    device=self._machine.device,
                    threads=self._threads,
                    precision=precision,
                )
            return self._backends[weight, precision]


def _asked_of(plan: Plan) -> Asked:
    """How a plan for an SSP-IR samples."""
    assert plan.steps is not None and plan.sampler is not None
    assert plan.text_guidance is not None and plan.image_guidance is not None
    return Asked(
        plan.steps,
        plan.sampler,
        plan.text_guidance,
        plan.image_guidance,
        plan.samples,
        plan.prompt or "",
        plan.negative_prompt or "",
        1.0 if plan.temperature is None else plan.temperature,
    )


def _enlarged(opened: Opened, factor: int, max_pixels: int | None) -> Opened:
    """With the picture enlarged; the file's bins are of its own pixels, and left behind.

    Raises:
        InputError: It would have more pixels than that.
    """
    if factor == 1:
        return opened
    most = MAX_PIXELS if max_pixels is None else max_pixels
    picture = enlarge(opened.picture, factor, max_pixels=most)
    return replace(opened, picture=picture, bins=None)


def _path_of(source: str | Path | bytes) -> str | None:
    return None if isinstance(source, bytes) else str(source)


def _second_half(progress: Progress) -> Progress:
    """Progress of what comes after as much work again."""
    return lambda done, total: progress(total + done, 2 * total)


@functools.cache
def shared_restorer(device: str, threads: int) -> Restorer:
    """One Restorer for each way to run, so that networks are loaded once a process."""
    return Restorer(device=device, threads=threads)
