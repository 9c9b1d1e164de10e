"""The answer of study 01 in words, with the run's own numbers: a first sentence to repeat, then the details."""

import pandas as pd

from tsprune.errors import UserError
from tsprune.report.frames import finished, level, need, need_scopes, repeat_last
from tsprune.report.outcomes import BETTER, LOST, NOISE, ONE_SEED, WORSE, furthest, outcomes
from tsprune.report.text import (
    NAIVE,
    NBSP,
    SCOPES,
    bold,
    density_text,
    ends,
    interval_words,
    listed,
    mean_text,
    on_data,
    percent,
    seeds_text,
    signed,
    unfinished,
    where,
)
from tsprune.study.base.result import TOLERANCE
from tsprune.study.base.words import LAST_VALUE, idle, no_better
from tsprune.study.pruning_sweep.result import (
    AUTHORS,
    AUTHORS_COLUMNS,
    GAINS,
    RANDOM,
    SCORES,
    STRUCTURES,
    need_limits,
)

_NAMED = 3
"""The details say of at most so many models how far they go; of more, only the ends."""


def verdict(cells: pd.DataFrame, naive: pd.DataFrame, limits: pd.DataFrame) -> str:
    """How far the models can be pruned, as Markdown: the answer in one sentence, then up to five of detail.

    ``cells`` has a row per cell, ``naive`` a row per naive forecast, ``limits`` a row per model, horizon, scope and
    tolerance with the lowest ``density`` that keeps the tolerance (mean over ``seeds``; 1: none below dense; NaN: a
    seed's dense training has no result) and its lowest and highest value over the seeds (``limit_low``,
    ``limit_high``).

    The first sentence gives the range over the models that, unpruned, beat repeating the last value at every horizon;
    where none does, it says so. One scope goes further than the other only if the two ranges over the seeds do not
    meet at any horizon, and never from a single seed; a model has fallen to the level of repeating the last value
    only if every seed has. Cells without a result are named.

    Raises UserError for an empty table, a missing column, a missing tolerance or repeat-last row, an unknown scope.
    """
    need(cells, "cells", ["dataset", "model", "pred_len", "seed", "scope", "density_asked", "mse"])
    need(cells, "cells", ["mse_relative", "status"])
    done = finished(cells)
    if done.empty:
        return f"{on_data(cells['dataset'])}, no forecaster could be tested: no cell finished.\n\n{unfinished(cells)}."
    need_limits(limits)
    limits = limits[(limits["tolerance"] - TOLERANCE).abs() < 1e-9]
    if limits.empty:
        raise UserError(f"table 'limits' has no row of tolerance {TOLERANCE}")
    scopes, levels = need_scopes(limits), repeat_last(naive)
    first = limits[limits["scope"] == scopes[0]]
    details = [_reach(cells, first, scopes[0]), _standing(done, naive), _survival(done, levels), _caveats(cells)]
    if len(scopes) == 2:
        details.insert(1, _other_scope(first, limits[limits["scope"] == scopes[1]]))
    answer = f"{on_data(cells['dataset'])}, {_answer(cells, levels, first)}."
    return f"{answer}\n\n" + " ".join(sentence for sentence in details if sentence)


def _answer(cells: pd.DataFrame, levels: dict[int, float], limits: pd.DataFrame) -> str:
    """The first sentence, from the data on."""
    models = limits["model"].unique()
    dense = finished(cells).query("density_asked == 1").groupby(["model", "pred_len"], sort=False)["mse"].mean()
    below = no_better(dense, levels)
    fallen = below.index.unique(0)
    if set(models) <= set(fallen) and len(below) == len(dense):
        return idle(models, LAST_VALUE, cells)
    if set(models) <= set(fallen):
        none = f"none of {len(models)} forecasters beats" if len(models) > 1 else f"**{models[0]}** does not beat"
        return f"{none} {LAST_VALUE} at every horizon even before pruning ({mean_text(cells)})"
    own = limits[~limits["model"].isin(fallen)].reset_index(drop=True)
    rows = own.dropna(subset="density")
    if rows.empty:
        return "how far forecasters can be pruned cannot be said: none finished unpruned with every seed"
    first_cut = cells.loc[cells["density_asked"] < 1, "density_asked"].max()
    if (rows["density"] >= 1).all():
        names = rows["model"].unique()
        beat = f" that beat {LAST_VALUE}" if len(fallen) else ""
        whose = f"of **{names[0]}**" if len(names) == 1 else f"of {len(names)} forecasters{beat}"
        return (
            f"removing {percent(1 - first_cut)} of the weights without retraining raises the forecast error {whose} by "
            f"over {percent(TOLERANCE)} ({seeds_text(cells)})"
        )
    return _from_to(rows, first_cut, left_out=len(fallen) > 0, alone=len(fallen) > 0 and len(rows) == len(own))


