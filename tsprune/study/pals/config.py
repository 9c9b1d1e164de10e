"""Parameters of notebook 05."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from tsprune.errors import unknown
from tsprune.pruners.methods import METHODS
from tsprune.steps.sparse import Signal
from tsprune.study.base.config import ONCE, SOME, Part, Positive, StudyConfig

RIVALS = tuple(name for name in METHODS if name not in ("dense", "pals"))
"""Every method of sparse training but PALS itself and none at all."""


def _known_rival(name: str) -> str:
    if name not in RIVALS:
        raise ValueError(unknown("rival", name, RIVALS))
    return name


Rival = Annotated[str, AfterValidator(_known_rival)]


class SparseTraining(StudyConfig):
    """Notebook 05: PALS, its rivals, and what its decisions really do."""

    gamma: Annotated[float, Field(gt=1)]
    """PALS: pace of shrinking and expanding (the paper: the best of 1.05, 1.1, 1.2)."""
    lam: Annotated[float, Field(ge=1)]
    """PALS: how far the loss may lie above the best one, as a factor (the paper: the best of 1.05, 1.1, 1.2)."""
    every: Positive
    """Training steps between two updates of the masks (the paper: 20)."""
    signal: Signal
    """What PALS looks at: "whole" validation set, a fixed random "subset" of it, or the "training loss"."""
    rivals: Annotated[list[Rival], ONCE, Field(description=f"Methods told their density: of {', '.join(RIVALS)}.")]
    densities: Annotated[list[Part], SOME, ONCE]
    """Densities of the rivals, share of prunable weights kept."""
    ablation_models: Annotated[list[str], ONCE]
    """Models of the ablations, the sensitivity and the signals' agreement; [] for none."""
    gammas: Annotated[list[Annotated[float, Field(gt=1)]], ONCE]
    """Sensitivity: gamma, every pair with lams."""
    lams: Annotated[list[Annotated[float, Field(ge=1)]], ONCE]
    """Sensitivity: lam, every pair with gammas."""
    intervals: Annotated[list[Positive], ONCE]
    """Sensitivity: training steps between two updates, other values of every."""

    @model_validator(mode="after")
    def _ablation_models_are_trained(self) -> Self:
        for name in self.ablation_models:
            if name not in self.models:
                raise ValueError("ablation_models: " + unknown("model", name, self.models))
        return self

    def grid(self) -> list[tuple[float, float]]:
        """Pairs of gamma and lambda other than the default one."""
        return [(g, lam) for g in self.gammas for lam in self.lams if (g, lam) != (self.gamma, self.lam)]
