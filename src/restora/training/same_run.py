"""Whether a checkpoint is of the run that a recipe goes on with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from restora.errors import UsageError
from restora.training.checkpoint import Checkpoint
from restora.training.recipe import DAGNRecipe
from restora.training.sections import Recipe
from restora.training.sodiff.recipe import SODiffRecipe
from restora.training.sr_diff.recipe import SRDiffRecipe
from restora.training.ssp_ir.recipe import SSPIRRecipe
from restora.weights.cards import IMAGE_ENCODER

TEXT_ENCODER = "text encoder"  # whose tokens a prior reads and SAIPE gives
ROLES = ("captioner", TEXT_ENCODER, IMAGE_ENCODER)
DECOUPLING = ("stage", "spectral_norm", "code_channels")  # of a DAGN: what is trained beside it


def check_same_run(found: Checkpoint, recipe: Recipe, *, folder: Path) -> None:
    """Refuse a checkpoint whose optimisers and companions are of something else.

    Args:
        found: The checkpoint.
        recipe: What is to go on.
        folder: Where the checkpoint lies, for the message.

    Raises:
        UsageError: It is of another network, or of another stage, critic or the like.
    """
    if found.recipe.network != recipe.network:
        raise UsageError(f"{folder}: holds a run of another network; choose another folder.")
    was, wanted = _fixed(found.recipe), _fixed(recipe)
    for name, value in wanted.items():
        if was.get(name, value) != value:
            raise UsageError(
                f"{folder}: holds a run with {name} {was[name]}, not {value}; "
                "choose another folder, and --start with that run."
            )


def check_encoders(
    stored: Mapping[str, str],
    now: Mapping[str, str],
    *,
    of: str,
    roles: Collection[str] = ROLES,
    instead: str = "choose another folder",
) -> None:
    """Refuse captioners and encoders other than a training had; see ``semantics.fingerprint``.

    Args:
        stored: Fingerprints by role; roles that are not in both do not count.
        now: Those about to be used.
        of, instead: What was trained with the first, and what else one may do, for the message.
        roles: Those that matter.

    Raises:
        UsageError: They differ.
    """
    for role in roles:
        was, wanted = stored.get(role), now.get(role)
        if was is not None and wanted is not None and was != wanted:
            raise UsageError(
                f"{of}: was trained with the {role} {was}, not {wanted}; "
                f"take that one, or {instead}."
            )


def _fixed(recipe: Recipe) -> dict[str, object]:
    """What may not change within a run."""
    if isinstance(recipe, DAGNRecipe):
        return {f"decoupling.{key}": getattr(recipe.decoupling, key) for key in DECOUPLING}
    if isinstance(recipe, SODiffRecipe):
        return {"sodiff.stage": recipe.sodiff.stage, "the critic": _critic(recipe)}
    if isinstance(recipe, SRDiffRecipe):
        section = recipe.srdiff
        fixed: dict[str, object] = {"srdiff.stage": section.stage}
        if section.stage == "refiner":  # else it is scored on photos that it was shown
            fixed["srdiff.holdout"] = section.holdout
        return fixed
    if isinstance(recipe, SSPIRRecipe):
        return {"sspir.stage": recipe.sspir.stage, "sspir.base": recipe.sspir.base}
    return {}


def _critic(recipe: SODiffRecipe) -> str:
    section = recipe.sodiff
    if section.stage != "one-step" or not section.critic_weight:
        return "off"
    return (
        "on" if section.critic_lora is None else f"on and sodiff.critic_lora {section.critic_lora}"
    )
