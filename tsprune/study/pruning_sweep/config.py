"""Parameters of notebook 01."""

from typing import Annotated

from pydantic import Field

from tsprune.pruners.magnitude import Scope
from tsprune.study.base.config import ONCE, SOME, Dataset, Part, Positive, Share, StudyConfig


class PruningSweep(StudyConfig):
    """Notebook 01: one-shot unstructured magnitude pruning without retraining."""

    densities: Annotated[list[Share], SOME, ONCE]
    """Share of prunable weights kept; 1.0 is dense and is always included."""
    scopes: Annotated[list[Scope], SOME, ONCE]
    """``layer``: every tensor keeps the same share; ``global``: one ranking over all of them."""
    structured_densities: Annotated[list[Part], ONCE]
    """Share of all parameters left by structured pruning; empty: none."""
    depgraph_paper: bool
    """True: beside each structured density, the paper's protocol asked for the same."""
    two_of_four: bool
    """True: 2:4 masks as well."""
    latency_repeats: Annotated[int, Field(ge=0)]
    """Timed forecasts per variant and batch size, first seed; 0: latency is not measured."""
    why_datasets: Annotated[list[Dataset], ONCE]
    """Other datasets on which it is asked why a prune fails, as names or paths; the study's own is always included."""
    why_densities: Annotated[list[Part], SOME, ONCE]
    """Share kept of a group of weights that is pruned alone."""
    why_windows: Positive
    """Test windows, evenly spaced, on which groups are pruned alone; all of them where there are not so many."""
