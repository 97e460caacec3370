"""What a JPEG file knows about itself, as one typed record."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from restora.jpeg.history import EarlierSave
from restora.jpeg.markers import Coding
from restora.jpeg.quality import QualityEstimate

__all__ = [
    "ColourSpace",
    "ComponentFacts",
    "Density",
    "JpegFacts",
    "QuantisationTable",
    "Thumbnail",
]

ColourSpace: TypeAlias = Literal["gray", "YCbCr", "RGB", "CMYK", "YCCK", "unknown"]

_TURNS = {
    1: "upright (EXIF orientation 1)",
    2: "mirrored left to right (EXIF orientation 2)",
    3: "upside down (EXIF orientation 3)",
    4: "mirrored top to bottom (EXIF orientation 4)",
    5: "mirrored, and lying on its side (EXIF orientation 5)",
    6: "needs a quarter turn clockwise (EXIF orientation 6)",
    7: "mirrored, and lying on its side (EXIF orientation 7)",
    8: "needs a quarter turn anticlockwise (EXIF orientation 8)",
}
_SAMPLINGS = {
    "4:2:2": "colour at half the width",
    "4:2:0": "colour at half the width and height",
    "4:4:0": "colour at half the height",
    "4:1:1": "colour at a quarter of the width",
    "4:1:0": "colour at a quarter of the width and half the height",
    "4:4:4": "colour at full size",
}
_COMMENT_SHOWN = 60


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ComponentFacts(_Record):
    """One plane of the picture."""

    id: int
    horizontal: int = Field(description="sampling factor across, 1-4")
    vertical: int = Field(description="sampling factor down, 1-4")
    table: int | None = Field(description="index into quantisation_tables; None: not in the file")


class QuantisationTable(_Record):
    """A quantisation table as the file uses it."""

    slot: int = Field(description="the file's own number for it, 0-3")
    bits: Literal[8, 16] = Field(description="stored width of an entry")
    values: tuple[tuple[int, ...], ...] = Field(
        description="8 rows of 8: values[v][u] divides vertical frequency v, horizontal frequency u"
    )


class Thumbnail(_Record):
    """A small preview inside the metadata."""

    where: Literal["EXIF", "JFIF", "JFXX"]
    format: Literal["JPEG", "palette", "RGB"]
    offset: int = Field(description="where it starts in the file")
    size_bytes: int


class Density(_Record):
    """JFIF's pixel density."""

    x: int
    y: int
    unit: Literal["per inch", "per cm", "aspect ratio"]


