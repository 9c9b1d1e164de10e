"""The files as points: what a forecast costs against what it loses."""

import pandas as pd
from matplotlib.figure import Figure

from tsprune.batch.compress.choice import SPARSE_RUN, Answer, front
from tsprune.batch.compress.ways import KINDS
from tsprune.report import drawing as kit
from tsprune.report.axes import REFERENCE, log_axis
from tsprune.report.style import INK
from tsprune.report.text import short_count

XLABELS = {
    "latency": "Latency of one window, ms (log scale)",
    "size": "Bytes of the file (log scale)",
    "macs": "Multiply-adds per window (log scale)",
}

MOST = 5
"""Losses above so many times what is accepted, and above 20 %, sit at the upper edge."""


def pareto(answer: Answer) -> Figure:
    """Test MSE over the dense model's against the goal's cost, a point per file, hollow for int8; bars: 95 % intervals
    over the test windows. The line joins the files that none beats in both, a ring marks the one that is written, the
    band is the loss that is accepted."""
    cost, files = answer.cost, answer.files[answer.files[answer.cost].notna()]
    looks = {kind: look for kind, look in kit.looks(KINDS).items() if kind in set(files["kind"])}
    limit = 100 * answer.question.max_loss
    top = min(max(MOST * limit, 20), max(100 * files[["test_loss", "high"]].max(axis=None), 1.5 * limit))
    above = f"Test MSE, % above that of\n{answer.dense['name']}"
    with kit.canvas(4.6, f"Test loss against {answer.question.goal}, a point per file.") as figure:
        (axes,) = kit.panels(figure, 1, 1, XLABELS[answer.question.goal], above)
        bottom = 100 * files[["test_loss", "low"]].clip(upper=0).min(axis=None)
        axes.set_ylim(bottom - 0.04 * (top - bottom), top + 0.04 * (top - bottom))
        axes.axhspan(axes.get_ylim()[0], limit, **kit.WITHIN)
        axes.axhline(0, **REFERENCE)
        best = front(files, cost)
        axes.plot(best[cost], (100 * best["test_loss"]).clip(upper=top), color="#9a9a9a", linewidth=1.2, zorder=1)
        for label, row in files.iterrows():
            _point(axes, row, cost, looks[row["kind"]], top, chosen=label == answer.chosen)
        log_axis(axes.xaxis, 0.85 * files[cost].min(), 1.18 * files[cost].max(), text=short_count)
        axes.grid(axis="y", zorder=0)
        ring = {"linestyle": "none", "markerfacecolor": "none", "markersize": 13, "markeredgewidth": 1.6}
        kit.legend(figure, [*kit.handles(looks, linestyle="none"), kit.handle(answer.mark, INK, "o", **ring)])
        bars = answer.files["low"].drop(answer.baseline).notna().any()
        far = int((100 * files["test_loss"] > top).sum())
        kit.note(
            figure,
            "Filled: float32; hollow: int8; grey inside: run without its zeros. "
            f"{'Bar: 95 % interval over the test windows, one seed. ' if bars else ''}Grey band: accepted loss.",
            f"△ {far} above the axis." if far else "",
        )
    return figure


def _point(axes, row: pd.Series, cost: str, look: tuple, top: float, chosen: bool) -> None:
    colour, marker = look
    loss, low, high = (100 * row[name] for name in ("test_loss", "low", "high"))
    if loss > top:
        drawn = pd.DataFrame({"at": [row[cost]], "mean": [loss]})
        kit.mark_above(axes, drawn, top, colour)
        return
    axes.vlines(row[cost], low, min(high, top), color=colour, linewidth=2, alpha=0.4, zorder=2)
    face = {"int8": "white", SPARSE_RUN: "#cccccc"}.get(row["weights"], colour)
    axes.plot(row[cost], loss, marker=marker, color=colour, markerfacecolor=face, markersize=7, zorder=3)
    if chosen:
        axes.plot(row[cost], loss, marker="o", color=INK, markerfacecolor="none", markersize=15, zorder=4)
