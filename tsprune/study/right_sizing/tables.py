"""Tables of study 03: sizes, what they cost to run and to train, who wins at equal cost, the choice by data."""

from collections.abc import Callable

import pandas as pd
from pandas.io.formats.style import Styler

from tsprune.errors import UserError, unknown
from tsprune.report.frames import need
from tsprune.report.outcomes import BETTER, LOST, WORSE, counts_table
from tsprune.report.tables import claim, labelled, mean_and_spread, styled
from tsprune.report.text import (
    error_text,
    interval,
    interval_words,
    percent,
    short_count,
    short_interval,
    short_number,
    signed,
    spread_text,
    times,
)
from tsprune.study.right_sizing.result import (
    ARM_WORDS,
    AXES,
    CHOICES,
    DIFFERENCE,
    DISTILLED,
    RIVALS,
    SIZES,
    TRAINING,
    WHOLE,
    choice_text,
    fine_tuned,
    short_of,
)


def sizes(sizes: pd.DataFrame) -> Styler:
    """Costs and test MSE of every size and arm: ``mean ± standard deviation`` over the seeds."""
    need(sizes, "sizes", SIZES)
    rows, short = {}, short_of(sizes)
    for (model, pred_len, arm, depth, width), group in sizes.groupby(
        ["model", "pred_len", "arm", "depth", "width"], sort=False
    ):
        size = f"{width} x {depth}"
        if arm in ("pruned", "fine-tuned") and (model, pred_len, width) in short:
            size += f" ({times(short[model, pred_len, width])})"
        rows[model, f"{pred_len}", ARM_WORDS[arm], size] = {
            "parameters": _count(group["parameters"]),
            "multiply-adds": _count(group["macs_executed"]),
            "ms, 1 window": _milliseconds(group["latency_1_ms"]),
            "ms, 32 windows": _milliseconds(group["latency_32_ms"]),
            "MSE": mean_and_spread(group.assign(mse_relative=group["mse"]), "mse"),
        }
    table = labelled(rows, ["model", "horizon", "made", "d_model x layers"], sizes)
    caption = (
        f"Costs of one model and test MSE on scaled data ({spread_text(sizes)}). Pruned and distilled models stand at "
        "the size of the dense model that they are to match"
        + (" (in brackets: how many times its parameters are left, where pruning got no further)." if short else ".")
    )
    return styled(table, caption)


def training(sizes: pd.DataFrame) -> Styler:
    """What training took by way and size, all in and the large model's part: multiply-adds and seconds, and the peak of
    memory, means over the seeds. Raises UserError for an empty table or a missing column."""
    need(sizes, "sizes", SIZES)
    rows = {}
    shown = sizes[sizes["arm"] != "dense"]
    for (model, pred_len, arm, depth, width), group in shown.groupby(
        ["model", "pred_len", "arm", "depth", "width"], sort=False
    ):
        means = group[TRAINING].mean()
        rows[model, f"{pred_len}", ARM_WORDS[arm], f"{width} x {depth}"] = {
            "multiply-adds": _all_in(means["training_macs"], means["training_macs_large"], short_count),
            "seconds": _all_in(means["training_s"], means["training_s_large"], "{:.1f}".format),
            "peak memory, MiB": "not known" if pd.isna(means["training_mib"]) else f"{means['training_mib']:,.0f}",
        }
    caption = (
        "Cost of training one model of each size, with the large one where it is needed (in brackets: its share). A "
        "window trained on counts as three forecasts, a window that the teacher forecasts as one; seconds are as "
        "measured here. "
        "Memory is the peak of the training that needed most: of its process, with data and libraries, or on a GPU."
    )
    return styled(labelled(rows, ["model", "horizon", "made", "d_model x layers"], sizes), caption)


def distilled(distilled: pd.DataFrame) -> Styler:
    """Change of the test MSE of each distilled model (rows) against each rival (columns); in italics what is within
    the noise. Raises UserError for an empty table, a missing column, an unknown rival."""
    need(distilled, "distilled", [*DISTILLED, *DIFFERENCE])
    rows = {}
    for row in distilled.to_dict("records"):
        if row["rival"] not in RIVALS:
            raise UserError(unknown("rival", row["rival"], RIVALS))
        label = (row["model"], f"{row['pred_len']}", f"{row['width']} x {row['depth']}")
        size = f" [{row['match_width']:.0f} x {row['match_depth']:.0f}]" if row["rival"] == "affordable" else ""
        text = short_interval(row) + (size if pd.notna(row["relative"]) else "")
        rows.setdefault(label, {})[RIVALS[row["rival"]]] = claim(text, row["clear"])
    caption = (
        "Difference in test MSE of the small model taught by the large one, all trained equally long, in percent "
        f"(below 0: distilled is better). {interval_words(distilled)} In italics: within the noise, no claim."
    )
    return styled(labelled(rows, ["model", "horizon", "distilled"], distilled), caption)


