"""``restora models``: what can be used, with its card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

if TYPE_CHECKING:
    from restora.weights.cards import Card


# What a model that samples costs is counted with one step; of SR-Diff that is all of it.
_PER_STEP = {"sr-diff": " and step", "ssp-ir": " with one step"}


def models(
    json: Annotated[bool, typer.Option("--json", help="The cards as JSON.")] = False,
    detail: Annotated[
        Optional[str],  # noqa: UP045 - typer reads annotations at run time
        typer.Option(
            metavar="MODEL",
            help="All that is known of one model's weights; of sodiff, also what the network of "
            "the paper costs.",
        ),
    ] = None,
    fetch: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="URL|CARD",
            help="Download a weight into the cache: the address of its card (.json), or the path "
            "of a card that says where its files are. Goes on where it broke off. --model NAME "
            "then finds it by its card's name. Nothing is ever fetched without this.",
        ),
    ] = None,
    sha256: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="HEX",
            help="With --fetch: the checksum its card must have. The card vouches for its files, "
            "and only this for the card.",
        ),
    ] = None,
) -> None:
    """List the models and their weights, or fetch one."""
    import json as json_module

    from restora.weights.registry import DEFAULT_MODEL, MODELS, fetched_models, load_card

    if fetch is not None:
        _fetch(fetch, sha256)
        return
    if sha256 is not None:
        from restora.errors import UsageError

        raise UsageError("--sha256 is the checksum of a card to --fetch.")
    if detail is not None:
        cards = _cards(detail)
        if json:
            plain_cards = [card.model_dump(mode="json") for card in cards]
            plain = {"weights": plain_cards, "published": _published(detail)}
            typer.echo(json_module.dumps(plain, indent=2))
            return
        lines = [*(line for card in cards for line in _facts(card)), *_published_rows(detail)]
        typer.echo("\n".join(lines))
        return
    every_model = (*MODELS, *fetched_models())
    found = {m.name: [load_card(weight) for weight in m.weights] for m in every_model}
    if json:
        every = {name: [c.model_dump(mode="json") for c in pair] for name, pair in found.items()}
        typer.echo(json_module.dumps(every, indent=2))
        return
    for model in every_model:
        default = " (default)" if model.name == DEFAULT_MODEL else ""
        typer.echo(f"{model.name}{default}: {model.summary}")
        for card in found[model.name]:
            each = _PER_STEP.get(card.method, "")
            typer.echo(
                f"  {card.name}: {card.title}; {card.parameters / 1e6:.2f} M weights, "
                f"{card.size_bytes() / 1e6:.1f} MB, {card.macs_per_pixel / 1000:.0f} thousand "
                f"multiply-adds a pixel{each}, {card.licence}"
            )
            for protocol, scores in card.scores.items():
                typer.echo(f"    {protocol}: {_row(scores)}")


def _fetch(source: str, sha256: str | None) -> None:
    """Fetch a weight, and say what it is called and whose word stands for it."""
    from restora.weights.fetch import fetch

    done = fetch(source, sha256=sha256, told=_progress)
    state = "fetched" if done.new else "was here already"
    typer.echo(
        f"{done.card.name}: {state}, in {done.path.parent}\n"
        f"  {done.card.title}; {done.card.licence}\n"
        f"  SHA-256 of its card: {done.sha256}\n"
        f"  use it: --model {done.card.name}"
    )
    if sha256 is None:
        typer.echo(
            "  Compare this checksum with one its author gave you, or ask for it with --sha256: "
            "a card can vouch for its files, not for itself.",
            err=True,
        )


def _progress(name: str, size_bytes: int) -> Callable[[int, int], None]:
    """A line that grows on a screen; one line a file elsewhere."""
    import sys

    typer.echo(f"{name}: {size_bytes / 1e6:.1f} MB", err=True)
    if not sys.stderr.isatty():
        return lambda *_: None

    def tell(there: int, size: int) -> None:
        end = "\n" if there == size else ""
        typer.echo(f"\r  {there / 1e6:.1f} of {size / 1e6:.1f} MB{end}", err=True, nl=False)

    return tell


def _row(scores: dict[str, float]) -> str:
    return ", ".join(f"{key} {value:.2f}" for key, value in scores.items())


def _cards(name: str) -> list[Card]:
    """The cards of a model; none for one whose published scale alone is known.

    Raises:
        UsageError: There is no such model.
    """
    from restora.weights.registry import MODELS, find_model, load_card

    if _published(name) and name not in {model.name for model in MODELS}:
        return []
    return [load_card(weight) for weight in find_model(name).weights]


def _facts(card: Card) -> Iterator[str]:
    """Everything on a card that a person reads, a line each."""
    yield f"{card.name}: {card.title}"
    yield f"  paper: {card.paper}"
    yield f"  takes: {'gray' if card.channels == 1 else 'colour'} pictures"
    if card.tasks:
        yield f"  tasks: {', '.join(card.tasks)}"
    yield f"  weights: {card.parameters:,}"
    yield from _manner(card)
    each = _PER_STEP.get(card.method, "")
    yield f"  multiply-adds a pixel{each}: {card.macs_per_pixel:,}"
    yield f"  tiles overlap: {card.overlap_px} px"
    for part, file in card.files.items():
        yield f"  file: {card.name}.{part}.onnx, {file.size_bytes / 1e6:.2f} MB"
    yield f"  all files: {sum(f.size_bytes for f in card.files.values()) / 1e6:.2f} MB"
    if card.int8_loss_db is not None:
        yield f"  8-bit form costs at most: {card.int8_loss_db:.2f} dB"
    yield f"  licence: {card.licence}"
    training = card.training
    yield f"  trained: {training.steps:,} steps in {training.seconds:,.0f} s on {training.device}"
    for what in ("data", "history", "curve"):
        if told := getattr(training, what):
            yield f"  {what}: {told}"
    for protocol, scores in card.scores.items():
        yield f"  {protocol}: {_row(scores)}"


def _manner(card: Card) -> Iterator[str]:
    """How an SSP-IR samples where nobody asks for another way."""
    from pydantic import ValidationError

    from restora.networks.ssp_ir.config import SSPIRConfig

    network = card.training.recipe.get("network", {})
    if card.method != "ssp-ir" or not network:
        return
    try:
        config = SSPIRConfig.model_validate(network)
    except ValidationError:  # a card of a stranger; to restore with it says so
        return
    yield f"  samples: {config.walk} steps of {config.sampler}, temperature {config.temperature:g}"
    guidance = f"text {config.text_guidance:g}, image {config.image_guidance:g}"
    yield f"  guidance: {guidance}; colour fix: {config.colour_fix}"
    if config.text:
        yield f"  reads: {config.text_tokens} tokens of words by {config.text_encoder}"


def _published(name: str) -> list[dict[str, Any]]:
    """The parts of the network of a paper, where they were counted."""
    from dataclasses import asdict

    from restora.evaluation.published_sodiff import PARTS

    if name != "sodiff":
        return []
    bytes_of = ("fp32_bytes", "fp16_bytes")
    return [{**asdict(part), **{k: getattr(part, k) for k in bytes_of}} for part in PARTS]


def _published_rows(name: str) -> Iterator[str]:
    """The same as a table, with what a tile and a picture cost in all."""
    from restora.evaluation.published_sodiff import SIDE_PX

    parts = _published(name)
    if not parts:
        return
    yield f"The network of the paper (recipes/{name}/published-one-step.yaml), counted:"
    yield f"  {'part':24}{'M weights':>10}{'MB fp32':>9}{'MB fp16':>9}{'G multiply-adds':>17}  paid"
    for part in parts:
        macs = "" if part["macs"] is None else f"{part['macs'] / 1e9:,.1f}"
        yield (
            f"  {part['name']:24}{part['parameters'] / 1e6:>10.2f}"
            f"{part['fp32_bytes'] / 1e6:>9,.0f}{part['fp16_bytes'] / 1e6:>9,.0f}{macs:>17}"
            f"  {part['runs']}"
        )
    run = [part for part in parts if part["macs"] is not None]
    weights = sum(part["parameters"] for part in run)
    total = sum(part["macs"] for part in run)
    yield (
        f"  {'all, LoRA merged':24}{weights / 1e6:>10.2f}{4 * weights / 1e6:>9,.0f}"
        f"{2 * weights / 1e6:>9,.0f}{total / 1e9:>17,.1f}"
    )
    yield f"  Multiply-adds for a picture of {SIDE_PX}×{SIDE_PX} pixels, which is one tile."
