"""``restora models``: what can be used, with its card."""

from __future__ import annotations

from collections.abc import Iterator
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
) -> None:
    """List the models and their weights."""
    import json as json_module

    from restora.weights.registry import DEFAULT_MODEL, MODELS, load_card

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
    found = {m.name: [load_card(weight) for weight in m.weights] for m in MODELS}
    if json:
        every = {name: [c.model_dump(mode="json") for c in pair] for name, pair in found.items()}
        typer.echo(json_module.dumps(every, indent=2))
        return
    for model in MODELS:
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
    network = card.training.recipe.get("network", {})
    if card.method != "ssp-ir" or not network:
        return
    temperature = network.get("temperature", 1)
    yield f"  samples: {network['walk']} steps of {network['sampler']}, temperature {temperature:g}"
    guidance = f"text {network['text_guidance']:g}, image {network['image_guidance']:g}"
    yield f"  guidance: {guidance}; colour fix: {network['colour_fix']}"
    if network["text"]:
        yield f"  reads: {network['text_tokens']} tokens of words by {network['text_encoder']}"


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
