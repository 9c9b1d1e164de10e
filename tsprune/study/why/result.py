"""The tables of why a prune fails: their columns and vocabulary, shared by those who fill and those who read them."""

from dataclasses import dataclass

import pandas as pd

from tsprune.errors import UserError, unknown
from tsprune.report.frames import need
from tsprune.report.status import STATUS_MIME, failed, not_run
from tsprune.report.text import counted
from tsprune.study.base.result import Findings

CARRIES = 0.5
"""Share of a cell's loss that a group, or the sum of all groups, must reach alone to count as its explanation."""

SLACK = 0.01
"""Share of the working weights that may go while it still counts as cutting free weights only."""

PAIR = ["dataset", "model", "pred_len"]

CELL = [*PAIR, "scope", "density_asked"]


@dataclass(frozen=True)
class WhyResult(Findings):
    """Tidy tables; a *pair* is a dataset, model and horizon. Losses are ``MSE / dense MSE - 1`` on the same windows."""

    cells: pd.DataFrame
    """A row per pair, scope and density below 1: ``mse_relative`` on the windows of this analysis,
    ``mse_relative_test`` on all test windows where the study has it, ``missed``; as shares, ``sparsity`` (asked),
    ``free_removed`` (dead or near zero, of the removed), ``working_removed`` (of all that are neither),
    ``norm_removed``; ``predicted`` (sum of the losses of the groups alone), ``top_group``, ``top_loss``,
    ``top_density``."""
    cell_groups: pd.DataFrame
    """A row per cell and group: ``density`` and ``norm_removed`` there, and ``alone``, its loss if pruned alone."""
    curves: pd.DataFrame
    """A row per pair, group and density asked of the group, 1 included: ``mse_relative`` with all else dense."""
    groups: pd.DataFrame
    """A row per pair and group: ``weights``, and how many of them are ``dead`` and ``near_zero``."""
    conditions: pd.DataFrame
    """A row per pair and scope: how far it ``keeps`` the accuracy, the first cell that misses, and which ``kind`` of
    failure that is; ``dead``, ``near_zero``: shares of the weights, ``without_free`` the MSE relative to dense when
    they all go; ``mse_dense`` and ``mse_repeat_last`` on all test windows."""
    predictors: pd.DataFrame
    """A row per predictor: rank correlation with the loss, over all cells and at equal density and scope."""
    windows: int
    """Test windows that this analysis looks at."""
    notes: tuple[str, ...]
    """Datasets that could not be had, a line each, as Markdown."""

    @property
    def failures(self) -> int:
        """Pairs that ended without a result."""
        return failed(self._states)

    @property
    def _states(self) -> pd.Series:
        return self.conditions.drop_duplicates(PAIR)["status"]

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        pairs, waiting = len(self._states), not_run(self._states)
        text = f"{counted(pairs, 'model')} looked at group by group, {self.failures} without a result"
        text += f", {waiting} not run yet" if waiting else ""
        return {"text/plain": text, STATUS_MIME: {"cells": pairs, "failures": self.failures, "not_run": waiting}}


FREE = 0.05
"""Free weights are said to explain something from this share of the prunable weights on."""

LEAST_PAIRS = 3
"""Of model and dataset, that a rank correlation takes."""

PREDICTORS = {
    "sparsity": "share of weights removed",
    "working_removed": "share of working weights removed",
    "norm_removed": "norm removed",
    "predicted": "losses of the groups one by one, added up",
}
"""Columns of ``WhyResult.cells`` that might say which cell fails, with the words for them."""

PLAIN_PREDICTORS = {
    "sparsity": "how many weights are removed",
    "working_removed": "how many working weights are removed",
    "norm_removed": "how large the removed weights are",
    "predicted": "pruning its parts one by one and adding up",
}
"""The same for a reader outside the field."""


def predictor_words(name: str, words: dict[str, str] = PREDICTORS) -> str:
    """``name`` in ``words``. Raises UserError for a predictor that has none."""
    if name not in words:
        raise UserError(unknown("predictor", name, words))
    return words[name]


def correlation_text(value: float) -> str:
    """A correlation with two decimals and a proper minus."""
    return f"{value:.2f}".replace("-", "\u2212")


KINDS = {
    "one group": "one group alone costs at least half of the loss",
    "many groups": "the losses of many groups add up",
    "together": "groups that cost little one by one fail together",
    "free": "the failure begins where working weights go",
    "unclear": "the windows looked at show no loss",
    "not finite": "the forecast is not finite",
    "keeps": "does not fail within the grid",
    "no result": "no result",
    "not run": "not run yet",
}
"""Kinds of failure in ``WhyResult.conditions``, with the words for them."""


UNKNOWN = ("no result", "not run")
"""Kinds about which nothing is known, not even whether there is a failure."""


def need_kinds(conditions: pd.DataFrame) -> pd.DataFrame:
    """``conditions`` itself. Raises UserError for an empty table, a missing column, an unknown kind of failure."""
    need(conditions, "conditions", CONDITIONS)
    for kind in conditions["kind"].unique():
        if kind not in KINDS:
            raise UserError(unknown("kind of failure", kind, KINDS))
    return conditions


CONDITIONS = (
    *(*PAIR, "scope", "kind", "reason", "dead", "near_zero", "without_free", "cells", "missed", "keeps"),
    *("mse_dense", "mse_repeat_last"),
)

FIRST = ["density", "loss", "free_removed", "norm_removed", "predicted", "top_group", "top_loss", "top_density"]
