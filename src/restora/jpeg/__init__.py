"""What a JPEG file itself knows: markers, tables, coefficients; no pixels are decoded here."""

from __future__ import annotations

from restora.jpeg.facts import JpegFacts
from restora.jpeg.inspect import inspect
from restora.jpeg.quality import QualityEstimate, estimate_quality, libjpeg_tables
from restora.jpeg.tables import scale_table

__all__ = [
    "JpegFacts",
    "QualityEstimate",
    "estimate_quality",
    "inspect",
    "libjpeg_tables",
    "scale_table",
]
