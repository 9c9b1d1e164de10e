"""Figures of study 02: what does training on after pruning bring back?

``cells`` has a row per model, horizon, seed, structure ('unstructured', '2:4', 'structured'), arm and density:
``dense``, ``dense longer`` (trained as much longer, the fair control), ``pruned``, ``fine-tuned``, ``iterative``,
``rewound``. ``history`` has a row per epoch of every arm that trains on. ``mse_relative`` is the test MSE over that of
the dense model of the same seed. ``comparisons`` has a row per model, horizon, structure, density and pair of arms:
``relative`` (test MSE of ``arm`` over that of ``against``, less one), its interval ``low`` to ``high``, and whether it
is ``clear`` of zero.
"""

from itertools import product

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tsprune.report.drawing import (
    COLOURS,
    INK,
    MARKERS,
    RC,
    WIDTH,
    band_line,
    case_title,
    density_axis,
    handle,
    note,
    relative_axis,
    spread_note,
)
from tsprune.report.frames import need
from tsprune.report.text import density_labels
from tsprune.study.fine_tuning.result import SPARSE_ARMS, drawable

# Panels of a model: what is drawn in each column, and its title.
_PANELS = {"single weights": ["unstructured"], "narrower layers, and 2:4": ["structured", "2:4"]}


def arms(cells: pd.DataFrame) -> Figure:
    """MSE relative to dense against density: a row per model and horizon, a line per arm; single weights left, narrower
    layers and 2:4 right.

    Line: mean over the seeds; band: lowest to highest seed; 2:4 has the one density and is a pair of crosses. The solid
    line at 1 is the dense model, the dashed one the dense model trained as much longer. An arm that was run at one
    density is drawn a little beside it. Both axes are logarithmic.
    Raises UserError for an empty table or a missing column, and where no pruned cell finished.
    """
    done = drawable(cells)
    sparse = done[done["arm"].isin(SPARSE_ARMS)]
    looks = {arm: (COLOURS[i], MARKERS[i]) for i, arm in enumerate(SPARSE_ARMS) if arm in set(sparse["arm"])}
    asked = cells.loc[cells["arm"].isin(SPARSE_ARMS), ["structure", "density_asked"]]
    with mpl.rc_context(RC):
        figure, panels = _panels(cells, sparse, "MSE relative\nto dense")
        figure.set_label("Line charts of MSE relative to dense against density, with and without training on.")
        for (model, pred_len), row in panels.items():
            own = done[(done["model"] == model) & (done["pred_len"] == pred_len)]
            longer = own[own["arm"] == "dense longer"]
            for name, axes in row.items():
                panel = own[own["arm"].isin(SPARSE_ARMS) & own["structure"].isin(_PANELS[name])]
                _say_if_empty(axes, panel)
                for place, (arm, (colour, marker)) in enumerate(looks.items()):
                    line = panel[(panel["arm"] == arm) & (panel["structure"] != "2:4")]
                    if line["density_asked"].nunique() == 1:  # a lone point moves aside, so that none hides another
                        line = line.assign(density_asked=line["density_asked"] * (1 + 0.03 * place))
                    band_line(axes, line, "density_asked", "mse_relative", color=colour, marker=marker)
                    _cross(axes, panel[(panel["arm"] == arm) & (panel["structure"] == "2:4")], colour)
                _references(axes, longer["mse_relative"].mean())
                density_axis(axes, _apart(asked.loc[asked["structure"].isin(_PANELS[name]), "density_asked"]))
            _share_y(row, own)
        for name, axes in row.items():
            left = "parameters (2:4: weights) kept" if name != "single weights" else "prunable weights kept"
            axes.set_xlabel(f"Share of {left} (log scale)")
        handles = [handle(arm, *look) for arm, look in looks.items()]
        if "2:4" in set(sparse["structure"]):
            handles.append(Line2D([], [], color="#777777", marker="P", linestyle="", label="2:4, colours as the arms"))
        _finish(figure, [*handles, *_reference_handles("dense, trained as long")], done)
    return figure


