"""What ended the shrinking of a training with PALS."""

from collections.abc import Sequence
from typing import Literal

Ended = Literal["cap", "unfinished", "loss"]

ALIKE = 0.01
"""Sparsities count as equal that differ by no more."""


def ended(sparsities: Sequence[float], cap: float) -> Ended:
    """What ended the shrinking, by the sparsity after each update, whichever epoch's weights were kept: the ``cap``
    where it ever came there; the loss where the last quarter of the updates made it no sparser; nothing else, for then
    it was unfinished."""
    late = max(1, len(sparsities) // 4)
    before, after = sparsities[:-late], sparsities[-late:]
    if len(sparsities) and max(sparsities) >= cap - ALIKE:
        return "cap"
    return "loss" if len(before) and max(after) <= max(before) + ALIKE else "unfinished"
