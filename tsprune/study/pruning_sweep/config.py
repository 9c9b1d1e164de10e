"""Parameters of notebook 01."""

from typing import Annotated

from pydantic import Field

from tsprune.study.base.config import ONCE, Part
from tsprune.study.why.config import Why


class PruningSweep(Why):
    """Notebook 01: one-shot magnitude and structured pruning without retraining, and why it fails where it does."""

    structured_densities: Annotated[list[Part], ONCE]
    """Share of all parameters left by structured pruning; [] for none."""
    depgraph_paper: bool
    """Beside each structured density, the paper's protocol asked for the same."""
    two_of_four: bool
    """2:4 masks as well."""
    latency_repeats: Annotated[int, Field(ge=0)]
    """Timed forecasts per variant and batch size, first seed; 0: not measured."""
