"""One-shot unstructured pruning by magnitude."""

from collections.abc import Collection

from torch import Tensor, nn

from tsprune.errors import UserError
from tsprune.layers.decomposition import TrendProjection
from tsprune.pruners.allocation import need_share
from tsprune.pruners.masks import Masked, Masks, prunable_weights
from tsprune.pruners.ranking import largest_anywhere
from tsprune.pruners.scores import magnitude
from tsprune.pruners.selection import Selection, check_finite, select

__all__ = ["DENSITIES", "authors_masks", "magnitude_masks", "magnitude_scores", "select"]

DENSITIES = tuple(round(0.8**i, 10) for i in range(11))
"""The first paper's grid: 0.8^i for i = 0..10, from dense to 10.7 % (arXiv 2412.12883, section 4)."""


def magnitude_masks(model: nn.Module, density: float, scope: Selection) -> Masks:
    """Keep the weights of largest absolute value, the share ``density`` of all, as ``scope`` allots them to the layers
    (:func:`tsprune.pruners.select`)."""
    return select(magnitude_scores(model), density, scope)


def magnitude_scores(model: nn.Module) -> dict[str, Tensor]:
    """Absolute value of every prunable weight."""
    return magnitude(model).scores


def authors_masks(model: nn.Module, density: float, widths: Collection[int] = (1, 7)) -> Masked:
    """Magnitude masks as the first paper's public code sets them (arXiv 2412.12883): one ranking over the weights of
    linear maps and convolutions only, of which the share ``density`` stays.

    Left are all raw parameters (Fourier weights, routers, positions) and, by that code's rule, every layer whose output
    is as wide as one of ``widths``: 1 or 7, for Crossformer 1 or the number of variables. A layer may lose all its
    weights. Raises :class:`UserError` for a density outside (0, 1], or if nothing can be ranked.
    """
    need_share("density", density)
    owners = {id(p): module for module in model.modules() for p in module.parameters(recurse=False)}
    left = {name: why for name, w in prunable_weights(model).items() if (why := _authors_leave(owners[id(w)], widths))}
    scores = {name: score for name, score in magnitude_scores(model).items() if name not in left}
    if not scores:
        raise UserError(f"{type(model).__name__} has no layer that the first paper's protocol prunes")
    check_finite(scores)
    count = round(density * sum(s.numel() for s in scores.values()))
    return Masked(dict(zip(scores, largest_anywhere(list(scores.values()), count), strict=True)), left)


def _authors_leave(owner: nn.Module, widths: Collection[int]) -> str | None:
    if not isinstance(owner, (nn.Linear, nn.Conv1d)):
        return f"not the weight of a Linear or Conv1d but of {type(owner).__name__}"
    # Their trend projection is a convolution to so many channels; ours is one product for its three taps.
    width = owner.channels if isinstance(owner, TrendProjection) else owner.weight.shape[0]
    return f"its output is {width} wide" if width in widths else None
