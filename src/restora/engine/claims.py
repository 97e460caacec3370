"""Which name each picture's result gets in a manifest, and what is to be done about it.

Names are claimed once: a picture that comes later never moves the result of an earlier one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import PurePosixPath

from restora.engine.archive import Real, Sizes
from restora.engine.batch import Existing
from restora.engine.jobs import suffix_for
from restora.engine.listing import Listed
from restora.errors import UsageError


class Claims:
    """The claims of one run. Everything happens within a transaction of the caller."""

    def __init__(
        self,
        rows: sqlite3.Connection,
        *,
        root: str,
        run: int,
        sizes: Sizes,
        real: Real,
        existing: Existing,
    ) -> None:
        """
        Args:
            rows: A manifest's database.
            root: The real path, or the URL, of the folder of the results, with a ``/`` behind.
            run: The number of this run.
            sizes: Place of a result to its bytes; None: nothing is there.
            real: Place of a result to where its bytes would go.
            existing: What to do where a file of somebody else has a result's name.
        """
        self._rows, self._root, self._run = rows, root, run
        self._sizes, self._real, self._existing = sizes, real, existing

    def take(self, listed: Iterable[Listed], *, format: str | None) -> None:
        """Settle the status of every picture that was found.

        Raises:
            UsageError: Two pictures would get the same name.
        """
        self._rows.execute("DROP TABLE IF EXISTS temp.found")
        self._rows.execute(
            "CREATE TEMP TABLE found (source TEXT PRIMARY KEY, target TEXT, full TEXT, stamp TEXT)"
        )
        for each in listed:
            names = _names(each.place, format)
            if not (
                self._is_result(each.source)
                or self._met_before(each)
                or (self._moved(each, names) and self._met_before(each))
            ):
                self._rows.execute(
                    "INSERT OR IGNORE INTO temp.found VALUES (?, ?, ?, ?)",
                    (each.source, *names, each.stamp),
                )
        self._name()
        for source, target, stamp in self._rows.execute(
            "SELECT source, target, stamp FROM temp.found"
        ):
            status, claimed, error = self._claim(target)
            self._rows.execute(
                "INSERT INTO pictures (source, target, status, claimed, run, stamp, error) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (source, target, status, claimed, self._run, stamp, error),
            )
        self._rows.execute("DROP TABLE temp.found")
        self._spare_inputs()

    def _is_result(self, source: str) -> bool:
        """Whether this is no input, but what an earlier run made of one."""
        if not source.startswith(self._root):
            return False
        place = source.removeprefix(self._root)
        ours = "SELECT 1 FROM pictures WHERE target = ? AND (begun OR output_bytes IS NOT NULL)"
        return self._rows.execute(ours, (place,)).fetchone() is not None

    def _moved(self, each: Listed, names: tuple[str, str]) -> bool:
        """Hand this picture the row of one that is gone from where it was, if it is the same."""
        row = self._rows.execute(
            "SELECT source FROM pictures WHERE target IN (?, ?) AND stamp = ? AND run < ?",
            (*names, each.stamp, self._run),
        ).fetchone()
        if row is None or "://" in row[0] or os.path.lexists(row[0]):
            return False
        self._rows.execute("UPDATE pictures SET source = ? WHERE source = ?", (each.source, *row))
        return True

    def _met_before(self, each: Listed) -> bool:
        """Settle a picture that has a row; False if it has none."""
        row = self._rows.execute(
            "SELECT target, status, claimed, begun, stamp, output_bytes, run FROM pictures "
            "WHERE source = ?",
            (each.source,),
        ).fetchone()
        if row is None:
            return False
        target, status, claimed, begun, stamp, wrote, run = row
        if run == self._run:
            return True
        error = ""
        if not claimed:
            status, claimed, error = self._claim(target)
        elif begun:  # whatever stands there may be what a run wrote before it died
            status = "waiting"
        else:
            done = status == "restored" and stamp == each.stamp
            status, claimed, error = self._look_again(target, wrote, done=done)
        # What a result was made of is known while it is there as it was written.
        doubtful = begun or self._sizes(target) != wrote
        self._rows.execute(
            "UPDATE pictures SET status = ?, claimed = ?, begun = 0, run = ?, stamp = ?, "
            "error = ?, input_sha256 = CASE WHEN ? THEN NULL ELSE input_sha256 END "
            "WHERE source = ?",
            (status, claimed, self._run, each.stamp, error, doubtful, each.source),
        )
        return True

    def _look_again(self, target: str, wrote: int | None, *, done: bool) -> tuple[str, bool, str]:
        """Whether a result is there as it was written, if it ever was."""
        there = self._sizes(target)
        if there is None:
            return "waiting", True, ""
        if wrote is None:
            return self._taken(f"{target}: exists already")
        if there != wrote:  # somebody worked on it
            return self._taken(f"{target}: was changed after it was written")
        return "restored" if done else "waiting", True, ""

    def _claim(self, target: str) -> tuple[str, bool, str]:
        """Status, whether the name is ours now, and why not."""
        if self._sizes(target) is None:
            return "waiting", True, ""
        return self._taken(f"{target}: exists already")

    def _taken(self, why: str) -> tuple[str, bool, str]:
        if self._existing == "overwrite":
            return "waiting", True, ""
        if self._existing == "skip":
            return "skipped", False, f"{why}."
        return "failed", False, f"{why}; use --overwrite or --skip-existing."

    def _name(self) -> None:
        """Where names clash, the old suffix stays in them; see :mod:`restora.engine.jobs`."""
        clashing = (
            "SELECT source FROM temp.found "
            "WHERE target COLLATE {0} IN (SELECT target FROM pictures) OR target COLLATE {0} IN "
            "(SELECT target FROM temp.found GROUP BY target COLLATE {0} HAVING count(*) > 1)"
        )
        for case in ("NOCASE", "BINARY"):
            self._rows.execute(f"CREATE INDEX temp.found_{case} ON found (target COLLATE {case})")
        # Names that differ only in case are one name on many disks, so both keep their suffix.
        # A longer name may be a third picture's, so this is looked at again.
        while self._rows.execute(
            "UPDATE temp.found SET target = full "
            f"WHERE target != full AND source IN ({clashing.format('NOCASE')})"
        ).rowcount:
            pass
        twice = self._rows.execute(
            f"SELECT target FROM temp.found WHERE source IN ({clashing.format('BINARY')}) "
            "ORDER BY target LIMIT 1"
        ).fetchone()
        if twice is None:
            return
        query = "SELECT source FROM {} WHERE target = ? ORDER BY source"
        sources = [
            source
            for table in ("pictures", "temp.found")
            for (source,) in self._rows.execute(query.format(table), twice)
        ]
        raise UsageError(
            f"{' and '.join(sources)} would both be written to {twice[0]}; restore them one after "
            "the other into different folders."
        )

    def _spare_inputs(self) -> None:
        self._rows.create_function("real", 1, self._real)
        over = self._rows.execute(
            "SELECT target FROM pictures WHERE run = ? AND status = 'waiting' "
            "AND real(target) IN (SELECT source FROM pictures)",
            (self._run,),
        ).fetchone()
        if over is not None:
            raise UsageError(
                f"{self._root}{over[0]}: the result would be written over an input; "
                "choose another -o."
            )


def _names(place: str, format: str | None) -> tuple[str, str]:
    """The name of a result, and the one it gets where that is taken."""
    path = PurePosixPath(place)
    suffix = suffix_for(path, format)
    return path.with_suffix(suffix).as_posix(), path.with_name(path.name + suffix).as_posix()
