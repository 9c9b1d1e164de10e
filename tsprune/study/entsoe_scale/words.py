"""The answer of study 04 in words: a first sentence to repeat, then the details."""

import math

import numpy as np
import pandas as pd

from tsprune.report.cases import CASE, of_case
from tsprune.report.frames import need
from tsprune.report.outcomes import BETTER, LOST, NOISE, ONE_SEED, WORSE, furthest, outcomes
from tsprune.report.text import (
    NBSP,
    amount,
    counted,
    density_labels,
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
from tsprune.study.base.words import alike, idle, standing
from tsprune.study.entsoe_scale.result import (
    CELLS,
    DIFFERENCES,
    LAST_WEEK,
    SEASONAL,
    SLACK,
    STRUCTURES,
    WIDTHS,
    need_countries,
    seasonal,
    size_text,
    to_beat,
    weekly,
    with_error,
)

SEASON, WEEK = "repeating the value one season before", "taking the value of the same time last week"

_SIZE = ["arm", "width", "structure", "density_asked"]


def verdict(cells: pd.DataFrame, widths: pd.DataFrame, differences: pd.DataFrame, naive: pd.DataFrame) -> str:
    """The answer as Markdown: whether the best width grows with the data, then what pruning does to it.

    ``widths`` has the best width by validation per model, horizon and share of the data; a clause claims a difference
    only where ``clear`` is true in ``differences``, and gives percent and interval either way; one on the best width
    only where validation can tell the widths apart. That no model beats the better of two naive forecasts, the last
    season again and the value a week before, stands first. Raises UserError for an empty table or a missing column.
    """
    need(cells, "cells", CELLS)
    done = with_error(cells)
    data = on_data(cells["dataset"])
    if done.empty:
        reasons = listed([str(reason) for reason in cells["reason"].dropna().unique()[:3]])
        return f"{data}, there is no answer: no forecaster finished.\n\nReasons: {reasons or 'not given'}."
    need(differences, "differences", DIFFERENCES)
    need(widths, "widths", WIDTHS)
    best = done.groupby([*CASE, "windows_train", *_SIZE], sort=False, dropna=False)["mse"].mean()
    best = best.groupby(level=CASE, sort=False).min()
    levels, than = to_beat(naive), _than(naive)
    small = idle(best, levels, than, cells)
    first = small or _answer(widths, differences, cells["width"].max())
    lines, texts = [], density_labels(cells["density_asked"])
    for (model, pred_len), rows in differences.groupby(CASE, sort=False):
        name = f"**{model}**" + (f" (horizon {pred_len})" if cells["pred_len"].nunique() > 1 else "")
        own = of_case(done, model, pred_len)
        told = (_chosen_words(_of(widths, model, pred_len), rows), _width_words(rows), _pruned_words(rows))
        full = own[own["windows_train"] == rows["windows_train"].max()]
        lines.append(" ".join(text for text in (f"- {name}:", *told, _best_row(full, texts)) if text))
    last = (
        standing(best, levels, than, cells),
        _levels(widths, cells, naive),
        "" if small else _behind(done, naive),
        interval_words(differences),
        left_out(cells),
    )
    body = "\n".join(lines)
    return f"{data}, {first}.\n\n{where(cells)}:\n\n{body}\n\n{' '.join(text for text in last if text)}"


def _than(naive: pd.DataFrame) -> str:
    """The naive forecast that is to be beaten, in words: the better one, where that is the same at all horizons."""
    season = seasonal(naive)
    better = [mse < season.get(pred_len, math.inf) for pred_len, mse in to_beat(naive).items()]
    if any(better) and not all(better):
        return f"the better of {SEASON} and {WEEK}"
    return WEEK if any(better) else SEASON


def _of(widths: pd.DataFrame, model: str, pred_len: int) -> pd.DataFrame:
    """The rows of ``widths`` of a case, by number of training windows."""
    return of_case(widths, model, pred_len).set_index("windows_train").sort_index()


def _answer(widths: pd.DataFrame, differences: pd.DataFrame, widest: int) -> str:
    """The first sentence, from the data on: does the best width grow with the data?"""
    groups = list(differences.groupby(CASE, sort=False))
    chosen = [_of(widths, *case) for case, _ in groups]
    kinds = pd.Series([_kind(own, rows) for own, (_, rows) in zip(chosen, groups, strict=True)])
    if len(groups) == 1:
        ((model, _), rows) = groups[0]
        return _one_case(f"**{model}**", kinds[0], chosen[0], rows, widest)
    count = len(kinds)
    settled, clear = kinds.isin(_SETTLED), kinds.isin(_CLEAR)
    rows = [_row(rows, "best", own.index.max()) for own, (_, rows) in zip(chosen, groups, strict=True)]
    if not settled.any() and not clear.any():
        return f"it cannot be said in any of {count} cases whether more data needs a bigger forecaster"
    if settled.sum() >= clear.sum():
        none = "no" if not kinds.eq("alike").any() else f"under {percent(TOLERANCE)}"
        first, told = f"more data makes {none} difference to the best size in {settled.sum()} of {count} cases", clear
    else:
        main = kinds[clear].value_counts().idxmax()
        first, told = f"{_CLEAR[main]} in {(kinds == main).sum()} of {count} cases", kinds == main
    if not told.any():
        seeds = int(differences["seeds"].max())
        return f"{first} (sizes chosen by validation, {counted(seeds, 'seed')})"
    most = max((i for i in kinds.index if told[i]), key=lambda i: abs(rows[i]["relative"]))
    return f"{first}; largest: **{groups[most][0][0]}**, {_gap(rows[most])}"


_CLEAR = {
    "bigger": "more data needs a bigger forecaster",
    "smaller": "more data needs a smaller forecaster",
    "misjudged": "with more data validation picks the wrong size",
}
"""Kinds of answer whose test errors are clear, with the words for them."""

_SETTLED = ("same", "alike")


def _kind(chosen: pd.DataFrame, rows: pd.DataFrame) -> str:
    """Widths are chosen by validation, as far as it tells them apart; what changes with the data is claimed when the
    test errors say so."""
    if len(chosen) < 2:
        return "unknown"
    if chosen["seeds"].min() < 2:
        return "one seed"
    if not chosen["told"].iloc[[0, -1]].all():
        return "untold"
    few, many = chosen["width"].iloc[0], chosen["width"].iloc[-1]
    if few == many:
        return "same"
    row = _row(rows, "best", chosen.index.max())
    if row is None or pd.isna(row["relative"]):
        return "unknown"
    if not row["clear"]:
        small = alike(pd.DataFrame([row])).item()
        return "one seed" if row["seeds"] < 2 else "alike" if small else "noise"
    return "misjudged" if row["relative"] > 0 else "bigger" if many > few else "smaller"


def _one_case(name: str, kind: str, of: pd.DataFrame, rows: pd.DataFrame, widest: int) -> str:
    """The answer for one model and horizon."""
    if kind == "unknown":
        why = (
            "too few amounts of data have a result"
            if len(of) < 2
            else "the widths that validation chooses cannot be compared, as a cell has no result"
        )
        return f"it cannot be said whether more data needs a bigger {name}: {why}"
    if kind == "one seed":
        fewest = of["seeds"].min()
        why = f"{'one' if fewest else 'no'} seed has a result at every width" if fewest < 2 else "one seed is compared"
        return f"nothing is claimed about whether more data needs a bigger {name}: {why}"
    if kind == "untold":
        return f"it cannot be said whether more data needs a bigger {name}: {_untold(of)}"
    chosen, few, many = of["width"], of.index.min(), of.index.max()
    if kind == "same":
        row = _row(rows, "width", many)
        known = row is not None and pd.notna(row["relative"])
        against = f" (widest against smallest: {signed(row['relative'])}, {ends(row)}{NBSP}%)" if known else ""
        which = f"{chosen.iloc[0]}{', the widest,' if chosen.iloc[0] == widest else ''}"
        return (
            f"more data makes no difference to the best size of {name}: width {which} is chosen with {few:,} windows "
            f"as with {many:,}{against}"
        )
    row = _row(rows, "best", many)
    if kind in ("noise", "alike"):
        says = (
            f"more data makes less than {percent(TOLERANCE)} difference to which size of {name} is best"
            if kind == "alike"
            else f"these seeds cannot tell whether more data needs a bigger {name}"
        )
        return (
            f"{says}: widths {chosen[many]} and {chosen[few]} differ by {signed(row['relative'])} in forecast error "
            f"({ends(row)}{NBSP}%)"
        )
    return f"{_CLEAR[kind]}: trained on {many:,} windows, not {few:,}, {name} has {_gap(row)}"


def _gap(row: dict) -> str:
    """A clear difference between two widths in plain words; ``ours`` is the one chosen with all the data."""
    ours, others = (row[side].removeprefix("d_model ") for side in ("ours", "others"))
    less = "less" if row["relative"] < 0 else "more"
    return f"{amount(row['relative'])} {less} forecast error at width {ours} than at {others} ({span(row)})"


def _untold(of: pd.DataFrame) -> str:
    """With which of the least and of all the data validation cannot tell the widths apart, and what its seeds say."""
    rows = of.iloc[[0, -1]]
    rows = rows[~rows["told"]]
    shares = listed([percent(share) for share in rows["data_fraction"]])
    split = [row for row in rows["by_seed"] if len(row) > 1]
    widths = listed([str(width) for width in split[0]]) if len(rows) == len(split) == 1 else ""
    why = f" (its seeds choose d_model {widths})" if widths else ""
    return f"validation cannot tell the widths apart with {shares} of the data{why}"


def _chosen_words(of: pd.DataFrame, rows: pd.DataFrame) -> str:
    """Which width validation chooses, with the least and with all the data, and what the lead of the widest does."""
    if len(of) < 2:
        return ""
    few, many = of.index.min(), of.index.max()
    told = [_best_by_validation(row) for row in of.loc[[few, many]].reset_index().to_dict("records")]
    return f"by validation {'; '.join(told)}{_lead(rows, few, many)}."


def _best_by_validation(row: dict) -> str:
    """For one amount of data; where the widths cannot be told apart, how far the seeds go."""
    best = f"d_model {row['width']} is best with {row['windows_train']:,} training windows"
    if not row["seeds"]:
        return f"{best} as far as there are results, but no seed has one at every width"
    if row["told"] or row["seeds"] < 2:
        return best
    if len(row["by_seed"]) > 1:
        split = listed([str(width) for width in row["by_seed"]])
        return f"{best} on average, but single seeds choose {split}, so the widths cannot be told apart"
    return f"{best}, but by less than the seeds differ, so the widths cannot be told apart"


def _lead(rows: pd.DataFrame, few: int, many: int) -> str:
    """Whether the widest one's lead over the smallest depends on the data: claimed when the intervals do not meet."""
    first, last = (_row(rows, "width", n) for n in (few, many))
    if first is None or last is None or not (last["clear"] and last["relative"] < 0 and first["seeds"] > 1):
        return ""
    if last["high"] < first["low"]:
        return f"; the lead of {last['ours']} over {last['others']} grows with the data"
    if last["low"] > first["high"]:
        return f"; the lead of {last['ours']} over {last['others']} shrinks with more data"
    return ""


def _width_words(rows: pd.DataFrame) -> str:
    """The widest against the smallest, with all the data; the table has the rest."""
    many = rows["windows_train"].max()
    row = _row(rows, "width", many)
    return f"With {many:,} windows, the test MSE of {row['ours']} against {row['others']} is {_change(row)}."


def _pruned_words(rows: pd.DataFrame) -> str:
    """Every pruned size against the dense one nearest in parameters, with all the data: how many came out how, and the
    furthest on either side."""
    many = rows["windows_train"].max()
    rows = rows[rows["question"].isin(STRUCTURES) & (rows["windows_train"] == many)]
    found = outcomes(rows)
    names = {BETTER: "clearly better", WORSE: "clearly worse", NOISE: NOISE, ONE_SEED: "of one seed, no claim"}
    names[LOST] = "without a result"
    counts = [f"{(found == name).sum()} {words}" for name, words in names.items() if (found == name).any()]
    best = [furthest(rows[found == name]) for name in (BETTER, WORSE) if (found == name).any()]
    told = "; ".join(f"{row['ours']}, against {row['others']}: {_change(row)}" for row in best)
    return (
        f"Its {counted(len(rows), 'pruned and fine-tuned size')} against the dense one nearest in parameters"
        f"{_near(rows)}, trained as long on {many:,} windows, by test MSE: "
        f"{listed(counts)}{f' ({told})' if told else ''}."
    )


def _near(rows: pd.DataFrame) -> str:
    """How far from it in parameters the nearest dense one is, where that is farther than what counts as equal."""
    off = np.exp(np.log(rows["share_ours"] / rows["share_others"]).abs())
    return f" (off by up to {times(off.max())})" if off.max() > 1 + SLACK else ""


def _best_row(full: pd.DataFrame, texts: dict[float, str]) -> str:
    """The best row of the table with all the data, and how many pruned sizes lie below the best dense one."""
    if full.empty:
        return ""
    seeds = full.groupby(_SIZE, sort=False, dropna=False)["seed"].nunique()
    means = full.groupby(_SIZE, sort=False, dropna=False)["mse"].mean()[seeds == seeds.max()]
    over = f"means over {seeds.max()} seeds" if seeds.max() > 1 else "one seed"
    fewer = int((seeds < seeds.max()).sum())
    over += f", {counted(fewer, 'size')} with fewer left out" if fewer else ""
    over += ", lowest by test error, no claim"
    arms = means.index.get_level_values("arm")
    text = (
        f"With all the data, the lowest test MSE in the table is {error_text(means.min())}, of "
        f"{size_text(*means.idxmin(), texts)}"
    )
    dense, pruned = means[arms.isin(["dense", "dense longer"])], means[arms == "fine-tuned"]
    if dense.empty or pruned.empty:
        return f"{text} ({over})."
    below = int((pruned < dense.min()).sum())
    lie = "lies" if below == 1 else "lie"
    return (
        f"{text}; {below} of {len(pruned)} pruned and fine-tuned sizes {lie} below the best dense one, "
        f"{size_text(*dense.idxmin(), texts)}, with {error_text(dense.min())} ({over})."
    )


def _levels(widths: pd.DataFrame, cells: pd.DataFrame, naive: pd.DataFrame) -> str:
    """What the dense models that validation chooses are worth beside the naive forecasts."""
    parts = []
    for pred_len, rows in widths[widths["data_fraction"] == 1].groupby("pred_len", sort=False):
        found = [f"**{row['model']}** {error_text(row['mse'])}" for row in rows.to_dict("records")]
        at = f"at horizon {pred_len} " if cells["pred_len"].nunique() > 1 else ""
        levels = {SEASONAL: seasonal(naive), LAST_WEEK: weekly(naive)}
        told = [f"{name} {error_text(level[pred_len])}" for name, level in levels.items() if pred_len in level]
        beside = f" ({', '.join(told)})" if told else ""
        parts.append(f"{at}{listed(found)}{beside}")
    said = f"Test MSE at the width that validation chooses with all the data: {'; '.join(parts)}."
    return said if parts else ""


def _behind(done: pd.DataFrame, naive: pd.DataFrame) -> str:
    """Dense models that with all the data do not beat the better naive forecast; nothing where all do."""
    dense = done[(done["arm"] == "dense") & (done["data_fraction"] == 1)]
    means = dense.groupby([*CASE, "width"], sort=False)["mse"].mean()
    beaten, several = to_beat(naive), done["pred_len"].nunique() > 1
    names = [
        f"**{model}** of d_model {width}{f' at horizon {pred_len}' if several else ''}"
        for (model, pred_len, width), mse in means.items()
        if mse >= beaten.get(pred_len, math.inf)
    ]
    return f"With all the data no better than {_than(naive)}: {listed(names)}." if names else ""


def _row(rows: pd.DataFrame, question: str, windows: int) -> dict | None:
    found = rows[(rows["question"] == question) & (rows["windows_train"] == windows)].to_dict("records")
    return found[0] if found else None


def _change(row: dict) -> str:
    """``14 % lower (95 % interval −16 to −12)``; without a claim where it is not clear."""
    if pd.isna(row["relative"]):
        return "not known (a cell has no result)"
    if not row["clear"]:
        why = "within the noise" if row["seeds"] > 1 else "one seed, no claim"
        return f"{signed(row['relative'])} ({why}: {ends(row)})"
    return f"{amount(row['relative'])} {'lower' if row['relative'] < 0 else 'higher'} (95{NBSP}% interval {ends(row)})"


def by_column(countries: pd.DataFrame) -> str:
    """In how many columns the models are off by less than each naive forecast, a sentence per model (first horizon
    first). Raises UserError for an empty table or a missing column."""
    need_countries(countries)
    sentences = []
    for pred_len, rows in countries.groupby("pred_len", sort=False):
        errors = rows.pivot(index="column", columns="kind", values="percent")
        names = rows.groupby("kind")["forecaster"].first()
        at = f"At horizon {pred_len} " if countries["pred_len"].nunique() > 1 else ""
        for kind in ("dense", "fine-tuned"):
            if kind in errors:
                won = [
                    f"{names[naive]} in {int((errors[kind] < errors[naive]).sum())} of {counted(len(errors), 'column')}"
                    for naive in ("naive", "week")
                    if naive in errors
                ]
                sentences.append(f"{at}**{names[kind]}** is on average off by less than {listed(won)}.")
    return " ".join(sentences) or "No model finished that could be compared with the naive forecasts."
