"""From scores to masks: an allocation to the tensors, an exact number kept.

The masks are nested (a lower density keeps a subset of what a higher one keeps), because the ranking does not depend
on the density: by score, ties by index.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from tsprune.errors import UserError, unknown
from tsprune.pruners.allocation import Allocation, by_shape, lamp
from tsprune.pruners.masks import Masks, need_numbers, need_share
from tsprune.pruners.ranking import largest, largest_anywhere

Scope = Literal["layer", "global"]
Selection = Literal["layer", "global", "erk", "lamp", "output"]


def select(scores: dict[str, Tensor], density: float, scope: Selection) -> Masks:
    """Masks that keep exactly ``round(density * n)`` weights of highest score, and at least one in every tensor.

    ``scope="layer"`` keeps the same share of each tensor, ``"erk"`` a larger one of small tensors, both ranked within
    the tensor. ``scope="global"`` ranks over all of them, in the order of ``scores``, and ``"lamp"`` does so by scores
    that are made comparable first (:func:`tsprune.pruners.allocation.lamp`); each tensor's best weight is kept first,
    so no layer is cut off entirely. ``scope="output"`` keeps the same share of each tensor and of each of its rows,
    that is of the weights that lead to one output (Wanda: Sun et al. 2023, arXiv 2306.11695, section 3).

    Raises :class:`UserError` for a density outside (0, 1], an unknown scope, or scores that are not finite.
    """
    need_share("density", density)
    if scope not in get_args(Selection):
        raise UserError(unknown("scope", scope, get_args(Selection)))
    check_finite(scores)
    if not scores:
        return {}
    count = round(density * sum(s.numel() for s in scores.values()))
    if scope == "output":
        counts = by_shape([s.shape for s in scores.values()], count, "layer")
        return {name: best_of_rows(s, kept) for (name, s), kept in zip(scores.items(), counts, strict=True)}
    return dict(zip(scores, best(list(scores.values()), count, scope), strict=True))


def best(
    scores: Sequence[Tensor],
    count: int,
    scope: Allocation,
    among: Sequence[Tensor] | None = None,
    most: Sequence[int] | None = None,
) -> list[Tensor]:
    """Bool tensors, True at the ``count`` highest scores as ``scope`` allots them, at least one in each.

    ``among``: only entries that are True there are chosen; ``most``: how many those are, tensor by tensor.
    """
    most = [s.numel() for s in scores] if most is None else most
    if scope in ("layer", "erk"):
        return largest(scores, by_shape([s.shape for s in scores], count, scope, most), among)
    if scope == "lamp":
        existing = scores if among is None else [s * mask for s, mask in zip(scores, among, strict=True)]
        scores = [lamp(s) for s in existing]
    return largest_anywhere(scores, min(max(count, len(scores)), sum(most)), among, one_each=True)


def best_of_rows(score: Tensor, count: int) -> Tensor:
    """True at the ``count`` highest of ``score``, as many in each row; the first rows have what is over."""
    rows = score.flatten(1).sort(dim=1, descending=True, stable=True).indices
    each, over = divmod(count, len(rows))
    wanted = torch.arange(rows.shape[1], device=score.device) < each + (
        torch.arange(len(rows), device=score.device) < over
    ).unsqueeze(1)
    return torch.zeros_like(wanted).scatter_(1, rows, wanted).view(score.shape)


def check_finite(scores: dict[str, Tensor]) -> None:
    """Raises :class:`UserError` for scores that cannot be ranked."""
    need_numbers(scores)
    for name, score in scores.items():
        if not torch.isfinite(score).all():
            raise UserError(f"scores of '{name}' hold NaN or infinite values; nothing to rank")
