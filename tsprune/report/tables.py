"""Small tables for people, as pandas Stylers: read in JupyterLab, in the report and on paper alike."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from tsprune.report.frames import (
    NAIVE,
    NBSP,
    SCOPES,
    density_labels,
    error_text,
    finished,
    level,
    need,
    need_limits,
    need_scopes,
    percent,
    repeat_last,
)
from tsprune.report.phrases import spread_text
from tsprune.report.words import value_text
from tsprune.typed import digest

_WIDE = 10
"""Tables of more columns stand closer."""
_WRAPPED = 14
"""Row labels of more characters may take several lines."""
PROSE = ("source", "protocol here and there", "reason", "value", "condition", "most sensitive group")
"""Columns of sentences: to the left, with line breaks."""


def sweep_table(cells: pd.DataFrame, naive: pd.DataFrame) -> Styler:
    """MSE and MAE per density: models as columns, the naive forecasts beneath, a block per horizon and scope.

    ``mean ± standard deviation`` over the seeds (sample standard deviation; none for one seed). A dagger marks an
    MSE no better than repeating the last value; a word stands where no seed finished, a count where some did.
    Raises UserError for an empty table, a missing column, an unknown scope or no repeat-last row.
    """
    need(cells, "cells", ["model", "pred_len", "seed", "scope", "density_asked", "mse", "mae", "mse_relative"])
    need(cells, "cells", ["status"])
    need(naive, "naive", ["pred_len", "model", "mse", "mae"])
    levels, models = repeat_last(naive), list(cells["model"].unique())
    scopes, horizons = need_scopes(cells), sorted(cells["pred_len"].unique())
    texts = density_labels(cells["density_asked"])
    rows, marks = {}, {}
    for pred_len in horizons:
        at_horizon = cells[cells["pred_len"] == pred_len]
        for scope in scopes:
            block = at_horizon[at_horizon["scope"] == scope]
            for density in sorted(block["density_asked"].unique(), reverse=True):
                label = (f"{pred_len}", scope, texts[density] + (" (dense)" if density == 1 else ""))
                group = block[block["density_asked"] == density]
                rows[label], marks[label] = {}, {}
                for model in models:
                    own = group[group["model"] == model]
                    fallen = finished(own)["mse"].mean() >= level(levels, pred_len)
                    rows[label][model, "MSE"] = mean_and_spread(own, "mse") + (" †" if fallen else "")
                    rows[label][model, "MAE"] = mean_and_spread(own, "mae")
                    marks[label][model, "MSE"] = "fallen" if fallen else ""
        for forecast in naive[naive["pred_len"] == pred_len].to_dict("records"):
            label = (f"{pred_len}", "naive", NAIVE.get(forecast["model"], forecast["model"]))
            values = {"MSE": error_text(forecast["mse"]), "MAE": error_text(forecast["mae"])}
            rows[label] = {(model, metric): values[metric] for model in models for metric in values}
            marks[label] = {key: "naive" for key in rows[label]}
    index = pd.MultiIndex.from_tuples(rows, names=["horizon", "scope", "density"])
    columns = pd.MultiIndex.from_product([models, ["MSE", "MAE"]])
    table = pd.DataFrame(list(rows.values()), index=index, columns=columns)
    classes = pd.DataFrame(list(marks.values()), index=index).reindex(columns=columns).fillna("")
    if len(horizons) == 1:
        table, classes = table.droplevel("horizon"), classes.droplevel("horizon")
    dagger = " † on average no better than repeating the last value." if (classes == "fallen").any(axis=None) else ""
    caption = f"MSE and MAE on the test split, scaled data ({spread_text(cells)}), by asked density.{dagger}"
    return styled(table, caption).set_td_classes(classes)


def limits_table(limits: pd.DataFrame) -> Styler:
    """Largest sparsity that keeps the MSE within +0 %, +5 %, +10 % of dense, per model (and horizon) and scope.

    ``limits`` holds ``density``, the lowest density kept (mean over ``seeds``, NaN: none below dense), with its
    lowest and highest value over the seeds in ``limit_low`` and ``limit_high``; the table shows what is removed.
    Raises UserError for an empty table, a missing column, an unknown scope.
    """
    need_limits(limits)
    scopes, tolerances = need_scopes(limits), sorted(limits["tolerance"].unique())
    by = ["model"] if limits["pred_len"].nunique() == 1 else ["model", "pred_len"]
    rows: dict[Hashable, dict[tuple[str, str], str]] = {}
    for row in limits.to_dict("records"):
        label = row["model"] if by == ["model"] else (row["model"], f"{row['pred_len']}")
        rows.setdefault(label, {})[row["scope"], _tolerance(row["tolerance"])] = _removed(row)
    columns = pd.MultiIndex.from_product([scopes, [_tolerance(t) for t in tolerances]])
    index = pd.Index(list(rows)) if by == ["model"] else pd.MultiIndex.from_tuples(rows, names=["model", "horizon"])
    table = pd.DataFrame(list(rows.values()), index=index).reindex(columns=columns).fillna("not run")
    table = table.rename(columns={scope: f"{scope} ({SCOPES[scope]})" for scope in scopes}, level=0)
    seeds = int(limits["seeds"].max())
    spread = f"mean of {seeds} seeds, in brackets the lowest and highest" if seeds > 1 else "one seed"
    caption = f"Share of the prunable weights that can be removed before the test MSE rises by more ({spread})."
    return styled(table, caption)


def published_table(published: pd.DataFrame) -> Styler:
    """Published numbers beside this run's, with the difference and what the protocols do not share."""
    texts = ["model", "dataset", "pred_len", "source", "protocol"]
    numbers = ["mse_published", "mse_here", "difference", "mae_published", "mae_here"]
    need(published, "published", [*texts, *numbers])
    table = pd.DataFrame(
        {
            "dataset": published["dataset"].astype(str),
            "horizon": published["pred_len"].astype(str),
            "MSE published": published["mse_published"].map(_number),
            "MSE here": published["mse_here"].map(_number),
            "difference": published["difference"].map(lambda d: "not run" if pd.isna(d) else f"{d:+.3f}"),
            "MAE published": published["mae_published"].map(_number),
            "MAE here": published["mae_here"].map(_number),
            "source": published["source"].astype(str),
            "protocol here and there": published["protocol"].astype(str),
        }
    ).set_axis(pd.Index(list(published["model"])))
    return styled(table, "Dense models of this run beside published numbers (difference: here minus published).")


