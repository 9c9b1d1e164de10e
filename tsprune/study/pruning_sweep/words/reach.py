"""How far each model goes within the tolerance, and by the other cut instead."""

import pandas as pd

from tsprune.report.text import SCOPES, bold, density_text, listed, percent, where
from tsprune.study.base.result import TOLERANCE
from tsprune.study.pruning_sweep.words.common import NAMED, of_seeds, sentence


def reach(cells: pd.DataFrame, limits: pd.DataFrame) -> str:
    """How far each model goes within the tolerance, the one that goes furthest first. Of many models only those that
    go furthest and least far; the table has them all. Where a single seed speaks for one of them, none is called the
    furthest."""
    first_cut = cells.loc[cells["density_asked"] < 1, "density_asked"].max()
    lowest = cells["density_asked"].min()
    failed = list(limits.loc[limits["density"].isna() & (limits["known"] > 0), "model"].unique())
    waiting = [model for model in limits.loc[limits["known"] == 0, "model"].unique() if model not in failed]
    means = limits[~limits["model"].isin([*failed, *waiting])].groupby("model", sort=False)["density"].mean()
    order = list(means.sort_values(kind="stable").index)
    lost = [model for model in order if (limits.loc[limits["model"] == model, "density"] >= 1).all()]
    alike: dict[str, list[str]] = {}
    for model in order:
        if model not in lost:
            alike.setdefault(_limit_words(limits[limits["model"] == model], lowest), []).append(f"**{model}**")
    between, ranked = [], limits.loc[limits["known"] > 0, "known"].min() > 1
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
    if failed:
        parts.append(f"of {bold(failed)} a dense training has no result")
    if waiting:
        parts.append(f"of {bold(waiting)} too little has run yet")
    return f"{where(cells)}, with {SCOPES[limits['scope'].iloc[0]]}, " + "; ".join(parts) + "."


def left_out(limits: pd.DataFrame, at: list[int]) -> str:
    """Which horizons are not among those that models are compared ``at``, and of which models they are not known."""
    parts, models = [], limits["model"].nunique()
    for pred_len, own in limits[~limits["pred_len"].isin(at)].groupby("pred_len"):
        missing = own.loc[own["known"] == 0, "model"].unique()
        which = bold(missing) if len(missing) <= NAMED else f"{len(missing)} of {models} models"
        parts.append(f"at horizon {pred_len} too little has run yet of {which}, so it is left out of this comparison")
    return sentence(parts)


def _limit_words(rows: pd.DataFrame, lowest: float) -> str:
    """How far one model goes in one scope; ``rows`` holds a row per horizon, ``lowest`` the lowest density tried."""
    densities, low, high = rows["density"], rows["limit_low"], rows["limit_high"]
    known = of_seeds(rows["known"].min(), rows["seeds"].max())
    known = f"; {known}" if known else ""
    if len(rows) > 1 and densities.max() > densities.min():
        ends = f"{density_text(densities.min())} to {density_text(densities.max())}"
        removed = f"{percent(1 - densities.max())} to {percent(1 - densities.min())}"
        return f"down to {ends} depending on the horizon ({removed} removed{known})"
    mean, spread = densities.iloc[0], known
    if density_text(low.min()) != density_text(high.max()):
        spread = f"; seeds {density_text(low.min())} to {density_text(high.max())}{known}"
    tried = ", the lowest tried" if mean <= lowest * (1 + 1e-9) else ""
    return f"down to {density_text(mean)}{tried} ({percent(1 - mean)} removed{spread})"


def other_scope(first: pd.DataFrame, second: pd.DataFrame) -> str:
    """Second sentence: the other scope, against the first. A difference inside the seeds' spread is not one."""
    intro = f"With {SCOPES[second['scope'].iloc[0]]} instead"
    keys = ["model", "pred_len"]
    both = first.merge(second, on=keys, suffixes=("", "_second"), sort=False)
    waiting = both.loc[both["density"].notna() & (both["known_second"] == 0), "model"].unique()
    both = both.dropna(subset=["density", "density_second"])
    if both.empty:
        return ""
    seeds = both[["known", "known_second"]].min(axis=1)
    if seeds.max() < 2:
        means = both.groupby("model", sort=False)["density_second"].mean()
        parts = [f"**{model}** down to {density_text(d)}" for model, d in means.items() if density_text(d) != "1"]
        kept = [model for model, d in means.items() if density_text(d) == "1"]
        return f"{intro}: {listed([*parts, *([f'{bold(kept)} not at all'] if kept else [])])}."
    further, less, same, single = [], [], [], []
    for model, rows in both.groupby("model", sort=False):
        mean = density_text(rows["density_second"].mean())
        if seeds[rows.index].min() < 2:
            single.append(f"**{model}**")
        elif (rows["limit_high_second"] < rows["limit_low"]).all():
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
    if single:
        parts.append(f"for {listed(single)} a single seed cannot say")
    if len(waiting):
        parts.append(f"of {bold(waiting)} too little has run yet")
    return f"{intro}, {'; '.join(parts)}."
