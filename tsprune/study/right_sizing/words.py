"""Tables and verdict of study 03; the frames are those of :mod:`tsprune.report.right_sizing`."""

import pandas as pd

from tsprune.report.frames import need
from tsprune.report.text import NBSP, amount, bold, error_text, interval_words, left_out, listed, percent, where
from tsprune.study.right_sizing.result import AXES, COMPARISON, DIFFERENCE, SIZES
from tsprune.study.right_sizing.tables import _choice


def verdict(sizes: pd.DataFrame, comparison: pd.DataFrame, choices: pd.DataFrame, naive: pd.DataFrame) -> str:
    """Prune or train small, as Markdown: the answer at equal parameters in the first sentence, then the other axes,
    what pruning cost, what the amount of data changes, and what to beware of.

    Only differences whose interval leaves out zero are claimed, and none from a single seed.
    """
    need(sizes, "sizes", SIZES)
    need(comparison, "comparison", [*COMPARISON, *DIFFERENCE])
    need(naive, "naive", ["pred_len", "model", "mse"])
    tuned = comparison[comparison["arm"] == "fine-tuned"]
    seeds = int(sizes.loc[sizes["status"] == "ok", "seed"].nunique())
    if tuned["relative"].isna().all():
        return f"{where(sizes)}, no pruned and fine-tuned model has a dense one to compare with: there is no answer."
    if seeds < 2:
        return (
            f"{where(sizes)}, all models trained as long, no difference between pruned and dense models is claimed: "
            f"the spread over seeds is unknown.\n\nRun at least two seeds.{_lost(sizes)}"
        )
    large = sizes["width"].max()
    equal = tuned[tuned["axis"] == "parameters"]
    clauses = [_clause(model, rows, large) for model, rows in equal.groupby("model", sort=False)]
    first = f"{where(sizes)}, all models trained as long: " + "; ".join(clauses) + "."
    details = [_other_axes(tuned), _bare(comparison), _cost_of_pruning(tuned, large), _data_words(choices)]
    details += [_standing(sizes, naive), interval_words(tuned)]
    return f"{first}\n\n" + " ".join(text for text in details if text) + _lost(sizes)


def _clause(model: str, rows: pd.DataFrame, large: int) -> str:
    """Who wins at equal parameters, with the largest clear difference on each side."""
    known = rows[rows["relative"].notna()]
    if known.empty:
        return f"**{model}** cannot be compared at equal parameters"
    pruned, dense = known[known["clear"] & (known["high"] < 0)], known[known["clear"] & (known["low"] > 0)]
    several = known["pred_len"].nunique() > 1
    parts = []
    for winners, kept, subject in (
        (pruned, f"d_model {large} pruned to the size of a dense d_model {{}} and fine-tuned beats it", "pruned"),
        (dense, f"dense d_model {{}} beats d_model {large} pruned to its size and fine-tuned", "dense"),
    ):
        if winners.empty:
            continue
        best = winners.loc[winners["relative"].abs().idxmax()]
        horizon = f", horizon {best['pred_len']}" if several else ""
        text = kept.format(f"{best['width']}{horizon}" if several else best["width"])
        low, high = sorted((abs(best["low"]), abs(best["high"])))
        text += f" by {amount(best['relative'])} (95{NBSP}% interval {amount(low)} to {amount(high)})"
        if len(winners) > 1:
            text += f", as {subject} does in {len(winners)} of {len(known)} comparisons"
        parts.append(text)
    noise = len(known) - len(pruned) - len(dense)
    if not parts:
        sizes = "size" if len(known) == 1 else f"{len(known)} sizes"
        return f"**{model}** pruned and dense do not differ by more than the noise at the {sizes} compared"
    if noise:
        parts.append(f"in {noise} of {len(known)} the difference lies within the noise")
    return f"**{model}** " + ", ".join(parts)