def _from_to(rows: pd.DataFrame, first_cut: float, left_out: bool, alone: bool) -> str:
    """From the model that loses its accuracy first to the one that keeps it longest. ``left_out``: there are models
    that do not beat a naive forecast; ``alone``: all others are these."""
    texts = rows["density"].map(lambda density: _cut(density, first_cut))
    least, most = texts[rows["density"].idxmax()], texts[rows["density"].idxmin()]
    names, over, seeds = rows["model"].unique(), percent(TOLERANCE), _seeds_words(rows)
    if len(names) == 1:
        name = f"**{names[0]}**" + (f" alone beats {LAST_VALUE} and" if alone else "")
        reach = most if least == most else f"{least} to {most}"
        how = "" if left_out else " without retraining"
        return f"{name} can lose {reach} of its weights{how} before its forecast error rises by over {over} ({seeds})"
    if left_out:
        who, how = f"{len(names)} forecasters that beat {LAST_VALUE}", f"before forecast errors rise {over}"
    else:
        who, how = "forecasters", f"without retraining before forecast errors rise by over {over}"
    if least == most:
        return f"{who} can each lose {most} of their weights {how} ({seeds})"
    ends = " to ".join(f"{text} ({_named(rows.loc[texts == text, 'model'])})" for text in (least, most))
    return f"{who} can lose {ends} of their weights {how} ({seeds})"


def _cut(density: float, first_cut: float) -> str:
    """The share of the weights that can go; less than the first cut where that one costs too much."""
    return f"under {percent(1 - first_cut)}" if density >= 1 else percent(1 - density)


def _named(models: pd.Series) -> str:
    names = models.unique()
    return f"**{names[0]}**" if len(names) == 1 else f"{len(names)} models"


def _seeds_words(rows: pd.DataFrame) -> str:
    """How far the seeds lie apart, in percentage points of weights removed, at most."""
    if rows["seeds"].max() < 2:
        return "one seed"
    return f"seeds within {100 * (rows['limit_high'] - rows['limit_low']).max():.0f} points"


def _reach(cells: pd.DataFrame, limits: pd.DataFrame, scope: str) -> str:
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
    if len(order) > _NAMED:
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
        names = bold(lost) if len(lost) <= _NAMED else f"{len(lost)} of the {len(order)} models"
        fails = f"{names} {does} not keep {'it' if alike else f'{their} {accuracy}'}"
        if len(lost) == len(order) > _NAMED:
            fails = f"none of the {len(order)} models keeps its {accuracy}"
        parts.append(f"{fails} even at the first cut (density {density_text(first_cut)})")
    if between:
        lie = "lies" if len(between) == 1 else "lie"
        parts.append(f"{listed(between)} {lie} between, see the limits below")
    if unknown:
        parts.append(f"of {bold(unknown)} a dense training has no result")
    return f"{where(cells)}, with {SCOPES[scope]}, " + "; ".join(parts) + "."


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


def _other_scope(first: pd.DataFrame, second: pd.DataFrame) -> str:
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


