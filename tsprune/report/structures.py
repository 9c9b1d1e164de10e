"""Every structure of sparsity side by side: single weights, 2:4, narrower layers.

``structures`` has a row per cell: model, pred_len, seed, structure ('unstructured', '2:4', 'structured'), scope,
density_asked, density_all (share of all parameters kept), macs_share (multiply-adds over the dense model's: executed
for structured, if zeros were skipped for masks), mse, mse_relative, status.
"""

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from pandas.io.formats.style import Styler

from tsprune.errors import UserError
from tsprune.report.drawing import COLOURS, INK, MARKERS, RC, WIDTH, relative_axis
from tsprune.report.frames import density_text, finished, need, percent
from tsprune.report.tables import mean_and_spread, styled

_COLUMNS = ["model", "pred_len", "seed", "structure", "scope", "density_asked", "density_all", "macs_share"]
_TICKS = (1.0, 0.8, 0.6, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05)


def structure_figure(structures: pd.DataFrame) -> Figure:
    """MSE relative to dense against what is left: a row per model and horizon, parameters left, multiply-adds right.

    Line: mean over the seeds, band: lowest to highest; both axes logarithmic. Raises UserError for an empty table, a
    missing column, or where no cell finished.
    """
    need(structures, "structures", [*_COLUMNS, "mse", "mse_relative", "status"])
    done = finished(structures).assign(kind=_kinds)
    if done.empty:
        raise UserError(f"table 'structures': none of the {len(structures)} cells finished")
    kinds = list(done["kind"].unique())
    looks = {kind: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, kind in enumerate(kinds)}
    rows = list(done.groupby(["model", "pred_len"], sort=False))
    several = structures["pred_len"].nunique() > 1
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 1.0 + 2.35 * len(rows)), layout="constrained")
        figure.set_label("Line charts of MSE relative to dense against parameters and multiply-adds left.")
        grid = figure.subplots(len(rows), 2, squeeze=False, sharey="row")
        for ((model, pred_len), group), (left, right) in zip(rows, grid, strict=True):
            for axes, column in ((left, "density_all"), (right, "macs_share")):
                for kind, (colour, marker) in looks.items():
                    _line(axes, group[group["kind"] == kind], column, colour, marker)
                axes.axhline(1, color=INK, linewidth=1.2, zorder=1)
                _share_axis(axes, group[column])
            relative_axis(left, 0.97 * min(group["mse_relative"].min(), 1), 1.05 * group["mse_relative"].max())
            right.grid(axis="y", zorder=0)
            left.set_title(f"{model} · horizon {pred_len}" if several else model)
            left.set_ylabel("MSE relative\nto dense")
        grid[-1, 0].set_xlabel("Share of all parameters kept")
        grid[-1, 1].set_xlabel("Share of multiply-adds")
        handles = [
            Line2D([], [], color=colour, marker=marker, linewidth=2, markeredgecolor="white", label=kind)
            for kind, (colour, marker) in looks.items()
        ]
        handles.append(Line2D([], [], color=INK, linewidth=1.2, label="dense"))
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), columnspacing=1.3)
    return figure


def structure_table(structures: pd.DataFrame) -> Styler:
    """Asked and achieved share of parameters, share of multiply-adds and test MSE, for 2:4 and structured pruning."""
    need(structures, "structures", [*_COLUMNS, "mse", "mse_relative", "status"])
    rows = {}
    other = structures[structures["structure"] != "unstructured"]
    for (model, structure, asked), group in other.groupby(["model", "structure", "density_asked"], sort=False):
        rows[model, structure, density_text(asked)] = {
            "parameters kept": percent(group["density_all"].mean()),
            "multiply-adds": percent(group["macs_share"].mean()),
            "MSE": mean_and_spread(group, "mse"),
            "over dense": f"{group['mse_relative'].mean():.2f}",
        }
    if not rows:
        raise UserError("table 'structures' has only unstructured cells")
    index = pd.MultiIndex.from_tuples(rows, names=["model", "structure", "asked"])
    caption = "2:4 is asked of each layer it fits; structured pruning is asked a share of all parameters."
    return styled(pd.DataFrame(list(rows.values()), index=index), caption)


def _kinds(rows: pd.DataFrame) -> pd.Series:
    """Structure, with its scope where there are several."""
    scoped = rows["structure"] == "unstructured"
    return rows["structure"].where(~scoped, "unstructured, by " + rows["scope"].astype(str))


def _line(axes: Axes, rows: pd.DataFrame, x: str, colour: tuple, marker: str) -> None:
    points = rows.groupby("density_asked").agg(
        x=(x, "mean"), mean=("mse_relative", "mean"), low=("mse_relative", "min"), high=("mse_relative", "max")
    )
    points = points.sort_values("x")
    axes.fill_between(points["x"], points["low"], points["high"], color=colour, alpha=0.15, linewidth=0, zorder=2)
    axes.plot(points["x"], points["mean"], color=colour, marker=marker, markersize=5, markeredgecolor="white", zorder=3)


def _share_axis(axes: Axes, values: pd.Series) -> None:
    """Log axis from all on the left to little on the right."""
    lowest = min(values.min(), 0.5)
    axes.set_xscale("log")
    axes.set_xlim(1.06, 0.94 * lowest)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if tick >= lowest]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
