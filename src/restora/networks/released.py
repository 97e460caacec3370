"""FBCNN under the names its authors gave the weights, and what those names tell of the network.

The authors publish ``fbcnn_color.pth``, ``fbcnn_gray.pth`` and ``fbcnn_gray_double.pth``: plain
state dictionaries of their class. Names and shapes alone say every number of the architecture, so
narrower networks with the same names are read too.
Source of the names: the authors' repository jiaxi-jiang/FBCNN, models/network_fbcnn.py.

======================  =============================================================
here                    there, P residual blocks before the quality head
======================  =============================================================
head, tail              m_head, m_tail
encoder.k.i, down.k     m_down{k+1}.i, and the last of that list
body_encoder.i          m_body_encoder.i
predictor.blocks.i      qf_pred.i
predictor.head.j        qf_pred.{P+2+j}: pooling and flattening have numbers as well
controller.trunk.j      qf_embed.j
controller.gamma.k      to_gamma_{k+1}.0, and to_beta_{k+1}.0 alike
body_decoder.i          m_body_decoder.i
up.k, decoder.k.i       m_up{k+1}.0, m_up{k+1}.{i+1}
a block's conv1, conv2  res.0, res.2
======================  =============================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from restora.errors import WeightsError
from restora.networks.fbcnn import FBCNN, FBCNNConfig

HEAD = "m_head.weight"
SCALES = 4  # the authors' class has neither more nor fewer


def is_released(names: Iterable[str]) -> bool:
    """Whether weights of these names follow the authors' naming."""
    return HEAD in set(names)


def released_names(config: FBCNNConfig) -> dict[str, str]:
    """The authors' name of every weight of a network, by the name it has here."""
    layers = {"head": "m_head", "tail": "m_tail"}

    def add_blocks(here: str, there: str, count: int, *, first: int = 0) -> None:
        for i in range(count):
            for conv, place in (("conv1", 0), ("conv2", 2)):
                layers[f"{here}.{i}.{conv}"] = f"{there}.{first + i}.res.{place}"

    def add_body(here: str, there: str, count: int) -> None:
        add_blocks(here, there, count)
        if count == 1:  # the authors' lists of one are that one, without a number
            for conv, place in (("conv1", 0), ("conv2", 2)):
                layers[f"{here}.0.{conv}"] = f"{there}.res.{place}"

    for k, blocks in enumerate(config.blocks[:-1]):
        add_blocks(f"encoder.{k}", f"m_down{k + 1}", blocks)
        layers[f"down.{k}"] = f"m_down{k + 1}.{blocks}"
        layers[f"up.{k}"] = f"m_up{k + 1}.0"
        add_blocks(f"decoder.{k}", f"m_up{k + 1}", blocks, first=1)
        layers[f"controller.gamma.{k}"] = f"to_gamma_{k + 1}.0"
        layers[f"controller.beta.{k}"] = f"to_beta_{k + 1}.0"
    add_body("body_encoder", "m_body_encoder", config.blocks[-1])
    add_body("body_decoder", "m_body_decoder", config.blocks[-1])
    add_blocks("predictor.blocks", "qf_pred", config.predictor_blocks)
    for j in (0, 2, 4):
        layers[f"predictor.head.{j}"] = f"qf_pred.{config.predictor_blocks + 2 + j}"
        layers[f"controller.trunk.{j}"] = f"qf_embed.{j}"
    return {
        f"{here}.{kind}": f"{there}.{kind}"
        for here, there in layers.items()
        for kind in ("weight", "bias")
    }


