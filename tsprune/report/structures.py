"""Every structure of sparsity side by side: single weights, 2:4, narrower layers, and what each gains in time.

``structures`` has a row per cell: model, pred_len, seed, method, structure ('unstructured', '2:4', 'structured'),
scope, density_asked, density_all (share of all parameters kept), density_live (share of the parameters with an effect
on the forecast), macs_share (multiply-adds over the dense model's: executed for structured, if zeros were skipped for
masks), mse, mse_relative, status, reason. Method 'depgraph_paper' is the paper's protocol, status 'broken' a model that
it breaks.

``latency`` has a row per model, horizon, variant and batch size: median and 5th and 95th percentile of the speedup
over the dense model, measured beside it.
"""

import math

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from pandas.io.formats.style import Styler

from tsprune.errors import UserError
from tsprune.report.drawing import (
    COLOURS,
    INK,
    MARKERS,
    RC,
    WIDTH,
    case_title,
    handle,
    note,
    relative_axis,
    spread_note,
)
from tsprune.report.failures import cause
from tsprune.report.frames import NBSP, density_labels, density_text, finished, listed, need, percent
from tsprune.report.phrases import bold, spread_text
from tsprune.report.tables import labelled, mean_and_spread, styled

PAPER = "DepGraph as published"
_COLUMNS = ["model", "pred_len", "seed", "method", "structure", "scope", "density_asked", "density_all", "density_live"]
_COLUMNS += ["macs_share", "mse", "mse_relative", "status", "reason"]
_SPEED = ["model", "pred_len", "method", "structure", "density_asked", "macs_share", "batch", "threads", "repeats"]
_SPEED += ["device", "median_ms", "speedup", "speedup_p5", "speedup_p95", "status", "reason"]
_TICKS = (1.0, 0.8, 0.6, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01)


def structure_figure(structures: pd.DataFrame) -> Figure:
    """MSE relative to dense against what is left: a row per model and horizon, live parameters left, multiply-adds
    right.

    Line: mean over the seeds, band: lowest to highest; both axes logarithmic. Raises UserError for an empty table, a
    missing column, or where no cell finished.
    """
    need(structures, "structures", _COLUMNS)
    done = finished(structures).assign(kind=_kinds)
    if done.empty:
        raise UserError(f"table 'structures': none of the {len(structures)} cells finished")
    kinds = list(done["kind"].unique())
    looks = {kind: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, kind in enumerate(kinds)}
    rows = list(done.groupby(["model", "pred_len"], sort=False))
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 1.0 + 2.35 * len(rows)), layout="constrained")
        figure.set_label("Line charts of MSE relative to dense against live parameters and multiply-adds left.")
        grid = figure.subplots(len(rows), 2, squeeze=False, sharey="row")
        for ((model, pred_len), group), (left, right) in zip(rows, grid, strict=True):
            for axes, column in ((left, "density_live"), (right, "macs_share")):
                for kind, (colour, marker) in looks.items():
                    _line(axes, group[group["kind"] == kind], column, colour, marker)
                axes.axhline(1, color=INK, linewidth=1.2, zorder=1)
                _share_axis(axes, group[column])
            relative_axis(left, 0.97 * min(group["mse_relative"].min(), 1), 1.05 * group["mse_relative"].max())
            right.grid(axis="y", zorder=0)
            left.set_title(case_title(structures, model, pred_len))
            left.set_ylabel("MSE relative\nto dense")
        grid[-1, 0].set_xlabel("Share of live parameters left (log scale)")
        grid[-1, 1].set_xlabel("Share of multiply-adds (log scale)")
        handles = [handle(kind, *look) for kind, look in looks.items()]
        handles.append(Line2D([], [], color=INK, linewidth=1.2, label="dense"))
        figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), 6), columnspacing=1.3)
        note(figure, spread_note(done))
    return figure


def structure_words(structures: pd.DataFrame, latency: pd.DataFrame) -> str:
    """What was asked and what was reached, and what it gains in time, as Markdown; empty where nothing is narrowed.

    ``latency`` may be empty. A speedup is called one only where its 5th percentile over the rounds lies above 1.
    """
    need(structures, "structures", _COLUMNS)
    sentences = [_targets(structures), _speed(latency)]
    return " ".join(sentence for sentence in sentences if sentence)


