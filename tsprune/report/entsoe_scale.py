"""Figures, tables and verdict of study 04: does more data need a bigger model, and does pruning change the answer?

``cells`` has a row per model, horizon, share of the data, size and seed; ``width`` is d_model before pruning, ``arm``
one of ``dense``, ``dense longer`` (the smallest width, trained as long as a pruned model in all), ``pruned``,
``fine-tuned``. ``differences`` has a row per comparison: test MSE of ``ours`` relative to ``others``, with an interval.
"""

from collections.abc import Hashable

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from pandas.io.formats.style import Styler

from tsprune.errors import UserError
from tsprune.report.drawing import COLOURS, INK, MARKERS, RC, WIDTH
from tsprune.report.frames import NBSP, density_labels, error_text, finished, listed, need, percent
from tsprune.report.tables import mean_and_spread, styled

UNKNOWN_UNIT = "the data's units"
_CELLS = ["dataset", "model", "pred_len", "seed", "arm", "structure", "width", "density_asked", "data_fraction"]
_CELLS += ["windows_train", "parameters_left", "mse", "mse_relative", "status", "reason"]
_DIFFERENCES = ["model", "pred_len", "windows_train", "question", "ours", "others", "share_ours", "share_others"]
_DIFFERENCES += ["relative", "low", "high", "clear", "seeds"]
_LINES = {"structured": "-", "unstructured": (0, (4, 1.5))}
_NAIVE_LINE = {"color": INK, "linestyle": ":", "linewidth": 1.6}
_MOST = 40
"""Columns that a figure or a list of them shows at most, those with the largest load."""


def scale_figure(cells: pd.DataFrame, naive: pd.DataFrame) -> Figure:
    """Test MSE against training windows: a row per model and horizon, dense models left, pruned and fine-tuned right.

    Left a line per width. Right the widest model pruned and fine-tuned, a colour per density and a stroke per
    structure, beside the smallest dense model trained as long. Line: mean over the seeds; band: lowest to highest. The
    dotted line is the seasonal naive forecast; where it is so far above that the models' lines could not be told apart,
    a note says where it is. Both axes are logarithmic. Raises UserError for an empty table, a
    missing column, and where no cell finished.
    """
    need(cells, "cells", _CELLS)
    done, levels = finished(cells), _seasonal(naive)
    if done.empty:
        raise UserError(f"table 'cells': none of the {len(cells)} cells finished")
    widths = sorted(cells["width"].unique())
    colours = {width: COLOURS[i % len(COLOURS)] for i, width in enumerate(widths)}
    pruned = cells[cells["arm"] == "fine-tuned"]
    densities = density_labels(pruned["density_asked"])
    tones = {d: COLOURS[(len(widths) + i) % len(COLOURS)] for i, d in enumerate(densities)}
    rows = list(done.groupby(["model", "pred_len"], sort=False))
    several = cells["pred_len"].nunique() > 1
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 1.5 + 2.9 * len(rows)), layout="constrained")
        figure.set_label("Line charts of test MSE against the number of training windows, by width and by density.")
        grid = figure.subplots(len(rows), 2, squeeze=False, sharey="row")
        for ((model, pred_len), group), (left, right) in zip(rows, grid, strict=True):
            name = f"{model} · horizon {pred_len}" if several else model
            left.set_title(f"{name}: dense, by width")
            right.set_title("The widest one, pruned and fine-tuned")
            for i, width in enumerate(widths):
                own = group[(group["arm"] == "dense") & (group["width"] == width)]
                _line(left, own, color=colours[width], marker=MARKERS[i % len(MARKERS)])
            for structure, stroke in _LINES.items():
                for density, tone in tones.items():
                    own = group[(group["arm"] == "fine-tuned") & (group["structure"] == structure)]
                    own = own[own["density_asked"] == density]
                    _line(right, own, color=tone, linestyle=stroke, marker="o" if stroke == "-" else "s")
            control = group[group["arm"] == "dense longer"]
            _line(right, control, color=colours[widths[0]], marker=MARKERS[0])
            drawn = group.loc[group["arm"] != "pruned", "mse"]
            _mse_axis(left, drawn.min(), drawn.max(), levels[pred_len])
            for axes in (left, right):
                _windows_axis(axes, group)
                if levels[pred_len] <= left.get_ylim()[1]:
                    axes.axhline(levels[pred_len], **_NAIVE_LINE, zorder=1)
                else:
                    text = f"seasonal naive {error_text(levels[pred_len])}, above the panel \u2191"
                    axes.text(0.98, 0.97, text, transform=axes.transAxes, ha="right", va="top", fontsize=9)
            right.grid(axis="y", zorder=0)
            left.set_ylabel("Test MSE, scaled data (log scale)")
        for axes in grid[-1]:
            axes.set_xlabel("Training windows (log scale), and their share")
        dense = [
            _handle(f"d_model {width}", color=colours[width], marker=MARKERS[i % len(MARKERS)])
            for i, width in enumerate(widths)
        ]
        if any(line.get_linestyle() == ":" for axes in grid.flat for line in axes.lines):
            dense.append(Line2D([], [], **_NAIVE_LINE, label="seasonal naive"))
        cut = [
            _handle(f"{structure}, density {densities[d]}", color=tones[d], linestyle=stroke, marker=marker)
            for (structure, stroke), marker in zip(_LINES.items(), "os", strict=True)
            for d in densities
        ]
        cut.append(_handle(f"d_model {widths[0]}, dense, trained as long", color=colours[widths[0]], marker=MARKERS[0]))
        figure.legend(handles=dense, loc="outside upper left", ncols=2, columnspacing=1.3)
        figure.legend(handles=cut, loc="outside upper right", ncols=2, columnspacing=1.3)
        seeds = done["seed"].nunique()
        note = f"Line: mean of {seeds} seeds; band: lowest to highest seed." if seeds > 1 else "One seed: no spread."
        figure.supxlabel(note, fontsize=9, color="#555555", x=0.01, ha="left")
    return figure


