"""Parameters of notebook 05."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from tsprune.pruners.methods import list_methods
from tsprune.steps.sparse import Signal
from tsprune.study.base.config import ONCE, Positive, StudyConfig, among
from tsprune.typed import Between

RIVALS: dict[str, tuple[str, dict]] = {name: (name, {}) for name in list_methods(asks_density=True)} | {
    score: ("static", {"score": score, "distribution": "global"}) for score in ("snip", "synflow")
}
"""Every method that is told its density, with the fields that make it: else it runs as its authors publish it. The last
two are masks chosen before training."""


Rival = Annotated[str, among("rival", lambda: RIVALS)]


class SparseTraining(StudyConfig):
    """Notebook 05: PALS, its rivals, and what its decisions really do."""

    gamma: Annotated[float, Field(gt=1)]
    """PALS: pace of shrinking and expanding (the paper: the best of 1.05, 1.1, 1.2)."""
    lam: Annotated[float, Field(ge=1)]
    """PALS: how far the loss may lie above the best one, as a factor (the paper: the best of 1.05, 1.1, 1.2)."""
    every: Positive
    """Training steps between two updates of the masks (the paper: 20, on ILI 5)."""
    signal: Signal
    """What PALS looks at: "whole" validation set, a fixed random "subset" of it, or the "training loss"."""
    rivals: Annotated[list[Rival], ONCE, Field(description=f"Methods told their density: of {', '.join(RIVALS)}.")]
    densities: Annotated[list[Between], ONCE]
    """Densities of the rivals, share of prunable weights kept."""
    at_pals_density: bool
    """Run each rival once more at the density that PALS reached, for every model and seed."""
    ablation_models: Annotated[list[str], ONCE]
    """Models of the ablations, the sensitivity and the signals' agreement; [] for none."""
    gammas: Annotated[list[Annotated[float, Field(gt=1)]], ONCE]
    """Sensitivity: gamma, every pair with lams."""
    lams: Annotated[list[Annotated[float, Field(ge=1)]], ONCE]
    """Sensitivity: lam, every pair with gammas."""
    intervals: Annotated[list[Positive], ONCE]
    """Sensitivity: training steps between two updates, other values of every."""
    search: bool
    """Let validation choose among gammas x lams, as in the paper, and charge PALS for all these runs."""

    @model_validator(mode="after")
    def _ablation_models_are_trained(self) -> Self:
        for name in self.ablation_models:
            if name not in self.models:
                raise ValueError(f"ablation_models: {name} is not one of models = {self.models}")
        return self

    @model_validator(mode="after")
    def _rivals_have_a_density(self) -> Self:
        if self.rivals and not self.densities and not self.at_pals_density:
            raise ValueError("densities = []: rivals need one, unless at_pals_density = True")
        return self

    @model_validator(mode="after")
    def _a_search_has_a_choice(self) -> Self:
        if self.search and (not self.ablation_models or len(self.gammas) * len(self.lams) < 2):
            raise ValueError("search = True: needs ablation_models, and two or more pairs of gammas x lams")
        return self

    def grid(self) -> list[tuple[float, float]]:
        """Pairs of gamma and lambda other than the default one."""
        return [(g, lam) for g in self.gammas for lam in self.lams if (g, lam) != (self.gamma, self.lam)]
