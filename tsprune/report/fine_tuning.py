"""Figures, tables and verdict of study 02: what does training on after pruning bring back?

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
from pandas.io.formats.style import Styler

from tsprune.errors import UserError
from tsprune.report.drawing import COLOURS, INK, MARKERS, RC, WIDTH, density_axis, relative_axis
from tsprune.report.frames import NBSP, density_labels, density_text, finished, listed, need
from tsprune.report.tables import mean_and_spread, styled

SPARSE_ARMS = ("pruned", "fine-tuned", "iterative", "rewound")
STRUCTURES = {"unstructured": "single weights", "structured": "narrower layers", "2:4": "2:4"}
"""In reading order, with the words for them."""
NOISE = "within the noise"
_COLUMNS = ["dataset", "model", "pred_len", "seed", "structure", "arm", "density_asked", "mse", "mse_relative"]
_COLUMNS += ["status"]
_PAIRS = ["model", "pred_len", "structure", "density_asked", "arm", "against", "relative", "low", "high", "clear"]
_PAIRS += ["seeds"]
# Panels of a model: what is drawn in each column, and its title.
_PANELS = {"single weights": ["unstructured"], "narrower layers, and 2:4": ["structured", "2:4"]}


def fine_tuning_figure(cells: pd.DataFrame) -> Figure:
    """MSE relative to dense against density: a row per model and horizon, a line per arm; single weights left, narrower
    layers and 2:4 right.

    Line: mean over the seeds; band: lowest to highest seed; 2:4 has the one density and is a pair of crosses. The solid
    line at 1 is the dense model, the dashed one the dense model trained as much longer. An arm that was run at one
    density is drawn a little beside it. Both axes are logarithmic.
    Raises UserError for an empty table or a missing column, and where no pruned cell finished.
    """
    done = _drawable(cells)
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
                for place, (arm, (colour, marker)) in enumerate(looks.items()):
                    line = panel[(panel["arm"] == arm) & (panel["structure"] != "2:4")]
                    if line["density_asked"].nunique() == 1:  # a lone point moves aside, so that none hides another
                        line = line.assign(density_asked=line["density_asked"] * (1 + 0.03 * place))
                    _line(axes, line, "density_asked", colour, marker)
                    _cross(axes, panel[(panel["arm"] == arm) & (panel["structure"] == "2:4")], colour)
                _references(axes, longer["mse_relative"].mean())
                density_axis(axes, _apart(asked.loc[asked["structure"].isin(_PANELS[name]), "density_asked"]))
            _share_y(row, own)
        for name, axes in row.items():
            left = "parameters (2:4: weights) kept" if name != "single weights" else "prunable weights kept"
            axes.set_xlabel(f"Share of {left} (log scale)")
        handles = [_handle(arm, *look) for arm, look in looks.items()]
        if "2:4" in set(sparse["structure"]):
            handles.append(Line2D([], [], color="#777777", marker="P", linestyle="", label="2:4, colours as the arms"))
        _finish(figure, [*handles, *_reference_handles("dense, trained as long")], done)
    return figure


def recovery_figure(history: pd.DataFrame) -> Figure:
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
                for density, look in looks.items():
                    line = panel[(panel["density_asked"] == density) & (panel["structure"] != "2:4")]
                    _line(axes, line, "epoch", *look)
                _line(axes, panel[panel["structure"] == "2:4"], "epoch", *half)
                axes.plot(control.index, control, color=INK, linestyle="--", linewidth=1.2, zorder=2)
                axes.axhline(1, color=INK, linewidth=1.2, zorder=1)
                axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            _share_y(row, own[own["arm"].isin(["fine-tuned", "dense longer"])])
        for axes in row.values():
            axes.set_xlabel("Epochs after pruning")
        handles = [_handle(f"density {densities[d]}", *look) for d, look in looks.items()]
        if "2:4" in set(tuned["structure"]):
            handles.append(_handle("2:4", *half))
        _finish(figure, [*handles, *_reference_handles("dense, trained on")], tuned)
    return figure


def fine_tuning_table(cells: pd.DataFrame) -> Styler:
    """Test MSE per model, structure and density: as it is (dense, or pruned and left), trained on (both as long),
    iterative, rewound. ``mean ± standard deviation`` over the seeds; a word where none finished."""
    need(cells, "cells", _COLUMNS)
    columns = {"as it is": ["dense", "pruned"], "trained on": ["dense longer", "fine-tuned"]}
    columns |= {arm: [arm] for arm in ("iterative", "rewound") if arm in set(cells["arm"])}
    rows = {}
    for (model, pred_len, structure), group in _ordered(cells).groupby(["model", "pred_len", "structure"], sort=False):
        texts = density_labels(group["density_asked"])
        for density in sorted(group["density_asked"].unique(), reverse=True):
            own = group[group["density_asked"] == density]
            present = {column: own[own["arm"].isin(arms)] for column, arms in columns.items()}
            name = "dense" if density == 1 else STRUCTURES[structure]
            rows[model, f"{pred_len}", name, texts[density]] = {
                column: mean_and_spread(cell, "mse") if len(cell) else "" for column, cell in present.items()
            }
    index = pd.MultiIndex.from_tuples(rows, names=["model", "horizon", "structure", "density"])
    table = pd.DataFrame(list(rows.values()), index=index)
    if cells["pred_len"].nunique() == 1:
        table = table.droplevel("horizon")
    return styled(table, "Test MSE on scaled data, mean ± standard deviation over seeds.")


def tuning_comparisons_table(comparisons: pd.DataFrame) -> Styler:
    """Every pair of arms: relative difference of the test MSE with its 95 % interval; in italics what is no claim."""
    need(comparisons, "comparisons", _PAIRS)
    texts = density_labels(comparisons["density_asked"])
    rows, marks = {}, {}
    keys = ["model", "pred_len", "structure", "density_asked"]
    for (model, pred_len, structure, density), group in _ordered(comparisons).groupby(keys, sort=False):
        short = STRUCTURES[structure].removeprefix("single ").removesuffix(" layers")  # a wide table
        label = (model, f"{pred_len}", f"{short}, {texts[density]}")
        pairs = {f"{row['arm']} / {row['against']}": row for row in group.to_dict("records")}
        rows[label] = {name: _cell(row) for name, row in pairs.items()}
        marks[label] = {name: "" if row["clear"] else "fallen" for name, row in pairs.items()}
    index = pd.MultiIndex.from_tuples(rows, names=["model", "horizon", "structure, density"])
    table = pd.DataFrame(list(rows.values()), index=index).fillna("")
    classes = pd.DataFrame(list(marks.values()), index=index).reindex(columns=table.columns).fillna("")
    if comparisons["pred_len"].nunique() == 1:
        table, classes = table.droplevel("horizon"), classes.droplevel("horizon")
    caption = (
        "Test MSE of the first arm over that of the second, less one, in percent (below 0: the first is better), with "
        "the interval that holds 95 % of a paired block bootstrap over seeds and test windows. In italics: within the "
        "noise, no claim."
    )
    return styled(table, caption).set_td_classes(classes)


def fine_tuning_verdict(cells: pd.DataFrame, comparisons: pd.DataFrame) -> str:
    """What training on brings back, as Markdown; every claim is one whose interval is clear of zero.

    The measure is the dense model trained as long: a pruned model that only beats the shorter-trained dense one has
    gained from training, not from pruning. The sparsest density is spoken of; with one seed nothing is claimed.
    """
    done = _drawable(cells)
    need(comparisons, "comparisons", _PAIRS)
    seeds = done["seed"].nunique()
    dataset = listed([str(name) for name in cells["dataset"].unique()])
    horizons = listed([str(h) for h in sorted(cells["pred_len"].unique())])
    where = f"On {dataset} (horizon {horizons}, {f'{seeds} seeds' if seeds > 1 else 'one seed'})"
    if seeds < 2:
        return f"{where} nothing is claimed: with one seed the spread over seeds is unknown, the numbers stand below."
    lowest = comparisons.loc[comparisons["structure"] == "unstructured", "density_asked"].min()
    at = comparisons[comparisons["density_asked"].eq(lowest) | (comparisons["structure"] == "2:4")]
    first = (
        f"{where}, training on takes the MSE of models cut to density {density_text(lowest)}, against the dense model "
        f"trained as long, for {_recovery(at[at['structure'] == 'unstructured'])} (in brackets the 95{NBSP}% interval)."
    )
    others = [
        f"{intro}: {_recovery(at[at['structure'] == structure])}"
        for structure, intro in (
            ("structured", f"for models narrowed to {density_text(lowest)} of the parameters"),
            ("2:4", "with 2:4 masks"),
        )
        if (at["structure"] == structure).any()
    ]
    sentences = [f"The same {'. And '.join(others)}."] if others else []
    own = at[at["structure"] == "unstructured"]
    sentences.append(_pairs(own, "iterative", f"Pruning step by step instead of at once (density {lowest:.2g})"))
    sentences.append(_pairs(own, "rewound", "Starting over from the initial weights under the same mask"))
    bad = cells[cells["status"] != "ok"]
    if len(bad):
        sentences.append(f"{len(bad)} of {len(cells)} cells did not finish and are left out.")
    return f"{first}\n\n" + " ".join(sentence for sentence in sentences if sentence)


def _recovery(rows: pd.DataFrame) -> str:
    """``**A** from +50 % to +3 % (1 to 5 %)`` per model, each number against the dense model trained as long."""
    parts = []
    for model, group in rows[rows["against"] == "dense longer"].groupby("model", sort=False):
        before, after = (group[group["arm"] == arm] for arm in ("pruned", "fine-tuned"))
        parts.append(f"**{model}** from {_amount(before, False)} to {_amount(after, True)}")
    return "; ".join(parts)


def _amount(rows: pd.DataFrame, with_interval: bool) -> str:
    """Relative difference over the horizons, of those that are clear; with its interval where there is one horizon."""
    clear, known = rows[rows["clear"]], rows[rows["seeds"] > 1]
    if known.empty:
        return "no result"
    if clear.empty:
        alone = f" ({_interval(known.iloc[0])})" if with_interval and len(known) == 1 else ""
        return f"no difference beyond the noise{alone}"
    if len(rows) == 1:
        row = clear.iloc[0]
        return _interval(row) if with_interval else _signed(row["relative"])
    low, high = _signed(clear["relative"].min()), _signed(clear["relative"].max())
    reach = low if low == high else f"{low} to {high}"
    rest = "" if len(clear) == len(rows) else f" (at {len(clear)} of {len(rows)} horizons, else {NOISE})"
    return reach + rest


def _pairs(rows: pd.DataFrame, arm: str, what: str) -> str:
    """For which models ``arm`` is clearly better or worse than training on after pruning at once."""
    rows = rows[(rows["arm"] == arm) & (rows["against"] == "fine-tuned") & (rows["seeds"] > 1)]
    if rows.empty:
        return ""
    lower, higher, same = [], [], []
    for model, group in rows.groupby("model", sort=False):
        clear = group[group["clear"]]
        if clear.empty:
            same.append(f"**{model}**")
        elif (clear["relative"] < 0).all():
            lower.append(f"**{model}** ({_gain(group)})")
        elif (clear["relative"] > 0).all():
            higher.append(f"**{model}** ({_gain(group)})")
        else:
            same.append(f"**{model}** (better at one horizon, worse at another)")
    parts = []
    if lower:
        parts.append(f"lowers the MSE of {listed(lower)}")
    if higher:
        parts.append(f"raises {'that' if lower else 'the MSE'} of {listed(higher)}")
    if same:
        parts.append(f"makes no difference beyond the noise for {listed(same)}")
    return f"{what} {'; it '.join(parts)}."


def _gain(rows: pd.DataFrame) -> str:
    """As :func:`_amount` with the interval, without brackets of its own where there is one horizon."""
    if len(rows) > 1:
        return _amount(rows, True)
    row = rows.iloc[0]
    return f"{_signed(row['relative'])}, {_number(row['low'])} to {_number(row['high'])}"


def _interval(row: dict | pd.Series) -> str:
    """``+5.1 % (+3.0 to +7.2)``."""
    return f"{_signed(row['relative'])} ({_number(row['low'])} to {_number(row['high'])})"


def _cell(row: dict) -> str:
    if not row["seeds"]:
        return "no result"
    low, high = (_number(row[end]).removeprefix("+") for end in ("low", "high"))
    return f"{_number(row['relative'])} ({low}…{high})"


def _signed(share: float) -> str:
    return f"{_number(share)}{NBSP}%"


def _number(share: float) -> str:
    """A share in percent with its sign, with a decimal below ten."""
    percents = 100 * share
    return f"{percents:+.{1 if abs(percents) < 9.95 else 0}f}".replace("-", "−")


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of each model and horizon by structure, in reading order. Raises UserError for an unknown structure."""
    unknown = set(frame["structure"]) - set(STRUCTURES)
    if unknown:
        raise UserError(f"unknown structure {sorted(unknown)}; allowed: {', '.join(STRUCTURES)}")
    places = {model: place for place, model in enumerate(frame["model"].unique())}
    ranks = {"_model": frame["model"].map(places), "_structure": frame["structure"].map([*STRUCTURES].index)}
    by = ["_model", "pred_len", "_structure", "density_asked"]
    return frame.assign(**ranks).sort_values(by, ascending=[True, True, True, False], kind="stable")


