"""One-shot unstructured pruning: a score per weight, a scope to rank in, an exact number kept.

The masks are nested (a lower density keeps a subset of what a higher one keeps), because the ranking does not depend
on the density: by score, ties by index.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from tsprune.errors import UserError, unknown
from tsprune.pruners.masks import Masks, prunable_weights
from tsprune.pruners.ranking import largest, largest_anywhere

Scope = Literal["layer", "global"]

DENSITIES = tuple(round(0.8**i, 10) for i in range(11))
"""The first paper's grid: 0.8^i for i = 0..10, from dense to 10.7 % (arXiv 2412.12883, section 4)."""


def magnitude_masks(model: nn.Module, density: float, scope: Scope) -> Masks:
    """Keep the weights of largest absolute value: the share ``density`` of each layer, or of the whole model."""
    return select(magnitude_scores(model), density, scope)


def magnitude_scores(model: nn.Module) -> dict[str, Tensor]:
    """Absolute value of every prunable weight."""
    return {name: w.detach().abs() for name, w in prunable_weights(model).items()}


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
    for name, score in scores.items():
        if not torch.isfinite(score).all():
            raise UserError(f"scores of '{name}' hold NaN or infinite values; nothing to rank")
    if not scores:
        return {}
    if scope == "layer":
        counts = [max(1, round(density * s.numel())) for s in scores.values()]
        return dict(zip(scores, largest(list(scores.values()), counts), strict=True))
    count = max(round(density * sum(s.numel() for s in scores.values())), len(scores))
    return dict(zip(scores, largest_anywhere(list(scores.values()), count, one_each=True), strict=True))
