"""What SODiff costs at the scale of the paper, part by part.

Counted from the networks themselves without their weights; a test counts them again. The paper
prints no cost. Multiply-adds are those of convolutions, linear maps and the products of attention,
for one picture of 512×512 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LORA", "PARTS", "SIDE_PX", "Part"]

SIDE_PX = 512


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the network.

    Attributes:
        name: What it is.
        parameters: How many weights.
        macs: Multiply-adds for one picture; ``None`` is what costs nothing once it is merged.
        runs: When they are paid.
    """

    name: str
    parameters: int
    macs: int | None
    runs: str

    @property
    def fp32_bytes(self) -> int:
        """Of the weights, four bytes each."""
        return 4 * self.parameters

    @property
    def fp16_bytes(self) -> int:
        """Of the weights, two bytes each."""
        return 2 * self.parameters


LORA = "U-Net's LoRA (rank 16)"

PARTS: tuple[Part, ...] = (
    Part("VAE encoder", 34_163_664, 558_329_233_408, "each tile"),
    Part("U-Net", 865_910_724, 402_128_732_160, "each tile"),
    Part(LORA, 16_217_152, None, "merged into the U-Net"),
    Part("VAE decoder", 49_490_199, 1_257_259_466_752, "each tile"),
    Part("SAIPE", 18_944_428, 275_396_608_000, "once a picture"),
    Part("time predictor", 1_293_511, 16_332_687_104, "once a picture"),
)
