"""Runs the benchmarks and writes docs/benchmarks.md: each table under the command that made it.

    python docs/make_benchmarks.py --data testsets             # everything; hours on a laptop
    python docs/make_benchmarks.py double oapt --data testsets # these sections anew, the rest kept
    python docs/make_benchmarks.py --draw                      # the page from what is kept
    python docs/make_benchmarks.py --limit 2 --out /tmp/try    # a quick look, elsewhere

A section's report is kept as JSON under docs/benchmarks/, so that the page can be made in parts.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
INTRO = """# Benchmarks

Made by [make_benchmarks.py](make_benchmarks.py): each table stands under the command that printed
it, and the reports lie as JSON in [benchmarks/](benchmarks). `testsets` is a folder with the test
sets as subfolders (`live1_gray`, `live1_color`, `classic5`, `bsds500_test`, `real_jpeg`, ...).

- A clean picture is saved as JPEG (libjpeg, 4:2:0 in colour), restored, and compared with the clean
  one as 8-bit pixels, all of them; a figure is the mean of the pictures' figures. Gray is BT.601
  studio luma, as in the literature; colour is RGB.
- The plain JPEG must give the published row to the printed digit before anything else counts; the
  line below a table says what was compared, and the command fails where it does not agree. Where
  nothing is published, an independent script (OpenCV) measured the row.
- `blind` is how the literature measures: the network gets pixels and no header. `tool` is what a
  user of `restora restore` gets. A star marks published networks of which each was trained for one
  quality and told which.
- Networks are often trained on the very qualities of these tables (FBCNN's pictures to three
  quarters; ours: [recipes/](../recipes)); the tables off the grid show what that is worth.
- s/MP: seconds a megapixel, reading and planning included. Never divide times of two machines, nor
  of two tables: other work ran on this one beside all tables but Speed and Time and memory.
