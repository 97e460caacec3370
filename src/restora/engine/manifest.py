"""The manifest of an archive: one row a picture, in SQLite, so that a run can be taken up again.

A row is written before work on its picture begins. It claims the name of the result, which was free
then: so a result without a finished row is one that a dying run left, and is made again. Whatever
stood under that name before the claim is never touched.

One run at a time has a manifest; anybody may read it meanwhile.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from restora.engine.archive import Real, Sizes
from restora.engine.batch import Existing, Outcome, make_folder
from restora.engine.claims import Claims
from restora.engine.listing import Listed, real_path
from restora.errors import InputError, OutputError, UsageError

FORMAT = "1"
PAGE = 1000  # rows in memory at a time
SETTINGS = "settings"

Status = Literal["waiting", "restored", "failed", "skipped"]

_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE plans (id INTEGER PRIMARY KEY, plan TEXT NOT NULL UNIQUE);
CREATE TABLE pictures (
    source TEXT PRIMARY KEY,         -- real path or URL
    target TEXT NOT NULL UNIQUE,     -- below the folder of the results
    status TEXT NOT NULL,            -- waiting, restored, failed or skipped
    claimed INTEGER NOT NULL,        -- whether what stands under that name is ours
    run INTEGER NOT NULL,            -- the last that found it among its inputs
    begun INTEGER NOT NULL DEFAULT 0, -- whether work on it began and its end was not noted
    stamp TEXT NOT NULL,             -- size and time of the input, or a store's tag
    input_sha256 TEXT,
    output_sha256 TEXT,
    output_bytes INTEGER,
    plan INTEGER REFERENCES plans,
    seconds REAL,
    error TEXT NOT NULL DEFAULT '',
    report TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
CREATE VIEW manifest AS
    SELECT source, target, status, input_sha256, output_sha256, output_bytes, plans.plan, seconds,
           error, report
    FROM pictures LEFT JOIN plans ON pictures.plan = plans.id;
"""


@dataclass(frozen=True)
class Item:
    """A picture to restore.

    Attributes:
        source: Its real path or URL.
        target: Where its result goes, below the folder of the results.
        known: SHA-256 of the file that the result there was made of; None: there is none.
    """

    source: str
    target: str
    known: str | None


