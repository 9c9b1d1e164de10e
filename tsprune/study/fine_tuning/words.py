"""Tables and verdict of study 02; the frames are those of :mod:`tsprune.report.fine_tuning`."""

import pandas as pd

from tsprune.report.frames import need
from tsprune.report.text import NBSP, density_text, ends, interval, interval_words, left_out, listed, signed, where
from tsprune.study.fine_tuning.result import COMPARISONS, drawable

NOISE = "within the noise"


def verdict(cells: pd.DataFrame, comparisons: pd.DataFrame) -> str:
    """What training on brings back, as Markdown; every claim is one whose interval is clear of zero.

    The measure is the dense model trained as long: a pruned model that only beats the shorter-trained dense one has
    gained from training, not from pruning. The sparsest density is spoken of; with one seed nothing is claimed.
    """
    done = drawable(cells)
    need(comparisons, "comparisons", COMPARISONS)
    seeds = done["seed"].nunique()
    if seeds < 2:
        return (
            f"{where(cells)} nothing is claimed: with one seed the spread over seeds is unknown, the numbers stand "
            "below."
        )
    lowest = comparisons.loc[comparisons["structure"] == "unstructured", "density_asked"].min()
    at = comparisons[comparisons["density_asked"].eq(lowest) | (comparisons["structure"] == "2:4")]
    first = (
        f"{where(cells)}, training on takes the MSE of models cut to density {density_text(lowest)}, against the dense "
        f"model trained as long, for {_recovery(at[at['structure'] == 'unstructured'])} (in brackets the 95{NBSP}% "
        "interval)."
    )
    others = [
        f"{intro}: {_recovery(at[at['structure'] == structure])}"
        for structure, intro in (
            ("structured", f"for models narrowed to {density_text(lowest)} of the parameters"),
            ("2:4", "with 2:4 masks"),
        )
        if (at["structure"] == structure).any()
    ]
    sentences = [f"The same {'. And '.join(others)}."] if others else []
    own = at[at["structure"] == "unstructured"]
    sentences.append(_pairs(own, "iterative", f"Pruning step by step instead of at once (density {lowest:.2g})"))
    sentences.append(_pairs(own, "rewound", "Starting over from the initial weights under the same mask"))
    sentences += [interval_words(comparisons), left_out(cells)]
    return f"{first}\n\n" + " ".join(sentence for sentence in sentences if sentence)


def _recovery(rows: pd.DataFrame) -> str:
    """``**A** from +50 % to +3 % (1 to 5 %)`` per model, each number against the dense model trained as long."""
    parts = []
    for model, group in rows[rows["against"] == "dense longer"].groupby("model", sort=False):
        before, after = (group[group["arm"] == arm] for arm in ("pruned", "fine-tuned"))
        parts.append(f"**{model}** from {_amount(before, False)} to {_amount(after, True)}")
    return "; ".join(parts)


def _amount(rows: pd.DataFrame, with_interval: bool) -> str:
    """Relative difference over the horizons, of those that are clear; with its interval where there is one horizon."""
    clear, known = rows[rows["clear"]], rows[rows["seeds"] > 1]
    if known.empty:
        return "no result"
    if clear.empty:
        alone = f" ({interval(known.iloc[0])})" if with_interval and len(known) == 1 else ""
        return f"no difference beyond the noise{alone}"
    if len(rows) == 1:
        row = clear.iloc[0]
        return interval(row) if with_interval else signed(row["relative"])
    low, high = signed(clear["relative"].min()), signed(clear["relative"].max())
    reach = low if low == high else f"{low} to {high}"
    rest = "" if len(clear) == len(rows) else f" (at {len(clear)} of {len(rows)} horizons, else {NOISE})"
    return reach + rest


def _pairs(rows: pd.DataFrame, arm: str, what: str) -> str:
    """For which models ``arm`` is clearly better or worse than training on after pruning at once."""
    rows = rows[(rows["arm"] == arm) & (rows["against"] == "fine-tuned") & (rows["seeds"] > 1)]
    if rows.empty:
        return ""
    lower, higher, same = [], [], []
    for model, group in rows.groupby("model", sort=False):
        clear = group[group["clear"]]
        if clear.empty:
            same.append(f"**{model}**")
        elif (clear["relative"] < 0).all():
            lower.append(f"**{model}** ({_gain(group)})")
        elif (clear["relative"] > 0).all():
            higher.append(f"**{model}** ({_gain(group)})")
        else:
            same.append(f"**{model}** (better at one horizon, worse at another)")
    parts = []
    if lower:
        parts.append(f"lowers the MSE of {listed(lower)}")
    if higher:
        parts.append(f"raises {'that' if lower else 'the MSE'} of {listed(higher)}")
    if same:
        parts.append(f"makes no difference beyond the noise for {listed(same)}")
    return f"{what} {'; it '.join(parts)}."


def _gain(rows: pd.DataFrame) -> str:
    """As :func:`_amount` with the interval, without brackets of its own where there is one horizon."""
    if len(rows) > 1:
        return _amount(rows, True)
    row = rows.iloc[0]
    return f"{signed(row['relative'])}, {ends(row)}"
