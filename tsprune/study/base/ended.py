"""What ended the shrinking of a training with PALS."""

from collections.abc import Collection
from typing import Literal

Ended = Literal["cap", "unfinished", "loss"]

AT_CAP = 0.01
"""A sparsity counts as the cap from so far below on."""


def ended(decisions: Collection[str], density: float, cap: float) -> Ended:
    """What ended the shrinking of a training that came to ``density``: the cap on sparsity, nothing (all it did was to
    shrink, so that it was unfinished), or the loss."""
    if 1 - density >= cap - AT_CAP:
        return "cap"
    return "unfinished" if set(decisions) == {"shrink"} else "loss"