def from_released(
    weights: Mapping[str, Tensor], *, source: str
) -> tuple[FBCNNConfig, dict[str, Tensor]]:
    """Weights under the authors' names as a configuration and a state dictionary of it, float32.

    Args:
        weights: The authors' names and their weights, of any floating type.
        source: What to call them in an error, such as the path of their file.

    Raises:
        WeightsError: They are not those of an FBCNN, some are missing, left over or of the wrong
            shape.
    """
    config = _find_config(weights, source=source)
    names = released_names(config)
    with torch.device("meta"):  # shapes alone; the published network takes 288 MB
        expected = FBCNN(config).state_dict()
    state = {}
    for here, there in names.items():
        weight = _need(weights, there, source=source)
        if weight.shape != expected[here].shape:
            raise WeightsError(
                f"{source}: {there} has shape {_show(weight)}; the network that the other weights "
                f"describe needs {_show(expected[here])}."
            )
        state[here] = weight.detach().float()
    left = sorted(weights.keys() - set(names.values()))
    if left:
        raise WeightsError(
            f"{source}: holds {len(left)} weights that the published FBCNN has no place for, "
            f"such as {left[0]}."
        )
    return config, state


def to_released(weights: Mapping[str, Tensor], config: FBCNNConfig) -> dict[str, Tensor]:
    """A network's weights under the authors' names, the inverse of :func:`from_released`.

    The authors' class takes any widths, but its linear layers are fixed at 512: for it, and for
    programs built on it, the last width and ``mlp`` must be 512 as in the published network.

    Raises:
        WeightsError: The network computes what the published one cannot, so that under those
            names it would run but give a wrong picture; or has another layout.
    """
    published = FBCNNConfig()
    switches = ("unshuffle", "residual", "gate_scale", "ycbcr")
    differ = [s for s in switches if getattr(config, s) != getattr(published, s)]
    if differ:
        raise WeightsError(
            "The authors' names are only for networks that compute as the published one does; "
            f"this one differs in {', '.join(differ)}."
        )
    if len(config.widths) != SCALES or len({*config.blocks, config.predictor_blocks}) != 1:
        raise WeightsError(
            f"The authors' names are only for networks of {SCALES} scales with equally many "
            f"blocks at each and before the quality head; this one has {config.blocks} and "
            f"{config.predictor_blocks}."
        )
    return {there: weights[here] for here, there in released_names(config).items()}


def _find_config(weights: Mapping[str, Tensor], *, source: str) -> FBCNNConfig:
    """What the names and shapes say of the network; :func:`from_released` checks the rest."""

    def size(name: str, axis: int) -> int:
        weight = _need(weights, name, source=source)
        if weight.ndim <= axis:
            raise WeightsError(f"{source}: {name} has shape {_show(weight)}, not a layer's.")
        return int(weight.shape[axis])

    def count_blocks(part: str) -> int:
        count = 0
        while f"{part}.{count}.res.0.weight" in weights:
            count += 1
        return count

    channels, widths, blocks = size(HEAD, 1), [size(HEAD, 0)], []
    while any(name.startswith(f"m_down{len(widths)}.") for name in weights):
        part = f"m_down{len(widths)}"
        blocks.append(count_blocks(part))
        widths.append(size(f"{part}.{blocks[-1]}.weight", 0))
    lone = "m_body_encoder.res.0.weight" in weights
    predictor_blocks = count_blocks("qf_pred")
    if channels not in (1, 3):
        raise WeightsError(
            f"{source}: is for pictures of {channels} channels; 1 (gray) and 3 (RGB) can be used."
        )
    return FBCNNConfig(
        channels=channels,
        widths=tuple(widths),
        blocks=(*blocks, 1 if lone else count_blocks("m_body_encoder")),
        predictor_blocks=predictor_blocks,
        mlp=size(f"qf_pred.{predictor_blocks + 2}.weight", 0),
    )


def _need(weights: Mapping[str, Tensor], name: str, *, source: str) -> Tensor:
    """A weight that must be there."""
    if HEAD not in weights:
        found = ", ".join(list(weights)[:3]) or "none at all"
        raise WeightsError(
            f"{source}: no FBCNN weights: {HEAD} is missing; found keys like {found}."
        )
    if name not in weights:
        raise WeightsError(f"{source}: these FBCNN weights are not complete: {name} is missing.")
    return weights[name]


def _show(weight: Tensor) -> str:
    return "×".join(map(str, weight.shape)) or "of a single number"
