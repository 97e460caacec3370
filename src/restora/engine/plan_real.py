"""What a plan decides for real-world damage: words, guidance, the walk, colours and size."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from restora.engine.guidance import branches
from restora.engine.tasks import REAL_MODEL
from restora.engine.wishes import Wishes, option_of
from restora.engine.words import Words, words_unseen
from restora.errors import UsageError
from restora.images import Picture
from restora.semantics.words import one_line

if TYPE_CHECKING:
    from restora.networks.ssp_ir.config import SSPIRConfig

ENLARGED = "the picture is enlarged, and the file's bins are of its own pixels"


@dataclass(frozen=True)
class Manner:
    """How a sample is drawn; all but the reasons are fields of a plan, told there."""

    prompt: str | None
    captioner: str | None
    negative_prompt: str | None
    sampler: str
    text_guidance: float
    image_guidance: float
    color_fix: str
    upscale: int
    why_words: tuple[str, ...]
    why: tuple[str, ...]

    def told(self) -> dict[str, Any]:
        """What the plan takes, by name."""
        fields = asdict(self)
        del fields["why_words"], fields["why"]
        return fields


def check_real(wishes: Wishes, config: SSPIRConfig) -> None:
    """Refuse what a network for real-world damage could not honour.

    Raises:
        UsageError: It reads no words, or no image tokens, or nothing asks for negative ones.
    """
    name = wishes.model or REAL_MODEL
    for wish in ("prompt", "caption_model", "negative_prompt", "text_guidance"):
        asked = getattr(wishes, wish)
        if not config.text and asked is not None and asked != "":
            raise UsageError(f"{option_of(wish)} is for models that read words; {name} reads none.")
    if not config.image and wishes.image_guidance is not None:
        raise UsageError(
            "--image-guidance is for models that are told what a picture shows; "
            f"{name} is not told."
        )
    if wishes.negative_prompt and _guidance(wishes, config) == (1, 1):
        raise UsageError(
            "--negative-prompt is read where guidance leads away from it: add --text-guidance, "
            "such as 2."
        )


def choose_manner(
    picture: Picture, wishes: Wishes, config: SSPIRConfig, words: Words | None
) -> Manner:
    """What is asked for, else what the weight has.

    Args:
        picture: Enlarged already, if it shall be.
        wishes: What the user asks for.
        config: The network.
        words: What is said of the picture; None: nobody looked at it.
    """
    said = (words or words_unseen(wishes)) if config.text else None
    negative = one_line(wishes.negative_prompt) if wishes.negative_prompt else None
    text, image = _guidance(wishes, config)
    sampler = wishes.sampler or config.sampler
    colours = wishes.color_fix or config.colour_fix
    why_words = () if said is None else said.why
    if negative:
        why_words = (*why_words, f'led away from: "{negative}"')
    why = [_why_guidance(text, image)] if config.text or config.image else []
    if said is not None and not (said.prompt or negative) and text != 1:
        why.append("without words there is nothing that text guidance could follow")
    why.append(
        f"colour fix {colours}: {'asked for' if wishes.color_fix else 'as the model has it'}"
    )
    if wishes.upscale != 1:
        why.append(
            f"enlarged {wishes.upscale} times before, bicubic, to "
            f"{picture.width_px}×{picture.height_px} pixels"
        )
    return Manner(
        prompt=None if said is None else said.prompt,
        captioner=None if said is None else said.captioner,
        negative_prompt=negative,
        sampler=sampler,
        text_guidance=text,
        image_guidance=image,
        color_fix=colours,
        upscale=wishes.upscale,
        why_words=why_words,
        why=tuple(why),
    )


def _guidance(wishes: Wishes, config: SSPIRConfig) -> tuple[float, float]:
    """Of text and of image; 1 of what the network is not told."""
    text = config.text_guidance if wishes.text_guidance is None else wishes.text_guidance
    image = config.image_guidance if wishes.image_guidance is None else wishes.image_guidance
    return text if config.text else 1, image if config.image else 1


def _why_guidance(text: float, image: float) -> str:
    count = len(branches(text, image))
    cost = "as it was taught" if count == 1 else f"{count} looks a step"
    return f"text guidance {text:g}, image guidance {image:g}: {cost}"