def recovery(history: pd.DataFrame) -> Figure:
    """Test MSE relative to dense after each epoch of training on: a row per model and horizon, a line per density;
    single weights left, narrower layers and 2:4 right.

    Pruned at once; epoch 0 is the state straight after pruning. Dashed: the dense model trained on. Raises UserError
    for an empty table or a missing column.
    """
    need(history, "history", ["model", "pred_len", "seed", "structure", "arm", "density_asked", "epoch"])
    need(history, "history", ["mse_relative"])
    tuned = history[history["arm"] == "fine-tuned"]
    densities = density_labels(tuned.loc[tuned["structure"] != "2:4", "density_asked"])
    looks = {density: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, density in enumerate(densities)}
    half = (COLOURS[len(looks) % len(COLOURS)], "P")
    with mpl.rc_context(RC):
        figure, panels = _panels(history, tuned, "Test MSE\nrelative to dense")
        figure.set_label("Line charts of test MSE relative to dense against epochs of training after pruning.")
        for (model, pred_len), row in panels.items():
            own = history[(history["model"] == model) & (history["pred_len"] == pred_len)]
            control = own[own["arm"] == "dense longer"].groupby("epoch")["mse_relative"].mean()
            for name, axes in row.items():
                panel = own[(own["arm"] == "fine-tuned") & own["structure"].isin(_PANELS[name])]
                _say_if_empty(axes, panel)
                for density, look in looks.items():
                    line = panel[(panel["density_asked"] == density) & (panel["structure"] != "2:4")]
                    band_line(axes, line, "epoch", "mse_relative", color=look[0], marker=look[1])
                band_line(
                    axes, panel[panel["structure"] == "2:4"], "epoch", "mse_relative", color=half[0], marker=half[1]
                )
                axes.plot(control.index, control, color=INK, linestyle="--", linewidth=1.2, zorder=2)
                axes.axhline(1, color=INK, linewidth=1.2, zorder=1)
                axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            _share_y(row, own[own["arm"].isin(["fine-tuned", "dense longer"])])
        for axes in row.values():
            axes.set_xlabel("Epochs after pruning")
        handles = [handle(f"density {densities[d]}", *look) for d, look in looks.items()]
        if "2:4" in set(tuned["structure"]):
            handles.append(handle("2:4", *half))
        _finish(figure, [*handles, *_reference_handles("dense, trained on")], tuned)
    return figure


def _panels(
    frame: pd.DataFrame, sparse: pd.DataFrame, ylabel: str
) -> tuple[Figure, dict[tuple[str, int], dict[str, Axes]]]:
    """A row per model and horizon; a panel for single weights, and one beside it where there are other structures."""
    keys = list(product(frame["model"].unique(), sorted(frame["pred_len"].unique())))
    names = [name for name, structures in _PANELS.items() if sparse["structure"].isin(structures).any()]
    figure = Figure(figsize=(WIDTH, 1.1 + 2.2 * len(keys)), layout="constrained")
    grid = figure.subplots(len(keys), len(names), squeeze=False, sharey="row")
    panels = {}
    for (model, pred_len), axes in zip(keys, grid, strict=True):
        label = case_title(frame, model, pred_len)
        for name, panel in zip(names, axes, strict=True):
            panel.set_title(f"{label}: {name}" if len(names) > 1 else label)
        axes[0].set_ylabel(ylabel)
        panels[model, pred_len] = dict(zip(names, axes, strict=True))
    return figure, panels


def _say_if_empty(axes: Axes, panel: pd.DataFrame) -> None:
    """As for a model without widths to narrow, where others have them."""
    if panel.empty:
        axes.text(0.5, 0.5, "no such cells", transform=axes.transAxes, ha="center", va="center", color="#555555")


def _share_y(row: dict[str, Axes], rows: pd.DataFrame) -> None:
    """One relative axis for the panels of a model, with room for all its lines."""
    values = [*rows["mse_relative"], 1.0]
    for axes in row.values():
        relative_axis(axes, 0.97 * min(values), 1.05 * max(*values, 1.05))


def _apart(densities: pd.Series) -> list[float]:
    """The densities from high to low without those whose labels would touch the one before."""
    kept: list[float] = []
    for density in sorted(densities.unique(), reverse=True):
        if not kept or kept[-1] / density > 1.1:
            kept.append(density)
    return kept


def _cross(axes: Axes, rows: pd.DataFrame, colour: tuple) -> None:
    """2:4 has one density: the mean over the seeds and their range."""
    if len(rows):
        values = rows["mse_relative"]
        axes.vlines(rows["density_asked"].iloc[0], values.min(), values.max(), color=colour, alpha=0.5, linewidth=2)
        axes.plot(rows["density_asked"].iloc[0], values.mean(), color=colour, marker="P", markersize=9, zorder=4)


def _references(axes: Axes, longer: float) -> None:
    axes.axhline(1, color=INK, linewidth=1.2, zorder=1)
    axes.axhline(longer, color=INK, linewidth=1.2, linestyle="--", zorder=1)


def _reference_handles(longer: str) -> list[Line2D]:
    return [
        Line2D([], [], color=INK, linewidth=1.2, label="dense"),
        Line2D([], [], color=INK, linewidth=1.2, linestyle="--", label=longer),
    ]


def _finish(figure: Figure, handles: list[Line2D], rows: pd.DataFrame) -> None:
    figure.legend(
        handles=handles, loc="outside upper left", ncols=len(handles) if len(handles) <= 6 else 4, columnspacing=1.3
    )
    note(figure, spread_note(rows))