def scale_table(cells: pd.DataFrame) -> Styler:
    """Test MSE per size (rows) and training windows (columns): ``mean ± standard deviation`` over the seeds, with the
    parameters that are left; a word where no seed finished. Raises UserError for an empty table, a missing column."""
    need(cells, "cells", _CELLS)
    texts = density_labels(cells["density_asked"])
    order = ["dense", "dense longer", "fine-tuned", "pruned"]
    ranked = cells.assign(rank=cells["arm"].map(order.index)).sort_values(
        ["rank", "width", "structure", "density_asked"], ascending=[True, False, True, False], kind="stable"
    )
    rows = {}
    for (model, pred_len), group in ranked.groupby(["model", "pred_len"], sort=False):
        for size, own in group.groupby(["arm", "width", "structure", "density_asked"], sort=False, dropna=False):
            label = (model, f"{pred_len}", _size_words(*size, texts))
            left = own["parameters_left"].mean()
            rows[label] = {"parameters": "not known" if pd.isna(left) else f"{left:,.0f}"}
            for windows, cell in own.groupby("windows_train"):
                rows[label][f"{windows:,} windows"] = mean_and_spread(cell, "mse")
    index = pd.MultiIndex.from_tuples(rows, names=["model", "horizon", "size"])
    table = pd.DataFrame(list(rows.values()), index=index).fillna("not run")
    table = table[["parameters", *(f"{n:,} windows" for n in sorted(cells["windows_train"].unique()))]]
    if cells["pred_len"].nunique() == 1:
        table = table.droplevel("horizon")
    spread = "mean ± standard deviation over seeds" if finished(cells)["seed"].nunique() > 1 else "one seed"
    return styled(table, f"Test MSE on scaled data ({spread}), by size and training windows.")


