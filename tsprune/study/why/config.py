"""Parameters of the part of notebook 01 that asks why a prune fails."""

from typing import Annotated

from tsprune.pruners.selection import Scope
from tsprune.study.base.config import ONCE, SOME, Dataset, Positive, StudyConfig
from tsprune.typed import AboveZero, Between


class Why(StudyConfig):
    """Groups of weights pruned alone and together, on the study's dataset and on others."""

    densities: Annotated[list[AboveZero], SOME, ONCE]
    """Share of prunable weights kept (the first paper: powers of 0.8); 1.0 is dense and always included."""
    scopes: Annotated[list[Scope], SOME, ONCE]
    """Where weights are ranked: "layer", every tensor cut alike, or "global", one ranking over all tensors."""
    crossformer_own: bool = False
    """Crossformer with the look-back, segments and training of its own code, comparable with no other model here."""
    why_datasets: Annotated[list[Dataset], ONCE]
    """Other datasets for the question why a prune fails, with the same recipe; [] for none.

    Names or paths; the study's own is always included."""
    why_densities: Annotated[list[Between], SOME, ONCE]
    """Share kept of a group of weights that is pruned alone."""
    why_windows: Positive
    """Test windows, evenly spaced, on which groups are pruned alone.

    All of them where there are not so many."""

    def every_dataset(self) -> list[str]:
        return list(dict.fromkeys((self.dataset, *self.why_datasets)))
