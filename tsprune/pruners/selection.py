"""From scores to masks: a scope to rank in, an exact number kept.

The masks are nested (a lower density keeps a subset of what a higher one keeps), because the ranking does not depend
on the density: by score, ties by index.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from tsprune.errors import UserError, unknown
from tsprune.pruners.masks import Masks
from tsprune.pruners.ranking import largest, largest_anywhere

Scope = Literal["layer", "global"]


def select(scores: dict[str, Tensor], density: float, scope: Scope) -> Masks:
    """Masks that keep exactly ``round(density * n)`` weights of highest score, and at least one in every tensor.

    ``scope="layer"`` counts and ranks within each tensor. ``scope="global"`` counts and ranks over all of them, in
    the order of ``scores``; each tensor's best weight is kept first, so no layer is cut off entirely.

    Raises :class:`UserError` for a density outside (0, 1], an unknown scope, or scores that are not finite.
    """
    if not 0 < density <= 1:
        raise UserError(f"density = {density}: allowed is a number above 0 and at most 1")
    if scope not in get_args(Scope):
        raise UserError(unknown("scope", scope, get_args(Scope)))
    check_finite(scores)
    if not scores:
        return {}
    if scope == "layer":
        counts = [max(1, round(density * s.numel())) for s in scores.values()]
        return dict(zip(scores, largest(list(scores.values()), counts), strict=True))
    count = max(round(density * sum(s.numel() for s in scores.values())), len(scores))
    return dict(zip(scores, largest_anywhere(list(scores.values()), count, one_each=True), strict=True))


def check_finite(scores: dict[str, Tensor]) -> None:
    """Raises :class:`UserError` for scores that cannot be ranked."""
    for name, score in scores.items():
        if not torch.isfinite(score).all():
            raise UserError(f"scores of '{name}' hold NaN or infinite values; nothing to rank")
