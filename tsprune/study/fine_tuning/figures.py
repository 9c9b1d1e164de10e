"""Figures of study 02: what does fine-tuning after pruning bring back?"""

from collections.abc import Callable, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tsprune.report import drawing as kit
from tsprune.report.axes import REFERENCE, density_axis, relative_axis
from tsprune.report.cases import case_title, cases, of_case
from tsprune.report.frames import need
from tsprune.report.text import density_labels
from tsprune.study.fine_tuning.result import HISTORY, drawable, sparse_arms

# Panels of a model: what is drawn in each column, and its title.
_PANELS = {"single weights": ("unstructured",), "narrower layers, and 2:4": ("structured", "2:4")}


_ACROSS = 3
"""Models side by side, where each has one panel."""


def arms(cells: pd.DataFrame) -> Figure:
    """MSE relative to dense against density, per model and horizon, a line per arm; single weights left, narrower
    layers and 2:4, where there are such, right.

    Line: mean over the seeds; band: lowest to highest seed; 2:4 has the one density and is a cross with a bar. The
    solid line at 1 is the dense model, the dashed one the dense model trained as much longer. An arm that was run at
    one density is drawn a little beside it. Both axes are logarithmic.

    Raises UserError for an empty table or a missing column, and where no pruned cell finished.
    """
    done = drawable(cells)
    names = sparse_arms(cells["arm"])
    sparse = done[done["arm"].isin(names)]
    shown = {arm: look for arm, look in kit.looks(names).items() if arm in set(sparse["arm"])}
    asked = cells[cells["arm"].isin(names)]

    def draw(axes: Axes, own: pd.DataFrame, name: str) -> None:
        panel = own[own["arm"].isin(names)]
        for place, (arm, (colour, marker)) in enumerate(shown.items()):
            line = panel[(panel["arm"] == arm) & (panel["structure"] != "2:4")]
            if line["density_asked"].nunique() == 1:  # a lone point moves aside, so that none hides another
                line = line.assign(density_asked=line["density_asked"] * (1 + 0.03 * place))
            kit.band_line(axes, line, "density_asked", "mse_relative", color=colour, marker=marker, markersize=9)
            _cross(axes, panel[(panel["arm"] == arm) & (panel["structure"] == "2:4")], colour)
        axes.axhline(own.loc[own["arm"] == "dense longer", "mse_relative"].mean(), linestyle="--", **REFERENCE)
        density_axis(axes, asked.loc[asked["structure"].isin(_PANELS[name]), "density_asked"].unique())
        left = "parameters (2:4: weights) kept" if name != "single weights" else "prunable weights kept"
        axes.set_xlabel(f"Share of {left}\n(log scale)")

    cross = kit.handle("2:4, colours as the arms", "#777777", "P", linestyle="none")
    handles = (
        *kit.handles(shown),
        *([cross] if "2:4" in set(sparse["structure"]) else ()),
        kit.handle("dense"),
        kit.handle("dense, trained as long", linestyle="--"),
    )
    alt = "Line charts of MSE relative to dense against density, with and without fine-tuning."
    return _figure(alt, done, sparse, cases(cells), "MSE relative to\ndense (log scale)", draw, handles)


def recovery(history: pd.DataFrame) -> Figure:
    """Test MSE relative to dense after each epoch of training on, per model and horizon, a line per density; single
    weights left, narrower layers and 2:4, where there are such, right.

    Pruned at once; epoch 0 is the state straight after pruning. Dashed: the dense model trained on. Raises UserError
    for an empty table or a missing column.
    """
    need(history, "history", [*HISTORY, "epoch", "mse_relative"])
    tuned = history[history["arm"] == "fine-tuned"]
    densities = density_labels(tuned.loc[tuned["structure"] != "2:4", "density_asked"])
    *shown, (half, _) = kit.looks([*densities, "2:4"]).values()

    def draw(axes: Axes, own: pd.DataFrame, name: str) -> None:
        panel = own[own["arm"] == "fine-tuned"]
        for density, (colour, marker) in zip(densities, shown, strict=True):
            line = panel[(panel["density_asked"] == density) & (panel["structure"] != "2:4")]
            kit.band_line(axes, line, "epoch", "mse_relative", color=colour, marker=marker)
        kit.band_line(axes, panel[panel["structure"] == "2:4"], "epoch", "mse_relative", color=half, marker="P")
        control = own[own["arm"] == "dense longer"].groupby("epoch")["mse_relative"].mean()
        axes.plot(control.index, control, linestyle="--", **REFERENCE | {"zorder": 2})
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("Epochs after pruning")

    handles = (
        *(kit.handle(f"density {text}", *look) for text, look in zip(densities.values(), shown, strict=True)),
        *([kit.handle("2:4", half, "P")] if "2:4" in set(tuned["structure"]) else ()),
        kit.handle("dense"),
        kit.handle("dense, trained on", linestyle="--"),
    )
    drawn = history[history["arm"].isin(["fine-tuned", "dense longer"])]
    alt = "Line charts of test MSE relative to dense against epochs of training after pruning."
    return _figure(alt, drawn, tuned, cases(history), "Test MSE relative to\ndense (log scale)", draw, handles)


def _figure(
    alt: str,
    drawn: pd.DataFrame,
    sparse: pd.DataFrame,
    keys: list[tuple[str, int]],
    ylabel: str,
    draw: Callable[[Axes, pd.DataFrame, str], None],
    handles: Sequence[Line2D],
) -> Figure:
    """A panel for single weights per model and horizon; a row for each, with a second panel, where there are other
    structures.

    ``draw`` is given a panel, the rows of ``drawn`` that belong there, dense ones among them, and the panel's name.
    """
    names = [name for name, structures in _PANELS.items() if sparse["structure"].isin(structures).any()]
    arms = sparse_arms(drawn["arm"])
    places = [(case, name) for case in keys for name in names]
    across = len(names) if len(names) > 1 else min(len(keys), _ACROSS)
    with kit.canvas(1.1 + 2.2 * -(-len(places) // across), alt) as figure:
        grid = kit.panels(figure, len(places), across, "", ylabel, sharey="row" if len(names) > 1 else False)
        for (case, name), axes in zip(places, grid, strict=True):
            own = of_case(drawn, *case)
            values = [*own["mse_relative"], 1.0]
            panel = own[own["structure"].isin(_PANELS[name]) | ~own["arm"].isin(arms)]
            draw(axes, panel, name)
            if axes not in grid[-across:]:
                axes.set_xlabel("")
            relative_axis(axes, 0.97 * min(values), 1.05 * max(*values, 1.05))
            if not panel["arm"].isin(arms).any():  # a model without widths to narrow, where others have them
                words = {"ha": "center", "va": "center", "color": "#555555", "transform": axes.transAxes}
                axes.text(0.5, 0.5, "no such cells", **words)
            title = case_title(drawn, *case)
            axes.set_title(f"{title}: {name}" if len(names) > 1 else title)
        kit.legend(figure, handles)
        kit.note(figure, kit.spread_note(drawn))
    return figure


def _cross(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    """2:4 has one density: the mean over the seeds and their range."""
    if len(rows):
        values = rows["mse_relative"]
        axes.vlines(rows["density_asked"].iloc[0], values.min(), values.max(), color=colour, alpha=0.5, linewidth=2)
        axes.plot(rows["density_asked"].iloc[0], values.mean(), color=colour, marker="P", markersize=9, zorder=4)