"""


@dataclass(frozen=True)
class Section:
    """A heading, what there is to know, and the arguments of ``restora bench``."""

    slug: str
    title: str
    caption: str
    arguments: tuple[str, ...]
    data: bool = True  # takes --data and --limit
    plots: tuple[str, ...] = ()  # arguments of ``restora bench plot``, the file left out


def _section(
    slug: str, title: str, caption: str, command: str, *, data: bool = True, plots: str = ""
) -> Section:
    drawn = tuple(part.strip() for part in plots.split(";") if part)
    return Section(slug, title, caption, tuple(shlex.split(command)), data, drawn)


THREE = "--variant blind --variant tool --variant 'tool ensemble=8'"
DAGN = "--variant 'blind model=dagn' --variant 'tool model=dagn'"
FIVE = f"{THREE} --variant 'blind precision=int8' --variant 'tool constraint=hard'"
TWINS = f"--variant blind {DAGN} --variant 'blind model=twins/fbcnn-{{}}-twin.json'"
SECTIONS = (
    _section(
        "gray-live1",
        "Gray, LIVE1",
        "",
        f"jpeg-gray --set live1 {FIVE} --estimate",
        plots="gains benchmarks/gray-live1.json; cost",
    ),
    _section("gray-classic5", "Gray, Classic5", "", f"jpeg-gray --set classic5 {THREE}"),
    _section(
        "gray-bsds500",
        "Gray, BSDS500",
        "Networks trained on all of BSD have seen these pictures; ours have not.",
        "jpeg-gray --set bsds500 --variant blind --variant tool",
    ),
    _section(
        "color-live1",
        "Colour, LIVE1",
        "",
        f"jpeg-color --set live1 {FIVE} --estimate",
        plots="gains benchmarks/color-live1.json; cost --color",
    ),
    _section(
        "color-bsds500",
        "Colour, BSDS500",
        "",
        "jpeg-color --set bsds500 --variant blind --variant tool",
    ),
    _section(
        "offgrid-gray",
        "Off the grid, gray",
        "Qualities nobody tunes for. Nothing is published here.",
        "jpeg-gray --set live1 --quality offgrid --variant blind --variant tool",
    ),
    _section(
        "offgrid-color",
        "Off the grid, colour",
        "",
        "jpeg-color --set live1 --quality offgrid --variant blind --variant tool",
    ),
    _section(
        "double",
        "Saved twice: FBCNN's settings",
        "Saved at QF1, four rows and four columns dropped, saved at QF2. Where the first save was "
        "the harder one its damage lies under the second's on another grid; a network that trusts "
        "the header repairs too little.",
        "jpeg-double --set live1 --variant blind --variant tool",
    ),
    _section(
        "oapt-live1",
        "Saved twice: OAPT's settings, LIVE1",
        "The shift is (h, w): rows and columns dropped. OAPT prints no row of the plain JPEG; the "
        "shared settings are held against FBCNN's row, all of them against an independent script. "
        "Every published network here was trained on pictures saved twice.",
        "jpeg-oapt --set live1 --variant blind --variant tool",
    ),
    _section(
        "oapt-classic5",
        "Saved twice: OAPT's settings, Classic5",
        "",
        "jpeg-oapt --set classic5 --variant blind --variant tool",
    ),
    _section(
        "real-jpeg",
        "Real JPEG files",
        "No clean picture exists of these, so nothing here says which result is better: only what "
        "was read, found and changed.",
        "real-jpeg",
    ),
    _section(
        "clean",
        "Pictures without damage",
        "What a repair does to pictures that need none; higher is better, infinite is untouched.",
        "clean",
    ),
    _section("tiles", "Tiles", "A picture restored in tiles, against one piece.", "tiles"),
    _section(
        "dagn-gray",
        "DAGN beside its twin, gray",
        "The twin is an FBCNN of as many multiply-adds a pixel, grown from the same weight and "
        "trained for as many steps on the same data ([recipes/](../recipes/README.md)). It does "
        "not ship.",
        f"jpeg-gray --set live1 {TWINS.format('gray')}",
    ),
    _section(
        "dagn-color",
        "DAGN beside its twin, colour",
        "",
        f"jpeg-color --set live1 {TWINS.format('color')}",
    ),
    _section(
        "dagn-double",
        "DAGN, saved twice",
        "FBCNN's settings, as above.",
        f"jpeg-double --set live1 {DAGN}",
    ),
    _section(
        "perceptual-live1",
        "SODiff, to the eye",
        "SODiff's protocol: quality 5, 10 and 20, whole colour pictures. What the columns are, and "
        "how to score the same pictures with another toolbox: [perceptual.md](perceptual.md).",
        "perceptual --set live1 --model fbcnn --model sodiff --variant tool",
    ),
    _section(
        "decoupling",
        "What DAGN's codes know",
        "A linear function of each code shall tell the quality a picture was saved at, or shall "
        "not. Pictures it is scored on are never those it was fitted on.",
        "decoupling",
    ),
    _section(
        "downstream",
        "For machines",
        "Whether a classifier and an edge detector see what they see in the clean picture.",
        "downstream --variant tool --variant 'tool model=dagn'",
    ),
    _section(
        "downstream-lite2",
        "For machines, another classifier",
        "",
        "downstream --variant tool --variant 'tool model=dagn' --classifier lite2",
    ),
    _section(
        "sr-diff-made",
        "SR-Diff: haze, rain, motion blur, low light",
        "Six photos, damaged by another generator than the one it learned from. What is measured "
        "how: [sr-diff.md](sr-diff.md#measured).",
        "restoration --set made --seeds 3",
    ),
    _section(
        "sr-diff-judged",
        "SR-Diff, the task not told",
        "As `restora restore --task auto` does it, which does nothing where it is not sure.",
        "restoration --set made --judged",
    ),
    _section(
        "sr-diff-synthetic",
        "SR-Diff, LIVE1",
        "Damaged by the generators it learned from.",
        "restoration --set synthetic",
    ),
    _section("sr-diff-real", "SR-Diff, published pairs", "", "restoration --set real"),
    _section(
        "sr-diff-steps",
        "SR-Diff by steps",
        "On validation pictures.",
        "restoration --set synthetic --clean cid22_val --limit 6 --compare-steps 1,4,10,100",
    ),
    _section(
        "sr-diff-context",
        "SR-Diff by what guides it",
        "On validation pictures. An interval that holds 0 shows no difference.",
        "context --clean cid22_val --steps 1",
    ),
    _section(
        "real-live1",
        "SSP-IR: blur, noise, lost pixels and JPEG together",
        "LIVE1, damaged by the published chain with fixed seeds. What is measured how: "
        "[ssp-ir.md](ssp-ir.md#measured).",
        "real --set live1",
    ),
    _section(
        "ssp-ir-variants",
        "SSP-IR by steps, words and guidance",
        "On validation pictures.",
        "real --set cid22 --limit 8 --variant steps=2 --variant steps=10 "
        "--variant 'steps=10 temperature=1' --variant prompt= --variant text_guidance=3 "
        "--variant color_fix=wavelet",
    ),
    _section(
        "ssp-ir-priors",
        "SSP-IR without its priors",
        "On validation pictures. An interval that holds 0 shows no difference.",
        "priors --set cid22 --limit 12",
    ),
    _section("sr-diff-walk", "SR-Diff, the cost of a step", "", "walk", data=False),
    _section("speed", "Speed", "", "speed", data=False),
    _section("resources", "Time and memory by size", "", "resources", data=False),
)


def main() -> None:
    """Measure the sections asked for, then draw the page of all that are kept."""
    asked = _arguments()
    kept = asked.out / "benchmarks"
    kept.mkdir(parents=True, exist_ok=True)
    made_path = kept / "made.json"
    made = json.loads(made_path.read_text()) if made_path.exists() else {}
    for section in SECTIONS:
        if asked.draw or (asked.sections and section.slug not in asked.sections):
            continue
        made[section.slug] = _measure(section, kept, asked)
        made_path.write_text(json.dumps(made, indent=2) + "\n")  # a later failure loses nothing
    page = [
        INTRO,
        *(_drawn(section, asked.out, made) for section in SECTIONS if section.slug in made),
    ]
    (asked.out / "benchmarks.md").write_text("\n".join(page))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the benchmarks and write benchmarks.md.")
    known = [section.slug for section in SECTIONS]
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(known)}; none means all")
    parser.add_argument("--data", default="testsets", help="folder that holds the test sets")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the page")
    parser.add_argument("--limit", type=int, help="only so many pictures; needs another --out")
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw what is kept")
    asked = parser.parse_args()
    unknown = sorted(set(asked.sections) - set(known))
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(known)}")
    if asked.limit is not None and asked.out.resolve() == HERE.resolve():
        parser.error("--limit measures part of the pictures: give another --out")
    return asked


def _measure(section: Section, kept: Path, asked: argparse.Namespace) -> dict[str, object]:
    """Run a section's command, keep its report, tell the command and how long it took."""
    report = kept / f"{section.slug}.json"
    command = ["bench", *section.arguments]
    if section.data and asked.limit is not None:
        command += ["--limit", str(asked.limit)]
    shown = [*command, "--data", "testsets"] if section.data else command
    where = ["--data", asked.data] if section.data else []
    print(f"{section.slug}: restora {shlex.join(shown)}", flush=True)
    started = time.monotonic()
    _restora([*command, *where, "--json", str(report)])
    seconds = round(time.monotonic() - started)
    return {"command": f"restora {shlex.join(shown)}", "seconds": seconds}