def target_table(structures: pd.DataFrame) -> Styler:
    """Asked and achieved: structured pruning solved for the share of parameters, and the paper's protocol asked for it.

    Means over the seeds. Raises UserError for an empty table, a missing column, and where nothing was narrowed.
    """
    need(structures, "structures", _COLUMNS)
    narrowed = structures[structures["structure"] == "structured"]
    if narrowed.empty:
        raise UserError("table 'structures': no cell was narrowed")
    labels, rows = density_labels(narrowed["density_asked"]), {}
    for (model, pred_len, asked), group in narrowed.groupby(["model", "pred_len", "density_asked"], sort=False):
        paper = group["method"] == "depgraph_paper"
        ours, theirs = _reached(group[~paper]), _reached(group[paper])
        reasons = [cause(reason) for reason in group.loc[group["reason"].notna(), "reason"].unique()]
        rows[model, f"{pred_len}", labels[asked]] = {
            **{f"solved: {name}": text for name, text in ours.items()},
            **({f"as published: {name}": text for name, text in theirs.items()} if paper.any() else {}),
            "reason": "; ".join(reasons),
        }
    table = labelled(rows, ["model", "horizon", "asked"], narrowed)
    if not table["reason"].any():
        table = table.drop(columns="reason")
    caption = (
        "Structured pruning asked for a share of all parameters: solved for it, and the paper's protocol "
        "(DepGraph, that share of the channels of each layer)."
    )
    return styled(table, caption)


def structure_table(structures: pd.DataFrame) -> Styler:
    """Parameters kept and live, multiply-adds and test MSE, for 2:4 and structured pruning."""
    need(structures, "structures", _COLUMNS)
    rows = {}
    other = structures[(structures["structure"] != "unstructured") & (structures["method"] != "depgraph_paper")]
    if other.empty:
        raise UserError("table 'structures' has only unstructured cells")
    labels = density_labels(other["density_asked"])
    keys = ["model", "pred_len", "structure", "density_asked"]
    for (model, pred_len, structure, asked), group in other.groupby(keys, sort=False):
        done = finished(group)
        rows[model, f"{pred_len}", structure, labels[asked]] = {
            "parameters": _share(done["density_all"]),
            "live": _share(done["density_live"]),
            "multiply-adds": _share(done["macs_share"]),
            "MSE": mean_and_spread(group, "mse"),
            "over dense": f"{done['mse_relative'].mean():.2f}" if len(done) else "",
        }
    table = labelled(rows, ["model", "horizon", "structure", "asked"], other)
    caption = (
        f"What is left, and the test MSE ({spread_text(other)}). 2:4 is asked of each layer it fits; "
        "structured pruning is asked a share of all parameters. Live: of the parameters with an effect on the forecast."
    )
    return styled(table, caption)


def latency_table(latency: pd.DataFrame) -> Styler:
    """Measured speedup over the dense model at each batch size, beside the share of multiply-adds."""
    need(latency, "latency", _SPEED)
    latency = latency.assign(variant=[_variant(row) for row in latency.to_dict("records")])
    rows, reasons = {}, []
    for (model, pred_len), group in latency.groupby(["model", "pred_len"], sort=False):
        bad = group[group["status"] != "ok"]
        reasons += [f"{model}: {reason}" for reason in bad["reason"].unique()]
        for name, variant in group[group["status"] == "ok"].groupby("variant", sort=False):
            rows[model, f"{pred_len}", name] = {
                "multiply-adds": _share(variant["macs_share"]),
                **{f"batch {row['batch']:g}": _speedup(row) for row in variant.to_dict("records")},
            }
    if not rows:
        raise UserError(f"table 'latency': nothing was timed. {'; '.join(reasons)}")
    table = labelled(rows, ["model", "horizon", "variant"], latency)
    first = latency[latency["status"] == "ok"].iloc[0]
    caption = (
        f"Measured speedup over the dense model (more than 1 is faster): median and, in brackets, 5th to 95th "
        f"percentile over {first['repeats']:.0f} rounds in which all variants took turns; {first['device']}, "
        f"{first['threads']:.0f} thread{'s' if first['threads'] > 1 else ''}, first seed. "
        f"Multiply-adds: share of the dense model's; for masks, if zeros were skipped."
    )
    return styled(table, caption + ("" if not reasons else f" Not timed: {'; '.join(reasons)}."))


