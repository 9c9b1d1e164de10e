"""The answer of study 03 in words: a first sentence to repeat, then the details."""

from collections.abc import Mapping

import pandas as pd

from tsprune.report.cases import CASE
from tsprune.report.frames import need
from tsprune.report.outcomes import BETTER, LOST, NOISE, WORSE, furthest, known_outcomes, outcomes
from tsprune.report.status import not_run
from tsprune.report.text import (
    NBSP,
    amount,
    between,
    bold,
    counted,
    ends,
    error_text,
    interval_words,
    left_out,
    listed,
    on_data,
    percent,
    signed,
    span,
    times,
    where,
)
from tsprune.study.base.result import TOLERANCE
from tsprune.study.base.words import alike, idle, no_better, told_where, undecided, unjudged
from tsprune.study.right_sizing.result import (
    COMPARISON,
    DIFFERENCE,
    DISTILLED,
    LARGEST,
    SIZES,
    SLACK,
    WHOLE,
    choice_text,
    short_of,
)

PAST = "repeating past values"
"""What the best naive forecast does, whichever it is."""


def verdict(
    sizes: pd.DataFrame,
    comparison: pd.DataFrame,
    distilled: pd.DataFrame,
    choices: pd.DataFrame,
    naive: pd.DataFrame,
) -> str:
    """Prune or train small, as Markdown: the answer against dense models of no more parameters in the first sentence,
    then each model, whether the choice of the match matters, what pruning cost, what a teacher brings, what the amount
    of data changes, and what to beware of.

    Only differences whose interval leaves out zero are claimed, and none from a single seed. That nothing beats a
    naive forecast stands first; where no difference is clear, one that is known to be small is told from one that is
    not known. Raises UserError for an empty table or a missing column.
    """
    need(sizes, "sizes", SIZES)
    need(comparison, "comparison", [*COMPARISON, *LARGEST, *DIFFERENCE])
    need(distilled, "distilled", [*DISTILLED, *DIFFERENCE])
    need(naive, "naive", ["pred_len", "model", "mse"])
    tuned = comparison[comparison["arm"] == "fine-tuned"]
    equal = tuned[tuned["axis"] == "parameters"]
    first = f"{on_data(sizes['dataset'])}, {_answer(sizes, equal, naive)}."
    details = [_standing(sizes, naive), f"{where(sizes)}, all models are trained equally long."]
    seeds = sizes.loc[sizes["status"] == "ok", "seed"].nunique()
    if not seeds:
        details = []
    elif seeds < 2:
        details.append("No difference is claimed: the spread over seeds is unknown. Run at least two seeds.")
    else:
        large = sizes["width"].max()
        details += [_clauses(equal, large, short_of(sizes)), _matching(tuned), _cost_of_pruning(tuned, large)]
        details += [_distilled_words(distilled, large), _teaching(sizes), _data_words(choices), interval_words(tuned)]
    return f"{first}\n\n" + " ".join(text for text in details if text) + _lost(sizes)


def _answer(sizes: pd.DataFrame, equal: pd.DataFrame, naive: pd.DataFrame) -> str:
    """The first sentence, from the data on: pruned and fine-tuned against the best dense one of no
    more parameters."""
    if small := idle(_best(sizes), _naive_levels(naive), PAST, sizes):
        return small
    if outcomes(equal).eq(LOST).all():
        if not_run(sizes["status"]):
            return "too little has run yet to set a pruned forecaster beside an unpruned one as small"
        return "no pruned forecaster has an unpruned one as small to compare with, so there is no answer"
    known, found = known_outcomes(equal)
    if known.empty:
        return "nothing is claimed about pruning a large forecaster or training a small one: only one seed finished"
    clear, noise = known[found != NOISE], known[found == NOISE]
    if clear.empty:
        return _nothing_clear(noise)
    rest = f"; {undecided(noise)}" if len(noise) else ""
    pruned, dense = int((found == BETTER).sum()), int((found == WORSE).sum())
    if pruned and dense:
        return (
            f"pruning a large forecaster beats training a small one in {pruned} of {len(known)} comparisons and loses "
            f"in {dense} (largest: {_furthest(clear)}){rest}"
        )
    if pruned:
        claim, side = "pruning a large forecaster beats training a small one", "less"
    else:
        claim, side = "training a small forecaster beats pruning a large one", "more"
    most = furthest(clear)
    cases = "" if len(known) == 1 else f" in {len(clear)} of {len(known)} comparisons"
    up_to = "up to " if len(clear) > 1 else ""
    return (
        f"{claim}{cases}; pruning leaves {up_to}{amount(most['relative'])} {side} forecast error "
        f"(**{most['model']}**, {span(most)}){rest}"
    )


