"""A report in an HTTP header."""

from __future__ import annotations

import json
from typing import Any

from restora.apps.web.cut import cut

MOST_BYTES = 4000  # proxies take 4 to 8 kB of all headers together
_FIGURES = ("width_px", "height_px", "inside_bins", "seconds")


def report_header(report: dict[str, Any]) -> str:
    """A report as JSON in ASCII, which fits into a header.

    Args:
        report: As :meth:`restora.engine.result.Result.report` gives it.

    Returns:
        All of it, if that is short enough; else with its texts cut, and in the end the figures
        alone.
    """
    for letters in (MOST_BYTES, 300, 100, 30):
        told = json.dumps(cut(report, letters=letters, items=letters))
        if len(told) <= MOST_BYTES:
            return told
    return json.dumps({name: report[name] for name in _FIGURES})
