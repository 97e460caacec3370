"""What a plan decides of the task: which damage is undone, by which model, in what order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from restora.engine.estimate import Seen
from restora.engine.judge import WEIGHT
from restora.engine.models import WeightFacts, resolve_model, tasks_of, weight_facts
from restora.engine.plan_jpeg import Constraint, Source, choose_quality
from restora.engine.tasks import SAMPLED, TASK_MODEL, Sampled, model_for
from restora.engine.wishes import Wishes, alternatives
from restora.errors import UsageError
from restora.images import Picture
from restora.jpeg import JpegFacts
from restora.networks.sr_diff.tasks import TASKS, Task
from restora.weights.registry import DEFAULT_MODEL, Model, find_model

PlanTask = Literal["jpeg", Sampled, "none"]

# What a file saved at this quality lost cannot be seen, and a repair would cost more detail than
# it gives back. Below, a diffusion would take block edges for something to restore.
ARTIFACTS_BELOW = 90
DEFAULT_SEED = 0

# What is in the file as much as the picture is.
DAMAGE: dict[Sampled, str] = {
    "dehaze": "the haze",
    "derain": "the rain",
    "deblur": "the blur",
    "lowlight": "the dark",
    "real": "the damage",
}


def model_of(wishes: Wishes) -> Model:
    """The model that is asked for by name or by task; for ``auto`` that of what may be found.

    Raises:
        MissingExtra, WeightsError: See :func:`restora.engine.models.resolve_model`.
        UsageError: There is no such model, or it does not do this.
    """
    samples = wishes.task != "jpeg"
    model = resolve_model(wishes.model or (model_for(wishes.task) if samples else DEFAULT_MODEL))
    known = tasks_of(model)
    able = [*known, "auto"] if set(known) & set(TASKS) else list(known)  # a judge knows those
    if known and not samples:
        raise UsageError(
            f"{model.name} does not repair JPEG artifacts; say --task {alternatives(able)}."
        )
    if samples and not known:
        raise UsageError(
            f"--task {wishes.task} is for models such as {model_for(wishes.task)}; {model.name} "
            "repairs JPEG artifacts."
        )
    if samples and wishes.task not in able:
        raise UsageError(
            f"{model.name} cannot do --task {wishes.task}; it knows {', '.join(known)}."
        )
    return model


def first_of(wishes: Wishes) -> str | None:
    """The weight that may have to run before those of :func:`model_of`, if any."""
    return find_model(DEFAULT_MODEL).color if wishes.task == "auto" else None


def judge_of(wishes: Wishes) -> str:
    """The weight whose judge chooses for ``auto``: the model's, where it is not of PyTorch."""
    (weight,) = model_of(wishes).weights
    return WEIGHT if weight_facts(weight).torch else weight


def only_jpeg(wishes: Wishes) -> Wishes:
    """The same wishes for the repair of JPEG artifacts alone."""
    alone = {"task": "jpeg", "model": None, "seed": None, "steps": None, "samples": 1}
    return wishes.model_copy(update=alone)


@dataclass(frozen=True)
class Choice:
    """What will be done to a picture, and why.

    Attributes:
        task: The task; ``none``: nothing at all.
        first: JPEG artifacts are repaired before.
        quality: That the picture is then taken to be saved at.
        source: Who says so.
        why: In words.
    """

    task: PlanTask
    first: bool = False
    quality: float | None = None
    source: Source = "none"
    why: tuple[str, ...] = ()


def choose_task(
    picture: Picture, facts: JpegFacts | None, wishes: Wishes, seen: Seen | None
) -> Choice:
    """The task that is asked for, or what a picture needs."""
    if wishes.task == "auto":
        return _choose_by_judge(picture, facts, wishes, seen)
    for task in SAMPLED:
        if wishes.task == task:
            return Choice(task, why=(f"task {task}: asked for",))
    return Choice("jpeg")


