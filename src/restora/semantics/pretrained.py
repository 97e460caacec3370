"""Networks of the transformers library, from a folder or from a hub id the user names.

Nothing is downloaded for a folder that exists. A hub id may go to the network, because the user
asked for exactly that one.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restora._optional import require
from restora.errors import InputError, WeightsError

__all__ = ["EXTRA", "load_network", "load_tokenizer", "normalise"]

EXTRA = "diffusion"

# OpenAI's CLIP, and all that build on its pictures: BLIP and LLaVA.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def load_network(
    kind: str, source: str, *, subfolder: str = "", device: str = "cpu", dtype: str = "float32"
) -> Any:
    """A network, ready to run: no gradients, no dropout.

    Args:
        kind: Name of its class in transformers.
        source: A folder, or a hub id such as ``openai/clip-vit-large-patch14``.
        subfolder: Where in the source it lies.
        device: Where it runs, in PyTorch's words.
        dtype: Such as ``"float32"``; ``"auto"`` for what is stored.

    Raises:
        InputError: The source looks like a folder, and there is none.
        MissingExtra: transformers or PyTorch is not installed.
        WeightsError: The source holds no such network.
    """
    require("torch", extra=EXTRA)
    made = _load(kind, source, subfolder, dtype=dtype)
    return made.to(device).eval().requires_grad_(False)


def load_tokenizer(source: str, *, subfolder: str = "") -> Any:
    """The tokenizer beside a network.

    Raises:
        InputError: The source looks like a folder, and there is none.
        MissingExtra: transformers is not installed.
        WeightsError: The source holds no tokenizer.
    """
    return _load("AutoTokenizer", source, subfolder, trust_remote_code=False)


def normalise(squares: NDArray[np.uint8], network: Any) -> Any:
    """Squares (N, S, S, 3), 0-255, as CLIP's tensors (N, 3, S, S) on the network's device."""
    torch = require("torch", extra=EXTRA)
    mean, std = np.array(CLIP_MEAN, np.float32), np.array(CLIP_STD, np.float32)
    pictures = (np.divide(squares, 255, dtype=np.float32) - mean) / std
    tensor = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
    return tensor.to(network.device, network.dtype)


def _load(kind: str, source: str, subfolder: str, **options: Any) -> Any:
    here = Path(source)
    if not here.exists() and (here.is_absolute() or source[:1] in "." or source.count("/") != 1):
        raise InputError(f"There is no folder {source}.")
    with _quiet() as transformers:
        try:
            return getattr(transformers, kind).from_pretrained(
                source, subfolder=subfolder, local_files_only=here.exists(), **options
            )
        except pickle.UnpicklingError as error:
            raise WeightsError(
                f"Cannot load {kind} from {source}: its file is damaged, or holds more than "
                "weights: code in it is never run."
            ) from error
        except Exception as error:  # the library raises whatever the damage happens to hit
            where = str(here / subfolder) if subfolder else source
            reason = str(error).strip().split("\n", maxsplit=1)[0]
            raise WeightsError(f"Cannot load {kind} from {where}: {reason}") from error


@contextmanager
def _quiet() -> Iterator[Any]:
    """transformers without its warnings and progress bars, which mean nothing to a user here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(transformers|torch|huggingface_hub)\b")
        transformers = require("transformers", extra=EXTRA)
        logging = require("transformers.utils.logging", extra=EXTRA)
        level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            yield transformers
        finally:
            logging.set_verbosity(level)
            if bars:
                logging.enable_progress_bar()