def _standing(cells: pd.DataFrame, naive: pd.DataFrame) -> str:
    """What the dense models are worth to begin with: a small loss on top of a bad forecast is no success."""
    dense = cells[cells["density_asked"] == 1].groupby("model", sort=False)["mse"].mean().sort_values()
    if dense.empty:
        return ""
    by_name = naive.groupby("model")["mse"].mean()
    best, mse = NAIVE.get(by_name.idxmin(), by_name.idxmin()), by_name.min()
    values = listed([f"**{model}** {value:.3f}" for model, value in dense.items()])
    mean = ", mean over the horizons" if cells["pred_len"].nunique() > 1 else ""
    worse = [model for model, value in dense.items() if value >= mse]
    do = "does" if len(worse) == 1 else "do"
    verdict = f", which {bold(worse)} {do} not reach even dense" if worse else ""
    return f"Test MSE when dense{mean}: {values}; the best naive forecast ({best}) has {mse:.3f}{verdict}."


def _survival(cells: pd.DataFrame, levels: dict[int, float]) -> str:
    """Third sentence: which models come down to the level of repeating the last value."""
    by = ["model", "scope", "pred_len", "density_asked"]
    spread = cells.groupby(by, sort=False)["mse"].agg(["min", "mean"]).reset_index()
    spread["level"] = [level(levels, pred_len) for pred_len in spread["pred_len"]]
    fallen = spread[spread["min"] >= spread["level"]]
    unclear = spread[(spread["mean"] >= spread["level"]) & ~spread["model"].isin(fallen["model"])]
    dense = list(fallen.loc[fallen["density_asked"] == 1, "model"].unique())
    pruned = fallen[~fallen["model"].isin(dense)]
    parts = []
    if dense:
        no_better = "is" if len(dense) == 1 else "are"
        parts.append(f"{bold(dense)} {no_better} no better than repeating the last value even when dense")
    if not pruned.empty:
        first = listed(_first_falls(pruned, cells))
        parts.append(f"no better than repeating the last value, so not survived: {first}")
    if not unclear.empty:
        parts.append(
            f"for {bold(unclear['model'])} the seeds disagree whether the level of repeating the last value is reached"
        )
    if not parts:
        return "No model falls to the level of repeating the last value."
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."


def _first_falls(pruned: pd.DataFrame, cells: pd.DataFrame) -> list[str]:
    """Per model the highest density at which it has fallen, with the scope (and horizon, where several)."""
    parts = []
    for model, rows in pruned.groupby("model", sort=False):
        row = rows.loc[rows["density_asked"].idxmax()]
        where = row["scope"] if cells["pred_len"].nunique() == 1 else f"{row['scope']}, horizon {row['pred_len']}"
        parts.append(f"**{model}** at density {density_text(row['density_asked'])} ({where})")
    return parts


def _caveats(cells: pd.DataFrame) -> str:
    """Last sentence: what did not finish, and what a single seed cannot say. Empty when there is nothing to say."""
    parts = []
    if (cells["status"] != "ok").any():
        parts.append(f"{unfinished(cells)} and are left out here")
    if finished(cells)["seed"].nunique() == 1:
        parts.append("one seed only: the spread over seeds is unknown, so no model is called better than another")
    if not parts:
        return ""
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."


def structures(structures: pd.DataFrame, latency: pd.DataFrame) -> str:
    """What was asked and what was reached, and what it gains in time, as Markdown; empty where nothing is narrowed.

    ``latency`` may be empty. A speedup is called one only where its 5th percentile over the rounds lies above 1.
    """
    need(structures, "structures", STRUCTURES)
    sentences = [_targets(structures), _speed(latency)]
    return " ".join(sentence for sentence in sentences if sentence)


