"""What the server does with pictures: take them in, restore them, hand results out."""

from __future__ import annotations

import json
import logging
import time
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from tempfile import TemporaryFile
from typing import TypeVar

from restora.apps.web.answers import Answer, Answers
from restora.apps.web.cut import cut
from restora.apps.web.desk import Desk
from restora.apps.web.disk import Pixels
from restora.apps.web.limits import Limits
from restora.apps.web.names import file_name, free_name
from restora.apps.web.sentences import sentence
from restora.apps.web.store import Asked, Facts, Kept, Made, Store, Unknown
from restora.apps.web.wire import InspectedShape, Outcome, Row, Settings
from restora.apps.web.work import Stopped, Worker
from restora.engine.inspected import Inspected, inspected_jpeg, inspected_picture
from restora.engine.judge import judge
from restora.engine.opened import Opened
from restora.engine.plan_tasks import model_of
from restora.engine.restorer import Restorer
from restora.engine.result import Result
from restora.engine.wishes import Wishes
from restora.errors import OutputError, RestoraError, UsageError, WeightsError
from restora.images import Picture, check_writable, encode
from restora.images.formats import writable_name
from restora.images.orientation import swaps_sides

# Formats that browsers show as they are meant, turned and in their colours.
_SHOWN = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "MPO")
_TOLD_LETTERS = 1000  # of each text in a file that is told of
_TOLD_ITEMS = 1000  # of each list

_log = logging.getLogger(__name__)

T = TypeVar("T")


class NotYet(RestoraError):
    """There is no result that could be handed out."""


class TooLong(RestoraError):
    """The work for a picture takes longer than one may."""


