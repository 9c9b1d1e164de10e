"""Pruners know tensors and modules, never a forecaster by name.

Sparsity has four orthogonal parts: score (which weights matter: ``scores``), scope (how many each layer keeps:
``allocation``, ``selection``), schedule (when: ``schedules``) and structure (what is removed together: single weights, n of
each m in ``nm``, whole channels, features and modes in ``structured``). A method of sparse training combines them while
a model is trained (``dynamic``, ``methods``).
"""

from tsprune.pruners.allocation import Allocation
from tsprune.pruners.depgraph import depgraph_paper
from tsprune.pruners.magnitude import DENSITIES, magnitude_masks, magnitude_scores
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
from tsprune.pruners.scores import Calibration, Scored, list_scores, score_weights
from tsprune.pruners.selection import Scope, select
from tsprune.pruners.structured import Group, StructuredResult, structured_prune

__all__ = [
    "DENSITIES",
    "Allocation",
    "Calibration",
    "Density",
    "Group",
    "HeldMasks",
    "NMMasks",
    "Scope",
    "Scored",
    "StructuredResult",
    "apply_masks",
    "density",
    "depgraph_paper",
    "layer_densities",
    "list_scores",
    "magnitude_masks",
    "magnitude_scores",
    "nm_masks",
    "prunable_weights",
    "pruned",
    "score_weights",
    "select",
    "structured_prune",
]