def difference_table(differences: pd.DataFrame) -> Styler:
    """Change of the test MSE with its interval, per comparison (rows) and training windows (columns); in italics what
    is within the noise. Raises UserError for an empty table or a missing column."""
    need(differences, "differences", _DIFFERENCES)
    rows, marks = {}, {}
    for row in differences.to_dict("records"):
        label = (row["model"], f"{row['pred_len']}", f"{row['ours']} against {row['others']}")
        column = f"{row['windows_train']:,} windows"
        text = "no result" if pd.isna(row["relative"]) else f"{_percent(row['relative'])} ({_interval(row)})"
        rows.setdefault(label, {})[column] = text
        marks.setdefault(label, {})[column] = "" if row["clear"] else "fallen"
    index = pd.MultiIndex.from_tuples(rows, names=["model", "horizon", "compared"])
    table, classes = (pd.DataFrame(list(cells.values()), index=index) for cells in (rows, marks))
    if differences["pred_len"].nunique() == 1:
        table, classes = table.droplevel("horizon"), classes.droplevel("horizon")
    caption = (
        f"Change of the test MSE against the other way, below zero: better (95{NBSP}% interval), by training windows. "
        "In italics: within the noise, nothing to be claimed."
    )
    wrapped = {"selector": "tbody th.row_heading", "props": "white-space:normal;min-width:7em"}
    return styled(table, caption).set_td_classes(classes).set_table_styles([wrapped], overwrite=False)


def country_table(countries: pd.DataFrame, unit: str | None) -> Styler:
    """Mean absolute error per column in the data's units and as percent of the mean load, by forecaster."""
    _need_countries(countries)
    words = unit or UNKNOWN_UNIT
    rows: dict[Hashable, dict] = {}
    for row in countries.sort_values("load", ascending=False, kind="stable").to_dict("records"):
        own = rows.setdefault(
            (f"{row['pred_len']}", row["column"]), {("", f"mean load, {words}"): _amount(row["load"])}
        )
        own[row["forecaster"], words] = _amount(row["mae"])
        own[row["forecaster"], "%"] = f"{row['percent']:.2f}"
    index = pd.MultiIndex.from_tuples(rows, names=["horizon", "column"])
    table = pd.DataFrame(list(rows.values()), index=index)
    table.columns = pd.MultiIndex.from_tuples(table.columns)
    if countries["pred_len"].nunique() == 1:
        table = table.droplevel("horizon")
    caption = (
        f"Mean absolute error on the test split in {words}, and as percent of the column's mean absolute load over the "
        "rows that the test windows forecast, each counted as often as it is forecast (mean over the seeds)."
    )
    return styled(table.fillna(""), caption)


def country_figure(countries: pd.DataFrame) -> Figure:
    """Mean absolute error as percent of the mean load: a dot per column and forecaster, the hardest column on top."""
    _need_countries(countries)
    kinds = [kind for kind in ("naive", "dense", "fine-tuned") if kind in set(countries["kind"])]
    horizons = sorted(countries["pred_len"].unique())
    names = countries.drop_duplicates("column").nlargest(_MOST, "load")["column"]
    shown = countries[countries["column"].isin(names)]
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 1.3 + 0.25 * len(names)), layout="constrained")
        figure.set_label("Dots: mean absolute error as percent of the load, per column and forecaster.")
        panels = figure.subplots(1, len(horizons), squeeze=False, sharex=True)[0]
        for pred_len, axes in zip(horizons, panels, strict=True):
            own = shown[shown["pred_len"] == pred_len]
            order = own[own["kind"] == kinds[0]].sort_values("percent")["column"].tolist()
            place = {column: i for i, column in enumerate(order)}
            for i, kind in enumerate(kinds):
                rows = own[own["kind"] == kind]
                y = rows["column"].map(place)
                tone = INK if kind == "naive" else COLOURS[i - 1]
                axes.hlines(y, rows["percent_low"], rows["percent_high"], color=tone, linewidth=1.5, zorder=2)
                look = {"marker": "d" if kind == "naive" else MARKERS[i - 1], "facecolor": tone}
                axes.scatter(
                    rows["percent"], y, s=38, edgecolor="white", zorder=3, label=rows["forecaster"].iloc[0], **look
                )
            axes.set_yticks(range(len(order)), order)
            axes.tick_params(axis="y", length=0)
            axes.set_xlim(left=0)
            axes.grid(axis="both", zorder=0)
            axes.set_xlabel("Mean absolute error, % of mean load")
            title = f"Horizon {pred_len}" if len(horizons) > 1 else None
            axes.set_title(title)
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0 if title is None else 1.06), ncols=3, borderpad=0)
    return figure


