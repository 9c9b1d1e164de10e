"""Parameters of notebook 01."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from tsprune.data import CATALOG
from tsprune.errors import unknown
from tsprune.pruners.magnitude import Scope
from tsprune.study.config.common import ONCE, SOME, Part, Positive, Share, StudyConfig, is_path
from tsprune.study.places import resolve


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
    why_datasets: Annotated[list[str], ONCE]
    """Other datasets on which it is asked why a prune fails, as names or paths; the study's own is always included."""
    why_densities: Annotated[list[Part], SOME, ONCE]
    """Share kept of a group of weights that is pruned alone."""
    why_windows: Positive
    """Test windows, evenly spaced, on which groups are pruned alone; all of them where there are not so many."""

    @field_validator("why_datasets")
    @classmethod
    def _known_datasets(cls, names: list[str]) -> list[str]:
        """They are loaded last: a name that does not exist is an error now."""
        for name in names:
            if name not in CATALOG and not (is_path(name) and (Path(name).exists() or resolve(name).exists())):
                raise ValueError(unknown("dataset", name, CATALOG) + ", or the path of a CSV file")
        return names