def _targets(structures: pd.DataFrame) -> str:
    """How far structured pruning lies from what was asked, and the paper's protocol."""
    narrowed = structures[structures["structure"] == "structured"]
    paper = narrowed["method"] == "depgraph_paper"
    ours, theirs = finished(narrowed[~paper]), finished(narrowed[paper])
    if ours.empty:
        return ""
    asked = listed([percent(d) for d in sorted(ours["density_asked"].unique(), reverse=True)])
    off = 100 * (ours["density_all"] - ours["density_asked"]).abs().max()
    text = f"Asked for {asked} of the parameters, structured pruning ends at most {off:.1f} percentage points away"
    floors = ours[ours["reason"].notna()]
    if len(floors):
        text += f" (where it could go no closer: {listed(sorted(floors['model'].unique()))})"
    if paper.any():
        parts = []
        for density, group in theirs.groupby("density_asked", sort=False):
            low, high = group["density_all"].min(), group["density_all"].max()
            reach = percent(low) if percent(low) == percent(high) else f"{percent(low)} to {percent(high)}"
            parts.append(f"{reach} where {percent(density)} were asked")
        broken = bold(narrowed.loc[narrowed["status"] == "broken", "model"])
        if parts:
            text += f"; the paper's protocol leaves {listed(parts)}"
        if broken:
            text += f", and breaks {broken}" if parts else f"; the paper's protocol breaks {broken}"
    return text + "."


def _speed(latency: pd.DataFrame) -> str:
    """Speedups at the largest batch: zeros in place, and the narrowest models."""
    done = latency[(latency["status"] == "ok") & (latency["method"] != "dense")]
    if done.empty:
        return ""
    done = done[done["batch"] == done["batch"].max()]
    text = f"Measured at batch {done['batch'].iloc[0]:g}, "
    zeros, narrow = done[done["structure"] != "structured"], done[done["structure"] == "structured"]
    parts = []
    if len(zeros):
        parts.append(f"zeros in dense matrices (masks, 2:4) give {_range(zeros)} times the dense speed")
    if len(narrow):
        narrow = narrow[narrow["density_asked"] == narrow["density_asked"].min()]
        clear = bold(narrow.loc[narrow["speedup_p5"] > 1, "model"])
        which = f"faster in 95{NBSP}% of the rounds: {clear}" if clear else "none faster beyond the spread"
        share = percent(narrow["density_asked"].iloc[0])
        parts.append(f"models narrowed to {share} of the parameters {_range(narrow)} times ({which})")
    return text + ", ".join(parts) + "."


def _range(rows: pd.DataFrame) -> str:
    low, high = f"{rows['speedup'].min():.2f}", f"{rows['speedup'].max():.2f}"
    return low if low == high else f"{low} to {high}"


def scores(scores: pd.DataFrame, gains: pd.DataFrame) -> str:
    """How much further a better score goes, as Markdown: an answer in one sentence, then the details.

    Spoken of is the lowest density. A score beats magnitude in a case (a model at a horizon) where the interval of the
    difference is clear of zero; the score that does so in most cases, those where it is worse taken off, stands first,
    with others that do so as often.
    Raises UserError for an empty table or a missing column.
    """
    need(scores, "scores", SCORES)
    need(gains, "gains", GAINS)
    rows = gains[gains["density_asked"] == gains["density_asked"].min()]
    first = f"{on_data(gains['dataset'])}, {_best_score(rows)}."
    if gains["seeds"].max() < 2:
        return first
    details = [_score_counts(rows), _yardstick(rows), _looking(scores), interval_words(gains)]
    return f"{first}\n\n" + " ".join(sentence for sentence in details if sentence)


def _best_score(rows: pd.DataFrame) -> str:
    """The first sentence, from the data on."""
    at = f"at density {density_text(rows['density_asked'].iloc[0])} without retraining"
    tried = rows[rows["score"] != RANDOM]
    if tried.empty:
        return f"no score but random choice was held against magnitude {at}"
    tried = tried[~outcomes(tried).isin([ONE_SEED, LOST])]
    if tried.empty:
        return f"nothing is claimed about other scores than magnitude {at}: fewer than two seeds finished"
    names = tried["score"].unique()
    counts = {name: _counts(tried[tried["score"] == name]) for name in names}
    better = [name for name in names if counts[name][BETTER]]
    if not better:
        what = f"**{names[0]}** does not beat" if len(names) == 1 else f"none of {len(names)} other scores beats"
        most = max(map(sum, counts.values()))
        return f"{at}, {what} magnitude beyond chance in {f'any of {most} cases' if most > 1 else 'the one case'}"
    net = {
        name: (counts[name][BETTER] - counts[name][WORSE], counts[name][BETTER], counts[name].sum()) for name in better
    }
    alike = [name for name in better if net[name] == max(net.values())]
    count, won = counts[alike[0]], outcomes(tried) == BETTER
    most = furthest(tried[tried["score"].isin(alike) & won])
    worse = f" (worse in {count[WORSE]})" if count[WORSE] else ""
    names = bold(alike) if len(alike) <= _NAMED else f"{len(alike)} scores"
    beat, by = ("beats", "") if len(alike) == 1 else ("each beat", f" by **{most['score']}**")
    return (
        f"{at}, {names} {beat} magnitude in {count[BETTER]} of {count.sum()} cases{worse}, furthest{by} for "
        f"**{most['model']}**, {signed(most['relative'])} ({ends(most)}{NBSP}%)"
    )


