"""A ComfyUI node that repairs JPEG damage.

Copy this file into ComfyUI's ``custom_nodes`` folder, and install Restora into ComfyUI's Python.
The node is then under image/restoration.

ComfyUI hands on pixels, not files, so there is no header to read: at quality 0 the network
estimates how hard a picture was saved. Whatever goes wrong is raised, and ComfyUI shows it; a
picture never passes through unrestored as if nothing had happened.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch

import restora
from restora.engine.plan import Wishes


class RestoraJPEG:
    """Repair pictures that were saved as JPEG too hard or too often."""

    CATEGORY = "image/restoration"
    FUNCTION = "restore"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES: ClassVar = ("restored",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What can be set on the node."""
        quality = {"default": 0, "min": 0, "max": 100, "tooltip": "It was saved at; 0: estimate."}
        strength = {"default": 100, "min": 0, "max": 100, "tooltip": "Share of the repair."}
        return {
            "required": {
                "image": ("IMAGE",),
                "quality": ("INT", quality),
                "strength": ("INT", strength),
                "model": (["fbcnn", "dagn", "sodiff"],),
            }
        }

    def restore(
        self, image: torch.Tensor, quality: int, strength: int, model: str
    ) -> tuple[torch.Tensor]:
        """Restore a batch.

        Args:
            image: (B, H, W, 3) in 0-1.
            quality: 1-100; 0 lets the network estimate it, for each picture.
            strength: 0-100.
            model: One of ``restora models``.

        Raises:
            ValueError: The batch is not of RGB pictures.
            RestoraError: A setting makes no sense.
        """
        if image.ndim != 4 or image.shape[-1] != 3:
            raise ValueError(f"Restora wants RGB pictures (B, H, W, 3), not {tuple(image.shape)}.")
        restorer = restora.load()
        wishes = Wishes(quality=quality or None, strength=strength, model=model)
        restored = []
        for pixels in image.detach().to("cpu", torch.float32).numpy():
            clipped = np.ascontiguousarray(pixels.clip(0, 1))
            picture = restora.Picture(pixels=clipped, space="rgb")
            plan = restorer.plan(picture, None, wishes)
            restored.append(restorer.run(picture, plan).pixels)
        return (torch.from_numpy(np.stack(restored)),)


NODE_CLASS_MAPPINGS = {"RestoraJPEG": RestoraJPEG}
NODE_DISPLAY_NAME_MAPPINGS = {"RestoraJPEG": "Restora: repair JPEG"}
