"""The weights of a prior in diffusers' layout, and whether it is the prior they are wanted for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restora._optional import require
from restora.errors import WeightsError
from restora.networks.prior import (
    EXTRA,
    Codec,
    PriorConfig,
    ScheduleConfig,
    make_scheduler,
    make_unet,
)

# What the result depends on and no shape of a weight tells.
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "vae": ("act_fn", "norm_num_groups", "scaling_factor"),
    "unet": (
        *("act_fn", "attention_head_dim", "center_input_sample", "downsample_padding"),
        *("flip_sin_to_cos", "freq_shift", "mid_block_scale_factor", "norm_eps"),
        *("norm_num_groups", "only_cross_attention", "resnet_time_scale_shift"),
    ),
    "scheduler": (
        *("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas"),
    ),
}


def read_prior(source: str, config: PriorConfig) -> dict[str, Tensor]:
    """The weights of a prior in diffusers' layout, under the names of ``codec`` and ``unet``.

    Args:
        source: A folder with ``vae`` and ``unet`` in it, or a hub id, which is then downloaded.
        config: What it must be.

    Raises:
        MissingExtra: diffusers is not installed.
        WeightsError: It cannot be read, or is another network, or was trained with other numbers.
    """
    diffusers = require("diffusers", extra=EXTRA)
    if config.norm != "group":  # local norms have weights of the same shapes
        raise WeightsError(
            f"{source}: a prior in diffusers' layout has group norms: network.prior.norm is group."
        )
    local = Path(source).is_dir()
    vae = Codec(config).vae
    vae.register_to_config(scaling_factor=config.codec.scale)
    parts = {
        "codec.vae": (diffusers.AutoencoderKL, "vae", vae),
        "unet": (diffusers.UNet2DConditionModel, "unet", make_unet(config)),
    }
    weights: dict[str, Tensor] = {"codec.scale": torch.tensor(config.codec.scale)}
    for name, (kind, folder, wanted) in parts.items():
        try:
            found = kind.from_pretrained(source, subfolder=folder, local_files_only=local)
        except (OSError, ValueError) as error:
            raise WeightsError(f"{source}: no {folder} of a prior can be read there.") from error
        if folder == "unet":
            _check_schedule(source, config.schedule, local=local)
        _check_shapes(source, folder, found.state_dict(), wanted.state_dict())
        _check_settings(source, folder, found.config, wanted.config)
        weights |= {f"{name}.{key}": value for key, value in found.state_dict().items()}
    return weights


def _check_settings(
    source: str, part: str, found: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    """Refuse a part whose weights would fit and mean something else; a sentence for each number."""
    other = [
        f"its {part} has {key} {found.get(key)}, not {wanted.get(key)} as in the recipe."
        for key in SETTINGS[part]
        if _plain(found.get(key), wanted.get(key)) != _plain(wanted.get(key), found.get(key))
    ]
    if other:
        raise WeightsError("\n".join(f"{source}: {sentence}" for sentence in other))


def _plain(value: Any, other: Any) -> Any:
    """A setting as it compares: JSON has lists for tuples, and one number may stand for all."""
    if isinstance(value, list | tuple):
        return list(value)
    return [value] * len(other) if isinstance(other, list | tuple) else value


def _check_schedule(source: str, config: ScheduleConfig, *, local: bool) -> None:
    """Refuse a prior of other noise than the recipe's.

    The one-step formula needs one that predicts the noise; SD 2.1 at 768 pixels does not.
    """
    diffusers = require("diffusers", extra=EXTRA)
    try:
        schedule: Any = diffusers.DDPMScheduler.from_pretrained(
            source, subfolder="scheduler", local_files_only=local
        )
    except (OSError, ValueError) as error:
        raise WeightsError(f"{source}: no scheduler of a prior can be read there.") from error
    if schedule.config.prediction_type != "epsilon":
        raise WeightsError(
            f"{source}: this prior predicts {schedule.config.prediction_type}, not the noise; "
            "take one that does (prediction_type epsilon), such as the 512-pixel base."
        )
    _check_settings(source, "scheduler", schedule.config, make_scheduler(config).config)


def _check_shapes(
    source: str, part: str, found: dict[str, Tensor], wanted: dict[str, Tensor]
) -> None:
    missing = sorted(wanted.keys() ^ found.keys())
    other = [k for k in wanted if k in found and wanted[k].shape != found[k].shape]
    if missing or other:
        first = (missing + other)[0]
        raise WeightsError(
            f"{source}: its {part} is another network than the recipe's "
            f"({len(missing) + len(other)} weights differ, the first is {first})."
        )
