"""Times the page as a person has it, in a browser, and fills serve.md.

    python docs/make_serve.py [--browser /usr/bin/chromium]
    python docs/make_serve.py --tables      # only the table; measures nothing

Run from the root of the repository; needs ``restora[web]``, Playwright and a Chromium, and a
machine that does nothing else. The figures are kept in ``docs/benchmarks/serve.json``: medians of
some runs, each with a server of its own.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from shutil import which

from make_screenshots import BROWSERS, WAIT_MS, served
from marked import put, table
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

HERE = Path(__file__).parent
KEPT = HERE / "benchmarks" / "serve.json"
CLEAN = HERE.parent / "examples" / "clean"
SIDE_PX = 1000
QUALITY = 15
RUNS = 5
TURNS = (30, 60, 5, 80)
WHAT = {
    "ready": "the page can be used, from the start of the command",
    "first": "a colour JPEG of 1 megapixel restored and shown, from choosing the file",
    "turn": "another quality shown, from turning the dial",
}


def photo() -> bytes:
    """A JPEG of a megapixel: four examples side by side."""
    whole = Image.new("RGB", (SIDE_PX, SIDE_PX))
    for number, path in enumerate(sorted(CLEAN.glob("*.avif"))):
        with Image.open(path) as part:
            whole.paste(part.convert("RGB"), (number % 2 * 512, number // 2 * 512))
    out = io.BytesIO()
    whole.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def seconds(act: Callable[[], None]) -> float:
    started = time.monotonic()
    act()
    return time.monotonic() - started


def shown(page: Page, version: int) -> None:
    """Wait until this result is on the screen."""
    loaded = "img => img.complete && img.naturalWidth > 0 && img.src"
    while f"version={version}" not in str(page.get_by_test_id("image-after").evaluate(loaded)):
        page.wait_for_timeout(10)


def measure(browser: str) -> dict[str, float]:
    """Seconds of one run, by :data:`WHAT`."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    file = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": photo()}
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=browser, args=["--no-sandbox"] if root else []
        )
        page = chromium.new_page()
        page.set_default_timeout(WAIT_MS)
        started = time.monotonic()
        with served() as address:
            page.goto(address)
            expect(page.get_by_test_id("version")).not_to_be_empty()
            found = {"ready": time.monotonic() - started}

            def choose() -> None:
                page.get_by_test_id("file").set_input_files(file)
                expect(page.get_by_test_id("image-after")).to_be_visible(timeout=WAIT_MS)
                shown(page, 1)

            found["first"] = seconds(choose)
            turns = []
            for version, quality in enumerate(TURNS, start=2):

                def turn(version: int = version, quality: int = quality) -> None:
                    page.get_by_test_id("quality").fill(str(quality))
                    shown(page, version)

                turns.append(seconds(turn))
            found["turn"] = statistics.median(turns)
        chromium.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--browser", default=next(filter(None, map(which, BROWSERS)), None))
    parser.add_argument("--tables", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    if not arguments.tables:
        if arguments.browser is None:
            sys.exit("No Chromium was found; --browser names one.")
        runs = [measure(arguments.browser) for _ in range(RUNS)]
        kept = {"cores": os.cpu_count(), "runs": runs}
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    kept = json.loads(KEPT.read_text())
    of = {what: [run[what] for run in kept["runs"]] for what in WHAT}
    share = statistics.median(run["turn"] / run["first"] for run in kept["runs"])
    rows = [
        [says, *(f"{figure(of[what]):.1f}" for figure in (statistics.median, max))]
        for what, says in WHAT.items()
    ]
    made = table(["seconds", "median", "slowest"], rows)
    words = (
        f"{len(kept['runs'])} runs in Chromium on {kept['cores']} cores. A turn of the dial costs "
        f"{100 * share:.0f} % of the first result."
    )
    put(HERE / "serve.md", times=f"{made}\n\n{words}")


if __name__ == "__main__":
    main()
