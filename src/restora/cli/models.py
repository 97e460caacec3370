"""``restora models``: what can be used, with its card."""

from __future__ import annotations

from typing import Annotated

import typer


def models(
    json: Annotated[bool, typer.Option("--json", help="The cards as JSON.")] = False,
) -> None:
    """List the models and their weights."""
    import json as json_module

    from restora.weights.registry import DEFAULT_MODEL, MODELS, load_card

    cards = {m.name: [load_card(weight) for weight in m.weights] for m in MODELS}
    if json:
        plain = {name: [c.model_dump(mode="json") for c in pair] for name, pair in cards.items()}
        typer.echo(json_module.dumps(plain, indent=2))
        return
    for model in MODELS:
        default = " (default)" if model.name == DEFAULT_MODEL else ""
        typer.echo(f"{model.name}{default}: {model.summary}")
        for card in cards[model.name]:
            typer.echo(
                f"  {card.name}: {card.title}; {card.parameters / 1e6:.2f} M weights, "
                f"{card.size_bytes() / 1e6:.1f} MB, {card.macs_per_pixel / 1000:.0f} thousand "
                f"multiply-adds a pixel, {card.licence}"
            )
            for protocol, scores in card.scores.items():
                row = ", ".join(f"{key} {value:.2f}" for key, value in scores.items())
                typer.echo(f"    {protocol}: {row}")