def _drawable(cells: pd.DataFrame) -> pd.DataFrame:
    need(cells, "cells", _COLUMNS)
    done = finished(cells)
    if not done["arm"].isin(SPARSE_ARMS).any():
        raise UserError(f"table 'cells': none of the {len(cells)} cells of a pruned model finished")
    return done


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
        label = model if frame["pred_len"].nunique() == 1 else f"{model} · horizon {pred_len}"
        for name, panel in zip(names, axes, strict=True):
            panel.set_title(f"{label}: {name}" if len(names) > 1 else label)
        axes[0].set_ylabel(ylabel)
        panels[model, pred_len] = dict(zip(names, axes, strict=True))
    return figure, panels


def _share_y(row: dict[str, Axes], rows: pd.DataFrame) -> None:
    """One relative axis for the panels of a model, with room for all its lines."""
    values = [*rows["mse_relative"], 1.0]
    for axes in row.values():
        relative_axis(axes, 0.97 * min(values), 1.05 * max(*values, 1.05))


def _line(axes: Axes, rows: pd.DataFrame, x: str, colour: tuple, marker: str) -> None:
    """Mean and range over the seeds of ``mse_relative`` against the column ``x``."""
    points = rows.groupby(x)["mse_relative"].agg(["mean", "min", "max"])
    axes.fill_between(points.index, points["min"], points["max"], color=colour, alpha=0.18, linewidth=0, zorder=2)
    axes.plot(points.index, points["mean"], color=colour, marker=marker, markeredgecolor="white", linewidth=2, zorder=3)


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


def _handle(label: str, colour: tuple, marker: str) -> Line2D:
    return Line2D([], [], color=colour, marker=marker, linewidth=2, markeredgecolor="white", label=label)


def _finish(figure: Figure, handles: list[Line2D], rows: pd.DataFrame) -> None:
    figure.legend(
        handles=handles, loc="outside upper left", ncols=len(handles) if len(handles) <= 6 else 4, columnspacing=1.3
    )
    seeds = rows["seed"].nunique()
    note = f"Line: mean of {seeds} seeds; band: lowest to highest seed." if seeds > 1 else "One seed: no spread."
    figure.supxlabel(note, fontsize=9, color="#555555", x=0.01, ha="left")
