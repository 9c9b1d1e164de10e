"""Study 03's tables: their columns and vocabulary, for the cells that fill them and for all that reads them."""

from dataclasses import dataclass

import pandas as pd

from tsprune.errors import UserError, unknown
from tsprune.report.frames import need
from tsprune.report.text import density_text
from tsprune.study.base.result import StudyResult

WHOLE = "unpruned"
"""In the comparison's column ``axis``: against the large dense model that was not pruned."""

SLACK = 0.05
"""A dense model costs as little as a pruned one when it costs at most this share more."""


@dataclass(frozen=True)
class RightSizingResult(StudyResult):
    """``cells`` has every cell once; the other tables are views and comparisons of them."""

    sizes: pd.DataFrame
    """A row per arm, size and seed on all the data, with the four COSTS and what training took (TRAINING). ``width``,
    ``depth``: of the dense model; for a pruned one, of the dense model that it is made as small as."""
    comparison: pd.DataFrame
    """A row per pruned model, with and without fine-tuning, and axis: the dense model of best validation MSE among
    those that cost as little (``match_``), and the relative difference of the test MSE to it (positive: pruned is
    worse); the same against the costliest of those (``largest_``)."""
    distilled: pd.DataFrame
    """A row per distilled model and rival (RIVALS): the relative difference of the test MSE to it (positive: distilled
    is worse)."""
    data_map: pd.DataFrame
    """A row per share of the data, width, density (1: dense) and seed; all trained equally long."""
    choices: pd.DataFrame
    """Per share of the data: the width and density of best validation MSE, and how its test MSE there compares with
    that of what is best on all the data."""


COSTS = {
    "parameters": "Parameters",
    "macs_executed": "Multiply-adds per forecast",
    "latency_1_ms": "Latency of one window, ms",
    "latency_32_ms": "Latency of 32 windows, ms",
}
"""What two models can have in common besides their training, by column, as an axis says it."""

AXES = {
    "parameters": "no more parameters",
    "macs_executed": "no more multiply-adds",
    "latency_1_ms": "no more latency of 1 window",
    "latency_32_ms": "no more latency of 32 windows",
    WHOLE: "the large one, not pruned",
}
"""What the dense model of a comparison does not cost more of than the pruned one; the last is against the large model,
trained as long and not pruned."""

TRAINING = ["training_macs", "training_macs_large", "training_s", "training_s_large", "training_mib"]
"""What training took in multiply-adds and in seconds: all in, and the large model's part of it where the way needs it;
and the most MiB that a process, or its GPU, held. A window that is trained on counts as three forecasts, one that the
teacher forecasts as one."""

SIZES = ["dataset", "model", "pred_len", "seed", "arm", "width", "depth", *COSTS, *TRAINING, "mse", "status"]

COMPARISON = ["model", "pred_len", "arm", "width", "depth", "axis", "cost", "match_width", "match_depth", "match_cost"]

LARGEST = ["largest_width", "largest_depth", "largest_relative", "largest_clear", "largest_seeds"]
"""In the comparison: the dense model that costs most of those that cost no more, and the difference to it."""

RIVALS = {
    "alone": "the same size, trained alone",
    "affordable": "the best dense model as small",
    "pruned": "the large one pruned towards its size",
    "fine-tuned": "pruned towards its size and fine-tuned",
    WHOLE: "the large one that taught it",
}
"""What a distilled model is compared with, by the column ``rival`` of ``distilled``."""

DISTILLED = ["model", "pred_len", "width", "depth", "rival", "match_width", "match_depth"]

DIFFERENCE = ["relative", "low", "high", "clear", "seeds", "reason"]

MAP = ["model", "pred_len", "seed", "data_fraction", "width", "density_asked", "mse", "status"]

CHOICES = ["model", "pred_len", "data_fraction", "width", "density_asked", "parameters", "val_mse", "mse"]

ARM_WORDS = {
    "dense": "dense, not trained on",
    "dense longer": "dense",
    "pruned": "pruned",
    "fine-tuned": "pruned and fine-tuned",
    "distilled": "distilled",
}


def short_of(sizes: pd.DataFrame) -> dict[tuple[str, int, int], float]:
    """How many times the parameters of the dense model of a width a model pruned to its size has: by model, horizon and
    width, where that is more than SLACK above one. Narrowing leaves every layer something, so it cannot go on for
    ever."""
    done = sizes[(sizes["status"] == "ok") & sizes["arm"].isin(["pruned", "fine-tuned", "dense longer"])]
    done = done.assign(pruned=done["arm"] != "dense longer")
    means = done.groupby(["model", "pred_len", "width", "depth", "pruned"], sort=False)["parameters"].mean()
    means = means.unstack("pruned", sort=False)
    if not {True, False} <= set(means):
        return {}
    times = (means[True] / means[False]).dropna()
    return {case[:3]: float(ratio) for case, ratio in times.items() if ratio > 1 + SLACK}


def choice_text(width: int, density: float) -> str:
    """A width and density of the map: ``d_model 32 dense``, ``d_model 32 pruned to 0.25``."""
    return f"d_model {width:.0f} dense" if density == 1 else f"d_model {width:.0f} pruned to {density_text(density)}"


def fine_tuned(comparison: pd.DataFrame) -> pd.DataFrame:
    """Its pruned and fine-tuned models. Raises UserError for an empty table, a missing column, an unknown axis."""
    need(comparison, "comparison", [*COMPARISON, *LARGEST, *DIFFERENCE])
    for axis in comparison["axis"].unique():
        if axis not in AXES:
            raise UserError(unknown("axis", axis, AXES))
    return comparison[comparison["arm"] == "fine-tuned"]
