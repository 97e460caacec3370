"""The prompts of patches, each that of the whole photo it is from.

A photo's prompt is made of its upright whole, though the patch may be turned and mirrored: so it is
at inference, where tiles are told what is in the whole picture, and what a picture shows, and in
which words, does not turn with a patch.

Shapes: B patches, T tokens of D numbers.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from restora.networks.sodiff.network import SODiff
from restora.training.data import Batch
from restora.training.sodiff.copies import Copies
from restora.training.sodiff.views import planes

LOOKING = ("saipe", "cave")  # prompts that see the picture
MOST_BYTES = 2**31  # of prompts that are kept


class PromptStore:
    """What says the prompts of one network."""

    def __init__(self, network: SODiff, copies: Copies | None) -> None:
        """
        Args:
            network: The network; its SAIPE, if that is its prompt, must not change.
            copies: Of whole photos; None where the prompt does not look.
        """
        self._network = network
        self._copies = copies
        self._device = "cpu"
        self._known: dict[tuple[int, int], Tensor] = {}  # (T, D) float16 by photo and save

    def to(self, device: str) -> None:
        self._device = device

    def get(self, batch: Batch) -> Tensor:
        """(B, T, D): of the photos of a batch, each saved at about its patch's quality."""
        if self._copies is None:  # the same for all
            nothing = torch.empty(len(batch.photo), 3, 1, 1, device=self._device)
            return cast(Tensor, self._network.prompter(nothing))
        photos, saves = batch.photo.tolist(), self._copies.nearest(batch.quality).tolist()
        if self._network.config.prompt == "saipe":
            places = zip(photos, saves, strict=True)
            return torch.stack([self._of_saipe(*place) for place in places]).float()
        shown = self._copies.take(photos, [0] * len(photos), saves)
        return cast(Tensor, self._network.prompter(planes(shown, self._device)))

    def _of_saipe(self, photo: int, save: int) -> Tensor:
        """(T, D) float16, kept."""
        found = self._known.get((photo, save))
        if found is None:
            assert self._copies is not None
            shown = planes(self._copies.take([photo], [0], [save]), self._device)
            # Alone: in a batch its last bits would depend on the others, and these on which were
            # made before, so that a resumed training would go another way.
            with torch.no_grad():
                found = self._network.prompter(shown)[0].half()
            while len(self._known) >= max(1, MOST_BYTES // (found.numel() * 2)):
                del self._known[next(iter(self._known))]  # the oldest
            self._known[photo, save] = found
        return found
