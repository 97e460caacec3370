"""Writes the tables that set Restora beside other tools: in README.md and measuring.md.

    python docs/make_alternatives.py

Run from the root of the repository. Measures nothing: our figures are those of
``docs/benchmarks/color-live1.json``, ``dagn-color.json`` and ``speed.json``, the others' those of
``docs/benchmarks/alternatives.json``, which says how they were measured, and the published ones
those that ``restora bench`` prints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from marked import put, table

from restora.evaluation.published import published
from restora.evaluation.settings import Setting

HERE = Path(__file__).parent
QUALITIES = (10, 20, 30, 40)
SHOWN_AT = 10
OURS = (  # of which report which row, and what it is called
    ("color-live1", "Restora fbcnn, tool", "**Restora**"),
    ("dagn-color", "Restora dagn, tool", "**Restora**, `--model dagn`"),
    ("color-live1", "Restora fbcnn, tool ensemble=8", "**Restora**, `--ensemble 8`"),
)
FACTS = {
    "no_gpu": "no GPU needed",
    "metadata": "keeps metadata, profile",
    "dial": "strength dial",
    "earlier": "finds earlier saves",
    "evidence": "held to file data",
    "folders": "folders",
    "enlarges": "enlarges",
}
HERE_IN_PART = {"enlarges"}  # what Restora does, but does not do best

Score = Sequence[float | None]  # PSNR, SSIM, PSNR-B
Scores = Mapping[int, Score]


def report(slug: str) -> Any:
    return json.loads((HERE / "benchmarks" / f"{slug}.json").read_text())


def ours(slug: str, method: str) -> Scores:
    rows = [row for row in report(slug)["rows"] if row["method"] == method]
    return {row["quality"]: (row["psnr"], row["ssim"], row["psnr_b"]) for row in rows}


def theirs(method: str) -> Scores:
    """The published figures of a method."""
    (row,) = (r for r in published("jpeg-color", "live1") if r.method == method)
    return {quality: row.figures[Setting(quality)] for quality in QUALITIES}


def measured(alternatives: Any) -> dict[str, Scores]:
    """The figures of the tools that this project has run, by name."""
    return {
        row["method"]: {int(quality): score for quality, score in row["scores"].items()}
        for row in alternatives["measured"]
    }


def cell(score: Score | None) -> str:
    if score is None:
        return "-"
    figures = zip(score, (2, 3, 2), strict=True)
    return r" \| ".join("-" if figure is None else f"{figure:.{d}f}" for figure, d in figures)


def gain(scores: Scores) -> str:
    """The PSNR alone, at the quality that the front page shows."""
    return f"{scores[SHOWN_AT][0]:.2f}"


def front_table(alternatives: Any) -> str:
    """A row for each tool: its PSNR, and what it can do."""
    by_name = measured(alternatives)
    can = ["in part" if key in HERE_IN_PART else "yes" for key in FACTS]
    rows = [["**Restora**", gain(ours(*OURS[0][:2])), *can]]
    for tool in alternatives["tools"]:
        scores: Scores = {}
        if "row" in tool:
            scores = by_name[tool["row"]]
        elif "published" in tool:
            scores = theirs(tool["published"])
        score = gain(scores) if scores else "-"
        rows.append([f"[{tool['name']}]({tool['url']})", score, *(tool[key] for key in FACTS)])
    head = ["", "PSNR, dB", *FACTS.values()]
    return table(head, rows, right_from=len(head))


def honest_sentence(alternatives: Any) -> str:
    """Who is ahead, by how much, and what that costs."""
    mine = ours(*OURS[0][:2])
    fbcnn = theirs("FBCNN")
    gaps = [fbcnn[quality][0] - mine[quality][0] for quality in QUALITIES]  # type: ignore[operator]
    networks = {row["name"]: row for row in report("speed")["report"]["networks"]}
    small, large = networks["fbcnn-color-compact"], networks["FBCNN, published size"]
    slower = small["times_faster"]
    (quick,) = (
        row["best_seconds_per_megapixel"]
        for row in report("speed")["report"]["tool"]
        if (row["model"], row["kind"]) == ("fbcnn", "color")
    )
    plain = alternatives["plain_jpeg"][str(SHOWN_AT)]
    weights = large["parameters"] / small["parameters"]
    sentences = [
        f"Without any repair the PSNR is {plain[0]:.2f} dB. FBCNN's own network (its row is the "
        f"published one) is {min(gaps):.1f} to {max(gaps):.1f} dB better than the one that ships "
        f"here, which is {weights:.0f} times smaller and {slower:.0f} times faster; if you have "
        "its file, Restora [runs it too](docs/weights.md)."
    ]
    shown = {tool["row"] for tool in alternatives["tools"] if "row" in tool}
    for name, scores in measured(alternatives).items():
        if name not in shown:
            continue
        ahead = [q for q in QUALITIES if q in scores and scores[q][0] > mine[q][0]]  # type: ignore[operator]
        if ahead:
            most = max(scores[q][0] - mine[q][0] for q in ahead)  # type: ignore[operator]
            (seconds,) = (
                row["seconds_per_megapixel"]
                for row in alternatives["measured"]
                if row["method"] == name
            )
            at = " and ".join([", ".join(map(str, ahead[:-1])), str(ahead[-1])]).removeprefix(
                " and "
            )
            sentences.append(
                f"{name} is ahead at quality {at}, by {most:.2f} dB at most; it takes about "
                f"{seconds:.0f} seconds a megapixel on two cores, Restora about {quick:.0f}."
            )
    return " ".join(sentences)


def whole_table(alternatives: Any) -> str:
    """Every measured tool at every quality, best at the lowest quality first."""
    rows: list[tuple[str, Scores, str]] = [
        (label, ours(slug, method), "") for slug, method, label in OURS
    ]
    for row in alternatives["measured"]:
        scores = measured(alternatives)[row["method"]]
        rows.append((row["method"], scores, f"{row['seconds_per_megapixel']:.2g}"))
    rows.sort(key=lambda row: -(row[1][SHOWN_AT][0] or 0))
    rows.append(("FBCNN (published)", theirs("FBCNN"), ""))
    plain = {int(quality): score for quality, score in alternatives["plain_jpeg"].items()}
    rows.append(("plain JPEG", plain, ""))
    cells = [
        [name, *(cell(scores.get(quality)) for quality in QUALITIES), seconds or "-"]
        for name, scores, seconds in rows
    ]
    return table(["", *(f"QF {quality}" for quality in QUALITIES), "s/MP"], cells)


def main() -> None:
    alternatives = report("alternatives")
    text = f"{front_table(alternatives)}\n\n{honest_sentence(alternatives)}"
    put(HERE.parent / "README.md", alternatives=text)
    keys = ("protocol", "referee", "machine", "seconds", "versions")
    notes = "\n".join(f"- {key.capitalize()}: {alternatives[key]}" for key in keys)
    whole = f"{whole_table(alternatives)}\n\n{notes}"
    put(HERE / "measuring.md", alternatives=whole, tools=front_table(alternatives))


if __name__ == "__main__":
    main()
