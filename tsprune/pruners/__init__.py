"""Pruners know tensors and modules, never a forecaster by name.

Sparsity has four orthogonal parts: score (which weights matter), scope (ranked within a layer or across the model),
schedule (when) and structure (what is removed together). Here: magnitude scores, both scopes, one shot, unstructured.
"""

from tsprune.pruners.magnitude import DENSITIES, magnitude_masks, magnitude_scores, select
from tsprune.pruners.masks import (
    Density,
    apply_masks,
    density,
    hold_masks,
    layer_densities,
    prunable_weights,
    pruned,
)
from tsprune.pruners.nm import NMMasks, nm_masks

__all__ = [
    "DENSITIES",
    "Density",
    "NMMasks",
    "apply_masks",
    "density",
    "hold_masks",
    "layer_densities",
    "magnitude_masks",
    "magnitude_scores",
    "nm_masks",
    "prunable_weights",
    "pruned",
    "select",
]
