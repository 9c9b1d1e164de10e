"""Tables of study 04: every size, every comparison and how they came out, errors by column."""

import math
from collections.abc import Hashable

import pandas as pd
from pandas.io.formats.style import Styler

from tsprune.errors import UserError, unknown
from tsprune.report.cases import CASE
from tsprune.report.frames import need
from tsprune.report.outcomes import counts_table
from tsprune.report.tables import claim, labelled, mean_and_spread, styled
from tsprune.report.text import (
    UNKNOWN_UNIT,
    density_labels,
    error_text,
    interval,
    interval_words,
    percent,
    short_number,
    spread_text,
)
from tsprune.study.entsoe_scale.fits import LEVEL, fitted
from tsprune.study.entsoe_scale.result import CELLS, DIFFERENCES, QUESTIONS, SCALING, need_countries, size_text


def scale(cells: pd.DataFrame) -> Styler:
    """Test MSE per size (rows) and training windows (columns): ``mean ± standard deviation`` over the seeds, with the
    parameters that are left; a word where no seed finished. Raises UserError for an empty table, a missing column."""
    need(cells, "cells", CELLS)
    texts = density_labels(cells["density_asked"])
    order = ["dense", "dense longer", "fine-tuned", "pruned"]
    cells = cells[cells["arm"].isin(order)]  # a week of forecasts that came to none is no size
    ranked = cells.assign(rank=cells["arm"].map(order.index)).sort_values(
        ["rank", "width", "structure", "density_asked"], ascending=[True, False, True, False], kind="stable"
    )
    rows = {}
    for (model, pred_len), group in ranked.groupby(CASE, sort=False):
        for size, own in group.groupby(["arm", "width", "structure", "density_asked"], sort=False, dropna=False):
            label = (model, f"{pred_len}", size_text(*size, texts))
            left = own["parameters_left"].mean()
            rows[label] = {"parameters": "not known" if pd.isna(left) else f"{left:,.0f}"}
            for windows, cell in own.groupby("windows_train"):
                rows[label][f"{windows:,} windows"] = mean_and_spread(cell, "mse")
    table = labelled(rows, ["model", "horizon", "size"], cells).replace("", "not run")
    table = table[["parameters", *(f"{n:,} windows" for n in sorted(cells["windows_train"].unique()))]]
    return styled(table, f"Test MSE on scaled data ({spread_text(cells)}), by size and training windows.")


def differences(differences: pd.DataFrame) -> Styler:
    """Change of the test MSE with its interval, per comparison (rows) and training windows (columns); in italics what
    is within the noise. Raises UserError for an empty table or a missing column."""
    need(differences, "differences", DIFFERENCES)
    rows = {}
    for row in differences.to_dict("records"):
        label = (row["model"], f"{row['pred_len']}", f"{row['ours']} against {row['others']}")
        rows.setdefault(label, {})[f"{row['windows_train']:,} windows"] = claim(interval(row), row["clear"])
    caption = (
        "Change of the test MSE of the first against the second, by training windows; below 0: the first is better. "
        f"{interval_words(differences)} In italics: within the noise, no claim."
    )
    return styled(labelled(rows, ["model", "horizon", "compared"], differences), caption)


def counts(differences: pd.DataFrame) -> Styler:
    """How often each question came out how, over models, horizons and shares of the data. Raises UserError for an
    empty table, a missing column, an unknown question."""
    need(differences, "differences", DIFFERENCES)
    groups = {}
    for question, rows in differences.groupby("question", sort=False):
        if question not in QUESTIONS:
            raise UserError(unknown("question", question, QUESTIONS))
        groups[QUESTIONS[question]] = rows
    caption = (
        f"Comparisons of test MSE over models and amounts of data (better: the first). {interval_words(differences)}"
    )
    return counts_table(groups, caption)


def scaling(scaling: pd.DataFrame) -> Styler:
    """How the test MSE of dense models falls with the data, per dataset, model and width: with the fewest and with all
    windows (mean over the seeds), and the change with twice the data by a fitted power law; in italics where its
    interval holds none. Raises UserError for an empty table or a missing column."""
    need(scaling, "scaling", SCALING)
    rows = {}
    for (dataset, model, pred_len, width), own in scaling.groupby(
        ["dataset", "model", "pred_len", "width"], sort=False
    ):
        done = own[own["status"] == "ok"]
        means = done.groupby("windows_train")["mse"].mean()
        law = fitted(done)
        twice = dict(zip(("relative", "low", "high"), law.twice(), strict=True)) if law else {"relative": math.nan}
        known = law is not None and not twice["low"] <= 0 <= twice["high"]
        rows[dataset, model, f"{pred_len}", f"{width}"] = {
            "windows": " to ".join(f"{n:,.0f}" for n in [*means.index[:1], *means.index[1:][-1:]]) or "no result",
            "MSE": " to ".join(error_text(mse) for mse in [*means[:1], *means[1:][-1:]]) or "no result",
            "trainings": f"{len(done)}",
            "with twice the data": claim(interval(twice) if law else "not known", known),
        }
    caption = (
        "Test MSE of dense models with the fewest and with all training windows, and its change with twice the data by "
        f"a power law fitted to all amounts and seeds, with its {percent(LEVEL)} interval (two amounts cannot "
        "show whether it is a power law). Each amount is trained on for the same number of steps. In italics: no "
        "change is shown."
    )
    return styled(labelled(rows, ["dataset", "model", "horizon", "d_model"], scaling), caption)


def countries(countries: pd.DataFrame, unit: str | None) -> Styler:
    """Mean absolute error per column in the data's units and as percent of the mean load, by forecaster."""
    need_countries(countries)
    words = unit or UNKNOWN_UNIT
    rows: dict[Hashable, dict] = {}
    for row in countries.sort_values("load", ascending=False, kind="stable").to_dict("records"):
        label = f"{row['pred_len']}", row["column"]
        own = rows.setdefault(label, {("", f"mean load, {words}"): short_number(row["load"])})
        own[row["forecaster"], words] = short_number(row["mae"])
        own[row["forecaster"], "%"] = f"{row['percent']:.2f}"
    table = labelled(rows, ["horizon", "column"], countries)
    table.columns = pd.MultiIndex.from_tuples(table.columns)
    caption = (
        f"Mean absolute error on the test split in {words}, and as percent of the column's mean absolute load over the "
        "rows that the test windows forecast, each counted as often as it is forecast (mean over the seeds)."
    )
    return styled(table, caption)