def week_figure(week: pd.DataFrame, unit: str | None) -> Figure:
    """Truth, forecast and seasonal naive forecast over a week of the test split: a panel per column, dates below."""
    need(week, "week", ["column", "date", "truth", "forecast", "naive", "forecaster"])
    panels = list(week.groupby("column", sort=False))
    looks = {
        "truth": {"color": INK, "linewidth": 2.2},
        "forecast": {"color": COLOURS[0], "linewidth": 1.8},
        "naive": {"color": COLOURS[1], "linewidth": 1.3, "linestyle": (0, (4, 1.5))},
    }
    words = {"truth": "truth", "forecast": week["forecaster"].iloc[0], "naive": "seasonal naive"}
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 0.9 + 1.95 * len(panels)), layout="constrained")
        figure.set_label("Line charts of a week: truth, forecast and seasonal naive forecast.")
        for (column, rows), axes in zip(
            panels, figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0], strict=True
        ):
            for name, look in looks.items():
                axes.plot(rows["date"], rows[name], label=words[name], **look)
            axes.set_title(str(column))
            axes.set_ylabel(unit or UNKNOWN_UNIT)
            axes.yaxis.set_major_locator(MaxNLocator(5))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
            axes.grid(zorder=0)
            axes.margins(x=0)
        locator = AutoDateLocator(maxticks=9)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        handles = axes.get_legend_handles_labels()[0]
        figure.legend(handles=handles, loc="outside upper left", ncols=3, columnspacing=1.3)
    return figure


def scale_verdict(cells: pd.DataFrame, widths: pd.DataFrame, differences: pd.DataFrame, naive: pd.DataFrame) -> str:
    """The answer as Markdown: whether the best width grows with the data, then what pruning does to it.

    ``widths`` has the best width by validation per model, horizon and share of the data; a clause claims a difference
    only where ``clear`` is true in ``differences``, and gives percent and interval either way. Raises UserError for an
    empty table or a missing column.
    """
    need(cells, "cells", _CELLS)
    done = finished(cells)
    if done.empty:
        reasons = listed([str(reason) for reason in cells["reason"].dropna().unique()[:3]])
        return f"**No cell finished** ({reasons}). There is no answer to read from this run."
    need(differences, "differences", _DIFFERENCES)
    need(widths, "widths", ["model", "pred_len", "windows_train", "width", "mse"])
    seeds = done["seed"].nunique()
    several, widest = cells["pred_len"].nunique() > 1, cells["width"].max()
    answers, details = [], []
    for (model, pred_len), rows in differences.groupby(["model", "pred_len"], sort=False):
        name = f"**{model}** (horizon {pred_len})" if several else f"**{model}**"
        best = widths[(widths["model"] == model) & (widths["pred_len"] == pred_len)].set_index("windows_train")["width"]
        answers.append(_width_answer(name, best, widest, rows))
        details.append((name, _width_words(rows), _pruned_words(rows)))
    horizon = "" if several else f"horizon {cells['pred_len'].iloc[0]}, "
    count = f"{seeds} seeds" if seeds > 1 else "one seed"
    first = f"On {listed(cells['dataset'].unique().tolist())} ({horizon}{count}), {'; '.join(answers)}."
    if len(details) == 1:
        body = "\n\n".join(details[0][1:])
    else:
        body = "\n".join(f"- {name}: {width} {pruned}" for name, width, pruned in details)
    return f"{first}\n\n{body}\n\n{_standing(widths, cells, naive)}"


