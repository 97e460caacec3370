"""Figures of a validation that more than one stage gives."""

from __future__ import annotations

from collections.abc import Sequence


def thirds(name: str, values: Sequence[float]) -> dict[str, float]:
    """Means over each of the three qualities of a validation, ``name_0`` the worst.

    Args:
        name: Of the figure.
        values: One for each picture as the validation gives them: all of a quality in turn.
    """
    third = max(1, len(values) // 3)
    parts = [values[number * third : (number + 1) * third] for number in range(3)]
    return {f"{name}_{number}": sum(p) / len(p) for number, p in enumerate(parts) if p}
