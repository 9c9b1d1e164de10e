"""One-shot unstructured pruning by magnitude."""

from torch import Tensor, nn

from tsprune.pruners.masks import Masks
from tsprune.pruners.scores import magnitude
from tsprune.pruners.selection import Scope, select

__all__ = ["DENSITIES", "Scope", "magnitude_masks", "magnitude_scores", "select"]

DENSITIES = tuple(round(0.8**i, 10) for i in range(11))
"""The first paper's grid: 0.8^i for i = 0..10, from dense to 10.7 % (arXiv 2412.12883, section 4)."""


def magnitude_masks(model: nn.Module, density: float, scope: Scope) -> Masks:
    """Keep the weights of largest absolute value: the share ``density`` of each layer, or of the whole model."""
    return select(magnitude_scores(model), density, scope)


def magnitude_scores(model: nn.Module) -> dict[str, Tensor]:
    """Absolute value of every prunable weight."""
    return magnitude(model).scores