def _width_answer(name: str, best: pd.Series, widest: int, rows: pd.DataFrame) -> str:
    """Does the best width grow with the data? Widths chosen by validation, claimed when the test errors say so."""
    if len(best) < 2:
        return f"{name} cannot be judged: the dense models finished for fewer than two shares of the data"
    few, many = best.index.min(), best.index.max()
    chosen = f"(by validation d_model {best[few]} with {few:,} training windows and d_model {best[many]} with {many:,}"
    if best[few] == best[many] == widest:
        return (
            f"the widest {name} tried, d_model {widest}, is the best by validation with {few:,} training windows "
            f"already and with {many:,}{_lead(rows, few, many)}"
        )
    if best[few] == best[many]:
        return (
            f"the best width of {name} does not grow with the data: d_model {best[few]} by validation with {few:,} "
            f"training windows and with {many:,}"
        )
    row = _row(rows, "best", many)
    if row is None or not row["clear"]:
        return f"whether more data needs another width of {name} is within the noise {chosen})"
    with_all = f"; with {many:,} the latter's test MSE is {_change(row)})"
    if row["relative"] > 0:
        return f"validation misjudges the best width of {name} {chosen}{with_all}"
    wanted = "a bigger" if best[many] > best[few] else "a smaller"
    return f"more data needs {wanted} {name} {chosen}{with_all}"


def _lead(rows: pd.DataFrame, few: int, many: int) -> str:
    """Whether the widest one's lead over the smallest depends on the data: claimed when the intervals do not meet."""
    first, last = (_row(rows, "width", n) for n in (few, many))
    if not (last["clear"] and last["relative"] < 0):
        return ""
    if last["high"] < first["low"]:
        return f", and its lead over {last['others']} grows with the data"
    if last["low"] > first["high"]:
        return f", and its lead over {last['others']} shrinks with more data"
    return ""


def _width_words(rows: pd.DataFrame) -> str:
    few, many = rows["windows_train"].min(), rows["windows_train"].max()
    found = [(n, _row(rows, "width", n)) for n in (few, many)]
    sample = found[0][1]
    parts = [f"{_change(row)} with {n:,}" for n, row in found]
    return f"The test MSE of {sample['ours']} is, against {sample['others']}, {listed(parts)} training windows."


def _pruned_words(rows: pd.DataFrame) -> str:
    """What pruning the widest model to the smallest one's size comes to, a clause per structure."""
    few, many = rows["windows_train"].min(), rows["windows_train"].max()
    clauses, better, worse = [], [], []
    structures = [structure for structure in _LINES if structure in set(rows["question"])]
    for structure in structures:
        found = [(n, _row(rows, structure, n)) for n in (few, many)]
        last = found[-1][1]
        kept = "" if pd.isna(last["share_ours"]) else f" ({percent(last['share_ours'])} of its parameters kept)"
        clauses.append(f"{structure}{kept} {listed([f'{_change(row)} with {n:,}' for n, row in found])}")
        if last["clear"]:
            (better if last["relative"] < 0 else worse).append(structure)
    if better:
        how = "" if len(better) == len(structures) else f"{listed(better)}, "
        answer = (
            f"Pruning changes the answer: {how}cut to the small one's size the large model is the better of the two"
        )
    elif worse:
        how = "" if len(worse) == len(structures) else f"{listed(worse)}, "
        answer = f"Pruning is no way round: {how}cut to the small one's size the large model is the worse of the two"
    else:
        answer = "Cut to the small one's size, the large model is neither clearly better nor clearly worse"
    small = percent(rows["share_others"].iloc[0])
    return (
        f"{answer}. Pruned and fine-tuned, against the small dense model ({small} of the parameters) trained as long, "
        f"its test MSE is: {'; '.join(clauses)} training windows."
    )