def _counts(rows: pd.DataFrame) -> pd.Series:
    """How many rows came out how, of those with two seeds or more."""
    return outcomes(rows).value_counts().reindex([BETTER, WORSE, NOISE], fill_value=0)


def _score_counts(rows: pd.DataFrame) -> str:
    parts = []
    for score, own in rows[rows["score"] != RANDOM].groupby("score", sort=False):
        count = _counts(own)
        if count.sum():
            parts.append(f"**{score}** better in {count[BETTER]}, worse in {count[WORSE]} of {count.sum()}")
    at = density_text(rows["density_asked"].iloc[0])
    return f"Against magnitude ranked in the same place, at density {at}: {'; '.join(parts)}." if parts else ""


def _yardstick(rows: pd.DataFrame) -> str:
    """What random choice says: where it is not clearly worse, no choice of weights is shown to matter."""
    own = rows[rows["score"] == RANDOM]
    found = outcomes(own)
    own, found = own[~found.isin([ONE_SEED, LOST])], found[~found.isin([ONE_SEED, LOST])]
    if own.empty:
        return ""
    text = f"Random choice, the yardstick, is worse than magnitude in {int((found == WORSE).sum())} of {len(own)}"
    alike = bold(own.loc[found != WORSE, "model"])
    return text + (f"; where it is not ({alike}), which weights go is not shown to matter." if alike else ".")


def _looking(scores: pd.DataFrame) -> str:
    """What calibration costs, of the slowest."""
    seconds = scores["calibration_seconds"].astype(float)
    if seconds.isna().all():
        return ""
    slowest = scores.loc[seconds.idxmax()]
    return (
        f"Calibration takes at most {seconds.max():.1f} seconds a model (**{slowest['score']}** on "
        f"**{slowest['model']}**)."
    )


def authors(authors: pd.DataFrame) -> str:
    """What the first paper's protocol leaves of all parameters, as Markdown; Fourier weights, which it never prunes,
    where a model has them. Raises UserError for an empty table or a missing column."""
    need(authors, "authors", AUTHORS_COLUMNS)
    done = finished(authors)
    done = done[(done["protocol"] == AUTHORS) & (done["density_asked"] < 1)]
    if done.empty:
        return f"{on_data(authors['dataset'])}, the first paper's protocol has no result."
    lowest = done[done["density_asked"] == done["density_asked"].min()]
    left = lowest.groupby("model", sort=False)["density_all"].mean()
    asked = density_text(lowest["density_asked"].iloc[0])
    least, most = left.idxmin(), left.idxmax()
    reach = f"{percent(left[least])} (**{least}**) to {percent(left[most])} (**{most}**)"
    if len(left) == 1:
        reach = f"{percent(left[least])} of **{least}**"
    told = f"{on_data(authors['dataset'])}, the first paper's protocol, asked for density {asked}, leaves {reach}"
    first = told + (", all parameters counted." if len(left) == 1 else " of all parameters.")
    details = []
    for model, share in lowest.groupby("model", sort=False)["fourier"].mean().items():
        if share > 0:
            more = ", more than half" if share > 0.5 else ""
            details.append(
                f"In **{model}** the Fourier weights, which it never prunes, alone hold {percent(share)} of all "
                f"parameters{more}: no density goes below that."
            )
    details.append("Its density counts linear maps and convolutions only; ours counts every weight.")
    return f"{first}\n\n" + " ".join(details)