class Manifest:
    """The rows of an archive. Use it in a ``with`` block, from one thread."""

    def __init__(self, path: Path) -> None:
        """Open a manifest, or begin one.

        Raises:
            InputError: The file is no manifest, or a newer one.
            OutputError: It cannot be written, or another run has it.
        """
        # One lock, however it is spelled.
        self._path = path = real_path(path)
        self._run = 0
        make_folder(path.parent)
        with ExitStack() as opened, self._told():
            # A lock that dies with its holder, and leaves the manifest itself open to readers.
            lock = sqlite3.connect(f"{path}.lock", timeout=0, isolation_level=None)
            opened.callback(lock.close)
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                raise OutputError(f"{path} is in use by another run.") from error
            self._rows = sqlite3.connect(path, isolation_level=None)
            opened.callback(self._rows.close)
            self._begin()
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the database as sentences."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if "full" in str(error):
                raise OutputError(f"{self._path} cannot be written: the disk is full.") from error
            if "not a database" in str(error) or "malformed" in str(error):
                raise InputError(
                    f"{self._path} is no manifest, or damaged; name another with --manifest."
                ) from error
            raise OutputError(f"{self._path} cannot be used as a manifest ({error}).") from error

    def _begin(self) -> None:
        known = self._one("SELECT count(*) FROM sqlite_master WHERE name = 'facts'")
        if not known:
            if self._one("SELECT count(*) FROM sqlite_master"):
                raise InputError(
                    f"{self._path} is a database of something else; name another with --manifest."
                )
            self._rows.execute("PRAGMA journal_mode=WAL")
            self._rows.executescript(
                f"BEGIN; {_SCHEMA} INSERT INTO facts VALUES ('format', '{FORMAT}'); COMMIT;"
            )
        found = self._fact("format")
        if found != FORMAT:
            raise InputError(
                f"{self._path} was written by another version of restora (format {found}, this "
                f"one knows {FORMAT}); name another with --manifest."
            )

    def plan(
        self,
        listed: Iterable[Listed],
        *,
        settings: dict[str, Any],
        root: str,
        format: str | None,
        sizes: Sizes,
        real: Real,
        existing: Existing,
    ) -> None:
        """Find out what there is to do, and claim the names of results; all of it or nothing.

        Args:
            listed: The pictures; one that comes twice counts once, results of earlier runs do not.
            settings: How they are restored, all alike; ready for JSON.
            root: The real path, or the URL, of the folder of the results, with a ``/`` behind.
            format: As in :func:`restora.engine.jobs.find_jobs`.
            sizes: What results are there.
            real: Where what is written to a result's place would go.
            existing: What to do where a file of somebody else has a result's name; ``"overwrite"``
                also makes results again that were made with other settings.

        Raises:
            UsageError: They were restored in another way before, two pictures would get the same
                name, or a result that of an input.
        """
        with self._told(), self._whole():
            if self._one("SELECT 1 FROM pictures LIMIT 1"):
                self._compare(settings, again=existing == "overwrite")
            self._note(SETTINGS, json.dumps(settings, sort_keys=True))
            self._run = int(self._fact("run") or 0) + 1
            self._note("run", str(self._run))
            claims = Claims(
                self._rows, root=root, run=self._run, sizes=sizes, real=real, existing=existing
            )
            claims.take(listed, format=format)

    def _compare(self, settings: dict[str, Any], *, again: bool) -> None:
        """With the settings of the runs before."""
        before = json.loads(self._fact(SETTINGS) or "{}")
        if before == settings:
            return
        told = f"The results were made with other settings ({_differences(before, settings)})"
        if before.get("format") != settings.get("format"):
            raise UsageError(f"{told}: choose another -o.")  # their names would not fit
        if not again:
            raise UsageError(
                f"{told}: choose another -o, or make all of them again with --overwrite."
            )
        self._rows.execute("UPDATE pictures SET status = 'waiting', input_sha256 = NULL")

    def count(self, status: Status) -> int:
        """Pictures of this run's inputs with that status."""
        return int(
            self._one(
                "SELECT count(*) FROM pictures WHERE run = ? AND status = ?", self._run, status
            )
        )

    def refused(self) -> Iterator[tuple[Literal["failed", "skipped"], Item, str]]:
        """Pictures whose result's name is taken by a file of somebody else, and a sentence.

        Read before the first :meth:`record`, which adds others that failed.
        """
        statuses: tuple[Literal["failed", "skipped"], ...] = ("failed", "skipped")
        for status in statuses:
            for page in self._pages(status):
                for source, target, known, error in page:
                    yield status, Item(source, target, known), error

    def waiting(self) -> Iterator[Item]:
        """The pictures to restore, in the order of their names; rows may change meanwhile."""
        for page in self._pages("waiting"):
            with self._told(), self._whole():
                begin = "UPDATE pictures SET begun = 1 WHERE source = ?"
                self._rows.executemany(begin, [(source,) for source, *_ in page])
            for source, target, known, _ in page:
                yield Item(source, target, known)

    def record(self, outcome: Outcome) -> None:
        """Note what became of a picture, at once; its job has the source of the row.

        Raises:
            OutputError: The disk refuses.
        """
        source = str(outcome.job.source)
        with self._told(), self._whole(durable=False):
            match outcome.status:
                case "restored":
                    self._record_restored(source, dict(outcome.report or {}))
                case "skipped":  # its result is made of this very file
                    self._rows.execute(
                        "UPDATE pictures SET status = 'restored', begun = 0, error = '' "
                        "WHERE source = ?",
                        (source,),
                    )
                case "failed":
                    self._rows.execute(
                        "UPDATE pictures SET status = 'failed', begun = 0, error = ? "
                        "WHERE source = ?",
                        (outcome.message, source),
                    )

    def _record_restored(self, source: str, report: dict[str, Any]) -> None:
        plan = json.dumps(report.pop("plan", None), sort_keys=True)
        self._rows.execute("INSERT OR IGNORE INTO plans (plan) VALUES (?)", (plan,))
        self._rows.execute(
            "UPDATE pictures SET status = 'restored', begun = 0, error = '', input_sha256 = ?, "
            "output_sha256 = ?, output_bytes = ?, seconds = ?, "
            "plan = (SELECT id FROM plans WHERE plan = ?), report = ? WHERE source = ?",
            (
                *(report.pop(name, None) for name in ("input_sha256", "output_sha256")),
                *(report.pop(name, None) for name in ("output_bytes", "seconds")),
                plan,
                json.dumps(report),
                source,
            ),
        )

    @contextmanager
    def _whole(self, *, durable: bool = True) -> Iterator[None]:
        """One transaction.

        Args:
            durable: Whether it is on the disk at its end. A claim has to be, before anything is
                written under its name; an outcome that a power cut takes is only found out again.
        """
        self._rows.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        self._rows.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._rows.execute("COMMIT")
        except BaseException:
            if self._rows.in_transaction:  # a full disk may have ended it
                self._rows.execute("ROLLBACK")
            raise

    def _pages(self, status: Status) -> Iterator[list[tuple[str, str, str | None, str]]]:
        """Source, target, SHA-256 of the input and error of every row, some at a time."""
        after = ""
        while True:
            with self._told():
                page = self._rows.execute(
                    "SELECT source, target, input_sha256, error FROM pictures "
                    "WHERE run = ? AND status = ? AND source > ? ORDER BY source LIMIT ?",
                    (self._run, status, after, PAGE),
                ).fetchall()
            yield page
            if len(page) < PAGE:
                return
            after = page[-1][0]

    def _fact(self, name: str) -> str | None:
        value = self._one("SELECT value FROM facts WHERE name = ?", name)
        return None if value is None else str(value)

    def _note(self, name: str, value: str) -> None:
        self._rows.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _one(self, query: str, *values: object) -> Any:
        row = self._rows.execute(query, values).fetchone()
        return None if row is None else row[0]


def _differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Which settings changed, and how, in one line."""

    def told(value: Any) -> Any:
        return "not given" if value is None else value

    return ", ".join(
        f"{name} {told(before.get(name))}, now {told(now.get(name))}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    )