def _choose_by_judge(
    picture: Picture, facts: JpegFacts | None, wishes: Wishes, seen: Seen | None
) -> Choice:
    """Only a sure judge sets a diffusion to work.

    Without one, a JPEG is repaired as it is without ``--task``, and any other file is left alone:
    what looks like compression in it may be what it shows.
    """
    found, why = _judged(picture, seen)
    model = model_of(wishes)
    if found is not None and found not in tasks_of(model):  # another weight's judge knows more
        found, why = None, f"it needs {found}, which {model.name} cannot do"
    compressed = facts is not None or wishes.quality is not None
    if found is None and compressed:
        return Choice("jpeg", why=(f"task jpeg: {why}",))
    if found is None:
        return Choice("none", why=(f"task none: {why}, and the file is not a JPEG",))
    told = f"task {found}: {why}"
    if not compressed:
        return Choice(found, why=(told, "no JPEG repair first: the file is not a JPEG"))
    quality, source, why_quality = choose_quality(
        facts, wishes, None if seen is None else seen.quality
    )
    if quality is None or quality >= ARTIFACTS_BELOW:
        whole = f"no JPEG repair first: it is for qualities below {ARTIFACTS_BELOW}"
        return Choice(found, why=(told, why_quality, whole))
    return Choice(found, True, quality, source, (told, why_quality))


def _judged(picture: Picture, seen: Seen | None) -> tuple[Task | None, str]:
    """The damage that was found for sure, and how sure."""
    judged = None if seen is None else seen.judged
    if judged is None:
        what = "a CMYK picture is" if picture.space == "cmyk" else "it was"
        return None, f"{what} not judged"
    sure = f"the judge is {100 * judged.confidence:.0f} % sure"
    for task in TASKS:
        if judged.task == task:
            return task, sure
    if judged.perhaps is not None:
        share = 100 * judged.shares[judged.perhaps]
        return None, f"it may need {judged.perhaps}, but of that the judge is {share:.0f} % sure"
    return None, f"{sure} that nothing else is to be undone"


def choose_constraint_of_task(
    task: Sampled, wishes: Wishes, no_bins: str | None
) -> tuple[Constraint, str]:
    """The file's bins are evidence of the damaged picture: off, unless it is asked for."""
    if no_bins is not None and wishes.constraint != "off":
        return "off", f"constraint off: {no_bins}"
    if wishes.constraint == "auto":
        return "off", f"constraint off: the file's bins hold {DAMAGE[task]} too"
    asked: dict[str, Constraint] = {"off": "off", "soft": "soft", "hard": "hard"}
    return asked[wishes.constraint], f"constraint {wishes.constraint}: asked for"


def check_sampling(wishes: Wishes, weights: tuple[WeightFacts, ...]) -> None:
    """Refuse what only a model that draws or samples could do.

    Raises:
        UsageError: ``--seed``, ``--steps`` or ``--samples`` of one that does not.
    """
    name = wishes.model or DEFAULT_MODEL
    samples = any(weight.tasks for weight in weights)
    if wishes.seed is not None and not (samples or any(weight.timesteps for weight in weights)):
        raise UsageError(f"--seed is for diffusion models such as sodiff; {name} draws nothing.")
    for option, asked in (("--steps", wishes.steps is not None), ("--samples", wishes.samples > 1)):
        if asked and not samples:
            raise UsageError(
                f"{option} is for models that sample, such as {TASK_MODEL}; {name} does not."
            )
    most = max((weight.most_steps for weight in weights), default=0)
    if wishes.steps is not None and wishes.steps > most:
        raise UsageError(f"--steps is from 1 to {most} for this model, not {wishes.steps}.")


def why_sampling(
    steps: int,
    most: int,
    samples: int,
    seed: int | None,
    *,
    sampler: str | None = None,
    temperature: float = 1,
) -> list[str]:
    """How a sample comes about, in words; without a seed no noise is drawn."""
    walk = f"{steps} step{'s' if steps > 1 else ''} of the {most} it was trained on"
    if sampler is not None:
        walk += f", by {sampler}"
    if samples > 1:
        walk += f", and the mean of {samples} samples"
    if seed is None:
        return [walk, "temperature 0: no noise is drawn, and every run gives the same"]
    told = [walk, f"seed {seed}: draws the noise; another gives a slightly other picture"]
    if temperature != 1:
        told.append(f"temperature {temperature:g}: of the noise, so much is taken")
    return told
