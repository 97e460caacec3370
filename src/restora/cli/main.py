"""The ``restora`` command. Verbs import what they need when they are called."""

from __future__ import annotations

import os
import sys

import typer

from restora.cli.bench import bench
from restora.cli.compare import compare
from restora.cli.data import data
from restora.cli.export import export
from restora.cli.inspect import inspect
from restora.cli.models import models
from restora.cli.restore import restore
from restora.cli.serve import serve
from restora.cli.train import train

app = typer.Typer(
    name="restora",
    help="Repairs pictures. Starts with the JPEG that was saved too hard or too often.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: no import of rich, and it reads well in a log
)
for verb in (restore, serve, compare, inspect, models, train, export):
    app.command()(verb)
app.add_typer(bench)
app.add_typer(data)


@app.callback(invoke_without_command=True)
def _options(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    if version:
        from restora import __version__

        typer.echo(f"restora {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command; errors are one sentence on stderr.

    Exit codes: 0 all good, 1 some files failed, 2 wrong usage, 130 interrupted.
    """
    # NumPy's products are small here: a second thread gains nothing and waits busily, on a core
    # that the network or the next picture could use. Read when NumPy is loaded, so not yet.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from restora.errors import RestoraError, UsageError

    try:
        app()
    except UsageError as error:
        print(f"restora: {error}", file=sys.stderr)  # noqa: T201 - the command's own voice
        sys.exit(2)
    except RestoraError as error:
        print(f"restora: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)


if __name__ == "__main__":
    main()
