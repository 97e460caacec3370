"""Copies tables that make_benchmarks.py has measured into a page, between its markers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def fill_tables(page: Path) -> None:
    """Copy each measured table between its markers; one that was not measured stays as it is.

    A marker is the name of a report, and after a colon which of its tables, 1 unless told.
    """
    text = page.read_text()
    for marker in re.findall(r"<!-- table: (\S+) -->", text):
        slug, _, number = marker.partition(":")
        report = page.parent / "benchmarks" / f"{slug}.json"
        if not report.exists():
            print(f"{slug} was not measured: make_benchmarks.py {slug}")
            continue
        shown = subprocess.run(
            [
                *(sys.executable, "-m", "restora.cli.main"),
                *("bench", "show", str(report), "--markdown"),
            ],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        table = re.split(r"\n(?=\*\*)", shown)[int(number or 1) - 1].strip()
        pattern = rf"(<!-- table: {re.escape(marker)} -->\n).*?(<!-- /table -->)"
        text = re.sub(
            pattern,
            lambda found, table=table: f"{found[1]}{table}\n{found[2]}",
            text,
            flags=re.DOTALL,
        )
    page.write_text(text)
