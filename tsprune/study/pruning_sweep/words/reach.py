"""How far each model goes within the tolerance, and by the other cut instead."""

import pandas as pd

from tsprune.report.cases import CASE
from tsprune.report.text import SCOPES, between, bold, density_text, listed, percent, where
from tsprune.study.base.result import TOLERANCE
from tsprune.study.pruning_sweep.words.common import NAMED, of_seeds, sentences

_ACCURACY = f"accuracy (MSE within {percent(TOLERANCE)} of dense)"


def reach(cells: pd.DataFrame, limits: pd.DataFrame) -> str:
    """How far each model goes within the tolerance, the one that goes furthest first. Of many models only those that
    go furthest and least far; the table has them all. Where a single seed speaks for one of them, none is called the
    furthest."""
    failed = list(limits.loc[limits["density"].isna() & (limits["known"] > 0), "model"].unique())
    waiting = [model for model in limits.loc[limits["known"] == 0, "model"].unique() if model not in failed]
    densities = limits[~limits["model"].isin([*failed, *waiting])].groupby("model", sort=False)["density"]
    order = list(densities.mean().sort_values(kind="stable").index)
    least = densities.min()
    lost = [model for model in order if least[model] >= 1]
    lowest, alike = cells["density_asked"].min(), {}
    for model in order:
        if model not in lost:
            alike.setdefault(_limit_words(limits[limits["model"] == model], lowest), []).append(f"**{model}**")
    told = alike if len(order) <= NAMED else _ends(alike, last=not lost)
    between = [name for words, names in alike.items() if words not in told for name in names]
    ranked = bool(between) and limits.loc[limits["known"] > 0, "known"].min() > 1
    parts = _kept_words(told, ranked, last=not lost)
    if lost:
        first_cut = cells.loc[cells["density_asked"] < 1, "density_asked"].max()
        fails = _lost_words(lost, len(order), alone=not told)
        parts.append(f"{fails} even at the first cut (density {density_text(first_cut)})")
    if between:
        lie = "lies" if len(between) == 1 else "lie"
        parts.append(f"{listed(between)} {lie} between (see the limits below)")
    if failed:
        parts.append(f"a dense training of {bold(failed)} has no result")
    if waiting:
        parts.append(f"too little of {bold(waiting)} has run yet")
    first, *rest = parts
    told = f"{where(cells)}, with {SCOPES[limits['scope'].iloc[0]]}, {first}."
    return f"{told} {sentences(rest)}".rstrip()


def _ends(alike: dict[str, list[str]], last: bool) -> dict[str, list[str]]:
    """The first entry and, where it is asked for, the ``last``."""
    order = list(alike)
    return {words: alike[words] for words in order[:1] + (order[1:][-1:] if last else [])}


def _kept_words(told: dict[str, list[str]], ranked: bool, last: bool) -> list[str]:
    """Part by part how far models go, ``told`` by the words for it. ``ranked``: the first are called the furthest and,
    where they are the ``last`` of all, the last ones the least far."""
    parts = []
    for words, names in told.items():
        if not parts:
            keep = "keeps its" if len(names) == 1 else "keep their"
            furthest = " furthest on average," if ranked else ""
            words = words.replace("down to ", "down to density ", 1).replace(" removed", " of the weights removed", 1)
            words = f"{keep} {_ACCURACY}{furthest} {words}"
        else:
            least_far = " least far," if ranked and last else ""
            words = f"{'goes' if len(names) == 1 else 'go'}{least_far} {words}"
        parts.append(f"{listed(names)} {words}")
    return parts


def _lost_words(lost: list[str], of: int, alone: bool) -> str:
    """Which models, out of ``of``, keep their accuracy at no cut. ``alone``: no part before says what accuracy is."""
    if len(lost) == of > NAMED:
        return f"none of the {of} models keeps its {_ACCURACY}"
    does, their = ("does", "its") if len(lost) == 1 else ("do", "their")
    names = bold(lost) if len(lost) <= NAMED else f"{len(lost)} of the {of} models"
    return f"{names} {does} not keep {their} {_ACCURACY if alone else 'accuracy'}"


