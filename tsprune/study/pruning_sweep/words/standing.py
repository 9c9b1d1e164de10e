"""What the dense models are worth to begin with: a small loss on top of a bad forecast is no success."""

from collections.abc import Collection

import pandas as pd

from tsprune.report.cases import CASE
from tsprune.report.frames import finished
from tsprune.report.text import NAIVE, bold, error_text, listed
from tsprune.study.pruning_sweep.words.common import NAMED, alike, at_horizons, in_brackets, of_seeds


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
        f"**{name}** {error_text(mse)}{in_brackets(of_seeds(count, seeds))}"
        for name, mse, count in by_model.itertuples()
    ]
    told = f"Test MSE when dense{_over(at, cells)}: {listed(values)}"
    if not (found := _best(naive, at)):
        return f"{told}."
    best, mse = found
    worse = list(by_model.index[by_model["mean"] >= mse])
    do = "does" if len(worse) == 1 else "do"
    verdict = f", which {bold(worse)} {do} not beat even when dense" if worse else ""
    return f"{told}; the best naive forecast ({best}) has {error_text(mse)}{verdict}."


def unskilled(cells: pd.DataFrame, naive: pd.DataFrame, models: Collection[str]) -> str:
    """A sentence beside the answer that ``models`` can be pruned furthest, where a naive forecast beats each of them
    even unpruned; empty where it does not."""
    own = finished(cells)
    own = own[(own["density_asked"] == 1) & own["model"].isin(models)]
    found = _best(naive, own["pred_len"].unique())
    dense = own.groupby(CASE, sort=False)["mse"].mean().groupby(level="model", sort=False).mean()
    if not found or dense.empty or (dense < found[1]).any():
        return ""
    names = bold(dense.index) if len(dense) <= NAMED else f"the {len(dense)} that go furthest"
    do = "does" if len(dense) == 1 else "do"
    return (
        f"Even unpruned, {names} {do} not beat a naive forecast ({found[0]}): what forecasts badly has little to lose "
        "by pruning."
    )


def _best(naive: pd.DataFrame, horizons: Collection[int]) -> tuple[str, float] | None:
    """The best naive forecast over the horizons, in words, and its MSE; None where none is known at all of them."""
    own = naive[naive["pred_len"].isin(horizons)].groupby("model")["mse"]
    by_name = own.mean()[own.count() == len(set(horizons))]
    return (NAIVE.get(by_name.idxmin(), by_name.idxmin()), by_name.min()) if len(by_name) else None


def _over(at: list[int], cells: pd.DataFrame) -> str:
    """What the errors are means over, where the study has several horizons."""
    where = at_horizons(at, cells)
    if len(at) == 1:
        return where
    return f", mean over{where.removeprefix(' at')}" if where else ", mean over the horizons"
