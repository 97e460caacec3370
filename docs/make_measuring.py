"""Fills measuring.md with rows of the tables that make_benchmarks.py has measured.

    python docs/make_measuring.py

Run from the root of the repository. Measures nothing: a table is what ``restora bench show`` prints
of a report under ``docs/benchmarks/``, less the rows and columns that are left out here.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from marked import put, table

HERE = Path(__file__).parent
LITERATURE = ("QF 10", "QF 20", "QF 30", "QF 40")
TOOL = "Restora, as the command does it"
FBCNN = {
    "JPEG": "JPEG",
    "Restora fbcnn, blind": "Restora, blind",
    "Restora fbcnn, tool": TOOL,
    "Restora fbcnn, tool ensemble=8": "Restora, `--ensemble 8`",
    "Restora fbcnn, blind precision=int8": "Restora, blind, `--precision int8`",
}
DAGN = {"Restora dagn, tool": "Restora, `--model dagn`, as the command does it"}


@cache
def shown(slug: str) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """The tables of a report, each a tuple of rows, the head first."""
    text = subprocess.run(
        [
            *(sys.executable, "-m", "restora.cli.main"),
            *("bench", "show", str(HERE / "benchmarks" / f"{slug}.json"), "--markdown"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    tables: list[list[tuple[str, ...]]] = []
    before = ""
    for line in text.splitlines():
        if line.startswith("|"):
            if not before.startswith("|"):
                tables.append([])
            if not re.fullmatch(r"[|\s:-]+", line):
                tables[-1].append(tuple(c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]))
        before = line
    return tuple(tuple(rows) for rows in tables)


def chosen(
    slug: str,
    methods: Mapping[str, str],
    columns: Sequence[str],
    *,
    number: int = 0,
    where: Mapping[str, str] | None = None,
) -> list[list[str]]:
    """Rows of a table under new names.

    Args:
        slug: The report.
        methods: Names as the report has them, to names on the page.
        columns: Of which columns, by their heads.
        number: Which of its tables.
        where: Cells that a row has to have, by head.

    Raises:
        ValueError: The report has no such row.
    """
    head, *rows = shown(slug)[number]
    wanted = dict(where or {})
    found = []
    for name, label in methods.items():
        fitting = [
            row
            for row in rows
            if name in row[: 2 if wanted else 1]
            and all(row[head.index(key)] == value for key, value in wanted.items())
        ]
        if not fitting:
            raise ValueError(f"{slug} has no row {name!r}.")
        found.append([label, *(fitting[0][head.index(column)] for column in columns)])
    return found


def same(*names: str) -> dict[str, str]:
    """Rows that keep their names."""
    return {name: name for name in names}


def jpeg_table(slug: str, dagn: str, last: Sequence[str]) -> str:
    rows = [
        *chosen(slug, FBCNN, LITERATURE),
        *chosen(dagn, DAGN, LITERATURE),
        *chosen(slug, same(*last), LITERATURE),
    ]
    return table(["", *LITERATURE], rows)


def double_table() -> str:
    names = {
        "JPEG": "JPEG",
        "Restora fbcnn, blind": "Restora, blind",
        "Restora fbcnn, tool": TOOL,
        **same("FBCNN (published)", "FBCNN-D (published)", "FBCNN-A (published)"),
    }
    columns = ["10, 30", "10, 50", "30, 50"]
    rows = chosen("double", names, columns)
    return table(["PSNR", *(column.replace(",", ", then") for column in columns)], rows)


def look_table() -> str:
    names = {
        "JPEG": "JPEG",
        "Restora fbcnn, tool": "Restora",
        "Restora sodiff, tool": "Restora, `--model sodiff`",
    }
    at, columns = {"QF": "5"}, ["SSIMULACRA2 ↑", "DISTS (Lite2) ↓"]
    seen = chosen("perceptual-live1", names, columns, where=at)
    true = chosen("perceptual-live1", names, ["PSNR ↑"], number=1, where=at)
    rows = [[*a, *b[1:]] for a, b in zip(seen, true, strict=True)]
    return table(["", *columns, "PSNR ↑"], rows)


def tasks_table() -> str:
    tasks = same("dehaze", "derain", "deblur", "lowlight")
    columns = {}
    for slug in ("sr-diff-synthetic", "sr-diff-made", "sr-diff-real"):
        head, *rows = shown(slug)[0]
        columns[slug] = {
            row[0]: f"{row[head.index('PSNR')]} ({row[head.index('n')]})" for row in rows
        }
    rows = [[task, *(found.get(task, "-") for found in columns.values())] for task in tasks]
    head = ["task", "LIVE1, damaged as in training", "another generator", "published pairs"]
    return table(head, rows)


def real_table() -> str:
    names = {
        "input": "as it is",
        "fbcnn": "Restora, `--model fbcnn`",
        "ssp-ir": "Restora, `--task real`",
    }
    columns = ["PSNR ↑", "SSIMULACRA2 ↑", "features (Lite0) ↑"]
    rows = chosen("real-live1", names, columns, where={"damage": "mean"})
    return table(["", *columns], rows)


def whole(slug: str, number: int) -> str:
    head, *rows = shown(slug)[number]
    return table(list(head), [list(row) for row in rows])


def main() -> None:
    put(
        HERE / "measuring.md",
        gray=jpeg_table(
            "gray-live1",
            "dagn-gray",
            [r"ARCNN\* (published)", "DnCNN (published)", "FBCNN (published)"],
        ),
        color=jpeg_table("color-live1", "dagn-color", ["QGAC (published)", "FBCNN (published)"]),
        double=double_table(),
        look=look_table(),
        tasks=tasks_table(),
        real=real_table(),
        networks=whole("speed", 0),
        tool=whole("speed", 1),
    )


if __name__ == "__main__":
    main()
