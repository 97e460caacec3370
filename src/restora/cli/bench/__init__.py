"""``restora bench``: quality and speed, one verb a protocol, each with its own options."""

from __future__ import annotations

import typer

from restora.cli.bench.ablation import ablation
from restora.cli.bench.checks import clean, tiles
from restora.cli.bench.context import context
from restora.cli.bench.decoupling import decoupling
from restora.cli.bench.downstream import downstream
from restora.cli.bench.jpeg import jpeg_color, jpeg_double, jpeg_gray, jpeg_oapt
from restora.cli.bench.machine import resources, speed
from restora.cli.bench.perceptual import perceptual
from restora.cli.bench.plot import plot
from restora.cli.bench.priors import priors
from restora.cli.bench.real import real
from restora.cli.bench.real_jpeg import real_jpeg
from restora.cli.bench.restoration import restoration
from restora.cli.bench.show import show
from restora.cli.bench.walk import walk

bench = typer.Typer(
    name="bench",
    help="Measure by a published protocol, beside the published numbers.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
for verb in (
    *(jpeg_gray, jpeg_color, jpeg_double, jpeg_oapt, real_jpeg),
    *(restoration, context, walk, real, priors),
    *(perceptual, clean, tiles, downstream, decoupling, ablation, speed, resources, show),
):
    bench.command()(verb)
bench.add_typer(plot)
