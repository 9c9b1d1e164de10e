"""Pruners know tensors and modules, never a forecaster by name.

Sparsity has four orthogonal parts: score (which weights matter: ``scores``), scope (how many each layer keeps:
``allocation``, ``selection``), schedule (when: ``schedules``) and structure (what is removed together: single weights,
n of each m in ``nm``, whole channels, features and modes in ``structured``). A method of sparse training combines them
while a model is trained (``dynamic``, ``methods``).
"""

import importlib
import pkgutil

from tsprune.pruners.allocation import Allocation
from tsprune.pruners.depgraph import Unprunable, depgraph_paper, depgraph_to_the_end
from tsprune.pruners.magnitude import DENSITIES, authors_masks, magnitude_masks, magnitude_scores
from tsprune.pruners.masks import (
    Density,
    HeldMasks,
    Masked,
    apply_masks,
    density,
    layer_densities,
    prunable_weights,
    pruned,
)
from tsprune.pruners.nm import nm_masks
from tsprune.pruners.scores import Calibration, Scored, list_scores, score_weights
from tsprune.pruners.second_order import Reconstructed, second_order_prune
from tsprune.pruners.selection import Scope, Selection, select
from tsprune.pruners.structured import Group, StructuredResult, structured_prune

for _module in pkgutil.iter_modules(__path__):  # scores enter the registry when their file is imported
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = [
    "DENSITIES",
    "Allocation",
    "Calibration",
    "Density",
    "Group",
    "HeldMasks",
    "Masked",
    "Reconstructed",
    "Scope",
    "Scored",
    "Selection",
    "StructuredResult",
    "Unprunable",
    "apply_masks",
    "authors_masks",
    "density",
    "depgraph_paper",
    "depgraph_to_the_end",
    "layer_densities",
    "list_scores",
    "magnitude_masks",
    "magnitude_scores",
    "nm_masks",
    "prunable_weights",
    "pruned",
    "score_weights",
    "second_order_prune",
    "select",
    "structured_prune",
]
