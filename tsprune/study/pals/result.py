"""Study 05's tables: their columns and vocabulary, for the cells that fill them and for all that reads them."""

import math
from dataclasses import dataclass

import pandas as pd

from tsprune.report.cases import CASE
from tsprune.report.frames import finished
from tsprune.report.text import density_text
from tsprune.study.base.result import StudyResult

ABLATIONS: dict[str, dict] = {
    "never expands": {"expands": False},
    "regrown from zero": {"regrown": "zero"},
    "no cap": {"max_sparsity": 0.99},
    "no lower bound": {"min_sparsity": 0.0},
    "one ranking for all layers": {"scope": "global"},
    "moments reset": {"reset_moments": True},
    "from density 0.5": {"density": 0.5},
    "from density 0.2": {"density": 0.2},
    "from density 0.1": {"density": 0.1},
}
"""One switch each, on top of PALS as its code runs it."""

PUBLISHED = {"cells": 30, "better_mse": 12, "better_mae": 14, "parameters": 0.65, "macs": 0.63}
"""What the abstract of arXiv 2305.18382 reports: cells better than dense, each a dataset and a model averaged over
horizons; mean reduction of parameters and FLOPs."""


@dataclass(frozen=True)
class SparseTrainingResult(StudyResult):
    """``cells`` has a row per arm, model, horizon and seed, with its ``group`` and, relative to dense,
    ``mse_relative``, ``mae_relative``, ``macs_share``, ``training_macs_share``, ``time_share``; ``every`` and, of PALS,
    ``gamma``, ``lam``, ``cap`` (the sparsity beyond which it never shrinks).

    Groups: ``dense``; ``control``, a dense training whose best epoch is one of the last; ``PALS``; ``search``, PALS
    with gamma and lambda chosen by validation loss, whose costs are those of all its ``runs``; ``rival``, at a density
    from the parameters; ``equal``, a rival at the density of PALS of the same model and seed; ``signal``, ``ablation``
    and ``sensitivity``, PALS with one thing changed. ``epochs_from`` is the first epoch that may be the best.
    """

    updates: pd.DataFrame
    """A row per update of PALS where the training finished, of the search those of the setting that it chose: ``step``,
    ``decision``, ``sparsity`` after it (``sparsity_counted``: as it is held against the cap), and the ``loss`` it
    looked at."""
    agreement: pd.DataFrame
    """How often another signal would have decided as the whole validation set did, at the same updates."""
    comparisons: pd.DataFrame
    """Paired block bootstrap of ``arm`` against ``against``: PALS as in its code against dense, each rival and PALS as
    in the paper; every ablation, setting and other signal against PALS as in its code; every rival against dense, and
    against dense of the same epochs where it settles late; rivals at the density of PALS against each other; PALS with
    its setting searched against dense and against its one setting."""
    horizons: pd.DataFrame
    """Final sparsity of PALS per model and horizon, with its setting searched where it was, beside the published one
    where there is one."""
    counts: dict[str, float]
    """Of PALS as in its code with one setting: the models (``cells``, errors averaged over horizons and seeds), how
    many of them are better than dense by MSE and by MAE, and the mean shares of ``parameters`` and of multiply-adds
    (``macs``) saved."""
    counts_searched: dict[str, float]
    """Likewise with the setting searched; empty where it was not searched for every model."""
    published_counts: dict[str, float]
    """The same as its paper reports it, where our cells are of the same kind, else empty."""
    counts_alone: str
    """Why nothing published stands beside ``counts``; empty where something does."""


CODE, PAPER = "PALS as in its code", "PALS as in the paper"

SEARCHED = "PALS, its setting searched"


def at_pals(rival: str) -> str:
    """Label of a rival at the density of PALS."""
    return f"{rival} at PALS's density"


CONTROL = "dense, best from epoch "


def dense_from(epoch: int) -> str:
    """Label of dense whose best epoch is this one or a later one; begins with :data:`CONTROL`."""
    return f"{CONTROL}{epoch} on"


CELLS = ["dataset", "model", "pred_len", "seed", "arm", "group", "status", "density", "mse", "mse_relative"]

UPDATES = ["model", "pred_len", "seed", "arm", "step", "decision", "sparsity", "sparsity_counted", "loss"]

COMPARISONS = ["model", "pred_len", "arm", "against", "relative", "low", "high", "clear", "seeds"]

COSTS = ["macs_share", "training_macs_share", "time_share"]


SIMILAR = 1.5
"""A rival is compared at similar density: within this factor."""


def rivals_alike(cells: pd.DataFrame, comparisons: pd.DataFrame) -> pd.DataFrame:
    """Those of ``comparisons`` that set PALS as in its code against a rival at its own density; where none was run, at
    a similar one (SIMILAR)."""
    equal = set(cells.loc[cells["group"] == "equal", "arm"])
    if equal:
        return comparisons[(comparisons["arm"] == CODE) & comparisons["against"].isin(equal)]
    density = finished(cells).groupby([*CASE, "arm"])["density"].mean()
    rivals = set(cells.loc[cells["group"] == "rival", "arm"])
    pairs = comparisons[(comparisons["arm"] == CODE) & comparisons["against"].isin(rivals)]
    near = []
    for row in pairs.to_dict("records"):
        case = row["model"], row["pred_len"]
        ratio = density.get((*case, CODE), math.nan) / density.get((*case, row["against"]), math.nan)
        near.append(1 / SIMILAR <= ratio <= SIMILAR)
    return pairs[pd.Series(near, index=pairs.index, dtype=bool)]


def wholly_searched(cells: pd.DataFrame) -> bool:
    """Whether the setting was searched for every model and horizon at which PALS finished: as its authors run it."""
    cases = [set(finished(cells[cells["arm"] == arm])[CASE].itertuples(index=False)) for arm in (CODE, SEARCHED)]
    return bool(cases[1]) and cases[0] <= cases[1]


TOLD = ("rival", "equal")
"""Groups of methods that are told their density."""


def alike_words(cells: pd.DataFrame) -> str:
    """What :func:`rivals_alike` compares with."""
    if (cells["group"] == "equal").any():
        return "rivals at its own density"
    return f"rivals of similar density (within a factor of {SIMILAR:g})"


def density_reached(done: pd.DataFrame) -> str:
    """Mean over the seeds, with the range where it shows."""
    if done.empty:
        return ""
    low, mean, high = (
        density_text(value) for value in (done["density"].min(), done["density"].mean(), done["density"].max())
    )
    return mean if low == high else f"{mean} ({low} to {high})"
