"""The answer of study 02 in words: a first sentence to repeat, then the details."""

import pandas as pd

from tsprune.report.cases import CASE
from tsprune.report.frames import need, repeat_last
from tsprune.report.outcomes import BETTER, LOST, NOISE, WORSE, furthest, known_outcomes, outcomes
from tsprune.report.text import (
    NBSP,
    amount,
    between,
    density_text,
    ends,
    interval,
    interval_words,
    left_out,
    listed,
    on_data,
    percent,
    signed,
    span,
    where,
)
from tsprune.study.base.result import TOLERANCE
from tsprune.study.base.words import LAST_VALUE, alike, idle, standing, told_where, undecided, unjudged
from tsprune.study.fine_tuning.result import COMPARISONS, by_score, drawable, scored_arms, sparsest


def verdict(cells: pd.DataFrame, comparisons: pd.DataFrame, naive: pd.DataFrame) -> str:
    """What training on brings back, as Markdown; every claim is one whose interval is clear of zero.

    The measure is the dense model trained as long: a pruned model that only beats the shorter-trained dense one has
    gained from training, not from pruning. The sparsest density is spoken of; with one seed nothing is claimed. That
    no dense model beats repeating the last value stands first. Where no difference is clear, one that is known to be
    small is told from one that is not known.

    Raises UserError for an empty table, a missing column, and where no pruned cell finished.
    """
    done = drawable(cells)
    need(comparisons, "comparisons", COMPARISONS)
    first = f"{on_data(cells['dataset'])}, {_answer(done, comparisons, naive)}."
    if done["seed"].nunique() < 2:
        alone = f"{where(cells)}: with one seed the spread over seeds is unknown."
        details = [alone, *unjudged(_best_dense(done), repeat_last(naive), LAST_VALUE), left_out(cells)]
        return f"{first}\n\n" + " ".join(sentence for sentence in details if sentence)
    single, recoveries = comparisons[comparisons["structure"] == "unstructured"], _recoveries(comparisons)
    details = (
        standing(_best_dense(done), repeat_last(naive), LAST_VALUE, done),
        f"{where(cells)}, fine-tuning changes the MSE relative to the dense model trained as long: "
        f"{recoveries} (in brackets the 95{NBSP}% interval)."
        if recoveries
        else "",
        *(_better_score(single, arm) for arm in scored_arms(comparisons["arm"]) if arm.startswith("fine-tuned")),
        _pairs(single, "iterative", "Pruning step by step instead of at once"),
        _pairs(single, "rewound", "Starting over from the initial weights under the same mask"),
        interval_words(comparisons),
        left_out(cells),
    )
    return f"{first}\n\n" + " ".join(sentence for sentence in details if sentence)


def _recoveries(comparisons: pd.DataFrame) -> str:
    """:func:`_recovery` of each structure at its lowest density."""
    parts, comparisons = [], comparisons[comparisons["against"] == "dense longer"]
    for structure, words in _PRUNED.items():
        rows = _lowest(comparisons[comparisons["structure"] == structure])
        if len(rows):
            parts.append(f"{words.format(density_text(rows['density_asked'].iloc[0]))}, {_recovery(rows)}")
    return "; ".join(parts)


_PRUNED = {
    "unstructured": "cut to density {}",
    "structured": "narrowed to {} of the parameters",
    "2:4": "with 2:4 masks",
}


def _lowest(rows: pd.DataFrame) -> pd.DataFrame:
    """Those at the lowest density."""
    return rows[rows["density_asked"] == rows["density_asked"].min()]


def _answer(done: pd.DataFrame, comparisons: pd.DataFrame, naive: pd.DataFrame) -> str:
    """The first sentence, from the data on: fine-tuned against dense trained as long, at the sparsest density."""
    if small := idle(_best_dense(done), repeat_last(naive), LAST_VALUE, done):
        return small
    rows = sparsest(comparisons)
    if outcomes(rows).eq(LOST).all():
        return "there is no answer: no pruned forecaster finished together with the unpruned one trained as long"
    unit = "parameters" if rows["structure"].iloc[0] == "structured" else "weights"
    gone = f"{percent(1 - rows['density_asked'].iloc[0])} of {unit}"
    known, found = known_outcomes(rows)
    if known.empty:
        return f"nothing is claimed about forecasters with {gone} removed and trained on: only one seed finished"
    clear, noise = known[found != NOISE], known[found == NOISE]
    cut = f"removing {gone}, then training further,"
    if clear.empty:
        return _nothing_clear(cut, noise)
    most = furthest(clear)
    if len(known) == 1:
        side = "above" if most["relative"] > 0 else "below"
        return (
            f"with {gone} removed and training continued, **{most['model']}** ends {amount(most['relative'])} {side} "
            f"the forecast error of the unpruned model trained as long ({span(most)})"
        )
    counts = {"raises": int((found == WORSE).sum()), "lowers": int((found == BETTER).sum())}
    first, second = sorted(counts, key=counts.get, reverse=True)
    other = f", {second} it in {counts[second]}" if counts[second] else ""
    rest = f"; {undecided(noise)}" if len(noise) else ""
    return (
        f"{cut} {first} forecast error in {counts[first]} of {len(known)} cases{other} "
        f"(largest: **{most['model']}**, {signed(most['relative'])}, {ends(most)}{NBSP}%){rest}"
    )


