"""What an image encoder says about every picture of a layout, beside the pictures.

Shapes: T tokens of F numbers from the encoder, of D after the refiner.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from restora._optional import require
from restora.engine.batch import make_folder
from restora.errors import InputError, OutputError, RestoraError, UsageError
from restora.images.atomic import write_atomically
from restora.semantics.context import one_row
from restora.semantics.protocols import Floats, ImageEncoder
from restora.training.sr_diff.layout import (
    FEATURES,
    Features,
    Layout,
    Pictures,
    read_features,
    write_features,
)
from restora.training.sr_diff.make_pairs import Made, Progress, open_rgb
from restora.weights.cards import IMAGE_ENCODER

__all__ = [
    "ENCODER_NAME",
    "FeatureRefiner",
    "Record",
    "load_refiner",
    "make_features",
    "read_record",
    "tokens_of",
]

ENCODER_NAME = "encoder.json"
WHOLE_FIRST = ("blip-vector", "blip-tokens")  # their first token is the pooled vector already

_SEEN: dict[Features, Pictures] = {"LQCLS": "LQ", "GTCLS": "GT"}


@dataclass(frozen=True)
class FeatureRefiner:
    """The refiner of a weight.

    Attributes:
        name: Of the weight.
        fingerprint: Hash of the refiner's own weights, 12 hexadecimal digits.
        encoder: The kind of encoder whose tokens it was taught.
        shape: (T, F) of these.
        refine: From (T, F) to (T, D).
        taught: Fingerprint of that encoder, where the weight tells it.
    """

    name: str
    fingerprint: str
    encoder: str
    shape: tuple[int, int]
    refine: Callable[[Floats], Floats]
    taught: str | None = None

    def check(self, encoder: ImageEncoder) -> None:
        """Refuse tokens it was not taught.

        Raises:
            UsageError: The encoder is of another kind, its tokens are of another shape, or it has
                other weights.
        """
        given = (_count(encoder), encoder.token_dim)
        taught = ((1, encoder.token_dim), given)  # the first stands for the whole picture
        if self.encoder != encoder.name or self.shape not in taught:
            raise UsageError(
                f"The refiner {self.name} was taught {_tokens(self.shape)} of the encoder "
                f"{self.encoder}; {encoder.name} gives {_tokens(given)}."
            )
        if self.taught not in (None, encoder.fingerprint()):
            raise UsageError(
                f"The refiner {self.name} was taught with the {IMAGE_ENCODER} {self.taught}, not "
                f"{encoder.fingerprint()}; take that one."
            )


@dataclass(frozen=True)
class Record:
    """What made the features of a layout; its fields are those of ``encoder.json``.

    Attributes:
        encoder: Its name.
        fingerprint: Its own.
        refiner: Fingerprint of the refiner behind RestoreCLS, if there is one.
    """

    encoder: str
    fingerprint: str
    refiner: str | None = None


def tokens_of(encoder: ImageEncoder, picture: NDArray[np.uint8]) -> Floats:
    """(T, F) of a picture (H, W, 3), 0-255: first all of it, then its places."""
    given = picture[None].astype(np.float32) / np.float32(255)
    first: Floats = one_row(encoder.encode(given), _count(encoder))[0]
    return first


def load_refiner(source: str, *, device: str = "cpu") -> FeatureRefiner:
    """The refiner of an SR-Diff.

    Args:
        source: A weight that ships, by name; or a card (``.json``) or ``.safetensors``.
        device: Where it runs, in PyTorch's words.

    Raises:
        UsageError: There is no such weight, or it holds no SR-Diff.
        WeightsError: The file cannot be read.
        MissingExtra: PyTorch is not installed.
    """
    torch = require("torch", extra="train")
    from restora.networks.catalogue import build  # noqa: PLC0415 - it needs PyTorch
    from restora.networks.sr_diff.network import SRDiff  # noqa: PLC0415
    from restora.networks.weight_files import read_weights  # noqa: PLC0415
    from restora.semantics.fingerprint import HEX_DIGITS, hash_tensors  # noqa: PLC0415
    from restora.weights.registry import FOLDER, load_card  # noqa: PLC0415

    path = Path(source)
    if not path.suffix:
        path = FOLDER / f"{source}.json"
        if not path.exists():
            raise UsageError(f"There is no weight named {source!r}; `restora models` lists all.")
    loaded = read_weights(path)
    network = build(loaded.config)
    if not isinstance(network, SRDiff):
        raise UsageError(f"{source} has no refiner: it is no SR-Diff.")
    network.load_state_dict(loaded.weights)
    config = network.config
    refiner = network.refiner.eval().to(device)

    def refine(tokens: Floats) -> Floats:
        with torch.inference_mode():
            made: Floats = refiner(torch.from_numpy(tokens)[None].to(device))[0].cpu().numpy()
        return made

    return FeatureRefiner(
        name=path.stem,
        fingerprint=hash_tensors(refiner.state_dict())[:HEX_DIGITS],
        encoder=config.encoder.partition(":")[0],  # what follows is where it lay in training
        shape=(config.tokens, config.token_dim),
        refine=refine,
        taught=load_card(str(path)).encoders.get(IMAGE_ENCODER) if path.suffix == ".json" else None,
    )


def make_features(
    layout: Layout,
    encoder: ImageEncoder,
    refiner: FeatureRefiner | None = None,
    *,
    force: bool = False,
    progress: Progress = lambda *_: None,
) -> Made:
    """Fill LQCLS and GTCLS, and with a refiner RestoreCLS; ``encoder.json`` says what made them.

    Degraded pictures need no clean ones here: a part that is not there is left out.

    Args:
        layout: The pictures.
        encoder: Whose tokens; the same for every file of a layout.
        refiner: What makes RestoreCLS of LQCLS; None leaves it.
        force: Make features that are there anew. Those of another encoder or refiner are deleted
            first, so that no two are ever mixed.
        progress: Told how many files of how many are done.

    Raises:
        InputError: There is no such layout, or its pictures are not told apart by their stems.
        UsageError: There are features of another encoder or refiner, or the refiner was taught
            another encoder.
        OutputError: A folder or ``encoder.json`` cannot be written.
    """
    if refiner is not None:
        refiner.check(encoder)
    work = list(_plan(layout, refined=refiner is not None))
    _claim(layout, encoder, refiner, force=force)
    for folder in {target.parent for _, target, _ in work}:
        make_folder(folder)
    result = Made()
    for done, (source, target, refined) in enumerate(work):
        progress(done, len(work))
        if target.exists() and not force:
            result.kept += 1
            continue
        try:
            if refined:
                assert refiner is not None
                tokens = refiner.refine(read_features(source)[: refiner.shape[0]])
            else:
                tokens = tokens_of(encoder, open_rgb(source))
            write_features(target, tokens)
        except RestoraError as error:
            result.failed.append(str(error))
        else:
            result.made += 1
    progress(len(work), len(work))
    return result


def _plan(layout: Layout, *, refined: bool) -> Iterator[tuple[Path, Path, bool]]:
    """What each file is made of: a picture, or for a refined one the raw features."""
    for split, task in layout.sections():
        for features, pictures in _SEEN.items():
            if not layout.folder(split, task, pictures).is_dir():
                continue
            for stem, path in layout.pictures(split, task, pictures).items():
                raw = layout.features_path(split, task, features, stem)
                yield path, raw, False
                if refined and features == "LQCLS":
                    yield raw, layout.features_path(split, task, "RestoreCLS", stem), True


def _claim(
    layout: Layout, encoder: ImageEncoder, refiner: FeatureRefiner | None, *, force: bool
) -> None:
    """Write whose features are to be here, unless others are.

    Raises:
        UsageError, InputError, OutputError: As :func:`make_features` says.
    """
    path = layout.root / ENCODER_NAME
    old = read_record(path)
    there = {part: _files(layout, part) for part in FEATURES}
    refined_by = None if refiner is None else refiner.fingerprint
    stale: list[Path] = []
    if any(there.values()) and (old is None or old.fingerprint != encoder.fingerprint()):
        whose = "an unknown encoder" if old is None else f"the encoder {old.fingerprint}"
        _refuse(layout, f"{whose}, not of {encoder.fingerprint()}", force=force)
        stale = [file for files in there.values() for file in files]
    elif there["RestoreCLS"] and old is not None:
        if refined_by is None:
            refined_by = old.refiner  # what it made stays
        elif old.refiner != refined_by:
            _refuse(layout, f"the refiner {old.refiner}, not of {refined_by}", force=force)
            stale = there["RestoreCLS"]
    try:
        for file in stale:
            file.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{error.filename} cannot be deleted: {error.strerror}.") from error
    new = Record(encoder.name, encoder.fingerprint(), refined_by)
    if new != old:
        write_atomically(path, json.dumps(asdict(new), indent=2).encode() + b"\n")


def _refuse(layout: Layout, whose: str, *, force: bool) -> None:
    if not force:
        raise UsageError(
            f"{layout.root} holds features of {whose}. They mean nothing to each other; --force "
            "deletes those and makes all anew."
        )


def _files(layout: Layout, part: Features) -> list[Path]:
    return [
        file
        for split, task in layout.sections()
        for file in sorted(layout.folder(split, task, part).glob("*.pt"))
    ]


def read_record(path: Path) -> Record | None:
    """What ``encoder.json`` says; None: it is not there.

    Raises:
        InputError: It cannot be read.
    """
    if not path.exists():
        return None
    try:
        return Record(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} does not say which encoder made the features.") from error


def _count(encoder: ImageEncoder) -> int:
    """T of :func:`tokens_of`: all an encoder gives."""
    return encoder.max_tokens + (encoder.name not in WHOLE_FIRST)


def _tokens(shape: tuple[int, int]) -> str:
    count, dim = shape
    return f"{count} token{'' if count == 1 else 's'} of {dim} numbers"