def _drawn(section: Section, out: Path, made: dict[str, dict[str, object]]) -> str:
    """The section as Markdown, its tables and plots from the report that is kept."""
    report = out / "benchmarks" / f"{section.slug}.json"
    tables = _restora(["bench", "show", str(report), "--markdown"])
    seconds = int(str(made[section.slug]["seconds"]))
    lines = [f"## {section.title}", ""]
    if section.caption:
        lines += [section.caption, ""]
    lines += [f"    {made[section.slug]['command']}", "", tables.strip(), ""]
    for plot in section.plots:
        kind = plot.split()[0]
        command = ["bench", "plot", *shlex.split(plot)]
        command += ["-o", f"benchmarks/{section.slug}-{kind}.svg"]
        _restora(command, folder=out)
        lines += [f"    restora {shlex.join(command)}", ""]
        lines += [f"![{section.title}, {kind}](benchmarks/{section.slug}-{kind}.svg)", ""]
    lines += [f"Measured in {seconds // 60} min {seconds % 60} s.", ""]
    return "\n".join(lines)


def _restora(arguments: list[str], *, folder: Path | None = None) -> str:
    """What the command prints, run in a folder; ends the program where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "restora.cli.main", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        cwd=folder,
    )
    if done.returncode != 0:
        sys.exit(f"restora {shlex.join(arguments)} ended with {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    main()