def naive_table(naive: pd.DataFrame) -> Styler:
    """The naive forecasts every model has to beat."""
    need(naive, "naive", ["dataset", "pred_len", "model", "mse", "mae"])
    table = pd.DataFrame(
        {
            "dataset": naive["dataset"].astype(str),
            "horizon": naive["pred_len"].astype(str),
            "MSE": naive["mse"].map(error_text),
            "MAE": naive["mae"].map(error_text),
        }
    ).set_axis(pd.Index([NAIVE.get(model, model) for model in naive["model"]]))
    return styled(table, "Naive forecasts on the same test split.")


def protocol_table(protocol: dict[str, Any]) -> Styler:
    """What every number of the run rests on: a name and a value per row."""
    table = pd.DataFrame({"value": [value_text(v) for v in protocol.values()]}, index=list(protocol))
    return styled(need(table, "protocol", []), "").hide(axis="columns")


def styled(table: pd.DataFrame, caption: str) -> Styler:
    """``table`` with a caption above, numbers to the right, and an id that is the same for the same content."""
    rules = [
        {"selector": "caption", "props": "caption-side:top;text-align:left;padding:0 0 .5em;opacity:.75"},
        {"selector": "td", "props": "text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap"},
        {"selector": "thead th.col_heading", "props": "text-align:right"},
        {"selector": "thead th[colspan]", "props": "text-align:center"},
        {"selector": "tbody tr:has(th.level0[rowspan]) > *", "props": "border-top:1px solid rgb(128 128 128 / .7)"},
        {"selector": "td.fallen", "props": "font-style:italic;opacity:.7"},
        {"selector": "td.naive", "props": "opacity:.7"},
    ]
    uuid = digest([caption, table.to_json(orient="split")], 8)
    styler = Styler(table, uuid=uuid, cell_ids=False, table_attributes='class="tsprune"', escape="html")
    for i, column in enumerate(table.columns):
        if column in PROSE:
            rules.append(
                {"selector": f"td.col{i}", "props": "text-align:left;white-space:normal;min-width:min(9em, 45vw)"}
            )
            rules.append({"selector": f"thead th.col{i}", "props": "text-align:left"})
    if len(table.columns) + table.index.nlevels > _WIDE:
        rules.append({"selector": "th, td", "props": "padding:.3em .38em;font-size:.95em"})
    for place in range(table.index.nlevels):
        longest = max((len(str(label)) for label in table.index.get_level_values(place)), default=0)
        if longest > _WRAPPED:  # on a narrow screen the numbers need room beside the labels
            look = f"white-space:normal;min-width:min({0.6 * longest:.0f}em, 32vw)"
            rules.append({"selector": f"tbody th.level{place}", "props": look})
    styler = styler.set_table_styles(rules)
    return styler.set_caption(caption) if caption else styler


def labelled(rows: Mapping[tuple, Mapping], names: Sequence[str], frame: pd.DataFrame) -> pd.DataFrame:
    """A table of ``rows`` by their labels, whose parts are called ``names``; without the part ``horizon`` where
    ``frame``, which they were made from, has only one. What a row lacks is empty."""
    table = pd.DataFrame(list(rows.values()), index=pd.MultiIndex.from_tuples(rows, names=names)).fillna("")
    return table.droplevel("horizon") if frame["pred_len"].nunique() == 1 else table


def mean_and_spread(rows: pd.DataFrame, metric: str) -> str:
    done = finished(rows)[metric]
    if rows.empty:
        return "not run"
    if done.empty:
        return " / ".join(rows["status"].unique())
    text = error_text(done.mean())
    if len(done) > 1:
        text += f" ± {error_text(done.std(), like=done.mean())}"
    return text if len(done) == len(rows) else f"{text} ({len(done)} of {len(rows)})"


def _removed(row: dict[str, Any]) -> str:
    if pd.isna(row["density"]):
        return "none"
    least, most = percent(1 - row["limit_high"]), percent(1 - row["limit_low"])
    spread = f" ({least.split(NBSP)[0]}–{most})" if least != most else ""
    return percent(1 - row["density"]) + spread


def _tolerance(share: float) -> str:
    return f"+{percent(share)}"


def _number(value: float) -> str:
    return "not run" if pd.isna(value) else error_text(value)
