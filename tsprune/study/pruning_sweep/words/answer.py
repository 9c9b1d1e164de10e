"""The first sentence of the verdict: how far the forecasters can be pruned, in words that can be repeated."""

import pandas as pd

from tsprune.report.cases import CASE
from tsprune.report.frames import finished
from tsprune.report.text import between, mean_text, percent, seeds_text
from tsprune.study.base.result import TOLERANCE
from tsprune.study.base.words import LAST_VALUE, idle, no_better

WEIGHTS = {"layer": "each layer's weights", "global": "all weights together"}
"""What a share is a share of, by scope: a model may bear one cut and not the other, so the sentence says which."""


def answer(cells: pd.DataFrame, levels: dict[int, float], limits: pd.DataFrame, brief: bool = False) -> str:
    """The sentence from the data on; ``limits`` holds one scope, and what can go is a share of WEIGHTS of it.

    ``levels``: test MSE of repeating the last value by horizon. ``brief``: there is little room, as the horizons are
    named before.
    """
    models = limits["model"].unique()
    dense = finished(cells).query("density_asked == 1").groupby(CASE, sort=False)["mse"].mean()
    below = no_better(dense, levels)
    fallen = below.index.unique(0)
    if set(models) <= set(fallen) and len(below) == len(limits) and (small := idle(dense, levels, LAST_VALUE, cells)):
        return small
    if set(models) <= set(fallen):
        none = f"none of {len(models)} forecasters beats" if len(models) > 1 else f"**{models[0]}** does not beat"
        return f"{none} {LAST_VALUE} at every horizon even before pruning ({mean_text(cells)})"
    own = limits[~limits["model"].isin(fallen)].reset_index(drop=True)
    rows = own.dropna(subset="density")
    if not (cells["density_asked"] < 1).any():
        return "how far forecasters can be pruned was not asked: every density of this run is 1"
    if rows.empty and (own["known"] < own["seeds"]).any():
        return "how far forecasters can be pruned cannot be said yet: too little has run"
    if rows.empty:
        return "how far forecasters can be pruned cannot be said: none finished unpruned with every seed"
    first_cut = cells.loc[cells["density_asked"] < 1, "density_asked"].max()
    if (rows["density"] >= 1).all():
        names = rows["model"].unique()
        beat = f" that beat {LAST_VALUE}" if len(fallen) else ""
        whose = f"of **{names[0]}**" if len(names) == 1 else f"of {len(names)} forecasters{beat}"
        seeds = seeds_text(cells) if (rows["known"] == rows["seeds"]).all() else _seeds_words(rows)
        return (
            f"removing {percent(1 - first_cut)} of {WEIGHTS[rows['scope'].iloc[0]]} without retraining raises the "
            f"forecast error {whose} by over {percent(TOLERANCE)} ({seeds})"
        )
    rows = rows.assign(text=[_cut(density, first_cut) for density in rows["density"]])
    unsaid = own.loc[~own["model"].isin(rows["model"]), "model"]
    alone = "" if brief or fallen.empty or unsaid.isin(dense.index.unique(0)).any() else "only"
    if alone and len(unsaid):
        alone = "so far only"
    return _from_to(rows, brief, left_out=len(fallen) > 0, alone=alone)


def _from_to(rows: pd.DataFrame, brief: bool, left_out: bool, alone: str) -> str:
    """From the model that loses its accuracy first to the one that keeps it longest. ``left_out``: there are models
    that do not beat a naive forecast; ``alone``: says that all others are these. ``text``: what can go."""
    least, most = rows["text"][rows["density"].idxmax()], rows["text"][rows["density"].idxmin()]
    names, over, seeds = rows["model"].unique(), percent(TOLERANCE), _seeds_words(rows, room=not left_out)
    weights = WEIGHTS[rows["scope"].iloc[0]]
    if len(names) == 1:
        name, lost = f"**{names[0]}**", f"{between(least, most)} of {weights}"
        if alone:
            return f"{alone} {name} beats {LAST_VALUE}; it can lose {lost} before its error rises {over} ({seeds})"
        how = "" if left_out else " without retraining"
        return f"{name} can lose {lost}{how} before its forecast error rises by over {over} ({seeds})"
    if left_out:
        who, how = f"{len(names)} forecasters that beat {LAST_VALUE}", f"before errors rise {over}"
    else:
        who, how = "forecasters", f"without retraining before forecast errors rise by over {over}"
    if least == most:
        return f"{who} can each lose {most} of {weights} {how} ({seeds})"
    counted = not (brief and left_out)
    ends = " to ".join(text + _named(rows.loc[rows["text"] == text, "model"], counted) for text in (least, most))
    return f"{who} can lose {ends} of {weights} {how} ({seeds})"


def _cut(density: float, first_cut: float) -> str:
    """The share of the weights that can go; less than the first cut where that one costs too much, on average over the
    seeds."""
    return f"under {percent(1 - first_cut)}" if density > first_cut * (1 + 1e-9) else percent(1 - density)


def _named(models: pd.Series, counted: bool) -> str:
    """The one model, or how many there are where these are ``counted``, in brackets."""
    names = models.unique()
    if len(names) == 1:
        return f" (**{names[0]}**)"
    return f" ({len(names)} models)" if counted else ""


def _seeds_words(rows: pd.DataFrame, room: bool = False) -> str:
    """How far the seeds lie apart, in percentage points of weights removed, at most; how many there are, where that is
    not one number or not all that were asked for, and then how far apart only where the sentence has ``room``."""
    least, most, asked = rows["known"].min(), rows["known"].max(), rows["seeds"].max()
    if most < 2 and asked < 2:
        return "one seed"
    apart = f"{100 * (rows['limit_high'] - rows['limit_low']).max():.0f}"
    if least == most == asked:
        return "seeds agree" if apart == "0" else f"seeds within {apart} points"
    many = f"{least} to {most} seeds" if least < most else f"{most} of {asked} seeds"
    return f"{many}, within {apart} points" if room and apart != "0" else many