class Studio:
    """Everything behind the routes. One object serves many threads."""

    def __init__(self, restorer: Restorer, limits: Limits) -> None:
        """Nothing is loaded before it is needed."""
        self.limits = limits
        self.restorer = restorer
        self._desk = Desk(restorer, pixels=limits.dial_pixels, largest=limits.pixels)
        self.store = Store(limits, gone=self._desk.clear)
        # Restorations take their turns, and so does all that is quick: a look at a picture does
        # not wait for somebody else's restoration, nor for a zip of all that somebody has.
        self.slow = Worker("restore", waiting=limits.waiting)
        self.quick = Worker("look", waiting=4 * limits.waiting)
        self.files = Worker("write", waiting=limits.waiting)
        self.answers = Answers(most_bytes=limits.answer_bytes)

    def warm_up(self) -> None:
        """Load what most pictures need, before the first of them comes."""
        self.slow.put(partial(self.restorer.load, Wishes()))

    def end(self) -> None:
        """Let what runs stop at its next tile. Safe in a signal's handler: it takes no lock."""
        self.slow.ending = self.quick.ending = self.files.ending = True

    def close(self) -> None:
        """Stop, and delete everything."""
        self.end()
        self.store.close()
        self.slow.close()
        self.quick.close()
        self.files.close()

    def inspect(self, data: bytes, name: str, *, salvage: bool = False) -> tuple[Opened, Inspected]:
        """Read a file and look at it.

        Args:
            data: Its bytes.
            name: What messages call it.
            salvage: Take what decodes of a truncated one.

        Raises:
            InputError: It is damaged, too large or no picture.
        """
        opened = self.restorer.open(data, name=name, salvage=salvage, max_pixels=self.limits.pixels)
        try:
            judgement = judge(opened.picture)
        except WeightsError:  # what else is known is told all the same
            judgement = None
        if opened.facts is not None:
            return opened, inspected_jpeg(opened.facts, judgement)
        kind = opened.picture.format or ""
        return opened, inspected_picture(opened.picture, kind, len(data), judgement)

    def take(self, data: bytes, name: str, *, salvage: bool = False) -> Kept:
        """Keep a picture.

        Args:
            data, name, salvage: As for :meth:`inspect`.

        Raises:
            InputError: The file is damaged, too large or no picture.
            TooMany: There is no room for it.
        """
        opened, found = self.inspect(data, name, salvage=salvage)
        picture = opened.picture
        width_px, height_px = picture.width_px, picture.height_px
        if swaps_sides(picture.metadata.orientation):
            width_px, height_px = height_px, width_px
        kind = picture.format or ""
        shown = kind in _SHOWN and picture.space != "cmyk"
        shape = inspected_shape(found, opened)
        facts = Facts(name, kind, width_px, height_px, shown, shape, salvage)
        kept = self.store.add(facts, data)
        self._desk.lay(kept.id, opened)
        return kept

    @staticmethod
    def check(settings: Settings) -> Wishes:
        """What the engine is asked for, if a model can do it at all.

        Raises:
            MissingExtra, UsageError, WeightsError: None can.
        """
        wishes = settings.wishes()
        model_of(wishes)
        return wishes

    def ask(self, kept: Kept, settings: Settings) -> Asked:
        """Ask for a restoration; what was asked for this picture before is given up.

        What still waits for its turn hands it on, so that a dial that is turned waits but once.

        Raises:
            Full: Too much waits already; what was asked before goes on.
            MissingExtra, UsageError, WeightsError: As :meth:`check` does.
            Unknown: It was deleted meanwhile.
        """
        self.check(settings)  # told now, not in its turn
        with kept.lock:
            kept.check()
            before = kept.asked
            asked = Asked((before.version if before else 0) + 1, settings)
            if before is not None and before.state == "waiting":
                asked.future, before.state = before.future, "stopped"
            else:
                asked.future = self.slow.put(partial(self._work, kept))
                if before is not None:
                    before.stop = True
            kept.asked = asked
        return asked

    def _work(self, kept: Kept) -> None:
        in_time = self._clock()
        with kept.lock:
            asked = kept.asked
            assert asked is not None  # whoever asked for work said for what
            asked.state = "stopped" if kept.closed else "working"
        if asked.state == "stopped":
            return

        def watched() -> None:
            most_s = self.limits.unwatched_s
            if time.monotonic() - kept.touched > most_s:
                asked.error = f"Nobody asked after it for {most_s:g} s, so it was given up."
                raise Stopped

        def progress(done: int, total: int) -> None:
            if asked.stop:
                raise Stopped
            if done < total:
                watched()
            in_time(done, total)
            asked.done, asked.total = done, total

        try:
            watched()
            result = self._desk.restore(
                kept.id,
                partial(_upload, kept),
                asked.settings.wishes(),
                name=kept.facts.name,
                salvage=kept.facts.salvage,
                progress=progress,
            )
            self._keep(kept, asked, result)
            asked.state = "done"
        except (Stopped, Unknown):
            asked.state = "stopped"
        except Exception as error:
            if not isinstance(error, (RestoraError, MemoryError)):
                _log.exception("A restoration failed.")
            asked.error, asked.state = sentence(error), "failed"
        finally:
            kept.touch()
            if kept.closed:  # meanwhile; it must not lie open any longer
                self._desk.clear(kept.id)

    def once(
        self,
        data: bytes,
        settings: Settings,
        *,
        name: str,
        salvage: bool,
        format: str,
        unwanted: Callable[[], bool] = lambda: False,
    ) -> Result:
        """Restore a file of which nothing is kept; ``unwanted`` tells when nobody waits for it.

        Raises:
            InputError: The file is damaged, too large or no picture.
            OutputError, UsageError: The format cannot hold it; or the settings make no sense.
            Stopped: It is not wanted any more.
            TooLong: It takes more time than one picture may.
        """
        in_time = self._clock()

        def accept(picture: Picture) -> None:
            check_writable(picture, format=format, bits=settings.bits)

        def progress(done: int, total: int) -> None:
            if unwanted():
                raise Stopped
            in_time(done, total)

        return self.restorer.restore(
            data,
            settings.wishes(),
            name=name,
            salvage=salvage,
            max_pixels=self.limits.pixels,
            accept=accept,
            progress=progress,
        )

    def _clock(self) -> Callable[[int, int], None]:
        """Look at the clock from now on: what it gives is to be called with each tile."""
        began = time.monotonic()

        def in_time(done: int, total: int) -> None:
            if self.slow.ending:
                raise Stopped
            if done < total and time.monotonic() - began > self.limits.work_s:
                raise TooLong(
                    f"This takes longer than the {self.limits.work_s:g} s that this server gives "
                    "to one picture. A smaller picture takes less, and so do fewer steps, samples "
                    "or views."
                )

        return in_time

    def _keep(self, kept: Kept, asked: Asked, result: Result) -> None:
        pixels = Pixels(result.picture, bits=asked.settings.bits)
        try:
            made = Made(_outcome(asked, result), pixels)
            before = kept.made  # whose place it takes
            self.store.check_room(pixels.size - (before.pixels.size if before else 0))
            with kept.lock:
                if asked.stop:
                    raise Stopped
                kept.made = made
                if before is not None:
                    before.pixels.close()
        except BaseException:
            pixels.close()
            raise

    def before(self, kept: Kept) -> bytes:
        """The picture as it came, as a PNG to look at.

        Raises:
            Unknown: It was deleted meanwhile.
        """
        opened = self.restorer.open(
            _upload(kept),
            name=kept.facts.name,
            salvage=kept.facts.salvage,
            max_pixels=self.limits.pixels,
            history=False,
        )
        return encode(opened.picture, format="PNG", bits=8, quick=True)

    def after(self, kept: Kept, version: int | None = None) -> bytes:
        """The result, as a PNG to look at.

        Raises:
            NotYet: There is none, or not of that version.
            Unknown: It was deleted meanwhile.
        """

        def look(made: Made) -> Picture:
            last = made.outcome.version
            if version not in (None, last):
                raise NotYet(f"Result {version} is not there; the last one is {last}.")
            return made.pixels.picture()

        return encode(self._result(kept, look)[1], format="PNG", bits=8, quick=True)

    def file(self, kept: Kept, format: str, jpeg_quality: int) -> bytes:
        """The result's file: the very bytes that the command writes.

        Raises:
            NotYet: There is none.
            OutputError, UsageError: The format cannot hold it.
            Unknown: It was deleted meanwhile.
        """
        return self._file(kept, format, jpeg_quality)[1]

    def _file(self, kept: Kept, format: str, jpeg_quality: int) -> tuple[Outcome, bytes]:
        made, picture = self._result(kept, lambda made: made.pixels.picture())
        outcome = made.outcome
        return outcome, written(picture, outcome.settings, format, jpeg_quality)

    def zip(
        self,
        every: Sequence[Kept],
        format: str,
        jpeg_quality: int,
        *,
        unwanted: Callable[[], bool] = lambda: False,
    ) -> Answer:
        """The results of many pictures in one file, and ``restora.json``: what was done to each.

        What the format cannot hold is left out, and the reason stands there instead. ``unwanted``
        tells when nobody waits for it.

        Raises:
            Later: There is no room for it.
            NotYet: One of them has no result.
            OutputError, UsageError: The format cannot hold any of them.
            Stopped: The server is ending, or it is not wanted any more.
            Unknown: One of them was deleted meanwhile.
        """
        out = TemporaryFile(prefix="restora-")  # noqa: SIM115 - the answer closes it
        reports: dict[str, object] = {}
        refused: list[RestoraError] = []
        try:
            with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
                for kept in every:
                    if self.files.ending or unwanted():
                        raise Stopped
                    name = free_name(file_name(kept.facts.name, format), reports)
                    told: dict[str, object] = {"source": kept.facts.name}
                    try:
                        outcome, made = self._file(kept, format, jpeg_quality)
                        archive.writestr(name, made)
                        told |= outcome.report
                    except (OutputError, UsageError) as error:
                        refused.append(error)
                        told["error"] = sentence(error)
                    reports[name] = told
                if len(refused) == len(every):
                    raise refused[0]
                archive.writestr("restora.json", json.dumps(reports, indent=2))
            return self.answers.hold_file(out)
        except BaseException:
            out.close()
            raise

    @staticmethod
    def _result(kept: Kept, get: Callable[[Made], T]) -> tuple[Made, T]:
        with kept.lock:  # else the next result could take its place meanwhile
            kept.check()
            if kept.made is None:
                raise NotYet(f"{kept.facts.name} has not been restored yet.")
            return kept.made, get(kept.made)