def comparison(comparison: pd.DataFrame) -> Styler:
    """Every pruned and fine-tuned model beside the best dense one that costs as little; in italics what is within the
    noise."""
    tuned = fine_tuned(comparison)
    bare = comparison[comparison["arm"] == "pruned"].set_index(["model", "pred_len", "width", "depth", "axis"])
    rows = {}
    for row in tuned.to_dict("records"):
        key = (row["model"], row["pred_len"], row["width"], row["depth"], row["axis"])
        found = pd.notna(row["match_width"])
        axis = AXES[row["axis"]].removeprefix("no more ")
        rows[row["model"], f"{row['pred_len']}", f"{row['width']} x {row['depth']}", axis] = {
            "dense match": _match(row) if found else str(row["reason"]),
            "MSE against it": claim(interval(row) if found else "", row["clear"]),
            "against the costliest": _largest(row) if found else "",
            "without fine-tuning": _alone(bare.at[key, "relative"]) if key in bare.index and found else "",
        }
    caption = (
        "Test MSE of the pruned and fine-tuned model against the dense one of best validation MSE among those that "
        "cost as little, trained as long. Above 0: pruned is worse; in italics: within the noise, no claim. In "
        "brackets: what the match costs, in percent of the pruned one. Beside it: the difference to the costliest of "
        "them, where that is another model. "
        f"{interval_words(comparison)}"
    )
    return styled(labelled(rows, ["model", "horizon", "pruned towards", "dense of no more"], comparison), caption)


def counts(comparison: pd.DataFrame) -> Styler:
    """How often the pruned model wins against the best dense one that costs as little, how often the dense one does, by
    what it costs no more of; with and without fine-tuning.

    Raises UserError for an empty table, a missing column, an unknown axis."""
    tuned = fine_tuned(comparison)
    bare = comparison[comparison["arm"] == "pruned"]
    groups = {
        f"{'against' if axis == WHOLE else 'dense one of'} {words}{how}": rows[rows["axis"] == axis]
        for rows, how in ((tuned, ""), (bare, ", without fine-tuning"))
        for axis, words in AXES.items()
        if (rows["axis"] == axis).any()
    }
    names = {BETTER: "pruned wins", WORSE: "dense wins", LOST: "nothing to compare"}
    caption = (
        "Pruned models against dense ones that cost as little, chosen by validation and trained as long, over models "
        f"and sizes. {interval_words(comparison)}"
    )
    return counts_table(groups, caption, names)


def choices(choices: pd.DataFrame) -> Styler | None:
    """The best choice per share of the data, beside what is best on all the data; None where nothing was chosen."""
    if choices.empty:
        return None
    need(choices, "choices", [*CHOICES, "full_width", "full_density", *DIFFERENCE])
    rows = {}
    for row in choices.to_dict("records"):
        same = (row["width"], row["density_asked"]) == (row["full_width"], row["full_density"])
        rows[row["model"], f"{row['pred_len']}", percent(row["data_fraction"])] = {
            "best by validation": choice_text(row["width"], row["density_asked"]),
            "parameters": short_count(row["parameters"]),
            "validation MSE": error_text(row["val_mse"]),
            "test MSE": error_text(row["mse"]),
            "against the choice on all data": "the same" if same else interval(row),
        }
    caption = (
        "Chosen by validation MSE, mean over seeds. Last column: test MSE against that of the choice on all data, both "
        f"trained on this share. {interval_words(choices)}"
    )
    return styled(labelled(rows, ["model", "horizon", "data"], choices), caption)


def _match(row: dict) -> str:
    share = row["match_cost"] / row["cost"]
    size = f"{row['match_width']:.0f} x {row['match_depth']:.0f}"
    return size if pd.isna(share) else f"{size} ({percent(share)})"


def _alone(relative: float) -> str:
    return "no result" if pd.isna(relative) else signed(relative)


def _largest(row: dict) -> str:
    """The difference to the costliest affordable dense model, where that is another than the match."""
    if pd.isna(row["largest_width"]):
        return ""
    if (row["largest_width"], row["largest_depth"]) == (row["match_width"], row["match_depth"]):
        return "the same"
    size = f"{row['largest_width']:.0f} x {row['largest_depth']:.0f}"
    return f"{size}: {_alone(row['largest_relative'])}"


def _all_in(value: float, large: float, text: Callable[[float], str]) -> str:
    """A cost, with the large model's share of it where that is needed."""
    if pd.isna(value):
        return "unknown"
    return f"{text(value)} ({percent(large / value)})" if large else text(value)


def _count(values: pd.Series) -> str:
    return f"{values.mean():,.0f}" if values.notna().any() else "unknown"


def _milliseconds(values: pd.Series) -> str:
    return short_number(values.mean()) if values.notna().any() else "unknown"