def _nothing_clear(cut: str, noise: pd.DataFrame) -> str:
    """The first sentence where no difference is clear: what is known to be small is told from what is not known."""
    small, where = told_where(noise, "cases")
    if small:
        return f"{cut} changes forecast error by less than {percent(TOLERANCE)} {where}"
    return f"these seeds cannot tell whether {cut} changes forecast error {where}"


def _best_dense(done: pd.DataFrame) -> pd.Series:
    """MSE of each model and horizon, dense, trained as long as is best for it."""
    dense = done[done["arm"].isin(["dense", "dense longer"])]
    return dense.groupby([*CASE, "arm"], sort=False)["mse"].mean().groupby(level=CASE, sort=False).min()


def _recovery(rows: pd.DataFrame) -> str:
    """``**A** from +50 % to +3 % (1 to 5 %)`` per model, each number against the dense model trained as long."""
    parts = []
    for model, group in rows.groupby("model", sort=False):
        before, after = (group[group["arm"] == arm] for arm in ("pruned", "fine-tuned"))
        parts.append(f"**{model}** from {_amount(before, False)} to {_amount(after, True)}")
    return "; ".join(parts)


def _amount(rows: pd.DataFrame, with_interval: bool) -> str:
    """Relative difference over the horizons, of those that are clear; with its interval where there is one horizon."""
    clear, known = rows[rows["clear"]], rows[rows["seeds"] > 1]
    if known.empty:
        return "no result"
    if clear.empty:
        return _not_clear(known, with_interval)
    if len(rows) == 1:
        row = clear.iloc[0]
        return interval(row) if with_interval else signed(row["relative"])
    reach = between(signed(clear["relative"].min()), signed(clear["relative"].max()))
    rest = "" if len(clear) == len(rows) else f" (at {len(clear)} of {len(rows)} horizons, else {NOISE})"
    return reach + rest


def _not_clear(rows: pd.DataFrame, with_interval: bool) -> str:
    """What is known of differences none of which is clear: ``+6.6 % (−22 to +49, unclear)``."""
    small = alike(rows).all()
    known = f"no difference above {percent(TOLERANCE)}" if small else "unclear"
    if len(rows) > 1:
        return known
    row = rows.iloc[0]
    return f"{signed(row['relative'])} ({f'{ends(row)}, ' if with_interval else ''}{known})"


def _better_score(rows: pd.DataFrame, tuned: str) -> str:
    """What weights that another score chose are worth before training on and after it, and how often a clear advantage
    before it is still one after it."""
    score = tuned.split(", ")[1]
    untuned = by_score("pruned", score)
    before = _pairs(
        rows, untuned, f"Before fine-tuning, choosing weights by **{score}** instead of magnitude", "pruned"
    )
    after = _pairs(rows, tuned, "After fine-tuning, that choice")
    pairs = rows[rows["density_asked"] == _lowest(rows[rows["arm"] == tuned])["density_asked"].min()]
    known = pairs[(pairs["seeds"] > 1) & pairs["relative"].notna()]
    found = {arm: known[known["arm"] == arm].set_index(CASE) for arm in (untuned, tuned)}
    shared = found[untuned].index.intersection(found[tuned].index)
    won = {arm: set(own.index[outcomes(own) == BETTER]) & set(shared) for arm, own in found.items()}
    if not won[untuned]:
        return f"{before} {after}".strip()
    kept, before_it = len(won[untuned] & won[tuned]), "where it is clearly better before"
    if len(won[untuned]) == 1:
        how = f"In the one case {before_it}, it {'still is' if kept else 'is no longer'} after."
    else:
        how = f"Of {len(won[untuned])} cases {before_it}, {kept} still {'is' if kept == 1 else 'are'} after."
    return f"{before} {after} {how}".strip()


def _pairs(rows: pd.DataFrame, arm: str, what: str, against: str = "fine-tuned") -> str:
    """For which models ``arm`` is clearly better or worse than ``against``."""
    rows = rows[(rows["arm"] == arm) & (rows["against"] == against) & (rows["seeds"] > 1)]
    rows = _lowest(rows[rows["relative"].notna()])
    if rows.empty:
        return ""
    what += f" (density {density_text(rows['density_asked'].min())})"
    lower, higher, small, unknown, mixed = [], [], [], [], []
    for model, group in rows.groupby("model", sort=False):
        clear = group[group["clear"]]
        if clear.empty:
            (small if alike(group).all() else unknown).append(f"**{model}**")
        elif (clear["relative"] < 0).all():
            lower.append(f"**{model}** ({_gain(group)})")
        elif (clear["relative"] > 0).all():
            higher.append(f"**{model}** ({_gain(group)})")
        else:
            mixed.append(f"**{model}**")
    parts = []
    if lower:
        parts.append(f"lowers the MSE of {listed(lower)}")
    if higher:
        parts.append(f"raises {'that' if lower else 'the MSE'} of {listed(higher)}")
    if small:
        parts.append(f"makes no difference above {percent(TOLERANCE)} for {listed(small)}")
    if unknown:
        parts.append(f"has no clear effect for {listed(unknown)}")
    if mixed:
        parts.append(f"is better at one horizon and worse at another for {listed(mixed)}")
    return f"{what} {'; it '.join(parts)}."


def _gain(rows: pd.DataFrame) -> str:
    """As :func:`_amount` with the interval, without brackets of its own where there is one horizon."""
    if len(rows) > 1:
        return _amount(rows, True)
    row = rows.iloc[0]
    return f"{signed(row['relative'])}, {ends(row)}"