def _standing(widths: pd.DataFrame, cells: pd.DataFrame, naive: pd.DataFrame) -> str:
    """What the best dense models are worth beside the seasonal naive forecast, and what is missing."""
    several = cells["pred_len"].nunique() > 1
    parts = []
    for pred_len, rows in widths.groupby("pred_len", sort=False):
        last = rows.sort_values("windows_train").groupby("model", sort=False).tail(1)
        found = [f"**{row['model']}** {error_text(row['mse'])}" for row in last.to_dict("records")]
        level = error_text(_seasonal(naive)[pred_len])
        parts.append((f"at horizon {pred_len} " if several else "") + f"{listed(found)} (seasonal naive {level})")
    text = f"Test MSE at the width that validation chooses with all the data: {'; '.join(parts)}."
    bad = cells[cells["status"] != "ok"]
    if len(bad):
        counts = ", ".join(f"{count} {status}" for status, count in bad["status"].value_counts().items())
        text += f" {len(bad)} of {len(cells)} cells did not finish ({counts}) and are left out."
    return text


def _seasonal(naive: pd.DataFrame) -> dict[int, float]:
    """MSE of the seasonal naive forecast by horizon."""
    need(naive, "naive", ["model", "pred_len", "mse"])
    rows = naive[naive["model"] == "SeasonalNaive"]
    return dict(zip(rows["pred_len"], rows["mse"], strict=True))


def _row(rows: pd.DataFrame, question: str, windows: int) -> dict | None:
    found = rows[(rows["question"] == question) & (rows["windows_train"] == windows)].to_dict("records")
    return found[0] if found else None


def _change(row: dict) -> str:
    """``14.1 % lower (95 % interval −16.0 to −12.1 %)``; without a claim where it is not clear."""
    if pd.isna(row["relative"]):
        return "not known, a cell has no result,"
    if not row["clear"]:
        why = "within the noise" if row["seeds"] > 1 else "one seed, no claim"
        return f"{_percent(row['relative'])} ({why}: {_interval(row)})"
    size = f"{abs(100 * row['relative']):.1f}{NBSP}%"
    return f"{size} {'lower' if row['relative'] < 0 else 'higher'} (95{NBSP}% interval {_interval(row)})"


def _percent(share: float) -> str:
    return "not known" if pd.isna(share) else f"{100 * share:+.1f}{NBSP}%".replace("-", "\u2212")


def _interval(row: dict) -> str:
    return "" if pd.isna(row["low"]) else f"{_percent(row['low'])[:-2]} to {_percent(row['high'])}"


def _amount(value: float) -> str:
    """Three significant digits or whole units, with thousands separated."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def _size_words(arm: str, width: int, structure: str | float, density: float, texts: dict[float, str]) -> str:
    if arm == "dense":
        return f"d_model {width}"
    if arm == "dense longer":
        return f"d_model {width}, trained as long"
    return f"d_model {width}, {structure} {texts[density]}, {'as cut' if arm == 'pruned' else arm}"


def _need_countries(countries: pd.DataFrame) -> None:
    columns = ["pred_len", "column", "load", "kind", "forecaster", "mae", "percent", "percent_low", "percent_high"]
    need(countries, "countries", columns)


def _line(axes: Axes, rows: pd.DataFrame, **look) -> None:
    """Mean and range over the seeds of the MSE against the training windows."""
    points = rows.groupby("windows_train")["mse"].agg(["mean", "min", "max"])
    axes.fill_between(points.index, points["min"], points["max"], color=look["color"], alpha=0.18, linewidth=0)
    axes.plot(points.index, points["mean"], markeredgecolor="white", linewidth=2, zorder=3, **look)


def _handle(label: str, **look) -> Line2D:
    return Line2D([], [], linewidth=2, markeredgecolor="white", label=label, **look)


def _windows_axis(axes: Axes, rows: pd.DataFrame) -> None:
    shares = rows.groupby("windows_train")["data_fraction"].first()
    axes.set_xscale("log")
    axes.set_xlim(0.85 * shares.index.min(), 1.18 * shares.index.max())
    axes.xaxis.set_major_locator(FixedLocator(list(shares.index)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}\n{shares[n]:.0%}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _mse_axis(axes: Axes, low: float, high: float, naive: float) -> None:
    """Log axis of the models' errors, with the naive forecast's where that leaves them half of the panel."""
    top = max(high, naive) if naive < high**2 / low else 1.06 * high
    axes.set_yscale("log")
    axes.set_ylim(0.95 * low, 1.06 * top)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", zorder=0)
