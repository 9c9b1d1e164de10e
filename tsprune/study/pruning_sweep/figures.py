"""Figures of study 01: error against density, by structure, by score, by the first paper's own protocol; and where a
prune takes its weights."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tsprune.errors import UserError
from tsprune.report import drawing as kit
from tsprune.report.axes import density_axis, log_axis, relative_axis
from tsprune.report.cases import CASE, case_title, cases, of_case
from tsprune.report.frames import NoRows, finished, need, need_scopes, repeat_last
from tsprune.report.status import NOT_RUN
from tsprune.report.text import RANKED, SCOPES, density_labels, listed, none_of, percent, readable_layer, whole_count
from tsprune.study.base.looks import model_looks
from tsprune.study.base.result import TOLERANCE
from tsprune.study.pruning_sweep.result import (
    AUTHORS,
    AUTHORS_COLUMNS,
    CHANNELS,
    ENDS,
    HALF,
    MAGNITUDE,
    OURS,
    SCORES,
    SOLVED,
    STRUCTURES,
)

_LABELLED = 6
"""Densities up to which the cells of a heat map have room for their number."""

_LAYERS = 48
"""Layers in a figure at most: as many as can be read on a page of paper."""

HIGHEST = 8.0
"""Nothing above this multiple of the dense MSE is drawn to scale: such a forecast is of no use."""


def sweep(cells: pd.DataFrame, naive: pd.DataFrame) -> Figure:
    """MSE relative to dense against density: a panel per horizon and scope, a line per model.

    Line: mean over the seeds at the mean achieved density; band: lowest to highest seed. The line at 1 is the dense
    model, the band above it the models within 5 %. A dotted line and an arrow at the margin, in the model's colour,
    are the MSE of repeating the last value over the mean dense MSE of that model and horizon; where it lies beyond the
    axis the arrow points that way and a note gives it. Both axes are logarithmic; a value above the axis sits at its
    upper edge as an open triangle, and a note gives the largest. A cross at the lower edge marks a density at which a
    cell of that model failed; what has not run yet has no mark, and no line goes across.

    ``cells`` has a row per cell, ``naive`` a row per naive forecast and horizon. Raises UserError for an empty
    table, a missing column, more than one dataset, no finished cell, an unknown scope.
    """
    columns = ["dataset", "model", "pred_len", "seed", "scope", "density_asked", "density", "mse", "mse_relative"]
    need(cells, "cells", [*columns, "status"])
    if cells["dataset"].nunique() > 1:
        raise UserError(f"sweep draws one dataset, got {', '.join(map(str, cells['dataset'].unique()))}")
    done = finished(cells)
    if done.empty:
        raise NoRows(f"table 'cells': {none_of(len(cells), 'cell')} finished, there is nothing to draw")
    models = model_looks(cells["model"].unique())
    relative = _relative_levels(done, repeat_last(naive))
    top = _top(done, relative)
    bottom = min(0.93, 0.97 * done["mse_relative"].min())
    scopes, horizons = need_scopes(cells), sorted(cells["pred_len"].unique())
    keys = list(product(horizons, scopes))
    rows = -(-len(keys) // 2)
    with kit.canvas(1.15 + (3.35 if rows == 1 else 2.75) * rows, _sweep_alt(cells, horizons)) as figure:
        labels = "Density: share of prunable weights kept (log scale)", "MSE relative to dense\n(ratio, log scale)"
        grid = kit.panels(figure, len(keys), 2, *labels, sharex=True, sharey=True)
        for (pred_len, scope), axes in zip(keys, grid, strict=True):
            panel = cells[(cells["pred_len"] == pred_len) & (cells["scope"] == scope)]
            density_axis(axes, cells["density_asked"].unique())
            relative_axis(axes, bottom, top)
            axes.axhspan(1, 1 + TOLERANCE, **kit.WITHIN)
            for model, (colour, marker) in models.items():
                _naive_level(axes, model, relative.get((model, pred_len)), colour, (bottom, top))
                _model_line(axes, panel[panel["model"] == model], model, colour, marker, top)
            title = f"{scope.capitalize()}: {SCOPES[scope]}"
            axes.set_title(title if len(horizons) == 1 else f"Horizon {pred_len} · {scope}")
        lost = {model: f" ({_why_none(cells, model)})" for model in set(models) - set(done["model"])}
        lines = (kit.handle(model + lost.get(model, ""), *look) for model, look in models.items())
        dotted = {"marker": "<", "markeredgecolor": "#777777", "linestyle": kit.DOTTED, "linewidth": 1.3}
        last = kit.handle("repeat last value (model's colour)", "#777777", **dotted)
        kit.legend(figure, [*lines, kit.handle("dense = 1"), _within(), last])
        kit.note(figure, kit.spread_note(done), *_what_is_marked(cells, done, (bottom, top), relative))
    return figure


def _within() -> Patch:
    """What the legend has for the band of models that keep their accuracy."""
    return Patch(color="#000000", alpha=0.12, linewidth=0, label=f"within {percent(TOLERANCE)}")


def _relative_levels(done: pd.DataFrame, levels: dict[int, float]) -> dict[tuple[str, int], float]:
    """Repeat-last MSE over the mean dense MSE, by model and horizon, as far as it is known.

    The dense MSE is read back from any cell of the seed: its MSE over its MSE relative to dense.
    """
    dense = done.assign(dense=done["mse"] / done["mse_relative"])
    seeds = dense.groupby(["model", "pred_len", "seed"], sort=False)["dense"].first()
    means = seeds.groupby(level=CASE, sort=False).mean()
    return {(model, h): levels[h] / value for (model, h), value in means.items() if h in levels}


def _top(done: pd.DataFrame, relative: dict[tuple[str, int], float]) -> float:
    """Upper end of the y axis: all data, but not far above the repeat-last levels, and at most HIGHEST."""
    data = 1.08 * done["mse_relative"].max()
    naive = 1.12 * max(relative.values(), default=0)
    return max(min(max(data, naive), max(naive, 1.5), HIGHEST), 1.15)


def _line(axes: Axes, rows: pd.DataFrame, x: str, by: str, **look) -> pd.DataFrame:
    """MSE relative to dense against ``x``, in its band: the points drawn. The line is broken where a value of ``by``
    between two others has no result: what happens there is not known."""
    done, part, parts = finished(rows), 0, {}
    for value in sorted(rows[by].unique(), reverse=True):
        part += value not in set(done[by])
        parts[value] = part
    label, drawn = look.pop("label", None), []
    for _, own in done.groupby(done[by].map(parts)):
        named = {"label": label} if label and not drawn else {}
        drawn.append(kit.band_line(axes, own, x, "mse_relative", by=by, **look, **named))
    return pd.concat(drawn) if drawn else kit.points(done, x, "mse_relative", by)


def _model_line(axes: Axes, rows: pd.DataFrame, model: str, colour: str, marker: str, top: float) -> None:
    look = {"color": colour, "marker": marker, "markersize": 5, "markeredgewidth": 0.7, "label": model}
    kit.mark_above(axes, _line(axes, rows, "density", "density_asked", **look), top, colour)
    lost = rows.loc[~rows["status"].isin(["ok", NOT_RUN]), "density_asked"].unique()
    if len(lost):
        place = {"linestyle": "none", "transform": axes.get_xaxis_transform(), "clip_on": False, "zorder": 5}
        axes.plot(lost, [0.03] * len(lost), marker="x", markeredgewidth=1.8, color=colour, **place)


def _why_none(cells: pd.DataFrame, model: str) -> str:
    """Why a model has no line."""
    states = cells.loc[cells["model"] == model, "status"]
    return "not run yet" if (states == NOT_RUN).all() else "no cell finished"


def _naive_level(axes: Axes, model: str, value: float | None, colour: str, ends: tuple[float, float]) -> None:
    """The MSE of repeating the last value, unless no cell of the model finished; beyond the ``ends`` of the axis an
    arrow at that end points to it, as a mark drawn out there would push the panels together."""
    if value is None:
        return
    bottom, top = ends
    if bottom <= value <= top:
        axes.axhline(value, color=colour, linewidth=1.3, linestyle=kit.DOTTED, zorder=1, gid=f"repeat-last {model}")
    sign = {"marker": "^" if value > top else "v" if value < bottom else "<", "markersize": 7, "color": colour}
    place = {"transform": axes.get_yaxis_transform(), "clip_on": False, "zorder": 4, "gid": f"arrow {model}"}
    axes.plot([1.012], [min(max(value, bottom), top)], **sign, **place)


def _what_is_marked(cells: pd.DataFrame, done: pd.DataFrame, ends: tuple[float, float], relative: dict) -> list[str]:
    (bottom, top), highest = ends, done["mse_relative"].max()
    unknown = set(done[CASE].itertuples(index=False, name=None)) - set(relative)
    above = _levels_named(relative, lambda value: value > top, "{:.1f}")
    below = _levels_named(relative, lambda value: value < bottom, "{:.2f}")
    return [
        f"△ above the axis: up to {_times(highest)} times dense." if highest > top else "",
        f"▲ at the margin: repeat last lies above the axis ({above})." if above else "",
        f"▼ at the margin: repeat last lies below the axis ({below})." if below else "",
        "×: a cell failed." if (~cells["status"].isin(["ok", NOT_RUN])).any() else "",
        "Repeat last has no result where no level of it is drawn." if unknown else "",
        "Not run yet: no mark, and no line across." if (cells["status"] == NOT_RUN).any() else "",
    ]


def _levels_named(relative: dict[tuple[str, int], float], beyond: Callable[[float], bool], form: str) -> str:
    """The levels that lie ``beyond`` the axis, by model and, where there are several, horizon."""
    several = len({pred_len for _, pred_len in relative}) > 1
    return ", ".join(
        f"{model}{f' at {pred_len}' if several else ''} {form.format(value)}"
        for (model, pred_len), value in relative.items()
        if beyond(value)
    )


def _times(value: float) -> str:
    return f"{value:.2g}" if value < 9.95 else f"{value:,.0f}" if value < 1e6 else "over a million"


def _sweep_alt(cells: pd.DataFrame, horizons: list[int]) -> str:
    return (
        f"Line chart of MSE relative to the dense model against density on {cells['dataset'].iloc[0]}, "
        f"horizon {', '.join(map(str, horizons))}, for {', '.join(cells['model'].unique())}; "
        "the table below has the numbers."
    )


_SHORT = 6
"""A heat map of so few layers is too low for the whole label beside it."""


def layers(layers: pd.DataFrame) -> list[Figure]:
    """A heat map per model, of many layers several, of the density per layer (rows, in the model's order) and asked
    density (columns).

    Drawn is the scope ``global``, and nothing where it was not run: under ``layer`` every layer keeps what is asked.
    Densities are means over seeds and horizons. The number behind a layer's name counts its weights. Raises UserError
    for an empty table, a missing column, an unknown scope.
    """
    need(layers, "layers", ["model", "scope", "density_asked", "layer", "layer_density", "weights"])
    figures, scope = [], "global"
    need_scopes(layers)
    for model, panel in layers[layers["scope"] == scope].groupby("model", sort=False):
        names = panel["layer"].unique()
        parts = np.array_split(names, -(-len(names) // _LAYERS))
        for number, part in enumerate(parts, 1):
            title = f"{model} · {scope}" + (f" · {number} of {len(parts)}" if len(parts) > 1 else "")
            figures.append(_layers_figure(model, title, panel[panel["layer"].isin(part)]))
    return figures


def _layers_figure(model: str, title: str, panel: pd.DataFrame) -> Figure:
    alt = f"Heat map of the density kept in layers of {model} at each density asked."
    with kit.canvas(0.19 * max(panel["layer"].nunique(), 2) + 1.0, alt) as figure:
        axes = figure.subplots()
        image = _layers_of_one(axes, panel)
        axes.set_title(title)
        axes.set_xlabel("Density asked")
        bar = figure.colorbar(image, ax=axes, fraction=0.03, aspect=30)
        bar.set_label("Share of its weights kept" if panel["layer"].nunique() > _SHORT else "Share\nkept")
        bar.outline.set_visible(False)
    return figure


def _layers_of_one(axes: Axes, panel: pd.DataFrame):
    table = panel.pivot_table(index="layer", columns="density_asked", values="layer_density", sort=False)
    table = table[sorted(table.columns, reverse=True)]
    weights = panel.groupby("layer", sort=False)["weights"].first()
    table = table.rename(index=lambda name: f"{readable_layer(name)}  ({whole_count(weights[name])})")
    table = table.rename(columns=density_labels(table.columns))
    text = _cell_text if table.shape[1] <= _LABELLED else None
    image = kit.heat_map(axes, table, text, cmap="cividis", ends=(0, 1), size=9)
    axes.tick_params(labelsize=9)
    return image


def _cell_text(density: float) -> str:
    if density >= 0.995 or density == 0:
        return f"{density:.0f}"
    return f"{density:.2f}"[1:] if density >= 0.005 else "<.01"


def structures(structures: pd.DataFrame) -> Figure:
    """MSE relative to dense against what is left: a row per model and horizon, live parameters left, multiply-adds
    right.

    Line: mean over the seeds, band: lowest to highest; both axes logarithmic. Raises UserError for an empty table, a
    missing column, or where no cell finished.
    """
    need(structures, "structures", STRUCTURES)
    every = structures.assign(kind=_kinds)
    done = finished(every)
    keys = cases(done[done["density_asked"] < 1])
    if not keys:
        raise NoRows(f"table 'structures': none of the {(structures['density_asked'] < 1).sum()} pruned cells finished")
    kinds = {kind: look for kind, look in kit.looks(_EVERY_KIND).items() if (done["kind"] == kind).any()}
    across = {"density_live": "Share of live parameters left", "macs_share": "Share of multiply-adds"}
    alt = "Line charts of MSE relative to dense against live parameters and multiply-adds left."
    with kit.canvas(1.0 + 2.35 * len(keys), alt) as figure:
        for case, column, axes in _rows_of_panels(figure, structures, keys, across):
            own, tried = of_case(done, *case), of_case(every, *case)
            for kind, (colour, marker) in kinds.items():
                look = {"color": colour, "marker": marker, "markersize": 6.5, "linewidth": 1.5}
                _line(axes, tried[tried["kind"] == kind], column, "density_asked", **look)
            log_axis(axes.xaxis, 1.06, 0.94 * min(own[column].min(), 0.5))
            relative_axis(axes, 0.97 * min(own["mse_relative"].min(), 1), 1.05 * own["mse_relative"].max())
        kit.legend(figure, [*kit.handles(kinds), kit.handle("dense")])
        kit.note(figure, kit.spread_note(done))
    return figure


def _rows_of_panels(
    figure: Figure, table: pd.DataFrame, keys: list[tuple[str, int]], across: dict[str, str]
) -> list[tuple[tuple[str, int], str, Axes]]:
    """A row per case of ``keys`` and in it a panel per column of ``across``, labelled: case, column and panel."""
    grid = figure.subplots(len(keys), len(across), squeeze=False, sharey="row")
    for case, axes in zip(keys, grid[:, 0], strict=True):
        axes.set_title(case_title(table, *case))
        axes.set_ylabel("MSE relative to\ndense (log scale)")
    for axes, what in zip(grid[-1], across.values(), strict=True):
        axes.set_xlabel(f"{what} (log scale)")
    return [(*place, axes) for place, axes in zip(product(keys, across), grid.flat, strict=True)]


_MASKED = {scope: f"unstructured, {RANKED[scope]}" for scope in SCOPES}

_EVERY_KIND = (*_MASKED.values(), HALF, "structured", CHANNELS)
"""Whatever a run leaves out, the rest looks alike on every page."""


def _kinds(rows: pd.DataFrame) -> pd.Series:
    """Structure, with its scope where there are several, and CHANNELS apart."""
    kinds = rows["structure"].astype(str)
    kinds = kinds.mask(rows["structure"] == "unstructured", rows["scope"].map(_MASKED))
    return kinds.mask(rows["method"] == "depgraph_paper", CHANNELS)


def scores(scores: pd.DataFrame) -> Figure:
    """MSE relative to dense against density: a panel per model and horizon, a line per way to choose single weights,
    and one for magnitude at every scope that another is ranked in.

    Line: mean over the seeds, band: lowest to highest; both axes logarithmic, a value above the axis is an open
    triangle at its upper edge. Raises UserError for an empty table, a missing column, or where no cell finished.
    """
    need(scores, "scores", SCORES)
    scores = scores[scores["structure"] != HALF]
    done = finished(scores)
    pruned = done[done["score"] != "dense"]
    if pruned.empty:
        raise NoRows(f"table 'scores': {none_of(len(scores), 'cell')} finished")
    kinds = kit.looks(dict.fromkeys(_ranked(scores[scores["score"] != "dense"])))
    keys = cases(scores)
    top = max(min(1.08 * pruned["mse_relative"].max(), HIGHEST), 1.15)
    rows = -(-len(keys) // 3)
    alt = f"Line charts of MSE relative to dense against density for {', '.join(kinds)}; the table below has the gains."
    with kit.canvas(1.2 + (3.0 if rows == 1 else 2.4) * rows, alt) as figure:
        labels = "Density (log scale)", "MSE relative to\ndense (log scale)"
        for case, axes in zip(keys, kit.panels(figure, len(keys), 3, *labels, sharex=True, sharey=True), strict=True):
            own = of_case(scores, *case)
            density_axis(axes, scores["density_asked"].unique())
            relative_axis(axes, min(0.95, 0.97 * pruned["mse_relative"].min()), top)
            axes.axhspan(1, 1 + TOLERANCE, **kit.WITHIN)
            for kind, (colour, marker) in kinds.items():
                line = own[(own["score"] == "dense") | (_ranked(own) == kind)]
                look = {"color": colour, "marker": marker, "markersize": 5.5, "linewidth": 1.6}
                kit.mark_above(axes, _line(axes, line, "density", "density_asked", **look), top, colour)
            axes.set_title(case_title(scores, *case))
        kit.legend(figure, [*kit.handles(kinds), kit.handle("dense"), _within()])
        highest = pruned["mse_relative"].max()
        above = f"△ above the axis: up to {_times(highest)} times dense." if highest > top else ""
        kit.note(figure, kit.spread_note(done), above)
    return figure


def _ranked(rows: pd.DataFrame) -> pd.Series:
    """The score; of magnitude with its scope, which it has several of."""
    return rows["score"].mask(rows["score"] == MAGNITUDE, MAGNITUDE + ", " + rows["scope"].map(RANKED))


def authors(authors: pd.DataFrame) -> Figure:
    """The first paper's protocol beside one ranking over all weights: a row per model and horizon; MSE relative to
    dense against the density asked left, against the share of all parameters that are not zero right.

    Line: mean over the seeds, band: lowest to highest; both axes logarithmic. Raises UserError for an empty table, a
    missing column, or where no cell finished.
    """
    need(authors, "authors", AUTHORS_COLUMNS)
    across = {"density_asked": "Density asked", "density_all": "Share of all parameters left"}
    return _protocols(authors, "authors", [OURS, AUTHORS], across, by="density_asked")


def ends(ends: pd.DataFrame) -> Figure:
    """Structured pruning to its end as the first paper's code runs it, and ours told a share: a row per model and
    horizon; MSE relative to dense against the parameters left, and against the multiply-adds right.

    Line: mean over the seeds, band: lowest to highest; both axes logarithmic. Raises UserError for an empty table, a
    missing column, or where no cell finished.
    """
    need(ends, "ends", ENDS)
    across = {"density_all": "Share of all parameters left", "macs_share": "Share of multiply-adds"}
    return _protocols(ends, "ends", [SOLVED, AUTHORS], across, by="asked")


def _protocols(table: pd.DataFrame, name: str, protocols: list[str], across: dict[str, str], by: str) -> Figure:
    """A row per model and horizon, a panel per column of ``across``, a line per protocol through the shares ``by``."""
    done = finished(table)
    keys = cases(done[done[by] < 1])  # a model of which only the dense one has run has nothing to show
    if not keys:
        raise NoRows(f"table '{name}': none of the {(table[by] < 1).sum()} pruned cells finished")
    kinds = kit.looks(protocols)
    alt = f"Line charts of MSE relative to dense against: {' and '.join(across.values())}."
    with kit.canvas(1.0 + 2.1 * len(keys), alt) as figure:
        for case, column, axes in _rows_of_panels(figure, table, keys, across):
            own, tried = of_case(done, *case), of_case(table, *case)
            top = max(min(1.08 * own["mse_relative"].max(), HIGHEST), 1.15)
            relative_axis(axes, min(0.95, 0.97 * own["mse_relative"].min()), top)
            log_axis(axes.xaxis, 1.06, 0.94 * min(done[column].min(), 0.5))
            for kind, (colour, marker) in kinds.items():
                look = {"color": colour, "marker": marker, "markersize": 6, "linewidth": 1.6}
                drawn = _line(axes, tried[tried["protocol"] == kind], column, by, **look)
                kit.mark_above(axes, drawn, top, colour)
        kit.legend(figure, [*kit.handles(kinds), kit.handle("dense")])
        above = "△: above the axis." if (done["mse_relative"] > HIGHEST).any() else ""
        kit.note(figure, kit.spread_note(done), above, _hidden(done[done[by] < 1], by))
    return figure


def _hidden(pruned: pd.DataFrame, by: str) -> str:
    """Names the models of which one line covers the other: by both protocols each cell came to the same, as far as one
    can see."""
    seen = pruned[["mse_relative", "density_all"]].round(2)
    cells = pruned.assign(**seen).groupby([*CASE, "seed", by], sort=False)[["protocol", *seen]].nunique()
    alike = (cells == [2, 1, 1]).all(axis=1).groupby(CASE, sort=False).all()
    names = list(dict.fromkeys(model for model, _ in alike.index[alike]))
    return f"{listed(names)}: both come to the same, and one line covers the other." if names else ""
