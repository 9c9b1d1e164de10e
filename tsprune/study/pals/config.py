"""Parameters of notebook 05."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tsprune.errors import unknown
from tsprune.steps.sparse import Signal
from tsprune.study.base.config import ONCE, SOME, Part, Positive, StudyConfig


class SparseTraining(StudyConfig):
    """Notebook 05: PALS, its rivals, and what its decisions really do."""

    gamma: Annotated[float, Field(gt=1)]
    """PALS: pace of shrinking and expanding."""
    lam: Annotated[float, Field(ge=1)]
    """PALS: how far the loss may lie above the best one, as a factor."""
    every: Positive
    """Optimiser steps between two updates of the masks."""
    signal: Signal
    """What PALS looks at."""
    rivals: Annotated[list[Literal["static", "one_shot", "gmp", "granet", "set", "rigl"]], ONCE]
    densities: Annotated[list[Part], SOME, ONCE]
    """Densities of the rivals, over prunable weights."""
    ablation_models: Annotated[list[str], ONCE]
    """Models of the ablations, of the sensitivity to gamma, lambda and the interval, and of the signals' agreement."""
    gammas: Annotated[list[Annotated[float, Field(gt=1)]], ONCE]
    lams: Annotated[list[Annotated[float, Field(ge=1)]], ONCE]
    intervals: Annotated[list[Positive], ONCE]
    """Other values of ``every``."""

    @model_validator(mode="after")
    def _ablation_models_are_trained(self) -> Self:
        for name in self.ablation_models:
            if name not in self.models:
                raise ValueError("ablation_models: " + unknown("model", name, self.models))
        return self

    def grid(self) -> list[tuple[float, float]]:
        """Pairs of gamma and lambda other than the default one."""
        return [(g, lam) for g in self.gammas for lam in self.lams if (g, lam) != (self.gamma, self.lam)]
