"""Parameters of notebook 02."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from tsprune.pruners.selection import Scope
from tsprune.steps.by_score import list_ways
from tsprune.study.base.config import MOST, ONCE, SOME, Positive, StudyConfig, among
from tsprune.typed import Between


class FineTuning(StudyConfig):
    """Notebook 02: what does fine-tuning after pruning bring back, and at what cost?"""

    densities: Annotated[list[Between], SOME, ONCE]
    """Share of prunable weights kept.

    The dense controls are always included."""
    scope: Scope
    """Where weights are ranked: "layer", every tensor cut alike, or "global", one ranking over all tensors."""
    fine_tune_epochs: Positive
    """Epochs of training after pruning, the same for every arm.

    None is stopped early."""
    fine_tune_learning_rate: Annotated[float, Field(gt=0)]
    """Learning rate of Adam after pruning."""
    stages: Annotated[int, Field(ge=2, le=MOST)]
    """Prunings of the iterative arm; they share the epochs evenly."""
    compared_densities: Annotated[list[float], ONCE]
    """Which of densities the iterative and the rewound arm run at as well; [] for none."""
    score: Annotated[str, among("score", list_ways)]
    """Other way to choose weights (see study 01), fine-tuned as well at compared_densities; "magnitude" for none."""
    calibration_windows: Positive
    """Training windows, evenly spaced, that a score looks at if it looks at any."""
    structured_densities: Annotated[list[Between], ONCE]
    """Share of all parameters left by structured pruning, fine-tuned as well; [] for none."""
    two_of_four: bool
    """2:4 masks, fine-tuned as well."""

    @model_validator(mode="after")
    def _compared_are_among_the_densities(self) -> Self:
        for density in self.compared_densities:
            if density not in self.densities:
                raise ValueError(f"compared_densities: {density} is not one of densities = {self.densities}")
        return self

    @model_validator(mode="after")
    def _stages_share_the_epochs(self) -> Self:
        if self.fine_tune_epochs % self.stages:
            raise ValueError(
                f"fine_tune_epochs = {self.fine_tune_epochs} cannot be shared evenly by stages = {self.stages}"
            )
        return self
