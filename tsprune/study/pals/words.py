"""Verdict of study 05; the tables it reads are described in :mod:`tsprune.report.sparse_training`."""

import pandas as pd

from tsprune.report.frames import finished, level, need, repeat_last
from tsprune.report.text import bold, density_text, interval, interval_words, left_out, listed, percent, signed, where
from tsprune.study.pals.result import CASE, CELLS, CODE, COMPARISONS, COSTS, PAPER, UPDATES, density_reached

SIMILAR = 1.5
"""A rival is compared at similar density: within this factor."""

AT_CAP = 0.01
"""A model whose final sparsity lies within this of the cap, or above, has been stopped by it."""

VISIBLE = 0.02
"""Densities closer than this are not called different."""

_COUNTS = {"better_mse": "MSE", "better_mae": "MAE"}


def verdict(
    cells: pd.DataFrame,
    updates: pd.DataFrame,
    comparisons: pd.DataFrame,
    naive: pd.DataFrame,
    counts: dict[str, float],
    published_counts: dict[str, float],
) -> str:
    """Whether the loss finds the sparsity by itself, what that costs and which mechanism matters, as Markdown.

    A training of PALS was stopped by its cap, or by the end of its updates (it only ever shrank), or by the loss. A
    difference of errors is claimed where its interval is clear of zero, one of densities where the ranges over two or
    more seeds do not meet; counts stand as counted, beside the paper's. Raises UserError for an empty table or a
    missing column.
    """
    need(cells, "cells", [*CELLS, *COSTS, "cap", "every"])
    need(comparisons, "comparisons", COMPARISONS)
    ours = finished(cells[cells["arm"] == CODE])
    if ours.empty:
        return f"**No training of {CODE} finished**: there is no answer to read from this run."
    need(updates, "updates", UPDATES)
    pairs = comparisons[comparisons["seeds"] > 1]
    details = [
        _densities(ours, pairs),
        _counted(pairs, counts, published_counts),
        _rivals(cells, pairs),
        _mechanisms(cells, pairs),
        _paper(cells, pairs),
        _overhead(ours),
        f"{_standing(cells, naive)} {_caveats(cells)}".strip(),
    ]
    return f"{_answer(ours, updates)}\n\n" + "\n".join(f"- {words}" for words in details if words)


def _answer(ours: pd.DataFrame, updates: pd.DataFrame) -> str:
    """First sentence: what ended the shrinking of how many trainings."""
    decisions = updates[updates["arm"] == CODE].groupby([*CASE, "seed"])["decision"].agg(set)
    capped = (1 - ours["density"]) >= ours["cap"] - AT_CAP
    cells = pd.MultiIndex.from_frame(ours[[*CASE, "seed"]])
    only = pd.Series([decisions.get(cell, set()) == {"shrink"} for cell in cells], index=ours.index)
    total, at_cap, cut_short = len(ours), int(capped.sum()), int((only & ~capped).sum())
    by_loss = total - at_cap - cut_short
    trainings = "training" if total == 1 else "trainings"
    ends = [f"in {at_cap} it runs into its cap on sparsity ({ours['cap'].iloc[0]:g})"] if at_cap else []
    ends += [f"in {cut_short} its updates end while it still shrinks"] if cut_short else []
    how = "none" if not by_loss else "all" if by_loss == total > 1 else f"{by_loss}"
    why = f": {', '.join(ends)}" if ends else ""
    return (
        f"{where(ours)}, the loss decides where the sparsity of {CODE} ends in **{how} of {total} {trainings}**{why}."
    )