def _nothing_clear(noise: pd.DataFrame) -> str:
    """The first sentence where no difference is clear: what is known to be small is told from what is not known."""
    small, where = told_where(noise, "comparisons")
    if small:
        within = f"end within {percent(TOLERANCE)} of each other's error"
        return f"pruning a large forecaster and training a small one {within} {where}"
    return f"these seeds cannot tell whether pruning a large forecaster beats training a small one {where}"


def _furthest(clear: pd.DataFrame) -> str:
    """The largest of the clear differences: ``**M**, error −4.1 %, −7.0 to −1.2 %``."""
    row = furthest(clear)
    return f"**{row['model']}**, error {signed(row['relative'])}, {ends(row)}{NBSP}%"


def _clauses(equal: pd.DataFrame, large: int, short: Mapping[tuple, float]) -> str:
    """Per model, who wins at no more parameters, with the largest clear difference on each side."""
    clauses = [_clause(model, rows, large, short) for model, rows in equal.groupby("model", sort=False)]
    return f"Against the best dense model with no more parameters: {'; '.join(clauses)}." if clauses else ""


def _clause(model: str, rows: pd.DataFrame, large: int, short: Mapping[tuple, float]) -> str:
    known, found = known_outcomes(rows)
    if known.empty:
        return f"for **{model}** there is none to compare"
    several = known["pred_len"].nunique() > 1
    parts = []
    for winners, word in ((known[found == BETTER], "less"), (known[found == WORSE], "more")):
        if winners.empty:
            continue
        best = furthest(winners)
        horizon = f" at horizon {best['pred_len']}" if several else ""
        match = f"dense d_model {best['match_width']:.0f} x {best['match_depth']:.0f}{_smaller(best)}"
        ours = _pruned_to(large, best["width"], short.get((model, best["pred_len"], best["width"])))
        parts.append(
            f"{ours} and fine-tuned has {amount(best['relative'])} {word} error{horizon} than {match} "
            f"(95{NBSP}% interval {span(best)})"
        )
    if parts:
        return f"for **{model}**, {' and '.join(parts)}"
    if alike(known).all():
        return f"for **{model}** the two end within {percent(TOLERANCE)} of each other"
    return f"for **{model}** the two cannot be told apart with these seeds"


def _pruned_to(large: int, width: int, ratio: float | None) -> str:
    """How small pruning made the large one: to the size asked, or as near to it as it came."""
    if ratio is None:
        return f"d_model {large} pruned to the size of d_model {width}"
    return f"d_model {large} pruned towards the size of d_model {width}, to {times(ratio)} its parameters,"


def _smaller(row: pd.Series) -> str:
    """That the dense one is much smaller than the pruned one, where it is: no more parameters are not as many."""
    share = row["match_cost"] / row["cost"]
    return f", which has {percent(share)} of its parameters" if share < 1 - SLACK else ""


def _matching(tuned: pd.DataFrame) -> str:
    """Does it matter that the match is the best by validation and not the costliest that costs no more?"""
    rows = tuned[tuned["largest_width"].notna() & tuned["match_width"].notna()]
    if rows.empty:
        return ""
    other = (rows["largest_width"] != rows["match_width"]) | (rows["largest_depth"] != rows["match_depth"])
    every = counted(len(rows), "comparison")
    if not other.any():
        return (
            f"In {len(rows)} of {every} the dense model chosen by validation is the costliest that "
            "costs no more, so how the match is chosen makes no difference."
        )
    largest = rows.drop(columns=["relative", "clear", "seeds"])
    largest = largest.rename(columns={f"largest_{name}": name for name in ("relative", "clear", "seeds")})
    changed = int((outcomes(rows) != outcomes(largest)).sum())
    return (
        f"In {other.sum()} of {every} the dense model chosen by validation is not the costliest that "
        "costs no more; "
        + (
            f"against the costliest, {counted(changed, 'outcome')} would change."
            if changed
            else "against the costliest, no outcome would change, so how the match is chosen makes no difference."
        )
    )


def _cost_of_pruning(tuned: pd.DataFrame, large: int) -> str:
    """Against the large model trained as long: where pruning is free, and where it is not."""
    rows, found = known_outcomes(tuned[tuned["axis"] == WHOLE])
    if rows.empty:
        return ""
    told = _told(found)
    worse, top = rows[found == WORSE], ""
    if len(worse):
        most = furthest(worse)
        top = f" (by at most {amount(most['relative'])}: **{most['model']}** at the size of d_model {most['width']})"
    return f"Against the unpruned d_model {large}, pruned and fine-tuned models are {told} of {len(rows)}{top}."


def _told(found: pd.Series) -> str:
    """``clearly worse in 1 and within the noise in 2``, of outcomes that may be claimed or are noise."""
    words = {WORSE: "clearly worse in {}", BETTER: "clearly better in {}", NOISE: "within the noise in {}"}
    return listed([text.format((found == name).sum()) for name, text in words.items() if (found == name).any()])


