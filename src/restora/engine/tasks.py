"""What can be undone besides JPEG artifacts, and the models that ship for it."""

from __future__ import annotations

from typing import Literal

from restora.networks.sr_diff.tasks import TASKS, Task

Sampled = Literal[Task, "real"]  # by models that sample

REAL: Literal["real"] = "real"  # blur, noise, lost pixels and JPEG together, as pictures meet them
SAMPLED: tuple[Sampled, ...] = (*TASKS, REAL)

TASK_MODEL = "sr-diff"
REAL_MODEL = "ssp-ir"


def model_for(task: str) -> str:
    """The model that ships for a task that is none of JPEG alone."""
    return REAL_MODEL if task == REAL else TASK_MODEL
