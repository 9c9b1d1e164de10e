"""N:M sparsity: of every m neighbouring weights along a layer's input, the n of highest score stay."""

from collections.abc import Sequence
from numbers import Integral

import torch
from torch import Tensor, nn

from tsprune.errors import UserError
from tsprune.pruners.masks import Masked, owners, prunable_weights
from tsprune.pruners.scores import magnitude
from tsprune.pruners.selection import check_finite


def nm_masks(model: nn.Module, n: int = 2, m: int = 4, scores: dict[str, Tensor] | None = None) -> Masked:
    """Masks that keep exactly ``n`` of each ``m`` neighbours along the input (2:4: Mishra et al. 2021,
    arXiv 2104.08378).

    For the weight ``(outputs, inputs)`` of every Linear whose ``inputs`` is a multiple of ``m``; each output row keeps
    ``n / m`` of its weights. ``scores``: by parameter name, of the weights' shapes; None: magnitude. Among equal scores
    the lower index stays. Raises :class:`UserError` unless 0 < n < m, and for scores that are not finite.
    """
    need_pattern((n, m))
    if scores is None:
        scores = magnitude(model).scores
    owner = owners(model)
    masks, left = {}, {}
    for name, weight in prunable_weights(model).items():
        if why := ungrouped(weight, owner[id(weight)], m):
            left[name] = why
        elif name not in scores:
            left[name] = "it has no score"
        elif scores[name].shape != weight.shape:
            ours, theirs = tuple(scores[name].shape), tuple(weight.shape)
            raise UserError(f"scores of '{name}' have shape {ours}, the weight has {theirs}")
        else:
            check_finite({name: scores[name]})
            groups = scores[name].unflatten(1, (-1, m))
            best = groups.sort(dim=-1, descending=True, stable=True).indices[..., :n]
            masks[name] = torch.zeros_like(groups, dtype=torch.bool).scatter_(-1, best, True).flatten(1)
    return Masked(masks, left)


def ungrouped(weight: Tensor, owner: nn.Module, m: int) -> str | None:
    """Why the inputs of ``weight``, which belongs to ``owner``, do not fall into groups of ``m``; None if they do."""
    if not (isinstance(owner, nn.Linear) and weight is owner.weight):
        return f"not the weight of a Linear but of {type(owner).__name__}"
    return f"its {weight.shape[1]} inputs are not a multiple of {m}" if weight.shape[1] % m else None


def need_pattern(pattern: Sequence[int]) -> None:
    """Raise :class:`UserError` unless these are two whole numbers, 0 < n < m."""
    if len(pattern) != 2 or not all(isinstance(each, Integral) for each in pattern) or not 0 < pattern[0] < pattern[1]:
        raise UserError(f"n:m = {':'.join(map(str, pattern))}: allowed is 0 < n < m in whole numbers, as in 2:4")
