"""Draws docs/page-desktop.png and docs/page-phone.png: the page with an example restored.

    python docs/make_screenshots.py [--browser /usr/bin/chromium]

Run from anywhere; needs ``restora[web]``, Playwright and a Chromium. It starts a server of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZES = {"page-desktop.png": (1280, 800), "page-phone.png": (390, 844)}
EXAMPLE = "kitten.jpg"
WAIT_MS = 120_000


@contextlib.contextmanager
def served() -> Iterator[str]:
    """A server in a process of its own; its address."""
    command = [sys.executable, "-m", "restora.cli.main", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().removeprefix("Restora: ").strip()
        finally:
            process.terminate()


def draw(browser: Browser, address: str, path: Path, size: tuple[int, int]) -> None:
    """The page at a size in pixels, an example restored and the line in its middle."""
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.goto(address)
    page.locator(f"[data-testid=example][data-name='{EXAMPLE}']").click()
    expect(page.get_by_test_id("progress")).to_have_attribute("data-state", "done")
    expect(page.get_by_test_id("image-after")).to_be_visible()
    page.get_by_test_id("slider").fill("50")
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(4000)  # what is told of the work goes by itself
    page.screenshot(path=path, animations="disabled")
    context.close()
    with Image.open(path) as image:  # as few bytes as all colours take
        image.convert("RGB").save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    parser.add_argument("--browser", default=found, required=found is None)
    arguments = parser.parse_args()
    expect.set_options(timeout=WAIT_MS)
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=arguments.browser, args=["--no-sandbox"] if root else []
        )
        for name, size in SIZES.items():
            draw(browser, address, HERE / name, size)
            print(HERE / name)
        browser.close()


if __name__ == "__main__":
    main()
