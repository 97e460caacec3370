"""The curve of a training: validation PSNR over time, as a small SVG."""

from __future__ import annotations

import json
from pathlib import Path

WIDTH_PX, HEIGHT_PX, MARGIN_PX = 640, 320, 48
COLORS = ("#1b6ca8", "#d1495b", "#3a7d44", "#8d6a9f")


def draw_curve(log: Path, out: Path) -> None:
    """Draw what every ``psnr_*`` of a log of rows has gained, by minutes; no file without any.

    It is ``gain_*`` where the log has that, else what is above ``jpeg_*``.

    Args:
        log: JSON lines, as :func:`restora.training.loop.train` writes them.
        out: The SVG.
    """
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    rows = [row for row in rows if any(key.startswith("psnr_") for key in row)]
    if not rows:
        return
    minutes = [row["seconds"] / 60 for row in rows]
    parts = []
    for number, key in enumerate(k for k in rows[0] if k.startswith("psnr_")):
        # Gain over what was there, so that all kinds of damage share one axis.
        name = key.removeprefix("psnr_")
        gains = [
            row[f"gain_{name}"] if f"gain_{name}" in row else row[key] - row[f"jpeg_{name}"]
            for row in rows
        ]
        label = name if f"gain_{name}" in rows[0] else f"QF {name}"
        parts.append((label, gains, COLORS[number % len(COLORS)]))
    top = max(max(gains) for _, gains, _ in parts)
    bottom = min(0.0, *(min(gains) for _, gains, _ in parts))
    height = max(top - bottom, 1e-6)

    def place(minute: float, gain: float) -> str:
        x = MARGIN_PX + minute / max(minutes[-1], 1e-6) * (WIDTH_PX - 2 * MARGIN_PX)
        y = HEIGHT_PX - MARGIN_PX - (gain - bottom) / height * (HEIGHT_PX - 2 * MARGIN_PX)
        return f"{x:.1f},{y:.1f}"

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_PX}" height="{HEIGHT_PX}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{MARGIN_PX}" y="20">gain, dB, best {top:.2f}</text>',
        f'<text x="{WIDTH_PX - MARGIN_PX}" y="{HEIGHT_PX - 16}" text-anchor="end">'
        f"{minutes[-1]:.0f} minutes</text>",
    ]
    for number, (label, gains, color) in enumerate(parts):
        points = " ".join(place(m, g) for m, g in zip(minutes, gains, strict=True))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{color}"/>')
        lines.append(f'<text x="{MARGIN_PX + 90 * number}" y="36" fill="{color}">{label}</text>')
    out.write_text("\n".join([*lines, "</svg>\n"]))