def _densities(ours: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Final density of each model and its MSE against dense."""
    against = pairs[(pairs["arm"] == CODE) & (pairs["against"] == "dense")]
    parts = []
    for model, own in ours.groupby("model", sort=False):
        words = _difference(against[against["model"] == model])
        parts.append(f"{density_reached(own).replace('(', '(seeds ')} for **{model}** ({words})")
    told = f" {interval_words(against)}" if len(against) else ""
    return f"It ends at density {'; '.join(parts)}. The MSE is that against dense.{told}"


def _counted(pairs: pd.DataFrame, counts: dict[str, float], published: dict[str, float]) -> str:
    """The paper's counts from our own table, beside the paper's; then how many of ours are more than noise."""
    ours, theirs = (
        " and ".join(f"{source[name]} of {source['cells']} by {metric}" for name, metric in _COUNTS.items())
        for source in (counts, published)
    )
    both = f"{percent(published['parameters'])} and {percent(published['macs'])}"
    text = (
        f"Better than dense on average over the seeds: {ours} (the paper: {theirs}), with "
        f"{percent(counts['parameters'])} fewer parameters and {percent(counts['macs'])} fewer multiply-adds if zeros "
        f"were skipped (the paper: {both})"
    )
    against = pairs[(pairs["arm"] == CODE) & (pairs["against"] == "dense")]
    if against.empty:
        return f"{text}."
    lower, higher = _clear(against, -1), _clear(against, +1)
    return f"{text}; beyond the noise the MSE is lower in {len(lower)} and higher in {len(higher)} of {len(against)}."


def _rivals(cells: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Comparisons with rivals whose density is similar, those that are clear named."""
    density = finished(cells).groupby([*CASE, "arm"])["density"].mean()
    rivals = set(cells.loc[cells["group"] == "rival", "arm"])
    near = []
    for row in pairs[(pairs["arm"] == CODE) & pairs["against"].isin(rivals)].to_dict("records"):
        ratio = density[row["model"], row["pred_len"], CODE] / density[row["model"], row["pred_len"], row["against"]]
        near.append(1 / SIMILAR <= ratio <= SIMILAR)
    against = pairs[(pairs["arm"] == CODE) & pairs["against"].isin(rivals)][near] if near else pd.DataFrame()
    if against.empty:
        return "No rival of similar density is there to compare with." if rivals and len(pairs) else ""
    parts = []
    for sign, word in ((-1, "lower"), (+1, "higher")):
        clear = _clear(against, sign)
        named = [f"{rival}: {bold(own['model'])}" for rival, own in clear.groupby("against", sort=False)]
        parts.append(f"clearly {word} in {len(clear)}" + (f" ({'; '.join(named)})" if named else ""))
    noise = len(against) - int(against["clear"].sum())
    count = "the one comparison" if len(against) == 1 else f"{len(against)} comparisons"
    return (
        f"In {count} with rivals of similar density (within a factor of {SIMILAR:g}) its MSE is {', '.join(parts)}, "
        f"and within the noise in {noise}."
    )


def _paper(cells: pd.DataFrame, pairs: pd.DataFrame) -> str:
    against = pairs[(pairs["arm"] == CODE) & (pairs["against"] == PAPER)]
    theirs = finished(cells[cells["arm"] == PAPER])
    if theirs.empty or against.empty:
        return ""
    ends = theirs.groupby("model", sort=False)["density"].mean()
    reach = _reach([density_text(ends.min()), density_text(ends.max())])
    clear = against[against["clear"]]
    if clear.empty:
        return f"As the paper describes it, PALS ends at density {reach}, its MSE within the noise of the code's."
    parts = [
        f"{word} for {bold(own['model'])}"
        for sign, word in ((-1, "higher"), (1, "lower"))
        if len(own := _clear(against, sign))
    ]
    differs = " and ".join(parts)
    return f"As the paper describes it, PALS ends at density {reach}, its MSE clearly {differs} than the code's."


def _mechanisms(cells: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Per model of the ablations: the switches whose MSE or density differs clearly, and how many change nothing."""
    sentences = []
    for (model, pred_len), own in cells[cells["group"] == "ablation"].groupby(CASE, sort=False):
        here = (cells["model"] == model) & (cells["pred_len"] == pred_len)
        usual = finished(cells[here & (cells["arm"] == CODE)])["density"]
        against = pairs[(pairs["model"] == model) & (pairs["pred_len"] == pred_len) & (pairs["against"] == CODE)]
        matters, rest = [], 0
        for label, arm in own.groupby("arm", sort=False):
            pair = against[against["arm"] == label]
            words = [f"MSE {signed(share)}" for share in pair.loc[pair["clear"], "relative"]]
            if _apart(now := finished(arm)["density"], usual):
                words.append(f"density {density_text(now.mean())}")
            if words:
                matters.append(f"“{label}” ({', '.join(words)})")
            rest += len(pair) > 0 and not words
        if not matters and not rest:
            continue
        name = f"**{model}**" + (f", horizon {pred_len}" if cells["pred_len"].nunique() > 1 else "")
        found = f"{listed(matters)} differ{'s' if len(matters) == 1 else ''} beyond the noise" if matters else ""
        others = f"{'the other ' if matters else ''}{rest} do{'es' if rest == 1 else ''} not" if rest else ""
        if rest and not matters:
            others += " differ beyond the noise"
        sentences.append(
            f"Of its mechanisms, changed one at a time on {name}: {'; '.join(filter(None, [found, others]))}."
        )
    return " ".join(sentences)


def _apart(some: pd.Series, others: pd.Series) -> bool:
    """Whether two densities differ beyond the seeds: two or more each, ranges that do not meet, means that show it."""
    if min(len(some), len(others)) < 2 or abs(some.mean() - others.mean()) < VISIBLE:
        return False
    return some.max() < others.min() or some.min() > others.max()


def _overhead(ours: pd.DataFrame) -> str:
    time = ours.groupby("model", sort=False)["time_share"].mean()
    macs = ours.groupby("model", sort=False)["training_macs_share"].mean()
    every = listed([f"{steps:.0f}" for steps in ours["every"].unique()])
    longer = _reach([f"{time.min():.2f}", f"{time.max():.2f}"])
    return (
        f"With an update every {every} steps, an epoch of it took {longer} times as long as dense (by the clock), and "
        f"its training takes {_reach([percent(macs.min()), percent(macs.max())])} of dense's multiply-adds if zeros "
        "were skipped."
    )


def _standing(cells: pd.DataFrame, naive: pd.DataFrame) -> str:
    """Models that a naive forecast beats even when dense, on average over the seeds."""
    levels = repeat_last(naive)
    mean = finished(cells[cells["group"] == "dense"]).groupby(CASE, sort=False)["mse"].mean()
    fallen = [model for (model, pred_len), mse in mean.items() if mse >= level(levels, pred_len)]
    at = " at some horizon" if len(levels) > 1 else ""
    verb = "is" if len(set(fallen)) == 1 else "are"
    return f"{bold(fallen)} {verb}{at} no better than repeating the last value, even dense." if fallen else ""


def _caveats(cells: pd.DataFrame) -> str:
    parts = [left_out(cells)] if left_out(cells) else []
    if finished(cells)["seed"].nunique() == 1:
        parts.append("With one seed the spread over seeds is unknown: no difference is claimed.")
    return " ".join(parts)


def _clear(pairs: pd.DataFrame, sign: int) -> pd.DataFrame:
    return pairs[pairs["clear"] & (pairs["relative"] * sign > 0)]


def _difference(pairs: pd.DataFrame) -> str:
    """The clear difference with its interval; of several horizons its range, and how many are clear."""
    if pairs.empty:
        return "nothing claimed"
    clear = pairs[pairs["clear"]]
    if clear.empty:
        return "MSE within the noise"
    if len(pairs) == 1:
        return f"MSE {interval(clear.iloc[0])}"
    reach = _reach([signed(clear["relative"].min()), signed(clear["relative"].max())])
    rest = (
        "" if len(clear) == len(pairs) else f", else within the noise: clear at {len(clear)} of {len(pairs)} horizons"
    )
    return f"MSE {reach}{rest}"


def _reach(ends: list[str]) -> str:
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