def _targets(structures: pd.DataFrame) -> str:
    """How far structured pruning lies from what was asked, and the paper's protocol."""
    narrowed = structures[structures["structure"] == "structured"]
    paper = narrowed["method"] == "depgraph_paper"
    ours, theirs = finished(narrowed[~paper]), finished(narrowed[paper])
    if ours.empty:
        return ""
    asked = listed([percent(d) for d in sorted(ours["density_asked"].unique(), reverse=True)])
    off = 100 * (ours["density_all"] - ours["density_asked"]).abs().max()
    text = f"Asked for {asked} of the parameters, structured pruning ends at most {off:.1f} percentage points away"
    floors = ours[ours["reason"].notna()]
    if len(floors):
        text += f" (where it could go no closer: {listed(sorted(floors['model'].unique()))})"
    if paper.any():
        parts = []
        for density, group in theirs.groupby("density_asked", sort=False):
            low, high = group["density_all"].min(), group["density_all"].max()
            reach = percent(low) if percent(low) == percent(high) else f"{percent(low)} to {percent(high)}"
            parts.append(f"{reach} where {percent(density)} were asked")
        broken = bold(narrowed.loc[narrowed["status"] == "broken", "model"])
        if parts:
            text += f"; the paper's protocol leaves {listed(parts)}"
        if broken:
            text += f", and breaks {broken}" if parts else f"; the paper's protocol breaks {broken}"
    return text + "."


def _speed(latency: pd.DataFrame) -> str:
    """Speedups at the largest batch: zeros in place, and the narrowest models."""
    done = latency[(latency["status"] == "ok") & (latency["method"] != "dense")]
    if done.empty:
        return ""
    done = done[done["batch"] == done["batch"].max()]
    text = f"Measured at batch {done['batch'].iloc[0]:g}, "
    zeros, narrow = done[done["structure"] != "structured"], done[done["structure"] == "structured"]
    parts = []
    if len(zeros):
        parts.append(f"zeros in dense matrices (masks, 2:4) give {_range(zeros)} times the dense speed")
    if len(narrow):
        narrow = narrow[narrow["density_asked"] == narrow["density_asked"].min()]
        clear = bold(narrow.loc[narrow["speedup_p5"] > 1, "model"])
        which = f"faster in 95{NBSP}% of the rounds: {clear}" if clear else "none faster beyond the spread"
        share = percent(narrow["density_asked"].iloc[0])
        parts.append(f"models narrowed to {share} of the parameters {_range(narrow)} times ({which})")
    return text + ", ".join(parts) + "."


def _range(rows: pd.DataFrame) -> str:
    low, high = f"{rows['speedup'].min():.2f}", f"{rows['speedup'].max():.2f}"
    return low if low == high else f"{low} to {high}"


def _reached(rows: pd.DataFrame) -> dict[str, str]:
    done = finished(rows)
    return {
        "parameters": _share(done["density_all"]) if len(done) else " / ".join(rows["status"].unique()),
        "multiply-adds": _share(done["macs_share"]),
        "over dense": f"{done['mse_relative'].mean():.2f}" if len(done) else "",
    }


def _share(values: pd.Series) -> str:
    """Mean share in percent with a decimal: a target within one percent has to be seen."""
    return f"{100 * values.mean():.1f}{NBSP}%" if len(values) else ""


def _speedup(row: dict) -> str:
    if row["method"] == "dense":
        return f"{row['median_ms']:.2f}{NBSP}ms"
    return f"{row['speedup']:.2f} ({row['speedup_p5']:.2f}–{row['speedup_p95']:.2f})"


def _variant(row: dict) -> str:
    if row["method"] == "dense":
        return "dense"
    if row["structure"] == "2:4":
        return "2:4 (masked)"
    what = "zeros in place" if row["structure"] == "unstructured" else "structured"
    return f"{what}, {density_text(row['density_asked'])}"


def _kinds(rows: pd.DataFrame) -> pd.Series:
    """Structure, with its scope where there are several, and the paper's protocol apart."""
    kinds = rows["structure"].astype(str)
    kinds = kinds.mask(rows["structure"] == "unstructured", "unstructured, by " + rows["scope"].astype(str))
    return kinds.mask(rows["method"] == "depgraph_paper", PAPER)


def _line(axes: Axes, rows: pd.DataFrame, x: str, colour: tuple, marker: str) -> None:
    points = rows.groupby("density_asked").agg(
        x=(x, "mean"), mean=("mse_relative", "mean"), low=("mse_relative", "min"), high=("mse_relative", "max")
    )
    points = points.sort_values("x")
    axes.fill_between(points["x"], points["low"], points["high"], color=colour, alpha=0.15, linewidth=0, zorder=2)
    axes.plot(
        points["x"], points["mean"], color=colour, marker=marker, markersize=6.5, markeredgecolor="white", zorder=3
    )


def _share_axis(axes: Axes, values: pd.Series) -> None:
    """Log axis from all on the left to little on the right."""
    lowest = min(values.min(), 0.5)
    axes.set_xscale("log")
    axes.set_xlim(1.06, 0.94 * lowest)
    ticks = [1.0]
    for tick in _TICKS:
        if tick >= lowest and math.log(ticks[-1] / tick) > math.log(1 / lowest) / 9:  # labels that do not touch
            ticks.append(tick)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