def left_out(limits: pd.DataFrame, at: list[int]) -> str:
    """Which horizons are not among those that models are compared ``at``, and of which models they are not known."""
    parts, models = [], limits["model"].nunique()
    for pred_len, own in limits[~limits["pred_len"].isin(at)].groupby("pred_len"):
        missing = own.loc[own["known"] == 0, "model"].unique()
        which = bold(missing) if len(missing) <= NAMED else f"{len(missing)} of {models} models"
        parts.append(f"horizon {pred_len} is left out of this comparison: too little of {which} has run yet")
    return sentences(parts)


def _limit_words(rows: pd.DataFrame, lowest: float) -> str:
    """How far one model goes in one scope; ``rows`` holds a row per horizon, ``lowest`` the lowest density tried."""
    densities, low, high = rows["density"], rows["limit_low"], rows["limit_high"]
    known = of_seeds(rows["known"].min(), rows["seeds"].max())
    known = f"; {known}" if known else ""
    least, most = density_text(densities.min()), density_text(densities.max())
    if least != most:
        removed = between(percent(1 - densities.max()), percent(1 - densities.min()))
        return f"down to {least} to {most} depending on the horizon ({removed} removed{known})"
    mean, spread = densities.iloc[0], known
    if density_text(low.min()) != density_text(high.max()):
        spread = f"; seeds {density_text(low.min())} to {density_text(high.max())}{known}"
    tried = ", the lowest tried" if mean <= lowest * (1 + 1e-9) else ""
    return f"down to {density_text(mean)}{tried} ({percent(1 - mean)} removed{spread})"


_SIDES = {
    "further": "{} can be cut further",
    "less": "{} cannot be cut as far",
    "same": "for {} the limits differ by no more than the seeds do",
    "single": "for {} a single seed cannot tell",
}
"""What is said of models by the other scope, in this order."""

_ALIKE = ("same", "single")
"""Sides that tell nothing of a model but its name."""


def other_scope(first: pd.DataFrame, second: pd.DataFrame) -> str:
    """Second sentence: the other scope, against the first. A difference inside the seeds' spread is not one."""
    intro = f"With {SCOPES[second['scope'].iloc[0]]} instead"
    both = first.merge(second, on=CASE, suffixes=("", "_second"), sort=False)
    waiting = both.loc[both["density"].notna() & (both["known_second"] == 0), "model"].unique()
    both = both.dropna(subset=["density", "density_second"])
    if both.empty:
        return ""
    both = both.assign(fewest=both[["known", "known_second"]].min(axis=1))
    if both["fewest"].max() < 2:
        return f"{intro}: {_of_one_seed(both)}."
    found: dict[str, list[str]] = {}
    for model, rows in both.groupby("model", sort=False):
        side, how_far = _side(rows)
        found.setdefault(side, []).append(f"**{model}**{how_far}")
    every = both["model"].nunique()
    parts = [
        words.format(
            f"all {every} models" if every == len(found[side]) > NAMED and side in _ALIKE else listed(found[side])
        )
        for side, words in _SIDES.items()
        if side in found
    ]
    if len(waiting):
        parts.append(f"too little of {bold(waiting)} has run yet")
    return f"{intro}, {'; '.join(parts)}."


def _of_one_seed(both: pd.DataFrame) -> str:
    """How far each model goes by the other scope, nothing compared."""
    texts = {model: density_text(d) for model, d in both.groupby("model", sort=False)["density_second"].mean().items()}
    parts = [f"**{model}** down to {text}" for model, text in texts.items() if text != "1"]
    kept = [model for model, text in texts.items() if text == "1"]
    return listed([*parts, *([f"{bold(kept)} not at all"] if kept else [])])


def _side(rows: pd.DataFrame) -> tuple[str, str]:
    """One of _SIDES for a model with a row per horizon, and in brackets how far it goes, where that is told."""
    mean = density_text(rows["density_second"].mean())
    if rows["fewest"].min() < 2:
        return "single", ""
    if (rows["limit_high_second"] < rows["limit_low"]).all():
        return "further", f" (to {mean})"
    if (rows["limit_low_second"] > rows["limit_high"]).all():
        return "less", f" ({'to ' + mean if mean != '1' else 'not at all'})"
    return "same", ""
