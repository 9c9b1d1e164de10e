"""What the dense models are worth to begin with: a small loss on top of a bad forecast is no success."""

import pandas as pd

from tsprune.report.cases import CASE
from tsprune.report.frames import finished
from tsprune.report.text import NAIVE, bold, listed
from tsprune.study.pruning_sweep.words.common import alike, at_horizons, in_brackets, of_seeds


def standing(cells: pd.DataFrame, naive: pd.DataFrame) -> str:
    """Test MSE of each dense model and of the best naive forecast, over the same horizons for all."""
    dense = cells[cells["density_asked"] == 1].drop_duplicates([*CASE, "seed"])
    at = alike(finished(dense))
    own = finished(dense)[finished(dense)["pred_len"].isin(at)]
    if own.empty:
        return ""
    by_horizon = own.groupby(CASE, sort=False)["mse"].agg(["mean", "count"])
    by_model = by_horizon.groupby(level="model", sort=False).agg({"mean": "mean", "count": "min"}).sort_values("mean")
    seeds = dense["seed"].nunique()
    values = [
        f"**{name}** {mse:.3f}{in_brackets(of_seeds(count, seeds))}" for name, mse, count in by_model.itertuples()
    ]
    told = f"Test MSE when dense{_over(at, cells)}: {listed(values)}"
    by_name = naive[naive["pred_len"].isin(at)].groupby("model")["mse"].mean().dropna()
    if by_name.empty:
        return f"{told}."
    best, mse = NAIVE.get(by_name.idxmin(), by_name.idxmin()), by_name.min()
    worse = list(by_model.index[by_model["mean"] >= mse])
    do = "does" if len(worse) == 1 else "do"
    verdict = f", which {bold(worse)} {do} not beat even when dense" if worse else ""
    return f"{told}; the best naive forecast ({best}) has {mse:.3f}{verdict}."


def _over(at: list[int], cells: pd.DataFrame) -> str:
    """What the errors are means over, where the study has several horizons."""
    where = at_horizons(at, cells)
    if len(at) == 1:
        return where
    return f", mean over{where.removeprefix(' at')}" if where else ", mean over the horizons"
