"""Tables of study 02: every arm, every comparison, and how the comparisons came out."""

import pandas as pd
from pandas.io.formats.style import Styler

from tsprune.errors import UserError
from tsprune.report.frames import need
from tsprune.report.outcomes import counts_table
from tsprune.report.tables import claim, labelled, mean_and_spread, styled
from tsprune.report.text import density_labels, interval_words, short_interval, spread_text
from tsprune.study.fine_tuning.result import CELLS, COMPARISONS, STRUCTURES, scored_arms


def arms(cells: pd.DataFrame) -> Styler:
    """Test MSE per model, structure and density: as it is (dense, or pruned and left), trained on (both as long),
    iterative, rewound, with another score. ``mean ± standard deviation`` over the seeds; a word where none finished."""
    need(cells, "cells", CELLS)
    columns = {"as it is": ["dense", "pruned"], "trained on": ["dense longer", "fine-tuned"]}
    columns |= {arm: [arm] for arm in ("iterative", "rewound") if arm in set(cells["arm"])}
    columns |= {arm: [arm] for arm in scored_arms(cells["arm"])}
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
    table = labelled(rows, ["model", "horizon", "structure", "density"], cells)
    told = [f"{column.capitalize()}: {_COLUMNS[column]}." for column in columns if column in _COLUMNS]
    told += ["With the name of a score: its weights instead of the largest."] if scored_arms(cells["arm"]) else []
    if (cells["structure"] == "structured").any():
        told.append("Density of narrower layers: the share of all parameters; else: of the prunable weights.")
    return styled(table, f"Test MSE on scaled data, {spread_text(cells)}. {' '.join(told)}")


_COLUMNS = {
    "as it is": "dense as trained, or pruned and left",
    "trained on": "both for as many epochs",
    "iterative": "pruned step by step during fine-tuning",
    "rewound": "the same mask on the initial weights, trained from there with the dense training's epochs on top",
}
"""What the columns of :func:`arms` hold."""


def comparisons(comparisons: pd.DataFrame) -> Styler:
    """Every pair of arms: relative difference of the test MSE with its 95 % interval; in italics what is no claim."""
    need(comparisons, "comparisons", COMPARISONS)
    texts = density_labels(comparisons["density_asked"])
    rows = {}
    keys = ["model", "pred_len", "structure", "density_asked"]
    for (model, pred_len, structure, density), group in _ordered(comparisons).groupby(keys, sort=False):
        short = STRUCTURES[structure].removeprefix("single ").removesuffix(" layers")  # a wide table
        rows[model, f"{pred_len}", f"{short}, {texts[density]}"] = {
            f"{row['arm']} / {row['against']}": claim(short_interval(row), row["clear"])
            for row in group.to_dict("records")
        }
    caption = (
        "Difference in test MSE of the first arm from the second, in percent (below 0: the first is better). "
        f"{interval_words(comparisons)} In italics: within the noise, no claim."
    )
    return styled(labelled(rows, ["model", "horizon", "structure, density"], comparisons), caption)


def counts(comparisons: pd.DataFrame) -> Styler:
    """How often each pair of arms came out how, over models and horizons, by structure and density."""
    need(comparisons, "comparisons", COMPARISONS)
    texts = density_labels(comparisons["density_asked"])
    keys = ["structure", "density_asked", "arm", "against"]
    groups = {
        f"{arm} against {against}, {STRUCTURES[structure]} {texts[density]}": group
        for (structure, density, arm, against), group in _ordered(comparisons).groupby(keys, sort=False)
    }
    caption = f"Comparisons of test MSE over models and horizons, by what may be claimed. {interval_words(comparisons)}"
    return counts_table(groups, caption)


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of each model and horizon by structure, in reading order. Raises UserError for an unknown structure."""
    unknown = set(frame["structure"]) - set(STRUCTURES)
    if unknown:
        raise UserError(f"unknown structure {sorted(unknown)}; allowed: {', '.join(STRUCTURES)}")
    places = {model: place for place, model in enumerate(frame["model"].unique())}
    ranks = {"_model": frame["model"].map(places), "_structure": frame["structure"].map([*STRUCTURES].index)}
    by = ["_model", "pred_len", "_structure", "density_asked"]
    return frame.assign(**ranks).sort_values(by, ascending=[True, True, True, False], kind="stable")
