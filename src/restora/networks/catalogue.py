"""The methods there are: from a configuration to its network, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restora.networks.dagn import DAGN, DAGNConfig
from restora.networks.fbcnn import FBCNN, FBCNNConfig
from restora.networks.sodiff.config import SODiffConfig
from restora.networks.sodiff.network import SODiff
from restora.networks.sr_diff.config import SRDiffConfig
from restora.networks.sr_diff.network import SRDiff
from restora.networks.ssp_ir.config import SSPIRConfig
from restora.networks.ssp_ir.network import SSPIR

Network = FBCNN | DAGN | SODiff | SRDiff | SSPIR
NetworkConfig = FBCNNConfig | DAGNConfig | SODiffConfig | SRDiffConfig | SSPIRConfig

CONFIGS: Mapping[str, type[NetworkConfig]] = {
    "fbcnn": FBCNNConfig,
    "dagn": DAGNConfig,
    "sodiff": SODiffConfig,
    "sr-diff": SRDiffConfig,
    "ssp-ir": SSPIRConfig,
}
PROPER_NAMES = {
    "fbcnn": "FBCNN",
    "dagn": "DAGN",
    "sodiff": "SODiff",
    "sr-diff": "SR-Diff",
    "ssp-ir": "SSP-IR",
}
PAPERS = {
    "fbcnn": "Jiang, Zhang, Timofte: Towards Flexible Blind JPEG Artifacts Removal, ICCV 2021",
    "dagn": "Ma et al.: Sensitivity Decouple Learning for Image Compression Artifacts Reduction, "
    "IEEE TIP 2024",
    "sodiff": "Yang et al.: SODiff: Semantic-Oriented Diffusion Model for JPEG Compression "
    "Artifacts Removal, arXiv 2508.07346, 2025",
    "sr-diff": "Zhu, Wang, Wang, Hu, Wu: Semantic-Guided Diffusion Models for Enhanced Image "
    "Restoration (SR-Diff), 2026",
    "ssp-ir": "Zhang et al.: SSP-IR: Semantic and Structure Priors for Diffusion-based Realistic "
    "Image Restoration, IEEE TCSVT 2025",
}


def build(config: NetworkConfig) -> Network:
    """The network of a configuration, with start values.

    Raises:
        MissingExtra: A SODiff or an SSP-IR needs diffusers, which is not installed.
    """
    if isinstance(config, SODiffConfig):
        return SODiff(config)
    if isinstance(config, SRDiffConfig):
        return SRDiff(config)
    if isinstance(config, SSPIRConfig):
        return SSPIR(config)
    return DAGN(config) if isinstance(config, DAGNConfig) else FBCNN(config)


def method_of(config: NetworkConfig) -> str:
    """The name of a configuration's method, as recipes and cards have it.

    :data:`PROPER_NAMES` has it as people write it.
    """
    return next(name for name, kind in CONFIGS.items() if isinstance(config, kind))


def parse_config(method: str, raw: Mapping[str, Any] | str) -> NetworkConfig:
    """A table, or JSON text, as the configuration of a method.

    Raises:
        KeyError: There is no such method.
        ValidationError: The table does not describe such a network.
    """
    kind = CONFIGS[method]
    if isinstance(raw, str):
        return kind.model_validate_json(raw)
    return kind.model_validate(dict(raw))
