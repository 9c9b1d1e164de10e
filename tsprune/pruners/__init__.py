"""Pruners know tensors and modules, never a forecaster by name.

Sparsity has four orthogonal parts: score (which weights matter), scope (ranked within a layer or across the model),
schedule (when) and structure (what is removed together). Here, all in one shot: single weights and n of each m by
magnitude, and whole channels, features and modes to a target.
"""

from tsprune.pruners.depgraph import depgraph_paper
from tsprune.pruners.magnitude import DENSITIES, magnitude_masks, magnitude_scores, select
from tsprune.pruners.masks import (
    Density,
    HeldMasks,
    apply_masks,
    density,
    layer_densities,
    prunable_weights,
    pruned,
)
from tsprune.pruners.nm import NMMasks, nm_masks
from tsprune.pruners.structured import Group, StructuredResult, structured_prune

__all__ = [
    "DENSITIES",
    "Density",
    "Group",
    "HeldMasks",
    "NMMasks",
    "StructuredResult",
    "apply_masks",
    "density",
    "depgraph_paper",
    "layer_densities",
    "magnitude_masks",
    "magnitude_scores",
    "nm_masks",
    "prunable_weights",
    "pruned",
    "select",
    "structured_prune",
]