def _tally(rows: pd.DataFrame) -> str:
    """``pruned wins 3, dense wins 1, 2 within the noise``; what never happens is left out."""
    known = rows[rows["relative"].notna()]
    pruned, dense = (known["clear"] & (known["high"] < 0)).sum(), (known["clear"] & (known["low"] > 0)).sum()
    parts = {
        "pruned wins {}": pruned,
        "dense wins {}": dense,
        "{} within the noise": len(known) - pruned - dense,
        "{} without a dense model so cheap": len(rows) - len(known),
    }
    return ", ".join(text.format(count) for text, count in parts.items() if count)


def _other_axes(tuned: pd.DataFrame) -> str:
    parts = [
        f"at equal {words}, {_tally(rows)}"
        for axis, words in AXES.items()
        if axis not in ("parameters", "unpruned") and len(rows := tuned[tuned["axis"] == axis])
    ]
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if parts else ""


def _bare(comparison: pd.DataFrame) -> str:
    rows = comparison[(comparison["arm"] == "pruned") & (comparison["axis"] == "parameters")]
    return f"Without fine-tuning, at equal parameters, {_tally(rows)}." if rows["relative"].notna().any() else ""


def _cost_of_pruning(tuned: pd.DataFrame, large: int) -> str:
    """Against the large model trained as long: where pruning is free, and where it is not."""
    rows = tuned[(tuned["axis"] == "unpruned") & tuned["relative"].notna()]
    if rows.empty:
        return ""
    worse = rows[rows["clear"] & (rows["low"] > 0)]
    parts = {
        "clearly worse in {}": len(worse),
        "clearly better in {}": int((rows["clear"] & (rows["high"] < 0)).sum()),
        "within the noise in {}": int((~rows["clear"].astype(bool)).sum()),
    }
    told = listed([text.format(count) for text, count in parts.items() if count])
    top = ""
    if len(worse):
        most = worse.loc[worse["relative"].idxmax()]
        top = f" (at most {amount(most['relative'])}: **{most['model']}** at the size of d_model {most['width']})"
    return f"Against d_model {large} not pruned, the pruned and fine-tuned ones are {told} of {len(rows)}{top}."


def _data_words(choices: pd.DataFrame) -> str:
    """Does the best choice change with the amount of data? Claimed where the change pays on the test windows."""
    less = choices[choices["data_fraction"] < 1] if len(choices) else choices
    if less.empty or less["seeds"].max() < 2:
        return ""
    changed = less[(less["width"] != less["full_width"]) | (less["density_asked"] != less["full_density"])]
    pays = changed[changed["clear"].astype(bool) & (changed["high"] < 0)]
    if len(pays):
        parts = [
            f"**{row['model']}** with {percent(row['data_fraction'])} of the data does best with "
            f"{_choice(row['width'], row['density_asked'])}, {amount(row['relative'])} better than with "
            f"{_choice(row['full_width'], row['full_density'])}, the choice on all of it"
            for row in pays.to_dict("records")[:3]
        ]
        return "The amount of data changes the best choice: " + "; ".join(parts) + "."
    if len(changed):
        names = bold(changed["model"])
        return f"The choice by validation changes with the amount of data for {names}, by nothing clear in test error."
    return "The best choice of width and density is the same for every share of the data tried."


def _standing(sizes: pd.DataFrame, naive: pd.DataFrame) -> str:
    """The models of which no size, dense or pruned, does better than a forecast that learns nothing."""
    by = ["model", "pred_len"]
    best = sizes[sizes["status"] == "ok"].groupby([*by, "arm", "width", "depth"], sort=False)["mse"].mean()
    best = best.groupby(level=by, sort=False).min()
    level = naive.groupby("pred_len")["mse"].min()
    fallen = [model for (model, pred_len), mse in best.items() if mse >= level[pred_len]]
    if not fallen:
        return ""
    at = f"MSE {error_text(level.min())}" if len(level) == 1 else "at one horizon or more"
    return f"No size of {bold(fallen)} does better than the best naive forecast ({at})."


def _lost(sizes: pd.DataFrame) -> str:
    """What did not come out, as a last sentence."""
    floors = sizes[(sizes["status"] == "ok") & sizes["reason"].notna()]
    words = f"{bold(floors['model'])} could not be pruned to every size asked."
    return "".join(f" {text}" for text in (left_out(sizes), words if len(floors) else "") if text)
