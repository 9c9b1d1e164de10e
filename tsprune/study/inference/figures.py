"""Figures of study 06: what is pruning worth in time?"""

from collections.abc import Callable, Iterable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tsprune.report import drawing as kit
from tsprune.report.axes import REFERENCE, density_axis, log_axis
from tsprune.report.frames import NoRows
from tsprune.study.inference import gpu_figures
from tsprune.study.inference.phrases import windows
from tsprune.study.inference.result import (
    BFLOAT16,
    DENSE,
    EAGER,
    GRAPH,
    GRAPH_BFLOAT16,
    KERNEL,
    ONNX,
    ZEROS,
    kept,
    on_gpu,
    timed,
)

_ACROSS = 3


def first(speeds: pd.DataFrame) -> Figure:
    """On a CPU :func:`zeros`, on a GPU, where nothing leaves single zeros out, :func:`gpu_figures.forms`."""
    done = timed(speeds)
    return gpu_figures.forms(done) if on_gpu(done) else zeros(speeds)


def zeros(speeds: pd.DataFrame) -> Figure:
    """Speed over the dense model in eager PyTorch against density: a panel per model and batch size.

    The sparse kernel at each density, and across the panel the dense model in the other runtimes. Bars: 95 %
    intervals; hollow: not known to a tenth, or the machine was busy. Both axes are logarithmic. Raises NoRows for an
    empty table and UserError for a missing column.
    """
    done = timed(speeds)
    done = done[(done["form"] == DENSE) | ((done["form"] == ZEROS) & (done["runtime"] == KERNEL))]
    rivals = [name for name in done.loc[done["form"] == DENSE, "runtime"].unique() if name != EAGER]
    looks = kit.looks([KERNEL, *rivals])
    sparse = done[done["form"] == ZEROS]

    def draw(axes: Axes, own: pd.DataFrame) -> None:
        line = own[own["form"] == ZEROS].sort_values("share")
        _line(axes, line["share"], line, looks[KERNEL])
        for name in rivals:
            row = own[(own["form"] == DENSE) & (own["runtime"] == name)]
            axes.axhline(row["speedup"].mean(), color=looks[name][0], linestyle=kit.DOTTED, linewidth=2)
        density_axis(axes, sparse["share"].unique())

    handles = [kit.handle(KERNEL, *looks[KERNEL])]
    handles += [kit.handle(f"dense, {name}", looks[name][0], linestyle=kit.DOTTED, linewidth=2) for name in rivals]
    handles.append(kit.handle(f"dense, {EAGER}"))
    label = "Density of weights (log scale)"
    return _figure("Line charts of speed against density.", done, draw, handles, label)


def narrow(speeds: pd.DataFrame) -> Figure:
    """How many times as fast a narrower model is as the dense one in the same runtime, against how many times fewer
    multiply-adds it has: a panel per model and batch size.

    On the diagonal all of the promise is kept. Hollow: not known to a tenth, or the machine was busy. Both axes are
    logarithmic. Raises NoRows for an empty table and where nothing was narrowed, UserError for a missing column.
    """
    found = kept(speeds).assign(fewer=lambda rows: 1 / rows["macs_share"])
    looks = kit.looks([EAGER, ONNX, BFLOAT16, GRAPH, GRAPH_BFLOAT16])
    shown = {name: look for name, look in looks.items() if name in set(found["runtime"])}
    most = max(found["fewer"].max(), 2.0)

    def draw(axes: Axes, own: pd.DataFrame) -> None:
        axes.plot([1, most], [1, most], linestyle="--", **REFERENCE)
        for name, look in shown.items():
            line = own[own["runtime"] == name].sort_values("fewer")
            _line(axes, line["fewer"], line, look, "gain")
        log_axis(axes.xaxis, 1 / 1.1, most * 1.1)

    handles = [*kit.handles(shown), kit.handle("time goes with multiply-adds", linestyle="--")]
    label = "Times fewer multiply-adds"
    return _figure("Line charts of speed against multiply-adds.", found, draw, handles, label, "gain")


def _line(axes: Axes, x: pd.Series, rows: pd.DataFrame, look: tuple, y: str = "speedup") -> None:
    colour, marker = look
    axes.plot(x, rows[y], color=colour, linewidth=2, zorder=2)
    if y == "speedup":
        axes.vlines(x, rows["speedup_low"], rows["speedup_high"], color=colour, linewidth=2, alpha=0.5)
    for fine, face in ((True, colour), (False, "white")):
        part = rows["trouble"].isna() == fine
        place = {"linestyle": "none", "markersize": 7, "zorder": 3}
        axes.plot(x[part], rows.loc[part, y], marker=marker, color=colour, markerfacecolor=face, **place)


def _figure(
    alt: str,
    rows: pd.DataFrame,
    draw: Callable[[Axes, pd.DataFrame], None],
    handles: Iterable,
    xlabel: str,
    y: str = "speedup",
) -> Figure:
    """A panel per model, horizon and batch size. Raises NoRows where ``rows`` has none."""
    if rows.empty:
        raise NoRows("table 'speeds': nothing of this was timed")
    cases = list(rows.groupby(["model", "pred_len", "batch"], sort=False))
    several = rows["pred_len"].nunique() > 1
    ends = rows[[y, "speedup_low", "speedup_high"]] if y == "speedup" else rows[[y]]
    low, high = min(1.0, ends.min(axis=None)), max(1.0, ends.max(axis=None))
    with kit.canvas(1.2 + 2.6 * -(-len(cases) // _ACROSS), alt) as figure:
        places = kit.panels(figure, len(cases), _ACROSS, xlabel, "Times as fast\n(log scale)")
        for ((model, pred_len, batch), own), axes in zip(cases, places, strict=True):
            draw(axes, own)
            log_axis(axes.yaxis, low / 1.15, high * 1.15, text="{:g}".format)
            axes.axhline(1, **REFERENCE)
            axes.grid(axis="y", zorder=0)
            horizon = f", horizon {pred_len}" if several else ""
            axes.set_title(f"{model.replace('_', chr(10))}{horizon}, {windows(batch)}")
        kit.legend(figure, list(handles))
        unclear = "Hollow: not known to a tenth, or the machine was busy." if rows["trouble"].notna().any() else ""
        kit.note(figure, f"Both axes are logarithmic. Medians over rounds in turn; {rows['load'].iloc[0]}.", unclear)
    return figure
