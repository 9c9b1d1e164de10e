"""What ended the shrinking of a training with PALS."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

Ended = Literal["cap", "unfinished", "loss"]

ALIKE = 0.01
"""Sparsities that differ by no more than this count as equal."""


def sparsities_counted(updates: Sequence[Mapping[str, Any]]) -> list[float]:
    """The sparsity after each update as PALS compares it with its cap: its code counts biases and norms as removed.

    ``updates``: what a row keeps of each, in order: ``counted``, that sparsity before the update, and that of the
    prunable weights alone before and after it, ``sparsity_before`` and ``sparsity``."""
    if not updates:
        return []
    last = updates[-1]
    prunable = (1 - last["counted"]) / (1 - last["sparsity_before"])  # share of all that is counted
    return [*(update["counted"] for update in updates[1:]), 1 - (1 - last["sparsity"]) * prunable]


def ended(sparsities: Sequence[float], cap: float) -> Ended:
    """What ended the shrinking, by the sparsity after each update (:func:`sparsities_counted`), whichever epoch's
    weights were kept.

    ``cap`` if an update reached it; else ``loss`` if the last quarter of the updates made the model no sparser and some
    update did not shrink it; else ``unfinished``."""
    if not len(sparsities) or max(sparsities) >= cap:
        return "cap" if len(sparsities) else "unfinished"
    if all(now > was for was, now in pairwise(sparsities)):
        return "unfinished"
    late = max(1, len(sparsities) // 4)
    return "unfinished" if max(sparsities[-late:]) > max(sparsities[:-late]) + ALIKE else "loss"