class JpegFacts(_Record):
    """What a JPEG file knows about itself; made by :func:`restora.jpeg.inspect`.

    It is frozen, and travels as JSON: ``JpegFacts.model_validate_json(facts.model_dump_json())`` is
    equal to ``facts``.
    """

    file_size_bytes: int
    width_px: int = Field(description="as stored, before any turning by orientation")
    height_px: int
    components: tuple[ComponentFacts, ...]
    colour_space: ColourSpace = Field(description="how libjpeg reads the components")
    sampling: str | None = Field(
        description="such as '4:2:0'; the raw factors where no such name fits; None with one plane"
    )
    coding: Coding
    arithmetic: bool = Field(description="arithmetic instead of Huffman coding")
    precision_bits: int
    quality: QualityEstimate | None = Field(description="None where the file has no tables")
    quantisation_tables: tuple[QuantisationTable, ...]
    restart_interval: int = Field(description="coding units between restart markers, 0: none")
    scan_count: int
    coded_bytes: int = Field(description="entropy-coded data of all scans")
    bits_per_pixel: float = Field(description="of coded_bytes, so without header and metadata")
    density: Density | None
    orientation: int | None = Field(description="EXIF's, 1-8; None where it does not say")
    has_exif: bool
    has_xmp: bool
    has_icc: bool
    has_photoshop: bool = Field(description="Photoshop's APP13, where IPTC captions live")
    icc_bytes: int = Field(description="size of the colour profile; 0 without one")
    thumbnails: tuple[Thumbnail, ...]
    comment: str | None
    truncated: bool = Field(description="the end marker is missing: the file was cut off")
    trailing_bytes: int = Field(description="behind the picture's end")
    further_pictures: int = Field(description="JPEG pictures behind the first, as in MPO")
    enough_data: bool = Field(
        description="whether coded_bytes can fill the stated size at all; a bomb's cannot"
    )
    remarks: tuple[str, ...] = Field(description="oddities and damage, a sentence each")
    looked_back: bool = Field(False, description="whether an earlier save was looked for")
    earlier_save: EarlierSave | None = Field(
        None, description="an earlier, harder save, if one was found"
    )

    def table(self, component: int) -> NDArray[np.int64] | None:
        """The ``(8, 8)`` quantisation table of a component in natural order; None if undefined."""
        index = self.components[component].table
        if index is None:
            return None
        return np.array(self.quantisation_tables[index].values, dtype=np.int64)

    def rows(self) -> list[tuple[str, str]]:
        """Label and text, in plain words, for people; what is absent has no row."""
        rows = [
            ("Size", f"{self.width_px} × {self.height_px} pixels"),
            ("Colour", self._colour_text()),
            ("Saved at", self._quality_text()),
            *([("Saved before", self._earlier_text())] if self.looked_back else []),
            ("Coding", self._coding_text()),
            (
                "Data",
                f"{_bytes(self.file_size_bytes)}, {self.bits_per_pixel:.2f} bits per pixel",
            ),
        ]
        if self.orientation is not None:
            rows.append(("Orientation", _TURNS[self.orientation]))
        if self.density is not None and self.density.unit != "aspect ratio":
            rows.append(
                ("Density", f"{self.density.x} × {self.density.y} pixels {self.density.unit}")
            )
        rows.append(("Metadata", self._metadata_text()))
        rows += [
            ("Thumbnail", f"{_bytes(thumbnail.size_bytes)} in {thumbnail.where}")
            for thumbnail in self.thumbnails
        ]
        if self.comment is not None and (line := _one_line(self.comment)):
            rows.append(("Comment", line))
        if self.trailing_bytes:
            rows.append(("Behind the picture", self._trailing_text()))
        if self.truncated:
            rows.append(("Damage", "the end marker is missing: the file was cut off"))
        rows += [("Remark", remark) for remark in self.remarks]
        return rows

    def _colour_text(self) -> str:
        if self.colour_space == "gray":
            return "gray"
        unknown = f"unknown, {len(self.components)} components"
        name = unknown if self.colour_space == "unknown" else self.colour_space
        if self.sampling is None:
            return name
        meaning = _SAMPLINGS.get(self.sampling) if self.colour_space in {"YCbCr", "YCCK"} else None
        return f"{name}, {self.sampling}" + (f" ({meaning})" if meaning else "")

    def _quality_text(self) -> str:
        estimate = self.quality
        if estimate is None:
            return "unknown: no quantisation tables in the file"
        if estimate.exact:
            return f"quality {estimate.quality}, exactly libjpeg's tables"
        if estimate.mixed:
            return (
                f"quality {estimate.luma} for brightness and {estimate.chroma} for colour, "
                "both libjpeg's tables"
            )
        return (
            f"about quality {estimate.quality}; the tables are not libjpeg's, and differ from the "
            f"nearest by {100 * (2**estimate.distance - 1):.0f} % on average"
        )

    def _earlier_text(self) -> str:
        earlier = self.earlier_save
        if earlier is None:
            return "no earlier, harder save found"
        place = f"({earlier.row_px}, {earlier.column_px})"
        where = "on the same grid" if place == "(0, 0)" else f"grid offset {place}"
        return f"at quality {earlier.quality}, {where}, {100 * earlier.confidence:.0f} % sure"

    def _coding_text(self) -> str:
        parts = [self.coding, "arithmetic" if self.arithmetic else "Huffman"]
        if self.precision_bits != 8:
            parts.append(f"{self.precision_bits}-bit samples")
        parts.append("1 scan" if self.scan_count == 1 else f"{self.scan_count} scans")
        if self.restart_interval:
            parts.append(f"restarts every {self.restart_interval} units")
        return ", ".join(parts)

    def _metadata_text(self) -> str:
        parts = [
            "EXIF" if self.has_exif else "",
            f"colour profile ({_bytes(self.icc_bytes)})" if self.has_icc else "",
            "XMP" if self.has_xmp else "",
            "Photoshop" if self.has_photoshop else "",
        ]
        return ", ".join(filter(None, parts)) or "none"

    def _trailing_text(self) -> str:
        size = _bytes(self.trailing_bytes)
        if not self.further_pictures:
            return f"{size} that are no JPEG picture"
        more = "1 more picture" if self.further_pictures == 1 else f"{self.further_pictures} more"
        return f"{more}, {size} in all"


def _bytes(count: int) -> str:
    return "1 byte" if count == 1 else f"{count:,} bytes"


def _one_line(text: str) -> str:
    """Fit for a terminal: no control characters, and not long."""
    start = text[: 20 * _COMMENT_SHOWN]  # a comment may have a gigabyte
    printable = "".join(letter if letter.isprintable() else " " for letter in start)
    line = " ".join(printable.split())
    return line if len(line) <= _COMMENT_SHOWN else line[: _COMMENT_SHOWN - 1] + "…"
