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
from restora.images.orientation import swaps_sides
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
    temperature: float
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
        UsageError: It reads no words, or no image tokens, or nothing asks for negative ones, or
            draws no noise that a seed could change.
    """
    name = wishes.model or REAL_MODEL
    for wish in ("prompt", "caption_model", "negative_prompt", "text_guidance"):
        asked = getattr(wishes, wish)
        if not config.text and asked is not None and asked != "":
            raise UsageError(f"{option_of(wish)} is for models that read words; {name} reads none.")
    if _temperature(wishes, config) == 0:
        for wish, asked in (("seed", wishes.seed is not None), ("samples", wishes.samples > 1)):
            if asked:
                raise UsageError(
                    f"--{wish} is of noise, and at temperature 0 none is drawn: add --temperature, "
                    "such as 1."
                )
    if not config.image and wishes.image_guidance is not None:
        raise UsageError(
            "--image-guidance is for models that are told what a picture shows; "
            f"{name} is not told."
        )
    # Over all branches it counts 1 - g_text: below 1 it would be led to, not away from.
    if wishes.negative_prompt and _guidance(wishes, config)[0] <= 1:
        raise UsageError(
            "--negative-prompt is led away from where the text guidance is above 1: add "
            "--text-guidance, such as 2."
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
    wordless = said is not None and not (said.prompt or negative)
    why = [_why_guidance(text, image, wordless)] if config.text or config.image else []
    if wordless and text != 1:
        why.append("without words there is nothing that text guidance could follow")
    why.append(
        f"colour fix {colours}: {'asked for' if wishes.color_fix else 'as the model has it'}"
    )
    if wishes.upscale != 1:
        sides = picture.width_px, picture.height_px
        across, down = sides[::-1] if swaps_sides(picture.metadata.orientation) else sides
        why.append(f"enlarged {wishes.upscale} times before, bicubic, to {across}×{down} pixels")
    return Manner(
        prompt=None if said is None else said.prompt,
        captioner=None if said is None else said.captioner,
        negative_prompt=negative,
        sampler=sampler,
        temperature=_temperature(wishes, config),
        text_guidance=text,
        image_guidance=image,
        color_fix=colours,
        upscale=wishes.upscale,
        why_words=why_words,
        why=tuple(why),
    )


def _temperature(wishes: Wishes, config: SSPIRConfig) -> float:
    return config.temperature if wishes.temperature is None else wishes.temperature


def _guidance(wishes: Wishes, config: SSPIRConfig) -> tuple[float, float]:
    """Of text and of image; 1 of what the network is not told."""
    text = config.text_guidance if wishes.text_guidance is None else wishes.text_guidance
    image = config.image_guidance if wishes.image_guidance is None else wishes.image_guidance
    return text if config.text else 1, image if config.image else 1


def _why_guidance(text: float, image: float, wordless: bool) -> str:
    count = len(branches(image if wordless else text, image))
    cost = f"{count} look{'s' if count > 1 else ''} a step"
    if text == image == 1:
        cost = "as it was taught"
    return f"text guidance {text:g}, image guidance {image:g}: {cost}"
