"""How far each model goes within the tolerance, and by the other cut instead."""

import pandas as pd

from tsprune.report.text import SCOPES, bold, density_text, listed, percent, where
from tsprune.study.base.result import TOLERANCE
from tsprune.study.pruning_sweep.words.common import NAMED


def reach(cells: pd.DataFrame, limits: pd.DataFrame) -> str:
    """How far each model goes within the tolerance, the one that goes furthest first. Of many models only those that
    go furthest and least far; the table has them all."""
    first_cut = cells.loc[cells["density_asked"] < 1, "density_asked"].max()
    lowest = cells["density_asked"].min()
    unknown = list(limits.loc[limits["density"].isna(), "model"].unique())
    means = limits[~limits["model"].isin(unknown)].groupby("model", sort=False)["density"].mean()
    order = list(means.sort_values(kind="stable").index)
    lost = [model for model in order if (limits.loc[limits["model"] == model, "density"] >= 1).all()]
    alike: dict[str, list[str]] = {}
    for model in order:
        if model not in lost:
            alike.setdefault(_limit_words(limits[limits["model"] == model], lowest), []).append(f"**{model}**")
    between, ranked = [], limits["seeds"].max() > 1
    if len(order) > NAMED:
        ends = [*alike][:1] + ([] if lost else [*alike][1:][-1:])
        between = [name for words, names in alike.items() if words not in ends for name in names]
        alike = {words: alike[words] for words in ends}
    accuracy = f"accuracy (MSE within {percent(TOLERANCE)} of dense)"
    parts = [f"{listed(names)} {words}" for words, names in alike.items()]
    if alike:
        words, names = next(iter(alike.items()))
        keep = "keeps its" if len(names) == 1 else "keep their"
        words = words.replace("down to ", "down to density ", 1).replace(" removed", " of the weights removed", 1)
        parts[0] = f"{listed(names)} {keep} {accuracy}{' furthest on average,' if between and ranked else ''} {words}"
    if between and ranked and not lost:
        parts[-1] = parts[-1].replace(" down to", " least far, down to", 1)
    if lost:
        does, their = ("does", "its") if len(lost) == 1 else ("do", "their")
        names = bold(lost) if len(lost) <= NAMED else f"{len(lost)} of the {len(order)} models"
        fails = f"{names} {does} not keep {'it' if alike else f'{their} {accuracy}'}"
        if len(lost) == len(order) > NAMED:
            fails = f"none of the {len(order)} models keeps its {accuracy}"
        parts.append(f"{fails} even at the first cut (density {density_text(first_cut)})")
    if between:
        lie = "lies" if len(between) == 1 else "lie"
        parts.append(f"{listed(between)} {lie} between, see the limits below")
    if unknown:
        parts.append(f"of {bold(unknown)} a dense training has no result")
    return f"{where(cells)}, with {SCOPES[limits['scope'].iloc[0]]}, " + "; ".join(parts) + "."


def _limit_words(rows: pd.DataFrame, lowest: float) -> str:
    """How far one model goes in one scope; ``rows`` holds a row per horizon, ``lowest`` the lowest density tried."""
    densities, low, high = rows["density"], rows["limit_low"], rows["limit_high"]
    if len(rows) > 1 and densities.max() > densities.min():
        ends = f"{density_text(densities.min())} to {density_text(densities.max())}"
        removed = f"{percent(1 - densities.max())} to {percent(1 - densities.min())}"
        return f"down to {ends} depending on the horizon ({removed} removed)"
    mean, spread = densities.iloc[0], ""
    if density_text(low.min()) != density_text(high.max()):
        spread = f"; seeds {density_text(low.min())} to {density_text(high.max())}"
    tried = ", the lowest tried" if mean <= lowest * (1 + 1e-9) else ""
    return f"down to {density_text(mean)}{tried} ({percent(1 - mean)} removed{spread})"


def other_scope(first: pd.DataFrame, second: pd.DataFrame) -> str:
    """Second sentence: the other scope, against the first. A difference inside the seeds' spread is not one."""
    intro = f"With {SCOPES[second['scope'].iloc[0]]} instead"
    keys = ["model", "pred_len"]
    both = first.merge(second, on=keys, suffixes=("", "_second"), sort=False)
    both = both.dropna(subset=["density", "density_second"])
    if both.empty:
        return ""
    if second["seeds"].min() < 2:
        means = both.groupby("model", sort=False)["density_second"].mean()
        parts = [f"**{model}** down to {density_text(d)}" for model, d in means.items() if density_text(d) != "1"]
        kept = [model for model, d in means.items() if density_text(d) == "1"]
        return f"{intro}: {listed([*parts, *([f'{bold(kept)} not at all'] if kept else [])])}."
    further, less, same = [], [], []
    for model, rows in both.groupby("model", sort=False):
        mean = density_text(rows["density_second"].mean())
        if (rows["limit_high_second"] < rows["limit_low"]).all():
            further.append(f"**{model}** (to {mean})")
        elif (rows["limit_low_second"] > rows["limit_high"]).all():
            less.append(f"**{model}** ({'to ' + mean if mean != '1' else 'not at all'})")
        else:
            same.append(f"**{model}**")
    parts = []
    if further:
        parts.append(f"{listed(further)} can be cut further")
    if less:
        parts.append(f"{listed(less)} less far")
    if same:
        parts.append(f"for {listed(same)} the limits differ by no more than the seeds do")
    return f"{intro}, {'; '.join(parts)}."