def _upload(kept: Kept) -> bytes:
    with kept.lock:
        kept.check()
        return kept.upload.read()


def written(picture: Picture, settings: Settings, format: str, jpeg_quality: int) -> bytes:
    """A result's file: the very bytes that the command writes.

    Args:
        picture: The result.
        settings: It was asked for with.
        format: As :func:`restora.images.encode` takes it.
        jpeg_quality: 1-100, where the format is JPEG; others have none here.

    Raises:
        OutputError, UsageError: The format cannot hold it.
    """
    quality = jpeg_quality if writable_name(format) == "JPEG" else None
    return encode(picture, format=format, bits=settings.bits, quality=quality)


def inspected_shape(found: Inspected, opened: Opened) -> InspectedShape:
    """What was found in a file, for the page; of what is very long, the beginning."""
    facts = opened.facts
    quality = None if facts is None or facts.quality is None else facts.quality.quality
    brief = partial(cut, letters=_TOLD_LETTERS, items=_TOLD_ITEMS)
    rows = [Row(label=label, text=brief(text)) for label, text in found.rows[:_TOLD_ITEMS]]
    return InspectedShape(
        headline=brief(found.headline), rows=rows, quality=quality, facts=brief(found.told)
    )


def _outcome(asked: Asked, result: Result) -> Outcome:
    report, plan = result.report(), result.plan
    return Outcome(
        version=asked.version,
        settings=asked.settings,
        width_px=report["width_px"],
        height_px=report["height_px"],
        seconds=report["seconds"],
        explain=list(plan.reasons),
        quality=plan.quality,
        quality_source=plan.quality_source,
        prompt=plan.prompt,
        inside_bins=result.inside,
        notes=report["notes"],
        report=report,
    )
