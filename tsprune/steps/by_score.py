"""One name per way to choose weights, each as its authors use it: the score, where it is ranked, what moves."""

from tsprune.pruners import Selection, list_scores
from tsprune.steps.calibration import needs_calibration
from tsprune.steps.prune import NMStep, PruneStep
from tsprune.steps.second_order import SecondOrderStep
from tsprune.steps.train import TrainStep

UPDATED = "sparsegpt"
"""Second order with the update of the weights that stay, which is no score alone."""

SCOPES: dict[str, Selection] = {
    "wanda": "output",  # arXiv 2306.11695, section 3: within each output
    "lamp": "global",  # arXiv 2010.07611, section 2: the score is made for one ranking over all
    "taylor": "global",  # arXiv 1611.06440, section 2.2, there of channels over all layers
    "snip": "global",  # arXiv 1810.02340, section 4
    "synflow": "global",  # arXiv 2006.05467, algorithm 1
}
"""Where a score's paper ranks it; those not named, within each layer."""


def list_ways() -> list[str]:
    """Every score of the registry, and second order with its update; sorted."""
    return sorted([*list_scores(), UPDATED])


def own_scope(way: str) -> Selection:
    """Where weights are ranked under this name."""
    return SCOPES.get(way, "layer")


def pruned_by(trained: TrainStep, way: str, density: float, windows: int) -> PruneStep | SecondOrderStep:
    """The step that cuts ``trained`` to ``density`` in this way; ``windows``: training windows to look at, if any.

    Raises :class:`tsprune.errors.UserError` for an unknown way.
    """
    if way == UPDATED:
        return SecondOrderStep(trained=trained, density=density, calibration_windows=windows)
    seen = windows if needs_calibration(way) else 0
    return PruneStep(trained=trained, score=way, scope=own_scope(way), density=density, calibration_windows=seen)


def half_pruned_by(trained: TrainStep, way: str, windows: int) -> NMStep | SecondOrderStep:
    """As :func:`pruned_by`, but 2:4: ranked within each four neighbouring inputs, whatever the way's own scope."""
    if way == UPDATED:
        return SecondOrderStep(trained=trained, structure="2:4", calibration_windows=windows)
    seen = windows if needs_calibration(way) else 0
    return NMStep(trained=trained, score=way, calibration_windows=seen)
