"""What ended the shrinking of a training with PALS."""

from collections.abc import Sequence
from typing import Literal

Ended = Literal["cap", "unfinished", "loss"]

ALIKE = 0.01
"""Sparsities count as equal that differ by no more."""

UNCOUNTED = 0.01
"""How far below the cap, as told here, the cap may stop a training: the code of PALS counts biases and norms as removed
too, which are up to a hundredth of a small model's parameters."""


def ended(sparsities: Sequence[float], cap: float) -> Ended:
    """What ended the shrinking, by the sparsity after each update, whichever epoch's weights were kept.

    The ``cap`` where an update came to it; where they came only close, the cap if the last quarter of the updates stood
    there or below, and nothing if they were rising still: a training is not stopped by a cap that it would have come to
    later. Farther below, the loss where the last quarter made it no sparser; else it was unfinished."""
    if not len(sparsities) or max(sparsities) >= cap:
        return "cap" if len(sparsities) else "unfinished"
    late = max(1, len(sparsities) // 4)
    before, after = sparsities[:-late], sparsities[-late:]
    if not len(before):
        return "unfinished"
    if max(sparsities) >= cap - UNCOUNTED:
        return "cap" if max(after) <= max(before) else "unfinished"
    return "loss" if max(after) <= max(before) + ALIKE else "unfinished"
