"""Recipes: what exactly a weight is trained with.

YAML becomes a frozen model, or one error that lists every mistake with the nearest right key.
The resolved recipe travels into checkpoint and card.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import Field, ValidationError, model_validator

from restora._optional import require
from restora.errors import RecipeError
from restora.networks.dagn import DAGNConfig
from restora.networks.fbcnn import FBCNNConfig
from restora.training.sections import Recipe, Section
from restora.training.sodiff.recipe import SODiffRecipe
from restora.training.sr_diff.recipe import SRDiffRecipe
from restora.training.ssp_ir.recipe import SSPIRRecipe


class DecouplingRecipe(Section):
    """DAGN alone: what teaches its two encoders. Source: DAGN, sections 3 and 4 of its code."""

    stage: Literal["joint", "encoders", "restoration"] = Field(
        "joint",
        description="encoders: they and what trains them; restoration: pixels and quality, as the "
        "published second stage; joint: all at once",
    )
    encoder_rate: float = Field(
        1.0, ge=0, description="rate of the sensitive encoder in parts of train.lr; 0 freezes it"
    )
    insensitive_rate: float = Field(
        1.0, ge=0, description="rate of the insensitive encoder in parts of train.lr; 0 freezes it"
    )
    insensitive_sees_pixels: bool = Field(
        False, description="the pixel loss may move the insensitive encoder, as published"
    )
    insist_share: float = Field(
        0.5, ge=0, le=1, description="share of the taught samples that get no sensitive code"
    )
    perceptual_weight: float = Field(
        0.0, ge=0, description="of the distance a classifier sees; needs restora[downstream]"
    )
    damage_weight: float = Field(0.1, ge=0, description="L1 of the predicted damage a pixel")
    reconstruction_weight: float = Field(1.0, ge=0, description="L1 of the auto-encoder's picture")
    reconstruct: Literal["clean", "compressed"] = Field(
        "clean",
        description="what the auto-encoder shall make of a compressed picture; published: itself",
    )
    alignment_weight: float = Field(
        0.1, ge=0, description="L1 between the features of a compressed picture and of its original"
    )
    adversarial_weight: float = Field(0.001, ge=0, description="at the end of its ramp")
    adversarial_ramp: float = Field(
        0.2, ge=0, le=1, description="share of the steps over which it rises from nothing"
    )
    adversarial: Literal["non-saturating", "saturating"] = Field(
        "non-saturating", description="the encoder's side; published: saturating"
    )
    spectral_norm: bool = Field(True, description="of the discriminator; published: none")
    discriminator_lr: float = Field(1e-4, gt=0, description="Adam rate of the discriminator")
    variance_weight: float = Field(
        0.01, ge=0, description="of hinge(1 - deviation) of the insensitive code: it may not die"
    )
    correlation_weight: float = Field(
        0.01, ge=0, description="of the squared correlation between its numbers: not all the same"
    )
    code_channels: int = Field(8, ge=1, description="of the auto-encoder's code at H/16")


class FBCNNRecipe(Recipe):
    """A recipe of FBCNN."""

    method: Literal["fbcnn"] = "fbcnn"
    network: FBCNNConfig


class DAGNRecipe(Recipe):
    """A recipe of DAGN."""

    method: Literal["dagn"]
    network: DAGNConfig
    decoupling: DecouplingRecipe = DecouplingRecipe()

    @model_validator(mode="after")
    def _codes_can_differ(self) -> Self:
        if self.data.batch < 2 and self.decoupling.stage != "restoration":
            raise ValueError("the codes of one patch cannot differ: data.batch is 2 or more")
        return self


RECIPES: dict[str, type[Recipe]] = {
    "fbcnn": FBCNNRecipe,
    "dagn": DAGNRecipe,
    "sodiff": SODiffRecipe,
    "sr-diff": SRDiffRecipe,
    "ssp-ir": SSPIRRecipe,
}


def load_recipe(path: Path, *, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read a YAML recipe.

    Args:
        path: The file.
        overrides: ``"train.lr=2e-4"`` and the like; they pass the same checks.

    Raises:
        RecipeError: The file cannot be read, or holds mistakes; all of them are listed.
    """
    yaml = require("yaml", extra="train")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: the recipe cannot be read ({error.strerror}).") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: this is not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise RecipeError(f"{path}: a recipe is a table of keys; this file holds none.")
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise RecipeError(f"override {override!r} has no '='; write it like train.lr=2e-4")
        *parents, leaf = key.split(".")
        table = raw
        for parent in parents:
            table = table.setdefault(parent, {})
            if not isinstance(table, dict):
                raise RecipeError(f"override {override!r}: {parent} is a value, not a section.")
        table[leaf] = yaml.safe_load(text)
    return parse_recipe(raw, name=str(path))


def parse_recipe(raw: dict[str, Any], *, name: str) -> Recipe:
    """A dictionary as a :class:`Recipe`.

    Raises:
        RecipeError: Every mistake, with the place, the value and the nearest right key.
    """
    method = raw.get("method", "fbcnn")
    if not isinstance(method, str) or method not in RECIPES:
        known = ", ".join(RECIPES)
        raise RecipeError(f"{name}: method is one of {known}, not {method!r}.")
    kind = RECIPES[method]
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        lines = [f"{name}: {error.error_count()} mistake(s) in the recipe:"]
        for mistake in error.errors():
            where = ".".join(str(part) for part in mistake["loc"])
            if mistake["type"] == "extra_forbidden":
                near = _nearest_key(kind, mistake["loc"])
                hint = f"; did you mean {near}?" if near else ""
                lines.append(f"  {where}: no such key{hint}")
            elif not where:  # a check of the whole, which need not be shown again
                lines.append(f"  {mistake['msg']}")
            else:
                lines.append(f"  {where}: {mistake['msg']} (got {mistake['input']!r})")
        raise RecipeError("\n".join(lines)) from error


def _nearest_key(kind: type[Recipe], location: tuple[int | str, ...]) -> str | None:
    model: Any = kind
    for part in location[:-1]:
        found = model.model_fields[str(part)].annotation
        # Of a section that may be null, the section.
        model = next((kind for kind in get_args(found) if hasattr(kind, "model_fields")), found)
    near = difflib.get_close_matches(str(location[-1]), model.model_fields, n=1, cutoff=0.5)
    return near[0] if near else None