def _distilled_words(distilled: pd.DataFrame, large: int) -> str:
    """What a teacher brings: against the same size trained alone, pruned and fine-tuned ones, and the teacher."""
    parts = []
    for rival, words in (
        ("alone", "against the same sizes trained alone"),
        ("fine-tuned", f"against d_model {large} pruned towards their size and fine-tuned"),
        (WHOLE, f"against d_model {large} itself"),
    ):
        rows, found = known_outcomes(distilled[distilled["rival"] == rival])
        if rows.empty:
            continue
        clear, top = rows[found != NOISE], ""
        if len(clear):
            most = furthest(clear)
            top = f" (largest, **{most['model']}** d_model {most['width']}: {signed(most['relative'])}, {ends(most)})"
        parts.append(f"{_told(found)} of {len(rows)} {words}{top}")
    if not parts:
        return ""
    return f"Small models also taught by the forecasts of d_model {large} are {'; '.join(parts)}."


def _teaching(sizes: pd.DataFrame) -> str:
    """What a teacher costs, in multiply-adds of training beside those of the same size trained alone."""
    done = sizes[sizes["status"] == "ok"]
    means = done.groupby([*CASE, "width", "depth", "arm"])["training_macs"].mean().unstack("arm")
    if not {"distilled", "dense longer"} <= set(means):
        return ""
    ratios = (means["distilled"] / means["dense longer"]).dropna()
    if ratios.empty:
        return ""
    reach = between(times(ratios.min()), times(ratios.max()), " times")
    return f"Counting the training of the large model, distilling takes {reach} the multiply-adds of training alone."


def _data_words(choices: pd.DataFrame) -> str:
    """Does the best choice change with the amount of data? Claimed where the change pays on the test windows."""
    less = choices[choices["data_fraction"] < 1] if len(choices) else choices
    if less.empty or less["seeds"].max() < 2:
        return ""
    less = less.dropna(subset="full_width")
    changed = less[(less["width"] != less["full_width"]) | (less["density_asked"] != less["full_density"])]
    if changed.empty:
        return "Validation (mean over the seeds) chooses the same width and density with every share of the data tried."
    found = outcomes(changed)
    pays, hurts = changed[found == BETTER], changed[found == WORSE]
    if pays.empty and hurts.empty:
        names = bold(changed["model"])
        return f"Validation's choice changes with the amount of data for {names}, without a clear change in test error."
    parts = []
    for rows, word in ((pays, "better"), (hurts, "worse")):
        if len(rows):
            row = furthest(rows)
            parts.append(
                f"clearly {word} in {len(rows)} (most for **{row['model']}** with {percent(row['data_fraction'])} of "
                f"the data: {choice_text(row['width'], row['density_asked'])} is {amount(row['relative'])} {word} than "
                f"{choice_text(row['full_width'], row['full_density'])}, the choice on all data)"
            )
    cases = "case" if len(less) == 1 else "cases"
    return (
        f"With less data validation chooses another width or density in {len(changed)} of {len(less)} {cases}, with "
        f"test error {' and '.join(parts)}."
    )


def _best(sizes: pd.DataFrame) -> pd.Series:
    """MSE of each model and horizon at its best size, dense or pruned: mean over the seeds."""
    done = sizes[sizes["status"] == "ok"]
    mean = done.groupby([*CASE, "arm", "width", "depth"], sort=False)["mse"].mean()
    return mean.groupby(level=CASE, sort=False).min()


def _naive_levels(naive: pd.DataFrame) -> dict[int, float]:
    """MSE of the best naive forecast of each horizon that has one."""
    return naive.groupby("pred_len")["mse"].min().dropna().to_dict()


def _standing(sizes: pd.DataFrame, naive: pd.DataFrame) -> str:
    """The models of which no size, dense or pruned, does better than a forecast that learns nothing, and the horizons
    where no such forecast has a result."""
    best, levels = _best(sizes), _naive_levels(naive)
    fallen, parts = no_better(best, levels).index.unique(0), []
    if len(fallen):
        one = sizes["pred_len"].nunique() == 1
        at = f"MSE {error_text(min(levels.values()))}" if one else "at one horizon or more"
        parts.append(f"No size of {bold(fallen)} does better than the best naive forecast ({at}).")
    return " ".join([*parts, *unjudged(best, levels, PAST)])


def _lost(sizes: pd.DataFrame) -> str:
    """What did not come out, as a last sentence."""
    short = short_of(sizes)
    missed = [f"**{model}** at d_model {width} ({times(ratio)} as many)" for (model, _, width), ratio in short.items()]
    words = f"Pruning did not get down to the parameters of {listed(list(dict.fromkeys(missed)))}." if missed else ""
    return "".join(f" {text}" for text in (left_out(sizes), words) if text)
