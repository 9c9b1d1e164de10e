"""Parameters of notebook 01."""

from typing import Annotated

from pydantic import Field

from tsprune.steps.by_score import list_ways
from tsprune.study.base.config import MOST, ONCE, Positive, among
from tsprune.study.why.config import Why
from tsprune.typed import Between


class PruningSweep(Why):
    """Notebook 01: one-shot magnitude and structured pruning without retraining, and why it fails where it does."""

    scores: Annotated[list[str], ONCE, among("score", list_ways)]
    """Ways to choose weights beside magnitude, each ranked in the scope its paper uses; [] for none.

    Those of ``tsprune.pruners.list_scores()``, and "sparsegpt", which also moves the weights that stay. Magnitude is
    always there to compare with."""
    score_densities: Annotated[list[Between], ONCE]
    """Share of prunable weights kept where scores are compared; [] for none.

    Where there are 2:4 masks as well, scores are compared there too."""
    calibration_windows: Positive
    """Training windows, evenly spaced, that a score looks at if it looks at any."""
    authors_paper: bool
    """The first paper's own way to set masks as well, at score_densities."""
    authors_steps: Annotated[int, Field(ge=0, le=MOST)]
    """Steps of that paper's structured pruning to its end, tested after each (its code: 50); 0: not run."""
    structured_densities: Annotated[list[Between], ONCE]
    """Share of all parameters left by structured pruning; [] for none."""
    depgraph_paper: bool
    """Torch-pruning as well, with each structured density as its ratio of channels."""
    two_of_four: bool
    """2:4 masks as well."""
    latency_repeats: Annotated[int, Field(ge=0, le=MOST)]
    """Timed forecasts per variant and batch size, first seed; 0: not measured."""
